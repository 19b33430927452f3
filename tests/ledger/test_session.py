"""Connection of the ledger's statements: the session's transaction, on the writing side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Delete, Engine, Insert, Update, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from flask_alipay.exceptions import CallbackFailed
from flask_alipay.ledger.leases import lease_rows, pending_payments
from flask_alipay.ledger.session import LedgerSession
from flask_alipay.models import utc_now
from flask_alipay.protocol.batch_notification import RefundBatchNotification, RefundResult
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import MERCHANT, NO_JOURNAL, Notification, Payment, Shop, pack, report
from .test_refund_batches import request_refund

PAID_AT = datetime(2026, 2, 3, 2, tzinfo=timezone.utc)


def test_a_connection_is_the_sessions(small_shop: Shop) -> None:
    with Session(small_shop.engine) as session:
        assert LedgerSession(session).connection(Payment) is session.connection()


def test_the_next_transaction_has_its_own_connection(small_shop: Shop) -> None:
    for end in (Session.commit, Session.rollback, Session.close):
        with Session(small_shop.engine) as session:
            ledger = LedgerSession(session)
            first = ledger.connection(Payment)
            end(session)
            second = ledger.connection(Payment)
            assert second is not first
            assert second is session.connection()
            assert second.in_transaction()


def test_a_savepoint_is_on_the_same_connection(small_shop: Shop) -> None:
    with Session(small_shop.engine) as session:
        ledger = LedgerSession(session)
        first = ledger.connection(Payment)
        with session.begin_nested():
            assert ledger.connection(Payment) is first


def test_classes_on_different_engines_have_different_connections(small_shop: Shop) -> None:
    other: Engine = create_engine("sqlite://")
    with Session(binds={Payment: small_shop.engine, Notification: other}) as session:
        ledger = LedgerSession(session)
        for _ in range(2):
            assert ledger.connection(Payment).engine is small_shop.engine
            assert ledger.connection(Notification).engine is other
    other.dispose()


def test_a_session_on_a_connection_uses_it(small_shop: Shop) -> None:
    with small_shop.engine.connect() as connection, Session(connection) as session:
        ledger = LedgerSession(session)
        assert ledger.connection(Payment) is connection
        assert ledger.connection(Notification) is connection


class Routing(Session):
    """SQLAlchemy's recipe: what is written goes to the leader, the rest to a follower."""

    leader: Engine
    follower: Engine

    def get_bind(
        self, mapper: Any = None, *, clause: Any = None, bind: Any = None, **more: Any
    ) -> Any:
        if bind is not None:
            return bind
        writes = self._flushing or isinstance(clause, Update | Delete | Insert)
        return self.leader if writes else self.follower


class Routed(Shop):
    """Shop whose sessions read from a replica that cannot be written."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.follower = create_engine(
            url, connect_args={"options": "-c default_transaction_read_only=on"}
        )

    def session(self) -> Session:
        session = Routing()
        session.leader, session.follower = self.engine, self.follower
        return session


@pytest.fixture
def routed(postgresql_shop: Shop) -> Iterator[Routed]:
    shop = Routed(postgresql_shop.url)
    shop.order()
    yield shop
    shop.follower.dispose()
    shop.engine.dispose()


def test_sales_are_written_to_the_database_that_is_written_to(routed: Routed) -> None:
    seen: list[Any] = []
    with routed.session() as session:
        write = pack(session)

        def callback(payment: Any) -> None:
            write(payment)
            seen.append((payment.paid, payment.paid_at, payment.subject))

        ledger = routed.ledger(session, paid=callback)
        assert ledger.settle(report(paid_at=PAID_AT)).events == ("paid",)
    # The callback reads what was written in its transaction: a replica does not have it yet.
    assert seen == [(True, PAID_AT, "茶")]
    assert routed.settle(report()) == ("duplicate", ())
    assert routed.parcels() == ["paid"]


def test_refunds_from_any_report_are_settled_on_the_writing_side(routed: Routed) -> None:
    routed.settle(report())
    request_refund(routed, 1000, "R1")
    requested = report(refunded_fen=1000, out_request_no="R1", notify_id="n2")
    seen: list[int] = []
    remember = {"refunded": lambda payment: seen.append(payment.refunded_fen)}
    assert routed.settle(requested, **remember) == ("settled", ("refunded",))
    request_refund(routed, 500, "R2")
    batch = RefundBatchNotification(
        "R2", "n3", (RefundResult("2026112322001", 500, "SUCCESS"),), {}
    )
    with routed.session() as session:
        (settled,) = routed.ledger(session, **remember).settle_refunds(batch)
        assert settled.events == ("refunded",)
    assert routed.settle(report(refunded_fen=2000, notify_id="n4"), **remember)[0] == "settled"
    assert seen == [1000, 1500, 2000]
    assert routed.status() == (TradeStatus.TRADE_SUCCESS, True, 2000)


def test_pending_rows_are_leased_on_the_writing_side(routed: Routed) -> None:
    waiting = pending_payments(Payment, MERCHANT, utc_now() + timedelta(minutes=1))
    with routed.session() as session:
        assert [row.out_trade_no for row in lease_rows(session, waiting)] == ["A1"]


def test_without_a_journal_the_transaction_is_looked_at_where_it_is(routed: Routed) -> None:
    # PostgreSQL would silently roll back on the commit of a broken one.
    with routed.session() as session:

        def callback(payment: Any) -> None:
            with suppress(SQLAlchemyError):
                session.execute(text("DELETE FROM nowhere"), bind_arguments={"bind": routed.engine})

        with pytest.raises(CallbackFailed):
            routed.ledger(session, NO_JOURNAL, paid=callback).settle(report())
