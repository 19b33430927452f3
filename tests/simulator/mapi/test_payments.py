"""Escrow, dual, phones and foreign money: ordered in a browser, told to the shop."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from flask_alipay.protocol.charsets import python_codec
from flask_alipay.signer import sign_content

PARCEL = {
    "receive_name": "李雷",
    "receive_address": "北京市 朝阳区",
    "receive_zip": "100011",
    "receive_phone": "010-12345678",
    "receive_mobile": "13800000000",
}


def statuses(shop):
    return [shop.fields(index)["trade_status"] for index in range(len(shop.bodies))]


def test_escrow_is_notified_step_by_step(pay, server, merchant, buyer, shop, trade, later):
    cashier = buyer.cashier(merchant.escrow())
    assert statuses(shop) == ["WAIT_BUYER_PAY"]
    buyer.press(cashier, "deposit")
    assert statuses(shop)[1:] == ["WAIT_SELLER_SEND_GOODS"]
    sent = {"trade_no": trade().trade_no, "logistics_name": "SF", "transport_type": "EXPRESS"}
    answer = server(merchant.call("send_goods_confirm_by_platform", **sent))
    assert answer.fields["trade_status"] == "WAIT_BUYER_CONFIRM_GOODS"
    assert len(shop.bodies) == 2, "the server has its answer before it is told"
    later()
    assert statuses(shop)[2:] == ["WAIT_BUYER_CONFIRM_GOODS"]
    buyer.press(cashier, "confirm")
    assert statuses(shop)[3:] == ["TRADE_FINISHED"]
    assert len({shop.fields(index)["notify_id"] for index in range(4)}) == 4


@pytest.mark.parametrize("sign_type", ["MD5", "RSA", "RSA2"])
@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_escrow_is_notified_with_the_parcel(pay, merchant, shop, sign_type, charset):
    request = merchant.escrow(sign_type=sign_type, charset=charset, logistics_fee="5", **PARCEL)
    pay(request, "deposit")
    fields = shop.fields(charset=charset)
    assert {name: fields[name] for name in PARCEL} == PARCEL
    parcel = {name: fields[name] for name in fields if name.startswith("logistics_")}
    assert parcel == {
        "logistics_type": "EXPRESS",
        "logistics_fee": "5.00",
        "logistics_payment": "SELLER_PAY",
    }
    assert fields["seller_actions"] == "SEND_GOODS"
    assert fields["gmt_logistics_modify"] == "2026-01-31 12:00:00"
    assert (fields["price"], fields["quantity"]) == ("88.88", "1")
    signer = merchant.signer(sign_type)
    assert signer.verify(sign_content(fields, charset=charset), fields["sign"])


def test_a_parcel_that_was_sent_is_notified_with_its_time(
    pay, server, merchant, shop, trade, later
):
    pay(merchant.escrow(), "deposit")
    sent = {"trade_no": trade().trade_no, "logistics_name": "SF", "transport_type": "EMS"}
    server(merchant.call("send_goods_confirm_by_platform", **sent))
    later()
    fields = shop.fields()
    assert fields["gmt_send_goods"] == "2026-01-31 12:00:00"
    assert "seller_actions" not in fields


@pytest.mark.parametrize(
    ("changes", "total"),
    [
        ({"price": "10.00", "quantity": "3"}, "30.00"),
        ({"logistics_fee": "5.00", "logistics_payment": "SELLER_PAY"}, "88.88"),
        ({"logistics_fee": "5.00", "logistics_payment": "BUYER_PAY"}, "93.88"),
        ({"logistics_fee": "5.00", "logistics_payment": "BUYER_PAY_AFTER_RECEIVE"}, "88.88"),
        ({"discount": "-8.88"}, "80.00"),
        ({"discount": "1.12"}, "90.00"),
    ],
)
def test_the_amount_of_an_escrow_order(pay, merchant, shop, changes, total):
    pay(merchant.escrow(**changes), "deposit")
    assert shop.fields()["total_fee"] == total


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"total_fee": "88.88"}, "ILLEGAL_FEE_PARAM"),
        ({"price": ""}, "ILLEGAL_FEE_PARAM"),
        ({"quantity": "0"}, "ILLEGAL_FEE_PARAM"),
        ({"discount": "-88.88"}, "ILLEGAL_FEE_PARAM"),
        ({"discount": "cheap"}, "ILLEGAL_FEE_PARAM"),
        ({"logistics_fee": "-1"}, "ILLEGAL_FEE_PARAM"),
        ({"logistics_fee": ""}, "ILLEGAL_ARGUMENT"),
        ({"logistics_type": "PIGEON"}, "ILLEGAL_ARGUMENT"),
        ({"logistics_payment": ""}, "ILLEGAL_ARGUMENT"),
        ({"receive_name": "x" * 129}, "ILLEGAL_ARGUMENT"),
        ({"payment_type": "2"}, "ILLEGAL_PAYMENT_TYPE"),
        ({"seller_id": "2088000000000009"}, "SELLER_NOT_EXIST"),
        ({"seller_id": ""}, "ILLEGAL_ARGUMENT"),
        ({"anti_phishing_key": "invented"}, "ILLEGAL_ANTI_PHISHING_KEY"),
    ],
)
def test_a_bad_escrow_order_is_rejected(buyer, merchant, simulator, changes, code):
    response = buyer.open(merchant.escrow(**changes))
    assert response.status_code == 400
    assert code in response.text
    assert len(simulator.trades) == 0


def test_the_page_of_an_escrow_order_leads_through_it(buyer, server, merchant, trade):
    cashier = buyer.cashier(merchant.escrow())
    assert "Pay with protection" in buyer.see(cashier).text
    assert "/pay" not in buyer.see(cashier).text
    buyer.press(cashier, "deposit")
    page = buyer.see(cashier).text
    assert "Waiting for the shop to send the goods" in page
    assert "Confirm receipt" not in page
    sent = {"trade_no": trade().trade_no, "logistics_name": "SF", "transport_type": "POST"}
    server(merchant.call("send_goods_confirm_by_platform", **sent))
    assert buyer.cashier(merchant.escrow()) == cashier, "the order's address shows how it stands"
    assert "Confirm receipt" in buyer.see(cashier).text
    buyer.press(cashier, "confirm")
    assert "Payment successful" in buyer.see(cashier).text
    assert "TRADE_HAS_SUCCESS" in buyer.open(merchant.escrow()).text


def test_a_plain_pay_means_the_orders_way(pay, merchant, trade):
    pay(merchant.escrow(), "pay")
    assert trade().status == "WAIT_SELLER_SEND_GOODS"


def test_the_buyer_cannot_confirm_before_the_parcel_was_sent(buyer, merchant, trade):
    cashier = buyer.cashier(merchant.escrow())
    buyer.press(cashier, "confirm")
    assert trade().status == "WAIT_BUYER_PAY"
    buyer.press(cashier, "deposit")
    buyer.press(cashier, "confirm")
    assert trade().status == "WAIT_SELLER_SEND_GOODS"


def test_an_instant_order_does_not_go_into_escrow(buyer, merchant, trade):
    buyer.press(buyer.cashier(merchant.direct_pay()), "deposit")
    assert trade().status == "WAIT_BUYER_PAY"


@pytest.mark.parametrize(
    ("button", "status"), [("pay", "TRADE_SUCCESS"), ("deposit", "WAIT_SELLER_SEND_GOODS")]
)
def test_of_a_dual_order_the_buyer_chooses(buyer, merchant, shop, button, status):
    cashier = buyer.cashier(merchant.escrow(service="trade_create_by_buyer"))
    page = buyer.see(cashier).text
    assert "Pay now" in page
    assert "Pay with protection" in page
    buyer.press(cashier, button)
    assert statuses(shop) == ["WAIT_BUYER_PAY", status]


def test_the_return_of_an_escrow_order_says_what_a_notification_does(pay, merchant):
    url = pay(merchant.escrow(charset="gbk"), "deposit")
    fields = dict(parse_qsl(urlsplit(url).query, encoding="gbk"))
    assert fields["is_success"] == "T"
    assert fields["trade_status"] == "WAIT_SELLER_SEND_GOODS"
    assert fields["subject"] == "Tea 茶"
    content = sign_content(fields, charset=python_codec("gbk"))
    assert merchant.signer("MD5").verify(content, fields["sign"])


def test_a_phone_pays_at_once(pay, merchant, shop):
    service = "alipay.wap.create.direct.pay.by.user"
    pay(merchant.direct_pay(service=service, show_url="https://shop.example/tea"))
    assert statuses(shop) == ["TRADE_SUCCESS"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"show_url": ""}, "ILLEGAL_ARGUMENT"),
        ({"seller_id": "", "seller_email": "shop@simulator.invalid"}, "ILLEGAL_ARGUMENT"),
        ({"charset": "gbk"}, "ILLEGAL_CHARSET"),
    ],
)
def test_a_phone_order_that_lacks_something_is_rejected(buyer, merchant, changes, code):
    request = {"show_url": "https://shop.example/tea"} | changes
    service = "alipay.wap.create.direct.pay.by.user"
    assert code in buyer.open(merchant.direct_pay(service=service, **request)).text


@pytest.mark.parametrize("service", ["create_forex_trade", "create_forex_trade_wap"])
@pytest.mark.parametrize(("currency", "reply"), [("USD", "8.00"), ("JPY", "17.00")])
def test_foreign_money_is_notified_as_captured(pay, merchant, shop, service, currency, reply):
    total = "8.00" if currency == "USD" else "17"
    pay(merchant.forex(service=service, currency=currency, total_fee=total))
    fields = shop.fields()
    assert sorted(fields) == [
        "currency",
        "notify_id",
        "notify_time",
        "notify_type",
        "out_trade_no",
        "sign",
        "sign_type",
        "total_fee",
        "trade_no",
        "trade_status",
    ]
    assert (fields["currency"], fields["total_fee"]) == (currency, reply)
    assert fields["trade_status"] == "TRADE_FINISHED"


def test_a_price_in_yuan_is_notified_in_both(pay, merchant, shop):
    pay(merchant.forex(total_fee="", rmb_fee="71.00"))
    fields = shop.fields()
    assert (fields["currency"], fields["total_fee"], fields["rmb_fee"]) == ("USD", "10.00", "71.00")


def test_the_buyer_sees_foreign_money_and_what_it_costs(buyer, merchant):
    page = buyer.see(buyer.cashier(merchant.forex(currency="JPY", total_fee="1000"))).text
    assert "JPY 1000" in page
    assert "¥48.00" in page


def test_an_unpaid_foreign_trade_is_not_notified(pay, merchant, shop, trade):
    pay(merchant.forex(), "close")
    assert trade().status == "TRADE_CLOSED"
    assert shop.bodies == []


def test_the_return_of_a_foreign_order_is_signed(pay, merchant):
    fields = dict(parse_qsl(urlsplit(pay(merchant.forex(sign_type="RSA2"))).query))
    assert (fields["currency"], fields["total_fee"]) == ("USD", "8.00")
    assert merchant.signer("RSA2").verify(sign_content(fields), fields["sign"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"rmb_fee": "1"}, "ILLEGAL_FEE_PARAM"),
        ({"total_fee": ""}, "ILLEGAL_FEE_PARAM"),
        ({"total_fee": "8.001"}, "ILLEGAL_FEE_PARAM"),
        ({"total_fee": "0"}, "ILLEGAL_FEE_PARAM"),
        ({"total_fee": "1000000.01"}, "ILLEGAL_FEE_PARAM"),
        ({"currency": "JPY", "total_fee": "17.50"}, "ILLEGAL_FEE_PARAM"),
        ({"currency": "XAU"}, "ILLEGAL_CURRENCY"),
        ({"currency": ""}, "ILLEGAL_ARGUMENT"),
        ({"notify_url": ""}, "ILLEGAL_ARGUMENT"),
        ({"product_code": "NEW_WAP_OVERSEAS_SELLER"}, "ILLEGAL_ARGUMENT"),
        ({"timeout_rule": "forever"}, "ILLEGAL_TIMEOUT_RULE"),
    ],
)
def test_a_bad_foreign_order_is_rejected(buyer, merchant, changes, code):
    assert code in buyer.open(merchant.forex(**changes)).text


def test_the_same_number_in_another_currency_is_another_order(buyer, merchant):
    buyer.cashier(merchant.forex())
    assert "TRADE_DATA_MATCH_ERROR" in buyer.open(merchant.forex(currency="EUR")).text
