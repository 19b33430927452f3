"""Notifications to gunicorn with two synchronous workers, eight connections at a time, beside the
same done by hand: both servers are up on one database, and are loaded in turns.

``python -m tests.benchmarks.serving [sqlite] [postgresql] [mariadb]``
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..chaos.workers import Workers
from . import shops, verdicts
from .databases import database, on_each
from .driving import Driver
from .served import environment
from .settling import apps

ROUNDS, CALLS = 20, 400
CONNECTIONS = 8
REACH_RATE, REACH_P99 = 0.85, 1.5

_PATIENCE = 60


class Turn(NamedTuple):
    """How one turn went."""

    #: Notifications in a second.
    rate: float
    #: What one of a hundred takes longer than, in seconds.
    p99: float
    #: Notifications in a second of the workers' processor time, which a busy machine hardly
    #: disturbs; what driver and database do meanwhile is not in it.
    processor_rate: float


@contextlib.contextmanager
def server(which: str, url: str, log: Path) -> Iterator[Workers]:
    """Gunicorn with one of the apps."""
    told = environment(which, url)
    app = "tests.benchmarks.served:create_app()"
    workers = Workers(told, log, "-k", "sync", "-w", "2", app=app)
    try:
        until = time.monotonic() + _PATIENCE
        while not workers.is_listening():
            if not workers.running or time.monotonic() > until:
                raise RuntimeError(f"gunicorn does not answer: {log.read_text()[-1000:]}")
            time.sleep(0.05)
        yield workers
    finally:
        workers.stop()


def turn(driver: Driver, workers: Workers, bodies: list[bytes]) -> Turn:
    """Loads a server with so many first notifications."""
    before = workers.processor_seconds()
    said = driver.turn(workers.port, CONNECTIONS, bodies)
    processor = workers.processor_seconds() - before
    if said["answers"] != {"success": len(bodies)}:
        raise RuntimeError(f"answered {said['answers']}")
    slowest_first = sorted(said["latencies"], reverse=True)
    count, p99 = len(bodies), slowest_first[len(bodies) // 100]
    return Turn(count / said["seconds"], p99, count / max(processor, 0.01))


def serve(kind: str, rounds: int = ROUNDS, calls: int = CALLS) -> None:
    """Loads both on one kind of database.

    :param rounds: how often each gets its turn; the median counts.
    :param calls: how many notifications a turn has.
    """
    with contextlib.ExitStack() as stack:
        log = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "gunicorn.log"
        url = stack.enter_context(database(kind))
        app, _ = apps(url)
        bodies = {
            which: iter(
                [
                    shops.notification(number, shops.alipay_key())
                    for number in shops.orders(app, which[0].upper(), (rounds + 1) * calls)
                ]
            )
            for which in ("ours", "floor")
        }
        with app.app_context():
            shops.db.engine.dispose()
        servers = {which: stack.enter_context(server(which, url, log)) for which in bodies}
        driver = stack.enter_context(Driver())
        turns: dict[str, list[Turn]] = {which: [] for which in bodies}
        for number in range(rounds + 1):
            for which in sorted(bodies, reverse=bool(number % 2)):
                piece = [next(bodies[which]) for _ in range(calls)]
                turns[which].append(turn(driver, servers[which], piece))
    report(kind, turns["ours"][1:], turns["floor"][1:])  # without the one that warmed them up


def report(kind: str, ours: list[Turn], floor: list[Turn]) -> None:
    """Prints what came of it: the medians of what each turn was beside its neighbour."""
    pairs = list(zip(ours, floor, strict=True))
    rate = statistics.median(mine.rate / theirs.rate for mine, theirs in pairs)
    p99 = statistics.median(mine.p99 / theirs.p99 for mine, theirs in pairs)
    verdicts.at_least(f"gunicorn, rate, {kind}", rate, REACH_RATE, "of the floor")
    verdicts.at_most(f"gunicorn, p99, {kind}", p99, REACH_P99, "times the floor's")
    processor = statistics.median(
        mine.processor_rate / theirs.processor_rate for mine, theirs in pairs
    )
    verdicts.for_the_record("  rate by the workers' processor time", processor, "of the floor")
    mine = statistics.median(turn.rate for turn in ours)
    verdicts.for_the_record("  ours on this machine now", mine, "in a second")


def main(*kinds: str) -> None:
    """Runs it on each database."""
    on_each("gunicorn", serve, kinds)


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.exit(verdicts.conclude())
