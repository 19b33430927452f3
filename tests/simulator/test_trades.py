"""The life of a trade: the table, and the store."""

from __future__ import annotations

import itertools
import threading
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.simulator.trades.trades import TRANSITIONS, Order, TradeEvent, TradeStore

NOON = datetime(2026, 1, 31, 4, 0, tzinfo=timezone.utc)
EVENTS = (TradeEvent.PAY, TradeEvent.CLOSE, TradeEvent.EXPIRE, TradeEvent.FINISH)


def an_order(out_trade_no="T1", **changes):
    fields = {
        "protocol": "openapi",
        "method": "alipay.trade.page.pay",
        "out_trade_no": out_trade_no,
        "subject": "Tea",
        "total_fen": 8888,
        "charset": "utf-8",
        "sign_type": "RSA2",
    }
    return Order(**(fields | changes))


@pytest.fixture
def store():
    return TradeStore()


def test_a_new_trade_waits_for_the_buyer(store):
    trade = store.create(an_order(), NOON)
    assert trade.status == "WAIT_BUYER_PAY"
    assert trade.waiting
    assert not trade.paid


def test_a_trade_number_has_28_digits_and_begins_with_the_day_in_china(store):
    late = datetime(2026, 1, 31, 20, 0, tzinfo=timezone.utc)
    trade_no = store.create(an_order(), late).trade_no
    assert trade_no.startswith("20260201")
    assert len(trade_no) == 28
    assert trade_no.isdigit()


def test_a_cashier_id_cannot_be_guessed_and_is_not_in_the_repr(store):
    trades = [store.create(an_order(f"T{number}"), NOON) for number in range(50)]
    assert len({trade.cashier_id for trade in trades}) == 50
    assert all(len(trade.cashier_id) >= 32 for trade in trades)
    assert trades[0].cashier_id not in repr(trades[0])


@pytest.mark.parametrize(
    ("event", "status"),
    [("pay", "TRADE_SUCCESS"), ("close", "TRADE_CLOSED"), ("expire", "TRADE_CLOSED")],
)
def test_a_waiting_trade_ends_as_the_buyer_wants(store, event, status):
    store.create(an_order(), NOON)
    step = store.apply("T1", event, NOON)
    assert (step.event, step.trade.status, step.trade.ended_by) == (event, status, event)


def test_an_order_that_was_not_opened_is_withdrawn_and_never_was_a_trade(store):
    trade = store.create(an_order(), NOON, opened=False)
    assert store.cancel_unopened("T1", NOON)
    store.open("T1", NOON)
    step = store.apply("T1", TradeEvent.PAY, NOON)
    assert (step.event, step.trade.status, step.trade.opened_at) == (None, "TRADE_CLOSED", None)
    assert store.by_cashier(trade.cashier_id) == step.trade
    assert store.cancel_unopened("T1", NOON)
    assert store.cancel_unopened("T2", NOON)


def test_a_trade_is_not_withdrawn(store):
    store.create(an_order(), NOON)
    assert not store.cancel_unopened("T1", NOON)
    assert store.by_out_trade_no("T1").waiting


def test_a_paid_trade_can_be_finished_and_stays_paid(store):
    store.create(an_order(), NOON)
    store.apply("T1", TradeEvent.PAY, NOON)
    step = store.apply("T1", TradeEvent.FINISH, NOON + timedelta(days=90))
    assert step.trade.status == "TRADE_FINISHED"
    assert (step.trade.paid_at, step.trade.ended_by) == (NOON, TradeEvent.PAY)


@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 3600)), max_size=12))
def test_a_paid_trade_never_is_refunded_and_an_ended_one_never_changes(history):
    store = TradeStore()
    now = NOON
    seen = [store.create(an_order(expires_at=NOON + timedelta(hours=3)), NOON)]
    for event, seconds in history:
        now += timedelta(seconds=seconds)
        step = store.apply("T1", event, now)
        assert (step.event is None) == (step.trade == seen[-1])
        seen.append(step.trade)
    order = ("WAIT_BUYER_PAY", "TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED")
    for before, after in itertools.pairwise(seen):
        assert order.index(after.status) >= order.index(before.status)
        assert after.paid >= before.paid
        assert before.status != "TRADE_CLOSED" or after == before
        assert not (after.paid and after.closed_at)


