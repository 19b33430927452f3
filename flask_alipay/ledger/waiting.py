"""What still waits to be heard of, shared between all who ask.

Whoever asks takes a row by writing the time into ``asked_at``, and commits: a lease, not a lock.
No lock is held while Alipay is asked, for a notification of the same payment would have to wait
for it; and one who dies holds nothing for longer than the lease. Rows are looked at by their
number, with ``SKIP LOCKED`` where the database has it, and taken by a guarded ``UPDATE``
everywhere, so that no two take the same. Those that were never asked about come first, then those
asked about longest ago: one that cannot be asked about does not keep the others from their turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
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


def waiting_payments(model: Any, merchant: str, before: datetime) -> tuple[Any, ...]:
    """Returns the condition for payments that wait.

    :param before: those that were created earlier.
    """
    return (
        model.merchant == merchant,
        model.trade_status.in_(_UNPAID),
        model.created_at < before,
    )


def waiting_refunds(model: Any, merchant: str, before: datetime) -> tuple[Any, ...]:
    """Returns the condition for refunds whose outcome is unknown.

    :param before: those that were created earlier.
    """
    return model.merchant == merchant, model.status == PROCESSING, model.created_at < before


def take(
    session: Session | scoped_session[Any], model: Any, condition: tuple[Any, ...]
) -> Iterator[Any]:
    """Takes row after row that meets a condition, and commits before it hands each over.

    The session is the caller's again between two rows, whatever becomes of its transaction.

    :param model: the app's class, of payments or of refunds.
    :param condition: what a row that waits meets.
    :returns: the rows, each to nobody else; ends where none is left that was not taken since the
        beginning.
    """
    until = utc_now() - LEASE
    free = or_(model.asked_at.is_(None), model.asked_at < until)
    fruitless = 0
    while fruitless < _TRIES:
        session.rollback()
        page = session.execute(
            select(model.id)
            .where(*condition, free)
            .order_by(model.asked_at.is_not(None), model.asked_at, model.id)
            .limit(_PAGE)
        ).scalars()
        fruitless += 1
        for number in list(page):
            row = _taken(session, model, (model.id == number, *condition, free))
            if row is not None:
                fruitless = 0
                yield row
    session.rollback()


def _taken(session: Any, model: Any, guard: tuple[Any, ...]) -> Any | None:
    session.rollback()
    found = select(model.id).where(*guard).with_for_update(skip_locked=True)
    taking = update(model).where(*guard).values(asked_at=utc_now())
    try:
        if session.execute(found).first() is None or not changed(session, taking):
            return None
        session.commit()
    except SQLAlchemyError as error:
        session.rollback()
        if was_overtaken(error):
            return None  # under stricter isolation that is how another one's claim shows
        raise
    return session.scalars(select(model).where(guard[0])).one_or_none()
