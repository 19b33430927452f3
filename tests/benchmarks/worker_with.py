"""App with the package, otherwise the same as :mod:`tests.benchmarks.worker_without`."""

from __future__ import annotations

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_alipay import AlipayBlueprint

from ..doubles.models import declare_models

db = SQLAlchemy()
Payment, Refund, Notification = declare_models(db.Model)


def create_app(url: str, public_key: str, private_key: str, app_id: str) -> Flask:
    """Return the app."""
    app = Flask(__name__)
    app.config.update(SQLALCHEMY_DATABASE_URI=url, SECRET_KEY="a secret for benchmarks")
    app.config.update(
        SERVER_NAME="shop.example",
        ALIPAY_APP_ID=app_id,
        ALIPAY_PUBLIC_KEY=public_key,
        ALIPAY_PRIVATE_KEY=private_key,
    )
    db.init_app(app)
    alipay = AlipayBlueprint(db, Payment, Refund, Notification, on_paid=lambda payment: None)
    app.register_blueprint(alipay, url_prefix="/alipay")
    return app
