"""Load on a server, from a separate process: ``python -m tests.benchmarks.driving``.

Reads a line of JSON for each turn, ``{"port", "connections", "bodies"}``: so many concurrent
connections, a new one for each body, since gunicorn's synchronous workers keep none. Writes a
line ``{"seconds", "latencies", "answers"}``.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from time import perf_counter
from typing import Any

from ..chaos.workers import ROOT

_HEAD = (
    "POST /alipay/notify HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n"
)


class Driver:
    """Process that creates the load, as the measuring process sees it."""

    def __enter__(self) -> Driver:
        command = [sys.executable, "-m", __name__]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def turn(self, port: int, connections: int, bodies: list[bytes]) -> dict[str, Any]:
        """Delivers all of them, and tells how that went."""
        told = {"port": port, "connections": connections, "bodies": [b.decode() for b in bodies]}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(told), file=self._process.stdin, flush=True)
        said: dict[str, Any] = json.loads(self._process.stdout.readline())
        return said


async def deliver(port: int, bodies: Iterator[bytes], latencies: list[float]) -> Counter[str]:
    """Delivers one after the other, as long as there are any."""
    answers: Counter[str] = Counter()
    for body in bodies:
        start = perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_HEAD.format(len(body)).encode() + body)
        answer = await reader.read()
        writer.close()
        latencies.append(perf_counter() - start)
        answers[answer.rpartition(b"\r\n\r\n")[2].decode()] += 1
    return answers


async def drive(port: int, connections: int, bodies: list[bytes]) -> dict[str, Any]:
    """Delivers all of them on so many connections at a time."""
    latencies: list[float] = []
    left = iter(bodies)
    start = perf_counter()
    counts = await asyncio.gather(*(deliver(port, left, latencies) for _ in range(connections)))
    seconds = perf_counter() - start
    answers: Counter[str] = sum(counts, Counter())
    return {"seconds": seconds, "latencies": latencies, "answers": answers}


def main() -> None:
    """Respond line by line."""
    for line in sys.stdin:
        told = json.loads(line)
        bodies = [body.encode() for body in told["bodies"]]
        print(json.dumps(asyncio.run(drive(told["port"], told["connections"], bodies))), flush=True)


if __name__ == "__main__":
    main()
