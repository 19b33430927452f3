"""The fields of a payment on the open platform, with values that it takes and that it does not."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from flask_alipay.exceptions import InvalidParameter
from flask_alipay.gateways.openapi.payments import FIELDS, PRODUCTS, payment_content

from ..looped import for_each

LEAST: dict[str, Any] = {"out_trade_no": "A1", "subject": "茶", "total_amount": "88.88"}

SIGN_PARAMS = {"personal_product_code": "CYCLE_PAY_AUTH_P", "sign_scene": "INDUSTRY|DIGITAL_MEDIA"}

CHANNELS = ["balance", "pcredit,moneyFund"], ["", "a,", ",a", "a b", "a;b"]

#: For each field with a limit the values that are good, and those that are not.
VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "out_trade_no": (["1", "a" * 64, "A_1-2"], ["", "a" * 65, "A.1", "订单", 12]),
    "subject": (["茶", "中" * 256], ["", "中" * 257, "a\nb", "a&b=c", 5]),
    "total_amount": (
        ["0.01", 88, Decimal("88.8"), "100000000"],
        ["0", "1.001", "100000000.01", ""],
    ),
    "body": (["中" * 128], ["", "a" * 129, "a\n", "a&b=c"]),
    "timeout_express": (["1m", "3h", "15d", "1c"], ["0m", "16d", "1.5h", "", 30]),
    "time_expire": (
        ["2026-01-31 23:59:59"],
        ["2026-01-31", "2026-01-31T23:59:59", "", "２026-01-31 23:59:59", "2026-01-31 23:59:59\n"],
    ),
    "passback_params": (["a%3D1%26b%3D2", "a" * 512], ["a" * 513, "a=1&b=2", ""]),
    "goods_type": (["0", 1], ["2", ""]),
    "qr_pay_mode": (["0", "4", 2], ["5", ""]),
    "qrcode_width": ([1, "200"], [0, "a", ""]),
    "integration_type": (["ALIAPP", "PCWEB"], ["WEB", ""]),
    "enable_pay_channels": CHANNELS,
    "disable_pay_channels": CHANNELS,
    "store_id": (["NJ_001", "a" * 32], ["a" * 33, ""]),
    "qr_code_timeout_express": (["1m", "2h"], ["0m", "16d", "1.5h", "", 30]),
    "agreement_sign_params": (
        [SIGN_PARAMS, {**SIGN_PARAMS, "external_logon_id": "茶友"}],
        ["", "{}", [SIGN_PARAMS]],
    ),
    "op_app_id": (["2021000000000101"], ["2021", "wx0000000000000001", ""]),
    "quit_url": (
        ["https://shop.example/?a=b"],
        ["/cart", "javascript:alert(1)", "", "https://shop.example/?a=b&c=d"],
    ),
}

GOOD = [(name, value) for name, (good, _) in VALUES.items() for value in good]
BAD = [(name, value) for name, (_, bad) in VALUES.items() for value in bad]


def content(product: str = "page", charset: str = "utf-8", **values: Any) -> dict[str, Any]:
    return payment_content({**LEAST, **values}, PRODUCTS[product], charset)


def blamed(name: str, **values: Any) -> str:
    with pytest.raises(InvalidParameter) as caught:
        content(**values)
    assert caught.value.parameter == name
    assert str(caught.value).startswith(f"{name} ")
    return str(caught.value)


def test_every_limit_is_tried() -> None:
    assert set(FIELDS) == set(VALUES)


@for_each("name,value", GOOD)
def test_a_good_value_is_sent(name: str, value: Any) -> None:
    sent = content(**{name: value})[name]
    if name == "total_amount":
        assert Decimal(sent) == Decimal(value)
        assert sent[-3] == "."
    else:
        assert sent == (value if isinstance(value, dict) else str(value))


@for_each("name,value", BAD)
def test_a_bad_value_is_reported_by_name(name: str, value: Any) -> None:
    blamed(name, **{name: value})


@pytest.mark.parametrize("name", LEAST)
def test_a_missing_field_is_named(name: str) -> None:
    assert "is required" in blamed(name, **{name: None})


def test_a_float_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="total_amount must be a str, an int or a Decimal"):
        content(total_amount=88.88)


@pytest.mark.parametrize(
    ("product", "method", "code"),
    [
        ("page", "alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
        ("wap", "alipay.trade.wap.pay", "QUICK_WAP_WAY"),
    ],
)
def test_each_product_has_its_code(product: str, method: str, code: str) -> None:
    assert PRODUCTS[product].method == method
    assert content(product) == {"product_code": code, **LEAST}


def test_a_time_is_sent_as_china_time() -> None:
    instant = datetime(2025, 12, 31, 16, 0, tzinfo=timezone.utc)
    assert content(time_expire=instant)["time_expire"] == "2026-01-01 00:00:00"
    elsewhere = instant.astimezone(timezone(-timedelta(hours=5)))
    assert content(time_expire=elsewhere)["time_expire"] == "2026-01-01 00:00:00"


def test_a_time_without_a_zone_is_rejected() -> None:
    assert "aware" in blamed("time_expire", time_expire=datetime(2026, 1, 1))  # noqa: DTZ001


def test_channels_are_allowed_or_forbidden_but_not_both() -> None:
    blamed("disable_pay_channels", enable_pay_channels="balance", disable_pay_channels="pcredit")


def test_other_fields_are_passed_through() -> None:
    goods = [{"goods_id": "tea", "price": "88.88", "quantity": 1}]
    assert content(goods_detail=goods, extend_params={"hb_fq_num": "3"})["goods_detail"] == goods
    assert "store_name" not in content(store_name=None)


def test_no_other_field_may_embed_one() -> None:
    blamed("merchant_note", merchant_note="a&trade_status=TRADE_SUCCESS")


def test_the_callers_values_are_not_changed() -> None:
    values = {**LEAST, "body": None}
    payment_content(values, PRODUCTS["page"], "utf-8")
    assert values == {**LEAST, "body": None}
