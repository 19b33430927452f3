"""What still waits to be heard of, shared between all who ask.

Whoever asks takes a row by writing the time into ``asked_at``, and commits: a lease, not a lock.
No lock is held while Alipay is asked, for a notification of the same payment would have to wait
for it; and one who dies holds nothing for longer than the lease. Rows are looked at by their
number, with ``SKIP LOCKED`` where the database has it, and taken by a guarded ``UPDATE``
everywhere, so that no two take the same. Those that were never asked about and those asked about
longest ago have turns: neither what cannot be asked about keeps the others from theirs, nor a shop
that opens more payments than are asked about in the meantime.
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
from ..protocol.trade_status import TradeStatus
from .query_schedule import RECONCILE_LEASE
from .refunds import PROCESSING
from .session import LedgerSession
from .statements import is_serialization_failure
from .tables import change, columns_of, entity_of, version_of

#: Nobody else asks about a row for so long: longer than an answer may take, repetitions included.
LEASE = timedelta(minutes=2)

_PAGE = 200
# What others hold may be free, or done, at the next look.
_TRIES = 2
_UNPAID = (TradeStatus.WAIT_BUYER_PAY, TradeStatus.TRADE_PENDING)


@dataclass(frozen=True)
class PendingRows:
    """The rows of one merchant that wait, of one class."""

    #: The app's class, of payments or of refunds.
    model: Any
    merchant: str
    #: Those that were created earlier.
    before: datetime
    #: The attribute that says what a row waits for, and what it says then.
    status: str
    statuses: tuple[str, ...]

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
        """What such a row meets."""
        return (*self._old_enough, self.column[self.status].in_(self.statuses))

    def in_status(self, status: str) -> tuple[Any, ...]:
        """What one meets that waits for one thing alone."""
        return (*self._old_enough, self.column[self.status] == status)

    @property
    def _old_enough(self) -> tuple[Any, ...]:
        column = self.column
        return column["merchant"] == self.merchant, column["created_at"] < self.before


def waiting_payments(model: Any, merchant: str, before: datetime) -> PendingRows:
    """Returns the payments that nobody has paid yet.

    :param before: those that were created earlier.
    """
    return PendingRows(entity_of(model), merchant, before, "trade_status", _UNPAID)


def waiting_refunds(model: Any, merchant: str, before: datetime) -> PendingRows:
    """Returns the refunds whose outcome is unknown.

    :param before: those that were created earlier.
    """
    return PendingRows(entity_of(model), merchant, before, "status", (PROCESSING,))


def lease_rows(session: Session | scoped_session[Any], waiting: PendingRows) -> Iterator[Any]:
    """Take row after row that waits, and commit before handing each over.

    The session is the caller's again between two rows, whatever becomes of its transaction.

    :returns: the rows, each to nobody else; ends where none is left that was not taken since the
        beginning.
    """
    own = LedgerSession(session)
    lots = _lots(waiting)  # as of now: what is taken from here on is in none of them
    guard = (*waiting.condition, or_(*lots))
    fruitless = 0
    while fruitless < _TRIES:
        fruitless += 1
        own.roll_back()
        pages = [own.read(pending_query(waiting, lot), waiting.model).all() for lot in lots]
        for number in _turns(*pages):
            row = _taken(own, waiting, number, guard)
            if row is not None:
                fruitless = 0
                yield row
    own.roll_back()


def oldest_pending(session: Session | scoped_session[Any], waiting: PendingRows) -> datetime | None:
    """Return since when the first that would be taken has waited to be asked about, as the
    database keeps it; ``None``: there is none.
    """
    own = LedgerSession(session)
    lots = (
        own.read(pending_query(waiting, lot, 1), waiting.model).first() for lot in _lots(waiting)
    )
    return min((_since(first) for first in lots if first is not None), default=None)


def count(session: Session | scoped_session[Any], waiting: PendingRows) -> int:
    """Return how many rows wait."""
    number = select(func.count()).select_from(waiting.table).where(*waiting.condition)
    return int(LedgerSession(session).read(number, waiting.model).scalar_one())


class _nothing(FunctionElement[Any]):  # noqa: N801 - as ``exactly``
    """A column that is ``NULL`` in all rows, to sort by. PostgreSQL uses an index only if it is
    named; MariaDB only if it is not, and otherwise sorts everything that waits.
    """

    inherit_cache = True


@compiles(_nothing)
def _named(element: Any, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))


@compiles(_nothing, "mysql", "mariadb")
def _unnamed(element: Any, compiler: Any, **options: Any) -> str:
    return "NULL"


def _lots(waiting: PendingRows) -> tuple[Any, Any]:
    """Return the conditions for those that are not asked about now: never, or long enough ago."""
    asked_at = waiting.column["asked_at"]
    return asked_at.is_(None), asked_at < utc_now() - LEASE


def _turns(*pages: Sequence[Any]) -> Iterator[int]:
    """The numbers of some rows of each page in turns, the longest wait first."""
    ordered = sorted(filter(None, pages), key=lambda page: _since(page[0]))
    for turn in zip_longest(*ordered):
        yield from (row.id for row in turn if row is not None)


def _since(row: Any) -> datetime:
    since: datetime = row.asked_at or row.created_at
    return since


def pending_query(
    waiting: PendingRows, free: Any, limit: int = _PAGE
) -> Select[tuple[int, datetime, datetime]]:
    """Returns the question for some rows, their number and times: those asked about longest ago,
    then the oldest.

    The index has them in that order for each status, so that no more of them is read than is
    wanted, however many wait.

    :param free: the condition for those that nobody asks about now.
    :param most: how many.
    """
    column = waiting.column
    found = (column["asked_at"], column["created_at"])
    never = free.compare(column["asked_at"].is_(None))
    order = (_nothing(column["asked_at"]), column["created_at"]) if never else found
    by_status = [
        select(column["id"].label("id"), *found)
        .where(*waiting.in_status(status), free)
        .order_by(*order)
        .limit(limit)
        .subquery()
        for status in waiting.statuses
    ]
    rows = union_all(*(select(each) for each in by_status)).subquery()
    told = select(rows.c.id, rows.c.asked_at, rows.c.created_at)
    return told.order_by(rows.c.asked_at, rows.c.created_at, rows.c.id).limit(limit)


def _taken(
    session: LedgerSession, waiting: PendingRows, number: Any, guard: tuple[Any, ...]
) -> Any | None:
    model, column = waiting.model, waiting.column
    version = version_of(model)
    guard = (column["id"] == number, *guard)
    source = waiting.table
    if version is not None and version.parent:
        source = inspect(model).persist_selectable
    read = [column["id"], *(version.columns if version is not None else ())]
    found = select(*read).select_from(source).where(*guard)
    now = utc_now()
    values = {column["asked_at"]: now}
    if "query_leased_until" in column:  # of payments: no buyer's page causes a query meanwhile
        values[column["query_leased_until"]] = (now + RECONCILE_LEASE).replace(microsecond=0)
    taking = update(waiting.table).where(*guard).values(values)
    session.roll_back()
    try:
        seen = session.execute(found.with_for_update(skip_locked=True), model).first()
        if seen is None or not change(session, model, taking, {}, seen):
            return None
        session.session.commit()
    except SQLAlchemyError as error:
        session.roll_back()
        if is_serialization_failure(error):
            return None  # under stricter isolation that is how another one's claim shows
        raise
    rows = session.load(select(model).where(model.id == number), model)
    return rows[0] if rows else None
