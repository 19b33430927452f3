"""The ledger's statements, written once for each class of the app's and then only filled in."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from ..models import NotificationMixin, PaymentMixin

# What is known of a payment that a guarded UPDATE has changed: it was in the guard.
_GUARDED = ("merchant", "out_trade_no", "currency", "total_fen")
# Likewise, or what the UPDATE wrote in its place.
_STANDING = ("trade_status", "paid", "refunded_fen")
# What is known if the UPDATE wrote it. Times are not: a database may keep less of them than that.
_WRITTEN = (*_STANDING, "trade_no", "buyer_id")

# Overtaken, to be tried again at once. PostgreSQL: serialization_failure, deadlock_detected;
# MariaDB: ER_CHECKREAD, ER_LOCK_DEADLOCK; SQLite: SQLITE_BUSY_SNAPSHOT.
_SQLSTATES = ("40001", "40P01")
_MARIADB_ERRORS = (1020, 1213)
_BUSY_SNAPSHOT = 517


class PaymentStatements:
    """Finds and moves payments of one class.

    :param model: the app's class on :class:`~flask_alipay.PaymentMixin`.
    """

    def __init__(self, model: type[PaymentMixin]) -> None:
        self._bind = {"mapper": inspect(model)}
        mapper: Any = inspect(model)
        self._keys = {name: mapper.columns[name].key for name in mapper.columns.keys()}  # noqa: SIM118
        loaded = [
            *mapper.column_attrs.keys(),
            *(each.key for each in mapper.relationships if each.lazy not in _NOT_LOADED),
        ]
        primary = {mapper.get_property_by_column(column).key for column in mapper.primary_key}
        self._open = [name for name in loaded if name not in {*_GUARDED, *primary}]
        self._find = (
            select(model)
            .where(
                model.out_trade_no == bindparam("of_number"),
                model.merchant == bindparam("of_merchant"),
            )
            .execution_options(populate_existing=True)
        )
        column = mapper.columns
        self._move = update(mapper.local_table).where(
            *(column[name] == bindparam(f"seen_{name}") for name in (*_GUARDED, *_STANDING))
        )

    def find(self, session: Session, merchant: str, out_trade_no: str) -> Any | None:
        """Returns a payment as the database has it now, or ``None``."""
        named = {"of_number": out_trade_no, "of_merchant": merchant}
        return session.execute(self._find, named).scalar_one_or_none()

    @staticmethod
    def seen(payment: Any) -> dict[str, Any]:
        """Returns where a payment stands: what it must still be when it is moved."""
        return {name: getattr(payment, name) for name in (*_GUARDED, *_STANDING)}

    def move(
        self, session: Session, payment: Any, seen: Mapping[str, Any], values: Mapping[str, Any]
    ) -> bool:
        """Changes a payment that still stands where it was seen: the guarded ``UPDATE``.

        Whatever else of the object may have changed since it was looked at is read again when it
        is asked for.

        :param seen: see :meth:`seen`.
        :param values: what is written.
        :returns: whether it stood there.
        """
        connection = session.connection(bind_arguments=self._bind)
        guard = {f"seen_{name}": value for name, value in seen.items()}
        written = {self._keys[name]: value for name, value in values.items()}
        if connection.execute(self._move, {**guard, **written}).rowcount != 1:
            return False
        session.expire(payment, self._open)
        known = {**seen, **{name: values[name] for name in _WRITTEN if name in values}}
        for name, value in known.items():
            set_committed_value(payment, name, value)
        return True


class JournalStatements:
    """Adds rows to the journal.

    :param model: the app's class on :class:`~flask_alipay.NotificationMixin`.
    """

    def __init__(self, model: type[NotificationMixin]) -> None:
        mapper: Any = inspect(model)
        self._bind = {"mapper": mapper}
        self._keys = {name: mapper.columns[name].key for name in mapper.columns.keys()}  # noqa: SIM118
        self._insert = insert(mapper.local_table)

    def write(self, session: Session, values: Mapping[str, Any]) -> None:
        """Adds a row to the current transaction."""
        row = {self._keys[name]: value for name, value in values.items()}
        session.connection(bind_arguments=self._bind).execute(self._insert, row)


_NOT_LOADED = ("dynamic", "write_only", "noload")


@lru_cache(maxsize=64)
def payment_statements(model: Any) -> PaymentStatements:
    """Returns the statements of a class."""
    return PaymentStatements(model)


@lru_cache(maxsize=64)
def journal_statements(model: Any) -> JournalStatements:
    """Returns the statements of a class."""
    return JournalStatements(model)


def was_overtaken(error: BaseException | None) -> bool:
    """Tells whether a transaction failed only because another was faster."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    cause: Any = error.orig
    return (
        getattr(cause, "sqlstate", None) in _SQLSTATES
        or getattr(cause, "sqlite_errorcode", None) == _BUSY_SNAPSHOT
        or (type(cause).__module__.startswith("pymysql") and cause.args[0] in _MARIADB_ERRORS)
    )
