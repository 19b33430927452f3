"""Additional memory of a worker with the package: at most 4 MiB, after 1,000 notifications.

``python -m tests.benchmarks.memory``. It is compared with a hand-written app in a process that
has not imported the package. Only private memory counts: a library loaded by several workers is
in the machine's memory once.
"""

from __future__ import annotations

import json
import statistics
import sys
from typing import Any

from . import fresh, shops
from .databases import database
from .settling import apps
from .verdicts import at_most, conclude, for_the_record

COUNT, RUNS = 1_000, 5
REACH = 4.0
_WORKER = "tests.benchmarks.worker"
_WITHOUT, _WITH = "tests.benchmarks.worker_without", "tests.benchmarks.worker_with"


def worker(app: str, config: dict[str, str], bodies: list[bytes]) -> dict[str, Any]:
    """Have a separate process receive notifications.

    :param app: the module with the app.
    :param config: arguments of the app's factory.
    :returns: its sizes, and the ``modules`` in it.
    """
    lines = [json.dumps({"app": app, "config": config}).encode(), *bodies]
    said: dict[str, Any] = json.loads(fresh.run("-m", _WORKER, told=b"\n".join(lines)))
    return said


def both(count: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure a worker without the package and one with it, on the same database."""
    key = shops.alipay_key()
    with database("sqlite") as url:
        app, _ = apps(url)
        numbers = list(shops.orders(app, "A", 2 * count))
        with app.app_context():
            shops.db.engine.dispose()
        bodies = [shops.notification(number, key) for number in numbers]
        told = {"url": url, "public_key": shops.public_pem(key)}
        ours = told | {
            "private_key": shops.private_pem(shops.merchant_key()),
            "app_id": shops.APP_ID,
        }
        return (
            worker(_WITHOUT, told, bodies[:count]),
            worker(_WITH, ours, bodies[count:]),
        )


def own(sizes: dict[str, Any]) -> float:
    """Return the memory that a process shares with no other."""
    return float(sizes["Private_Clean"] + sizes["Private_Dirty"])


def main(count: int = COUNT, runs: int = RUNS) -> None:
    """Prints the medians of several pairs of workers."""
    both(1)  # compiles
    pairs = [both(count) for _ in range(runs)]
    more = statistics.median(own(ours) - own(without) for without, ours in pairs)
    at_most(f"a worker after {count:,} notifications", more, REACH, "MiB more than without us")
    for_the_record("  without us", statistics.median(own(without) for without, _ in pairs), "MiB")
    resident = statistics.median(ours["Rss"] - without["Rss"] for without, ours in pairs)
    for_the_record("  resident, shared libraries counted in", resident, "MiB more")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
    sys.exit(conclude())
