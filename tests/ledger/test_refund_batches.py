"""Refunds of the legacy gateway: requested here or made there, reported twice and in any order.

The result of a batch has the refunded amount and no order number; the trade's report states that
there was a refund, but not its amount.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select, update
from sqlalchemy.exc import OperationalError

from flask_alipay.exceptions import (
    CallbackFailed,
    InvalidAmount,
    LedgerUnavailable,
    NotificationRefused,
    PaymentMismatch,
    UnknownPayment,
)
from flask_alipay.ledger import Models
from flask_alipay.models import utc_now
from flask_alipay.protocol.batch_notification import (
    RefundBatchNotification,
    RefundResult,
    TransferBatchNotification,
)
from flask_alipay.protocol.notification import Notification as Report
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import (
    MODELS,
    NO_JOURNAL,
    TOTAL,
    Notification,
    Payment,
    Refund,
    Shop,
    no_callback,
    pack,
    report,
)

TRADE_NO = "2026112322001"
BATCH = "20261123001"
ORDERS = itertools.count()

PAID = TradeStatus.TRADE_SUCCESS
CLOSED = TradeStatus.TRADE_CLOSED
DONE = "REFUND_SUCCESS"
REQUESTED = "REFUND_PROCESSING"


def batch_report(
    fen: int = 1000, batch_no: str = BATCH, code: str = "SUCCESS", trade_no: str = TRADE_NO
) -> RefundBatchNotification:
    """Return the result of a batch of one refund."""
    return batch_of(RefundResult(trade_no, fen, code), batch_no=batch_no)


def batch_of(*results: RefundResult, batch_no: str = BATCH) -> RefundBatchNotification:
    return RefundBatchNotification(batch_no, f"notify-{batch_no}", results, {})


def trade_report(trade_status: str = PAID, **fields: Any) -> Report:
    """Return the report about a trade with a refund, as the legacy gateway sends it."""
    return report(trade_status, notify_id=f"trade-{trade_status}", is_refund=True, **fields)


def settle(
    shop: Shop, batch: RefundBatchNotification, models: Models = MODELS, /, **callbacks: Any
) -> list[tuple[str, tuple[str, ...]]]:
    """Settle in a separate session."""
    with shop.session() as session:
        ledger = shop.ledger(session, models, **callbacks)
        return [(one.outcome, one.events) for one in ledger.settle_refunds(batch)]


def request_refund(
    shop: Shop, fen: int = 1000, batch_no: str = BATCH, out_trade_no: str = "A1", **options: Any
) -> int:
    """Record a refund as the shop does before its request; return the row's number."""
    with shop.session() as session, session.begin():
        refunds = shop.ledger(session).refunds
        assert refunds is not None
        return int(refunds.open(out_trade_no, fen, batch_no, options.get("reason")).row.id)


def sale(shop: Shop, out_trade_no: str = "A1", trade_no: str = TRADE_NO) -> None:
    shop.order(out_trade_no)
    shop.settle(report(out_trade_no=out_trade_no, trade_no=trade_no))


def rows(shop: Shop, out_trade_no: str = "A1") -> list[tuple[str, int, str]]:
    return [
        (row.out_request_no, row.refund_fen, row.status)
        for row in shop.rows(Refund, Refund.out_trade_no == out_trade_no)
    ]


def state(shop: Shop) -> list[tuple[Any, ...]]:
    return [
        tuple(getattr(row, column.key) for column in model.__table__.columns)
        for model in (Payment, Refund)
        for row in shop.rows(model)
    ]


def refused(
    shop: Shop, batch: RefundBatchNotification, wanted: type[NotificationRefused]
) -> NotificationRefused:
    """Settle what must be rejected: nothing changes, no callback is called, the journal has the
    reason.
    """
    before, journal = state(shop), len(shop.outcomes())
    with pytest.raises(wanted) as caught:
        settle(shop, batch, refunded=no_callback)
    assert state(shop) == before
    assert shop.outcomes()[journal:] == [wanted.reason]
    return caught.value


# Asked for by the shop


