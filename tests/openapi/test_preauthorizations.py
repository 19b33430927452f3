"""Pre-authorisations: the seven methods, and the reports that the ledger settles."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest

from flask_alipay.exceptions import GatewayError, InvalidParameter, OutcomeUnknown
from flask_alipay.gateways.interface import AuthorizationRequest, RejectionInDoubt, ReleaseRequest
from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.signer import sign_content

from ..conftest import Keys
from ..doubles.openapi import (
    AUTH_CODE,
    AUTH_NO,
    DONE,
    FREEZE_ORDER,
    FROZEN,
    HELD,
    HELD_NUMBERS,
    LOST,
    NUMBERS,
    TRADE_NO,
    UNFROZEN,
    Alipay,
    answer,
)
from ..doubles.openapi_v3 import Alipay3, flat

NOON = datetime(2026, 1, 31, 4, tzinfo=timezone.utc)
REQUEST = AuthorizationRequest("D1", "F1")
RELEASE = ReleaseRequest("D1", AUTH_NO, "U1", 8000)
QUERY = "alipay.fund.auth.operation.detail.query"
RELEASED = {**HELD, **UNFROZEN, "operation_type": "UNFREEZE"}


def rejected(sub_code: str) -> dict[str, Any]:
    return {"code": "40004", "msg": "Business Failed", "sub_code": sub_code, "sub_msg": "不行"}


class Scripted(Alipay):
    """With one response after the other."""

    def __init__(self, keys: Keys, *nodes: Any) -> None:
        super().__init__(keys, DONE)
        self._nodes = list(nodes)

    def post(self, url: str, params: Any, charset: str = "utf-8", **options: Any) -> bytes:
        self.node = self._nodes.pop(0)
        return super().post(url, params, charset, **options)

    @property
    def methods(self) -> list[str]:
        return [params["method"].rpartition("auth.")[2] for _, params, _, _ in self.requested]


@pytest.fixture(params=["v2", "v3"])
def gateway(request: pytest.FixtureRequest, keys: Keys) -> Callable[[Any], OpenApiGateway]:
    """Return the client of a version, with a chosen response."""

    def make(node: Any) -> OpenApiGateway:
        return Alipay(keys, node).gateway() if request.param == "v2" else _v3(keys, node)

    return make


def _v3(keys: Keys, node: Any) -> OpenApiGateway:
    failed = isinstance(node, dict) and "sub_code" in node
    return Alipay3(keys, node if failed else flat(node)).gateway()


# The methods


def test_an_order_string_is_signed_for_the_app(keys: Keys) -> None:
    alipay = Alipay(keys, {})
    made = alipay.gateway().fund_auth_order_app_freeze(
        **FREEZE_ORDER,
        extra_param={"category": "HOTEL", "serviceId": "1"},
        notify_url="https://shop.example/notify",
        pay_timeout="2h",
    )
    params = dict(parse_qsl(made))
    assert params["method"] == "alipay.fund.auth.order.app.freeze"
    assert params["notify_url"] == "https://shop.example/notify"
    content = json.loads(params["biz_content"])
    assert content == {
        **FREEZE_ORDER,
        "product_code": "PREAUTH_PAY",
        "extra_param": '{"category":"HOTEL","serviceId":"1"}',  # JSON as text
        "pay_timeout": "2h",
    }
    assert alipay.signer.verify(sign_content(params, exclude=("sign",)), params["sign"])
    assert alipay.requested == []


def test_a_qr_code_is_read_into_types(gateway: Callable[[Any], OpenApiGateway]) -> None:
    node = {**DONE, **HELD_NUMBERS, "code_value": "https://qr.alipay.com/bax1", "code_url": "u"}
    made = gateway(node).fund_auth_order_voucher_create(**FREEZE_ORDER)
    assert (made.out_order_no, made.out_request_no) == ("D1", "F1")
    assert (made.code_value, made.code_url) == ("https://qr.alipay.com/bax1", "u")


def test_a_freeze_is_read_into_types(gateway: Callable[[Any], OpenApiGateway]) -> None:
    made = gateway(FROZEN).fund_auth_order_freeze(**FREEZE_ORDER, auth_code=AUTH_CODE)
    assert (made.out_order_no, made.out_request_no, made.auth_no) == ("D1", "F1", AUTH_NO)
    assert (made.status, made.amount_fen, made.frozen_at) == ("SUCCESS", 50000, NOON)
    assert (made.payer_user_id, made.payer_open_id) == ("2088000000000002", None)
    assert made.params["credit_amount"] == "400.00"
    assert "2088000000000002" not in repr(made)


def test_a_freeze_that_the_payer_has_to_confirm_is_no_error(keys: Keys) -> None:
    node = {**FROZEN, "code": "10003", "msg": "Waiting", "status": "INIT", "gmt_trans": None}
    made = Alipay(keys, node).gateway().fund_auth_order_freeze(**FREEZE_ORDER, auth_code=AUTH_CODE)
    assert (made.status, made.frozen_at) == ("INIT", None)


def test_a_query_is_read_into_types(gateway: Callable[[Any], OpenApiGateway]) -> None:
    found = gateway(HELD).fund_auth_operation_detail_query(**HELD_NUMBERS)
    assert (found.order_status, found.operation_type, found.status) == (
        "AUTHORIZED",
        "FREEZE",
        "SUCCESS",
    )
    assert (found.amount_fen, found.total_freeze_fen) == (50000, 50000)
    assert (found.total_pay_fen, found.rest_fen) == (12000, 30000)


def test_a_release_is_read_into_types(gateway: Callable[[Any], OpenApiGateway]) -> None:
    made = gateway(UNFROZEN).fund_auth_order_unfreeze(
        auth_no=AUTH_NO, out_request_no="U1", amount=Decimal("80")
    )
    assert (made.out_request_no, made.out_order_no, made.auth_no) == ("U1", "D1", AUTH_NO)
    assert (made.status, made.amount_fen) == ("SUCCESS", 8000)
    assert made.released_at == datetime(2026, 1, 31, 5, tzinfo=timezone.utc)


def test_a_release_has_its_reason_and_address(keys: Keys) -> None:
    alipay = Alipay(keys, UNFROZEN)
    alipay.gateway().fund_auth_order_unfreeze(
        auth_no=AUTH_NO,
        out_request_no="U1",
        amount="80.00",
        remark="退房",
        notify_url="https://shop.example/notify",
    )
    assert alipay.content == {
        "auth_no": AUTH_NO,
        "out_request_no": "U1",
        "amount": "80.00",
        "remark": "退房",
    }
    assert alipay.params["notify_url"] == "https://shop.example/notify"
    assert not alipay.repeatable


@pytest.mark.parametrize("action", ["close", "unfreeze"])
def test_a_cancellation_is_read_into_types(
    gateway: Callable[[Any], OpenApiGateway], action: str
) -> None:
    node = {**DONE, **HELD_NUMBERS, "auth_no": AUTH_NO, "action": action}
    made = gateway(node).fund_auth_operation_cancel(**HELD_NUMBERS)
    assert (made.action, made.auth_no, made.out_order_no) == (action, AUTH_NO, "D1")


def test_a_synchronised_order_is_json_as_text(keys: Keys) -> None:
    alipay = Alipay(keys, {**DONE, **NUMBERS})
    node = alipay.gateway().trade_orderinfo_sync(
        trade_no=TRADE_NO,
        out_request_no="S1",
        biz_type="CREDIT_AUTH",
        order_biz_info={"status": "CLOSED"},
    )
    assert node["trade_no"] == TRADE_NO
    assert alipay.content["order_biz_info"] == '{"status":"CLOSED"}'


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"out_order_no": "a b"}, "out_order_no"),
        ({"out_request_no": None}, "out_request_no"),
        ({"order_title": "x" * 101}, "order_title"),
        ({"amount": "0.00"}, "amount"),
        ({"amount": "0.001"}, "amount"),
        ({"amount": "1e3"}, "amount"),
        ({"amount": "100000000.01"}, "amount"),
        ({"amount": "9" * 400}, "amount"),
        ({"pay_timeout": "16d"}, "pay_timeout"),
        ({"deposit_product_mode": "NOW"}, "deposit_product_mode"),
        ({"enable_pay_channels": [], "disable_pay_channels": []}, "disable_pay_channels"),
    ],
)
@pytest.mark.parametrize("method", ["fund_auth_order_app_freeze", "fund_auth_order_voucher_create"])
def test_an_invalid_freeze_is_not_sent(
    keys: Keys, method: str, changes: dict[str, Any], name: str
) -> None:
    alipay = Alipay(keys, {})
    with pytest.raises(InvalidParameter) as caught:
        getattr(alipay.gateway(), method)(**{**FREEZE_ORDER, **changes})
    assert caught.value.parameter == name
    assert alipay.requested == []


def test_a_float_is_no_amount(keys: Keys) -> None:
    with pytest.raises(TypeError):
        Alipay(keys, {}).gateway().fund_auth_order_app_freeze(**{**FREEZE_ORDER, "amount": 500.0})
    with pytest.raises(TypeError):
        Alipay(keys, {}).gateway().fund_auth_order_unfreeze(
            auth_no=AUTH_NO,
            out_request_no="U1",
            amount=80.0,  # type: ignore[arg-type]
        )


@pytest.mark.parametrize("fields", [{}, {"out_request_no": "F1"}, {"operation_type": "MELT"}])
def test_an_invalid_query_is_not_sent(keys: Keys, fields: dict[str, Any]) -> None:
    alipay = Alipay(keys, HELD)
    with pytest.raises(InvalidParameter):
        alipay.gateway().fund_auth_operation_detail_query(**fields)
    assert alipay.requested == []


def test_a_rejection_is_an_exception_with_its_code(
    gateway: Callable[[Any], OpenApiGateway],
) -> None:
    client = gateway(rejected("UNIQUE_VIOLATION"))
    for call in (
        lambda: client.fund_auth_order_voucher_create(**FREEZE_ORDER),
        lambda: client.fund_auth_order_freeze(**FREEZE_ORDER, auth_code=AUTH_CODE),
        lambda: client.fund_auth_operation_detail_query(**HELD_NUMBERS),
        lambda: client.fund_auth_order_unfreeze(
            auth_no=AUTH_NO, out_request_no="U1", amount="80.00"
        ),
        lambda: client.fund_auth_operation_cancel(**HELD_NUMBERS),
    ):
        with pytest.raises(GatewayError, match="UNIQUE_VIOLATION") as caught:
            call()
        assert caught.value.sub_code == "UNIQUE_VIOLATION"
        assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize(
    ("call", "node"),
    [
        (lambda g: g.fund_auth_order_voucher_create(**FREEZE_ORDER), {"code_value": "x"}),
        (lambda g: g.fund_auth_order_freeze(**FREEZE_ORDER, auth_code=AUTH_CODE), FROZEN),
        (lambda g: g.fund_auth_operation_detail_query(**HELD_NUMBERS), HELD),
        (lambda g: g.fund_auth_operation_cancel(**HELD_NUMBERS), {"action": "close"}),
    ],
)
def test_a_response_about_another_authorization_is_no_response(
    gateway: Callable[[Any], OpenApiGateway], call: Callable[[Any], Any], node: dict[str, Any]
) -> None:
    other = {**DONE, **node, "out_order_no": "OTHER"}
    with pytest.raises(OutcomeUnknown, match="about another out_order_no"):
        call(gateway(other))


def test_a_response_about_another_release_or_trade_is_no_response(
    gateway: Callable[[Any], OpenApiGateway],
) -> None:
    with pytest.raises(OutcomeUnknown, match="another out_request_no"):
        gateway({**UNFROZEN, "out_request_no": "U2"}).fund_auth_order_unfreeze(
            auth_no=AUTH_NO, out_request_no="U1", amount="80.00"
        )
    with pytest.raises(OutcomeUnknown, match="another auth_no"):
        gateway(HELD).fund_auth_operation_detail_query(auth_no="2026", operation_id="1")
    with pytest.raises(OutcomeUnknown, match="another trade_no"):
        gateway({**DONE, "trade_no": "2"}).trade_orderinfo_sync(
            trade_no=TRADE_NO, out_request_no="S1", biz_type="CREDIT_AUTH"
        )


# The reports for the ledger


def test_a_query_is_a_report_with_the_released_amount(
    gateway: Callable[[Any], OpenApiGateway],
) -> None:
    report = gateway(HELD).query_authorization(REQUEST)
    assert report is not None
    assert (report.status, report.operation_type, report.operation_status) == (
        "AUTHORIZED",
        "FREEZE",
        "SUCCESS",
    )
    assert (report.total_fen, report.captured_fen) == (50000, 12000)
    assert (report.released_fen, report.rest_fen) == (8000, 30000)
    assert report.operated_at == NOON
    assert (report.is_current, report.was_frozen) == (True, True)
    assert "2088000000000002" not in repr(report)


@pytest.mark.parametrize(
    ("bare", "fen"), [("4800.00", 480000), ("4800", 480000), ("0.1", 10), ("100000000.00", 10**10)]
)
def test_amounts_may_be_bare_numbers(keys: Keys, bare: str, fen: int) -> None:
    names = ("amount", "total_freeze_amount", "rest_amount")
    text = json.dumps({**HELD, **dict.fromkeys(names, "BARE"), "total_pay_amount": 0})
    text = text.replace('"BARE"', bare)
    alipay = Alipay(keys, DONE)
    sign = alipay.signer.sign(text.encode())
    alipay.node = f'{{"{QUERY.replace(".", "_")}_response":{text},"sign":"{sign}"}}'.encode()
    report = alipay.gateway().query_authorization(REQUEST)
    assert report is not None
    assert (report.amount_fen, report.total_fen, report.rest_fen) == (fen, fen, fen)
    assert (report.captured_fen, report.released_fen) == (0, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"order_status": "MELTED"},
        {"status": "DONE"},
        {"amount": "-1.00"},
        {"rest_amount": "x"},
        {"order_status": None, "status": None},
    ],
)
def test_a_report_that_cannot_be_parsed_is_no_response(
    gateway: Callable[[Any], OpenApiGateway], changes: dict[str, Any]
) -> None:
    with pytest.raises(OutcomeUnknown):
        gateway({**HELD, **changes}).query_authorization(REQUEST)


def test_only_a_signed_rejection_proves_that_there_is_no_authorization(keys: Keys) -> None:
    missing = rejected("AUTH_ORDER_NOT_EXIST")
    assert Alipay(keys, missing).gateway().query_authorization(REQUEST) is None
    unsigned = Alipay(keys, missing, signer=None).gateway()
    with pytest.raises(GatewayError):
        unsigned.query_authorization(REQUEST)
    with pytest.raises(GatewayError):
        unsigned.cancel_authorization(REQUEST)
    assert Alipay(keys, missing).gateway().cancel_authorization(REQUEST) is None


def test_an_unknown_cancellation_is_no_response(gateway: Callable[[Any], OpenApiGateway]) -> None:
    node = {**DONE, **HELD_NUMBERS, "action": "melt"}
    with pytest.raises(OutcomeUnknown):
        gateway(node).cancel_authorization(REQUEST)


def test_a_release_without_a_response_is_queried(keys: Keys) -> None:
    alipay = Scripted(keys, LOST, RELEASED)
    report = alipay.gateway().release_authorization(RELEASE)
    assert (report.operation_type, report.out_request_no, report.amount_fen) == (
        "UNFREEZE",
        "U1",
        8000,
    )
    assert alipay.methods == ["order.unfreeze", "operation.detail.query"]


@pytest.mark.parametrize(
    "found",
    [
        rejected("AUTH_OPERATION_NOT_EXIST"),
        rejected("SYSTEM_ERROR"),
        LOST,
        {**RELEASED, "status": "INIT"},
        {**RELEASED, "out_request_no": "U2"},
        HELD,
    ],
)
def test_a_release_without_any_proof_is_unknown(keys: Keys, found: Any) -> None:
    alipay = Scripted(keys, LOST, found)
    with pytest.raises(OutcomeUnknown):
        alipay.gateway().release_authorization(RELEASE)


def test_a_rejected_release_is_certain_only_without_an_operation(keys: Keys) -> None:
    rejection = rejected("REQUEST_AMOUNT_EXCEED")
    missing = rejected("AUTH_OPERATION_NOT_EXIST")
    with pytest.raises(GatewayError, match="REQUEST_AMOUNT_EXCEED") as caught:
        Scripted(keys, rejection, missing).gateway().release_authorization(RELEASE)
    assert not isinstance(caught.value, OutcomeUnknown)
    for unknown in (LOST, {**RELEASED, "status": "INIT"}):
        with pytest.raises(OutcomeUnknown):
            Scripted(keys, rejection, unknown).gateway().release_authorization(RELEASE)
    done = Scripted(keys, rejection, RELEASED).gateway().release_authorization(RELEASE)
    assert done.amount_fen == 8000
    undecided = ReleaseRequest("D1", AUTH_NO, "U1", 8000, undecided=True)
    with pytest.raises(RejectionInDoubt):
        Scripted(keys, rejection, missing).gateway().release_authorization(undecided)


def test_an_unsigned_rejection_of_a_release_is_unknown(keys: Keys) -> None:
    alipay = Scripted(keys, b"")
    alipay._nodes = [answer("alipay.fund.auth.order.unfreeze", rejected("X"), signer=None)]
    with pytest.raises(OutcomeUnknown):
        alipay.gateway().release_authorization(RELEASE)
