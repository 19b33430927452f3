"""The open platform's gateway, without HTTP: parameters in, answer out."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from flask_alipay.keys import generate_private_key
from flask_alipay.signer import Rsa2Signer, sign_content
from flask_alipay.simulator.replies import ErrorPage, JsonText, RedirectToCashier
from flask_alipay.simulator.trades.trades import TradeEvent
from flask_alipay.simulator.web.forms import RawForm, encode_form

from .conftest import NOTIFY_URL, RETURN_URL


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


def without(request, *names):
    kept = {name: value for name, value in request.params.items() if name not in names}
    return RawForm(encode_form(kept, "utf-8").encode("ascii"))


@pytest.mark.parametrize("sign_type", ["RSA2", "RSA"])
@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "gbk", "GB2312", "gb18030"])
def test_a_signed_order_leads_to_the_cashier(call, merchant, sign_type, charset):
    answer = call(merchant.page_pay(sign_type=sign_type, charset=charset))
    assert isinstance(answer, RedirectToCashier)
    order = answer.trade.order
    assert (order.out_trade_no, order.subject, order.total_fen) == ("T1", "Tea 茶", 8888)
    assert (order.notify_url, order.return_url) == (NOTIFY_URL, RETURN_URL)
    assert (order.charset, order.sign_type) == (charset, sign_type)


def test_a_wap_order_leads_to_the_cashier(call, merchant):
    answer = call(merchant.wap_pay())
    assert answer.trade.order.method == "alipay.trade.wap.pay"


def test_json_that_spells_out_its_characters_is_the_same_text(call, merchant):
    request = merchant.page_pay(
        charset="gbk",
        biz_content=json.dumps(
            {
                "out_trade_no": "T1",
                "total_amount": "88.88",
                "subject": "茶",
                "product_code": "FAST_INSTANT_TRADE_PAY",
            }
        ),
    )
    assert call(request).trade.order.subject == "茶"


def test_an_amount_written_as_a_number_is_not_rounded(call, merchant):
    answer = call(merchant.page_pay(biz={"total_amount": 0.29}))
    assert answer.trade.order.total_fen == 29


@pytest.mark.parametrize(
    ("name", "sub_code"),
    [
        ("app_id", "isv.missing-app-id"),
        ("sign_type", "isv.missing-signature-type"),
        ("sign", "isv.missing-signature"),
        ("timestamp", "isv.missing-timestamp"),
        ("version", "isv.missing-version"),
    ],
)
def test_a_missing_parameter_is_named(call, simulator, merchant, name, sub_code):
    if name in ("timestamp", "version"):  # these are looked at once the signature holds
        answer = call(merchant.page_pay(**{name: ""}))
    else:
        answer = simulator.reply(without(merchant.page_pay(), name))
    assert isinstance(answer, ErrorPage)
    assert answer.code == sub_code


@pytest.mark.parametrize(
    ("changes", "sub_code"),
    [
        ({"app_id": "9021000000000009"}, "isv.invalid-app-id"),
        ({"sign_type": "MD5", "signer": Rsa2Signer()}, "isv.invalid-signature-type"),
        ({"timestamp": "yesterday"}, "isv.invalid-timestamp"),
        ({"timestamp": "2026-01-29 00:00:00"}, "isv.invalid-timestamp"),
        ({"timestamp": "2026-02-02 00:00:00"}, "isv.invalid-timestamp"),
        ({"version": "2.0"}, "isv.invalid-parameter"),
        ({"format": "XML"}, "isv.invalid-format"),
        ({"encrypt_type": "DES"}, "isv.invalid-encrypt-type"),
        ({"biz_content": ""}, "ACQ.INVALID_PARAMETER"),
        ({"biz_content": "no json"}, "isv.illegal-json"),
        ({"biz_content": "[]"}, "isv.illegal-json"),
        ({"biz_content": "[" * 20_000}, "isv.illegal-json"),
        ({"biz_content": '{"total_amount": NaN}'}, "isv.illegal-json"),
        ({"notify_url": "/notify"}, "ACQ.INVALID_PARAMETER"),
        ({"return_url": "javascript:alert(1)"}, "ACQ.INVALID_PARAMETER"),
        ({"return_url": "https://[shop"}, "ACQ.INVALID_PARAMETER"),
    ],
)
def test_a_bad_common_parameter_is_named(call, merchant, changes, sub_code):
    if "signer" in changes:
        changes = changes | {"signer": merchant.signer("RSA2")}
    answer = call(merchant.page_pay(**changes))
    assert isinstance(answer, ErrorPage)
    assert answer.code == sub_code


@pytest.mark.parametrize("hours", [-23, -8, 8, 23])
def test_the_time_of_another_zone_is_put_up_with(call, merchant, clock, hours):
    request = merchant.page_pay()
    clock.advance(hours=hours)
    assert isinstance(call(request), RedirectToCashier)


@pytest.mark.parametrize(
    ("biz", "parameter"),
    [
        ({"out_trade_no": None}, "out_trade_no"),
        ({"out_trade_no": "A.1"}, "out_trade_no"),
        ({"out_trade_no": "A" * 65}, "out_trade_no"),
        ({"subject": None}, "subject"),
        ({"subject": ""}, "subject"),
        ({"subject": "x" * 257}, "subject"),
        ({"subject": {"a": 1}}, "subject"),
        ({"subject": "a\nb"}, "subject"),
        ({"total_amount": None}, "total_amount"),
        ({"total_amount": "0"}, "total_amount"),
        ({"total_amount": "-1"}, "total_amount"),
        ({"total_amount": "1.001"}, "total_amount"),
        ({"total_amount": "1e2"}, "total_amount"),
        ({"total_amount": "100000000.01"}, "total_amount"),
        ({"total_amount": "１"}, "total_amount"),
        ({"total_amount": True}, "total_amount"),
        ({"product_code": None}, "product_code"),
        ({"product_code": "QUICK_WAP_WAY"}, "product_code"),
        ({"body": "x" * 129}, "body"),
        ({"passback_params": "x" * 513}, "passback_params"),
        ({"timeout_express": "16d"}, "timeout_express"),
        ({"timeout_express": "1.5h"}, "timeout_express"),
        ({"time_expire": "tomorrow"}, "time_expire"),
    ],
)
def test_a_bad_parameter_of_the_order_is_named(call, merchant, simulator, biz, parameter):
    answer = call(merchant.page_pay(biz=biz))
    assert isinstance(answer, ErrorPage)
    assert answer.code == "ACQ.INVALID_PARAMETER"
    assert answer.detail.startswith(parameter)
    assert answer.shop_url == RETURN_URL
    assert len(simulator.trades) == 0


@pytest.mark.parametrize("code", ["QUICK_WAP_WAY", "QUICK_WAP_PAY"])
def test_a_phone_pays_by_the_code_of_the_guide_and_by_that_of_the_sdks(call, merchant, code):
    assert isinstance(call(merchant.wap_pay(biz={"product_code": code})), RedirectToCashier)
    assert isinstance(call(merchant.page_pay(biz={"product_code": code})), ErrorPage)


@pytest.mark.parametrize("subject", ["\\u20bf", "\\ud800", "\\u0000"])
@pytest.mark.parametrize("charset", ["gbk", "utf-8"])
def test_characters_that_cannot_be_repeated_are_rejected(call, merchant, subject, charset):
    if (subject, charset) == ("\\u20bf", "utf-8"):
        return
    content = merchant.page_pay().params["biz_content"].replace("Tea 茶", subject)
    answer = call(merchant.page_pay(charset=charset, biz_content=content))
    assert answer.code == "ACQ.INVALID_PARAMETER"


def test_an_altered_order_is_rejected(simulator, merchant):
    request = merchant.page_pay()
    altered = {name: value.replace("88.88", "0.01") for name, value in request.params.items()}
    answer = simulator.reply(RawForm(encode_form(altered, "utf-8").encode("ascii")))
    assert answer.code == "isv.invalid-signature"
    assert answer.shop_url == "", "an address that nobody signed is not the shop's"
    assert len(simulator.trades) == 0


def test_an_order_signed_with_another_key_is_rejected(call, merchant):
    stranger = Rsa2Signer(generate_private_key())
    assert call(merchant.page_pay(signer=stranger)).code == "isv.invalid-signature"


def test_an_order_signed_without_its_sign_type_is_rejected(simulator, merchant):
    request = merchant.page_pay()
    params = dict(request.params)
    params["sign"] = merchant.signer("RSA2").sign(sign_content(params))
    answer = simulator.reply(RawForm(encode_form(params, "utf-8").encode("ascii")))
    assert answer.code == "isv.invalid-signature"


@pytest.mark.parametrize("sign", ["", "x", "é", "AAAA", "=" * 400, "\0"])
def test_a_sign_that_is_none_is_rejected(simulator, merchant, sign):
    params = merchant.page_pay().params | {"sign": sign}
    answer = simulator.reply(RawForm(encode_form(params, "utf-8").encode("ascii")))
    assert answer.code.startswith(("isv.invalid-", "isv.missing-signature"))


@pytest.mark.parametrize(
    ("query", "sub_code"),
    [(b"", "isv.missing-method"), (b"method=alipay.trade.fly", "isv.invalid-method")],
)
def test_a_method_that_is_not_there_is_answered_in_json(simulator, query, sub_code):
    answer = simulator.reply(RawForm(query))
    assert isinstance(answer, JsonText)
    error = json.loads(answer.text)["error_response"]
    assert error["sub_code"] == sub_code
    assert error["code"] in ("40001", "40002")


@pytest.mark.parametrize("query", [b"charset=utf-7", b"charset=%ff", b"charset=utf-8&subject=%ff"])
def test_a_charset_that_is_unknown_or_not_kept_to_is_rejected(simulator, query):
    answer = simulator.reply(RawForm(b"method=alipay.trade.page.pay&" + query))
    assert answer.code == "isv.invalid-charset"


@pytest.mark.parametrize("given", [{}, {"charset": ""}], ids=["missing", "empty"])
def test_a_charset_is_not_guessed(simulator, merchant, given):
    params = dict(merchant.page_pay().params)
    del params["charset"], params["sign"]
    sign = merchant.signer("RSA2").sign(sign_content(params, exclude=("sign",)))
    form = RawForm(encode_form({**params, **given, "sign": sign}, "utf-8").encode("ascii"))
    answer = simulator.reply(form)
    assert isinstance(answer, ErrorPage)
    assert (answer.code, answer.detail) == ("isv.invalid-charset", "charset is required")


def test_the_same_order_again_is_the_same_trade(call, merchant, simulator):
    first, second = call(merchant.page_pay()), call(merchant.page_pay())
    assert first.trade.trade_no == second.trade.trade_no
    assert len(simulator.trades) == 1


@pytest.mark.parametrize("change", [{"total_amount": "0.01"}, {"subject": "Coffee"}])
def test_a_number_that_was_used_for_another_order_is_rejected(call, merchant, simulator, change):
    call(merchant.page_pay())
    assert call(merchant.page_pay(biz=change)).code == "ACQ.CONTEXT_INCONSISTENT"
    assert simulator.trades.by_out_trade_no("T1").order.total_fen == 8888


def test_a_paid_order_cannot_be_ordered_again(call, pay, merchant):
    pay(merchant.page_pay())
    assert call(merchant.page_pay()).code == "ACQ.TRADE_HAS_SUCCESS"


def test_a_closed_order_cannot_be_ordered_again(call, pay, merchant):
    pay(merchant.page_pay(), TradeEvent.CLOSE)
    assert call(merchant.page_pay()).code == "ACQ.TRADE_HAS_CLOSE"


@pytest.mark.parametrize(
    ("biz", "minutes"),
    [
        ({"timeout_express": "5m"}, 5),
        ({"timeout_express": "2h"}, 120),
        ({"timeout_express": "15d"}, 15 * 24 * 60),
        ({"timeout_express": "1c"}, 12 * 60),
        ({"time_expire": "2026-01-31 12:30:00"}, 30),
        ({"time_expire": "2026-01-31 12:30:00", "timeout_express": "5m"}, 30),
    ],
)
def test_a_time_limit_is_kept_to(call, merchant, clock, biz, minutes):
    order = call(merchant.page_pay(biz=biz)).trade.order
    assert order.expires_at == clock.now() + timedelta(minutes=minutes)


def test_an_order_without_time_limit_has_none(call, merchant):
    assert call(merchant.page_pay()).trade.order.expires_at is None


def test_a_time_limit_that_is_over_is_rejected(call, merchant):
    answer = call(merchant.page_pay(biz={"time_expire": "2026-01-31 12:00:00"}))
    assert answer.code == "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR"


PAID_FIELDS = [
    "app_id",
    "auth_app_id",
    "buyer_id",
    "buyer_pay_amount",
    "charset",
    "fund_bill_list",
    "gmt_create",
    "gmt_payment",
    "invoice_amount",
    "notify_id",
    "notify_time",
    "notify_type",
    "out_trade_no",
    "point_amount",
    "receipt_amount",
    "seller_id",
    "sign",
    "sign_type",
    "subject",
    "total_amount",
    "trade_no",
    "trade_status",
    "version",
]


def test_a_payment_is_notified_with_alipays_fields(pay, merchant, shop, simulator):
    trade = pay(merchant.page_pay())
    fields = shop.fields()
    assert sorted(fields) == PAID_FIELDS
    assert fields["trade_status"] == "TRADE_SUCCESS"
    assert (fields["out_trade_no"], fields["trade_no"]) == ("T1", trade.trade_no)
    assert fields["total_amount"] == fields["receipt_amount"] == "88.88"
    assert fields["subject"] == "Tea 茶"
    assert fields["app_id"] == simulator.merchant.app_id
    assert fields["seller_id"] == simulator.merchant.partner
    assert fields["gmt_payment"] == "2026-01-31 12:00:00"
    assert json.loads(fields["fund_bill_list"])[0]["fundChannel"] == "ALIPAYACCOUNT"


@pytest.mark.parametrize("event", [TradeEvent.CLOSE, TradeEvent.EXPIRE])
def test_a_closed_trade_is_notified_without_money(pay, merchant, shop, event):
    pay(merchant.page_pay(), event)
    fields = shop.fields()
    assert fields["trade_status"] == "TRADE_CLOSED"
    assert fields["gmt_close"] == "2026-01-31 12:00:00"
    assert not {"gmt_payment", "receipt_amount", "fund_bill_list"} & fields.keys()


@pytest.mark.parametrize("sign_type", ["RSA2", "RSA"])
@pytest.mark.parametrize("charset", ["utf-8", "GBK"])
def test_a_notification_is_signed_by_alipay_in_the_requests_charset(
    pay, merchant, shop, sign_type, charset
):
    pay(merchant.page_pay(sign_type=sign_type, charset=charset))
    fields = shop.fields(charset=charset)
    assert (fields["charset"], fields["sign_type"]) == (charset, sign_type)
    content = sign_content(fields, charset=charset)
    assert merchant.signer(sign_type).verify(content, fields["sign"])


def test_the_merchants_parameters_are_repeated(pay, merchant, shop):
    pay(merchant.page_pay(biz={"body": "250 g", "passback_params": "a%3D1%26b%3D2"}))
    assert shop.fields()["body"] == "250 g"
    assert shop.fields()["passback_params"] == "a%3D1%26b%3D2"


def test_without_a_notify_url_nothing_is_notified(pay, merchant, shop):
    assert pay(merchant.page_pay(notify_url="")).paid
    assert shop.bodies == []


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_the_return_is_signed_and_says_nothing_of_the_status(pay, merchant, simulator, charset):
    trade = pay(merchant.page_pay(charset=charset))
    fields = dict(parse_qsl(urlsplit(simulator.return_url(trade)).query))
    assert sorted(fields) == [
        "app_id",
        "auth_app_id",
        "charset",
        "method",
        "out_trade_no",
        "seller_id",
        "sign",
        "sign_type",
        "timestamp",
        "total_amount",
        "trade_no",
        "version",
    ]
    assert fields["method"] == "alipay.trade.page.pay.return"
    content = sign_content(fields, charset=charset)
    assert merchant.signer("RSA2").verify(content, fields["sign"])


def test_the_return_of_a_wap_payment_names_its_method(pay, merchant, simulator):
    trade = pay(merchant.wap_pay())
    assert "method=alipay.trade.wap.pay.return" in simulator.return_url(trade)
