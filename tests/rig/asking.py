"""Settles what a query would have told, in a process of its own: ``python -m tests.rig.asking``.

Reads the number of a payment per line and answers each with a line once it is settled.
"""

from __future__ import annotations

import sys
import time

from flask import Flask

from flask_alipay.exceptions import AlipayError
from flask_alipay.notification import Notification

from .news import params_of
from .shop import alipay, create_app

PATIENCE = 120.0


def main() -> None:
    app = create_app()
    for line in sys.stdin:
        number = line.strip()
        news = Notification.from_params(params_of(number, "TRADE_SUCCESS"))
        until = time.monotonic() + PATIENCE
        while not settled(app, news):
            if time.monotonic() > until:
                sys.exit(f"{number} cannot be settled")  # rather than to go on without a rig
            time.sleep(0.05)
        print(number, flush=True)


def settled(app: Flask, news: Notification) -> bool:
    """Settles it, unless the database is away or a callback raises."""
    with app.app_context():
        try:
            alipay.ledger().settle(news)
        except AlipayError:
            return False
    return True


if __name__ == "__main__":
    main()
