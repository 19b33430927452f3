"""Money that leaves the merchant: transfers and royalties."""

from __future__ import annotations

import pytest

from flask_alipay.simulator.openapi.transfers import MISSING_ACCOUNT

from .test_rest import Rest

SEND, CALL = "alipay.fund.trans.uni.transfer", "alipay.fund.trans.common.query"
TRANSFER = {
    "out_biz_no": "B1",
    "trans_amount": "1.00",
    "product_code": "TRANS_ACCOUNT_NO_PWD",
    "biz_scene": "DIRECT_TRANSFER",
    "payee_info": {"identity": "2088000000000003", "identity_type": "ALIPAY_USER_ID"},
}


def test_a_transfer_is_made_once_however_often_it_is_requested(server, certified):
    node = server.call(SEND, TRANSFER, **certified)
    assert (node["code"], node["status"], node["out_biz_no"]) == ("10000", "SUCCESS", "B1")
    assert server.call(SEND, TRANSFER, **certified) == node
    other = TRANSFER | {"trans_amount": "2"}
    assert server.refused(SEND, other, **certified) == "PAYMENT_INFO_INCONSISTENCY"
    for name in ("out_biz_no", "order_id", "pay_fund_order_id"):
        found = server.call(CALL, {name: node[name]})
        assert (found["order_id"], found["status"]) == (node["order_id"], "SUCCESS")
        assert found["trans_amount"] == "1.00"


def test_a_transfer_is_made_in_version_3(app, merchant, certified):
    rest = Rest(app, merchant)
    response = {"app_cert_sn": certified["app_cert_sn"]}
    headers = {"alipay-root-cert-sn": certified["alipay_root_cert_sn"]}
    uri = "/v3/alipay/fund/trans/uni/transfer"
    assert rest.call(uri, TRANSFER, reply=response, headers=headers)["status"] == "SUCCESS"


def test_no_money_is_sent_with_plain_keys(app, server, merchant):
    node = server.call(SEND, TRANSFER)
    assert (node["code"], node["sub_code"]) == ("40002", "isv.missing-app-cert-sn")
    answer = Rest(app, merchant).send("/v3/alipay/fund/trans/uni/transfer", TRANSFER)
    assert (answer.status_code, answer.json["code"]) == (400, "missing-app-cert-sn")
    assert server.refused(CALL, {"out_biz_no": "B1"}) == "ORDER_NOT_EXIST"


@pytest.mark.parametrize(
    ("changes", "sub_code"),
    [
        ({"trans_amount": "0.09"}, "INVALID_PARAMETER"),
        ({"trans_amount": None}, "INVALID_PARAMETER"),
        ({"out_biz_no": "B/1"}, "INVALID_PARAMETER"),
        ({"product_code": "OTHER"}, "INVALID_PARAMETER"),
        ({"biz_scene": None}, "INVALID_PARAMETER"),
        ({"payee_info": "2088"}, "INVALID_PARAMETER"),
        ({"payee_info": {"identity": "1"}}, "INVALID_PARAMETER"),
        (
            {"payee_info": {"identity": "a@b.c", "identity_type": "ALIPAY_LOGON_ID"}},
            "INVALID_PARAMETER",
        ),
        (
            {
                "payee_info": {
                    "identity": MISSING_ACCOUNT,
                    "identity_type": "ALIPAY_LOGON_ID",
                    "name": "x",
                }
            },
            "PAYEE_NOT_EXIST",
        ),
        (
            {
                "payee_info": {
                    "identity": "buyer@simulator.invalid",
                    "identity_type": "ALIPAY_LOGON_ID",
                    "name": "黄虎",
                }
            },
            "PAYEE_NOT_EXIST",
        ),
        (
            {"payee_info": TRANSFER["payee_info"] | {"identity": "2088000000000001"}},
            "PAYER_PAYEE_CANNOT_SAME",
        ),
        ({"trans_amount": "1000000.01"}, "PAYER_BALANCE_NOT_ENOUGH"),
        ({"trans_amount": "50000"}, "MEMO_REQUIRED_IN_TRANSFER_ERROR"),
        ({"product_code": "TRANS_BANKCARD_NO_PWD"}, "INVALID_PARAMETER"),
    ],
)
def test_a_transfer_that_cannot_be_made_is_not(server, certified, changes, sub_code):
    assert server.refused(SEND, TRANSFER | changes, **certified) == sub_code
    assert server.refused(CALL, {"out_biz_no": "B1"}) == "ORDER_NOT_EXIST"


