"""Hypotheses about mistakes: a payload with a mistake undone, checked against the signature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..exceptions import InvalidParameter
from ..protocol.charsets import encode
from ..signer import sign_content
from .messages import NO_HINT, Hint
from .payload import ParsedPayload
from .signatures import SignatureCandidate

#: The parameters that no signature of a notification covers.
UNSIGNED = ("sign", "sign_type")


class Hypothesis(NamedTuple):
    """A payload with one mistake undone."""

    #: The parameters as they may have been.
    params: Mapping[str, str]
    #: The problem and its fix, for people.
    hint: Hint = NO_HINT
    #: Names that are not signed.
    exclude: tuple[str, ...] = UNSIGNED
    #: The charset of the signed content; ``None``: any likely one.
    charset: str | None = None
    #: ``True`` if empty values are signed too.
    keep_empty: bool = False

    def combined_with(self, first: Hypothesis) -> Hypothesis:
        """Return this hypothesis with another mistake undone before it."""
        return self._replace(
            exclude=first.exclude if self.exclude == UNSIGNED else self.exclude,
            charset=self.charset or first.charset,
            keep_empty=self.keep_empty or first.keep_empty,
        )


class Budget:
    """Limit for the work of one diagnosis, so that hostile input cannot prolong it.

    :param limit: the number of bytes to build and hash.
    """

    def __init__(self, limit: int = 32 * 1024 * 1024) -> None:
        self._left = limit
        self._tried: set[int] = set()

    @property
    def spent(self) -> bool:
        """``True`` if the limit is reached."""
        return self._left <= 0

    def try_once(self, content: bytes) -> bool:
        """Return whether this content was not tried yet, and count it."""
        key = hash(content)
        if key in self._tried:
            return False
        self._tried.add(key)
        self._left -= len(content) + 64
        return True


def matching_charset(
    candidate: SignatureCandidate,
    hypothesis: Hypothesis,
    parsed: ParsedPayload,
    budget: Budget | None = None,
) -> str | None:
    """Return the charset in which the signature covers this content, or ``None``."""
    charsets = parsed.charsets if hypothesis.charset is None else (hypothesis.charset,)
    budget = budget or Budget()
    for charset in charsets:
        for content in _contents(hypothesis, charset):
            if budget.try_once(content) and candidate.matches(content):
                return charset
        if hypothesis.charset is None and all(map(str.isascii, hypothesis.params.values())):
            break  # the same bytes in every charset
    return None


def _contents(hypothesis: Hypothesis, charset: str) -> Iterator[bytes]:
    excludes = [hypothesis.exclude]
    if "alipay_cert_sn" in hypothesis.params:
        excludes.append((*hypothesis.exclude, "alipay_cert_sn"))
    for exclude in excludes:
        try:
            if hypothesis.keep_empty:
                yield _content_with_empty(hypothesis.params, exclude, charset)
            else:
                yield sign_content(hypothesis.params, exclude=exclude, charset=charset)
        except (InvalidParameter, UnicodeEncodeError):
            continue


def _content_with_empty(params: Mapping[str, str], exclude: tuple[str, ...], charset: str) -> bytes:
    names = sorted(name for name in params if name not in exclude)
    return encode("&".join(f"{name}={params[name]}" for name in names), charset)
