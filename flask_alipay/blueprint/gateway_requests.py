"""Signed requests that take a buyer to Alipay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import request

from ..exceptions import InvalidParameter
from ..operations.payments import gateway_request

if TYPE_CHECKING:
    from ..merchant import Merchant
    from ..protocol.signed_request import SignedRequest

#: The width of the QR code in the checkout, in pixels.
QR_WIDTH: Final = 200
# A page for a frame, with a QR code of the given width and nothing else.
_IN_FRAME: Final = {"qr_pay_mode": "4", "qrcode_width": str(QR_WIDTH)}


def payment_request(
    merchant: Merchant, payment: Any, *, bank: str | None = None, in_frame: bool = False
) -> SignedRequest:
    """Return the signed request of a payment for the buyer's browser.

    :param in_frame: whether Alipay shall only show a QR code, in a frame of the checkout.
    :raises InvalidParameter: names the invalid parameter.
    """
    return gateway_request(
        merchant,
        payment,
        bank=bank,
        user_agent=request.user_agent.string,
        extra=_IN_FRAME if in_frame else None,
    )


def in_frame(pay_url: str) -> str:
    """Return the URL of ``pay`` for the frame of the checkout."""
    return f"{pay_url}{'&' if '?' in pay_url else '?'}frame=qr"


def wants_frame() -> bool:
    """Return whether the request comes from the checkout's frame."""
    return request.args.get("frame") == "qr"


def blocks_alipay() -> bool:
    """Return whether this is WeChat's browser, which does not open Alipay's pages."""
    return "micromessenger" in request.user_agent.string.lower()


def offers_qr(merchant: Merchant, payment: Any) -> bool:
    """Return whether the checkout shows a QR code next to its button: ``CHECKOUT_QR`` is on, and
    the payment is made on a page of Alipay's whose request fits into a URL.
    """
    details = payment.details or {}
    if not merchant.config.pages.checkout_qr or payment.product not in (None, "page"):
        return False
    if "qr_pay_mode" in details or "trans_currency" in details or payment.currency != "CNY":
        return False
    if merchant.gateway.product_for(request.user_agent.string) != "page":
        return False
    try:
        signed = payment_request(merchant, payment, in_frame=True)
    except InvalidParameter:
        return False  # the button explains it
    return len(signed.url) <= merchant.config.max_url_length
