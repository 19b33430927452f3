"""Money that goes back: refunds, and what became of them."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from flask_alipay.exceptions import InvalidParameter, OutcomeUnknown

from ..conftest import Keys
from ..doubles.openapi import DONE, NUMBERS, REFUND, REFUND_QUERY, TRADE_NO, Alipay

LEAST: dict[str, Any] = {"out_trade_no": "A1", "refund_amount": "8.88", "out_request_no": "R1"}


def refund(keys: Keys, node: dict[str, Any], **fields: Any) -> Any:
    return Alipay(keys, node).gateway().trade_refund(**{**LEAST, **fields})


def query(keys: Keys, node: dict[str, Any], **fields: Any) -> Any:
    requested = {"out_trade_no": "A1", "out_request_no": "R1", **fields}
    return Alipay(keys, node).gateway().trade_fastpay_refund_query(**requested)


def test_a_refund_is_read_into_types(keys: Keys) -> None:
    response = refund(keys, REFUND)
    assert (response.out_trade_no, response.trade_no) == ("A1", TRADE_NO)
    assert response.fund_change
    assert response.refunded_at == datetime(2026, 1, 31, 5, tzinfo=timezone.utc)
    assert response.buyer_id not in repr(response)


def test_the_fee_is_all_that_was_ever_refunded(keys: Keys) -> None:
    assert refund(keys, REFUND, refund_amount="8.88").refunded_fen == 1888


def test_a_refund_that_moved_nothing_is_no_failure(keys: Keys) -> None:
    assert refund(keys, {**REFUND, "fund_change": "N"}).fund_change is False


@pytest.mark.parametrize("value", ["8.88", Decimal("8.880"), 9])
def test_a_refund_has_an_amount_and_a_reason(keys: Keys, value: Any) -> None:
    alipay = Alipay(keys, REFUND)
    alipay.gateway().trade_refund(
        trade_no=TRADE_NO,
        refund_amount=value,
        out_request_no="5f2b1c-7",
        refund_reason="退货",
        query_options=["refund_detail_item_list"],
    )
    assert alipay.content == {
        "trade_no": TRADE_NO,
        "refund_amount": f"{Decimal(value):.2f}",
        "out_request_no": "5f2b1c-7",
        "refund_reason": "退货",
        "query_options": ["refund_detail_item_list"],
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("out_trade_no", None),
        ("out_request_no", None),
        ("out_request_no", ""),
        ("out_request_no", "a" * 65),
        ("refund_amount", None),
        ("refund_amount", "0"),
        ("refund_amount", "8.888"),
        ("refund_reason", "a" * 257),
    ],
)
def test_a_bad_value_is_reported_by_name(keys: Keys, name: str, value: Any) -> None:
    with pytest.raises(InvalidParameter) as caught:
        refund(keys, REFUND, **{name: value})
    assert caught.value.parameter == name


def test_a_float_is_a_type_error(keys: Keys) -> None:
    with pytest.raises(TypeError, match="refund_amount must be a str, an int or a Decimal"):
        refund(keys, REFUND, refund_amount=8.88)


def test_a_refund_of_another_trade_is_not_trusted(keys: Keys) -> None:
    with pytest.raises(OutcomeUnknown, match="about another out_trade_no"):
        refund(keys, {**REFUND, "out_trade_no": "B2"})


@pytest.mark.parametrize("fee", [None, "", "-8.88"])
def test_a_refund_of_no_amount_is_an_invalid_response(keys: Keys, fee: str | None) -> None:
    with pytest.raises(OutcomeUnknown, match="refund_fee"):
        refund(keys, {**REFUND, "refund_fee": fee})


def test_a_refund_query_is_read_into_types(keys: Keys) -> None:
    response = query(keys, {**REFUND_QUERY, "gmt_refund_pay": "2026-01-31 13:00:00"})
    assert response.refunded
    assert response.refund_status == "REFUND_SUCCESS"
    assert (response.out_trade_no, response.trade_no, response.out_request_no) == (
        "A1",
        TRADE_NO,
        "R1",
    )
    assert (response.refund_fen, response.total_fen) == (888, 8888)
    assert response.refunded_at == datetime(2026, 1, 31, 5, tzinfo=timezone.utc)


@pytest.mark.parametrize("node", [DONE, {**DONE, **NUMBERS}, {**DONE, "refund_amount": "0.00"}])
def test_an_empty_success_is_no_refund(keys: Keys, node: dict[str, Any]) -> None:
    response = query(keys, node)
    assert not response.refunded
    assert response.out_request_no is None


def test_an_older_response_has_an_amount_and_no_status(keys: Keys) -> None:
    node = {name: value for name, value in REFUND_QUERY.items() if name != "refund_status"}
    assert query(keys, node).refunded


def test_a_pending_refund_is_not_refunded(keys: Keys) -> None:
    assert not query(keys, {**REFUND_QUERY, "refund_status": "REFUND_PROCESSING"}).refunded


@pytest.mark.parametrize("name", ["out_trade_no", "out_request_no"])
def test_a_response_about_another_refund_is_not_trusted(keys: Keys, name: str) -> None:
    with pytest.raises(OutcomeUnknown, match=f"about another {name}"):
        query(keys, {**REFUND_QUERY, name: "Z9"})


def test_a_refund_is_queried_by_its_number(keys: Keys) -> None:
    with pytest.raises(InvalidParameter, match=r"^out_request_no is required"):
        query(keys, REFUND_QUERY, out_request_no=None)
