"""Methods of the blueprint that work on payments, for the merchant of the current app."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from flask import current_app

from ..models import PaymentMixin, RefundMixin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from ..config import Config, Gateway
    from ..gateways.openapi import PollingPolicy
    from ..ledger import Ledger
    from ..operations.reconciliation import ReconcileReport
    from ..operations.replay import ReplayResult
    from .registration import Registration

P = TypeVar("P", bound=PaymentMixin)
R = TypeVar("R", bound=RefundMixin)


class PaymentMethods(Generic[P, R]):
    """The blueprint's methods on payments, for the merchant of the current app.

    A method that calls Alipay commits the session first, with everything in it: no row is locked
    during the call, and a callback cannot use such a method. Responses are settled as notifications
    are, once, whichever arrives first; if the outcome is unknown, the ledger does not change.
    """

    #: The name under which the blueprint was created.
    name: str

    @property
    def merchant(self) -> Registration:
        """The merchant of the current app.

        :raises RuntimeError: outside an app, or in one that did not register the blueprint.
        """
        try:
            found: Registration = current_app.extensions["alipay"][self]
        except KeyError:
            raise RuntimeError(
                f"the blueprint '{self.name}' is not registered in this app: "
                "did you forget app.register_blueprint(…)?"
            ) from None
        return found

    @property
    def config(self) -> Config:
        """The merchant's configuration in the current app."""
        return self.merchant.config

    @property
    def gateway(self) -> Gateway:
        """The client of Alipay's gateway, for everything that the blueprint has no method for."""
        return self.merchant.gateway

    @property
    def notify_url(self) -> str:
        """The URL to which Alipay sends notifications: ``NOTIFY_URL``, or the route ``notify`` on
        the host that the app's configuration names.

        Pass it to each method of :attr:`gateway` that takes a ``notify_url``: a URL made by
        ``url_for`` may follow the ``Host`` header of a buyer's request.

        :raises InvalidParameter: if no host is configured and the request's is invalid.
        """
        return self.merchant.notify_url

    @property
    def return_url(self) -> str:
        """The URL to which Alipay sends the buyer: ``RETURN_URL``, or the route ``return`` on the
        host that the app's configuration names.

        :raises InvalidParameter: if no host is configured and the request's is invalid.
        """
        return self.merchant.return_url

    def gateway_for(self, payment: P) -> Gateway:
        """Return the client of the gateway for calls about one payment.

        For a payment of a third-party application's merchant each call sends its token; for any
        other payment this is :attr:`gateway`.

        :param payment: one of this merchant's.
        """
        return self.merchant.gateway_for(payment)

    def ledger(self) -> Ledger:
        """Return the ledger of this merchant in the application's session."""
        return self.merchant.ledger()

    def payment_state(self, payment: P) -> str:
        """Return a payment's state for its buyer, as the result page shows it.

        :param payment: one of this merchant's.
        :return: ``paid``, ``partly_refunded``, ``refunded`` (all of it), ``confirming`` (the buyer
            has returned from Alipay, which is queried), ``failed`` (closed unpaid), ``expired``
            (its time is over, and no payment is known), ``unconfirmed`` (the buyer has returned,
            and the queries found no payment) or ``waiting``.
        """
        from ..operations.payment_state import payment_state

        return payment_state(payment)

    def query(self, payment: P) -> P:
        """Query a payment at Alipay and update the ledger.

        A trade that Alipay does not have is no error: it begins when the buyer logs in or scans.
        Once the payment has expired (``expires_at``, or 15 days), it is closed in the ledger.

        :param payment: one of this merchant's.
        :returns: the application's object, as the ledger has it now.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        :raises GatewayError: if Alipay rejects the request; see ``code``.
        :raises PaymentMismatch: if Alipay reports another amount or another ``trade_no``.
        :raises CallbackFailed: if a callback raised; everything is rolled back, query again.
        :raises InvalidParameter: if the payment belongs to another merchant.
        """
        from ..operations.queries import query

        return cast("P", query(self.merchant, payment).payment)

    def close(self, payment: P) -> P:
        """Close an unpaid payment at Alipay and in the ledger: it can no longer be paid.

        A payment that Alipay does not have is closed in the ledger; if its buyer pays nevertheless,
        that is a sale. If the buyer has just paid, the payment is settled as a sale: check
        ``paid``.

        :param payment: one of this merchant's.
        :returns: the application's object, as the ledger has it now: closed or paid.
        :raises OutcomeUnknown: if no response arrives: the trade may be closed, close it again.
        :raises GatewayError: if the trade is neither closed nor paid.
        :raises NotificationRefused: as :meth:`query` does.
        :raises InvalidParameter: if the payment belongs to another merchant.
        """
        from ..operations.queries import close

        return cast("P", close(self.merchant, payment).payment)

    def cancel(self, payment: P) -> P:
        """Cancel a payment whatever its status (open platform): close it, or refund all of it if it
        was paid, on the day of the payment.

        The request is repeated a few times if Alipay demands it.

        :param payment: one of this merchant's.
        :returns: the application's object, as the ledger has it now.
        :raises OutcomeUnknown: if no response arrives, or Alipay could not cancel yet: try again.
        :raises GatewayError: if the payment cannot be cancelled, for example because it is too
            late; the ledger then has the status that Alipay reports.
        :raises ConfigurationError: on the legacy gateway, which has no such service.
        :raises NotificationRefused: as :meth:`query` does.
        :raises InvalidParameter: if the payment belongs to another merchant.
        """
        from ..operations.queries import cancel

        return cast("P", cancel(self.merchant, payment))

    def refund(
        self,
        payment: P,
        amount: str | int | Decimal,
        *,
        reason: str | None = None,
        out_request_no: str | None = None,
    ) -> R:
        """Refund a sale, all of it or a part.

        The refund is recorded under its number and committed before Alipay is called, so that it is
        never made twice: a call with the same number is the same refund. A call without a number
        continues a refund of the same amount whose outcome is unknown; if its outcome was reported
        meanwhile, a second refund is made.

        On the legacy gateway Alipay accepts the refund without a password, if the contract has
        that, and reports the result later: until then the row is ``REFUND_PROCESSING``.

        :param payment: a sale of this merchant's.
        :param amount: yuan: ``str``, ``int`` or :class:`~decimal.Decimal`; at most the amount that
            is not refunded yet.
        :param reason: shown to the buyer.
        :param out_request_no: the number of the refund, 1 to 64 letters, digits, underscores or
            hyphens; generated by default. On the legacy gateway the number of a batch: see
            :meth:`refund_url`.
        :returns: the row of the refund, an object of the application's class, committed.
        :raises InvalidParameter: names the invalid parameter; nothing is recorded.
        :raises TypeError: for a ``float`` amount.
        :raises OutcomeUnknown: if no response arrives: the row stays ``REFUND_PROCESSING``. Call
            this again with the exception's ``out_request_no``.
        :raises GatewayError: if Alipay rejects the refund. A signed rejection is the row's
            ``status``; the same number may be submitted again (``ACQ.SELLER_BALANCE_NOT_ENOUGH``).
        :raises NotificationRefused: if the ledger rejects the result, or a callback raised.
        :raises ConfigurationError: without a class for refunds.
        """
        from ..operations.refunds import refund

        return cast("R", refund(self.merchant, payment, amount, reason, out_request_no))

    def refund_url(
        self,
        payment: P,
        amount: str | int | Decimal,
        *,
        reason: str,
        out_request_no: str | None = None,
    ) -> str:
        """Return the URL at which the merchant confirms a refund with the account's password
        (legacy gateway, ``refund_fastpay_by_platform_pwd``).

        The refund is recorded first and committed with everything else in the session; Alipay
        reports the result later: see :meth:`~flask_alipay.AlipayBlueprint.on_refunded`. The same
        ``out_request_no`` is the same refund, never a second one.

        :param payment: a sale.
        :param amount: yuan, at most the amount that is not refunded yet.
        :param reason: shown to the buyer.
        :param out_request_no: the number of the batch at Alipay: the date in China and 3 to 24
            letters or digits; generated by default.
        :raises InvalidParameter: names the invalid parameter; nothing is recorded.
        :raises ConfigurationError: on the open platform, or without a class for refunds.
        """
        from ..operations.refunds import refund_request

        return refund_request(self.merchant, payment, amount, reason, out_request_no).url

    def reconcile(
        self, older_than: timedelta = timedelta(minutes=10), limit: int | None = None
    ) -> ReconcileReport:
        """Query all payments that wait, and all refunds and transfers whose outcome is unknown;
        update the ledger and close expired payments. A transfer or deduction that Alipay does not
        know is submitted again with its number, up to the age of a week. Agreements are queried
        until they are signed, and once a day while a deduction is due.

        Several processes may run this at once: each takes a lease of two minutes on the rows that
        it queries. A row that was queried less than two minutes ago is skipped, and one that cannot
        be queried does not delay the others.

        :param older_than: younger payments, refunds and transfers are skipped.
        :param limit: the number of queries; those never queried and those queried longest ago come
            first, payments, refunds and transfers in turns.
        :returns: counts; ``failures`` are those that could not be queried, and ``aborted`` means
            that Alipay no longer responded.
        :raises InvalidParameter: if an argument is negative.
        """
        from ..operations.reconciliation import reconcile

        return reconcile(self.merchant, older_than, limit)

    def replay(
        self,
        payload: bytes | Mapping[str, str],
        *,
        journalled: bool = False,
        dry_run: bool = False,
    ) -> ReplayResult:
        """Verify and settle a notification again, as if Alipay delivered it now.

        :param payload: a captured form body, or the parameters of a journal row.
        :param journalled: whether it is a journal row, which only holds confirmed notifications.
        :param dry_run: return the result without writing anything or calling a callback.
        :returns: the result.
        :raises NotificationRefused: as the route ``notify`` rejects it.
        """
        from ..operations.replay import replay

        return replay(self.merchant, payload, journalled=journalled, dry_run=dry_run)

    def order_string(self, payment: P) -> str:
        """Return the order string that the shop's app gives to Alipay's SDK
        (``alipay.trade.app.pay``), and record that the payment is sent to Alipay.

        If the payment is stored already, the session is committed.

        :param payment: of the product ``app``; commit it before you return the string, since it may
            be paid from then on.
        :raises InvalidParameter: names the invalid parameter.
        :raises ConfigurationError: on the legacy gateway.
        """
        from ..operations.app_payments import order_string

        return order_string(self.merchant, payment)

    def app_result(self, result: str) -> P:
        """Return the payment that Alipay's SDK reported to an app, as the ledger has it.

        The SDK's result settles nothing, though it is signed: the app is in the buyer's hands. Only
        the ledger knows whether the payment is paid.

        :param result: the SDK's ``result``, verbatim: ``{"alipay_trade_app_pay_response": …}``.
        :raises BadNotification: if it cannot be parsed.
        :raises BadSignature: if Alipay did not sign it.
        :raises WrongAccount: if it is for another application.
        :raises UnknownPayment: if the payment is not in the ledger.
        """
        from ..operations.app_payments import payment_from_app_result

        return cast("P", payment_from_app_result(self.merchant, result))

    def qr_code(self, payment: P) -> str:
        """Return the text of the QR code that the buyer scans (``alipay.trade.precreate``), for a
        display of the shop's own; the page of ``checkout_url`` shows it, too.

        The code is requested once and stored with the payment until it is two hours old. The
        session is committed before the request.

        :param payment: of the product ``qr``.
        :raises InvalidParameter: names the invalid parameter.
        :raises GatewayError: with Alipay's ``sub_code``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        :raises ConfigurationError: on the legacy gateway.
        """
        from ..operations.qr_codes import qr_code

        return qr_code(self.merchant, payment).text

    def mini_program_trade(
        self,
        payment: P,
        *,
        buyer_open_id: str | None = None,
        buyer_id: str | None = None,
        op_buyer_open_id: str | None = None,
    ) -> str:
        """Return Alipay's number of a payment's trade (``alipay.trade.create``), which a
        mini-program passes to ``my.tradePay`` as ``tradeNO``.

        A payment has at most one trade, for one buyer: the trade is created once and recorded, and
        a later call returns the same number without a request. Retry the call if the outcome is
        unknown. The session is committed before the request.

        :param payment: of the product ``jsapi``.
        :param buyer_open_id: the buyer's OpenID (``open_id`` of ``system_oauth_token``), or
        :param buyer_id: in older applications, the number of the buyer's account, or
        :param op_buyer_open_id: the buyer's OpenID under the payment's ``op_app_id``, if that is
            another application than the calling one.
        :raises InvalidParameter: names the invalid parameter; also without a buyer, for another
            buyer than the trade's, or if the payment can no longer be paid.
        :raises GatewayError: with Alipay's ``sub_code``, for example ``ACQ.BUYER_NOT_EXIST``. If
            the trade is paid or closed at Alipay, the ledger is updated first.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted: call again.
        :raises NotificationRefused: if Alipay's response contradicts the ledger.
        :raises ConfigurationError: on the legacy gateway.
        """
        from ..operations.mini_programs import mini_program_trade

        return mini_program_trade(
            self.merchant,
            payment,
            buyer_open_id=buyer_open_id,
            buyer_id=buyer_id,
            op_buyer_open_id=op_buyer_open_id,
        )

    def pay_barcode(self, payment: P, auth_code: str, *, polling: PollingPolicy | None = None) -> P:
        """Charge the payment code on the buyer's phone (``alipay.trade.pay``), wait until the buyer
        has confirmed, and update the ledger. This may take a minute.

        The session is committed before the request.

        :param payment: of the product ``barcode``.
        :param auth_code: the payment code, as the scanner read it.
        :param polling: how long to wait; half a minute by default.
        :returns: the application's object: paid, or closed because the buyer did not confirm.
        :raises InvalidParameter: names the invalid parameter.
        :raises GatewayError: with Alipay's ``sub_code``: it is not paid, and the ledger does not
            change. Scan again, for a new payment.
        :raises OutcomeUnknown: the payment may be paid; the notification decides. Do not let the
            buyer pay again before.
        :raises NotificationRefused: if the ledger rejects Alipay's response.
        :raises ConfigurationError: on the legacy gateway.
        """
        from ..operations.barcode_payments import pay_barcode

        return cast("P", pay_barcode(self.merchant, payment, auth_code, polling))
