"""Alipay's bill of what was sold: a ZIP of tables in GBK, read row by row.

Alipay documents the file for people, not for programs, and has changed it before. So columns go by
their names and not by their places; tabs, spaces, a BOM and remarks (``#…``) do no harm; and what
is not a bill, or only a part of one, is refused. The layout is that of public samples.
"""

from __future__ import annotations

import csv
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import IO, Final

from ...exceptions import InvalidBill, InvalidParameter
from ...protocol.china_time import CHINA_TIME, parse_china_time
from ...protocol.money import parse_minor_units

#: The most bytes of tables that are read out of one bill: some ten million rows.
MAX_BYTES: Final = 4 << 30
# A ZIP that holds more than a bill and its sums does not come from Alipay.
_MAX_FILES: Final = 256
_MAX_LINE: Final = 64 << 10
# A table of a bill shrinks to a tenth. DEFLATE can make a thousand bytes out of one, and a small
# file must not cost the time of a large one.
_MAX_RATIO: Final = 100
_MAX_SMALL: Final = 1 << 20
# Lines without a row: remarks, sums and what is empty.
_MAX_EMPTY: Final = 1000
# Where the head of the table has to be; in front of it are a few remarks.
_MAX_REMARKS: Final = 64

_NEEDED: Final = ("支付宝交易号", "商户订单号", "业务类型", "订单金额")
_REFUND: Final = "退款"
# The number of a refund has had several names.
_REQUEST: Final = ("退款批次号/请求号", "退款批次号", "退款请求号")
_LIST, _END = "明细列表", "列表结束"
_DAY: Final = r"[:：]\s*\[?(\d{4})年(\d{2})月(\d{2})日"
_BEGINS: Final = re.compile(f"起始日期{_DAY}", re.ASCII)
_ENDS: Final = re.compile(f"终止日期{_DAY}", re.ASCII)


@dataclass(frozen=True)
class Period:
    """A day or a month in China."""

    #: As Alipay writes it: ``2026-01-31`` or ``2026-01``.
    bill_date: str
    #: Its first moment, aware UTC.
    since: datetime
    #: The first moment after it, aware UTC.
    until: datetime

    @classmethod
    def of(cls, bill_date: str) -> Period:
        """Reads a day or a month.

        :param bill_date: ``yyyy-MM-dd`` or ``yyyy-MM``.
        :raises InvalidParameter: for anything else.
        """
        try:
            if re.fullmatch(r"[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?", bill_date) is None:
                raise ValueError
            day = len(bill_date) == 10
            first = date.fromisoformat(bill_date if day else f"{bill_date}-01")
            after = first + timedelta(days=1) if day else _next_month(first)
            return cls(bill_date, _midnight(first), _midnight(after))
        except (ValueError, OverflowError):
            wanted = "must be a day or a month, like 2026-01-31 or 2026-01"
            raise InvalidParameter("bill_date", wanted) from None

    def holds(self, when: datetime) -> bool:
        """Tells whether a moment lies in it."""
        return self.since <= when < self.until


@dataclass(frozen=True)
class BillRow:
    """A payment, or money that went back."""

    trade_no: str
    out_trade_no: str
    #: Whether money went back.
    refund: bool
    #: The number of the refund, where the bill has one.
    out_request_no: str | None
    #: How much, in fen: positive, for refunds too.
    fen: int
    subject: str = field(repr=False)
    #: When the trade was made and when this was done, aware UTC; ``None`` where it is unreadable.
    created_at: datetime | None
    finished_at: datetime | None


def read_bill(
    file: IO[bytes], period: Period | None = None, *, limit: int = MAX_BYTES
) -> Iterator[BillRow]:
    """Reads a bill of type ``trade`` row by row; in memory is never more than one row.

    :param file: the ZIP as Alipay gave it, or the table out of it; in GBK or UTF-8. It must be
        possible to go back and forth in it.
    :param period: what it has to be the bill of; not checked where the bill does not say.
    :param most: the most bytes of tables to read.
    :raises InvalidBill: if it is no such bill, of another period, damaged, cut off or too large.
    Rows
        may have come before that.
    """
    with _as_bad_bill():
        file.seek(0)
        zipped = file.read(4) in (b"PK\3\4", b"PK\5\6")
        packed = file.seek(0, os.SEEK_END)
        file.seek(0)
        limit = min(limit, _MAX_SMALL + _MAX_RATIO * packed) if zipped else limit
        budget, found = _Budget(limit), False
        for table in _tables(file) if zipped else (file,):
            reading = _Table(budget.lines(table), period)
            if reading.begin():
                found = True
                yield from reading.rows()
        if not found:
            raise InvalidBill("it holds no table with the columns of Alipay's bill of trades")


class _Budget:
    """Gives out lines until there were too many bytes.

    :param most: how many there may be.
    """

    def __init__(self, limit: int) -> None:
        self._left = limit

    def lines(self, table: IO[bytes]) -> Iterator[bytes]:
        while line := table.readline(_MAX_LINE + 1):
            self._left -= len(line)
            if len(line) > _MAX_LINE or self._left < 0:
                raise InvalidBill(
                    "it is larger than any bill" if self._left < 0 else "a line is endless"
                )
            yield line


