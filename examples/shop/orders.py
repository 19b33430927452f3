"""How an order is placed, and how it ends. Nothing here knows of Alipay or of web pages."""

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

#: Word of a payment made in the last second needs a moment to arrive.
GRACE = timedelta(minutes=1)


class SoldOut(Exception):
    """There is not enough left of a product.

    :param title: what the product is called; the order itself is gone when this is told.
    """

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.title = title


def place(quantities: Mapping[str, int], method: str) -> Order:
    """Adds an order to the session and takes its goods off the shelf.

    The prices are the catalogue's: a browser may ask for things, never name a price.

    :raises SoldOut: if something is not there in that quantity; nothing is taken then.
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
    """Gives a failed or expired order another chance; whether it was this call that did it.

    :raises SoldOut: if the goods have gone in the meantime.
    """
    if not order.move(FAILED, EXPIRED, to=OPEN, pay_by=_deadline()):
        return False
    reserve(order)
    return True


def mark_paid(order: Order) -> None:
    """Records that the money came, and has the goods sent."""
    if order.move(OPEN, to=PAID):
        db.session.add(Shipment(order=order))
    elif order.move(FAILED, EXPIRED, to=PAID):
        # It came after we had given up: a sale all the same, if need be from the next delivery.
        db.session.add(Shipment(order=order, waits_for_stock=not _reserved_again(order)))
    else:
        current_app.logger.warning("order %s was paid twice: refund one payment", order.number)


def mark_sent(order: Order) -> None:
    """Records that the parcel is on its way."""
    order.move(PAID, to=SENT)


def complete(order: Order) -> None:
    """Records that the buyer has the goods and the shop the money."""
    order.move(PAID, SENT, to=COMPLETED)


def find(number: str) -> Order | None:
    """Returns an order by the number that people see."""
    digits = number.upper().removeprefix("T")
    if not digits.isdecimal() or len(digits) > 12:
        return None
    return db.session.get(Order, int(digits) - FIRST_NUMBER)


def sold(most: int = 50) -> list[Order]:
    """The orders that were paid, the newest first: what a shopkeeper has to do with."""
    known = Order.state.in_((PAID, SENT, COMPLETED))
    return list(
        db.session.scalars(select(Order).where(known).order_by(Order.id.desc()).limit(most))
    )


def give_up(order: Order, state: str) -> None:
    """Ends an unpaid order and puts its goods back on the shelf."""
    if order.move(OPEN, to=state):
        for item in order.items:
            _put_back(item)


def close_overdue() -> None:
    """Ends the orders whose time is over.

    Who never went to the cashier has no trade at Alipay that could be closed there, and no
    notification ever comes: the clock has to do it. Called before the pages that need to know; a
    busier shop would let a timer do it.
    """
    overdue = select(Order).where(Order.state == OPEN, Order.pay_by < now() - GRACE)
    for order in db.session.scalars(overdue).all():
        give_up(order, EXPIRED)
    db.session.commit()


def reserve(order: Order) -> None:
    """Takes an order's goods off the shelf, all or nothing.

    The items come sorted: two orders for the same goods take them in the same order, so that
    neither waits for the other for ever.
    """
    taken: list[Item] = []
    for item in order.items:
        if not _take(item):
            for other in taken:
                _put_back(other)
            raise SoldOut(item.title)
        taken.append(item)


def _reserved_again(order: Order) -> bool:
    try:
        reserve(order)
    except SoldOut:
        return False
    return True


def _take(item: Item) -> bool:
    """The database compares and subtracts in one step: two buyers cannot both get the last tin."""
    taken = db.session.execute(
        update(Stock)
        .where(Stock.slug == item.slug, Stock.pieces >= item.quantity)
        .values(pieces=Stock.pieces - item.quantity)
    )
    return bool(taken.rowcount)


def _put_back(item: Item) -> None:
    db.session.execute(
        update(Stock).where(Stock.slug == item.slug).values(pieces=Stock.pieces + item.quantity)
    )


def _deadline() -> datetime:
    """Whole seconds, as Alipay and some databases count."""
    minutes = timedelta(minutes=current_app.config["SHOP_PAYMENT_MINUTES"])
    return now().replace(microsecond=0) + minutes