def test_a_requested_refund_is_settled_once(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, reason="too green")
    seen: list[int] = []
    callback = {"refunded": lambda payment: seen.append(payment.refunded_fen)}
    assert settle(shop, batch_report(), **callback) == [("settled", ("refunded",))]
    assert settle(shop, batch_report(), **callback) == [("duplicate", ())]
    assert seen == [1000]
    assert shop.status() == (PAID, True, 1000)
    assert rows(shop) == [(BATCH, 1000, DONE)]
    [row] = shop.rows(Refund)
    assert row.refunded_at is not None
    assert row.reason == "too green"
    assert shop.outcomes() == ["settled", "settled", "duplicate"]


def test_the_callback_commits_with_the_refund(shop: Shop) -> None:
    sale(shop)
    with shop.session() as session:
        [settled] = shop.ledger(session, refunded=pack(session, "refunded")).settle_refunds(
            batch_report()
        )
        assert settled.payment.out_trade_no == "A1"
    assert shop.parcels() == ["refunded"]


def test_the_journal_names_the_batch(shop: Shop) -> None:
    sale(shop)
    settle(shop, batch_report())
    entry = shop.rows(Notification)[-1]
    assert (entry.out_trade_no, entry.trade_no) == ("A1", TRADE_NO)
    assert (entry.trade_status, entry.outcome, entry.detail) == (DONE, "settled", "refunded")
    assert entry.payload == {
        "batch_no": BATCH,
        "trade_no": TRADE_NO,
        "amount": "10.00",
        "result": "SUCCESS",
    }


def test_a_full_refund_is_notified_once_if_the_batch_arrives_first(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, TOTAL)
    assert settle(shop, batch_report(TOTAL)) == [("settled", ("refunded",))]
    assert shop.settle(trade_report(CLOSED), refunded=no_callback) == ("recorded", ())
    assert shop.status() == (CLOSED, True, TOTAL)
    assert rows(shop) == [(BATCH, TOTAL, DONE)]


def test_a_full_refund_is_notified_once_if_the_close_arrives_first(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, TOTAL)
    assert shop.settle(trade_report(CLOSED)) == ("settled", ("refunded",))
    assert rows(shop) == [(BATCH, TOTAL, DONE)]
    assert settle(shop, batch_report(TOTAL), refunded=no_callback) == [("duplicate", ())]
    assert shop.status() == (CLOSED, True, TOTAL)
    assert rows(shop) == [(BATCH, TOTAL, DONE)]


def test_a_part_refund_is_counted_by_its_batch_alone(shop: Shop) -> None:
    sale(shop)
    request_refund(shop)
    assert shop.settle(trade_report(), refunded=no_callback) == ("duplicate", ())
    assert shop.status() == (PAID, True, 0)
    assert settle(shop, batch_report()) == [("settled", ("refunded",))]
    assert shop.settle(trade_report(), refunded=no_callback) == ("duplicate", ())
    assert shop.status() == (PAID, True, 1000)


def test_a_close_that_overtakes_the_last_batch_is_that_batch(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, 1000, "20261123001")
    request_refund(shop, TOTAL - 1000, "20261123002")
    settle(shop, batch_report(1000, "20261123001"))
    assert shop.settle(trade_report(CLOSED)) == ("settled", ("refunded",))
    last = batch_report(TOTAL - 1000, "20261123002")
    assert settle(shop, last, refunded=no_callback) == [("duplicate", ())]
    assert rows(shop) == [("20261123001", 1000, DONE), ("20261123002", TOTAL - 1000, DONE)]


def test_a_close_that_overtakes_all_batches_is_each_of_them(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, 1000, "20261123001")
    request_refund(shop, TOTAL - 1000, "20261123002")
    assert shop.settle(trade_report(CLOSED)) == ("settled", ("refunded", "refunded"))
    for late in (batch_report(1000, "20261123001"), batch_report(TOTAL - 1000, "20261123002")):
        assert settle(shop, late, refunded=no_callback) == [("duplicate", ())]
    assert rows(shop) == [("20261123001", 1000, DONE), ("20261123002", TOTAL - 1000, DONE)]


