"""Errors of the database: codes, descriptions without buyer data, and the rollback after them.

The database's message helps an operator find a missing migration, for example. Many messages
contain values of rows or parameters, buyer data among them: only messages about tables, columns and
connections are repeated.

The codes are those of sqlite3, psycopg, psycopg2, pg8000, PyMySQL, mysqlclient and mysql-connector.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InvalidRequestError,
    OperationalError,
    PendingRollbackError,
    SQLAlchemyError,
    TimeoutError,
)
from sqlalchemy.orm import Session, scoped_session

from ..exceptions import LedgerUnavailable

# Messages of these errors contain values. Drivers disagree about the classes of other errors.
_ABOUT_VALUES = (IntegrityError, DataError)
# PostgreSQL's classes: connection, feature, state of the transaction, authorization, names,
# rollback, syntax and access, resources, limits, state of an object, operator, system.
_SQLSTATES = ("08", "0A", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58")
# MariaDB and MySQL do not separate errors about values from others. These are about tables and
# columns, privileges, locks and the server's state; from 2000 on, the client library's.
_MARIADB = frozenset(
    (
        *(1020, 1021, 1030, 1036, 1037, 1038, 1040, 1041, 1042, 1043, 1044, 1045, 1046, 1047),
        *(1049, 1053, 1054, 1114, 1129, 1130, 1142, 1143, 1146, 1203, 1205, 1206, 1213, 1226),
        *(1227, 1267, 1290, 1305, 1317, 1356, 1364, 1370, 1412, 1615, 1698, 1792, 1836, 1927),
        *(1969, 3024, 3159, *range(2000, 3000)),
    )
)
# Errors that the next transaction would also raise. PostgreSQL: connection, resources, locks,
# operator, system; MariaDB: too many connections, shutdown, lock wait timeout, full lock table,
# read-only, killed connection, the client library's.
_OUTAGE_SQLSTATES = ("08", "53", "55", "57", "58")
_OUTAGE_ERRORS = frozenset((1040, 1053, 1205, 1206, 1290, 1927, *range(2000, 3000)))
_MAX_LENGTH = 300

# Errors after which a transaction is to be retried. PostgreSQL: serialization_failure,
# deadlock_detected; MariaDB: ER_CHECKREAD, ER_LOCK_DEADLOCK; SQLite: SQLITE_BUSY_SNAPSHOT.
_SERIALIZATION_ERRORS = ("40001", "40P01", 1020, 1213)
_BUSY_SNAPSHOT = 517


def ledger_unavailable(
    error: SQLAlchemyError, out_trade_no: str | None, notify_id: str | None
) -> LedgerUnavailable:
    """Return the exception for a report that the database could not record, with the reason."""
    return LedgerUnavailable(
        f"the database could not record the report ({describe_error(error)})",
        out_trade_no=out_trade_no,
        notify_id=notify_id,
    )


def roll_back(session: Session | scoped_session[Any]) -> None:
    """Roll a session back; close it if the connection is lost."""
    try:
        session.rollback()
    except SQLAlchemyError:
        session.close()


def is_outage(error: BaseException | None) -> bool:
    """Return whether the next transaction would raise the same error."""
    if isinstance(error, (InterfaceError, TimeoutError)):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state, number = sqlstate(error.orig), mysql_errno(error.orig)
    if number is not None:  # PyMySQL also has a SQLSTATE, which is less specific
        return number in _OUTAGE_ERRORS
    if state is not None:
        return state[:2] in _OUTAGE_SQLSTATES
    return isinstance(error, OperationalError)


def describe_error(error: Exception) -> str:
    """Return the name of an error with the first line of its message, if the message contains no
    value of a row or of a parameter.
    """
    line = next(iter(_safe_message(error).splitlines()), "")[:_MAX_LENGTH]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _safe_message(error: Exception) -> str:
    if isinstance(error, DBAPIError):
        return "" if isinstance(error, _ABOUT_VALUES) else _safe_driver_message(error.orig)
    # SQLAlchemy's own errors; PendingRollbackError repeats the message of an earlier error.
    safe = isinstance(error, (InvalidRequestError, TimeoutError))
    return str(error) if safe and not isinstance(error, PendingRollbackError) else ""


def _safe_driver_message(cause: Any) -> str:
    driver = type(cause).__module__.partition(".")[0]
    if driver == "sqlite3":
        return str(cause)
    if driver in ("psycopg", "psycopg2", "pg8000"):
        state = sqlstate(cause)
        return _message(cause) if state is None or state[:2] in _SQLSTATES else ""
    number = mysql_errno(cause)
    if number in _MARIADB and cause.args[1:]:
        return f"{number}, {cause.args[1]}"
    return ""


def _message(cause: Any) -> str:
    fields = cause.args[0] if cause.args else None  # pg8000 splits the server's message
    return str(fields.get("M", "")) if isinstance(fields, dict) else str(cause)


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
