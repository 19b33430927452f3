"""The ledger's statements, written once for each class of the app's and then only filled in."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    func,
    insert,
    inspect,
    literal_column,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ..models import NotificationMixin, PaymentMixin
from ..notification import Notification
from ..transitions import BEFORE_SALE
from .connections import Connections
from .exact import exactly
from .mapped import Mapped
from .prepared import Prepared

# Where a payment stands, and what never changes of it: what a look sees and a move guards.
_GUARDED = ("merchant", "out_trade_no", "currency", "total_fen")
_STANDING = ("trade_status", "paid", "refunded_fen")
# What is known of a payment once a claim has written it. Times are not: a database may keep less of
# them than that.
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
        mapper: Any = inspect(model)
        column = mapper.columns
        self._mapper = mapper
        self._keys = {name: column[name].key for name in column.keys()}  # noqa: SIM118
        named = (
            _given(column.out_trade_no, "of_out_trade_no"),
            _given(column.merchant, "of_merchant"),
        )
        self._find = select(model).where(*named).execution_options(populate_existing=True)
        # Of its own row alone: what a class loads with it may not be there to be locked.
        self._hold = self._find.with_for_update(of=model)
        self._look = select(
            *(column[name].label(name) for name in (*_GUARDED, *_STANDING, "trade_no"))
        ).where(*named)
        self._number = select(column.out_trade_no).where(
            _given(column.trade_no, "of_trade_no"),
            _given(column.merchant, "of_merchant"),
        )
        # This one explains a violated constraint, which compares as the database does.
        self._another: Any = (
            select(literal_column("1"))
            .where(
                column.trade_no == bindparam("of_trade_no"),
                column.out_trade_no != bindparam("of_out_trade_no"),
            )
            .limit(1)
        )
        self._move = update(mapper.local_table).where(
            *(column[name] == bindparam(f"seen_{name}") for name in (*_GUARDED, *_STANDING))
        )
        self._claim = update(mapper.local_table).where(
            *named,
            _given(column.currency, "of_currency"),
            column.total_fen == bindparam("of_total_fen"),
            column.trade_status.in_([literal_column(f"'{status}'") for status in BEFORE_SALE]),
            column.paid.is_(False),
            column.refunded_fen == literal_column("0"),
        )
        self._mapped = Mapped(model)
        number = self._mapped.identity
        self._claim_returning = Prepared(self._claim.returning(number))
        # What lastrowid is then. The column keeps its value.
        self._claim_last_id = Prepared(
            self._claim.values({number.key: func.last_insert_id(number)})
        )

    def find(
        self,
        session: Session,
        merchant: str,
        out_trade_no: str,
        connections: Connections | None = None,
        *,
        hold: bool = False,
    ) -> Any | None:
        """Returns a payment as the database has it now, or ``None``.

        :param connections: within a settlement, which reads where it writes.
        :param hold: whether to hold its row until the commit, too.
        """
        named = {"of_out_trade_no": out_trade_no, "of_merchant": merchant}
        where = connections.reads_of(self._mapper) if connections else {}
        statement = self._hold if hold else self._find
        found = session.execute(statement, named, bind_arguments=where)
        return found.unique().scalar_one_or_none()

    def connection(self, connections: Connections) -> Connection:
        """Returns the connection on which the payments are."""
        return connections.of(self._mapper)

    def look(self, connections: Connections, merchant: str, out_trade_no: str) -> Any | None:
        """Returns where a payment stands, as a plain row, or ``None``. Costs less than the object
        that a callback gets.
        """
        named = {"of_out_trade_no": out_trade_no, "of_merchant": merchant}
        return self.connection(connections).execute(self._look, named).one_or_none()

    def number_of(self, connections: Connections, merchant: str, trade_no: str) -> str | None:
        """Returns the shop's number of a trade, or ``None``."""
        named = {"of_trade_no": trade_no, "of_merchant": merchant}
        found = self.connection(connections).execute(self._number, named)
        number: str | None = found.scalar_one_or_none()
        return number

    def is_another(self, connections: Connections, notification: Notification) -> bool:
        """Tells whether the trade that news is about is another payment's, of any merchant."""
        numbers = {
            "of_trade_no": notification.trade_no,
            "of_out_trade_no": notification.out_trade_no,
        }
        found = self.connection(connections).execute(self._another, numbers)
        return found.first() is not None

    def claim(
        self,
        session: Session,
        connections: Connections,
        merchant: str,
        sale: Notification,
        values: Mapping[str, Any],
    ) -> Any | None:
        """Makes a sale of a payment that is none yet, if it is of exactly that amount: the guarded
        ``UPDATE`` without a look.

        :param values: what is written.
        :returns: the payment, ``None`` if there was none.
        """
        guard = {
            "out_trade_no": sale.out_trade_no,
            "merchant": merchant,
            "currency": sale.currency,
            "total_fen": sale.total_fen,
        }
        params = {f"of_{name}": value for name, value in guard.items()} | self._written(values)
        number = self._claimed(self.connection(connections), params)
        if number is None:
            return None
        written = {name: values[name] for name in _WRITTEN if name in values}
        known = {**guard, "refunded_fen": 0, **written}
        if number and connections.reads_there(self._mapper):
            # What it reads later has to be what was written.
            payment = self._mapped.of(session, number, known)
            if payment is not None:
                return payment
        return self.find(session, merchant, sale.out_trade_no, connections)

    def _claimed(self, connection: Connection, params: Mapping[str, Any]) -> int | None:
        """Runs the ``UPDATE``.

        :returns: the row's ``id``, ``0`` if it is not told; ``None``: there was nothing to claim.
        """
        dialect = connection.dialect
        if not self._mapped.simple(dialect):
            return 0 if connection.execute(self._claim, params).rowcount == 1 else None
        if dialect.update_returning:
            return self._claim_returning.execute(connection, params).scalar_one_or_none()
        if dialect.name not in ("mysql", "mariadb"):
            return 0 if connection.execute(self._claim, params).rowcount == 1 else None
        result = self._claim_last_id.execute(connection, params)
        return result.lastrowid or 0 if result.rowcount == 1 else None

    def move(self, connections: Connections, seen: Any, values: Mapping[str, Any]) -> bool:
        """Changes a payment that still stands where it was seen: the guarded ``UPDATE``.

        :param seen: what :meth:`look` returned.
        :param values: what is written.
        :returns: whether it stood there.
        """
        guard = {f"seen_{name}": getattr(seen, name) for name in (*_GUARDED, *_STANDING)}
        params = {**guard, **self._written(values)}
        return self.connection(connections).execute(self._move, params).rowcount == 1

    def _written(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {self._keys[name]: value for name, value in values.items()}


class JournalStatements:
    """Adds rows to the journal.

    :param model: the app's class on :class:`~flask_alipay.NotificationMixin`.
    """

    def __init__(self, model: type[NotificationMixin]) -> None:
        mapper: Any = inspect(model)
        self._mapper = mapper
        self._keys = {name: mapper.columns[name].key for name in mapper.columns.keys()}  # noqa: SIM118
        # Inline: nobody asks for the new row's number.
        self._insert = Prepared(insert(mapper.local_table).inline())

    def write(self, connections: Connections, values: Mapping[str, Any]) -> None:
        """Adds a row to the current transaction."""
        row = {self._keys[name]: value for name, value in values.items()}
        self._insert.execute(connections.of(self._mapper), row)


def _given(column: Any, parameter: str) -> exactly:
    """Returns the condition that a column holds exactly the text of a parameter."""
    return exactly(column, bindparam(parameter, type_=column.type))


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
