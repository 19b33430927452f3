"""Process that reconciles in a loop: ``python -m tests.chaos.reconciling``."""

from __future__ import annotations

import contextlib
import os
import time
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from flask_alipay.exceptions import AlipayError
from flask_alipay.ledger import leases

from .app import create_app
from .shop import alipay

_PAUSE, _LIMIT = 0.5, 25
# A pause is so many times longer than the work before: on a slow machine the shop comes first.
_REST = 3
# Of the rig's clock, on which a second is a minute.
_LEASE = timedelta(seconds=2)


def main() -> None:
    """Reconcile until the process is killed or its parent ends."""
    leases.LEASE = _LEASE
    app, parent = create_app(), os.getppid()
    while os.getppid() == parent:
        began = time.monotonic()
        # The database may be away: the next round finds what this one has left.
        with app.app_context(), contextlib.suppress(AlipayError, SQLAlchemyError):
            alipay.reconcile(older_than=timedelta(0), limit=_LIMIT)
        time.sleep(max(_PAUSE, _REST * (time.monotonic() - began)))


if __name__ == "__main__":
    main()
