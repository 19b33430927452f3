"""Runner of failure injection: deliveries from many threads while failures are injected."""

from __future__ import annotations

import contextlib
import http.client
import queue
import random
import tempfile
import threading
import time
from collections.abc import Mapping
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

from . import notifications
from .clock import SharedClock
from .databases import DATABASES
from .deposits import authorization_faults, new_deposits, unsettled_authorizations
from .failures import Reconciling, strike
from .figures import Figures
from .gateway import Gateway
from .invariants import ShopResponses, faults
from .notifications import Delivery
from .shop import APP_ID, TOTAL_FEN, Payment, db
from .subscriptions import Year, agreement_faults, unsettled_agreements
from .trades import Trade
from .transfers import transfer_faults, unfinished
from .workers import Workers

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_KINDS = (("-k", "sync", "-w", "2"), ("-k", "gthread", "-w", "2", "--threads", "4"))
_CONNECTIONS = 12
_BATCH = 200
# Authorizations at a time: each has a dozen requests.
_FEW = 20
# Each retry waits so many times longer than the one before, up to so many times in total.
_SLOWER, _LONGEST_PAUSE = 1.3, 10
# The time for reconciliation to find payments without a notification, in seconds.
_TIMEOUT = 180.0


class Rig:
    """One run on one database.

    :param database: ``sqlite``, ``postgresql`` or ``mariadb``.
    :param payments: the minimum of settled payments.
    :param notifications: the minimum of sent notifications.
    :param transfers: the minimum of transfers.
    :param authorizations: the minimum of authorizations.
    :param agreements: the number of agreements, charged for twelve simulated months.
    :param seconds: the minimum duration.
    :param seed: the seed of the random choices.
    :param every: the mean time between two failures, in seconds.
    :param calm: no failures, and only two sync workers.
    """

    def __init__(
        self,
        database: str,
        *,
        payments: int = 0,
        notifications: int = 0,
        transfers: int = 0,
        authorizations: int = 0,
        agreements: int = 0,
        seconds: float = 0.0,
        seed: int = 1,
        every: float = 0.5,
        calm: bool = False,
    ) -> None:
        self._chance = random.Random(seed)
        self._folder = tempfile.TemporaryDirectory(prefix="rig-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        self._log = folder / "gunicorn.log"
        self._database = DATABASES[database](folder)
        self._payments, self._notifications = payments, notifications
        self._transfers, self._authorizations = transfers, authorizations
        self._agreements = agreements
        self._seconds, self._every, self._calm = seconds, every, calm
        self._deliveries: queue.PriorityQueue[tuple[float, int, int, Delivery]] = (
            queue.PriorityQueue()
        )
        self._open = 0
        self._winding_up = False
        self._progress = 0
        self._number = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._workers: list[Workers] = []
        self._reconciling: list[Reconciling] = []
        self._bad: dict[str, str] = {}
        self._deposits: set[str] = set()
        self._responses = ShopResponses()
        self.figures = Figures()
        self._environment = self._write_keys(folder)
        clock = SharedClock(folder / "clock")
        self._environment["RIG_CLOCK"] = str(folder / "clock")
        chance = random.Random(seed)
        self._gateway = Gateway(self._signer, chance, self._refunded, self._put, clock)
        self._year = Year(self._gateway.agreements, clock, self._put, chance)

    def run(self) -> Figures:
        """Run, check the invariants and return the figures."""
        try:
            self._database.start()
            self._environment["RIG_DATABASE"] = self._database.url
            self._environment["RIG_GATEWAY"] = self._gateway.url
            self._environment["RIG_CALLBACKS_RAISE"] = "0" if self._calm else "0.05"
            self._engine = create_engine(self._database.url)
            db.Model.metadata.create_all(self._engine)
            self._open_shop()
            self._rage()
            self._judge()
        finally:
            self._over.set()
            for one in (*self._reconciling, *self._workers, self._database, self._gateway):
                one.stop()
            self._folder.cleanup()
        return self.figures

    def _open_shop(self) -> None:
        kinds = _KINDS[:1] if self._calm else _KINDS
        self._workers = [Workers(self._environment, self._log, *kind) for kind in kinds]
        if not self._calm:
            self._reconciling = [Reconciling(self._environment) for _ in range(2)]
        while not all(workers.is_listening() for workers in self._workers):
            self._check_workers()
            time.sleep(0.1)

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
        }

    def _rage(self) -> None:
        started = time.monotonic()
        self._open_payments(min(_BATCH, self._payments or (_FEW if self._grants else _BATCH)))
        self._year.begin(self._agreements)
        threads = [threading.Thread(target=self._deliver) for _ in range(_CONNECTIONS)]
        if not self._calm:
            threads.append(threading.Thread(target=self._strike))
        for thread in threads:
            thread.start()
        try:
            while not self._done(started):
                self._open_more(started)
                self._year.step()
                time.sleep(0.05)
            self._settle_down()
        finally:
            self._over.set()
            for thread in threads:
                thread.join()
        self.figures.seconds = time.monotonic() - started

    def _open_more(self, started: float) -> None:
        """Keep the connections busy."""
        if self._winding_up:
            return
        missing = self._transfers - len(self._gateway.transfers.wanted)
        if self._deliveries.qsize() < _BATCH and missing > 0:
            self._open_transfers(min(_BATCH, missing))
        missing = self._authorizations - len(self._deposits)
        if self._deliveries.qsize() < _BATCH and missing > 0:
            self._open_deposits(min(_FEW, missing))
        if self._deliveries.qsize() < _BATCH and not self._enough(started):
            missing = self._payments - len(self._gateway.trades.paid)
            if missing > 0 or not self._grants:
                self._open_payments(min(_BATCH, missing) if missing > 0 else _BATCH)

    @property
    def _grants(self) -> int:
        """What the run is about, if it is not about ordinary payments."""
        return self._transfers + self._authorizations + self._agreements

    def wind_up(self) -> None:
        """Create no more payments; the pending ones are finished and checked."""
        self._winding_up = True

    def _enough(self, started: float) -> bool:
        return self._winding_up or (
            time.monotonic() - started >= self._seconds
            and len(self._gateway.trades.paid) >= self._payments
            and self.figures.notifications >= self._notifications
            and len(self._gateway.transfers.wanted) >= self._transfers
            and len(self._deposits) >= self._authorizations
            and self._year.over
        )

    def _done(self, started: float) -> bool:
        self._check_workers()
        return self._enough(started) and self._open == 0

    def _settle_down(self) -> None:
        """Wait for reconciliation: some sales and refunds have no notification."""
        until = time.monotonic() + _TIMEOUT
        while time.monotonic() < until and not self._calm:
            with contextlib.suppress(SQLAlchemyError), self._engine.connect() as connection:
                gateway = self._gateway
                sales = len(gateway.trades.paid) + len(gateway.granted.paid)
                waiting = sales - self._count(connection, "payment", "paid")
                waiting += self._count(connection, "refund", "status = 'REFUND_PROCESSING'")
                waiting += unfinished(connection) + gateway.fates.waiting
                waiting += unsettled_authorizations(connection, gateway.authorizations)
                waiting += unsettled_agreements(connection, self._year, gateway.agreements)
                if not waiting and not self._open:
                    return
            time.sleep(0.2)

    def _check_workers(self) -> None:
        if not all(workers.running for workers in self._workers):
            raise RuntimeError(f"gunicorn ended: {self._log.read_text(errors='replace')[-1000:]}")

    def _open_payments(self, count: int) -> None:
        first = len(self._gateway.trades.paid) + len(self._bad)
        numbers = [f"P{first + one:08d}" for one in range(count)]
        rows = [
            {"merchant": APP_ID, "out_trade_no": one, "subject": "茶", "total_fen": TOTAL_FEN}
            for one in numbers
        ]
        orders = {
            one: notifications.new_order(
                one, self._signer, self._chance, without_response=not self._calm
            )
            for one in numbers
        }
        while True:
            try:
                with self._engine.begin() as connection:
                    connection.execute(insert(Payment.__table__), rows)
                break
            except SQLAlchemyError:
                with contextlib.suppress(SQLAlchemyError), self._engine.connect() as connection:
                    if self._count(connection, "payment", f"out_trade_no = '{numbers[-1]}'"):
                        break
                time.sleep(0.2)
        for number, order in orders.items():
            if order.trade_status is None:
                self._bad[order.deliveries[0].out_trade_no] = str(order.fault)
            else:
                self._gateway.trades.paid[number] = Trade(order.trade_status, dict(order.console))
        deliveries = [one for order in orders.values() for one in order.deliveries]
        if self._calm:
            deliveries = [one for one in deliveries if one.path == notifications.NOTIFY]
        self._chance.shuffle(deliveries)
        for delivery in deliveries:
            self._put(delivery, 0.0)

    def _open_transfers(self, count: int) -> None:
        """Have the shop pay further payees."""
        wanted = self._gateway.transfers.wanted
        orders = notifications.new_transfers(len(wanted), count, self._chance)
        wanted.update(orders)
        self._put_all(orders)

    def _open_deposits(self, count: int) -> None:
        """Have the shop freeze, capture and release further amounts."""
        orders = new_deposits(len(self._deposits), count, self._chance)
        self._deposits.update(orders)
        self._put_all(orders)

    def _put_all(self, orders: Mapping[str, list[Delivery]]) -> None:
        deliveries = [one for each in orders.values() for one in each]
        self._chance.shuffle(deliveries)
        for delivery in deliveries:
            self._put(delivery, 0.0)

    def _refunded(self, number: str, request: str, refunded_fen: int) -> None:
        """Deliver the notifications of a refund."""
        for one in notifications.refunded(
            number, request, refunded_fen, self._signer, self._chance
        ):
            self._put(one, 0.0)

    def _put(self, delivery: Delivery, delay: float, tries: int = 0) -> None:
        with self._lock:
            self._open += 1
            self._number += 1
            self._deliveries.put((time.monotonic() + delay, self._number, tries, delivery))

    def _deliver(self) -> None:
        """Deliver over one connection; retry deliveries without the expected response."""
        chance = random.Random(threading.get_ident())
        while not self._over.is_set():
            try:
                due, _, tries, delivery = self._deliveries.get(timeout=0.1)
            except queue.Empty:
                continue
            time.sleep(max(0.0, due - time.monotonic()))
            status, answer = self._send(delivery, chance.choice(self._workers).port)
            if not delivery.is_over(status, answer):
                pause = chance.uniform(0.05, 0.5) * min(_LONGEST_PAUSE, _SLOWER**tries)
                self._put(delivery, pause, tries + 1)
            elif delivery.on_over is not None:
                delivery.on_over()
            with self._lock:
                self._note(delivery, status, answer)
                self._open -= 1

    def _note(self, delivery: Delivery, status: int, answer: str) -> None:
        self.figures.deliveries += 1
        if delivery.path != notifications.NOTIFY:
            self._progress += answer == "success"
            return
        self.figures.notifications += 1
        self.figures.responses[answer or "half a response"] += 1
        if answer == "success":
            self._responses.successes[delivery.out_trade_no] += 1
        elif 400 <= status < 500:
            self._responses.refusals[delivery.out_trade_no] += 1

    def _send(self, delivery: Delivery, port: int) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("POST", delivery.path, delivery.body, _FORM)
            answer = connection.getresponse()
            return answer.status, answer.read(100).decode("ascii", "replace")
        except (OSError, http.client.HTTPException):
            return 0, "no answer"
        finally:
            connection.close()

    def _strike(self) -> None:
        strike(
            self._over,
            random.Random(self._chance.random()),
            self._every,
            self.figures,
            lambda: self.figures.responses["success"] + self._progress,
            workers=self._workers,
            reconciling=self._reconciling,
            database=self._database,
        )

    def _count(self, connection: object, table: str, condition: str) -> int:
        statement = text(f"SELECT count(*) FROM alipay_{table} WHERE {condition}")
        return int(connection.execute(statement).scalar_one())  # type: ignore[attr-defined]

    def _judge(self) -> None:
        """Compare the ledger with Alipay's trades and the deliveries."""
        self._engine.dispose()
        figures, gateway = self.figures, self._gateway
        self._count_figures()
        self._responses.read(self._log.read_text(errors="replace"))
        with self._engine.connect() as connection:
            figures.faults += faults(
                connection, gateway.trades.paid, gateway.granted.paid, self._bad, self._responses
            )
            figures.faults += transfer_faults(connection, gateway.transfers)
            figures.faults += authorization_faults(connection, gateway.authorizations)
            figures.faults += agreement_faults(connection, self._year, gateway.agreements)
        figures.faults += gateway.faults
        if self._calm:
            figures.faults += self._responses.unrest
        self._engine.dispose()

    def _count_figures(self) -> None:
        figures, gateway = self.figures, self._gateway
        figures.payments, figures.bad_payments = len(gateway.trades.paid), len(self._bad)
        figures.gateway_requests = gateway.requests
        figures.transfers = len(gateway.transfers.wanted)
        figures.paid_transfers = gateway.transfers.paid.total()
        figures.refunds = sum(len(trade.refunds) for trade in gateway.trades.paid.values())
        frozen = gateway.authorizations.frozen.values()
        figures.authorizations = len(frozen)
        figures.captures = sum(len(one.captured) for one in frozen)
        figures.releases = sum(len(one.released) for one in frozen)
        signed = gateway.agreements.signed.values()
        figures.agreements = len(signed)
        figures.ended_agreements = sum(one.ended for one in signed)
        figures.deductions = sum(one.paid_count for one in signed)
        figures.rejected = gateway.granted.rejected
