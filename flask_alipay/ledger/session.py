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

from collections.abc import Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, Protocol
from weakref import WeakSet

from sqlalchemy import (
    Connection,
    Dialect,
    ExceptionContext,
    Executable,
    Result,
    StaticPool,
    Update,
    event,
    insert,
    inspect,
    update,
)
from sqlalchemy.orm import ORMExecuteState, Session, scoped_session

from ..exceptions import LedgerUnavailable
from .errors import roll_back
from .tables import columns_of, is_simple, mapper_of, update_bind, version_of

#: An execution option of the ledger's statements. The application's listeners can recognize them by
#: it, for example not to raise an exception if no tenant is selected.
OPTION: Final = "flask_alipay"

MYSQL = ("mysql", "mariadb")
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
            bind = self.session.get_bind(**update_bind(model))
            found = self._connections.get(bind) or self._begin(bind)
            self._connections[bind] = self._connections[model] = found
            self._transaction = self.session.get_transaction()
        return self._connections[model]

    def open_connection(self, model: Any) -> tuple[Connection, bool | None]:
        """Return what :meth:`connection` does, and the result of :func:`is_open`. A guard in
        :data:`guards` is told of the connection's statements from now on.
        """
        connection = self.connection(model)
        _listen(connection)
        return connection, is_open(connection)

    def claiming_connection(self, model: Any) -> tuple[Connection, bool]:
        """Return what :meth:`connection` does, and whether the object of a changed row can be built
        without a load: no hook could observe that, and deferred loads use the same database.
        """
        connection = self.connection(model)
        bind = self.session.get_bind(mapper=mapper_of(model))
        here = bind is connection.engine or bind is connection
        return connection, here and is_plain(self, model)

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

    def lock(
        self, touch: Update, values: Mapping[str, Any], *selects: tuple[Executable, Any]
    ) -> list[list[Any]]:
        """Lock a row until the commit, and return the objects that each statement selects then.

        Later reads see the commits of other workers: on MariaDB a transaction that began with a
        ``SELECT`` would not.

        :param touch: an ``UPDATE`` that changes nothing. On PostgreSQL it also fails if the
            transaction's snapshot is older than what other workers have committed. MariaDB does
            not need it.
        :param values: the values of the statements' parameters.
        :param selects: the statements, each with its class; the first one selects the locked row.
        :raises LedgerUnavailable: if the database would release the lock at once.
        """
        model = selects[0][1]
        if self.connection(model).dialect.name not in MYSQL:
            self.execute(touch, model, values)
        return [self.load(statement, each, values) for statement, each in selects]

    def update_count(self, statement: Executable, model: Any) -> int:
        """Execute an ``UPDATE`` and return the number of matching rows, changed or not."""
        result: Any = self.execute(statement, model)
        return int(result.rowcount)

    def add(self, row: Any) -> None:
        """Insert a row as the application would, with its events and defaults."""
        self.session.add(row)
        self.session.flush()

    def flush(self) -> None:
        """Write the session's changed objects."""
        self.session.flush()

    def roll_back(self) -> None:
        """Roll back; close the session if the connection is lost."""
        roll_back(self.session)


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


def insert_row(session: LedgerSession, model: Any, values: Mapping[str, Any]) -> None:
    """Insert a row, without an object if no hook could observe the difference.

    :param values: by the names of the attributes.
    """
    if not is_plain(session, model):
        session.add(model(**values))
        return
    columns = columns_of(model)
    session.execute(_insert(model), model, {columns[name].key: values[name] for name in values})


@lru_cache(maxsize=64)
def _insert(model: Any) -> Any:
    # Inline: the new row's number is not needed.
    return insert(mapper_of(model).local_table).inline()


def change(
    session: LedgerSession, model: Any, statement: Update, values: Mapping[str, Any], seen: Any
) -> bool:
    """Execute a guarded ``UPDATE`` of one row and increment the row's version.

    :param model: the class that owns the table.
    :param values: the statement's parameters, and the new values by the columns' keys.
    :param seen: the row as it was read, with :attr:`Version.columns`.
    :returns: ``False`` if the row did not match the guard any more; the caller rolls back then.
    """
    version = version_of(model)
    counted = {} if version is None else {version.column: version.after(seen.version)}
    if version is not None and not version.parent:
        statement = statement.where(version.column == seen.version).values(counted)
    result: Any = session.execute(statement, model, values)
    if result.rowcount != 1:
        return False
    if version is None or not version.parent:
        return True
    counting = update(version.column.table).where(
        version.same_parent(seen), version.column == seen.version
    )
    return session.update_count(counting.values(counted), model) == 1


def is_plain(session: LedgerSession, model: Any) -> bool:
    """Return whether no hook could observe a skipped load or flush of a class's object."""
    if not is_simple(model) or session.observed:
        return False
    mapper = mapper_of(model)
    rows, objects = mapper.dispatch, mapper.class_manager.dispatch
    return not (
        rows.before_insert
        or rows.after_insert
        or objects.init_failure
        or objects.expire
        # SQLAlchemy listens to "init" itself; the mixins to the others, to convert times to UTC.
        or len(objects.init) > 1
        or len(objects.load) > 1
        or len(objects.refresh) > 1
    )


class Guard(Protocol):
    """Guard of a connection's transaction."""

    def check_statement(self, statement: str) -> None:
        """Raise an exception if a statement must not be executed."""

    def on_error(self, context: ExceptionContext) -> None:
        """Take note of a driver's error."""


#: The active guards; see :meth:`LedgerSession.open_connection`.
guards: Final[dict[Connection, Guard]] = {}
_guarded: Final[WeakSet[Dialect]] = WeakSet()


def _listen(connection: Connection) -> None:
    """Tell :data:`guards` of all statements and errors of a connection's engine from now on.

    A connection object lasts as long as a transaction: a listener on each would cost more.
    """
    if connection.dialect not in _guarded:
        for name in ("do_execute", "do_executemany", "do_execute_no_params"):
            event.listen(connection.engine, name, _check_statement)
        event.listen(connection.engine, "handle_error", _on_error)
        _guarded.add(connection.dialect)  # after it: another thread relies on it


def _check_statement(cursor: object, statement: str, *parameters_and_context: Any) -> None:
    if (guard := guards.get(parameters_and_context[-1].root_connection)) is not None:
        guard.check_statement(statement)


def _on_error(context: ExceptionContext) -> None:
    guard = guards.get(context.connection) if context.connection is not None else None
    if guard is not None:
        guard.on_error(context)


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


def _status(driver: Any) -> int | None:
    """Return libpq's transaction status."""
    status: int | None = getattr(getattr(driver, "info", None), "transaction_status", None)
    return status
