"""Comparison of Alipay's bill with the ledger, without changes to either.

Rows are looked up in batches, in both directions, and differences are yielded at once: the memory
used depends on the size of neither the bill nor the ledger.
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

#: In the bill but not in the ledger: another shop of the same account, or a lost row.
PAYMENT_UNKNOWN: Final = "payment_unknown"
#: In the bill; the ledger's payment is not paid.
PAYMENT_NOT_PAID: Final = "payment_not_paid"
#: Paid in the ledger but not in the bill.
PAYMENT_NOT_IN_BILL: Final = "payment_not_in_bill"
#: Paid in both, with different amounts.
PAYMENT_AMOUNT: Final = "payment_amount"
#: Refunded in the bill; the ledger has no such refund.
REFUND_UNKNOWN: Final = "refund_unknown"
#: Refunded in the bill; the ledger's refund was requested and is not done.
REFUND_NOT_DONE: Final = "refund_not_done"
#: Refunded in the ledger but not in the bill.
REFUND_NOT_IN_BILL: Final = "refund_not_in_bill"
#: Refunded in both, with different amounts.
REFUND_AMOUNT: Final = "refund_amount"

# The bill is in yuan.
_CURRENCY: Final = "CNY"
# The notification of a refund made in Alipay's console may arrive a day after the refund.
_NOTIFICATION_DELAY: Final = timedelta(days=2)
# The longest time between a payment's creation and its refund.
_REFUNDABLE: Final = timedelta(days=400)
# A label that no column of an application has.
_LABELS: Final = ("flask_alipay_app_auth_token", "flask_alipay_auth_app_id")


@dataclass(frozen=True)
class Difference:
    """One difference between the bill and the ledger."""

    #: :data:`PAYMENT_UNKNOWN` or another of these constants.
    kind: str
    out_trade_no: str
    trade_no: str | None
    #: The number of the refund, if the difference is about a refund that has a number.
    out_request_no: str | None
    #: The bill's amount in fen; ``None`` if the bill has none.
    bill_fen: int | None
    #: The ledger's amount in fen; ``None`` if the ledger has none.
    ledger_fen: int | None
    #: The status of the ledger's row: the payment's ``trade_status`` or the refund's ``status``.
    status: str | None
    #: The bill's time if the bill has the row, otherwise the ledger's; aware UTC.
    at: datetime | None


def compare_bill(
    session: Session, models: Models, merchant: str, rows: Iterable[BillRow], period: BillPeriod
) -> Iterator[Difference]:
    """Yield the differences between the bill of a period and the ledger.

    A payment in the ledger belongs to the period in which it was paid (``paid_at``). A refund
    belongs to the period if it was both requested and done in it: the ledger does not know the
    exact time of Alipay's refund. Without a class for refunds, only the sum of a payment's refunds
    is compared. For a payment in another currency, only its presence is compared.

    :param session: the application's session; only used for reading.
    :param models: the application's classes.
    :param merchant: the ``app_id`` or ``partner`` whose payments are compared.
    :param rows: all rows of the bill; may be empty.
    :param period: the period of the bill.
    :raises InvalidBill: if ``rows`` raise it, before the first difference is yielded.
    """
    with BillTable(rows) as bill:
        side = _Ledger(session, models, merchant, period)
        for orders in bill.orders():
            yield from side.compare_orders(orders)
        yield from side.missing_payments(bill)
        yield from side.missing_refunds(bill)


def merchants_of(
    session: Session, models: Models, merchant: str, period: BillPeriod
) -> dict[tuple[str | None, str | None], str]:
    """Return the authorizations whose bills of a period may contain the ledger's payments.

    :param session: the application's session; its transaction is rolled back.
    :param merchant: the ``app_id`` or ``partner`` whose payments are selected.
    :returns: for each ``app_auth_token`` and ``auth_app_id`` (``None``: payments without one) the
        number of a payment.
    """
    Payment: Any = entity_of(cast("Any", models.Payment))
    token = Payment.details["app_auth_token"].as_string().label(_LABELS[0])
    statement = (
        select(token, Payment.auth_app_id.label(_LABELS[1]), func.min(Payment.out_trade_no))
        .where(
            exactly(Payment.merchant, merchant),
            Payment.created_at >= period.since - _REFUNDABLE,
            Payment.created_at < period.until,
        )
        .group_by(*_LABELS)
    )
    rows: Sequence[Any] = unfiltered(session, statement).all()
    session.rollback()
    return {(token, auth_app_id): number for token, auth_app_id, number in rows}


class _Ledger:
    """The ledger's side of the comparison."""

    def __init__(self, session: Session, models: Models, merchant: str, period: BillPeriod) -> None:
        self._session = session
        self._payment: Any = entity_of(cast("Any", models.Payment))
        self._refund: Any = models.Refund and entity_of(cast("Any", models.Refund))
        self._merchant = merchant
        self._period = period

    def compare_orders(self, orders: dict[str, list[BillEntry]]) -> Iterator[Difference]:
        """Yield the differences of orders that are in the bill."""
        payments = {row.out_trade_no: row for row in self._payments(list(orders))}
        refunds: dict[str, list[Any]] = {}
        for row in self._refunds(list(orders)):
            refunds.setdefault(row.out_trade_no, []).append(row)
        for number, entries in orders.items():
            yield from self._order(entries, payments.get(number), refunds.get(number, []))

    def missing_payments(self, bill: BillTable) -> Iterator[Difference]:
        """Yield the paid payments that are not in the bill."""
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
            in_bill = bill.trades([row.out_trade_no for row in rows], refund=False)
            for row in rows:
                if (row.out_trade_no, row.trade_no) not in in_bill:
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
        """Yield the refunds of payments without any refund in the bill.

        :meth:`compare_orders` yields the other missing refunds.
        """
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
            in_bill = bill.trades([row.out_trade_no for row in rows], refund=True)
            for row in rows:
                if (row.out_trade_no, row.trade_no) not in in_bill:
                    yield _not_in_bill(row, row.trade_no)

    def _order(
        self, entries: list[BillEntry], payment: Any, refunds: list[Any]
    ) -> Iterator[Difference]:
        refunded = []
        for entry in entries:
            if payment is None or payment.trade_no not in (None, entry.trade_no):
                yield _in_bill(REFUND_UNKNOWN if entry.refund else PAYMENT_UNKNOWN, entry)
            elif entry.refund:
                refunded.append(entry)
            else:
                yield from _compare_payment(entry, payment)
        if refunded and payment.currency == _CURRENCY:
            if self._refund is None:
                yield from _compare_sum(refunded, payment)
            else:
                yield from self._compare_refunds(refunded, refunds, payment.trade_no)

    def _compare_refunds(
        self, entries: list[BillEntry], rows: list[Any], trade_no: str | None
    ) -> Iterator[Difference]:
        """Match the refunds of one payment by number, then by amount, then by their sum."""
        by_number = {row.out_request_no: row for row in rows}
        left, matched = [], set()
        for entry in entries:
            row = by_number.get(entry.out_request_no or "")
            if row is None:
                left.append(entry)
            else:
                matched.add(row.out_request_no)
                yield from _compare_refund(entry, row)
        rows = [
            row for row in rows if row.out_request_no not in matched and self._may_be_in_bill(row)
        ]
        for entry in list(left):
            same = next((row for row in rows if row.refund_fen == entry.fen), None)
            if same is not None:
                left.remove(entry)
                rows.remove(same)
        if sum(entry.fen for entry in left) != sum(row.refund_fen for row in rows):
            yield from (_in_bill(REFUND_UNKNOWN, entry) for entry in left)
            yield from (_not_in_bill(row, trade_no) for row in rows if self._must_be_in_bill(row))

    def _may_be_in_bill(self, row: Any) -> Any:
        """Return whether the bill may contain a refund under another number."""
        at, period = _utc(row.refunded_at), self._period
        latest = period.until + _NOTIFICATION_DELAY
        return row.status == SUCCESS and at and period.since <= at < latest

    def _must_be_in_bill(self, row: Any) -> Any:
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
        selected = (exactly(Refund.merchant, self._merchant), Refund.out_trade_no.in_(numbers))
        return unfiltered(self._session, statement.where(*selected)).all()

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
        """Yield a statement's rows in batches of :data:`BATCH`; ``id`` is the first column."""
        last = 0
        while rows := unfiltered(
            self._session, statement.where(key > last).order_by(key).limit(BATCH)
        ).all():
            yield rows
            last = rows[-1][0]


