"""Strict conversion of Alipay's amounts and times.

Amounts are decimal text at the edges and integer minor units inside, never a float. One yuan is one
hundred fen. Alipay sends and accepts amounts as text with at most two decimals between 0.01 and
100000000.00 yuan (limits: the open platform's documentation of ``total_amount``, the legacy guide's
of ``total_fee``).

Times are China time without an offset, despite names such as ``gmt_…``; aware UTC inside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from ..exceptions import InvalidAmount

#: The smallest amount that Alipay accepts, in fen.
MIN_FEN = 1
#: The largest amount that Alipay accepts, in fen: 100,000,000.00 yuan.
MAX_FEN = 10_000_000_000

#: Currencies of Alipay's cross-border products without a minor unit (ISO 4217). Alipay still
#: formats their amounts with two decimals, both zero.
NO_MINOR_UNIT = frozenset({"JPY", "KRW", "VND", "CLP"})

# ASCII digits only: ``str.isdigit`` and ``\d`` would accept Arabic-Indic ones too.
_AMOUNT = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,2}))?", re.ASCII)
_QUANTITY = re.compile(r"[1-9][0-9]{0,6}", re.ASCII)
# The largest amount that _AMOUNT matches, in hundredths; it fits into a BigInteger.
_MAX_PARSED = 10**14 - 1

#: China has used one zone without daylight saving time since 1991: no zone database is needed.
CHINA_TIME = timezone(timedelta(hours=8), "UTC+8")
_UTC_OFFSET = timedelta(hours=8)


def to_minor_units(
    amount: str | int | Decimal, currency: str = "CNY", *, parameter: str = "total_amount"
) -> int:
    """Convert the merchant's amount to minor units: yuan to fen.

    :param amount: yuan, or units of another currency: text (``"88.88"``), an integer (``88`` is 88
        yuan) or a :class:`~decimal.Decimal`.
    :param currency: its ISO 4217 code.
    :param parameter: the parameter name in error messages.
    :raises TypeError: for a ``float`` or any other type.
    :raises InvalidAmount: for an amount outside Alipay's limits or with fractions of a fen.
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
    text = amount if isinstance(amount, str) else _fixed_point(Decimal(amount))
    fen = parse_minor_units(text, currency, parameter=parameter)
    if not MIN_FEN <= fen <= MAX_FEN:
        minimum, maximum = format_amount(MIN_FEN, currency), format_amount(MAX_FEN, currency)
        raise InvalidAmount(parameter, f"must be between {minimum} and {maximum} {currency}")
    return fen


def normalize_amount(
    amount: str | int | Decimal, currency: str = "CNY", *, parameter: str = "total_amount"
) -> str:
    """Convert the merchant's amount to Alipay's text; parameters and exceptions are those of
    :func:`to_minor_units`.
    """
    return format_amount(to_minor_units(amount, currency, parameter=parameter), currency)


def parse_minor_units(text: str, currency: str = "CNY", *, parameter: str = "total_amount") -> int:
    """Convert Alipay's amount to minor units: fen for CNY, cents for USD, yen for JPY.

    :param text: the received text: digits, at most two decimals. Zero is a valid amount here.
    :param currency: its ISO 4217 code.
    :param parameter: the parameter name in error messages.
    :raises InvalidAmount: for anything else: a sign, an exponent, spaces, other scripts' digits.
    """
    decimals = 0 if currency in NO_MINOR_UNIT else 2
    return _parse(text, decimals, parameter)


def parse_price(price: str, quantity: str, currency: str = "CNY") -> int:
    """Multiply Alipay's unit price by a quantity; return minor units.

    :param price: see :func:`parse_minor_units`.
    :param quantity: a positive integer.
    :param currency: the price's ISO 4217 code.
    :raises InvalidAmount: for anything else, or if the product exceeds the largest amount that
        :func:`parse_minor_units` accepts, which every database column can hold.
    """
    if _QUANTITY.fullmatch(quantity) is None:
        raise InvalidAmount("quantity", "must be a positive integer")
    fen = parse_minor_units(price, currency, parameter="price") * int(quantity)
    if fen > _MAX_PARSED:
        raise InvalidAmount("price", "times quantity exceeds the largest amount")
    return fen


def format_amount(fen: int, currency: str = "CNY") -> str:
    """Format minor units as Alipay's text with two decimals: ``8888`` fen is ``"88.88"``.

    :param currency: amounts without a minor unit end in ``.00``, as at Alipay.
    """
    hundredths = fen * 100 if currency in NO_MINOR_UNIT else fen
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(hundredths) // 100}.{abs(hundredths) % 100:02d}"


def to_decimal(fen: int, currency: str = "CNY") -> Decimal:
    """Convert minor units to an amount: ``8888`` fen is ``Decimal("88.88")``, 17 yen ``17``."""
    return Decimal(fen) if currency in NO_MINOR_UNIT else Decimal(fen).scaleb(-2)


def parse_china_time(text: str | None) -> datetime | None:
    """Parse one of Alipay's times to aware UTC.

    :param text: ``yyyy-MM-dd HH:mm:ss``, for refunds with milliseconds.
    :returns: ``None`` if the time is missing or malformed: a malformed time must not lose a
        payment.
    """
    if not text:
        return None
    try:
        # Subtracting the offset is several times faster than astimezone.
        return (datetime.fromisoformat(text) - _UTC_OFFSET).replace(tzinfo=timezone.utc)
    except (ValueError, OverflowError):
        return None


def parse_china_times(params: Mapping[str, str], *names: str) -> list[datetime | None]:
    """Parse several of Alipay's times, each as :func:`parse_china_time` does.

    :param names: the names of the times in ``params``.
    """
    return [parse_china_time(params.get(name)) for name in names]


def format_china_time(when: datetime) -> str:
    """Format an aware time as Alipay does, to the second.

    :param when: in any zone; a naive time would be taken for the host's local time.
    """
    return when.astimezone(CHINA_TIME).replace(tzinfo=None).isoformat(" ", "seconds")


def _parse(text: str, decimals: int, parameter: str) -> int:
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise InvalidAmount(parameter, "must be digits with at most two decimals, like 88.88")
    hundredths = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
    if decimals == 2:
        return hundredths
    if hundredths % 100:
        raise InvalidAmount(parameter, "must be an integer in a currency without a minor unit")
    return hundredths // 100


def _fixed_point(amount: Decimal) -> str:
    """Format a decimal without exponent or trailing zeros: ``1E+2`` and ``1.500`` are valid
    amounts.
    """
    # Check the exponent first: calculating with a huge one overflows, formatting it fills memory.
    if not amount.is_finite() or not -2 <= amount.adjusted() < 12:
        return ""
    text = format(amount, "f")
    whole, point, decimals = text.partition(".")
    return f"{whole}.{decimals[:2]}" if point and not decimals[2:].strip("0") else text
