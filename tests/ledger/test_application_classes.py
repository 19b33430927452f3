"""Classes with events, defaults, version counters and relatives: rows are written as usual."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, Integer, MetaData, String, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.orm.exc import StaleDataError

from flask_alipay.exceptions import CallbackFailed, PaymentMismatch
from flask_alipay.ledger import Ledger, Models
from flask_alipay.ledger.bypassed_listeners import bypassed
from flask_alipay.ledger.leases import lease_rows, pending_payments, pending_refunds
from flask_alipay.models import NotificationMixin, PaymentMixin, RefundMixin, utc_now
from flask_alipay.protocol.batch_notification import RefundBatchNotification, RefundResult
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import MERCHANT, TOTAL, report

TRADE = "2026112322001"
Open = Callable[[type[DeclarativeBase]], Session]


class Filled(DeclarativeBase):
    """Base whose columns without default are filled by the application."""


class FilledPayment(PaymentMixin, Filled):
    pass


class FilledRefund(RefundMixin, Filled):
    kind: Mapped[str] = mapped_column(String(8))
    tenant: Mapped[str] = mapped_column(String(8))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "plain"}  # noqa: RUF012


class FilledLine(NotificationMixin, Filled):
    kind: Mapped[str] = mapped_column(String(8))
    tenant: Mapped[str] = mapped_column(String(8))
    shift: Mapped[str] = mapped_column(String(8))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "plain"}  # noqa: RUF012


@event.listens_for(FilledRefund, "before_insert")
@event.listens_for(FilledLine, "before_insert")
def fill_tenant(mapper: Any, connection: Any, row: Any) -> None:
    row.tenant = "tea"


def fill_shift(session: Session, *_: Any) -> None:
    for row in session.new:
        if isinstance(row, FilledLine):
            row.shift = "night"


class Counted(DeclarativeBase):
    """Versions that SQLAlchemy counts, and some of the application's making."""


class CountedPayment(PaymentMixin, Counted):
    version: Mapped[int] = mapped_column(Integer)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class CountedRefund(RefundMixin, Counted):
    version: Mapped[str] = mapped_column(String(32))
    __mapper_args__ = {  # noqa: RUF012
        "version_id_col": version,
        "version_id_generator": lambda version: uuid.uuid4().hex,
    }


class Document(Counted):
    __tablename__ = "document"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    version: Mapped[int] = mapped_column(Integer)
    __mapper_args__ = {  # noqa: RUF012
        "polymorphic_on": "kind",
        "polymorphic_identity": "any",
        "version_id_col": version,
    }


class Invoice(PaymentMixin, Document):
    __tablename__ = "invoice"

    id: Mapped[int] = mapped_column(ForeignKey(Document.id), primary_key=True)
    __mapper_args__ = {"polymorphic_identity": "invoice"}  # noqa: RUF012


class Related(DeclarativeBase):
    """Payments of several kinds, in one table and in two."""


class RelatedPayment(PaymentMixin, Related):
    kind: Mapped[str] = mapped_column(String(8))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "any"}  # noqa: RUF012


class Voucher(RelatedPayment):
    __mapper_args__ = {"polymorphic_identity": "voucher"}  # noqa: RUF012


class Ticket(RelatedPayment):
    __tablename__ = "ticket"

    id: Mapped[int] = mapped_column(ForeignKey(RelatedPayment.id), primary_key=True)
    seat: Mapped[str] = mapped_column(String(8), default="12A")
    __mapper_args__ = {"polymorphic_identity": "ticket"}  # noqa: RUF012


class RelatedRefund(RefundMixin, Related):
    pass


class RelatedLine(NotificationMixin, Related):
    pass


@pytest.fixture
def opened(with_tables: Callable[[MetaData], Engine]) -> Iterator[Open]:
    """Open a session on tables of one kind."""
    sessions: list[Session] = []

    def make(base: type[DeclarativeBase]) -> Session:
        sessions.append(Session(with_tables(base.metadata)))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


def sell(session: Session, model: Any, **columns: Any) -> None:
    about = {"merchant": MERCHANT, "out_trade_no": "A1", "subject": "茶", "total_fen": TOTAL}
    session.add(model(**about, **columns))
    session.commit()


def ledger(session: Session, models: Models, seen: list[Any] | None = None) -> Ledger:
    callbacks = {name: [seen.append] for name in ("paid", "refunded")} if seen is not None else {}
    return Ledger(session, models, merchant=MERCHANT, callbacks=callbacks)


FILLED = Models(FilledPayment, FilledRefund, FilledLine)


def test_rows_of_the_journal_and_refunds_are_filled_by_the_applications_events(
    opened: Open,
) -> None:
    session = opened(Filled)
    event.listen(session, "before_flush", fill_shift)
    sell(session, FilledPayment)
    app_payment = ledger(session, FILLED)
    app_payment.settle(report())
    app_payment.settle(report())
    app_payment.settle(report(refunded_fen=1000, out_request_no="R1", notify_id="n2"))
    assert app_payment.refunds is not None
    app_payment.refunds.open("A1", 500, "R2", None)
    session.commit()
    batch = RefundBatchNotification("R2", "n3", (RefundResult(TRADE, 500, "SUCCESS"),), {})
    assert [each.events for each in app_payment.settle_refunds(batch)] == [("refunded",)]
    with pytest.raises(PaymentMismatch):
        app_payment.settle(report(total_fen=TOTAL + 1))
    lines = session.scalars(select(FilledLine).order_by(FilledLine.id)).all()
    outcomes = ["settled", "duplicate", "settled", "settled", "mismatched"]
    assert [row.outcome for row in lines] == outcomes
    assert {(row.tenant, row.shift, row.kind) for row in lines} == {("tea", "night", "plain")}
    refunds = session.scalars(select(FilledRefund)).all()
    assert [(row.tenant, row.kind) for row in refunds] == [("tea", "plain")] * 2