@pytest.mark.parametrize("code", ["TRADE_HAS_CLOSED", "SELLER_BALANCE_NOT_ENOUGH", "X" * 60])
def test_a_failed_refund_has_the_reason(shop: Shop, code: str) -> None:
    sale(shop)
    request_refund(shop)
    assert settle(shop, batch_report(code=code), refunded=no_callback) == [("recorded", ())]
    assert rows(shop) == [(BATCH, 1000, code[:32])]
    assert shop.status() == (PAID, True, 0)
    [row] = shop.rows(Refund)
    assert row.refunded_at is None


def test_a_refund_that_failed_leaves_its_money_to_another(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, TOTAL, "20261123001")
    settle(shop, batch_report(TOTAL, "20261123001", "SELLER_BALANCE_NOT_ENOUGH"))
    request_refund(shop, TOTAL, "20261123002")
    assert settle(shop, batch_report(TOTAL, "20261123002")) == [("settled", ("refunded",))]


def test_an_old_report_of_a_failure_does_not_undo_a_refund(shop: Shop) -> None:
    sale(shop)
    request_refund(shop)
    settle(shop, batch_report())
    assert settle(shop, batch_report(code="TRADE_HAS_CLOSED")) == [("stale", ())]
    assert rows(shop) == [(BATCH, 1000, DONE)]


def test_a_failed_refund_that_was_not_requested_here_changes_nothing(shop: Shop) -> None:
    sale(shop)
    before = state(shop)
    assert settle(shop, batch_report(code="TRADE_HAS_CLOSED")) == [("stale", ())]
    assert state(shop) == before


@pytest.mark.parametrize("fen", [1, 999, 1001, TOTAL])
def test_an_amount_other_than_the_requested_one_is_a_mismatch(shop: Shop, fen: int) -> None:
    sale(shop)
    request_refund(shop)
    error = refused(shop, batch_report(fen), PaymentMismatch)
    assert isinstance(error, PaymentMismatch)
    assert (error.field, error.expected) == ("refund_amount", "10.00")
    assert (error.out_trade_no, error.notify_id) == ("A1", f"notify-{BATCH}")


# Made at Alipay


def test_a_refund_that_was_made_at_alipay_is_written_down(shop: Shop) -> None:
    sale(shop)
    assert settle(shop, batch_report()) == [("settled", ("refunded",))]
    assert settle(shop, batch_report(), refunded=no_callback) == [("duplicate", ())]
    assert rows(shop) == [(BATCH, 1000, DONE)]
    assert shop.status() == (PAID, True, 1000)


def test_a_full_refund_at_alipay_is_one_refund_in_either_order(shop: Shop) -> None:
    sale(shop)
    assert shop.settle(trade_report(CLOSED)) == ("settled", ("refunded",))
    assert rows(shop) == [("closed", TOTAL, DONE)]
    assert settle(shop, batch_report(TOTAL), refunded=no_callback) == [("recorded", ())]
    assert rows(shop) == [(BATCH, TOTAL, DONE)]
    assert settle(shop, batch_report(TOTAL), refunded=no_callback) == [("duplicate", ())]


def test_a_refund_known_from_a_close_is_split_into_its_batches(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, 1000, "20261123001")
    # The rest was refunded in Alipay's console, and the close arrives first.
    assert shop.settle(trade_report(CLOSED)) == ("settled", ("refunded",))
    assert settle(shop, batch_report(1000, "20261123001"), refunded=no_callback) == [
        ("recorded", ())
    ]
    assert rows(shop) == [("20261123001", 1000, DONE), ("closed", TOTAL - 1000, DONE)]
    assert settle(shop, batch_report(888, "20261123009"), refunded=no_callback) == [
        ("recorded", ())
    ]
    assert sum(fen for _, fen, _ in rows(shop)) == shop.payment().refunded_fen == TOTAL


@pytest.mark.parametrize("notify_id", ["n" * 128, None])
def test_a_report_of_a_refund_with_a_long_number_is_not_lost(
    shop: Shop, notify_id: str | None
) -> None:
    sale(shop)
    part = report(refunded_fen=1000, notify_id=notify_id)
    assert shop.settle(part) == ("settled", ("refunded",))
    more = report(refunded_fen=1001, notify_id=notify_id)
    assert shop.settle(more) == ("settled", ("refunded",))
    assert shop.settle(trade_report(CLOSED)) == ("settled", ("refunded",))
    assert [fen for _, fen, _ in rows(shop)] == [1000, 1, TOTAL - 1001]


