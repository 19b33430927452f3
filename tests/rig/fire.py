"""The rig: deliveries from many threads, and everything that may go wrong meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from sqlalchemy import create_engine, insert, text
from sqlalchemy.exc import SQLAlchemyError

from flask_alipay.keys import generate_private_key
from flask_alipay.signer import Rsa2Signer

from . import news
from .databases import DATABASES
from .shop import APP_ID, TOTAL_FEN, Payment, db
from .workers import ROOT, Workers

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_KINDS = (("-k", "sync", "-w", "2"), ("-k", "gthread", "-w", "2", "--threads", "4"))
_CONNECTIONS = 12
_BATCH = 200
# So many notifications are settled between two blows.
_BREATH = 10


@dataclass
class Figures:
    """What happened."""

    payments: int = 0
    bad_payments: int = 0
    deliveries: int = 0
    killed: int = 0
    cut: int = 0
    crashed: int = 0
    seconds: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    #: How often ``success`` was heard, by payment.
    successes: Counter[str] = field(default_factory=Counter)
    #: What is not as it must be; nothing, if all is well.
    faults: list[str] = field(default_factory=list)


class Rig:
    """One run on one database.

    :param database: ``sqlite``, ``postgresql`` or ``mariadb``.
    :param payments: how many are settled at least.
    :param seconds: how long it goes on at least.
    :param seed: of everything that is left to chance here.
    :param every: seconds between two blows.
    """

    def __init__(
        self,
        database: str,
        *,
        payments: int = 0,
        seconds: float = 0.0,
        seed: int = 1,
        every: float = 0.5,
    ) -> None:
        self._chance = random.Random(seed)
        self._folder = tempfile.TemporaryDirectory(prefix="rig-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        self._database = DATABASES[database](folder)
        self._payments, self._seconds, self._every = payments, seconds, every
        self._deliveries: queue.PriorityQueue[tuple[float, int, news.Delivery]] = (
            queue.PriorityQueue()
        )
        self._open = 0
        self._number = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._workers: list[Workers] = []
        self._asking: subprocess.Popen[str] | None = None
        self._asked: list[str] = []
        self._good: list[str] = []
        self._bad: dict[str, str] = {}
        self.figures = Figures()
        self._environment = self._write_keys(folder)

    def run(self) -> Figures:
        """Does it all, and looks what came of it."""
        try:
            self._database.start()
            self._environment["RIG_DATABASE"] = self._database.url
            self._engine = create_engine(self._database.url)
            db.Model.metadata.create_all(self._engine)
            log = Path(self._folder.name) / "gunicorn.log"
            self._workers = [Workers(self._environment, log, *kind) for kind in _KINDS]
            while not all(workers.answers() for workers in self._workers):
                self._check_workers()
                time.sleep(0.1)
            self._rage()
            self._judge()
        finally:
            self._over.set()
            if self._asking is not None:
                self._asking.kill()
            for workers in self._workers:
                workers.stop()
            self._database.stop()
            self._folder.cleanup()
        return self.figures

    def _write_keys(self, folder: Path) -> dict[str, str]:
        key = generate_private_key()
        self._signer = Rsa2Signer(private_key=key)
        (folder / "private.pem").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        (folder / "public.pem").write_bytes(
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
        return {
            "RIG_PRIVATE_KEY": str(folder / "private.pem"),
            "RIG_PUBLIC_KEY": str(folder / "public.pem"),
            "RIG_CALLBACKS_RAISE": "0.05",
        }

    def _rage(self) -> None:
        started = time.monotonic()
        self._open_payments(min(_BATCH, self._payments or _BATCH))
        threads = [threading.Thread(target=self._deliver) for _ in range(_CONNECTIONS)]
        threads += [threading.Thread(target=self._strike), threading.Thread(target=self._ask)]
        for thread in threads:
            thread.start()
        while not self._done(started):
            if self._deliveries.qsize() < _BATCH and not self._enough(started):
                missing = self._payments - len(self._good)
                self._open_payments(min(_BATCH, missing) if missing > 0 else _BATCH)
            time.sleep(0.05)
        self._over.set()
        for thread in threads:
            thread.join()
        self.figures.seconds = time.monotonic() - started

    def _enough(self, started: float) -> bool:
        long_enough = time.monotonic() - started >= self._seconds
        return long_enough and len(self._good) >= self._payments

    def _done(self, started: float) -> bool:
        self._check_workers()
        return self._enough(started) and self._open == 0

    def _check_workers(self) -> None:
        if not all(workers.running for workers in self._workers):
            log = (Path(self._folder.name) / "gunicorn.log").read_text(errors="replace")
            raise RuntimeError(f"gunicorn ended: {log[-1000:]}")

    def _open_payments(self, count: int) -> None:
        numbers = [f"P{len(self._good) + len(self._bad) + one:08d}" for one in range(count)]
        rows = [
            {"merchant": APP_ID, "out_trade_no": one, "subject": "茶", "total_fen": TOTAL_FEN}
            for one in numbers
        ]
        while True:
            try:
                with self._engine.begin() as connection:
                    connection.execute(insert(Payment.__table__), rows)
                break
            except SQLAlchemyError:
                with contextlib.suppress(SQLAlchemyError), self._engine.connect() as connection:
                    if self._count(connection, f"out_trade_no = '{numbers[-1]}'"):
                        break
                time.sleep(0.2)
        deliveries = [one for number in numbers for one in self._news_of(number)]
        self._chance.shuffle(deliveries)
        for delivery in deliveries:
            self._put(delivery, 0.0)

    def _news_of(self, number: str) -> list[news.Delivery]:
        if self._chance.random() < 0.05:
            told = news.bad(number, self._signer, self._chance)
            self._bad[number] = str(told[0].fault)
            return told
        self._good.append(number)
        if self._chance.random() < 0.2:
            self._asked.append(number)
        return news.good(number, self._signer, self._chance)

    def _put(self, delivery: news.Delivery, delay: float) -> None:
        with self._lock:
            self._open += 1
            self._number += 1
            self._deliveries.put((time.monotonic() + delay, self._number, delivery))

    def _deliver(self) -> None:
        """One of Alipay's connections: what is not answered ``success`` comes again."""
        chance = random.Random(threading.get_ident())
        while not self._over.is_set():
            try:
                due, _, delivery = self._deliveries.get(timeout=0.1)
            except queue.Empty:
                continue
            time.sleep(max(0.0, due - time.monotonic()))
            answer = self._send(delivery, chance.choice(self._workers).port)
            with self._lock:
                self.figures.answers[answer] += 1
                self.figures.deliveries += 1
            if answer == "success":
                with self._lock:
                    self.figures.successes[delivery.out_trade_no] += 1
            elif delivery.fault is None or answer != "fail":
                self._put(delivery, chance.uniform(0.05, 0.5))
            with self._lock:
                self._open -= 1

    def _send(self, delivery: news.Delivery, port: int) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("POST", "/alipay/notify", delivery.body, _FORM)
            return connection.getresponse().read(100).decode("ascii", "replace")
        except (OSError, http.client.HTTPException):
            return "no answer"
        finally:
            connection.close()

    def _strike(self) -> None:
        """Kills workers, cuts connections, and once the database itself."""
        figures, heard = self.figures, 0
        while not self._over.wait(self._chance.uniform(0.5, 1.5) * self._every):
            if sum(figures.successes.values()) < heard + _BREATH:
                continue  # on a busy machine blow after blow would let nothing happen at all
            heard = sum(figures.successes.values())
            figures.killed += self._chance.choice(self._workers).kill_one(self._chance)
            figures.cut += self._database.cut()
            if figures.crashed == 0 and heard > 50:
                figures.crashed = int(self._database.crash()) or -1

    def _ask(self) -> None:
        """Another process settles the same news as a query would."""
        asking = self._asking = subprocess.Popen(
            [sys.executable, "-m", "tests.rig.asking"],
            env={**os.environ, **self._environment},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert asking.stdin is not None
        assert asking.stdout is not None
        done = 0
        while not self._over.is_set():
            if done < len(self._asked):
                asking.stdin.write(f"{self._asked[done]}\n")
                asking.stdin.flush()
                if not asking.stdout.readline():
                    self.figures.faults.append("the process that asks died")
                    break
                done += 1
            else:
                time.sleep(0.05)
        asking.stdin.close()
        asking.wait(30)
        asking.stdout.close()
        self.figures.answers["asked"] = done

    def _count(self, connection: object, condition: str) -> int:
        statement = text(f"SELECT count(*) FROM alipay_payment WHERE {condition}")
        return int(connection.execute(statement).scalar_one())  # type: ignore[attr-defined]

    def _judge(self) -> None:
        """Compares the ledger with what was told."""
        from .verdict import faults

        self._engine.dispose()
        figures = self.figures
        figures.payments, figures.bad_payments = len(self._good), len(self._bad)
        with self._engine.connect() as connection:
            figures.faults += faults(connection, self._good, self._bad, figures.successes)
        self._engine.dispose()
