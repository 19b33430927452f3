"""Facts beside the settlement, on each database: recorded once, bounded, and never in the way."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event, text, update
from sqlalchemy.orm import Session

from flask_alipay.ledger.annotations import (
    MAX_GROUPS,
    NO_TRADE,
    query_groups,
    record_query,
    record_sent,
)
from flask_alipay.ledger.history import history_of
from flask_alipay.models import utc_now

from .shop import MERCHANT, MODELS, Payment, Shop, report

#: Seconds: far less than any database waits for a lock.
SOON = 2.0


def send(shop: Shop, number: str = "A1", merchant: str = MERCHANT) -> None:
    with shop.session() as session:
        record_sent(session, MODELS, merchant, number)


def query(shop: Shop, *results: str) -> None:
    for result in results:
        with shop.session() as session:
            record_query(session, MODELS, MERCHANT, "A1", result)


def groups(shop: Shop) -> list[tuple[str, int]]:
    return [(group.result, group.times) for group in query_groups(shop.payment())]


def test_a_payment_is_sent_once(shop: Shop) -> None:
    shop.order()
    before = utc_now() - timedelta(seconds=1)
    send(shop)
    first = shop.payment().sent_at
    assert before <= first <= utc_now()
    with shop.session() as session, session.begin():
        session.execute(update(Payment).values(sent_at=first - timedelta(hours=1)))
    send(shop)
    assert shop.payment().sent_at == first - timedelta(hours=1)


def test_another_merchants_payment_is_not_recorded(shop: Shop) -> None:
    shop.order()
    send(shop, merchant="2021000000000002")
    send(shop, "A2")
    assert shop.payment().sent_at is None


def test_ten_threads_record_one_time(shop: Shop) -> None:
    shop.order()
    barrier = Barrier(10)

    def work(_: int) -> None:
        barrier.wait(20)
        send(shop)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(work, range(10)))
    assert shop.payment().sent_at is not None


def test_equal_responses_are_one_group(shop: Shop) -> None:
    shop.order()
    query(shop, NO_TRADE, NO_TRADE, "WAIT_BUYER_PAY", "WAIT_BUYER_PAY", "WAIT_BUYER_PAY", NO_TRADE)
    assert groups(shop) == [(NO_TRADE, 2), ("WAIT_BUYER_PAY", 3), (NO_TRADE, 1)]
    for group in query_groups(shop.payment()):
        assert group.first <= group.last <= utc_now()


def test_the_history_of_queries_is_bounded(shop: Shop) -> None:
    shop.order()
    query(shop, *(f"CODE_{number}" for number in range(MAX_GROUPS + 5)), "X" * 1000)
    found = groups(shop)
    assert len(found) == MAX_GROUPS
    assert found[0] == ("CODE_6", 1)
    assert found[-1] == ("X" * 64, 1)


def test_the_history_lists_what_was_sent_and_queried_in_order(shop: Shop) -> None:
    shop.order()
    send(shop)
    query(shop, "WAIT_BUYER_PAY", "WAIT_BUYER_PAY")
    shop.settle(report())
    with shop.session() as session:
        payment = session.query(Payment).one()
        payment.created_at -= timedelta(minutes=2)
        payment.sent_at -= timedelta(minutes=1)
        payment.paid_at = utc_now() + timedelta(seconds=1)
        events = history_of(session, MODELS, MERCHANT, payment).events(utc_now())
    kinds = [event.kind for event in events if event.kind != "notification"]
    assert kinds == ["created", "sent", "queried", "paid"]


@pytest.mark.parametrize("record", [send, lambda shop: query(shop, NO_TRADE)])
def test_a_locked_payment_delays_nothing(
    shop: Shop, record: Any, caplog: pytest.LogCaptureFixture
) -> None:
    shop.order()
    with shop.session() as session, session.begin():
        session.execute(text("UPDATE alipay_payment SET subject = 'x'"))
        began = time.monotonic()
        record(shop)
        took = time.monotonic() - began
    assert took < SOON
    assert (shop.payment().sent_at, groups(shop)) == (None, [])
    if shop.engine.dialect.name == "sqlite":
        assert "was not recorded (OperationalError)" in caplog.text
    record(shop)
    assert shop.payment().sent_at or groups(shop)


def test_the_connection_waits_as_long_as_before_afterwards(shop: Shop) -> None:
    shop.order()
    if shop.engine.dialect.name != "sqlite":
        pytest.skip("about SQLite")
    for _ in range(2):
        send(shop)
        with shop.engine.connect() as connection:
            waits = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
        assert waits == 5000


def test_an_error_of_the_applications_session_is_logged_only(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.order()

    def refuse(session: Session) -> None:
        raise ValueError("secret")

    with shop.session() as session:
        event.listen(session, "before_commit", refuse)
        record_sent(session, MODELS, MERCHANT, "A1")
    assert shop.payment().sent_at is None
    assert "sent_at of A1 was not recorded (ValueError)" in caplog.text
    assert "secret" not in caplog.text
