"""Run the shop's callbacks inside the ledger's transaction, which they must not end.

Ending it through the session is refused (``session.commit()``, ``execute(text("COMMIT"))``). Other
ways cannot be prevented (``session.connection().commit()``, the driver's ``commit``, a stored
procedure), but SQLAlchemy and the driver know without a query whether the same transaction is still
open. They are checked before each statement of the callback, which would begin another transaction,
and when the callback returns. After a database error they are checked at once: the database may
have rolled back by itself.

For drivers that do not know the state (pg8000, mysqlclient), a savepoint is set before each
callback: it exists afterwards only if the transaction is the same.

A coroutine runs to completion in the calling thread, where every kind of session registry finds the
session that claimed the payment. In a thread whose event loop is running already, it runs in a
helper thread with the same context variables, if the registry finds the same session there.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncContextDecorator, ContextDecorator
from contextvars import copy_context
from functools import partial
from typing import Any, NoReturn

from sqlalchemy import Connection, ExceptionContext, event
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import Session, scoped_session

from ..exceptions import CallbackFailed, TransactionEnded
from .errors import is_serialization_error, mysql_errno
from .session import MYSQL, LedgerSession, driver_of, guards, is_open, transaction_state

logger = logging.getLogger("flask_alipay")

# Results that stand for work not yet done.
_UNFINISHED: tuple[tuple[tuple[type[Any], ...], str], ...] = (
    ((Generator, AsyncGenerator), "a generator: remove 'yield' from it"),
    ((Awaitable,), "an awaitable: await it in an 'async def' function"),
    ((ContextDecorator, AsyncContextDecorator), "a context manager: remove its decorator"),
)

_OTHER_SESSION = (
    "an async callback would use another session than the one that claimed the payment, because an "
    "event loop is running in this thread: call the blueprint from a sync function"
)

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
_GUARDED = "flask_alipay.ledger.callbacks"


def run_callbacks(
    ledger_session: LedgerSession,
    model: Any,
    callbacks: Sequence[Callable[[Any], object]],
    payment: Any,
    registry: Callable[[], Any] | None = None,
) -> None:
    """Call each callback with the payment, in order, and flush the session after each.

    :param ledger_session: the application's session, in the ledger's transaction.
    :param model: the class whose row the transaction has changed.
    :param registry: returns the application's current session, for async callbacks.
    :raises CallbackFailed: if a callback raises, cannot be run to completion or ends the
        transaction; the caller rolls back.
    """
    session = ledger_session.session
    transaction = TransactionGuard(session, *ledger_session.open_connection(model))

    def check_session() -> None:
        found = session if registry is None else registry()
        if (found() if isinstance(found, scoped_session) else found) is not session:
            raise RuntimeError(_OTHER_SESSION)

    for callback in callbacks:
        try:
            with transaction:
                result = callback(payment)
                if inspect.iscoroutine(result) and is_async(callback):
                    run_coroutine(result, check_session)
                else:
                    reject_unfinished(result)
                session.flush()
        except Exception as error:
            name = callback_name(callback)
            if isinstance(error, StatementError):
                error.hide_parameters = True  # a statement's parameters are customer data
            # The shop's own message goes to the log like its other errors, not into the journal.
            logger.exception("callback %s failed for %s", name, payment_number(payment))
            if isinstance(error, TransactionEnded):
                session.close()  # writing the journal must not commit the rest of the transaction
                raise CallbackFailed(f"{name} ended or broke the transaction") from error
            raise CallbackFailed(f"{name} raised {type(error).__name__}") from error


def is_async(callback: Callable[[Any], object]) -> bool:
    """Return whether a callback returns a coroutine when called, judging by its definition."""
    return any(map(inspect.iscoroutinefunction, (callback, called_function(callback))))


def reject_unfinished(result: object) -> None:
    """Reject a result that stands for work not yet done.

    :param result: the result of a callback.
    :raises TypeError: if the result has to be awaited, iterated over or entered.
    """
    if result is None:
        return
    for kinds, kind in _UNFINISHED:
        if isinstance(result, kinds):
            if isinstance(result, (Coroutine, Generator)):
                result.close()  # otherwise Python warns of an unnamed, never-awaited coroutine
            raise TypeError(f"it did not do its work: it returned {kind}")


def run_coroutine(
    coroutine: Coroutine[Any, Any, object], check: Callable[[], None] = lambda: None
) -> None:
    """Run a coroutine to completion.

    :param check: called before the coroutine, in the same thread and context.
    :raises RuntimeError: if the coroutine is cancelled.
    :raises TypeError: if it returns an awaitable instead of awaiting it.
    """

    async def main() -> None:
        try:
            check()
            reject_unfinished(await coroutine)
        finally:
            coroutine.close()

    try:
        if _loop_is_running():
            with ThreadPoolExecutor(1) as pool:
                pool.submit(copy_context().run, asyncio.run, main()).result()
        else:
            asyncio.run(main())
    except asyncio.CancelledError as error:
        raise RuntimeError("it was cancelled") from error


def callback_name(callback: Any) -> str:
    """Return the name of a callback for the log and the journal."""
    while isinstance(callback, partial):
        callback = callback.func
    named = callback if hasattr(callback, "__qualname__") else type(callback)
    return f"{named.__module__}.{named.__qualname__}"


def payment_number(payment: Any) -> str:
    """Return the number of a payment, transfer or message without a query: the session may be
    unusable.
    """
    loaded = payment.__dict__
    names = ("out_trade_no", "out_biz_no", "notify_id")
    return str(next((loaded[name] for name in names if loaded.get(name)), "a payment"))


def called_function(callback: Any) -> Any:
    """Return the function that runs when a callback is called."""
    while isinstance(callback, partial):
        callback = callback.func
    return callback if inspect.isroutine(callback) else type(callback).__call__


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class TransactionGuard:
    """Context manager that keeps a session's transaction open, and checks that in the end.

    :param session: the session.
    :param connection: the transaction's connection.
    :param open_: whether the driver has a transaction; ``None``: it does not know.
    """

    def __init__(self, session: Session, connection: Connection, open_: bool | None) -> None:
        self._session = session
        self._of_session = session.get_transaction()
        self._connection = connection
        self._of_connection = connection.get_transaction()
        # On a connection in autocommit mode there is no transaction to end.
        self._open = open_
        # The first error since the callback was called.
        self._error: BaseException | None = None
        # The error with which the database has rolled the transaction back.
        self._lost: BaseException | None = None

    def __enter__(self) -> None:
        self._error = None
        if self._open is None:
            self._connection.exec_driver_sql(f"SAVEPOINT {_SAVEPOINT}")
        self._session.info[_GUARDED] = True
        guards[self._connection] = self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        self._session.info.pop(_GUARDED, None)
        guards.pop(self._connection, None)
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
        still_open, failed = transaction_state(connection)
        if self._open and not still_open:
            raise TransactionEnded(_PAST_THE_SESSION)
        if failed:
            self._refuse_broken(None)
        if self._open is None:
            self._release()

    def check_statement(self, statement: str) -> None:
        """Check that a statement will neither end the transaction nor begin another one.

        :raises TransactionEnded: if it would, or if the transaction is over according to the
            driver.
        :raises DBAPIError: if the database has rolled it back.
        """
        if self._lost is not None:
            raise self._lost
        if self._open and not is_open(self._connection):
            raise TransactionEnded(_PAST_THE_SESSION)
        on_mariadb = self._connection.dialect.name in MYSQL
        if (_FORBIDDEN_ON_MARIADB if on_mariadb else _FORBIDDEN).match(statement):
            raise TransactionEnded(_MUST_NOT)

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


@event.listens_for(Session, "before_commit")
def _refuse_commit(session: Session) -> None:
    if _GUARDED in session.info and not session.in_nested_transaction():
        raise TransactionEnded(_MUST_NOT)
