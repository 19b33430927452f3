"""Mixin for the table of agreements (商家扣款, 周期扣款)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Index,
    Integer,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.schema import conv

from ..protocol.agreements import AgreementStatus as AgreementStatus
from ..protocol.conversion import to_decimal
from .attributes import keep_utc
from .columns import Id, Number, OpenId, is_inherited, utc_now


class AgreementMixin:
    """One row for each agreement on deductions: ``class Agreement(AgreementMixin, db.Model): …``.

    Dates are days in China, as ``2026-12-05``.

    -   ``merchant``, ``external_agreement_no``: the merchant and its number of the agreement;
        unique together.
    -   ``auth_app_id``: in a third-party application, the APPID of the merchant who deducts.
    -   ``agreement_no``: Alipay's number, unique once it is known.
    -   ``product_code``, ``personal_product_code``, ``sign_scene``: Alipay's product and scene.
    -   ``status``: one of :attr:`AgreementStatus.ALL`.
    -   ``period_type`` (``DAY`` or ``MONTH``), ``period``: the length of a period; ``None``: the
        product has no periods.
    -   ``next_date``: the date of the next deduction; ``latest_date``: the last date on which it
        may be made, if Alipay reports one.
    -   ``checked_date``: the date when ``reconcile`` last queried the signed agreement.
    -   ``single_fen``, ``total_fen``, ``total_payments``: the maximum of a deduction, of their sum
        (fen) and of their number; ``None``: no maximum.
    -   ``charged_fen``, ``charge_count``: the sum (fen) and the number of deductions that were
        paid.
    -   ``charge_no``: the ``out_trade_no`` of the deduction whose outcome is unknown.
    -   ``error_code``, ``failed_at``: Alipay's code and the time of the last deduction if it
        failed.
    -   ``payer_user_id`` or, in newer applications, ``payer_open_id``: the payer, once known.
    -   ``external_logon_id``: the payer's name in the shop, which Alipay shows.
    -   ``details``: further parameters for the gateway, by name.
    -   ``created_at``, ``sent_at``, ``signed_at``, ``valid_until``, ``charged_at``, ``ended_at``:
        aware UTC.
    -   ``asked_at``: the last time when ``reconcile`` leased the row to query Alipay; aware UTC.
    """

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    merchant: Mapped[str] = mapped_column(String(32))
    auth_app_id: Mapped[str | None] = mapped_column(String(32))
    external_agreement_no: Mapped[str] = mapped_column(Number)
    agreement_no: Mapped[str | None] = mapped_column(String(64))
    product_code: Mapped[str] = mapped_column(String(64))
    personal_product_code: Mapped[str] = mapped_column(String(64))
    sign_scene: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16), default=AgreementStatus.TEMP)
    period_type: Mapped[str | None] = mapped_column(String(8))
    period: Mapped[int | None] = mapped_column(Integer)
    next_date: Mapped[str | None] = mapped_column(String(10))
    latest_date: Mapped[str | None] = mapped_column(String(10))
    checked_date: Mapped[str | None] = mapped_column(String(10))
    single_fen: Mapped[int | None] = mapped_column(BigInteger)
    total_fen: Mapped[int | None] = mapped_column(BigInteger)
    total_payments: Mapped[int | None] = mapped_column(Integer)
    charged_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    charge_count: Mapped[int] = mapped_column(Integer, default=0)
    charge_no: Mapped[str | None] = mapped_column(Number)
    error_code: Mapped[str | None] = mapped_column(String(64))
    failed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    payer_user_id: Mapped[str | None] = mapped_column(String(32))
    payer_open_id: Mapped[str | None] = mapped_column(OpenId)
    external_logon_id: Mapped[str | None] = mapped_column(String(100))
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=utc_now)
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    signed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    valid_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    charged_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    asked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @declared_attr.directive
    def __tablename__(cls) -> str | None:
        """``alipay_agreement``, unless the application's class names another."""
        return None if is_inherited(cls, AgreementMixin) else "alipay_agreement"

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        """Constraints that protect numbers and limits, and indexes."""
        if is_inherited(cls, AgreementMixin):
            return ()
        table = cls.__tablename__
        statuses = ", ".join(f"'{status}'" for status in AgreementStatus.ALL)
        return (
            UniqueConstraint(
                *("merchant", "external_agreement_no"),
                name=conv(f"uq_{table}_external_agreement_no"),
            ),
            UniqueConstraint("agreement_no", name=conv(f"uq_{table}_agreement_no")),
            CheckConstraint(f"status IN ({statuses})", name=conv(f"ck_{table}_status")),
            CheckConstraint(
                "charged_fen >= 0 AND charge_count >= 0", name=conv(f"ck_{table}_charged_fen")
            ),
            Index(conv(f"ix_{table}_status_next_date"), "status", "next_date"),
            Index(conv(f"ix_{table}_status_created_at"), "status", "created_at"),
            Index(conv(f"ix_{table}_status_asked_at"), "status", "asked_at", "created_at"),
        )

    @property
    def single_amount(self) -> Decimal | None:
        """The maximum of a deduction, in yuan."""
        return None if self.single_fen is None else to_decimal(self.single_fen)

    @property
    def charged_amount(self) -> Decimal:
        """The sum of the deductions that were paid, in yuan."""
        return to_decimal(self.charged_fen)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.external_agreement_no} {self.status}>"


keep_utc(
    AgreementMixin,
    *("failed_at", "created_at", "sent_at", "signed_at", "valid_until", "charged_at", "ended_at"),
    "asked_at",
)
