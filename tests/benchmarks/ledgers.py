"""Ledgers of any size, as years of trade leave them, for the benchmarks that ask how they grow."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any

from flask import Flask
from sqlalchemy import Connection, text

from .shops import APP_ID, TOTAL_FEN, Notification, Payment, db

#: One of so many payments waits.
WAITING = 20

_SPAN = timedelta(days=730)
_PAGE = 10_000
_AFTERWARDS = {
    "sqlite": ("ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"),
    "postgresql": ("VACUUM ANALYZE alipay_payment, alipay_notification", "CHECKPOINT"),
    "mysql": ("ANALYZE TABLE alipay_payment, alipay_notification",),
}
_COLUMNS = {
    Payment: (
        *("merchant", "out_trade_no", "trade_no", "product", "subject", "currency", "total_fen"),
        *("refunded_fen", "trade_status", "paid", "buyer_id", "details", "created_at", "paid_at"),
    ),
    Notification: (
        *("notify_id", "merchant", "out_trade_no", "trade_no", "trade_status", "outcome"),
        *("detail", "payload", "received_at"),
    ),
}


def fill(app: Flask, count: int, seed: int = 1) -> list[str]:
    """Fill a ledger: payments with unordered numbers, the last of them pending, and a journal row
    with a short payload for each of the others.

    :param app: whose tables exist and are empty.
    :param count: of payments.
    :param seed: of the numbers.
    :returns: the numbers of some paid payments, in no order.
    """
    chance = random.Random(seed)
    now = datetime.now(timezone.utc)
    numbers: list[str] = []
    with app.app_context():
        with db.engine.begin() as connection:
            moments = _moments(count, now)
            for page in iter(lambda: list(islice(moments, _PAGE)), []):
                waiting = [moment > now - timedelta(days=1) for moment in page]
                made = [_number(moment, chance) for moment in page]
                rows = list(zip(made, page, waiting, strict=True))
                _insert(connection, Payment, [_payment(connection, *row) for row in rows])
                told = [_line(connection, *row[:2]) for row in rows if not row[2]]
                _insert(connection, Notification, told)
                paid = [number for number, _, waits in rows if not waits]
                numbers += chance.sample(paid, min(len(paid), max(_PAGE * 500 // count, 5)))
        _settle_down()
    chance.shuffle(numbers)
    return numbers


def _moments(count: int, now: datetime) -> Iterator[datetime]:
    """Return the times of creation: two years of sales, then the pending ones of the last hours."""
    wait = count // WAITING
    done = count - wait
    for place in range(done):
        yield now - _SPAN + (_SPAN - timedelta(days=2)) * (place / done)
    for place in range(wait):
        yield now - timedelta(hours=6) + timedelta(hours=5) * (place / wait)


def _number(moment: datetime, chance: random.Random) -> str:
    """Return a number in the package's format, the same in each run."""
    return f"{moment:%Y%m%d}{chance.randrange(10**18):018d}"


def _payment(connection: Connection, number: str, moment: datetime, waits: bool) -> tuple[Any, ...]:
    status, at = "WAIT_BUYER_PAY" if waits else "TRADE_SUCCESS", _text(connection, moment)
    known = (None, False, None, None) if waits else (f"T{number}", True, "2088102122524333", at)
    trade_no, paid, buyer_id, paid_at = known
    return (
        *(APP_ID, number, trade_no, "page", "龙井茶 250g", "CNY", TOTAL_FEN),
        *(0, status, paid, buyer_id, "{}", at, paid_at),
    )


def _line(connection: Connection, number: str, moment: datetime) -> tuple[Any, ...]:
    return (
        *(f"n{number}", APP_ID, number, f"T{number}", "TRADE_SUCCESS", "settled"),
        *("paid", "{}", _text(connection, moment)),
    )


def _text(connection: Connection, moment: datetime) -> str:
    zone = "+00" if connection.dialect.name == "postgresql" else ""
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}{zone}"


def _insert(connection: Connection, model: Any, rows: list[tuple[Any, ...]]) -> None:
    """Past SQLAlchemy, which would look at each value of each row."""
    if not rows:
        return
    columns = _COLUMNS[model]
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    connection.exec_driver_sql(
        f"INSERT INTO {model.__tablename__} ({', '.join(columns)}) "
        f"VALUES ({', '.join([mark] * len(columns))})",
        rows,
    )


def _settle_down() -> None:
    """Update statistics and write everything to disk, as a database does in time."""
    engine = db.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in _AFTERWARDS[connection.dialect.name]:
            connection.execute(text(statement)).close()
