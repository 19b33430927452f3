"""Banks that a buyer can choose on our page (``paymethod=bankPay`` with ``defaultbank``).

The codes are those found in public code; Alipay's own list is not at hand, so a code that is not
here is sent all the same if it has the shape of one.
"""

from __future__ import annotations

from typing import NamedTuple


class Bank(NamedTuple):
    """A bank and its name in two languages."""

    #: The value of ``defaultbank``.
    code: str
    #: The name in English.
    english: str
    #: The name in Chinese.
    chinese: str


#: Personal banking, the large banks first.
BANKS = (
    Bank("ICBCB2C", "ICBC", "中国工商银行"),
    Bank("CCB", "China Construction Bank", "中国建设银行"),
    Bank("ABC", "Agricultural Bank of China", "中国农业银行"),
    Bank("BOCB2C", "Bank of China", "中国银行"),
    Bank("CMB", "China Merchants Bank", "招商银行"),
    Bank("COMM", "Bank of Communications", "交通银行"),
    Bank("POSTGC", "Postal Savings Bank", "中国邮政储蓄银行"),
    Bank("SPDB", "SPD Bank", "浦发银行"),
    Bank("CMBC", "China Minsheng Bank", "中国民生银行"),
    Bank("CIB", "Industrial Bank", "兴业银行"),
    Bank("CITIC", "China CITIC Bank", "中信银行"),
    Bank("CEBBANK", "China Everbright Bank", "中国光大银行"),
    Bank("GDB", "China Guangfa Bank", "广发银行"),
    Bank("SPABANK", "Ping An Bank", "平安银行"),
    Bank("BJBANK", "Bank of Beijing", "北京银行"),
    Bank("SHBANK", "Bank of Shanghai", "上海银行"),
)
