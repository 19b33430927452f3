"""What the ledger and the callbacks have written."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection, text


def numbers(connection: Connection, statement: str) -> Counter[str]:
    """Return how often a statement yields each number."""
    return Counter(connection.execute(text(statement)).scalars())


def parcels(connection: Connection, event: str) -> Counter[str]:
    """Return how often the callback of an event has written each number."""
    return numbers(connection, f"SELECT out_trade_no FROM parcel WHERE event = '{event}'")
