"""The client of the open platform: the door to its methods."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from ...exceptions import InvalidParameter
from ...protocol.charsets import request_charset
from ...protocol.limits import check_choice
from ...protocol.signed_request import SignedRequest
from ...signer import sign_content
from ..transport import HttpTransport
from .barcode_payments import PAY, BarcodePayments
from .bill_download import BILL, BillDownload
from .biz_content import biz_content
from .client import COMMON, MethodSpec
from .payment_operations import PaymentOperations
from .payments import (
    APP,
    BROWSER_PRODUCTS,
    FIELDS,
    PRODUCTS,
    REQUIRED,
    Product,
    check_currency,
    payment_content,
)
from .refunds import REFUND, REFUND_QUERY
from .settlements import SETTLE, Settlements
from .trades import CANCEL, CLOSE, CREATE, PRECREATE, QUERY
from .transfers import TRANSFER, TRANSFER_QUERY, Transfers

#: Where the open platform's sandbox lives; the older name's certificate has expired.
SANDBOX = "https://openapi-sandbox.dl.alipaydev.com/gateway.do"

#: The methods and the limits of their fields, by the name of the gateway's method.
METHODS: Mapping[str, MethodSpec] = {
    **{
        f"trade_{name}_pay": MethodSpec(PRODUCTS[name].method, FIELDS, required=REQUIRED)
        for name in ("page", "wap", "app")
    },
    **{
        method.name.removeprefix("alipay.").replace(".", "_"): method
        for method in (
            *(PRECREATE, CREATE, PAY, QUERY, CLOSE, CANCEL, REFUND, REFUND_QUERY),
            *(SETTLE, TRANSFER, TRANSFER_QUERY, BILL),
        )
    },
}

_PHONE = re.compile(r"Mobi|Android|iPhone|iPod|Windows Phone", re.IGNORECASE)


class OpenApiGateway(PaymentOperations, BarcodePayments, Settlements, Transfers, BillDownload):
    """The open platform for one application: one method for each of Alipay's, named as it.

    What a browser or an app brings to Alipay is returned signed and not sent. What is performed
    here returns what Alipay answered, read into types; any other method is performed by
    :meth:`call`. A no of Alipay's is a :class:`~flask_alipay.exceptions.GatewayError` with its
    ``code`` and ``sub_code``; where no answer came, or none that can be believed,
    :class:`~flask_alipay.exceptions.OutcomeUnknown` says that what was asked for may have happened.

    :param app_id: the application's number.
    :param signer: signs the requests and verifies the answers.
    :param gateway_url: the gateway's address.
    :param charset: the charset of requests, answers and notifications.
    :param app_cert_sn: in certificate mode, the number of the application's certificate.
    :param root_cert_sn: in certificate mode, the number of Alipay's root certificates.
    :param alipay_cert_sns: in certificate mode, the numbers of the certificates of Alipay's whose
        keys the signer has; an answer that is signed with another is not believed.
    :param certificates: instead of these numbers, the certificates themselves: another one is then
        fetched from Alipay and, if it proves itself, believed and kept.
    :param aes_key: encrypts ``biz_content``, and decrypts the answers; base64, as in the console.
    :param api_version: how what is performed travels: ``v2`` to the gateway's one address, ``v3``
        to a path for each method beside it. What a browser or an app brings is the same in both.
    :param app_auth_token: the token of the merchant for whom a third-party application acts; each
        call sends it, unless the call is given another.
    :param transport: how the gateway is asked.
    :raises KeyFormatError: if ``aes_key`` is something else.
    :raises ConfigurationError: for ``v3`` with a signer that is not RSA2.
    """

    protocol: ClassVar[str] = "openapi"
    #: What a payment can be, and the method behind it.
    products: ClassVar[Mapping[str, str]] = {
        name: product.method for name, product in PRODUCTS.items()
    }

    def trade_page_pay(
        self,
        *,
        out_trade_no: str,
        subject: str,
        total_amount: str | int | Decimal,
        notify_url: str | None = None,
        return_url: str | None = None,
        **fields: Any,
    ) -> SignedRequest:
        """Makes a payment on a desktop (``alipay.trade.page.pay``).

        :param out_trade_no: 1 to 64 letters, digits, underscores or hyphens.
        :param subject: what is sold, at most 256 characters.
        :param total_amount: yuan: ``str``, ``int`` or :class:`~decimal.Decimal`.
        :param notify_url: where Alipay tells about the payment.
        :param return_url: where the buyer comes back to.
        :param fields: further fields, see :ref:`trade_page_pay <parameters-trade_page_pay>`;
            unknown ones are passed through. ``app_auth_token`` acts for the merchant who granted
            it.
        :raises InvalidParameter: names the field at fault.
        :raises TypeError: for a ``float`` amount.
        """
        own = {"out_trade_no": out_trade_no, "subject": subject, "total_amount": total_amount}
        urls = {"notify_url": notify_url, "return_url": return_url}
        return self._payment(PRODUCTS["page"], {**fields, **own, **urls})

    def trade_wap_pay(
        self,
        *,
        out_trade_no: str,
        subject: str,
        total_amount: str | int | Decimal,
        notify_url: str | None = None,
        return_url: str | None = None,
        **fields: Any,
    ) -> SignedRequest:
        """Makes a payment in a phone's browser (``alipay.trade.wap.pay``).

        Takes and raises the same as :meth:`trade_page_pay`; ``quit_url`` is where a buyer goes who
        gives up.
        """
        own = {"out_trade_no": out_trade_no, "subject": subject, "total_amount": total_amount}
        urls = {"notify_url": notify_url, "return_url": return_url}
        return self._payment(PRODUCTS["wap"], {**fields, **own, **urls})

    def trade_app_pay(
        self, *, out_trade_no: str, subject: str, total_amount: str | int | Decimal, **fields: Any
    ) -> str:
        """Makes a payment in the shop's own app (``alipay.trade.app.pay``).

        Takes and raises the same as :meth:`trade_page_pay`, but for ``return_url``: the buyer never
        leaves.

        :returns: the order string: the app hands it, as it is, to Alipay's SDK.
        """
        own = {"out_trade_no": out_trade_no, "subject": subject, "total_amount": total_amount}
        return self._payment(APP, {**fields, **own}).query

    def in_charset(self, charset: str) -> OpenApiGateway:
        """Returns the same gateway with another charset."""
        gateway = copy(self)
        gateway.charset = request_charset(charset)
        gateway._common = {**self._common, "charset": gateway.charset}
        return gateway

    def acting_for(self, app_auth_token: str | None) -> OpenApiGateway:
        """Return the gateway with which each call sends a merchant's token.

        :param app_auth_token: the token; without one, or with this gateway's own, this gateway.
        :raises InvalidParameter: if it is no token.
        """
        if app_auth_token is None or app_auth_token == self._app_auth_token:
            return self
        token = COMMON["app_auth_token"]("app_auth_token", app_auth_token, self.charset)
        gateway = copy(self)
        gateway._app_auth_token = token
        return gateway

    def within(self, seconds: float) -> OpenApiGateway:
        """Return the gateway with which an HTTP request and its response take no longer.

        :param seconds: the time; see :meth:`HttpTransport.within
            <flask_alipay.gateways.transport.HttpTransport.within>`.
        """
        gateway = copy(self)
        if isinstance(self._transport, HttpTransport):
            gateway._transport = self._transport.within(seconds)
        return gateway

    def pay(
        self,
        product: str,
        *,
        expires_at: datetime | None = None,
        bank: str | None = None,
        currency: str = "CNY",
        **params: Any,
    ) -> SignedRequest:
        """Makes the request that sends a buyer to pay; both gateways have it.

        :param product: ``page`` is :meth:`trade_page_pay`, ``wap`` :meth:`trade_wap_pay`.
        :param expires_at: when the payment may no longer be made.
        :param bank: the legacy gateway's; there is no choosing a bank here.
        :param currency: the legacy gateway's likewise; here it is always CNY.
        :param params: what the method takes.
        :raises InvalidParameter: names the parameter at fault; also for a product that no browser
            brings to Alipay.
        """
        check_choice("product", product, BROWSER_PRODUCTS)
        check_currency(currency, params.get("trans_currency"))
        if bank is not None:
            raise InvalidParameter("bank", "can only be chosen on the legacy gateway")
        if expires_at is not None:
            params["time_expire"] = expires_at
        method = self.trade_wap_pay if product == "wap" else self.trade_page_pay
        return method(**params)

    def check_payment(self, product: str | None, *, currency: str = "CNY", **params: Any) -> None:
        """Checks, before anything is stored, what :meth:`pay` would be given.

        :raises InvalidParameter: names the parameter at fault.
        """
        check_currency(currency, params.get("trans_currency"))
        if product is not None:
            check_choice("product", product, self.products)
        chosen = PRODUCTS[product or "page"]
        _, fields = self._parted(params, chosen.method)
        content = payment_content(fields, chosen, self.charset)
        sign_content({"biz_content": biz_content(content, self.charset)}, charset=self.charset)

    def product_for(self, user_agent: str) -> str:
        """Returns the product for a buyer whose payment names none: ``wap`` on a phone.

        :param user_agent: what the buyer's browser calls itself.
        """
        return "wap" if _PHONE.search(user_agent) else "page"

    def _payment(self, product: Product, values: Mapping[str, Any]) -> SignedRequest:
        common, fields = self._parted(values, product.method)
        content = payment_content(fields, product, self.charset)
        return self._request(product.method, content, common)