def test_a_refund_with_an_overtaken_report_is_settled(shop: Shop) -> None:
    # On the open platform the report has the refund's number and the total refunded amount.
    sale(shop)
    request_refund(shop, 1000, "R1")
    request_refund(shop, 2000, "R2")
    late = report(refunded_fen=1000, out_request_no="R1")
    assert shop.settle(report(refunded_fen=3000, out_request_no="R2")) == ("settled", ("refunded",))
    assert shop.status() == (PAID, True, 2000)
    assert shop.settle(late) == ("settled", ("refunded",))
    assert shop.status() == (PAID, True, 3000)
    assert rows(shop) == [("R1", 1000, DONE), ("R2", 2000, DONE)]


# Refused


def test_an_unknown_trade_is_rejected(shop: Shop) -> None:
    sale(shop)
    error = refused(shop, batch_report(trade_no="2026112322009"), UnknownPayment)
    assert not error.out_trade_no
    assert shop.rows(Notification)[-1].trade_no == "2026112322009"


def test_a_trade_of_another_merchant_is_unknown(shop: Shop) -> None:
    shop.order(merchant="2088000000000009", trade_no=TRADE_NO, paid=True, trade_status=PAID)
    refused(shop, batch_report(), UnknownPayment)


def test_a_refund_before_its_sale_is_retried_later(shop: Shop) -> None:
    # The report of the sale was not settled yet: a refund lost now would be lost for good.
    shop.order()
    shop.settle(report(TradeStatus.TRADE_PENDING))
    refused(shop, batch_report(), PaymentMismatch)
    shop.settle(report())
    assert settle(shop, batch_report()) == [("settled", ("refunded",))]


def test_a_refund_of_a_closed_unpaid_trade_is_only_recorded(shop: Shop) -> None:
    shop.order()
    shop.settle(trade_report(CLOSED))
    assert shop.status() == (CLOSED, False, TOTAL)
    assert settle(shop, batch_report(TOTAL), refunded=no_callback) == [("recorded", ())]
    assert shop.status() == (CLOSED, False, TOTAL)


@pytest.mark.parametrize("fen", [0, TOTAL + 1, 10**12])
def test_a_refund_of_more_than_was_paid_or_of_nothing_is_rejected(shop: Shop, fen: int) -> None:
    sale(shop)
    refused(shop, batch_report(fen), PaymentMismatch)


def test_a_refund_of_more_than_is_left_is_rejected(shop: Shop) -> None:
    sale(shop)
    settle(shop, batch_report(TOTAL - 1, "20261123001"))
    refused(shop, batch_report(2, "20261123002"), PaymentMismatch)
    assert settle(shop, batch_report(1, "20261123003")) == [("settled", ("refunded",))]


# Several in one batch


def several(shop: Shop) -> RefundBatchNotification:
    for number in ("A1", "A2", "A3"):
        sale(shop, number, f"T{number}")
        request_refund(shop, 1000, BATCH, number)
    return batch_of(*(RefundResult(f"T{number}", 1000, "SUCCESS") for number in ("A1", "A2", "A3")))


def test_one_failing_callback_does_not_hold_the_others_up(shop: Shop) -> None:
    batch, called = several(shop), []

    def callback(payment: Any) -> None:
        called.append(payment.out_trade_no)
        if payment.out_trade_no == "A2" and called.count("A2") == 1:
            raise RuntimeError("out of ink")

    with pytest.raises(CallbackFailed) as caught:
        settle(shop, batch, refunded=callback)
    assert caught.value.out_trade_no == "A2"
    assert called == ["A1", "A2", "A3"]
    assert [shop.payment(f"A{number}").refunded_fen for number in (1, 2, 3)] == [1000, 0, 1000]
    assert rows(shop, "A2") == [(BATCH, 1000, REQUESTED)]
    # Alipay retries with all of them.
    settle(shop, batch, refunded=callback)
    assert called == ["A1", "A2", "A3", "A2"]
    assert [shop.payment(f"A{number}").refunded_fen for number in (1, 2, 3)] == [1000] * 3
    assert shop.outcomes()[3:] == [
        *("settled", "callback_failed", "settled"),
        *("duplicate", "settled", "duplicate"),
    ]


