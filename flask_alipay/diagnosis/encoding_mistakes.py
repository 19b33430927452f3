"""Mistakes in the encoding of values, and ways to undo them.

Each function yields possible original payloads. A hint is given only if the signature verifies with
one of them, so that no function can cause a false hint.
"""

from __future__ import annotations

import ast
import html
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from urllib.parse import quote_plus, unquote, unquote_plus

from ..protocol import charsets
from . import hints
from .hypotheses import UNSIGNED, Hypothesis
from .messages import Hint, message
from .payload import ParsedPayload, printable

_TIME = re.compile(r"\d{4}-\d\d-\d\d[ +]\d\d:\d\d:\d\d(\.\d+)?", re.ASCII)

# Up to this number of + or spaces, every combination is tried: 2 ** 10 hashes.
_MAX_SWAPS = 10

# Characters that the percent-encoders of Java, Python and JavaScript leave unencoded.
_SAFE = ("", "*-._", "/", ":/", "!*'()~")

# Pairs of charsets: decoded in the first although encoded in the second.
_MISREAD = (
    ("latin-1", "utf-8"),
    ("cp1252", "utf-8"),
    ("latin-1", "gbk"),
    ("gbk", "utf-8"),
    ("utf-8", "gbk"),
)

# A text without percent-encoding, or a time, which Alipay encodes once.
_PLAIN = re.compile(r"[\w.\-]*|" + _TIME.pattern, re.ASCII)

# A browser's rendering of "&not", "&times" and "&curren" without a semicolon.
_ENTITIES = (("\u00acify", "\0notify"), ("\u00d7tamp", "\0timestamp"), ("\u00a4cy", "\0currency"))

# Opening and closing characters of JSON.
_CLOSING = {"[": "]", "{": "}"}

# Parameters with amounts and with free text.
_AMOUNT = re.compile(r"(.*_(amount|fee)|price|discount)")
_DECIMAL = re.compile(r"\d+(\.\d)?", re.ASCII)
_FREE_TEXT = ("subject", "body", "passback_params", "extra_common_param", "refund_reason")


def charset(parsed: ParsedPayload) -> Iterator[Hypothesis]:
    """Undo the use of another charset than the declared one."""
    for written, params in parsed.readings.items():
        for signed in parsed.charsets:
            declared = printable(parsed.declared)
            hint = (
                message(hints.WRITTEN_ANEW, written=written, signed=signed, said=declared)
                if written
                else message(hints.SIGNED_IN_ANOTHER, signed=signed, said=declared)
            )
            yield Hypothesis(params, hint, charset=signed)
    for wrong, right in _MISREAD:
        hint = message(hints.GARBLED, right=right, wrong=wrong)
        try:
            params = {
                name: charsets.decode(_encoded(value, wrong), right)
                for name, value in parsed.params.items()
            }
        except UnicodeError:
            continue
        if params != parsed.params:
            yield Hypothesis(params, hint)


def _encoded(text: str, charset: str) -> bytes:
    """Encode text in one of Alipay's charsets, or in one that is mistaken for it."""
    known = charset in ("utf-8", "gbk")
    return charsets.encode(text, charset) if known else text.encode(charset)


def plus_space(parsed: ParsedPayload) -> Iterator[Hypothesis]:
    """Undo a ``+`` that was not decoded to a space."""
    hint = message(
        "Spaces have become '+': the values were percent-decoded without turning '+' into a space "
        "(unquote where unquote_plus is needed)."
    )
    for params in _swapped(parsed.params, "+", " "):
        yield Hypothesis(params, hint)


def double_decoded(parsed: ParsedPayload) -> Iterator[Hypothesis]:
    """Undo percent-decoding of a value that happened once too often."""
    for params in _swapped(parsed.params, " ", "+"):
        hint = message(
            "A '+' has become a space: a value was percent-decoded twice. Decode the body only "
            "once, or pass the raw body to this package."
        )
        yield Hypothesis(params, hint)
    for name, value in parsed.params.items():
        if name in UNSIGNED or _PLAIN.fullmatch(value):
            continue
        encoded = {quote_plus(value, safe, errors="replace") for safe in _SAFE} - {value}
        for text in sorted(encoded):
            hint = message(hints.DECODED_TWICE, name=printable(name))
            yield Hypothesis({**parsed.params, name: text}, hint)


def decoded_before(parsed: ParsedPayload) -> Iterator[Hypothesis]:
    """Undo percent-decoding of the entire form before it was parsed."""
    if parsed.verbatim:
        yield Hypothesis(parsed.verbatim, hints.DECODED_BEFORE)


def not_decoded(parsed: ParsedPayload) -> Iterator[Hypothesis]:
    """Decode values that are still percent-encoded."""
    hint = message(
        "Values are still percent-encoded: decode the form once before verifying (parse_qsl), or "
        "pass the raw body to this package."
    )
    for decode in (unquote_plus, unquote):
        for name in parsed.charsets:
            yield from _each(parsed, _decoder(decode, name), hint)


def _decoder(decode: Callable[..., str], charset: str) -> Callable[[str], str]:
    # latin-1 maps each byte to one character.
    return lambda value: (
        charsets.decode(decode(value, "latin-1").encode("latin-1", "replace"), charset, "replace")
        if "%" in value
        else value
    )


def _each(parsed: ParsedPayload, undo: Callable[[str], str], hint: Hint) -> Iterator[Hypothesis]:
    """Yield the payload with all values restored and then, if several change, with each alone."""
    changed = {
        name: original
        for name, value in parsed.params.items()
        if name not in UNSIGNED and (original := undo(value)) != value
    }
    if changed:
        yield Hypothesis({**parsed.params, **changed}, hint)
    if 1 < len(changed) <= 20:
        for name, original in changed.items():
            yield Hypothesis({**parsed.params, name: original}, hint)


