"""A first notification, beside what people write around python-alipay-sdk.

``python -m tests.benchmarks.recipe [sqlite] [postgresql] [mariadb]``

The recipe is the README's of python-alipay-sdk and the one of the tutorials and shops that are
built from it: ``request.form.to_dict()``, ``pop("sign")``, ``verify``, then the order by
``Order.query.filter_by(…).first()``, a look at amount and status, attributes set, ``commit()``.
Neither a lock nor a guarded ``UPDATE`` is usual, and a journal is not, so there is none: where two
deliveries meet, it ships twice, and nobody can say afterwards what Alipay said. Many build the
client anew in each view, which takes longer than all the rest (the SDK checks the private key each
time); here it is built once. They compare the amount seldom; here it is.

Its class is mapped to our table, but to the ten columns alone that such a shop has, and without
anything of the package's.
"""

from __future__ import annotations

import sys
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from flask import Flask, request

from . import sdk, shops, verdicts
from .databases import database, on_each
from .race import race
from .settling import CALLS, ROUNDS, apps, delivering, notifications

REACH = {"sqlite": 1.3, "postgresql": 1.3, "mariadb": 1.3}

_COLUMNS = (
    *("id", "out_trade_no", "trade_no", "subject", "total_fen", "trade_status"),
    *("paid", "buyer_id", "created_at", "paid_at"),
)


class Order(shops.db.Model):  # type: ignore[misc, name-defined]
    """The row as a shop without the package maps it."""

    __table__ = shops.Payment.__table__
    __mapper_args__ = {"include_properties": _COLUMNS}  # noqa: RUF012


def recipe_app(url: str, alipay: Any) -> Flask:
    """Returns a shop that does it by the recipe.

    :param alipay: python-alipay-sdk's client.
    """
    app, db = shops.new_app(url), shops.db

    @app.post("/alipay/notify")
    def notify() -> str:
        data = request.form.to_dict()
        signature = data.pop("sign")
        if not alipay.verify(data, signature):
            return "fail"
        if data["trade_status"] in ("TRADE_SUCCESS", "TRADE_FINISHED"):
            order = Order.query.filter_by(out_trade_no=data["out_trade_no"]).first()
            if order is None or order.total_fen != Decimal(data["total_amount"]) * 100:
                return "fail"
            if not order.paid:
                order.paid = True
                order.trade_status = data["trade_status"]
                order.trade_no = data["trade_no"]
                order.buyer_id = data["buyer_id"]
                order.paid_at = datetime.fromisoformat(data["gmt_payment"] + "+08:00")
                db.session.commit()
        return "success"

    return app


def client(module: Any) -> Any:
    """Returns the SDK's client, with the keys of the run.

    :param module: the SDK.
    """
    key = shops.alipay_key()
    return module.AliPay(
        appid=shops.APP_ID,
        app_notify_url=None,
        app_private_key_string=shops.private_pem(key),
        alipay_public_key_string=shops.public_pem(key),
        sign_type="RSA2",
    )


def first(kind: str, alipay: Any, rounds: int = ROUNDS, calls: int = CALLS) -> None:
    """A sale's first notification: ours, with a journal and a callback, and the recipe's.

    :param kind: of database.
    :param alipay: the SDK's client.
    """
    with database(kind) as url:
        (ours, _), recipe = apps(url), recipe_app(url, alipay)
        count = (rounds + 1) * calls
        mine, theirs = notifications(ours, count)
        found = race(
            *(delivering(ours, mine), delivering(recipe, theirs)), rounds=rounds, calls=calls
        )
        check(recipe, count)
        for app in (ours, recipe):
            with app.app_context():
                shops.db.engine.dispose()
    what, unit = f"first notification over the recipe, {kind}", "times as fast"
    verdicts.at_least(what, found.wall, REACH[kind], unit)
    verdicts.for_the_record("  by processor time", found.processor, unit)
    verdicts.for_the_record("  in the fastest turns", found.best, unit)


def check(app: Flask, count: int) -> None:
    """Makes sure that both have done what they were timed for."""
    with app.app_context():
        paid = Order.query.filter_by(paid=True, trade_status="TRADE_SUCCESS").count()
    if paid != 2 * count:
        raise RuntimeError(f"{paid} orders are paid of {2 * count}")


def main(*kinds: str) -> None:
    """Runs it on each database."""
    try:
        alipay = client(sdk.load())
    except sdk.Missing as error:
        verdicts.not_measured("first notification over the recipe", str(error))
        return
    on_each("first notification over the recipe", partial(first, alipay=alipay), kinds)


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.exit(verdicts.conclude())
