"""A payload with a mistake undone, and the words that its signature would then cover."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..exceptions import InvalidParameter
from ..protocol.charsets import encode
from ..signer import sign_content
from .messages import NO_HINT, Hint
from .payload import ParsedPayload
from .seal import SignatureCandidate

#: What no signature of a notification covers.
UNSIGNED = ("sign", "sign_type")


class Hypothesis(NamedTuple):
    """A payload with one mistake undone."""

    #: The parameters as they may have been.
    params: Mapping[str, str]
    #: What was wrong and what to do, for people.
    hint: Hint = NO_HINT
    #: Names that are not signed.
    exclude: tuple[str, ...] = UNSIGNED
    #: The charset of the signed words; ``None``: any likely one.
    charset: str | None = None
    #: Whether empty values are signed too.
    keep_empty: bool = False

    def combined_with(self, first: Hypothesis) -> Hypothesis:
        """Returns this with another mistake undone before it."""
        return self._replace(
            exclude=first.exclude if self.exclude == UNSIGNED else self.exclude,
            charset=self.charset or first.charset,
            keep_empty=self.keep_empty or first.keep_empty,
        )


class Budget:
    """How much may be tried: a diagnosis of hostile input has an end, too.

    :param most: bytes to put together and hash.
    """

    def __init__(self, limit: int = 32 * 1024 * 1024) -> None:
        self._left = limit
        self._tried: set[int] = set()

    @property
    def spent(self) -> bool:
        """Whether nothing more may be tried."""
        return self._left <= 0

    def fresh(self, content: bytes) -> bool:
        """Tells whether these words were not tried yet, and counts them."""
        key = hash(content)
        if key in self._tried:
            return False
        self._tried.add(key)
        self._left -= len(content) + 64
        return True


def matching_charset(
    candidate: SignatureCandidate,
    undone: Hypothesis,
    evidence: ParsedPayload,
    budget: Budget | None = None,
) -> str | None:
    """Returns the charset in which the signature covers these words, or ``None`` if in none."""
    charsets = evidence.charsets if undone.charset is None else (undone.charset,)
    budget = budget or Budget()
    for charset in charsets:
        for content in _contents(undone, charset):
            if budget.fresh(content) and candidate.matches(content):
                return charset
        if undone.charset is None and all(map(str.isascii, undone.params.values())):
            break  # the same bytes in every charset
    return None


def _contents(undone: Hypothesis, charset: str) -> Iterator[bytes]:
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
    return encode("&".join(f"{name}={params[name]}" for name in names), charset)
