"""Mixins for the ledger's tables: the application declares the classes and owns the tables.

Columns use SQLAlchemy's own types, so that migrations import nothing from this package. Every
constraint has its final name, and amounts are integers in minor units (fen). Attributes with times
are aware UTC, also on databases that keep no zone. The columns are API: later versions only add
columns.

Bases that are :class:`~sqlalchemy.orm.MappedAsDataclass` are not supported.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Index,
    Integer,
    String,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.schema import conv

from ..protocol.conversion import to_decimal
from ..protocol.trade_status import TradeStatus as TradeStatus
from ..protocol.transfers import TransferStatus as TransferStatus
from .attributes import keep_fixed, keep_utc
from .columns import Id, MessageId, Number, OpenId, is_inherited
from .columns import utc_now as utc_now


class PaymentMixin:
    """One row for each order number: ``class Payment(PaymentMixin, db.Model): …``.

    -   ``id``: the row's own number.
    -   ``merchant``: the merchant's ``app_id`` or ``partner``; part of every match.
    -   ``auth_app_id``: in a third-party application, the APPID of the merchant who sells.
    -   ``out_trade_no``: the shop's order number, unique.
    -   ``trade_no``: Alipay's trade number, unique once it is known.
    -   ``product``: the payment product (``page``, ``wap`` …); ``None``: chosen when the buyer is
        redirected to Alipay.
    -   ``subject``: the title of the goods.
    -   ``currency``: ISO 4217, ``CNY``.
    -   ``total_fen``, ``refunded_fen``: the amount and the refunded amount in minor units (fen).
    -   ``trade_status``: one of :attr:`TradeStatus.ALL`.
    -   ``paid``: ``True`` if it is or was a sale; a refunded sale stays ``True``.
    -   ``buyer_id``: Alipay's number of the buyer, or
    -   ``buyer_open_id``: the buyer's OpenID, which newer applications receive instead.
    -   ``out_order_no``: the authorization whose amount the payment captures.
    -   ``external_agreement_no``, ``deduction_date``: the agreement under which the payment is
        deducted, and the date in China, as ``2026-12-05``, of the deduction in its plan.
    -   ``details``: further parameters for the gateway, by name.
    -   ``created_at``, ``expires_at``, ``paid_at``, ``closed_at``, ``finished_at``: aware UTC.
    -   ``asked_at``: the last query of Alipay, by ``reconcile`` or for a waiting buyer; aware UTC.
    -   ``sent_at``: when the payment was first sent to Alipay: the buyer's redirect, a QR code, an
        order string or a barcode; of a capture or deduction, when it was last submitted; aware
        UTC.
    -   ``returned_at``: the buyer's first verified return from Alipay; aware UTC.
    -   ``query_count``: the number of queries for waiting buyers, since the return if there was
        one.
    -   ``query_leased_until``: the time until which a single process may query Alipay; aware UTC.
    -   ``query_history``: the queries whose response changed nothing, so that they are not in the
        journal; equal responses are counted, and the latest 20 groups are kept.

    A class may have the shop's own order number in ``reference``: a column, or a ``synonym``, a
    ``hybrid_property`` with an SQL expression or an ``association_proxy`` that names another one.
    Commands and pages then show it and find payments by it.

    Once the row is in the database, ``merchant``, ``out_trade_no``, ``currency`` and ``total_fen``
    cannot be changed: setting another value raises
    :exc:`~flask_alipay.exceptions.InvalidParameter`.
    """

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    merchant: Mapped[str] = mapped_column(String(32))
    out_trade_no: Mapped[str] = mapped_column(Number)
    trade_no: Mapped[str | None] = mapped_column(String(64))
    product: Mapped[str | None] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(256))
    currency: Mapped[str] = mapped_column(String(3), default="CNY")
    total_fen: Mapped[int] = mapped_column(BigInteger)
    refunded_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    trade_status: Mapped[str] = mapped_column(String(32), default=TradeStatus.WAIT_BUYER_PAY)
    paid: Mapped[bool] = mapped_column(default=False)
    buyer_id: Mapped[str | None] = mapped_column(String(128))
    buyer_open_id: Mapped[str | None] = mapped_column(OpenId)
    auth_app_id: Mapped[str | None] = mapped_column(String(32))
    out_order_no: Mapped[str | None] = mapped_column(Number)
    external_agreement_no: Mapped[str | None] = mapped_column(Number)
    deduction_date: Mapped[str | None] = mapped_column(String(10))
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=utc_now)
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    paid_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    asked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    returned_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    query_count: Mapped[int | None] = mapped_column(Integer)
    query_leased_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    query_history: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON)

    if TYPE_CHECKING:
        #: The shop's own order number, if the application's class has it; see above.
        reference: Any

    @declared_attr.directive
    def __tablename__(cls) -> str | None:
        """``alipay_payment``, unless the application's class names another; subclasses share it."""
        return None if is_inherited(cls, PaymentMixin) else "alipay_payment"

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        """Constraints that protect amounts and numbers from any code, and indexes."""
        if is_inherited(cls, PaymentMixin):
            return ()
        table = cls.__tablename__
        statuses = ", ".join(f"'{status}'" for status in TradeStatus.ALL)
        return (
            UniqueConstraint("out_trade_no", name=conv(f"uq_{table}_out_trade_no")),
            UniqueConstraint("trade_no", name=conv(f"uq_{table}_trade_no")),
            CheckConstraint("total_fen > 0", name=conv(f"ck_{table}_total_fen")),
            CheckConstraint(
                "refunded_fen >= 0 AND refunded_fen <= total_fen",
                name=conv(f"ck_{table}_refunded_fen"),
            ),
            CheckConstraint(f"trade_status IN ({statuses})", name=conv(f"ck_{table}_trade_status")),
            Index(conv(f"ix_{table}_trade_status_created_at"), "trade_status", "created_at"),
            Index(
                conv(f"ix_{table}_trade_status_asked_at"), "trade_status", "asked_at", "created_at"
            ),
            Index(conv(f"ix_{table}_buyer_id"), "buyer_id"),
            # Payments without the value do not pay for its index, where the database allows that.
            *(
                Index(
                    conv(f"ix_{table}_{name}"),
                    name,
                    sqlite_where=text(f"{name} IS NOT NULL"),
                    postgresql_where=text(f"{name} IS NOT NULL"),
                )
                for name in ("buyer_open_id", "out_order_no", "external_agreement_no")
            ),
            Index(conv(f"ix_{table}_paid_at"), "paid_at"),
        )

    @property
    def total_amount(self) -> Decimal:
        """The amount in major units of ``currency``: yuan for ``CNY``."""
        return to_decimal(self.total_fen, self.currency or "CNY")

    @property
    def refunded_amount(self) -> Decimal:
        """The refunded amount in major units of ``currency``."""
        return to_decimal(self.refunded_fen, self.currency or "CNY")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.out_trade_no} {self.trade_status}>"


