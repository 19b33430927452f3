"""Table of transitions, in every order and with every duplicate."""

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
    """Payment that consists of the table, with its events."""

    def __init__(self) -> None:
        self.row: str = TradeStatus.WAIT_BUYER_PAY
        self.seen = [self.row]
        self.events: list[str] = []

    def apply(self, report: str) -> None:
        cell = TRANSITIONS[self.row, report]
        self.events += parse_events(cell)
        if changes_state(cell):
            self.row = ledger_state(report, "paid" in self.events, 0)
            self.seen.append(self.row)


@pytest.fixture(scope="module")
def walks() -> list[tuple[tuple[str, ...], Walker]]:
    walked = []
    for walk in WALKS:
        walker = Walker()
        for report in walk:
            walker.apply(report)
        walked.append((walk, walker))
    return walked


Walks = list[tuple[tuple[str, ...], Walker]]


def test_the_table_has_every_cell_and_no_other() -> None:
    assert set(TRANSITIONS) == set(product(ROWS, TradeStatus.ALL))


def test_a_cell_has_only_possible_events() -> None:
    words = {word for cell in TRANSITIONS.values() for word in cell.split("+")}
    assert words == {*EVENTS, "recorded", "duplicate", "stale"}


def test_a_payment_is_sold_once(walks: Walks) -> None:
    for walk, walker in walks:
        assert walker.events.count("paid") == any(report in SALES for report in walk)


def test_pending_is_not_money() -> None:
    for row in ROWS:
        cell = TRANSITIONS[row, TradeStatus.TRADE_PENDING]
        assert not parse_events(cell)


def test_a_trade_fails_only_before_a_sale(walks: Walks) -> None:
    for walk, walker in walks:
        sold_at = next((at for at, report in enumerate(walk) if report in SALES), len(walk))
        assert walker.events.count("failed") == (CLOSED in walk[:sold_at])


def test_a_close_after_a_sale_is_a_refund_once(walks: Walks) -> None:
    for walk, walker in walks:
        sold_at = next((at for at, report in enumerate(walk) if report in SALES), len(walk))
        assert walker.events.count("refunded") == (CLOSED in walk[sold_at:])


def test_a_sale_is_finished_at_most_once_and_never_after_a_refund(walks: Walks) -> None:
    for walk, walker in walks:
        assert walker.events.count("finished") <= 1
        if "finished" in walker.events:
            order = walker.events
            assert order.index("paid") < order.index("finished")
            assert "refunded" not in order[: order.index("finished")]
            assert TradeStatus.TRADE_FINISHED in walk


def test_a_payment_never_returns_to_an_earlier_state(walks: Walks) -> None:
    life = [*TradeStatus.ALL[:-1], REFUNDED]
    for _, walker in walks:
        # The one way out of a close without payment is a sale.
        steps = [row for row in walker.seen if row != CLOSED_UNPAID]
        assert steps == sorted(set(steps), key=life.index)
        if CLOSED_UNPAID in walker.seen:
            after = walker.seen[walker.seen.index(CLOSED_UNPAID) + 1 :]
            assert not after or after[0] in SALES


def test_a_repeated_report_changes_nothing() -> None:
    for row, report in TRANSITIONS:
        if changes_state(TRANSITIONS[row, report]):
            for paid in (True, False):
                again = ledger_state(report, paid, 0)
                assert TRANSITIONS[again, report] == "duplicate"


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
def test_the_state_of_a_closed_trade_depends_on_its_money(
    trade_status: str, paid: bool, refunded_fen: int, row: str
) -> None:
    assert ledger_state(trade_status, paid, refunded_fen) == row


def test_events_are_named_in_the_order_in_which_they_happen() -> None:
    assert parse_events("paid+finished") == ("paid", "finished")
    assert parse_events("recorded") == parse_events("duplicate") == parse_events("stale") == ()
