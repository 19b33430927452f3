"""Agreements: requests for signing, queries, ends and changes of the plan."""

from __future__ import annotations

import json
from datetime import date, datetime, timezone
from typing import Any
from urllib.parse import unquote

import pytest

from flask_alipay.exceptions import GatewayError, InvalidParameter, OutcomeUnknown
from flask_alipay.gateways.openapi import ExecutionPlan
from flask_alipay.gateways.openapi.agreements import wallet_link

from ..conftest import Keys
from ..doubles.openapi import DONE, Alipay

NUMBER = "20265001000000000001"
RULE: dict[str, Any] = {
    "period_type": "MONTH",
    "period": 1,
    "execute_time": "2026-12-05",
    "single_amount": "30.00",
}
SIGN: dict[str, Any] = {
    "personal_product_code": "CYCLE_PAY_AUTH_P",
    "product_code": "CYCLE_PAY_AUTH",
    "sign_scene": "INDUSTRY|DIGITAL_MEDIA",
    "external_agreement_no": "S-1",
    "period_rule_params": RULE,
}
FOUND: dict[str, Any] = {
    **DONE,
    "agreement_no": NUMBER,
    "status": "NORMAL",
    "principal_id": "2088000000000002",
    "pricipal_type": "CARD",
    "sign_time": "2026-12-01 12:00:00",
    "invalid_time": "2115-02-01 00:00:00",
    "last_deduct_time": "2026-12-05",
    "next_deduct_time": "2027-01-05 00:00:00",
    "execution_plans": [
        {"period_id": 1, "execute_time": "2027-01-05", "latest_execute_time": "2027-01-08"}
    ],
}


def test_a_signing_request_is_signed_with_objects(keys: Keys) -> None:
    alipay = Alipay(keys, {})
    request = alipay.gateway().user_agreement_page_sign(
        **SIGN, notify_url="https://shop.example/notify"
    )
    assert request.params["method"] == "alipay.user.agreement.page.sign"
    assert request.params["notify_url"] == "https://shop.example/notify"
    content = json.loads(request.params["biz_content"])
    assert content == {**SIGN, "access_params": {"channel": "ALIPAYAPP"}}
    assert alipay.signer.verify(request.content, request.params["sign"])
    assert alipay.requested == []


