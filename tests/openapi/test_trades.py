"""One trade at a time: made, asked about, closed, taken back."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from flask_alipay.exceptions import InvalidParameter, OutcomeUnknown
from flask_alipay.gateways.openapi import OpenApiGateway

from ..conftest import Keys
from ..doubles.openapi import DONE, NUMBERS, ORDER, TRADE, TRADE_NO, Alipay

CODE = {**DONE, "out_trade_no": "A1", "qr_code": "https://qr.alipay.com/bax1"}
ABOUT = ["trade_query", "trade_close", "trade_cancel"]
MAKING = {"trade_precreate": CODE, "trade_create": {**DONE, **NUMBERS}}


@pytest.fixture
def unused_gateway(keys: Keys) -> OpenApiGateway:
    """A gateway that must not be asked."""
    return Alipay(keys, AssertionError("the gateway was asked")).gateway()


def query(keys: Keys, node: dict[str, Any], **requested: Any) -> Any:
    return Alipay(keys, node).gateway().trade_query(**(requested or {"out_trade_no": "A1"}))


def without(node: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key != name}


def test_a_trade_is_read_into_types(keys: Keys) -> None:
    response = query(keys, TRADE)
    assert (response.out_trade_no, response.trade_no, response.trade_status) == (
        "A1",
        TRADE_NO,
        "TRADE_SUCCESS",
    )
    assert (response.total_fen, response.receipt_fen, response.buyer_pay_fen) == (8888, 8800, 8000)
    assert (response.point_fen, response.invoice_fen) == (888, 8000)
    assert response.paid_at == datetime(2026, 1, 31, 4, 0, 1, tzinfo=timezone.utc)
    assert response.buyer_id == "2088000000000002"
    assert response.params["fund_bill_list"] == [{"amount": "88.88", "fund_channel": "PCREDIT"}]


def test_an_unpaid_trade_has_fewer_fields(keys: Keys) -> None:
    node = {**DONE, **NUMBERS, "total_amount": "88.88", "trade_status": "WAIT_BUYER_PAY"}
    response = query(keys, {**node, "send_pay_date": "", "buyer_open_id": "o1"})
    assert (response.receipt_fen, response.paid_at) == (None, None)
    assert (response.buyer_id, response.buyer_open_id) == (None, "o1")


def test_a_buyer_is_also_known_by_the_older_name_of_the_open_id(keys: Keys) -> None:
    node = {name: value for name, value in TRADE.items() if name != "buyer_user_id"}
    response = query(keys, {**node, "open_id": "o1"})
    assert (response.buyer_id, response.buyer_open_id) == (None, "o1")
    assert "o1" not in repr(response).replace("out_trade_no", "")


def test_no_buyer_is_shown(keys: Keys) -> None:
    shown = repr(query(keys, TRADE))
    assert TRADE["buyer_user_id"] not in shown
    assert TRADE["buyer_logon_id"] not in shown


@pytest.mark.parametrize("name", ["out_trade_no", "trade_no", "trade_status", "total_amount"])
def test_a_trade_without_a_required_field_is_an_invalid_response(keys: Keys, name: str) -> None:
    requested = {"trade_no": TRADE_NO} if name == "out_trade_no" else {"out_trade_no": "A1"}
    with pytest.raises(OutcomeUnknown, match=f"no {name}"):
        query(keys, without(TRADE, name), **requested)


def test_an_amount_that_is_none_is_an_invalid_response(keys: Keys) -> None:
    with pytest.raises(OutcomeUnknown, match="receipt_amount must be digits"):
        query(keys, {**TRADE, "receipt_amount": "-1.00"})


@pytest.mark.parametrize("method", ABOUT)
@pytest.mark.parametrize("name", ["out_trade_no", "trade_no"])
def test_a_response_about_another_trade_is_not_trusted(keys: Keys, method: str, name: str) -> None:
    # Well signed: it may be one that was overheard when something else was asked.
    for node in ({**TRADE, name: "99999999999999999"}, without(TRADE, name)):
        with pytest.raises(OutcomeUnknown, match=f"about another {name}"):
            getattr(Alipay(keys, node).gateway(), method)(**{name: NUMBERS[name]})


@pytest.mark.parametrize("method", ABOUT)
def test_alipays_number_takes_precedence(keys: Keys, method: str) -> None:
    alipay = Alipay(keys, {**TRADE, "retry_flag": "N"})
    getattr(alipay.gateway(), method)(out_trade_no="B2", trade_no=TRADE_NO)
    assert alipay.content == {"out_trade_no": "B2", "trade_no": TRADE_NO}


@pytest.mark.parametrize("method", ABOUT)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("out_trade_no", None),
        ("out_trade_no", ""),
        ("out_trade_no", "茶"),
        ("out_trade_no", "a" * 65),
        ("trade_no", "12"),
        ("trade_no", int(TRADE_NO)),
    ],
)
def test_a_trade_is_named_by_a_good_number(
    unused_gateway: OpenApiGateway, method: str, name: str, value: Any
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        getattr(unused_gateway, method)(**{name: value})
    assert caught.value.parameter == name


@pytest.mark.parametrize("method", ABOUT)
def test_further_fields_are_passed_through(keys: Keys, method: str) -> None:
    alipay = Alipay(keys, {**TRADE, "retry_flag": "N"})
    token = "201509BBeff9351ad1874306903e96b91d248A36"
    getattr(alipay.gateway(), method)(
        out_trade_no="A1", query_options=["trade_settle_info"], org_pid=None, app_auth_token=token
    )
    assert alipay.content == {"out_trade_no": "A1", "query_options": ["trade_settle_info"]}
    assert alipay.params["app_auth_token"] == token


def test_a_closed_trade_has_its_numbers(keys: Keys) -> None:
    response = Alipay(keys, {**DONE, **NUMBERS}).gateway().trade_close(trade_no=TRADE_NO)
    assert (response.out_trade_no, response.trade_no) == ("A1", TRADE_NO)


@pytest.mark.parametrize(
    ("response", "action", "retry"),
    [
        ({"action": "close", "retry_flag": "N"}, "close", False),
        ({"action": "refund", "retry_flag": "N"}, "refund", False),
        ({"retry_flag": "N"}, None, False),
        ({"retry_flag": "Y"}, None, True),
    ],
)
def test_a_cancelled_trade_states_the_action(
    keys: Keys, response: dict[str, str], action: str | None, retry: bool
) -> None:
    node = {**DONE, "out_trade_no": "A1", **response}
    answer = Alipay(keys, node).gateway().trade_cancel(out_trade_no="A1")
    assert (answer.action, answer.retry, answer.trade_no) == (action, retry, None)


def test_a_code_is_made_to_be_scanned(keys: Keys) -> None:
    alipay = Alipay(keys, CODE)
    response = alipay.gateway().trade_precreate(
        **ORDER, notify_url="https://shop.example/notify", qr_code_timeout_express="90m", body=None
    )
    assert (response.out_trade_no, response.qr_code) == ("A1", "https://qr.alipay.com/bax1")
    assert alipay.params["notify_url"] == "https://shop.example/notify"
    assert alipay.content == {
        "product_code": "FACE_TO_FACE_PAYMENT",
        "qr_code_timeout_express": "90m",
        **ORDER,
    }


def test_a_trade_is_made_for_one_buyer(keys: Keys) -> None:
    alipay = Alipay(keys, {**DONE, **NUMBERS})
    response = alipay.gateway().trade_create(**ORDER, buyer_open_id="o1", product_code="JSAPI_PAY")
    assert (response.out_trade_no, response.trade_no) == ("A1", TRADE_NO)
    assert alipay.content == {**ORDER, "buyer_open_id": "o1", "product_code": "JSAPI_PAY"}


def test_a_created_trade_needs_a_buyer(unused_gateway: OpenApiGateway) -> None:
    with pytest.raises(
        InvalidParameter, match=r"^buyer_id or buyer_open_id or op_buyer_open_id is"
    ):
        unused_gateway.trade_create(**ORDER)


@pytest.mark.parametrize("method", MAKING)
def test_a_response_about_another_order_is_not_trusted(keys: Keys, method: str) -> None:
    gateway = Alipay(keys, {**MAKING[method], "out_trade_no": "B2"}).gateway()
    with pytest.raises(OutcomeUnknown, match="about another out_trade_no"):
        getattr(gateway, method)(**ORDER, buyer_id="2088000000000002")


@pytest.mark.parametrize(("method", "name"), [(m, n) for m in MAKING for n in ORDER])
def test_an_order_needs_all_required_fields(
    unused_gateway: OpenApiGateway, method: str, name: str
) -> None:
    with pytest.raises(InvalidParameter, match=f"^{name} is required"):
        getattr(unused_gateway, method)(**{**ORDER, name: None})


@pytest.mark.parametrize("method", MAKING)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("out_trade_no", "A.1"),
        ("subject", "a" * 257),
        ("total_amount", "0.001"),
        ("timeout_express", "16d"),
        ("seller_id", "2088"),
        ("discountable_amount", "free"),
        ("notify_url", "/notify"),
        ("merchant_note", "a&trade_status=TRADE_SUCCESS"),
    ],
)
def test_a_bad_value_is_reported_by_name(
    unused_gateway: OpenApiGateway, method: str, name: str, value: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        getattr(unused_gateway, method)(**{**ORDER, "buyer_id": "2088000000000002", name: value})
    assert caught.value.parameter == name


@pytest.mark.parametrize("method", MAKING)
def test_channels_are_allowed_or_forbidden_but_not_both(
    unused_gateway: OpenApiGateway, method: str
) -> None:
    with pytest.raises(InvalidParameter, match=r"^disable_pay_channels "):
        getattr(unused_gateway, method)(**ORDER, enable_pay_channels="a", disable_pay_channels="b")


@pytest.mark.parametrize("method", MAKING)
def test_a_float_is_a_type_error(unused_gateway: OpenApiGateway, method: str) -> None:
    with pytest.raises(TypeError, match="not a float"):
        getattr(unused_gateway, method)(
            **{**ORDER, "total_amount": 88.88, "buyer_id": "2088000000000002"}
        )


@pytest.mark.parametrize(
    ("method", "name"), [("trade_precreate", "qr_code"), ("trade_create", "trade_no")]
)
def test_the_requested_value_must_be_in_the_response(keys: Keys, method: str, name: str) -> None:
    gateway = Alipay(keys, without(MAKING[method], name)).gateway()
    with pytest.raises(OutcomeUnknown, match=f"no {name}"):
        getattr(gateway, method)(**ORDER, buyer_id="2088000000000002")
