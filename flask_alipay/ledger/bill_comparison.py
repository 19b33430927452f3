"""Alipay's bill held against the ledger: each payment and refund that only one of them has.

Nothing is changed. Rows are looked up some hundreds at a time, in both directions, and what was
found is handed on at once: memory does not grow with the bill, nor with the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final, cast

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from ..gateways.openapi.bill import BillPeriod, BillRow
from .bill_table import BATCH, BillEntry, BillTable
from .exact_text import exactly
from .refunds import SUCCESS
from .session import unfiltered
from .settlement import Models
from .tables import entity_of

#: Paid at Alipay, and no such payment here: another shop of the same account, or a lost row.
PAYMENT_UNKNOWN: Final = "payment_unknown"
#: Paid at Alipay, and not here.
PAYMENT_NOT_PAID: Final = "payment_not_paid"
#: Paid here, and not in the bill.
PAYMENT_NOT_IN_BILL: Final = "payment_not_in_bill"
#: Paid in both, another amount.
PAYMENT_AMOUNT: Final = "payment_amount"
#: Refunded at Alipay, and no such refund here.
REFUND_UNKNOWN: Final = "refund_unknown"
#: Refunded at Alipay; here it was asked for, and is not done.
REFUND_NOT_DONE: Final = "refund_not_done"
#: Refunded here, and not in the bill.
REFUND_NOT_IN_BILL: Final = "refund_not_in_bill"
#: Refunded in both, another amount.
REFUND_AMOUNT: Final = "refund_amount"

# The bill is in yuan.
_CURRENCY: Final = "CNY"
# A refund that was made in Alipay's console is here when its news came; that may take a day.
_NEWS: Final = timedelta(days=2)
# For how long after it was created a payment may be paid and refunded.
_REFUNDABLE: Final = timedelta(days=400)
# Of a column that no table has.
_LABEL: Final = "flask_alipay_app_auth_token"


@dataclass(frozen=True)
class Difference:
    """One thing that the bill and the ledger do not agree about."""

    #: :data:`PAYMENT_UNKNOWN` or another of these words.
    kind: str
    out_trade_no: str
    trade_no: str | None
    #: The number of the refund, where it is about one that has a number.
    out_request_no: str | None
    #: What the bill says, in fen; ``None``: nothing.
    bill_fen: int | None
    #: What the ledger says, in fen; ``None``: nothing.
    ledger_fen: int | None
    #: Where the ledger's row stands: its ``trade_status``, or the refund's ``status``.
    status: str | None
    #: When: the bill's time where it is in the bill, otherwise the ledger's; aware UTC.
    at: datetime | None


def compare_bill(
    session: Session, models: Models, merchant: str, rows: Iterable[BillRow], period: BillPeriod
) -> Iterator[Difference]:
    """Tells what the bill of a period and the ledger do not agree about.

    A payment of the ledger's belongs to the period in which it was paid (``paid_at``). A refund
    belongs to it if it was asked for and done in it: when exactly Alipay made it the ledger does
    not know. Without a class for refunds, only their sum is compared; of a payment in another
    currency only whether it is there.

    :param session: the app's; only read with.
    :param models: the app's classes.
    :param merchant: the ``app_id`` or ``partner`` whose payments count.
    :param rows: the whole bill; an empty one is possible.
    :param period: what it is the bill of.
    :raises InvalidBill: as ``rows`` do, before anything is told.
    """
    with BillTable(rows) as bill:
        side = _Ledger(session, models, merchant, period)
        for orders in bill.orders():
            yield from side.compare_orders(orders)
        yield from side.missing_payments(bill)
        yield from side.missing_refunds(bill)


def merchants_of(
    session: Session, models: Models, merchant: str, period: BillPeriod
) -> dict[str | None, str]:
    """Return the merchants whose bills of a period may hold the ledger's payments.

    :param session: the application's; its transaction is rolled back.
    :param merchant: the ``app_id`` or ``partner`` whose payments count.
    :returns: for each ``app_auth_token``, ``None`` without one of its own, the number of a payment.
    """
    Payment: Any = entity_of(cast("Any", models.Payment))
    token = Payment.details["app_auth_token"].as_string().label(_LABEL)
    statement = (
        select(token, func.min(Payment.out_trade_no))
        .where(
            exactly(Payment.merchant, merchant),
            Payment.created_at >= period.since - _REFUNDABLE,
            Payment.created_at < period.until,
        )
        .group_by(_LABEL)
    )
    rows: Sequence[Any] = unfiltered(session, statement).all()
    session.rollback()
    return dict(rows)


class _Ledger:
    """The ledger's side."""

    def __init__(self, session: Session, models: Models, merchant: str, period: BillPeriod) -> None:
        self._session = session
        self._payment: Any = entity_of(cast("Any", models.Payment))
        self._refund: Any = models.Refund and entity_of(cast("Any", models.Refund))
        self._merchant = merchant
        self._period = period

    def compare_orders(self, orders: dict[str, list[BillEntry]]) -> Iterator[Difference]:
        """What there is to say of orders that are in the bill."""
        payments = {row.out_trade_no: row for row in self._payments(list(orders))}
        refunds: dict[str, list[Any]] = {}
        for row in self._refunds(list(orders)):
            refunds.setdefault(row.out_trade_no, []).append(row)
        for number, entries in orders.items():
            yield from self._order(entries, payments.get(number), refunds.get(number, []))

    def missing_payments(self, bill: BillTable) -> Iterator[Difference]:
        """The payments that are not in the bill."""
        Payment, period = self._payment, self._period
        statement = select(
            Payment.id,
            Payment.out_trade_no,
            Payment.trade_no,
            Payment.total_fen,
            Payment.trade_status,
            Payment.paid_at,
        ).where(
            exactly(Payment.merchant, self._merchant),
            exactly(Payment.currency, _CURRENCY),
            Payment.paid.is_(True),
            Payment.paid_at >= period.since,
            Payment.paid_at < period.until,
        )
        for rows in self._all(statement, Payment.id):
            there = bill.trades([row.out_trade_no for row in rows], refund=False)
            for row in rows:
                if (row.out_trade_no, row.trade_no) not in there:
                    yield Difference(
                        PAYMENT_NOT_IN_BILL,
                        row.out_trade_no,
                        row.trade_no,
                        None,
                        None,
                        row.total_fen,
                        row.trade_status,
                        _utc(row.paid_at),
                    )

    def missing_refunds(self, bill: BillTable) -> Iterator[Difference]:
        """The refunds of payments of which the bill has none; :meth:`against` has the others."""
        if self._refund is None:
            return
        Payment, Refund, period = self._payment, self._refund, self._period
        statement = (
            select(Refund.id, *self._columns_of_refund(), Payment.trade_no)
            .join(Payment, Payment.out_trade_no == Refund.out_trade_no)
            .where(
                exactly(Refund.merchant, self._merchant),
                exactly(Payment.merchant, self._merchant),
                exactly(Payment.currency, _CURRENCY),
                Refund.status == SUCCESS,
                Refund.created_at >= period.since,
                Refund.refunded_at < period.until,
            )
        )
        for rows in self._all(statement, Refund.id):
            there = bill.trades([row.out_trade_no for row in rows], refund=True)
            for row in rows:
                if (row.out_trade_no, row.trade_no) not in there:
                    yield _not_in_bill(row, row.trade_no)

    def _order(
        self, entries: list[BillEntry], payment: Any, refunds: list[Any]
    ) -> Iterator[Difference]:
        back = []
        for entry in entries:
            if payment is None or payment.trade_no not in (None, entry.trade_no):
                yield _in_bill(REFUND_UNKNOWN if entry.refund else PAYMENT_UNKNOWN, entry)
            elif entry.refund:
                back.append(entry)
            else:
                yield from _paid(entry, payment)
        if back and payment.currency == _CURRENCY:
            if self._refund is None:
                yield from _sums(back, payment)
            else:
                yield from self._refunded(back, refunds, payment.trade_no)

    def _refunded(
        self, entries: list[BillEntry], rows: list[Any], trade_no: str | None
    ) -> Iterator[Difference]:
        """The refunds of one payment: by their numbers, what is left by amount, or all in a sum."""
        named = {row.out_request_no: row for row in rows}
        left, met = [], set()
        for entry in entries:
            row = named.get(entry.out_request_no or "")
            if row is None:
                left.append(entry)
            else:
                met.add(row.out_request_no)
                yield from _done(entry, row)
        rows = [row for row in rows if row.out_request_no not in met and self._may_be_here(row)]
        for entry in list(left):
            same = next((row for row in rows if row.refund_fen == entry.fen), None)
            if same is not None:
                left.remove(entry)
                rows.remove(same)
        if sum(entry.fen for entry in left) != sum(row.refund_fen for row in rows):
            yield from (_in_bill(REFUND_UNKNOWN, entry) for entry in left)
            yield from (_not_in_bill(row, trade_no) for row in rows if self._must_be_here(row))

    def _may_be_here(self, row: Any) -> Any:
        """Whether a refund may be one of this bill under another number."""
        at, period = _utc(row.refunded_at), self._period
        return row.status == SUCCESS and at and period.since <= at < period.until + _NEWS

    def _must_be_here(self, row: Any) -> Any:
        created, at = _utc(row.created_at), _utc(row.refunded_at)
        return created >= self._period.since and at < self._period.until

    def _payments(self, numbers: Sequence[str]) -> Sequence[Any]:
        Payment = self._payment
        return unfiltered(
            self._session,
            select(
                Payment.out_trade_no,
                Payment.trade_no,
                Payment.paid,
                Payment.trade_status,
                Payment.currency,
                Payment.total_fen,
                Payment.refunded_fen,
            ).where(exactly(Payment.merchant, self._merchant), Payment.out_trade_no.in_(numbers)),
        ).all()

    def _refunds(self, numbers: Sequence[str]) -> Sequence[Any]:
        if self._refund is None:
            return ()
        Refund = self._refund
        statement = select(*self._columns_of_refund()).order_by(Refund.id)
        mine = (exactly(Refund.merchant, self._merchant), Refund.out_trade_no.in_(numbers))
        return unfiltered(self._session, statement.where(*mine)).all()

    def _columns_of_refund(self) -> tuple[Any, ...]:
        Refund = self._refund
        return (
            Refund.out_trade_no,
            Refund.out_request_no,
            Refund.refund_fen,
            Refund.status,
            Refund.created_at,
            Refund.refunded_at,
        )

    def _all(self, statement: Select[Any], key: Any) -> Iterator[Sequence[Any]]:
        """Goes through a statement's rows, some hundreds at a time; ``id`` is the first column."""
        last = 0
        while rows := unfiltered(
            self._session, statement.where(key > last).order_by(key).limit(BATCH)
        ).all():
            yield rows
            last = rows[-1][0]


