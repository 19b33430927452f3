"""Refunds of the legacy gateway: asked for here or made there, told twice and in any order.

The result of a batch says how much went back of a trade, and no order's number; the news of the
trade says that something went back, and not how much.
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
from flask_alipay.protocol.notification import Notification as News
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import (
    MODELS,
    NO_JOURNAL,
    TOTAL,
    Notification,
    Payment,
    Refund,
    Shop,
    news,
    no_callback,
    pack,
)

TRADE_NO = "2026112322001"
BATCH = "20261123001"
ORDERS = itertools.count()

PAID = TradeStatus.TRADE_SUCCESS
CLOSED = TradeStatus.TRADE_CLOSED
DONE = "REFUND_SUCCESS"
ASKED = "REFUND_PROCESSING"


def told(
    fen: int = 1000, batch_no: str = BATCH, code: str = "SUCCESS", trade_no: str = TRADE_NO
) -> RefundBatchNotification:
    """The result of a batch of one refund."""
    return batch_of(RefundResult(trade_no, fen, code), batch_no=batch_no)


def batch_of(*results: RefundResult, batch_no: str = BATCH) -> RefundBatchNotification:
    return RefundBatchNotification(batch_no, f"notify-{batch_no}", results, {})


def trade_news(trade_status: str = PAID, **fields: Any) -> News:
    """The news of a trade of which money went back, as the legacy gateway tells it."""
    return news(trade_status, notify_id=f"trade-{trade_status}", is_refund=True, **fields)


def settle(
    shop: Shop, batch: RefundBatchNotification, models: Models = MODELS, /, **callbacks: Any
) -> list[tuple[str, tuple[str, ...]]]:
    """Settles in a session of its own."""
    with shop.session() as session:
        ledger = shop.ledger(session, models, **callbacks)
        return [(one.outcome, one.events) for one in ledger.settle_refunds(batch)]


def ask(
    shop: Shop, fen: int = 1000, batch_no: str = BATCH, out_trade_no: str = "A1", **options: Any
) -> int:
    """Writes a refund down, as the shop does before it asks for it; returns its row's number."""
    with shop.session() as session, session.begin():
        refunds = shop.ledger(session).refunds
        assert refunds is not None
        return int(refunds.open(out_trade_no, fen, batch_no, options.get("reason")).row.id)


def sale(shop: Shop, out_trade_no: str = "A1", trade_no: str = TRADE_NO) -> None:
    shop.order(out_trade_no)
    shop.settle(news(out_trade_no=out_trade_no, trade_no=trade_no))


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
    """Settles what must be refused: nothing changed, no callback called, the journal says why."""
    before, journal = state(shop), len(shop.outcomes())
    with pytest.raises(wanted) as caught:
        settle(shop, batch, refunded=no_callback)
    assert state(shop) == before
    assert shop.outcomes()[journal:] == [wanted.reason]
    return caught.value


# Asked for by the shop


def test_a_refund_that_was_asked_for_is_done_once(shop: Shop) -> None:
    sale(shop)
    ask(shop, reason="too green")
    seen: list[int] = []
    callback = {"refunded": lambda payment: seen.append(payment.refunded_fen)}
    assert settle(shop, told(), **callback) == [("settled", ("refunded",))]
    assert settle(shop, told(), **callback) == [("duplicate", ())]
    assert seen == [1000]
    assert shop.standing() == (PAID, True, 1000)
    assert rows(shop) == [(BATCH, 1000, DONE)]
    [row] = shop.rows(Refund)
    assert row.refunded_at is not None
    assert row.reason == "too green"
    assert shop.outcomes() == ["settled", "settled", "duplicate"]


def test_the_callback_commits_with_the_refund(shop: Shop) -> None:
    sale(shop)
    with shop.session() as session:
        [settled] = shop.ledger(session, refunded=pack(session, "refunded")).settle_refunds(told())
        assert settled.payment.out_trade_no == "A1"
    assert shop.parcels() == ["refunded"]


def test_the_journal_says_which_batch_it_was(shop: Shop) -> None:
    sale(shop)
    settle(shop, told())
    entry = shop.rows(Notification)[-1]
    assert (entry.out_trade_no, entry.trade_no) == ("A1", TRADE_NO)
    assert (entry.trade_status, entry.outcome, entry.detail) == (DONE, "settled", "refunded")
    assert entry.payload == {
        "batch_no": BATCH,
        "trade_no": TRADE_NO,
        "amount": "10.00",
        "result": "SUCCESS",
    }