def test_committed_refunds_are_notified_before_a_rejection(shop: Shop) -> None:
    batch = several(shop)
    unknown = RefundResult("T9", 1000, "SUCCESS")
    called: list[str] = []
    with shop.session() as session:
        settlements = shop.ledger(session).settle_refunds(batch_of(unknown, *batch.results))
        with pytest.raises(UnknownPayment):
            called.extend(one.payment.out_trade_no for one in settlements)
    assert called == ["A1", "A2", "A3"]


def test_failures_and_successes_in_one_batch_are_independent(shop: Shop) -> None:
    _, *others = several(shop).results
    failed = RefundResult("TA1", 1000, "TRADE_HAS_CLOSED")
    assert [outcome for outcome, _ in settle(shop, batch_of(failed, *others))] == [
        "recorded",
        "settled",
        "settled",
    ]
    assert rows(shop, "A1") == [(BATCH, 1000, "TRADE_HAS_CLOSED")]


def test_an_unavailable_database_is_tried_once_and_not_for_each_refund(small_shop: Shop) -> None:
    batch, statements = several(small_shop), 0

    def cut_off(*args: object) -> None:
        nonlocal statements
        statements += 1
        raise OperationalError("SELECT", {}, Exception("no route to the database"))

    event.listen(small_shop.engine, "before_cursor_execute", cut_off)
    with pytest.raises(LedgerUnavailable):
        settle(small_shop, batch)
    event.remove(small_shop.engine, "before_cursor_execute", cut_off)
    assert statements == 1
    assert [outcome for outcome, _ in settle(small_shop, batch)] == ["settled"] * 3


# In any order


@st.composite
def refund_sequences(draw: st.DrawFn) -> tuple[list[tuple[int, bool]], list[int]]:
    """Generate refunds (amount, whether the shop requested it) and the order of the reports.

    The last number is the close, which exists only after a full refund; each report may be
    repeated.
    """
    cuts = draw(st.lists(st.integers(1, TOTAL - 1), max_size=3, unique=True).map(sorted))
    edges = [0, *cuts, *([TOTAL] if draw(st.booleans()) else [])]
    parts = [b - a for a, b in itertools.pairwise(edges)]
    refunds = [(fen, draw(st.booleans())) for fen in parts]
    pieces = list(range(len(parts) + 1))
    again = draw(st.lists(st.sampled_from(pieces), max_size=4))
    return refunds, draw(st.permutations(pieces + again))


@settings(max_examples=60)
@given(sequence=refund_sequences())
def test_each_refund_is_notified_once_in_any_order(
    open_shop: Shop, sequence: tuple[list[tuple[int, bool]], list[int]]
) -> None:
    refunds, order = sequence
    number = f"B{next(ORDERS)}"
    trade_no = f"T{number}"
    sale(open_shop, number, trade_no)
    gone = sum(fen for fen, _ in refunds)
    for index, (fen, by_shop) in enumerate(refunds):
        if by_shop:
            request_refund(open_shop, fen, f"2026112300{index}", number)
    end = report(
        CLOSED if gone == TOTAL else PAID, out_trade_no=number, trade_no=trade_no, is_refund=True
    )
    sums: list[int] = []
    callback = {"refunded": lambda payment: sums.append(payment.refunded_fen)}
    for piece in order:
        if piece < len(refunds):
            about = batch_report(refunds[piece][0], f"2026112300{piece}", trade_no=trade_no)
            settle(open_shop, about, **callback)
        else:
            open_shop.settle(end, **callback)
        assert open_shop.payment(number).refunded_fen <= TOTAL
    assert open_shop.status(number) == (end.trade_status, True, gone)
    written = rows(open_shop, number)
    assert sum(fen for _, fen, status in written if status == DONE) == gone
    assert {name for name, _, _ in written} == {f"2026112300{i}" for i in range(len(refunds))}
    assert sorted(sums) == sums
    assert len(sums) <= len(refunds)
    assert sums[-1:] == ([gone] if refunds else [])
    if gone < TOTAL or all(by_shop for _, by_shop in refunds):
        # Only a close that arrives first, with refunds not requested here, reports several as one.
        assert len(sums) == len(refunds)