@given(st.sampled_from(EVENTS), st.sampled_from(EVENTS))
def test_the_same_event_happens_once(first, second):
    store = TradeStore()
    store.create(an_order(), NOON)
    happened = [store.apply("T1", event, NOON).event for event in (first, second)]
    assert first != second or happened[1] is None


ESCROW = (TradeEvent.DEPOSIT,)


@pytest.mark.parametrize(
    ("ways", "history", "status"),
    [
        (ESCROW, ["deposit"], "WAIT_SELLER_SEND_GOODS"),
        (ESCROW, ["pay"], "WAIT_SELLER_SEND_GOODS"),
        (ESCROW, ["deposit", "send"], "WAIT_BUYER_CONFIRM_GOODS"),
        (ESCROW, ["deposit", "send", "confirm"], "TRADE_FINISHED"),
        (ESCROW, ["send", "confirm"], "WAIT_BUYER_PAY"),
        (ESCROW, ["deposit", "confirm", "close", "finish"], "WAIT_SELLER_SEND_GOODS"),
        ((TradeEvent.PAY,), ["deposit", "settle"], "WAIT_BUYER_PAY"),
        ((TradeEvent.PAY, TradeEvent.DEPOSIT), ["pay"], "TRADE_SUCCESS"),
        ((TradeEvent.PAY, TradeEvent.DEPOSIT), ["deposit"], "WAIT_SELLER_SEND_GOODS"),
        ((TradeEvent.SETTLE,), ["pay"], "TRADE_FINISHED"),
    ],
)
def test_a_trade_goes_its_orders_way(store, ways, history, status):
    store.create(an_order(payment_events=ways), NOON)
    for event in history:
        store.apply("T1", event, NOON)
    assert store.by_out_trade_no("T1").status == status


def test_money_in_escrow_is_paid_and_not_yet_the_shops(store):
    store.create(an_order(payment_events=ESCROW), NOON)
    paid = store.apply("T1", TradeEvent.DEPOSIT, NOON).trade
    assert (paid.paid, paid.in_escrow, paid.paid_at) == (True, True, NOON)
    store.apply("T1", TradeEvent.SEND, NOON)
    done = store.apply("T1", TradeEvent.CONFIRM, NOON + timedelta(days=1)).trade
    assert (done.in_escrow, done.finished_at) == (False, NOON + timedelta(days=1))
    assert (done.paid_at, done.sent_at) == (NOON, NOON)


def test_a_trade_is_refunded_in_parts_until_it_is_closed(store):
    store.create(an_order(), NOON)
    store.apply("T1", TradeEvent.PAY, NOON)
    part = store.refund("T1", "R1", 888, NOON)
    assert (part.status, part.refunded_fen, part.closed_at) == ("TRADE_SUCCESS", 888, None)
    assert store.refund("T1", "R1", 888, NOON) is None, "the same one again"
    assert store.refund("T1", "R2", 8001, NOON) is None
    whole = store.refund("T1", "R3", 8000, NOON)
    assert (whole.status, whole.refunded_fen, whole.closed_at) == ("TRADE_CLOSED", 8888, NOON)
    assert store.refund("T1", "R4", 1, NOON) is None


@pytest.mark.parametrize(
    ("ways", "history"),
    [
        ((TradeEvent.PAY,), []),
        ((TradeEvent.PAY,), ["close"]),
        ((TradeEvent.PAY,), ["pay", "finish"]),
        (ESCROW, ["deposit"]),
        (ESCROW, ["deposit", "send", "confirm"]),
    ],
)
def test_money_that_the_merchant_does_not_hold_is_not_refunded(store, ways, history):
    store.create(an_order(payment_events=ways), NOON)
    for event in history:
        store.apply("T1", event, NOON)
    assert store.refund("T1", "R1", 1, NOON) is None


def test_a_settled_trade_stays_finished_when_it_is_refunded(store):
    store.create(an_order(payment_events=(TradeEvent.SETTLE,)), NOON)
    store.apply("T1", TradeEvent.PAY, NOON)
    assert store.refund("T1", "R1", 8888, NOON).status == "TRADE_FINISHED"


