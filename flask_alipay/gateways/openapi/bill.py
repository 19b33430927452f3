"""Parser of Alipay's trade bill (交易账单): a ZIP of GBK tables, read row by row.

Alipay documents the file for people and has changed it before. Columns are therefore found by name
and not by position; tabs, spaces, a BOM and remarks (``#…``) are ignored; a file that is not a
complete bill is rejected. The layout is that of public samples.
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
from ...protocol.conversion import CHINA_TIME, parse_china_time, parse_minor_units

#: Maximum size of a bill's tables in bytes: some ten million rows.
MAX_BYTES: Final = 4 << 30
# Alipay's ZIP files contain a bill and its summary only.
_MAX_FILES: Final = 256
_MAX_LINE: Final = 64 << 10
# Compression reduces a bill to a tenth. DEFLATE can expand one byte to a thousand, and a small file
# must not take the time of a large one.
_MAX_RATIO: Final = 100
_MAX_SMALL: Final = 1 << 20
# Lines without a row: remarks, sums and empty lines.
_MAX_EMPTY: Final = 1000
# Maximum number of lines before the table's header: a few remarks precede it.
_MAX_REMARKS: Final = 64

_REQUIRED_COLUMNS: Final = ("支付宝交易号", "商户订单号", "业务类型", "订单金额")
_REFUND: Final = "退款"
# The column of the refund number has had several names.
_REFUND_NUMBER_COLUMNS: Final = ("退款批次号/请求号", "退款批次号", "退款请求号")
_LIST, _END = "明细列表", "列表结束"
_DAY: Final = r"[:：]\s*\[?(\d{4})年(\d{2})月(\d{2})日"
_BEGINS: Final = re.compile(f"起始日期{_DAY}", re.ASCII)
_ENDS: Final = re.compile(f"终止日期{_DAY}", re.ASCII)


@dataclass(frozen=True)
class BillPeriod:
    """A day or a month in China."""

    #: Alipay's text: ``2026-01-31`` or ``2026-01``.
    bill_date: str
    #: Start, inclusive, aware UTC.
    since: datetime
    #: End, exclusive, aware UTC.
    until: datetime

    @classmethod
    def of(cls, bill_date: str) -> BillPeriod:
        """Parse a day or a month.

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
            reason = "must be a day or a month, like 2026-01-31 or 2026-01"
            raise InvalidParameter("bill_date", reason) from None

    def holds(self, when: datetime) -> bool:
        """Return True if a time is within the period."""
        return self.since <= when < self.until


@dataclass(frozen=True)
class BillRow:
    """A payment or a refund in the bill."""

    trade_no: str
    out_trade_no: str
    #: True for a refund.
    refund: bool
    #: The refund number, if the bill has one.
    out_request_no: str | None
    #: Amount in fen: positive for refunds, too.
    fen: int
    subject: str = field(repr=False)
    #: Times of the trade's creation and of this row, aware UTC; ``None`` if malformed.
    created_at: datetime | None
    finished_at: datetime | None


def read_bill(
    file: IO[bytes], period: BillPeriod | None = None, *, limit: int = MAX_BYTES
) -> Iterator[BillRow]:
    """Yield the rows of a bill of type ``trade``; only one row is in memory at a time.

    :param file: Alipay's ZIP, or a table from it, in GBK or UTF-8; must be seekable.
    :param period: the expected period; not checked if the bill does not declare one.
    :param limit: maximum size of the tables in bytes.
    :raises InvalidBill: if the file is not such a bill, is of another period, damaged, cut off or
        too large. Rows may have been yielded before.
    """
    with _as_invalid_bill():
        file.seek(0)
        zipped = file.read(4) in (b"PK\3\4", b"PK\5\6")
        packed = file.seek(0, os.SEEK_END)
        file.seek(0)
        limit = min(limit, _MAX_SMALL + _MAX_RATIO * packed) if zipped else limit
        budget, found = _Budget(limit), False
        for table in _tables(file) if zipped else (file,):
            parser = _Table(budget.lines(table), period)
            if parser.begin():
                found = True
                yield from parser.rows()
        if not found:
            raise InvalidBill("it contains no table with the columns of Alipay's trade bill")


class _Budget:
    """Limit on the total number of bytes in lines.

    :param limit: maximum number of bytes.
    """

    def __init__(self, limit: int) -> None:
        self._left = limit

    def lines(self, table: IO[bytes]) -> Iterator[bytes]:
        while line := table.readline(_MAX_LINE + 1):
            self._left -= len(line)
            if len(line) > _MAX_LINE or self._left < 0:
                raise InvalidBill(
                    "it is too large" if self._left < 0 else "one of its lines is too long"
                )
            yield line


