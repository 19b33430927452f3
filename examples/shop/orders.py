"""Place, pay, ship and close orders. Independent of Alipay and of web pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import select, update

from .catalogue import CATALOGUE
from .models import (
    COMPLETED,
    EXPIRED,
    FAILED,
    FIRST_NUMBER,
    OPEN,
    PAID,
    SENT,
    Item,
    Order,
    Shipment,
    Stock,
    db,
    now,
)

#: The notification of a payment in the last second needs time to arrive.
GRACE = timedelta(minutes=1)


class SoldOut(Exception):
    """A product is not available in the ordered quantity.

    :param title: the product's title.
    """

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.title = title


def place(quantities: Mapping[str, int], method: str) -> Order:
    """Add an order to the session and reserve its products.

    Prices come from the catalogue, never from the browser.

    :raises SoldOut: if a product is not available in that quantity; nothing is reserved then.
    """
    items = []
    for slug, quantity in quantities.items():
        product = CATALOGUE[slug]
        items.append(
            Item(slug=slug, title=product.title, quantity=quantity, price_fen=product.price_fen)
        )
    order = Order(method=method, pay_by=_deadline(), items=items)
    db.session.add(order)
    db.session.flush()
    reserve(order)
    return order


def reopen(order: Order) -> bool:
    """Open a failed or expired order again; return whether this call did it.

    :raises SoldOut: if the products were sold in the meantime.
    """
    if not order.move(FAILED, EXPIRED, to=OPEN, pay_by=_deadline()):
        return False
    reserve(order)
    return True


def mark_paid(order: Order) -> None:
    """Record the payment, and create the shipment."""
    if order.move(OPEN, to=PAID):
        db.session.add(Shipment(order=order))
    elif order.move(FAILED, EXPIRED, to=PAID):
        # A late payment is a sale; if necessary, from the next delivery.
        db.session.add(Shipment(order=order, waits_for_stock=not _reserve_again(order)))
    else:
        current_app.logger.warning("order %s was paid twice: refund one payment", order.number)


def mark_sent(order: Order) -> None:
    """Record that the parcel was shipped."""
    order.move(PAID, to=SENT)


def complete(order: Order) -> None:
    """Record that the buyer has the goods and the shop the money."""
    order.move(PAID, SENT, to=COMPLETED)


def find(number: str) -> Order | None:
    """Return an order by its displayed number."""
    digits = number.upper().removeprefix("T")
    if not digits.isdecimal() or len(digits) > 12:
        return None
    return db.session.get(Order, int(digits) - FIRST_NUMBER)


def sold(limit: int = 50) -> list[Order]:
    """Return the paid orders, newest first."""
    known = Order.state.in_((PAID, SENT, COMPLETED))
    return list(
        db.session.scalars(select(Order).where(known).order_by(Order.id.desc()).limit(limit))
    )


def close_unpaid(order: Order, state: str) -> None:
    """Close an unpaid order and release its products."""
    if order.move(OPEN, to=state):
        for item in order.items:
            _release(item)


def close_overdue() -> None:
    """Close expired orders.

    If the buyer never opened Alipay's cashier page, Alipay has no trade and sends no notification,
    so the clock decides. Called before pages that show the stock; a larger shop would use a timer.
    """
    overdue = select(Order).where(Order.state == OPEN, Order.pay_by < now() - GRACE)
    for order in db.session.scalars(overdue).all():
        close_unpaid(order, EXPIRED)
    db.session.commit()


def reserve(order: Order) -> None:
    """Reserve an order's products, all or none.

    The items are sorted: two orders for the same products reserve them in the same order, which
    prevents deadlocks.
    """
    reserved: list[Item] = []
    for item in order.items:
        if not _reserve_item(item):
            for other in reserved:
                _release(other)
            raise SoldOut(item.title)
        reserved.append(item)


def _reserve_again(order: Order) -> bool:
    try:
        reserve(order)
    except SoldOut:
        return False
    return True


def _reserve_item(item: Item) -> bool:
    """Reserve one item in one statement, so that two buyers cannot both get the last one."""
    updated = db.session.execute(
        update(Stock)
        .where(Stock.slug == item.slug, Stock.pieces >= item.quantity)
        .values(pieces=Stock.pieces - item.quantity)
    )
    return bool(updated.rowcount)


def _release(item: Item) -> None:
    db.session.execute(
        update(Stock).where(Stock.slug == item.slug).values(pieces=Stock.pieces + item.quantity)
    )


def _deadline() -> datetime:
    """Return the end of the time for payment, in whole seconds as at Alipay and some databases."""
    minutes = timedelta(minutes=current_app.config["SHOP_PAYMENT_MINUTES"])
    return now().replace(microsecond=0) + minutes