def test_a_listener_that_raises_rolls_back_and_is_journalled(opened: Open) -> None:
    session = opened(Filled)
    event.listen(session, "before_flush", fill_shift)
    sell(session, FilledPayment)

    def refuse(mapper: Any, connection: Any, row: Any) -> None:
        if row.outcome == "settled":
            raise RuntimeError("secret words")

    event.listen(FilledLine, "before_insert", refuse)
    try:
        with pytest.raises(CallbackFailed, match="RuntimeError") as refused:
            ledger(session, FILLED).settle(report())
    finally:
        event.remove(FilledLine, "before_insert", refuse)
    assert "secret" not in str(refused.value)
    line = session.scalars(select(FilledLine)).one()
    assert (line.outcome, line.tenant) == ("callback_failed", "tea")
    assert not session.scalars(select(FilledPayment)).one().paid


@pytest.mark.parametrize("model", [CountedPayment, Invoice])
def test_a_sale_counts_the_version_so_that_a_stale_save_fails(
    opened: Open, model: type[Any]
) -> None:
    session = opened(Counted)
    sell(session, model)
    stale = session.scalars(select(model)).one()
    before = stale.version
    with Session(session.get_bind()) as other:
        seen: list[Any] = []
        assert ledger(other, Models(model), seen).settle(report()).events == ("paid",)
        assert type(seen[0]) is model
        assert seen[0].version == before + 1
        assert ledger(other, Models(model)).settle(report()).outcome == "duplicate"
    stale.subject = "saved late"
    with pytest.raises(StaleDataError):
        session.commit()
    session.rollback()
    assert session.scalars(select(model)).one().paid


def test_every_change_of_a_payment_counts_its_version(opened: Open) -> None:
    session = opened(Counted)
    sell(session, CountedPayment)
    app_payment = ledger(session, Models(CountedPayment, CountedRefund))
    versions: list[int] = []

    def note() -> None:
        session.expire_all()
        versions.append(session.scalars(select(CountedPayment.version)).one())

    before = utc_now() + timedelta(minutes=1)
    assert [
        row.out_trade_no
        for row in lease_rows(session, pending_payments(CountedPayment, MERCHANT, before))
    ] == ["A1"]
    note()
    app_payment.settle(report(TradeStatus.TRADE_PENDING))
    note()
    app_payment.settle(report())
    note()
    app_payment.settle(report(refunded_fen=1000, out_request_no="R1", notify_id="n2"))
    note()
    assert app_payment.refunds is not None
    app_payment.refunds.open("A1", 500, "R2", None)
    session.commit()
    batch = RefundBatchNotification("R2", "n3", (RefundResult(TRADE, 500, "SUCCESS"),), {})
    list(app_payment.settle_refunds(batch))
    note()
    assert versions == sorted(set(versions))


def test_a_version_of_the_applications_making_is_made_anew(opened: Open) -> None:
    session = opened(Counted)
    sell(session, CountedPayment)
    app_payment = ledger(session, Models(CountedPayment, CountedRefund))
    app_payment.settle(report())
    assert app_payment.refunds is not None
    first = app_payment.refunds.open("A1", 500, "R2", None).row.version
    session.commit()
    before = utc_now() + timedelta(minutes=1)
    (taken,) = lease_rows(session, pending_refunds(CountedRefund, MERCHANT, before))
    leased = taken.version
    batch = RefundBatchNotification("R2", "n3", (RefundResult(TRADE, 500, "SUCCESS"),), {})
    list(app_payment.settle_refunds(batch))
    last = session.scalars(select(CountedRefund.version)).one()
    assert len({first, leased, last}) == 3


@pytest.mark.parametrize("registered", [RelatedPayment, Voucher])
@pytest.mark.parametrize("kind", [RelatedPayment, Voucher, Ticket])
def test_a_payment_of_any_subclass_is_settled_refunded_and_queried(
    opened: Open, registered: type[Any], kind: type[Any]
) -> None:
    session = opened(Related)
    sell(session, kind)
    seen: list[Any] = []
    app_payment = ledger(session, Models(registered, RelatedRefund, RelatedLine), seen)
    before = utc_now() + timedelta(minutes=1)
    taken = list(lease_rows(session, pending_payments(registered, MERCHANT, before)))
    assert [type(row) for row in taken] == [kind]
    assert app_payment.settle(report()).events == ("paid",)
    assert app_payment.refunds is not None
    assert app_payment.refunds.open("A1", 500, "R1", None).new
    session.commit()
    batch = RefundBatchNotification("R1", "n3", (RefundResult(TRADE, 500, "SUCCESS"),), {})
    assert [each.events for each in app_payment.settle_refunds(batch)] == [("refunded",)]
    close = report(TradeStatus.TRADE_CLOSED, refunded_fen=TOTAL, notify_id="n4")
    assert app_payment.settle(close).payment.refunded_fen == TOTAL
    assert [type(payment) for payment in seen] == [kind] * 3
    assert getattr(app_payment.find("A1"), "seat", "12A") == "12A"


def test_listeners_bypassed_by_the_guarded_update_are_named() -> None:
    class Base(DeclarativeBase):
        pass

    class Quiet(PaymentMixin, Base):
        __tablename__ = "quiet"

    class Watched(PaymentMixin, Base):
        __tablename__ = "watched"

    def listen(*_: Any) -> None:
        pass

    event.listen(Watched, "before_update", listen)
    event.listen(Watched.paid, "set", listen)
    event.listen(Watched.paid_at, "set", listen)
    assert bypassed(Quiet) == []
    assert bypassed(Watched) == ["before_update", "Watched.paid", "Watched.paid_at"]
