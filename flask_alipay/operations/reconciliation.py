"""Reconciliation: query pending payments, refunds, transfers, agreements and authorizations at
Alipay, and settle the responses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from ..exceptions import (
    AlipayError,
    DeductionFailed,
    GatewayError,
    InvalidParameter,
    OutcomeUnknown,
)
from ..gateways.interface import RefundRequest
from ..ledger.leases import (
    PendingRows,
    count,
    lease_rows,
    oldest_pending,
    pending_payments,
    pending_refunds,
    pending_transfers,
)
from ..ledger.references import reference_of
from ..ledger.refunds import SUCCESS
from ..models import AgreementMixin, AuthorizationMixin, RefundMixin, TransferMixin, utc_now
from ..protocol.trade_status import TradeStatus
from ..protocol.transfers import TransferStatus
from .alerts import alert_about_refunds, alert_about_rejection, alert_about_transfers
from .queries import apply_update, close_expired, query_and_record, snapshot_and_commit
from .reconcile_report import ReconcileItem as ReconcileItem
from .reconcile_report import ReconcileReport as ReconcileReport
from .reconcile_report import Skipped as Skipped
from .refunds import query_refund, submit_refund

if TYPE_CHECKING:
    from ..merchant import Merchant

# An age that all rows have reached, even if another machine's clock is ahead.
_ANY_AGE: Final = timedelta(days=-1)


class ReconcileRun:
    """One run over everything that is pending: an iterable that may be left at any time.

    :param merchant: the merchant of the current app.
    :param older_than: younger rows are skipped.
    :param limit: the maximum number of queries.
    :raises InvalidParameter: if an argument is negative.
    """

    def __init__(self, merchant: Merchant, older_than: timedelta, limit: int | None) -> None:
        if older_than < timedelta(0):
            raise InvalidParameter("older_than", "must not be negative")
        if limit is not None and limit < 0:
            raise InvalidParameter("limit", "must not be negative")
        self._merchant = merchant
        self._older_than = older_than
        self._limit = limit
        self._due = _count_pending(merchant, older_than)
        #: The results so far.
        self.summary = ReconcileReport()

    def __iter__(self) -> Iterator[ReconcileItem]:
        for found in islice(_all(self._merchant, self._older_than), self._limit):
            self.summary.count(found)
            yield found
            if self.summary.aborted:
                break
        alert_about_refunds(self._merchant)
        alert_about_transfers(self._merchant)
        _alert_about_grants(self._merchant)

    def count(self) -> int:
        """Return the number of queries to make, for a progress bar."""
        return self._due if self._limit is None else min(self._due, self._limit)

    def skipped(self) -> Skipped:
        """Return the numbers of rows that were not queried; call it after the iteration."""
        merchant = self._merchant
        younger = _count_pending(merchant, _ANY_AGE) - _count_pending(merchant, self._older_than)
        others = 0 if self.summary.aborted else self._due - self.summary.queried
        return Skipped(max(0, younger), max(0, others), _count_unqueried_refunds(merchant))


def reconcile(merchant: Merchant, older_than: timedelta, limit: int | None) -> ReconcileReport:
    """See :meth:`~flask_alipay.AlipayBlueprint.reconcile`."""
    run = ReconcileRun(merchant, older_than, limit)
    for _ in run:
        pass
    return run.summary


def _count_pending(merchant: Merchant, older_than: timedelta) -> int:
    """Return the number of pending rows."""
    number = sum(count(merchant.session, pending) for pending in _pending(merchant, older_than))
    merchant.session.rollback()
    return number


def _count_unqueried_refunds(merchant: Merchant) -> int:
    """Return the number of refunds that wait for a notification: the gateway cannot query them."""
    Refund = merchant.models.Refund
    if Refund is None or "query_refund" not in merchant.gateway.unsupported:
        return 0
    number = count(merchant.session, pending_refunds(Refund, merchant.config.merchant, utc_now()))
    merchant.session.rollback()
    return number


def _pending(merchant: Merchant, older_than: timedelta) -> tuple[PendingRows, ...]:
    """Return the selections of rows to query, only of kinds for which the gateway has a query."""
    before, number = utc_now() - older_than, merchant.config.merchant
    models = merchant.models
    unsupported = merchant.gateway.unsupported
    found = [pending_payments(models.Payment, number, before)]
    if models.Refund is not None and "query_refund" not in unsupported:
        found.insert(0, pending_refunds(models.Refund, number, before))
    if models.Transfer is not None and "submit_transfer" not in unsupported:
        found.insert(0, pending_transfers(models.Transfer, number, before))
    if models.Agreement is not None and "submit_granted_payment" not in unsupported:
        from .agreement_checks import pending_agreements

        found[:0] = pending_agreements(merchant, before)
    if models.Authorization is not None and "query_authorization" not in unsupported:
        from .authorization_checks import pending_authorizations

        found[:0] = pending_authorizations(merchant, before)
    return tuple(found)


def _all(merchant: Merchant, older_than: timedelta) -> Iterator[ReconcileItem]:
    """Query the kinds of rows alternately, the longest wait first: with a limit, a large number of
    payments must not keep refunds from being queried.
    """
    oldest = [
        (oldest_pending(merchant.session, rows), rows) for rows in _pending(merchant, older_than)
    ]
    merchant.session.rollback()
    due = [(since, rows) for since, rows in oldest if since is not None]
    sources = [_each(merchant, rows) for _, rows in sorted(due, key=itemgetter(0))]
    while sources:
        for source in tuple(sources):
            item = next(source, None)
            if item is None:
                sources.remove(source)
            else:
                yield item


def _each(merchant: Merchant, pending: PendingRows) -> Iterator[ReconcileItem]:
    process: Callable[[Merchant, Any], ReconcileItem] = _query
    if issubclass(pending.model, RefundMixin):
        process = _finish
    elif issubclass(pending.model, TransferMixin):
        process = _settle_transfer
    elif issubclass(pending.model, AgreementMixin):
        process = _check_agreement
    elif issubclass(pending.model, AuthorizationMixin):
        process = _check_authorization
    return (process(merchant, row) for row in lease_rows(merchant.session, pending))


def _alert_about_grants(merchant: Merchant) -> None:
    models = merchant.models
    if models.Authorization is not None or models.Agreement is not None:
        from .grant_alerts import alert_about_grants  # other applications never import it

        alert_about_grants(merchant)


def _query(merchant: Merchant, payment: Any) -> ReconcileItem:
    number, reference = payment.out_trade_no, reference_of(payment)
    if payment.deduction_date is not None:
        return _finish_deduction(merchant, payment, reference)
    if payment.out_order_no is not None and merchant.models.Authorization is not None:
        return _finish_capture(merchant, payment, reference)
    try:
        snapshot = snapshot_and_commit(merchant, payment)
        state = close_expired(snapshot, query_and_record(merchant, snapshot))
        payment = apply_update(merchant, snapshot, state.report, queried=state)
        if payment is None:
            return ReconcileItem(number, "waiting")  # deleted meanwhile
        closed = payment.trade_status == TradeStatus.TRADE_CLOSED
        outcome = "paid" if payment.paid else "closed" if closed else "waiting"
        return ReconcileItem(number, outcome, reference=reference)
    except AlipayError as error:
        merchant.session.rollback()
        alert_about_rejection(merchant, error)
        return ReconcileItem(number, "trouble", error, reference)


def _finish(merchant: Merchant, row: Any) -> ReconcileItem:
    """Query a refund; if Alipay does not know it, submit it again with the same number."""
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
        rejected = not isinstance(error, OutcomeUnknown) and status.startswith("ACQ.")
        return ReconcileItem(number, "refund_refused" if rejected else "trouble", error, reference)


def _settle_transfer(merchant: Merchant, row: Any) -> ReconcileItem:
    """Query a transfer; if Alipay does not know it, submit it again with the same number."""
    from .transfers import finish_transfer  # applications without transfers never import it

    number = row.out_biz_no
    try:
        row = finish_transfer(merchant, row)
    except AlipayError as error:
        merchant.session.rollback()
        alert_about_rejection(merchant, error)
        failed = isinstance(error, GatewayError) and not isinstance(error, OutcomeUnknown)
        outcome = "transfer_failed" if failed else "trouble"
        return ReconcileItem("", outcome, error, out_biz_no=number)
    done = row is not None and row.status == TransferStatus.SUCCESS
    return ReconcileItem("", "transferred" if done else "transfer_waiting", out_biz_no=number)


def _finish_deduction(merchant: Merchant, payment: Any, reference: str) -> ReconcileItem:
    """Query a deduction; if Alipay does not know it, submit it again with the same number."""
    from .deductions import submit  # applications without agreements never import it

    number = payment.out_trade_no
    try:
        payment = submit(merchant, payment.external_agreement_no, payment)
    except DeductionFailed as error:
        return ReconcileItem(number, "closed", error, reference)
    except AlipayError as error:
        merchant.session.rollback()
        alert_about_rejection(merchant, error)
        return ReconcileItem(number, "trouble", error, reference)
    paid = payment is not None and payment.paid
    return ReconcileItem(number, "paid" if paid else "waiting", reference=reference)


def _check_agreement(merchant: Merchant, row: Any) -> ReconcileItem:
    """Query an agreement: whether it is signed, or still in force."""
    from .agreement_checks import check_agreement

    number = row.external_agreement_no
    try:
        outcome = check_agreement(merchant, row)
    except AlipayError as error:
        merchant.session.rollback()
        alert_about_rejection(merchant, error)
        return ReconcileItem("", "trouble", error, external_agreement_no=number)
    return ReconcileItem("", outcome, external_agreement_no=number)


def _finish_capture(merchant: Merchant, payment: Any, reference: str) -> ReconcileItem:
    """Query a capture; if Alipay does not know it, submit it again with the same number."""
    from .captures import resume_capture  # applications without authorizations never import it

    number = payment.out_trade_no
    try:
        payment = resume_capture(merchant, payment)
    except AlipayError as error:
        merchant.session.rollback()
        failed = isinstance(error, GatewayError) and not isinstance(error, OutcomeUnknown)
        if not failed:
            alert_about_rejection(merchant, error)
        return ReconcileItem(number, "closed" if failed else "trouble", error, reference)
    if payment is None:
        return ReconcileItem(number, "waiting")
    closed = payment.trade_status == TradeStatus.TRADE_CLOSED
    outcome = "paid" if payment.paid else "closed" if closed else "waiting"
    return ReconcileItem(number, outcome, reference=reference)


def _check_authorization(merchant: Merchant, row: Any) -> ReconcileItem:
    """Query an authorization; first submit its release again if the result is unknown."""
    from .authorization_checks import check_authorization

    number = row.out_order_no
    try:
        outcome = check_authorization(merchant, row)
    except AlipayError as error:
        merchant.session.rollback()
        alert_about_rejection(merchant, error)
        return ReconcileItem("", "trouble", error, out_order_no=number)
    return ReconcileItem("", outcome, out_order_no=number)
