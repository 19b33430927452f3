"""Implementation of :class:`~flask_alipay.gateways.interface.Gateway` on the open platform."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import ClassVar, Final

from ...exceptions import ConfigurationError, GatewayError, OutcomeUnknown, TradeNotFound
from ...protocol.notification import Notification
from ...protocol.signed_request import SignedRequest
from ...protocol.trade_status import TradeStatus
from ..interface import (
    TRADE_NOT_FOUND,
    ClosedTrade,
    RefundRequest,
    known_status,
    rejection_code,
)
from .refunds import Refunds
from .responses import journal_params
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
            params=journal_params(QUERY.name, response.params),
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
        return ClosedTrade(journal_params(CLOSE.name, response.params), response.trade_no)

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
            journal_params(CANCEL.name, response.params),
            response.trade_no,
            refunded=response.action == "refund",
        )

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
