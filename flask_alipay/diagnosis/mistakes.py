"""What people get wrong with a payload, and how to undo it.

A mistake is a row of :data:`MISTAKES`: its reason and a function that yields the words as they may
have been before it was made. A row is believed only when the signature fits words that it yields,
so a new row can never give a false hint; the worst it can do is to find nothing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, product
from typing import NamedTuple
from urllib.parse import quote_plus

from ..exceptions import InvalidParameter
from ..signer import codec, sign_content
from .evidence import Evidence, printable
from .names import ALIPAYS
from .reason import Reason
from .seal import Seal

_UNSIGNED = ("sign", "sign_type")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ +]\d\d:\d\d:\d\d(\.\d+)?", re.ASCII)

# Up to so many + or spaces, every combination is tried: 2 ** 10 hashes.
_MAX_SWAPS = 10

# Beyond so many parameters, none is left out together with another: there are too many pairs.
_MAX_PAIRED = 60

# What percent-encoders leave as it is: Java's, Python's, JavaScript's.
_SAFE = ("", "*-._", "/", ":/", "!*'()~")

# Where text was decoded with the first though it was written in the second.
_MISREAD = (
    ("latin-1", "utf-8"),
    ("cp1252", "utf-8"),
    ("latin-1", "gbk"),
    ("gbk", "utf-8"),
    ("utf-8", "gbk"),
)


class Undone(NamedTuple):
    """A payload with one mistake undone."""

    #: The parameters as they may have been.
    params: Mapping[str, str]
    #: What was wrong and what to do, for people.
    hint: str = ""
    #: Names that are not signed.
    exclude: tuple[str, ...] = _UNSIGNED
    #: The charset of the signed words; ``None``: any likely one.
    charset: str | None = None
    #: Whether empty values are signed too.
    keep_empty: bool = False


def find(seal: Seal, evidence: Evidence) -> tuple[str, Undone] | None:
    """Looks for the one mistake that makes the signature fit.

    :returns: the reason and the payload without the mistake, or ``None`` if no known one does.
    """
    for reason, undo in MISTAKES:
        for undone in undo(evidence):
            if fitting_charset(seal, undone, evidence) is not None:
                return reason, undone
    return None


def fitting_charset(seal: Seal, undone: Undone, evidence: Evidence) -> str | None:
    """Returns the charset in which the signature covers these words, or ``None`` if in none."""
    charsets = evidence.charsets if undone.charset is None else (undone.charset,)
    tried = set()
    for charset in charsets:
        for content in _contents(undone, charset):
            if content not in tried and seal.fits(content):
                return charset
            tried.add(content)
    return None


def _contents(undone: Undone, charset: str) -> Iterator[bytes]:
    excludes = [undone.exclude]
    if "alipay_cert_sn" in undone.params:
        excludes.append((*undone.exclude, "alipay_cert_sn"))
    for exclude in excludes:
        try:
            if undone.keep_empty:
                yield _content_with_empty(undone.params, exclude, charset)
            else:
                yield sign_content(undone.params, exclude=exclude, charset=charset)
        except (InvalidParameter, UnicodeEncodeError):
            continue


def _content_with_empty(params: Mapping[str, str], exclude: tuple[str, ...], charset: str) -> bytes:
    names = sorted(name for name in params if name not in exclude)
    return "&".join(f"{name}={params[name]}" for name in names).encode(codec(charset))


def _charset(evidence: Evidence) -> Iterator[Undone]:
    """Written, read or signed in another charset than it says."""
    remedy = (
        "verify the body as it came over the wire (request.get_data()), before anything reads it"
    )
    for written, params in evidence.readings.items():
        for signed in evidence.charsets:
            way = f"it is written in {written} and " if written else ""
            hint = (
                f"The text arrived in the wrong charset: {way}it was signed in {signed}, while "
                f"{printable(evidence.said)} is what it says or what is configured. Something on "
                f"the way read it and wrote it anew; {remedy}."
            )
            yield Undone(params, hint, charset=signed)
    for wrong, right in _MISREAD:
        hint = (
            f"The text is garbled: it is {right}, but something decoded it as {wrong}. Read it as "
            f"{right}, or {remedy}."
        )
        try:
            params = {
                name: value.encode(wrong).decode(right) for name, value in evidence.params.items()
            }
        except UnicodeError:
            continue
        yield Undone(params, hint)


def _sign_type_in_string(evidence: Evidence) -> Iterator[Undone]:
    hint = (
        "The signature covers sign_type as well. Requests to the open platform and its messages "
        "(msg_method) are signed like that, notifications and returns of payments are not: this is "
        "no news of a payment, or whoever signed it kept sign_type by mistake."
    )
    said = evidence.params.get("sign_type")
    for sign_type in (said,) if said else ("RSA2", "RSA", "MD5"):
        yield Undone({**evidence.params, "sign_type": sign_type}, hint, exclude=("sign",))


def _empty_kept(evidence: Evidence) -> Iterator[Undone]:
    hint = (
        "Whoever signed it kept parameters without a value among the words signed. Alipay leaves "
        "them out, and so must every signer: drop empty values before signing."
    )
    for exclude in (_UNSIGNED, ("sign",)):
        yield Undone(evidence.params, hint, exclude=exclude, keep_empty=True)


def _plus_space(evidence: Evidence) -> Iterator[Undone]:
    hint = (
        "Spaces have become '+': the values were percent-decoded without turning '+' into a space "
        "(unquote where unquote_plus is needed)."
    )
    for params in _swapped(evidence.params, "+", " "):
        yield Undone(params, hint)


def _double_decoded(evidence: Evidence) -> Iterator[Undone]:
    remedy = "decode the body once only, or leave it to this package: it takes the raw body"
    for params in _swapped(evidence.params, " ", "+"):
        hint = (
            f"A '+' has become a space: a value was percent-decoded twice. {remedy.capitalize()}."
        )
        yield Undone(params, hint)
    for name, value in evidence.params.items():
        encoded = {quote_plus(value, safe, errors="replace") for safe in _SAFE} - {value}
        for text in sorted(encoded):
            hint = f"{printable(name)} was percent-decoded twice. {remedy.capitalize()}."
            yield Undone({**evidence.params, name: text}, hint)


def _html_escaped(evidence: Evidence) -> Iterator[Undone]:
    hint = (
        "The values were escaped for HTML (&quot;, &amp;): something made them fit for a page "
        "before they were verified. Verify the raw body, escape afterwards."
    )
    yield Undone({name: html.unescape(text) for name, text in evidence.params.items()}, hint)


def _extra_parameter(evidence: Evidence) -> Iterator[Undone]:
    for extra, params in _without(evidence):
        if not ALIPAYS.issuperset(extra):
            yield Undone(
                params,
                f"It verifies without {' and '.join(map(printable, extra))}: not Alipay's, or at "
                "least not signed by it. Take the shop's own parameters out before verifying "
                "(an argument in RETURN_URL comes back like that).",
            )


def _filled_in(evidence: Evidence) -> Iterator[Undone]:
    for extra, params in _without(evidence):
        if ALIPAYS.issuperset(extra):
            yield Undone(
                params,
                f"It verifies without {' and '.join(map(printable, extra))}: that was empty or "
                "missing when it was signed, and was filled in afterwards.",
            )


def _without(evidence: Evidence) -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    """The parameters without each one of them, and without each two."""
    names = [name for name, value in evidence.params.items() if value and name not in _UNSIGNED]
    for count in (1, 2) if len(names) <= _MAX_PAIRED else (1,):
        for extra in combinations(names, count):
            params = {name: text for name, text in evidence.params.items() if name not in extra}
            yield extra, params


def _swapped(params: Mapping[str, str], old: str, new: str) -> Iterator[dict[str, str]]:
    """The parameters with some ``old`` characters made ``new``: in all values at once, then in
    every combination while they are few, else value by value. A time has its space for certain.
    """
    base = {
        name: value.replace("+", " ") if _TIME.fullmatch(value) else value
        for name, value in params.items()
    }
    names = [name for name in base if old in base[name] and name not in _UNSIGNED]
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
    first, *pieces = text.split(old)
    for joints in product((old, new), repeat=len(pieces)):
        yield first + "".join(map("".join, zip(joints, pieces, strict=True)))


#: Each mistake by its reason, the likeliest first.
MISTAKES: tuple[tuple[str, Callable[[Evidence], Iterator[Undone]]], ...] = (
    (Reason.CHARSET, _charset),
    (Reason.SIGN_TYPE_IN_STRING, _sign_type_in_string),
    (Reason.EMPTY_KEPT, _empty_kept),
    (Reason.PLUS_SPACE, _plus_space),
    (Reason.DOUBLE_DECODED, _double_decoded),
    (Reason.HTML_ESCAPED, _html_escaped),
    (Reason.EXTRA_PARAMETER, _extra_parameter),
    (Reason.ALTERED, _filled_in),
)
