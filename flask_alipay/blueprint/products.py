"""What is not paid by sending a browser to Alipay: in an app, by QR code, at the till."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ..gateways.openapi import PollingPolicy
    from .blueprint import AlipayBlueprint


class Products:
    """The products ``app``, ``qr`` and ``barcode`` of the open platform: a part of
    :class:`AlipayBlueprint`.
    """

    def order_string(self, payment: Any) -> str:
        """Returns what the shop's app hands to Alipay's SDK (``alipay.trade.app.pay``).

        :param payment: of the product ``app``; committed, since it may be paid from now on.
        :raises InvalidParameter: names the parameter at fault.
        :raises ConfigurationError: on the legacy gateway.
        """
        from ..operations.app_payments import order_string

        return order_string(cast("AlipayBlueprint", self), payment)

    def app_result(self, result: str) -> Any:
        """Returns the payment that an app was told of by Alipay's SDK, as the ledger has it.

        What the SDK tells the app at once is a hint where to look, and settles nothing, however
        well it is signed: the app is the buyer's. Only the ledger says whether it is paid.

        :param result: the SDK's ``result``, verbatim: ``{"alipay_trade_app_pay_response": …}``.
        :raises BadNotification: if it cannot be read.
        :raises BadSignature: if Alipay did not sign it.
        :raises WrongAccount: if it is about another application.
        :raises UnknownPayment: if the payment is not in the ledger.
        """
        from ..operations.app_payments import payment_from_app_result

        return payment_from_app_result(cast("AlipayBlueprint", self), result)

    def qr_code(self, payment: Any) -> str:
        """Returns the text of the QR code that a buyer scans (``alipay.trade.precreate``), for a
        display of the shop's own; ``checkout_url`` leads to a page that shows it.

        Alipay is asked once and the code kept with the payment, until it is two hours old. What is
        in the session is committed before.

        :param payment: of the product ``qr``.
        :raises InvalidParameter: names the parameter at fault.
        :raises GatewayError: with Alipay's ``sub_code``.
        :raises OutcomeUnknown: if no answer comes, or none that can be believed.
        :raises ConfigurationError: on the legacy gateway.
        """
        from ..operations.qr_codes import qr_code

        return qr_code(cast("AlipayBlueprint", self), payment).text

    def pay_barcode(
        self, payment: Any, auth_code: str, *, polling: PollingPolicy | None = None
    ) -> Any:
        """Takes a payment by the code on the buyer's phone (``alipay.trade.pay``), waits until the
        buyer has confirmed, and brings the ledger in line. It may take a minute.

        What is in the session is committed before.

        :param payment: of the product ``barcode``.
        :param auth_code: the code, as the scanner read it.
        :param patience: how long to wait; half a minute for the buyer by default.
        :returns: the payment as the ledger has it then: ``paid``, or closed because the buyer did
            not confirm in time.
        :raises InvalidParameter: names the parameter at fault.
        :raises GatewayError: with Alipay's ``sub_code``: it is not paid, and the ledger unchanged.
            Scan again, for a new payment.
        :raises OutcomeUnknown: nobody knows whether it is paid; the ledger waits for the
            notification. Do not let the buyer pay again before.
        :raises NotificationRefused: if the ledger could not take what Alipay answered.
        :raises ConfigurationError: on the legacy gateway.
        """
        from ..operations.barcode_payments import pay_barcode

        return pay_barcode(cast("AlipayBlueprint", self), payment, auth_code, polling)
