"""The banks that a buyer may choose in the shop (``paymethod=bankPay`` with ``defaultbank``).

The codes are those met in public code; Alipay knows more of them, so an unknown one is shown as it
came and never refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: What every code of a bank looks like.
BANK_CODE: Final = re.compile(r"[A-Z0-9]{1,32}(?:-[A-Z]{1,16})?")

#: What our checkout offers: personal banking, the large banks first.
OFFERED: Final = (
    "ICBCB2C",
    "CCB",
    "ABC",
    "BOCB2C",
    "CMB",
    "COMM",
    "POSTGC",
    "SPDB",
    "CMBC",
    "CIB",
    "CITIC",
    "CEBBANK",
    "GDB",
    "SPABANK",
    "BJBANK",
    "SHBANK",
)

# By code without its ending: in English and in Chinese.
_NAMES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "ICBC": ("Industrial and Commercial Bank of China", "中国工商银行"),
        "CMB": ("China Merchants Bank", "招商银行"),
        "CCB": ("China Construction Bank", "中国建设银行"),
        "BOC": ("Bank of China", "中国银行"),
        "ABC": ("Agricultural Bank of China", "中国农业银行"),
        "COMM": ("Bank of Communications", "交通银行"),
        "SPDB": ("Shanghai Pudong Development Bank", "上海浦东发展银行"),
        "GDB": ("China Guangfa Bank", "广发银行"),
        "CITIC": ("China CITIC Bank", "中信银行"),
        "CEB": ("China Everbright Bank", "中国光大银行"),
        "CEBBANK": ("China Everbright Bank", "中国光大银行"),
        "CIB": ("Industrial Bank", "兴业银行"),
        "SDB": ("Shenzhen Development Bank", "深圳发展银行"),
        "CMBC": ("China Minsheng Bank", "中国民生银行"),
        "HZCB": ("Bank of Hangzhou", "杭州银行"),
        "SHBANK": ("Bank of Shanghai", "上海银行"),
        "NBBANK": ("Bank of Ningbo", "宁波银行"),
        "SPABANK": ("Ping An Bank", "平安银行"),
        "BJRCB": ("Beijing Rural Commercial Bank", "北京农商银行"),
        "BJBANK": ("Bank of Beijing", "北京银行"),
        "FDB": ("Fudian Bank", "富滇银行"),
        "POSTGC": ("Postal Savings Bank of China", "中国邮政储蓄银行"),
        "PSBC": ("Postal Savings Bank of China", "中国邮政储蓄银行"),
        "SHRCB": ("Shanghai Rural Commercial Bank", "上海农商银行"),
        "WZCB": ("Bank of Wenzhou", "温州银行"),
        "HXB": ("Hua Xia Bank", "华夏银行"),
        "NJCB": ("Bank of Nanjing", "南京银行"),
    }
)
# Private and enterprise accounts, debit and credit cards.
_ENDING: Final = re.compile(r"(?:B2C|B2B|BTB)?(?:-[A-Z]+)?$")


def bank_of(code: str) -> str:
    """Returns the code without its ending: the bank alone, whatever kind of account it is.

    :param code: ``defaultbank``, for example ``ICBCB2C``.
    """
    return _ENDING.sub("", code)


def bank_name(code: str, language: str = "en") -> str:
    """Returns the name of a bank for people, the code itself where no name is known.

    :param code: ``defaultbank``, for example ``ICBCB2C``.
    :param language: ``"en"`` or ``"zh"``.
    """
    names = _NAMES.get(bank_of(code))
    if names is None:
        return code
    return names[1] if language == "zh" else names[0]
