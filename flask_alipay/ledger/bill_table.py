"""A bill's rows sorted by order number, on disk: a month of them need not fit into memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import groupby, islice
from types import TracebackType
from typing import Final

from ..gateways.openapi.bill import BillRow

# As many numbers as the IN of any database takes.
BATCH: Final = 400

_TABLE: Final = """
CREATE TABLE bill (
    out_trade_no TEXT, trade_no TEXT, refund INTEGER, out_request_no TEXT, fen INTEGER, at TEXT
)
"""


@dataclass(frozen=True)
class BillEntry:
    """What is compared of a row."""

    out_trade_no: str
    trade_no: str
    refund: bool
    out_request_no: str | None
    #: In fen, positive.
    fen: int
    #: When, aware UTC in ISO 8601.
    at: str | None


class BillTable:
    """Keeps rows in a database of its own that nobody else sees and that goes with it.

    :param rows: all of a bill.
    """

    def __init__(self, rows: Iterable[BillRow]) -> None:
        # Without a name it is SQLite's: on disk as soon as it is larger than its cache.
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
        """Goes through all orders, some hundreds at a time: the rows of each by its number."""
        found = self._database.execute("SELECT * FROM bill ORDER BY out_trade_no, refund, trade_no")
        rows = (BillEntry(row[0], row[1], bool(row[2]), *row[3:]) for row in found)
        orders = ((number, list(own)) for number, own in groupby(rows, lambda e: e.out_trade_no))
        while batch := dict(islice(orders, BATCH)):
            yield batch

    def trades(self, out_trade_nos: Sequence[str], *, refund: bool) -> set[tuple[str, str | None]]:
        """Returns which of these orders have a row.

        :param out_trade_nos: some hundreds of them.
        :param refund: whether it has to be a refund or a payment.
        :returns: their numbers with those of Alipay's trades, and with ``None`` for any of them.
        """
        marks = ", ".join("?" * len(out_trade_nos))
        found = self._database.execute(
            "SELECT DISTINCT out_trade_no, trade_no FROM bill"  # noqa: S608 - question marks
            f" WHERE refund = ? AND out_trade_no IN ({marks})",
            (refund, *out_trade_nos),
        ).fetchall()
        return {*found, *((number, None) for number, _ in found)}


def _entries(row: BillRow) -> tuple[object, ...]:
    at = None if row.finished_at is None else row.finished_at.isoformat()
    return astuple(
        BillEntry(row.out_trade_no, row.trade_no, row.refund, row.out_request_no, row.fen, at)
    )
