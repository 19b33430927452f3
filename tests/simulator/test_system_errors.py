"""Failures of the gateway's own, in the words of each address: before the work or after it."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, quote, urlencode
from xml.sax.saxutils import escape

import pytest

from flask_alipay.signer import sign_content
from flask_alipay.simulator.faults import Fault

from .mapi.conftest import Answer
from .openapi.server import ORDER, Server
from .openapi.test_rest import Rest

KINDS = ["system-error", "system-error-done"]
T1 = {"out_trade_no": "T1"}
both = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def server(app, merchant):
    return Server(app, merchant)


@pytest.fixture
def rest(app, merchant):
    return Rest(app, merchant)


@pytest.fixture
def fail(simulator):
    """Has the next calls fail."""

    def fail(kind, **more):
        simulator.faults.add(Fault(kind, **more))

    return fail


@pytest.fixture
def trade(buyer, merchant):
    buyer.see(buyer.cashier(merchant.page_pay()))


@pytest.fixture
def status(simulator):
    def status():
        trade = simulator.trades.by_out_trade_no("T1")
        return None if trade is None else trade.status

    return status


def closed_if_done(kind):
    return "TRADE_CLOSED" if kind == "system-error-done" else "WAIT_BUYER_PAY"


@both
def test_the_open_platform_fails_signed(server, trade, fail, status, shop, clock, kind):
    fail(kind)
    node = server.call("close", T1)
    assert (node["code"], node["sub_code"]) == ("20000", "ACQ.SYSTEM_ERROR")
    assert status() == closed_if_done(kind)
    clock.advance(seconds=1)
    assert len(shop.bodies) == (kind == "system-error-done")
    assert server.call("query", T1)["trade_status"] == closed_if_done(kind)


@both
def test_its_newer_dress_fails_with_a_status(rest, trade, fail, status, kind):
    fail(kind)
    response = rest.send("/v3/alipay/trade/close", T1)
    assert (response.status_code, json.loads(rest.signed(response))["code"]) == (
        500,
        "ACQ.SYSTEM_ERROR",
    )
    assert status() == closed_if_done(kind)


@pytest.mark.parametrize(
    ("method", "biz", "sub_code"),
    [
        (
            "alipay.data.dataservice.bill.downloadurl.query",
            {"bill_type": "trade", "bill_date": "2026-01-31"},
            "UNKNOWN_ERROR",
        ),
        ("alipay.fund.trans.common.query", {"out_biz_no": "B1"}, "SYSTEM_ERROR"),
        ("alipay.open.app.alipaycert.download", {"alipay_cert_sn": "1"}, "isp.unknow-error"),
    ],
)
def test_each_family_spells_it_in_its_own_way(server, fail, method, biz, sub_code):
    fail("system-error")
    assert server.call(method, biz)["sub_code"] == sub_code


def test_what_is_rejected_has_not_failed(server, trade, fail, simulator):
    fail("system-error-done")
    assert server.refused("refund", {**T1, "refund_amount": "1.00", "out_request_no": "R1"})
    assert len(simulator.faults.all()) == 1
    assert server.call("close", T1)["sub_code"] == "ACQ.SYSTEM_ERROR"


def test_a_forged_request_takes_no_failure_away(server, trade, fail, simulator):
    fail("system-error")
    forged = server.params("alipay.trade.close", T1) | {"biz_content": "{}"}
    assert "isv.invalid-signature" in server.post(forged).text
    assert len(simulator.faults.all()) == 1


def test_only_the_method_that_is_meant_fails(server, trade, fail):
    fail("system-error", method="alipay.trade.close")
    assert server.call("query", T1)["code"] == "10000"
    assert server.call("close", T1)["code"] == "20000"


def test_a_trade_is_meant_by_alipays_number_too(server, trade, fail, simulator, status):
    fail("system-error", out_trade_no="T1")
    trade_no = simulator.trades.by_out_trade_no("T1").trade_no
    assert server.call("close", {"trade_no": trade_no})["code"] == "20000"
    assert status() == "WAIT_BUYER_PAY"


@both
def test_a_buyers_browser_is_shown_a_page(buyer, merchant, fail, status, kind):
    fail(kind)
    answer = buyer.open(merchant.page_pay())
    assert (answer.status_code, b"ACQ.SYSTEM_ERROR" in answer.data) == (200, True)
    assert status() == ("WAIT_BUYER_PAY" if kind == "system-error-done" else None)


@both
def test_an_app_learns_that_the_outcome_is_unknown(server, fail, status, kind):
    fail(kind)
    order = {**ORDER, "product_code": "QUICK_MSECURITY_PAY"}
    params = server.params("alipay.trade.app.pay", order)
    data = urlencode(params, quote_via=quote).encode("ascii")
    reply = server.client.post("/alipay/mobile/pay", data=data).text
    assert reply.startswith("resultStatus={8000};memo={ACQ.SYSTEM_ERROR};result={}")
    assert status() == ("TRADE_SUCCESS" if kind == "system-error-done" else None)


@both
@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_the_legacy_gateway_fails_in_xml(buyer, merchant, fail, status, shop, clock, kind, charset):
    buyer.cashier(merchant.escrow())
    shop.bodies.clear()  # of the order
    fail(kind, out_trade_no="T1")
    close = merchant.call("close_trade", out_order_no="T1", charset=charset)
    answer = Answer(buyer.open(close))
    assert (answer.error, answer.declared.lower()) == ("SYSTEM_ERROR", charset)
    assert status() == closed_if_done(kind)
    clock.advance(seconds=1)
    assert len(shop.bodies) == (kind == "system-error-done")
    notified = Answer(buyer.open(merchant.call("single_trade_query", out_trade_no="T1")))
    assert notified.fields["trade_status"] == closed_if_done(kind)


@both
def test_the_older_app_learns_that_the_outcome_is_unknown(app, merchant, fail, status, kind):
    fail(kind)
    params = {
        "service": "mobile.securitypay.pay",
        "partner": merchant.account.partner,
        "_input_charset": "utf-8",
        "notify_url": quote("https://shop.example/notify", safe=""),
        "out_trade_no": "T1",
        "subject": "Tea",
        "payment_type": "1",
        "seller_id": merchant.account.partner,
        "total_fee": "88.88",
        "body": "250 g",
    }
    text = "&".join(f'{name}="{value}"' for name, value in params.items())
    sign = quote(merchant.signer("RSA").sign(text.encode("utf-8")), safe="")
    string = f'{text}&sign="{sign}"&sign_type="RSA"'
    reply = app.test_client().post("/alipay/mobile/pay", data=string.encode("utf-8")).text
    assert reply == "resultStatus={8000};memo={SYSTEM_ERROR};result={}"
    assert status() == ("TRADE_SUCCESS" if kind == "system-error-done" else None)


@both
def test_the_older_gateway_for_phones_fails_with_its_code(app, merchant, fail, status, kind):
    fail(kind)
    fields = {
        "subject": "Tea",
        "out_trade_no": "T1",
        "total_fee": "88.88",
        "seller_account_name": merchant.account.seller_email,
        "call_back_url": "https://shop.example/return",
    }
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    params = {
        "service": "alipay.wap.trade.create.direct",
        "format": "xml",
        "v": "2.0",
        "partner": merchant.account.partner,
        "req_id": "1",
        "sec_id": "MD5",
        "req_data": f"<direct_trade_create_req>{inner}</direct_trade_create_req>",
    }
    params["sign"] = merchant.signer("MD5").sign(sign_content(params))
    answer = app.test_client().get("/alipay/service/rest.htm", query_string=params)
    assert "<code>0000</code>" in dict(parse_qsl(answer.text))["res_error"]
    assert status() == ("WAIT_BUYER_PAY" if kind == "system-error-done" else None)
