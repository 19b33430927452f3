"""An app that takes notifications by hand, in a process that has never heard of the package: Flask,
Flask-SQLAlchemy with two tables of the same columns, and one view on ``cryptography``.

It is the floor of :mod:`tests.benchmarks.memory`, which loads it by its path.
"""

from __future__ import annotations

import base64
from datetime import datetime, timezone
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from flask import Flask, Response, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import JSON, DateTime, Integer, String, insert, select, update
from sqlalchemy.orm import mapped_column

db = SQLAlchemy()


class Payment(db.Model):  # type: ignore[misc, name-defined]
    __tablename__ = "alipay_payment"
    id = mapped_column(Integer, primary_key=True)
    merchant = mapped_column(String(32))
    out_trade_no = mapped_column(String(64), unique=True)
    trade_no = mapped_column(String(64), unique=True)
    product = mapped_column(String(16))
    subject = mapped_column(String(256))
    currency = mapped_column(String(3))
    total_fen = mapped_column(Integer)
    refunded_fen = mapped_column(Integer)
    trade_status = mapped_column(String(32))
    paid = mapped_column(db.Boolean)
    buyer_id = mapped_column(String(128))
    details = mapped_column(JSON)
    created_at = mapped_column(DateTime(timezone=True))
    paid_at = mapped_column(DateTime(timezone=True))


class Notification(db.Model):  # type: ignore[misc, name-defined]
    __tablename__ = "alipay_notification"
    id = mapped_column(Integer, primary_key=True)
    notify_id = mapped_column(String(128))
    merchant = mapped_column(String(32))
    out_trade_no = mapped_column(String(64))
    trade_no = mapped_column(String(64))
    trade_status = mapped_column(String(32))
    outcome = mapped_column(String(16))
    payload = mapped_column(JSON)
    received_at = mapped_column(DateTime(timezone=True))


def settle(params: dict[str, str]) -> None:
    """As the floor of the other benchmarks does it."""
    named = Payment.out_trade_no == params["out_trade_no"]
    total_fen, paid = db.session.execute(select(Payment.total_fen, Payment.paid).where(named)).one()
    if paid or total_fen != round(float(params["total_amount"]) * 100):
        raise RuntimeError("it is paid, or of another amount")
    values: dict[str, object] = {
        "trade_status": params["trade_status"],
        "trade_no": params["trade_no"],
        "paid": True,
    }
    values["paid_at"] = datetime.fromisoformat(params["gmt_payment"] + "+08:00")
    db.session.execute(
        update(Payment)
        .where(named, Payment.paid.is_(False))
        .values(values)
        .execution_options(synchronize_session=False)
    )
    row: dict[str, object] = {
        name: params[name] for name in ("notify_id", "out_trade_no", "trade_no", "trade_status")
    }
    row |= {"merchant": params["app_id"], "outcome": "settled", "payload": params}
    db.session.execute(insert(Notification), row | {"received_at": datetime.now(timezone.utc)})
    db.session.commit()


def create_app(url: str, public_key: str) -> Flask:
    """Returns the app."""
    app = Flask(__name__)
    app.config.update(SQLALCHEMY_DATABASE_URI=url, SECRET_KEY="a secret for benchmarks")
    db.init_app(app)
    key = load_pem_public_key(public_key.encode())
    assert isinstance(key, rsa.RSAPublicKey)

    @app.post("/alipay/notify")
    def notify() -> Response:
        params = dict(parse_qsl(request.get_data().decode(), keep_blank_values=True))
        signed = sorted((k, v) for k, v in params.items() if v and k not in ("sign", "sign_type"))
        content = "&".join(f"{k}={v}" for k, v in signed).encode()
        key.verify(base64.b64decode(params["sign"]), content, padding.PKCS1v15(), SHA256())
        settle(params)
        return Response("success", mimetype="text/plain")

    return app
