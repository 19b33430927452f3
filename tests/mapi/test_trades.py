"""One trade at a time: asked about, closed, sent."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from flask_alipay.exceptions import GatewayError, InvalidParameter
from flask_alipay.protocol.notification import Notification

from ..doubles.mapi import PARTNER, SENT, TRADE, TRADE_NO, Alipay, gateway, no, send_goods, yes


def query(values: dict[str, str], **requested: Any) -> Any:
    requested = requested or {"out_trade_no": values.get("out_trade_no", "A1")}
    return gateway(Alipay(yes("trade", values))).single_trade_query(**requested)


def test_a_trade_is_read_into_types() -> None:
    answer = query(TRADE)
    assert (answer.out_trade_no, answer.trade_no) == ("A1", TRADE_NO)
    assert (answer.trade_status, answer.total_fen, answer.currency) == (
        "TRADE_SUCCESS",
        8888,
        "CNY",
    )
    assert answer.refund_status is None
    assert answer.refunded_fen == 0
    assert answer.paid_at == datetime(2026, 1, 31, 4, 0, 1, tzinfo=timezone.utc)
    assert answer.created_at == datetime(2026, 1, 31, 4, 0, tzinfo=timezone.utc)
    assert answer.closed_at is None
    assert answer.seller_id == PARTNER


def test_no_buyer_is_shown() -> None:
    shown = repr(query(TRADE))
    assert TRADE["buyer_id"] not in shown
    assert TRADE["buyer_email"] not in shown


def test_a_trade_converts_to_a_notification() -> None:
    notification_params = Notification.from_params(query(TRADE).params)
    assert (
        notification_params.out_trade_no,
        notification_params.total_fen,
        notification_params.trade_status,
    ) == ("A1", 8888, "TRADE_SUCCESS")


def test_a_price_times_a_quantity_is_an_amount() -> None:
    values = {**TRADE, "price": "0.10", "quantity": "3"}
    del values["total_fee"]
    assert query(values).total_fen == 30


def test_a_trade_in_yen_is_read_in_yen() -> None:
    answer = query({**TRADE, "currency": "JPY", "total_fee": "1700.00"})
    assert (answer.total_fen, answer.currency) == (1700, "JPY")


def test_the_refunded_amount_is_read() -> None:
    values = {**TRADE, "refund_status": "REFUND_SUCCESS", "to_buyer_fee": "8.80"}
    answer = query({**values, "gmt_refund": "2026-01-31 13:00:00"})
    assert (answer.refund_status, answer.refunded_fen) == ("REFUND_SUCCESS", 880)
    assert answer.refunded_at == datetime(2026, 1, 31, 5, tzinfo=timezone.utc)


@pytest.mark.parametrize("name", ["out_trade_no", "trade_no", "trade_status"])
def test_a_trade_without_its_numbers_is_an_invalid_response(name: str) -> None:
    with pytest.raises(GatewayError, match=f"no {name}"):
        query({key: text for key, text in TRADE.items() if key != name}, out_trade_no="A1")


@pytest.mark.parametrize(
    "change",
    [
        {"total_fee": "1e3"},
        {"total_fee": "-1.00"},
        {"total_fee": "", "price": "", "quantity": "1"},
        {"total_fee": "", "quantity": "many"},
        {"to_buyer_fee": "0.001"},
    ],
)
def test_an_amount_that_is_none_is_an_invalid_response(change: dict[str, str]) -> None:
    with pytest.raises(GatewayError, match="cannot be parsed"):
        query({**TRADE, **change})


def test_a_response_about_another_trade_is_none() -> None:
    with pytest.raises(GatewayError, match="another trade"):
        query(TRADE, out_trade_no="A2")
    with pytest.raises(GatewayError, match="another trade"):
        query(TRADE, trade_no="2026013122001400009999999999")
    # Alipay's number wins where both are given.
    assert query(TRADE, trade_no=TRADE_NO, out_trade_no="A2").out_trade_no == "A1"


def test_a_trade_must_be_named() -> None:
    alipay = Alipay()
    with pytest.raises(InvalidParameter, match=r"^out_trade_no or trade_no is required"):
        gateway(alipay).single_trade_query()
    with pytest.raises(InvalidParameter, match=r"^trade_no "):
        gateway(alipay).single_trade_query(trade_no="../1")
    with pytest.raises(InvalidParameter, match=r"^trade_no or out_order_no is required"):
        gateway(alipay).close_trade()
    assert alipay.requested == []


def test_a_trade_is_closed_by_the_name_that_this_service_has_for_it() -> None:
    alipay = Alipay(yes())
    gateway(alipay).close_trade(out_order_no="A1", trade_role="S")
    assert alipay.params["out_order_no"] == "A1"
    assert alipay.params["trade_role"] == "S"
    assert "out_trade_no" not in alipay.params
    with pytest.raises(InvalidParameter, match=r"^trade_role "):
        gateway(alipay).close_trade(out_order_no="A1", trade_role="X")


def test_a_rejected_close_has_alipays_code() -> None:
    with pytest.raises(GatewayError) as caught:
        gateway(Alipay(no("TRADE_STATUS_NOT_AVAILD"))).close_trade(trade_no=TRADE_NO)
    assert caught.value.code == "TRADE_STATUS_NOT_AVAILD"


def test_goods_are_sent() -> None:
    alipay = Alipay(yes("tradeBase", SENT))
    answer = send_goods(gateway(alipay))
    assert (answer.trade_no, answer.out_trade_no) == (TRADE_NO, "A1")
    assert answer.trade_status == "WAIT_BUYER_CONFIRM_GOODS"
    assert alipay.params["logistics_name"] == "顺丰"
    assert send_goods(gateway(Alipay(yes()))).trade_no == TRADE_NO


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({"logistics_name": "顺丰", "transport_type": "EXPRESS"}, "trade_no"),
        ({"trade_no": TRADE_NO, "transport_type": "EXPRESS"}, "logistics_name"),
        ({"trade_no": TRADE_NO, "logistics_name": "顺丰"}, "transport_type"),
        (
            {"trade_no": TRADE_NO, "logistics_name": "顺丰", "transport_type": "PIGEON"},
            "transport_type",
        ),
        (
            {"trade_no": TRADE_NO, "logistics_name": "顺" * 33, "transport_type": "EMS"},
            "logistics_name",
        ),
        ({"trade_no": TRADE_NO, "carrier": "顺丰"}, "carrier"),
    ],
)
def test_a_shipment_needs_a_carrier_and_a_method(params: Any, fault: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        gateway(charset="gbk").send_goods_confirm_by_platform(**params)
    assert caught.value.parameter == fault


def test_another_way_to_send_is_good_as_well() -> None:
    alipay = Alipay(yes())
    gateway(alipay).send_goods_confirm_by_platform(
        trade_no=TRADE_NO, logistics_name="自提", create_transport_type="DIRECT", invoice_no="SF1"
    )
    assert alipay.params["create_transport_type"] == "DIRECT"
    assert alipay.params["invoice_no"] == "SF1"


def test_a_carrier_that_gbk_cannot_write_is_rejected_by_name() -> None:
    with pytest.raises(InvalidParameter, match=r"^logistics_name has a character"):
        gateway(charset="gbk").send_goods_confirm_by_platform(
            trade_no=TRADE_NO, logistics_name="🚚", transport_type="EXPRESS"
        )