def test_a_link_opens_the_request_in_alipays_app(keys: Keys) -> None:
    request = Alipay(keys, {}).gateway().user_agreement_page_sign(**SIGN)
    address, _, query = wallet_link(request).partition("sign_params=")
    assert address == (
        "alipays://platformapi/startapp?appId=60000157&appClearTop=false&startMultApp=YES&"
    )
    assert unquote(query) == request.query
    assert "&" not in query


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"personal_product_code": None}, "personal_product_code"),
        ({"sign_scene": None}, "sign_scene"),
        ({"access_params": {"channel": "FAX"}}, "access_params.channel"),
        ({"access_params": {}}, "access_params.channel"),
        ({"external_agreement_no": "S" * 33}, "external_agreement_no"),
        ({"period_rule_params": "{}"}, "period_rule_params"),
        ({"period_rule_params": {**RULE, "period_type": "WEEK"}}, "period_rule_params.period_type"),
        ({"period_rule_params": {**RULE, "period": 0}}, "period_rule_params.period"),
        (
            {"period_rule_params": {**RULE, "period_type": "DAY", "period": 6}},
            "period_rule_params.period",
        ),
        (
            {"period_rule_params": {**RULE, "execute_time": "2026-12-29"}},
            "period_rule_params.execute_time",
        ),
        (
            {"period_rule_params": {**RULE, "execute_time": "soon"}},
            "period_rule_params.execute_time",
        ),
        (
            {"period_rule_params": {**RULE, "single_amount": None}},
            "period_rule_params.single_amount",
        ),
        ({"sign_validity_period": "1y"}, "sign_validity_period"),
        ({"sub_merchant": "text"}, "sub_merchant"),
    ],
)
def test_an_invalid_signing_request_is_rejected(
    keys: Keys, changes: dict[str, Any], name: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        Alipay(keys, {}).gateway().user_agreement_page_sign(**{**SIGN, **changes})
    assert caught.value.parameter == name


def test_a_float_is_no_amount(keys: Keys) -> None:
    with pytest.raises(TypeError):
        Alipay(keys, {}).gateway().user_agreement_page_sign(
            **{**SIGN, "period_rule_params": {**RULE, "single_amount": 30.0}}
        )


def test_an_agreement_is_queried(keys: Keys) -> None:
    alipay = Alipay(keys, FOUND)
    found = alipay.gateway().user_agreement_query(agreement_no=NUMBER)
    assert (found.agreement_no, found.status) == (NUMBER, "NORMAL")
    assert found.payer_user_id == "2088000000000002"
    assert found.signed_at == datetime(2026, 12, 1, 4, tzinfo=timezone.utc)
    assert (found.last_date, found.next_date) == ("2026-12-05", "2027-01-05")
    assert found.plans == (ExecutionPlan("1", "2027-01-05", "2027-01-08"),)
    assert alipay.content == {"agreement_no": NUMBER}
    assert alipay.repeatable
    assert "2088000000000002" not in repr(found)


def test_an_agreement_is_queried_by_the_merchants_number(keys: Keys) -> None:
    alipay = Alipay(keys, {**FOUND, "external_agreement_no": "S1"})
    identity = {"personal_product_code": "P", "sign_scene": "A|B", "external_agreement_no": "S1"}
    alipay.gateway().user_agreement_query(**identity)
    assert alipay.content == identity


@pytest.mark.parametrize(
    "node",
    [
        {**FOUND, "agreement_no": "2"},
        {**FOUND, "agreement_no": None},
        {**FOUND, "status": None},
        b"",
    ],
)
def test_a_response_about_something_else_is_not_trusted(keys: Keys, node: Any) -> None:
    with pytest.raises(OutcomeUnknown):
        Alipay(keys, node).gateway().user_agreement_query(agreement_no=NUMBER)


@pytest.mark.parametrize("plans", ["text", [1], {}, None])
def test_odd_plans_are_ignored(keys: Keys, plans: Any) -> None:
    found = Alipay(keys, {**FOUND, "execution_plans": plans}).gateway()
    assert found.user_agreement_query(agreement_no=NUMBER).plans == ()


def test_a_query_needs_a_number(keys: Keys) -> None:
    with pytest.raises(InvalidParameter):
        Alipay(keys, FOUND).gateway().user_agreement_query()


def test_a_rejected_query_has_the_code(keys: Keys) -> None:
    node = {"code": "40004", "msg": "Business Failed", "sub_code": "USER_AGREEMENT_NOT_EXIST"}
    with pytest.raises(GatewayError) as caught:
        Alipay(keys, node).gateway().user_agreement_query(agreement_no=NUMBER)
    assert (caught.value.sub_code, caught.value.signed) == ("USER_AGREEMENT_NOT_EXIST", True)


def test_an_agreement_is_ended(keys: Keys) -> None:
    alipay = Alipay(keys, DONE)
    alipay.gateway().user_agreement_unsign(
        agreement_no=NUMBER, notify_url="https://shop.example/notify"
    )
    assert alipay.content == {"agreement_no": NUMBER}
    assert alipay.params["notify_url"] == "https://shop.example/notify"
    assert not alipay.repeatable


def test_a_deduction_is_postponed(keys: Keys) -> None:
    alipay = Alipay(keys, {**DONE, "agreement_no": NUMBER, "deduct_time": "2027-01-20"})
    changed = alipay.gateway().user_agreement_executionplan_modify(
        agreement_no=NUMBER, deduct_time=date(2027, 1, 20), memo="holiday"
    )
    assert changed.next_date == "2027-01-20"
    assert alipay.content == {
        "agreement_no": NUMBER,
        "deduct_time": "2027-01-20",
        "memo": "holiday",
    }


@pytest.mark.parametrize("stated", ["2027-02-30", "soon"])
def test_a_postponed_day_must_be_one(keys: Keys, stated: str) -> None:
    alipay = Alipay(keys, {**DONE, "agreement_no": NUMBER, "deduct_time": stated})
    with pytest.raises(OutcomeUnknown):
        alipay.gateway().user_agreement_executionplan_modify(
            agreement_no=NUMBER, deduct_time="2027-01-20"
        )


def test_a_payment_signs_with_an_object(keys: Keys) -> None:
    sign = {
        "personal_product_code": "CYCLE_PAY_AUTH_P",
        "sign_scene": "A|B",
        "access_params": {"channel": "ALIPAYAPP"},
        "period_rule_params": RULE,
    }
    order = {"out_trade_no": "A1", "subject": "茶", "total_amount": "1.00"}
    gateway = Alipay(keys, {}).gateway()
    query = gateway.trade_app_pay(**order, agreement_sign_params=sign)
    content = json.loads(unquote(query.partition("biz_content=")[2].partition("&")[0]))
    assert content["agreement_sign_params"] == sign
    with pytest.raises(InvalidParameter) as caught:
        gateway.trade_app_pay(**order, agreement_sign_params={**sign, "sign_scene": None})
    assert caught.value.parameter == "agreement_sign_params.sign_scene"
