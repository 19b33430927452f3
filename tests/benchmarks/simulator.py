"""The simulator under load: trades created, paid and notified, on one core.

``python -m tests.benchmarks.simulator [--seconds 60] [--only mapi] [--state | --no-state]``

The simulator is pinned to one core. A driver, and a shop that hears each notification over HTTP,
share what is left. Each trade is a signed request to the gateway, a word to the control that pays
it, and a notification that is answered ``success``. The floor is a server of the standard library
on the same core that does nothing but that: as many requests, as many bare signatures, one request
to the shop. It is raced in turns with the simulator, so that a busy machine slows both.

A machine that others use gives nobody a whole core. So beside the rate stands what it would be on a
core of its own: one over the processor's time for each trade.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from flask_alipay.simulator.merchant.files import read_merchant
from flask_alipay.simulator.merchant.merchant import SimulatedMerchant
from flask_alipay.simulator.trades.trades import MAX_TRADES

from .load.line import Line
from .load.orders import KINDS, Kind
from .verdicts import at_least, at_most, conclude, for_the_record

CORE = 0
LINES = 8
#: How many turns a measurement takes: simulator, floor, simulator, …
TURNS = 6
#: How long each is loaded beforehand, in seconds.
WARM = 2.0
#: Trades in a second, without signatures by RSA and without a file.
REACH = 300
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Server:
    """A process under load."""

    process: subprocess.Popen[str]
    port: int
    created: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    rss: list[int] = field(default_factory=list)

    def cpu_seconds(self) -> float:
        """What it has used of processors so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident(self) -> int:
        """Its memory now, in MiB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * _PAGE // 2**20

    @property
    def rate(self) -> float:
        """Trades in a second that passed."""
        return self.created / self.wall

    @property
    def core_rate(self) -> float:
        """Trades in a second of a core's work."""
        return self.created / self.cpu


def main(*arguments: str) -> None:
    """Measures what a command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=60, help="of load on the simulator")
    parser.add_argument("--only", choices=KINDS, action="append")
    parser.add_argument("--state", action="store_true", help="only with a state file")
    parser.add_argument("--no-state", action="store_true", help="only without one")
    asked = parser.parse_args(arguments)
    for name in asked.only or KINDS:
        for with_state in (False, True):
            if not (asked.state and not with_state) and not (asked.no_state and with_state):
                measure(KINDS[name], asked.seconds, with_state)


def measure(kind: Kind, seconds: float, with_state: bool) -> None:
    """Loads the simulator and its floor in turns, and prints what came of it."""
    with tempfile.TemporaryDirectory() as folder, shop() as heard:
        state = ["--state", f"{folder}/state.db"] if with_state else []
        keys = f"{folder}/keys"
        command = ["-m", "flask_alipay", "simulate", "--port", "0", "--keys", keys, *state]
        with (
            serving(command, r"listens on") as simulator,
            serving(
                ["-m", "tests.benchmarks.load.floor", str(heard.port), str(kind.signatures)],
                "listens on",
            ) as floor,
        ):
            merchant = read_merchant(Path(keys))
            assert merchant is not None
            warm_up(kind, simulator, floor, merchant, heard.port)
            for turn in range(TURNS):
                load(kind, simulator, merchant, heard.port, seconds / TURNS, f"S{turn}")
                load(kind, floor, merchant, heard.port, seconds / TURNS / 4, f"F{turn}")
            told = heard.told("S")
            say(kind, with_state, simulator, floor, told)


def warm_up(
    kind: Kind, simulator: Server, floor: Server, merchant: SimulatedMerchant, shop_port: int
) -> None:
    """Fills the simulator's memory with as many trades as it keeps, which no turn shall pay for."""
    line, signed = Line(simulator.port), KINDS["mapi"].requests(merchant, shop_port)
    for number in range(MAX_TRADES):
        line.ask(signed(f"W{number}"), KINDS["mapi"].answer)
    line.close()
    load(kind, simulator, merchant, shop_port, WARM, "V")
    load(kind, floor, merchant, shop_port, WARM, "V")
    for server in (simulator, floor):
        server.created, server.wall, server.cpu, server.rss = 0, 0.0, 0.0, []


def load(
    kind: Kind,
    server: Server,
    merchant: SimulatedMerchant,
    shop_port: int,
    seconds: float,
    turn: str,
) -> None:
    """Keeps a server busy for a while, on several connections."""
    numbers = [0] * LINES
    signed = kind.requests(merchant, shop_port)
    server.rss.append(server.resident())
    cpu, start = server.cpu_seconds(), time.monotonic()
    until = start + seconds

    def drive(number: int) -> None:
        line = Line(server.port)
        while time.monotonic() < until:
            out_trade_no = f"{turn}L{number}N{numbers[number]}"
            line.ask(signed(out_trade_no), kind.answer)
            line.ask(_pay(out_trade_no), 200)
            numbers[number] += 1
        line.close()

    lines = [threading.Thread(target=drive, args=(number,)) for number in range(LINES)]
    for one in lines:
        one.start()
    for one in lines:
        one.join()
    server.wall += time.monotonic() - start
    server.cpu += server.cpu_seconds() - cpu
    server.created += sum(numbers)
    server.rss.append(server.resident())


def _pay(out_trade_no: str) -> bytes:
    path = f"/trades/{out_trade_no}/pay"
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode("ascii")


def say(kind: Kind, with_state: bool, simulator: Server, floor: Server, told: int) -> None:
    """Prints one measurement."""
    what = f"{kind.name}{', with --state' if with_state else ''}"
    print(f"{what}: {simulator.created} trades in {simulator.wall:.0f} s")
    at_most(f"{what}: lost", simulator.created - told, 0, "trades")
    rate = (f"{what}: a core of its own", simulator.core_rate)
    if kind.signatures or with_state:
        for_the_record(*rate, "trades a second")
    else:
        at_least(*rate, REACH, "trades a second")
    for_the_record(f"{what}: the floor's", floor.core_rate, "trades a second")
    for_the_record(f"{what}: speed", simulator.core_rate / floor.core_rate, "of the floor")
    for_the_record(f"{what}: here and now", simulator.rate, "trades a second")
    for_the_record(f"{what}: here and now, floor", floor.rate, "trades a second")
    rss = simulator.rss
    for when, size in (("start", rss[0]), ("middle", rss[len(rss) // 2]), ("end", rss[-1])):
        for_the_record(f"{what}: memory, {when}", size, "MiB")


@contextlib.contextmanager
def serving(command: list[str], words: str) -> Iterator[Server]:
    """Runs a server on the one core until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-u", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {CORE}),  # before it starts a thread
    )
    assert process.stdout is not None
    try:
        line = ""
        while words not in line:
            line = process.stdout.readline()
            assert line, "the server did not start"
        port = int(line.partition("127.0.0.1:")[2].partition("/")[0])
        yield Server(process, port)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        process.stdout.close()


@dataclass
class Shop:
    """The merchant's side, in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    def told(self, turn: str) -> int:
        """How many different orders it heard of whose numbers begin so."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{turn}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextlib.contextmanager
def shop() -> Iterator[Shop]:
    """Runs a shop that answers every notification with ``success``."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.load.shop"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Shop(process, int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.exit(conclude())
