"""The operator pages about authorizations."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
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
    CANCEL,
    LOST,
    PAY,
    PAYER,
    QUERY,
    TRADE_QUERY,
    UNFREEZE,
    DepositShop,
    Notification,
    db,
    rejection,
)

PATH = "/admin/alipay/authorizations"


def add_pages(shop: DepositShop, **options: Any) -> None:
    """Add the operator pages in the language of the browser."""
    Babel(shop.app, locale_selector=lambda: request.accept_languages.best_match(("zh", "en")))
    given = {"is_accessible": lambda: True, "operator": lambda: "alice", **options}
    add_alipay_views(Admin(shop.app, name="Inn"), shop.alipay, **given)


@pytest.fixture
def operated(small_shop: DepositShop) -> DepositShop:
    """A shop with operator pages and a deposit of 500 yuan."""
    add_pages(small_shop)
    small_shop.hold()
    return small_shop


def get(shop: DepositShop, path: str = "/", language: str = "en") -> TestResponse:
    headers = {"Accept-Language": language}
    url = path if path.startswith("/admin") else PATH + path
    return shop.app.test_client().get(url, headers=headers)


def fields_of(page: str) -> dict[str, str]:
    form = re.search(r'<form method="post">(.*?)</form>', page, re.S)
    assert form is not None, page
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[1])
    found += re.findall(
        r'<input class="form-control"[^>]*? name="([^"]+)" value="([^"]*)"', form[1]
    )
    return {name: unescape(value) for name, value in found}


def act(shop: DepositShop, action: str) -> str:
    """Confirm an action without a form of its own; return the page to which it leads."""
    client, url = shop.app.test_client(), f"{PATH}/DEP1/{action}"
    response = client.post(url, data=fields_of(client.get(url).text))
    assert response.status_code == 303, response.text
    return client.get(response.location).text


def submit(shop: DepositShop, action: str, **fields: str) -> str:
    """Fill in and confirm a form; return the last page."""
    client, url = shop.app.test_client(), f"{PATH}/DEP1/{action}"
    requested = client.post(url, data={**fields_of(client.get(url).text), **fields})
    assert requested.status_code == 200, requested.text
    response = client.post(url, data=fields_of(requested.text))
    assert response.status_code == 303, response.text
    return client.get(response.location).text


def actions(shop: DepositShop) -> list[str]:
    with shop.app.app_context():
        rows = db.session.scalars(select(Notification).order_by(Notification.id))
        return [row.detail for row in rows if "operator" in row.payload]


@on_each_database
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"WAIT0001", "HELD0001", "HELD0002"}),
        ("?q=HELD", {"HELD0001", "HELD0002"}),
        ("?status=INIT", {"WAIT0001"}),
        ("?status=AUTHORIZED&q=HELD0002", {"HELD0002"}),
        ("?until=2020-01-01", set()),
        ("?since=2020-01-01", {"WAIT0001", "HELD0001", "HELD0002"}),
    ],
)
def test_authorizations_are_found(shop: DepositShop, query: str, found: set[str]) -> None:
    shop.hold(number="HELD0001")
    shop.hold(number="HELD0002")
    shop.create(number="WAIT0001")
    add_pages(shop)
    page = get(shop, f"/{query}").text
    assert set(re.findall(r"authorizations/(\w+)\"", page)) == found
    lines = list(csv.reader(io.StringIO(get(shop, f"/export.csv{query}").text)))
    assert {line[0].strip() for line in lines[1:]} == found
    assert get(shop, f"/?q={shop.row('HELD0002').auth_no}").text.count("HELD0002")


def test_an_invalid_filter_is_named(operated: DepositShop) -> None:
    assert "There is no such choice" in get(operated, "/?status=PAID").text
    assert get(operated, "/export.csv?status=PAID").status_code == 400


def test_the_page_shows_amounts_payments_and_history(operated: DepositShop) -> None:
    operated.capture("120.00")
    operated.release("30.00")
    page = get(operated, "/DEP1").text
    for text in ("¥500.00", "¥120.00", "¥30.00", "¥350.00", "Amount frozen", "Amount released"):
        assert text in page, text
    assert page.count("/admin/alipay/payments/C1") == 2
    assert f"{PATH}/DEP1" in get(operated, "/admin/alipay/payments/C1").text
    assert get(operated, "/NONE").status_code == 404


def test_the_end_by_the_contract_is_shown(open_shop: OpenShop) -> None:
    shop = open_shop(AUTHORIZATION_DAYS="7")
    add_pages(shop)
    shop.hold()  # frozen on 31 January 2026
    assert "2026-02-07 12:00:00" in get(shop, "/DEP1").text


def test_the_payer_is_masked_until_it_is_requested(operated: DepositShop) -> None:
    assert PAYER not in get(operated, "/DEP1").text + get(operated, "/export.csv").text
    assert PAYER in get(operated, "/DEP1?reveal=1").text


def test_an_operator_captures_once(operated: DepositShop) -> None:
    page = submit(operated, "capture", amount="120", subject="迷你吧", number="C1")
    assert "Payment C1 of ¥120.00: Payment received." in page
    assert operated.payment().subject == "迷你吧"
    client, url = operated.app.test_client(), f"{PATH}/DEP1/capture"
    again = {**fields_of(client.get(url).text), "amount": "120", "number": "C1"}
    client.post(url, data={**again, "confirmed": "yes"})
    assert operated.amounts() == ("AUTHORIZED", 12000, 0, 0)
    assert operated.at_alipay.methods.count(PAY) == 1
    assert actions(operated)[:2] == [
        "capture by alice: ¥120.00 · C1",
        "capture by alice: ¥120.00 · C1 · done",
    ]


def test_a_capture_may_release_everything_else(operated: DepositShop) -> None:
    page = submit(operated, "capture", amount="80", complete="yes")
    assert "Captured, nothing left" in page
    assert operated.amounts() == ("FINISH", 8000, 42000, 0)
    assert get(operated, "/DEP1/capture").status_code == 303


def test_a_capture_without_a_result_is_continued(operated: DepositShop) -> None:
    operated.at_alipay.lose(PAY)
    operated.at_alipay.fail(TRADE_QUERY, LOST, LOST)
    page = submit(operated, "capture", amount="500", number="C1")
    assert "The result is unknown." in page
    operated.at_alipay.script = {}
    client, url = operated.app.test_client(), f"{PATH}/DEP1/capture?number=C1"
    assert f'href="{url}"' in page
    form = fields_of(client.get(url).text)
    assert (form["number"], form["amount"]) == ("C1", "500.00")
    requested = client.post(f"{PATH}/DEP1/capture", data=form)
    client.post(f"{PATH}/DEP1/capture", data=fields_of(requested.text))
    assert operated.amounts() == ("FINISH", 50000, 0, 0)
    assert operated.payments() == 1


def test_an_operator_releases_a_part(operated: DepositShop) -> None:
    page = submit(operated, "release", amount="30", reason="完好", number="R1")
    assert "Release R1 of ¥30.00: done. ¥470.00 is left." in page
    assert operated.amounts() == ("AUTHORIZED", 0, 3000, 0)


def test_a_release_without_a_result_is_continued(operated: DepositShop) -> None:
    operated.at_alipay.lose(UNFREEZE)
    operated.at_alipay.fail(QUERY, LOST, LOST)
    assert "unknown" in submit(operated, "release", amount="30", number="R1")
    operated.at_alipay.script = {}
    form = get(operated, "/DEP1/release").text
    assert "has no result" in form
    assert fields_of(form)["number"] == "R1"
    submit(operated, "release", amount="77", number="R2")
    assert operated.amounts() == ("AUTHORIZED", 0, 3000, 0)


@pytest.mark.parametrize("action", ["capture", "release"])
@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"amount": "500.01"}, "At most ¥500.00"),
        ({"amount": "1e2"}, "Please write an amount"),
        ({"amount": "-1"}, "Please write an amount"),
        ({"amount": "1", "subject": "茶" * 300, "reason": "茶" * 300}, "too long"),
        ({"amount": "1", "number": "a b"}, "The number is damaged"),
        ({"amount": "1", "alipay_csrf_token": "forged"}, "too old"),
    ],
)
def test_invalid_input_changes_nothing(
    operated: DepositShop, action: str, fields: dict[str, str], text: str
) -> None:
    before, sent = operated.contents(), len(operated.at_alipay.requests)
    client, url = operated.app.test_client(), f"{PATH}/DEP1/{action}"
    response = client.post(url, data={**fields_of(client.get(url).text), **fields})
    assert response.status_code == 400
    assert text in unescape(response.text)
    assert operated.contents() == before
    assert len(operated.at_alipay.requests) == sent
    assert actions(operated) == []


def test_a_rejected_capture_is_recorded_and_shown(operated: DepositShop) -> None:
    operated.at_alipay.fail(PAY, rejection("ACQ.AUTH_AMOUNT_NOT_ENOUGH"))
    assert "ACQ.AUTH_AMOUNT_NOT_ENOUGH" in submit(operated, "capture", amount="5", number="C1")
    assert "Payment failed" in get(operated, "/DEP1").text
    assert actions(operated)[-1] == "capture by alice: ¥5.00 · C1 · GatewayError"


def test_an_authorization_that_waits_is_cancelled(small_shop: DepositShop) -> None:
    add_pages(small_shop)
    small_shop.create()
    small_shop.at_alipay.freeze(
        {"out_order_no": "DEP1", "out_request_no": "DEP1", "amount": "500.00"}, "INIT"
    )
    small_shop.run(small_shop.alipay.freeze_order_string)
    page = act(small_shop, "cancel")
    assert "The ledger is updated: Closed without freezing." in page
    assert small_shop.at_alipay.methods == [CANCEL]
    assert small_shop.calls() == [("authorization_closed", "DEP1")]
    assert get(small_shop, "/DEP1/cancel").status_code == 303
    assert get(small_shop, "/DEP1/release").status_code == 303


def test_a_lost_freeze_is_found_by_a_query(small_shop: DepositShop) -> None:
    add_pages(small_shop)
    small_shop.create()
    small_shop.run(small_shop.alipay.freeze_order_string)
    assert "The ledger is unchanged: Waiting for the payer." in act(small_shop, "query")
    small_shop.at_alipay.freeze(
        {"out_order_no": "DEP1", "out_request_no": "DEP1", "amount": "500.00"}
    )
    assert "The ledger is updated: Frozen." in act(small_shop, "query")
    assert small_shop.calls() == [("authorized", "DEP1")]


def test_an_action_is_in_the_history_of_the_authorization_alone(operated: DepositShop) -> None:
    operated.capture("5.00", "DEP1")  # a payment with the authorization's number
    act(operated, "query")
    assert "Operator alice" in get(operated, "/DEP1").text
    assert "Operator alice" not in get(operated, "/admin/alipay/payments/DEP1").text
    journal = get(operated, "/admin/alipay/notifications/").text
    assert f'href="{PATH}/DEP1"' in journal
    [row] = re.findall(r'notifications/(\d+)">#', journal)[:1]
    assert "Open the authorization" in get(operated, f"/admin/alipay/notifications/{row}").text


def test_who_may_not_act_sees_no_action(small_shop: DepositShop) -> None:
    add_pages(small_shop, can_edit=False)
    small_shop.hold()
    sent = len(small_shop.at_alipay.requests)
    assert "/DEP1/capture" not in get(small_shop, "/DEP1").text
    for action in ("capture", "release", "query", "cancel"):
        assert get(small_shop, f"/DEP1/{action}").status_code == 403
        response = small_shop.app.test_client().post(f"{PATH}/DEP1/{action}")
        assert response.status_code == 403
    assert len(small_shop.at_alipay.requests) == sent


def test_a_stranger_is_refused(small_shop: DepositShop) -> None:
    add_pages(small_shop, is_accessible=lambda: False)
    small_shop.hold()
    for path in ("/", "/DEP1", "/export.csv", "/DEP1/capture"):
        assert get(small_shop, path).status_code == 403


def test_the_pages_are_translated(operated: DepositShop) -> None:
    page = get(operated, "/", "zh").text + get(operated, "/DEP1", "zh").text
    for text in ("预授权", "已冻结", "转支付", "解冻", "剩余冻结"):
        assert text in page, text


def test_open_problems_name_deposits(operated: DepositShop) -> None:
    takings = "/admin/alipay/takings/"
    operated.change(authorized_at=utc_now() - timedelta(days=26))
    assert "None in the last 30 days." in get(operated, takings).text
    operated.change(authorized_at=utc_now() - timedelta(days=28))
    page = get(operated, takings).text
    assert "about to be released by Alipay" in page
    assert f'href="{PATH}/DEP1"' in page
    operated.change(authorized_at=utc_now())
    operated.at_alipay.lose(PAY)
    operated.at_alipay.fail(TRADE_QUERY, LOST, LOST)
    submit(operated, "capture", amount="5", number="C1")
    hours_ago = utc_now() - timedelta(hours=2)
    operated.change_payment("C1", created_at=hours_ago, sent_at=hours_ago)
    operated.at_alipay.script = {}
    operated.at_alipay.lose(UNFREEZE)
    operated.at_alipay.fail(QUERY, LOST, LOST)
    submit(operated, "release", amount="30", number="R1")
    operated.change(release_sent_at=hours_ago)
    page = get(operated, takings).text
    assert "Capture without a result" in page
    assert "Release without a result" in page


def test_a_shop_without_authorizations_has_no_page(open_shop: OpenShop) -> None:
    shop = open_shop()
    shop.alipay._models = shop.alipay.models._replace(Authorization=None)
    add_pages(shop)
    assert get(shop).status_code == 404
