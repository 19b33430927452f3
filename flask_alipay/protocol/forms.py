"""Strict parsing of received form bodies and query strings: raw bytes to parameters."""

from __future__ import annotations

from collections import Counter

from ..exceptions import BadNotification, InvalidParameter
from .charsets import canonical_charset, decode, form_decode
from .log_text import loggable_names

# Several times the number of fields in any notification.
_MAX_FIELDS = 200

_CHARSET_FIELDS = (b"charset=", b"_input_charset=")


def parse(body: bytes, charset: str | None = None) -> dict[str, str]:
    """Parse a form body or query string to parameters, decoding exactly once.

    :param body: the received bytes.
    :param charset: the charset if the payload does not declare one in ``charset`` or
        ``_input_charset``; ``utf-8`` by default.
    :raises BadNotification: if the body is not a form, repeats a key, declares an unknown charset,
        is not encoded in its charset, or contains NUL.
    """
    return parse_as(body, declared_charset(body) or charset or "utf-8")


def parse_as(body: bytes, name: str) -> dict[str, str]:
    """Parse a form body in a given charset: see :func:`parse`."""
    if not body:
        raise BadNotification("it is empty")
    try:
        charset = canonical_charset(name)
        pairs = _pairs(body, charset)
    except InvalidParameter:
        raise BadNotification("it declares an unknown charset") from None
    except UnicodeDecodeError:
        raise BadNotification(f"it is not encoded in {charset}") from None
    except ValueError:
        raise BadNotification("it is not a form") from None
    params = dict(pairs)
    if len(params) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        repeated = (key for key, count in counts.items() if count > 1)
        raise BadNotification(f"it repeats a key: {loggable_names(repeated)}")
    if b"%00" in body or b"\0" in body:
        raise BadNotification("it contains a NUL character")
    return params


def _pairs(body: bytes, charset: str) -> list[tuple[str, str]]:
    """Return the decoded names and values of a form.

    Fields are split before they are decoded: none of Alipay's charsets uses the bytes of ``&``,
    ``=``, ``+`` or ``%`` within a character.

    :raises ValueError: if the body is not a form, or not encoded in the charset.
    """
    if body.count(b"&") >= _MAX_FIELDS:
        raise ValueError
    # Latin-1 keeps each byte as one character, so that most names and values need no decoding.
    pairs = []
    for part in body.decode("latin-1").split("&"):
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError
        if "%" in name or "+" in name or not name.isascii():
            name = _text(name, charset)
        if "%" in value or "+" in value or not value.isascii():
            value = _text(value, charset)
        pairs.append((name, value))
    return pairs


def _text(field: str, charset: str) -> str:
    decoded = form_decode(field.encode("latin-1"))
    # ASCII is the same in all charsets.
    return decoded.decode("ascii") if decoded.isascii() else decode(decoded, charset)


def declared_charset(body: bytes) -> str | None:
    """Return the charset that a form body declares in one of its fields, or ``None``."""
    for field_ in body.split(b"&"):
        if field_.startswith(_CHARSET_FIELDS):
            return form_decode(field_.partition(b"=")[2]).decode("latin-1") or None
    return None
