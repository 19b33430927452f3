"""The table of transitions, walked in every order and with every repetition."""

from __future__ import annotations

from itertools import product

import pytest

from flask_alipay.ledger.transitions import (
    CLOSED_UNPAID,
    EVENTS,
    REFUNDED,
    TRANSITIONS,
    changes_state,
    ledger_state,
    parse_events,
)
from flask_alipay.protocol.trade_status import TradeStatus

CLOSED = TradeStatus.TRADE_CLOSED
ROWS = (*TradeStatus.ALL[:-1], CLOSED_UNPAID, REFUNDED)
SALES = (
    TradeStatus.WAIT_SELLER_SEND_GOODS,
    TradeStatus.WAIT_BUYER_CONFIRM_GOODS,
    TradeStatus.TRADE_SUCCESS,
    TradeStatus.TRADE_FINISHED,
)

#: Every way in which five pieces of news may come, repetitions included; shorter ones begin them.
WALKS = list(product(TradeStatus.ALL, repeat=5))


class Walker:
    """A payment that is nothing but the table, and all that happened to it."""

    def __init__(self) -> None:
        self.row: str = TradeStatus.WAIT_BUYER_PAY
        self.seen = [self.row]
        self.events: list[str] = []

    def hear(self, news: str) -> None:
        cell = TRANSITIONS[self.row, news]
        self.events += parse_events(cell)
        if changes_state(cell):
            self.row = ledger_state(news, "paid" in self.events, 0)
            self.seen.append(self.row)


@pytest.fixture(scope="module")
def walks() -> list[tuple[tuple[str, ...], Walker]]:
    walked = []
    for walk in WALKS:
        walker = Walker()
        for news in walk:
            walker.hear(news)
        walked.append((walk, walker))
    return walked


Walks = list[tuple[tuple[str, ...], Walker]]


def test_the_table_has_every_cell_and_no_other() -> None:
    assert set(TRANSITIONS) == set(product(ROWS, TradeStatus.ALL))


def test_a_cell_says_only_what_can_happen() -> None:
    words = {word for cell in TRANSITIONS.values() for word in cell.split("+")}
    assert words == {*EVENTS, "recorded", "duplicate", "stale"}


def test_what_was_sold_was_sold_once(walks: Walks) -> None:
    for walk, walker in walks:
        assert walker.events.count("paid") == any(news in SALES for news in walk)


def test_pending_is_not_money() -> None:
    for row in ROWS:
        cell = TRANSITIONS[row, TradeStatus.TRADE_PENDING]
        assert not parse_events(cell)


def test_a_trade_fails_only_before_a_sale(walks: Walks) -> None:
    for walk, walker in walks:
        sold_at = next((at for at, news in enumerate(walk) if news in SALES), len(walk))
        assert walker.events.count("failed") == (CLOSED in walk[:sold_at])


def test_a_close_after_a_sale_is_a_refund_once(walks: Walks) -> None:
    for walk, walker in walks:
        sold_at = next((at for at, news in enumerate(walk) if news in SALES), len(walk))
        assert walker.events.count("refunded") == (CLOSED in walk[sold_at:])


def test_a_sale_is_finished_once_at_most_and_never_after_a_refund(walks: Walks) -> None:
    for walk, walker in walks:
        assert walker.events.count("finished") <= 1
        if "finished" in walker.events:
            order = walker.events
            assert order.index("paid") < order.index("finished")
            assert "refunded" not in order[: order.index("finished")]
            assert TradeStatus.TRADE_FINISHED in walk


def test_a_payment_never_moves_back(walks: Walks) -> None:
    life = [*TradeStatus.ALL[:-1], REFUNDED]
    for _, walker in walks:
        # The one way out of a close without payment is a sale.
        steps = [row for row in walker.seen if row != CLOSED_UNPAID]
        assert steps == sorted(set(steps), key=life.index)
        if CLOSED_UNPAID in walker.seen:
            after = walker.seen[walker.seen.index(CLOSED_UNPAID) + 1 :]
            assert not after or after[0] in SALES


def test_the_same_news_again_changes_nothing() -> None:
    for row, news in TRANSITIONS:
        if changes_state(TRANSITIONS[row, news]):
            for paid in (True, False):
                again = ledger_state(news, paid, 0)
                assert TRANSITIONS[again, news] == "duplicate"


@pytest.mark.parametrize(
    ("trade_status", "paid", "refunded_fen", "row"),
    [
        (TradeStatus.WAIT_BUYER_PAY, False, 0, TradeStatus.WAIT_BUYER_PAY),
        (TradeStatus.TRADE_SUCCESS, True, 1, TradeStatus.TRADE_SUCCESS),
        (CLOSED, False, 0, CLOSED_UNPAID),
        (CLOSED, True, 0, REFUNDED),
        (CLOSED, False, 1, REFUNDED),
    ],
)
def test_a_closed_trade_stands_where_its_money_is(
    trade_status: str, paid: bool, refunded_fen: int, row: str
) -> None:
    assert ledger_state(trade_status, paid, refunded_fen) == row


def test_events_are_named_in_the_order_in_which_they_happen() -> None:
    assert parse_events("paid+finished") == ("paid", "finished")
    assert parse_events("recorded") == parse_events("duplicate") == parse_events("stale") == ()