def test_a_full_refund_is_told_once_when_the_batch_comes_first(shop: Shop) -> None:
    sale(shop)
    ask(shop, TOTAL)
    assert settle(shop, told(TOTAL)) == [("settled", ("refunded",))]
    assert shop.settle(trade_news(CLOSED), refunded=no_callback) == ("recorded", ())
    assert shop.standing() == (CLOSED, True, TOTAL)
    assert rows(shop) == [(BATCH, TOTAL, DONE)]


def test_a_full_refund_is_told_once_when_the_close_comes_first(shop: Shop) -> None:
    sale(shop)
    ask(shop, TOTAL)
    assert shop.settle(trade_news(CLOSED)) == ("settled", ("refunded",))
    assert rows(shop) == [(BATCH, TOTAL, DONE)]
    assert settle(shop, told(TOTAL), refunded=no_callback) == [("duplicate", ())]
    assert shop.standing() == (CLOSED, True, TOTAL)
    assert rows(shop) == [(BATCH, TOTAL, DONE)]


def test_a_part_refund_is_counted_by_its_batch_alone(shop: Shop) -> None:
    sale(shop)
    ask(shop)
    assert shop.settle(trade_news(), refunded=no_callback) == ("duplicate", ())
    assert shop.standing() == (PAID, True, 0)
    assert settle(shop, told()) == [("settled", ("refunded",))]
    assert shop.settle(trade_news(), refunded=no_callback) == ("duplicate", ())
    assert shop.standing() == (PAID, True, 1000)


def test_a_close_that_overtakes_the_last_batch_is_that_batch(shop: Shop) -> None:
    sale(shop)
    ask(shop, 1000, "20261123001")
    ask(shop, TOTAL - 1000, "20261123002")
    settle(shop, told(1000, "20261123001"))
    assert shop.settle(trade_news(CLOSED)) == ("settled", ("refunded",))
    last = told(TOTAL - 1000, "20261123002")
    assert settle(shop, last, refunded=no_callback) == [("duplicate", ())]
    assert rows(shop) == [("20261123001", 1000, DONE), ("20261123002", TOTAL - 1000, DONE)]


def test_a_close_that_overtakes_all_batches_is_each_of_them(shop: Shop) -> None:
    sale(shop)
    ask(shop, 1000, "20261123001")
    ask(shop, TOTAL - 1000, "20261123002")
    assert shop.settle(trade_news(CLOSED)) == ("settled", ("refunded", "refunded"))
    for late in (told(1000, "20261123001"), told(TOTAL - 1000, "20261123002")):
        assert settle(shop, late, refunded=no_callback) == [("duplicate", ())]
    assert rows(shop) == [("20261123001", 1000, DONE), ("20261123002", TOTAL - 1000, DONE)]


@pytest.mark.parametrize("code", ["TRADE_HAS_CLOSED", "SELLER_BALANCE_NOT_ENOUGH", "X" * 60])
def test_a_refund_that_failed_says_why(shop: Shop, code: str) -> None:
    sale(shop)
    ask(shop)
    assert settle(shop, told(code=code), refunded=no_callback) == [("recorded", ())]
    assert rows(shop) == [(BATCH, 1000, code[:32])]
    assert shop.standing() == (PAID, True, 0)
    [row] = shop.rows(Refund)
    assert row.refunded_at is None


def test_a_refund_that_failed_leaves_its_money_to_another(shop: Shop) -> None:
    sale(shop)
    ask(shop, TOTAL, "20261123001")
    settle(shop, told(TOTAL, "20261123001", "SELLER_BALANCE_NOT_ENOUGH"))
    ask(shop, TOTAL, "20261123002")
    assert settle(shop, told(TOTAL, "20261123002")) == [("settled", ("refunded",))]


def test_old_news_of_a_failure_does_not_undo_a_refund(shop: Shop) -> None:
    sale(shop)
    ask(shop)
    settle(shop, told())
    assert settle(shop, told(code="TRADE_HAS_CLOSED")) == [("stale", ())]
    assert rows(shop) == [(BATCH, 1000, DONE)]


def test_a_failure_of_what_nobody_asked_for_changes_nothing(shop: Shop) -> None:
    sale(shop)
    before = state(shop)
    assert settle(shop, told(code="TRADE_HAS_CLOSED")) == [("stale", ())]
    assert state(shop) == before


