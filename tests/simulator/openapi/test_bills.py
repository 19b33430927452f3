"""The bill: the simulator's own payments and refunds of a day, as Alipay's is laid out."""

from __future__ import annotations

import csv
import io
import zipfile
from urllib.parse import urlsplit

import pytest

from .server import ORDER

BILL = "alipay.data.dataservice.bill.downloadurl.query"
TODAY = {"bill_type": "trade", "bill_date": "2026-01-31"}


@pytest.fixture
def fetch(server):
    def fetch(**changes):
        node = server.call(BILL, TODAY | changes)
        return server.client.get(urlsplit(node["bill_download_url"]).path)

    return fetch


def tables(response):
    """The texts by name, and the rows of the detail by header."""
    bundle = zipfile.ZipFile(io.BytesIO(response.data))
    texts = {
        info.filename.encode("cp437").decode("gbk"): bundle.read(info).decode("gbk")
        for info in bundle.infolist()
    }
    assert all(not info.flag_bits & 0x800 for info in bundle.infolist()), "not said to be UTF-8"
    assert all(info.compress_type == zipfile.ZIP_DEFLATED for info in bundle.infolist())
    detail = next(text for name, text in texts.items() if name.endswith("业务明细.csv"))
    lines = [line for line in detail.splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    assert all(cell.endswith("\t") for row in rows for cell in row.values())
    return texts, [{name: cell.strip() for name, cell in row.items()} for row in rows]


def test_payments_and_refunds_of_the_day_are_in_it(server, paid, fetch):
    server.call("refund", {"out_trade_no": "T1", "refund_amount": "8.88", "out_request_no": "R1"})
    response = fetch()
    assert response.content_type == "application/zip"
    texts, (payment, refund) = tables(response)
    partner = "2088000000000001"
    assert list(texts) == [
        f"{partner}_20260131_业务明细.csv",
        f"{partner}_20260131_业务明细(汇总).csv",
    ]
    assert payment["支付宝交易号"] == refund["支付宝交易号"] == paid["trade_no"]
    assert (payment["业务类型"], payment["订单金额（元）"]) == ("交易", "88.88")
    assert (refund["业务类型"], refund["商家实收（元）"]) == ("退款", "-8.88")
    assert (payment["退款批次号/请求号"], refund["退款批次号/请求号"]) == ("", "R1")
    assert payment["商品名称"] == "Tea 茶"
    detail, summary = texts.values()
    assert "起始日期：[2026年01月31日 00:00:00]   终止日期：[2026年02月01日 00:00:00]" in detail
    assert "#交易合计：1笔，商家实收共88.88元" in detail
    assert "合计\t,\t,1\t,1\t,88.88\t,80.00\t" in summary


def test_a_month_is_a_bill_too(paid, fetch):
    _, rows = tables(fetch(bill_date="2026-01"))
    assert len(rows) == 1


def test_a_subject_with_commas_and_quotes_is_one_cell(server, fetch):
    subject = 'Tea, "green"'
    barcode_order = {"scene": "bar_code", "auth_code": "2812345678901234", "subject": subject}
    server.call("pay", {**ORDER, **barcode_order})
    _, [row] = tables(fetch())
    assert row["商品名称"] == subject


def test_an_address_is_good_for_half_a_minute(server, paid, clock):
    url = server.call(BILL, TODAY)["bill_download_url"]
    assert url.startswith("http://localhost/alipay/bill/")
    clock.advance(seconds=30)
    assert server.client.get(urlsplit(url).path).status_code == 404
    assert server.client.get("/alipay/bill/nothing").status_code == 404


@pytest.mark.parametrize(
    ("changes", "sub_code"),
    [
        ({"bill_date": "2026-01-30"}, "BILL_NOT_EXIST"),
        ({"bill_date": "2027-01-30"}, "BILL_NOT_EXIST"),
        ({"bill_date": "2026-02-30"}, "INVAILID_ARGUMENTS"),
        ({"bill_date": "31.1.2026"}, "INVAILID_ARGUMENTS"),
        ({"bill_date": None}, "INVAILID_ARGUMENTS"),
        ({"bill_type": None}, "INVAILID_ARGUMENTS"),
        ({"bill_type": "signcustomer"}, "TYPE_NOT_SUPPORTED"),
    ],
)
def test_an_invalid_parameter_of_a_bill_is_named(server, paid, changes, sub_code):
    assert server.refused(BILL, TODAY | changes) == sub_code
