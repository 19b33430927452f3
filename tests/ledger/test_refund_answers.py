"""Requested refunds, reported by the response, by a query and by the trade's reports with the total
refunded amount: in any order and number they are one refund.
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

from .shop import TOTAL, Notification, Refund, Shop, no_callback, pack, report
from .test_refund_batches import DONE, PAID, REQUESTED, TRADE_NO, request_refund, rows, sale

ORDERS = itertools.count()


def apply_response(
    shop: Shop, number: str, fen: int, code: str = "SUCCESS", order: str = "A1", **callbacks: Any
) -> tuple[str, tuple[str, ...]]:
    """Apply Alipay's response about one refund."""
    entry = JournalEntry(
        order, TRADE_NO, DONE if code == "SUCCESS" else code, None, {"method": "x"}
    )
    with shop.session() as session:
        ledger = shop.ledger(session, **callbacks)
        one = ledger.settle_refund(entry, number, RefundResult(TRADE_NO, fen, code))
        return one.outcome, one.events


def test_a_response_settles_a_refund_once(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, 1000, "R1")
    assert apply_response(shop, "R1", 1000) == ("settled", ("refunded",))
    assert apply_response(shop, "R1", 1000, refunded=no_callback) == ("duplicate", ())
    total = report(refunded_fen=1000, out_request_no="R1")
    assert shop.settle(total, refunded=no_callback) == ("duplicate", ())
    assert shop.status() == (PAID, True, 1000)
    assert rows(shop) == [("R1", 1000, DONE)]


def test_a_rejection_is_recorded_and_the_request_can_be_repeated(shop: Shop) -> None:
    sale(shop)
    row = request_refund(shop, 1000, "R1")
    assert apply_response(shop, "R1", 1000, "ACQ.SELLER_BALANCE_NOT_ENOUGH") == ("recorded", ())
    assert rows(shop) == [("R1", 1000, "ACQ.SELLER_BALANCE_NOT_ENOUGH")]
    assert request_refund(shop, 1000, "R1") == row
    assert rows(shop) == [("R1", 1000, REQUESTED)]
    assert apply_response(shop, "R1", 1000) == ("settled", ("refunded",))
    assert shop.rows(Notification)[-1].payload == {"method": "x"}


def test_a_repeated_request_after_a_rejection_must_not_exceed_the_payment(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, TOTAL, "R1")
    apply_response(shop, "R1", TOTAL, "ACQ.SELLER_BALANCE_NOT_ENOUGH")
    request_refund(shop, 1, "R2")
    with pytest.raises(InvalidAmount):
        request_refund(shop, TOTAL, "R1")
    assert rows(shop)[0] == ("R1", TOTAL, "ACQ.SELLER_BALANCE_NOT_ENOUGH")


def test_a_response_with_another_amount_is_rejected(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, 1000, "R1")
    with pytest.raises(PaymentMismatch):
        apply_response(shop, "R1", 1001, refunded=no_callback)
    assert shop.status() == (PAID, True, 0)
    assert rows(shop) == [("R1", 1000, REQUESTED)]


def test_an_older_report_arriving_late_counts_by_its_own_amount(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, 2000, "R1")
    request_refund(shop, 1000, "R2")
    apply_response(shop, "R2", 1000)
    assert shop.settle(report(refunded_fen=2000, out_request_no="R1")) == ("settled", ("refunded",))
    assert shop.status() == (PAID, True, 3000)


def test_a_total_reveals_a_refund_requested_elsewhere(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, 1000, "R1")
    request_refund(shop, 2000, "R2")
    apply_response(shop, "R1", 1000)
    total = report(refunded_fen=3500, out_request_no="R2")
    assert shop.settle(total) == ("settled", ("refunded", "refunded"))
    assert rows(shop) == [("R1", 1000, DONE), ("R2", 2000, DONE), ("closed", 500, DONE)]
    assert shop.status() == (PAID, True, 3500)


_SIZES = st.lists(st.integers(1, TOTAL // 3), min_size=1, max_size=3)
_PIECES = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["news", "answer", "query"])), max_size=10
)


@settings(max_examples=30)
@given(_SIZES, _PIECES)
def test_in_any_order_each_refund_is_notified_once(
    open_shop: Shop, sizes: list[int], pieces: list[tuple[int, str]]
) -> None:
    number, calls = f"O{next(ORDERS)}", []
    trade_no = f"20{number[1:]:0>20}"
    sale(open_shop, number, trade_no)
    for place, fen in enumerate(sizes):
        request_refund(open_shop, fen, f"R{place}", number)
    callback = {"refunded": lambda payment: calls.append(payment.refunded_fen)}
    # Finally each refund is reported once more, by its own response.
    for place, kind in [*pieces, *((place, "query") for place in range(len(sizes)))]:
        if place >= len(sizes):
            continue
        if kind == "news":
            sum_fen = sum(sizes[: place + 1])
            about = {"out_trade_no": number, "trade_no": trade_no, "out_request_no": f"R{place}"}
            open_shop.settle(report(refunded_fen=sum_fen, **about), **callback)
        else:
            apply_response(open_shop, f"R{place}", sizes[place], order=number, **callback)
    assert open_shop.status(number) == (PAID, True, sum(sizes))
    assert len(calls) == len(sizes)
    assert rows(open_shop, number) == [(f"R{i}", fen, DONE) for i, fen in enumerate(sizes)]