def html_escaped(parsed: ParsedPayload) -> Iterator[Hypothesis]:
    """Undo HTML escaping, and copying from a page that showed the form unescaped."""
    hint = message(
        "The values were escaped for HTML (&quot;, &amp;, &notify shown as ¬ify): something "
        "escaped them before they were verified, or they were copied from a page. Verify the raw "
        "body, escape afterwards."
    )
    found = parsed.params
    params = {name.removeprefix("amp;"): text for name, text in found.items()}
    split: dict[str, str] = {}
    for name, value in params.items():
        for shown, meant in _ENTITIES:
            value = value.replace(shown, meant)
        first, *others = value.split("\0")
        split[name] = first
        split.update((part.partition("=")[0], part.partition("=")[2]) for part in others)
    for params in (split, {name: html.unescape(text) for name, text in split.items()}):
        if params != found:
            yield Hypothesis(params, hint)


def backslashes(parsed: ParsedPayload) -> Iterator[Hypothesis]:
    """Undo backslashes before quotes in values."""
    hint = message(
        "Quotes in the values carry backslashes: something escaped them (PHP's addslashes, JSON "
        "within JSON) before they were verified. Verify the raw body, escape afterwards."
    )
    yield from _each(parsed, lambda value: re.sub(r"\\(.)", r"\1", value), hint)


def list_values(parsed: ParsedPayload) -> Iterator[Hypothesis]:
    """Undo lists of values."""
    hint = message(
        "The values are lists, as in ['88.88']: the form was read with several values for each "
        "name (parse_qs, dict(request.form.lists())). Use a single value, as "
        "request.form.to_dict() does, or pass the raw body."
    )
    yield from _each(parsed, unwrap_list, hint)


def unwrap_list(value: str) -> str:
    """Return the only item of a printed list of texts; any other text unchanged."""
    if value[:1] != "[" or len(value) > 65536:
        return value
    try:
        with warnings.catch_warnings():  # about invalid escapes, which stay unchanged
            warnings.simplefilter("ignore")
            items = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value
    single = isinstance(items, list) and len(items) == 1 and isinstance(items[0], str)
    return items[0] if single else value


def reformatted(parsed: ParsedPayload) -> Iterator[Hypothesis]:
    """Undo conversions of amounts and JSON, and trimming of text."""
    hint = message(
        "Values were converted and formatted again: 88.90 became 88.9, or JSON got spaces. Verify "
        "the text as received; convert it afterwards."
    )
    params = {name: _as_written(name, value) for name, value in parsed.params.items()}
    if params != parsed.params:
        yield Hypothesis(params, hint)
        for name, value in params.items():
            if value != parsed.params[name]:
                yield Hypothesis({**parsed.params, name: value}, hint)
    for name in _FREE_TEXT:
        if value := parsed.params.get(name, ""):
            for text in (f"{value} ", f" {value}"):
                trimmed = message(
                    "{name} lost a space at its end or beginning: something trims the input "
                    "(Laravel's TrimStrings does). Verify the text as received.",
                    name=name,
                )
                yield Hypothesis({**parsed.params, name: text}, trimmed)


def _as_written(name: str, value: str) -> str:
    if _AMOUNT.fullmatch(name) and _DECIMAL.fullmatch(value):
        return f"{value}0" if "." in value else f"{value}.00"
    if value[:1] in ("[", "{"):
        try:
            return json.dumps(json.loads(value), ensure_ascii=False, separators=(",", ":"))
        except (ValueError, RecursionError):
            return value
    return value


def truncated(parsed: ParsedPayload) -> Iterator[Hypothesis]:
    """Complete a truncated JSON value: no other truncation can be undone."""
    for name, value in parsed.params.items():
        if value[:1] not in _CLOSING or value.endswith(_CLOSING[value[:1]]):
            continue
        hint = message(
            "{name} was truncated: something limits the length of a value. Make that column or "
            "field longer, and verify the raw body.",
            name=printable(name),
        )
        for rest in ("]", "}", "}]", '"}]', '"}'):
            yield Hypothesis({**parsed.params, name: value + rest}, hint)


def _swapped(params: Mapping[str, str], old: str, new: str) -> Iterator[dict[str, str]]:
    """Replace some ``old`` characters by ``new``: in all values at once, then in every combination
    if there are few, otherwise value by value. A time always has its space.
    """
    base = {
        name: value.replace("+", " ") if _TIME.fullmatch(value) else value
        for name, value in params.items()
    }
    names = [name for name in base if old in base[name] and name not in UNSIGNED]
    names = [name for name in names if not _TIME.fullmatch(base[name])]
    yield base
    yield {**base, **{name: base[name].replace(old, new) for name in names}}
    together = "\0".join(base[name] for name in names)
    if together.count(old) <= _MAX_SWAPS:
        for text in _variants(together, old, new):
            yield {**base, **dict(zip(names, text.split("\0"), strict=False))}
    else:
        for name in names:
            if base[name].count(old) <= _MAX_SWAPS:
                for text in _variants(base[name], old, new):
                    yield {**base, name: text}


def _variants(text: str, old: str, new: str) -> Iterator[str]:
    """Replace each occurrence alone, then every combination."""
    first, *pieces = text.split(old)
    for place in range(1, len(pieces) + 1):
        yield new.join((old.join((first, *pieces[: place - 1])), old.join(pieces[place - 1 :])))
    for joints in product((old, new), repeat=len(pieces)):
        yield first + "".join(map("".join, zip(joints, pieces, strict=True)))
