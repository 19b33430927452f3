"""Shop of the rig: its classes, its blueprint and its callbacks."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column

from flask_alipay import AgreementMixin, AlipayBlueprint, AuthorizationMixin, TransferMixin

from ..doubles.models import declare_models
from .clock import SharedClock

APP_ID = "2021000000000001"
TOTAL_FEN = 8888

db = SQLAlchemy()
Payment, Refund, Notification = declare_models(db.Model)


class Parcel(db.Model):  # type: ignore[misc, name-defined]
    """Row that a callback writes. Only the ledger prevents a second one."""

    id: Mapped[int] = mapped_column(primary_key=True)
    out_trade_no: Mapped[str] = mapped_column(db.String(64))
    event: Mapped[str] = mapped_column(db.String(16))


class Transfer(TransferMixin, db.Model):  # type: ignore[misc, name-defined]
    pass


class Authorization(AuthorizationMixin, db.Model):  # type: ignore[misc, name-defined]
    pass


class Agreement(AgreementMixin, db.Model):  # type: ignore[misc, name-defined]
    pass


clock = SharedClock(Path(os.environ.get("RIG_CLOCK", "no file")))
alipay = AlipayBlueprint(
    db,
    Payment,
    Refund,
    Notification,
    Transfer=Transfer,
    Authorization=Authorization,
    Agreement=Agreement,
    clock=clock.now,
)


def _write(payment: Any, event_name: str) -> None:
    _pack(payment.out_trade_no, event_name)


def _pack(number: str, event_name: str) -> None:
    db.session.add(Parcel(out_trade_no=number, event=event_name))
    db.session.flush()
    if random.random() < float(os.environ.get("RIG_CALLBACKS_RAISE", "0")):
        raise RuntimeError("no boxes left")


@alipay.on_paid
def ship(payment: Any) -> None:
    _write(payment, "paid")


@alipay.on_finished
def close_books(payment: Any) -> None:
    _write(payment, "finished")


@alipay.on_failed
def release(payment: Any) -> None:
    _write(payment, "failed")


@alipay.on_refunded
def record_refund(payment: Any) -> None:
    _write(payment, "refunded")


@alipay.on_transferred
def record_transfer(transfer: Any) -> None:
    _pack(transfer.out_biz_no, "transferred")


@alipay.on_transfer_failed
def record_failure(transfer: Any) -> None:
    _pack(transfer.out_biz_no, "transfer_failed")


@alipay.on_authorized
def record_deposit(authorization: Any) -> None:
    _pack(authorization.out_order_no, "authorized")


@alipay.on_released
def record_release(authorization: Any) -> None:
    _pack(f"{authorization.out_order_no}:{authorization.released_fen}", "released")


@alipay.on_authorization_closed
def record_closure(authorization: Any) -> None:
    _pack(authorization.out_order_no, "closed")


@alipay.on_agreement_signed
def record_agreement(agreement: Any) -> None:
    _pack(agreement.external_agreement_no, "agreement_signed")


@alipay.on_agreement_ended
def record_end(agreement: Any) -> None:
    _pack(agreement.external_agreement_no, "agreement_ended")
