"""Run the shop's callbacks inside the ledger's transaction, and the receivers of signals after it.

A coroutine runs to completion in the calling thread, where every kind of session registry finds the
session that claimed the payment. In a thread whose event loop is running already, it runs in a
helper thread with the same context variables, if the registry finds the same session there.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
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
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session, scoped_session

from ..exceptions import CallbackFailed, ConfigurationError, TransactionEnded
from .transaction_guard import TransactionGuard

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


def run_callbacks(
    session: Session,
    connection: Connection,
    callbacks: Sequence[Callable[[Any], object]],
    payment: Any,
    registry: Callable[[], Any] | None = None,
) -> None:
    """Call each callback with the payment, in order, and flush the session after each.

    :param session: the application's session, in the ledger's transaction.
    :param connection: the connection on which the session has the payment.
    :param registry: returns the application's current session, for async callbacks.
    :raises CallbackFailed: if a callback raises, cannot be run to completion or ends the
        transaction; the caller rolls back.
    """
    transaction = TransactionGuard(session, connection)

    def check_session() -> None:
        found = session if registry is None else registry()
        if (found() if isinstance(found, scoped_session) else found) is not session:
            raise RuntimeError(_OTHER_SESSION)

    for callback in callbacks:
        name = callback_name(callback)
        try:
            with transaction:
                result = callback(payment)
                if inspect.iscoroutine(result) and is_async(callback):
                    run_coroutine(result, check_session)
                else:
                    reject_unfinished(result)
                session.flush()
        except Exception as error:
            if isinstance(error, StatementError):
                error.hide_parameters = True  # a statement's parameters are customer data
            # The shop's own message goes to the log like its other errors, not into the journal.
            logger.exception("callback %s failed for %s", name, payment_number(payment))
            if isinstance(error, TransactionEnded):
                session.close()  # writing the journal must not commit the rest of the transaction
                raise CallbackFailed(f"{name} ended or broke the transaction") from error
            raise CallbackFailed(f"{name} raised {type(error).__name__}") from error


def check_callback(callback: Any) -> None:
    """Reject a callback that can never run.

    :raises TypeError: if it is not callable, or is a generator function.
    """
    if not callable(callback):
        raise TypeError(f"a callback must be callable, not {type(callback).__name__}")
    function = _function(callback)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"{callback_name(callback)} is a generator function, whose body would never run: "
            "remove 'yield' from it"
        )


def check_async_support(event: str, callback: Callable[[Any], object]) -> None:
    """Reject an async callback if the extra ``async`` is not installed.

    :param event: the name of the event, ``paid`` for example.
    :raises ConfigurationError: names the callback and the extra.
    """
    if not is_async(callback):
        return
    try:
        import asgiref.sync  # noqa: F401 - as Flask requires it for async views
    except ImportError:
        raise ConfigurationError(
            f"the callback {callback_name(callback)} is async: install the extra 'async' "
            "(pip install 'flask-alipay-blueprint[async]'), or define it without 'async'",
            f"on_{event.partition(':')[0]}",
        ) from None


def is_async(callback: Callable[[Any], object]) -> bool:
    """Return whether a callback returns a coroutine when called, judging by its definition."""
    return any(map(inspect.iscoroutinefunction, (callback, _function(callback))))


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


def _function(callback: Any) -> Any:
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
