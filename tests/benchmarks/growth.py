"""Cost of a hundred times the payments: a ledger of 10,000 and one of 1,000,000, in turns.

``python -m tests.benchmarks.growth [sqlite] [postgresql] [mariadb]``

A twentieth of the payments is pending. Each operation is done as an app does it, through the
package and the session.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from flask import Flask

from flask_alipay.ledger.leases import lease_rows, pending_payments
from flask_alipay.models import utc_now

from . import ledgers, shops, verdicts
from .databases import database, on_each
from .race import race
from .settling import delivering

FEW, MANY = 10_000, 1_000_000
ROUNDS, CALLS = 30, 10
#: How many times as long each may take: lookup, waiting list, insert, settle.
REACH: dict[str, tuple[float | None, ...]] = {
    "sqlite": (2.0, 1.5, 3.0, 3.0),
    "postgresql": (1.25, 1.25, 1.25, 1.25),
    "mariadb": (None, 1.5, None, None),
}


class Shop(NamedTuple):
    """App with a ledger of some size."""

    app: Flask
    #: Of payments that are there.
    numbers: list[str]

    @property
    def alipay(self) -> Any:
        """Its blueprint."""
        return self.app.blueprints["alipay"]


def lookup(shop: Shop, calls: int) -> Callable[[], None]:
    """Find a payment by its number."""
    turn = itertools.cycle(shop.numbers)

    def find() -> None:
        if shop.alipay.ledger().find(next(turn)) is None:
            raise RuntimeError("it is not there")
        shops.db.session.rollback()

    return find


def waiting(shop: Shop, calls: int) -> Callable[[], None]:
    """Lease the next pending payment, as ``reconcile`` does before its query."""

    def ask() -> None:
        before = utc_now() - timedelta(minutes=10)
        those = pending_payments(shops.Payment, shops.APP_ID, before)
        if next(lease_rows(shops.db.session, those), None) is None:
            raise RuntimeError("nothing waits")

    return ask


def insert(shop: Shop, calls: int) -> Callable[[], None]:
    """Create a payment and commit it."""

    def create() -> None:
        shop.alipay.create_payment(subject="龙井茶 250g", total_amount="88.88")
        shops.db.session.commit()

    return create


def settle(shop: Shop, calls: int) -> Callable[[], None]:
    """Settle a first notification, by the route that Alipay calls."""
    numbers = [
        shop.alipay.create_payment(subject="茶", total_amount="88.88").out_trade_no
        for _ in range(calls)
    ]
    shops.db.session.commit()
    key = shops.alipay_key()
    return delivering(shop.app, [shops.notification(number, key) for number in numbers])


WORK = {"lookup": lookup, "waiting list": waiting, "insert": insert, "settle": settle}


@contextlib.contextmanager
def shop_of(kind: str, count: int) -> Iterator[Shop]:
    """Open a shop with so many payments on a separate database."""
    key = shops.alipay_key()
    with database(kind) as url:
        app = shops.our_app(url, shops.public_pem(key), shops.private_pem(shops.merchant_key()))
        with app.app_context():
            shops.db.create_all()
        yield Shop(app, ledgers.fill(app, count))
        with app.app_context():
            shops.db.engine.dispose()


def in_app(shop: Shop, work: Callable[[], None]) -> Callable[[], None]:
    """Return the work inside an app context, as a request has it."""

    def call() -> None:
        with shop.app.app_context():
            work()

    return call


def grow(
    kind: str, few: int = FEW, many: int = MANY, rounds: int = ROUNDS, calls: int = CALLS
) -> None:
    """Run each operation in both ledgers."""
    reach = REACH[kind]
    with shop_of(kind, few) as small, shop_of(kind, many) as large:
        for (name, work), most in zip(WORK.items(), reach, strict=True):
            works = []
            for shop in (small, large):
                with shop.app.app_context():
                    works.append(in_app(shop, work(shop, (rounds + 1) * calls)))
            grown = race(*works, rounds=rounds, calls=calls).wall
            what, unit = f"{name}, {few:,} to {many:,} payments, {kind}", "times as long"
            if most is None:
                verdicts.for_the_record(what, grown, unit)
            else:
                verdicts.at_most(what, grown, most, unit)


def main(*kinds: str) -> None:
    """Run the benchmark on each database."""
    on_each("growth", grow, kinds)


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.exit(verdicts.conclude())
