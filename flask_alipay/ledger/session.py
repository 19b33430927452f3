"""Access to the application's session without its filters, on the database that is written to.

A session may hide rows (soft delete, tenants: ``do_orm_execute`` with ``with_loader_criteria``).
Alipay's reports may be about hidden rows, so the ledger's statements are executed unchanged. A
session may also read from a replica (the application's ``get_bind``); within a settlement the
ledger reads from the database that it writes to.

Whether a connection has a transaction of its own is known to its driver: sqlite3, psycopg,
psycopg2, pg8000, PyMySQL, mysqlclient or mysql-connector; other drivers as far as they have the
same attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, Executable, Result, StaticPool, event, inspect, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import ORMExecuteState, Session, scoped_session

from ..exceptions import LedgerUnavailable

#: An execution option of the ledger's statements. The application's listeners can recognize them by
#: it, for example not to raise an exception if no tenant is selected.
OPTION: Final = "flask_alipay"

MYSQL = ("mysql", "mariadb")
#: In milliseconds: how long a statement without importance waits for SQLite's only writer.
SHORT_WAIT: Final = 250
# The MySQL protocol's flag SERVER_STATUS_IN_TRANS, as of the server's last response.
_IN_TRANSACTION = 1
# libpq's transaction status PQTRANS_INERROR.
_IN_ERROR = 3

_AUTOCOMMIT = (
    "the engine uses AUTOCOMMIT: a sale whose callback fails could not be rolled back. Set another "
    "isolation_level for the ledger's engine"
)
_SHARED = (
    "all sessions share one connection (StaticPool): another request could commit or roll back a "
    "sale. Set another poolclass for the ledger's engine"
)


_listeners: Final = attrgetter(
    *("do_orm_execute", "before_attach", "after_attach", "before_flush", "after_flush"),
    *("after_flush_postexec", "transient_to_pending", "pending_to_persistent"),
    *("detached_to_persistent", "loaded_as_persistent"),
)


class LedgerSession:
    """Executor of the ledger's statements in the application's session.

    :param session: the application's session.
    """

    def __init__(self, session: Session | scoped_session[Any]) -> None:
        #: The session itself.
        self.session: Session = session() if isinstance(session, scoped_session) else session
        #: The session's execution options, a translated schema for example (SQLAlchemy 2.1).
        self.options: Mapping[str, Any] = getattr(self.session, "execution_options", None) or {}
        #: The connections of a transaction, by class and by bind.
        self._connections: dict[object, Connection] = {}
        self._transaction: object = None
        #: ``True`` if a listener observes the session's statements, loads or flushes.
        self.observed = type(self.session).flush is not Session.flush or any(
            _listeners(self.session.dispatch)
        )

    def connection(self, model: Any) -> Connection:
        """Return the connection on which a class's rows are written, in the current transaction.

        :param model: the application's class; the session chooses the engine by it.
        :raises LedgerUnavailable: if the connection commits each statement by itself, or is shared
            with other sessions.
        """
        if self._transaction is not self.session.get_transaction():
            self._connections = {}
        if model not in self._connections:
            bind = self.session.get_bind(**_update_of(model))
            found = self._connections.get(bind) or self._begin(bind)
            self._connections[bind] = self._connections[model] = found
            self._transaction = self.session.get_transaction()
        return self._connections[model]

    def _begin(self, bind: Any) -> Connection:
        connection = self.session.connection(bind_arguments={"bind": bind})
        check_transactional(connection)
        return connection

    def execute(
        self, statement: Executable, model: Any, values: Mapping[str, Any] | None = None
    ) -> Result[Any]:
        """Execute a Core statement on the connection that writes a class's rows, without the
        session's events.

        :param values: the values of its parameters.
        """
        connection = self.connection(model)
        return connection.execute(statement, values, execution_options=self.options)

    def read(self, statement: Executable, model: Any) -> Result[Any]:
        """Execute a Core ``SELECT`` on the session's connection for reading a class's rows, without
        the session's events.
        """
        bind = {"mapper": inspect(model), "clause": statement}
        connection = self.session.connection(bind_arguments=bind)
        return connection.execute(statement, execution_options=self.options)

    def load(
        self, statement: Executable, model: Any = None, values: Mapping[str, Any] | None = None
    ) -> list[Any]:
        """Return the objects that an ORM statement selects, as the database has them now.

        :param model: read from the connection that writes this class's rows; by default from the
            session's connection for reading.
        :param values: the values of the statement's parameters.
        """
        bind = {} if model is None else {"bind": self.connection(model)}
        options = {"populate_existing": True}
        found = unfiltered(
            self.session, statement, values, execution_options=options, bind_arguments=bind
        )
        return list(found.scalars().unique())

    def update_count(self, statement: Executable, model: Any) -> int:
        """Execute an ``UPDATE`` and return the number of matching rows, changed or not."""
        result: Any = self.execute(statement, model)
        return int(result.rowcount)

    def add(self, row: Any) -> None:
        """Insert a row as the application would, with its events and defaults."""
        self.session.add(row)
        self.session.flush()

    def roll_back(self) -> None:
        """Roll back; close the session if the connection is lost."""
        try:
            self.session.rollback()
        except SQLAlchemyError:
            self.session.close()


def unfiltered(
    session: Session | scoped_session[Any],
    statement: Executable,
    values: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> Result[Any]:
    """Execute a statement in a session unchanged by the session's ``do_orm_execute`` listeners.

    :param values: the values of the statement's parameters.
    :param arguments: further arguments of :meth:`sqlalchemy.orm.Session.execute`.
    """
    current: Session = session() if isinstance(session, scoped_session) else session
    token = object()
    options = {**arguments.pop("execution_options", {}), OPTION: token}
    restored = False

    def restore(state: ORMExecuteState) -> None:
        # Runs after all other listeners. Statements that another listener or an eager load executes
        # meanwhile are not the ledger's.
        nonlocal restored
        if not restored and state.execution_options.get(OPTION) is token:
            state.statement, restored = statement, True

    event.listen(current, "do_orm_execute", restore)
    try:
        return current.execute(statement, values, execution_options=options, **arguments)
    finally:
        event.remove(current, "do_orm_execute", restore)


@lru_cache(maxsize=64)
def _update_of(model: Any) -> Mapping[str, Any]:
    """Return the arguments by which a session chooses the bind for updates of a class."""
    return {"mapper": inspect(model), "clause": update(model)}


def driver_of(connection: Connection) -> Any:
    """Return the driver's own connection."""
    return connection.connection.dbapi_connection


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


def transaction_state(connection: Connection) -> tuple[bool | None, bool]:
    """Return what :func:`is_open` does, and whether the open transaction is in PostgreSQL's failed
    state, if the driver knows it.

    PostgreSQL rolls such a transaction back on ``COMMIT``, without an error.
    """
    return is_open(connection), _status(driver_of(connection)) == _IN_ERROR


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
