"""Limits of Alipay's parameters. A check returns nothing, or names the invalid parameter.

Sources: the parameter tables of both gateways' documentation.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from ..exceptions import InvalidParameter
from .charsets import check_encodable

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
