"""Trades on the open platform: made, asked about, closed, taken back."""

from __future__ import annotations

import html
from urllib.parse import urlsplit

import pytest

from flask_alipay.keys import generate_private_key
from flask_alipay.signer import Rsa2Signer, sign_content
from flask_alipay.simulator.openapi.payments import ENDINGS
from flask_alipay.simulator.trades.trades import TradeEvent

from .server import ORDER

T1 = {"out_trade_no": "T1"}
BARCODE_ORDER = {**ORDER, "scene": "bar_code"}


@pytest.mark.parametrize("sign_type", ["RSA2", "RSA"])
@pytest.mark.parametrize("charset", ["utf-8", "GBK"])
def test_a_payment_at_the_point_of_sale_is_made_at_once(server, shop, clock, charset, sign_type):
    content = {**BARCODE_ORDER, "auth_code": "2812345678901234"}
    node = server.call("pay", content, charset=charset, sign_type=sign_type)
    assert (node["code"], node["msg"], node["out_trade_no"]) == ("10000", "Success", "T1")
    assert node["buyer_pay_amount"] == node["receipt_amount"] == node["total_amount"] == "88.88"
    assert node["gmt_payment"] == "2026-01-31 12:00:00"
    assert node["fund_bill_list"] == [{"amount": "88.88", "fund_channel": "ALIPAYACCOUNT"}]
    assert node["buyer_logon_id"] == "buy***@simulator.invalid"
    clock.advance(seconds=1)
    notified = shop.fields(charset=charset)
    assert (notified["trade_status"], notified["trade_no"]) == ("TRADE_SUCCESS", node["trade_no"])
    assert notified["subject"] == "Tea 茶"


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("precreate", {}),
        ("create", {"buyer_id": "2088000000000002"}),
        ("pay", {"scene": "bar_code", "auth_code": "2812345678901234"}),
    ],
)
def test_a_servers_order_is_notified_with_both_accounts(
    server, simulator, merchant, shop, clock, method, more
):
    server.call(method, {**ORDER, **more})
    simulator.cashier_event(simulator.trades.by_out_trade_no("T1").cashier_id, TradeEvent.PAY)
    clock.advance(seconds=1)
    notified = shop.fields()
    assert notified["buyer_logon_id"] == "buy***@simulator.invalid"
    assert notified["seller_email"] == merchant.account.seller_email


@pytest.mark.parametrize("ending", [e for e, code in ENDINGS.items() if code != "10003"])
def test_a_documented_code_is_rejected_at_the_point_of_sale(server, ending):
    assert (
        server.refused("pay", {**BARCODE_ORDER, "auth_code": f"2812345678{ending}"})
        == ENDINGS[ending]
    )
    if ENDINGS[ending] == "ACQ.PAYMENT_AUTH_CODE_INVALID":
        assert server.refused("query", T1) == "ACQ.TRADE_NOT_EXIST"
    else:
        assert server.call("query", T1)["trade_status"] == "TRADE_CLOSED"


def test_a_barcode_payment_waits_for_a_buyer_who_must_confirm(server, simulator):
    node = server.call("pay", {**BARCODE_ORDER, "auth_code": "2812345678010003"})
    assert node["code"] == "10003"
    assert server.call("query", T1)["trade_status"] == "WAIT_BUYER_PAY"
    simulator.cashier_event(simulator.trades.by_out_trade_no("T1").cashier_id, TradeEvent.PAY)
    assert server.call("query", T1)["trade_status"] == "TRADE_SUCCESS"


@pytest.mark.parametrize(
    "wrong",
    [
        {"scene": "fingerprint"},
        {"scene": None},
        {"auth_code": "1234567890123456"},
        {"auth_code": "28123"},
        {"auth_code": None},
        {"subject": ""},
        {"total_amount": "0.001"},
        {"out_trade_no": "T/1"},
    ],
)
def test_a_bad_field_at_the_point_of_sale_is_rejected(server, simulator, wrong):
    content = {**BARCODE_ORDER, "auth_code": "2812345678901234", **wrong}
    assert server.refused("pay", content) == "ACQ.INVALID_PARAMETER"
    assert len(simulator.trades) == 0


def test_an_order_is_paid_once(server, paid):
    again = {**BARCODE_ORDER, "auth_code": "2812345678901234"}
    assert server.refused("pay", again) == "ACQ.TRADE_HAS_SUCCESS"
    assert server.refused("precreate", ORDER) == "ACQ.TRADE_HAS_SUCCESS"
    assert server.refused("pay", again | {"total_amount": "1"}) == "ACQ.CONTEXT_INCONSISTENT"


