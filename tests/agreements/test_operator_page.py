"""The operator pages about agreements."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta, timezone
from html import unescape
from typing import Any

import pytest
from flask import request
from flask_admin import Admin
from flask_babel import Babel
from sqlalchemy import select
from werkzeug.test import TestResponse

from flask_alipay.admin import add_alipay_views
from flask_alipay.models import utc_now

from ..services import on_each_database
from .conftest import OpenShop
from .shop import (
    LOST,
    PAY,
    PAYER,
    QUERY,
    TRADE_QUERY,
    UNSIGN,
    DeductingShop,
    Notification,
    db,
    rejection,
)

PATH = "/admin/alipay/agreements"


def add_pages(shop: DeductingShop, **options: Any) -> None:
    """Add the operator pages in the language of the browser."""
    Babel(shop.app, locale_selector=lambda: request.accept_languages.best_match(("zh", "en")))
    given = {"is_accessible": lambda: True, "operator": lambda: "alice", **options}
    add_alipay_views(Admin(shop.app, name="Tea"), shop.alipay, **given)


@pytest.fixture
def operated(small_shop: DeductingShop) -> DeductingShop:
    add_pages(small_shop)
    small_shop.sign()
    return small_shop


def get(shop: DeductingShop, path: str = "/", language: str = "en") -> TestResponse:
    headers = {"Accept-Language": language}
    url = path if path.startswith("/admin") else PATH + path
    return shop.app.test_client().get(url, headers=headers)


def fields_of(page: str) -> dict[str, str]:
    form = re.search(r'<form method="post">(.*?)</form>', page, re.S)
    assert form is not None, page
    found = re.findall(r'<input [^>]*?name="([^"]+)"[^>]*?value="([^"]*)"', form[1])
    return {name: unescape(value) for name, value in found}


def act(shop: DeductingShop, action: str, **fields: str) -> str:
    """Confirm an action without a form of its own; return the page to which it leads."""
    client, url = shop.app.test_client(), f"{PATH}/S1/{action}"
    form = {**fields_of(client.get(url).text), **fields}
    response = client.post(url, data=form)
    assert response.status_code == 303, response.text
    return client.get(response.location).text


def charge(shop: DeductingShop, **fields: str) -> str:
    """Fill in and confirm a deduction; return the last page."""
    client, url = shop.app.test_client(), f"{PATH}/S1/charge"
    requested = client.post(url, data={**fields_of(client.get(url).text), **fields})
    if requested.status_code != 200:
        return requested.text
    response = client.post(url, data=fields_of(requested.text))
    assert response.status_code == 303, response.text
    return client.get(response.location).text


def actions(shop: DeductingShop) -> list[str]:
    with shop.app.app_context():
        rows = db.session.scalars(select(Notification).order_by(Notification.id))
        return [row.detail for row in rows if "operator" in row.payload]


@on_each_database
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"DUE00001", "EARLY001", "MISSED01", "OVER0001"}),
        ("?q=DUE0", {"DUE00001"}),
        ("?q=20265002", {"MISSED01"}),
        ("?status=UNSIGN", {"OVER0001"}),
        ("?due=now", {"DUE00001"}),
        ("?due=overdue", {"MISSED01"}),
        ("?until=2020-01-01", set()),
        ("?since=2020-01-01&status=NORMAL", {"DUE00001", "EARLY001", "MISSED01"}),
    ],
)
def test_agreements_are_found(shop: DeductingShop, query: str, found: set[str]) -> None:
    days = {"DUE00001": "05", "EARLY001": "20", "MISSED01": "02", "OVER0001": "05"}
    for place, (number, day) in enumerate(days.items()):
        shop.sign(number, f"2026500{place}", next_date=f"2026-12-{day}")
    shop.change("OVER0001", status="UNSIGN")
    shop.now = datetime(2026, 12, 3, 4, tzinfo=timezone.utc)
    add_pages(shop)
    page = get(shop, f"/{query}").text
    assert set(re.findall(r"agreements/(\w+)\"", page)) == found
    table = get(shop, f"/export.csv{query}").text
    lines = list(csv.reader(io.StringIO(table)))
    assert {line[0].strip() for line in lines[1:]} == found


def test_a_long_list_has_pages(operated: DeductingShop) -> None:
    for place in range(60):
        operated.sign(f"N{place}", f"2026600{place}")
    first = get(operated).text
    [older] = re.findall(r'href="([^"]+)" rel="next"', first)
    numbers = re.findall(r"agreements/(\w+)\"", first + get(operated, unescape(older)).text)
    assert len(numbers) == len(set(numbers)) == 61


def test_the_page_of_an_agreement_shows_its_deductions_and_their_pages(
    operated: DeductingShop,
) -> None:
    operated.charge()
    page = get(operated, "/S1").text
    assert "every month" in page
    assert "at most ¥30.00 each time" in page
    assert "1 deduction of ¥30.00" in page
    assert "Agreement signed" in page
    assert page.count("/admin/alipay/payments/P1") == 2
    assert f"{PATH}/S1" in get(operated, "/admin/alipay/payments/P1").text
    assert get(operated, "/S9").status_code == 404


def test_the_payer_is_masked_until_it_is_requested(operated: DeductingShop) -> None:
    assert PAYER not in get(operated, "/S1").text + get(operated, "/export.csv").text
    assert PAYER in get(operated, "/S1?reveal=1").text


def test_an_operator_charges_once(operated: DeductingShop) -> None:
    page = charge(operated, amount="12.50", subject="龙井", number="P1")
    assert "Payment P1 of ¥12.50: Payment received." in page
    assert operated.events() == [("paid", "P1")]
    assert operated.payment().subject == "龙井"
    assert actions(operated) == [
        "charge by alice: ¥12.50 · P1",
        "charge by alice: ¥12.50 · P1 · done",
    ]
    client, url = operated.app.test_client(), f"{PATH}/S1/charge"
    form = fields_of(client.get(url).text)
    again = {**form, "amount": "12.50", "subject": "龙井", "number": "P1", "confirmed": "yes"}
    assert client.post(url, data=again).status_code == 303
    assert operated.at_alipay.methods == [PAY]
    assert operated.agreement().charge_count == 1


def test_a_deduction_without_a_result_is_continued(operated: DeductingShop) -> None:
    alipay = operated.at_alipay
    alipay.script = {**alipay.script, PAY: [alipay.lose], TRADE_QUERY: [LOST]}
    assert "The result is unknown." in charge(operated, subject="茶", number="P1")
    form = get(operated, "/S1/charge").text
    assert "has no result" in form
    assert fields_of(form)["number"] == "P1"
    assert "Payment received" in charge(operated)
    assert len(alipay.trades) == 1


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"amount": "30.01", "subject": "茶"}, "exceeds 30.00 CNY"),
        ({"amount": "1e3", "subject": "茶"}, "Please write an amount"),
        ({"amount": "-1", "subject": "茶"}, "Please write an amount"),
        ({"amount": "1", "subject": ""}, "Please write a subject"),
        ({"amount": "1", "subject": "茶" * 300}, "too long"),
        ({"amount": "1", "subject": "茶", "number": "a b"}, "The number is damaged"),
        ({"amount": "1", "subject": "茶", "alipay_csrf_token": "forged"}, "too old"),
    ],
)
def test_invalid_input_changes_nothing(
    operated: DeductingShop, fields: dict[str, str], text: str
) -> None:
    before = operated.contents()
    client, url = operated.app.test_client(), f"{PATH}/S1/charge"
    response = client.post(url, data={**fields_of(client.get(url).text), **fields})
    assert response.status_code == 400
    assert text in unescape(response.text)
    assert operated.contents() == before
    assert operated.at_alipay.requests == []
    assert actions(operated) == []


def test_a_deduction_that_is_not_due_is_explained(operated: DeductingShop) -> None:
    operated.now = datetime(2026, 11, 1, 4, tzinfo=timezone.utc)
    page = charge(operated, subject="茶")
    assert "2026-11-30 to 2026-12-05" in page
    assert operated.at_alipay.requests == []


def test_a_rejected_deduction_is_recorded_and_shown(operated: DeductingShop) -> None:
    operated.at_alipay.script[PAY] = [rejection("ACQ.BUYER_BALANCE_NOT_ENOUGH")]
    assert "ACQ.BUYER_BALANCE_NOT_ENOUGH" in charge(operated, subject="茶", number="P1")
    page = get(operated, "/S1").text
    assert "Payment failed" in page
    assert "Problem" in page
    assert actions(operated)[-1].endswith("InsufficientBalance")


def test_an_agreement_is_queried(operated: DeductingShop) -> None:
    assert "The ledger is unchanged: In force." in act(operated, "query")
    operated.at_alipay.agreement = None
    operated.change(signed_at=datetime(2026, 1, 1, tzinfo=timezone.utc))
    assert "The ledger is updated: Ended." in act(operated, "query")
    assert operated.events() == [("agreement_ended", "S1")]
    assert operated.at_alipay.methods == [QUERY, QUERY]


def test_an_operator_ends_an_agreement(operated: DeductingShop) -> None:
    assert "The ledger is updated: Ended." in act(operated, "end")
    assert operated.events() == [("agreement_ended", "S1")]
    assert operated.at_alipay.methods[0] == UNSIGN
    assert get(operated, "/S1/end").status_code == 303
    assert get(operated, "/S1/charge").status_code == 303
    assert "end by alice: done" in actions(operated)


def test_an_action_is_in_the_history_of_the_agreement_alone(operated: DeductingShop) -> None:
    operated.charge("S1")  # a payment with the agreement's number
    act(operated, "query")
    assert "Operator alice" in get(operated, "/S1").text
    assert "Operator alice" not in get(operated, "/admin/alipay/payments/S1").text
    journal = get(operated, "/admin/alipay/notifications/").text
    assert f'href="{PATH}/S1"' in journal
    [row] = re.findall(r'notifications/(\d+)">#', journal)[:1]
    assert "Open the agreement" in get(operated, f"/admin/alipay/notifications/{row}").text


def test_who_may_not_act_sees_no_action(small_shop: DeductingShop) -> None:
    add_pages(small_shop, can_edit=False)
    small_shop.sign()
    assert "/S1/charge" not in get(small_shop, "/S1").text
    for action in ("charge", "query", "end"):
        assert get(small_shop, f"/S1/{action}").status_code == 403
        response = small_shop.app.test_client().post(f"{PATH}/S1/{action}")
        assert response.status_code == 403
    assert small_shop.at_alipay.requests == []


def test_a_stranger_is_refused(small_shop: DeductingShop) -> None:
    add_pages(small_shop, is_accessible=lambda: False)
    small_shop.sign()
    for path in ("/", "/S1", "/export.csv", "/S1/charge"):
        assert get(small_shop, path).status_code == 403


def test_the_pages_are_translated(operated: DeductingShop) -> None:
    operated.charge()
    page = get(operated, "/", "zh").text + get(operated, "/S1", "zh").text
    for text in ("代扣协议", "生效", "每月", "签约", "扣款"):
        assert text in page


def test_missed_and_unresolved_deductions_are_open_problems(operated: DeductingShop) -> None:
    takings = "/admin/alipay/takings/"
    assert "Missed deduction" not in get(operated, takings).text
    operated.now = datetime(2026, 12, 6, 4, tzinfo=timezone.utc)
    page = get(operated, takings).text
    assert "Missed deduction" in page
    assert f'href="{PATH}/S1"' in page
    operated.now = datetime(2026, 12, 4, 4, tzinfo=timezone.utc)
    alipay = operated.at_alipay
    alipay.script = {**alipay.script, PAY: [LOST], TRADE_QUERY: [LOST]}
    charge(operated, subject="茶", number="P1")
    hours_ago = utc_now() - timedelta(hours=2)
    operated.change_payment("P1", created_at=hours_ago, sent_at=hours_ago)
    page = get(operated, takings).text
    assert "Deduction without a result" in page
    assert "Missed deduction" not in page


def test_a_shop_without_agreements_has_no_page(open_shop: OpenShop) -> None:
    shop = open_shop()
    shop.alipay._models = shop.alipay.models._replace(Agreement=None)
    add_pages(shop)
    assert get(shop).status_code == 404
