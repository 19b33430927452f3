"""Implementation of :class:`~flask_alipay.gateways.interface.Gateway` on the legacy gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar

from ...exceptions import (
    ConfigurationError,
    GatewayError,
    InvalidParameter,
    OutcomeUnknown,
    TradeNotFound,
)
from ...protocol.batch_notification import PENDING_TTL
from ...protocol.conversion import format_amount
from ...protocol.notification import Notification
from ...protocol.preauthorizations import AuthorizationReport
from ...protocol.signed_request import SignedRequest
from ...protocol.transfers import TransferReport
from ..interface import (
    TRADE_NOT_FOUND,
    AuthorizationRequest,
    ClosedTrade,
    GrantedPaymentRequest,
    GrantedPaymentResult,
    RefundReport,
    RefundRequest,
    ReleaseRequest,
    TransferRequest,
    known_status,
    rejection_code,
)
from .batch_numbers import batch_day
from .refunds import WITHOUT_PASSWORD, RefundEntry, Refunds
from .trades import Trades

# Alipay has accepted a batch with this number before.
_DUPLICATE_BATCH = "DUPLICATE_BATCH_NO"
# The contract does not include refunds without a password.
_NOT_IN_CONTRACT = frozenset(
    {
        *("PARTNER_NOT_SIGN_PROTOCOL", "SELLER_NOT_SIGN_PROTOCOL", "HAS_NO_PRIVILEGE"),
        *("ILLEGAL_PARTNER_EXTERFACE", "EXTERFACE_IS_CLOSED", "ILLEGAL_SERVICE"),
    }
)


class PaymentOperations(Trades, Refunds):
    """Operations on a payment that both gateways have; see the interface."""

    unsupported: ClassVar[Mapping[str, str]] = {
        "cancel_payment": (
            "the legacy gateway cannot cancel: use close() if unpaid, refund_url() if paid"
        ),
        "query_refund": "the legacy gateway cannot query refunds: it notifies the result",
        "submit_transfer": (
            "the legacy gateway transfers in batches: use gateway.batch_trans_notify()"
        ),
        "submit_granted_payment": "captures and deductions need the open platform",
        "query_authorization": "pre-authorisations need the open platform",
    }
    notifies_refunds: ClassVar[bool] = True
    pending_refund_ttl: ClassVar[timedelta | None] = PENDING_TTL

    def query_payment(self, out_trade_no: str) -> Notification:
        """Query a trade by ``single_trade_query`` and return its state as a report.

        :param out_trade_no: the merchant's order number.
        :raises TradeNotFound: if Alipay has no such trade; Alipay signs no rejection.
        :raises GatewayError: for any other rejection.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        with _trade_not_found("single_trade_query"):
            response = self.single_trade_query(out_trade_no=out_trade_no)
        if response.seller_id not in (None, self.partner, self._seller_id):
            raise OutcomeUnknown("the gateway responded about another merchant's trade")
        refunded = bool(response.refunded_fen or response.refunded_at)
        return Notification(
            out_trade_no=response.out_trade_no,
            trade_status=known_status(response.trade_status),
            total_fen=response.total_fen,
            currency=response.currency,
            trade_no=response.trade_no,
            # Batch notifications report the amounts, each with its refund number.
            is_refund=refunded or response.refund_status == "REFUND_SUCCESS",
            seller_id=response.seller_id,
            buyer_id=response.buyer_id,
            paid_at=response.paid_at,
            closed_at=response.closed_at,
            params={**response.params, "service": "single_trade_query"},
        )

    def close_payment(self, out_trade_no: str) -> ClosedTrade | None:
        """Close an unpaid trade by ``close_trade``.

        :param out_trade_no: the merchant's order number.
        :return: ``None``: Alipay does not sign the response, query the trade.
        :raises TradeNotFound: if Alipay has no such trade.
        :raises GatewayError: for any other rejection.
        :raises OutcomeUnknown: if no response arrives.
        """
        with _trade_not_found("close_trade"):
            self.close_trade(out_order_no=out_trade_no)
        return None

    def cancel_payment(self, out_trade_no: str) -> ClosedTrade | None:
        """Raise: the legacy gateway has no such service.

        :param out_trade_no: the merchant's order number.
        :raises ConfigurationError: always.
        """
        raise ConfigurationError(self.unsupported["cancel_payment"], "PROTOCOL")

    def check_refund(self, refund: RefundRequest, *, resumed: bool = False) -> None:
        """Check a batch with one refund as :meth:`submit_refund` would send it.

        :param refund: the refund.
        :param resumed: True if the number belongs to a pending refund and was not given.
        :raises InvalidParameter: names the invalid parameter.
        """
        if resumed:
            _check_day(refund.out_request_no)
        self.confirm_refund(refund)

    def submit_refund(self, refund: RefundRequest) -> RefundReport | None:
        """Submit a batch with one refund by ``refund_fastpay_by_platform_nopwd``.

        :param refund: the refund.
        :return: ``None`` if Alipay has accepted the batch, now or before, and notifies the result.
        :raises OutcomeUnknown: if no response arrives, or Alipay rejects a batch whose first
            submission may have been accepted.
        """
        try:
            self.refund_fastpay_by_platform_nopwd(
                [_entry(refund)], batch_no=refund.out_request_no, notify_url=refund.notify_url
            )
        except OutcomeUnknown:
            raise
        except GatewayError as error:
            if error.code == _DUPLICATE_BATCH:
                return None
            if refund.undecided:
                raise OutcomeUnknown(
                    f"{error}; a notification, or Alipay's console, states the outcome of the "
                    "first request",
                    code=error.code,
                ) from None
            params = {"service": WITHOUT_PASSWORD, "error": rejection_code(error)}
            return RefundReport(params, _with_next_step(error))
        return None

    def query_refund(self, refund: RefundRequest) -> RefundReport | None:
        """Raise: the legacy gateway has no such service.

        :param refund: the refund.
        :raises ConfigurationError: always.
        """
        raise ConfigurationError(self.unsupported["query_refund"], "PROTOCOL")

    def submit_granted_payment(self, payment: GrantedPaymentRequest) -> GrantedPaymentResult:
        """Raise: the legacy gateway has no such service.

        :param payment: the payment.
        :raises ConfigurationError: always.
        """
        raise ConfigurationError(self.unsupported["submit_granted_payment"], "PROTOCOL")

    def query_authorization(
        self, authorization: AuthorizationRequest
    ) -> AuthorizationReport | None:
        """Raise: the legacy gateway has no pre-authorisations.

        :param authorization: the authorization.
        :raises ConfigurationError: always.
        """
        raise ConfigurationError(self.unsupported["query_authorization"], "PROTOCOL")

    def freeze_by_code(
        self, authorization: AuthorizationRequest, auth_code: str, fields: Mapping[str, Any]
    ) -> AuthorizationReport:
        """Raise, see :meth:`query_authorization`.

        :param authorization: the authorization.
        :param auth_code: the payer's code.
        :param fields: the fields of the freeze.
        :raises ConfigurationError: always.
        """
        raise ConfigurationError(self.unsupported["query_authorization"], "PROTOCOL")

    def release_authorization(self, release: ReleaseRequest) -> AuthorizationReport:
        """Raise, see :meth:`query_authorization`.

        :param release: the release.
        :raises ConfigurationError: always.
        """
        raise ConfigurationError(self.unsupported["query_authorization"], "PROTOCOL")

    def cancel_authorization(
        self, authorization: AuthorizationRequest
    ) -> AuthorizationReport | None:
        """Raise, see :meth:`query_authorization`.

        :param authorization: the authorization.
        :raises ConfigurationError: always.
        """
        raise ConfigurationError(self.unsupported["query_authorization"], "PROTOCOL")

    def check_transfer(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Raise: the legacy gateway has no such service.

        :param fields: the fields of the transfer.
        :raises ConfigurationError: always.
        """
        raise ConfigurationError(self.unsupported["submit_transfer"], "PROTOCOL")

    def submit_transfer(self, transfer: TransferRequest) -> TransferReport:
        """Raise, see :meth:`check_transfer`.

        :param transfer: the transfer.
        :raises ConfigurationError: always.
        """
        raise ConfigurationError(self.unsupported["submit_transfer"], "PROTOCOL")

    def query_transfer(self, transfer: TransferRequest) -> TransferReport | None:
        """Raise, see :meth:`check_transfer`.

        :param transfer: the transfer.
        :raises ConfigurationError: always.
        """
        raise ConfigurationError(self.unsupported["submit_transfer"], "PROTOCOL")

    def confirm_refund(self, refund: RefundRequest) -> SignedRequest:
        """Return the request with which the merchant confirms a refund with the password of the
        account (``refund_fastpay_by_platform_pwd``).

        :param refund: the refund.
        :raises InvalidParameter: names the invalid parameter.
        """
        return self.refund_fastpay_by_platform_pwd(
            [_entry(refund)], batch_no=refund.out_request_no, notify_url=refund.notify_url
        )


def _entry(refund: RefundRequest) -> RefundEntry:
    reason = "refund" if refund.reason is None else refund.reason
    return RefundEntry(refund.trade_no or "", format_amount(refund.refund_fen), reason)


def _check_day(batch_no: str) -> None:
    """Check that a pending batch may be submitted again: on the day of its number only.

    :raises InvalidParameter: if that day is over.
    """
    if not batch_no.startswith(batch_day()):
        raise InvalidParameter(
            "out_request_no",
            f"is required: refund {batch_no} of the same amount is pending and its day is over; "
            "wait for Alipay's notification, or give a new number for another refund",
        )


def _with_next_step(error: GatewayError) -> GatewayError:
    if error.code not in _NOT_IN_CONTRACT:
        return error
    message = f"{error}; let the merchant confirm refunds with a password: see refund_url()"
    return GatewayError(message, code=error.code)


@contextmanager
def _trade_not_found(service: str) -> Iterator[None]:
    """Convert a rejection because of a missing trade to :class:`TradeNotFound`."""
    try:
        yield
    except OutcomeUnknown:
        raise
    except GatewayError as error:
        if error.code not in TRADE_NOT_FOUND:
            raise
        raise TradeNotFound(error, {"service": service, "error": error.code}) from None
