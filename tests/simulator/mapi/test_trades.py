"""What the merchant's server asks about a trade, and does with it."""

from __future__ import annotations

import pytest

from flask_alipay.signer import Md5Signer


@pytest.fixture
def query(server, merchant):
    def query(*, post=False, **params):
        return server(merchant.call("single_trade_query", **params), post=post)

    return query


@pytest.mark.parametrize("sign_type", ["MD5", "RSA", "RSA2"])
@pytest.mark.parametrize(("charset", "declared"), [("utf-8", "utf-8"), ("gbk", "GBK")])
@pytest.mark.parametrize("post", [False, True])
def test_a_trade_is_described_signed_in_the_requests_charset(
    pay, query, merchant, trade, sign_type, charset, declared, post
):
    pay(merchant.direct_pay(subject="Tea & <茶>"))
    answer = query(out_trade_no="T1", sign_type=sign_type, charset=charset, post=post)
    assert answer.declared == declared
    assert answer.content_type == f"text/xml;charset={charset}"
    assert answer.signed_by(merchant.signer(sign_type))
    assert answer.fields["subject"] == "Tea & <茶>"
    assert answer.fields["trade_no"] == trade().trade_no
    assert answer.fields["trade_status"] == "TRADE_SUCCESS"
    assert answer.fields["total_fee"] == "88.88"
    assert answer.fields["gmt_payment"] == "2026-01-31 12:00:00"
    echoed = {param.get("name"): param.text for param in answer.root.find("request")}
    assert echoed["out_trade_no"] == "T1"
    assert "sign" not in echoed


def test_alipays_number_wins_over_the_merchants(pay, query, merchant, trade):
    pay(merchant.direct_pay())
    answer = query(trade_no=trade().trade_no, out_trade_no="other")
    assert answer.fields["out_trade_no"] == "T1"


def test_a_trade_whose_time_is_over_is_closed_by_asking(buyer, query, merchant, shop, clock, later):
    buyer.cashier(merchant.escrow(it_b_pay="1m"))
    clock.advance(minutes=1)
    fields = query(out_trade_no="T1").fields
    assert fields["trade_status"] == "TRADE_CLOSED"
    assert fields["additional_trade_status"] == "DAEMON_CONFIRM_CLOSE"
    later()
    assert shop.fields()["trade_status"] == "TRADE_CLOSED"


def test_what_gbk_does_not_have_is_a_query_mark(pay, query, merchant):
    pay(merchant.direct_pay(subject="Tea \U0001f375\ufffe"))
    answer = query(out_trade_no="T1", charset="gbk")
    assert answer.fields["subject"] == "Tea ??"
    assert answer.signed_by(merchant.signer("MD5"))


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({}, "ILLEGAL_ARGUMENT"),
        ({"out_trade_no": "none"}, "TRADE_NOT_EXIST"),
        ({"out_trade_no": "T1", "partner": "2088000000000009"}, "ILLEGAL_PARTNER"),
        ({"out_trade_no": "T1", "signer": Md5Signer("0" * 32)}, "ILLEGAL_SIGN"),
    ],
)
def test_an_error_is_a_response_without_signature(query, params, error):
    answer = query(**params)
    assert (answer.status, answer.error) == (200, error)
    assert answer.root.find("sign") is None


def test_a_sign_type_that_does_not_exist_is_named(server, merchant):
    request = merchant.call(
        "single_trade_query", sign_type="DSA", signer=merchant.signer("MD5"), out_trade_no="T1"
    )
    assert server(request).error == "ILLEGAL_SIGN_TYPE"


def test_an_unknown_charset_is_answered_in_gbk(server, merchant):
    request = merchant.call("single_trade_query", out_trade_no="T1")
    url = request.url.replace("_input_charset=utf-8", "_input_charset=utf-7")
    answer = server(type("Url", (), {"url": url}))
    assert (answer.error, answer.declared) == ("ILLEGAL_CHARSET", "GBK")


def test_a_waiting_trade_can_be_closed_by_either_number(buyer, server, merchant, shop, later):
    for number in ("T1", "T2"):
        buyer.cashier(merchant.escrow(out_trade_no=number))
    assert server(merchant.call("close_trade", out_order_no="T1")).accepted
    later()
    assert shop.fields()["out_trade_no"] == "T1"
    assert shop.fields()["trade_status"] == "TRADE_CLOSED"


def test_a_direct_payment_that_the_merchant_closes_is_not_notified(
    buyer, server, merchant, shop, later, trade
):
    buyer.cashier(merchant.direct_pay())
    assert server(merchant.call("close_trade", out_order_no="T1")).accepted
    later()
    assert trade().status == "TRADE_CLOSED"
    assert shop.bodies == []


def test_a_paid_trade_cannot_be_closed(pay, server, merchant, trade):
    pay(merchant.direct_pay())
    request = merchant.call("close_trade", trade_no=trade().trade_no)
    assert server(request).error == "TRADE_STATUS_NOT_AVAILD"


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({}, "ILLEGAL_ARGUMENT"),
        ({"out_trade_no": "T1"}, "ILLEGAL_ARGUMENT"),
        ({"out_order_no": "none"}, "TRADE_NOT_EXIST"),
        ({"out_order_no": "T1", "trade_role": "X"}, "ILLEGAL_ARGUMENT"),
    ],
)
def test_a_bad_close_is_rejected(buyer, server, merchant, params, error):
    buyer.cashier(merchant.direct_pay())
    assert server(merchant.call("close_trade", **params)).error == error


@pytest.fixture
def send(server, merchant, trade):
    def send(**changes):
        params = {"trade_no": trade().trade_no, "logistics_name": "顺丰", "transport_type": "EMS"}
        return server(merchant.call("send_goods_confirm_by_platform", **(params | changes)))

    return send


def test_sending_goods_is_answered_signed(pay, send, merchant, trade):
    pay(merchant.escrow(), "deposit")
    answer = send(transport_type="", create_transport_type="DIRECT", invoice_no="SF1")
    assert answer.node.tag == "tradeBase"
    assert answer.fields["trade_no"] == trade().trade_no
    assert answer.signed_by(merchant.signer("MD5"))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"trade_no": "none"}, "TRADE_NOT_EXIST"),
        ({"trade_no": ""}, "ILLEGAL_ARGUMENT"),
        ({"logistics_name": ""}, "ILLEGAL_ARGUMENT"),
        ({"transport_type": ""}, "ILLEGAL_ARGUMENT"),
        ({"transport_type": "PIGEON"}, "ILLEGAL_ARGUMENT"),
        ({"invoice_no": "1" * 33}, "ILLEGAL_ARGUMENT"),
    ],
)
def test_sending_goods_badly_is_rejected(pay, send, merchant, trade, changes, error):
    pay(merchant.escrow(), "deposit")
    assert send(**changes).error == error
    assert trade().status == "WAIT_SELLER_SEND_GOODS"


def test_goods_are_sent_once_and_only_when_paid(buyer, send, merchant):
    cashier = buyer.cashier(merchant.escrow())
    assert send().error == "TRADE_STATUS_NOT_AVAILD"
    buyer.press(cashier, "deposit")
    assert send().accepted
    assert send().error == "TRADE_STATUS_NOT_AVAILD"


def test_a_foreign_trade_is_described_in_its_money(pay, query, merchant):
    pay(merchant.forex(currency="JPY", total_fee="17"))
    fields = query(out_trade_no="T1").fields
    assert (fields["currency"], fields["total_fee"]) == ("JPY", "17.00")
    assert fields["trade_status"] == "TRADE_FINISHED"
