"""The order string of an app, as Alipay's library on a phone takes it."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, urlencode

import pytest

from flask_alipay.simulator.openapi.preauthorizations import APP_FREEZE

from .server import ORDER
from .test_preauthorizations import FREEZE, NAMED, rejected

APP = "alipay.trade.app.pay"
ORDERED = {**ORDER, "product_code": "QUICK_MSECURITY_PAY"}


@pytest.fixture
def hand_over(server):
    """Gives the library an order string; returns what it says."""

    def hand_over(params, action="pay", **options):
        body = urlencode(params, quote_via=quote, **options)
        text = server.client.post(f"/alipay/mobile/{action}", data=body.encode("ascii")).text
        return re.fullmatch(r"resultStatus=\{(\d+)\};memo=\{(.*)\};result=\{(.*)\}", text).groups()

    return hand_over


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_an_order_string_is_paid_and_the_result_is_signed(
    server, hand_over, merchant, shop, clock, charset
):
    params = server.params(APP, ORDERED, charset=charset)
    status, memo, text = hand_over(params, encoding=charset)
    assert (status, memo) == ("9000", "")
    pattern = r'\{"alipay_trade_app_pay_response":(\{.+\}),"sign":"(.+)","sign_type":"RSA2"\}'
    found = re.fullmatch(pattern, text)
    assert merchant.signer("RSA2").verify(found[1].encode(charset), found[2])
    node = json.loads(found[1])
    assert (node["code"], node["out_trade_no"], node["total_amount"]) == ("10000", "T1", "88.88")
    assert node["seller_id"] == merchant.account.partner
    clock.advance(seconds=1)
    assert shop.fields(charset=charset)["trade_status"] == "TRADE_SUCCESS"
    assert server.call("query", {"out_trade_no": "T1"})["trade_no"] == node["trade_no"]


def test_a_buyer_may_change_his_mind_and_pay_later(server, hand_over, shop, clock):
    params = server.params(APP, ORDERED)
    assert hand_over(params, "cancel")[0] == "6001"
    assert server.refused("query", {"out_trade_no": "T1"}) == "ACQ.TRADE_NOT_EXIST"
    clock.advance(seconds=1)
    assert shop.bodies == []
    assert hand_over(params)[0] == "9000"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sign": "AAAA"}, "isv.invalid-signature"),
        ({"app_id": "9"}, "isv.invalid-app-id"),
        ({"method": "alipay.trade.query"}, "isv.invalid-method"),
        ({"method": ""}, "isv.missing-method"),
    ],
)
def test_an_altered_order_string_is_not_paid(server, hand_over, simulator, changes, code):
    status, memo, text = hand_over(server.params(APP, ORDERED) | changes)
    assert (status, memo.partition(":")[0], text) == ("4000", code, "")
    assert len(simulator.trades) == 0


def test_an_order_string_needs_no_product_code(server, hand_over, simulator):
    assert hand_over(server.params(APP, ORDER))[0] == "9000"
    assert simulator.trades.by_out_trade_no("T1").paid


def test_an_order_string_with_the_product_code_of_another_method_is_rejected(
    server, hand_over, simulator
):
    order = {**ORDER, "product_code": "FAST_INSTANT_TRADE_PAY"}
    assert "ACQ.INVALID_PARAMETER" in hand_over(server.params(APP, order))[1]
    assert len(simulator.trades) == 0


def test_an_order_string_is_paid_once(server, hand_over, paid):
    assert "ACQ.TRADE_HAS_SUCCESS" in hand_over(server.params(APP, ORDERED))[1]


def test_a_server_cannot_call_the_sdks_method(server):
    error = server.unsigned(server.params(APP, ORDERED))
    assert error["sub_code"] == "isv.invalid-method"


# Pre-authorisations


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_an_order_string_freezes_an_amount(server, hand_over, merchant, shop, clock, charset):
    params = server.params(APP_FREEZE, FREEZE, charset=charset)
    assert hand_over(params, "cancel", encoding=charset)[0] == "6001"
    assert rejected(server, "operation.detail.query", NAMED) == "AUTH_ORDER_NOT_EXIST"
    status, _, text = hand_over(params, encoding=charset)
    assert status == "9000"
    name = "alipay_fund_auth_order_app_freeze_response"
    found = re.fullmatch(rf'\{{"{name}":(\{{.+\}}),"sign":"(.+)","sign_type":"RSA2"\}}', text)
    assert merchant.signer("RSA2").verify(found[1].encode(charset), found[2])
    node = json.loads(found[1])
    assert (node["status"], node["amount"], node["out_order_no"]) == ("SUCCESS", "500.00", "DEP1")
    clock.advance(seconds=1)
    assert shop.fields(charset=charset)["notify_type"] == "fund_auth_freeze"
    assert hand_over(params, encoding=charset)[1] == "FREEZE_ALREADY_SUCCESS"


@pytest.mark.parametrize(
    "wrong", [{"out_order_no": None}, {"extra_param": {}}, {"product_code": "PAY"}]
)
def test_an_unacceptable_order_string_freezes_nothing(server, hand_over, simulator, wrong):
    params = server.params(APP_FREEZE, {**FREEZE, **wrong})
    status, memo, _ = hand_over(params)
    assert status == "4000"
    assert memo.startswith("ILLEGAL_ARGUMENT")
    assert simulator.preauthorizations.all() == ()
