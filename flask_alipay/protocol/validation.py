"""Limits of Alipay's parameters, and validators that apply them.

A check (``check_…``) returns nothing, or names the invalid parameter. A validator checks a value
and converts it to Alipay's text. Sources: the parameter tables of both gateways' documentation.

A service declares its parameters as a table from name to validator; :func:`validate_params` and
:func:`validate_fields` apply it to a call's values. The first paragraph of a validator's docstring
states the valid values: the documentation's parameter tables repeat it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from ..exceptions import InvalidParameter
from .charsets import check_encodable
from .conversion import normalize_amount

#: Function of the parameter's name, its value and the charset. It returns the text to send, or
#: raises :class:`~flask_alipay.exceptions.InvalidParameter` (``TypeError`` for a ``float`` amount).
Validator: TypeAlias = Callable[[str, Any, str], str]
#: Like :data:`Validator`, but the result may be any JSON value.
FieldValidator: TypeAlias = Callable[[str, Any, str], Any]

#: The start of another field within a value. The signed string joins fields without quoting: a
#: client that controls one value (such as a remark used as the body) could embed fields in it and
#: later split the string there under the same signature. Rejecting this pattern prevents that.
EMBEDDED_FIELD = re.compile(r"&\w+=")

_OUT_TRADE_NO = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TIMEOUT = re.compile(r"(?:([1-9][0-9]{0,4})([mhd])|1c)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MINUTES = {"m": 1, "h": 60, "d": 24 * 60}
_MAX_TIMEOUT_MINUTES = 15 * 24 * 60


def check_out_trade_no(value: str, parameter: str = "out_trade_no") -> None:
    """Check an order number: 1 to 64 letters, digits, underscores and hyphens.

    Alipay's documentation allows no hyphen; its gateways accept it, and live shops use it.

    :raises InvalidParameter: otherwise.
    """
    if not isinstance(value, str) or _OUT_TRADE_NO.fullmatch(value) is None:
        raise InvalidParameter(parameter, "must be 1 to 64 letters, digits, underscores or hyphens")


def check_text(parameter: str, value: str, *, max_length: int, charset: str | None = None) -> None:
    """Check a non-empty, single-line text.

    :param max_length: maximum number of characters or, with a charset, of bytes in that charset.
    :param charset: count bytes in this charset, and reject characters that it lacks.
    :raises InvalidParameter: otherwise.
    """
    if not isinstance(value, str) or not value:
        raise InvalidParameter(parameter, "must be a text that is not empty")
    if _CONTROL.search(value):
        raise InvalidParameter(parameter, "must not contain line breaks or control characters")
    size = len(value) if charset is None else len(check_encodable(parameter, value, charset))
    if size > max_length:
        unit = "characters" if charset is None else f"bytes in {charset}"
        raise InvalidParameter(parameter, f"must be at most {max_length} {unit}, it has {size}")


def check_no_embedded_field(parameter: str, value: str) -> None:
    """Check that a value contains nothing that reads as another field of the signed string.

    :raises InvalidParameter: otherwise.
    """
    if EMBEDDED_FIELD.search(value):
        raise InvalidParameter(
            parameter,
            "must not contain another field (&name=), such as a second argument in the query of a "
            "URL: under the same signature it could be sent as a field",
        )


def check_choice(parameter: str, value: str, choices: Collection[str]) -> None:
    """Check that the value is one of the choices.

    :raises InvalidParameter: otherwise, listing them.
    """
    if value not in choices:
        raise InvalidParameter(parameter, f"must be one of {', '.join(choices)}")


def check_pattern(
    parameter: str, value: str, regex: str | re.Pattern[str], description: str
) -> None:
    """Check that the whole value matches a pattern.

    :param regex: a regular expression; compiled on first use, not at import.
    :param description: description of the pattern, for the message ``"must be …"``.
    :raises InvalidParameter: otherwise.
    """
    if not isinstance(value, str) or re.fullmatch(regex, value) is None:
        raise InvalidParameter(parameter, f"must be {description}")


def check_url(parameter: str, value: str, *, max_length: int, query: bool = True) -> None:
    """Check a URL that Alipay calls or redirects the buyer to.

    :param max_length: maximum number of characters.
    :param query: True if a query is allowed; the legacy gateway drops it.
    :raises InvalidParameter: if the URL is not absolute, not http(s), too long, or has a query that
        is not allowed.
    """
    check_text(parameter, value, max_length=max_length)
    try:
        parts = urlsplit(value)
        host = parts.hostname
    except ValueError:
        host = None
    if not value.isascii():
        raise InvalidParameter(
            parameter,
            "must be ASCII: write the host in punycode (xn--…), other characters percent-encoded",
        )
    if not host or parts.scheme not in ("http", "https") or " " in value:
        raise InvalidParameter(parameter, "must be an absolute URL with http:// or https://")
    if not query and parts.query:
        raise InvalidParameter(parameter, "must not have a query (?…) on the legacy gateway")


def timeout_minutes(parameter: str, value: str) -> int | None:
    """Parse a trade's timeout (``timeout_express``, ``it_b_pay``).

    :param value: ``1m`` to ``15d`` in minutes, hours or days, integers only; or ``1c``.
    :returns: minutes; ``None`` for ``1c``, the end of the day.
    :raises InvalidParameter: for anything else.
    """
    found = _TIMEOUT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidParameter(parameter, "must be like 30m, 2h or 1d, or 1c (end of the day)")
    if found[1] is None:
        return None
    minutes = int(found[1]) * _MINUTES[found[2]]
    if minutes > _MAX_TIMEOUT_MINUTES:
        raise InvalidParameter(parameter, "must be at most 15d")
    return minutes


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


def validate_fields(
    table: Mapping[str, FieldValidator],
    values: Mapping[str, Any],
    charset: str,
    *,
    required: Sequence[str] = (),
    one_of: Sequence[str] = (),
    within: str = "",
) -> dict[str, Any]:
    """Validate the fields of a method. ``None`` means that a field is not given.

    :param table: the fields with validators; other fields are passed through unchanged.
    :param values: the caller's values.
    :param charset: the request's charset.
    :param required: required fields.
    :param one_of: fields of which at least one is required.
    :param within: prefix of the names in messages: ``payee_info.``.
    :raises InvalidParameter: names the invalid field.
    :raises TypeError: for a ``float`` amount.
    """
    given = {name: value for name, value in values.items() if value is not None}
    for name in required:
        if name not in given:
            raise InvalidParameter(f"{within}{name}", "is required")
    if one_of and given.keys().isdisjoint(one_of):
        raise InvalidParameter(f"{within}{one_of[0]}", f"or {' or '.join(one_of[1:])} is required")
    return {
        name: table.get(name, _unknown)(f"{within}{name}", value, charset)
        for name, value in given.items()
    }


def amount(name: str, value: Any, charset: str) -> str:
    """Amount in yuan, at most two decimals."""
    return normalize_amount(value, parameter=name)


def out_trade_no(name: str, value: Any, charset: str) -> str:
    """1 to 64 letters, digits, underscores or hyphens."""
    check_out_trade_no(value, name)
    return str(value)


def timeout(name: str, value: Any, charset: str) -> str:
    """``1m`` to ``15d`` in minutes, hours or days, or ``1c`` for the end of the day."""
    timeout_minutes(name, value)
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


def _unknown(name: str, value: Any, charset: str) -> Any:
    """Pass a field without a validator through, unless it embeds another field."""
    if isinstance(value, str):
        check_no_embedded_field(name, value)
    return value
