"""Shop that the workers run, configured by the environment."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import requests  # noqa: F401 - before workers are forked: each would import it by itself
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from flask_alipay import AlipayBlueprint, TransferMixin
from flask_alipay.exceptions import AlipayError, GatewayError, InvalidAmount
from flask_alipay.operations import transfers
from flask_alipay.protocol.conversion import format_amount

from ..doubles.models import declare_models

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


alipay = AlipayBlueprint(db, Payment, Refund, Notification, Transfer=Transfer)
# On the rig's clock, on which a second is a minute.
_IN_FLIGHT = timedelta(seconds=5)


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


def pay_out(number: str, payee: str, fen: int) -> tuple[str, int]:
    """Transfer money to a payee, as an operator does."""

    def act() -> bool | None:
        row = alipay.transfer(
            format_amount(fen),
            payee=payee,
            identity_type="ALIPAY_OPEN_ID",
            title="Prize",
            out_biz_no=None if number == "-" else number,
        )
        return bool(row.status == "SUCCESS")

    return _respond(act)


def query(number: str) -> tuple[str, int]:
    """Query a payment, as an operator does."""
    return _respond(lambda: alipay.query(alipay.ledger().find(number)).paid)


def refund(number: str, request: str, fen: int) -> tuple[str, int]:
    """Refund a payment, as an operator does at a buyer's request."""

    def act() -> bool | None:
        payment: Any = alipay.ledger().find(number)
        if not payment.paid:
            return None
        row = alipay.refund(payment, format_amount(fen), out_request_no=request)
        return bool(row.status == "REFUND_SUCCESS")

    return _respond(act)


def _respond(act: Callable[[], bool | None]) -> tuple[str, int]:
    try:
        return {True: ("success", 200), False: ("not yet", 503), None: ("too early", 425)}[act()]
    except InvalidAmount:
        return "too much", 409
    except GatewayError as error:
        return ("refused", 409) if error.signed else ("unknown", 503)
    except (AlipayError, SQLAlchemyError):
        return "trouble", 503


def create_app() -> Flask:
    """Return the shop."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="a secret for the rig",
        SQLALCHEMY_DATABASE_URI=os.environ["RIG_DATABASE"],
        ALIPAY_APP_ID=APP_ID,
        ALIPAY_PRIVATE_KEY_PATH=os.environ["RIG_PRIVATE_KEY"],
        ALIPAY_PUBLIC_KEY_PATH=os.environ["RIG_PUBLIC_KEY"],
        ALIPAY_GATEWAY_URL=os.environ["RIG_GATEWAY"],
    )
    db.init_app(app)
    app.add_url_rule("/query/<number>", view_func=query, methods=["POST"])
    transfers.IN_FLIGHT = _IN_FLIGHT  # type: ignore[misc]
    app.add_url_rule("/transfer/<number>/<payee>/<int:fen>", view_func=pay_out, methods=["POST"])
    app.add_url_rule("/refund/<number>/<request>/<int:fen>", view_func=refund, methods=["POST"])
    app.register_blueprint(alipay, url_prefix="/alipay")
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            event.listen(db.engine, "connect", _configure)
    return app


def _configure(connection: Any, record: object) -> None:
    connection.execute("PRAGMA busy_timeout = 20000")
    connection.execute("PRAGMA synchronous = NORMAL")