# Asking


def test_the_same_number_is_the_same_refund(shop: Shop) -> None:
    sale(shop)
    assert request_refund(shop, TOTAL) == request_refund(shop, TOTAL)
    assert rows(shop) == [(BATCH, TOTAL, REQUESTED)]


def test_the_same_number_with_another_amount_is_refused(shop: Shop) -> None:
    sale(shop)
    request_refund(shop)
    with pytest.raises(InvalidAmount, match="differs from the recorded refund"):
        request_refund(shop, 1001)
    assert rows(shop) == [(BATCH, 1000, REQUESTED)]


def test_a_request_for_more_than_was_paid_is_rejected(shop: Shop) -> None:
    sale(shop)
    with pytest.raises(InvalidAmount, match="exceeds the refundable amount"):
        request_refund(shop, TOTAL + 1)
    assert shop.count(Refund) == 0


def test_a_request_for_more_than_is_left_is_rejected(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, 1000, "20261123001")
    settle(shop, batch_report(1000, "20261123001"))
    with pytest.raises(InvalidAmount):
        request_refund(shop, TOTAL - 999, "20261123002")
    request_refund(shop, TOTAL - 1000, "20261123002")


def test_the_amount_of_a_pending_refund_is_not_available(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, 1000, "20261123001")
    with pytest.raises(InvalidAmount):
        request_refund(shop, TOTAL - 999, "20261123002")
    request_refund(shop, TOTAL - 1000, "20261123002")


def test_the_amount_of_a_refund_not_confirmed_in_time_is_available_again(shop: Shop) -> None:
    sale(shop)
    request_refund(shop, TOTAL, "20261123001")
    with shop.session() as session:
        session.execute(update(Refund).values(created_at=utc_now() - timedelta(days=3)))
        session.commit()
    request_refund(shop, TOTAL, "20261126001")


@pytest.mark.parametrize("number", ["A1", "A9"])
def test_a_refund_of_an_unpaid_payment_is_rejected(shop: Shop, number: str) -> None:
    shop.order("A1")
    with pytest.raises(InvalidAmount):
        request_refund(shop, out_trade_no=number)
    assert shop.count(Refund) == 0


def at_once(work: Callable[[int], object], workers: int = 4) -> list[object]:
    """Run the functions in threads released at the same time; return ``None`` for rejected ones."""
    barrier = Barrier(workers)

    def run(number: int) -> object:
        barrier.wait(10)
        for _ in range(20):
            try:
                return work(number)
            except LedgerUnavailable:
                continue
            except InvalidAmount:
                return None
        raise AssertionError("never answered success")

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, range(workers)))


def test_concurrent_requests_do_not_exceed_the_payment(shop: Shop) -> None:
    sale(shop)
    looked = Barrier(4)

    def request_all(number: int) -> object:
        with shop.session() as session:
            # As an app does: it has read the payment, and with it begun its transaction.
            session.scalars(select(Payment)).one()
            looked.wait(10)
            refunds = shop.ledger(session).refunds
            assert refunds is not None
            refunds.open("A1", TOTAL - 1000, f"2026112300{number}", None)
            session.commit()
            return number

    done = [number for number in at_once(request_all) if number is not None]
    assert len(done) == 1
    assert [fen for _, fen, _ in rows(shop)] == [TOTAL - 1000]


def test_concurrent_requests_of_one_refund_record_one(shop: Shop) -> None:
    sale(shop)
    assert len(set(at_once(lambda number: request_refund(shop)))) == 1
    assert rows(shop) == [(BATCH, 1000, REQUESTED)]


