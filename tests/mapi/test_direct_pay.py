"""Every parameter of instant payment, with values that Alipay takes and values that it does not.

The table of parameters is Alipay's own, read again from its documentation and not from the code.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from flask_alipay.exceptions import InvalidAmount, InvalidParameter
from flask_alipay.gateways.mapi.direct_pay import SELLERS, DirectPay, direct_pay_params
from flask_alipay.gateways.parameters import declared_parameters

from ..looped import for_each

#: The least that makes a payment.
LEAST: dict[str, Any] = {
    "out_trade_no": "A1",
    "subject": "茶",
    "total_fee": "88.88",
    "seller_id": "2088000000000001",
}

ACCOUNT = ["2088000000000001"], ["2088", "20880000000000011", "208800000000000a", "", 5.0]
NAME = ["boss@shop.example", "a" * 100], ["", "a" * 101, "a\nb", 5]
WAYS = (
    ["directPay", "bankPay^creditCard", "debitCardExpress^moneyFund"],
    ["", "a^", "^a", "a|b", "a b"],
)
MEMO = "2088000000000002^1.00^memo"

#: For each parameter the values that are good, and those that are not.
VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "out_trade_no": (["1", "a" * 64, "A_1-2"], ["", "a" * 65, "A.1", "订单", 12]),
    "subject": (["茶", "a" * 256, "中" * 85], ["", "a" * 257, "中" * 86, "a\nb", "a&b=c", 5]),
    "total_fee": (
        ["0.01", 88, Decimal("88.8"), "100000000.00"],
        ["0", "0.001", "100000000.01", "x"],
    ),
    "price": (["0.01", 88], ["0", "-1", "1.999"]),
    "quantity": ([1, "3", 1_000_000], [0, -1, "1.5", "", True, 1_000_001]),
    "body": (["a" * 1000, "中" * 1000], ["", "a" * 1001, "a\r", "a&total_fee=1"]),
    "show_url": (["https://shop.example/tea?id=1"], ["/tea", "ftp://shop.example", ""]),
    "notify_url": (
        ["https://shop.example/notify", "https://shop.example/" + "a" * 169],
        ["https://shop.example/?a=b", "https://shop.example/" + "a" * 170, "/notify", ""],
    ),
    "return_url": (
        ["https://shop.example/return", "https://shop.example/" + "a" * 179],
        ["https://shop.example/?a=b", "https://shop.example/" + "a" * 180, "/return", ""],
    ),
    "seller_id": ACCOUNT,
    "seller_email": NAME,
    "seller_account_name": NAME,
    "buyer_id": ACCOUNT,
    "buyer_email": NAME,
    "buyer_account_name": NAME,
    "paymethod": (["directPay", "creditPay", "CASH", "cartoon"], ["bank", "bankpay", "", 1]),
    "defaultbank": (["ICBCB2C", "CCB-DEBIT", "NEWBANK1"], ["icbc", "CCB_DEBIT", "", "A B", 5]),
    "enable_paymethod": WAYS,
    "disable_paymethod": WAYS,
    "anti_phishing_key": (["KP3FukgLZGvqoxhx2g=="], ["", "a" * 101, "a\n"]),
    "exter_invoke_ip": (["203.0.113.9", "2001:db8::1"], ["localhost", "1.2.3", "", 5]),
    "extra_common_param": (["a|b-c", "中"], ["a=b", "a&b", "", "a" * 101]),
    "it_b_pay": (["1m", "3h", "15d", "1c"], ["0m", "16d", "1.5h", "5c", "", 30]),
    "token": (["a" * 40], ["", "a" * 41]),
    "qr_pay_mode": (["0", "1", "2", "3", 2], ["5", 5, "", "a", True]),
    "qrcode_width": ([1, "200"], [0, "a", -1, ""]),
    "need_buyer_realnamed": (["T"], ["F", "t", "", True]),
    "hb_fq_param": (
        ["hb_fq_seller_percent^0|hb_fq_num^3", "hb_fq_seller_percent^100|hb_fq_num^12"],
        [
            "hb_fq_num^3",
            "hb_fq_num^3|hb_fq_seller_percent^0",
            "",
            "hb_fq_seller_percent^|hb_fq_num^",
        ],
    ),
    "goods_type": (["1", "0", 0], ["2", "", "real"]),
    "extend_param": (["a^b", "a^b|c^d"], ["", "a", "a^b|", "a^", "^b", "a^b^c", "a^b\n"]),
    "royalty_type": (["10", 10], ["11", "", "1"]),
    "royalty_parameters": (
        [MEMO, "boss@shop.example^0.5^", "|".join([MEMO] * 10)],
        ["", "a^b^c", "a^1", "a^1.999^m", "|".join([MEMO] * 11), f"{MEMO}|", "a^-1^m", "a^1^m\n"],
    ),
}

#: What goes along where a parameter does not stand alone; ``None`` takes the least's away.
BESIDE: dict[str, dict[str, Any]] = {
    "price": {"quantity": 1, "total_fee": None},
    "quantity": {"price": 1, "total_fee": None},
    "defaultbank": {"paymethod": "bankPay"},
    "qrcode_width": {"qr_pay_mode": "4"},
    "royalty_type": {"royalty_parameters": MEMO},
    "royalty_parameters": {"royalty_type": "10"},
}

GOOD = [(name, value) for name, (good, _) in VALUES.items() for value in good]
BAD = [(name, value) for name, (_, bad) in VALUES.items() for value in bad]


def params(charset: str = "utf-8", **values: Any) -> dict[str, str]:
    return direct_pay_params({**LEAST, **values}, charset)


def blamed(name: str, charset: str = "utf-8", **values: Any) -> str:
    with pytest.raises(InvalidParameter) as caught:
        params(charset, **values)
    assert caught.value.parameter == name
    assert str(caught.value).startswith(f"{name} ")
    return str(caught.value)


def test_code_and_types_and_documentation_list_the_same_parameters() -> None:
    assert set(declared_parameters(DirectPay)) == set(VALUES)


@for_each("name,value", GOOD)
def test_a_good_value_is_sent(name: str, value: Any) -> None:
    sent = params(**{**BESIDE.get(name, {}), name: value})[name]
    if name in ("total_fee", "price"):
        assert Decimal(sent) == Decimal(value)
        assert sent[-3] == "."
    else:
        assert sent == str(value)


@for_each("name,value", BAD)
def test_a_bad_value_is_reported_by_name(name: str, value: Any) -> None:
    message = blamed(name, **{**BESIDE.get(name, {}), name: value})
    if isinstance(value, str) and len(value) > 20:
        assert value not in message


@pytest.mark.parametrize("name", ["total_fee", "price"])
def test_a_float_is_a_type_error(name: str) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be a str, an int or a Decimal, not a float"):
        params(**{**BESIDE.get(name, {}), name: 88.88})


@for_each("name", VALUES)
def test_none_is_a_parameter_that_is_not_given(name: str) -> None:
    nothing: dict[str, Any] = {name: None}
    if name in LEAST:
        blamed(name, **nothing)
    else:
        assert name not in params(**nothing)


def test_a_parameter_that_does_not_exist_is_reported() -> None:
    assert "create_direct_pay_by_user" in blamed("totalfee", totalfee="1.00")
    blamed("total_amount", total_amount="1.00")


def test_the_amount_is_given_in_one_way_only() -> None:
    by_piece: dict[str, Any] = {"price": "9.99", "quantity": 3}
    assert params(**by_piece, total_fee=None)["price"] == "9.99"
    assert "never both" in blamed("total_fee", **by_piece)
    blamed("quantity", price="9.99", total_fee=None)
    blamed("price", quantity=3, total_fee=None)
    blamed("quantity", price="9.99")


def test_an_amount_outside_the_limits_is_an_invalid_amount() -> None:
    with pytest.raises(InvalidAmount):
        params(total_fee="100000000.01")


def test_a_bank_implies_the_payment_method() -> None:
    assert params(defaultbank="CMB")["paymethod"] == "bankPay"


def test_bank_and_way_to_pay_go_together() -> None:
    blamed("defaultbank", paymethod="bankPay")
    blamed("defaultbank", paymethod="directPay", defaultbank="CMB")


def test_ways_to_pay_are_allowed_or_forbidden_but_not_both() -> None:
    blamed("disable_paymethod", enable_paymethod="bankPay", disable_paymethod="creditCard")


def test_a_share_needs_its_type() -> None:
    blamed("royalty_parameters", royalty_type="10")
    blamed("royalty_parameters", royalty_parameters=MEMO)


@pytest.mark.parametrize("mode", [None, "0", "3"])
def test_a_width_belongs_to_a_qr_code_of_ones_own_size(mode: str | None) -> None:
    blamed("qrcode_width", qr_pay_mode=mode, qrcode_width=100)
    blamed("qrcode_width", qr_pay_mode="4")
    assert params(qr_pay_mode=4, qrcode_width=100)["qrcode_width"] == "100"


@pytest.mark.parametrize("seller", SELLERS)
def test_any_of_three_names_the_seller(seller: str) -> None:
    value = VALUES[seller][0][0]
    assert params(**{"seller_id": None, seller: value})[seller] == value


def test_a_seller_is_required() -> None:
    assert "seller_email" in blamed("seller_id", seller_id=None)


def test_sellers_are_named_in_the_order_in_which_alipay_heeds_them() -> None:
    assert SELLERS == ("seller_id", "seller_email", "seller_account_name")


@pytest.mark.parametrize(("charset", "fits"), [("utf-8", 85), ("gbk", 128), ("gb2312", 128)])
def test_a_subject_is_counted_in_the_bytes_that_are_sent(charset: str, fits: int) -> None:
    assert params(charset, subject="中" * fits)["subject"] == "中" * fits
    assert "bytes" in blamed("subject", charset, subject="中" * (fits + 1))


def test_a_character_that_gbk_does_not_have_is_reported_for_the_subject() -> None:
    assert "gbk does not have" in blamed("subject", "gbk", subject="茶 🍵")


def test_the_callers_values_are_not_changed() -> None:
    values = {**LEAST, "defaultbank": "CMB"}
    direct_pay_params(values, "utf-8")
    assert values == {**LEAST, "defaultbank": "CMB"}
