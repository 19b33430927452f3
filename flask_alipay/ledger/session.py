"""The application's session as the ledger uses it: on the database that is written to, without the
session's filters.

A session may hide rows (soft delete, tenants: ``do_orm_execute`` with ``with_loader_criteria``). A
report from Alipay is about the row all the same, so the ledger's statements are executed as they
are written. A session may also read from a replica (a ``get_bind`` of the application's); within a
settlement the ledger reads where it writes.
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

#: An execution option of the ledger's statements: a listener of the application's that raises an
#: exception, where no tenant is known for example, recognizes them by it.
OPTION: Final = "flask_alipay"

_EVENTS: Final = (
    *("do_orm_execute", "before_attach", "after_attach", "before_flush", "after_flush"),
    *("after_flush_postexec", "transient_to_pending", "pending_to_persistent"),
    *("detached_to_persistent", "loaded_as_persistent"),
)
_AUTOCOMMIT = (
    "the database is set to AUTOCOMMIT, where a sale whose callback fails would stay written: the "
    "ledger's engine needs another isolation_level"
)
_SHARED = (
    "all sessions share one connection (StaticPool), where another request would commit or roll "
    "back a sale: the ledger's engine needs another poolclass"
)


class LedgerSession:
    """Executes the ledger's statements in the application's session.

    :param session: the application's.
    """

    def __init__(self, session: Session | scoped_session[Any]) -> None:
        #: The session itself.
        self.session: Session = session() if isinstance(session, scoped_session) else session
        #: The last transaction, with its bind and connection.
        self._last: tuple[object, object, Connection | None] = (None, None, None)

    @cached_property
    def observed(self) -> bool:
        """Whether something listens to what the session executes, loads and flushes."""
        return type(self.session).flush is not Session.flush or any(
            getattr(self.session.dispatch, name) for name in _EVENTS
        )

    @property
    def options(self) -> Mapping[str, Any]:
        """The session's own execution options, a translated schema for example (SQLAlchemy 2.1)."""
        return getattr(self.session, "execution_options", None) or {}

    def connection(self, model: Any) -> Connection:
        """Return the connection on which a class's rows are written, in the current transaction.

        :param model: the application's class; its session decides about the engine.
        :raises LedgerUnavailable: if each statement on it would be committed by itself, or if other
            sessions use it at the same time.
        """
        bind = self.session.get_bind(mapper=inspect(model), clause=_writing(model))
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
        """Execute a Core statement where a class's rows are written, past the session's events.

        :param values: of its parameters.
        """
        connection = self.connection(model)
        return connection.execute(statement, values, execution_options=self.options)

    def read(self, statement: Executable, model: Any) -> Result[Any]:
        """Execute a Core ``SELECT`` where the session reads a class's rows, past its events."""
        bind = {"mapper": inspect(model), "clause": statement}
        connection = self.session.connection(bind_arguments=bind)
        return connection.execute(statement, execution_options=self.options)

    def load(
        self, statement: Executable, model: Any = None, values: Mapping[str, Any] | None = None
    ) -> list[Any]:
        """Return the objects that an ORM statement selects, as the database has them now.

        :param model: the class where whose rows are written is to be read; without it, where the
            session reads.
        :param values: of the statement's parameters.
        """
        bind = {} if model is None else {"bind": self.connection(model)}
        options = {"populate_existing": True}
        found = unfiltered(
            self.session, statement, values, execution_options=options, bind_arguments=bind
        )
        return list(found.scalars().unique())

    def changed(self, statement: Executable, model: Any) -> int:
        """Execute an ``UPDATE`` and return how many rows it changed, or found where nothing was to
        be changed.
        """
        result: Any = self.execute(statement, model)
        return int(result.rowcount)

    def add(self, row: Any) -> None:
        """Insert a row as the application would: its events, defaults and class decide with it."""
        self.session.add(row)
        self.session.flush()

    def roll_back(self) -> None:
        """Roll back, also where the connection is gone, and the transaction with it."""
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
    """Execute a statement in a session as it is written, whatever the session's
    ``do_orm_execute`` listeners make of it.

    :param values: of the statement's parameters.
    :param arguments: further ones of :meth:`sqlalchemy.orm.Session.execute`.
    """
    own: Session = session() if isinstance(session, scoped_session) else session
    token = object()
    options = {**arguments.pop("execution_options", {}), OPTION: token}
    restored = False

    def restore(state: ORMExecuteState) -> None:
        # The last of all listeners. Statements that another listener or an eager load executes
        # meanwhile are not the ledger's.
        nonlocal restored
        if not restored and state.execution_options.get(OPTION) is token:
            state.statement, restored = statement, True

    event.listen(own, "do_orm_execute", restore)
    try:
        return own.execute(statement, values, execution_options=options, **arguments)
    finally:
        event.remove(own, "do_orm_execute", restore)


@lru_cache(maxsize=64)
def _writing(model: Any) -> Any:
    return update(model)
