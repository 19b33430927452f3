"""``flask alipay reconcile --watch``: round after round, with a clock that the test winds."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import text

from flask_alipay.ledger import leases

from ..doubles.gateways import LOST, Alipay, trade
from ..doubles.merchant import Merchant
from ..doubles.shop import Shop, db
from .test_reconciling import by_number

Pause = Callable[[], object]
COMMAND = ["alipay", "reconcile", "--older-than", "0s", "--watch"]


class Clock:
    """Replacement for the event that ends a watch: a pause takes no time.

    :param pauses: called in each pause; after the last one the watch is stopped.
    """

    def __init__(self, *pauses: Pause) -> None:
        self._pauses = list(pauses)
        #: How long each pause was to be, in seconds.
        self.waited: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        if not self._pauses:
            return True
        self._pauses.pop(0)()
        return False

    def is_set(self) -> bool:
        return False


Watch = Callable[..., tuple[Clock, Result]]


@pytest.fixture
def alipay(shop: Shop, merchant: Merchant) -> Alipay:
    """Provide the responses to the shop's requests."""
    played = Alipay(merchant)
    with shop.app.app_context():
        shop.alipay.gateway._transport = played
    return played


@pytest.fixture
def watch(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Run the command until its last pause."""
    monkeypatch.setattr(leases, "LEASE", timedelta(0))

    def run(*pauses: Pause) -> tuple[Clock, Result]:
        clock = Clock(*pauses)

        @contextmanager
        def until_stopped() -> Iterator[Clock]:
            yield clock

        module: Any = importlib.import_module("flask_alipay.cli.reconcile")
        monkeypatch.setattr(module, "_stop_on_sigterm", until_stopped)
        return clock, shop.app.test_cli_runner().invoke(args=COMMAND)

    return run


def nothing() -> None:
    """Do nothing in a pause."""


def test_it_queries_pending_payments_each_minute(shop: Shop, alipay: Alipay, watch: Watch) -> None:
    alipay.will_respond(query=lambda content: trade(trade_no=f"T{content['out_trade_no']}"))
    numbers = [shop.order()]
    clock, run = watch(nothing, lambda: numbers.append(shop.order()))
    assert clock.waited == [60, 60, 60]
    assert run.exit_code == 0
    assert [line for line in run.stdout.splitlines() if line.endswith("is paid.")] == [
        f"{number} is paid." for number in numbers
    ]
    assert run.stdout.count("Queried 1: 1 paid") == 2
    assert run.stdout.count("Queried 0:") == 1
    assert len(alipay.requested) == 2


def test_it_pauses_longer_while_alipay_does_not_respond(
    shop: Shop, alipay: Alipay, watch: Watch
) -> None:
    numbers = [shop.order() for _ in range(10)]
    alipay.will_respond(query=LOST)

    def recover() -> None:
        alipay.will_respond(
            query=by_number({number: trade("WAIT_BUYER_PAY") for number in numbers})
        )

    clock, run = watch(nothing, nothing, nothing, nothing, recover, nothing)
    assert clock.waited == [120, 240, 480, 900, 900, 60, 60]
    assert run.stderr.count("Alipay does not respond") == 5
    assert run.exit_code == 0


def test_it_outlives_the_database(shop: Shop, alipay: Alipay, watch: Watch) -> None:
    number = shop.order()
    alipay.will_respond(query=[LOST, trade()])

    def away() -> None:
        rename("alipay_payment", "away")

    def back() -> None:
        rename("away", "alipay_payment")

    def rename(before: str, after: str) -> None:
        db.session.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))
        db.session.commit()

    clock, run = watch(away, back)
    assert clock.waited == [60, 120, 60]
    assert "cannot be used (OperationalError" in run.stderr
    assert f"{number} is paid." in run.stdout
    assert run.exit_code == 0


def test_a_database_that_is_not_there_from_the_first_ends_it(shop: Shop, watch: Watch) -> None:
    shop.order()
    with shop.app.app_context():
        db.session.execute(text("ALTER TABLE alipay_payment RENAME TO away"))
        db.session.commit()
    clock, run = watch(nothing)
    assert run.exit_code == 2
    assert clock.waited == []