def test_concurrently_each_refund_is_notified_once(shop: Shop) -> None:
    report_at_once(shop)


def report_at_once(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, 1000, "R0")
    request_refund(shop, 2000, "R1")
    sums = {"R0": 1000, "R1": 3000}
    start = Barrier(8)

    def apply(work: tuple[str, str]) -> None:
        number, kind = work
        start.wait()
        for _ in range(50):  # a rejected report is retried
            try:
                with shop.session() as session:
                    callback = {"refunded": pack(session, "refunded")}
                    if kind == "news":
                        total = report(refunded_fen=sums[number], out_request_no=number)
                        shop.ledger(session, **callback).settle(total)
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
        list(pool.map(apply, works))
    assert shop.status() == (PAID, True, 3000)
    assert rows(shop) == [("R0", 1000, DONE), ("R1", 2000, DONE)]
    assert shop.parcels() == ["refunded", "refunded"]


def test_refunds_of_a_row_are_kept_apart_by_payment(shop: Shop) -> None:
    sale(shop)
    sale(shop, "A2", "2026112322002")
    request_refund(shop, 1000, "R1")
    request_refund(shop, 1000, "R1", "A2")
    apply_response(shop, "R1", 1000, order="A2")
    assert [(row.out_trade_no, row.status) for row in shop.rows(Refund)] == [
        ("A1", REQUESTED),
        ("A2", DONE),
    ]


# A refund made in Alipay's console is reported with the total refunded amount, which may include
# one that was requested here and is not reported yet.


@pytest.mark.parametrize("received", ["answer", "news"])
def test_a_total_that_includes_a_pending_refund_is_not_counted_twice(
    shop: Shop, received: str
) -> None:
    sale(shop)
    request_refund(shop, 1000, "R1")
    of_console = report(refunded_fen=3000, out_request_no="console")
    assert shop.settle(of_console) == ("settled", ("refunded",))
    assert shop.status() == (PAID, True, 3000)
    if received == "answer":
        apply_response(shop, "R1", 1000)
    else:
        shop.settle(report(refunded_fen=1000, out_request_no="R1"))
    assert shop.settle(of_console, refunded=no_callback) == ("duplicate", ())
    assert shop.status() == (PAID, True, 3000)
    assert rows(shop) == [("R1", 1000, DONE), ("closed", 2000, DONE)]


def test_a_total_without_the_pending_refund_is_completed_by_the_next(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, 1000, "R1")
    shop.settle(report(refunded_fen=3000, out_request_no="console"))
    apply_response(shop, "R1", 1000)
    shop.settle(report(refunded_fen=4000, out_request_no="R1"))
    assert shop.status() == (PAID, True, 4000)
    assert sum(row.refund_fen for row in shop.rows(Refund)) == 4000


def test_a_sum_too_small_to_hold_it_is_the_consoles_alone(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, 1000, "R1")
    shop.settle(report(refunded_fen=1000, out_request_no="console"))
    apply_response(shop, "R1", 1000)
    assert shop.status() == (PAID, True, 2000)
    assert rows(shop) == [("R1", 1000, DONE), ("console", 1000, DONE)]


def test_a_finally_rejected_refund_was_not_in_the_total(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, 1000, "R1")
    shop.settle(report(refunded_fen=3000, out_request_no="console"))
    apply_response(shop, "R1", 1000, "ACQ.SELLER_BALANCE_NOT_ENOUGH")
    assert shop.status() == (PAID, True, 3000)
    assert [fen for _, fen, status in rows(shop) if status == DONE] == [3000]


def test_a_refund_from_the_console_has_its_own_time(shop: Shop) -> None:
    shop.order()
    made_at = datetime(2026, 1, 31, 15, 59, 58, tzinfo=timezone.utc)  # and reported after midnight
    shop.settle(report())
    shop.settle(
        report(refunded_fen=1000, is_refund=True, out_request_no="CONSOLE1", refunded_at=made_at)
    )
    (row,) = shop.rows(Refund)
    assert (row.out_request_no, row.refund_fen) == ("CONSOLE1", 1000)
    assert (row.created_at, row.refunded_at) == (made_at, made_at)
