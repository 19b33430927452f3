"""The legacy gateway, without HTTP: parameters in, answer out."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from flask_alipay.protocol.charsets import python_codec
from flask_alipay.signer import Md5Signer, sign_content
from flask_alipay.simulator.replies import ErrorPage, PlainText, RedirectToCashier
from flask_alipay.simulator.trades.trades import TradeEvent
from flask_alipay.simulator.web.forms import RawForm, encode_form

from .conftest import RETURN_URL

SIGN_TYPES = ["MD5", "RSA", "RSA2"]


@pytest.fixture
def call(simulator):
    def call(request):
        return simulator.reply(RawForm(urlsplit(request.url).query.encode("ascii")))

    return call


@pytest.fixture
def pay(simulator, call):
    """Orders and pays; returns the trade."""

    def pay(request, event=TradeEvent.PAY):
        return simulator.cashier_event(call(request).trade.cashier_id, event)

    return pay


@pytest.fixture
def verify(simulator):
    def verify(**params):
        query = {"service": "notify_verify"} | params
        return simulator.reply(RawForm(urlencode(query).encode("ascii"))).text

    return verify


@pytest.mark.parametrize("sign_type", SIGN_TYPES)
@pytest.mark.parametrize("charset", ["utf-8", "gbk", "GB2312"])
def test_a_signed_order_leads_to_the_cashier(call, merchant, sign_type, charset):
    answer = call(merchant.direct_pay(sign_type=sign_type, charset=charset))
    assert isinstance(answer, RedirectToCashier)
    order = answer.trade.order
    assert (order.out_trade_no, order.subject, order.total_fen) == ("T1", "Tea 茶", 8888)
    assert (order.charset, order.sign_type) == (charset, sign_type)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"service": "create_fly"}, "ILLEGAL_SERVICE"),
        ({"partner": "2088000000000009"}, "ILLEGAL_PARTNER"),
        ({"partner": ""}, "ILLEGAL_PARTNER"),
        ({"_input_charset": ""}, "ILLEGAL_CHARSET"),
        ({"_input_charset": "utf-7"}, "ILLEGAL_CHARSET"),
        ({"sign_type": "DSA"}, "ILLEGAL_SIGN_TYPE"),
        ({"sign_type": ""}, "ILLEGAL_SIGN_TYPE"),
        ({"payment_type": "2"}, "ILLEGAL_PAYMENT_TYPE"),
        ({"payment_type": ""}, "ILLEGAL_PAYMENT_TYPE"),
        ({"seller_id": "2088000000000009"}, "SELLER_NOT_EXIST"),
        ({"seller_id": "", "seller_email": "other@shop.example"}, "SELLER_NOT_EXIST"),
        ({"total_fee": ""}, "ILLEGAL_FEE_PARAM"),
        ({"total_fee": "0"}, "ILLEGAL_FEE_PARAM"),
        ({"total_fee": "-1"}, "ILLEGAL_FEE_PARAM"),
        ({"total_fee": "1.001"}, "ILLEGAL_FEE_PARAM"),
        ({"price": "1"}, "ILLEGAL_FEE_PARAM"),
        ({"total_fee": "", "price": "1"}, "ILLEGAL_FEE_PARAM"),
        ({"total_fee": "", "price": "1", "quantity": "x"}, "ILLEGAL_FEE_PARAM"),
        ({"total_fee": "", "price": "1", "quantity": "0"}, "ILLEGAL_FEE_PARAM"),
        ({"total_fee": "", "price": "100000000", "quantity": "2"}, "ILLEGAL_FEE_PARAM"),
    ],
)
def test_a_bad_parameter_has_a_code_of_its_own(call, merchant, simulator, changes, code):
    answer = call(merchant.direct_pay(**changes))
    assert isinstance(answer, ErrorPage)
    assert answer.code == code
    assert len(simulator.trades) == 0


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"out_trade_no": ""}, "out_trade_no"),
        ({"out_trade_no": "A.1"}, "out_trade_no"),
        ({"subject": ""}, "subject"),
        ({"subject": "茶" * 129, "charset": "gbk"}, "subject"),
        ({"body": "x" * 1001}, "body"),
        ({"extra_common_param": "x" * 101}, "extra_common_param"),
        ({"extra_common_param": "shop=1"}, "extra_common_param"),
        ({"extra_common_param": "salt&pepper"}, "extra_common_param"),
        ({"notify_url": "notify"}, "notify_url"),
        ({"notify_url": "notify?shop=1"}, "notify_url"),
        ({"return_url": "ftp://shop.example"}, "return_url"),
        ({"return_url": "https://shop.example/return?shop=1"}, "return_url"),
        ({"show_url": "javascript:alert(1)"}, "show_url"),
        ({"it_b_pay": "16d"}, "it_b_pay"),
        ({"paymethod": "barter"}, "paymethod"),
        ({"paymethod": "bankPay"}, "defaultbank"),
        ({"paymethod": "bankPay", "defaultbank": "<b>"}, "defaultbank"),
        ({"seller_id": ""}, "seller_id"),
        ({"enable_paymethod": "cash", "disable_paymethod": "bank"}, "enable_paymethod"),
    ],
)
def test_any_other_bad_parameter_is_named(call, merchant, changes, parameter):
    answer = call(merchant.direct_pay(**changes))
    assert isinstance(answer, ErrorPage)
    assert answer.code == "ILLEGAL_ARGUMENT"
    assert answer.detail.startswith(parameter)


def test_the_seller_may_be_named_by_its_address(call, merchant):
    request = merchant.direct_pay(seller_id="", seller_email=merchant.account.seller_email)
    assert isinstance(call(request), RedirectToCashier)


def test_price_times_quantity_is_an_amount(call, pay, merchant, shop):
    request = merchant.direct_pay(total_fee="", price="29.63", quantity="3")
    assert call(request).trade.order.total_fen == 8889
    pay(request)
    notified = shop.fields()
    assert (notified["price"], notified["quantity"], notified["total_fee"]) == (
        "29.63",
        "3",
        "88.89",
    )


def test_a_chosen_bank_is_remembered(call, merchant):
    request = merchant.direct_pay(paymethod="bankPay", defaultbank="ICBCB2C")
    assert call(request).trade.order.bank == "ICBCB2C"


@pytest.mark.parametrize("sign_type", SIGN_TYPES)
def test_an_altered_order_is_rejected(simulator, merchant, sign_type):
    params = dict(merchant.direct_pay(sign_type=sign_type).params) | {"total_fee": "0.01"}
    answer = simulator.reply(RawForm(encode_form(params, "utf-8").encode("ascii")))
    assert answer.code == "ILLEGAL_SIGN"
    assert answer.shop_url == "", "an address that nobody signed is not the shop's"


def test_an_order_signed_with_another_key_is_rejected(call, merchant):
    assert call(merchant.direct_pay(signer=Md5Signer("0" * 32))).code == "ILLEGAL_SIGN"


def test_an_order_without_a_sign_is_rejected(simulator, merchant):
    params = {k: v for k, v in merchant.direct_pay().params.items() if k != "sign"}
    answer = simulator.reply(RawForm(encode_form(params, "utf-8").encode("ascii")))
    assert answer.code == "ILLEGAL_SIGN"


def test_an_order_that_was_signed_in_another_charset_is_rejected(simulator, merchant):
    params = merchant.direct_pay(charset="gbk").params
    query = urlencode(params | {"_input_charset": "utf-8"}).encode("ascii")
    assert simulator.reply(RawForm(query)).code == "ILLEGAL_SIGN"


def test_an_order_that_does_not_keep_to_its_charset_is_rejected(simulator, merchant):
    query = urlencode(merchant.direct_pay(charset="gbk").params, encoding="gbk")
    query = query.replace("_input_charset=gbk", "_input_charset=utf-8")
    assert simulator.reply(RawForm(query.encode("ascii"))).code == "ILLEGAL_ENCODING"


@pytest.mark.parametrize("change", [{"total_fee": "0.01"}, {"subject": "Coffee"}])
def test_a_number_that_was_used_for_another_order_is_rejected(call, merchant, change):
    call(merchant.direct_pay())
    assert call(merchant.direct_pay(**change)).code == "TRADE_DATA_MATCH_ERROR"


@pytest.mark.parametrize(
    ("event", "code"),
    [(TradeEvent.PAY, "TRADE_HAS_SUCCESS"), (TradeEvent.CLOSE, "TRADE_HAS_CLOSE")],
)
def test_an_ended_order_cannot_be_ordered_again(call, pay, merchant, event, code):
    pay(merchant.direct_pay(), event)
    answer = call(merchant.direct_pay())
    assert answer.code == code
    assert answer.shop_url == RETURN_URL


@pytest.mark.parametrize(("text", "minutes"), [("5m", 5), ("1d", 1440), ("1c", 720)])
def test_a_time_limit_is_kept_to(call, merchant, clock, text, minutes):
    order = call(merchant.direct_pay(it_b_pay=text)).trade.order
    assert order.expires_at == clock.now() + timedelta(minutes=minutes)


@pytest.mark.parametrize("sign_type", SIGN_TYPES)
@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_a_notification_is_signed_in_the_requests_charset_which_it_does_not_name(
    pay, merchant, shop, sign_type, charset
):
    pay(merchant.direct_pay(sign_type=sign_type, charset=charset))
    fields = shop.fields(charset=charset)
    assert not {"charset", "_input_charset"} & fields.keys()
    assert fields["sign_type"] == sign_type
    assert fields["subject"] == "Tea 茶"
    content = sign_content(fields, charset=charset)
    assert merchant.signer(sign_type).verify(content, fields["sign"])


def test_a_payment_is_notified_with_alipays_fields(pay, merchant, shop):
    trade = pay(merchant.direct_pay(body="250 g", extra_common_param="hello"))
    fields = shop.fields()
    assert sorted(fields) == [
        "body",
        "buyer_email",
        "buyer_id",
        "discount",
        "extra_common_param",
        "gmt_create",
        "gmt_payment",
        "is_total_fee_adjust",
        "notify_id",
        "notify_time",
        "notify_type",
        "out_trade_no",
        "payment_type",
        "price",
        "quantity",
        "seller_email",
        "seller_id",
        "sign",
        "sign_type",
        "subject",
        "total_fee",
        "trade_no",
        "trade_status",
        "use_coupon",
    ]
    assert fields["trade_status"] == "TRADE_SUCCESS"
    assert (fields["trade_no"], fields["total_fee"]) == (trade.trade_no, "88.88")
    assert (fields["body"], fields["extra_common_param"]) == ("250 g", "hello")


@pytest.mark.parametrize("way", ["direct_pay", "forex"])
@pytest.mark.parametrize("event", [TradeEvent.CLOSE, TradeEvent.EXPIRE])
def test_a_direct_payment_that_was_closed_unpaid_is_not_notified(pay, merchant, shop, event, way):
    assert pay(getattr(merchant, way)(), event).status == "TRADE_CLOSED"
    assert shop.bodies == []


def test_a_notify_url_with_a_query_is_accepted_with_a_warning(pay, merchant, simulator, caplog):
    urls = []
    simulator.deliverer._post = lambda url, body, headers: urls.append(url) or (200, "success")
    pay(merchant.direct_pay(notify_url="https://shop.example/?route=notify"))
    assert urls == ["https://shop.example/?route=notify"]
    assert "notify_url of this request has a query" in caplog.text


@pytest.mark.parametrize("name", ["buyer_id", "buyer_email", "buyer_account_name"])
def test_a_seller_cannot_buy_from_himself(call, merchant, simulator, name):
    account = merchant.account
    seller = account.partner if name == "buyer_id" else account.seller_email
    answer = call(merchant.direct_pay(**{name: seller}))
    assert (answer.code, len(simulator.trades)) == ("BUYER_SELLER_EQUAL", 0)


@pytest.mark.parametrize("event", [TradeEvent.CLOSE, TradeEvent.EXPIRE])
def test_a_closed_trade_is_notified_without_money(pay, merchant, shop, event):
    pay(merchant.escrow(service="trade_create_by_buyer"), event)
    fields = shop.fields()
    assert fields["trade_status"] == "TRADE_CLOSED"
    assert "gmt_payment" not in fields
    assert fields["gmt_close"] == "2026-01-31 12:00:00"


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_the_return_is_signed(pay, merchant, simulator, charset):
    trade = pay(merchant.direct_pay(charset=charset, extra_common_param="hello"))
    query = urlsplit(simulator.return_url(trade)).query
    fields = dict(parse_qsl(query, encoding=python_codec(charset)))
    assert (fields["is_success"], fields["exterface"]) == ("T", "create_direct_pay_by_user")
    assert fields["trade_status"] == "TRADE_SUCCESS"
    assert (fields["subject"], fields["extra_common_param"]) == ("Tea 茶", "hello")
    content = sign_content(fields, charset=charset)
    assert merchant.signer("MD5").verify(content, fields["sign"])


def test_notify_verify_owns_up_to_a_notification_for_a_minute(pay, merchant, shop, verify, clock):
    pay(merchant.direct_pay())
    known = {"partner": merchant.account.partner, "notify_id": shop.fields()["notify_id"]}
    assert verify(**known) == "true"
    clock.advance(seconds=61)
    assert verify(**known) == "false"


def test_a_retry_can_be_verified_again(pay, merchant, shop, verify, clock):
    shop.text = "fail"
    pay(merchant.direct_pay())
    known = {"partner": merchant.account.partner, "notify_id": shop.fields()["notify_id"]}
    clock.advance(minutes=4)
    assert len(shop.bodies) == 2
    assert shop.fields()["notify_id"] == known["notify_id"]
    assert verify(**known) == "true"


def test_a_return_can_be_verified(pay, merchant, simulator, verify):
    trade = pay(merchant.direct_pay())
    fields = dict(parse_qsl(urlsplit(simulator.return_url(trade)).query))
    assert verify(partner=merchant.account.partner, notify_id=fields["notify_id"]) == "true"


def test_an_invented_notification_is_false(merchant, verify):
    assert verify(partner=merchant.account.partner, notify_id="0" * 34) == "false"


@pytest.mark.parametrize("params", [{}, {"notify_id": "1"}, {"partner": "2088", "notify_id": "1"}])
def test_notify_verify_with_wrong_parameters_is_invalid(verify, params):
    assert verify(**params) == "invalid"


def test_notify_verify_without_a_number_is_invalid(merchant, verify):
    assert verify(partner=merchant.account.partner) == "invalid"


def test_notify_verify_responses_a_bare_word(simulator):
    assert simulator.reply(RawForm(b"service=notify_verify")) == PlainText("invalid")
