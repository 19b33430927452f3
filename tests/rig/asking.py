"""Settles what a query would have told, in a process of its own: ``python -m tests.rig.asking``.

Reads the number of a payment per line and answers each with a line once it is settled.
"""

from __future__ import annotations

import sys

from flask_alipay.exceptions import AlipayError
from flask_alipay.notification import Notification

from .news import params_of
from .shop import alipay, create_app


def main() -> None:
    app = create_app()
    for line in sys.stdin:
        number = line.strip()
        news = Notification.from_params(params_of(number, "TRADE_SUCCESS"))
        while True:
            with app.app_context():
                try:
                    alipay.ledger().settle(news)
                except AlipayError:
                    continue
            break
        print(number, flush=True)


if __name__ == "__main__":
    main()
