"""A shop with rows in its ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any

from click.testing import Result
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_alipay import AlipayBlueprint, NotificationMixin, PaymentMixin, RefundMixin

MERCHANT = "2021000000000000"
#: In China this is the evening of the same day.
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)


@dataclass
class Shop:
    """An app with its classes, and ``flask alipay`` in it."""

    app: Flask
    db: Any
    alipay: AlipayBlueprint
    Payment: Any
    Refund: Any
    Notification: Any

    def run(self, *args: str, stdin: str | None = None, **env: str) -> Result:
        runner = self.app.test_cli_runner()
        result: Result = runner.invoke(args=("alipay", *args), input=stdin, env=env)
        return result

    def add(self, *rows: Any) -> None:
        with self.app.app_context():
            self.db.session.add_all(rows)
            self.db.session.commit()

    def payment(self, out_trade_no: str, **columns: Any) -> Any:
        given = {"merchant": MERCHANT, "subject": "Tea", "total_fen": 8888, **columns}
        return self.Payment(out_trade_no=out_trade_no, **given)


@cache
def _folder() -> TemporaryDirectory[str]:
    """Return the folder with the simulator's keys, which are slow to generate."""
    return TemporaryDirectory()


def make_shop(**config: Any) -> Shop:
    db = SQLAlchemy()

    class Payment(PaymentMixin, db.Model):  # type: ignore[name-defined,misc]
        pass

    class Refund(RefundMixin, db.Model):  # type: ignore[name-defined,misc]
        pass

    class Notification(NotificationMixin, db.Model):  # type: ignore[name-defined,misc]
        pass

    app = Flask(__name__, instance_path=_folder().name)
    app.config.update(SECRET_KEY="test", SQLALCHEMY_DATABASE_URI="sqlite://")
    app.config["ALIPAY_SIMULATOR_WITHOUT_DEBUG"] = True
    app.config.update({"TRUSTED_HOSTS": ["localhost"], **config})
    db.init_app(app)
    alipay = AlipayBlueprint(db, Payment, Refund, Notification)
    app.register_blueprint(alipay, url_prefix="/alipay")
    with app.app_context():
        db.create_all()
    return Shop(app, db, alipay, Payment, Refund, Notification)


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)
