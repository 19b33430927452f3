"""Leases on payments: of all processes, one at a time queries Alipay for a waiting buyer.

A lease is a time in the payment's row, written by a guarded ``UPDATE`` and committed before Alipay
is queried. No lock is held meanwhile, and a process that is killed holds nothing for longer than
the lease.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from sqlalchemy.orm import Session, scoped_session

from ..models import utc_now
from .payment_rows import PaymentRows
from .query_schedule import LEASE, MAX_QUERIES, QuerySchedule, may_be_paid
from .session import LedgerSession

_SCHEDULE = ("asked_at", "query_count", "query_leased_until", "returned_at")
_READ = (*_SCHEDULE, "paid", "refunded_fen", "trade_status")
# Another process may change the row between the SELECT and the UPDATE.
_ATTEMPTS = 3


@dataclass(frozen=True)
class QueryLease:
    """The right to query Alipay about one payment."""

    out_trade_no: str
    #: The end of the lease; aware UTC, whole seconds.
    until: datetime


class QueryLeases:
    """The leases on one merchant's payments.

    :param session: the application's session.
    :param model: the application's class of payments.
    :param merchant: the ``app_id`` or ``partner``.
    """

    def __init__(self, session: Session | scoped_session[Any], model: Any, merchant: str) -> None:
        self._session = LedgerSession(session)
        self._rows = PaymentRows(self._session, model, merchant)
        self._column = self._rows.column

    def record_return(self, out_trade_no: str) -> None:
        """Record that the buyer came back from Alipay; the queries then begin anew, once.

        What the session holds is committed. A payment that is paid, or whose buyer came back
        before, stays as it is.

        :param out_trade_no: the payment.
        :raises SQLAlchemyError: if the database fails; the transaction is rolled back.
        """
        now = _now()
        for _ in range(_ATTEMPTS):
            self._session.session.commit()
            row = self._rows.read(out_trade_no, _READ)
            if row is None or row.paid or row.returned_at is not None:
                break
            values = {"returned_at": now, "query_count": 0}
            if self._rows.write(row, values, self._column["returned_at"].is_(None)):
                return
        self._session.roll_back()

    def claim(self, out_trade_no: str) -> QueryLease | None:
        """Take the lease of a payment whose query is due.

        The session's transaction is rolled back first, and committed at the end.

        :param out_trade_no: the payment.
        :return: the lease; ``None`` if no query is due or another process was faster.
        :raises SQLAlchemyError: if the database fails; the transaction is rolled back.
        """
        self._session.roll_back()
        now = _now()
        row = self._rows.read(out_trade_no, _READ)
        if row is None or not may_be_paid(row) or not _schedule(row).is_due(now):
            self._session.roll_back()
            return None
        until = now + LEASE
        taken = {
            "asked_at": now,
            "query_count": (row.query_count or 0) + 1,
            "query_leased_until": until,
        }
        return (
            QueryLease(out_trade_no, until)
            if self._rows.write(row, taken, *self._same(row))
            else None
        )

    def release(self, lease: QueryLease, *, last: bool = False) -> None:
        """Give a lease back, so that the next query need not wait for its end.

        :param lease: a lease of :meth:`claim`; nothing happens if another one has followed it.
        :param last: whether there should be no further query about the payment.
        :raises SQLAlchemyError: if the database fails; the transaction is rolled back.
        """
        self._session.roll_back()
        row = self._rows.read(lease.out_trade_no, _READ)
        if row is None or _aware(row.query_leased_until) != lease.until:
            self._session.roll_back()
            return
        values: dict[str, Any] = {"query_leased_until": None}
        if last:
            values["query_count"] = MAX_QUERIES
        self._rows.write(row, values, *self._same(row))

    def _same(self, row: Any) -> tuple[Any, ...]:
        """Return the conditions that no other process has claimed or counted a query meanwhile."""
        names = ("query_count", "query_leased_until")
        return tuple(self._column[name].is_not_distinct_from(getattr(row, name)) for name in names)


def _schedule(row: Any) -> QuerySchedule:
    return QuerySchedule(
        _aware(row.asked_at),
        row.query_count or 0,
        _aware(row.query_leased_until),
        _aware(row.returned_at),
    )


def _aware(when: datetime | None) -> datetime | None:
    """Return a time as the database returns it, which may keep no zone, as aware UTC."""
    if when is None or when.tzinfo is not None:
        return when
    return when.replace(tzinfo=timezone.utc)


def _now() -> datetime:
    """Return the time in whole seconds: MariaDB and MySQL keep no fractions of them."""
    return utc_now().replace(microsecond=0)
