"""Profit sharing: relations, and the result of a settlement."""

from __future__ import annotations

from typing import Any

import pytest

from flask_alipay.exceptions import GatewayError, InvalidParameter, OutcomeUnknown

from ..conftest import Keys
from ..doubles.openapi import DONE, RECEIVERS, TRADE_NO, Alipay
from .test_with_the_simulator import gateway as gateway
from .test_with_the_simulator import pay, settle

OTHER_BUYER = {"type": "loginName", "account": "anna@example.org", "name": "安娜"}


def bind(gateway: Any, *receivers: dict[str, str], number: str = "R1") -> Any:
    return gateway.trade_royalty_relation_bind(out_request_no=number, receiver_list=receivers)


def test_relations_are_bound_listed_and_unbound(gateway: Any) -> None:
    bind(gateway, OTHER_BUYER, *RECEIVERS)
    bind(gateway, OTHER_BUYER, number="R2")
    found = gateway.trade_royalty_relation_batchquery(out_request_no="R3")
    assert [each["account"] for each in found.receivers] == [
        "anna@example.org",
        "2088000000000003",
    ]
    assert (found.total_records, found.total_pages) == (2, 1)
    gateway.trade_royalty_relation_unbind(out_request_no="R4", receiver_list=[OTHER_BUYER])
    page = gateway.trade_royalty_relation_batchquery(out_request_no="R5", page_size=1, page_num=1)
    assert [each["account"] for each in page.receivers] == ["2088000000000003"]


def test_the_parts_of_a_settlement_are_queried(gateway: Any) -> None:
    trade_no = pay(gateway).trade_no
    assert gateway.trade_order_onsettle_query(trade_no=trade_no).unsettled_fen == 8888
    made = settle(gateway)
    for requested in (
        {"settle_no": made.settle_no},
        {"out_request_no": "S1", "trade_no": trade_no},
    ):
        found = gateway.trade_order_settle_query(**requested)
        [part] = found.details
        assert (part.state, part.amount_fen) == ("SUCCESS", 100)
        assert part.trans_in == "2088000000000003"
        assert found.requested_at == part.executed_at
        assert "2088000000000003" not in repr(part)
    assert gateway.trade_order_onsettle_query(trade_no=trade_no).unsettled_fen == 8788


def test_a_settlement_may_only_release_the_rest(gateway: Any) -> None:
    trade_no = pay(gateway).trade_no
    released = gateway.trade_order_settle(
        out_request_no="S2", trade_no=trade_no, extend_params={"royalty_finish": "true"}
    )
    assert gateway.trade_order_settle_query(settle_no=released.settle_no).details == ()


@pytest.mark.parametrize(
    ("call", "sub_code"),
    [
        (
            lambda g: bind(g, {**OTHER_BUYER, "account": "nobody@simulator.invalid"}),
            "USER_NOT_EXIST",
        ),
        (lambda g: g.trade_order_settle_query(settle_no="1"), "ACQ.TRADE_SETTLE_NOT_EXIST"),
        (lambda g: g.trade_order_onsettle_query(trade_no=TRADE_NO), "ACQ.TRADE_NOT_EXIST"),
    ],
)
def test_a_rejection_has_its_code(gateway: Any, call: Any, sub_code: str) -> None:
    with pytest.raises(GatewayError) as caught:
        call(gateway)
    assert caught.value.sub_code == sub_code
    assert gateway.trade_royalty_relation_batchquery(out_request_no="R1").receivers == ()


def test_a_failed_result_code_is_a_rejection_despite_the_code(keys: Keys) -> None:
    with pytest.raises(GatewayError) as caught:
        bind(Alipay(keys, {**DONE, "result_code": "FAIL"}).gateway(), OTHER_BUYER)
    assert caught.value.sub_code == "FAIL"
    assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize(
    "node",
    [{}, {"result_code": "SUCCESS", "receiver_list": "x"}],
)
def test_an_unreadable_list_is_not_trusted(keys: Keys, node: dict[str, Any]) -> None:
    with pytest.raises(OutcomeUnknown):
        Alipay(keys, {**DONE, **node}).gateway().trade_royalty_relation_batchquery(
            out_request_no="R1"
        )


@pytest.mark.parametrize(
    ("call", "parameter"),
    [
        (lambda g: bind(g), "receiver_list"),
        (lambda g: bind(g, *[OTHER_BUYER] * 21), "receiver_list"),
        (lambda g: bind(g, OTHER_BUYER, number="a" * 33), "out_request_no"),
        (lambda g: bind(g, {"type": "email", "account": "a"}), "receiver_list[0].type"),
        (lambda g: bind(g, {"type": "userId"}), "receiver_list[0].account"),
        (lambda g: bind(g, {"type": "loginName", "account": "a"}), "receiver_list[0].name"),
        (lambda g: g.trade_order_settle_query(), "settle_no"),
        (lambda g: g.trade_order_settle_query(out_request_no="S1"), "trade_no"),
        (lambda g: g.trade_order_onsettle_query(trade_no="x"), "trade_no"),
        (
            lambda g: g.trade_royalty_relation_batchquery(out_request_no="R1", page_size=101),
            "page_size",
        ),
    ],
)
def test_an_invalid_field_is_not_sent(keys: Keys, call: Any, parameter: str) -> None:
    alipay = Alipay(keys, DONE)
    with pytest.raises(InvalidParameter) as caught:
        call(alipay.gateway())
    assert caught.value.parameter == parameter
    assert alipay.requested == []