def test_a_code_leads_to_the_cashier_and_is_a_trade_once_it_is_scanned(server, buyer, shop):
    node = server.call("precreate", ORDER)
    assert node.keys() == {"code", "msg", "out_trade_no", "qr_code"}
    assert node["qr_code"].startswith("http://localhost/alipay/cashier/")
    assert server.refused("query", T1) == "ACQ.TRADE_NOT_EXIST"
    assert server.refused("close", T1) == "ACQ.TRADE_NOT_EXIST"
    cashier = urlsplit(node["qr_code"]).path
    assert buyer.see(cashier).status_code == 200
    assert server.call("query", T1)["trade_status"] == "WAIT_BUYER_PAY"
    buyer.press(cashier, "pay")
    assert server.call("query", T1)["trade_status"] == "TRADE_SUCCESS"
    assert shop.fields()["trade_status"] == "TRADE_SUCCESS"


def test_a_code_lives_for_two_hours(server, buyer, clock, shop):
    node = server.call("precreate", {**ORDER, "timeout_express": "1d"})
    clock.advance(hours=2)
    assert server.refused("query", T1) == "ACQ.TRADE_NOT_EXIST"
    assert "Payment timed out" in buyer.see(urlsplit(node["qr_code"]).path).text
    assert shop.bodies == []


def test_a_page_is_a_trade_once_it_is_opened(server, buyer, merchant):
    cashier = buyer.cashier(merchant.page_pay())
    assert server.refused("query", T1) == "ACQ.TRADE_NOT_EXIST"
    buyer.see(cashier)
    assert server.call("query", T1)["trade_status"] == "WAIT_BUYER_PAY"


def test_a_created_trade_can_be_queried_by_either_number(server, created):
    assert created.keys() == {"code", "msg", "out_trade_no", "trade_no"}
    node = server.call("query", {"trade_no": created["trade_no"], "out_trade_no": "other"})
    assert (node["out_trade_no"], node["trade_status"]) == ("T1", "WAIT_BUYER_PAY")
    assert (node["total_amount"], node["receipt_amount"]) == ("88.88", "0.00")
    assert "send_pay_date" not in node


@pytest.mark.parametrize("buyer_id", [None, "", "1", "20880000000000020"])
def test_a_trade_is_created_for_somebody(server, buyer_id):
    assert server.refused("create", {**ORDER, "buyer_id": buyer_id}) == "ACQ.INVALID_PARAMETER"


def test_an_unpaid_trade_is_closed_and_notified(server, created, shop, clock):
    assert server.call("close", T1)["trade_no"] == created["trade_no"]
    clock.advance(seconds=1)
    assert shop.fields()["trade_status"] == "TRADE_CLOSED"
    assert server.refused("close", T1) == "ACQ.REASON_TRADE_STATUS_INVALID"
    assert server.refused("precreate", ORDER) == "ACQ.TRADE_HAS_CLOSE"
    clock.advance(seconds=1)
    assert len(shop.bodies) == 1


def test_a_paid_trade_is_not_closed(server, paid):
    assert server.refused("close", T1) == "ACQ.REASON_TRADE_STATUS_INVALID"
    assert server.call("query", T1)["trade_status"] == "TRADE_SUCCESS"


def test_a_cancel_closes_an_unpaid_trade(server, created):
    for _ in range(2):
        node = server.call("cancel", T1)
        assert (node["action"], node["retry_flag"]) == ("close", "N")


def test_a_cancel_refunds_a_trade_of_today(server, paid, shop, clock):
    for _ in range(2):
        assert server.call("cancel", T1)["action"] == "refund"
    assert server.call("query", T1)["trade_status"] == "TRADE_CLOSED"
    clock.advance(seconds=1)
    assert shop.fields()["refund_fee"] == "88.88"
    assert len(shop.bodies) == 2, "paid, and refunded once"


def test_a_paid_trade_of_yesterday_is_not_cancelled(server, paid, clock):
    clock.advance(hours=12)
    assert server.refused("cancel", T1) == "ACQ.TRADE_CANCEL_TIME_OUT"


