"""Validators of request parameters: each checks a value and converts it to Alipay's text.

A service declares its parameters as a table from name to validator; :func:`validate_params` applies
it to a call's values. The first paragraph of a validator's docstring states the valid values: the
documentation's parameter tables repeat it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ..exceptions import InvalidParameter
from .charsets import check_encodable
from .limits import (
    check_choice,
    check_no_embedded_field,
    check_out_trade_no,
    check_pattern,
    check_text,
    check_url,
)
from .limits import timeout_minutes as _timeout_minutes
from .money import format_amount, to_minor_units

#: Function of the parameter's name, its value and the charset. It returns the text to send, or
#: raises :class:`~flask_alipay.exceptions.InvalidParameter` (``TypeError`` for a ``float`` amount).
Validator: TypeAlias = Callable[[str, Any, str], str]


def validate_params(
    table: Mapping[str, Validator], values: Mapping[str, Any], charset: str, service: str
) -> dict[str, str]:
    """Convert a call's values to Alipay's text. ``None`` means that a value was not given.

    :param table: the service's parameters.
    :param values: the caller's values.
    :param charset: the request's charset.
    :param service: the service's name, for the message.
    :raises InvalidParameter: for an invalid value, or a parameter that the service does not have.
    """
    given = {name: value for name, value in values.items() if value is not None}
    for name in given:
        if name not in table:
            raise InvalidParameter(name, f"is not a parameter of {service}")
    return {name: table[name](name, value, charset) for name, value in given.items()}


def amount(name: str, value: Any, charset: str) -> str:
    """Amount in yuan, at most two decimals."""
    return format_amount(to_minor_units(value, parameter=name))


def out_trade_no(name: str, value: Any, charset: str) -> str:
    """1 to 64 letters, digits, underscores or hyphens."""
    check_out_trade_no(value, name)
    return str(value)


def timeout(name: str, value: Any, charset: str) -> str:
    """``1m`` to ``15d`` in minutes, hours or days, or ``1c`` for the end of the day."""
    _timeout_minutes(name, value)
    return str(value)


def ip_address(name: str, value: Any, charset: str) -> str:
    """IP address, version 4 or 6."""
    try:
        return str(ipaddress.ip_address(str(value)))  # as text: integers would be accepted, too
    except ValueError:
        raise InvalidParameter(name, "must be an IP address") from None


def text(max_length: int, *, in_bytes: bool = False, without: str = "") -> Validator:
    """Return a validator of single-line text.

    :param max_length: maximum number of characters, or of bytes in the request's charset.
    :param in_bytes: True if ``max_length`` counts bytes.
    :param without: forbidden characters.
    """

    def field(name: str, value: Any, charset: str) -> str:
        check_text(name, value, max_length=max_length, charset=charset if in_bytes else None)
        check_encodable(name, value, charset)
        check_no_embedded_field(name, value)
        for character in without:
            if character in value:
                raise InvalidParameter(name, f"must not contain the character {character}")
        return str(value)

    unit = "bytes" if in_bytes else "characters"
    excluded = f", without ``{without}``" if without else ""
    field.__doc__ = f"Text of at most {max_length} {unit}{excluded}."
    return field


def choice(*choices: str) -> Validator:
    """Return a validator of a fixed set of words; an integer stands for its digits."""

    def field(name: str, value: Any, charset: str) -> str:
        word = str(value) if isinstance(value, int) else value
        check_choice(name, word, choices)
        return str(word)

    field.__doc__ = f"{', '.join(f'``{word}``' for word in choices)}."
    return field


def pattern(regex: str | re.Pattern[str], description: str) -> Validator:
    """Return a validator of text that matches a pattern.

    :param regex: a regular expression for the whole value.
    :param description: the pattern in words.
    """

    def field(name: str, value: Any, charset: str) -> str:
        check_pattern(name, value, regex, description)
        return str(value)

    field.__doc__ = f"{description[:1].upper()}{description[1:]}."
    return field


def integer(minimum: int, maximum: int) -> Validator:
    """Return a validator of an integer within limits, given as an ``int`` or as digits."""

    def field(name: str, value: Any, charset: str) -> str:
        digits = str(value) if isinstance(value, (int, str)) else ""
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", digits, re.ASCII):
            raise InvalidParameter(name, "must be an integer")
        if not minimum <= int(digits) <= maximum:
            raise InvalidParameter(name, f"must be between {minimum} and {maximum}")
        return str(int(digits))

    field.__doc__ = f"Integer from {minimum} to {maximum}."
    return field


def url(max_length: int, *, query: bool = True) -> Validator:
    """Return a validator of an absolute URL with at most one query argument.

    The signed string does not quote the ``&`` between arguments.

    :param max_length: maximum number of characters.
    :param query: True if a query is allowed.
    """

    def field(name: str, value: Any, charset: str) -> str:
        check_url(name, value, max_length=max_length, query=query)
        check_no_embedded_field(name, value)
        return str(value)

    without = "" if query else ", without a query"
    field.__doc__ = f"URL of at most {max_length} characters{without}."
    return field