@pytest.mark.parametrize("fen", [1, 999, 1001, TOTAL])
def test_another_amount_than_was_asked_for_is_a_mismatch(shop: Shop, fen: int) -> None:
    sale(shop)
    ask(shop)
    error = refused(shop, told(fen), PaymentMismatch)
    assert isinstance(error, PaymentMismatch)
    assert (error.field, error.expected) == ("refund_amount", "10.00")
    assert (error.out_trade_no, error.notify_id) == ("A1", f"notify-{BATCH}")


# Made at Alipay


def test_a_refund_that_was_made_at_alipay_is_written_down(shop: Shop) -> None:
    sale(shop)
    assert settle(shop, told()) == [("settled", ("refunded",))]
    assert settle(shop, told(), refunded=no_callback) == [("duplicate", ())]
    assert rows(shop) == [(BATCH, 1000, DONE)]
    assert shop.standing() == (PAID, True, 1000)


def test_a_full_refund_at_alipay_is_one_refund_in_either_order(shop: Shop) -> None:
    sale(shop)
    assert shop.settle(trade_news(CLOSED)) == ("settled", ("refunded",))
    assert rows(shop) == [("closed", TOTAL, DONE)]
    assert settle(shop, told(TOTAL), refunded=no_callback) == [("recorded", ())]
    assert rows(shop) == [(BATCH, TOTAL, DONE)]
    assert settle(shop, told(TOTAL), refunded=no_callback) == [("duplicate", ())]


def test_what_a_close_told_in_one_piece_falls_into_its_batches(shop: Shop) -> None:
    sale(shop)
    ask(shop, 1000, "20261123001")
    # The rest was given back in Alipay's console, and the close comes before anything else.
    assert shop.settle(trade_news(CLOSED)) == ("settled", ("refunded",))
    assert settle(shop, told(1000, "20261123001"), refunded=no_callback) == [("recorded", ())]
    assert rows(shop) == [("20261123001", 1000, DONE), ("closed", TOTAL - 1000, DONE)]
    assert settle(shop, told(888, "20261123009"), refunded=no_callback) == [("recorded", ())]
    assert sum(fen for _, fen, _ in rows(shop)) == shop.payment().refunded_fen == TOTAL


@pytest.mark.parametrize("notify_id", ["n" * 128, None])
def test_news_of_a_refund_with_a_long_number_is_not_lost(shop: Shop, notify_id: str | None) -> None:
    sale(shop)
    part = news(refunded_fen=1000, notify_id=notify_id)
    assert shop.settle(part) == ("settled", ("refunded",))
    more = news(refunded_fen=1001, notify_id=notify_id)
    assert shop.settle(more) == ("settled", ("refunded",))
    assert shop.settle(trade_news(CLOSED)) == ("settled", ("refunded",))
    assert [fen for _, fen, _ in rows(shop)] == [1000, 1, TOTAL - 1001]


def test_a_refund_whose_news_was_overtaken_is_done_all_the_same(shop: Shop) -> None:
    # On the open platform the news names the refund, and the sum of all of them.
    sale(shop)
    ask(shop, 1000, "R1")
    ask(shop, 2000, "R2")
    late = news(refunded_fen=1000, out_request_no="R1")
    assert shop.settle(news(refunded_fen=3000, out_request_no="R2")) == ("settled", ("refunded",))
    assert shop.standing() == (PAID, True, 2000)
    assert shop.settle(late) == ("settled", ("refunded",))
    assert shop.standing() == (PAID, True, 3000)
    assert rows(shop) == [("R1", 1000, DONE), ("R2", 2000, DONE)]


# Refused


def test_a_trade_that_nobody_knows_is_unknown(shop: Shop) -> None:
    sale(shop)
    error = refused(shop, told(trade_no="2026112322009"), UnknownPayment)
    assert not error.out_trade_no
    assert shop.rows(Notification)[-1].trade_no == "2026112322009"


def test_a_trade_of_another_merchant_is_unknown(shop: Shop) -> None:
    shop.order(merchant="2088000000000009", trade_no=TRADE_NO, paid=True, trade_status=PAID)
    refused(shop, told(), UnknownPayment)


def test_a_refund_of_what_was_not_heard_to_be_paid_has_to_come_again(shop: Shop) -> None:
    # The news of the sale was not taken yet: a refund that is lost now would be lost for good.
    shop.order()
    shop.settle(news(TradeStatus.TRADE_PENDING))
    refused(shop, told(), PaymentMismatch)
    shop.settle(news())
    assert settle(shop, told()) == [("settled", ("refunded",))]


