"""Refunds that Alipay was asked for: told by its answer, by a query and by the trade's news, which
has the sum of all. Each in any order and number is one refund.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_alipay.exceptions import InvalidAmount, LedgerUnavailable, PaymentMismatch
from flask_alipay.ledger.journal import JournalEntry
from flask_alipay.protocol.batch_notification import RefundResult

from .shop import TOTAL, Notification, Refund, Shop, news, no_callback, pack
from .test_refund_batches import ASKED, DONE, PAID, TRADE_NO, ask, rows, sale

ORDERS = itertools.count()


def answered(
    shop: Shop, number: str, fen: int, code: str = "SUCCESS", order: str = "A1", **callbacks: Any
) -> tuple[str, tuple[str, ...]]:
    """What Alipay answers about one refund."""
    entry = JournalEntry(
        order, TRADE_NO, DONE if code == "SUCCESS" else code, None, {"method": "x"}
    )
    with shop.session() as session:
        ledger = shop.ledger(session, **callbacks)
        one = ledger.settle_refund(entry, number, RefundResult(TRADE_NO, fen, code))
        return one.outcome, one.events


def test_an_answer_settles_a_refund_once(shop: Shop) -> None:
    sale(shop)
    ask(shop, 1000, "R1")
    assert answered(shop, "R1", 1000) == ("settled", ("refunded",))
    assert answered(shop, "R1", 1000, refunded=no_callback) == ("duplicate", ())
    told = news(refunded_fen=1000, out_request_no="R1")
    assert shop.settle(told, refunded=no_callback) == ("duplicate", ())
    assert shop.standing() == (PAID, True, 1000)
    assert rows(shop) == [("R1", 1000, DONE)]


def test_a_refusal_is_in_the_row_and_can_be_asked_again(shop: Shop) -> None:
    sale(shop)
    row = ask(shop, 1000, "R1")
    assert answered(shop, "R1", 1000, "ACQ.SELLER_BALANCE_NOT_ENOUGH") == ("recorded", ())
    assert rows(shop) == [("R1", 1000, "ACQ.SELLER_BALANCE_NOT_ENOUGH")]
    assert ask(shop, 1000, "R1") == row
    assert rows(shop) == [("R1", 1000, ASKED)]
    assert answered(shop, "R1", 1000) == ("settled", ("refunded",))
    assert shop.rows(Notification)[-1].payload == {"method": "x"}


def test_a_refusal_that_is_asked_again_must_still_fit(shop: Shop) -> None:
    sale(shop)
    ask(shop, TOTAL, "R1")
    answered(shop, "R1", TOTAL, "ACQ.SELLER_BALANCE_NOT_ENOUGH")
    ask(shop, 1, "R2")
    with pytest.raises(InvalidAmount):
        ask(shop, TOTAL, "R1")
    assert rows(shop)[0] == ("R1", TOTAL, "ACQ.SELLER_BALANCE_NOT_ENOUGH")


def test_an_answer_of_another_amount_is_refused(shop: Shop) -> None:
    sale(shop)
    ask(shop, 1000, "R1")
    with pytest.raises(PaymentMismatch):
        answered(shop, "R1", 1001, refunded=no_callback)
    assert shop.standing() == (PAID, True, 0)
    assert rows(shop) == [("R1", 1000, ASKED)]


def test_older_news_that_comes_later_counts_by_its_own_amount(shop: Shop) -> None:
    sale(shop)
    ask(shop, 2000, "R1")
    ask(shop, 1000, "R2")
    answered(shop, "R2", 1000)
    assert shop.settle(news(refunded_fen=2000, out_request_no="R1")) == ("settled", ("refunded",))
    assert shop.standing() == (PAID, True, 3000)


def test_a_sum_tells_of_a_refund_that_nobody_asked_for_here(shop: Shop) -> None:
    sale(shop)
    ask(shop, 1000, "R1")
    ask(shop, 2000, "R2")
    answered(shop, "R1", 1000)
    told = news(refunded_fen=3500, out_request_no="R2")
    assert shop.settle(told) == ("settled", ("refunded", "refunded"))
    assert rows(shop) == [("R1", 1000, DONE), ("R2", 2000, DONE), ("closed", 500, DONE)]
    assert shop.standing() == (PAID, True, 3500)


_SIZES = st.lists(st.integers(1, TOTAL // 3), min_size=1, max_size=3)
_PIECES = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["news", "answer", "query"])), max_size=10
)


@settings(max_examples=30)
@given(_SIZES, _PIECES)
def test_in_every_order_each_refund_is_told_once(
    open_shop: Shop, sizes: list[int], pieces: list[tuple[int, str]]
) -> None:
    number, calls = f"O{next(ORDERS)}", []
    trade_no = f"20{number[1:]:0>20}"
    sale(open_shop, number, trade_no)
    for place, fen in enumerate(sizes):
        ask(open_shop, fen, f"R{place}", number)
    callback = {"refunded": lambda payment: calls.append(payment.refunded_fen)}
    # At last everything is heard of once more, by its own answer.
    for place, kind in [*pieces, *((place, "query") for place in range(len(sizes)))]:
        if place >= len(sizes):
            continue
        if kind == "news":
            sum_fen = sum(sizes[: place + 1])
            about = {"out_trade_no": number, "trade_no": trade_no, "out_request_no": f"R{place}"}
            open_shop.settle(news(refunded_fen=sum_fen, **about), **callback)
        else:
            answered(open_shop, f"R{place}", sizes[place], order=number, **callback)
    assert open_shop.standing(number) == (PAID, True, sum(sizes))
    assert len(calls) == len(sizes)
    assert rows(open_shop, number) == [(f"R{i}", fen, DONE) for i, fen in enumerate(sizes)]


def test_at_the_same_moment_each_refund_is_told_once(shop: Shop) -> None:
    hear_at_once(shop)


def hear_at_once(shop: Shop) -> None:
    sale(shop)
    ask(shop, 1000, "R0")
    ask(shop, 2000, "R1")
    sums = {"R0": 1000, "R1": 3000}
    start = Barrier(8)

    def hear(work: tuple[str, str]) -> None:
        number, kind = work
        start.wait()
        for _ in range(50):  # what is refused comes again
            try:
                with shop.session() as session:
                    callback = {"refunded": pack(session, "refunded")}
                    if kind == "news":
                        told = news(refunded_fen=sums[number], out_request_no=number)
                        shop.ledger(session, **callback).settle(told)
                    else:
                        entry = JournalEntry("A1", TRADE_NO, DONE, None, {})
                        result = RefundResult(TRADE_NO, 1000 if number == "R0" else 2000, "SUCCESS")
                        shop.ledger(session, **callback).settle_refund(entry, number, result)
                return
            except LedgerUnavailable:
                continue
        raise AssertionError("never taken")

    works = [(number, kind) for number in sums for kind in ("news", "answer", "news", "answer")]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hear, works))
    assert shop.standing() == (PAID, True, 3000)
    assert rows(shop) == [("R0", 1000, DONE), ("R1", 2000, DONE)]
    assert shop.parcels() == ["refunded", "refunded"]


def test_refunds_of_a_row_are_kept_apart_by_payment(shop: Shop) -> None:
    sale(shop)
    sale(shop, "A2", "2026112322002")
    ask(shop, 1000, "R1")
    ask(shop, 1000, "R1", "A2")
    answered(shop, "R1", 1000, order="A2")
    assert [(row.out_trade_no, row.status) for row in shop.rows(Refund)] == [
        ("A1", ASKED),
        ("A2", DONE),
    ]


# A refund made in Alipay's console comes with the sum of all that went back. It may hold one that
# was asked for here and is not heard of yet.


@pytest.mark.parametrize("heard", ["answer", "news"])
def test_a_sum_that_holds_what_is_under_way_is_not_counted_twice(shop: Shop, heard: str) -> None:
    sale(shop)
    ask(shop, 1000, "R1")
    of_console = news(refunded_fen=3000, out_request_no="console")
    assert shop.settle(of_console) == ("settled", ("refunded",))
    assert shop.standing() == (PAID, True, 3000)
    if heard == "answer":
        answered(shop, "R1", 1000)
    else:
        shop.settle(news(refunded_fen=1000, out_request_no="R1"))
    assert shop.settle(of_console, refunded=no_callback) == ("duplicate", ())
    assert shop.standing() == (PAID, True, 3000)
    assert rows(shop) == [("R1", 1000, DONE), ("closed", 2000, DONE)]


def test_one_that_holds_it_not_is_made_whole_by_the_next(shop: Shop) -> None:
    sale(shop)
    ask(shop, 1000, "R1")
    shop.settle(news(refunded_fen=3000, out_request_no="console"))
    answered(shop, "R1", 1000)
    shop.settle(news(refunded_fen=4000, out_request_no="R1"))
    assert shop.standing() == (PAID, True, 4000)
    assert sum(row.refund_fen for row in shop.rows(Refund)) == 4000


def test_a_sum_too_small_to_hold_it_is_the_consoles_alone(shop: Shop) -> None:
    sale(shop)
    ask(shop, 1000, "R1")
    shop.settle(news(refunded_fen=1000, out_request_no="console"))
    answered(shop, "R1", 1000)
    assert shop.standing() == (PAID, True, 2000)
    assert rows(shop) == [("R1", 1000, DONE), ("console", 1000, DONE)]


def test_what_is_refused_in_the_end_was_not_in_the_sum(shop: Shop) -> None:
    sale(shop)
    ask(shop, 1000, "R1")
    shop.settle(news(refunded_fen=3000, out_request_no="console"))
    answered(shop, "R1", 1000, "ACQ.SELLER_BALANCE_NOT_ENOUGH")
    assert shop.standing() == (PAID, True, 3000)
    assert [fen for _, fen, status in rows(shop) if status == DONE] == [3000]


def test_a_refund_of_the_consoles_is_of_the_moment_at_which_it_was_made(shop: Shop) -> None:
    shop.order()
    made_at = datetime(2026, 1, 31, 15, 59, 58, tzinfo=timezone.utc)  # and heard of after midnight
    shop.settle(news())
    shop.settle(
        news(refunded_fen=1000, is_refund=True, out_request_no="CONSOLE1", refunded_at=made_at)
    )
    (row,) = shop.rows(Refund)
    assert (row.out_request_no, row.refund_fen) == ("CONSOLE1", 1000)
    assert (row.created_at, row.refunded_at) == (made_at, made_at)
