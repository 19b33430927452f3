"""The life of a trade under any sequence of wishes: what holds whatever is tried."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from flask_alipay.simulator.trades.trades import TradeEvent, TradeStore

from .test_trades import NOON, an_order

TOTAL = 10
EVENTS = (
    TradeEvent.PAY,
    TradeEvent.DEPOSIT,
    TradeEvent.SETTLE,
    TradeEvent.SEND,
    TradeEvent.CONFIRM,
    TradeEvent.CLOSE,
    TradeEvent.EXPIRE,
    TradeEvent.FINISH,
)
WAYS = (
    (TradeEvent.PAY,),
    (TradeEvent.DEPOSIT,),
    (TradeEvent.SETTLE,),
    (TradeEvent.PAY, TradeEvent.DEPOSIT),
)


class Life(RuleBasedStateMachine):
    """One trade, and what its merchant, its buyer and time want of it."""

    @initialize(ways=st.sampled_from(WAYS), minutes=st.none() | st.integers(0, 5))
    def place(self, ways, minutes):
        self.store, self.now = TradeStore(), NOON
        limit = None if minutes is None else NOON + timedelta(minutes=minutes)
        self.trade = self.store.create(
            an_order(total_fen=TOTAL, payment_events=ways, expires_at=limit), NOON
        )
        self.refunds = {}

    @rule(minutes=st.integers(0, 3))
    def wait(self, minutes):
        self.now += timedelta(minutes=minutes)

    @rule(event=st.sampled_from((*EVENTS, None)))
    def action(self, event):
        before = self.trade
        step = self.store.apply("T1", event, self.now)
        self.trade = step.trade
        assert (step.event is None) == (step.trade == before)
        if before.status in ("TRADE_CLOSED", "TRADE_FINISHED"):
            assert step.trade == before, "nothing leaves a final state"
        if before.paid:
            assert step.trade.paid_at == before.paid_at, "it is paid once"

    @rule(number=st.sampled_from(["R1", "R2", "R3"]), fen=st.integers(-1, TOTAL + 1))
    def refund(self, number, fen):
        before = self.trade
        after = self.store.refund("T1", number, fen, self.now)
        if after is None:
            assert self.store.by_out_trade_no("T1") == before, "a refusal changes nothing"
            return
        assert number not in self.refunds, "a number is refunded once"
        assert before.paid
        assert not before.in_escrow
        assert fen > 0
        self.refunds[number] = fen
        self.trade = after

    @rule(fen=st.integers(1, TOTAL))
    def order_again(self, fen):
        before = self.trade
        order = an_order(
            total_fen=fen,
            payment_events=before.order.payment_events,
            expires_at=before.order.expires_at,
        )
        self.trade = self.store.create(order, self.now)
        assert self.trade.trade_no == before.trade_no
        assert self.trade.status == before.status
        assert self.trade.order.total_fen == TOTAL

    @invariant()
    def the_books_are_right(self):
        if not hasattr(self, "store"):
            return
        trade = self.store.by_out_trade_no("T1")
        assert trade == self.trade
        assert {refund.number: refund.fen for refund in trade.refunds} == self.refunds
        assert trade.refunded_fen == sum(self.refunds.values()) <= TOTAL
        assert (trade.closed_at is not None) == (trade.status == "TRADE_CLOSED")
        if trade.refunds:
            assert trade.paid
        if trade.status == "TRADE_CLOSED":
            assert not trade.paid or trade.refunded_fen == TOTAL
        if trade.status == "TRADE_SUCCESS":
            assert trade.refunded_fen < TOTAL


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestLife = Life.TestCase
