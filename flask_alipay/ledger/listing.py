"""Pages of the ledger's rows, the newest first, for lists of any length.

A page is read from indexes that begin with a status: a few rows of each status, newest first, are
merged. A page therefore costs the same in a table of a hundred rows and of a million, and a page is
continued after its last row (keyset pagination) instead of being counted from the start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, func, or_, select, union, union_all
from sqlalchemy.ext.associationproxy import AssociationProxyInstance
from sqlalchemy.orm import Session, scoped_session

from ..protocol.agreements import AgreementStatus
from ..protocol.preauthorizations import AuthorizationStatus
from ..protocol.trade_status import TradeStatus
from ..protocol.transfers import TransferStatus
from .exact_text import exactly
from .journal import OUTCOMES
from .references import reference_column
from .refunds import PROCESSING, SUCCESS
from .session import unfiltered

#: The maximum of rows that a search for a number returns.
MAX_MATCHES = 100
#: A shorter text is compared with whole numbers only, not with their beginnings.
MIN_PREFIX = 4

# A number's beginning up to its last letter or digit: collations sort other characters differently.
_SORTABLE = re.compile(r"(.*[0-9A-Za-z])?", re.ASCII | re.DOTALL)


class Position(NamedTuple):
    """The place of a row in a list."""

    #: Its time, aware UTC.
    at: datetime
    #: Its ``id``.
    id: int


@dataclass(frozen=True)
class Listing:
    """A selection of one merchant's rows of one class."""

    #: The application's class, on one of the mixins.
    model: Any
    merchant: str
    #: The attribute with the row's time.
    time: str
    #: Conditions that divide the rows by status, each served by an index that continues with the
    #: time.
    parts: Sequence[Any]
    #: The attributes to search for a number; each has an index.
    numbers: Sequence[Any]
    #: Further conditions, combined with AND.
    conditions: tuple[Any, ...] = ()
    #: A number, or its beginning; empty: no search.
    number: str = ""
    _column: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_column", getattr(self.model, self.time))

    def between(self, since: datetime | None, until: datetime | None) -> tuple[Any, ...]:
        """Return the conditions for a range of time.

        :param since: the first time, aware; ``None``: any.
        :param until: the end, exclusive; ``None``: any.
        """
        found = [self._column >= since] if since is not None else []
        return (*found, self._column < until) if until is not None else tuple(found)

    def page(self, size: int, after: Position | None = None) -> Select[Any]:
        """Return the statement for the rows that follow a position, the newest first.

        :param size: the maximum of rows; a search for a number has :data:`MAX_MATCHES` at most.
        :param after: the last row of the page before; ``None``: from the newest.
        """
        model = self.model
        return (
            select(model)
            .where(model.id.in_(select(self._ids(size, after).c.id)))
            .order_by(self._column.desc(), model.id.desc())
            .limit(size)
        )

    def where(self) -> tuple[Any, ...]:
        """Return the conditions of the whole selection, for sums."""
        matching: list[Any] = []
        if self.number:
            matching.append(or_(*(starts_with(each, self.number) for each in self.numbers)))
        return (*self._common(), *matching, or_(*self.parts))

    def _ids(self, size: int, after: Position | None) -> Any:
        common = self._common()
        if after is not None:
            # The first comparison alone bounds the index.
            common = (
                *common,
                self._column <= after.at,
                or_(self._column < after.at, self.model.id < after.id),
            )
        if self.number:
            return self._matches(common)
        id_, column = self.model.id, self._column
        pages = [
            select(id_.label("id"))
            .where(*common, part)
            .order_by(column.desc(), id_.desc())
            .limit(size)
            .subquery()
            for part in self.parts
        ]
        return union_all(*(select(page.c.id) for page in pages)).subquery()

    def _matches(self, common: tuple[Any, ...]) -> Any:
        """Select rows by number, with one query for each column's index: for a single query on all
        columns, a database may read the whole table.
        """
        found = []
        for column in self.numbers:
            conditions = (*common, starts_with(column, self.number), or_(*self.parts))
            by_number = select(self.model.id.label("id")).where(*conditions)
            if not isinstance(column, AssociationProxyInstance):
                by_number = by_number.order_by(column)
            found.append(by_number.limit(MAX_MATCHES).subquery())
        return union(*(select(each.c.id) for each in found)).subquery()

    def _common(self) -> tuple[Any, ...]:
        return (exactly(self.model.merchant, self.merchant), *self.conditions)


