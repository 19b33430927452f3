"""Facts about a payment that settle nothing: when it was sent to Alipay, and what queries found.

Recording one must never delay or break a payment: nothing waits for a lock on the row, and an
error is logged only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, scoped_session

from ..models import utc_now
from .payment_rows import PaymentRows
from .session import LedgerSession
from .settlement import Models

logger = logging.getLogger("flask_alipay")

#: The groups of equal responses that a payment keeps.
MAX_GROUPS: Final = 20
#: The result of a query about a trade that Alipay does not have.
NO_TRADE: Final = "TRADE_NOT_EXIST"
#: The result of a query without a response that can be trusted.
NO_RESPONSE: Final = "NO_RESPONSE"

_MAX_RESULT = 64
# Milliseconds that a change waits for another writer of a SQLite database.
_SHORT_WAIT = 250


class QueryGroup(NamedTuple):
    """Consecutive queries with the same response."""

    #: Aware UTC.
    first: datetime
    last: datetime
    times: int
    #: Alipay's trade status or code, :data:`NO_TRADE` or :data:`NO_RESPONSE`.
    result: str


def query_groups(payment: Any) -> list[QueryGroup]:
    """Return the queries about a payment that changed nothing, the oldest first."""
    return [
        QueryGroup(
            datetime.fromisoformat(group["first"]),
            datetime.fromisoformat(group["last"]),
            group["times"],
            group["result"],
        )
        for group in payment.query_history or ()
    ]


def record_sent(
    session: Session | scoped_session[Any], models: Models, merchant: str, out_trade_no: str
) -> None:
    """Record that a payment is sent to Alipay now, unless it was sent before.

    The session is committed first, as its objects may be read again.

    :param merchant: the ``app_id`` or ``partner``.
    """

    def values(row: Any) -> dict[str, Any] | None:
        return None if row.sent_at is not None else {"sent_at": utc_now()}

    _annotate(session, models, merchant, out_trade_no, "sent_at", values)


def record_query(
    session: Session | scoped_session[Any],
    models: Models,
    merchant: str,
    out_trade_no: str,
    result: str,
) -> None:
    """Record a query whose response changes nothing.

    The session is committed first.

    :param merchant: the ``app_id`` or ``partner``.
    :param result: see :class:`QueryGroup`; cut to 64 characters.
    """

    def values(row: Any) -> dict[str, Any]:
        return {"query_history": _added(row.query_history or [], result[:_MAX_RESULT])}

    _annotate(session, models, merchant, out_trade_no, "query_history", values)


def _added(groups: list[dict[str, Any]], result: str) -> list[dict[str, Any]]:
    """Return the history with one more query."""
    now = utc_now().isoformat(timespec="seconds")
    if groups and groups[-1]["result"] == result:
        last = groups[-1]
        return [*groups[:-1], {**last, "last": now, "times": last["times"] + 1}]
    return [*groups, {"first": now, "last": now, "times": 1, "result": result}][-MAX_GROUPS:]


def _annotate(
    session: Session | scoped_session[Any],
    models: Models,
    merchant: str,
    out_trade_no: str,
    name: str,
    values: Callable[[Any], Mapping[str, Any] | None],
) -> None:
    """Change one column in a transaction of its own, if the row is free.

    :param values: takes the row as it is; returns the new values, or ``None`` for no change.
    """
    ledger_session = LedgerSession(session)
    rows = PaymentRows(ledger_session, models.Payment, merchant)
    try:
        ledger_session.session.commit()
        with _short_lock_wait(ledger_session.connection(rows.model)):
            row = rows.read(out_trade_no, (name,), lock=True)
            changed = values(row) if row is not None else None
            done = changed is not None and rows.change(row, changed)
        if done:
            ledger_session.session.commit()
        else:
            ledger_session.roll_back()
    except Exception as error:  # whatever the application's listeners raise
        ledger_session.roll_back()
        kind = type(error).__name__
        logger.warning("%s of %s was not recorded (%s)", name, out_trade_no, kind)


@contextmanager
def _short_lock_wait(connection: Connection) -> Iterator[None]:
    """Limit the wait for another writer of a SQLite database within the block.

    Other databases lock rows, which a statement can skip.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    usual = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {min(int(usual), _SHORT_WAIT)}")
    try:
        yield
    finally:
        with suppress(SQLAlchemyError):
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(usual)}")
