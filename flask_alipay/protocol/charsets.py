"""Text in the charsets in which Alipay signs, sends and receives: UTF-8, GBK and GB18030.

Alipay's GBK is the two-byte range of GB18030: 23,940 characters. Python's codec ``gbk`` lacks 2,149
of them, among them the euro sign (``A2 E3``), and browsers encode the euro sign as ``80`` in a GBK
form. GBK is therefore encoded and decoded with the codec ``gb18030``, without its four-byte
characters.

Bodies of notifications are decoded by :func:`parse_form`, XML in ``protocol.xml``, responses of the
open platform in ``gateways.openapi.responses``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

from ..exceptions import BadNotification, InvalidParameter
from .log_text import loggable_names

# The merchant's or Alipay's spelling to the canonical name. GBK includes all of GB2312.
_NAMES = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "gbk": "gbk",
    "x-gbk": "gbk",
    "gb2312": "gbk",
    "gb18030": "gb18030",
}
_PYTHON_CODECS = {"utf-8": "utf-8", "gbk": "gb18030", "gb18030": "gb18030"}

# Several times the number of fields in any notification.
_MAX_FIELDS = 200

_CHARSET_FIELDS = (b"charset=", b"_input_charset=")

# urllib's unquote_to_bytes splits a field at each "%", even where no escape begins: half a million
# of them take half a second. A regular expression skips them.
_ESCAPE = re.compile(rb"(%[0-9A-Fa-f]{2})")
_DIGITS = "0123456789abcdefABCDEF"
_BYTES = {f"%{a}{b}".encode("ascii"): bytes([int(a + b, 16)]) for a, b in product(_DIGITS, _DIGITS)}

# Shared: json.dumps would create an encoder for each request.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def canonical_charset(charset: str) -> str:
    """Return the canonical name of a charset: ``utf-8``, ``gbk`` or ``gb18030``.

    :param charset: ``utf-8``, ``gbk``, ``gb2312``, ``x-gbk`` or ``gb18030``, in any case.
    :raises InvalidParameter: for any other charset.
    """
    try:
        return _NAMES[charset.lower()]
    except KeyError:
        raise InvalidParameter("charset", "must be utf-8, gbk, gb2312 or gb18030") from None


def request_charset(charset: str) -> str:
    """Return the charset name that a request declares: the configured one in lower case.

    :raises InvalidParameter: for an unknown charset.
    """
    canonical_charset(charset)
    name = charset.lower()
    return "gbk" if name == "x-gbk" else name


def python_codec(charset: str) -> str:
    """Return the Python codec that holds all characters of a charset; for GBK it holds more.

    :raises InvalidParameter: for an unknown charset.
    """
    return _PYTHON_CODECS[canonical_charset(charset)]


def encode(text: str, charset: str, errors: str = "strict") -> bytes:
    """Encode text in one of Alipay's charsets.

    :param errors: ``strict``, or ``replace`` for a question mark.
    :raises InvalidParameter: for an unknown charset.
    :raises UnicodeEncodeError: for a character that the charset does not have.
    """
    name = canonical_charset(charset)
    if text.isascii():
        return text.encode("ascii")
    encoded = text.encode(_PYTHON_CODECS[name], errors)
    if name != "gbk" or not (missing := _missing_in_gbk(text, encoded)):
        return encoded
    if errors == "replace":
        return text.translate(dict.fromkeys(missing.values(), "?")).encode("gb18030", errors)
    at = min(missing)
    raise UnicodeEncodeError(name, text, at, at + 1, "not a character of GBK")


def decode(data: bytes, charset: str, errors: str = "strict") -> str:
    """Decode bytes in one of Alipay's charsets. :func:`encode` restores exactly these bytes.

    :param errors: ``strict``, or ``replace`` for U+FFFD.
    :raises InvalidParameter: for an unknown charset.
    :raises UnicodeDecodeError: if the bytes are not text in it.
    """
    name = canonical_charset(charset)
    if data.isascii():
        return data.decode("ascii")
    text = data.decode(_PYTHON_CODECS[name], errors)
    if name == "gbk" and errors == "strict" and len(data) != _gbk_length(text):
        raise UnicodeDecodeError(name, data, 0, len(data), "four-byte character in GBK")
    return text


def check_encodable(parameter: str, text: str, charset: str) -> bytes:
    """Encode a parameter's text; reject characters that the charset lacks.

    :returns: the encoded text.
    :raises InvalidParameter: names the parameter, the charset and the first such character.
    """
    try:
        return encode(text, charset)
    except UnicodeEncodeError as error:
        character = text[error.start]
        reason = f"has a character that {charset} does not have: {describe_character(character)}"
        raise InvalidParameter(parameter, reason) from None


def describe_character(character: str) -> str:
    """Return a character's code point and Unicode name, in ASCII: ``U+20AC EURO SIGN``."""
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()


