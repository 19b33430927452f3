"""Interface of both gateways for the operations on a payment (pay, query, close, cancel, refund)
and for transfers.

Operations call nothing else and therefore do not branch on the protocol. The protocols differ in
the returned values, in :class:`~flask_alipay.exceptions.TradeNotFound` and in the attributes below:
a response that proves nothing is ``None``; an operation that the protocol lacks is listed in
:attr:`Gateway.unsupported`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ..exceptions import GatewayError, OutcomeUnknown
from ..protocol.trade_status import TradeStatus

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..protocol.notification import Notification
    from ..protocol.preauthorizations import AuthorizationReport
    from ..protocol.signed_request import SignedRequest
    from ..protocol.transfers import TransferReport

#: Codes of a trade that does not exist, with and without the prefix of the open platform.
TRADE_NOT_FOUND = frozenset({"ACQ.TRADE_NOT_EXIST", "TRADE_NOT_EXIST"})


@dataclass(frozen=True)
class ClosedTrade:
    """A closed trade, verified by the signature of Alipay's response."""

    #: The response as the journal records it, text by name.
    params: Mapping[str, str] = field(repr=False, hash=False)
    #: Alipay's trade number, if the response states it.
    trade_no: str | None = None
    #: True if the trade was paid and has been fully refunded.
    refunded: bool = False


@dataclass(frozen=True)
class RefundRequest:
    """A refund to submit, or to query."""

    #: The merchant's order number.
    out_trade_no: str
    #: Alipay's trade number.
    trade_no: str | None
    #: The refund number; on the legacy gateway the number of a batch with one entry.
    out_request_no: str
    #: Amount in fen.
    refund_fen: int
    reason: str | None = None
    #: The URL that receives the result if :attr:`Gateway.notifies_refunds`.
    notify_url: str | None = None
    #: True if the same number may have been submitted before.
    repeated: bool = False
    #: True if the outcome of an earlier submission is unknown; implies :attr:`repeated`.
    undecided: bool = False


@dataclass(frozen=True)
class RefundReport:
    """The outcome of a refund: success or rejection."""

    #: The response as the journal records it.
    params: Mapping[str, str] = field(repr=False, hash=False)
    #: ``None`` on success; otherwise the rejection, to record and to raise.
    rejection: GatewayError | None = None

    @property
    def code(self) -> str:
        """``SUCCESS``, or Alipay's code of the rejection."""
        return "SUCCESS" if self.rejection is None else rejection_code(self.rejection)


@dataclass(frozen=True)
class TransferRequest:
    """A transfer to submit, or to query."""

    #: The merchant's number of the transfer.
    out_biz_no: str
    amount_fen: int
    #: Everything that Alipay receives, as :meth:`Gateway.check_transfer` returned it.
    content: Mapping[str, Any] = field(repr=False, hash=False)
    #: Alipay's number of the transfer, if it is known.
    order_id: str | None = None
    #: True if the same number may have been submitted before.
    repeated: bool = False
    #: True if Alipay may still be executing an earlier request.
    undecided: bool = False


@dataclass(frozen=True)
class GrantedPaymentRequest:
    """A payment under a pre-authorisation or an agreement, to submit without the buyer."""

    #: The merchant's order number.
    out_trade_no: str
    total_fen: int
    #: Everything that Alipay receives.
    params: Mapping[str, Any] = field(repr=False, hash=False)
    #: True if Alipay may still be executing an earlier request.
    undecided: bool = False


@dataclass(frozen=True)
class GrantedPaymentResult:
    """The state of a submitted payment: a report, or the proof that it was never paid."""

    #: The state of the trade: paid, closed, or not paid yet.
    report: Notification | None
    #: The proof that there is no trade, or that it is closed now.
    closed: ClosedTrade | None = None
    #: The rejection, if the payment has failed.
    rejection: GatewayError | None = None


@dataclass(frozen=True)
class AuthorizationRequest:
    """A pre-authorisation to query, to freeze or to cancel."""

    #: The merchant's numbers of the authorization and of its freeze.
    out_order_no: str
    out_request_no: str
    #: The URL to which Alipay sends the message about a cancellation; ``None``: no message.
    notify_url: str | None = None


