"""The legacy gateway's client with all its services."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from datetime import datetime
from typing import Any, ClassVar

from ...exceptions import InvalidParameter
from ...protocol.charsets import request_charset
from ...protocol.signed_request import SignedRequest
from ...signer import sign_content
from ..transport import HttpTransport
from .account import Accounts
from .forex import Forex
from .mobile import Mobile
from .overseas import Overseas
from .payment_operations import PaymentOperations
from .payment_products import PRODUCTS, service_params
from .payments import Payments
from .qrcodes import QrCodes
from .transfers import Transfers
from .wap_rest import WapRest

#: Alipay's published public key of the legacy gateway. It verifies the RSA notifications of all
#: merchants: a valid signature does not prove which merchant a notification is for.
MAPI_PUBLIC_KEY = (
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCnxj/9qwVfgoUh/y2W89L6BkRAFljhNhgPdyPuBV64bfQNN1PjbCzk"
    "IM6qRdKBoLPXmKKMiFYnkd6rAoprih3/PrQEB/VsW8OoM8fxn67UDYuyBTqA23MML9q1+ilIZwBC2AQ2UBVOrFXfFl75"
    "p6/B5KsiNG9zpgmLCUYuLkxpLQIDAQAB"
)


class MapiGateway(
    Payments,
    PaymentOperations,
    Transfers,
    Forex,
    WapRest,
    Mobile,
    QrCodes,
    Overseas,
    Accounts,
):
    """The legacy gateway of one merchant: one method for each service, named after the service.

    Requests that a browser sends are returned as a
    :class:`~flask_alipay.protocol.signed_request.SignedRequest`; requests that are sent here return
    Alipay's response. If Alipay rejects a request, :class:`~flask_alipay.exceptions.GatewayError`
    has its ``code``; if no response arrives, or none that can be trusted,
    :class:`~flask_alipay.exceptions.OutcomeUnknown` is raised: the request may have taken effect.

    :param partner: the merchant's account, 16 digits that begin with 2088.
    :param signer: signs the requests and verifies the responses.
    :param seller_id: the account that receives the money; ``partner`` unless it or ``seller_email``
        is given.
    :param seller_email: the login name of that account.
    :param charset: the charset of requests and of the resulting notifications.
    :param gateway_url: the gateway's URL.
    :param wap_gateway_url: the URL of the legacy WAP gateway.
    :param show_url: the default page of the sold goods.
    :param transport: sends the requests; over HTTP by default.
    """

    protocol: ClassVar[str] = "mapi"
    #: The products of :meth:`pay`, and the service behind each.
    products: ClassVar[Mapping[str, str]] = PRODUCTS

    def in_charset(self, charset: str) -> MapiGateway:
        """Return the same gateway with another charset."""
        gateway = copy(self)
        gateway.charset = request_charset(charset)
        return gateway

    def acting_for(self, app_auth_token: str | None) -> MapiGateway:
        """Return this gateway, which has no third-party applications.

        :param app_auth_token: must be ``None``.
        :raises InvalidParameter: otherwise.
        """
        if app_auth_token is not None:
            raise InvalidParameter(
                "app_auth_token",
                "must not be given: the legacy gateway has no third-party applications",
            )
        return self

    def within(self, seconds: float) -> MapiGateway:
        """Return the gateway with which an HTTP request and its response take no longer.

        :param seconds: the time; see :meth:`HttpTransport.within
            <flask_alipay.gateways.transport.HttpTransport.within>`.
        """
        gateway = copy(self)
        if isinstance(self._transport, HttpTransport):
            gateway._transport = self._transport.within(seconds)
        return gateway

    def notify_verify(self, notify_id: str) -> bool:
        """Query whether Alipay sent a notification to this merchant within the last minute.

        A second check after the signature, never the only one.

        :param notify_id: the notification's ID, decoded once.
        :raises OutcomeUnknown: if Alipay does not respond in time; do not acknowledge the
            notification with ``success`` then.
        """
        params = {"service": "notify_verify", "partner": self.partner, "notify_id": notify_id}
        return self._transport.get(self.gateway_url, params).strip() == b"true"

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

        :param product: ``page`` is :meth:`create_direct_pay_by_user`, ``escrow``
            :meth:`create_partner_trade_by_buyer`, ``dual`` :meth:`trade_create_by_buyer`, ``wap``
            :meth:`alipay_wap_create_direct_pay_by_user`, ``forex`` :meth:`create_forex_trade` and
            ``forex_wap`` :meth:`create_forex_trade_wap`.
        :param expires_at: the end of the time to pay, to the minute.
        :param bank: the code of the bank that the buyer chose.
        :param currency: of ``total_amount``; a foreign currency for ``forex`` and ``forex_wap``.
        :param params: ``out_trade_no``, ``subject``, ``total_amount``, ``notify_url``,
            ``return_url`` and other parameters of the service. In escrow the price is the total,
            the quantity 1 and the goods are sent by express at the seller's cost, unless ``price``,
            ``quantity`` and logistics are given, which then must add up to the total.
        :raises InvalidParameter: names the invalid parameter.
        """
        values = service_params(
            product, expires_at=expires_at, bank=bank, currency=currency, **params
        )
        return self._payment(PRODUCTS[product], values)

    def check_payment(self, product: str | None, **params: Any) -> None:
        """Check the parameters of :meth:`pay` before anything is stored.

        :raises InvalidParameter: names the invalid parameter.
        """
        product = "page" if product is None else product
        checked = self._payment_params(PRODUCTS.get(product, ""), service_params(product, **params))
        sign_content(checked, charset=self.charset)  # rejects characters that the charset lacks

    def product_for(self, user_agent: str) -> str:
        """Return the default product for a buyer's browser.

        :param user_agent: the browser's ``User-Agent``.
        """
        return "page"
