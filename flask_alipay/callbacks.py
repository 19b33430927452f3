"""How the shop's callbacks run: inside the ledger's transaction, which they may not end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from .exceptions import AlipayError, CallbackFailed

logger = logging.getLogger("flask_alipay")

_MUST_NOT = (
    "a callback must not commit or roll back: what it adds to the session is committed together "
    "with the payment, or not at all (a savepoint, session.begin_nested(), is welcome)"
)

# In a session's ``info`` while a callback has it.
_RUNNING = "flask_alipay.callback"

_BROKEN = (
    "a callback caught an error of the database that has broken the transaction: try what may fail "
    "in a savepoint (with session.begin_nested():)"
)


def run_callbacks(
    session: Session, callbacks: Sequence[Callable[[Any], object]], payment: Any
) -> None:
    """Calls each callback with the payment, in order, and writes what they added to the session.

    :raises CallbackFailed: if one raises, or ends the transaction; the caller rolls back.
    """
    for callback in callbacks:
        name = f"{callback.__module__}.{getattr(callback, '__qualname__', type(callback).__name__)}"
        transaction = session.get_transaction()
        try:
            with _no_commit(session):
                callback(payment)
                session.flush()
            if session.get_transaction() is not transaction:
                raise AlipayError(_MUST_NOT)
            if transaction is None or not transaction.is_active:
                raise AlipayError(_BROKEN)
        except Exception as error:
            if isinstance(error, StatementError):
                error.hide_parameters = True  # the rows of a statement are its customers' data
            # The shop's own words go to the log, where its other errors go; not into the journal.
            logger.exception("callback %s failed for %s", name, payment_number(payment))
            raise CallbackFailed(f"{name} raised {type(error).__name__}") from error


def payment_number(payment: Any) -> str:
    """The number without a query: the session may be beyond asking."""
    return str(payment.__dict__.get("out_trade_no", "a payment"))


@contextmanager
def _no_commit(session: Session) -> Iterator[None]:
    """Refuses a commit of the whole transaction; one of a savepoint is none."""
    session.info[_RUNNING] = True
    try:
        yield
    finally:
        session.info.pop(_RUNNING, None)


@event.listens_for(Session, "before_commit")
def _refuse(session: Session) -> None:
    # One listener for all sessions: to add and to remove one around each callback costs more than
    # the callback's own statement.
    if _RUNNING in session.info and not session.in_nested_transaction():
        raise AlipayError(_MUST_NOT)
