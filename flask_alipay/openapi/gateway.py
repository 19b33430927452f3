"""The client of the open platform."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from ..china_time import to_china
from ..exceptions import InvalidParameter
from ..fields import convert, url
from ..limits import check_choice
from ..signed_request import SignedRequest, sign_request
from ..signer import Signer, sign_content
from ..transport import HttpTransport, Transport
from .payments import PRODUCTS, biz_content, payment_content

#: Where the open platform lives.
PRODUCTION = "https://openapi.alipay.com/gateway.do"
#: Where its sandbox lives; the older name's certificate has expired.
SANDBOX = "https://openapi-sandbox.dl.alipaydev.com/gateway.do"

_URLS = {"notify_url": url(256), "return_url": url(256)}
_PHONE = re.compile(r"Mobi|Android|iPhone|iPod|Windows Phone", re.IGNORECASE)


class OpenApiGateway:
    """The open platform for one application.

    :param app_id: the application's number.
    :param signer: signs the requests.
    :param gateway_url: the gateway's address.
    :param charset: the charset of requests, answers and notifications.
    :param app_cert_sn: in certificate mode, the number of the application's certificate.
    :param root_cert_sn: in certificate mode, the number of Alipay's root certificates.
    :param transport: how the gateway is asked.
    """

    protocol = "openapi"
    #: What :meth:`pay` can make, and the method behind it.
    products: Mapping[str, str] = {name: product.method for name, product in PRODUCTS.items()}

    def __init__(
        self,
        app_id: str,
        signer: Signer,
        *,
        gateway_url: str = PRODUCTION,
        charset: str = "utf-8",
        app_cert_sn: str | None = None,
        root_cert_sn: str | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.app_id = app_id
        self.charset = charset
        self.gateway_url = gateway_url
        self._signer = signer
        self._common = {
            "app_id": app_id,
            "format": "JSON",
            "charset": charset,
            "sign_type": signer.sign_type,
            "version": "1.0",
            "app_cert_sn": app_cert_sn or "",
            "alipay_root_cert_sn": root_cert_sn or "",
        }
        self._transport = HttpTransport() if transport is None else transport

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

        :param out_trade_no: 1 to 64 letters, digits or underscores.
        :param subject: what is sold, at most 256 characters.
        :param total_amount: yuan: ``str``, ``int`` or :class:`~decimal.Decimal`.
        :param notify_url: where Alipay tells about the payment.
        :param return_url: where the buyer comes back to.
        :param fields: further fields of ``biz_content``, for example ``body``,
            ``timeout_express``, ``time_expire`` (an aware ``datetime``, or China time as text),
            ``passback_params``, ``qr_pay_mode``; those that are not known here are passed through.
        :raises InvalidParameter: names the field at fault.
        :raises TypeError: for a ``float`` amount.
        """
        return self._payment(
            "page", out_trade_no, subject, total_amount, notify_url, return_url, fields
        )

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
        return self._payment(
            "wap", out_trade_no, subject, total_amount, notify_url, return_url, fields
        )

    def in_charset(self, charset: str) -> OpenApiGateway:
        """Returns the same gateway with another charset."""
        gateway = copy(self)
        gateway.charset = charset
        gateway._common = {**self._common, "charset": charset}
        return gateway

    def pay(
        self,
        product: str,
        *,
        expires_at: datetime | None = None,
        bank: str | None = None,
        **params: Any,
    ) -> SignedRequest:
        """Makes the request that sends a buyer to pay; both gateways have it.

        :param product: ``page`` is :meth:`trade_page_pay`, ``wap`` :meth:`trade_wap_pay`.
        :param expires_at: when the payment may no longer be made.
        :param bank: the legacy gateway's; there is no choosing a bank here.
        :param params: what the method takes.
        :raises InvalidParameter: names the parameter at fault.
        """
        check_choice("product", product, self.products)
        if bank is not None:
            raise InvalidParameter("bank", "can only be chosen on the legacy gateway")
        if expires_at is not None:
            params["time_expire"] = expires_at
        method = self.trade_wap_pay if product == "wap" else self.trade_page_pay
        return method(**params)

    def check_payment(self, product: str | None, **params: Any) -> None:
        """Checks, before anything is stored, what :meth:`pay` would be given.

        :raises InvalidParameter: names the parameter at fault.
        """
        if product is not None:
            check_choice("product", product, self.products)
        content = payment_content(params, PRODUCTS[product or "page"], self.charset)
        sign_content({"biz_content": biz_content(content, self.charset)}, charset=self.charset)

    def product_for(self, user_agent: str) -> str:
        """Returns the product for a buyer whose payment names none: ``wap`` on a phone.

        :param user_agent: what the buyer's browser calls itself.
        """
        return "wap" if _PHONE.search(user_agent) else "page"

    def _payment(
        self,
        name: str,
        out_trade_no: str,
        subject: str,
        total_amount: str | int | Decimal,
        notify_url: str | None,
        return_url: str | None,
        fields: Mapping[str, Any],
    ) -> SignedRequest:
        product = PRODUCTS[name]
        own = {"out_trade_no": out_trade_no, "subject": subject, "total_amount": total_amount}
        urls = {"notify_url": notify_url, "return_url": return_url}
        content = payment_content({**own, **fields}, product, self.charset)
        return self._sign(
            product.method,
            {
                **convert(_URLS, urls, self.charset, product.method),
                "biz_content": biz_content(content, self.charset),
            },
        )

    def _sign(self, method: str, params: Mapping[str, str]) -> SignedRequest:
        own = {"method": method, "timestamp": to_china(datetime.now(timezone.utc))}
        # A request signs its sign_type; a notification does not.
        return sign_request(
            self.gateway_url,
            {**self._common, **own, **params},
            self._signer,
            charset=self.charset,
            exclude=("sign",),
        )
