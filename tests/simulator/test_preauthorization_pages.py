"""The page on which a payer freezes an amount, and its control."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from flask_alipay.exceptions import InvalidParameter
from flask_alipay.testing import AlipaySimulator

from .openapi.server import Server
from .openapi.test_preauthorizations import BAR_CODE, FREEZE, fund, query
from .test_control import control as control
from .test_control import see


@pytest.fixture
def server(app, merchant):
    return Server(app, merchant)


@pytest.fixture
def voucher(server):
    return fund(server, "order.voucher.create", FREEZE)


@pytest.fixture
def page(voucher):
    return urlsplit(voucher["code_value"]).path


@pytest.fixture
def frozen(server):
    return fund(server, "order.freeze", {**FREEZE, **BAR_CODE})


def test_the_page_shows_what_is_to_be_frozen(server, buyer, page):
    shown = buyer.see(page)
    assert shown.status_code == 200
    for text in ("Freeze a deposit", "¥500.00", "Deposit 押金", "DEP1", "not paid"):
        assert text in shown.text
    assert query(server)["order_status"] == "INIT"


def test_the_page_speaks_chinese(buyer, page):
    shown = buyer.see(page, headers={"Accept-Language": "zh-CN"})
    assert "冻结押金" in shown.text


@pytest.mark.parametrize(
    ("button", "status", "text"),
    [
        ("freeze", "AUTHORIZED", "Deposit frozen"),
        ("refuse", "CLOSED", "Deposit rejected"),
        ("expire", "CLOSED", "Deposit timed out"),
    ],
)
def test_the_payer_decides(server, buyer, page, shop, button, status, text):
    pressed = buyer.press(page, button)
    assert (pressed.status_code, urlsplit(pressed.location).path) == (303, page)
    assert text in buyer.see(page).text
    assert query(server)["order_status"] == status if button != "expire" else True
    assert len(shop.bodies) == (button == "freeze")


def test_a_decision_is_final(server, buyer, page, shop):
    buyer.press(page, "freeze")
    buyer.press(page, "refuse")
    buyer.press(page, "expire")
    assert query(server)["order_status"] == "AUTHORIZED"
    assert len(shop.bodies) == 1


def test_the_page_shows_what_became_of_the_amount(server, buyer, page, simulator, shop):
    shop.text = "fail"
    buyer.press(page, "freeze")
    simulator.preauthorizations.release("DEP1", "U1", 20000)
    shown = buyer.see(page).text
    assert "Still frozen" in shown
    assert "¥300.00" in shown
    assert "2026-03-02 12:00:00" in shown
    assert "did not respond" in shown
    simulator.preauthorizations.release("DEP1", "U2", 30000)
    assert "Deposit released" in buyer.see(page).text


def test_the_page_follows_changes(server, buyer, page, simulator):
    buyer.see(page)
    before = buyer.see(f"{page}/follow").json["status"]
    simulator.preauthorizations.apply("DEP1", "freeze")
    after = buyer.see(f"{page}/follow").json
    assert after["status"] != before
    assert after["go_to"] == page


def test_a_page_that_is_not_there_is_not_found(buyer):
    for path in ("x", "x/follow", "x/code.svg"):
        assert buyer.see(f"/alipay/freeze/{path}").status_code == 404
    assert buyer.press("/alipay/freeze/x", "freeze").status_code == 404


def test_the_code_is_a_picture_that_opens_nothing(server, buyer, voucher, simulator):
    path = urlsplit(voucher["code_url"]).path
    picture = buyer.see(f"{path}?picSize=512")
    assert picture.content_type.startswith("image/svg+xml")
    assert re.search(r'width="5\d\d', picture.text)
    assert simulator.preauthorizations.get("DEP1").opened_at is None
    for size in ("255", "1547", "x" * 9999):
        assert buyer.see(f"{path}?picSize={size}").status_code in (200, 400)
    assert buyer.see(f"{path}?picSize=255").status_code == 400


# The control


def test_the_control_shows_amounts(control, frozen):
    (shown,) = see(control, "/preauthorizations")
    assert (shown["out_order_no"], shown["order_status"]) == ("DEP1", "AUTHORIZED")
    assert (shown["amount"], shown["rest_amount"]) == ("500.00", "500.00")
    assert shown["can"] == ["expire", "release"]
    assert [one["operation_type"] for one in shown["operations"]] == ["FREEZE"]
    assert see(control, "/preauthorizations/DEP1") == shown
    assert see(control, "/live")["preauthorizations"] == [shown]


@pytest.mark.parametrize("action", ["freeze", "refuse", "expire"])
def test_the_control_acts_as_the_payer(control, voucher, action, shop):
    done = control(f"/preauthorizations/DEP1/{action}", body={})
    assert done.status_code == 200
    assert done.json["order_status"] == ("AUTHORIZED" if action == "freeze" else "CLOSED")
    assert len(shop.bodies) == (action == "freeze")


def test_the_control_releases_a_part_then_the_rest(control, frozen, shop):
    part = control("/preauthorizations/DEP1/release", body={"amount": "200.00"})
    assert part.json["rest_amount"] == "300.00"
    assert control("/preauthorizations/DEP1/release", body={}).json["order_status"] == "CLOSED"
    assert shop.fields()["notify_type"] == "fund_auth_unfreeze"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("DEP1/freeze", {}, 409),
        ("DEP1/release", {"amount": "500.01"}, 409),
        ("DEP1/release", {"amount": 1}, 400),
        ("DEP1/release", {"amount": "x"}, 400),
        ("DEP2/release", {}, 404),
        ("DEP2/freeze", {}, 404),
        ("DEP1/explode", {}, 404),
    ],
)
def test_an_impossible_wish_changes_nothing(control, frozen, simulator, path, body, status):
    before = simulator.preauthorizations.all()
    assert control(f"/preauthorizations/{path}", body=body).status_code == status
    assert simulator.preauthorizations.all() == before


# The helpers of the pytest plugin


def test_tests_act_as_the_payer(server, simulator, voucher, shop):
    alipay = AlipaySimulator({"": simulator})
    assert alipay.authorize("DEP1").authorized
    assert shop.fields()["out_order_no"] == "DEP1"
    with pytest.raises(InvalidParameter, match="AUTHORIZED, which does not allow freeze"):
        alipay.authorize("DEP1")
    assert alipay.expire_authorization("DEP1").released_fen == 50000
    assert alipay.preauthorization("DEP1").status == "CLOSED"
    with pytest.raises(LookupError, match="DEP2"):
        alipay.authorize("DEP2")


def test_tests_reject_and_expire_as_the_payer(server, simulator, voucher):
    alipay = AlipaySimulator({"": simulator})
    other = {**FREEZE, "out_order_no": "DEP2", "out_request_no": "DEP2F"}
    fund(server, "order.voucher.create", other)
    assert alipay.reject_authorization("DEP1").status == "CLOSED"
    assert alipay.expire_authorization("DEP2").expired
