"""A payload read tolerantly: what an endpoint refuses is still evidence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl

from ..exceptions import InvalidParameter
from ..protocol.charsets import canonical_charset, decode

#: The charsets that Alipay has ever signed in.
CHARSETS = ("utf-8", "gbk", "gb18030")

# Far more than any payload has, and few enough to try things with each of them.
_MAX_FIELDS = 200

_NEXT_NAME = re.compile(r"&(?=[A-Za-z_][\w.]*=)", re.ASCII)


@dataclass(frozen=True)
class ParsedPayload:
    """What can be read out of a payload that does not verify."""

    #: The parameters in the likeliest reading.
    params: Mapping[str, str]
    #: The charset that the payload names or, if it names none, the configured one.
    declared: str
    #: Every reading by its charset; a single one, by ``""``, where text was given and not bytes.
    readings: Mapping[str, Mapping[str, str]]
    #: Names that occur more than once.
    repeated: tuple[str, ...] = ()
    #: The form taken apart but not decoded, where it holds what decoding would change.
    verbatim: Mapping[str, str] = field(default_factory=dict)

    @property
    def sign(self) -> str:
        """The signature; empty without one."""
        return self.params.get("sign") or self.params.get("amp;sign") or ""

    @cached_property
    def charsets(self) -> tuple[str, ...]:
        """The charsets that it may have been signed in, the likeliest first."""
        return tuple(_known((self.declared, *CHARSETS)))


def parse_leniently(payload: bytes | Mapping[str, str], charset: str) -> ParsedPayload | None:
    """Reads a payload in every charset that it can be read in.

    :param payload: a form body, or parameters that somebody has decoded already.
    :param charset: the configured charset.
    :returns: ``None`` if there are no parameters in it.
    """
    if not isinstance(payload, bytes):
        return (
            ParsedPayload(payload, _declared(payload, charset), {"": payload}) if payload else None
        )
    pairs = _pairs(payload)
    plain = {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}
    said = _declared(plain, charset)
    readings: dict[str, dict[str, str]] = {}
    for name in _known((said, charset, *CHARSETS)):
        params = _decoded(pairs, name)
        if params and params not in readings.values():
            readings[name] = params
    if not readings:
        return None
    names = Counter(name.decode("latin-1") for name, _ in pairs)
    repeated = tuple(name for name, count in names.items() if count > 1)
    verbatim = _verbatim(payload, said)
    return ParsedPayload(next(iter(readings.values())), said, readings, repeated, verbatim)


def printable(text: str) -> str:
    """Returns a stranger's text so that it can stand in a message: short, plain, on one line."""
    return re.sub(r"[^\w.\-\[\]]", "?", text, flags=re.ASCII)[:40]


def _verbatim(body: bytes, said: str) -> dict[str, str]:
    """The parameters of a form that somebody decoded before: an ``&`` may be part of a value."""
    if b"%" not in body and b"+" not in body and b" " not in body:
        return {}
    for name in _known((said, *CHARSETS)):
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
    """Those that exist, each charset once."""
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
    """The form percent-decoded once, in bytes still: latin-1 holds each byte as one character."""
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
    """The parameters in one charset, or none; of a name that occurs twice the first counts."""
    params: dict[str, str] = {}
    try:
        for name, value in pairs:
            params.setdefault(decode(name, charset), decode(value, charset))
    except UnicodeDecodeError:
        return {}
    return params
