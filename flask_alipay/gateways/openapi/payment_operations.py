"""Implementation of :class:`~flask_alipay.gateways.interface.Gateway` on the open platform."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import ClassVar, Final

from ...exceptions import ConfigurationError, GatewayError, OutcomeUnknown, TradeNotFound
from ...protocol.conversion import format_amount
from ...protocol.notification import Notification
from ...protocol.signed_request import SignedRequest
from ...protocol.trade_status import TradeStatus
from ..interface import (
    TRADE_NOT_FOUND,
    ClosedTrade,
    RefundReport,
    RefundRequest,
    journal_params,
    known_status,
    rejection_code,
)
from .refunds import REFUND, REFUND_QUERY, Refunds
from .trades import CANCEL, CLOSE, QUERY

# Maximum number of cancel requests if Alipay requests a retry, and the seconds between two.
_CANCEL_ATTEMPTS: Final = 3
_CANCEL_INTERVAL: Final = 1.0


class PaymentOperations(Refunds):
    """Operations on a payment that both gateways have; see the interface."""

    unsupported: ClassVar[Mapping[str, str]] = {
        "confirm_refund": "only the legacy gateway has refunds that are confirmed in a browser",
    }
    notifies_refunds: ClassVar[bool] = False
    pending_refund_ttl: ClassVar[timedelta | None] = None

    def query_payment(self, out_trade_no: str) -> Notification:
        """Query a trade by :meth:`trade_query` and return its state as a report.

        :param out_trade_no: the merchant's order number.
        :raises TradeNotFound: if Alipay has no such trade, and signed that.
        :raises GatewayError: for any other rejection.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        with _trade_not_found(QUERY.name):
            response = self.trade_query(out_trade_no=out_trade_no)
        status = known_status(response.trade_status)
        if status in TradeStatus.ESCROW:
            raise OutcomeUnknown("the gateway responded with a trade_status of the legacy gateway")
        return Notification(
            out_trade_no=response.out_trade_no,
            trade_status=status,
            total_fen=response.total_fen,
            currency=response.currency,
            trade_no=response.trade_no,
            # The response does not mention refunds. A closed trade that was paid is one.
            is_refund=status == TradeStatus.TRADE_CLOSED and response.paid_at is not None,
            buyer_id=response.buyer_id,
            buyer_open_id=response.buyer_open_id,
            paid_at=response.paid_at,
            params=journal_params("method", QUERY.name, response.params),
        )

    def close_payment(self, out_trade_no: str) -> ClosedTrade | None:
        """Close an unpaid trade by :meth:`trade_close`.

        :param out_trade_no: the merchant's order number.
        :raises TradeNotFound: if Alipay has no such trade, and signed that.
        :raises GatewayError: for any other rejection: the trade is not closed.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        with _trade_not_found(CLOSE.name):
            response = self.trade_close(out_trade_no=out_trade_no)
        return ClosedTrade(journal_params("method", CLOSE.name, response.params), response.trade_no)

    def cancel_payment(self, out_trade_no: str) -> ClosedTrade | None:
        """Close a trade, or fully refund it if it was paid on the same day, by
        :meth:`trade_cancel`; retried a few times if Alipay requests that.

        :param out_trade_no: the merchant's order number.
        :return: ``None`` if Alipay had nothing to do.
        :raises TradeNotFound: if Alipay has no such trade, and signed that.
        :raises GatewayError: for any other rejection: the trade is not cancelled.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted, or Alipay still
            requests a retry.
        """
        for attempt in range(_CANCEL_ATTEMPTS):
            if attempt:
                time.sleep(_CANCEL_INTERVAL)
            with _trade_not_found(CANCEL.name):
                response = self.trade_cancel(out_trade_no=out_trade_no)
            if not response.retry:
                break
        else:
            raise OutcomeUnknown("Alipay has not cancelled the trade yet: retry", retryable=True)
        if response.action not in ("close", "refund"):
            return None
        return ClosedTrade(
            journal_params("method", CANCEL.name, response.params),
            response.trade_no,
            refunded=response.action == "refund",
        )

    def check_refund(self, refund: RefundRequest, *, resumed: bool = False) -> None:
        """Check the reason of a refund.

        :param refund: the refund.
        :param resumed: True if the number belongs to a pending refund; not used here.
        :raises InvalidParameter: names ``refund_reason``.
        """
        if refund.reason is not None:
            REFUND.fields["refund_reason"]("refund_reason", refund.reason, self.charset)

    def submit_refund(self, refund: RefundRequest) -> RefundReport | None:
        """Refund a trade or a part of it by :meth:`trade_refund`.

        A rejection of a repeated number proves nothing, since an earlier request may have
        succeeded: the refund is queried first.

        :param refund: the refund.
        :return: the outcome; a rejection only if Alipay signed it.
        :raises GatewayError: for an unsigned rejection.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted, or Alipay has
            not refunded the money yet.
        """
        try:
            response = self.trade_refund(
                out_trade_no=refund.out_trade_no,
                refund_amount=format_amount(refund.refund_fen),
                out_request_no=refund.out_request_no,
                refund_reason=refund.reason,
            )
        except OutcomeUnknown:
            raise
        except GatewayError as error:
            if not error.signed:
                raise
            report = self.query_refund(refund) if refund.repeated else None
            params = {"method": REFUND.name, "code": rejection_code(error)}
            return report or RefundReport(params, error)
        if response.fund_change:
            return RefundReport(journal_params("method", REFUND.name, response.params))
        report = self.query_refund(refund)
        if report is None:
            raise OutcomeUnknown("Alipay has not refunded the amount yet: retry", retryable=True)
        return report

    def query_refund(self, refund: RefundRequest) -> RefundReport | None:
        """Query a refund by :meth:`trade_fastpay_refund_query`.

        :param refund: the refund.
        :return: ``None`` if the amount has not been refunded, or not yet.
        :raises GatewayError: if Alipay rejects the query.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted, or Alipay
            refunded another amount under the number.
        """
        response = self.trade_fastpay_refund_query(
            out_trade_no=refund.out_trade_no, out_request_no=refund.out_request_no
        )
        if not response.refunded:
            return None
        if response.refund_fen not in (None, refund.refund_fen):
            raise OutcomeUnknown("Alipay refunded another amount under the same number")
        return RefundReport(journal_params("method", REFUND_QUERY.name, response.params))

    def confirm_refund(self, refund: RefundRequest) -> SignedRequest:
        """Raise: the open platform has no such method.

        :param refund: the refund.
        :raises ConfigurationError: always.
        """
        raise ConfigurationError(self.unsupported["confirm_refund"], "PROTOCOL")


@contextmanager
def _trade_not_found(method: str) -> Iterator[None]:
    """Convert a signed rejection because of a missing trade to :class:`TradeNotFound`."""
    try:
        yield
    except OutcomeUnknown:
        raise
    except GatewayError as error:
        if not error.signed or rejection_code(error) not in TRADE_NOT_FOUND:
            raise
        codes = {"code": error.code, "sub_code": error.sub_code}
        given = {name: code for name, code in codes.items() if code}
        raise TradeNotFound(error, {"method": method, **given}) from None
