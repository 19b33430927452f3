"""The account's movements page by page, and the key against phishing."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from flask_alipay.exceptions import GatewayError, InvalidParameter, OutcomeUnknown

from ..doubles.mapi import LOST, PAGE_INNER, PAGE_XML, TRADE_NO, Alipay, gateway, no, page, yes

NAME = "account_page_query_result"
TIMES = {"gmt_start_time": "2026-01-31 00:00:00", "gmt_end_time": "2026-01-31 23:59:59"}


def call(**params: Any) -> dict[str, str]:
    alipay = Alipay(yes(NAME, PAGE_XML, inner=PAGE_INNER))
    gateway(alipay).account_page_query(**params)
    return alipay.params


def fault(**params: Any) -> str:
    with pytest.raises(InvalidParameter) as caught:
        call(**params)
    return caught.value.parameter


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_a_page_is_read_into_types(charset: str) -> None:
    alipay = Alipay(yes(NAME, PAGE_XML, inner=PAGE_INNER, charset=charset))
    answer = page(gateway(alipay, charset=charset))
    [row] = answer.rows
    assert (row.trade_no, row.merchant_out_order_no) == (TRADE_NO, "A1")
    assert (row.income_fen, row.outcome_fen, row.balance_fen) == (8888, 0, 10000)
    assert (row.trans_code_msg, row.currency) == ("在线支付", "CNY")
    assert row.trans_date == datetime(2026, 1, 31, 4, 0, 1, tzinfo=timezone.utc)
    assert row.params["memo"] == ""
    assert (answer.page_no, answer.page_size, answer.next_page) == (1, 1, 2)


def test_the_last_page_has_none_after_it() -> None:
    values = {"has_next_page": "F", "page_no": "3", "page_size": "5000"}
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in values.items())
    empty = "<account_log_list></account_log_list>"
    for written in (empty, "<account_log_list/>", ""):
        signed = {**values, "account_log_list": empty if written else ""}
        answer = page(gateway(Alipay(yes(NAME, signed, inner=written + inner))))
        assert answer.rows == ()
        assert answer.next_page is None


def test_a_balance_may_be_below_zero() -> None:
    old = PAGE_XML["account_log_list"]
    new = old.replace("<balance>100.00", "<balance>-1.50")
    values = {**PAGE_XML, "account_log_list": new}
    answer = page(gateway(Alipay(yes(NAME, values, inner=PAGE_INNER.replace(old, new)))))
    assert answer.rows[0].balance_fen == -150


@pytest.mark.parametrize("amount", ["1e3", "1.234", "-1.00", "一"])
def test_an_amount_that_is_none_is_an_invalid_response(amount: str) -> None:
    old = PAGE_XML["account_log_list"]
    new = old.replace("<income>88.88", f"<income>{amount}")
    values = {**PAGE_XML, "account_log_list": new}
    with pytest.raises(GatewayError, match=r"^the gateway's response cannot be parsed"):
        page(gateway(Alipay(yes(NAME, values, inner=PAGE_INNER.replace(old, new)))))


@pytest.mark.parametrize("change", [{"has_next_page": ""}, {"page_no": "x"}, {"page_size": "-1"}])
def test_a_page_without_its_number_is_an_invalid_response(change: dict[str, str]) -> None:
    values = {"has_next_page": "F", "page_no": "1", "page_size": "1", **change}
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in values.items())
    with pytest.raises(GatewayError, match="cannot be parsed"):
        page(gateway(Alipay(yes(NAME, values, inner=inner))))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", GatewayError),
        (b"<html>", GatewayError),
        (yes(), GatewayError),
        (no("ILLEGAL_ARGUMENT"), GatewayError),
        (LOST, OutcomeUnknown),
    ],
)
def test_a_response_that_is_not_a_page_is_an_error(answer: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        page(gateway(Alipay(answer)))


def test_a_page_is_of_a_day_at_most() -> None:
    params = call(**TIMES)
    assert params["page_no"] == "1"
    noon = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
    day = {"gmt_start_time": noon, "gmt_end_time": noon + timedelta(days=1)}
    assert call(**day, page_no=2, page_size=50)["gmt_start_time"] == "2026-01-31 20:00:00"
    longer = {**day, "gmt_end_time": noon + timedelta(days=1, seconds=1)}
    assert fault(**longer) == "gmt_end_time"
    backwards = {"gmt_start_time": noon, "gmt_end_time": noon - timedelta(seconds=1)}
    assert fault(**backwards) == "gmt_end_time"


def test_a_time_or_a_number_must_be_named() -> None:
    assert fault() == "gmt_start_time"
    assert fault(gmt_start_time=TIMES["gmt_start_time"]) == "gmt_end_time"
    assert fault(trade_no=TRADE_NO, gmt_end_time=TIMES["gmt_end_time"]) == "gmt_start_time"
    assert call(trade_no=TRADE_NO)["trade_no"] == TRADE_NO
    assert call(merchant_out_order_no="A1")["merchant_out_order_no"] == "A1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page_no", 0),
        ("page_no", "one"),
        ("page_size", 5001),
        ("trans_code", "6001;3011"),
        ("gmt_start_time", "2026-01-31"),
        ("gmt_end_time", datetime(2026, 1, 31)),  # noqa: DTZ001
        ("page", 1),
    ],
)
def test_an_invalid_parameter_is_named(name: str, value: Any) -> None:
    assert fault(**{**TIMES, name: value}) == name


def test_several_kinds_may_be_requested() -> None:
    assert call(**TIMES, trans_code="6001,3011")["trans_code"] == "6001,3011"


def test_a_key_against_phishing() -> None:
    answer = gateway(Alipay(yes("timestamp", {"encrypt_key": "KPr8Dw=="}))).query_timestamp()
    assert answer.encrypt_key == "KPr8Dw=="
    assert "KPr8" not in repr(answer)
    with pytest.raises(GatewayError, match="no encrypt_key"):
        gateway(Alipay(yes("timestamp", {"other": "1"}))).query_timestamp()
