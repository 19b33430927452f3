"""Money that the merchant sends, and what became of it."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from flask_alipay.exceptions import GatewayError, InvalidParameter, OutcomeUnknown
from flask_alipay.gateways.openapi.responses import read_response
from flask_alipay.signer import Rsa2Signer

from ..conftest import Keys
from ..doubles.openapi import ORDER_ID, PAYEE, TRANSFER, TRANSFER_QUERY, Alipay
from ..vectors import Vector, with_vectors

NOON = datetime(2026, 1, 31, 4, tzinfo=timezone.utc)


def transfer(alipay: Alipay, **fields: Any) -> Any:
    own = {"out_biz_no": "T1", "trans_amount": "8.88", "payee_info": PAYEE}
    return alipay.gateway().fund_trans_uni_transfer(**{**own, **fields})


def query(alipay: Alipay, **fields: Any) -> Any:
    return alipay.gateway().fund_trans_common_query(**fields)


def test_a_transfer_is_read_into_types(keys: Keys) -> None:
    response = transfer(Alipay(keys, TRANSFER))
    assert (response.out_biz_no, response.order_id, response.status) == ("T1", ORDER_ID, "SUCCESS")
    assert response.pay_fund_order_id == TRANSFER["pay_fund_order_id"]
    assert response.transferred_at == NOON


def test_the_time_has_another_name_in_the_sandbox(keys: Keys) -> None:
    node = {**TRANSFER, "trans_date": None, "pay_date": "2026-01-31 12:00:00"}
    assert transfer(Alipay(keys, node)).transferred_at == NOON


def test_a_pending_transfer_has_no_time_yet(keys: Keys) -> None:
    response = transfer(Alipay(keys, {**TRANSFER, "status": "DEALING", "trans_date": None}))
    assert (response.status, response.transferred_at) == ("DEALING", None)


@pytest.mark.parametrize("value", ["0.1", Decimal("0.10"), 1, "100000000"])
def test_a_transfer_says_how_much_and_to_whom(keys: Keys, value: Any) -> None:
    alipay = Alipay(keys, TRANSFER)
    payee = {"identity": "a@example.com", "identity_type": "ALIPAY_LOGON_ID", "name": "黄龙国际"}
    transfer(alipay, trans_amount=value, payee_info=payee, order_title="货款", remark=None)
    assert alipay.content == {
        "product_code": "TRANS_ACCOUNT_NO_PWD",
        "biz_scene": "DIRECT_TRANSFER",
        "out_biz_no": "T1",
        "trans_amount": f"{Decimal(value):.2f}",
        "payee_info": payee,
        "order_title": "货款",
    }


def test_another_kind_of_transfer_is_passed_through(keys: Keys) -> None:
    alipay = Alipay(keys, TRANSFER)
    bank: dict[str, Any] = {"identity": "6222", "identity_type": "BANKCARD_ACCOUNT", "name": "黄龙"}
    bank |= {"bankcard_ext_info": {"a": 1, "account_type": "2"}}
    transfer(alipay, payee_info=bank, product_code="TRANS_BANKCARD_NO_PWD", business_params="{}")
    assert alipay.content["product_code"] == "TRANS_BANKCARD_NO_PWD"
    assert alipay.content["payee_info"] == bank
    assert alipay.content["business_params"] == "{}"


def test_a_bank_card_has_its_own_product(keys: Keys) -> None:
    alipay = Alipay(keys, TRANSFER)
    bank = {"identity": "6222", "identity_type": "BANKCARD_ACCOUNT", "name": "黄龙"}
    transfer(alipay, payee_info={**bank, "bankcard_ext_info": {"account_type": "2"}})
    assert alipay.content["product_code"] == "TRANS_BANKCARD_NO_PWD"


def test_a_red_packet_may_be_a_single_fen(keys: Keys) -> None:
    alipay = Alipay(keys, TRANSFER)
    transfer(
        alipay,
        trans_amount="0.01",
        product_code="STD_RED_PACKET",
        business_params={"sub_biz_scene": "REDPACKET"},
    )
    assert alipay.content["trans_amount"] == "0.01"
    assert alipay.content["business_params"] == '{"sub_biz_scene":"REDPACKET"}'


@pytest.mark.parametrize(
    ("at_fault", "fields"),
    [
        ("out_biz_no", {"out_biz_no": None}),
        ("out_biz_no", {"out_biz_no": "a" * 65}),
        ("trans_amount", {"trans_amount": None}),
        ("trans_amount", {"trans_amount": "0.09"}),
        ("trans_amount", {"trans_amount": "0.105"}),
        ("trans_amount", {"trans_amount": "100000000.01"}),
        ("payee_info", {"payee_info": None}),
        ("payee_info", {"payee_info": "a@example.com"}),
        ("payee_info.identity", {"payee_info": {"identity_type": "ALIPAY_OPEN_ID"}}),
        ("payee_info.identity", {"payee_info": {**PAYEE, "identity": "a@example.com"}}),
        ("payee_info.identity_type", {"payee_info": {"identity": "2088000000000002"}}),
        ("payee_info.identity_type", {"payee_info": {**PAYEE, "identity_type": "email"}}),
        ("payee_info.name", {"payee_info": {**PAYEE, "identity_type": "ALIPAY_LOGON_ID"}}),
        ("payee_info.name", {"payee_info": {**PAYEE, "name": ""}}),
        ("payee_info.name", {"payee_info": {**PAYEE, "identity_type": "BANKCARD_ACCOUNT"}}),
        (
            "payee_info.bankcard_ext_info",
            {"payee_info": {**PAYEE, "identity_type": "BANKCARD_ACCOUNT", "name": "黄龙"}},
        ),
        ("transfer_scene_report_infos[0].info_type", {"transfer_scene_report_infos": [{}]}),
        ("order_title", {"order_title": "a" * 129}),
        ("remark", {"remark": "a\nb"}),
    ],
)
def test_a_field_at_fault_is_reported_before_anything_is_sent(
    keys: Keys, at_fault: str, fields: dict[str, Any]
) -> None:
    alipay = Alipay(keys, TRANSFER)
    with pytest.raises(InvalidParameter) as caught:
        transfer(alipay, **fields)
    assert caught.value.parameter == at_fault
    assert alipay.requested == []


def test_a_float_is_no_amount(keys: Keys) -> None:
    with pytest.raises(TypeError, match="not a float"):
        transfer(Alipay(keys, TRANSFER), trans_amount=8.88)


def test_a_rejected_transfer_has_a_code_without_prefix(keys: Keys) -> None:
    node = {"code": "40004", "msg": "Business Failed", "sub_code": "PAYEE_NOT_EXIST"}
    with pytest.raises(GatewayError) as caught:
        transfer(Alipay(keys, node))
    assert caught.value.sub_code == "PAYEE_NOT_EXIST"
    assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize(
    "sub_code", ["SYSTEM_ERROR", "REQUEST_PROCESSING", "TRANS_ORDER_DEALING", "UNKNOWN_ERROR"]
)
def test_a_pending_transfer_may_be_retried(keys: Keys, sub_code: str) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        transfer(Alipay(keys, {"code": "40004", "sub_code": sub_code}))
    assert caught.value.retryable


@pytest.mark.parametrize("out_biz_no", [None, "T2"])
def test_a_response_about_another_transfer_is_not_trusted(
    keys: Keys, out_biz_no: str | None
) -> None:
    with pytest.raises(OutcomeUnknown, match="another out_biz_no"):
        transfer(Alipay(keys, {**TRANSFER, "out_biz_no": out_biz_no}))


@pytest.mark.parametrize("call", [transfer, lambda alipay: query(alipay, out_biz_no="T1")])
def test_a_success_without_a_status_is_invalid(keys: Keys, call: Any) -> None:
    with pytest.raises(OutcomeUnknown, match="no status"):
        call(Alipay(keys, {**TRANSFER, "status": None}))


def test_a_transfer_query_is_read_into_types(keys: Keys) -> None:
    response = query(Alipay(keys, TRANSFER_QUERY), out_biz_no="T1")
    assert (response.out_biz_no, response.order_id, response.status) == ("T1", ORDER_ID, "SUCCESS")
    assert (response.trans_fen, response.order_fee_fen) == (888, 0)
    assert response.transferred_at == NOON
    assert (response.error_code, response.fail_reason) == (None, None)


def test_a_transfer_that_failed_says_why(keys: Keys) -> None:
    node = {**TRANSFER_QUERY, "status": "FAIL", "error_code": "PAYEE_CARD_INFO_ERROR"}
    response = query(Alipay(keys, {**node, "fail_reason": "收款方户名不匹配"}), out_biz_no="T1")
    assert (response.status, response.error_code) == ("FAIL", "PAYEE_CARD_INFO_ERROR")
    assert response.fail_reason == "收款方户名不匹配"
    assert "收款方" not in repr(response)


@pytest.mark.parametrize("name", ["out_biz_no", "order_id", "pay_fund_order_id"])
def test_a_transfer_is_requested_by_any_of_its_numbers(keys: Keys, name: str) -> None:
    alipay = Alipay(keys, TRANSFER_QUERY)
    query(alipay, **{name: TRANSFER_QUERY[name]})
    assert alipay.content == {
        "product_code": "TRANS_ACCOUNT_NO_PWD",
        "biz_scene": "DIRECT_TRANSFER",
        name: TRANSFER_QUERY[name],
    }
    with pytest.raises(OutcomeUnknown, match=f"another {name}"):
        query(Alipay(keys, {**TRANSFER_QUERY, name: "1"}), **{name: TRANSFER_QUERY[name]})


@pytest.mark.parametrize(
    ("at_fault", "fields"),
    [
        ("out_biz_no", {}),
        ("out_biz_no", {"out_biz_no": "T/1"}),
        ("order_id", {"order_id": "T1"}),
        ("biz_scene", {"out_biz_no": "T1", "biz_scene": ""}),
    ],
)
def test_a_query_without_a_number_is_not_sent(
    keys: Keys, at_fault: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        query(Alipay(keys, TRANSFER_QUERY), **fields)
    assert caught.value.parameter == at_fault


@with_vectors("captured-response", where=lambda vector: "fund-trans" in vector["name"])
def test_captured_responses_are_judged_right(vector: Vector) -> None:
    name, node = vector["response_node"], vector["string_to_sign"]
    body = vector.get("raw") or f'{{"{name}":{node},"sign":"{vector["sign"]}"}}'
    method = name.removesuffix("_response").replace("_", ".")
    signer = Rsa2Signer(public_key=vector["public_key"])
    if vector["expected"] == "valid":
        response = read_response(body.encode(), method, charset="utf-8", signer=signer)
        assert response["status"] == "SUCCESS"
    else:
        with pytest.raises(OutcomeUnknown, match="not signed by Alipay"):
            read_response(body.encode(), method, charset="utf-8", signer=signer)
