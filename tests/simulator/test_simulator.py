from __future__ import annotations

import logging
import threading
from datetime import timedelta

import pytest

from flask_alipay.exceptions import ConfigurationError
from flask_alipay.keys import load_private_key, load_public_key
from flask_alipay.simulator import Simulator
from flask_alipay.simulator.clock import SystemClock
from flask_alipay.simulator.trades.trades import TradeEvent
from flask_alipay.simulator.web.forms import RawForm

from .conftest import Merchant


def order(simulator, request):
    query = request.url.partition("?")[2].encode("ascii")
    return simulator.reply(RawForm(query)).trade


def test_a_new_simulator_says_what_it_is(caplog):
    Simulator()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.name == "flask_alipay.simulator"
    assert "simulator" in record.getMessage()


def test_the_settings_of_an_open_platform_merchant():
    settings = Simulator().merchant_settings()
    assert settings.keys() == {"PROTOCOL", "APP_ID", "SELLER_ID", "PRIVATE_KEY", "PUBLIC_KEY"}
    assert settings["PROTOCOL"] == "openapi"
    own = load_private_key(settings["PRIVATE_KEY"]).public_key()
    assert own.public_numbers() != load_public_key(settings["PUBLIC_KEY"]).public_numbers()


def test_the_settings_of_a_legacy_merchant():
    simulator = Simulator(protocol="mapi", charset="gbk")
    settings = simulator.merchant_settings()
    assert settings == {
        "PROTOCOL": "mapi",
        "PARTNER": "2088000000000001",
        "SELLER_ID": "2088000000000001",
        "SELLER_EMAIL": "shop@simulator.invalid",
        "KEY": simulator.merchant.md5_key,
        "SIGN_TYPE": "MD5",
        "INPUT_CHARSET": "gbk",
    }


@pytest.mark.parametrize("sign_type", ["RSA", "RSA2"])
def test_a_legacy_merchant_may_sign_with_rsa(sign_type):
    settings = Simulator(protocol="mapi", sign_type=sign_type).merchant_settings()
    assert settings["SIGN_TYPE"] == sign_type
    assert {"PRIVATE_KEY", "PUBLIC_KEY"} <= settings.keys()
    assert "KEY" not in settings


def test_the_gateway_is_among_the_settings_where_it_is_known():
    simulator = Simulator(base_url="http://127.0.0.1:8090/")
    assert simulator.merchant_settings()["GATEWAY_URL"] == "http://127.0.0.1:8090/gateway.do"


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"protocol": "v3"}, "PROTOCOL"),
        ({"sign_type": "MD5"}, "SIGN_TYPE"),
        ({"protocol": "mapi", "sign_type": "DSA"}, "SIGN_TYPE"),
        ({"charset": "utf-7"}, "INPUT_CHARSET"),
    ],
)
def test_a_protocol_sign_type_or_charset_that_does_not_exist_is_rejected(wrong, key):
    with pytest.raises(ConfigurationError) as error:
        Simulator(**wrong)
    assert error.value.key == key


def test_no_secret_is_in_the_repr():
    simulator = Simulator(protocol="mapi")
    assert simulator.merchant.md5_key not in repr(simulator)


def test_one_gateway_uses_both_protocols(simulator, merchant):
    assert order(simulator, merchant.page_pay()).order.protocol == "openapi"
    other = merchant.direct_pay(out_trade_no="T2")
    assert order(simulator, other).order.protocol == "mapi"


def test_two_simulators_know_nothing_of_each_others_trades(simulator, merchant):
    trade = order(simulator, merchant.page_pay())
    assert Simulator().find_by_cashier(trade.cashier_id) is None


def test_the_shop_is_notified_before_the_buyer_goes_on(simulator, merchant, shop):
    trade = order(simulator, merchant.page_pay())
    simulator.cashier_event(trade.cashier_id, TradeEvent.PAY)
    assert len(shop.bodies) == 1


def test_paying_twice_tells_once(simulator, merchant, shop):
    trade = order(simulator, merchant.page_pay())
    for _ in range(3):
        assert simulator.cashier_event(trade.cashier_id, TradeEvent.PAY).paid
    assert len(shop.bodies) == 1


def test_a_paid_trade_cannot_be_rejected_afterwards(simulator, merchant, shop):
    trade = order(simulator, merchant.page_pay())
    simulator.cashier_event(trade.cashier_id, TradeEvent.PAY)
    assert simulator.cashier_event(trade.cashier_id, TradeEvent.CLOSE).paid
    assert len(shop.bodies) == 1


def test_an_overdue_trade_is_closed_and_notified_when_it_is_read(simulator, merchant, shop, clock):
    trade = order(simulator, merchant.page_pay(biz={"timeout_express": "5m"}))
    clock.time += timedelta(minutes=5)  # and the clock has not called anybody yet
    assert simulator.find_by_cashier(trade.cashier_id).status == "TRADE_CLOSED"
    assert shop.fields()["trade_status"] == "TRADE_CLOSED"
    simulator.find_by_cashier(trade.cashier_id)
    assert len(shop.bodies) == 1


