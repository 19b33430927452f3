"""Leases of pending rows, payments for example, shared between the workers that query Alipay.

A worker leases a row by writing the time into ``asked_at`` and committing: a lease, not a lock. No
lock is held during a query, since a notification about the same payment would have to wait for it;
and the lease of a worker that dies expires. Rows are read by their number, with ``SKIP LOCKED`` if
the database has it, and leased by a guarded ``UPDATE`` on every database, so that no two workers
lease the same row. Rows that were never queried alternate with those queried longest ago: neither
rows whose query always fails nor a steady stream of new payments starve the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

from sqlalchemy import Select, func, inspect, or_, select, union_all, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.sql.functions import FunctionElement

from ..models import utc_now
from ..protocol.agreements import AgreementStatus
from ..protocol.preauthorizations import AuthorizationStatus
from ..protocol.trade_status import TradeStatus
from ..protocol.transfers import TransferStatus
from .query_schedule import RECONCILE_LEASE
from .refunds import PROCESSING
from .session import LedgerSession, change
from .statements import is_serialization_failure
from .tables import columns_of, entity_of, version_of

#: The duration of a lease: longer than a query can take, retries included.
LEASE = timedelta(minutes=2)

_PAGE = 200
# Rows that other workers hold may be free, or done, in the next attempt.
_ATTEMPTS = 2
_UNPAID = (TradeStatus.WAIT_BUYER_PAY, TradeStatus.TRADE_PENDING)


@dataclass(frozen=True)
class PendingRows:
    """Selection of one merchant's pending rows of one class."""

    #: The application's class, of payments for example.
    model: Any
    merchant: str
    #: Only rows created before this time, aware UTC.
    before: datetime
    #: The attribute with the row's status, and its values while a row is pending.
    status: str
    statuses: tuple[str, ...]
    #: Further conditions.
    further: tuple[Any, ...] = ()

    @property
    def column(self) -> Mapping[str, Any]:
        """The columns of the class."""
        return columns_of(self.model)

    @property
    def table(self) -> Any:
        """The table of the class."""
        return inspect(self.model).local_table

    @property
    def condition(self) -> tuple[Any, ...]:
        """The conditions for a pending row."""
        return (*self._old_enough, self.column[self.status].in_(self.statuses))

    def in_status(self, status: str) -> tuple[Any, ...]:
        """Return the conditions for a pending row with one status."""
        return (*self._old_enough, self.column[self.status] == status)

    @property
    def _old_enough(self) -> tuple[Any, ...]:
        column = self.column
        old_enough = column["created_at"] < self.before
        return column["merchant"] == self.merchant, old_enough, *self.further


def pending_payments(model: Any, merchant: str, before: datetime) -> PendingRows:
    """Return the selection of unpaid payments.

    :param before: only payments created before this time, aware UTC.
    """
    return PendingRows(entity_of(model), merchant, before, "trade_status", _UNPAID)


def pending_refunds(model: Any, merchant: str, before: datetime) -> PendingRows:
    """Return the selection of refunds whose outcome is unknown.

    :param before: only refunds created before this time, aware UTC.
    """
    return PendingRows(entity_of(model), merchant, before, "status", (PROCESSING,))


def pending_transfers(model: Any, merchant: str, before: datetime) -> PendingRows:
    """Return the selection of transfers whose result is unknown.

    :param before: only transfers created before this time, aware UTC.
    """
    return PendingRows(entity_of(model), merchant, before, "status", (TransferStatus.DEALING,))


def unsigned_agreements(model: Any, merchant: str, before: datetime) -> PendingRows:
    """Return the selection of agreements that were sent to the payer, and are not signed.

    :param before: only agreements created before this time, aware UTC.
    """
    entity = entity_of(model)
    sent = columns_of(entity)["sent_at"].is_not(None)
    return PendingRows(entity, merchant, before, "status", (AgreementStatus.TEMP,), (sent,))


