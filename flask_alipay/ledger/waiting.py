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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

from sqlalchemy import Select, inspect, or_, select, union_all, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, scoped_session

from ..models import utc_now
from ..trade_status import TradeStatus
from .changes import changed
from .refunds import PROCESSING
from .statements import was_overtaken

#: Nobody else asks about a row for so long: longer than an answer may take, repetitions included.
LEASE = timedelta(minutes=2)

_PAGE = 200
# What others hold may be free, or done, at the next look.
_TRIES = 2
_UNPAID = (TradeStatus.WAIT_BUYER_PAY, TradeStatus.TRADE_PENDING)


@dataclass(frozen=True)
class Waiting:
    """The rows of one merchant that wait, of one class."""

    #: The app's class, of payments or of refunds.
    model: Any
    merchant: str
    #: Those that were created earlier.
    before: datetime
    #: The column that says what a row waits for, and what it says then.
    status: Any
    statuses: tuple[str, ...]

    @property
    def condition(self) -> tuple[Any, ...]:
        """What such a row meets."""
        return (*self._old_enough, self.status.in_(self.statuses))

    def in_status(self, status: str) -> tuple[Any, ...]:
        """What one meets that waits for one thing alone."""
        return (*self._old_enough, self.status == status)

    @property
    def _old_enough(self) -> tuple[Any, ...]:
        return self.model.merchant == self.merchant, self.model.created_at < self.before


def waiting_payments(model: Any, merchant: str, before: datetime) -> Waiting:
    """Returns the payments that nobody has paid yet.

    :param before: those that were created earlier.
    """
    return Waiting(model, merchant, before, model.trade_status, _UNPAID)


def waiting_refunds(model: Any, merchant: str, before: datetime) -> Waiting:
    """Returns the refunds whose outcome is unknown.

    :param before: those that were created earlier.
    """
    return Waiting(model, merchant, before, model.status, (PROCESSING,))


def take(session: Session | scoped_session[Any], waiting: Waiting) -> Iterator[Any]:
    """Takes row after row that waits, and commits before it hands each over.

    The session is the caller's again between two rows, whatever becomes of its transaction.

    :returns: the rows, each to nobody else; ends where none is left that was not taken since the
        beginning.
    """
    model = waiting.model
    lots = _lots(model)  # as of now: what is taken from here on is in none of them
    guard = (*waiting.condition, or_(*lots))
    fruitless = 0
    while fruitless < _TRIES:
        fruitless += 1
        session.rollback()
        for number in _turns(*(session.execute(in_turn(waiting, lot)).all() for lot in lots)):
            row = _taken(session, model, (model.id == number, *guard))
            if row is not None:
                fruitless = 0
                yield row
    session.rollback()


def waits_since(session: Session | scoped_session[Any], waiting: Waiting) -> datetime | None:
    """Returns since when the first that would be taken has waited for somebody to ask, as the
    database keeps it; ``None``: there is none.
    """
    lots = (session.execute(in_turn(waiting, lot, 1)).first() for lot in _lots(waiting.model))
    return min((_since(first) for first in lots if first is not None), default=None)


def _lots(model: Any) -> tuple[Any, Any]:
    """The conditions for those that nobody asks about now: never asked, or long enough ago."""
    return model.asked_at.is_(None), model.asked_at < utc_now() - LEASE


def _turns(*pages: Sequence[Any]) -> Iterator[int]:
    """The numbers of some rows of each page in turns, the longest wait first."""
    ordered = sorted(filter(None, pages), key=lambda page: _since(page[0]))
    for turn in zip_longest(*ordered):
        yield from (row.id for row in turn if row is not None)


def _since(row: Any) -> datetime:
    since: datetime = row.asked_at or row.created_at
    return since


def in_turn(
    waiting: Waiting, free: Any, most: int = _PAGE
) -> Select[tuple[int, datetime, datetime]]:
    """Returns the question for some rows, their number and times: those asked about longest ago,
    then the oldest.

    The index has them in that order for each status, so that no more of them is read than is
    wanted, however many wait.

    :param free: the condition for those that nobody asks about now.
    :param most: how many.
    """
    model = waiting.model
    found = (model.asked_at, model.created_at)
    by_status = [
        select(model.id, *found)
        .where(*waiting.in_status(status), free)
        .order_by(*found)
        .limit(most)
        .subquery()
        for status in waiting.statuses
    ]
    rows = union_all(*(select(each) for each in by_status)).subquery()
    told = select(rows.c.id, rows.c.asked_at, rows.c.created_at)
    return told.order_by(rows.c.asked_at, rows.c.created_at, rows.c.id).limit(most)


def _taken(session: Any, model: Any, guard: tuple[Any, ...]) -> Any | None:
    session.rollback()
    found = select(model.id).where(*guard).with_for_update(skip_locked=True)
    taking = update(model).where(*guard).values(asked_at=utc_now())
    # A router sends what is only read to a database that follows, where nothing can be held.
    here = {"bind": session.get_bind(mapper=inspect(model), clause=taking)}
    try:
        if session.execute(found, bind_arguments=here).first() is None or not changed(
            session, taking
        ):
            return None
        session.commit()
    except SQLAlchemyError as error:
        session.rollback()
        if was_overtaken(error):
            return None  # under stricter isolation that is how another one's claim shows
        raise
    mine = select(model).where(guard[0])
    return session.scalars(mine, bind_arguments=here).unique().one_or_none()
