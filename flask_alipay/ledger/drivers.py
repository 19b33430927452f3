"""Error codes, autocommit and transaction state of the database drivers.

Covers sqlite3, psycopg, psycopg2, pg8000, PyMySQL, mysqlclient and mysql-connector; other drivers
as far as they have the same attributes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from sqlalchemy import Connection, StaticPool
from sqlalchemy.exc import SQLAlchemyError

from ..exceptions import LedgerUnavailable

MYSQL = ("mysql", "mariadb")
#: In milliseconds: how long a statement without importance waits for SQLite's only writer.
SHORT_WAIT: Final = 250
# The MySQL protocol's flag SERVER_STATUS_IN_TRANS, as of the server's last response.
_IN_TRANSACTION = 1
# libpq's transaction status PQTRANS_INERROR.
_IN_ERROR = 3
# Errors after which a transaction is to be retried. PostgreSQL: serialization_failure,
# deadlock_detected; MariaDB: ER_CHECKREAD, ER_LOCK_DEADLOCK; SQLite: SQLITE_BUSY_SNAPSHOT.
_SERIALIZATION_ERRORS = ("40001", "40P01", 1020, 1213)
_BUSY_SNAPSHOT = 517

_AUTOCOMMIT = (
    "the engine uses AUTOCOMMIT: a sale whose callback fails could not be rolled back. Set another "
    "isolation_level for the ledger's engine"
)
_SHARED = (
    "all sessions share one connection (StaticPool): another request could commit or roll back a "
    "sale. Set another poolclass for the ledger's engine"
)


def driver_of(connection: Connection) -> Any:
    """Return the driver's own connection."""
    return connection.connection.dbapi_connection


def sqlstate(error: Any) -> str | None:
    """Return the SQLSTATE of a driver's exception, if it has one.

    It is in ``sqlstate`` (psycopg), ``pgcode`` (psycopg2) or the message's field ``C`` (pg8000).
    """
    fields = error.args[0] if error.args else None
    found = fields.get("C") if isinstance(fields, dict) else None
    found = found or getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return found if isinstance(found, str) else None


def mysql_errno(error: Any) -> int | None:
    """Return the error number of a MySQL driver's exception: an integer as first argument."""
    number = error.args[0] if error.args else None
    return number if isinstance(number, int) else None


def is_serialization_error(error: Any) -> bool:
    """Return whether a driver's exception means that another transaction was faster."""
    if getattr(error, "sqlite_errorcode", None) == _BUSY_SNAPSHOT:
        return True
    return sqlstate(error) in _SERIALIZATION_ERRORS or mysql_errno(error) in _SERIALIZATION_ERRORS


def is_open(connection: Connection) -> bool | None:
    """Return whether a transaction is open, without a query; ``None`` if the driver does not know.

    pg8000 and mysqlclient have no such attribute; the other drivers have.
    """
    driver = driver_of(connection)
    in_transaction = getattr(driver, "in_transaction", None)
    if in_transaction is not None:
        return bool(in_transaction)
    status = _status(driver)
    if status is not None:
        return bool(status)
    flags = getattr(driver, "server_status", None)
    return None if flags is None else bool(flags & _IN_TRANSACTION)


def is_failed(connection: Connection) -> bool:
    """Return whether the open transaction is in PostgreSQL's failed state, if the driver knows it.

    PostgreSQL rolls such a transaction back on ``COMMIT``, without an error.
    """
    return _status(driver_of(connection)) == _IN_ERROR


def check_transactional(connection: Connection) -> None:
    """Check that a connection has a transaction of its own.

    :raises LedgerUnavailable: if it commits each statement by itself, or is shared with other
        sessions.
    """
    if commits_by_itself(connection):
        raise LedgerUnavailable(_AUTOCOMMIT)
    if is_shared(connection):
        raise LedgerUnavailable(_SHARED)


def is_shared(connection: Connection) -> bool:
    """Return whether all sessions of a process share one connection and its transaction.

    An in-memory SQLite database needs a shared connection and is only used in tests: ``False``.
    """
    if not isinstance(connection.engine.pool, StaticPool):
        return False
    url = connection.engine.url
    name = url.database or ":memory:"
    in_memory = ":memory:" in name or url.query.get("mode") == "memory"
    return not (connection.dialect.name == "sqlite" and in_memory)


def commits_by_itself(connection: Connection) -> bool:
    """Return whether each statement is committed by itself.

    On a connection in autocommit mode, the application may have begun a transaction explicitly
    (SQLAlchemy's recipe for SQLite does).
    """
    if is_open(connection):
        return False
    driver = driver_of(connection)
    if connection.dialect.driver == "pysqlite":
        return driver.isolation_level is None or getattr(driver, "autocommit", None) is True
    if hasattr(driver, "get_autocommit"):  # PyMySQL, mysqlclient
        return bool(driver.get_autocommit())
    return getattr(driver, "autocommit", False) is True  # mysql-connector queries the server


@contextmanager
def short_lock_wait(connection: Connection) -> Iterator[None]:
    """Wait for another writer of a SQLite database for :data:`SHORT_WAIT` only, within the block.

    Other databases lock rows, which a statement can skip.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    usual = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {min(int(usual), SHORT_WAIT)}")
    try:
        yield
    finally:
        with suppress(SQLAlchemyError):
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(usual)}")


def _status(driver: Any) -> int | None:
    """Return libpq's transaction status."""
    status: int | None = getattr(getattr(driver, "info", None), "transaction_status", None)
    return status
