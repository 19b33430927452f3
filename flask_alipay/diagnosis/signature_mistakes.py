"""Mistakes in the signature's text, and descriptions of damaged signatures."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import unquote

from . import hints
from .encoding_mistakes import unwrap_list
from .messages import Hint
from .mistakes import Mistake
from .reason import Reason
from .signatures import MD5_SHAPE, rsa_signature

_STRAY = re.compile(r"[\s\"'\ufeff\u200b]+")
_URL_SAFE = str.maketrans("-_", "+/")


def repaired_variants(sign: str) -> Iterator[tuple[str, Mistake | None]]:
    """Yield the signature unchanged and then its possible original forms, each with its mistake."""
    yield sign, None
    seen = {sign}
    for mistake, text in _repairs(sign):
        if text not in seen:
            seen.add(text)
            yield text, mistake


def _repairs(sign: str) -> Iterator[tuple[Mistake, str]]:
    yield Mistake(Reason.PLUS_SPACE, hints.SIGN_WITH_SPACES), sign.strip().replace(" ", "+")
    yield Mistake(Reason.NOT_DECODED, hints.SIGN_NOT_DECODED), unquote(sign)
    yield Mistake(Reason.HTML_ESCAPED, hints.SIGN_ESCAPED), html.unescape(sign)
    yield Mistake(Reason.LIST_VALUES, hints.SIGN_IN_LIST), unwrap_list(sign)
    cleaned = _STRAY.sub("", sign)
    yield Mistake(Reason.SIGN_CHANGED, hints.SIGN_STRAY), cleaned
    yield Mistake(Reason.SIGN_CHANGED, hints.SIGN_CASE), cleaned.lower()
    unpadded = cleaned.translate(_URL_SAFE).rstrip("=")
    yield Mistake(Reason.SIGN_CHANGED, hints.SIGN_BASE64), unpadded + "=" * (-len(unpadded) % 4)


def describe_damage(sign: str, md5: bool) -> Hint | None:
    """Return a hint that describes a damaged signature, ``None`` if it may be intact."""
    if (MD5_SHAPE.fullmatch(sign) if md5 else rsa_signature(sign)) is None:
        return hints.DAMAGED
    if not md5 and not re.search("[A-Z]", sign):
        return hints.LOWER_CASED
    return None
