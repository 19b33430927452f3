"""Session filters (soft delete, tenants) never hide the ledger's rows from the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, event, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    ORMExecuteState,
    Session,
    mapped_column,
    with_loader_criteria,
)

from flask_alipay.exceptions import CallbackFailed, PaymentMismatch
from flask_alipay.ledger import Ledger, Models
from flask_alipay.ledger.leases import count, lease_rows, pending_payments, pending_refunds
from flask_alipay.ledger.session import OPTION
from flask_alipay.models import NotificationMixin, PaymentMixin, RefundMixin, utc_now
from flask_alipay.protocol.batch_notification import RefundBatchNotification, RefundResult
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import MERCHANT, TOTAL, report

TRADE = "2026112322001"
WithTables = Callable[[MetaData], Engine]


class Base(DeclarativeBase):
    pass


class SoftDelete:
    deleted: Mapped[bool] = mapped_column(default=True)


class Payment(SoftDelete, PaymentMixin, Base):
    pass


class Refund(SoftDelete, RefundMixin, Base):
    pass


class Line(SoftDelete, NotificationMixin, Base):
    pass


MODELS = Models(Payment, Refund, Line)


def _criteria() -> Any:
    return with_loader_criteria(
        SoftDelete, lambda cls: cls.deleted.is_(False), include_aliases=True
    )


def by_criteria(state: ORMExecuteState) -> None:
    """SQLAlchemy's recipe without the exceptions that it makes for refreshes and lazy loads."""
    criteria = _criteria()
    if state.is_select or state.is_update or state.is_delete:
        state.statement = state.statement.options(criteria)


def by_condition(state: ORMExecuteState) -> None:
    if state.is_select and state.is_orm_statement and not state.is_column_load:
        entity = state.bind_mapper.class_ if state.bind_mapper is not None else None
        if entity in MODELS:
            state.statement = state.statement.where(entity.deleted.is_(False))  # type: ignore[attr-defined]


def by_invoking(state: ORMExecuteState) -> Any:
    """Filter like listeners that measure statements, with another statement."""
    if state.execution_options.get("own") or not state.is_select:
        return None
    state.session.execute(select(Payment.id), execution_options={"own": True})
    criteria = _criteria()
    return state.invoke_statement(state.statement.options(criteria))


def by_raising(state: ORMExecuteState) -> None:
    """Raise, since no tenant is known when Alipay calls; the ledger's statements are recognized."""
    if OPTION not in state.execution_options:
        raise RuntimeError("no tenant")


FILTERS: list[Callable[[ORMExecuteState], Any]] = [
    by_criteria,
    by_condition,
    by_invoking,
    by_raising,
]


@pytest.fixture(params=FILTERS, ids=lambda each: each.__name__)
def session(request: pytest.FixtureRequest, with_tables: WithTables) -> Iterator[Session]:
    """Open a session whose filter hides every row, with one payment."""
    engine = with_tables(Base.metadata)
    with Session(engine) as session:
        session.add(Payment(out_trade_no="A1", merchant=MERCHANT, subject="茶", total_fen=TOTAL))
        session.commit()
        # For all sessions, as in the recipe.
        event.listen(Session, "do_orm_execute", request.param)
        try:
            with suppress(RuntimeError):
                assert session.scalars(select(Payment)).all() == []
            yield session
        finally:
            event.remove(Session, "do_orm_execute", request.param)


def ledger(session: Session, seen: list[Any] | None = None) -> Ledger:
    found = [] if seen is None else seen
    callbacks = {
        name: [
            lambda payment, name=name: found.append((name, payment.out_trade_no, payment.subject))
        ]
        for name in ("paid", "refunded", "failed", "finished")
    }
    return Ledger(session, MODELS, merchant=MERCHANT, callbacks=callbacks)


def outcomes(session: Session) -> list[str]:
    connection = session.connection()
    return list(connection.scalars(select(Line.outcome).order_by(Line.id)))


def test_a_callback_gets_the_payment(session: Session) -> None:
    seen: list[Any] = []
    assert ledger(session, seen).settle(report()).events == ("paid",)
    assert seen == [("paid", "A1", "茶")]
    assert outcomes(session) == ["settled"]


def test_a_settlement_has_the_payment_after_the_commit(session: Session) -> None:
    settled = ledger(session).settle(report())
    assert (settled.payment.paid, settled.payment.subject) == (True, "茶")
    duplicate = ledger(session).settle(report())
    assert (duplicate.outcome, duplicate.payment.paid) == ("duplicate", True)


