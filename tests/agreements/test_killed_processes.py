"""A process is killed at any step of a deduction: the period is paid once, and this is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event

from flask_alipay.exceptions import AlipayError
from flask_alipay.models import utc_now

from .shop import LOST, PAY, TRADE_QUERY, DeductingAlipay, DeductingShop, db, rejection


class Killed(BaseException):
    """The end of a process."""


# The responses of Alipay, and whether the first attempt pays.
STORIES: dict[str, dict[str, list[Any]]] = {
    "paid": {},
    "response lost": {PAY: ["lose"]},
    "outcome unknown": {PAY: ["lose"], TRADE_QUERY: [LOST]},
    "not executed": {PAY: [LOST], TRADE_QUERY: [LOST]},
    "rejected": {PAY: [rejection("ACQ.BUYER_BALANCE_NOT_ENOUGH")]},
    "ended": {PAY: [rejection("ACQ.AGREEMENT_NOT_EXIST")]},
}


class Steps:
    """Count the steps of a process, and kill it at one of them."""

    def __init__(self, killed_at: int) -> None:
        self._left = killed_at
        self.killed = False

    def step(self, *arguments: Any) -> None:
        self._left -= 1
        if self._left == 0:
            self.killed = True
            raise Killed


@contextmanager
def steps_of(shop: DeductingShop, steps: Steps) -> Iterator[None]:
    """Take a step before and after each commit and each call of Alipay."""
    alipay = shop.at_alipay
    perform = alipay.perform

    def performed(method: str, content: Any) -> dict[str, Any]:
        response = perform(method, content)
        steps.step()
        return response

    with shop.app.app_context():
        engine, session = db.engine, db.session
    event.listen(engine, "commit", steps.step)
    event.listen(session, "after_commit", steps.step)
    alipay.before = steps.step
    alipay.perform = performed  # type: ignore[method-assign]
    try:
        yield
    finally:
        alipay.perform = perform  # type: ignore[method-assign]
        alipay.before = lambda method: None
        event.remove(session, "after_commit", steps.step)
        event.remove(engine, "commit", steps.step)


def killed_at(shop: DeductingShop, number: int, work: Callable[[], object]) -> bool:
    """Do some work in a process that is killed at a step; return whether it was."""
    steps = Steps(number)
    with steps_of(shop, steps), suppress(Killed, AlipayError):
        work()
    with shop.app.app_context():
        db.session.remove()
    return steps.killed


def paid_trades(alipay: DeductingAlipay) -> list[str]:
    return [number for number, each in alipay.trades.items() if each["status"] == "TRADE_SUCCESS"]


def check(shop: DeductingShop, alipay: DeductingAlipay) -> None:
    """At most one trade is paid, and the ledger has it unless the payment is still open."""
    paid = paid_trades(alipay)
    assert len(paid) <= 1
    agreement = shop.agreement()
    assert agreement.charge_count <= len(paid)
    for number in paid:
        payment = shop.payment(number)
        assert payment.paid or agreement.charge_no == number
        assert payment.trade_status != "TRADE_CLOSED"


def is_settled(shop: DeductingShop) -> bool:
    """Whether the month is paid, and nothing is left to do."""
    agreement = shop.agreement()
    return (agreement.charge_count, agreement.charge_no) == (1, None)


@pytest.mark.parametrize("story", STORIES)
def test_a_period_is_paid_once_whatever_step_is_the_last(open_shop: Any, story: str) -> None:
    for number in range(1, 60):
        shop: DeductingShop = open_shop()
        alipay = shop.at_alipay
        shop.sign()
        alipay.script |= {
            method: [alipay.lose if each == "lose" else each for each in responses]
            for method, responses in STORIES[story].items()
        }
        killed = killed_at(shop, number, partial(shop.charge, "P1"))
        check(shop, alipay)
        again = killed_at(shop, number, shop.reconcile)
        check(shop, alipay)
        finish(shop, alipay)
        if not killed and not again:
            assert number > 5
            return
    raise AssertionError("the steps do not end")


def finish(shop: DeductingShop, alipay: DeductingAlipay) -> None:
    """Charge as a scheduler does, until the month is paid, and once more."""
    for responses in alipay.script.values():
        responses.clear()
    for attempt in range(2, 6):
        settled = is_settled(shop)
        if (claimed := shop.agreement().charge_no) is not None:
            shop.change_payment(claimed, sent_at=utc_now() - timedelta(minutes=30), asked_at=None)
        shop.reconcile()
        check(shop, alipay)
        payment = shop.payment("P1")
        if payment is None or not payment.paid:
            with suppress(AlipayError):
                shop.charge(f"P{attempt}")
        check(shop, alipay)
        if settled:
            break
    [paid] = paid_trades(alipay)
    agreement = shop.agreement()
    assert (agreement.charge_count, agreement.charged_fen) == (1, 3000)
    assert (agreement.next_date, agreement.charge_no) == ("2027-01-05", None)
    assert [each for each in shop.events() if each[0] == "paid"] == [("paid", paid)]
