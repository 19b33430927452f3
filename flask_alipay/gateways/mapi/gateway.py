"""The client of the legacy gateway: the door to its services."""

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

#: Alipay's published public key of the legacy gateway: it verifies the RSA notifications of all
#: merchants, so it never says by itself whose payment one speaks of.
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
    """The legacy gateway of one merchant: one method for each service, named as the service.

    What a browser brings is returned as a
    :class:`~flask_alipay.protocol.signed_request.SignedRequest`; what
    is performed here returns what Alipay answered. A no of Alipay's is a
    :class:`~flask_alipay.exceptions.GatewayError` with its ``code``; where no answer came, or none
    that can be believed, :class:`~flask_alipay.exceptions.OutcomeUnknown` says that what was asked
    for may have happened.

    :param partner: the merchant's account, 16 digits that begin with 2088.
    :param signer: signs the requests and verifies the answers.
    :param seller_id: the account that gets the money; ``partner`` unless it or ``seller_email`` is
        given.
    :param seller_email: the same by its login name.
    :param charset: the charset of requests and of the notifications that follow from them.
    :param gateway_url: the gateway's address.
    :param wap_gateway_url: the address of the older WAP gateway.
    :param show_url: a page about what is sold, where a payment names none.
    :param transport: how the gateway is asked.
    """

    protocol: ClassVar[str] = "mapi"
    #: What :meth:`pay` can make, and the service behind it.
    products: ClassVar[Mapping[str, str]] = PRODUCTS

    def in_charset(self, charset: str) -> MapiGateway:
        """Returns the same gateway with another charset."""
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
                "is for the open platform: the legacy gateway has no third-party applications",
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
        """Asks Alipay whether it sent a notification to this merchant within the last minute.

        A second check after the signature, never the only one.

        :param notify_id: as it stood in the notification, decoded once.
        :raises OutcomeUnknown: if Alipay does not answer in time; the notification must then not be
            answered ``success``.
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
        """Makes the request that sends a buyer to pay; both gateways have it.

        :param product: ``page`` is :meth:`create_direct_pay_by_user`, ``escrow``
            :meth:`create_partner_trade_by_buyer`, ``dual`` :meth:`trade_create_by_buyer`, ``wap``
            :meth:`alipay_wap_create_direct_pay_by_user`, ``forex`` :meth:`create_forex_trade` and
            ``forex_wap`` :meth:`create_forex_trade_wap`.
        :param expires_at: when the payment may no longer be made, to the minute.
        :param bank: the code of the bank that the buyer chose.
        :param currency: of ``total_amount``; a foreign one for ``forex`` and ``forex_wap``.
        :param params: ``out_trade_no``, ``subject``, ``total_amount``, ``notify_url``,
            ``return_url`` and anything else that the service takes. In escrow the price is the
            total, the quantity 1 and the goods are sent by express at the seller's cost, unless
            ``price``, ``quantity`` and logistics are given, which then must come to the total.
        :raises InvalidParameter: names the parameter at fault.
        """
        values = service_params(
            product, expires_at=expires_at, bank=bank, currency=currency, **params
        )
        return self._payment(PRODUCTS[product], values)

    def check_payment(self, product: str | None, **params: Any) -> None:
        """Checks, before anything is stored, what :meth:`pay` would be given.

        :raises InvalidParameter: names the parameter at fault.
        """
        product = "page" if product is None else product
        checked = self._payment_params(PRODUCTS.get(product, ""), service_params(product, **params))
        sign_content(checked, charset=self.charset)  # every character is one of the charset

    def product_for(self, user_agent: str) -> str:
        """Returns the product for a buyer whose payment names none.

        :param user_agent: what the buyer's browser calls itself.
        """
        return "page"
