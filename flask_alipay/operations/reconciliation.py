"""What was lost is found: asks Alipay about everything that still waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..exceptions import AlipayError, InvalidParameter, OutcomeUnknown
from ..gateways.interface import RefundRequest
from ..ledger.leases import (
    PendingRows,
    count,
    lease_rows,
    oldest_pending,
    pending_payments,
    pending_refunds,
)
from ..ledger.references import reference_of
from ..ledger.refunds import SUCCESS
from ..models import utc_now
from ..protocol.trade_status import TradeStatus
from .alerts import alert_about_refunds, alert_about_rejection
from .queries import apply_update, close_expired, query_trade, snapshot_and_commit
from .refunds import query_refund, submit_refund

if TYPE_CHECKING:
    from ..merchant import Merchant

# After so many questions in a row without an answer, nobody is there to answer more of them.
_PENDING_TTL: Final = 10
# An age that everything that waits has reached, whatever another machine's clock says.
_NOT_YET: Final = timedelta(days=-1)


@dataclass(frozen=True)
class ReconcileItem:
    """What was heard of one payment or refund."""

    out_trade_no: str
    #: ``paid``, ``closed``, ``waiting``, ``refunded``, ``refund_waiting``, ``refund_refused`` or
    #: ``trouble``.
    outcome: str
    #: In trouble: what the matter is.
    error: AlipayError | None = None
    #: The shop's own order number, empty if there is none.
    reference: str = ""


class Skipped(NamedTuple):
    """What waits and was not queried."""

    #: Payments and refunds that were created too recently.
    younger: int
    #: Those beyond the limit or, without one, those that another process has just queried.
    others: int
    #: Refunds at a gateway that has no query for them.
    refunds: int


@dataclass
class ReconcileReport:
    """What came of asking about everything that waits. Numbers of payments, but for refunds."""

    #: Sales that are settled now.
    paid: int = 0
    #: Closed without being paid.
    closed: int = 0
    #: Neither yet.
    waiting: int = 0
    #: Refunds that are done now, not done yet, and refused by Alipay.
    refunded: int = 0
    refund_waiting: int = 0
    refund_refused: int = 0
    #: Those that could not be asked about, or whose answer could not be settled.
    failures: list[ReconcileItem] = field(default_factory=list)
    #: Whether it was given up, since no answer came any more.
    aborted: bool = False

    @property
    def queried(self) -> int:
        """How many were asked about."""
        return sum((self.paid, self.closed, self.waiting, len(self.failures), self.refunds))

    @property
    def refunds(self) -> int:
        """How many refunds were asked about and answered."""
        return self.refunded + self.refund_waiting + self.refund_refused

    def count(self, found: ReconcileItem) -> None:
        """Adds one."""
        if found.outcome == "trouble":
            self.failures.append(found)
        else:
            setattr(self, found.outcome, getattr(self, found.outcome) + 1)
        silent = isinstance(found.error, OutcomeUnknown)
        self._silent = self._silent + 1 if silent else 0
        self.aborted = self._silent >= _PENDING_TTL

    _silent: int = field(default=0, repr=False)


class ReconcileRun:
    """One time through everything that waits: iterate over it, stop whenever you like.

    :param merchant: the merchant of the current app.
    :param older_than: leaves out what is younger.
    :param limit: the most to ask about.
    :raises InvalidParameter: if one of them is negative.
    """

    def __init__(self, merchant: Merchant, older_than: timedelta, limit: int | None) -> None:
        if older_than < timedelta(0):
            raise InvalidParameter("older_than", "must not be negative")
        if limit is not None and limit < 0:
            raise InvalidParameter("limit", "must not be negative")
        self._merchant = merchant
        self._older_than = older_than
        self._limit = limit
        self._due = _count_waiting(merchant, older_than)
        #: What came of it so far.
        self.summary = ReconcileReport()

    def __iter__(self) -> Iterator[ReconcileItem]:
        for found in islice(_all(self._merchant, self._older_than), self._limit):
            self.summary.count(found)
            yield found
            if self.summary.aborted:
                break
        alert_about_refunds(self._merchant)

    def count(self) -> int:
        """Returns how many there are to ask about, for a progress bar."""
        return self._due if self._limit is None else min(self._due, self._limit)

    def skipped(self) -> Skipped:
        """Return what was not queried; call it after the iteration."""
        merchant = self._merchant
        younger = _count_waiting(merchant, _NOT_YET) - _count_waiting(merchant, self._older_than)
        others = 0 if self.summary.aborted else self._due - self.summary.queried
        return Skipped(max(0, younger), max(0, others), _count_unqueried_refunds(merchant))


def reconcile(merchant: Merchant, older_than: timedelta, limit: int | None) -> ReconcileReport:
    """See :meth:`~flask_alipay.AlipayBlueprint.reconcile`."""
    once = ReconcileRun(merchant, older_than, limit)
    for _ in once:
        pass
    return once.summary


def _count_waiting(merchant: Merchant, older_than: timedelta) -> int:
    """Returns how many payments and refunds wait."""
    number = sum(count(merchant.session, waiting) for waiting in _waiting(merchant, older_than))
    merchant.session.rollback()
    return number


def _count_unqueried_refunds(merchant: Merchant) -> int:
    """Return how many refunds wait for a notification, since the gateway has no query for them."""
    Refund = merchant.models.Refund
    if Refund is None or "query_refund" not in merchant.gateway.unsupported:
        return 0
    number = count(merchant.session, pending_refunds(Refund, merchant.config.merchant, utc_now()))
    merchant.session.rollback()
    return number


def _waiting(merchant: Merchant, older_than: timedelta) -> tuple[PendingRows, ...]:
    """Return what can be queried: refunds only if the gateway has such a query."""
    before, number = utc_now() - older_than, merchant.config.merchant
    models = merchant.models
    payments = pending_payments(models.Payment, number, before)
    if models.Refund is None or "query_refund" in merchant.gateway.unsupported:
        return (payments,)
    return pending_refunds(models.Refund, number, before), payments


def _all(merchant: Merchant, older_than: timedelta) -> Iterator[ReconcileItem]:
    """Asks about refunds and payments in turns, the longest wait first: a limit must not leave the
    refunds to the day on which fewer payments wait than that.
    """
    since = [
        (oldest_pending(merchant.session, each), each) for each in _waiting(merchant, older_than)
    ]
    merchant.session.rollback()
    waiting = [(moment, each) for moment, each in since if moment is not None]
    left = [_each(merchant, each) for _, each in sorted(waiting, key=itemgetter(0))]
    while left:
        for kind in tuple(left):
            found = next(kind, None)
            if found is None:
                left.remove(kind)
            else:
                yield found


def _each(merchant: Merchant, waiting: PendingRows) -> Iterator[ReconcileItem]:
    about = _query if waiting.status == "trade_status" else _finish
    return (about(merchant, row) for row in lease_rows(merchant.session, waiting))


def _query(merchant: Merchant, payment: Any) -> ReconcileItem:
    number, reference = payment.out_trade_no, reference_of(payment)
    try:
        snapshot = snapshot_and_commit(merchant, payment)
        state = close_expired(snapshot, query_trade(snapshot))
        payment = apply_update(merchant, snapshot, state.report)
        if payment is None:
            return ReconcileItem(number, "waiting")  # it was deleted meanwhile
        closed = payment.trade_status == TradeStatus.TRADE_CLOSED
        what = "paid" if payment.paid else "closed" if closed else "waiting"
        return ReconcileItem(number, what, reference=reference)
    except AlipayError as error:
        merchant.session.rollback()
        alert_about_rejection(merchant, error)
        return ReconcileItem(number, "trouble", error, reference)


def _finish(merchant: Merchant, row: Any) -> ReconcileItem:
    """Hears of a refund or, where Alipay knows nothing of it, asks for it again: the same one."""
    number, request_no, reason = row.out_trade_no, row.out_request_no, row.reason
    refund_fen, reference = row.refund_fen, ""
    try:
        ledger = merchant.ledger()
        payment = ledger.find(number)
        if payment is None:
            return ReconcileItem(number, "refund_waiting")
        reference = reference_of(payment)
        trade_no, gateway = payment.trade_no, snapshot_and_commit(merchant, payment).gateway
        request = RefundRequest(
            number, trade_no, request_no, refund_fen, reason, repeated=True, undecided=True
        )
        if not query_refund(merchant, ledger, gateway, request):
            submit_refund(merchant, ledger, gateway, request)
        return ReconcileItem(number, "refunded", reference=reference)
    except AlipayError as error:
        merchant.session.rollback()
        refunds = merchant.ledger().refunds
        row = refunds.find(number, request_no) if refunds is not None else None
        status = row.status if row is not None else SUCCESS
        merchant.session.rollback()
        alert_about_rejection(merchant, error)
        refused = not isinstance(error, OutcomeUnknown) and status.startswith("ACQ.")
        return ReconcileItem(number, "refund_refused" if refused else "trouble", error, reference)
