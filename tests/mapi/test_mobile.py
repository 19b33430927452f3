"""Payments in apps: an order as quoted text, and the result that the app is told at once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import (
    BadNotification,
    BadSignature,
    ConfigurationError,
    InvalidParameter,
    NotificationRefused,
    WrongAccount,
)
from flask_alipay.gateways.mapi import MAPI_PUBLIC_KEY, MapiGateway
from flask_alipay.gateways.mapi.mobile import order_string
from flask_alipay.signer import Rsa2Signer, RsaSigner

from ..conftest import Keys
from ..doubles.mapi import PARTNER, Alipay, gateway
from ..vectors import Vector, is_valid, signer_of, with_vectors

ORDER: dict[str, Any] = {
    "out_trade_no": "A1",
    "subject": "龙井茶",
    "total_fee": "88.88",
    "body": "100g & more",
    "notify_url": "https://shop.example/notify",
}


@pytest.fixture
def merchant(keys: Keys) -> MapiGateway:
    return gateway(signer=RsaSigner(keys.merchant, keys.alipay.public_key()))


@with_vectors("sdk-order-string", where=lambda vector: vector["protocol"] == "mapi")
def test_an_order_is_written_byte_for_byte(vector: Vector) -> None:
    # Its notify_url is a path, which the method refuses: the text alone is reproduced.
    pairs = [pair.split("=", 1) for pair in vector["string_to_sign"].split("&")]
    params = {name: value.strip('"') for name, value in pairs}
    assert order_string(params, signer_of(vector)) == vector["order_string"]


@with_vectors("captured-sdk-result")
def test_a_captured_result_is_judged_right(vector: Vector) -> None:
    merchant = MapiGateway(
        "2088901022676171", RsaSigner(public_key=MAPI_PUBLIC_KEY), transport=Alipay()
    )
    text = f'{vector["string_to_sign"]}&sign_type="RSA"&sign="{vector["sign"]}"'
    raw = vector.get("raw", f"resultStatus={{9000}};memo={{}};result={{{text}}}")
    if not is_valid(vector):
        with pytest.raises(BadSignature):
            merchant.check_mobile_result(raw)
        return
    three = {"resultStatus": "9000", "memo": "", "result": text}
    for notification in (raw, three):
        result = merchant.check_mobile_result(notification)
        assert (result.status, result.success) == ("9000", True)
        assert result.params["notify_url"] == "http%3A%2F%2F210.73.220.241%2Falipay%2Fnotify"
    other = MapiGateway(PARTNER, RsaSigner(public_key=MAPI_PUBLIC_KEY), transport=Alipay())
    with pytest.raises(WrongAccount):
        other.check_mobile_result(raw)


def test_an_order_keeps_the_callers_order(merchant: MapiGateway, keys: Keys) -> None:
    order = merchant.mobile_securitypay_pay(**ORDER, it_b_pay="30m")
    text, _, signed = order.partition('&sign="')
    assert text == (
        'service="mobile.securitypay.pay"&_input_charset="utf-8"'
        f'&partner="{PARTNER}"&seller_id="{PARTNER}"&payment_type="1"'
        '&out_trade_no="A1"&subject="龙井茶"&total_fee="88.88"&body="100g & more"'
        '&notify_url="https://shop.example/notify"&it_b_pay="30m"'
    )
    sign, _, sign_type = signed.partition('"&sign_type=')
    assert sign_type == '"RSA"'
    assert RsaSigner(public_key=keys.merchant.public_key()).verify(text.encode(), unquote(sign))
    reverse = dict(reversed(ORDER.items()))
    assert 'payment_type="1"&notify_url=' in merchant.mobile_securitypay_pay(**reverse)


def test_app_payments_are_in_utf_8_whatever_the_merchants_charset(merchant: MapiGateway) -> None:
    order = merchant.in_charset("gbk").mobile_securitypay_pay(**{**ORDER, "subject": "🍵"})
    assert '_input_charset="utf-8"' in order
    assert 'subject="🍵"' in order


@pytest.mark.parametrize("name", list(ORDER))
def test_a_missing_parameter_of_an_order_is_named(merchant: MapiGateway, name: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        merchant.mobile_securitypay_pay(**{**ORDER, name: None})
    assert caught.value.parameter == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subject", 'a" & "b'),
        ("body", 'x"&total_fee="0.01'),
        ("notify_url", "/notify"),
        ("total_fee", "0"),
        ("it_b_pay", "16d"),
        ("defaultbank", "CMB"),
    ],
)
def test_an_invalid_parameter_of_an_order_is_named(
    merchant: MapiGateway, name: str, value: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        merchant.mobile_securitypay_pay(**{**ORDER, name: value})
    assert caught.value.parameter == name


def test_an_amount_has_two_decimals(merchant: MapiGateway) -> None:
    order = merchant.mobile_securitypay_pay(**{**ORDER, "total_fee": Decimal("0.1")})
    assert 'total_fee="0.10"' in order
    with pytest.raises(TypeError, match="not a float"):
        merchant.mobile_securitypay_pay(**{**ORDER, "total_fee": 0.1})


def test_the_money_is_for_the_merchant(keys: Keys) -> None:
    by_email = gateway(signer=RsaSigner(keys.merchant), seller_email="boss@shop.example")
    assert 'seller_id="boss@shop.example"' in by_email.mobile_securitypay_pay(**ORDER)
    order = by_email.mobile_securitypay_pay(**ORDER, seller_id="other@shop.example")
    assert 'seller_id="other@shop.example"' in order


def test_an_order_is_signed_with_rsa_alone(keys: Keys) -> None:
    for merchant in (gateway(), gateway(signer=Rsa2Signer(keys.merchant))):
        with pytest.raises(ConfigurationError, match="must be RSA"):
            merchant.mobile_securitypay_pay(**ORDER)


def notification(keys: Keys, text: str, status: str = "9000") -> str:
    sign = RsaSigner(keys.alipay).sign(text.encode())
    result = f'{text}&sign_type="RSA"&sign="{sign}"'
    return f"resultStatus={{{status}}};memo={{操作成功}};result={{{result}}}"


PAID = f'partner="{PARTNER}"&out_trade_no="A1"&total_fee="88.88"&success="true"'


def test_a_payment_is_a_success_if_alipay_signed_one(merchant: MapiGateway, keys: Keys) -> None:
    result = merchant.check_mobile_result(notification(keys, PAID))
    assert (result.status, result.memo, result.success) == ("9000", "操作成功", True)
    assert result.params["out_trade_no"] == "A1"
    failed = merchant.check_mobile_result(notification(keys, PAID.replace("true", "false")))
    assert not failed.success
    assert not merchant.check_mobile_result(notification(keys, f'partner="{PARTNER}"')).success


@pytest.mark.parametrize("status", ["8000", "4000", "6001", "6002", ""])
def test_another_status_is_no_success(merchant: MapiGateway, keys: Keys, status: str) -> None:
    for text in (
        f"resultStatus={{{status}}};memo={{x}};result={{}}",
        notification(keys, PAID, status),
    ):
        result = merchant.check_mobile_result(text)
        assert (result.status, result.success, result.params) == (status, False, {})


def test_a_success_without_a_signature_is_rejected(merchant: MapiGateway, keys: Keys) -> None:
    good = notification(keys, PAID)
    forged = (
        f"resultStatus={{9000}};memo={{}};result={{{PAID}}}",
        f'resultStatus={{9000}};memo={{}};result={{{PAID}&sign_type="RSA"&sign=""}}',
        good.replace("88.88", "0.01"),
        good.replace('sign_type="RSA"', 'sign_type="MD5"'),
        good.replace("A1", "A2"),
        notification(Keys(keys.alipay, keys.merchant), PAID),
        "resultStatus={9000};memo={};result={}",
    )
    for text in forged:
        with pytest.raises(BadSignature):
            merchant.check_mobile_result(text)


def test_a_signed_text_that_could_be_read_otherwise_is_rejected(
    merchant: MapiGateway, keys: Keys
) -> None:
    for text in (
        f'{PAID}&total_fee="0.01"',
        f"{PAID}&subject=tea",
        f'{PAID}&subject="a"b"',
        f'{PAID}&"',
    ):
        with pytest.raises(BadNotification):
            merchant.check_mobile_result(notification(keys, text))


def test_a_merchant_with_md5_cannot_verify_an_apps_result(keys: Keys) -> None:
    with pytest.raises(BadSignature, match="MD5 is configured"):
        gateway().check_mobile_result(notification(keys, PAID))


@given(st.text(max_size=100))
def test_whatever_an_app_says_is_read_or_rejected(text: str) -> None:
    merchant = gateway()
    wrong: Any = {"resultStatus": 9000, "memo": None}
    for result in (text, {"resultStatus": "9000", "result": text}, wrong):
        with pytest.raises(NotificationRefused):
            merchant.check_mobile_result(result)