def test_a_refund_of_what_was_lost_before_it_was_heard_of_is_only_recorded(shop: Shop) -> None:
    shop.order()
    shop.settle(trade_news(CLOSED))
    assert shop.standing() == (CLOSED, False, TOTAL)
    assert settle(shop, told(TOTAL), refunded=no_callback) == [("recorded", ())]
    assert shop.standing() == (CLOSED, False, TOTAL)


@pytest.mark.parametrize("fen", [0, TOTAL + 1, 10**12])
def test_more_than_was_paid_or_nothing_cannot_have_gone_back(shop: Shop, fen: int) -> None:
    sale(shop)
    refused(shop, told(fen), PaymentMismatch)


def test_more_than_is_left_cannot_have_gone_back(shop: Shop) -> None:
    sale(shop)
    settle(shop, told(TOTAL - 1, "20261123001"))
    refused(shop, told(2, "20261123002"), PaymentMismatch)
    assert settle(shop, told(1, "20261123003")) == [("settled", ("refunded",))]


# Several in one batch


def several(shop: Shop) -> RefundBatchNotification:
    for number in ("A1", "A2", "A3"):
        sale(shop, number, f"T{number}")
        ask(shop, 1000, BATCH, number)
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
    assert rows(shop, "A2") == [(BATCH, 1000, ASKED)]
    # Alipay comes again with all of them.
    settle(shop, batch, refunded=callback)
    assert called == ["A1", "A2", "A3", "A2"]
    assert [shop.payment(f"A{number}").refunded_fen for number in (1, 2, 3)] == [1000] * 3
    assert shop.outcomes()[3:] == [
        *("settled", "callback_failed", "settled"),
        *("duplicate", "settled", "duplicate"),
    ]


def test_what_is_committed_is_told_before_a_refusal(shop: Shop) -> None:
    batch = several(shop)
    unknown = RefundResult("T9", 1000, "SUCCESS")
    heard: list[str] = []
    with shop.session() as session:
        settlements = shop.ledger(session).settle_refunds(batch_of(unknown, *batch.results))
        with pytest.raises(UnknownPayment):
            heard.extend(one.payment.out_trade_no for one in settlements)
    assert heard == ["A1", "A2", "A3"]


def test_failures_and_successes_in_one_batch_go_their_own_ways(shop: Shop) -> None:
    _, *others = several(shop).results
    failed = RefundResult("TA1", 1000, "TRADE_HAS_CLOSED")
    assert [outcome for outcome, _ in settle(shop, batch_of(failed, *others))] == [
        "recorded",
        "settled",
        "settled",
    ]
    assert rows(shop, "A1") == [(BATCH, 1000, "TRADE_HAS_CLOSED")]


def test_a_database_in_trouble_is_asked_once_and_not_for_each_refund(small_shop: Shop) -> None:
    batch, asked = several(small_shop), 0

    def cut_off(*args: object) -> None:
        nonlocal asked
        asked += 1
        raise OperationalError("SELECT", {}, Exception("no route to the database"))

    event.listen(small_shop.engine, "before_cursor_execute", cut_off)
    with pytest.raises(LedgerUnavailable):
        settle(small_shop, batch)
    event.remove(small_shop.engine, "before_cursor_execute", cut_off)
    assert asked == 1
    assert [outcome for outcome, _ in settle(small_shop, batch)] == ["settled"] * 3


# In any order


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[tuple[int, bool]], list[int]]:
    """Refunds (how much, whether the shop asked for it) and the order in which news comes.

    The last number is the close, which there is only if all of it went back; each may be repeated.
    """
    cuts = draw(st.lists(st.integers(1, TOTAL - 1), max_size=3, unique=True).map(sorted))
    edges = [0, *cuts, *([TOTAL] if draw(st.booleans()) else [])]
    parts = [b - a for a, b in itertools.pairwise(edges)]
    refunds = [(fen, draw(st.booleans())) for fen in parts]
    pieces = list(range(len(parts) + 1))
    again = draw(st.lists(st.sampled_from(pieces), max_size=4))
    return refunds, draw(st.permutations(pieces + again))