def payment_listing(model: Any, merchant: str, statuses: Sequence[str] = ()) -> Listing:
    """Return a selection of payments by the time of their creation.

    :param model: the application's class.
    :param statuses: trade statuses; empty: all.
    """
    parts = [model.trade_status == status for status in statuses or TradeStatus.ALL]
    numbers = [model.out_trade_no, model.trade_no, model.buyer_id, model.buyer_open_id]
    reference = reference_column(model)
    if reference is not None:
        numbers.append(reference)
    return Listing(model, merchant, "created_at", parts, numbers)


def refund_listing(model: Any, merchant: str, kind: str = "") -> Listing:
    """Return a selection of refunds by the time of their creation.

    :param model: the application's class.
    :param kind: ``processing``, ``success`` or ``rejected``; empty: all.
    """
    status = model.status
    parts = {
        "processing": [status == PROCESSING],
        "success": [status == SUCCESS],
        # A rejected refund has Alipay's code as its status.
        "rejected": [
            status < PROCESSING,
            and_(status > PROCESSING, status < SUCCESS),
            status > SUCCESS,
        ],
    }
    chosen = parts[kind] if kind else [part for each in parts.values() for part in each]
    numbers = [model.out_request_no, model.out_trade_no]
    return Listing(model, merchant, "created_at", chosen, numbers)


def transfer_listing(model: Any, merchant: str, statuses: Sequence[str] = ()) -> Listing:
    """Return a selection of transfers by the time of their creation.

    :param model: the application's class.
    :param statuses: empty: all.
    """
    parts = [model.status == status for status in statuses or TransferStatus.ALL]
    return Listing(model, merchant, "created_at", parts, [model.out_biz_no, model.order_id])


def authorization_listing(model: Any, merchant: str, statuses: Sequence[str] = ()) -> Listing:
    """Return a selection of authorizations by the time of their creation.

    :param model: the application's class.
    :param statuses: empty: all.
    """
    parts = [model.status == status for status in statuses or AuthorizationStatus.ALL]
    return Listing(model, merchant, "created_at", parts, [model.out_order_no, model.auth_no])


def agreement_listing(model: Any, merchant: str, statuses: Sequence[str] = ()) -> Listing:
    """Return a selection of agreements by the time of their creation.

    :param model: the application's class.
    :param statuses: empty: all.
    """
    parts = [model.status == status for status in statuses or AgreementStatus.ALL]
    numbers = [model.external_agreement_no, model.agreement_no]
    return Listing(model, merchant, "created_at", parts, numbers)


def journal_listing(model: Any, merchant: str, outcomes: Sequence[str] = ()) -> Listing:
    """Return a selection of the journal's rows by the time of their receipt.

    :param model: the application's class.
    :param outcomes: empty: all.
    """
    parts = [model.outcome == outcome for outcome in outcomes or OUTCOMES]
    return Listing(model, merchant, "received_at", parts, [model.out_trade_no, model.notify_id])


def read_rows(session: Session | scoped_session[Any], statement: Select[Any]) -> list[Any]:
    """Return the objects that a statement selects, ignoring the session's filters."""
    return list(unfiltered(session, statement).scalars().unique())


def read_all(
    session: Session | scoped_session[Any], listing: Listing, size: int = 500
) -> Iterator[Any]:
    """Yield all rows of a selection, the newest first, with one page in memory at a time.

    :param size: rows for each page.
    """
    after: Position | None = None
    while True:
        rows = read_rows(session, listing.page(size, after))
        for row in rows:
            after = Position(getattr(row, listing.time), row.id)
            yield row
            session.expunge(row)
        if len(rows) < size:
            return


def starts_with(column: Any, text: str) -> Any:
    """Return the condition for texts that equal a text or, if it is long enough, begin with it.

    Every database serves the range from an index in every collation. The beginning is compared as
    well: the range is wider, and ``LIKE`` would ignore case on SQLite. An association proxy can be
    compared with whole texts only.
    """
    if isinstance(column, AssociationProxyInstance):
        return column == text
    if len(text) < MIN_PREFIX:
        return exactly(column, text)
    low = _sortable_beginning(text)
    high = _next(low)
    found = [func.substr(column, 1, len(text)) == text]
    if low:
        found.append(column >= low)
    if high:
        found.append(column < high)
    return and_(*found)


def _sortable_beginning(text: str) -> str:
    found = _SORTABLE.match(text)
    return found[0] if found else ""


def _next(text: str) -> str:
    """Return the least text above all that begin with the given one, or an empty text if collations
    disagree. Digits sort before letters, and letters in the order of the alphabet.
    """
    for length in range(len(text), 0, -1):
        last = text[length - 1]
        if not (last.isascii() and last.isalnum()):
            return ""
        if last not in "9zZ":
            return text[: length - 1] + chr(ord(last) + 1)
    return ""
