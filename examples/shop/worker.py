"""Reconcile payments and renew subscriptions regularly, with Celery.

Run ``celery -A shop.worker worker --beat`` in the folder ``examples``; ``CELERY_BROKER_URL`` is the
URL of the broker (``redis://…``, ``amqp://…``). Start any number of workers on any number of
machines: they share the work. Exactly one of them has ``--beat``.

Needs ``celery``, the client of the broker, and Alipay or a standalone simulator: the simulator
inside another process does not know this shop's trades.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from celery import Celery, Task

from . import create_app
from .paying import alipay
from .subscriptions import renew as renew_subscriptions

flask_app = create_app()


class AppTask(Task):
    """A task that runs in the shop's app context, like a command."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with flask_app.app_context():
            return self.run(*args, **kwargs)


celery = Celery("shop", task_cls=AppTask)
celery.conf.update(
    broker_url=os.environ.get("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0"),
    broker_connection_retry_on_startup=True,
    task_default_queue=os.environ.get("SHOP_QUEUE", "shop"),
    task_ignore_result=True,
    # If a worker dies, another one repeats its task, which does no harm.
    task_acks_late=True,
    beat_schedule={
        "reconcile": {
            "task": "shop.reconcile",
            "schedule": timedelta(minutes=10),
            # After an outage of an hour, run once instead of six times.
            "options": {"expires": 600},
        },
        "renew": {
            "task": "shop.renew",
            "schedule": timedelta(hours=1),
            "options": {"expires": 3600},
        },
    },
)


@celery.task(name="shop.reconcile")
def reconcile(older_than: float = 600, limit: int | None = None) -> None:
    """Query Alipay about pending payments and refunds, and settle the responses.

    :param older_than: minimum age in seconds; a notification of younger ones may still arrive.
    :param limit: the maximum number of queries.
    """
    report = alipay.reconcile(older_than=timedelta(seconds=older_than), limit=limit)
    flask_app.logger.info(
        "queried %d payments and refunds: %d paid, %d closed, %d pending, %d failed",
        report.queried,
        report.paid,
        report.closed,
        report.waiting,
        len(report.failures),
    )


@celery.task(name="shop.renew")
def renew() -> None:
    """Charge the subscriptions that are due."""
    done = renew_subscriptions()
    flask_app.logger.info(
        "renewed subscriptions: %d paid, %d pending, %d failed, %d ended",
        done.paid,
        done.pending,
        done.failed,
        done.ended,
    )
