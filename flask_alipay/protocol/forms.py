"""Form bodies and query strings from outside: raw bytes to parameters."""

from __future__ import annotations

from collections import Counter

from ..exceptions import BadNotification, InvalidParameter
from .charsets import canonical_charset, decode, form_decode
from .log_text import loggable_names

# Far more fields than any notification has.
_MAX_FIELDS = 200

_CHARSET_FIELDS = (b"charset=", b"_input_charset=")


def parse(body: bytes, charset: str | None = None) -> dict[str, str]:
    """Turns a form body (or a query string) into parameters, decoding exactly once.

    :param body: the bytes as they came over the wire.
    :param charset: the charset to read in where the payload does not name one itself in
        ``charset`` or ``_input_charset``; ``utf-8`` without.
    :raises BadNotification: if it is no form, repeats a key, names a charset that does not exist,
        is not written in its charset, or holds NUL.
    """
    return parse_as(body, declared_charset(body) or charset or "utf-8")


def parse_as(body: bytes, name: str) -> dict[str, str]:
    """Parse a form body in a given charset: see :func:`parse`."""
    if not body:  # which Python 3.10 would refuse, and later ones take for no fields
        raise BadNotification("it is empty")
    try:
        charset = canonical_charset(name)
        pairs = _pairs(body, charset)
    except InvalidParameter:
        raise BadNotification("it names a charset that does not exist") from None
    except UnicodeDecodeError:
        raise BadNotification(f"it is not written in {charset}") from None
    except ValueError:
        raise BadNotification("it is not a form") from None
    params = dict(pairs)
    if len(params) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        repeated = (key for key, count in counts.items() if count > 1)
        raise BadNotification(f"it repeats a key: {loggable_names(repeated)}")
    if b"%00" in body or b"\0" in body:
        raise BadNotification("it holds a NUL character")
    return params


def _pairs(body: bytes, charset: str) -> list[tuple[str, str]]:
    """Return the decoded names and values of a form. Fields are separated before they are decoded:
    no charset of Alipay's has ``&``, ``=``, ``+`` or ``%`` within a character.

    :raises ValueError: if it is no form, or not written in the charset.
    """
    if body.count(b"&") >= _MAX_FIELDS:
        raise ValueError
    pairs = []
    for piece in body.split(b"&"):
        name, equals, value = piece.partition(b"=")
        if not equals:
            raise ValueError
        pairs.append((_text(name, charset), _text(value, charset)))
    return pairs


def _text(field: bytes, charset: str) -> str:
    decoded = form_decode(field)
    # Most fields are ASCII, which is the same in all charsets.
    return decoded.decode("ascii") if decoded.isascii() else decode(decoded, charset)


def declared_charset(body: bytes) -> str | None:
    """Return the charset that a form body declares in one of its fields, or ``None``."""
    for field_ in body.split(b"&"):
        if field_.startswith(_CHARSET_FIELDS):
            return form_decode(field_.partition(b"=")[2]).decode("latin-1") or None
    return None
