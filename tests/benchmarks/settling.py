"""Notifications in process, beside the same done by hand.

``python -m tests.benchmarks.settling [sqlite] [postgresql] [mariadb]``
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable

from flask import Flask
from sqlalchemy import event

from flask_alipay.keys import generate_private_key
from flask_alipay.signer import Rsa2Signer

from . import shops
from .databases import database, on_each
from .race import ratio, report
from .verdicts import conclude, for_the_record

# A turn follows a full garbage collection, which empties the processor's caches: it has to last.
ROUNDS, CALLS = 20, 50
REACH = {"sqlite": 0.80, "postgresql": 0.90, "mariadb": 0.90}


def apps(url: str) -> tuple[Flask, Flask]:
    """The app with the package, and the floor; on the same tables."""
    key = shops.alipay_key()
    ours = shops.our_app(url, shops.public_pem(key), shops.private_pem(shops.merchant_key()))
    floor = shops.floor_app(url, key.public_key())
    with ours.app_context():
        shops.db.create_all()
    return ours, floor


def delivering(app: Flask, bodies: list[bytes], answer: bytes = b"success") -> Callable[[], None]:
    """Returns what delivers the next of the bodies, round and round."""
    client, turn = app.test_client(), itertools.cycle(bodies)

    def deliver() -> None:
        body = next(turn)
        got = client.post(
            "/alipay/notify", data=body, content_type="application/x-www-form-urlencoded"
        )
        if got.data != answer:
            raise RuntimeError(f"answered {got.data!r}")

    return deliver


def notifications(app: Flask, count: int, prefix: str = "A") -> tuple[list[bytes], list[bytes]]:
    """Insert twice as many payments, and return notifications of each half.

    The halves alternate: the indexes of one do not grow at their end while the other's split.
    """
    key = shops.alipay_key()
    bodies = [shops.notification(each, key) for each in shops.orders(app, prefix, 2 * count)]
    return bodies[::2], bodies[1::2]


def first_and_again(kind: str, rounds: int = ROUNDS, calls: int = CALLS) -> None:
    """A sale's first notification, and its repetition."""
    with database(kind) as url:
        ours, floor = apps(url)
        count = (rounds + 1) * calls
        mine, theirs = notifications(ours, count)
        mine += notifications(ours, count, "B")[0]
        deliver, by_hand = delivering(ours, mine[:count]), delivering(floor, theirs)
        value = ratio(deliver, by_hand, rounds=rounds, calls=calls)
        report(f"first notification, {kind}", value, REACH[kind])
        # All of the first half are settled now, none of the second.
        again, first = delivering(ours, mine[:count]), delivering(ours, mine[count:])
        value = ratio(again, first, rounds=rounds, calls=calls)
        for_the_record(f"a duplicate over a first one, {kind}", value, "times as fast")
        for app in (ours, floor):
            with app.app_context():
                shops.db.engine.dispose()


def forgeries(rounds: int = ROUNDS, calls: int = 100) -> None:
    """A forgery beside parsing and one signature check; it never reaches the database."""
    with database("sqlite") as url:
        ours, floor = apps(url)
        body = shops.notification("F1", generate_private_key())
        signer = Rsa2Signer(public_key=shops.alipay_key().public_key())
        floor.add_url_rule("/check", "check", lambda: shops.check_by_hand(signer), methods=["POST"])
        opened: list[object] = []
        with ours.app_context():
            event.listen(shops.db.engine, "checkout", lambda *about: opened.append(about))
        client = floor.test_client()

        def check() -> None:
            client.post("/check", data=body, content_type="application/x-www-form-urlencoded")

        refuse = delivering(ours, [body], b"fail")
        value = ratio(refuse, check, rounds=rounds, calls=calls)
        report("a forgery over parsing and one check", value, 1 / 1.15)
        if opened:
            raise RuntimeError("a forgery has opened a database connection")


def main(*kinds: str) -> None:
    """Runs all of it."""
    on_each("first notification", first_and_again, kinds)
    forgeries()


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.exit(conclude())