class RefundMixin:
    """One row for each refund: ``class Refund(RefundMixin, db.Model): …``.

    -   ``out_request_no``: the number of the refund, unique for its payment.
    -   ``out_trade_no``, ``merchant``: the payment.
    -   ``refund_fen``: the amount in minor units (fen).
    -   ``status``: ``REFUND_PROCESSING``, ``REFUND_SUCCESS`` once Alipay has confirmed the refund,
        or the code of Alipay's rejection.
    -   ``reason``: the shop's reason.
    -   ``created_at``, ``refunded_at``: aware UTC.
    -   ``asked_at``: the last time when ``reconcile`` leased the row to query Alipay; aware UTC.
    """

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    merchant: Mapped[str] = mapped_column(String(32))
    out_trade_no: Mapped[str] = mapped_column(Number)
    out_request_no: Mapped[str] = mapped_column(Number)
    refund_fen: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str | None] = mapped_column(String(256))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=utc_now)
    refunded_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    asked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @declared_attr.directive
    def __tablename__(cls) -> str | None:
        """``alipay_refund``, unless the application's class names another; subclasses share it."""
        return None if is_inherited(cls, RefundMixin) else "alipay_refund"

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        """Constraints and indexes; a refund's number identifies it within its payment."""
        if is_inherited(cls, RefundMixin):
            return ()
        table = cls.__tablename__
        return (
            UniqueConstraint(
                "out_trade_no", "out_request_no", name=conv(f"uq_{table}_out_request_no")
            ),
            CheckConstraint("refund_fen > 0", name=conv(f"ck_{table}_refund_fen")),
            Index(conv(f"ix_{table}_status_created_at"), "status", "created_at"),
            Index(conv(f"ix_{table}_out_request_no"), "out_request_no"),
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.out_trade_no} {self.out_request_no} {self.status}>"


