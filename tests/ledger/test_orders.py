"""News in any order, with any repetition: what the ledger makes of it, against a plain account.

The account below knows nothing of the table; it is the design's sentences written down as ifs.
"""

from __future__ import annotations

import contextlib
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from flask_alipay.exceptions import CallbackFailed
from flask_alipay.protocol.notification import Notification as Report
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import NO_JOURNAL, SALES, TOTAL, Shop, recorder, report

ORDERS = itertools.count()
CLOSED = TradeStatus.TRADE_CLOSED
FINISHED = TradeStatus.TRADE_FINISHED

#: Values of a refund_fee: absent, zero, partial, full and, wrongly, more.
REFUND_FEES = st.sampled_from([None, 0, 1, 4444, TOTAL - 1, TOTAL, TOTAL + 1])

PIECES = st.builds(
    lambda status, fee, gmt_refund: report(
        status, refunded_fen=fee, is_refund=bool(fee) or gmt_refund
    ),
    st.sampled_from(TradeStatus.ALL),
    REFUND_FEES,
    # A close may speak of its refund by the time alone.
    st.booleans(),
)

SEQUENCES = st.lists(PIECES, max_size=10)


class Account:
    """Expected notifications of the shop, computed step by step."""

    def __init__(self) -> None:
        self.sold = False
        self.closed = False  # before any sale
        self.lost = False  # closed and refunded before a sale was reported
        self.finished = False
        self.refunded = 0
        self.furthest = 0
        self.calls: list[str] = []

    def apply(self, piece: Report) -> None:
        total = min(piece.refunded_fen or 0, TOTAL)
        if self.lost:
            return
        if not self.sold:
            if piece.trade_status in SALES:
                self._sell(piece, total)
            elif piece.trade_status == CLOSED:
                self._close(piece)
            elif not self.closed:
                self._advance(piece)
            return
        if piece.trade_status == CLOSED:
            total = TOTAL
        if piece.trade_status == FINISHED and not self.finished and not self._gone():
            self.finished = True
            self.calls.append("finished")
        self._refund(total)
        self._advance(piece)

    def status(self) -> str:
        if self.lost or (self.closed and not self.sold):
            return CLOSED
        return TradeStatus.ALL[self.furthest]

    def _sell(self, piece: Report, total: int) -> None:
        self.sold = True
        self.calls.append("paid")
        self.furthest = TradeStatus.ALL.index(piece.trade_status)
        if piece.trade_status == FINISHED:
            self.finished = True
            self.calls.append("finished")
        self._refund(total)

    def _close(self, piece: Report) -> None:
        if not self.closed:
            self.calls.append("failed")
        self.closed = True
        if piece.is_refund:
            self.lost = True
            self.refunded = TOTAL

    def _refund(self, total: int) -> None:
        if total > self.refunded:
            self.refunded = total
            self.calls.append("refunded")

    def _advance(self, piece: Report) -> None:
        self.furthest = max(self.furthest, TradeStatus.ALL.index(piece.trade_status))

    def _gone(self) -> bool:
        return TradeStatus.ALL[self.furthest] == CLOSED


def expected(sequence: list[Report]) -> Account:
    account = Account()
    for piece in sequence:
        account.apply(piece)
    return account


def fresh_order(shop: Shop) -> str:
    return shop.order(f"R{next(ORDERS)}")


def of(order: str, piece: Report) -> Report:
    about = {name: getattr(piece, name) for name in ("refunded_fen", "is_refund")}
    return report(piece.trade_status, out_trade_no=order, trade_no=f"T{order}", **about)


@settings(max_examples=60)
@given(sequence=SEQUENCES)
def test_the_shop_is_notified_of_each_event_once_in_any_order(
    open_shop: Shop, sequence: list[Report]
) -> None:
    order = fresh_order(open_shop)
    calls: list[str] = []
    for piece in sequence:
        before = open_shop.payment(order).refunded_fen
        open_shop.settle(of(order, piece), NO_JOURNAL, **recorder(calls))
        assert before <= open_shop.payment(order).refunded_fen <= TOTAL
    account = expected(sequence)
    assert calls == account.calls
    assert open_shop.status(order) == (account.status(), account.sold, account.refunded)


@settings(max_examples=30)
@given(sequence=SEQUENCES)
def test_the_outcome_states_whether_something_changed(
    open_shop: Shop, sequence: list[Report]
) -> None:
    order = fresh_order(open_shop)
    for piece in sequence:
        before = open_shop.status(order)
        calls: list[str] = []
        outcome, events = open_shop.settle(of(order, piece), NO_JOURNAL, **recorder(calls))
        assert list(events) == calls
        assert (outcome == "settled") == bool(events)
        changed = open_shop.status(order) != before
        assert changed == (outcome in ("settled", "recorded"))


@settings(max_examples=30)
@given(sequence=SEQUENCES, data=st.data())
def test_failures_and_retries_end_in_the_same_state(
    open_shop: Shop, sequence: list[Report], data: st.DataObject
) -> None:
    order = fresh_order(open_shop)
    calls: list[str] = []

    def unreliable(piece: Report) -> bool:
        """Deliver once; a callback's call counts only if it was committed."""
        received: list[str] = []
        callbacks = recorder(received)
        if data.draw(st.booleans(), label="a callback fails"):
            victim = data.draw(st.sampled_from(sorted(callbacks)), label="which")
            remember = callbacks[victim]

            def fail(payment: object) -> None:
                remember(payment)
                raise RuntimeError("out of boxes")

            callbacks[victim] = fail
        try:
            open_shop.settle(of(order, piece), NO_JOURNAL, **callbacks)
        except CallbackFailed:
            return False
        calls.extend(received)
        return True

    for piece in sequence:
        with contextlib.suppress(StopIteration):
            next(done for done in (unreliable(piece) for _ in range(4)) if done)
        open_shop.settle(of(order, piece), NO_JOURNAL, **recorder(calls))
    account = expected(sequence)
    assert calls == account.calls
    assert open_shop.status(order) == (account.status(), account.sold, account.refunded)
