"""Guard that prevents callbacks from ending the ledger's transaction.

Ending it through the session is refused (``session.commit()``, ``execute(text("COMMIT"))``). Other
ways cannot be prevented (``session.connection().commit()``, the driver's ``commit``, a stored
procedure), but SQLAlchemy and the driver know without a query whether the same transaction is still
open. They are checked before each statement of the callback, which would begin another transaction,
and when the callback returns. After a database error they are checked at once: the database may
have rolled back by itself.

For drivers that do not know the state (pg8000, mysqlclient), a savepoint is set before each
callback: it exists afterwards only if the transaction is the same.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn
from weakref import WeakSet

from sqlalchemy import Connection, Dialect, ExceptionContext, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ..exceptions import TransactionEnded
from .drivers import MYSQL, driver_of, is_failed, is_open, is_serialization_error, mysql_errno

_MUST_NOT = (
    "a callback must not commit or roll back: its changes are committed together with the payment. "
    "Use a savepoint (with session.begin_nested():) instead"
)
_PAST_THE_SESSION = (
    "a callback must not commit or roll back, also not on the connection or driver: earlier "
    "changes are now committed without the payment, or lost. Remove the commit or rollback"
)
_BROKEN = (
    "a callback caught a database error that has broken the transaction: execute statements that "
    "may fail in a savepoint (with session.begin_nested():)"
)

# Statements that begin or end a transaction. Savepoints are allowed.
_ENDS = r"COMMIT|END|ABORT|BEGIN|START\s+TRANSACTION|ROLLBACK(?!\s+((WORK|TRANSACTION)\s+)?TO\b)"
# MariaDB commits implicitly before these statements on tables' structure and maintenance.
_COMMITS = (
    r"(CREATE|DROP)(?!\s+TEMPORARY\b)|ALTER|RENAME|TRUNCATE|LOCK|UNLOCK|GRANT|REVOKE|FLUSH|RESET"
    r"|(ANALYZE|CHECK|OPTIMIZE|REPAIR)\s+(\w+\s+)?TABLE|CACHE\s+INDEX"
)
# Whitespace and comments before the first keyword.
_BLANK = r"(?:\s|--[^\n]*\n|/\*(?:(?!\*/).)*\*/)*"
_FORBIDDEN = re.compile(rf"{_BLANK}({_ENDS})\b", re.IGNORECASE | re.DOTALL)
_FORBIDDEN_ON_MARIADB = re.compile(rf"{_BLANK}({_ENDS}|{_COMMITS})\b", re.IGNORECASE | re.DOTALL)
# Errors after which MariaDB and MySQL have rolled the transaction back: a row changed since it was
# read, too many locks, a deadlock; a savepoint lost with the transaction.
_ROLLED_BACK = (1020, 1206, 1213, 1305)
# For drivers that do not know whether a transaction is open.
_SAVEPOINT = "flask_alipay_callback"

# Key in a session's ``info`` while a callback runs.
_GUARDED = "flask_alipay.ledger.transaction_guard"
# The active guards by connection. All share one listener: adding and removing one around each
# callback takes longer than the callback's statement, and a listener for the connection's commit
# would slow each statement.
_guards: dict[Connection, TransactionGuard] = {}
_listening: WeakSet[Dialect] = WeakSet()


class TransactionGuard:
    """Context manager that keeps a session's transaction open, and checks that in the end.

    :param session: the session.
    :param connection: the transaction's connection.
    """

    def __init__(self, session: Session, connection: Connection) -> None:
        self._session = session
        self._of_session = session.get_transaction()
        self._connection = connection
        self._of_connection = connection.get_transaction()
        # ``None``: the driver does not know. On a connection in autocommit mode there is no
        # transaction to end.
        self._open = is_open(connection)
        # The first error since the callback was called.
        self._error: BaseException | None = None
        # The error with which the database has rolled the transaction back.
        self._lost: BaseException | None = None
        if connection.dialect not in _listening:
            _listen(connection)

    def __enter__(self) -> None:
        self._error = None
        if self._open is None:
            self._connection.exec_driver_sql(f"SAVEPOINT {_SAVEPOINT}")
        self._session.info[_GUARDED] = True
        _guards[self._connection] = self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        self._session.info.pop(_GUARDED, None)
        _guards.pop(self._connection, None)
        if kind is None:
            self._check()

    def _check(self) -> None:
        """Check that the transaction is the same and intact.

        :raises TransactionEnded: if it is not.
        :raises DBAPIError: if the database has rolled it back and the callback caught the error.
        """
        if self._lost is not None:
            raise self._lost
        connection, transaction = self._connection, self._of_connection
        if self._session.get_transaction() is not self._of_session:
            raise TransactionEnded(_MUST_NOT)
        if self._of_session is None or not self._of_session.is_active:
            raise TransactionEnded(_BROKEN)
        if connection.get_transaction() is not transaction or not (
            transaction and transaction.is_active
        ):
            raise TransactionEnded(_PAST_THE_SESSION)
        self.check_open()
        if is_failed(connection):
            self._refuse_broken(None)
        if self._open is None:
            self._release()

    def check_open(self) -> None:
        """Check, before a statement, that it will not begin another transaction.

        :raises TransactionEnded: if the transaction is over according to the driver.
        :raises DBAPIError: if the database has rolled it back.
        """
        if self._lost is not None:
            raise self._lost
        if self._open and not is_open(self._connection):
            raise TransactionEnded(_PAST_THE_SESSION)

    def _release(self) -> None:
        """Release the savepoint, which only the same, intact transaction has."""
        while (nested := self._session.get_nested_transaction()) is not None:
            nested.commit()  # left open by the callback; releasing ours would discard it
        try:
            self._connection.exec_driver_sql(f"RELEASE SAVEPOINT {_SAVEPOINT}")
        except DBAPIError as error:
            if self._error is None:
                raise TransactionEnded(_PAST_THE_SESSION) from error
            self._refuse_broken(error)

    def _refuse_broken(self, cause: DBAPIError | None) -> NoReturn:
        """Raise the reason; a serialization error is raised as it is, to be retried."""
        if isinstance(self._error, DBAPIError) and is_serialization_error(self._error.orig):
            raise self._error
        raise TransactionEnded(_BROKEN) from cause

    def on_error(self, context: ExceptionContext) -> None:
        """Check, after an error, whether the database has rolled the transaction back.

        The next statement would begin another transaction, which looks like this one.
        """
        # The first error is the cause; later statements, on lost savepoints for example, also fail.
        error = context.sqlalchemy_exception or context.original_exception
        self._error = self._error or error
        if self._lost is None and self._is_over(context):
            self._lost = error

    def _is_over(self, context: ExceptionContext) -> bool:
        on_mariadb, error = context.dialect.name in MYSQL, context.original_exception
        if not self._open:  # the driver does not know
            return on_mariadb and mysql_errno(error) in _ROLLED_BACK
        try:
            if on_mariadb:
                # An error carries no server flags; a ping does, and begins no transaction.
                context.dialect.do_ping(driver_of(self._connection))
            return not is_open(self._connection)
        except Exception:  # any driver error here means that the connection is lost
            return True


def _listen(connection: Connection) -> None:
    """Listen to the statements and errors of an engine's connections."""
    _listening.add(connection.dialect)
    for name in ("do_execute", "do_executemany"):
        event.listen(connection.engine, name, _refuse_statement)
    event.listen(connection.engine, "do_execute_no_params", _refuse_without_parameters)
    event.listen(connection.engine, "handle_error", _on_error)


@event.listens_for(Session, "before_commit")
def _refuse_commit(session: Session) -> None:
    if _GUARDED in session.info and not session.in_nested_transaction():
        raise TransactionEnded(_MUST_NOT)


def _refuse_statement(cursor: object, statement: str, parameters: object, context: Any) -> None:
    if _guards:
        _refuse_without_parameters(cursor, statement, context)


def _refuse_without_parameters(cursor: object, statement: str, context: Any) -> None:
    guard = _guards.get(context.root_connection)
    if guard is not None:
        guard.check_open()
        on_mariadb = context.dialect.name in MYSQL
        if (_FORBIDDEN_ON_MARIADB if on_mariadb else _FORBIDDEN).match(statement):
            raise TransactionEnded(_MUST_NOT)


def _on_error(context: ExceptionContext) -> None:
    guard = _guards.get(context.connection) if context.connection is not None else None
    if guard is not None:
        guard.on_error(context)