class NotificationMixin:
    """The journal of Alipay's reports and their outcomes; rows are added and never changed:
    ``class Notification(NotificationMixin, db.Model): …``.

    -   ``notify_id``: Alipay's number of the notification, the same in each retry.
    -   ``merchant``, ``out_trade_no``, ``trade_no``, ``trade_status``: as reported; of a transfer,
        ``out_biz_no``, ``order_id`` and its status.
    -   ``outcome``: ``settled`` (a payment became a sale, failed, was refunded or finished),
        ``recorded`` (it changed without any of these), ``duplicate``, ``stale`` (older than the
        ledger's state), ``unknown`` (no such payment), ``mismatched``, ``callback_failed``.
    -   ``detail``: an explanation of the outcome for an operator.
    -   ``payload``: the parameters as verified, with buyer data and without tokens.
    -   ``received_at``: aware UTC.
    -   ``message_id``: unique; the merchant and ``notify_id`` of a message that was processed.

    A message, which is not about a trade, has its kind in ``trade_status``, cut off after 32
    characters, and an ``out_trade_no`` only if its content has one.
    """

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    notify_id: Mapped[str | None] = mapped_column(String(128))
    merchant: Mapped[str] = mapped_column(String(32))
    out_trade_no: Mapped[str] = mapped_column(Number)
    trade_no: Mapped[str | None] = mapped_column(String(64))
    trade_status: Mapped[str] = mapped_column(String(32))
    outcome: Mapped[str] = mapped_column(String(16))
    detail: Mapped[str | None] = mapped_column(String(256))
    payload: Mapped[dict[str, str]] = mapped_column(JSON)
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=utc_now)
    message_id: Mapped[str | None] = mapped_column(MessageId)

    @declared_attr.directive
    def __tablename__(cls) -> str | None:
        """``alipay_notification``, unless the application's class names another; subclasses share
        it.
        """
        return None if is_inherited(cls, NotificationMixin) else "alipay_notification"

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        """The constraint that claims messages, and indexes for lookups by numbers and outcome."""
        if is_inherited(cls, NotificationMixin):
            return ()
        table = cls.__tablename__
        return (
            UniqueConstraint("message_id", name=conv(f"uq_{table}_message_id")),
            Index(conv(f"ix_{table}_out_trade_no"), "out_trade_no"),
            Index(conv(f"ix_{table}_notify_id"), "notify_id"),
            Index(conv(f"ix_{table}_outcome_received_at"), "outcome", "received_at"),
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.notify_id} {self.out_trade_no} {self.outcome}>"


class TransferMixin:
    """One row for each transfer: ``class Transfer(TransferMixin, db.Model): …``.

    -   ``merchant``, ``out_biz_no``: the merchant and its number of the transfer; unique together.
    -   ``order_id``, ``pay_fund_order_id``: Alipay's numbers of the transfer and of its payment.
    -   ``amount_fen``: the amount in minor units (fen).
    -   ``payee``, ``identity_type``: the account, and the kind of its number, in Alipay's values.
    -   ``status``: one of :attr:`TransferStatus.ALL`; ``DEALING`` until the result is known.
    -   ``error_code``, ``fail_reason``: Alipay's code and text of a failure.
    -   ``content``: everything that Alipay received; a retry repeats it.
    -   ``created_at``, ``submitted_at`` (the last request whose response is not known to be a
        rejection), ``transferred_at``, ``failed_at``: aware UTC.
    -   ``asked_at``: the last time when ``reconcile`` leased the row to query Alipay; aware UTC.
    -   ``limit_day``, ``limit_number``: with a daily limit, the day in China that the transfer
        counts for, and its place among that day's transfers; unique together.
    """

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    merchant: Mapped[str] = mapped_column(String(32))
    out_biz_no: Mapped[str] = mapped_column(Number)
    order_id: Mapped[str | None] = mapped_column(String(64))
    pay_fund_order_id: Mapped[str | None] = mapped_column(String(64))
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    payee: Mapped[str] = mapped_column(String(128))
    identity_type: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(32), default=TransferStatus.DEALING)
    error_code: Mapped[str | None] = mapped_column(String(64))
    fail_reason: Mapped[str | None] = mapped_column(String(256))
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=utc_now)
    submitted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    transferred_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    failed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    asked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    limit_day: Mapped[str | None] = mapped_column(String(10))
    limit_number: Mapped[int | None] = mapped_column(Integer)

    @declared_attr.directive
    def __tablename__(cls) -> str | None:
        """``alipay_transfer``, unless the application's class names another."""
        return None if is_inherited(cls, TransferMixin) else "alipay_transfer"

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        """Constraints that protect numbers, amounts and the daily limit, and indexes."""
        if is_inherited(cls, TransferMixin):
            return ()
        table = cls.__tablename__
        return (
            UniqueConstraint("merchant", "out_biz_no", name=conv(f"uq_{table}_out_biz_no")),
            UniqueConstraint(
                *("merchant", "limit_day", "limit_number"), name=conv(f"uq_{table}_limit_number")
            ),
            CheckConstraint("amount_fen > 0", name=conv(f"ck_{table}_amount_fen")),
            Index(conv(f"ix_{table}_status_created_at"), "status", "created_at"),
            Index(conv(f"ix_{table}_status_asked_at"), "status", "asked_at", "created_at"),
            Index(conv(f"ix_{table}_out_biz_no"), "out_biz_no"),
            Index(conv(f"ix_{table}_order_id"), "order_id"),
        )

    @property
    def amount(self) -> Decimal:
        """The amount in yuan."""
        return to_decimal(self.amount_fen)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.out_biz_no} {self.status}>"


keep_utc(
    PaymentMixin,
    *("created_at", "expires_at", "paid_at", "closed_at", "finished_at", "asked_at"),
    *("sent_at", "returned_at", "query_leased_until"),
)
keep_utc(RefundMixin, "created_at", "refunded_at", "asked_at")
keep_utc(NotificationMixin, "received_at")
keep_utc(TransferMixin, "created_at", "submitted_at", "transferred_at", "failed_at", "asked_at")

event.listen(PaymentMixin, "attribute_instrument", keep_fixed, propagate=True)
