"""Two apps that the ledger's benchmarks compare: one with the package, one hand-written, on the
same tables of the same database.

The hand-written one is the floor: it parses, verifies one signature and runs four Core
statements through the same kind of ``db.session``: ``SELECT``, ``UPDATE``, ``INSERT``,
``COMMIT``, prepared beforehand so that nothing is paid twice. It omits checks (embedded fields,
the currency, every status except "paid"), and so does less than is safe.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flask import Flask, Response, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import bindparam, event, insert, select, update

from flask_alipay import AlipayBlueprint
from flask_alipay.keys import generate_private_key
from flask_alipay.models import utc_now
from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.signer import Rsa2Signer, sign_content

from ..doubles.models import declare_models
from .signing import FIELDS, content_by_hand

APP_ID = FIELDS["app_id"]
TOTAL_FEN = 8888

db = SQLAlchemy()
Payment, Refund, Notification = declare_models(db.Model)


@lru_cache(maxsize=1)
def alipay_key() -> rsa.RSAPrivateKey:
    """Return a replacement for Alipay's key, generated once for a run."""
    return generate_private_key()


@lru_cache(maxsize=1)
def merchant_key() -> rsa.RSAPrivateKey:
    """Return the shop's key, generated once for a run."""
    return generate_private_key()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    """Return the public half as text."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: rsa.RSAPrivateKey) -> str:
    """Return the key pair as text."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def our_app(url: str, public_key: str, private_key: str) -> Flask:
    """Return an app with the package and a callback that does nothing."""
    app = new_app(url)
    app.config.update(
        SERVER_NAME="shop.example",
        ALIPAY_APP_ID=APP_ID,
        ALIPAY_PUBLIC_KEY=public_key,
        ALIPAY_PRIVATE_KEY=private_key,
    )
    alipay = AlipayBlueprint(db, Payment, Refund, Notification, on_paid=lambda payment: None)
    app.register_blueprint(alipay, url_prefix="/alipay")
    return app


FIND = select(
    Payment.__table__.c.paid, Payment.__table__.c.total_fen, Payment.__table__.c.trade_status
).where(
    Payment.__table__.c.out_trade_no == bindparam("number"),
    Payment.__table__.c.merchant == APP_ID,
)
CLAIM = (
    update(Payment.__table__)
    .where(
        Payment.__table__.c.out_trade_no == bindparam("number"),
        Payment.__table__.c.merchant == APP_ID,
        Payment.__table__.c.paid.is_(False),
    )
    .values(
        trade_status=bindparam("status"),
        trade_no=bindparam("trade"),
        buyer_id=bindparam("buyer"),
        paid=True,
        paid_at=bindparam("moment"),
    )
)
JOURNAL = insert(Notification.__table__)


def floor_app(url: str, public_key: rsa.RSAPublicKey) -> Flask:
    """Return a hand-written app."""
    app = new_app(url)

    @app.post("/alipay/notify")
    def notify() -> Response:
        params = dict(parse_qsl(request.get_data().decode(), keep_blank_values=True))
        content = content_by_hand(params, ("sign", "sign_type"))
        signature = base64.b64decode(params["sign"])
        public_key.verify(signature, content, padding.PKCS1v15(), SHA256())
        done = params["app_id"] == APP_ID and settle_by_hand(params)
        return Response("success" if done else "fail", mimetype="text/plain")

    return app


def check_by_hand(signer: Rsa2Signer) -> Response:
    """Parse and verify one signature, and nothing else."""
    params = dict(parse_qsl(request.get_data().decode(), keep_blank_values=True))
    content = content_by_hand(params, ("sign", "sign_type"))
    signer.verify(content, params["sign"])
    return Response("fail", 400, mimetype="text/plain")


def settle_by_hand(params: dict[str, str]) -> bool:
    """Run ``SELECT``, ``UPDATE``, ``INSERT``, ``COMMIT``."""
    number, now = params["out_trade_no"], datetime.now(timezone.utc)
    row = db.session.execute(FIND, {"number": number}).one_or_none()
    if row is None or row.total_fen != round(float(params["total_amount"]) * 100):
        return False
    outcome = "duplicate"
    if not row.paid:
        about = {
            "number": number,
            "status": params["trade_status"],
            "trade": params["trade_no"],
            "buyer": params["buyer_id"],
            "moment": datetime.fromisoformat(params["gmt_payment"] + "+08:00"),
        }
        claimed: Any = db.session.execute(CLAIM, about)
        if claimed.rowcount == 1:
            outcome = "settled"
    db.session.execute(
        JOURNAL,
        {
            "notify_id": params["notify_id"],
            "merchant": APP_ID,
            "out_trade_no": number,
            "trade_no": params["trade_no"],
            "trade_status": params["trade_status"],
            "outcome": outcome,
            "payload": params,
            "received_at": now,
        },
    )
    db.session.commit()
    return True


def new_app(url: str) -> Flask:
    """Return an empty app on a database."""
    # Both at the level of production, where the log says nothing about what went well.
    logging.getLogger("flask_alipay").setLevel(logging.ERROR)
    app = Flask(__name__)
    app.config.update(SQLALCHEMY_DATABASE_URI=url, SECRET_KEY="a secret for benchmarks")
    db.init_app(app)
    with app.app_context():
        prepare_sqlite(db.engine)
    return app


def prepare_sqlite(engine: Any) -> None:
    """Configure each connection as the documentation recommends."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def configure(connection: Any, record: object) -> None:
        connection.execute("PRAGMA busy_timeout = 20000")
        connection.execute("PRAGMA synchronous = NORMAL")


def orders(app: Flask, prefix: str, count: int) -> Iterator[str]:
    """Insert payments and return their numbers."""
    numbers = [f"{prefix}{number:09d}" for number in range(count)]
    rows = [
        {"merchant": APP_ID, "out_trade_no": number, "subject": "茶", "total_fen": TOTAL_FEN}
        for number in numbers
    ]
    with app.app_context():
        for start in range(0, count, 10_000):
            db.session.execute(insert(Payment), rows[start : start + 10_000])
            db.session.commit()
    return iter(numbers)


def notification(out_trade_no: str, key: rsa.RSAPrivateKey, **fields: str) -> bytes:
    """Return a signed notification of a sale, as a form body of 27 fields."""
    now = format_china_time(utc_now())  # an old one would need a query
    told = {
        **FIELDS,
        "notify_time": now,
        "gmt_payment": now,
        "out_trade_no": out_trade_no,
        "trade_no": f"20260203{out_trade_no}",
        "notify_id": f"n{out_trade_no}",
        **fields,
    }
    told["sign"] = Rsa2Signer(private_key=key).sign(sign_content(told))
    told["sign_type"] = "RSA2"
    return urlencode(told).encode()