def test_a_transfer_reduces_the_merchants_balance(server, certified):
    large = TRANSFER | {"trans_amount": "999999.50", "remark": "once"}
    assert server.call(SEND, large, **certified)["status"] == "SUCCESS"
    more = TRANSFER | {"out_biz_no": "B2", "trans_amount": "0.51"}
    assert server.refused(SEND, more, **certified) == "PAYER_BALANCE_NOT_ENOUGH"


def test_a_repetition_with_another_title_is_rejected(server, certified):
    server.call(SEND, TRANSFER, **certified)
    other = TRANSFER | {"order_title": "x"}
    assert server.refused(SEND, other, **certified) == "PAYMENT_INFO_INCONSISTENCY"


BANK_CARD = TRANSFER | {
    "product_code": "TRANS_BANKCARD_NO_PWD",
    "payee_info": {"identity": "6222", "identity_type": "BANKCARD_ACCOUNT", "name": "黄龙"},
}


def test_a_bank_confirms_a_transfer_later_and_may_return_the_money(server, certified, simulator):
    assert server.call(SEND, BANK_CARD, **certified)["status"] == "DEALING"
    requested = {"out_biz_no": "B1"}
    assert "trans_amount" not in server.call(CALL, requested)
    assert simulator.change_transfer("B1", "return") is None
    assert simulator.change_transfer("B1", "succeed").status == "SUCCESS"
    assert server.call(CALL, requested)["trans_amount"] == "1.00"
    assert simulator.change_transfer("B1", "return").status == "REFUND"
    found = server.call(CALL, requested)
    assert (found["status"], found["error_code"]) == ("REFUND", "BANK_RETURNED")
    assert simulator.change_transfer("B1", "succeed") is None


def test_a_bank_rejects_a_transfer(server, certified, simulator):
    server.call(SEND, BANK_CARD, **certified)
    assert simulator.change_transfer("B1", "fail").status == "FAIL"
    found = server.call(CALL, {"out_biz_no": "B1"})
    assert (found["status"], found["error_code"]) == ("FAIL", "PAYEE_CARD_INFO_ERROR")


def test_a_query_names_a_transfer(server):
    assert server.refused(CALL, {}) == "INVALID_PARAMETER"


def royalties(trade_no, *amounts, number="S1"):
    parts = [{"trans_in": "2088000000000003", "amount": amount} for amount in amounts]
    return {"trade_no": trade_no, "out_request_no": number, "royalty_parameters": parts}


def test_royalties_are_passed_on_once_and_within_the_payment(server, paid):
    trade_no = paid["trade_no"]
    node = server.call("order.settle", royalties(trade_no, "1.00", "7.88"))
    assert (node["trade_no"], node["code"]) == (trade_no, "10000")
    assert server.call("order.settle", royalties(trade_no, "8.88")) == node
    again = server.refused("order.settle", royalties(trade_no, "9.00"))
    assert again == "ACQ.DISCORDANT_REPEAT_REQUEST"
    more = server.refused("order.settle", royalties(trade_no, "80.01", number="S2"))
    assert more == "ACQ.ALLOC_AMOUNT_VALIDATE_ERROR"


@pytest.mark.parametrize("parts", [None, [], "x", ["x"], [{"amount": "1"}], [{"trans_in": "1"}]])
def test_royalties_are_a_list_of_who_gets_what(server, paid, parts):
    content = royalties(paid["trade_no"]) | {"royalty_parameters": parts}
    assert server.refused("order.settle", content) == "ACQ.INVALID_PARAMETER"


def test_of_what_was_not_paid_nothing_is_passed_on(server, created):
    code = server.refused("order.settle", royalties(created["trade_no"], "1"))
    assert code == "ACQ.TRADE_STATUS_ERROR"


def test_a_share_may_be_a_percentage(server, paid):
    part = {"trans_in": "2088000000000003", "amount_percentage": "100"}
    content = royalties(paid["trade_no"]) | {"royalty_parameters": [part]}
    assert server.call("order.settle", content)["settle_no"]
