"""Refunds on the open platform: each made once, and never more than was paid."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .server import ORDER

T1 = {"out_trade_no": "T1"}


def refund(amount, number="R1"):
    return {**T1, "refund_amount": amount, "out_request_no": number}


def test_a_part_is_refunded_once_however_often_it_is_requested(server, paid, shop, clock):
    node = server.call("refund", refund("8.88"))
    assert (node["fund_change"], node["refund_fee"]) == ("Y", "8.88")
    assert node["gmt_refund_pay"] == "2026-01-31 12:00:00"
    again = server.call("refund", refund("8.88"))
    assert (again["fund_change"], again["refund_fee"]) == ("N", "8.88")
    assert server.call("query", T1)["trade_status"] == "TRADE_SUCCESS"
    clock.advance(seconds=1)
    notified = shop.fields()
    assert (notified["trade_status"], notified["refund_fee"]) == ("TRADE_SUCCESS", "8.88")
    assert notified["out_biz_no"] == "R1"
    assert re.fullmatch(r"2026-01-31 12:00:00\.\d{3}", notified["gmt_refund"])
    assert len(shop.bodies) == 2, "paid, and refunded once"


def test_the_rest_closes_the_trade_and_the_refunds_add_up(server, paid, shop, clock):
    server.call("refund", refund("8.88"))
    assert server.call("refund", refund("80.00", "R2"))["refund_fee"] == "88.88"
    assert server.call("query", T1)["trade_status"] == "TRADE_CLOSED"
    clock.advance(seconds=1)
    notified = shop.fields()
    assert (notified["trade_status"], notified["refund_fee"]) == ("TRADE_CLOSED", "88.88")
    assert notified["out_biz_no"] == "R2"
    assert notified["gmt_close"] == "2026-01-31 12:00:00"
    assert server.refused("refund", refund("0.01", "R3")) == "ACQ.TRADE_HAS_CLOSE"
    assert server.call("refund", refund("80.00", "R2"))["fund_change"] == "N"


def test_the_same_number_for_another_amount_is_rejected(server, paid, simulator):
    server.call("refund", refund("8.88"))
    before = simulator.trades.by_out_trade_no("T1")
    assert server.refused("refund", refund("8.87")) == "ACQ.DISCORDANT_REPEAT_REQUEST"
    assert simulator.trades.by_out_trade_no("T1") == before


def test_more_than_the_rest_is_rejected(server, paid, simulator):
    server.call("refund", refund("8.88"))
    before = simulator.trades.by_out_trade_no("T1")
    code = server.refused("refund", refund("80.01", "R2"))
    assert code == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
    assert simulator.trades.by_out_trade_no("T1") == before


def test_all_of_it_needs_no_number_and_a_part_does(server, paid):
    part = {**T1, "refund_amount": "1.00"}
    assert server.refused("refund", part) == "ACQ.INVALID_PARAMETER"
    assert server.call("refund", {**T1, "refund_amount": "88.88"})["fund_change"] == "Y"
    node = server.call("fastpay.refund.query", {**T1, "out_request_no": "T1"})
    assert (node["refund_amount"], node["refund_status"]) == ("88.88", "REFUND_SUCCESS")


def test_a_number_that_never_was_is_answered_with_nothing(server, paid):
    node = server.call("fastpay.refund.query", {**T1, "out_request_no": "R9"})
    assert node == {"code": "10000", "msg": "Success"}


def test_a_refund_can_be_queried(server, paid):
    server.call("refund", refund("8.88"))
    node = server.call("fastpay.refund.query", {**T1, "out_request_no": "R1"})
    assert (node["refund_amount"], node["total_amount"]) == ("8.88", "88.88")
    assert "gmt_refund_pay" not in node
    options = {"query_options": ["gmt_refund_pay", "refund_detail_item_list"]}
    node = server.call("fastpay.refund.query", {**T1, "out_request_no": "R1", **options})
    assert node["gmt_refund_pay"] == "2026-01-31 12:00:00"
    assert node["refund_detail_item_list"] == [{"amount": "8.88", "fund_channel": "ALIPAYACCOUNT"}]


def test_an_unpaid_trade_is_not_refunded(server, created):
    assert server.refused("refund", refund("1")) == "ACQ.TRADE_STATUS_ERROR"


def test_a_finished_trade_is_not_refunded(server, paid, simulator, clock):
    simulator.trades.apply("T1", "finish", clock.now())
    assert server.refused("refund", refund("1")) == "ACQ.TRADE_HAS_FINISHED"
    assert server.refused("cancel", T1) == "ACQ.TRADE_HAS_FINISHED"


@pytest.mark.parametrize(
    "wrong",
    [
        {"refund_amount": "0"},
        {"refund_amount": None},
        {"refund_amount": "x"},
        {"out_request_no": "a b"},
        {"out_request_no": "x" * 65},
        {"refund_reason": "x" * 257},
    ],
)
def test_a_bad_field_of_a_refund_is_rejected(server, paid, simulator, wrong):
    before = simulator.trades.by_out_trade_no("T1")
    assert server.refused("refund", refund("1.00") | wrong) == "ACQ.INVALID_PARAMETER"
    assert simulator.trades.by_out_trade_no("T1") == before


REFUNDS = st.lists(st.tuples(st.sampled_from("ABCDE"), st.integers(1, 120)), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(REFUNDS)
def test_never_more_is_refunded_than_was_paid_and_no_number_twice(server, simulator, refunds):
    number = f"P{len(simulator.trades)}"
    order = {**ORDER, "out_trade_no": number, "total_amount": "1.00"}
    server.call("pay", {**order, "scene": "bar_code", "auth_code": "2812345678901234"})
    made = {}
    for request_no, fen in refunds:
        requested = {"out_trade_no": number, "out_request_no": request_no}
        node = server.call("refund", {**requested, "refund_amount": f"{fen / 100:.2f}"})
        done = node["code"] == "10000"
        if request_no in made:
            assert done == (made[request_no] == fen)
        else:
            assert done == (sum(made.values()) + fen <= 100)
        if done:
            made.setdefault(request_no, fen)
            assert node["refund_fee"] == f"{sum(made.values()) / 100:.2f}"
    status = server.call("query", {"out_trade_no": number})["trade_status"]
    assert status == ("TRADE_CLOSED" if sum(made.values()) == 100 else "TRADE_SUCCESS")
