"""Items for an operator: problems in the journal, overdue refunds, recently queried payments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import select, union_all
from sqlalchemy.orm import Session, scoped_session

from ..protocol.trade_status import TradeStatus
from .exact_text import exactly
from .listing import Listing, journal_listing, read_rows, refund_listing
from .settlement import Models

#: Problems older than this are history.
RECENT: Final = timedelta(days=30)
#: Alipay's result of a refund takes seconds; after this time it is overdue.
OVERDUE: Final = timedelta(hours=1)
_PROBLEMS: Final = ("mismatched", "callback_failed", "unknown")
_MAX_ROWS: Final = 50


class Problems(NamedTuple):
    """Unsolved problems and overdue refunds, the newest first."""

    #: Rows of the journal of the last 30 days whose payment has not been settled since.
    journal: Sequence[Any]
    #: Refunds whose result has been unknown for an hour.
    refunds: Sequence[Any]
    #: ``True`` if there are more than listed.
    more: bool


def open_problems(
    session: Session | scoped_session[Any], models: Models, merchant: str, now: datetime
) -> Problems:
    """Read the problems that need an operator.

    A failed callback and a mismatch are solved once a later report about the same payment was
    settled, or a report about an unknown payment once the payment is there and was settled.

    :param now: aware UTC.
    """
    journal, refunds = [], []
    if models.Notification is not None:
        listing = journal_listing(models.Notification, merchant, _PROBLEMS)
        ranged = _limited(listing, now - RECENT, None)
        journal = read_rows(session, ranged.page(_MAX_ROWS + 1))
    if models.Refund is not None:
        listing = refund_listing(models.Refund, merchant, "processing")
        refunds = read_rows(session, _limited(listing, None, now - OVERDUE).page(_MAX_ROWS + 1))
    more = len(journal) > _MAX_ROWS or len(refunds) > _MAX_ROWS
    unsolved = _unsolved(session, models, merchant, journal[:_MAX_ROWS])
    return Problems(unsolved, refunds[:_MAX_ROWS], more)


def recently_queried(
    session: Session | scoped_session[Any], models: Models, merchant: str, size: int = 10
) -> Sequence[Any]:
    """Read the payments that reconciliation queried most recently, the newest first."""
    Payment: Any = models.Payment
    pages = [
        select(Payment.id.label("id"))
        .where(
            exactly(Payment.merchant, merchant),
            Payment.trade_status == status,
            Payment.asked_at.is_not(None),
        )
        .order_by(Payment.asked_at.desc())
        .limit(size)
        .subquery()
        for status in TradeStatus.ALL
    ]
    ids = union_all(*(select(page.c.id) for page in pages)).subquery()
    found = select(Payment).where(Payment.id.in_(select(ids.c.id)))
    return read_rows(session, found.order_by(Payment.asked_at.desc()).limit(size))


def _limited(listing: Listing, since: datetime | None, until: datetime | None) -> Listing:
    return replace(listing, conditions=listing.between(since, until))


def _unsolved(
    session: Session | scoped_session[Any], models: Models, merchant: str, problems: Sequence[Any]
) -> list[Any]:
    """Leave out the problems after which a report about the same payment was settled."""
    numbers = {row.out_trade_no for row in problems}
    if not numbers:
        return []
    model: Any = models.Notification
    settled = select(model).where(
        exactly(model.merchant, merchant),
        model.out_trade_no.in_(numbers),
        model.outcome == "settled",
    )
    last: dict[str, int] = {}
    for row in read_rows(session, settled):
        last[row.out_trade_no] = max(row.id, last.get(row.out_trade_no, 0))
    found: dict[tuple[str, str], Any] = {}
    for row in problems:  # Alipay retries: the newest of each kind is enough
        if row.id > last.get(row.out_trade_no, 0):
            found.setdefault((row.out_trade_no, row.outcome), row)
    return list(found.values())
