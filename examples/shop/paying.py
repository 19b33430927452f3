"""The payment methods: on a page, by QR code, with escrow; and the callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from flask_alipay import AlipayBlueprint
from flask_alipay.protocol.agreements import china_today
from flask_alipay.protocol.conversion import to_decimal

from . import orders
from .models import (
    ESCROW,
    EXPIRED,
    FAILED,
    QR,
    Agreement,
    Notification,
    Order,
    Payment,
    Refund,
    db,
)
from .settings import days_ahead

alipay = AlipayBlueprint(db, Payment, Refund, Notification, Agreement=Agreement, clock=days_ahead())


@alipay.on_paid
def ship_order(payment: Payment) -> None:
    """Create the shipment, once per payment, in the transaction that records it.

    Order, shipment and payment are committed together or not at all: no commit here. Money in
    escrow is a sale, so the shop may ship.
    """
    orders.mark_paid(payment.order)
    if payment.order.subscription is not None:
        payment.order.subscription.failures = 0
        payment.order.subscription.retry_on = None


@alipay.on_failed
def release_products(payment: Payment) -> None:
    """Close the order if its trade was closed unpaid and the buyer has started no newer payment."""
    order = payment.order
    if order.subscription is not None and payment.deduction_date is not None:
        # Runs once for each failed charge, in whichever process learns of it. The payment of a
        # process that was killed before the charge is closed later and does not count.
        order.subscription.failures += 1
        tomorrow = china_today(alipay.merchant.clock()) + timedelta(days=1)
        order.subscription.retry_on = tomorrow.isoformat()
    if payment is order.payment:
        # By Alipay's clock; a charge has no time to pay.
        in_time = payment.expires_at is None or payment.closed_at < payment.expires_at
        orders.close_unpaid(order, FAILED if in_time else EXPIRED)


@alipay.on_finished
def complete_order(payment: Payment) -> None:
    """Complete the order if it was paid with escrow: the buyer has confirmed the goods.

    Otherwise the event means that the period for refunds is over, which says nothing about the
    parcel.
    """
    if payment is payment.order.sale and payment.product == ESCROW:
        orders.complete(payment.order)


def begin_alipay(order: Order) -> None:
    """Add a payment to an order that was just placed or opened again, in its transaction."""
    _begin(order)


def begin_qr(order: Order) -> None:
    """Likewise for a phone that scans a code on the screen (扫码支付)."""
    _begin(order, product=QR)


def begin_escrow(order: Order) -> None:
    """Likewise with escrow (担保交易). By default the request to Alipay states delivery by express
    at the shop's expense.
    """
    _begin(order, product=ESCROW)


def alipay_url(order: Order) -> str:
    return alipay.checkout_url(order.payment)


def _begin(order: Order, product: str | None = None) -> None:
    alipay.create_payment(
        subject=_subject(order),
        total_amount=to_decimal(order.total_fen),
        product=product,
        expires_at=order.expires_at,
        order=order,
        reference=order.number,
    )


def _subject(order: Order) -> str:
    first = f"{order.items[0].title} × {order.items[0].quantity}"
    more = len(order.items) - 1
    return _("%(first)s and %(more)s more", first=first, more=more) if more else first


@dataclass(frozen=True)
class Method:
    """A payment method: how to start it, and the URL for the buyer."""

    label: LazyString
    note: LazyString
    begin: Callable[[Order], None]
    url: Callable[[Order], str]
    #: The payment product that the merchant's gateway must have.
    product: str


METHODS = {
    "alipay": Method(
        _l("Alipay"), _l("The shop gets your money at once"), begin_alipay, alipay_url, "page"
    ),
    "alipay-qr": Method(
        _l("Alipay, by QR code (扫码支付)"), _l("Scan it with your phone"), begin_qr, alipay_url, QR
    ),
    "alipay-escrow": Method(
        _l("Alipay, escrow (担保交易)"),
        _l("Alipay keeps your money until you have the tea"),
        begin_escrow,
        alipay_url,
        ESCROW,
    ),
}

#: Methods that are no longer offered but that old orders have.
FORMER_METHODS = {"wechat": _l("WeChat Pay (微信支付)")}

#: The method of the orders that a subscription makes.
SUBSCRIPTION = "subscription"


def offered() -> Mapping[str, Method]:
    """Return the payment methods of this merchant.

    QR codes exist on the open platform only, escrow on the legacy gateway only.
    """
    products = alipay.gateway.products
    return {name: method for name, method in METHODS.items() if method.product in products}


def method_label(name: str) -> str:
    """Return the label of a payment method."""
    if name in METHODS:
        return str(METHODS[name].label)
    if name == SUBSCRIPTION:
        return str(_l("Automatic payment by Alipay"))
    return str(FORMER_METHODS.get(name, _l("this payment method")))
