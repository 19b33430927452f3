"""Strict parsing of form bodies and query strings: raw bytes, in UTF-8 or GBK, to parameters."""

from __future__ import annotations

from collections import Counter

from ..exceptions import BadNotification, InvalidParameter
from .charsets import canonical_charset, form_text, percent_decode
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
    if b"%00" in body or b"\0" in body:
        raise BadNotification("it contains a NUL character")
    try:
        pairs = _pairs(body, name)
    except InvalidParameter:
        raise BadNotification("it declares an unknown charset") from None
    except UnicodeDecodeError:
        raise BadNotification(f"it is not encoded in {canonical_charset(name)}") from None
    except ValueError:
        raise BadNotification("it is not a form") from None
    params = dict(pairs)
    if len(params) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        repeated = (key for key, count in counts.items() if count > 1)
        raise BadNotification(f"it repeats a key: {loggable_names(repeated)}")
    return params


def _pairs(body: bytes, charset: str) -> list[tuple[str, str]]:
    """Return the decoded names and values of a form without NUL.

    Fields are split before they are decoded: none of Alipay's charsets uses the bytes of ``&``,
    ``=``, ``+`` or ``%`` within a character. NUL separates the names and values while all are
    decoded at once; no charset uses it within a character either.

    :raises ValueError: if the body is not a form, or not encoded in the charset.
    :raises InvalidParameter: for an unknown charset.
    """
    if body.count(b"&") >= _MAX_FIELDS:
        raise ValueError
    pieces: list[bytes] = []
    for field in body.split(b"&"):
        name, equals, value = field.partition(b"=")
        if not equals:
            raise ValueError
        pieces += (name, value)
    texts = form_text(b"\0".join(pieces), charset).split("\0")
    return list(zip(texts[::2], texts[1::2], strict=True))


def declared_charset(body: bytes) -> str | None:
    """Return the charset that a form body declares in one of its fields, or ``None``."""
    for field_ in body.split(b"&"):
        if field_.startswith(_CHARSET_FIELDS):
            return percent_decode(field_.partition(b"=")[2]).decode("latin-1") or None
    return None