def test_concurrent_reports_of_one_batch_notify_once(shop: Shop) -> None:
    for number in range(4):
        order, trade_no = f"A{number}", f"T{number}"
        sale(shop, order, trade_no)
        request_refund(shop, TOTAL, BATCH, order)

        def apply(worker: int, trade_no: str = trade_no, order: str = order) -> None:
            with shop.session() as session:
                ledger = shop.ledger(session, refunded=pack(session, "refunded"))
                if worker % 2:
                    ledger.settle(trade_report(CLOSED, out_trade_no=order, trade_no=trade_no))
                else:
                    list(ledger.settle_refunds(batch_report(TOTAL, trade_no=trade_no)))

        at_once(apply)
        assert shop.status(order) == (CLOSED, True, TOTAL)
        assert rows(shop, order) == [(BATCH, TOTAL, DONE)]
    assert shop.parcels() == ["refunded"] * 4


# Without the app's classes


def test_without_a_class_for_refunds_the_journal_identifies_counted_refunds(shop: Shop) -> None:
    models = MODELS._replace(Refund=None)
    sale(shop)
    called: list[int] = []
    callback = {"refunded": lambda payment: called.append(payment.refunded_fen)}
    for _ in range(3):
        settle(shop, batch_report(1000, "20261123001"), models, **callback)
    settle(shop, batch_report(1000, "20261123002"), models, **callback)
    settle(shop, batch_report(1000, "20261123003", "TRADE_HAS_CLOSED"), models, **callback)
    assert called == [1000, 2000]
    assert shop.count(Refund) == 0
    assert shop.settle(trade_report(CLOSED), models, **callback) == ("settled", ("refunded",))
    assert called == [1000, 2000, TOTAL]


def test_without_a_class_for_refunds_a_failed_one_is_counted_on_retry(
    shop: Shop,
) -> None:
    models = MODELS._replace(Refund=None)
    sale(shop)
    with pytest.raises(CallbackFailed):
        settle(shop, batch_report(), models, refunded=lambda payment: 1 / 0)
    assert shop.status() == (PAID, True, 0)
    assert settle(shop, batch_report(), models) == [("settled", ("refunded",))]
    assert shop.status() == (PAID, True, 1000)


def test_without_rows_and_journal_a_batch_is_recorded_and_not_counted(shop: Shop) -> None:
    models = MODELS._replace(Refund=None, Notification=None)
    sale(shop)
    for _ in range(2):
        assert settle(shop, batch_report(), models, refunded=no_callback) == [("recorded", ())]
    assert shop.status() == (PAID, True, 0)
    assert shop.settle(trade_report(CLOSED), models) == ("settled", ("refunded",))


def test_without_a_journal_a_refund_is_notified_once(shop: Shop) -> None:
    sale(shop)
    request_refund(shop)
    assert settle(shop, batch_report(), NO_JOURNAL) == [("settled", ("refunded",))]
    assert settle(shop, batch_report(), NO_JOURNAL, refunded=no_callback) == [("duplicate", ())]
    assert shop.status() == (PAID, True, 1000)


# Transfers


def transfers(notify_id: str | None = "n1") -> TransferBatchNotification:
    return TransferBatchNotification(
        BATCH, notify_id, (), {"notify_type": "batch_trans_notify", "success_details": "S1^…"}
    )


def record(shop: Shop, batch: TransferBatchNotification, models: Models = MODELS) -> bool:
    with shop.session() as session:
        return shop.ledger(session, models).record_transfers(batch)


def test_transfers_are_notified_once(shop: Shop) -> None:
    assert [record(shop, transfers()) for _ in range(3)] == [True, False, False]
    assert record(shop, transfers("n2"))
    assert shop.outcomes() == ["recorded", "duplicate", "duplicate", "recorded"]
    [entry, *_] = shop.rows(Notification)
    assert (entry.trade_status, entry.out_trade_no) == ("batch_trans_notify", "")
    assert entry.payload["success_details"] == "S1^…"


def test_transfers_without_a_journal_or_a_number_are_always_new(shop: Shop) -> None:
    assert [record(shop, transfers(), NO_JOURNAL) for _ in range(2)] == [True, True]
    assert [record(shop, transfers(None)) for _ in range(2)] == [True, True]
