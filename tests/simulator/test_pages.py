"""The simulator on the web."""

from __future__ import annotations

import json
import re
from html import unescape
from urllib.parse import urlencode, urlsplit

import pytest
from flask import Blueprint, Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_alipay.protocol.charsets import python_codec
from flask_alipay.signer import sign_content
from flask_alipay.simulator import Simulator
from flask_alipay.simulator.web.cashier import simulator_blueprint
from flask_alipay.simulator.web.forms import MAX_BYTES

from .conftest import NOTIFY_URL, RETURN_URL, Buyer

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}


def test_an_order_by_url_leads_to_the_cashier(buyer, merchant):
    response = buyer.open(merchant.page_pay())
    assert response.status_code == 303
    assert re.fullmatch(r"/alipay/cashier/[\w-]{32}", response.location)


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
@pytest.mark.parametrize("way", ["page_pay", "direct_pay"])
def test_an_order_by_form_leads_to_the_cashier(buyer, merchant, way, charset):
    params = getattr(merchant, way)(charset=charset).params
    name = "charset" if way == "page_pay" else "_input_charset"
    response = buyer.client.post(
        f"/alipay/gateway.do?{name}={charset}",
        data=urlencode(params, encoding=python_codec(charset)),
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status_code == 303
    assert "Tea 茶" in buyer.see(response.location).text


def test_an_order_may_be_split_between_query_and_form(buyer, merchant):
    params = dict(merchant.page_pay().params)
    form = urlencode({"biz_content": params.pop("biz_content")})
    response = buyer.client.post(
        f"/alipay/gateway.do?{urlencode(params)}",
        data=form,
        content_type="application/x-www-form-urlencoded; charset=utf-8",
    )
    assert response.status_code == 303


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_the_cashier_shows_the_order(buyer, merchant, charset):
    cashier = buyer.cashier(merchant.direct_pay(charset=charset, it_b_pay="30m"))
    page = buyer.see(cashier)
    assert page.content_type == "text/html; charset=utf-8"
    for text in ("88.88", "Tea 茶", "T1", "shop@simulator.invalid", "2026-01-31 12:30:00"):
        assert text in page.text
    assert 'data-seconds="1801"' in page.text


def test_the_cashier_has_no_countdown_without_a_time_limit(buyer, merchant):
    assert "data-seconds=" not in buyer.see(buyer.cashier(merchant.page_pay())).text


def test_the_cashier_names_the_bank(buyer, merchant):
    request = merchant.direct_pay(paymethod="bankPay", defaultbank="ICBCB2C")
    cashier = buyer.cashier(request)
    assert "Industrial and Commercial Bank of China" in buyer.see(cashier).text
    assert "中国工商银行" in buyer.see(cashier, headers=CHINESE).text


def test_the_cashier_has_three_buttons_that_post(buyer, merchant):
    page = buyer.see(buyer.cashier(merchant.page_pay())).text
    assert re.findall(r'<form method="post"[^>]* action="[^"]+/(\w+)"', page) == [
        "pay",
        "close",
        "expire",
    ]


@pytest.mark.parametrize(
    ("headers", "language", "words"),
    [
        ({}, "en", "This is not Alipay. No money is charged."),
        ({"Accept-Language": "de"}, "en", "This is not Alipay. No money is charged."),
        (CHINESE, "zh-CN", "这不是支付宝，不会产生真实扣款。"),
        ({"Accept-Language": "zh-TW"}, "zh-CN", "这不是支付宝，不会产生真实扣款。"),
    ],
)
def test_every_page_says_that_it_is_a_simulator(buyer, merchant, headers, language, words):
    waiting = buyer.cashier(merchant.page_pay())
    ended = buyer.cashier(merchant.page_pay(biz={"out_trade_no": "T2"}))
    buyer.press(ended, "close")
    refused = merchant.page_pay(app_id="x").url
    for url in (waiting, ended, refused, "/alipay/cashier/nothing"):
        response = buyer.see(url, headers=headers)
        page = response.data.decode("gbk" if url == refused else "utf-8")
        assert words in page
        assert f'<html lang="{language}">' in page


def test_paying_tells_the_shop_and_sends_the_buyer_back(buyer, merchant, shop):
    response = buyer.press(buyer.cashier(merchant.page_pay()), "pay")
    assert response.status_code == 303
    assert response.location.startswith(f"{RETURN_URL}?")
    assert "sign=" in response.location
    assert shop.fields()["trade_status"] == "TRADE_SUCCESS"


def test_the_return_of_a_gbk_merchant_is_gbk(buyer, merchant):
    response = buyer.press(buyer.cashier(merchant.direct_pay(charset="gbk")), "pay")
    assert "subject=Tea%20%B2%E8&" in response.location


def test_paying_again_sends_the_buyer_back_again_and_tells_nobody(buyer, merchant, shop):
    cashier = buyer.cashier(merchant.page_pay())
    buyer.press(cashier, "pay")
    assert buyer.press(cashier, "pay").location.startswith(RETURN_URL)
    assert len(shop.bodies) == 1


def test_a_buyer_without_an_address_to_return_to_sees_that_it_is_paid(buyer, merchant):
    cashier = buyer.cashier(merchant.page_pay(return_url=""))
    response = buyer.press(cashier, "pay")
    assert response.location == cashier
    page = buyer.see(cashier).text
    assert "Payment successful" in page
    assert "Back to the shop" not in page


def test_a_paid_cashier_leads_back_to_the_shop_with_a_signature(buyer, merchant):
    cashier = buyer.cashier(merchant.page_pay())
    buyer.press(cashier, "pay")
    page = buyer.see(cashier).text
    assert "Payment successful" in page
    assert f'href="{RETURN_URL}?charset=utf-8&amp;' in page


@pytest.mark.parametrize(
    ("button", "words"), [("close", "Payment rejected"), ("expire", "Payment timed out")]
)
def test_an_unpaid_ending_is_notified_to_shop_and_buyer(buyer, merchant, shop, button, words):
    cashier = buyer.cashier(merchant.page_pay())
    response = buyer.press(cashier, button)
    assert (response.status_code, response.location) == (303, cashier)
    page = buyer.see(cashier).text
    assert words in page
    assert f'href="{RETURN_URL}"' in page, "a link to the shop, without signed fields"
    assert shop.fields()["trade_status"] == "TRADE_CLOSED"


def test_a_cashier_whose_time_is_over_says_so(buyer, merchant, shop, clock):
    cashier = buyer.cashier(merchant.page_pay(biz={"timeout_express": "1m"}))
    buyer.see(cashier)
    clock.advance(minutes=1)
    assert "Payment timed out" in buyer.see(cashier).text
    assert buyer.press(cashier, "pay").location == cashier
    assert [shop.fields(0)["trade_status"]] == ["TRADE_CLOSED"]


def test_a_shop_without_acknowledgement_delays_no_buyer(buyer, merchant, shop):
    shop.status, shop.text = 500, "Internal Server Error"
    cashier = buyer.cashier(merchant.page_pay())
    assert buyer.press(cashier, "pay").location.startswith(RETURN_URL)
    assert "did not respond" in buyer.see(cashier).text


def test_a_shop_that_breaks_down_is_no_error_of_the_cashiers(buyer, merchant, shop):
    shop.on_post = lambda url, body: 1 / 0
    cashier = buyer.cashier(merchant.page_pay())
    assert buyer.press(cashier, "pay").status_code == 303


def test_the_page_states_that_there_is_no_notify_url(buyer, merchant):
    cashier = buyer.cashier(merchant.page_pay(notify_url=""))
    assert "no notify_url" in buyer.see(cashier).text
    buyer.press(cashier, "pay")
    assert "no notify_url" in buyer.see(cashier).text


def test_a_rejected_order_names_the_code_and_the_parameter(buyer, merchant):
    response = buyer.open(merchant.page_pay(biz={"total_amount": "0"}))
    assert response.status_code == 200, "as on the live gateway"
    text = response.data.decode("gbk")
    assert "ACQ.INVALID_PARAMETER" in text
    assert "total_amount must be between" in text


def test_a_rejected_order_shows_the_page_of_the_live_gateway(buyer, merchant):
    response = buyer.open(merchant.page_pay(app_id="9021000000000009"), headers=CHINESE)
    assert (response.status_code, response.content_type) == (200, "text/html;charset=GBK")
    text = response.data.decode("gbk")
    assert "调试错误，请回到请求来源地，重新发起请求。" in text
    assert re.search(r"错误代码</dt><dd[^>]*>invalid-app-id<", text)
    assert re.search(r"错误原因</dt><dd[^>]*>无效的AppID参数<", text)


def test_a_badly_signed_order_shows_the_string_to_sign(buyer, merchant):
    request = merchant.page_pay(biz={"body": "<script>&amp;🍵"})
    params = request.params | {"sign": "AAAA"}
    response = buyer.see(f"/alipay/gateway.do?{urlencode(params)}")
    text = unescape(response.data.decode("gbk"))
    assert sign_content(request.params, exclude=("sign",)).decode() in text
    assert b"<script>&" not in response.data


def test_a_badly_signed_order_shows_no_address(buyer, merchant):
    params = merchant.page_pay().params | {"return_url": "https://evil.example/"}
    response = buyer.see(f"/alipay/gateway.do?{urlencode(params)}")
    text = response.data.decode("gbk")
    assert "invalid-signature" in text
    assert 'href="http' not in text


def test_an_unknown_method_is_answered_in_json(buyer):
    response = buyer.see("/alipay/gateway.do?method=alipay.trade.fly")
    assert response.status_code == 200
    assert response.content_type == "text/html;charset=utf-8"
    assert json.loads(response.text)["error_response"]["sub_code"] == "isv.invalid-method"


def test_notify_verify_is_plain_text(buyer, merchant, shop):
    buyer.press(buyer.cashier(merchant.direct_pay()), "pay")
    query = {
        "service": "notify_verify",
        "partner": merchant.account.partner,
        "notify_id": shop.fields()["notify_id"],
    }
    response = buyer.see(f"/alipay/gateway.do?{urlencode(query)}")
    assert response.data == b"true"
    assert response.content_type == "text/plain; charset=utf-8"


def test_a_cashier_that_is_not_there_is_a_404_with_an_explanation(buyer):
    for response in (
        buyer.see("/alipay/cashier/nothing"),
        buyer.press("/alipay/cashier/nothing", "pay"),
    ):
        assert response.status_code == 404
        assert "in memory" in response.text


def test_there_is_no_fourth_button(buyer, merchant):
    cashier = buyer.cashier(merchant.page_pay())
    assert buyer.press(cashier, "finish").status_code == 404
    assert buyer.see(f"{cashier}/pay").status_code == 405


def test_markup_in_an_order_is_text(buyer, merchant):
    cashier = buyer.cashier(merchant.page_pay(biz={"subject": "<script>alert(1)</script>"}))
    page = buyer.see(cashier).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_pages_allow_only_their_own_style_and_script(buyer, merchant):
    response = buyer.see(buyer.cashier(merchant.page_pay()))
    policy = response.headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-([\w-]+)'", policy)[1]
    assert "default-src 'none'" in policy
    assert re.findall(r"<(?:style|script)([^>]*)>", response.text) == [f' nonce="{nonce}"'] * 3
    assert not re.search(r'\son\w+="|\sstyle="', response.text)
    again = buyer.see(urlsplit(response.request.url).path)
    assert nonce not in again.headers["Content-Security-Policy"]


def test_nothing_is_kept_by_caches(buyer, merchant):
    cashier = buyer.cashier(merchant.page_pay())
    for response in (
        buyer.see(cashier),
        buyer.press(cashier, "pay"),
        buyer.open(merchant.page_pay(app_id="x")),
        buyer.see("/alipay/gateway.do?service=notify_verify"),
        buyer.see("/alipay/cashier/nothing"),
    ):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_request_that_is_too_large_is_rejected(buyer):
    response = buyer.client.post(
        "/alipay/gateway.do",
        data=b"a=" + b"x" * MAX_BYTES,
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status_code == 413


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "text/xml"])
def test_a_body_that_is_no_form_is_not_read(buyer, content_type):
    response = buyer.client.post(
        "/alipay/gateway.do", data=b"method=alipay.trade.page.pay", content_type=content_type
    )
    assert json.loads(response.text)["error_response"]["sub_code"] == "isv.missing-method"


