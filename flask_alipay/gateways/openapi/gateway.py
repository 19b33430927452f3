"""The open platform's client with all its methods."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from ...exceptions import InvalidParameter
from ...protocol.charsets import encode_json, request_charset
from ...protocol.signed_request import SignedRequest
from ...protocol.validation import check_choice
from ...signer import sign_content
from ..transport import HttpTransport
from .accounts import (
    ACCOUNT,
    ACCOUNT_LOG,
    BALANCE,
    RECEIPT_APPLY,
    RECEIPT_QUERY,
    Accounts,
)
from .agreement_operations import AgreementOperations
from .agreements import AGREEMENT_QUERY, PLAN_MODIFY, SIGN, UNSIGN
from .any_method import AnyMethod
from .barcode_payments import PAY
from .bill_download import BILL, BillDownload
from .client import COMMON, MethodSpec
from .granted_payments import GrantedPayments
from .oauth import (
    APP_TOKEN,
    APP_TOKEN_QUERY,
    OAUTH_TOKEN,
    USER_INFO,
    Authorizations,
)
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
from .preauthorization_fields import (
    APP_FREEZE,
    FREEZE,
    OPERATION_CANCEL,
    OPERATION_QUERY,
    ORDERINFO_SYNC,
    UNFREEZE,
    VOUCHER,
)
from .preauthorization_operations import PreauthorizationOperations
from .refunds import REFUND, REFUND_QUERY
from .royalty_relations import BIND, RELATIONS, UNBIND, RoyaltyRelations
from .settlements import ONSETTLE_QUERY, SETTLE, SETTLE_QUERY, Settlements
from .trades import CANCEL, CLOSE, CREATE, PRECREATE, QUERY
from .transfer_operations import TransferOperations
from .transfers import TRANSFER, TRANSFER_QUERY

#: URL of the open platform's sandbox; the certificate of the older host name has expired.
SANDBOX = "https://openapi-sandbox.dl.alipaydev.com/gateway.do"

#: Declarations of the methods, by the name of :class:`OpenApiGateway`'s method.
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
            *(SETTLE_QUERY, ONSETTLE_QUERY, BIND, UNBIND, RELATIONS),
            *(OAUTH_TOKEN, USER_INFO, APP_TOKEN, APP_TOKEN_QUERY),
            *(APP_FREEZE, VOUCHER, FREEZE, OPERATION_QUERY, UNFREEZE, OPERATION_CANCEL),
            ORDERINFO_SYNC,
            *(ACCOUNT, BALANCE, ACCOUNT_LOG, RECEIPT_APPLY, RECEIPT_QUERY),
            *(SIGN, AGREEMENT_QUERY, UNSIGN, PLAN_MODIFY),
        )
    },
}

_PHONE = re.compile(r"Mobi|Android|iPhone|iPod|Windows Phone", re.IGNORECASE)


class OpenApiGateway(
    GrantedPayments,
    Settlements,
    RoyaltyRelations,
    TransferOperations,
    PreauthorizationOperations,
    BillDownload,
    Accounts,
    AgreementOperations,
    AnyMethod,
    Authorizations,
):
    """The open platform for one application: one method for each of Alipay's, named after it.

    Requests that a browser or an app sends are returned signed. Requests that are sent here return
    Alipay's response as typed values. :meth:`call` calls, and :meth:`sign` signs, any other method.
    If Alipay rejects a request, :class:`~flask_alipay.exceptions.GatewayError` has its ``code`` and
    ``sub_code``; if no response arrives, or none that can be trusted,
    :class:`~flask_alipay.exceptions.OutcomeUnknown` is raised: the request may have taken effect.

    :param app_id: the application ID.
    :param signer: signs the requests and verifies the responses.
    :param gateway_url: the gateway's URL.
    :param charset: the charset of requests, responses and notifications.
    :param app_cert_sn: in certificate mode, the serial number of the application's certificate.
    :param root_cert_sn: in certificate mode, the serial numbers of Alipay's root certificates.
    :param alipay_cert_sns: in certificate mode, the serial numbers of Alipay's certificates whose
        keys the signer has; a response signed with another one is not trusted.
    :param certificates: instead of these numbers, the certificates themselves: a new one is then
        downloaded from Alipay, verified by its chain, and trusted from then on.
    :param aes_key: encrypts ``biz_content`` and decrypts the responses; base64, as in the console.
    :param api_version: the protocol of requests that are sent here: ``v2`` with the gateway's
        single URL, ``v3`` with a path for each method. Requests of browsers and apps are the same
        in both.
    :param app_auth_token: the token of the merchant for whom a third-party application acts; sent
        with each call, unless the call is given another one.
    :param transport: sends the requests; over HTTP by default.
    :raises KeyFormatError: if ``aes_key`` is something else.
    :raises ConfigurationError: for ``v3`` with a signer that is not RSA2.
    """

    protocol: ClassVar[str] = "openapi"
    #: The products of a payment, and the method behind each.
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
        """Create a payment on a desktop (``alipay.trade.page.pay``).

        :param out_trade_no: 1 to 64 letters, digits, underscores or hyphens.
        :param subject: the goods, at most 256 characters.
        :param total_amount: yuan: ``str``, ``int`` or :class:`~decimal.Decimal`.
        :param notify_url: the URL that receives the notification.
        :param return_url: the URL to which the buyer returns.
        :param fields: further fields, see :ref:`trade_page_pay <parameters-trade_page_pay>`;
            unknown ones are passed through. ``app_auth_token`` acts for the merchant who granted
            it.
        :raises InvalidParameter: names the invalid field.
        :raises TypeError: for a ``float`` amount.
        """
        order = {"out_trade_no": out_trade_no, "subject": subject, "total_amount": total_amount}
        urls = {"notify_url": notify_url, "return_url": return_url}
        return self._payment(PRODUCTS["page"], {**fields, **order, **urls})

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
        """Create a payment in a phone's browser (``alipay.trade.wap.pay``).

        Parameters and exceptions are those of :meth:`trade_page_pay`; ``quit_url`` is the page for
        a buyer who cancels.
        """
        order = {"out_trade_no": out_trade_no, "subject": subject, "total_amount": total_amount}
        urls = {"notify_url": notify_url, "return_url": return_url}
        return self._payment(PRODUCTS["wap"], {**fields, **order, **urls})

    def trade_app_pay(
        self, *, out_trade_no: str, subject: str, total_amount: str | int | Decimal, **fields: Any
    ) -> str:
        """Create a payment in the merchant's app (``alipay.trade.app.pay``).

        Parameters and exceptions are those of :meth:`trade_page_pay`, without ``return_url``: the
        buyer never leaves the app.

        :returns: the order string, which the app passes unchanged to Alipay's SDK.
        """
        order = {"out_trade_no": out_trade_no, "subject": subject, "total_amount": total_amount}
        return self._payment(APP, {**fields, **order}).order_string

    def in_charset(self, charset: str) -> OpenApiGateway:
        """Return the same gateway with another charset."""
        gateway = copy(self)
        gateway.charset = request_charset(charset)
        gateway._common = {**self._common, "charset": gateway.charset}
        return gateway

    def acting_for(self, app_auth_token: str | None) -> OpenApiGateway:
        """Return the gateway whose calls send a merchant's token.

        :param app_auth_token: the token; without one, or with this gateway's token, this gateway.
        :raises InvalidParameter: if the token is malformed.
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
        """Return the signed request with which a buyer's browser starts a payment.

        :param product: ``page`` is :meth:`trade_page_pay`, ``wap`` :meth:`trade_wap_pay`.
        :param expires_at: the end of the time to pay.
        :param bank: must be ``None``: only the legacy gateway lets the merchant's page choose a
            bank.
        :param currency: must be CNY.
        :param params: the method's parameters.
        :raises InvalidParameter: names the invalid parameter; also for a product without a browser.
        """
        check_choice("product", product, BROWSER_PRODUCTS)
        check_currency(currency, params.get("trans_currency"))
        if bank is not None:
            raise InvalidParameter("bank", "is supported only by the legacy gateway")
        if expires_at is not None:
            params["time_expire"] = expires_at
        method = self.trade_wap_pay if product == "wap" else self.trade_page_pay
        return method(**params)

    def check_payment(self, product: str | None, *, currency: str = "CNY", **params: Any) -> None:
        """Check the parameters of :meth:`pay` before anything is stored.

        :raises InvalidParameter: names the invalid parameter.
        """
        check_currency(currency, params.get("trans_currency"))
        if product is not None:
            check_choice("product", product, self.products)
        selected = PRODUCTS[product or "page"]
        _, fields = self._split(params, selected.method)
        content = payment_content(fields, selected, self.charset)
        sign_content({"biz_content": encode_json(content, self.charset)}, charset=self.charset)

    def product_for(self, user_agent: str) -> str:
        """Return the default product for a buyer's browser: ``wap`` on a phone.

        :param user_agent: the browser's ``User-Agent``.
        """
        return "wap" if _PHONE.search(user_agent) else "page"

    def _payment(self, product: Product, values: Mapping[str, Any]) -> SignedRequest:
        common, fields = self._split(values, product.method)
        content = payment_content(fields, product, self.charset)
        return self._request(product.method, content, common)
