"""The lists: search, filters, pages, totals, CSV files, and pages of single rows."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta, timezone
from html import unescape

import pytest

from flask_alipay.admin.base import PAGE_SIZE
from flask_alipay.models import utc_now
from flask_alipay.protocol.trade_status import TradeStatus

from .conftest import OpenShop
from .shop import LOST, Shop

NOON = datetime(2026, 1, 31, 4, tzinfo=timezone.utc)  # noon in China
BUYER = "2088102116773037"
OPEN_ID = "074a1C-dEf_GhIjKlMnOpQrStUvWxYz0123456789AbCdEfG"


def numbers(page: str) -> list[str]:
    """Return the payments that a page links to, in order."""
    return re.findall(r'<a class="number" href="[^"]*">([^<]+)</a>', page)


def table(shop: Shop, path: str) -> list[list[str]]:
    """Return the rows of a CSV file, the head first."""
    response = shop.get(path)
    assert response.status_code == 200
    assert response.mimetype == "text/csv"
    text = response.data.decode("utf-8")
    assert text.startswith("\ufeff")  # so that Excel reads Chinese
    return list(csv.reader(io.StringIO(text[1:])))


@pytest.fixture
def filled(shop: Shop) -> Shop:
    """Three payments on three days."""
    shop.add(
        shop.row("aaaa1", created_at=NOON, reference="T1001", subject="龙井茶", product="page"),
        shop.row(
            "aaaa2",
            created_at=NOON + timedelta(days=1),
            paid_at=NOON + timedelta(days=1),
            trade_status=TradeStatus.TRADE_SUCCESS,
            paid=True,
            total_fen=1000,
            refunded_fen=400,
            trade_no="2026013122001499160501586202",
            buyer_id=BUYER,
            reference="T1002",
            subject="=SUM(A1)",
            product="wap",
        ),
        shop.row(
            "bbbb3",
            created_at=NOON + timedelta(days=2),
            trade_status=TradeStatus.TRADE_CLOSED,
            total_fen=500,
            buyer_open_id=OPEN_ID,
            reference="T1003",
        ),
    )
    return shop


def test_payments_are_listed_with_the_newest_first(filled: Shop) -> None:
    assert numbers(filled.get("payments/").text) == ["bbbb3", "aaaa2", "aaaa1"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=aaaa", ["aaaa2", "aaaa1"]),
        ("q=aaaa1", ["aaaa1"]),
        ("q=aaa", []),  # too short for a beginning
        ("q=20260131220014991605", ["aaaa2"]),
        (f"q={BUYER}", ["aaaa2"]),
        (f"q={OPEN_ID}", ["bbbb3"]),
        ("q=074a1C", ["bbbb3"]),
        ("q=T1003", ["bbbb3"]),
        ("q=T100", ["bbbb3", "aaaa2", "aaaa1"]),
        ("q=aaa%25", []),
        ("q=____", []),
        ("status=TRADE_CLOSED", ["bbbb3"]),
        ("status=TRADE_PENDING", []),
        ("product=wap", ["aaaa2"]),
        ("min=5.01", ["aaaa2", "aaaa1"]),
        ("max=10", ["bbbb3", "aaaa2"]),
        ("min=5.01&max=10.00", ["aaaa2"]),
        ("since=2026-02-01", ["bbbb3", "aaaa2"]),
        ("until=2026-01-31", ["aaaa1"]),
        ("since=2026-02-01&until=2026-02-01", ["aaaa2"]),
        ("since=2026-01-01&subject=井", ["aaaa1"]),
        ("since=2026-01-01&subject=%25", []),
        ("q=aaaa&status=TRADE_SUCCESS", ["aaaa2"]),
    ],
)
def test_payments_are_found(filled: Shop, query: str, found: list[str]) -> None:
    assert numbers(filled.get(f"payments/?{query}").text) == found


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("subject=tea", "please choose the first day, too"),
        ("since=yesterday", "Please write a date like 2026-01-31."),
        ("since=0001-01-01", "Please write a date like 2026-01-31."),
        ("until=9999-12-31", "Please write a date like 2026-01-31."),
        ("since=2026-02-01&until=2026-01-01", "The last day is before the first."),
        ("min=-1", "Please write an amount like 88.88."),
        ("min=%D9%A1", "Please write an amount like 88.88."),
        ("status=PAID", "There is no such choice"),
        ("product=cash", "There is no such choice"),
        ("q=%00", "too long or not readable"),
        ("q=" + "x" * 129, "too long or not readable"),
        ("after=1", "This link is damaged"),
        ("after=2026-01-31T00:00:00_1", "This link is damaged"),
        ("after=2026-01-31T00:00:00Z_99999999999999999999", "This link is damaged"),
    ],
)
def test_a_filter_that_cannot_be_applied_is_explained(filled: Shop, query: str, text: str) -> None:
    page = filled.get(f"payments/?{query}")
    assert page.status_code == 200
    assert text in page.text
    assert numbers(page.text) == []
    if not query.startswith("after"):
        assert filled.get(f"payments/export.csv?{query}").status_code == 400


def test_a_selection_with_a_first_day_has_totals(filled: Shop) -> None:
    page = filled.get("payments/?since=2026-01-31&status=TRADE_SUCCESS").text
    assert "1 payment of ¥10.00: ¥10.00 paid, ¥4.00 refunded." in page
    page = filled.get("payments/?since=2026-01-01").text
    assert "3 payments of ¥103.88: ¥10.00 paid, ¥4.00 refunded." in page
    assert "payments of" not in filled.get("payments/").text


def test_a_list_of_many_pages_is_read_to_the_end(shop: Shop) -> None:
    # Two of each time, so that pages end between rows of the same time.
    count = 2 * PAGE_SIZE + 5
    shop.add(
        *(shop.row(f"n{i:04}", created_at=NOON + timedelta(seconds=i // 2)) for i in range(count))
    )
    found, url = [], "/admin/alipay/payments/"
    while url:
        page = shop.client.get(url).text
        found += numbers(page)
        link = re.search(r'href="([^"]+)" rel="next"', page)
        url = unescape(link[1]) if link else ""
    assert found == [f"n{i:04}" for i in reversed(range(count))]
    assert 'class="btn btn-light" href="/admin/alipay/payments/"' in page


def test_a_filter_goes_along_to_the_next_page(shop: Shop) -> None:
    closed = TradeStatus.TRADE_CLOSED
    shop.add(*(shop.row(f"n{i:04}", trade_status=closed) for i in range(PAGE_SIZE + 1)))
    page = shop.get("payments/?status=TRADE_CLOSED&min=1").text
    link = re.search(r'href="([^"]+)" rel="next"', page)
    assert link is not None
    assert "status=TRADE_CLOSED&min=1" in unescape(link[1])


def test_a_search_says_that_there_is_more(shop: Shop) -> None:
    shop.add(*(shop.row(f"same{i:04}") for i in range(101)))
    page = shop.get("payments/?q=same").text
    assert len(numbers(page)) == 100
    assert "Only the first 100 matches are shown" in page


def test_payments_are_exported_for_spreadsheets(filled: Shop) -> None:
    head, *lines = table(filled, "payments/export.csv?since=2026-01-31&until=2026-02-01")
    assert [line[0] for line in lines] == ["aaaa2\t", "aaaa1\t"]  # the tab keeps long numbers
    paid = dict(zip(head, lines[0], strict=True))
    assert paid["Subject"] == "'=SUM(A1)"  # no formula
    assert (paid["Amount"], paid["Refunded amount"]) == ("10.00", "4.00")
    assert paid["Paid at (China time)"] == "2026-02-01 12:00:00"
    assert paid["Buyer"] == "20***"
    assert lines[1][3] == "龙井茶"


def test_an_export_has_all_rows(shop: Shop) -> None:
    shop.add(*(shop.row(f"n{i:04}") for i in range(1101)))
    lines = table(shop, "payments/export.csv")
    assert len(lines) == 1102
    assert len({line[0] for line in lines}) == 1102


def test_refunds_and_the_journal_are_listed_and_exported(shop: Shop) -> None:
    number = shop.sold()
    shop.refund(number, "10.00", "@torn")
    (refund,) = shop.rows(shop.Refund)
    page = shop.get("refunds/").text
    assert refund.out_request_no in page
    assert numbers(page) == [number]
    assert numbers(shop.get(f"refunds/?q={refund.out_request_no}").text) == [number]
    assert numbers(shop.get("refunds/?status=processing").text) == []
    head, line = table(shop, "refunds/export.csv?status=success")
    assert dict(zip(head, line, strict=True))["Refund reason"] == "'@torn"
    assert set(numbers(shop.get("notifications/").text)) == {number}
    assert numbers(shop.get("notifications/?outcome=mismatched").text) == []
    settled = table(shop, "notifications/export.csv?outcome=settled")
    assert [line[3] for line in settled[1:]] == [f"{number}\t", f"{number}\t"]


@pytest.mark.parametrize("status", ["ACQ.TRADE_NOT_EXIST", "REFUND_FAIL", "SELLER_BALANCE", "ZZZ"])
def test_a_rejected_refund_is_found_whatever_its_code(shop: Shop, status: str) -> None:
    shop.add(shop.row("paid1", paid=True, trade_status=TradeStatus.TRADE_SUCCESS))
    common = {"merchant": shop.merchant, "out_trade_no": "paid1", "refund_fen": 100}
    shop.add(
        shop.Refund(out_request_no="r1", status=status, **common),
        shop.Refund(out_request_no="r2", status="REFUND_SUCCESS", **common),
    )
    page = shop.get("refunds/?status=rejected").text
    assert f"Rejected by Alipay ({status})" in page
    assert "r2" not in re.findall(r'<span class="number">(\w+)</span>', page)
    assert len(numbers(shop.get("refunds/").text)) == 2


def test_a_payment_has_its_history(shop: Shop) -> None:
    number = shop.sold(expires_at=utc_now() + timedelta(minutes=30))
    shop.refund(number, "10.00", "torn")
    page = shop.get(f"payments/{number}").text
    events = re.findall(r'data-label="Event"><span>([^<]*)</span>', page)
    for event in (
        "Created",
        "Payment received",
        "Notification",
        "Refund requested",
        "Refund succeeded",
    ):
        assert event in events
    assert events[0] == "Created"
    assert "Time to pay ended" not in events
    assert "alipay.trade.refund" in page
    assert "Refunded in part" in page


def test_the_history_shows_the_way_to_alipay_and_every_query(deaf_shop: Shop) -> None:
    shop = deaf_shop
    number = shop.order()
    for _ in range(2):
        shop.act(f"payments/{number}/query")
    shop.pay(number)
    shop.act(f"payments/{number}/query")
    page = shop.get(f"payments/{number}").text
    events = re.findall(r'data-label="Event"><span>([^<]*)</span>', page)
    assert events[0] == "Created"
    assert "Sent to Alipay" in events
    assert events.count("Alipay queried") == 1
    assert re.search(r"Alipay has no trade with this number · 2 times, last at 20", page)
    assert "Response to alipay.trade.query" in events
    chinese = shop.get(f"payments/{number}", headers={"Accept-Language": "zh-CN"}).text
    assert "已提交到支付宝" in chinese
    assert "支付宝没有该交易 · 共 2 次" in chinese


def test_the_history_shows_the_buyers_return(shop: Shop) -> None:
    number = shop.order()
    with shop.app.app_context():
        payment = shop.alipay.ledger().find(number)
        payment.returned_at = utc_now()
        shop.db.session.commit()
    assert "Buyer returned from Alipay" in shop.get(f"payments/{number}").text


def test_a_paid_payment_is_not_shown_as_expired(shop: Shop) -> None:
    paid = {"paid": True, "trade_status": TradeStatus.TRADE_SUCCESS, "paid_at": NOON}
    limit = NOON + timedelta(minutes=30)
    shop.add(
        shop.row("paid1", created_at=NOON, expires_at=limit, **paid),
        shop.row("open1", created_at=NOON, expires_at=limit),
    )
    assert "Time to pay ended" not in shop.get("payments/paid1").text
    assert "Time to pay ended" in shop.get("payments/open1").text


def test_a_payment_without_a_notification_names_the_next_step(open_shop: OpenShop) -> None:
    shop = open_shop(config={"ALIPAY_NOTIFY_URL": LOST})
    page = shop.get(f"payments/{shop.order()}").text
    assert "No notification was received." in page


def test_buyer_data_is_masked_until_it_is_requested(shop: Shop) -> None:
    number = shop.sold()
    buyer = shop.payment(number).buyer_id
    (row,) = shop.rows(shop.Notification)
    for path in ("payments/", f"payments/{number}", f"notifications/{row.id}", "notifications/"):
        assert buyer not in shop.get(path).text
    assert buyer in shop.get(f"payments/{number}?reveal=1").text
    shown = shop.get(f"notifications/{row.id}?reveal=1").text
    assert buyer in shown
    assert row.payload["sign"] not in shown


def test_the_open_id_of_a_buyer_is_masked_until_it_is_requested(filled: Shop) -> None:
    masked = filled.get("payments/bbbb3").text
    assert "07***" in masked
    assert "Show buyer data" in masked
    assert OPEN_ID not in masked
    assert OPEN_ID not in filled.get("payments/export.csv").text
    assert OPEN_ID in filled.get("payments/bbbb3?reveal=1").text


def test_a_page_is_kept_out_of_caches_and_frames(shop: Shop) -> None:
    number = shop.sold()
    for path in ("payments/", f"payments/{number}?reveal=1", "payments/export.csv"):
        headers = shop.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"


def test_rows_of_another_merchant_are_not_shown(shop: Shop) -> None:
    shop.add(
        shop.row("other1", merchant="2021999999999999"),
        shop.Refund(
            merchant="2021999999999999",
            out_trade_no="other1",
            out_request_no="r1",
            refund_fen=1,
            status="REFUND_SUCCESS",
        ),
        shop.Notification(
            merchant="2021999999999999",
            out_trade_no="other1",
            trade_status="TRADE_SUCCESS",
            outcome="mismatched",
            payload={},
        ),
    )
    for path in ("payments/", "payments/?q=other1", "refunds/", "notifications/", "takings/"):
        assert "/other1" not in shop.get(path).text
    for path in ("payments/other1", "payments/other1/query", "notifications/1"):
        assert shop.get(path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "payments/missing",
        "payments/missing/query",
        "payments/missing/refund",
        "payments/missing/replay/1",
        "payments/%00",
        "payments/missing/pay",
        "notifications/0",
        "notifications/99999999999999999999",
    ],
)
def test_an_unknown_row_is_not_found(shop: Shop, path: str) -> None:
    assert shop.get(path).status_code == 404


def test_hostile_texts_are_escaped(shop: Shop) -> None:
    bad = "<script>alert(1)</script>"
    shop.add(
        shop.row("bad1", subject=bad, reference='"><b>'),
        shop.Notification(
            merchant=shop.merchant,
            notify_id='"><i>',
            out_trade_no="bad1",
            trade_status="TRADE_SUCCESS",
            outcome="mismatched",
            detail=bad,
            payload={bad: bad},
        ),
    )
    for path in (
        "payments/",
        "payments/bad1",
        "payments/bad1/query",
        "notifications/",
        "notifications/1",
        "takings/",
        f"payments/?q={bad}",
    ):
        page = shop.get(path).text
        assert bad not in page
        assert '"><b>' not in page
        assert '"><i>' not in page


def test_a_missing_journal_is_stated(open_shop: OpenShop) -> None:
    shop = open_shop(journal=False)
    number = shop.order()
    for path in (f"payments/{number}", "notifications/", "takings/"):
        assert "The shop keeps no journal" in shop.get(path).text
    shop.act(f"payments/{number}/close")
    assert shop.payment(number).trade_status == TradeStatus.TRADE_CLOSED
    assert shop.get("notifications/1").status_code == 404
    assert shop.get("notifications/export.csv").status_code == 404


def test_missing_refunds_are_stated(open_shop: OpenShop) -> None:
    shop = open_shop(refunds=False)
    number = shop.sold()
    for path in ("refunds/", "takings/"):
        assert "The shop keeps no refunds" in shop.get(path).text
    assert f"payments/{number}/refund" not in shop.get(f"payments/{number}").text
    assert shop.get(f"payments/{number}/refund").status_code == 303
    assert shop.get("refunds/export.csv").status_code == 404


def test_no_page_has_a_secret(shop: Shop) -> None:
    number = shop.sold()
    with shop.app.app_context():
        secrets = [str(value) for key, value in shop.app.config.items() if "KEY" in key and value]
    assert secrets
    pages = ("payments/", f"payments/{number}?reveal=1", "notifications/1?reveal=1", "takings/")
    text = "".join(shop.get(path).text for path in pages)
    assert "PRIVATE KEY" not in text
    assert not [secret for secret in secrets if secret != "test" and secret in text]
