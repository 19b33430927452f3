"""A shop to settle payments for: its tables, its sessions, and the reports that it receives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Engine,
    String,
    create_engine,
    delete,
    event,
    func,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flask_alipay.ledger import Callback, Ledger, Models
from flask_alipay.models import NotificationMixin, PaymentMixin, RefundMixin
from flask_alipay.protocol.notification import Notification as Report
from flask_alipay.protocol.trade_status import TradeStatus

from ..compiled import create_tables

MERCHANT = "2021000000000001"
TOTAL = 8888
BUYER = "2088102116773037"

#: Statuses in which the buyer has paid: the shop may ship.
SALES = (
    TradeStatus.WAIT_SELLER_SEND_GOODS,
    TradeStatus.WAIT_BUYER_CONFIRM_GOODS,
    TradeStatus.TRADE_SUCCESS,
    TradeStatus.TRADE_FINISHED,
)


class Base(DeclarativeBase):
    pass


class Payment(PaymentMixin, Base):
    shipped: Mapped[bool] = mapped_column(default=False)


class Refund(RefundMixin, Base):
    pass


class Notification(NotificationMixin, Base):
    pass


class Parcel(Base):
    """Row that a callback writes: one for each call that is committed."""

    __tablename__ = "parcel"
    __table_args__ = (CheckConstraint("weight > 0", name="ck_parcel_weight"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    out_trade_no: Mapped[str] = mapped_column(String(64))
    event: Mapped[str] = mapped_column(String(16))
    weight: Mapped[int]


MODELS = Models(Payment, Refund, Notification)
NO_JOURNAL = Models(Payment, Refund)


class Shop:
    """One shop on one database.

    Every method uses its own session, so that only committed changes are visible.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self.url = url
        self.engine: Engine = create_engine(url, **options)

    def open(self) -> None:
        create_tables(Base.metadata, self.engine)

    def clear(self) -> None:
        """Empty the tables and close the connections; fail rather than wait for a test's lock."""
        limits = {"postgresql": "lock_timeout = 10000", "mysql": "innodb_lock_wait_timeout = 10"}
        with self.engine.begin() as connection:
            connection.execute(text(f"SET {limits[self.engine.dialect.name]}"))
            for table in Base.metadata.sorted_tables:
                connection.execute(delete(table))
        self.engine.dispose()

    def session(self) -> Session:
        return Session(self.engine)

    def order(self, out_trade_no: str = "A1", **columns: Any) -> str:
        """Insert a payment."""
        columns = {"merchant": MERCHANT, "subject": "茶", "total_fen": TOTAL} | columns
        with self.session() as session, session.begin():
            session.add(Payment(out_trade_no=out_trade_no, **columns))
        return out_trade_no

    def ledger(
        self,
        session: Session,
        models: Models = MODELS,
        /,
        **callbacks: Callback | Sequence[Callback],
    ) -> Ledger:
        several = {
            event: given if isinstance(given, Sequence) else [given]
            for event, given in callbacks.items()
        }
        return Ledger(session, models, merchant=MERCHANT, callbacks=several)

    def settle(
        self, report: Report, models: Models = MODELS, /, **callbacks: Callback | Sequence[Callback]
    ) -> tuple[str, tuple[str, ...]]:
        """Settle in a separate session; return the outcome and the events."""
        with self.session() as session:
            settled = self.ledger(session, models, **callbacks).settle(report)
            return settled.outcome, settled.events

    def payment(self, out_trade_no: str = "A1") -> Payment:
        """Return a payment as committed, detached."""
        with self.session() as session:
            return session.scalars(
                select(Payment).where(Payment.out_trade_no == out_trade_no)
            ).one()

    def status(self, out_trade_no: str = "A1") -> tuple[str, bool, int]:
        payment = self.payment(out_trade_no)
        return payment.trade_status, payment.paid, payment.refunded_fen

    def rows(self, model: type[Base], *of: Any) -> list[Any]:
        """Return all rows of a table, or those that meet a condition."""
        with self.session() as session:
            return list(session.scalars(select(model).where(*of).order_by(model.id)))  # type: ignore[attr-defined]

    def outcomes(self) -> list[str]:
        return [row.outcome for row in self.rows(Notification)]

    def parcels(self) -> list[str]:
        """Return the events whose callbacks have written their row."""
        return [row.event for row in self.rows(Parcel)]

    def count(self, model: type[Base]) -> int:
        with self.session() as session:
            return session.scalar(select(func.count()).select_from(model)) or 0


def pack(session: Session, event: str = "paid", weight: int = 1) -> Callback:
    """Return a callback that writes a row of the shop through the ledger's session."""

    def write(payment: Any) -> None:
        session.add(Parcel(out_trade_no=payment.out_trade_no, event=event, weight=weight))

    return write


def record_statements(engine: Engine, record: Callable[[str, Any], None]) -> Callable[[], None]:
    """Record each statement as the driver receives it.

    The events used do not change how the ledger sends statements; a listener for SQLAlchemy's
    cursor events would turn off its prepared statements.

    :returns: a function that ends the recording.
    """

    def with_parameters(cursor: object, statement: str, parameters: Any, context: object) -> None:
        record(statement, parameters)

    def without(cursor: object, statement: str, context: object) -> None:
        record(statement, ())

    event.listen(engine, "do_execute", with_parameters)
    event.listen(engine, "do_execute_no_params", without)

    def end() -> None:
        event.remove(engine, "do_execute", with_parameters)
        event.remove(engine, "do_execute_no_params", without)

    return end


def no_callback(payment: Any) -> None:
    raise AssertionError("no callback may be called here")


def report(trade_status: str = TradeStatus.TRADE_SUCCESS, **fields: Any) -> Report:
    """Return a verified report about the order A1."""
    about: dict[str, Any] = {
        "out_trade_no": "A1",
        "trade_status": trade_status,
        "total_fen": TOTAL,
        "trade_no": "2026112322001",
        "notify_id": "n1",
        "buyer_id": BUYER,
        "params": {"buyer_id": BUYER, "trade_status": trade_status},
    }
    values = about | fields
    # As Notification.from_params does: a refund_fee above zero speaks of a refund.
    values.setdefault("is_refund", bool(values.get("refunded_fen")))
    return Report(**values)


def recorder(calls: list[str]) -> dict[str, Callable[[Any], None]]:
    """Return callbacks for every event that record their calls."""

    def remember(event: str) -> Callable[[Any], None]:
        return lambda payment: calls.append(event)

    return {event: remember(event) for event in ("paid", "failed", "refunded", "finished")}
