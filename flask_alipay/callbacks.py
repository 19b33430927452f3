"""How the shop's callbacks run: inside the ledger's transaction, which they may not end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from .exceptions import CallbackFailed, TransactionEnded
from .kept_open import KeptOpen

logger = logging.getLogger("flask_alipay")


def run_callbacks(
    session: Session,
    connection: Connection,
    callbacks: Sequence[Callable[[Any], object]],
    payment: Any,
) -> None:
    """Calls each callback with the payment, in order, and writes what they added to the session.

    :param session: the app's, in the ledger's transaction.
    :param connection: where the session has the payment.
    :raises CallbackFailed: if one raises, or ends the transaction; the caller rolls back.
    """
    transaction = KeptOpen(session, connection)
    for callback in callbacks:
        name = callback_name(callback)
        try:
            with transaction:
                callback(payment)
                session.flush()
            transaction.check()
        except Exception as error:
            if isinstance(error, StatementError):
                error.hide_parameters = True  # the rows of a statement are its customers' data
            # The shop's own words go to the log, where its other errors go; not into the journal.
            logger.exception("callback %s failed for %s", name, payment_number(payment))
            if isinstance(error, TransactionEnded):
                session.close()  # the journal's line must not commit what is left of it
                raise CallbackFailed(f"{name} ended or broke the transaction") from error
            raise CallbackFailed(f"{name} raised {type(error).__name__}") from error


def callback_name(callback: Any) -> str:
    """Return the name of a callback for the log and the journal."""
    while isinstance(callback, partial):
        callback = callback.func
    named = callback if hasattr(callback, "__qualname__") else type(callback)
    return f"{named.__module__}.{named.__qualname__}"


def payment_number(payment: Any) -> str:
    """The number without a query: the session may be beyond asking."""
    return str(payment.__dict__.get("out_trade_no", "a payment"))
