"""A bill's rows sorted by order number, in a temporary database: a month may exceed memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import groupby, islice
from types import TracebackType
from typing import Final

from ..gateways.openapi.bill import BillRow

# Every database accepts an IN list of this length.
BATCH: Final = 400

_TABLE: Final = """
CREATE TABLE bill (
    out_trade_no TEXT, trade_no TEXT, refund INTEGER, out_request_no TEXT, fen INTEGER, at TEXT
)
"""


@dataclass(frozen=True)
class BillEntry:
    """The compared fields of a bill row."""

    out_trade_no: str
    trade_no: str
    refund: bool
    out_request_no: str | None
    #: In fen, positive.
    fen: int
    #: Time of the payment or refund, aware UTC in ISO 8601.
    at: str | None


class BillTable:
    """A bill's rows in a private, temporary SQLite database.

    :param rows: all rows of a bill.
    """

    def __init__(self, rows: Iterable[BillRow]) -> None:
        # Without a name SQLite creates a temporary database, on disk once it exceeds the cache.
        self._database = sqlite3.connect("", isolation_level=None)
        try:
            for statement in ("PRAGMA cache_size = -8192", "PRAGMA journal_mode = OFF", _TABLE):
                self._database.execute(statement)
            self._database.execute("BEGIN")
            insert = "INSERT INTO bill VALUES (?, ?, ?, ?, ?, ?)"
            self._database.executemany(insert, map(_entries, rows))
            self._database.execute("CREATE INDEX of_order ON bill (out_trade_no, refund, trade_no)")
            self._database.execute("COMMIT")
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> BillTable:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._database.close()

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM bill").fetchone()[0])

    def orders(self) -> Iterator[dict[str, list[BillEntry]]]:
        """Yield all orders in batches of :data:`BATCH`: the rows of each order by its number."""
        found = self._database.execute("SELECT * FROM bill ORDER BY out_trade_no, refund, trade_no")
        rows = (BillEntry(row[0], row[1], bool(row[2]), *row[3:]) for row in found)
        orders = (
            (number, list(group)) for number, group in groupby(rows, lambda e: e.out_trade_no)
        )
        while batch := dict(islice(orders, BATCH)):
            yield batch

    def trades(self, out_trade_nos: Sequence[str], *, refund: bool) -> set[tuple[str, str | None]]:
        """Return the trades of these orders that have a row.

        :param out_trade_nos: at most :data:`BATCH` order numbers.
        :param refund: whether to look for refunds or for payments.
        :returns: pairs of order number and Alipay's trade number; for each order also the pair
            with ``None``, which matches any trade.
        """
        marks = ", ".join("?" * len(out_trade_nos))
        found = self._database.execute(
            "SELECT DISTINCT out_trade_no, trade_no FROM bill"  # noqa: S608 - only placeholders
            f" WHERE refund = ? AND out_trade_no IN ({marks})",
            (refund, *out_trade_nos),
        ).fetchall()
        return {*found, *((number, None) for number, _ in found)}


def _entries(row: BillRow) -> tuple[object, ...]:
    at = None if row.finished_at is None else row.finished_at.isoformat()
    return astuple(
        BillEntry(row.out_trade_no, row.trade_no, row.refund, row.out_request_no, row.fen, at)
    )