def test_nothing_is_not_a_refund(store):
    store.create(an_order(), NOON)
    store.apply("T1", TradeEvent.PAY, NOON)
    assert store.refund("T1", "R1", 0, NOON) is None
    assert store.refund("T1", "R1", -1, NOON) is None
    assert store.refund("none", "R1", 1, NOON) is None


def test_only_one_of_concurrent_refunds_gets_the_rest(store):
    store.create(an_order(), NOON)
    store.apply("T1", TradeEvent.PAY, NOON)
    barrier, got = threading.Barrier(8), []

    def refund(number):
        barrier.wait()
        got.append(store.refund("T1", f"R{number}", 8888, NOON))

    threads = [threading.Thread(target=refund, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one is not None for one in got) == 1


def test_a_trade_is_found_by_alipays_number(store):
    trade = store.create(an_order(), NOON)
    assert store.by_trade_no(trade.trade_no) == trade
    assert store.by_trade_no("none") is None
    assert store.all() == (trade,)


def test_no_transition_leads_out_of_a_closed_trade():
    assert all(status != "TRADE_CLOSED" for status, _ in TRANSITIONS)


def test_the_money_cannot_come_after_the_time_is_over(store):
    store.create(an_order(expires_at=NOON + timedelta(minutes=5)), NOON)
    step = store.apply("T1", TradeEvent.PAY, NOON + timedelta(minutes=5))
    assert (step.event, step.trade.status) == (TradeEvent.EXPIRE, "TRADE_CLOSED")
    assert not step.trade.paid


def test_the_money_may_come_until_the_last_time(store):
    store.create(an_order(expires_at=NOON + timedelta(minutes=5)), NOON)
    step = store.apply("T1", TradeEvent.PAY, NOON + timedelta(minutes=5, microseconds=-1))
    assert step.trade.paid


def test_looking_at_an_overdue_trade_closes_it_once(store):
    store.create(an_order(expires_at=NOON), NOON)
    assert store.apply("T1", None, NOON).event == TradeEvent.EXPIRE
    assert store.apply("T1", None, NOON).event is None


def test_a_paid_trade_does_not_expire(store):
    store.create(an_order(expires_at=NOON + timedelta(minutes=5)), NOON)
    store.apply("T1", TradeEvent.PAY, NOON)
    assert store.apply("T1", None, NOON + timedelta(days=1)).event is None


def test_an_order_that_is_repeated_is_the_same_trade(store):
    first = store.create(an_order(expires_at=NOON + timedelta(minutes=5)), NOON)
    again = store.create(
        an_order(return_url="https://www.shop.example/", expires_at=NOON + timedelta(hours=9)), NOON
    )
    assert (again.trade_no, again.cashier_id) == (first.trade_no, first.cashier_id)
    assert again.order.return_url == "https://www.shop.example/"
    assert again.order.expires_at == first.order.expires_at, "the time limit is the first one's"


@pytest.mark.parametrize("change", [{"total_fen": 1}, {"subject": "Coffee"}, {"protocol": "mapi"}])
def test_an_order_with_a_number_that_was_used_changes_nothing(store, change):
    first = store.create(an_order(), NOON)
    other = an_order(**change)
    known = store.create(other, NOON)
    assert known == first
    assert not known.order.agrees_with(other)


def test_an_ended_trade_keeps_its_order(store):
    store.create(an_order(), NOON)
    paid = store.apply("T1", TradeEvent.PAY, NOON).trade
    assert store.create(an_order(notify_url="https://other.example/"), NOON) == paid


def test_the_oldest_trades_make_room():
    store = TradeStore(limit=3)
    trades = [store.create(an_order(f"T{number}"), NOON) for number in range(5)]
    assert len(store) == 3
    assert store.by_out_trade_no("T1") is None
    assert store.by_cashier(trades[1].cashier_id) is None
    assert store.by_trade_no(trades[1].trade_no) is None
    assert store.by_cashier(trades[4].cashier_id) == trades[4]
    assert store.apply("T1", TradeEvent.PAY, NOON) is None


def test_only_one_of_concurrent_payments_succeeds(store):
    store.create(an_order(), NOON)
    barrier, steps = threading.Barrier(16), []

    def pay():
        barrier.wait()
        steps.append(store.apply("T1", TradeEvent.PAY, NOON))

    threads = [threading.Thread(target=pay) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(step.event == TradeEvent.PAY for step in steps) == 1
    assert all(step.trade.paid for step in steps)
