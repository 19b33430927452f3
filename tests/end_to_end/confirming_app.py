"""App that gunicorn serves for the tests of confirmation, configured by the environment."""

from __future__ import annotations

import os

import requests  # noqa: F401 - before workers are forked: each would import it by itself
from flask import Flask
from sqlalchemy import event

from ..doubles.shop import Shipment, db, new_blueprint


def create_app() -> Flask:
    """Return the shop."""
    app, alipay = Flask(__name__), new_blueprint()
    app.config.update(
        SECRET_KEY="not a secret",
        SQLALCHEMY_DATABASE_URI=os.environ["SHOP_DATABASE"],
        TRUSTED_HOSTS=["localhost", "127.0.0.1"],
        ALIPAY_APP_ID="9021000000000001",
        ALIPAY_PRIVATE_KEY_PATH=os.environ["SHOP_PRIVATE_KEY"],
        ALIPAY_PUBLIC_KEY_PATH=os.environ["SHOP_PUBLIC_KEY"],
        ALIPAY_GATEWAY_URL=os.environ["SHOP_GATEWAY"],
        ALIPAY_NOTIFY_URL="http://127.0.0.1/alipay/notify",
        ALIPAY_RETURN_URL="http://127.0.0.1/alipay/return",
    )
    db.init_app(app)
    app.register_blueprint(alipay, url_prefix="/alipay")

    @alipay.on_paid
    def ship(payment: object) -> None:
        db.session.add(Shipment(out_trade_no=payment.out_trade_no))  # type: ignore[attr-defined]

    with app.app_context():
        db.create_all()
        if db.engine.dialect.name == "sqlite":
            event.listen(db.engine, "connect", _configure)
        db.engine.dispose()  # no connection survives the fork
    return app


def _configure(connection: object, record: object) -> None:
    connection.execute("PRAGMA busy_timeout = 20000")  # type: ignore[attr-defined]
