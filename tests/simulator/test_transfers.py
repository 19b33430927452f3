"""Transfers in the simulator's control: shown, and decided by the payee's bank."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from flask_alipay.simulator.trades.transfers import Transfer, new_number

from .conftest import NOTIFY_URL
from .test_control import control as control
from .test_control import see

NOW = datetime(2026, 1, 31, tzinfo=timezone.utc)


@pytest.fixture
def pending(simulator):
    """A transfer that the bank has not confirmed."""
    numbers = (new_number(NOW), new_number(NOW))
    return simulator.transfers.add(
        Transfer(
            "B1",
            888,
            ("BANKCARD_ACCOUNT", "6222"),
            NOW,
            *numbers,
            status="DEALING",
            product_code="TRANS_BANKCARD_NO_PWD",
        )
    )


def test_transfers_are_shown_with_what_can_happen(control, pending):
    (shown,) = see(control, "/transfers")
    assert shown["out_biz_no"] == "B1"
    assert (shown["status"], shown["amount"], shown["payee"]) == ("DEALING", "8.88", "6222")
    assert shown["can"] == ["succeed", "fail"]
    assert see(control, "/live")["transfers"] == [shown]


@pytest.mark.parametrize(
    ("events", "status"),
    [(["succeed"], "SUCCESS"), (["fail"], "FAIL"), (["succeed", "return"], "REFUND")],
)
def test_the_bank_decides(control, pending, events, status):
    for event in events:
        done = control(f"/transfers/B1/{event}", body={})
        assert done.status_code == 200, done.text
    assert done.json["status"] == status


@pytest.mark.parametrize(
    ("path", "code"),
    [("B1/return", 409), ("B2/succeed", 404), ("B1/explode", 404)],
)
def test_what_cannot_happen_changes_nothing(control, pending, simulator, path, code):
    assert control(f"/transfers/{path}", body={}).status_code == code
    assert simulator.transfers.get("B1") == pending


def test_each_change_is_reported_by_a_message(control, pending, simulator, shop):
    simulator.messages.default_url = NOTIFY_URL
    for event in ("succeed", "return"):
        assert control(f"/transfers/B1/{event}", body={}).status_code == 200
    contents = [json.loads(shop.fields(index)["biz_content"]) for index in range(2)]
    assert [content["status"] for content in contents] == ["SUCCESS", "REFUND"]
    assert {content["out_biz_no"] for content in contents} == {"B1"}
    assert shop.fields(0)["msg_method"] == "alipay.fund.trans.order.changed"


def test_without_an_address_no_message_is_sent(control, pending, simulator, shop):
    assert control("/transfers/B1/succeed", body={}).status_code == 200
    assert simulator.deliverer.deliveries == ()
