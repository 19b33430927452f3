from __future__ import annotations

import pytest


@pytest.fixture
def query(server, merchant):
    def query(**params):
        return server(merchant.call("alipay.acquire.overseas.query", **params))

    return query


@pytest.fixture
def refund(server, merchant):
    def refund(**changes):
        params = {
            "partner_trans_id": "T1",
            "partner_refund_id": "R1",
            "currency": "USD",
            "refund_amount": "3.00",
            "is_sync": "Y",
        } | changes
        return server(merchant.call("alipay.acquire.overseas.spot.refund", **params))

    return refund


def test_a_payment_abroad_is_described(pay, query, merchant, trade):
    pay(merchant.forex())
    for number in ({"partner_trans_id": "T1"}, {"alipay_trans_id": trade().trade_no}):
        answer = query(**number)
        assert answer.node.tag == "alipay"
        assert answer.signed_by(merchant.signer("MD5"))
        fields = answer.fields
        assert fields["result_code"] == "SUCCESS"
        assert fields["alipay_trans_status"] == "TRADE_SUCCESS"
        assert fields["alipay_pay_time"] == "20260131120000"
        assert (fields["currency"], fields["trans_amount"]) == ("USD", "8.00")
        assert fields["trans_amount_cny"] == "56.80"
        assert "buyer@" not in fields["alipay_buyer_login_id"]


def test_a_payment_that_is_not_there_is_a_result_not_an_error(query):
    fields = query(partner_trans_id="none").fields
    assert fields == {"result_code": "FAIL", "error": "TRADE_NOT_EXIST"}
    assert query().error == "ILLEGAL_ARGUMENT"


def test_a_refund_that_is_repeated_is_made_once(pay, refund, merchant, trade):
    pay(merchant.forex())
    first, second = refund(), refund()
    assert first.fields == second.fields
    assert first.fields["result_code"] == "SUCCESS"
    assert first.fields["refund_amount"] == "3.00"
    assert trade().refunded_fen == 300


def test_a_domestic_refund_is_notified(pay, refund, merchant, shop, later):
    pay(merchant.direct_pay())
    assert refund(currency="CNY", refund_amount="88.88").fields["result_code"] == "SUCCESS"
    later()
    assert shop.fields()["trade_status"] == "TRADE_CLOSED"
    assert shop.fields()["refund_status"] == "REFUND_SUCCESS"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"partner_trans_id": "none"}, "TRADE_NOT_EXIST"),
        ({"partner_trans_id": "T2"}, "TRADE_STATUS_ERROR"),
        ({"currency": "EUR"}, "CURRENCY_NOT_SAME"),
        ({"refund_amount": "8.01"}, "RETURN_AMOUNT_EXCEED"),
    ],
)
def test_a_refund_that_cannot_be_made_has_a_code(pay, buyer, refund, merchant, changes, error):
    pay(merchant.forex())
    buyer.cashier(merchant.forex(out_trade_no="T2"))
    assert refund(**changes).fields == {"result_code": "FAIL", "error": error}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"partner_refund_id": ""}, "ILLEGAL_ARGUMENT"),
        ({"is_sync": "maybe"}, "ILLEGAL_ARGUMENT"),
        ({"refund_amount": "x"}, "ILLEGAL_FEE_PARAM"),
    ],
)
def test_a_bad_refund_is_rejected(pay, refund, merchant, changes, error):
    pay(merchant.forex())
    assert refund(**changes).error == error