def test_an_overdue_trade_cannot_be_paid(simulator, merchant, shop, clock):
    trade = order(simulator, merchant.page_pay(biz={"timeout_express": "5m"}))
    clock.time += timedelta(minutes=5)  # and the clock has not called anybody yet
    assert not simulator.cashier_event(trade.cashier_id, TradeEvent.PAY).paid
    assert [shop.fields()["trade_status"]] == ["TRADE_CLOSED"]


def test_an_expired_trade_is_closed_and_notified_without_a_query(simulator, merchant, shop, clock):
    trade = order(simulator, merchant.page_pay(biz={"timeout_express": "5m"}))
    simulator.find_by_cashier(trade.cashier_id)
    clock.advance(minutes=4, seconds=59)
    assert shop.bodies == []
    clock.advance(seconds=1)
    assert shop.fields()["trade_status"] == "TRADE_CLOSED"
    (closed,) = simulator.trades.all()
    assert closed.closed_at == closed.order.expires_at
    clock.advance(days=1)
    simulator.find_by_cashier(trade.cashier_id)
    assert len(shop.bodies) == 1


def test_a_trade_that_was_paid_in_time_is_not_notified_again(simulator, merchant, shop, clock):
    trade = order(simulator, merchant.page_pay(biz={"timeout_express": "5m"}))
    simulator.cashier_event(trade.cashier_id, TradeEvent.PAY)
    clock.advance(minutes=6)
    assert [shop.fields()["trade_status"]] == ["TRADE_SUCCESS"]


def test_the_machines_own_time_closes_trades_as_well(shop):
    notified = threading.Event()
    shop.on_post = lambda url, body: notified.set()
    clock = SystemClock(speed=3600)
    simulator = Simulator(post=shop.post, clock=clock)
    trade = order(simulator, Merchant(simulator, clock).page_pay(biz={"timeout_express": "5m"}))
    simulator.find_by_cashier(trade.cashier_id)
    assert notified.wait(30)
    assert shop.fields()["trade_status"] == "TRADE_CLOSED"


def test_time_that_is_put_on_closes_a_trade_at_its_limit_before_it_returns(shop):
    clock = SystemClock()
    simulator = Simulator(post=shop.post, clock=clock)
    trade = order(simulator, Merchant(simulator, clock).page_pay(biz={"timeout_express": "5m"}))
    simulator.find_by_cashier(trade.cashier_id)
    shop.text = "fail"
    simulator.advance(timedelta(minutes=30))
    (closed,) = simulator.trades.all()
    assert closed.closed_at - closed.order.expires_at < timedelta(minutes=1)
    assert len(shop.bodies) == 4, "and repeated on schedule from then"


def test_a_missing_acknowledgement_is_known(simulator, merchant, shop, clock):
    shop.text = "fail"
    trade = order(simulator, merchant.page_pay())
    assert not simulator.is_unacknowledged("T1")
    simulator.cashier_event(trade.cashier_id, TradeEvent.PAY)
    assert simulator.is_unacknowledged("T1")
    shop.text = "success"
    clock.advance(minutes=4)
    assert not simulator.is_unacknowledged("T1")


def test_a_retry_tells_the_same_with_the_time_of_its_sending(simulator, merchant, shop, clock):
    shop.text = "fail"
    trade = order(simulator, merchant.page_pay())
    simulator.cashier_event(trade.cashier_id, TradeEvent.PAY)
    clock.advance(minutes=4)
    first, second = shop.fields(0), shop.fields(1)
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {"notify_time", "sign"}
    assert second["notify_time"] == "2026-01-31 12:04:00"


def test_an_unpaid_trade_returns_to_the_bare_address(simulator, merchant):
    trade = order(simulator, merchant.page_pay())
    assert simulator.return_url(trade) == "https://shop.example/return"


def test_a_signed_return_keeps_the_addresss_own_query(simulator, merchant):
    trade = order(simulator, merchant.page_pay(return_url="https://shop.example/r?lang=zh"))
    paid = simulator.cashier_event(trade.cashier_id, TradeEvent.PAY)
    assert simulator.return_url(paid).startswith("https://shop.example/r?lang=zh&charset=utf-8&")


def test_the_log_holds_no_key_and_no_signature(simulator, merchant, shop, caplog):
    caplog.set_level("DEBUG")
    trade = order(simulator, merchant.direct_pay())
    simulator.cashier_event(trade.cashier_id, TradeEvent.PAY)
    assert shop.fields()["sign"] not in caplog.text
    assert simulator.merchant.md5_key not in caplog.text
    assert simulator.merchant.buyer_email not in caplog.text