@dataclass(frozen=True)
class ReleaseRequest:
    """A release to submit."""

    #: The merchant's and Alipay's number of the authorization.
    out_order_no: str
    auth_no: str
    #: The merchant's number of the release.
    out_request_no: str
    #: Amount in fen.
    fen: int
    reason: str | None = None
    #: True if Alipay may still be executing an earlier request.
    undecided: bool = False
    #: The URL to which Alipay sends the message about the release; ``None``: no message.
    notify_url: str | None = None


class RejectionInDoubt(OutcomeUnknown):
    """A rejection of a repeated request, while Alipay may still be executing an earlier one."""


class Gateway(Protocol):
    """One merchant's gateway, of either protocol.

    Every method raises :class:`~flask_alipay.exceptions.OutcomeUnknown` if no response arrives or
    none that can be trusted, and :class:`~flask_alipay.exceptions.GatewayError` if Alipay rejects
    the request.
    """

    #: ``mapi`` or ``openapi``.
    protocol: ClassVar[str]
    #: The products of :meth:`pay`, and the service or method behind each.
    products: ClassVar[Mapping[str, str]]
    #: The operations that the protocol lacks, by the name of the method, with the reason.
    unsupported: ClassVar[Mapping[str, str]]
    #: True if Alipay notifies the outcome of a refund; otherwise the response states it.
    notifies_refunds: ClassVar[bool]
    #: The time after which a refund of unknown outcome no longer reserves its amount; ``None`` if
    #: the amount is reserved until the outcome is known.
    pending_refund_ttl: ClassVar[timedelta | None]
    charset: str
    gateway_url: str

    def in_charset(self, charset: str) -> Self:
        """Return the same gateway with another charset."""

    def acting_for(self, app_auth_token: str | None) -> Self:
        """Return the gateway that acts for the merchant who granted a token.

        :raises InvalidParameter: if the token is malformed, or the protocol has none.
        """

    def within(self, seconds: float) -> Self:
        """Return the gateway with which an HTTP request and its response take no longer.

        :param seconds: the time; see :meth:`HttpTransport.within
            <flask_alipay.gateways.transport.HttpTransport.within>`.
        """

    def pay(
        self,
        product: str,
        *,
        expires_at: datetime | None = None,
        bank: str | None = None,
        currency: str = "CNY",
        **params: Any,
    ) -> SignedRequest:
        """Return the signed request with which a buyer's browser starts a payment.

        :raises InvalidParameter: names the invalid parameter.
        """

    def check_payment(self, product: str | None, **params: Any) -> None:
        """Check the parameters of :meth:`pay` before anything is stored.

        :raises InvalidParameter: names the invalid parameter.
        """

    def product_for(self, user_agent: str) -> str:
        """Return the default product for a buyer's browser."""

    def query_payment(self, out_trade_no: str) -> Notification:
        """Query a trade and return its state as a report for the ledger.

        :raises TradeNotFound: if Alipay has no such trade. Only the legacy gateway's rejection is
            trusted without a signature: it signs no rejections.
        """

    def close_payment(self, out_trade_no: str) -> ClosedTrade | None:
        """Close an unpaid trade.

        :return: ``None`` if Alipay accepted the request without signing the response: only a query
            proves that the trade is closed.
        :raises TradeNotFound: see :meth:`query_payment`.
        """

    def cancel_payment(self, out_trade_no: str) -> ClosedTrade | None:
        """Close an unpaid trade, or fully refund a paid one.

        :return: ``None`` if Alipay had nothing to do: query the trade for its state.
        :raises TradeNotFound: see :meth:`query_payment`.
        :raises ConfigurationError: if ``cancel_payment`` is in :attr:`unsupported`.
        """

    def check_refund(self, refund: RefundRequest, *, resumed: bool = False) -> None:
        """Check the protocol's rules for a refund before anything is recorded.

        The caller has checked the amount, and any refund number that it was given.

        :param resumed: True if the number belongs to a pending refund of the same amount and was
            not given by the caller.
        :raises InvalidParameter: names the invalid parameter.
        """

    def submit_refund(self, refund: RefundRequest) -> RefundReport | None:
        """Submit a refund. A repeated number never refunds twice.

        :return: the outcome; ``None`` if Alipay has accepted the refund and notifies the outcome.
        :raises GatewayError: for a rejection that is not definite, such as an unsigned one of the
            open platform: it must not be recorded.
        """

    def query_refund(self, refund: RefundRequest) -> RefundReport | None:
        """Query the outcome of a refund.

        :return: ``None`` if the amount has not been refunded, or not yet.
        :raises ConfigurationError: if ``query_refund`` is in :attr:`unsupported`.
        """

    def submit_granted_payment(self, payment: GrantedPaymentRequest) -> GrantedPaymentResult:
        """Submit a capture or a deduction. A repeated number never pays twice.

        :return: the state of the payment; it has failed only if that is certain.
        :raises InvalidParameter: names the invalid parameter; nothing was submitted.
        :raises RejectionInDoubt: for a rejection if :attr:`GrantedPaymentRequest.undecided`.
        :raises OutcomeUnknown: also for a rejection that is not certain.
        :raises ConfigurationError: if ``submit_granted_payment`` is in :attr:`unsupported`.
        """

    def query_authorization(
        self, authorization: AuthorizationRequest
    ) -> AuthorizationReport | None:
        """Query the state of a pre-authorisation.

        :return: ``None`` if Alipay has no such authorization, or not yet.
        :raises ConfigurationError: if ``query_authorization`` is in :attr:`unsupported`.
        """

    def freeze_by_code(
        self, authorization: AuthorizationRequest, auth_code: str, fields: Mapping[str, Any]
    ) -> AuthorizationReport:
        """Freeze an amount by the payer's code.

        :raises InvalidParameter: names the invalid parameter.
        """

    def release_authorization(self, release: ReleaseRequest) -> AuthorizationReport:
        """Release a frozen amount, or a part of it. A repeated number releases once.

        :raises GatewayError: only if it is certain that nothing was released.
        :raises RejectionInDoubt: for a rejection if :attr:`ReleaseRequest.undecided`.
        """

    def cancel_authorization(
        self, authorization: AuthorizationRequest
    ) -> AuthorizationReport | None:
        """Cancel a pre-authorisation; what is frozen is released.

        :return: ``None`` if Alipay has no such authorization, or not yet.
        """

    def check_transfer(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Check a transfer before anything is recorded, and return everything to submit.

        :param fields: the method's fields.
        :raises InvalidParameter: names the invalid field.
        :raises ConfigurationError: if ``submit_transfer`` is in :attr:`unsupported`.
        """

    def submit_transfer(self, transfer: TransferRequest) -> TransferReport:
        """Submit a transfer. A repeated number never transfers twice.

        :return: the state of the transfer; ``FAIL`` also for a rejection, if it is certain that
            nothing was transferred.
        :raises RejectionInDoubt: for a rejection if :attr:`TransferRequest.undecided`.
        :raises OutcomeUnknown: also for a rejection that is not certain.
        """

    def query_transfer(self, transfer: TransferRequest) -> TransferReport | None:
        """Query the state of a transfer.

        :return: ``None`` if Alipay has no transfer with this number, or not yet.
        """

    def confirm_refund(self, refund: RefundRequest) -> SignedRequest:
        """Return the request with which the merchant confirms a refund in a browser.

        :raises InvalidParameter: names the invalid parameter.
        :raises ConfigurationError: if ``confirm_refund`` is in :attr:`unsupported`.
        """


def in_doubt(error: GatewayError, kind: type[OutcomeUnknown] = OutcomeUnknown) -> OutcomeUnknown:
    """Return a rejection that proves nothing as an unknown outcome."""
    return kind(
        str(error),
        code=error.code,
        sub_code=error.sub_code,
        sub_msg=error.sub_msg,
        retryable=True,
        signed=error.signed,
    )


def rejection_code(error: GatewayError) -> str:
    """Return Alipay's most specific code of a rejection."""
    return error.sub_code or error.code or "UNKNOWN"


def known_status(trade_status: str) -> str:
    """Return the trade status of a response.

    :raises OutcomeUnknown: if there is no such status.
    """
    if trade_status not in TradeStatus.ALL:
        raise OutcomeUnknown("the gateway responded with an unknown trade_status")
    return trade_status
