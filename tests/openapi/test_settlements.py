"""Royalties: who gets what, and under which number."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from flask_alipay.exceptions import InvalidParameter, OutcomeUnknown

from ..conftest import Keys
from ..doubles.openapi import DONE, TRADE_NO, Alipay

SETTLED = {**DONE, "trade_no": TRADE_NO, "settle_no": "2026013100253002"}
TO = {"trans_in": "2088000000000003", "amount": "1.00"}


def settle(alipay: Alipay, **fields: Any) -> Any:
    own = {"out_request_no": "S1", "trade_no": TRADE_NO, "royalty_parameters": [TO]}
    return alipay.gateway().trade_order_settle(**{**own, **fields})


@pytest.mark.parametrize("settle_no", ["2026013100253002", None])
def test_a_settlement_is_read_into_types(keys: Keys, settle_no: str | None) -> None:
    response = settle(Alipay(keys, {**SETTLED, "settle_no": settle_no}))
    assert (response.trade_no, response.settle_no) == (TRADE_NO, settle_no)
    assert response.params["code"] == "10000"


@pytest.mark.parametrize("value", ["8.88", Decimal("8.880"), 9])
def test_each_royalty_is_written_as_alipay_does(keys: Keys, value: Any) -> None:
    alipay = Alipay(keys, SETTLED)
    to = {**TO, "amount": value, "desc": "分账", "trans_out": None, "new_field": [1]}
    settle(alipay, royalty_parameters=(to,), operator_id="A0001", extend_params={"a": "b"})
    assert alipay.content == {
        "out_request_no": "S1",
        "trade_no": TRADE_NO,
        "royalty_parameters": [
            {
                "trans_in": "2088000000000003",
                "amount": f"{Decimal(value):.2f}",
                "desc": "分账",
                "new_field": [1],
            }
        ],
        "operator_id": "A0001",
        "extend_params": {"a": "b"},
    }


def test_a_royalty_may_be_a_percentage(keys: Keys) -> None:
    alipay = Alipay(keys, SETTLED)
    settle(alipay, royalty_parameters=[{"trans_in": "a@example.com", "amount_percentage": 30}])
    assert alipay.content["royalty_parameters"] == [
        {"trans_in": "a@example.com", "amount_percentage": "30"}
    ]


@pytest.mark.parametrize(
    ("at_fault", "fields"),
    [
        ("out_request_no", {"out_request_no": None}),
        ("out_request_no", {"out_request_no": "a" * 65}),
        ("trade_no", {"trade_no": None}),
        ("trade_no", {"trade_no": "A1"}),
        ("royalty_parameters", {"royalty_parameters": None}),
        ("royalty_parameters", {"royalty_parameters": []}),
        ("royalty_parameters", {"royalty_parameters": "all"}),
        ("royalty_parameters", {"royalty_parameters": TO}),
        ("royalty_parameters[0]", {"royalty_parameters": ["all"]}),
        ("royalty_parameters[1].amount", {"royalty_parameters": [TO, {**TO, "amount": "0"}]}),
        ("royalty_parameters[0].amount", {"royalty_parameters": [{**TO, "amount": None}]}),
        ("royalty_parameters[0].trans_in", {"royalty_parameters": [{"amount": "1.00"}]}),
        ("royalty_parameters[0].desc", {"royalty_parameters": [{**TO, "desc": "x\ny"}]}),
        ("royalty_parameters[0].x", {"royalty_parameters": [{**TO, "x": "y&z=1"}]}),
        ("royalty_mode", {"royalty_mode": ""}),
    ],
)
def test_a_field_at_fault_is_reported_before_anything_is_sent(
    keys: Keys, at_fault: str, fields: dict[str, Any]
) -> None:
    alipay = Alipay(keys, SETTLED)
    with pytest.raises(InvalidParameter) as caught:
        settle(alipay, **fields)
    assert caught.value.parameter == at_fault
    assert alipay.requested == []


def test_a_float_is_no_amount(keys: Keys) -> None:
    with pytest.raises(TypeError, match="not a float"):
        settle(Alipay(keys, SETTLED), royalty_parameters=[{**TO, "amount": 1.1}])


@pytest.mark.parametrize("trade_no", [None, "2026013122001400009999999999"])
def test_a_response_about_another_trade_is_not_trusted(keys: Keys, trade_no: str | None) -> None:
    with pytest.raises(OutcomeUnknown, match="another trade_no"):
        settle(Alipay(keys, {**SETTLED, "trade_no": trade_no}))