def test_a_cancel_removes_an_order_that_was_not_opened(server, shop, clock):
    server.call("precreate", ORDER)
    for _ in range(2):
        node = server.call("cancel", T1)
        assert (node["out_trade_no"], "action" in node, "trade_no" in node) == ("T1", False, False)
    assert server.refused("query", T1) == "ACQ.TRADE_NOT_EXIST"
    assert server.refused("precreate", ORDER) == "ACQ.TRADE_HAS_CLOSE"
    assert server.call("cancel", {"out_trade_no": "nothing"})["out_trade_no"] == "nothing"
    clock.advance(seconds=1)
    assert shop.bodies == []


def test_a_code_that_was_cancelled_before_it_was_scanned_is_not_paid(server, buyer, shop, clock):
    page = urlsplit(server.call("precreate", ORDER)["qr_code"]).path
    server.call("cancel", T1)
    assert "88.88" in buyer.see(page).text
    buyer.press(page, "pay")
    assert server.refused("query", T1) == "ACQ.TRADE_NOT_EXIST"
    clock.advance(seconds=1)
    assert shop.bodies == []


def test_a_trade_whose_time_is_over_is_notified_when_it_is_queried(server, merchant, clock, shop):
    buyer_id = merchant.account.buyer_id
    server.call("create", {**ORDER, "buyer_id": buyer_id, "timeout_express": "5m"})
    clock.advance(minutes=5)
    assert server.call("query", T1)["trade_status"] == "TRADE_CLOSED"
    clock.advance(seconds=1)
    assert shop.fields()["trade_status"] == "TRADE_CLOSED"


@pytest.mark.parametrize("method", ["query", "close", "cancel", "refund"])
def test_a_call_says_which_trade(server, method):
    assert server.refused(method, {"refund_amount": "1"}) == "ACQ.INVALID_PARAMETER"


@pytest.mark.parametrize("method", ["query", "close", "refund"])
def test_a_trade_that_never_was_is_named(server, method):
    content = {"out_trade_no": "nothing", "refund_amount": "1", "out_request_no": "R1"}
    assert server.refused(method, content) == "ACQ.TRADE_NOT_EXIST"


def test_another_key_is_rejected_with_the_string_to_sign(server):
    stranger = Rsa2Signer(generate_private_key())
    error = server.call("query", T1, signer=stranger)
    assert (error["code"], error["sub_code"]) == ("40002", "isv.invalid-signature")
    _, _, content = html.unescape(error["sub_msg"]).partition("网关生成的验签字符串为：")
    params = server.params("alipay.trade.query", T1)
    assert content.encode() == sign_content(params, exclude=("sign",))


def test_another_key_is_rejected_in_plain_if_content_is_encrypted(server):
    stranger = Rsa2Signer(generate_private_key())
    error = server.call("query", T1, signer=stranger, encrypt_type="AES")
    assert error["sub_code"] == "isv.invalid-signature"


def test_the_string_to_sign_is_in_the_charset_of_the_request(server):
    stranger = Rsa2Signer(generate_private_key())
    error = server.call("precreate", ORDER, signer=stranger, charset="gbk")
    assert "Tea 茶" in error["sub_msg"]


def test_an_unknown_app_is_rejected_before_its_signature_is_looked_at(server):
    params = server.params("alipay.trade.query", T1) | {"app_id": "9", "sign": "x"}
    assert server.unsigned(params)["sub_code"] == "isv.invalid-app-id"


@pytest.mark.parametrize(
    ("name", "sub_code"),
    [
        ("method", "isv.missing-method"),
        ("app_id", "isv.missing-app-id"),
        ("sign_type", "isv.missing-signature-type"),
        ("sign", "isv.missing-signature"),
        ("timestamp", "isv.missing-timestamp"),
        ("version", "isv.missing-version"),
    ],
)
def test_a_missing_parameter_is_named_without_a_signature(server, name, sub_code):
    params = server.params("alipay.trade.query", T1, **{name: None} if name[0] in "tv" else {})
    params.pop(name, None)
    error = server.unsigned(params)
    assert (error["code"], error["sub_code"]) == ("40001", sub_code)


def test_a_server_may_put_everything_in_the_url(server, created):
    response = server.client.get(
        "/alipay/gateway.do", query_string=server.params("alipay.trade.query", T1)
    )
    assert b'"trade_status":"WAIT_BUYER_PAY"' in response.data


def test_slashes_are_written_as_alipay_writes_them(server, simulator):
    content = {**ORDER, "passback_params": "a/b 茶"}
    server.call("pay", {**content, "scene": "bar_code", "auth_code": "2812345678901234"})
    response = server.post(server.params("alipay.trade.query", T1))
    assert rb'"passback_params":"a\/b ' in response.data
    assert response.content_type == "text/html;charset=utf-8"
