"""The ways to pay, by the name that an order carries. Alipay is the only one, so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask_alipay import AlipayBlueprint
from flask_alipay.money import to_decimal

from . import orders
from .models import EXPIRED, FAILED, Notification, Order, Payment, Refund, db

alipay = AlipayBlueprint(db, Payment, Refund, Notification)


@alipay.on_paid
def send_the_tea(payment: Payment) -> None:
    """Runs once per payment, in the transaction that records it.

    Order, shipment and payment are written together or not at all: no commit here.
    """
    orders.mark_paid(payment.order)


@alipay.on_failed
def put_the_tea_back(payment: Payment) -> None:
    """The trade was closed unpaid. If the buyer has begun a newer one, that one counts."""
    order = payment.order
    if payment is order.payment:
        in_time = payment.closed_at < payment.expires_at  # when Alipay closed it, not when we hear
        orders.give_up(order, FAILED if in_time else EXPIRED)


def begin_alipay(order: Order) -> None:
    """Adds a payment to an order that was just placed or opened again, in its transaction."""
    alipay.create_payment(
        subject=_subject(order),
        total_amount=to_decimal(order.total_fen),
        expires_at=order.expires_at,
        order=order,
    )


def alipay_url(order: Order) -> str:
    return alipay.checkout_url(order.payment)


def _subject(order: Order) -> str:
    first = f"{order.items[0].title} × {order.items[0].quantity}"
    more = len(order.items) - 1
    return f"{first} and {more} more" if more else first


@dataclass(frozen=True)
class Method:
    """A way to pay: how to begin it, and where to send the buyer."""

    label: str
    begin: Callable[[Order], None]
    url: Callable[[Order], str]


METHODS = {"alipay": Method("Alipay", begin_alipay, alipay_url)}

#: What was taken in former years. Old orders still name it.
FORMER_METHODS = {"wechat": "WeChat Pay (微信支付)"}


def method_label(name: str) -> str:
    """Returns what a buyer calls a way to pay."""
    if name in METHODS:
        return METHODS[name].label
    return FORMER_METHODS.get(name, "that way to pay")
