"""Classes of the app's that load others with them, a single one and many: ``lazy="joined"``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import BigInteger, Engine, ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from flask_alipay.cli.output import find_payment, rows_for_payment
from flask_alipay.ledger import Ledger, Models
from flask_alipay.ledger.leases import lease_rows, pending_payments, pending_refunds
from flask_alipay.models import NotificationMixin, PaymentMixin, RefundMixin, utc_now
from flask_alipay.protocol.batch_notification import RefundBatchNotification, RefundResult
from flask_alipay.protocol.notification import Notification as Report
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import MERCHANT, TOTAL, report

PAID = TradeStatus.TRADE_SUCCESS


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "shop_order"

    id: Mapped[int] = mapped_column(primary_key=True)


class Item(Base):
    __tablename__ = "item"

    id: Mapped[int] = mapped_column(primary_key=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("alipay_payment.id"))


class Photo(Base):
    __tablename__ = "photo"

    id: Mapped[int] = mapped_column(primary_key=True)
    refund_id: Mapped[int] = mapped_column(ForeignKey("alipay_refund.id"))


class Payment(PaymentMixin, Base):
    order_id: Mapped[int | None] = mapped_column(ForeignKey("shop_order.id"))
    order: Mapped[Order | None] = relationship(lazy="joined")
    items: Mapped[list[Item]] = relationship(lazy="joined")


class Refund(RefundMixin, Base):
    clerk: Mapped[int | None] = mapped_column(BigInteger)
    why: Mapped[str | None] = mapped_column(String(8))
    payment: Mapped[Payment | None] = relationship(
        primaryjoin="foreign(Refund.out_trade_no) == Payment.out_trade_no",
        lazy="joined",
        viewonly=True,
    )
    photos: Mapped[list[Photo]] = relationship(lazy="joined")


class Line(NotificationMixin, Base):
    payment: Mapped[Payment | None] = relationship(
        primaryjoin="foreign(Line.out_trade_no) == Payment.out_trade_no",
        lazy="joined",
        viewonly=True,
    )


MODELS = Models(Payment, Refund, Line)


@pytest.fixture
def session(with_tables: Callable[[MetaData], Engine]) -> Iterator[Session]:
    """With one order of two items, on each database."""
    engine = with_tables(Base.metadata)
    columns = {"merchant": MERCHANT, "out_trade_no": "A1", "subject": "茶", "total_fen": TOTAL}
    with Session(engine) as session:
        session.add(Payment(**columns, items=[Item(), Item()]))
        session.commit()
        yield session


def ledger(session: Session, called: list[str]) -> Ledger:
    callbacks = {
        name: [lambda payment, name=name: called.append(f"{name}: {len(payment.items)} items")]
        for name in ("paid", "refunded")
    }
    return Ledger(session, MODELS, merchant=MERCHANT, callbacks=callbacks)


def sale(**fields: Any) -> Report:
    return report(PAID, **fields)


def open_refund(session: Session, number: str, fen: int = 1000) -> Refund:
    refunds = ledger(session, []).refunds
    assert refunds is not None
    row: Refund = refunds.open("A1", fen, number, None).row
    row.photos = row.photos or [Photo(), Photo()]
    session.commit()
    return row


def test_their_sales_are_settled_whether_reported_first_or_late(session: Session) -> None:
    called: list[str] = []
    late = sale(paid_at=utc_now() - timedelta(hours=1), notify_time=utc_now())
    assert ledger(session, called).settle(late).events == ("paid",)
    again = ledger(session, called).settle(sale())
    assert (again.outcome, again.payment.paid) == ("duplicate", True)
    assert called == ["paid: 2 items"]


def test_their_sales_are_settled_where_the_session_has_the_payment(session: Session) -> None:
    payment = ledger(session, []).find("A1")
    assert ledger(session, []).settle(sale()).payment is payment
    assert payment.paid


def test_their_refunds_are_settled_by_number_by_sum_and_by_a_batch(session: Session) -> None:
    called: list[str] = []
    app_ledger = ledger(session, called)
    app_ledger.settle(sale())
    assert open_refund(session, "R1").status == "REFUND_PROCESSING"
    assert open_refund(session, "R1").photos
    by_number = sale(refunded_fen=1000, out_request_no="R1", notify_id="n2")
    assert app_ledger.settle(by_number).events == ("refunded",)
    from_console = sale(refunded_fen=1500, out_request_no="R2", notify_id="n3")
    assert app_ledger.settle(from_console).events == ("refunded",)
    open_refund(session, "R3")
    results = (RefundResult("2026112322001", 1000, "SUCCESS"),)
    (batch,) = app_ledger.settle_refunds(RefundBatchNotification("R3", "n4", results, {}))
    assert (batch.events, batch.payment.refunded_fen) == (("refunded",), 2500)
    open_refund(session, "R4")
    late = sale(refunded_fen=4500, out_request_no="R4", notify_id="n5")
    assert app_ledger.settle(late).payment.refunded_fen == 4500
    full_refund = report(TradeStatus.TRADE_CLOSED, refunded_fen=TOTAL, notify_id="n6")
    assert app_ledger.settle(full_refund).payment.refunded_fen == TOTAL
    assert set(called[1:]) == {"refunded: 2 items"}


def test_their_payments_and_refunds_are_leased(session: Session) -> None:
    before = utc_now() + timedelta(minutes=1)
    taken = lease_rows(session, pending_payments(Payment, MERCHANT, before))
    assert [payment.out_trade_no for payment in taken] == ["A1"]
    ledger(session, []).settle(sale())
    open_refund(session, "R1")
    refunds = lease_rows(session, pending_refunds(Refund, MERCHANT, before))
    assert [refund.out_request_no for refund in refunds] == ["R1"]


def test_their_rows_are_listed_and_found(session: Session) -> None:
    ledger(session, []).settle(sale())
    open_refund(session, "R1")
    config = SimpleNamespace(merchant=MERCHANT)
    alipay = cast("Any", SimpleNamespace(session=session, models=MODELS, config=config))
    assert find_payment(alipay, "A1").paid
    assert [row.out_request_no for row in rows_for_payment(alipay, Refund, "A1")] == ["R1"]
    assert [row.outcome for row in rows_for_payment(alipay, Line, "A1")] == ["settled"]
