"""Processes that share only the database."""

from __future__ import annotations

import multiprocessing
from typing import Any

#: The modules whose functions run in such processes, and the drivers.
_IMPORTED = (
    "tests.blueprint.reconciling_app",
    "tests.ledger.test_concurrency",
    "tests.ledger.test_query_leases",
    "psycopg",
    "pymysql",
)


def process_context() -> Any:
    """Return the context for processes that share only the database.

    One process imports what they need, once for all tests; the others begin as copies of it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED))
    return context
