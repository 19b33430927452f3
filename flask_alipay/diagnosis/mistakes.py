"""Search for one or two mistakes that explain why a signature does not verify.

A mistake is a row of :data:`MISTAKES`. It is reported only if the signature matches the content
with the mistake undone: a new row can never cause a false hint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from . import encoding_mistakes, param_mistakes
from .hypotheses import Budget, Hypothesis, matching_charset
from .messages import Hint
from .payload import ParsedPayload
from .reason import Reason
from .signatures import SignatureCandidate

# In pairs, only this number of the likeliest forms of each mistake is tried.
_IN_PAIRS = 10


class Mistake(NamedTuple):
    """A mistake, proven by undoing it."""

    #: See :class:`~flask_alipay.diagnosis.Reason`.
    reason: str
    #: The problem and its fix, for people.
    hint: Hint


#: Each mistake by its reason, the likeliest first.
MISTAKES: tuple[tuple[str, Callable[[ParsedPayload], Iterator[Hypothesis]]], ...] = (
    (Reason.CHARSET, encoding_mistakes.charset),
    (Reason.SIGN_TYPE_IN_STRING, param_mistakes.sign_type_in_string),
    (Reason.EMPTY_KEPT, param_mistakes.empty_kept),
    (Reason.LIST_VALUES, encoding_mistakes.list_values),
    (Reason.DOUBLE_DECODED, encoding_mistakes.decoded_before),
    (Reason.NOT_DECODED, encoding_mistakes.not_decoded),
    (Reason.PLUS_SPACE, encoding_mistakes.plus_space),
    (Reason.DOUBLE_DECODED, encoding_mistakes.double_decoded),
    (Reason.HTML_ESCAPED, encoding_mistakes.html_escaped),
    (Reason.BACKSLASHES, encoding_mistakes.backslashes),
    (Reason.EXTRA_PARAMETER, param_mistakes.extra_parameter),
    (Reason.MISSING_PARAMETER, param_mistakes.missing_parameter),
    (Reason.REFORMATTED, encoding_mistakes.reformatted),
    (Reason.TRUNCATED, encoding_mistakes.truncated),
    (Reason.ALTERED, param_mistakes.added_param),
)


def find_mistakes(
    candidate: SignatureCandidate, parsed: ParsedPayload, count: int
) -> tuple[Mistake, ...]:
    """Find the mistakes that together explain the signature.

    :param count: the number of mistakes, 1 or 2.
    :returns: as many mistakes; none if no known mistakes explain it.
    """
    budget = Budget()
    if count > 1:
        return _find_two(candidate, parsed, budget)
    one = _find_one(candidate, parsed, budget)
    return () if one is None else (one,)


def _find_one(
    candidate: SignatureCandidate, parsed: ParsedPayload, budget: Budget
) -> Mistake | None:
    for reason, undo in MISTAKES:
        for hypothesis in undo(parsed):
            if matching_charset(candidate, hypothesis, parsed, budget) is not None:
                return Mistake(reason, hypothesis.hint)
            if budget.spent:
                return None
    return None


def _find_two(
    candidate: SignatureCandidate, parsed: ParsedPayload, budget: Budget
) -> tuple[Mistake, ...]:
    seen: set[int] = set()
    rows = [(reason, list(islice(undo(parsed), _IN_PAIRS))) for reason, undo in MISTAKES]
    for place, (first, ways) in enumerate(rows):
        if first == Reason.ALTERED:
            continue
        # The order of two independent mistakes does not matter: each pair is tried once.
        done = {reason for reason, others in rows[:place] if others}
        for hypothesis in ways:
            key = hash((tuple(hypothesis.params.items()), hypothesis[2:]))
            if key in seen or not _changes(hypothesis, parsed):
                continue
            seen.add(key)
            found = _find_second(candidate, parsed, (first, *done), hypothesis, budget)
            if found is not None:
                return (Mistake(first, hypothesis.hint), found)
            if budget.spent:
                return ()
    return ()


def _changes(hypothesis: Hypothesis, parsed: ParsedPayload) -> bool:
    return hypothesis.params != parsed.params or hypothesis[2:] != Hypothesis({})[2:]


def _find_second(
    candidate: SignatureCandidate,
    parsed: ParsedPayload,
    others: tuple[str, ...],
    hypothesis: Hypothesis,
    budget: Budget,
) -> Mistake | None:
    left = replace(parsed, params=hypothesis.params, readings={"": hypothesis.params}, verbatim={})
    for reason, undo in MISTAKES:
        if reason in others or reason == Reason.ALTERED:
            continue
        for second in islice(undo(left), _IN_PAIRS):
            if (
                matching_charset(candidate, second.combined_with(hypothesis), parsed, budget)
                is not None
            ):
                return Mistake(reason, second.hint)
    return None