def test_a_parameter_given_twice_is_rejected(buyer, merchant):
    response = buyer.see(f"{merchant.direct_pay().url}&total_fee=0.01")
    assert response.status_code == 400
    assert "twice" in response.text


def test_one_simulator_can_be_mounted_under_any_name(simulator, merchant):
    app = Flask(__name__)
    app.register_blueprint(simulator_blueprint(simulator, "offline"), url_prefix="/deep/down")
    buyer = Buyer(app)
    query = urlsplit(merchant.page_pay().url).query
    response = buyer.see(f"/deep/down/gateway.do?{query}")
    assert response.location.startswith("/deep/down/cashier/")
    assert "/deep/down/cashier/" in buyer.see(response.location).text


def test_the_simulator_can_be_mounted_inside_another_blueprint(simulator, merchant):
    shop = Blueprint("shop", __name__)
    shop.register_blueprint(simulator_blueprint(simulator), url_prefix="/simulator")
    app = Flask(__name__)
    app.register_blueprint(shop, url_prefix="/alipay")
    buyer = Buyer(app)
    query = urlsplit(merchant.page_pay().url).query
    cashier = buyer.see(f"/alipay/simulator/gateway.do?{query}").location
    assert cashier.startswith("/alipay/simulator/cashier/")
    assert f'action="{cashier}/pay"' in buyer.see(cashier).text


