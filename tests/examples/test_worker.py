"""Two Celery workers of the shop, with a real broker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy import func, select

from flask_alipay.protocol.agreements import china_today
from flask_alipay.simulator import Simulator
from flask_alipay.simulator.web.server import BoundSocket
from flask_alipay.testing import AlipaySimulator

from ..requirements import missing
from .conftest import EXAMPLES, dispose

BROKER = os.environ.get("FLASK_ALIPAY_REDIS", "redis://127.0.0.1:6379/0")
LOST = 6
SUBSCRIBERS = 5


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A standalone simulator whose notifications do not reach the shop."""
    bound = BoundSocket("127.0.0.1", 0)
    simulator = Simulator(base_url=bound.base_url)
    server = bound.server(simulator)
    bound.close()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield simulator
    server.shutdown()
    thread.join()


@pytest.fixture
def environment(simulator: Simulator, postgresql_url: str) -> dict[str, str]:
    """The environment of the shop's processes."""
    merchant = {
        f"ALIPAY_{name}": str(value) for name, value in simulator.merchant_settings().items()
    }
    return {
        **merchant,
        "ALIPAY_NOTIFY_URL": "http://127.0.0.1:9/lost",
        "SQLALCHEMY_DATABASE_URI": postgresql_url,
        "SECRET_KEY": "the same in all processes",
        "CELERY_BROKER_URL": BROKER,
        "SHOP_QUEUE": f"shop-{uuid.uuid4().hex}",
    }


@pytest.fixture
def far_shop(shop: ModuleType, environment: dict[str, str], tmp_path: Path) -> Iterator[Flask]:
    settings = {name: value for name, value in environment.items() if name.startswith("ALIPAY_")}
    settings |= {name: environment[name] for name in ("SQLALCHEMY_DATABASE_URI", "SECRET_KEY")}
    app: Flask = shop.create_app(settings, instance_path=str(tmp_path / "instance"))
    yield app
    dispose(app)