class _Table:
    """One file of a bill.

    :param lines: its lines.
    :param period: what it has to be of.
    """

    def __init__(self, lines: Iterator[bytes], period: Period | None) -> None:
        self._lines = enumerate(lines, 1)
        self._period = period
        self._encoding = ""
        self._columns: list[str] = []
        # Whether a remark has opened the list; then another closes it.
        self._open = False

    def begin(self) -> bool:
        """Reads on to the head; ``False`` if this is another table, the sums for example."""
        for number, line in self._lines:
            for encoding in ("gb18030", "utf-8-sig"):
                text = line.decode(encoding, "replace").strip()
                if text.startswith("#"):
                    self._remark(text)
                    continue
                names = [_column(name) for name in next(csv.reader([text]), [])]
                if set(_NEEDED) <= set(names):
                    self._encoding, self._columns = encoding, names
                    return True
            if number >= _MAX_REMARKS:
                return False
        return False

    def rows(self) -> Iterator[BillRow]:
        empty = 0
        for number, line in self._lines:
            text = line.decode(self._encoding, "replace").strip("\ufeff\r\n")
            if text.strip(", \t") and not text.lstrip().startswith("#"):
                yield _row(self._cells(text, number), number)
                continue
            empty += 1
            if empty > _MAX_EMPTY:
                raise InvalidBill("it has more lines without a row than any bill")
            self._remark(text)
        if self._open:
            raise InvalidBill("it is cut off: the line that ends the list is missing")

    def _remark(self, text: str) -> None:
        if _END in text:
            self._open = False
        elif _LIST in text:
            self._open = True
        # One after the other: a search for both at once is quadratic in a line of beginnings.
        begins = _BEGINS.search(text)
        ends = _ENDS.search(text, begins.end()) if begins else None
        if begins is None or ends is None or self._period is None:
            return
        first, last = (_midnight(date(*map(int, day.groups()))) for day in (begins, ends))
        # The end is the first moment after, or the last one within.
        if first != self._period.since or abs(self._period.until - last) > timedelta(days=1):
            raise InvalidBill(f"it is of another period than {self._period.bill_date}")

    def _cells(self, text: str, number: int) -> Mapping[str, str]:
        wanted = len(self._columns)
        # Each line by itself: a quotation mark that nobody closes must not swallow the next. And a
        # subject may hold a comma that nobody quoted; the tab in front of the others tells them.
        quoted, tabbed = next(csv.reader([text]), []), text.split("\t,")
        ended = quoted if quoted and quoted[-1].strip() else quoted[:-1]
        for cells in (quoted, tabbed, ended):
            if len(cells) == wanted:
                return {name: cell.strip() for name, cell in zip(self._columns, cells, strict=True)}
        raise InvalidBill(f"line {number} has not as many cells as the head has columns")


def _row(cells: Mapping[str, str], number: int) -> BillRow:
    amount = cells["订单金额"].replace(",", "")
    try:
        fen = parse_minor_units(amount.lstrip("+-"))
    except InvalidParameter:
        raise InvalidBill(f"line {number} has an amount that is none") from None
    if not cells["支付宝交易号"] or not cells["商户订单号"]:
        raise InvalidBill(f"line {number} names no trade")
    refund = _REFUND in cells["业务类型"] or amount.startswith("-")
    request = next(filter(None, (cells.get(name) for name in _REQUEST)), None)
    return BillRow(
        trade_no=cells["支付宝交易号"],
        out_trade_no=cells["商户订单号"],
        refund=refund,
        out_request_no=request if refund else None,
        fen=fen,
        subject=cells.get("商品名称", ""),
        created_at=parse_china_time(cells.get("创建时间")),
        finished_at=parse_china_time(cells.get("完成时间")),
    )


def _column(name: str) -> str:
    """``订单金额（元）``, ``订单金额(元)`` and ``订单金额`` are one column."""
    return re.sub(r"[\s\ufeff]|[（(]元[)）]", "", name)


_PACKED = "it is packed as no bill is, with a password perhaps"


def _tables(file: IO[bytes]) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(file) as bundle:
        members = bundle.infolist()
        if len(members) > _MAX_FILES:
            raise InvalidBill("it holds more files than any bill")
        for member in members:
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise InvalidBill(_PACKED)
            if member.filename.lower().endswith((".csv", ".txt")):
                with bundle.open(member) as table:
                    yield table


@contextmanager
def _as_bad_bill() -> Iterator[None]:
    """What a damaged, encrypted or strangely packed ZIP raises, and a line that is no CSV."""
    try:
        yield
    except RuntimeError as error:  # NotImplementedError is one
        raise InvalidBill(_PACKED) from error
    except (zipfile.BadZipFile, zlib.error, struct.error, csv.Error) as error:
        raise InvalidBill("it is damaged") from error
    except (EOFError, ValueError, OSError) as error:
        raise InvalidBill("it is damaged") from error


def _midnight(day: date) -> datetime:
    """The moment at which a day begins in China."""
    return datetime(day.year, day.month, day.day, tzinfo=CHINA_TIME).astimezone(timezone.utc)


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)
