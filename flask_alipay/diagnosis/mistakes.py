"""Which mistakes, one or two of them, make the signature fit.

A mistake is a row of :data:`MISTAKES`. It is believed only when the signature fits the words that
it yields: a new row can never give a false hint, the worst it can do is to find nothing.
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
from .seal import SignatureCandidate

# In pairs, only the likeliest forms of each mistake.
_IN_PAIRS = 10


class Mistake(NamedTuple):
    """One that was made, proven by undoing it."""

    #: See :class:`~flask_alipay.diagnosis.Reason`.
    reason: str
    #: What is wrong and what to do, for people.
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
    candidate: SignatureCandidate, evidence: ParsedPayload, count: int
) -> tuple[Mistake, ...]:
    """Looks for the mistakes that together make the signature fit.

    :param count: 1 or 2 of them.
    :returns: as many mistakes; none if no known ones explain it.
    """
    budget = Budget()
    if count > 1:
        return _find_two(candidate, evidence, budget)
    one = _find_one(candidate, evidence, budget)
    return () if one is None else (one,)


def _find_one(
    candidate: SignatureCandidate, evidence: ParsedPayload, budget: Budget
) -> Mistake | None:
    for reason, undo in MISTAKES:
        for undone in undo(evidence):
            if matching_charset(candidate, undone, evidence, budget) is not None:
                return Mistake(reason, undone.hint)
            if budget.spent:
                return None
    return None


def _find_two(
    candidate: SignatureCandidate, evidence: ParsedPayload, budget: Budget
) -> tuple[Mistake, ...]:
    seen: set[int] = set()
    rows = [(reason, list(islice(undo(evidence), _IN_PAIRS))) for reason, undo in MISTAKES]
    for place, (first, ways) in enumerate(rows):
        if first == Reason.ALTERED:
            continue
        # Of two that can both be undone first, the order does not matter: once is enough.
        done = {reason for reason, others in rows[:place] if others}
        for undone in ways:
            key = hash((tuple(undone.params.items()), undone[2:]))
            if key in seen or not _changes(undone, evidence):
                continue
            seen.add(key)
            found = _find_second(candidate, evidence, (first, *done), undone, budget)
            if found is not None:
                return (Mistake(first, undone.hint), found)
            if budget.spent:
                return ()
    return ()


def _changes(undone: Hypothesis, evidence: ParsedPayload) -> bool:
    return undone.params != evidence.params or undone[2:] != Hypothesis({})[2:]


def _find_second(
    candidate: SignatureCandidate,
    evidence: ParsedPayload,
    others: tuple[str, ...],
    undone: Hypothesis,
    budget: Budget,
) -> Mistake | None:
    left = replace(evidence, params=undone.params, readings={"": undone.params}, verbatim={})
    for reason, undo in MISTAKES:
        if reason in others or reason == Reason.ALTERED:
            continue
        for second in islice(undo(left), _IN_PAIRS):
            if (
                matching_charset(candidate, second.combined_with(undone), evidence, budget)
                is not None
            ):
                return Mistake(reason, second.hint)
    return None
