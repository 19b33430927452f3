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
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy import func, select

from flask_alipay.simulator import Simulator
from flask_alipay.simulator.web.server import BoundSocket

from ..requirements import missing
from .conftest import EXAMPLES, dispose

BROKER = os.environ.get("FLASK_ALIPAY_REDIS", "redis://127.0.0.1:6379/0")
LOST = 6


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
            caller.pool.force_close_all()
        _until(lambda: all_logs().count("queried") == 3, started, all_logs)
    assert _count(shop, far_shop, shop.models.Shipment) == LOST
    queried = [
        int(line.split("queried ")[1].split()[0])
        for line in all_logs().splitlines()
        if "queried" in line
    ]
    assert sum(queried) == LOST  # no order was queried twice


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
