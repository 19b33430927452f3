"""Whatever is sent, there is an answer."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_alipay.simulator.mapi.gateway import Mapi

from ...strategies import examples

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
SERVICES = st.sampled_from(
    [
        "create_direct_pay_by_user",
        "alipay.wap.create.direct.pay.by.user",
        "create_partner_trade_by_buyer",
        "trade_create_by_buyer",
        "create_forex_trade",
        "create_forex_trade_wap",
        "single_trade_query",
        "close_trade",
        "send_goods_confirm_by_platform",
        "refund_fastpay_by_platform_pwd",
        "refund_fastpay_by_platform_nopwd",
        "batch_trans_notify",
        "query_timestamp",
        "account.page.query",
        "forex_refund",
        "forex_rate_file",
        "alipay.acquire.overseas.query",
        "alipay.acquire.overseas.spot.refund",
        "alipay.mobile.qrcode.manage",
        "alipay.commerce.qrcode.create",
        "alipay.commerce.qrcode.modify",
    ]
)
VALUES = TEXT | st.sampled_from(
    [
        "T1",
        "1",
        "0.01",
        "-1",
        "20260131001",
        "1^1^x",
        "1^1^x#2^2^y",
        "USD",
        "JPY",
        "{}",
        "EMS",
        "2026-01-31 12:00:00",
        "20260131120000",
        "2088000000000001",
        "https://shop.example/x",
        "shop@simulator.invalid",
        "SELLER_PAY",
        "BUYER_PAY",
        "add",
        "1^a^b^1^n|",
        "<x/>",
        "1\r\x07",
    ]
)
NAMES = st.sampled_from(
    [
        "out_trade_no",
        "trade_no",
        "out_order_no",
        "subject",
        "total_fee",
        "rmb_fee",
        "price",
        "quantity",
        "discount",
        "payment_type",
        "seller_id",
        "logistics_type",
        "logistics_fee",
        "logistics_payment",
        "logistics_name",
        "transport_type",
        "currency",
        "notify_url",
        "refund_date",
        "batch_no",
        "batch_num",
        "batch_fee",
        "detail_data",
        "email",
        "pay_date",
        "account_name",
        "page_no",
        "page_size",
        "gmt_start_time",
        "gmt_end_time",
        "return_amount",
        "out_return_no",
        "gmt_return",
        "partner_trans_id",
        "partner_refund_id",
        "refund_amount",
        "method",
        "timestamp",
        "biz_type",
        "biz_data",
        "qrcode",
        "show_url",
        "timeout_rule",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(300))
@given(SERVICES, st.dictionaries(NAMES | TEXT.filter(bool), VALUES, max_size=8))
def test_well_signed_nonsense_is_answered(app, merchant, service, params):
    params = {k: v for k, v in params.items() if k not in ("sign", "sign_type", "service")}
    try:
        request = merchant.call(service, **{"_input_charset": "utf-8"} | params)
    except TypeError:
        return  # a name of an argument of the test's own
    response = app.test_client().get(request.url)
    assert response.status_code in (200, 303, 400)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_are_an_order_string(app, body):
    response = app.test_client().post("/alipay/mobile/pay", data=body)
    assert response.text.startswith("resultStatus={4000};")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["service", "sec_id", "v", "req_data"]) | TEXT, TEXT))
def test_any_form_is_answered_by_the_older_gateway(app, params):
    response = app.test_client().get(f"/alipay/service/rest.htm?{urlencode(params)}")
    assert response.status_code in (200, 400)


def test_every_service_of_the_table_is_there(simulator):
    gateway: Mapi = simulator.dialects.mapi
    assert set(gateway.services) == set(SERVICES.elements)


@pytest.mark.parametrize("service", ["create_fly", "mobile.securitypay.pay", ""])
def test_a_service_that_is_not_there_is_named(buyer, merchant, service):
    assert "ILLEGAL_SERVICE" in buyer.open(merchant.call(service or "?")).text
