"""Two ways of doing the same, timed in turns in one run, so that a busy machine slows both."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable
from time import perf_counter_ns, process_time_ns
from typing import NamedTuple

from . import verdicts


class Ratios(NamedTuple):
    """The floor's time divided by the package's: 1.0 is as fast as the floor, 0.5 takes twice as
    long.
    """

    #: By the clock on the wall.
    wall: float
    #: By this process' processor time alone, which a busy machine hardly disturbs; what a database
    #: server does meanwhile is not in it.
    processor: float
    #: By the clock on the wall again, of the fastest turn that each has had: nearest to what a
    #: quiet machine would tell.
    best: float


def race(
    ours: Callable[[], object], floor: Callable[[], object], *, rounds: int = 60, calls: int = 100
) -> Ratios:
    """Run both in turns.

    :param ours: the measured code.
    :param floor: the same done by hand.
    :param rounds: number of turns of each; the median counts.
    :param calls: number of calls in a turn.
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
        pairs.append((mine, theirs))
    wall, processor = (
        statistics.median(theirs[clock] / mine[clock] for mine, theirs in pairs) for clock in (0, 1)
    )
    best = min(theirs[0] for _, theirs in pairs) / min(mine[0] for mine, _ in pairs)
    return Ratios(wall, processor, best)


def ratio(
    ours: Callable[[], object], floor: Callable[[], object], *, rounds: int = 60, calls: int = 100
) -> float:
    """Return the result of :func:`race` by wall-clock time."""
    return race(ours, floor, rounds=rounds, calls=calls).wall


def report(what: str, value: float, reach: float) -> None:
    """Prints one line."""
    verdicts.at_least(what, value, reach, "of the floor")


def _turn(call: Callable[[], object], calls: int) -> tuple[int, int]:
    gc.collect()
    gc.disable()
    start, cpu = perf_counter_ns(), process_time_ns()
    for _ in range(calls):
        call()
    taken = perf_counter_ns() - start, process_time_ns() - cpu
    gc.enable()
    return taken
