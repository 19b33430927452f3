"""Two ways of doing the same, timed in turns in one run, so that a busy machine slows both."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable
from time import perf_counter_ns


def ratio(
    ours: Callable[[], object], floor: Callable[[], object], *, rounds: int = 60, calls: int = 100
) -> float:
    """Returns the floor's time over ours: 1.0 is as fast as the floor, 0.5 takes twice as long.

    :param ours: what is measured.
    :param floor: the same done by hand.
    :param rounds: how often each gets its turn; the median counts.
    :param calls: how many calls a turn has.
    """
    _turn(ours, calls)
    _turn(floor, calls)
    pairs = []
    for number in range(rounds):
        # Whoever goes first has the colder caches: they take turns at that, too.
        if number % 2:
            mine, theirs = _turn(ours, calls), _turn(floor, calls)
        else:
            theirs, mine = _turn(floor, calls), _turn(ours, calls)
        pairs.append(theirs / mine)
    return statistics.median(pairs)


def report(what: str, value: float, reach: float) -> None:
    """Prints one line."""
    verdict = "reached" if value >= reach else "MISSED"
    print(f"{what:<44} {value:5.2f} of the floor (at least {reach:.2f}: {verdict})")


def _turn(call: Callable[[], object], calls: int) -> int:
    gc.collect()
    gc.disable()
    start = perf_counter_ns()
    for _ in range(calls):
        call()
    taken = perf_counter_ns() - start
    gc.enable()
    return taken
