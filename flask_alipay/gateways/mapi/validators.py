"""Rules between parameters, and validators that several services share."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from ...exceptions import InvalidParameter
from ...protocol.charsets import check_encodable
from ...protocol.conversion import (
    CHINA_TIME,
    NO_MINOR_UNIT,
    format_amount,
    format_china_time,
    parse_minor_units,
    to_minor_units,
)
from ...protocol.validation import Validator, integer, pattern, text

#: An account's number.
account = pattern(r"[0-9]{16}", "an account number of 16 digits, like 2088…")
#: Alipay's number of a trade.
trade_no = pattern(r"[0-9]{16,64}", "Alipay's number of a trade, 16 to 64 digits")
#: A merchant's number at the cross-border services, which accept more than letters and digits.
foreign_number = pattern(r"[A-Za-z0-9_.\-]{1,64}", "1 to 64 letters, digits or one of _ - .")
#: A foreign currency.
foreign_currency = pattern(r"(?!CNY|RMB)[A-Z]{3}", "the code of a foreign currency, like USD")
#: An amount in a foreign currency, after :func:`in_currency`.
foreign_amount = pattern(r"[0-9]+(?:\.[0-9]{2})?", "an amount")
#: The quantity of a trade's goods.
quantity = integer(1, 1_000_000)

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)


def require(params: Mapping[str, str], *names: str) -> None:
    """Check that all parameters are given.

    :raises InvalidParameter: names the first missing one.
    """
    for name in names:
        if name not in params:
            raise InvalidParameter(name, "is required")


def require_one(params: Mapping[str, str], *names: str) -> None:
    """Check that at least one parameter is given.

    :raises InvalidParameter: names the first.
    """
    if not any(name in params for name in names):
        raise InvalidParameter(names[0], f"or {' or '.join(names[1:])} is required")


def require_exactly_one(params: Mapping[str, str], *names: str) -> None:
    """Check that exactly one parameter is given.

    :raises InvalidParameter: names the first.
    """
    if sum(name in params for name in names) != 1:
        others = " or ".join(names[1:])
        raise InvalidParameter(names[0], f"or else {others} is required, never both")


def non_negative_amount(name: str, value: Any, charset: str) -> str:
    """Amount in yuan, which may be 0.

    A text is sent unchanged.
    """
    if isinstance(value, str):
        parse_minor_units(value, parameter=name)
        return value
    if not isinstance(value, bool) and isinstance(value, (int, Decimal)) and value == 0:
        return format_amount(0)
    return format_amount(to_minor_units(value, parameter=name))


def in_currency(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Format amounts by the rules of their currency: ``100`` in yen, ``100.00`` in dollars.

    :param values: the call's values, with ``currency`` and some of the amounts.
    :param names: the amounts' names.
    :raises TypeError: for a ``float``.
    :raises InvalidAmount: if an amount is invalid, or has fractions of the currency's minor unit.
    """
    currency = str(values.get("currency"))
    formatted = dict(values)
    for name in names:
        if values.get(name) is not None:
            minor = to_minor_units(values[name], currency, parameter=name)
            formatted[name] = str(minor) if currency in NO_MINOR_UNIT else format_amount(minor)
    return formatted


def china_datetime(name: str, value: Any, charset: str) -> str:
    """Aware ``datetime``, or China time like ``2026-01-31 23:59:59``."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return format_china_time(value)
    try:
        if isinstance(value, str) and _TIME.fullmatch(value):
            datetime.fromisoformat(value)
            return value
    except ValueError:
        pass
    raise InvalidParameter(name, "must be an aware datetime, or yyyy-MM-dd HH:mm:ss in China")


def json_object(name: str, value: Any, charset: str) -> str:
    """JSON object, as a mapping or a text.

    A text is sent unchanged.
    """
    document = value
    try:
        if isinstance(value, Mapping):
            document = json.dumps(dict(value), ensure_ascii=False)
            json.loads(document, parse_float=_reject_float)
        if not isinstance(json.loads(document), dict):
            raise ValueError
    except (TypeError, ValueError, RecursionError):
        raise InvalidParameter(
            name, "must be a JSON object, or a mapping that JSON can represent, without floats"
        ) from None
    check_encodable(name, str(document), charset)
    return str(document)


def _reject_float(digits: str) -> float:
    raise ValueError(digits)


def text_bytes(max_length: int) -> Validator:
    """Return a validator of text whose length Alipay counts in bytes."""
    return text(max_length, in_bytes=True)


def china_now() -> datetime:
    """Return the current time in China."""
    return datetime.now(timezone.utc).astimezone(CHINA_TIME)
