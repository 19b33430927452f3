"""The client of the legacy gateway."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ..limits import check_choice
from ..signed_request import SignedRequest, sign_request
from ..signer import Signer, sign_content
from ..transport import HttpTransport, Transport
from .direct_pay import SELLERS, SERVICE, DirectPay, direct_pay_params

if TYPE_CHECKING:
    from typing_extensions import Unpack

#: Where the legacy gateway lives.
PRODUCTION = "https://mapi.alipay.com/gateway.do"

#: Alipay's published public key of the legacy gateway: it verifies the RSA notifications of all
#: merchants, so it never says by itself whose payment one speaks of.
MAPI_PUBLIC_KEY = (
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCnxj/9qwVfgoUh/y2W89L6BkRAFljhNhgPdyPuBV64bfQNN1PjbCzk"
    "IM6qRdKBoLPXmKKMiFYnkd6rAoprih3/PrQEB/VsW8OoM8fxn67UDYuyBTqA23MML9q1+ilIZwBC2AQ2UBVOrFXfFl75"
    "p6/B5KsiNG9zpgmLCUYuLkxpLQIDAQAB"
)


class MapiGateway:
    """The legacy gateway of one merchant.

    :param partner: the merchant's account, 16 digits that begin with 2088.
    :param signer: signs the requests.
    :param seller_id: the account that gets the money; ``partner`` unless it or ``seller_email`` is
        given.
    :param seller_email: the same by its login name.
    :param charset: the charset of requests and of the notifications that follow from them.
    :param gateway_url: the gateway's address.
    :param show_url: a page about what is sold, where a payment names none.
    :param transport: how the gateway is asked.
    """

    protocol = "mapi"
    #: What :meth:`pay` can make, and the service behind it.
    products: Mapping[str, str] = {"page": SERVICE}

    def __init__(
        self,
        partner: str,
        signer: Signer,
        *,
        seller_id: str | None = None,
        seller_email: str | None = None,
        charset: str = "utf-8",
        gateway_url: str = PRODUCTION,
        show_url: str | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.partner = partner
        self.charset = charset
        self.gateway_url = gateway_url
        self._signer = signer
        self._seller = {"seller_email": seller_email} if seller_email else {"seller_id": partner}
        if seller_id:
            self._seller = {"seller_id": seller_id}
        self._show_url = show_url
        self._transport = HttpTransport() if transport is None else transport

    def create_direct_pay_by_user(self, **params: Unpack[DirectPay]) -> SignedRequest:
        """Makes an instant payment (即时到账) that the buyer's browser brings to Alipay.

        :param params: ``out_trade_no``, ``subject`` and ``total_fee`` (or ``price`` and
            ``quantity``); the seller is the merchant's unless ``seller_id``, ``seller_email`` or
            ``seller_account_name`` is given; beyond that ``notify_url``, ``return_url``, ``body``,
            ``show_url``, ``paymethod``, ``defaultbank`` (a bank chosen on the shop's page),
            ``enable_paymethod``, ``disable_paymethod``, ``anti_phishing_key``,
            ``exter_invoke_ip``, ``extra_common_param``, ``it_b_pay``, ``token``, ``qr_pay_mode``,
            ``qrcode_width``, ``need_buyer_realnamed``, ``hb_fq_param``, ``goods_type``,
            ``extend_param``, ``royalty_type``, ``royalty_parameters``, ``buyer_id``,
            ``buyer_email`` and ``buyer_account_name``. Amounts are ``str``, ``int`` yuan or
            :class:`~decimal.Decimal`. ``None`` is a parameter that is not given.
        :raises InvalidParameter: names the parameter at fault.
        :raises TypeError: for a ``float`` amount.
        """
        return self._direct_pay(params)

    def in_charset(self, charset: str) -> MapiGateway:
        """Returns the same gateway with another charset."""
        gateway = copy(self)
        gateway.charset = charset
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
        **params: Any,
    ) -> SignedRequest:
        """Makes the request that sends a buyer to pay; both gateways have it.

        :param product: ``page`` is :meth:`create_direct_pay_by_user`.
        :param expires_at: when the payment may no longer be made, to the minute.
        :param bank: the code of the bank that the buyer chose.
        :param params: ``out_trade_no``, ``subject``, ``total_amount``, ``notify_url``,
            ``return_url`` and anything else that the service takes.
        :raises InvalidParameter: names the parameter at fault.
        """
        check_choice("product", product, self.products)
        params["total_fee"] = params.pop("total_amount")
        if expires_at is not None:
            params["it_b_pay"] = _minutes_until(expires_at)
        if bank is not None:
            params.update(paymethod="bankPay", defaultbank=bank)
        return self._direct_pay(params)

    def check_payment(self, product: str | None, **params: Any) -> None:
        """Checks, before anything is stored, what :meth:`pay` would be given.

        :raises InvalidParameter: names the parameter at fault.
        """
        if product is not None:
            check_choice("product", product, self.products)
        params["total_fee"] = params.pop("total_amount")
        checked = direct_pay_params(self._with_defaults(params), self.charset)
        sign_content(checked, charset=self.charset)  # every character is one of the charset

    def product_for(self, user_agent: str) -> str:
        """Returns the product for a buyer whose payment names none.

        :param user_agent: what the buyer's browser calls itself.
        """
        return "page"

    def _direct_pay(self, params: Mapping[str, Any]) -> SignedRequest:
        checked = direct_pay_params(self._with_defaults(params), self.charset)
        return self._sign(SERVICE, {"payment_type": "1", **checked})

    def _with_defaults(self, params: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in params.items() if value is not None}
        seller = {} if any(name in given for name in SELLERS) else self._seller
        show_url = {"show_url": self._show_url} if self._show_url else {}
        return {**show_url, **seller, **given}

    def _sign(self, service: str, params: Mapping[str, str]) -> SignedRequest:
        common = {
            "service": service,
            "partner": self.partner,
            "_input_charset": self.charset,
            "sign_type": self._signer.sign_type,
        }
        return sign_request(
            self.gateway_url,
            {**common, **params},
            self._signer,
            charset=self.charset,
            exclude=("sign", "sign_type"),
        )


def _minutes_until(moment: datetime) -> str:
    """Alipay counts whole minutes from when the buyer arrives: rounded up, within 1m and 15d."""
    seconds = (moment - datetime.now(timezone.utc)).total_seconds()
    return f"{min(max(1, -int(-seconds // 60)), 15 * 24 * 60)}m"
