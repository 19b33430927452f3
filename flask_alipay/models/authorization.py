"""Mixin for the table of pre-authorisations (资金预授权)."""

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
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.schema import conv

from ..protocol.conversion import to_decimal
from ..protocol.preauthorizations import AuthorizationStatus as AuthorizationStatus
from .attributes import keep_utc
from .columns import Id, Number, OpenId, is_inherited, utc_now


class AuthorizationMixin:
    """One row for each pre-authorisation: ``class Authorization(AuthorizationMixin, db.Model): …``.

    -   ``merchant``, ``out_order_no``: the merchant and its number of the authorization; unique
        together.
    -   ``auth_app_id``: in a third-party application, the APPID of the merchant who holds it.
    -   ``out_request_no``: the merchant's number of the freeze.
    -   ``auth_no``, ``operation_id``: Alipay's numbers of the authorization, unique once it is
        known, and of the freeze.
    -   ``product_code``, ``title``: Alipay's product, and the title that the payer sees.
    -   ``total_fen``: the amount to freeze, in minor units (fen).
    -   ``captured_fen``, ``released_fen``: the amounts captured and released.
    -   ``reserved_fen``: the amount of captures and of the release whose outcome is unknown.
    -   ``status``: one of :attr:`AuthorizationStatus.ALL`.
    -   ``payer_user_id`` or, in newer applications, ``payer_open_id``: the payer, once known.
    -   ``pending_captures``: the reserved amounts (fen) of the captures whose outcome is unknown,
        by ``out_trade_no``; of one that completes the authorization, all of the rest.
    -   ``release_no``, ``release_fen``, ``release_sent_at``: the release whose outcome is unknown,
        and when it was last submitted.
    -   ``releases``: the finished releases, each with ``out_request_no``, ``fen`` and ``time``: the
        merchant's own, one at a time, and those that messages report. Each takes about 100 bytes;
        the list grows only while the amount is frozen, about a month at most.
    -   ``details``: further parameters for the gateway, by name.
    -   ``created_at``, ``expires_at`` (the end of the time to authorise), ``sent_at``,
        ``authorized_at``, ``finished_at``, ``closed_at``: aware UTC. A row without
        ``authorized_at`` was never frozen, as far as the ledger knows.
    -   ``asked_at``: the last time when ``reconcile`` leased the row to query Alipay; aware UTC.
    """

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    merchant: Mapped[str] = mapped_column(String(32))
    auth_app_id: Mapped[str | None] = mapped_column(String(32))
    out_order_no: Mapped[str] = mapped_column(Number)
    out_request_no: Mapped[str] = mapped_column(Number)
    auth_no: Mapped[str | None] = mapped_column(String(64))
    operation_id: Mapped[str | None] = mapped_column(String(64))
    product_code: Mapped[str] = mapped_column(String(32), default="PREAUTH_PAY")
    title: Mapped[str] = mapped_column(String(100))
    total_fen: Mapped[int] = mapped_column(BigInteger)
    captured_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    released_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    reserved_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    status: Mapped[str] = mapped_column(String(16), default=AuthorizationStatus.INIT)
    payer_user_id: Mapped[str | None] = mapped_column(String(32))
    payer_open_id: Mapped[str | None] = mapped_column(OpenId)
    pending_captures: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    release_no: Mapped[str | None] = mapped_column(Number)
    release_fen: Mapped[int | None] = mapped_column(BigInteger)
    release_sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    releases: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=utc_now)
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    authorized_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    asked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @declared_attr.directive
    def __tablename__(cls) -> str | None:
        """``alipay_authorization``, unless the application's class names another."""
        return None if is_inherited(cls, AuthorizationMixin) else "alipay_authorization"

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        """Constraints that protect numbers and the frozen amount, and indexes."""
        if is_inherited(cls, AuthorizationMixin):
            return ()
        table = cls.__tablename__
        statuses = ", ".join(f"'{status}'" for status in AuthorizationStatus.ALL)
        return (
            UniqueConstraint("merchant", "out_order_no", name=conv(f"uq_{table}_out_order_no")),
            UniqueConstraint("auth_no", name=conv(f"uq_{table}_auth_no")),
            CheckConstraint("total_fen > 0", name=conv(f"ck_{table}_total_fen")),
            CheckConstraint(
                "captured_fen >= 0 AND released_fen >= 0 AND reserved_fen >= 0 "
                "AND captured_fen + released_fen + reserved_fen <= total_fen",
                name=conv(f"ck_{table}_rest_fen"),
            ),
            CheckConstraint(f"status IN ({statuses})", name=conv(f"ck_{table}_status")),
            Index(conv(f"ix_{table}_status_created_at"), "status", "created_at"),
            Index(conv(f"ix_{table}_status_asked_at"), "status", "asked_at", "created_at"),
        )

    @property
    def total_amount(self) -> Decimal:
        """The amount to freeze, in yuan."""
        return to_decimal(self.total_fen)

    @property
    def captured_amount(self) -> Decimal:
        """The captured amount, in yuan."""
        return to_decimal(self.captured_fen)

    @property
    def released_amount(self) -> Decimal:
        """The released amount, in yuan."""
        return to_decimal(self.released_fen)

    @property
    def rest_fen(self) -> int:
        """The amount that is frozen and can be captured or released, in fen."""
        if self.status != AuthorizationStatus.AUTHORIZED:
            return 0
        return self.total_fen - self.captured_fen - self.released_fen - self.reserved_fen

    @property
    def rest_amount(self) -> Decimal:
        """The amount that is frozen and can be captured or released, in yuan."""
        return to_decimal(self.rest_fen)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.out_order_no} {self.status}>"


keep_utc(
    AuthorizationMixin,
    *("created_at", "expires_at", "sent_at", "authorized_at", "finished_at", "closed_at"),
    *("asked_at", "release_sent_at"),
)
