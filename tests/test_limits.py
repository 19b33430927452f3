"""Checks accept valid values and name the parameter of invalid ones."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import InvalidParameter
from flask_alipay.protocol.validation import (
    check_choice,
    check_out_trade_no,
    check_pattern,
    check_text,
    check_url,
    timeout_minutes,
)


@pytest.mark.parametrize("value", ["1", "20260102_ABC_xyz", "wc-order-17", "-", "a" * 64])
def test_letters_digits_underscores_and_hyphens_make_an_order_number(value: str) -> None:
    check_out_trade_no(value)


@pytest.mark.parametrize(
    "value", ["", "a" * 65, "a.b", "a b", "a\n", "a&b=c", "订单1", "１２", "ä", None, 12, b"12"]
)
def test_another_order_number_is_rejected(value: object) -> None:
    with pytest.raises(InvalidParameter, match=r"^out_trade_no must be") as caught:
        check_out_trade_no(value)  # type: ignore[arg-type]
    assert caught.value.parameter == "out_trade_no"


def test_an_order_number_under_another_name_is_reported_by_that_name() -> None:
    with pytest.raises(InvalidParameter, match=r"^out_request_no "):
        check_out_trade_no("", "out_request_no")


def test_a_text_is_counted_in_characters() -> None:
    check_text("body", "中" * 10, max_length=10)
    with pytest.raises(InvalidParameter, match="at most 10 characters, it has 11"):
        check_text("body", "中" * 11, max_length=10)


@pytest.mark.parametrize(("charset", "fits"), [("utf-8", 85), ("gbk", 128), ("GB2312", 128)])
def test_a_text_is_counted_in_bytes_of_its_charset(charset: str, fits: int) -> None:
    check_text("subject", "中" * fits, max_length=256, charset=charset)
    with pytest.raises(InvalidParameter, match=f"at most 256 bytes in {charset}"):
        check_text("subject", "中" * (fits + 1), max_length=256, charset=charset)


@pytest.mark.parametrize("value", ["茶 🍵", "ß"])
def test_a_character_that_gbk_does_not_have_is_rejected(value: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^subject has a character that gbk does not have"):
        check_text("subject", value, max_length=256, charset="gbk")


@pytest.mark.parametrize("value", ["", None, 5, b"tea", "two\nlines", "\x00", "tab\t", "\x7f"])
def test_a_text_is_one_line_and_not_empty(value: object) -> None:
    with pytest.raises(InvalidParameter, match=r"^subject must"):
        check_text("subject", value, max_length=256)  # type: ignore[arg-type]


def test_a_choice_lists_its_values() -> None:
    check_choice("paymethod", "bankPay", ("bankPay", "directPay"))
    with pytest.raises(InvalidParameter, match=r"^paymethod must be one of bankPay, directPay"):
        check_choice("paymethod", "cash", ("bankPay", "directPay"))


def test_a_pattern_must_match_the_complete_value() -> None:
    shape = re.compile("[0-9]{4}")
    check_pattern("year", "2026", shape, "four digits")
    for value in ("20266", "2026\n", "", None):
        with pytest.raises(InvalidParameter, match=r"^year must be four digits"):
            check_pattern("year", value, shape, "four digits")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    ["https://shop.example/", "http://127.0.0.1:5000/alipay/notify", "https://shop.example/a?b=c"],
)
def test_an_absolute_url_is_accepted(value: str) -> None:
    check_url("notify_url", value, max_length=256)


@pytest.mark.parametrize(
    "value",
    [
        "/alipay/notify",
        "//shop.example/",
        "shop.example",
        "ftp://shop.example/",
        "javascript:alert(1)",
        "https://",
        "https://[::1",
        "https://shop.example/a b",
        "https://shop.example/商店",
        "https://shop.example/\n",
        "",
        None,
        "https://shop.example/" + "a" * 256,
    ],
)
def test_a_url_that_alipay_cannot_call_is_rejected(value: object) -> None:
    with pytest.raises(InvalidParameter, match=r"^notify_url must"):
        check_url("notify_url", value, max_length=256)  # type: ignore[arg-type]


def test_a_message_explains_how_to_encode_a_url_that_is_not_ascii() -> None:
    with pytest.raises(InvalidParameter, match="punycode"):
        check_url("notify_url", "https://茶店.example/notify", max_length=256)


def test_a_query_is_rejected_if_it_would_be_lost() -> None:
    check_url("notify_url", "https://shop.example/notify", max_length=190, query=False)
    with pytest.raises(InvalidParameter, match=r"^notify_url must not have a query"):
        check_url("notify_url", "https://shop.example/notify?a=b", max_length=190, query=False)


@given(st.text())
def test_any_text_is_a_url_or_an_invalid_parameter(value: str) -> None:
    with suppress(InvalidParameter):
        check_url("return_url", value, max_length=256)


@pytest.mark.parametrize(
    ("value", "minutes"), [("1m", 1), ("90m", 90), ("2h", 120), ("15d", 21600), ("21600m", 21600)]
)
def test_a_timeout_is_read_in_minutes(value: str, minutes: int) -> None:
    assert timeout_minutes("timeout_express", value) == minutes


def test_the_end_of_the_day_is_not_a_number_of_minutes() -> None:
    assert timeout_minutes("it_b_pay", "1c") is None


@pytest.mark.parametrize(
    "value",
    [
        "0m",
        "1.5h",
        "16d",
        "21601m",
        "361h",
        "2c",
        "1",
        "m",
        "1M",
        "-1m",
        " 1m",
        "1m\n",
        "１m",
        "",
        None,
        30,
    ],
)
def test_another_timeout_is_rejected(value: object) -> None:
    with pytest.raises(InvalidParameter, match=r"^it_b_pay must be"):
        timeout_minutes("it_b_pay", value)  # type: ignore[arg-type]
