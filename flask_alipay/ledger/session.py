"""Access to the application's session without its filters, on the database that is written to.

A session may hide rows (soft delete, tenants: ``do_orm_execute`` with ``with_loader_criteria``).
Alipay's reports may be about hidden rows, so the ledger's statements are executed unchanged. A
session may also read from a replica (the application's ``get_bind``); within a settlement the
ledger reads from the database that it writes to.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Executable, Result, event, inspect, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import ORMExecuteState, Session, scoped_session

from ..exceptions import LedgerUnavailable
from .drivers import commits_by_itself, is_shared

#: An execution option of the ledger's statements. The application's listeners can recognize them by
#: it, for example not to raise an exception if no tenant is selected.
OPTION: Final = "flask_alipay"

_EVENTS: Final = (
    *("do_orm_execute", "before_attach", "after_attach", "before_flush", "after_flush"),
    *("after_flush_postexec", "transient_to_pending", "pending_to_persistent"),
    *("detached_to_persistent", "loaded_as_persistent"),
)
_AUTOCOMMIT = (
    "the engine uses AUTOCOMMIT: a sale whose callback fails could not be rolled back. Set another "
    "isolation_level for the ledger's engine"
)
_SHARED = (
    "all sessions share one connection (StaticPool): another request could commit or roll back a "
    "sale. Set another poolclass for the ledger's engine"
)


class LedgerSession:
    """Executor of the ledger's statements in the application's session.

    :param session: the application's session.
    """

    def __init__(self, session: Session | scoped_session[Any]) -> None:
        #: The session itself.
        self.session: Session = session() if isinstance(session, scoped_session) else session
        #: The last transaction, with its bind and connection.
        self._last: tuple[object, object, Connection | None] = (None, None, None)

    @cached_property
    def observed(self) -> bool:
        """``True`` if a listener observes the session's statements, loads or flushes."""
        return type(self.session).flush is not Session.flush or any(
            getattr(self.session.dispatch, name) for name in _EVENTS
        )

    @property
    def options(self) -> Mapping[str, Any]:
        """The session's execution options, a translated schema for example (SQLAlchemy 2.1)."""
        return getattr(self.session, "execution_options", None) or {}

    def connection(self, model: Any) -> Connection:
        """Return the connection on which a class's rows are written, in the current transaction.

        :param model: the application's class; the session chooses the engine by it.
        :raises LedgerUnavailable: if the connection commits each statement by itself, or is shared
            with other sessions.
        """
        bind = self.session.get_bind(mapper=inspect(model), clause=_update_of(model))
        transaction, same, known = self._last
        if known is not None and same is bind and transaction is self.session.get_transaction():
            return known
        connection = self.session.connection(bind_arguments={"bind": bind})
        if commits_by_itself(connection):
            raise LedgerUnavailable(_AUTOCOMMIT)
        if is_shared(connection):
            raise LedgerUnavailable(_SHARED)
        self._last = self.session.get_transaction(), bind, connection
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
def _update_of(model: Any) -> Any:
    return update(model)
