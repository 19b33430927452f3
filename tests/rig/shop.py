"""The shop that the workers run, configured by the environment."""

from __future__ import annotations

import os
import random
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.orm import Mapped, mapped_column

from flask_alipay import AlipayBlueprint, NotificationMixin, PaymentMixin, RefundMixin

APP_ID = "2021000000000001"
TOTAL_FEN = 8888

db = SQLAlchemy()


class Payment(PaymentMixin, db.Model):  # type: ignore[misc, name-defined]
    pass


class Refund(RefundMixin, db.Model):  # type: ignore[misc, name-defined]
    pass


class Notification(NotificationMixin, db.Model):  # type: ignore[misc, name-defined]
    pass


class Parcel(db.Model):  # type: ignore[misc, name-defined]
    """What a callback writes. Nothing but the ledger keeps a second one out."""

    id: Mapped[int] = mapped_column(primary_key=True)
    out_trade_no: Mapped[str] = mapped_column(db.String(64))
    event: Mapped[str] = mapped_column(db.String(16))


alipay = AlipayBlueprint(db, Payment, Refund, Notification)


def _write(payment: Any, what: str) -> None:
    db.session.add(Parcel(out_trade_no=payment.out_trade_no, event=what))
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


def create_app() -> Flask:
    """Returns the shop."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="a secret for the rig",
        SQLALCHEMY_DATABASE_URI=os.environ["RIG_DATABASE"],
        ALIPAY_APP_ID=APP_ID,
        ALIPAY_PRIVATE_KEY_PATH=os.environ["RIG_PRIVATE_KEY"],
        ALIPAY_PUBLIC_KEY_PATH=os.environ["RIG_PUBLIC_KEY"],
    )
    db.init_app(app)
    app.register_blueprint(alipay, url_prefix="/alipay")
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            event.listen(db.engine, "connect", _configure)
    return app


def _configure(connection: Any, record: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA busy_timeout = 20000")
