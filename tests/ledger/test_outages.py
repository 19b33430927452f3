"""Outages of the database: nothing is left half done, and the next delivery settles."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import (
    DataError,
    IntegrityError,
    InternalError,
    InvalidRequestError,
    OperationalError,
    PendingRollbackError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.orm import Session

from flask_alipay.exceptions import CallbackFailed, LedgerUnavailable, UnknownPayment
from flask_alipay.ledger import Ledger
from flask_alipay.ledger.errors import describe_error
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import BUYER, MERCHANT, MODELS, Shop, pack, report

UNTOUCHED = (TradeStatus.WAIT_BUYER_PAY, False, 0)
SETTLED = (TradeStatus.TRADE_SUCCESS, True, 0)


def cut(shop: Shop, session: Session) -> None:
    """Ends the session's connection from the server's side."""
    if shop.engine.dialect.name == "postgresql":
        number, kill = "SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"
    else:
        number, kill = "SELECT CONNECTION_ID()", "KILL {}"
    backend = session.scalar(text(number))
    with shop.engine.connect() as other:
        other.execute(text(kill.format(backend)))


@pytest.fixture(params=["postgresql_shop", "mariadb_shop"])
def server_shop(request: pytest.FixtureRequest) -> Shop:
    """Return a shop on a database server."""
    shop: Shop = request.getfixturevalue(request.param)
    return shop


@pytest.mark.parametrize("afterwards", ["says nothing", "asks"])
def test_a_connection_that_is_cut_in_a_callback_loses_nothing(
    server_shop: Shop, afterwards: str
) -> None:
    server_shop.order()
    with server_shop.session() as session:

        def callback(payment: Any) -> None:
            pack(session)(payment)
            session.flush()
            cut(server_shop, session)
            if afterwards == "asks":
                session.scalar(text("SELECT 1"))

        with pytest.raises((CallbackFailed, LedgerUnavailable)):
            server_shop.ledger(session, paid=callback).settle(report())
    assert server_shop.status() == UNTOUCHED
    assert server_shop.parcels() == []
    assert server_shop.settle(report()) == ("settled", ("paid",))
    assert server_shop.status() == SETTLED


def test_the_failed_callback_is_journalled_over_a_new_connection(server_shop: Shop) -> None:
    server_shop.order()
    with server_shop.session() as session:

        def callback(payment: Any) -> None:
            cut(server_shop, session)
            session.scalar(text("SELECT 1"))

        with pytest.raises(CallbackFailed):
            server_shop.ledger(session, paid=callback).settle(report())
    assert server_shop.outcomes() == ["callback_failed"]


def test_the_same_session_settles_the_next_delivery(server_shop: Shop) -> None:
    server_shop.order()
    with server_shop.session() as session:

        def cut_once(payment: Any) -> None:
            if not cuts:
                cuts.append("cut")
                cut(server_shop, session)

        cuts: list[str] = []
        ledger = server_shop.ledger(session, paid=cut_once)
        with pytest.raises((CallbackFailed, LedgerUnavailable)):
            ledger.settle(report())
        assert ledger.settle(report()).events == ("paid",)


def test_a_connection_that_was_cut_before_is_an_outage_and_then_over(server_shop: Shop) -> None:
    server_shop.order()
    with server_shop.session() as session:
        session.scalar(text("SELECT 1"))
        cut(server_shop, session)
        ledger = server_shop.ledger(session)
        with pytest.raises(LedgerUnavailable) as caught:
            ledger.settle(report())
        assert (caught.value.out_trade_no, caught.value.notify_id) == ("A1", "n1")
        assert isinstance(caught.value.__cause__, SQLAlchemyError)
        assert BUYER not in str(caught.value)
        assert ledger.settle(report()).outcome == "settled"


def test_an_engine_that_is_disposed_of_in_a_callback_changes_nothing(shop: Shop) -> None:
    # What an app does that reloads its configuration: connections in use go on to the end.
    shop.order()
    pool = shop.engine.pool
    with shop.session() as session:
        write = pack(session)

        def dispose(payment: Any) -> None:
            write(payment)
            shop.engine.dispose()

        shop.ledger(session, paid=dispose).settle(report())
    pool.dispose()  # the connection came back to it
    assert shop.status() == SETTLED
    assert shop.parcels() == ["paid"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://nobody@127.0.0.1:9/none",
        "mysql+pymysql://nobody@127.0.0.1:9/none",
        "sqlite:////nowhere/at/all.sqlite",
    ],
)
def test_a_database_that_is_not_there_is_an_outage(url: str) -> None:
    engine = create_engine(url)
    with Session(engine) as session, pytest.raises(LedgerUnavailable, match="OperationalError"):
        Ledger(session, MODELS, merchant=MERCHANT).settle(report())
    engine.dispose()


def test_a_database_without_our_tables_is_an_outage(database_url: str) -> None:
    engine = create_engine(database_url)
    with Session(engine) as session, pytest.raises(LedgerUnavailable):
        Ledger(session, MODELS, merchant=MERCHANT).settle(report())
    engine.dispose()


def test_a_commit_that_fails_is_an_outage(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.order()

    def lost(connection: Any) -> None:
        raise OperationalError("COMMIT", {}, Exception("gone"))

    with shop.session() as session:
        ledger = shop.ledger(session, paid=pack(session))
        with monkeypatch.context() as patch:
            patch.setattr(shop.engine.dialect, "do_commit", lost)
            with pytest.raises(LedgerUnavailable):
                ledger.settle(report())
    assert shop.status() == UNTOUCHED
    assert shop.parcels() == []
    assert shop.settle(report()) == ("settled", ("paid",))


def test_a_locked_sqlite_is_an_outage(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.sqlite'}"
    shop, other = Shop(url, connect_args={"timeout": 0.05}), create_engine(url)
    shop.open()
    shop.order()
    with other.connect() as connection:
        connection.execute(text("BEGIN IMMEDIATE"))
        with pytest.raises(LedgerUnavailable):
            shop.settle(report())
    assert shop.settle(report()) == ("settled", ("paid",))
    shop.engine.dispose()
    other.dispose()


# Log lines about the outage.


def log_line(shop: Shop) -> str:
    """Settle a report that the database cannot record; return the log line about it."""
    with pytest.raises(LedgerUnavailable) as caught:
        shop.settle(report(params={"buyer_id": BUYER, "subject": "a secret gift"}))
    line = str(caught.value)
    assert line.startswith("the database could not record the report (")
    for data in (BUYER, "2026112322001", "secret", "\n", "UPDATE alipay", "INSERT INTO alipay"):
        assert data not in line
    return line


@pytest.fixture
def behind(database_url: str) -> Iterator[Shop]:
    """Return a shop whose journal lacks a column, since a migration was forgotten."""
    shop = Shop(database_url)
    shop.open()
    shop.order()
    with shop.engine.begin() as connection:
        connection.execute(text("ALTER TABLE alipay_notification DROP COLUMN detail"))
    yield shop
    shop.engine.dispose()


def test_a_forgotten_migration_is_found(behind: Shop) -> None:
    line = log_line(behind)
    assert "detail" in line
    assert "column" in line.lower()


def test_an_error_while_journalling_a_rejection_is_logged_without_buyer_data(
    behind: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UnknownPayment):
        behind.settle(report(out_trade_no="B1"))
    assert "detail" in caplog.text
    assert BUYER not in caplog.text


def test_a_value_that_the_database_rejects_is_not_in_the_message(server_shop: Shop) -> None:
    server_shop.order()
    with pytest.raises(LedgerUnavailable) as caught:
        server_shop.settle(report(buyer_id="\0" + BUYER * 9, trade_no="T" * 99))
    assert str(caught.value) == "the database could not record the report (DataError)"


class Refusal(Exception):
    """Exception as PyMySQL raises it."""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OperationalError("UPDATE", {"a": BUYER}, Refusal(1366, f"Incorrect string '{BUYER}'")),
            "OperationalError",
        ),
        (
            OperationalError("UPDATE", {"a": BUYER}, Refusal(1054, "Unknown column 'x'")),
            "OperationalError: 1054, Unknown column 'x'",
        ),
        (OperationalError("UPDATE", {}, Refusal()), "OperationalError"),
        (IntegrityError("UPDATE", {}, Refusal(1054, f"'{BUYER}'")), "IntegrityError"),
        (DataError("UPDATE", {}, Refusal(1054, f"'{BUYER}'")), "DataError"),
        (
            OperationalError("UPDATE", {}, sqlite3.OperationalError("no such column: x\nmore")),
            "OperationalError: no such column: x",
        ),
        (
            ProgrammingError("UPDATE", {}, psycopg.errors.UndefinedColumn("no x\nLINE 1: …")),
            "ProgrammingError: no x",
        ),
        (
            ProgrammingError("UPDATE", {}, psycopg.errors.RaiseException(BUYER)),
            "ProgrammingError",
        ),
        (
            InternalError("UPDATE", {}, psycopg.errors.ReadOnlySqlTransaction("read-only")),
            "InternalError: read-only",
        ),
        (InvalidRequestError("no such mapper"), "InvalidRequestError: no such mapper"),
        (PendingRollbackError(f"before: {BUYER}"), "PendingRollbackError"),
    ],
)
def test_only_parts_of_the_databases_message_without_data_are_logged(
    error: SQLAlchemyError, line: str
) -> None:
    assert describe_error(error) == line
