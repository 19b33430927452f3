"""The payments that a buyer's browser brings to the legacy gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..signed_request import SignedRequest
from . import direct_pay, escrow, forex_pay, wap_pay
from .caller import Caller

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Payments(Caller):
    """Instant payment, escrow, phones and foreign currencies.

    A payment is signed and not sent: ``.url`` is for a redirect, ``.form()`` for a page. ``None``
    is a parameter that is not given; amounts are ``str``, ``int`` or :class:`~decimal.Decimal`, a
    ``float`` is a ``TypeError``. What is wrong is an
    :class:`~flask_alipay.exceptions.InvalidParameter` that names the parameter at fault.
    """

    def create_direct_pay_by_user(self, **params: Unpack[direct_pay.DirectPay]) -> SignedRequest:
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
        return self._payment(direct_pay.SERVICE, params)

    def create_partner_trade_by_buyer(self, **params: Unpack[escrow.EscrowTrade]) -> SignedRequest:
        """Makes a payment into escrow (担保交易): Alipay holds the money until the buyer has the
        goods.

        :param params: ``out_trade_no``, ``subject``, ``price`` and ``quantity``; ``logistics_type``
            (``POST``, ``EXPRESS``, ``EMS``, ``DIRECT``), ``logistics_fee`` (may be 0) and
            ``logistics_payment`` (``BUYER_PAY``, ``SELLER_PAY``, ``BUYER_PAY_AFTER_RECEIVE``); the
            seller is the merchant unless named as in :meth:`create_direct_pay_by_user`; beyond that
            ``notify_url``, ``return_url``, ``body``, ``show_url``, ``discount``, ``receive_name``,
            ``receive_address``, ``receive_zip``, ``receive_phone``, ``receive_mobile``,
            ``extra_common_param``, ``it_b_pay``, ``token`` and the buyer's account.
        :raises InvalidParameter: names the parameter at fault.
        """
        return self._payment(escrow.ESCROW, params)

    def trade_create_by_buyer(self, **params: Unpack[escrow.EscrowTrade]) -> SignedRequest:
        """Makes a payment by the dual interface (标准双接口): the buyer chooses escrow or not.

        :param params: as in :meth:`create_partner_trade_by_buyer`.
        :raises InvalidParameter: names the parameter at fault.
        """
        return self._payment(escrow.DUAL, params)

    def alipay_wap_create_direct_pay_by_user(
        self, **params: Unpack[wap_pay.WapPay]
    ) -> SignedRequest:
        """Makes a payment in a phone's browser (手机网站支付); in UTF-8 alone.

        :param params: ``out_trade_no``, ``subject``, ``total_fee`` and ``show_url`` (the merchant's
            where the payment names none); beyond that ``seller_id``, ``notify_url``,
            ``return_url``, ``body``, ``it_b_pay``, ``extern_token``, ``otherfee``, ``airticket``,
            ``rn_check``, ``buyer_cert_no``, ``buyer_real_name``, ``scene``, ``app_pay``,
            ``goods_type``, ``promo_params``, ``extend_params`` and ``ext_user_info``.
        :raises InvalidParameter: names the parameter at fault; ``_input_charset`` for a merchant on
            GBK, who can ask ``gateway.in_charset("utf-8")``.
        """
        return self._payment(wap_pay.SERVICE, params)

    def create_forex_trade(self, **params: Unpack[forex_pay.ForexTrade]) -> SignedRequest:
        """Makes a cross-border payment that is settled in a foreign currency.

        :param params: ``out_trade_no``, ``subject``, ``currency`` and either ``total_fee`` in that
            currency (whole yen, dollars with cents) or ``rmb_fee`` in yuan; beyond that
            ``notify_url``, ``return_url``, ``body``, ``supplier``, ``timeout_rule`` (``5m`` …
            ``12h``), ``product_code`` (``NEW_OVERSEAS_SELLER`` in new contracts), ``seller_id``,
            ``seller_email``, ``refer_url``, ``auth_token``, ``order_gmt_create``,
            ``order_valid_time``, ``secondary_merchant_id``, ``secondary_merchant_name``,
            ``secondary_merchant_industry``, ``trade_information`` (a mapping), ``qr_pay_mode`` and
            ``qrcode_width``.
        :raises InvalidParameter: names the parameter at fault.
        """
        return self._payment(forex_pay.SERVICE, params)

    def create_forex_trade_wap(self, **params: Unpack[forex_pay.ForexTradeWap]) -> SignedRequest:
        """Makes a cross-border payment in a phone's browser.

        :param params: as in :meth:`create_forex_trade`, and ``merchant_url`` (where a buyer goes
            who gives up) and ``app_pay``; the ``product_code`` is ``NEW_WAP_OVERSEAS_SELLER``.
        :raises InvalidParameter: names the parameter at fault.
        """
        return self._payment(forex_pay.WAP_SERVICE, params)

    def _payment(self, service: str, params: Mapping[str, Any]) -> SignedRequest:
        return self._sign(service, self._payment_params(service, params))

    def _payment_params(self, service: str, params: Mapping[str, Any]) -> dict[str, str]:
        """Returns the parameters of one payment, checked, as Alipay's text."""
        if service in (forex_pay.SERVICE, forex_pay.WAP_SERVICE):
            return forex_pay.forex_params(params, self.charset, service)
        typed = {"payment_type": "1"}
        if service == wap_pay.SERVICE:
            own = {"seller_id": self._seller_id or self.partner}
            return typed | wap_pay.wap_pay_params(self._and(own, params), self.charset)
        given = self._and(self._seller(params, *direct_pay.SELLERS), params)
        if service == direct_pay.SERVICE:
            return typed | direct_pay.direct_pay_params(given, self.charset)
        return typed | escrow.escrow_params(given, self.charset, service)

    def _and(self, own: Mapping[str, str], params: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what the caller gave over what is the merchant's own."""
        given = {name: value for name, value in params.items() if value is not None}
        show_url = {"show_url": self._show_url} if self._show_url else {}
        return {**show_url, **own, **given}
