"""The ways to pay, by the name that an order carries: on a page, by QR code, into escrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask_alipay import AlipayBlueprint
from flask_alipay.protocol.money import to_decimal

from . import orders
from .models import ESCROW, EXPIRED, FAILED, QR, Notification, Order, Payment, Refund, db

alipay = AlipayBlueprint(db, Payment, Refund, Notification)


@alipay.on_paid
def send_the_tea(payment: Payment) -> None:
    """Runs once per payment, in the transaction that records it.

    Order, shipment and payment are written together or not at all: no commit here. Money in escrow
    counts as paid: the shop may ship.
    """
    orders.mark_paid(payment.order)


@alipay.on_failed
def put_the_tea_back(payment: Payment) -> None:
    """The trade was closed unpaid. If the buyer has begun a newer one, that one counts."""
    order = payment.order
    if payment is order.payment:
        in_time = payment.closed_at < payment.expires_at  # when Alipay closed it, not when we hear
        orders.give_up(order, FAILED if in_time else EXPIRED)


@alipay.on_finished
def end_the_story(payment: Payment) -> None:
    """In escrow, the buyer has confirmed the goods. Otherwise the time for refunds is over, which
    comes at once or months later and says nothing about the parcel.
    """
    if payment is payment.order.sale and payment.product == ESCROW:
        orders.complete(payment.order)


def begin_alipay(order: Order) -> None:
    """Adds a payment to an order that was just placed or opened again, in its transaction."""
    _begin(order)


def begin_qr(order: Order) -> None:
    """Likewise for a phone that scans a code on the screen (当面付)."""
    _begin(order, product=QR)


def begin_escrow(order: Order) -> None:
    """Likewise into escrow (担保交易). The shop sends the parcel by express and pays for it, as
    Alipay is told unless a payment says otherwise.
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
    return f"{first} and {more} more" if more else first


@dataclass(frozen=True)
class Method:
    """A way to pay: how to begin it, and where to send the buyer."""

    label: str
    note: str
    begin: Callable[[Order], None]
    url: Callable[[Order], str]
    #: The product of Alipay's that the merchant's gateway must have.
    product: str


METHODS = {
    "alipay": Method(
        "Alipay", "The shop gets your money at once", begin_alipay, alipay_url, "page"
    ),
    "alipay-qr": Method(
        "Alipay, by QR code (扫码支付)",
        "Scan it with your phone",
        begin_qr,
        alipay_url,
        QR,
    ),
    "alipay-escrow": Method(
        "Alipay, escrow (担保交易)",
        "Alipay keeps your money until you have the tea",
        begin_escrow,
        alipay_url,
        ESCROW,
    ),
}

#: What was taken in former years. Old orders still name it.
FORMER_METHODS = {"wechat": "WeChat Pay (微信支付)"}


def offered() -> Mapping[str, Method]:
    """The ways to pay that this shop's merchant has: a code to scan is only on the open platform,
    escrow only on the legacy gateway.
    """
    products = alipay.gateway.products
    return {name: method for name, method in METHODS.items() if method.product in products}


def method_label(name: str) -> str:
    """Returns what a buyer calls a way to pay."""
    if name in METHODS:
        return METHODS[name].label
    return FORMER_METHODS.get(name, "that way to pay")
