"""Yuan as text outside, fen as integers inside; strictly, and never through a float.

One yuan is one hundred fen. Alipay takes and gives amounts as decimal text with at most two
decimals between 0.01 and 100000000.00 yuan (limits: the open platform's documentation of
``total_amount``, the legacy guide's of ``total_fee``).
"""

from __future__ import annotations

import re
from decimal import Decimal

from ..exceptions import InvalidAmount

#: The smallest amount that Alipay takes, in fen.
MIN_FEN = 1
#: The largest amount that Alipay takes, in fen: 100,000,000.00 yuan.
MAX_FEN = 10_000_000_000

#: Currencies of Alipay's cross-border products that have no smaller unit (ISO 4217). Alipay
#: writes their amounts with two decimals all the same, both of them zero.
NO_MINOR_UNIT = frozenset({"JPY", "KRW", "VND", "CLP"})

# ASCII digits only: ``str.isdigit`` and ``\d`` would take Arabic-Indic ones too.
_AMOUNT = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,2}))?", re.ASCII)
_QUANTITY = re.compile(r"[1-9][0-9]{0,6}", re.ASCII)
# The largest amount of the shape above, in hundredths; a BigInteger holds it.
_MAX_PARSED = 10**14 - 1


def to_minor_units(
    amount: str | int | Decimal, currency: str = "CNY", *, parameter: str = "total_amount"
) -> int:
    """Returns an amount of the shop's as whole minor units: yuan as fen.

    :param amount: yuan, or units of another currency: text (``"88.88"``), a whole number (``88`` is
        88 yuan) or a :class:`~decimal.Decimal`.
    :param currency: its ISO 4217 code.
    :param parameter: the name to blame.
    :raises TypeError: for a ``float`` or anything else that is not one of the three.
    :raises InvalidAmount: for an amount outside Alipay's limits or finer than a fen.
    """
    if isinstance(amount, float):
        raise TypeError(
            f"{parameter} must be a str, an int or a Decimal, not a float: "
            "a float cannot hold most amounts exactly (0.1 + 0.2 != 0.3)"
        )
    if isinstance(amount, bool) or not isinstance(amount, (str, int, Decimal)):
        raise TypeError(
            f"{parameter} must be a str, an int or a Decimal, not {type(amount).__name__}"
        )
    text = amount if isinstance(amount, str) else _plain(Decimal(amount))
    fen = parse_minor_units(text, currency, parameter=parameter)
    if not MIN_FEN <= fen <= MAX_FEN:
        least, most = format_amount(MIN_FEN, currency), format_amount(MAX_FEN, currency)
        raise InvalidAmount(parameter, f"must be between {least} and {most} {currency}")
    return fen


def parse_minor_units(text: str, currency: str = "CNY", *, parameter: str = "total_amount") -> int:
    """Returns an amount of Alipay's as whole minor units: fen for CNY, cents for USD, yen for JPY.

    :param text: what Alipay sent: digits, and at most two decimals. Zero is an amount here.
    :param currency: the ISO 4217 code that goes with it.
    :param parameter: the name to blame.
    :raises InvalidAmount: for anything else: a sign, an exponent, spaces, foreign digits.
    """
    decimals = 0 if currency in NO_MINOR_UNIT else 2
    return _read(text, decimals, parameter)


def parse_price(price: str, quantity: str, currency: str = "CNY") -> int:
    """Returns a unit price of Alipay's times a quantity, as whole minor units.

    :param price: as :func:`parse_minor_units` takes it.
    :param quantity: a whole number above zero.
    :raises InvalidAmount: for anything else, or if the product is more than
    :func:`parse_minor_units` would
        read: no database column has to hold it.
    """
    if _QUANTITY.fullmatch(quantity) is None:
        raise InvalidAmount("quantity", "must be a whole number above zero")
    fen = parse_minor_units(price, currency, parameter="price") * int(quantity)
    if fen > _MAX_PARSED:
        raise InvalidAmount("price", "times quantity is more than any amount")
    return fen


def format_amount(fen: int, currency: str = "CNY") -> str:
    """Returns minor units as Alipay's text, two decimals: ``8888`` fen is ``"88.88"``.

    :param currency: one without a minor unit is written with ``.00``, as Alipay does.
    """
    hundredths = fen * 100 if currency in NO_MINOR_UNIT else fen
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(hundredths) // 100}.{abs(hundredths) % 100:02d}"


def to_decimal(fen: int, currency: str = "CNY") -> Decimal:
    """Returns minor units as an amount: ``8888`` fen is ``Decimal("88.88")``, 17 yen ``17``."""
    return Decimal(fen) if currency in NO_MINOR_UNIT else Decimal(fen).scaleb(-2)


def _read(text: str, decimals: int, parameter: str) -> int:
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise InvalidAmount(parameter, "must be digits with at most two decimals, like 88.88")
    hundredths = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))
    if decimals == 2:
        return hundredths
    if hundredths % 100:
        raise InvalidAmount(parameter, "must be a whole number in a currency without a minor unit")
    return hundredths // 100


def _plain(amount: Decimal) -> str:
    """``Decimal("1E+2")`` and ``Decimal("1.500")`` are good amounts, written oddly."""
    # The exponent first: to reckon with a huge one overflows, to spell it out fills the memory.
    if not amount.is_finite() or not -2 <= amount.adjusted() < 12:
        return ""
    text = format(amount, "f")
    whole, point, decimals = text.partition(".")
    return f"{whole}.{decimals[:2]}" if point and not decimals[2:].strip("0") else text