def _compare_payment(entry: BillEntry, payment: Any) -> Iterator[Difference]:
    ledger_state = (payment.total_fen, payment.trade_status)
    if not payment.paid:
        yield _in_bill(PAYMENT_NOT_PAID, entry, *ledger_state)
    elif payment.currency == _CURRENCY and payment.total_fen != entry.fen:
        yield _in_bill(PAYMENT_AMOUNT, entry, *ledger_state)


def _compare_refund(entry: BillEntry, row: Any) -> Iterator[Difference]:
    ledger_state = (row.refund_fen, row.status)
    if row.status != SUCCESS:
        yield _in_bill(REFUND_NOT_DONE, entry, *ledger_state)
    elif row.refund_fen != entry.fen:
        yield _in_bill(REFUND_AMOUNT, entry, *ledger_state)


def _compare_sum(entries: list[BillEntry], payment: Any) -> Iterator[Difference]:
    """Yield a difference if the bill has more refunds than the ledger; other refunds of the
    payment may be in the bills of other days.
    """
    fen = sum(entry.fen for entry in entries)
    if fen > payment.refunded_fen:
        ledger_state = (payment.refunded_fen, payment.trade_status)
        numbers = (payment.out_trade_no, entries[0].trade_no, None)
        yield Difference(REFUND_AMOUNT, *numbers, fen, *ledger_state, _parse_time(entries[-1].at))


def _in_bill(
    kind: str, entry: BillEntry, ledger_fen: int | None = None, status: str | None = None
) -> Difference:
    numbers = (entry.out_trade_no, entry.trade_no, entry.out_request_no)
    return Difference(kind, *numbers, entry.fen, ledger_fen, status, _parse_time(entry.at))


def _not_in_bill(row: Any, trade_no: str | None) -> Difference:
    numbers = (row.out_trade_no, trade_no, row.out_request_no)
    ledger_state = (None, row.refund_fen, row.status, _utc(row.refunded_at))
    return Difference(REFUND_NOT_IN_BILL, *numbers, *ledger_state)


def _parse_time(at: str | None) -> datetime | None:
    return None if at is None else datetime.fromisoformat(at)


def _utc(time: Any) -> Any:
    """Return a column's time as aware UTC: SQLite and MariaDB keep no zone."""
    if time is None or time.tzinfo is not None:
        return time
    return time.replace(tzinfo=timezone.utc)
