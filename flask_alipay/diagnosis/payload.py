"""Lenient parsing of payloads, also of those that the notification route rejects."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl

from ..exceptions import InvalidParameter
from ..protocol.charsets import canonical_charset, decode

#: The charsets of Alipay's signatures.
CHARSETS = ("utf-8", "gbk", "gb18030")

# More than any payload has, and few enough to try mistakes with each of them.
_MAX_FIELDS = 200

_NEXT_NAME = re.compile(r"&(?=[A-Za-z_][\w.]*=)", re.ASCII)


@dataclass(frozen=True)
class ParsedPayload:
    """The parameters of a payload in all possible readings."""

    #: The parameters in the likeliest reading.
    params: Mapping[str, str]
    #: The charset that the payload declares, by default the configured one.
    declared: str
    #: Every reading by its charset; a single one with key ``""`` if the payload was text.
    readings: Mapping[str, Mapping[str, str]]
    #: Names that occur more than once.
    repeated: tuple[str, ...] = ()
    #: The form split but not percent-decoded, if decoding would change it.
    verbatim: Mapping[str, str] = field(default_factory=dict)

    @property
    def sign(self) -> str:
        """The signature; empty without one."""
        return self.params.get("sign") or self.params.get("amp;sign") or ""

    @cached_property
    def charsets(self) -> tuple[str, ...]:
        """The possible charsets of the signature, the likeliest first."""
        return tuple(_known((self.declared, *CHARSETS)))


def parse_leniently(payload: bytes | Mapping[str, str], charset: str) -> ParsedPayload | None:
    """Parse a payload in every charset in which it can be decoded.

    :param payload: a form body, or parameters that were decoded already.
    :param charset: the configured charset.
    :returns: the payload, ``None`` if it has no parameters.
    """
    if not isinstance(payload, bytes):
        return (
            ParsedPayload(payload, _declared(payload, charset), {"": payload}) if payload else None
        )
    pairs = _pairs(payload)
    plain = {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}
    declared = _declared(plain, charset)
    readings: dict[str, dict[str, str]] = {}
    for name in _known((declared, charset, *CHARSETS)):
        params = _decoded(pairs, name)
        if params and params not in readings.values():
            readings[name] = params
    if not readings:
        return None
    names = Counter(name.decode("latin-1") for name, _ in pairs)
    repeated = tuple(name for name, count in names.items() if count > 1)
    verbatim = _verbatim(payload, declared)
    return ParsedPayload(next(iter(readings.values())), declared, readings, repeated, verbatim)


def printable(text: str) -> str:
    """Return untrusted text in a form that is safe in a message: short, ASCII, on one line."""
    return re.sub(r"[^\w.\-\[\]]", "?", text, flags=re.ASCII)[:40]


def _verbatim(body: bytes, declared: str) -> dict[str, str]:
    """Split a form that was decoded before, where an ``&`` may be part of a value."""
    if b"%" not in body and b"+" not in body and b" " not in body:
        return {}
    for name in _known((declared, *CHARSETS)):
        try:
            pieces = _NEXT_NAME.split(decode(body, name))
        except UnicodeDecodeError:
            continue
        pairs = (piece.partition("=") for piece in pieces[:_MAX_FIELDS])
        return {name: value for name, _, value in pairs}
    return {}


def _declared(params: Mapping[str, str], configured: str) -> str:
    return params.get("charset") or params.get("_input_charset") or configured


def _known(names: Iterable[str]) -> Iterator[str]:
    """Yield the names of existing charsets, each charset once."""
    seen = set()
    for name in names:
        try:
            canonical = canonical_charset(name)
        except InvalidParameter:
            continue
        if canonical not in seen:
            seen.add(canonical)
            yield name


def _pairs(body: bytes) -> list[tuple[bytes, bytes]]:
    """Percent-decode a form once, to bytes: latin-1 maps each byte to one character."""
    if b"=" not in body:
        return []
    try:
        pairs = parse_qsl(
            body.decode("latin-1"),
            keep_blank_values=True,
            encoding="latin-1",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        return []
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


def _decoded(pairs: list[tuple[bytes, bytes]], charset: str) -> dict[str, str]:
    """Decode the parameters in one charset; return none if that fails. The first of two equal names
    counts.
    """
    params: dict[str, str] = {}
    try:
        for name, value in pairs:
            params.setdefault(decode(name, charset), decode(value, charset))
    except UnicodeDecodeError:
        return {}
    return params
