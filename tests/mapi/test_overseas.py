"""Shops abroad: trades and refunds there, and the codes on their counters."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from flask_alipay.exceptions import GatewayError, InvalidParameter, OutcomeUnknown

from ..doubles.mapi import ABROAD, CODE, REFUND, TRADE_NO, Alipay, create_code, gateway, yes


def query(values: dict[str, str], **requested: Any) -> Any:
    merchant = gateway(Alipay(yes("alipay", values)))
    return merchant.alipay_acquire_overseas_query(**(requested or {"partner_trans_id": "P1"}))


def refund(values: dict[str, str] | None = None, **changes: Any) -> Any:
    about = {
        "partner_trans_id": "P1",
        "partner_refund_id": "R1",
        "currency": "USD",
        "refund_amount": "1.00",
    }
    merchant = gateway(Alipay(yes("alipay", values or REFUND)))
    return merchant.alipay_acquire_overseas_spot_refund(**{**about, **changes})


def test_a_trade_abroad_is_read_into_types() -> None:
    trade = query(ABROAD)
    assert (trade.partner_trans_id, trade.alipay_trans_id) == ("P1", TRADE_NO)
    assert (trade.trade_status, trade.total_fen, trade.currency) == ("TRADE_SUCCESS", 888, "USD")
    assert trade.paid_at == datetime(2026, 1, 31, 4, 0, 1, tzinfo=timezone.utc)
    assert query({**ABROAD, "currency": "JPY", "trans_amount": "17"}).total_fen == 17


def test_a_successful_response_may_contain_a_rejection() -> None:
    failed = {"result_code": "FAIL", "error": "TRADE_NOT_EXIST"}
    for call in (query, refund):
        with pytest.raises(GatewayError) as caught:
            call(failed)
        assert caught.value.code == "TRADE_NOT_EXIST"
        assert not isinstance(caught.value, OutcomeUnknown)


def test_the_outcome_may_be_unknown_to_alipay() -> None:
    with pytest.raises(OutcomeUnknown):
        refund({"result_code": "UNKNOWN"})


def test_a_response_about_another_trade_is_none() -> None:
    with pytest.raises(GatewayError, match="another trade"):
        query({**ABROAD, "partner_trans_id": "P2"})
    with pytest.raises(GatewayError, match="another trade"):
        query({"result_code": "SUCCESS"})
    assert query(ABROAD, alipay_trans_id=TRADE_NO).partner_trans_id == "P1"


def test_a_trade_abroad_must_be_named() -> None:
    with pytest.raises(InvalidParameter, match=r"^partner_trans_id or alipay_trans_id is required"):
        gateway().alipay_acquire_overseas_query()


def test_a_refund_abroad() -> None:
    answer = refund()
    assert (answer.partner_trans_id, answer.partner_refund_id) == ("P1", "R1")
    assert (answer.refund_fen, answer.currency) == (100, "USD")


@pytest.mark.parametrize(
    "name", ["partner_trans_id", "partner_refund_id", "currency", "refund_amount"]
)
def test_a_missing_parameter_of_a_refund_abroad_is_named(name: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        refund(**{name: None})
    assert caught.value.parameter == name


def test_a_code_is_made() -> None:
    alipay = Alipay(yes("alipay", {**CODE, "qrcode_img_url": "https://img.invalid/x"}))
    answer = gateway(alipay).alipay_commerce_qrcode_create(
        biz_type="OVERSEASHOPQRCODE", biz_data={"store_name": '茶 "1" & <2>'}
    )
    assert (answer.qrcode, answer.image_url) == ("https://qr.alipay.com/x", "https://img.invalid/x")
    assert json.loads(alipay.params["biz_data"]) == {"store_name": '茶 "1" & <2>'}
    assert "茶" in alipay.params["biz_data"]


def test_a_rejected_code_has_alipays_reason() -> None:
    failed = Alipay(yes("alipay", {"result_code": "FAIL", "error_message": "GOODS_NOT_EXIST"}))
    with pytest.raises(GatewayError) as caught:
        create_code(gateway(failed))
    assert caught.value.code == "GOODS_NOT_EXIST"


@pytest.mark.parametrize(
    "data", ["[]", "{", "", "1", [], 1, {"price": {1}}, {"price": 0.1}, "null"]
)
def test_a_value_that_is_not_an_object_is_rejected(data: Any) -> None:
    with pytest.raises(InvalidParameter, match=r"^biz_data "):
        gateway().alipay_commerce_qrcode_create(biz_type="X", biz_data=data)


def test_a_code_that_gbk_cannot_write_is_rejected_by_name() -> None:
    with pytest.raises(InvalidParameter, match=r"^biz_data has a character"):
        gateway(charset="gbk").alipay_commerce_qrcode_create(biz_type="X", biz_data={"a": "🍵"})


def test_a_time_is_chinas() -> None:
    instant = datetime(2026, 1, 31, 17, 0, tzinfo=timezone.utc)
    for given in (instant, "2026-02-01 01:00:00"):
        alipay = Alipay(yes("alipay", CODE))
        gateway(alipay).alipay_commerce_qrcode_create(biz_type="X", biz_data={}, timestamp=given)
        assert alipay.params["timestamp"] == "2026-02-01 01:00:00"
    wrong: Any
    for wrong in (datetime(2026, 1, 31), "2026-02-30 00:00:00", "yesterday", 5):  # noqa: DTZ001
        with pytest.raises(InvalidParameter, match=r"^timestamp "):
            gateway().alipay_commerce_qrcode_create(biz_type="X", biz_data={}, timestamp=wrong)


def test_the_code_of_a_good_is_made_changed_and_stopped() -> None:
    def manage(**params: Any) -> dict[str, str]:
        alipay = Alipay(yes("alipay", CODE))
        gateway(alipay).alipay_mobile_qrcode_manage(biz_type=10, **params)
        return alipay.params

    assert manage(method="add", biz_data={"a": 1})["biz_type"] == "10"
    changed = manage(method="modify", biz_data={"a": 1}, qrcode="Q1")
    assert changed["qrcode"] == "Q1"
    assert "biz_data" not in manage(method="stop", qrcode="Q1")
    for wrong, fault in (
        ({"method": "add"}, "biz_data"),
        ({"method": "modify", "biz_data": {}}, "qrcode"),
        ({"method": "stop"}, "qrcode"),
        ({"method": "burn"}, "method"),
    ):
        with pytest.raises(InvalidParameter) as caught:
            manage(**wrong)
        assert caught.value.parameter == fault
