"""Payments without the buyer's presence, for the ledger: captures and deductions by
``alipay.trade.pay``.

A rejection alone does not prove that nothing was paid, since an earlier request with the same
number may have succeeded. So the trade is queried after each rejection; only the signed rejection
together with a signed response that the trade does not exist or is closed is a failure.
"""

from __future__ import annotations

from ...exceptions import GatewayError, OutcomeUnknown, TradeNotFound
from ...protocol.notification import Notification
from ...protocol.trade_status import TradeStatus
from ..interface import (
    ClosedTrade,
    GrantedPaymentRequest,
    GrantedPaymentResult,
    RejectionInDoubt,
    in_doubt,
)
from .barcode_payments import PAY, BarcodePayments, TradePayResponse
from .payment_operations import PaymentOperations
from .responses import journal_params


class GrantedPayments(PaymentOperations, BarcodePayments):
    """Payments under a pre-authorisation or an agreement; see the interface of both gateways."""

    def submit_granted_payment(self, payment: GrantedPaymentRequest) -> GrantedPaymentResult:
        """Submit a payment by :meth:`trade_pay`. Whenever the response is not certain, the trade is
        queried.

        :param payment: the payment.
        :return: its state.
        :raises InvalidParameter: names the invalid field; nothing was submitted.
        :raises RejectionInDoubt: if an earlier request may still be on its way.
        :raises OutcomeUnknown: if the outcome is unknown.
        """
        try:
            response = self.trade_pay(**payment.params)
        except OutcomeUnknown as error:
            return self._found_payment(payment, error)
        except GatewayError as error:
            return self._rejected_payment(payment, error)
        if response.paid:
            return GrantedPaymentResult(_sale(payment, response))
        return self._found_payment(
            payment, OutcomeUnknown("Alipay collects the amount later", retryable=True)
        )

    def _found_payment(
        self, payment: GrantedPaymentRequest, unknown: OutcomeUnknown
    ) -> GrantedPaymentResult:
        """Query a payment whose outcome is unknown.

        :raises OutcomeUnknown: the given one, if Alipay has no such trade, or not yet.
        """
        try:
            return GrantedPaymentResult(self.query_payment(payment.out_trade_no))
        except GatewayError:
            raise unknown from None

    def _rejected_payment(
        self, payment: GrantedPaymentRequest, error: GatewayError
    ) -> GrantedPaymentResult:
        if not error.signed:
            raise in_doubt(error)
        try:
            report = self.query_payment(payment.out_trade_no)
            if report.trade_status != TradeStatus.WAIT_BUYER_PAY:
                rejection = error if report.trade_status == TradeStatus.TRADE_CLOSED else None
                return GrantedPaymentResult(report, rejection=rejection)
            if payment.undecided:
                return GrantedPaymentResult(report)
            # The rejected payment left an unpaid trade, which must not be paid later.
            closed = self.close_payment(payment.out_trade_no)
        except TradeNotFound as missing:
            closed = ClosedTrade(missing.params)
        except GatewayError:
            raise in_doubt(error) from None
        if payment.undecided:
            raise in_doubt(error, RejectionInDoubt)
        return GrantedPaymentResult(None, closed, error)


def _sale(payment: GrantedPaymentRequest, response: TradePayResponse) -> Notification:
    """Return the response to a paid request as a report."""
    params = journal_params(PAY.name, response.params)
    total_fen = payment.total_fen if response.total_fen is None else response.total_fen
    return Notification(
        out_trade_no=response.out_trade_no,
        trade_status=params.get("trade_status") or TradeStatus.TRADE_SUCCESS,
        total_fen=total_fen,
        currency=response.currency,
        trade_no=response.trade_no,
        buyer_id=response.buyer_id,
        buyer_open_id=response.buyer_open_id,
        paid_at=response.paid_at,
        params=params,
    )