class _Table:
    """One table of a bill.

    :param lines: the lines of the file.
    :param period: the expected period.
    """

    def __init__(self, lines: Iterator[bytes], period: BillPeriod | None) -> None:
        self._lines = enumerate(lines, 1)
        self._period = period
        self._encoding = ""
        self._columns: list[str] = []
        # True after a remark that opens the list; another one must close it.
        self._open = False

    def begin(self) -> bool:
        """Read up to the header; return False if this is another table, such as the summary."""
        for number, line in self._lines:
            for encoding in ("gb18030", "utf-8-sig"):
                text = line.decode(encoding, "replace").strip()
                if text.startswith("#"):
                    self._remark(text)
                    continue
                names = [_column(name) for name in next(csv.reader([text]), [])]
                if set(_REQUIRED_COLUMNS) <= set(names):
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
            raise InvalidBill("it is cut off: the line that closes the list is missing")

    def _remark(self, text: str) -> None:
        if _END in text:
            self._open = False
        elif _LIST in text:
            self._open = True
        # Search one after the other: a pattern for both is quadratic in a line of repeated starts.
        begins = _BEGINS.search(text)
        ends = _ENDS.search(text, begins.end()) if begins else None
        if begins is None or ends is None or self._period is None:
            return
        first, last = (_midnight(date(*map(int, day.groups()))) for day in (begins, ends))
        # The end is the first time after the period, or the last one within.
        if first != self._period.since or abs(self._period.until - last) > timedelta(days=1):
            raise InvalidBill(f"it is of another period than {self._period.bill_date}")

    def _cells(self, text: str, number: int) -> Mapping[str, str]:
        expected = len(self._columns)
        # Each line is parsed separately: an unclosed quotation mark must not consume the next line.
        # A subject may contain an unquoted comma; separators are recognized by the tab before them.
        quoted, tabbed = next(csv.reader([text]), []), text.split("\t,")
        trimmed = quoted if quoted and quoted[-1].strip() else quoted[:-1]
        for cells in (quoted, tabbed, trimmed):
            if len(cells) == expected:
                return {name: cell.strip() for name, cell in zip(self._columns, cells, strict=True)}
        raise InvalidBill(f"line {number} does not have one cell for each column")


def _row(cells: Mapping[str, str], number: int) -> BillRow:
    amount = cells["订单金额"].replace(",", "")
    try:
        fen = parse_minor_units(amount.lstrip("+-"))
    except InvalidParameter:
        raise InvalidBill(f"line {number} has an invalid amount") from None
    if not cells["支付宝交易号"] or not cells["商户订单号"]:
        raise InvalidBill(f"line {number} has no trade number")
    refund = _REFUND in cells["业务类型"] or amount.startswith("-")
    refund_no = next(filter(None, (cells.get(name) for name in _REFUND_NUMBER_COLUMNS)), None)
    return BillRow(
        trade_no=cells["支付宝交易号"],
        out_trade_no=cells["商户订单号"],
        refund=refund,
        out_request_no=refund_no if refund else None,
        fen=fen,
        subject=cells.get("商品名称", ""),
        created_at=parse_china_time(cells.get("创建时间")),
        finished_at=parse_china_time(cells.get("完成时间")),
    )


def _column(name: str) -> str:
    """Normalize a column name: ``订单金额（元）`` and ``订单金额(元)`` equal ``订单金额``."""
    return re.sub(r"[\s\ufeff]|[（(]元[)）]", "", name)


_UNSUPPORTED_ZIP = "its ZIP format is not that of a bill; it may have a password"


def _tables(file: IO[bytes]) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(file) as bundle:
        members = bundle.infolist()
        if len(members) > _MAX_FILES:
            raise InvalidBill("it contains more files than any bill")
        for member in members:
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise InvalidBill(_UNSUPPORTED_ZIP)
            if member.filename.lower().endswith((".csv", ".txt")):
                with bundle.open(member) as table:
                    yield table


@contextmanager
def _as_invalid_bill() -> Iterator[None]:
    """Convert errors of a damaged, encrypted or unsupported ZIP or CSV to :class:`InvalidBill`."""
    try:
        yield
    except RuntimeError as error:  # NotImplementedError is one
        raise InvalidBill(_UNSUPPORTED_ZIP) from error
    except (zipfile.BadZipFile, zlib.error, struct.error, csv.Error) as error:
        raise InvalidBill("it is damaged") from error
    except (EOFError, ValueError, OSError) as error:
        raise InvalidBill("it is damaged") from error


def _midnight(day: date) -> datetime:
    """Return the time at which a day begins in China."""
    return datetime(day.year, day.month, day.day, tzinfo=CHINA_TIME).astimezone(timezone.utc)


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)