def percent_encode(text: str, charset: str) -> str:
    """Percent-encode text in a charset, with ``%20`` for a space.

    :raises UnicodeEncodeError: for a character that the charset does not have.
    """
    return quote_from_bytes(encode(text, charset), safe="")


def encode_form(params: Mapping[str, str], charset: str) -> bytes:
    """Encode parameters as a query or form body.

    :param params: decoded text by name.
    :param charset: the charset of the encoded text.
    :raises InvalidParameter: if a parameter has a character that the charset lacks.
    """
    pairs = {
        check_encodable(name, name, charset): check_encodable(name, value, charset)
        for name, value in params.items()
    }
    return urlencode(pairs).encode("ascii")


def encode_json(content: Any, charset: str) -> str:
    r"""Encode a request's JSON, for example ``biz_content``; the result is signed and sent.

    Characters are written as they are, never as ``\u…``: Alipay could read an escaped one that its
    GBK lacks, but its notification in GBK could not repeat it.

    :raises InvalidParameter: if JSON cannot represent a value, or if the named field has a
        character that the charset lacks.
    """
    try:
        text = _ENCODER.encode(content)
    except (TypeError, ValueError, RecursionError):
        raise InvalidParameter(
            "biz_content", "contains a value that JSON cannot represent"
        ) from None
    try:
        check_encodable("biz_content", text, charset)
    except InvalidParameter:
        _check_encodable("", content, charset)
        raise
    return text


def _check_encodable(name: str, value: Any, charset: str) -> None:
    """Check each text of JSON content, so that the message names its field."""
    if isinstance(value, str):
        check_encodable(name or "biz_content", value, charset)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _check_encodable(f"{name}.{key}" if name else str(key), inner, charset)
    elif isinstance(value, Sequence):
        for number, inner in enumerate(value):
            _check_encodable(f"{name}[{number}]", inner, charset)


def percent_decode(field: bytes) -> bytes:
    """Undo the percent-encoding of a name or value in a form body or query, without decoding it."""
    if b"+" in field:
        field = field.replace(b"+", b" ")
    if b"%" not in field:
        return field
    pieces = _ESCAPE.split(field)
    pieces[1::2] = map(_BYTES.__getitem__, pieces[1::2])  # every second piece is an escape
    return b"".join(pieces)


def form_text(field: bytes, charset: str) -> str:
    """Undo the percent-encoding of a name or value, and decode it: see :func:`decode`."""
    return decode(percent_decode(field), charset)


def parse_form(body: bytes, charset: str | None = None) -> dict[str, str]:
    """Parse a form body or query string to parameters, decoding exactly once.

    :param body: the received bytes.
    :param charset: the charset if the payload does not declare one in ``charset`` or
        ``_input_charset``; ``utf-8`` by default.
    :raises BadNotification: if the body is not a form, repeats a key, declares an unknown charset,
        is not encoded in its charset, or contains NUL.
    """
    return _parse_as(body, declared_charset(body) or charset or "utf-8")


def _parse_as(body: bytes, name: str) -> dict[str, str]:
    """Parse a form body in a given charset: see :func:`parse_form`."""
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


def _gbk_length(text: str) -> int:
    """Return the number of bytes of text in GBK: one per ASCII character, two per other one."""
    return 2 * len(text) - len(text.encode("ascii", "ignore"))


def _missing_in_gbk(text: str, encoded: bytes) -> dict[int, int]:
    """Return the positions and code points of characters that take four bytes in GB18030."""
    if len(encoded) <= _gbk_length(text):
        return {}
    return {
        at: ord(character)
        for at, character in enumerate(text)
        if len(character.encode("gb18030", "replace")) > 2
    }