@settings(max_examples=60)
@given(story=stories())
def test_each_refund_is_told_once_in_any_order(
    open_shop: Shop, story: tuple[list[tuple[int, bool]], list[int]]
) -> None:
    refunds, order = story
    number = f"B{next(ORDERS)}"
    trade_no = f"T{number}"
    sale(open_shop, number, trade_no)
    gone = sum(fen for fen, _ in refunds)
    for index, (fen, by_shop) in enumerate(refunds):
        if by_shop:
            ask(open_shop, fen, f"2026112300{index}", number)
    end = news(
        CLOSED if gone == TOTAL else PAID, out_trade_no=number, trade_no=trade_no, is_refund=True
    )
    sums: list[int] = []
    callback = {"refunded": lambda payment: sums.append(payment.refunded_fen)}
    for piece in order:
        if piece < len(refunds):
            about = told(refunds[piece][0], f"2026112300{piece}", trade_no=trade_no)
            settle(open_shop, about, **callback)
        else:
            open_shop.settle(end, **callback)
        assert open_shop.payment(number).refunded_fen <= TOTAL
    assert open_shop.standing(number) == (end.trade_status, True, gone)
    written = rows(open_shop, number)
    assert sum(fen for _, fen, status in written if status == DONE) == gone
    assert {name for name, _, _ in written} == {f"2026112300{i}" for i in range(len(refunds))}
    assert sorted(sums) == sums
    assert len(sums) <= len(refunds)
    assert sums[-1:] == ([gone] if refunds else [])
    if gone < TOTAL or all(by_shop for _, by_shop in refunds):
        # Only a close that comes first and speaks of what nobody asked for tells of several as one.
        assert len(sums) == len(refunds)


# Asking


def test_the_same_number_is_the_same_refund(shop: Shop) -> None:
    sale(shop)
    assert ask(shop, TOTAL) == ask(shop, TOTAL)
    assert rows(shop) == [(BATCH, TOTAL, ASKED)]


def test_the_same_number_with_another_amount_is_refused(shop: Shop) -> None:
    sale(shop)
    ask(shop)
    with pytest.raises(InvalidAmount, match="differs from the recorded refund"):
        ask(shop, 1001)
    assert rows(shop) == [(BATCH, 1000, ASKED)]


def test_more_than_was_paid_cannot_be_asked_for(shop: Shop) -> None:
    sale(shop)
    with pytest.raises(InvalidAmount, match="exceeds the refundable amount"):
        ask(shop, TOTAL + 1)
    assert shop.count(Refund) == 0


def test_more_than_is_left_cannot_be_asked_for(shop: Shop) -> None:
    sale(shop)
    ask(shop, 1000, "20261123001")
    settle(shop, told(1000, "20261123001"))
    with pytest.raises(InvalidAmount):
        ask(shop, TOTAL - 999, "20261123002")
    ask(shop, TOTAL - 1000, "20261123002")


def test_what_is_being_asked_for_is_not_left(shop: Shop) -> None:
    sale(shop)
    ask(shop, 1000, "20261123001")
    with pytest.raises(InvalidAmount):
        ask(shop, TOTAL - 999, "20261123002")
    ask(shop, TOTAL - 1000, "20261123002")


def test_what_nobody_confirmed_in_time_is_left_again(shop: Shop) -> None:
    sale(shop)
    ask(shop, TOTAL, "20261123001")
    with shop.session() as session:
        session.execute(update(Refund).values(created_at=utc_now() - timedelta(days=3)))
        session.commit()
    ask(shop, TOTAL, "20261126001")


@pytest.mark.parametrize("number", ["A1", "A9"])
def test_what_was_not_paid_cannot_be_asked_for(shop: Shop, number: str) -> None:
    shop.order("A1")
    with pytest.raises(InvalidAmount):
        ask(shop, out_trade_no=number)
    assert shop.count(Refund) == 0


def at_once(work: Callable[[int], object], workers: int = 4) -> list[object]:
    """Runs the work on threads that are let go at the same moment; ``None`` if it was refused."""
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


def test_threads_that_ask_at_once_do_not_ask_for_more_than_was_paid(shop: Shop) -> None:
    sale(shop)
    looked = Barrier(4)

    def ask_for_most(number: int) -> object:
        with shop.session() as session:
            # As an app does: it has read the payment, and with it begun its transaction.
            session.scalars(select(Payment)).one()
            looked.wait(10)
            refunds = shop.ledger(session).refunds
            assert refunds is not None
            refunds.open("A1", TOTAL - 1000, f"2026112300{number}", None)
            session.commit()
            return number

    done = [number for number in at_once(ask_for_most) if number is not None]
    assert len(done) == 1
    assert [fen for _, fen, _ in rows(shop)] == [TOTAL - 1000]