def _paid(entry: BillEntry, payment: Any) -> Iterator[Difference]:
    told = (payment.total_fen, payment.trade_status)
    if not payment.paid:
        yield _in_bill(PAYMENT_NOT_PAID, entry, *told)
    elif payment.currency == _CURRENCY and payment.total_fen != entry.fen:
        yield _in_bill(PAYMENT_AMOUNT, entry, *told)


def _done(entry: BillEntry, row: Any) -> Iterator[Difference]:
    told = (row.refund_fen, row.status)
    if row.status != SUCCESS:
        yield _in_bill(REFUND_NOT_DONE, entry, *told)
    elif row.refund_fen != entry.fen:
        yield _in_bill(REFUND_AMOUNT, entry, *told)


def _sums(entries: list[BillEntry], payment: Any) -> Iterator[Difference]:
    """More went back than the ledger knows; less may have gone back on other days."""
    fen = sum(entry.fen for entry in entries)
    if fen > payment.refunded_fen:
        told = (payment.refunded_fen, payment.trade_status)
        numbers = (payment.out_trade_no, entries[0].trade_no, None)
        yield Difference(REFUND_AMOUNT, *numbers, fen, *told, _parse_time(entries[-1].at))


def _in_bill(
    kind: str, entry: BillEntry, ledger_fen: int | None = None, status: str | None = None
) -> Difference:
    numbers = (entry.out_trade_no, entry.trade_no, entry.out_request_no)
    return Difference(kind, *numbers, entry.fen, ledger_fen, status, _parse_time(entry.at))


def _not_in_bill(row: Any, trade_no: str | None) -> Difference:
    numbers = (row.out_trade_no, trade_no, row.out_request_no)
    told = (None, row.refund_fen, row.status, _utc(row.refunded_at))
    return Difference(REFUND_NOT_IN_BILL, *numbers, *told)


def _parse_time(at: str | None) -> datetime | None:
    return None if at is None else datetime.fromisoformat(at)


def _utc(when: Any) -> Any:
    """A column's time: some databases give the digits alone."""
    if when is None or when.tzinfo is not None:
        return when
    return when.replace(tzinfo=timezone.utc)