def test_two_simulators_in_two_apps_do_not_share_trades(buyer, merchant, shop):
    cashier = buyer.cashier(merchant.page_pay())
    app = Flask(__name__)
    app.register_blueprint(simulator_blueprint(Simulator(post=shop.post)), url_prefix="/alipay")
    assert Buyer(app).see(cashier).status_code == 404


FIELDS = ["method", "service", "charset", "_input_charset", "sign", "sign_type", "app_id"]
FIELDS += ["partner", "biz_content", "notify_id", "out_trade_no", "timestamp", "total_fee"]
HOSTILE = st.dictionaries(
    st.sampled_from(FIELDS) | st.text(max_size=5),
    st.sampled_from(["alipay.trade.page.pay", "create_direct_pay_by_user", "notify_verify"])
    | st.sampled_from(["utf-8", "gbk", "utf-7", "RSA2", "MD5", "{}", "\0", "%00"])
    | st.text(max_size=20),
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HOSTILE, HOSTILE, st.sampled_from(["utf-8", "gb18030"]))
def test_hostile_requests_are_answered(buyer, query, form, charset):
    response = buyer.client.post(
        f"/alipay/gateway.do?{urlencode(query, encoding=charset, errors='replace')}",
        data=urlencode(form, encoding=charset, errors="replace"),
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status_code in (200, 400)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "payment_type",
                "out_trade_no",
                "subject",
                "total_fee",
                "price",
                "quantity",
                "body",
                "seller_id",
                "it_b_pay",
                "paymethod",
                "defaultbank",
                "notify_url",
                "return_url",
            ]
        ),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
        min_size=1,
        max_size=4,
    )
)
def test_well_signed_nonsense_is_answered(buyer, merchant, changes):
    response = buyer.open(merchant.direct_pay(**changes))
    assert response.status_code in (303, 400)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "out_trade_no",
                "subject",
                "total_amount",
                "body",
                "passback_params",
                "product_code",
                "timeout_express",
                "time_expire",
            ]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=2),
            max_leaves=3,
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["page_pay", "wap_pay"]),
)
def test_well_signed_json_nonsense_is_answered_and_can_be_paid(buyer, merchant, biz, way):
    try:
        request = getattr(merchant, way)(biz=biz)
    except Exception:  # a lone surrogate cannot be signed at all
        return
    response = buyer.open(request)
    assert response.status_code in (303, 200)
    if response.status_code == 303:
        assert buyer.see(response.location).status_code == 200
        assert buyer.press(response.location, "pay").status_code == 303


def test_a_notification_goes_to_the_merchants_address(buyer, merchant, shop):
    seen = []
    shop.on_post = lambda url, body: seen.append(url)
    buyer.press(buyer.cashier(merchant.page_pay()), "pay")
    assert seen == [NOTIFY_URL]