def test_other_reports_move_the_payment(session: Session) -> None:
    seen: list[Any] = []
    ledger(session, seen).settle(report(TradeStatus.TRADE_CLOSED))
    ledger(session, seen).settle(report())
    ledger(session, seen).settle(report(TradeStatus.TRADE_FINISHED))
    assert [name for name, *_ in seen] == ["failed", "paid", "finished"]
    assert outcomes(session) == ["settled"] * 3


def test_a_payment_is_found(session: Session) -> None:
    found = ledger(session).find("A1")
    assert found is not None
    assert found.subject == "茶"


def test_refunds_are_opened_and_recorded_once(session: Session) -> None:
    seen: list[Any] = []
    app_payment = ledger(session, seen)
    app_payment.settle(report())
    refunds = app_payment.refunds
    assert refunds is not None
    assert refunds.open("A1", 1000, "R1", None).new
    session.commit()
    assert not refunds.open("A1", 1000, "R1", None).new
    session.commit()
    assert refunds.find_pending("A1", 1000) == "R1"
    batch = RefundBatchNotification("R1", "n2", (RefundResult(TRADE, 1000, "SUCCESS"),), {})
    assert [each.events for each in app_payment.settle_refunds(batch)] == [("refunded",)]
    assert [each.outcome for each in app_payment.settle_refunds(batch)] == ["duplicate"]
    by_console = report(refunded_fen=3000, out_request_no="R2", notify_id="n3")
    assert app_payment.settle(by_console).events == ("refunded",)
    assert app_payment.settle(by_console).outcome == "duplicate"
    rows = [refunds.find("A1", number) for number in ("R1", "R2")]
    assert [(row.refund_fen, row.status) for row in rows if row] == [
        (1000, "REFUND_SUCCESS"),
        (2000, "REFUND_SUCCESS"),
    ]
    assert [name for name, *_ in seen] == ["paid", "refunded", "refunded"]


def test_pending_rows_are_counted_and_leased(session: Session) -> None:
    before = utc_now() + timedelta(minutes=1)
    payments = pending_payments(Payment, MERCHANT, before)
    assert count(session, payments) == 1
    assert [row.subject for row in lease_rows(session, payments)] == ["茶"]
    ledger(session).settle(report())
    refunds = ledger(session).refunds
    assert refunds is not None
    refunds.open("A1", 1000, "R1", None)
    session.commit()
    waiting = pending_refunds(Refund, MERCHANT, before)
    assert [row.out_request_no for row in lease_rows(session, waiting)] == ["R1"]


def test_a_refusal_is_journalled(session: Session) -> None:
    with pytest.raises(PaymentMismatch):
        ledger(session).settle(report(total_fen=TOTAL + 1))
    assert outcomes(session) == ["mismatched"]


def test_the_filter_stays_in_force_for_the_application(with_tables: WithTables) -> None:
    engine = with_tables(Base.metadata)
    with Session(engine) as session:
        session.add(Payment(out_trade_no="A1", merchant=MERCHANT, subject="茶", total_fen=TOTAL))
        session.commit()
        event.listen(session, "do_orm_execute", by_criteria)
        rows: list[Any] = []
        callbacks = {"paid": [lambda payment: rows.extend(session.scalars(select(Payment)))]}
        Ledger(session, MODELS, merchant=MERCHANT, callbacks=callbacks).settle(report())
        assert rows == []
        assert session.scalars(select(Payment)).all() == []


def test_a_listener_that_raises_is_journalled_as_a_failed_callback(with_tables: WithTables) -> None:
    engine = with_tables(Base.metadata)

    def refuse(state: ORMExecuteState) -> None:
        raise RuntimeError("no tenant")

    with Session(engine) as session:
        session.add(Payment(out_trade_no="A1", merchant=MERCHANT, subject="茶", total_fen=TOTAL))
        session.commit()
        event.listen(session, "do_orm_execute", refuse)
        seen: list[Any] = []
        with pytest.raises(CallbackFailed, match="RuntimeError"):
            ledger(session, seen).settle(report())
        assert seen == []
        assert outcomes(session) == ["callback_failed"]
        assert session.connection().scalar(select(Payment.__table__.c.paid)) is False
