"""At the till: a payment ends paid or closed, or nobody knows, and which of them is certain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import pytest

from flask_alipay.exceptions import GatewayError, InvalidParameter, OutcomeUnknown
from flask_alipay.gateways.openapi import PollingPolicy

from ..conftest import Keys
from ..doubles.openapi import (
    AUTH_CODE,
    DONE,
    LOST,
    NUMBERS,
    ORDER,
    PAID,
    TRADE,
    TRADE_NO,
    Alipay,
    answer,
)

CONFIRMING = {"code": "10003", "msg": "order success pay inprocess", **NUMBERS}
WAITING = {**TRADE, "trade_status": "WAIT_BUYER_PAY"}
CLOSED = {**TRADE, "trade_status": "TRADE_CLOSED"}
TAKEN_BACK = {**DONE, **NUMBERS, "retry_flag": "N", "action": "close"}
AGAIN = {**DONE, **NUMBERS, "retry_flag": "Y"}


def no(sub_code: str) -> dict[str, str]:
    return {"code": "40004", "msg": "Business Failed", "sub_code": sub_code}


class PointOfSale(Alipay):
    """Answers in order, the last one for ever: ``pay``, ``query`` and ``cancel`` by themselves."""

    def __init__(self, keys: Keys, pay: Any, query: list[Any], cancel: list[Any]) -> None:
        super().__init__(keys, {})
        self.answers = {"pay": [pay], "query": query, "cancel": cancel}
        self.methods: list[str] = []
        #: Whether it signs what it says of a payment.
        self.signs = True
        self.now = 0.0

    def post(self, url: str, params: Mapping[str, str], *more: Any, **options: Any) -> bytes:
        kind = params["method"].rpartition(".")[2]
        self.methods.append(kind)
        self.requested.append((url, dict(params), "utf-8", False))
        left = self.answers[kind]
        node = left.pop(0) if len(left) > 1 else left[0]
        if node is LOST:
            raise OutcomeUnknown(*LOST.args)
        signed = kind != "pay" or self.signs
        return answer(params["method"], node, signer=self.signer if signed else None)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def ends(self, **fields: Any) -> Any:
        """Takes the payment: half a minute, a question every ten seconds."""
        patience = PollingPolicy(30, 10, 20, monotonic=lambda: self.now, sleep=self.sleep)
        return self.gateway().pay_barcode_and_wait(
            **ORDER, auth_code=AUTH_CODE, polling=patience, **fields
        )


def barcode_order(
    keys: Keys, pay: Any, query: Any = (WAITING,), cancel: Any = (TAKEN_BACK,)
) -> PointOfSale:
    return PointOfSale(keys, pay, list(query), list(cancel))


def test_a_payment_is_read_into_types(keys: Keys) -> None:
    response = Alipay(keys, PAID).gateway().trade_pay(**ORDER, auth_code=AUTH_CODE)
    assert response.paid
    assert (response.out_trade_no, response.trade_no) == ("A1", TRADE_NO)
    assert (response.total_fen, response.receipt_fen, response.buyer_pay_fen) == (8888, 8800, 8000)
    assert response.paid_at == datetime(2026, 1, 31, 4, 0, 1, tzinfo=timezone.utc)
    assert response.buyer_id == "2088000000000002"
    assert response.buyer_id not in repr(response)


def test_a_buyer_who_must_confirm_has_not_paid(keys: Keys) -> None:
    response = Alipay(keys, CONFIRMING).gateway().trade_pay(**ORDER, auth_code=AUTH_CODE)
    assert not response.paid
    assert (response.trade_no, response.total_fen, response.paid_at) == (TRADE_NO, None, None)


def test_a_payment_states_the_kind_of_code(keys: Keys) -> None:
    alipay = Alipay(keys, PAID)
    alipay.gateway().trade_pay(
        **ORDER, auth_code=AUTH_CODE, store_id="S1", terminal_id=None, new_field="x"
    )
    assert alipay.content == {
        "product_code": "FACE_TO_FACE_PAYMENT",
        **ORDER,
        "auth_code": AUTH_CODE,
        "scene": "bar_code",
        "store_id": "S1",
        "new_field": "x",
    }


def test_a_face_is_no_number(keys: Keys) -> None:
    alipay = Alipay(keys, PAID)
    alipay.gateway().trade_pay(**ORDER, auth_code="fp0123abc", scene="security_code")
    assert alipay.content["auth_code"] == "fp0123abc"


@pytest.mark.parametrize("auth_code", ["", "2891234567890", "2" * 25, "316789012345678901", None])
def test_an_invalid_code_of_a_buyer_is_not_sent(keys: Keys, auth_code: Any) -> None:
    alipay = Alipay(keys, PAID)
    for pay in (alipay.gateway().trade_pay, alipay.gateway().pay_barcode_and_wait):
        with pytest.raises(InvalidParameter) as caught:
            pay(**ORDER, auth_code=auth_code)
        assert caught.value.parameter == "auth_code"
    assert alipay.requested == []


def test_a_buyer_who_pays_at_once_does_not_wait(keys: Keys) -> None:
    alipay = barcode_order(keys, PAID)
    response = alipay.ends()
    assert (response.paid, response.total_fen, response.trade_no) == (True, 8888, TRADE_NO)
    assert response.action is None
    assert (alipay.methods, alipay.now) == (["pay"], 0)


@pytest.mark.parametrize("first", [CONFIRMING, LOST, no("ACQ.SYSTEM_ERROR"), {"code": "20000"}])
@pytest.mark.parametrize("status", ["TRADE_SUCCESS", "TRADE_FINISHED"])
def test_a_buyer_who_confirms_in_time_has_paid(keys: Keys, first: Any, status: str) -> None:
    alipay = barcode_order(
        keys, first, [no("ACQ.TRADE_NOT_EXIST"), LOST, {**TRADE, "trade_status": status}]
    )
    response = alipay.ends()
    assert (response.paid, response.total_fen, response.trade_no) == (True, 8888, TRADE_NO)
    assert response.paid_at == datetime(2026, 1, 31, 4, 0, 1, tzinfo=timezone.utc)
    assert alipay.methods == ["pay", "query", "query", "query"]
    assert alipay.now == 20


@pytest.mark.parametrize("first", [CONFIRMING, LOST])
def test_a_trade_that_is_closed_meanwhile_is_not_paid(keys: Keys, first: Any) -> None:
    alipay = barcode_order(keys, first, [WAITING, CLOSED])
    response = alipay.ends()
    assert (response.paid, response.total_fen, response.action) == (False, None, None)
    assert alipay.methods == ["pay", "query", "query"]


@pytest.mark.parametrize("first", [CONFIRMING, LOST])
@pytest.mark.parametrize("query", [WAITING, LOST, no("ACQ.TRADE_NOT_EXIST"), {"code": "40002"}])
@pytest.mark.parametrize("action", ["close", "refund", None])
def test_a_trade_is_cancelled_after_the_polling_time(
    keys: Keys, first: Any, query: Any, action: str | None
) -> None:
    alipay = barcode_order(keys, first, [query], [{**TAKEN_BACK, "action": action}])
    response = alipay.ends()
    assert (response.paid, response.action) == (False, action)
    assert alipay.methods == ["pay", *["query"] * 4, "cancel"]
    assert alipay.now == 30


@pytest.mark.parametrize("trouble", [AGAIN, LOST, no("ACQ.SYSTEM_ERROR"), no("AQC.SYSTEM_ERROR")])
def test_the_cancel_of_a_trade_is_retried(keys: Keys, trouble: Any) -> None:
    alipay = barcode_order(keys, CONFIRMING, cancel=[trouble, trouble, TAKEN_BACK])
    assert not alipay.ends().paid
    assert alipay.methods.count("cancel") == 3


@pytest.mark.parametrize(("last", "paid"), [(TRADE, True), (CLOSED, False)])
@pytest.mark.parametrize("refused", [no("ACQ.CANCEL_NOT_ALLOWED"), AGAIN, LOST])
def test_after_a_rejected_cancel_a_query_decides(
    keys: Keys, refused: Any, last: Any, paid: bool
) -> None:
    alipay = barcode_order(keys, CONFIRMING, [WAITING] * 4 + [last], [refused])
    assert alipay.ends().paid is paid
    assert alipay.methods[-1] == "query"


@pytest.mark.parametrize("query", [WAITING, LOST, no("ACQ.TRADE_NOT_EXIST")])
@pytest.mark.parametrize("cancel", [no("ACQ.TRADE_CANCEL_TIME_OUT"), AGAIN, LOST])
def test_without_a_response_the_outcome_is_unknown(keys: Keys, query: Any, cancel: Any) -> None:
    alipay = barcode_order(keys, LOST, [query], [cancel])
    with pytest.raises(OutcomeUnknown, match="it is unknown whether") as caught:
        alipay.ends()
    assert caught.value.retryable


@pytest.mark.parametrize(
    "sub_code", ["ACQ.PAYMENT_AUTH_CODE_INVALID", "ACQ.BUYER_BALANCE_NOT_ENOUGH"]
)
def test_a_rejection_ends_the_payment(keys: Keys, sub_code: str) -> None:
    alipay = barcode_order(keys, no(sub_code))
    with pytest.raises(GatewayError) as caught:
        alipay.ends()
    assert caught.value.sub_code == sub_code
    assert not isinstance(caught.value, OutcomeUnknown)
    assert alipay.methods == ["pay"]


def test_a_payment_that_was_paid_before_is_queried(keys: Keys) -> None:
    alipay = barcode_order(keys, no("ACQ.TRADE_HAS_SUCCESS"), [LOST, TRADE])
    assert alipay.ends().paid


def test_a_payment_that_was_paid_before_is_never_cancelled(keys: Keys) -> None:
    alipay = barcode_order(keys, no("ACQ.TRADE_HAS_SUCCESS"), [LOST])
    with pytest.raises(OutcomeUnknown):
        alipay.ends()
    assert "cancel" not in alipay.methods


@pytest.mark.parametrize("first", [{**PAID, "total_amount": "88.89"}, CONFIRMING])
def test_another_amount_is_another_payment(keys: Keys, first: Any) -> None:
    alipay = barcode_order(keys, first, [{**TRADE, "total_amount": "0.01"}])
    with pytest.raises(OutcomeUnknown, match="another total_amount"):
        alipay.ends()


def test_another_merchants_trade_is_queried_with_the_token(keys: Keys) -> None:
    alipay = barcode_order(keys, CONFIRMING)
    alipay.ends(app_auth_token="201509BBeff9351ad1874306903e96b91d248A36")
    assert {params.get("app_auth_token") for _, params, _, _ in alipay.requested} == {
        "201509BBeff9351ad1874306903e96b91d248A36"
    }


@pytest.mark.parametrize("node", [WAITING, CLOSED])
def test_the_response_to_a_query_is_invalid_for_a_payment(keys: Keys, node: dict[str, Any]) -> None:
    with pytest.raises(OutcomeUnknown, match="another request"):
        Alipay(keys, node).gateway().trade_pay(**ORDER, auth_code=AUTH_CODE)


def test_the_response_to_another_method_cancels_nothing(keys: Keys) -> None:
    alipay = barcode_order(keys, CONFIRMING, cancel=[{**DONE, **NUMBERS}])
    with pytest.raises(OutcomeUnknown, match="it is unknown whether"):
        alipay.ends()


def test_an_unsigned_rejection_ends_nothing(keys: Keys) -> None:
    alipay = barcode_order(keys, no("ACQ.PAYMENT_FAIL"), [WAITING, TRADE])
    alipay.signs = False
    assert alipay.ends().paid


def test_an_unsigned_rejection_of_the_gateway_ends_the_payment(keys: Keys) -> None:
    alipay = barcode_order(keys, {"code": "40002", "sub_code": "isv.invalid-app-id"})
    alipay.signs = False
    with pytest.raises(GatewayError, match="invalid-app-id"):
        alipay.ends()
    assert alipay.methods == ["pay"]
