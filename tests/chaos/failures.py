"""Injected failures: killed workers, closed connections and crashes of the database."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING

from .databases import Database
from .workers import ROOT, Workers

if TYPE_CHECKING:
    from .figures import Figures

# The numbers of notifications to settle between two failures, at first and later in a long run,
# since a new worker is slow; and before each crash of the database.
_BREATH, _LONGEST_BREATH = 10, 40
_FIRST_CRASH, _CRASH = 50, 15_000


class Reconciling:
    """Process that reconciles, restarted when it is killed.

    :param environment: the environment variables of the shop.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.reconciling"],
            env={**os.environ, **self._environment},
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """Kill the process and start another."""
        self.stop()
        self._start()

    def stop(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.wait()


def strike(
    over: Event,
    chance: random.Random,
    every: float,
    figures: Figures,
    settled: Callable[[], int],
    *,
    workers: list[Workers],
    reconciling: list[Reconciling],
    database: Database,
) -> None:
    """Kill workers and reconciling processes, close connections, and sometimes kill the database.

    :param every: the mean time between two failures, in seconds.
    :param settled: returns the number of notifications acknowledged with ``success``.
    """
    responses, next_crash = 0, _FIRST_CRASH
    while not over.wait(chance.uniform(0.5, 1.5) * every):
        if settled() < responses + max(_BREATH, min(responses // 50, _LONGEST_BREATH)):
            continue  # on a busy machine, more failures would prevent any progress
        responses = settled()
        figures.killed += chance.choice(workers).kill_one(chance)
        figures.cut += database.cut()
        if chance.random() < 0.1:
            chance.choice(reconciling).kill()
            figures.killed_reconciling += 1
        if responses > next_crash:
            figures.crashed += int(database.crash())
            next_crash = responses + _CRASH
