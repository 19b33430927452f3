from __future__ import annotations

from urllib.parse import urlencode

import pytest

from flask_alipay.simulator.trades.exchange_rates import RATES


@pytest.fixture
def refund(server, merchant):
    def refund(**changes):
        params = {
            "out_return_no": "R1",
            "out_trade_no": "T1",
            "return_amount": "3.00",
            "currency": "USD",
            "gmt_return": "20260131120000",
            "reason": "broken",
        } | changes
        return server(merchant.call("forex_refund", **params))

    return refund


def test_foreign_money_is_given_back_in_parts_until_there_is_no_more(pay, refund, merchant, trade):
    pay(merchant.forex())
    assert refund().accepted
    assert refund(out_return_no="R2", return_amount="5.01").error == "RETURN_AMOUNT_EXCEED"
    assert refund(out_return_no="R3", return_amount="5.00").accepted
    assert trade().refunded_fen == 800
    assert trade().status == "TRADE_FINISHED"


def test_a_refund_is_made_once(pay, refund, merchant, trade):
    pay(merchant.forex())
    refund()
    assert refund().error == "REPEATED_REFUNDMENT_REQUEST"
    assert trade().refunded_fen == 300


def test_a_refund_may_be_named_in_yuan(pay, refund, merchant, trade):
    pay(merchant.forex(total_fee="", rmb_fee="7.90"))
    for number in ("R1", "R2"):
        answer = refund(out_return_no=number, return_amount="", return_rmb_amount="3.95")
        assert answer.accepted, answer.error
    assert trade().refunded_fen == trade().order.total_fen


def test_yen_are_given_back_whole(pay, refund, merchant, trade):
    pay(merchant.forex(currency="JPY", total_fee="17"))
    assert refund(currency="JPY", return_amount="7.50").error == "ILLEGAL_FEE_PARAM"
    assert refund(currency="JPY", return_amount="7.00").accepted
    assert trade().refunded_fen == 7


def test_a_foreign_refund_is_not_notifications_of_the_trade(pay, refund, merchant, shop, later):
    pay(merchant.forex())
    refund()
    later()
    assert len(shop.bodies) == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"out_trade_no": "none"}, "PURCHASE_TRADE_NOT_EXIST"),
        ({"out_trade_no": "T2"}, "PURCHASE_TRADE_NOT_EXIST"),
        ({"out_trade_no": "T3"}, "PURCHASE_TRADE_NOT_EXIST"),
        ({"currency": "EUR"}, "CURRENCY_NOT_SAME"),
        ({"return_rmb_amount": "1"}, "ILLEGAL_FEE_PARAM"),
        ({"return_amount": ""}, "ILLEGAL_FEE_PARAM"),
        ({"return_amount": "-1"}, "ILLEGAL_FEE_PARAM"),
        ({"out_return_no": ""}, "ILLEGAL_ARGUMENT"),
        ({"gmt_return": "today"}, "ILLEGAL_ARGUMENT"),
        ({"gmt_return": ""}, "ILLEGAL_ARGUMENT"),
    ],
)
def test_a_bad_refund_is_rejected(pay, buyer, refund, merchant, trade, changes, error):
    pay(merchant.forex())
    pay(merchant.direct_pay(out_trade_no="T2"))
    buyer.cashier(merchant.forex(out_trade_no="T3"))
    assert refund(**changes).error == error
    assert trade().refunded_fen == 0


def test_the_rates_are_lines_of_text(buyer, merchant):
    params = {"service": "forex_rate_file", "partner": merchant.account.partner}
    sign = merchant._sign(
        {**params, "sign_type": "MD5"}, merchant.signer("MD5"), "utf-8", ("sign", "sign_type")
    ).params["sign"]
    query = urlencode({**params, "sign_type": "MD5", "sign": sign})
    response = buyer.see(f"/alipay/gateway.do?{query}")
    assert response.content_type == "text/plain; charset=utf-8"
    lines = [line.split("|") for line in response.text.splitlines()]
    assert ["20260131", "090000", "USD", "7.1000"] in lines
    assert len(lines) == len(RATES)


def test_the_rates_are_for_the_merchant_alone(server):
    url = "/alipay/gateway.do?service=forex_rate_file&partner=2088"
    assert server(type("Url", (), {"url": url})).error == "ILLEGAL_PARTNER"
