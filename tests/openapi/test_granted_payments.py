"""Payments without the buyer's code: captures of a pre-authorisation, deductions by agreement."""

from __future__ import annotations

from typing import Any

import pytest

from flask_alipay.exceptions import GatewayError, InvalidParameter, OutcomeUnknown
from flask_alipay.gateways.openapi import OpenApiGateway

from ..conftest import Keys
from ..doubles.openapi import AUTH_CODE, NUMBERS, ORDER, PAID, Alipay
from .test_barcode_payments import CONFIRMING
from .test_with_the_simulator import gateway_in

CAPTURE: dict[str, Any] = {
    "auth_no": "2026013110002001000000000001",
    "product_code": "PREAUTH_PAY",
    "auth_confirm_mode": "COMPLETE",
    "buyer_id": "2088000000000002",
    "seller_id": "2088000000000001",
}
DEDUCTION: dict[str, Any] = {
    "agreement_params": {"agreement_no": "20265001000000000001"},
    "product_code": "CYCLE_PAY_AUTH",
}
GRANTS = [CAPTURE, DEDUCTION]
grants = pytest.mark.parametrize("grant", GRANTS, ids=["capture", "deduction"])


@grants
def test_a_payment_needs_no_code(keys: Keys, grant: dict[str, Any]) -> None:
    alipay = Alipay(keys, PAID)
    response = alipay.gateway().trade_pay(**ORDER, **grant)
    assert response.paid
    assert response.total_fen == 8888
    assert alipay.content == {**ORDER, **grant}


@grants
def test_a_payment_in_process_is_not_paid(keys: Keys, grant: dict[str, Any]) -> None:
    response = Alipay(keys, CONFIRMING).gateway().trade_pay(**ORDER, **grant)
    assert not response.paid
    assert response.trade_no == NUMBERS["trade_no"]


@pytest.mark.parametrize(
    ("fields", "paid"),
    [
        ({"async_payment_mode": "SYNC_DIRECT_PAY"}, True),
        ({"async_payment_mode": "NORMAL_ASYNC_PAY"}, False),
        ({"async_payment_mode": "ASYNC_DELAY_PAY"}, False),
        ({"async_pay_apply_status": "S"}, False),
    ],
)
def test_a_payment_that_alipay_collects_later_is_not_paid(
    keys: Keys, fields: dict[str, str], paid: bool
) -> None:
    response = Alipay(keys, {**PAID, **fields}).gateway().trade_pay(**ORDER, **DEDUCTION)
    assert response.paid is paid


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "auth_code"),
        ({**CAPTURE, "auth_code": AUTH_CODE}, "auth_no"),
        ({**CAPTURE, **DEDUCTION}, "agreement_params"),
        ({**CAPTURE, "product_code": None}, "product_code"),
        ({**DEDUCTION, "product_code": None}, "product_code"),
        ({**CAPTURE, "scene": "bar_code"}, "scene"),
        ({**CAPTURE, "auth_no": ""}, "auth_no"),
        ({**CAPTURE, "auth_confirm_mode": "MAYBE"}, "auth_confirm_mode"),
        ({**DEDUCTION, "agreement_params": {}}, "agreement_params.agreement_no"),
        ({**DEDUCTION, "agreement_params": "20265001000000000001"}, "agreement_params"),
    ],
)
def test_a_payment_with_a_wrong_grant_is_not_sent(
    keys: Keys, fields: dict[str, Any], name: str
) -> None:
    alipay = Alipay(keys, PAID)
    with pytest.raises(InvalidParameter) as caught:
        alipay.gateway().trade_pay(**ORDER, **fields)
    assert caught.value.parameter == name
    assert alipay.requested == []


def test_a_truncated_response_leaves_the_outcome_open(keys: Keys) -> None:
    for body in (b"", b'{"alipay_trade_pay_response":{"code":"10000","out_trade_no":"A1"'):
        with pytest.raises(OutcomeUnknown):
            Alipay(keys, body).gateway().trade_pay(**ORDER, **DEDUCTION)


# With the simulator

FREEZE: dict[str, Any] = {
    "out_order_no": "F1",
    "out_request_no": "FR1",
    "order_title": "Deposit",
    "amount": "88.88",
    "product_code": "PREAUTH_PAY",
    "auth_code": AUTH_CODE,
    "auth_code_type": "bar_code",
}


def granted(gateway: OpenApiGateway, grant: dict[str, Any]) -> dict[str, Any]:
    """The grant, with the number of a frozen amount if it is a capture."""
    if "auth_no" not in grant:
        return grant
    return {**grant, "auth_no": gateway.call("alipay.fund.auth.order.freeze", FREEZE)["auth_no"]}


@pytest.fixture(params=["utf-8", "gbk", "AES", "certificates", "v3", "v3 AES"])
def gateway(request: pytest.FixtureRequest) -> OpenApiGateway:
    return gateway_in(request.param)


@grants
def test_a_payment_without_a_code_succeeds_once(
    gateway: OpenApiGateway, grant: dict[str, Any]
) -> None:
    grant = granted(gateway, grant)
    assert gateway.trade_pay(**ORDER, **grant).paid
    assert gateway.trade_query(out_trade_no="A1").trade_status == "TRADE_SUCCESS"
    with pytest.raises(GatewayError) as caught:
        gateway.trade_pay(**ORDER, **grant)
    assert caught.value.sub_code == "ACQ.TRADE_HAS_SUCCESS"


@pytest.mark.parametrize(
    ("grant", "sub_code"),
    [
        ({**CAPTURE, "auth_no": "1"}, "ACQ.AUTH_NO_ERROR"),
        ({**DEDUCTION, "agreement_params": {"agreement_no": "1"}}, "ACQ.AGREEMENT_NOT_EXIST"),
        ({**DEDUCTION, "product_code": "PREAUTH_PAY"}, "ACQ.INVALID_PARAMETER"),
    ],
)
def test_an_unknown_grant_creates_no_trade(
    gateway: OpenApiGateway, grant: dict[str, Any], sub_code: str
) -> None:
    with pytest.raises(GatewayError) as caught:
        gateway.trade_pay(**ORDER, **grant)
    assert caught.value.sub_code == sub_code
    with pytest.raises(GatewayError) as missing:
        gateway.trade_query(out_trade_no="A1")
    assert missing.value.sub_code == "ACQ.TRADE_NOT_EXIST"
