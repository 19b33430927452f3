from __future__ import annotations

from datetime import timedelta

import pytest

from flask_alipay.simulator.trades.expiry import Expiry
from flask_alipay.simulator.trades.orders import TradeEvent
from flask_alipay.simulator.trades.trades import TradeStore

from .test_trades import an_order

MINUTE = timedelta(minutes=1)


class Shop:
    """A store whose overdue trades are closed, and told in their order."""

    def __init__(self, clock, maximum=100):
        self.clock, self.store, self.notified = clock, TradeStore(maximum), []
        self.expiry = Expiry(clock, self.store, self.close, 2 * maximum)

    def close(self, out_trade_no):
        self.store.apply(out_trade_no, None, self.clock.now())
        self.notified.append(out_trade_no)

    def place(self, out_trade_no, minutes):
        limit = self.clock.now() + minutes * MINUTE
        order = an_order(out_trade_no=out_trade_no, expires_at=limit)
        return self.store.create(order, self.clock.now())


@pytest.fixture
def shop(clock):
    return Shop(clock)


def test_each_trade_is_closed_when_its_own_time_is_over(shop, clock):
    for out_trade_no, minutes in (("T3", 3), ("T1", 1), ("T5", 5), ("T2", 2)):
        shop.place(out_trade_no, minutes)
    closed = []
    for _ in range(6):
        clock.advance(minutes=1)
        closed.append(len(shop.notified))
    assert shop.notified == ["T1", "T2", "T3", "T5"]
    assert closed == [1, 2, 3, 3, 4, 4]


def test_trades_with_one_limit_are_closed_at_once(shop, clock):
    for number in range(5):
        shop.place(f"T{number}", 1)
    clock.advance(minutes=1)
    assert len(shop.notified) == 5


def test_an_order_without_a_limit_waits_forever(shop, clock):
    shop.store.create(an_order(), clock.now())
    assert clock.due == []


def test_an_order_that_is_repeated_is_not_asked_about_twice(shop, clock):
    for _ in range(10):
        shop.place("T1", 5)
    assert len(clock.due) == 1


def test_many_trades_ask_the_clock_once(shop, clock):
    for number in range(100):
        shop.place(f"T{number}", 5 + number)
    assert len(clock.due) == 1


def test_a_trade_that_ended_before_is_left_alone(shop, clock):
    for out_trade_no in ("T1", "T2"):
        shop.place(out_trade_no, 5)
    shop.store.apply("T1", TradeEvent.PAY, clock.now())
    clock.advance(minutes=5)
    assert shop.notified == ["T2"]


def test_a_trade_that_made_room_for_others_is_forgotten(clock):
    shop = Shop(clock, maximum=10)
    for number in range(1000):
        shop.place(f"T{number}", 60)
    assert len(shop.expiry._limits) <= 20
    clock.advance(hours=1)
    assert shop.notified == [f"T{number}" for number in range(990, 1000)]
    assert clock.due == []


def test_a_number_that_comes_back_has_its_new_limit_alone(clock):
    shop = Shop(clock, maximum=1)
    shop.place("T1", 5)
    shop.place("T2", 5)
    shop.place("T1", 30)
    clock.advance(minutes=29)
    assert shop.notified == []
    clock.advance(minutes=1)
    assert shop.notified == ["T1"]


def test_one_that_cannot_be_closed_keeps_no_other_from_it(shop, clock):
    shop.place("T1", 1)
    shop.place("T2", 1)
    close = shop.expiry._close

    def fail_once(out_trade_no):
        shop.expiry._close = close
        raise OSError("no room")

    shop.expiry._close = fail_once
    with pytest.raises(OSError, match="no room"):
        clock.advance(minutes=1)
    clock.advance(timedelta(0))
    assert shop.notified == ["T2"]


def test_trades_that_are_there_already_are_closed_as_well(clock):
    first = Shop(clock)
    first.place("T1", 5)
    notified = []
    clock.due.clear()  # another process's clock
    Expiry(clock, first.store, notified.append)
    clock.advance(minutes=5)
    assert notified == ["T1"]