def test_threads_that_ask_for_the_same_refund_ask_for_one(shop: Shop) -> None:
    sale(shop)
    assert len(set(at_once(lambda number: ask(shop)))) == 1
    assert rows(shop) == [(BATCH, 1000, ASKED)]


def test_threads_that_hear_of_the_same_batch_tell_it_once(shop: Shop) -> None:
    for number in range(4):
        order, trade_no = f"A{number}", f"T{number}"
        sale(shop, order, trade_no)
        ask(shop, TOTAL, BATCH, order)

        def hear(worker: int, trade_no: str = trade_no, order: str = order) -> None:
            with shop.session() as session:
                ledger = shop.ledger(session, refunded=pack(session, "refunded"))
                if worker % 2:
                    ledger.settle(trade_news(CLOSED, out_trade_no=order, trade_no=trade_no))
                else:
                    list(ledger.settle_refunds(told(TOTAL, trade_no=trade_no)))

        at_once(hear)
        assert shop.standing(order) == (CLOSED, True, TOTAL)
        assert rows(shop, order) == [(BATCH, TOTAL, DONE)]
    assert shop.parcels() == ["refunded"] * 4


# Without the app's classes


def test_without_a_class_for_refunds_the_journal_tells_what_was_counted(shop: Shop) -> None:
    models = MODELS._replace(Refund=None)
    sale(shop)
    called: list[int] = []
    callback = {"refunded": lambda payment: called.append(payment.refunded_fen)}
    for _ in range(3):
        settle(shop, told(1000, "20261123001"), models, **callback)
    settle(shop, told(1000, "20261123002"), models, **callback)
    settle(shop, told(1000, "20261123003", "TRADE_HAS_CLOSED"), models, **callback)
    assert called == [1000, 2000]
    assert shop.count(Refund) == 0
    assert shop.settle(trade_news(CLOSED), models, **callback) == ("settled", ("refunded",))
    assert called == [1000, 2000, TOTAL]


def test_without_a_class_for_refunds_what_failed_is_counted_when_it_comes_again(
    shop: Shop,
) -> None:
    models = MODELS._replace(Refund=None)
    sale(shop)
    with pytest.raises(CallbackFailed):
        settle(shop, told(), models, refunded=lambda payment: 1 / 0)
    assert shop.standing() == (PAID, True, 0)
    assert settle(shop, told(), models) == [("settled", ("refunded",))]
    assert shop.standing() == (PAID, True, 1000)


def test_without_rows_and_journal_a_batch_is_believed_and_not_counted(shop: Shop) -> None:
    models = MODELS._replace(Refund=None, Notification=None)
    sale(shop)
    for _ in range(2):
        assert settle(shop, told(), models, refunded=no_callback) == [("recorded", ())]
    assert shop.standing() == (PAID, True, 0)
    assert shop.settle(trade_news(CLOSED), models) == ("settled", ("refunded",))


def test_without_a_journal_a_refund_is_told_once_all_the_same(shop: Shop) -> None:
    sale(shop)
    ask(shop)
    assert settle(shop, told(), NO_JOURNAL) == [("settled", ("refunded",))]
    assert settle(shop, told(), NO_JOURNAL, refunded=no_callback) == [("duplicate", ())]
    assert shop.standing() == (PAID, True, 1000)


# Transfers


def transfers(notify_id: str | None = "n1") -> TransferBatchNotification:
    return TransferBatchNotification(
        BATCH, notify_id, (), {"notify_type": "batch_trans_notify", "success_details": "S1^…"}
    )


def record(shop: Shop, batch: TransferBatchNotification, models: Models = MODELS) -> bool:
    with shop.session() as session:
        return shop.ledger(session, models).record_transfers(batch)


def test_transfers_are_news_once(shop: Shop) -> None:
    assert [record(shop, transfers()) for _ in range(3)] == [True, False, False]
    assert record(shop, transfers("n2"))
    assert shop.outcomes() == ["recorded", "duplicate", "duplicate", "recorded"]
    [entry, *_] = shop.rows(Notification)
    assert (entry.trade_status, entry.out_trade_no) == ("batch_trans_notify", "")
    assert entry.payload["success_details"] == "S1^…"


def test_transfers_without_a_journal_or_a_number_are_always_news(shop: Shop) -> None:
    assert [record(shop, transfers(), NO_JOURNAL) for _ in range(2)] == [True, True]
    assert [record(shop, transfers(None)) for _ in range(2)] == [True, True]