@contextmanager
def worker(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Celery worker in another process."""
    command = [sys.executable, "-m", "celery", "-A", "shop.worker", "worker", "--pool", "solo"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--loglevel", "info", "--without-gossip", "--without-mingle"],
            cwd=EXAMPLES,
            env={**os.environ, **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _a_paid_order(shop: ModuleType, app: Flask, simulator: Simulator) -> None:
    """Create an order that is paid at Alipay, without a notification."""
    with app.test_request_context():
        order = shop.orders.place({"dragon-well": 1}, "alipay")
        shop.paying.METHODS["alipay"].begin(order)
        shop.models.db.session.commit()
        url = shop.paying.alipay.gateway_url(order.payment)
    cashier = requests.get(url, timeout=30)
    requests.post(f"{cashier.url}/pay", timeout=30, allow_redirects=False).raise_for_status()


def _count(shop: ModuleType, app: Flask, model: Any) -> int:
    with app.app_context():
        return int(shop.models.db.session.scalar(select(func.count()).select_from(model)))


def _until(
    condition: Callable[[], bool],
    workers: list[subprocess.Popen[bytes]],
    log: Callable[[], str],
) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, log()
        assert all(worker.poll() is None for worker in workers), log()
        time.sleep(0.2)


@pytest.mark.service
def test_two_workers_settle_lost_payments_and_ship_each_order_once(
    shop: ModuleType,
    far_shop: Flask,
    simulator: Simulator,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    celery = _celery()
    for _ in range(LOST):
        _a_paid_order(shop, far_shop, simulator)
    assert _count(shop, far_shop, shop.models.Shipment) == 0
    logs = [tmp_path / "first.log", tmp_path / "second.log"]

    def all_logs() -> str:
        return "\n".join(log.read_text(errors="replace") for log in logs)

    with worker(environment, logs[0]) as one, worker(environment, logs[1]) as other:
        started = [one, other]
        _until(lambda: all_logs().count(" ready.") == 2, started, all_logs)
        with celery.Celery(broker=BROKER) as caller:
            for _ in range(3):
                caller.send_task(
                    "shop.reconcile", kwargs={"older_than": 0}, queue=environment["SHOP_QUEUE"]
                )
            _close(caller)
        _until(lambda: all_logs().count("queried") == 3, started, all_logs)
    assert _count(shop, far_shop, shop.models.Shipment) == LOST
    queried = [
        int(line.split("queried ")[1].split()[0])
        for line in all_logs().splitlines()
        if "queried" in line
    ]
    assert sum(queried) == LOST  # no order was queried twice


def _subscribe(shop: ModuleType, app: Flask, simulator: Simulator) -> None:
    """Begin a subscription and sign it at Alipay, without a notification."""
    with app.test_request_context():
        begun = shop.subscriptions.begin("dragon-well")
        shop.models.db.session.commit()
        number = begun.agreement.external_agreement_no
        url = shop.paying.alipay.sign_request(begun.agreement).url
    requests.get(url, timeout=30).raise_for_status()
    AlipaySimulator({"alipay": simulator}).sign(number)


def _plans(shop: ModuleType, app: Flask) -> list[tuple[int, str]]:
    """Return the number of charges and the next date of each subscription."""
    models = shop.models
    with app.app_context():
        rows = models.db.session.query(models.Agreement).order_by(models.Agreement.id)
        return [(row.charge_count, row.next_date) for row in rows]


@pytest.mark.service
def test_two_workers_charge_each_month_once_although_one_is_killed(
    shop: ModuleType,
    far_shop: Flask,
    simulator: Simulator,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    for _ in range(SUBSCRIBERS):
        _subscribe(shop, far_shop, simulator)
    logs: list[Path] = []
    ahead = 0

    def all_logs() -> str:
        return "\n".join(log.read_text(errors="replace") for log in logs)

    caller = _celery().Celery(broker=BROKER)

    def send(*tasks: str) -> None:
        for task in tasks:
            arguments = {"older_than": 0} if task == "shop.reconcile" else {}
            caller.send_task(task, kwargs=arguments, queue=environment["SHOP_QUEUE"])

    def ready(number: int) -> bool:
        return all_logs().count(" ready.") == number

    def charged(month: int) -> bool:
        send("shop.reconcile", "shop.renew", "shop.renew")  # as beat does
        time.sleep(1)
        return all(count >= month for count, _ in _plans(shop, far_shop))

    for month in (1, 2, 3):
        day = date.fromisoformat(_plans(shop, far_shop)[0][1])
        wanted = (day - timedelta(days=2) - china_today(datetime.now(timezone.utc))).days
        simulator.advance(timedelta(days=wanted - ahead))
        ahead = wanted
        logs += [tmp_path / f"{month}-{number}.log" for number in (1, 2)]
        started = 2 * month
        settings = {**environment, "SHOP_DAYS_AHEAD": str(ahead)}
        with worker(settings, logs[-2]) as one, worker(settings, logs[-1]) as other:
            _until(partial(ready, started), [one, other], all_logs)
            if month == 2:
                send("shop.renew", "shop.renew")
                _until(lambda: _charges(simulator) > SUBSCRIBERS, [one, other], all_logs)
                one.kill()
            _until(partial(charged, month), [other], all_logs)
        assert [count for count, _ in _plans(shop, far_shop)] == [month] * SUBSCRIBERS, all_logs()
    assert _count(shop, far_shop, shop.models.Shipment) == 3 * SUBSCRIBERS
    assert _charges(simulator) == 3 * SUBSCRIBERS
    _close(caller)


def _close(caller: Any) -> None:
    """Close the connections of a sender, which it shares with later ones in this process."""
    from kombu import pools

    caller.pool.force_close_all()
    pools.reset()


def _charges(simulator: Simulator) -> int:
    """Return the number of trades that were paid at Alipay."""
    return sum(trade.paid for trade in simulator.trades.all())


def _celery() -> Any:
    try:
        import celery
        import redis
    except ImportError:
        missing("celery and redis are not installed")
    try:
        with redis.Redis.from_url(BROKER) as server:
            server.ping()
    except redis.RedisError:
        missing("no Redis answers (FLASK_ALIPAY_REDIS names one)")
    return celery
