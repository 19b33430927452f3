"""A newer application: it receives the buyer's OpenID, and names buyers by it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flask_alipay.simulator import Simulator
from flask_alipay.simulator.merchant.merchant import get_merchant, open_id_under

from .server import ORDER

T1 = {"out_trade_no": "T1"}
CODE = {"scene": "bar_code", "auth_code": "2812345678901234"}


@pytest.fixture
def account(merchant):
    return merchant.account


@pytest.fixture
def simulator(clock, shop):
    """The simulator of a newer application."""
    merchant = replace(get_merchant(), open_id=True)
    return Simulator(post=shop.post, clock=clock, merchant=merchant)


def test_an_open_id_has_the_form_of_alipays(account):
    assert len(account.buyer_open_id) == 48
    assert account.buyer_open_id[:3] == account.app_id[-3:]
    assert set(account.buyer_open_id) <= set(
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
    )


def test_an_open_id_is_another_one_for_another_application(account):
    other = replace(account, app_id="9021000000000002")
    assert other.buyer_open_id != account.buyer_open_id
    assert other.buyer_open_id == open_id_under("9021000000000002", account.buyer_id)


def test_a_notification_names_the_buyer_by_the_open_id(server, account, shop, clock):
    server.call("pay", {**ORDER, **CODE})
    clock.advance(seconds=1)
    fields = shop.fields()
    assert fields["buyer_open_id"] == account.buyer_open_id
    assert "buyer_id" not in fields
    assert fields["buyer_logon_id"] == "buy***@simulator.invalid"


def test_responses_name_the_buyer_by_the_open_id(server, account):
    refund = {**T1, "refund_amount": "1.00", "out_request_no": "R1"}
    for method, biz in (("pay", {**ORDER, **CODE}), ("query", T1), ("refund", refund)):
        node = server.call(method, biz)
        assert node["buyer_open_id"] == account.buyer_open_id
        assert "buyer_user_id" not in node


def test_a_trade_is_created_for_an_open_id(server, account):
    node = server.call("create", {**ORDER, "buyer_open_id": account.buyer_open_id})
    assert node["trade_no"]


def test_a_trade_for_an_unknown_buyer_is_not_created(server, account, shop, clock):
    strangers = (
        {"buyer_id": account.buyer_id},
        {"buyer_open_id": open_id_under("9021000000000002", account.buyer_id)},
    )
    for buyer in strangers:
        assert server.refused("create", {**ORDER, **buyer}) == "ACQ.BUYER_NOT_EXIST"
    assert server.refused("query", T1) == "ACQ.TRADE_NOT_EXIST"
    clock.advance(seconds=1)
    assert shop.bodies == []
