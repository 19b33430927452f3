"""App with its own ledger classes, for commands and operator pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache, lru_cache
from tempfile import TemporaryDirectory
from typing import Any

from click.testing import Result
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_alipay import AlipayBlueprint

from ..compiled import create_tables
from .models import LedgerClasses, declare_models

MERCHANT = "2021000000000000"
#: In China this is the evening of the same day.
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)


@dataclass
class Shop:
    """App with the blueprint and its own classes.

    ``Refund`` and ``Notification`` are ``None`` where the app has no such class.
    """

    app: Flask
    db: Any
    alipay: AlipayBlueprint
    Payment: Any
    Refund: Any
    Notification: Any

    def run(self, *args: str, stdin: str | None = None, **env: str) -> Result:
        """Run a command of ``flask alipay``."""
        runner = self.app.test_cli_runner()
        result: Result = runner.invoke(args=("alipay", *args), input=stdin, env=env)
        return result

    def add(self, *rows: Any) -> None:
        """Insert rows without the package."""
        with self.app.app_context():
            self.db.session.add_all(rows)
            self.db.session.commit()

    def row(self, out_trade_no: str, **columns: Any) -> Any:
        """Return a payment that is not in the database yet."""
        given = {"merchant": MERCHANT, "subject": "Tea", "total_fen": 8888, **columns}
        return self.Payment(out_trade_no=out_trade_no, **given)


@cache
def _keys_folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory()


def instance_path() -> str:
    """Return the folder with the simulator's keys, which are slow to generate."""
    return _keys_folder().name


@lru_cache(maxsize=8)
def _declared(declare: Callable[[Any], LedgerClasses]) -> tuple[SQLAlchemy, LedgerClasses]:
    """Return the classes for all apps that declare them like this."""
    db = SQLAlchemy()
    return db, declare(db.Model)


def make_shop(declare: Callable[[Any], LedgerClasses] = declare_models, **config: Any) -> Shop:
    """Return a shop on SQLite in memory, with tables.

    :param declare: called with ``db.Model``.
    """
    db, models = _declared(declare)
    app = Flask(__name__, instance_path=instance_path())
    app.config.update(SECRET_KEY="test", SQLALCHEMY_DATABASE_URI="sqlite://")
    app.config["ALIPAY_SIMULATOR_WITHOUT_DEBUG"] = True
    app.config.update({"TRUSTED_HOSTS": ["localhost"], **config})
    db.init_app(app)
    alipay = AlipayBlueprint(db, *models)
    app.register_blueprint(alipay, url_prefix="/alipay")
    with app.app_context():
        create_tables(db.metadata, db.engine)
    return Shop(app, db, alipay, *models)


def minutes(count: int) -> timedelta:
    """Return a duration."""
    return timedelta(minutes=count)
