"""Fields format valid values as Alipay's text and name the parameter of invalid ones."""

from __future__ import annotations

import ipaddress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import BadNotification, InvalidAmount, InvalidParameter
from flask_alipay.protocol import validation
from flask_alipay.protocol.notification import Notification
from flask_alipay.protocol.validation import Validator, validate_params

TABLE: dict[str, Validator] = {"total_fee": validation.amount, "body": validation.text(5)}


def blamed(field: Validator, value: Any, charset: str = "utf-8") -> str:
    with pytest.raises(InvalidParameter, match=r"^some_name ") as caught:
        field("some_name", value, charset)
    assert caught.value.parameter == "some_name"
    return str(caught.value)


def test_a_table_converts_the_given_values() -> None:
    given = {"total_fee": 88, "body": None}
    assert validate_params(TABLE, given, "utf-8", "some.service") == {"total_fee": "88.00"}
    assert given == {"total_fee": 88, "body": None}


def test_an_unknown_parameter_is_reported_by_name() -> None:
    with pytest.raises(InvalidParameter, match=r"^totalfee is not a parameter of some\.service"):
        validate_params(TABLE, {"totalfee": 1}, "utf-8", "some.service")


def test_an_unknown_parameter_may_be_none() -> None:
    assert validate_params(TABLE, {"bank": None}, "utf-8", "some.service") == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("88.88", "88.88"),
        ("88.8", "88.80"),
        (88, "88.00"),
        (Decimal("0.01"), "0.01"),
        (Decimal("1E+2"), "100.00"),
        ("100000000", "100000000.00"),
    ],
)
def test_an_amount_has_two_decimals(value: Any, text: str) -> None:
    assert validation.amount("total_fee", value, "utf-8") == text


@pytest.mark.parametrize(
    "value", ["0", "0.001", "-1", "1e2", "100000000.01", "", "１", " 1", "1,0"]
)
def test_an_invalid_amount_is_rejected(value: str) -> None:
    with pytest.raises(InvalidAmount, match=r"^total_fee "):
        validation.amount("total_fee", value, "utf-8")


@pytest.mark.parametrize("value", [88.88, 1.0, float("nan"), True, b"1", [1]])
def test_a_float_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="total_fee must be a str, an int or a Decimal"):
        validation.amount("total_fee", value, "utf-8")


def test_an_order_number_is_letters_digits_underscores_and_hyphens() -> None:
    assert validation.out_trade_no("out_trade_no", "A_1-2", "utf-8") == "A_1-2"
    assert "64" in blamed(validation.out_trade_no, "A.1")


@pytest.mark.parametrize("value", ["1m", "90m", "2h", "15d", "1c"])
def test_a_timeout_is_sent_as_it_is(value: str) -> None:
    assert validation.timeout("it_b_pay", value, "utf-8") == value


@pytest.mark.parametrize("value", ["1.5h", "16d", "0m", "2c", "", 30])
def test_another_timeout_is_rejected(value: Any) -> None:
    blamed(validation.timeout, value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:DB8::0:1", "2001:db8::1"),
        (ipaddress.ip_address("203.0.113.9"), "203.0.113.9"),
    ],
)
def test_an_address_is_written_the_usual_way(value: Any, text: str) -> None:
    assert validation.ip_address("exter_invoke_ip", value, "utf-8") == text


@pytest.mark.parametrize(
    "value", ["localhost", "203.0.113", "203.0.113.9:80", "", 5, b"\x7f\0\0\1"]
)
def test_another_address_is_rejected(value: Any) -> None:
    blamed(validation.ip_address, value)


def test_a_text_is_one_line_within_its_limit() -> None:
    field = validation.text(5)
    assert field("body", "龙井茶叶a", "gbk") == "龙井茶叶a"
    for bad in ("", "123456", "a\nb", "a\0", None, 5):
        blamed(field, bad)


def test_a_text_may_be_counted_in_bytes() -> None:
    field = validation.text(4, in_bytes=True)
    assert field("subject", "龙井", "gbk") == "龙井"
    assert "bytes in utf-8" in blamed(field, "龙井")


def test_a_character_that_the_charset_lacks_is_reported() -> None:
    assert "gbk does not have" in blamed(validation.text(9, in_bytes=True), "🍵", "gbk")


def test_characters_can_be_forbidden() -> None:
    field = validation.text(9, without="=&")
    assert field("extra", "a|b", "utf-8") == "a|b"
    for bad in ("a=b", "a&b"):
        assert f"the character {bad[1]}" in blamed(field, bad)


@pytest.mark.parametrize("value", ["Tea & Co", "a=b", "1&2", "R&D", "&", "=", "a& b=c", "a&=b"])
def test_a_text_may_contain_harmless_separators(value: str) -> None:
    assert validation.text(20)("subject", value, "utf-8") == value


@pytest.mark.parametrize("value", ["a&b=c", "&trade_status=TRADE_SUCCESS", "茶&心=1"])
def test_a_text_with_an_embedded_field_is_rejected_before_alipay_repeats_it(value: str) -> None:
    # The notification of such a payment would be refused, and the money never be seen.
    assert "another field" in blamed(validation.text(50), value)
    notified = {
        "out_trade_no": "A1",
        "trade_status": "TRADE_SUCCESS",
        "total_amount": "1.00",
        "subject": value,
    }
    with pytest.raises(BadNotification):
        Notification.from_params(notified)


@given(st.text("ab &=茶1", min_size=1, max_size=12))
def test_a_sent_text_returns_in_a_valid_notification(value: str) -> None:
    try:
        validation.text(99)("subject", value, "utf-8")
    except InvalidParameter:
        return
    notified = {
        "out_trade_no": "A1",
        "trade_status": "TRADE_SUCCESS",
        "total_amount": "1.00",
        "subject": value,
    }
    assert Notification.from_params(notified).total_fen == 100


def test_a_choice_may_be_given_as_a_number() -> None:
    field = validation.choice("0", "1")
    assert field("goods_type", 1, "utf-8") == field("goods_type", "1", "utf-8") == "1"


@pytest.mark.parametrize("value", ["2", 2, "", True, ["1"], 1.0, "１"])
def test_another_choice_is_rejected(value: Any) -> None:
    assert "0, 1" in blamed(validation.choice("0", "1"), value)


def test_a_pattern_applies_to_the_complete_value() -> None:
    field = validation.pattern(r"[0-9]{2}", "two digits")
    assert field("some_name", "12", "utf-8") == "12"
    for bad in ("123", "1", "12\n", "１２", None, 12):
        assert "must be two digits" in blamed(field, bad)


def test_an_integer_is_within_its_limits() -> None:
    field = validation.integer(1, 100)
    for good in (1, "1", "001", 100):
        assert field("quantity", good, "utf-8") == str(int(good))
    for bad in (0, 101, "101", -1, "-1", 1.0, "1.0", True, "", None, "１", "9" * 99, " 1"):
        blamed(field, bad)


def test_a_url_is_absolute_and_perhaps_without_a_query() -> None:
    assert validation.url(99)("show_url", "https://a.example/?b=c", "utf-8")
    blamed(validation.url(99), "https://a.example/?b=c&service=close_trade")
    blamed(validation.url(99), "https://a.example&out_order_no=T1/")
    blamed(validation.url(20), "https://shop.example/" + "a" * 20)
    blamed(validation.url(99), "/relative")
    blamed(validation.url(99, query=False), "https://a.example/?b=c")
