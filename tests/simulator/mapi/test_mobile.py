"""An app's order string, and what Alipay's library answers."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from flask_alipay.signer import sign_content

from ..conftest import NOTIFY_URL


@pytest.fixture
def order(merchant):
    """The quoted string, in the caller's order."""

    def order(*, sign_type="RSA", **changes):
        params = {
            "service": "mobile.securitypay.pay",
            "partner": merchant.account.partner,
            "_input_charset": "utf-8",
            "notify_url": quote(NOTIFY_URL, safe=""),
            "out_trade_no": "T1",
            "subject": "Tea & 茶=",
            "payment_type": "1",
            "seller_id": merchant.account.partner,
            "total_fee": "88.88",
            "body": "250 g",
        } | changes
        text = "&".join(f'{name}="{value}"' for name, value in params.items() if value)
        sign = merchant.signer("RSA").sign(text.encode("utf-8"))
        return f'{text}&sign="{quote(sign, safe="")}"&sign_type="{sign_type}"'

    return order


@pytest.fixture
def app_pays(app):
    client = app.test_client()

    def app_pays(order_string, action="pay"):
        data = order_string if isinstance(order_string, bytes) else order_string.encode("utf-8")
        response = client.post(f"/alipay/mobile/{action}", data=data)
        assert response.status_code == 200
        found = re.fullmatch(
            r"resultStatus=\{(\d+)\};memo=\{(.*)\};result=\{(.*)\}", response.text, re.DOTALL
        )
        return found.groups()

    return app_pays


def test_an_app_pays_and_gets_a_signed_text(order, app_pays, merchant, shop, later, trade):
    status, memo, result = app_pays(order())
    assert (status, memo) == ("9000", "")
    text, sign = re.fullmatch(r'(.*)&sign_type="RSA"&sign="(.*)"', result).groups()
    assert text == order().partition("&sign=")[0] + '&success="true"'
    assert merchant.signer("RSA").verify(text.encode("utf-8"), sign)
    assert trade().status == "TRADE_SUCCESS"
    later()
    fields = shop.fields()
    assert (fields["trade_status"], fields["total_fee"]) == ("TRADE_SUCCESS", "88.88")
    assert fields["subject"] == "Tea & 茶="
    assert merchant.signer("RSA").verify(sign_content(fields), fields["sign"])


def test_a_buyer_may_change_his_mind_and_again(order, app_pays, trade):
    assert app_pays(order(), "cancel")[0] == "6001"
    assert trade().status == "WAIT_BUYER_PAY"
    assert app_pays(order())[0] == "9000"
    assert app_pays(order())[:2] == ("4000", "TRADE_HAS_SUCCESS")


def test_an_app_cannot_pay_when_the_time_is_over(order, app_pays, clock, shop, later):
    app_pays(order(it_b_pay="1m"), "cancel")
    clock.advance(minutes=1)
    assert app_pays(order(it_b_pay="1m"))[:2] == ("4000", "TRADE_HAS_CLOSE")
    later()
    assert shop.bodies == [], "Alipay does not notify that a direct payment was closed unpaid"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"service": "mobile.fly"}, "ILLEGAL_SERVICE"),
        ({"partner": "2088000000000009"}, "ILLEGAL_PARTNER"),
        ({"_input_charset": "gbk"}, "ILLEGAL_CHARSET"),
        ({"sign_type": "MD5"}, "ILLEGAL_SIGN_TYPE"),
        ({"seller_id": "2088000000000009"}, "SELLER_NOT_EXIST"),
        ({"total_fee": "0"}, "ILLEGAL_FEE_PARAM"),
        ({"body": ""}, "ILLEGAL_ARGUMENT"),
        ({"notify_url": ""}, "ILLEGAL_ARGUMENT"),
        ({"payment_type": "2"}, "ILLEGAL_PAYMENT_TYPE"),
    ],
)
def test_a_bad_order_string_fails_with_a_code(order, app_pays, simulator, changes, code):
    status, memo, result = app_pays(order(**changes))
    assert (status, result) == ("4000", "")
    assert memo.startswith(code)
    assert len(simulator.trades) == 0


def test_the_string_is_signed_as_it_stands(order, app_pays):
    for altered in (
        order().replace("88.88", "0.01"),
        order().replace('payment_type="1"&', "", 1),
        order().replace("250 g", "250%20g"),
    ):
        assert app_pays(altered)[1].startswith("ILLEGAL_SIGN")


@pytest.mark.parametrize(
    "text", [b"", b"nothing", b'a="1"', b'\xff&sign="x"&sign_type="RSA"', b'a&sign=""&sign_type=""']
)
def test_nonsense_fails(app_pays, text):
    assert app_pays(text)[0] == "4000"


def test_a_name_that_stands_twice_fails(order, app_pays, merchant):
    text = order().partition("&sign=")[0] + '&total_fee="0.01"'
    sign = quote(merchant.signer("RSA").sign(text.encode("utf-8")), safe="")
    status, memo, _ = app_pays(f'{text}&sign="{sign}"&sign_type="RSA"')
    assert (status, memo.partition(":")[0]) == ("4000", "ILLEGAL_ARGUMENT")


def test_an_order_string_is_posted(buyer):
    assert buyer.see("/alipay/mobile/pay").status_code == 405