def signed_agreements(
    model: Any, merchant: str, before: datetime, today: str, due: str, now: datetime
) -> PendingRows:
    """Return the selection of signed agreements to query today: their deduction is due soon, they
    have no plan, or their time is over.

    :param before: only agreements created before this time, aware UTC.
    :param today: the day in China by the merchant's clock.
    :param due: the last day of a deduction that is due soon.
    :param now: the time by the merchant's clock.
    """
    entity = entity_of(model)
    column = columns_of(entity)
    further = (
        or_(column["checked_date"].is_(None), column["checked_date"] != today),
        or_(
            column["next_date"].is_(None),
            column["next_date"] <= due,
            column["valid_until"] < now,
        ),
    )
    statuses = (AgreementStatus.NORMAL, AgreementStatus.STOP)
    return PendingRows(entity, merchant, before, "status", statuses, further)


def unconfirmed_authorizations(
    model: Any, merchant: str, before: datetime, ended_before: datetime
) -> PendingRows:
    """Return the selection of authorizations that the payer has not confirmed: of those that were
    never sent to a payer, the ones that can no longer be confirmed.

    :param before: only authorizations created before this time, aware UTC.
    :param ended_before: the creation of an authorization whose longest time to confirm is over.
    """
    entity = entity_of(model)
    column = columns_of(entity)
    further = (or_(column["sent_at"].is_not(None), column["created_at"] < ended_before),)
    statuses = (AuthorizationStatus.INIT,)
    return PendingRows(entity, merchant, before, "status", statuses, further)


def frozen_authorizations(
    model: Any, merchant: str, before: datetime, checked_before: datetime
) -> PendingRows:
    """Return the selection of frozen authorizations to query because Alipay may have released them.

    :param before: only authorizations created before this time, aware UTC.
    :param checked_before: only those that were last queried, and frozen, before this time.
    """
    entity = entity_of(model)
    column = columns_of(entity)
    unchecked = or_(column["asked_at"].is_(None), column["asked_at"] < checked_before)
    further = (unchecked, column["authorized_at"] < checked_before)
    statuses = (AuthorizationStatus.AUTHORIZED,)
    return PendingRows(entity, merchant, before, "status", statuses, further)


def unresolved_releases(model: Any, merchant: str, before: datetime) -> PendingRows:
    """Return the selection of frozen authorizations with a release whose outcome is unknown.

    :param before: only authorizations created before this time, aware UTC.
    """
    entity = entity_of(model)
    further = (columns_of(entity)["release_no"].is_not(None),)
    statuses = (AuthorizationStatus.AUTHORIZED,)
    return PendingRows(entity, merchant, before, "status", statuses, further)


def lease_rows(session: Session | scoped_session[Any], pending: PendingRows) -> Iterator[Any]:
    """Lease pending rows one by one, and commit before yielding each.

    Between two rows the caller may use the session freely, also commit or roll back.

    :returns: the rows, each leased to this caller only; ends when no row is left that was not
        leased since the beginning.
    """
    ledger_session = LedgerSession(session)
    groups = _free_groups(pending)  # as of now: rows leased from here on are in none of them
    guard = (*pending.condition, or_(*groups))
    failures = 0
    while failures < _ATTEMPTS:
        failures += 1
        ledger_session.roll_back()
        pages = [
            ledger_session.read(pending_query(pending, group), pending.model).all()
            for group in groups
        ]
        for number in _alternate(*pages):
            row = _lease(ledger_session, pending, number, guard)
            if row is not None:
                failures = 0
                yield row
    ledger_session.roll_back()


def oldest_pending(session: Session | scoped_session[Any], pending: PendingRows) -> datetime | None:
    """Return since when the next due row has waited for a query, as the database keeps the time;
    ``None`` if no row is pending.
    """
    ledger_session = LedgerSession(session)
    due = (
        ledger_session.read(pending_query(pending, group, 1), pending.model).first()
        for group in _free_groups(pending)
    )
    return min((_since(first) for first in due if first is not None), default=None)


