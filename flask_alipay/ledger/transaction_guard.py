"""That nobody ends the ledger's transaction while the shop's callbacks have it.

What ends it through the session is refused (``session.commit()``, ``execute(text("COMMIT"))``).
What goes past it cannot be stopped (``session.connection().commit()``, a commit of the driver's
own, a stored procedure's), but SQLAlchemy and the driver know whether it is still the same
transaction, and open, without a query. They are checked before each statement of the callback,
which would begin another transaction, and when it returns. After an error of the database they are
checked at once: it may have rolled back by itself.

Drivers that do not tell (pg8000, mysqlclient) get a savepoint before each callback: it is there
afterwards only if the transaction is the same.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn
from weakref import WeakSet

from sqlalchemy import Connection, Dialect, ExceptionContext, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ..exceptions import TransactionEnded
from .drivers import MYSQL, driver_of, is_failed, is_open, is_overtaken, mysql_errno

_MUST_NOT = (
    "a callback must not commit or roll back: what it adds to the session is committed together "
    "with the payment, or not at all (a savepoint, session.begin_nested(), is welcome)"
)
_PAST_THE_SESSION = (
    "a callback must not commit or roll back, past the session even less: what was written until "
    "then is committed without the rest, or gone"
)
_BROKEN = (
    "a callback caught an error of the database that has broken the transaction: try what may fail "
    "in a savepoint (with session.begin_nested():)"
)

# What begins or ends a transaction. Savepoints are theirs who make them.
_ENDS = r"COMMIT|END|ABORT|BEGIN|START\s+TRANSACTION|ROLLBACK(?!\s+((WORK|TRANSACTION)\s+)?TO\b)"
# MariaDB commits before it changes a table's structure, and before it maintains a table.
_COMMITS = (
    r"(CREATE|DROP)(?!\s+TEMPORARY\b)|ALTER|RENAME|TRUNCATE|LOCK|UNLOCK|GRANT|REVOKE|FLUSH|RESET"
    r"|(ANALYZE|CHECK|OPTIMIZE|REPAIR)\s+(\w+\s+)?TABLE|CACHE\s+INDEX"
)
# Before the first word: blanks and comments.
_BLANK = r"(?:\s|--[^\n]*\n|/\*(?:(?!\*/).)*\*/)*"
_FORBIDDEN = re.compile(rf"{_BLANK}({_ENDS})\b", re.IGNORECASE | re.DOTALL)
_FORBIDDEN_ON_MARIADB = re.compile(rf"{_BLANK}({_ENDS}|{_COMMITS})\b", re.IGNORECASE | re.DOTALL)
# Errors with which MariaDB and MySQL have rolled all of it back: a row has changed since it was
# read, too many locks, a deadlock; a savepoint that went with the rest.
_ROLLED_BACK = (1020, 1206, 1213, 1305)
# For drivers that do not tell.
_SAVEPOINT = "flask_alipay_callback"

# In a session's ``info`` while a callback has it.
_KEPT = "flask_alipay.ledger.transaction_guard"
# By the connection that a callback has just now. One listener for all of them: to add and to remove
# one around each callback costs more than the callback's own statement, and one for a connection's
# commit would make each statement dearer.
_kept: dict[Connection, TransactionGuard] = {}
_listening: WeakSet[Dialect] = WeakSet()


class TransactionGuard:
    """Keeps a session's transaction open, for as long as it is entered.

    :param session: the session.
    :param connection: that of the transaction.
    """

    def __init__(self, session: Session, connection: Connection) -> None:
        self._session = session
        self._of_session = session.get_transaction()
        self._connection = connection
        self._of_connection = connection.get_transaction()
        # A connection that commits each statement by itself has nothing to be ended.
        self._open = is_open(connection)
        # The first error since the callback was called.
        self._error: BaseException | None = None
        # The error with which the database has given the transaction up by itself.
        self._lost: BaseException | None = None
        if connection.dialect not in _listening:
            _listen(connection)

    def __enter__(self) -> None:
        self._error = None
        if self._open is None:
            self._connection.exec_driver_sql(f"SAVEPOINT {_SAVEPOINT}")
        self._session.info[_KEPT] = True
        _kept[self._connection] = self

    def __exit__(self, *raised: object) -> None:
        self._session.info.pop(_KEPT, None)
        _kept.pop(self._connection, None)

    def check(self) -> None:
        """Looks whether the transaction is still the same one, and whole.

        :raises TransactionEnded: if it is not.
        :raises DBAPIError: if the database has given it up, and the callback has caught the error.
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

        :raises TransactionEnded: if the driver tells that the transaction is over.
        :raises DBAPIError: if the database has given it up.
        """
        if self._lost is not None:
            raise self._lost
        if self._open and not is_open(self._connection):
            raise TransactionEnded(_PAST_THE_SESSION)

    def _release(self) -> None:
        """Release the savepoint, which only the same, intact transaction has."""
        while (nested := self._session.get_nested_transaction()) is not None:
            nested.commit()  # the callback left it open; it would be gone with ours
        try:
            self._connection.exec_driver_sql(f"RELEASE SAVEPOINT {_SAVEPOINT}")
        except DBAPIError as error:
            if self._error is None:
                raise TransactionEnded(_PAST_THE_SESSION) from error
            self._refuse_broken(error)

    def _refuse_broken(self, cause: DBAPIError | None) -> NoReturn:
        """Raise the reason; where another transaction was faster, the error that says so."""
        if isinstance(self._error, DBAPIError) and is_overtaken(self._error.orig):
            raise self._error
        raise TransactionEnded(_BROKEN) from cause

    def on_error(self, context: ExceptionContext) -> None:
        """Looks after an error whether the database has given the transaction up with it.

        What follows would be another transaction, which looks like this one.
        """
        # The first is the cause: what it has undone, savepoints too, fails afterwards.
        error = context.sqlalchemy_exception or context.original_exception
        self._error = self._error or error
        if self._lost is None and self._is_over(context):
            self._lost = error

    def _is_over(self, context: ExceptionContext) -> bool:
        on_mariadb, error = context.dialect.name in MYSQL, context.original_exception
        if not self._open:  # the driver does not tell
            return on_mariadb and mysql_errno(error) in _ROLLED_BACK
        try:
            if on_mariadb:
                # An error comes without the server's flags, and this without beginning anything.
                context.dialect.do_ping(driver_of(self._connection))
            return not is_open(self._connection)
        except Exception:  # whatever a driver raises, there is no connection any more
            return True


def _listen(connection: Connection) -> None:
    """Listens to what an engine's connections execute, and to their errors."""
    _listening.add(connection.dialect)
    for name in ("do_execute", "do_executemany"):
        event.listen(connection.engine, name, _refuse_statement)
    event.listen(connection.engine, "do_execute_no_params", _refuse_without_parameters)
    event.listen(connection.engine, "handle_error", _notice)


@event.listens_for(Session, "before_commit")
def _refuse(session: Session) -> None:
    if _KEPT in session.info and not session.in_nested_transaction():
        raise TransactionEnded(_MUST_NOT)


def _refuse_statement(cursor: object, statement: str, parameters: object, context: Any) -> None:
    _refuse_without_parameters(cursor, statement, context)


def _refuse_without_parameters(cursor: object, statement: str, context: Any) -> None:
    kept = _kept.get(context.root_connection)
    if kept is not None:
        kept.check_open()
        on_mariadb = context.dialect.name in MYSQL
        if (_FORBIDDEN_ON_MARIADB if on_mariadb else _FORBIDDEN).match(statement):
            raise TransactionEnded(_MUST_NOT)


def _notice(context: ExceptionContext) -> None:
    kept = _kept.get(context.connection) if context.connection is not None else None
    if kept is not None:
        kept.on_error(context)
