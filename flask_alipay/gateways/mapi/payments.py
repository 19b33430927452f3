"""Payments that a buyer's browser sends to the legacy gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...protocol.signed_request import SignedRequest
from . import direct_pay, escrow, forex_pay, wap_pay
from .client import MapiClient

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Payments(MapiClient):
    """Instant payments, escrow, phone and cross-border payments.

    A payment is signed and not sent: ``.url`` is for a redirect, ``.form()`` for a page. ``None``
    means that a parameter is not given; amounts are ``str``, ``int`` or :class:`~decimal.Decimal`,
    a ``float`` raises ``TypeError``. An invalid parameter raises
    :class:`~flask_alipay.exceptions.InvalidParameter` with its name.
    """

    def create_direct_pay_by_user(self, **params: Unpack[direct_pay.DirectPay]) -> SignedRequest:
        """Create an instant payment (即时到账) that the buyer's browser sends to Alipay.

        :param params: see :ref:`create_direct_pay_by_user <parameters-create_direct_pay_by_user>`.
        :raises InvalidParameter: names the invalid parameter.
        :raises TypeError: for a ``float`` amount.
        """
        return self._payment(direct_pay.SERVICE, params)

    def create_partner_trade_by_buyer(self, **params: Unpack[escrow.EscrowTrade]) -> SignedRequest:
        """Create an escrow payment (担保交易): Alipay holds the money until the buyer confirms the
        receipt of the goods.

        :param params: see :ref:`create_partner_trade_by_buyer
            <parameters-create_partner_trade_by_buyer>`.
        :raises InvalidParameter: names the invalid parameter.
        """
        return self._payment(escrow.ESCROW, params)

    def trade_create_by_buyer(self, **params: Unpack[escrow.EscrowTrade]) -> SignedRequest:
        """Create a payment by the dual interface (标准双接口): escrow or instant, as the buyer
        chooses.

        :param params: see :ref:`trade_create_by_buyer <parameters-trade_create_by_buyer>`.
        :raises InvalidParameter: names the invalid parameter.
        """
        return self._payment(escrow.DUAL, params)

    def alipay_wap_create_direct_pay_by_user(
        self, **params: Unpack[wap_pay.WapPay]
    ) -> SignedRequest:
        """Create a payment in a phone's browser (手机网站支付); in UTF-8 only.

        :param params: see :ref:`alipay_wap_create_direct_pay_by_user
            <parameters-alipay_wap_create_direct_pay_by_user>`.
        :raises InvalidParameter: names the invalid parameter; ``_input_charset`` for a merchant
            with GBK, who can call this on ``gateway.in_charset("utf-8")``.
        """
        return self._payment(wap_pay.SERVICE, params)

    def create_forex_trade(self, **params: Unpack[forex_pay.ForexTrade]) -> SignedRequest:
        """Create a cross-border payment that is settled in a foreign currency.

        :param params: see :ref:`create_forex_trade <parameters-create_forex_trade>`; either
            ``total_fee`` in ``currency`` (whole yen, dollars with cents) or ``rmb_fee`` is
            required.
        :raises InvalidParameter: names the invalid parameter.
        """
        return self._payment(forex_pay.SERVICE, params)

    def create_forex_trade_wap(self, **params: Unpack[forex_pay.ForexTradeWap]) -> SignedRequest:
        """Create a cross-border payment in a phone's browser.

        :param params: see :ref:`create_forex_trade_wap <parameters-create_forex_trade_wap>`; the
            ``product_code`` is ``NEW_WAP_OVERSEAS_SELLER`` in new contracts.
        :raises InvalidParameter: names the invalid parameter.
        """
        return self._payment(forex_pay.WAP_SERVICE, params)

    def _payment(self, service: str, params: Mapping[str, Any]) -> SignedRequest:
        return self._sign(service, self._payment_params(service, params))

    def _payment_params(self, service: str, params: Mapping[str, Any]) -> dict[str, str]:
        """Return the validated parameters of a payment as Alipay's text."""
        if service in (forex_pay.SERVICE, forex_pay.WAP_SERVICE):
            return forex_pay.forex_params(params, self.charset, service)
        typed = {"payment_type": "1"}
        if service == wap_pay.SERVICE:
            seller = {"seller_id": self._seller_id or self.partner}
            return typed | wap_pay.wap_pay_params(self._with_defaults(seller, params), self.charset)
        given = self._with_defaults(self._seller(params, *direct_pay.SELLERS), params)
        if service == direct_pay.SERVICE:
            return typed | direct_pay.direct_pay_params(given, self.charset)
        return typed | escrow.escrow_params(given, self.charset, service)

    def _with_defaults(
        self, defaults: Mapping[str, str], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the caller's parameters over the merchant's defaults."""
        given = {name: value for name, value in params.items() if value is not None}
        show_url = {"show_url": self._show_url} if self._show_url else {}
        return {**show_url, **defaults, **given}
