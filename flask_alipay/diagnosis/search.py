"""Which mistakes, one or two of them, make the signature fit.

A mistake is a row of :data:`MISTAKES`. It is believed only when the signature fits the words that
it yields: a new row can never give a false hint, the worst it can do is to find nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from . import parameters, rewritings
from .evidence import Evidence
from .reason import Reason
from .said import Hint
from .seal import Seal
from .undone import Budget, Undone, fitting_charset

# In pairs, only the likeliest forms of each mistake.
_IN_PAIRS = 10


class Mistake(NamedTuple):
    """One that was made, proven by undoing it."""

    #: See :class:`~flask_alipay.diagnosis.Reason`.
    reason: str
    #: What is wrong and what to do, for people.
    hint: Hint


#: Each mistake by its reason, the likeliest first.
MISTAKES: tuple[tuple[str, Callable[[Evidence], Iterator[Undone]]], ...] = (
    (Reason.CHARSET, rewritings.charset),
    (Reason.SIGN_TYPE_IN_STRING, parameters.sign_type_in_string),
    (Reason.EMPTY_KEPT, parameters.empty_kept),
    (Reason.LIST_VALUES, rewritings.list_values),
    (Reason.DOUBLE_DECODED, rewritings.decoded_before),
    (Reason.NOT_DECODED, rewritings.not_decoded),
    (Reason.PLUS_SPACE, rewritings.plus_space),
    (Reason.DOUBLE_DECODED, rewritings.double_decoded),
    (Reason.HTML_ESCAPED, rewritings.html_escaped),
    (Reason.BACKSLASHES, rewritings.backslashes),
    (Reason.EXTRA_PARAMETER, parameters.extra_parameter),
    (Reason.MISSING_PARAMETER, parameters.missing_parameter),
    (Reason.REFORMATTED, rewritings.reformatted),
    (Reason.TRUNCATED, rewritings.truncated),
    (Reason.ALTERED, parameters.filled_in),
)


def find(seal: Seal, evidence: Evidence, count: int) -> tuple[Mistake, ...]:
    """Looks for the mistakes that together make the signature fit.

    :param count: 1 or 2 of them.
    :returns: as many mistakes; none if no known ones explain it.
    """
    budget = Budget()
    if count > 1:
        return _find_two(seal, evidence, budget)
    one = _find_one(seal, evidence, budget)
    return () if one is None else (one,)


def _find_one(seal: Seal, evidence: Evidence, budget: Budget) -> Mistake | None:
    for reason, undo in MISTAKES:
        for undone in undo(evidence):
            if fitting_charset(seal, undone, evidence, budget) is not None:
                return Mistake(reason, undone.hint)
            if budget.spent:
                return None
    return None


def _find_two(seal: Seal, evidence: Evidence, budget: Budget) -> tuple[Mistake, ...]:
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
            found = _find_second(seal, evidence, (first, *done), undone, budget)
            if found is not None:
                return (Mistake(first, undone.hint), found)
            if budget.spent:
                return ()
    return ()


def _changes(undone: Undone, evidence: Evidence) -> bool:
    return undone.params != evidence.params or undone[2:] != Undone({})[2:]


def _find_second(
    seal: Seal, evidence: Evidence, others: tuple[str, ...], undone: Undone, budget: Budget
) -> Mistake | None:
    left = replace(evidence, params=undone.params, readings={"": undone.params}, verbatim={})
    for reason, undo in MISTAKES:
        if reason in others or reason == Reason.ALTERED:
            continue
        for second in islice(undo(left), _IN_PAIRS):
            if fitting_charset(seal, second.after(undone), evidence, budget) is not None:
                return Mistake(reason, second.hint)
    return None
