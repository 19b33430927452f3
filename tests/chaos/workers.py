"""Gunicorn with its workers, and who kills them."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

from .databases import free_port

ROOT = Path(__file__).parents[2]

_SHOP = "tests.chaos.app:create_app()"


class Workers:
    """One gunicorn.

    :param environment: environment variables of the shop.
    :param log: receives the errors.
    :param options: gunicorn's options for the number and kind of workers.
    :param app: the app, as named on gunicorn's command line.
    """

    def __init__(
        self, environment: dict[str, str], log: Path, *options: str, app: str = _SHOP
    ) -> None:
        self.port = free_port()
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", app, *options),
                *("-b", f"127.0.0.1:{self.port}", "--timeout", "60", "--log-level", "warning"),
                *("--graceful-timeout", "2"),
                *("--worker-tmp-dir", str(log.parent), "--no-control-socket"),
                "--preload",  # a new worker is there at once
            ],
            env={**os.environ, **environment},
            cwd=ROOT,
            stdout=self._log,
            stderr=self._log,
        )

    def kill_one(self, chance: random.Random) -> int:
        """Ends a worker as nothing can prevent; gunicorn starts another."""
        with contextlib.suppress(OSError, IndexError):
            os.kill(chance.choice(self._workers()), signal.SIGKILL)
            return 1
        return 0

    def processor_seconds(self) -> float:
        """Return how many seconds the workers have used a processor."""
        ticks = 0
        for pid in self._workers():
            # The name may hold anything; what follows it does not.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def _workers(self) -> list[int]:
        pid = self._process.pid
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def is_listening(self) -> bool:
        """Return whether it listens."""
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        return False

    @property
    def running(self) -> bool:
        """Return whether gunicorn itself is running."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Ends it with its workers."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
