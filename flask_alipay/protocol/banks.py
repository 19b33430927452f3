"""Banks that a buyer may choose in the shop (``paymethod=bankPay`` with ``defaultbank``).

The codes come from published code. Alipay supports more banks, so an unknown code is shown
unchanged and never rejected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from .i18n import N_

#: The format of every bank code.
BANK_CODE: Final = re.compile(r"[A-Z0-9]{1,32}(?:-[A-Z]{1,16})?")

#: Banks on the checkout page: personal banking, the large banks first.
CHECKOUT_BANKS: Final = (
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

# By code without the account suffix.
_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ICBC": N_("Industrial and Commercial Bank of China"),
        "CMB": N_("China Merchants Bank"),
        "CCB": N_("China Construction Bank"),
        "BOC": N_("Bank of China"),
        "ABC": N_("Agricultural Bank of China"),
        "COMM": N_("Bank of Communications"),
        "SPDB": N_("Shanghai Pudong Development Bank"),
        "GDB": N_("China Guangfa Bank"),
        "CITIC": N_("China CITIC Bank"),
        "CEB": N_("China Everbright Bank"),
        "CEBBANK": N_("China Everbright Bank"),
        "CIB": N_("Industrial Bank"),
        "SDB": N_("Shenzhen Development Bank"),
        "CMBC": N_("China Minsheng Bank"),
        "HZCB": N_("Bank of Hangzhou"),
        "SHBANK": N_("Bank of Shanghai"),
        "NBBANK": N_("Bank of Ningbo"),
        "SPABANK": N_("Ping An Bank"),
        "BJRCB": N_("Beijing Rural Commercial Bank"),
        "BJBANK": N_("Bank of Beijing"),
        "FDB": N_("Fudian Bank"),
        "POSTGC": N_("Postal Savings Bank of China"),
        "PSBC": N_("Postal Savings Bank of China"),
        "SHRCB": N_("Shanghai Rural Commercial Bank"),
        "WZCB": N_("Bank of Wenzhou"),
        "HXB": N_("Hua Xia Bank"),
        "NJCB": N_("Bank of Nanjing"),
    }
)
# Suffixes of personal and corporate accounts, debit and credit cards.
_ACCOUNT_SUFFIX: Final = re.compile(r"(?:B2C|B2B|BTB)?(?:-[A-Z]+)?$")


def strip_account_suffix(code: str) -> str:
    """Return a bank code without its account suffix (``B2C``, ``B2B``, ``-DEBIT`` …).

    :param code: ``defaultbank``, for example ``ICBCB2C``.
    """
    return _ACCOUNT_SUFFIX.sub("", code)


def bank_name(code: str) -> str:
    """Return the untranslated English name of a bank, or its code if the name is unknown.

    :param code: ``defaultbank``, for example ``ICBCB2C``.
    """
    return _NAMES.get(strip_account_suffix(code), code)
