"""The shop's night shift: what was lost is found, by Celery.

``celery -A shop.worker worker --beat`` in the folder ``examples``, with ``CELERY_BROKER_URL``
naming a broker (``redis://…``, ``amqp://…``). Start as many workers as you like, on as many
machines: each takes what no other has taken. One of them, and only one, gets ``--beat``.

Needs ``celery`` and what its broker needs, and an Alipay outside of this process: the embedded
simulator of another one knows nothing of this one's trades.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from celery import Celery, Task

from . import create_app
from .paying import alipay

flask_app = create_app()


class InApp(Task):
    """A task that runs inside the shop's app, as a command of it would."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with flask_app.app_context():
            return self.run(*args, **kwargs)


celery = Celery("shop", task_cls=InApp)
celery.conf.update(
    broker_url=os.environ.get("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0"),
    broker_connection_retry_on_startup=True,
    task_default_queue=os.environ.get("SHOP_QUEUE", "shop"),
    task_ignore_result=True,
    # Whoever dies at work has done no harm: the next one asks the same again.
    task_acks_late=True,
    beat_schedule={
        "find what was lost": {
            "task": "shop.reconcile",
            "schedule": timedelta(minutes=10),
            # A worker that was away for an hour is not to make up for it six times.
            "options": {"expires": 600},
        }
    },
)


@celery.task(name="shop.reconcile")
def reconcile(older_than: float = 600, limit: int | None = None) -> None:
    """Asks Alipay about all payments that still wait, and settles what it says.

    :param older_than: seconds; younger ones may still be on their way.
    :param limit: the most to ask about in one go.
    """
    found = alipay.reconcile(older_than=timedelta(seconds=older_than), limit=limit)
    flask_app.logger.info(
        "asked about %d payments: %d paid, %d closed, %d waiting, %d in trouble",
        found.queried,
        found.paid,
        found.closed,
        found.waiting,
        len(found.failures),
    )
