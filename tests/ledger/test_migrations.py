"""Migrations of an application, as Flask-Migrate generates them from the mixins."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from ..requirements import missing
from ..services import new_mariadb, new_postgresql

#: A shop whose tables are made by migrations alone. Alembic rearranges the logging of the process
#: that it runs in, so each step gets one of its own, as by hand; the imports are shared.
_SHOP = """
import os
import sys
from flask import Flask
from flask_migrate import Migrate, init, migrate, upgrade
from flask_sqlalchemy import SQLAlchemy
from flask_alipay import NotificationMixin, PaymentMixin, RefundMixin

url, folder, *steps = sys.argv[1:]
app = Flask("shop")
app.config["SQLALCHEMY_DATABASE_URI"] = url
db = SQLAlchemy(app)
Migrate(app, db, directory=folder)
class Payment(PaymentMixin, db.Model): ...
class Refund(RefundMixin, db.Model): ...
class Notification(NotificationMixin, db.Model): ...
for step in steps:
    process = os.fork()
    if process == 0:
        with app.app_context():
            {"init": init, "migrate": migrate, "upgrade": upgrade}[step](folder)
        sys.exit()
    if os.waitpid(process, 0)[1] != 0:
        sys.exit(f"{step} has failed")
"""


def _run(url: str, folder: Path, *steps: str) -> None:
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _SHOP, url, str(folder), *steps],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def migrations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the only migration that ``flask db migrate`` generates."""
    try:
        import flask_migrate  # noqa: F401
    except ImportError:
        missing("Flask-Migrate is not installed")
    place = tmp_path_factory.mktemp("migrations")
    folder = place / "migrations"
    _run(f"sqlite:///{place / 'first.sqlite'}", folder, "init", "migrate")
    return folder


def _versions(folder: Path) -> list[Path]:
    return sorted((folder / "versions").glob("*.py"))


@pytest.fixture(
    scope="module",
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.service),
        pytest.param("mariadb", marks=pytest.mark.service),
    ],
)
def upgraded(
    request: pytest.FixtureRequest, migrations: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Return a database whose tables the migration created, after another one was looked for."""
    file = tmp_path_factory.mktemp("upgraded") / "shop.sqlite"
    makes = {"postgresql": new_postgresql, "mariadb": new_mariadb}
    urls = makes[request.param]() if request.param in makes else iter([f"sqlite:///{file}"])
    for url in urls:
        _run(url, migrations, "upgrade", "migrate")
        yield url


def test_a_migration_does_not_import_the_package(migrations: Path) -> None:
    (migration,) = _versions(migrations)
    assert "flask_alipay" not in migration.read_text()


def test_a_migration_runs_and_a_second_one_finds_nothing(migrations: Path, upgraded: str) -> None:
    assert len(_versions(migrations)) == 1
    engine = create_engine(upgraded)
    tables = set(inspect(engine).get_table_names())
    engine.dispose()
    assert tables >= {"alipay_payment", "alipay_refund", "alipay_notification"}


def test_constraints_and_indexes_have_their_final_names(upgraded: str) -> None:
    engine = create_engine(upgraded)
    found = inspect(engine)
    tables = ("alipay_payment", "alipay_refund", "alipay_notification")
    unique = {one["name"] for table in tables for one in found.get_unique_constraints(table)}
    indexes = {one["name"] for table in tables for one in found.get_indexes(table)}
    checks = {one["name"] for table in tables for one in found.get_check_constraints(table)}
    engine.dispose()
    assert unique == {
        "uq_alipay_payment_out_trade_no",
        "uq_alipay_payment_trade_no",
        "uq_alipay_refund_out_request_no",
        "uq_alipay_notification_message_id",
    }
    assert indexes - unique == {
        "ix_alipay_payment_trade_status_created_at",
        "ix_alipay_payment_trade_status_asked_at",
        "ix_alipay_payment_buyer_id",
        "ix_alipay_payment_buyer_open_id",
        "ix_alipay_payment_out_order_no",
        "ix_alipay_payment_external_agreement_no",
        "ix_alipay_payment_paid_at",
        "ix_alipay_refund_status_created_at",
        "ix_alipay_refund_out_request_no",
        "ix_alipay_notification_notify_id",
        "ix_alipay_notification_out_trade_no",
        "ix_alipay_notification_outcome_received_at",
    }
    assert checks >= {
        "ck_alipay_payment_total_fen",
        "ck_alipay_payment_refunded_fen",
        "ck_alipay_payment_trade_status",
        "ck_alipay_refund_refund_fen",
    }
