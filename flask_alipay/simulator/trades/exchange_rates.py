"""Exchange rates in yuan: invented, and constant so that tests can compute with them.

The currencies are those of Alipay's cross-border products; amounts are in minor units, which some
currencies do not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import Final

from ...exceptions import InvalidAmount, InvalidParameter
from ...protocol.conversion import (
    NO_MINOR_UNIT,
    format_amount,
    format_china_time,
    parse_minor_units,
)

#: Yuan for one unit of a currency.
RATES: Final[Mapping[str, Decimal]] = MappingProxyType(
    {
        code: Decimal(rate)
        for code, rate in (
            ("AUD", "4.7000"),
            ("CAD", "5.2000"),
            ("CHF", "8.0000"),
            ("DKK", "1.0500"),
            ("EUR", "7.8000"),
            ("GBP", "9.1000"),
            ("HKD", "0.9100"),
            ("JPY", "0.0480"),
            ("KRW", "0.0053"),
            ("MYR", "1.6000"),
            ("NOK", "0.6700"),
            ("NZD", "4.3000"),
            ("SEK", "0.6800"),
            ("SGD", "5.3000"),
            ("THB", "0.2000"),
            ("USD", "7.1000"),
        )
    }
)
#: The most units of a currency in one trade.
MAX_RATES = 1_000_000


def check_currency(currency: str) -> None:
    """Check that Alipay settles in a currency.

    :raises InvalidParameter: otherwise.
    """
    if currency not in RATES:
        raise InvalidParameter("currency", f"must be one of {', '.join(RATES)}")


def read_units(text: str, currency: str, parameter: str) -> int:
    """Parse an amount of a foreign currency to minor units.

    :param text: at most two decimals; where the currency has no minor unit, none but zeros.
    :param parameter: the name to blame.
    :raises InvalidAmount: if it is none, nothing, or too much.
    """
    units = parse_minor_units(text, currency, parameter=parameter)
    if not 1 <= units <= MAX_RATES * minor_units(currency):
        raise InvalidAmount(parameter, "must be more than nothing and at most 1000000.00")
    return units


def minor_units(currency: str) -> int:
    """Return the number of minor units of one unit: 100 cents for a dollar."""
    return 1 if currency in NO_MINOR_UNIT else 100


def format_units(units: int, currency: str) -> str:
    """Format an amount as Alipay does: with two decimals, even without a minor unit."""
    return f"{units}.00" if currency in NO_MINOR_UNIT else format_amount(units)


def to_rmb(units: int, currency: str) -> int:
    """Convert minor units of a foreign currency to fen."""
    if currency == "CNY":
        return units
    return max(1, _rounded(units * RATES[currency] * 100 / minor_units(currency)))


def from_rmb(fen: int, currency: str) -> int:
    """Convert fen to minor units of a foreign currency."""
    return max(1, _rounded(fen * minor_units(currency) / RATES[currency] / 100))


def rate_file(now: datetime) -> str:
    """Return the file of the day's rates: lines of date, time, currency and rate."""
    day = format_china_time(now)[:10].replace("-", "")
    return "".join(f"{day}|090000|{code}|{rate}\n" for code, rate in RATES.items())


def _rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))