def count(session: Session | scoped_session[Any], pending: PendingRows) -> int:
    """Return the number of pending rows."""
    number = select(func.count()).select_from(pending.table).where(*pending.condition)
    return int(LedgerSession(session).read(number, pending.model).scalar_one())


class _null(FunctionElement[Any]):  # noqa: N801 - as ``exactly``
    """A column that is ``NULL`` in all rows, to sort by.

    PostgreSQL uses an index only if the column is named; MariaDB only if it is not, and otherwise
    sorts all pending rows.
    """

    inherit_cache = True


@compiles(_null)
def _named(element: Any, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))


@compiles(_null, "mysql", "mariadb")
def _unnamed(element: Any, compiler: Any, **options: Any) -> str:
    return "NULL"


def _free_groups(pending: PendingRows) -> tuple[Any, Any]:
    """Return the conditions for rows without a lease: never queried, and with an expired lease."""
    asked_at = pending.column["asked_at"]
    return asked_at.is_(None), asked_at < utc_now() - LEASE


def _alternate(*pages: Sequence[Any]) -> Iterator[int]:
    """Yield the numbers of rows from each page alternately, the longest wait first."""
    ordered = sorted(filter(None, pages), key=lambda page: _since(page[0]))
    for rows in zip_longest(*ordered):
        yield from (row.id for row in rows if row is not None)


def _since(row: Any) -> datetime:
    since: datetime = row.asked_at or row.created_at
    return since


def pending_query(
    pending: PendingRows, free: Any, limit: int = _PAGE
) -> Select[tuple[int, datetime, datetime]]:
    """Return the statement for the next due rows with their number and times: those queried longest
    ago first, then the oldest.

    The index has this order for each status, so that no more rows are read than requested, whatever
    the number of pending rows.

    :param free: the condition for rows without a lease.
    :param limit: the maximum of rows.
    """
    column = pending.column
    found = (column["asked_at"], column["created_at"])
    never_queried = free.compare(column["asked_at"].is_(None))
    order = (_null(column["asked_at"]), column["created_at"]) if never_queried else found
    by_status = [
        select(column["id"].label("id"), *found)
        .where(*pending.in_status(status), free)
        .order_by(*order)
        .limit(limit)
        .subquery()
        for status in pending.statuses
    ]
    rows = union_all(*(select(each) for each in by_status)).subquery()
    due = select(rows.c.id, rows.c.asked_at, rows.c.created_at)
    return due.order_by(rows.c.asked_at, rows.c.created_at, rows.c.id).limit(limit)


def _lease(
    session: LedgerSession, pending: PendingRows, number: Any, guard: tuple[Any, ...]
) -> Any | None:
    model, column = pending.model, pending.column
    version = version_of(model)
    guard = (column["id"] == number, *guard)
    source = pending.table
    if version is not None and version.parent:
        source = inspect(model).persist_selectable
    read = [column["id"], *(version.columns if version is not None else ())]
    found = select(*read).select_from(source).where(*guard)
    now = utc_now()
    values = {column["asked_at"]: now}
    if "query_leased_until" in column:  # buyers' pages cause no query meanwhile
        values[column["query_leased_until"]] = (now + RECONCILE_LEASE).replace(microsecond=0)
    lease = update(pending.table).where(*guard).values(values)
    session.roll_back()
    try:
        seen = session.execute(found.with_for_update(skip_locked=True), model).first()
        if seen is None or not change(session, model, lease, {}, seen):
            return None
        session.session.commit()
    except SQLAlchemyError as error:
        session.roll_back()
        if is_serialization_failure(error):
            return None  # under stricter isolation, another worker's lease raises this error
        raise
    rows = session.load(select(model).where(model.id == number), model)
    return rows[0] if rows else None
