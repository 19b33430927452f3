"""The shop's own tables, and the tables of Flask-Alipay."""

from __future__ import annotations

import secrets
from datetime import datetime, timezone
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, String, select, update
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_alipay import AgreementMixin, NotificationMixin, PaymentMixin, RefundMixin

from .catalogue import CATALOGUE


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)

OPEN, PAID, SENT, COMPLETED = "open", "paid", "sent", "completed"
FAILED, EXPIRED = "failed", "expired"
#: States for display only, which depend on the payment.
CONFIRMING, REFUNDED, PARTLY_REFUNDED = "confirming", "refunded", "partly_refunded"

#: Order numbers start after this.
FIRST_NUMBER = 1000

#: The payment product for escrow.
ESCROW = "escrow"
#: The payment product for QR codes.
QR = "qr"


def now() -> datetime:
    return datetime.now(timezone.utc)


class Stock(db.Model):
    """The stock of a product. The constraint prevents overselling."""

    __table_args__ = (CheckConstraint("pieces >= 0", name="ck_stock_pieces"),)

    slug: Mapped[str] = mapped_column(String(40), primary_key=True)
    pieces: Mapped[int]


class Subscription(db.Model):
    """A tea that a buyer receives every month. ``token`` is the secret in the URL of its page."""

    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(
        String(32), unique=True, default=lambda: secrets.token_urlsafe(18)
    )
    slug: Mapped[str] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(String(80))
    #: The price of each box. A new price needs a new agreement.
    price_fen: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    #: The failed charges of the present month, and the first day of the next one.
    failures: Mapped[int] = mapped_column(default=0)
    retry_on: Mapped[str | None] = mapped_column(String(10))

    agreement: Mapped[Agreement] = relationship(back_populates="subscription")
    #: One for each charge, oldest first.
    orders: Mapped[list[Order]] = relationship(order_by="Order.id", back_populates="subscription")


class Order(db.Model):
    """An order. ``token`` is the secret in the URL of its page."""

    __tablename__ = "shop_order"

    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(
        String(32), unique=True, default=lambda: secrets.token_urlsafe(18)
    )
    state: Mapped[str] = mapped_column(String(16), default=OPEN, index=True)
    #: The payment method's name. An old order may have a method that is no longer offered.
    method: Mapped[str] = mapped_column(String(20), default="alipay")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    pay_by: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    subscription_id: Mapped[int | None] = mapped_column(ForeignKey(Subscription.id), index=True)

    subscription: Mapped[Subscription | None] = relationship(back_populates="orders")
    items: Mapped[list[Item]] = relationship(order_by="Item.slug", back_populates="order")
    #: Oldest first. Another one is created if the buyer tries again after a failure.
    payments: Mapped[list[Payment]] = relationship(order_by="Payment.id", back_populates="order")
    shipment: Mapped[Shipment | None] = relationship(back_populates="order")

    @property
    def number(self) -> str:
        return f"T{self.id + FIRST_NUMBER}"

    @property
    def total_fen(self) -> int:
        return sum(item.fen for item in self.items)

    @property
    def payment(self) -> Payment | None:
        """The latest payment: the relevant one while the order is open."""
        return self.payments[-1] if self.payments else None

    @property
    def sale(self) -> Payment | None:
        """The paid payment; if there are several, the first."""
        return next((payment for payment in self.payments if payment.paid), None)

    @property
    def escrow(self) -> bool:
        """True if Alipay holds the money until the buyer has the goods."""
        return self.sale is not None and self.sale.product == ESCROW

    @property
    def expires_at(self) -> datetime:
        # SQLite and MySQL store no time zone; the stored time is UTC.
        return self.pay_by.replace(tzinfo=timezone.utc) if not self.pay_by.tzinfo else self.pay_by

    @property
    def refunded_fen(self) -> int:
        """The amount that was refunded, in fen."""
        return self.sale.refunded_fen if self.sale is not None else 0

    @property
    def shown_state(self) -> str:
        """The state for the buyer. ``state`` may be outdated, see ``close_overdue``, and does not
        include refunds.
        """
        if self.refunded_fen:
            return REFUNDED if self.refunded_fen >= self.sale.total_fen else PARTLY_REFUNDED
        if self.state in (OPEN, FAILED, EXPIRED) and self._being_confirmed:
            return CONFIRMING
        return EXPIRED if self.state == OPEN and self.expires_at <= now() else self.state

    @property
    def _being_confirmed(self) -> bool:
        from .paying import alipay

        return self.payment is not None and alipay.payment_state(self.payment) == CONFIRMING

    def move(self, *states: str, to: str, **values: Any) -> bool:
        """Change the state, unless another process was faster.

        A notification, the clock and the buyer may change an order at the same time. Only one
        ``UPDATE`` finds it in one of ``states``.

        :return: whether this call changed it.
        """
        moved = db.session.execute(
            update(Order)
            .where(Order.id == self.id, Order.state.in_(states))
            .values(state=to, **values)
            .execution_options(synchronize_session=False)
        )
        db.session.refresh(self)
        return bool(moved.rowcount)


class Item(db.Model):
    """A line of an order, with the price at the time of the order."""

    __tablename__ = "order_item"
    __table_args__ = (CheckConstraint("quantity > 0", name="ck_order_item_quantity"),)

    order_id: Mapped[int] = mapped_column(ForeignKey(Order.id), primary_key=True)
    slug: Mapped[str] = mapped_column(String(40), primary_key=True)
    title: Mapped[str] = mapped_column(String(80))
    quantity: Mapped[int]
    price_fen: Mapped[int] = mapped_column(BigInteger)

    order: Mapped[Order] = relationship(back_populates="items")

    @property
    def fen(self) -> int:
        return self.quantity * self.price_fen


class Shipment(db.Model):
    """A parcel. Unique per order, so that no order is shipped twice."""

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey(Order.id), unique=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)
    #: True if the payment came late and the product was sold out.
    waits_for_stock: Mapped[bool] = mapped_column(default=False)

    order: Mapped[Order] = relationship(back_populates="shipment")


class Payment(PaymentMixin, db.Model):
    """The columns of Flask-Alipay, and the order. An order may have several payments."""

    order_id: Mapped[int] = mapped_column(ForeignKey(Order.id), index=True)
    order: Mapped[Order] = relationship(back_populates="payments")
    #: The order number for buyers and operators.
    reference: Mapped[str | None] = mapped_column(String(16), index=True)


class Agreement(AgreementMixin, db.Model):
    """The columns of Flask-Alipay, and the subscription that it pays for."""

    subscription_id: Mapped[int] = mapped_column(ForeignKey(Subscription.id), unique=True)
    subscription: Mapped[Subscription] = relationship(back_populates="agreement")


class Refund(RefundMixin, db.Model):
    pass


class Notification(NotificationMixin, db.Model):
    pass


def prepare_tables() -> None:
    """Create the tables and the stock, if they do not exist yet."""
    try:
        _create_and_stock()
    except (IntegrityError, OperationalError, ProgrammingError):
        # Another worker that is starting has created them.
        db.session.rollback()
        _create_and_stock()


def _create_and_stock() -> None:
    db.create_all()
    known = set(db.session.scalars(select(Stock.slug)))
    for product in CATALOGUE.values():
        if product.slug not in known:
            db.session.add(Stock(slug=product.slug, pieces=product.stock))
    db.session.commit()
