"""The bill's rows: read by the names of their columns, or refused."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import InvalidBill, InvalidParameter
from flask_alipay.gateways.openapi.bill import BillPeriod, BillRow, read_bill

from ..doubles.bills import BACK, FRONT, HEADER, REFUND, SUMS, TEA, bill, line, table, zipped

ROW = BillRow(
    trade_no="2026013122001499160501586202",
    out_trade_no="A1",
    refund=False,
    out_request_no=None,
    fen=8888,
    subject="龙井茶",
    created_at=datetime(2026, 1, 31, 12, 0, 0, tzinfo=timezone.utc),
    finished_at=datetime(2026, 1, 31, 12, 0, 5, tzinfo=timezone.utc),
)
DAY = BillPeriod.of("2026-01-31")


def read(file: Any, **options: Any) -> list[BillRow]:
    return list(read_bill(file if hasattr(file, "read") else io.BytesIO(file), **options))


def test_a_payment_is_read() -> None:
    assert read(bill(TEA), period=DAY) == [ROW]


def test_a_refund_has_its_number_and_a_positive_amount() -> None:
    (row,) = read(bill(REFUND))
    assert (row.refund, row.out_request_no, row.fen) == (True, "R1", 888)


def test_a_negative_amount_is_a_refund_whatever_it_is_called() -> None:
    (row,) = read(bill(REFUND | {"业务类型": "交易"}))
    assert (row.refund, row.fen) == (True, 888)


def test_a_refund_without_a_number_is_one() -> None:
    (row,) = read(bill(REFUND | {"退款批次号/请求号": ""}))
    assert (row.refund, row.out_request_no) == (True, None)


@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "utf-8", "utf-8-sig"])
def test_each_encoding_is_read(encoding: str) -> None:
    assert read(bill(TEA, encoding=encoding), period=DAY) == [ROW]


@pytest.mark.parametrize("encoding", ["gbk", "utf-8-sig"])
def test_the_table_alone_will_do(encoding: str) -> None:
    assert read(table(TEA).encode(encoding), period=DAY) == [ROW]


def test_columns_go_by_name_not_by_place() -> None:
    header = ",".join(reversed(HEADER.split(",")))
    assert read(bill(TEA, header=header)) == [ROW]


def test_optional_columns_may_be_missing() -> None:
    header = "订单金额(元), 商户订单号 ,支付宝交易号\t,业务类型"
    cells = {name: TEA.get(name, "") for name in TEA} | {
        "订单金额(元)": "88.88",
        " 商户订单号 ": "A1",
        "支付宝交易号\t": "T1",
    }
    (row,) = read(bill(cells, header=header))
    assert (row.out_trade_no, row.trade_no, row.fen, row.finished_at) == ("A1", "T1", 8888, None)


def test_remarks_are_optional() -> None:
    assert read(bill(TEA, front=(), back=())) == [ROW]


def test_empty_lines_and_remarks_between_rows_are_none() -> None:
    assert read(bill("", TEA, "\t,\t,", "#remark", TEA)) == [ROW, ROW]


def test_an_empty_bill_has_no_rows() -> None:
    assert read(bill(), period=DAY) == []


@pytest.mark.parametrize("subject", ["tea, green", 'a "quoted" tea', '"tea', "#1 tea", "tea,"])
def test_an_unquoted_subject_hides_no_cell(subject: str) -> None:
    first, second = read(bill(TEA | {"商品名称": subject}, TEA))
    assert (first.subject, second) == (subject, ROW)


def test_quoted_cells_are_cells() -> None:
    (row,) = read(bill(line(TEA | {"商品名称": '"tea, green'}).replace("green\t", 'green\t"')))
    assert (row.subject, row.fen) == ("tea, green", 8888)


def test_a_subject_that_was_cut_within_a_character_hides_nothing() -> None:
    whole = table(TEA).encode("gbk")
    cut = whole.replace("龙井茶".encode("gbk"), "龙井茶".encode("gbk")[:-1])
    (row,) = read(cut)
    assert (row.out_trade_no, row.fen) == ("A1", 8888)


def test_months_of_several_tables_are_one_bill() -> None:
    one = table(TEA).encode("gbk")
    assert read(zipped({"1.csv": one, "2.csv": one, "readme.md": b"#"})) == [ROW, ROW]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no table"),
        (b"<html>Sorry</html>", "no table"),
        (SUMS.encode("gbk"), "no table"),
        (b"PK\3\4 and so on", "damaged"),
        (table("a,b,c").encode("gbk"), "one cell for each column"),
        (table(TEA, back=()).encode("gbk"), "cut off"),
        (table(TEA | {"订单金额（元）": "much"}).encode("gbk"), "an invalid amount"),
        (b"\0" * 100_000, "too long"),
        (table(TEA | {"商户订单号": ""}).encode("gbk"), "has no trade number"),
        (zipped({}).getvalue(), "no table"),
        (zipped({"a.pdf": b"%PDF"}).getvalue(), "no table"),
        (zipped({f"{n}.csv": b"" for n in range(300)}).getvalue(), "more files"),
        (zipped({"a.csv": b""}, compress_type=zipfile.ZIP_LZMA).getvalue(), "ZIP format"),
    ],
)
def test_a_file_that_is_not_a_bill_is_rejected_with_the_reason(
    content: bytes, message: str
) -> None:
    with pytest.raises(InvalidBill, match=message):
        read(content)


def test_a_locked_bill_is_rejected() -> None:
    content = bytearray(zipped({"a.csv": table(TEA).encode("gbk")}).getvalue())
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(mark) + place] |= 1
    with pytest.raises(InvalidBill, match="password"):
        read(bytes(content))


def test_a_decompression_bomb_is_rejected() -> None:
    content = table(*[TEA] * 2000).encode("gbk")
    file = zipped({"a.csv": content})
    assert len(file.getvalue()) < len(content) / 20
    with pytest.raises(InvalidBill, match="it is too large"):
        read(file, limit=len(content) - 1)
    assert len(read(file, limit=len(content))) == 2000


def test_a_rejection_repeats_nothing_of_the_bill() -> None:
    with pytest.raises(InvalidBill) as refused:
        read(bill(TEA | {"订单金额（元）": "buyer@example.com"}))
    assert "buyer" not in str(refused.value)


@pytest.mark.parametrize("other", ["2026-01-30", "2026-02-01", "2026-01"])
def test_a_bill_of_another_period_is_rejected(other: str) -> None:
    with pytest.raises(InvalidBill, match=f"another period than {other}"):
        read(bill(TEA), period=BillPeriod.of(other))


def test_a_month_is_recognized_by_its_first_and_last_day() -> None:
    notified = "#起始日期：[2026年01月01日 00:00:00]   终止日期：[2026年01月31日 23:59:59]"
    front = (FRONT[0], notified, FRONT[3])
    assert read(bill(TEA, front=front), period=BillPeriod.of("2026-01")) == [ROW]


def test_a_bill_without_a_declared_period_is_accepted() -> None:
    assert read(bill(TEA, front=FRONT[3:]), period=BillPeriod.of("2020-01")) == [ROW]


@given(place=st.integers(0, 3000), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_file_is_never_anything_but_a_bad_bill(place: int, byte: int, cut: bool) -> None:
    content = bytearray(bill(TEA, REFUND).getvalue())
    place %= len(content)
    content[place] = byte
    with suppress(InvalidBill):
        assert len(read(bytes(content[:place] if cut else content))) == 2


def test_a_comma_at_the_end_of_each_row_is_no_cell() -> None:
    assert read(bill(line(TEA).replace("\t", "") + ",")) == [ROW]


def test_rows_come_before_the_file_ends() -> None:
    """Nothing waits for the end, which may be a million rows away."""
    rows = read_bill(io.BytesIO(table(TEA, "nonsense").encode("gbk")))
    assert next(rows) == ROW
    with pytest.raises(InvalidBill):
        next(rows)


def test_a_row_shows_no_subject() -> None:
    assert "龙井茶" not in repr(ROW)


@pytest.mark.parametrize(
    ("bill_date", "since", "until"),
    [
        ("2026-01-31", "2026-01-30T16:00:00+00:00", "2026-01-31T16:00:00+00:00"),
        ("2026-01", "2025-12-31T16:00:00+00:00", "2026-01-31T16:00:00+00:00"),
        ("2025-12", "2025-11-30T16:00:00+00:00", "2025-12-31T16:00:00+00:00"),
        ("2024-02-29", "2024-02-28T16:00:00+00:00", "2024-02-29T16:00:00+00:00"),
    ],
)
def test_a_period_begins_and_ends_at_midnight_in_china(
    bill_date: str, since: str, until: str
) -> None:
    period = BillPeriod.of(bill_date)
    assert (period.since.isoformat(), period.until.isoformat()) == (since, until)
    assert period.holds(period.since)
    assert not period.holds(period.until)


@pytest.mark.parametrize(
    "bill_date",
    [
        "",
        "2026",
        "2026-13",
        "2026-02-30",
        "2026-1-31",
        "20260131",
        "٢٠٢٦-01",
        "9999-12-31",
        "0001-01",
    ],
)
def test_an_invalid_period_is_rejected(bill_date: str) -> None:
    with pytest.raises(InvalidParameter, match="bill_date must be a day or a month"):
        BillPeriod.of(bill_date)


def test_the_end_of_the_list_is_found_where_there_is_nothing_else() -> None:
    assert read(bill(TEA, back=BACK[:1])) == [ROW]
