"""Several workers hear the same news at the same time: it is settled once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event, select

from flask_alipay.exceptions import LedgerUnavailable, PaymentMismatch
from flask_alipay.ledger import Ledger
from flask_alipay.protocol.notification import Notification as News
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import MODELS, TOTAL, Parcel, Payment, Refund, Shop, news, overhear, pack

ROUNDS = 8
WORKERS = 4

PAID_AT = datetime(2026, 2, 3, 2, tzinfo=timezone.utc)
#: As Alipay repeats itself for the first time.
SENT_AGAIN = {"paid_at": PAID_AT, "notify_time": PAID_AT + timedelta(minutes=4, seconds=3)}

Outcomes = list[tuple[str, tuple[str, ...]]]


def deliver(shop: Shop, piece: News) -> tuple[str, tuple[str, ...]]:
    """One worker's delivery, which comes again as long as the answer is not success."""
    for _ in range(20):
        with shop.session() as session:
            ledger = shop.ledger(
                session, **{event: pack(session, event) for event in ("paid", "refunded", "failed")}
            )
            try:
                settled = ledger.settle(piece)
            except LedgerUnavailable:
                continue
            return settled.outcome, settled.events
    raise AssertionError("never answered success")


def at_once(shop: Shop, pieces: list[News]) -> Outcomes:
    """Each piece of news on a thread of its own, all let go at the same moment."""
    barrier = Barrier(len(pieces))

    def work(piece: News) -> tuple[str, tuple[str, ...]]:
        barrier.wait(10)
        return deliver(shop, piece)

    with ThreadPoolExecutor(len(pieces)) as pool:
        return list(pool.map(work, pieces))


def orders(shop: Shop) -> list[str]:
    return [shop.order(f"A{number}") for number in range(ROUNDS)]


def paid(order: str, **fields: Any) -> News:
    return news(out_trade_no=order, trade_no=f"T{order}", **fields)


def test_threads_settle_the_same_news_once(shop: Shop) -> None:
    for order in orders(shop):
        outcomes = at_once(shop, [paid(order)] * WORKERS)
        assert sorted(outcomes) == [("duplicate", ())] * (WORKERS - 1) + [("settled", ("paid",))]
    assert shop.parcels() == ["paid"] * ROUNDS


def test_threads_count_the_same_refund_once(shop: Shop) -> None:
    for order in orders(shop):
        shop.settle(paid(order))
        at_once(shop, [paid(order, refunded_fen=1000, out_request_no="R1")] * WORKERS)
        assert shop.payment(order).refunded_fen == 1000
    assert shop.parcels() == ["refunded"] * ROUNDS
    assert [row.refund_fen for row in shop.rows(Refund)] == [1000] * ROUNDS


def test_news_that_comes_all_at_once_ends_as_it_must(shop: Shop) -> None:
    for order in orders(shop):
        pieces = [
            paid(order, trade_status=TradeStatus.WAIT_BUYER_PAY),
            paid(order),
            paid(order, refunded_fen=1000, out_request_no="R1"),
            paid(order, refunded_fen=3000, out_request_no="R2"),
            paid(order, trade_status=TradeStatus.TRADE_FINISHED),
        ]
        at_once(shop, pieces)
        assert shop.standing(order) == (TradeStatus.TRADE_FINISHED, True, 3000)
        told = [row.event for row in shop.rows(Parcel) if row.out_trade_no == order]
        assert told.count("paid") == 1
        assert 1 <= told.count("refunded") <= 2
        given_back = [row.refund_fen for row in shop.rows(Refund) if row.out_trade_no == order]
        assert sum(given_back) == 3000


def test_a_close_and_a_payment_at_once_are_a_sale_or_a_refund(shop: Shop) -> None:
    for order in orders(shop):
        at_once(shop, [paid(order), paid(order, trade_status=TradeStatus.TRADE_CLOSED)])
        told = [row.event for row in shop.rows(Parcel) if row.out_trade_no == order]
        if told == ["failed", "paid"]:
            assert shop.standing(order) == (TradeStatus.TRADE_SUCCESS, True, 0)
        else:
            assert told == ["paid", "refunded"]
            assert shop.standing(order) == (TradeStatus.TRADE_CLOSED, True, TOTAL)


def in_a_process(url: str, order: str, barrier: Any, answers: Any) -> None:
    """What a worker's process does; it has nothing in common with others but the database."""
    shop = Shop(url)
    barrier.wait(30)
    answers.put(deliver(shop, paid(order)))
    shop.engine.dispose()


def test_processes_settle_the_same_news_once(shop: Shop) -> None:
    shop.order()
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    workers = [
        context.Process(target=in_a_process, args=(shop.url, "A1", barrier, answers))
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    outcomes = sorted(answers.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
        worker.close()
    answers.close()
    answers.join_thread()
    assert outcomes == [("duplicate", ()), ("settled", ("paid",))]
    assert shop.parcels() == ["paid"]


def between_look_and_move(ledger: Ledger, act: Callable[[], None]) -> None:
    """Lets another worker act after this one has looked at the payment and before it moves it."""
    update = ledger._update

    def interrupted(*seen: Any) -> Any:
        act()
        return update(*seen)

    ledger._update = interrupted  # type: ignore[method-assign]


def test_whoever_was_overtaken_looks_again(postgresql_shop: Shop) -> None:
    shop = postgresql_shop
    shop.order()
    shop.settle(paid("A1"))
    overtaken: list[str] = []

    def overtake() -> None:
        if not overtaken:
            overtaken.append(deliver(shop, paid("A1", refunded_fen=3000, out_request_no="R2"))[0])

    with shop.session() as session:
        ledger = shop.ledger(session, refunded=pack(session, "late"))
        between_look_and_move(ledger, overtake)
        late = ledger.settle(paid("A1", refunded_fen=1000, out_request_no="R1"))
        assert (late.outcome, late.events) == ("duplicate", ())
    assert shop.standing("A1") == (TradeStatus.TRADE_SUCCESS, True, 3000)
    assert shop.parcels() == ["refunded"]


def test_whoever_is_overtaken_again_and_again_asks_alipay_to_come_later(
    postgresql_shop: Shop,
) -> None:
    shop = postgresql_shop
    shop.order()
    shop.settle(paid("A1"))
    told = iter(range(1, 100))

    def overtake() -> None:
        fen = next(told)
        deliver(shop, paid("A1", refunded_fen=fen, out_request_no=f"R{fen}"))

    with shop.session() as session:
        ledger = shop.ledger(session, refunded=pack(session, "late"))
        between_look_and_move(ledger, overtake)
        with pytest.raises(LedgerUnavailable, match="other workers"):
            ledger.settle(paid("A1", refunded_fen=1000, out_request_no="R1000"))
        assert not session.in_transaction()
    assert "late" not in shop.parcels()


def statements_of(shop: Shop) -> list[str]:
    """What reaches the database from here on."""
    statements: list[str] = []
    overhear(shop.engine, lambda statement, _: statements.append(statement.split()[0]))
    return statements


def test_the_first_delivery_claims_without_a_look(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:
        session.connection()
        statements = statements_of(shop)
        shop.ledger(session, MODELS, paid=lambda payment: payment.total_fen).settle(news())
    assert statements == ["UPDATE", "INSERT"]


def test_a_sale_is_claimed_at_once_after_news_that_was_none(small_shop: Shop) -> None:
    # The legacy gateway tells first that it waits for the buyer.
    small_shop.order()
    with small_shop.session() as session:
        small_shop.ledger(session).settle(news(TradeStatus.WAIT_BUYER_PAY))
        statements = statements_of(small_shop)
        small_shop.ledger(session).settle(news())
    assert statements == ["UPDATE", "INSERT"]


def test_a_duplicate_is_recognized_by_its_time_and_writes_its_line_alone(shop: Shop) -> None:
    shop.order()
    shop.settle(news())
    with shop.session() as session:
        session.connection()
        statements = statements_of(shop)
        assert shop.ledger(session, MODELS).settle(news(**SENT_AGAIN)).outcome == "duplicate"
    # One for the payment, one for the rows that the journal has of the report.
    assert statements == ["SELECT", "SELECT", "INSERT"]


def test_a_repetition_that_seems_to_be_news_changes_nothing_either(shop: Shop) -> None:
    shop.order()
    shop.settle(news())
    with shop.session() as session:
        session.connection()
        statements = statements_of(shop)
        assert shop.ledger(session, MODELS).settle(news()).outcome == "duplicate"
    assert statements == ["UPDATE", "SELECT", "SELECT", "INSERT"]


@pytest.mark.parametrize("database", ["postgresql_shop", "mariadb_shop"])
def test_a_repetition_waits_for_nobody_who_holds_the_payment(
    request: pytest.FixtureRequest, database: str
) -> None:
    shop: Shop = request.getfixturevalue(database)
    shop.order()
    with shop.session() as session, shop.session() as other:
        shop.ledger(session, MODELS).settle(news())
        other.scalars(select(Payment).with_for_update()).one()
        # It would wait until the test's end.
        assert shop.ledger(session, MODELS).settle(news(**SENT_AGAIN)).outcome == "duplicate"


@pytest.mark.parametrize(
    "fields",
    [
        {"total_fen": TOTAL + 1},
        {"currency": "USD"},
        {"trade_no": "2"},
        {"trade_status": TradeStatus.TRADE_FINISHED},
        {"refunded_fen": 1},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_is_not_the_very_sale_is_no_repetition(shop: Shop, fields: dict[str, Any]) -> None:
    shop.order()
    with shop.session() as session:
        ledger = shop.ledger(session, MODELS)
        ledger.settle(news())
        try:
            outcome = ledger.settle(news(**SENT_AGAIN, **fields)).outcome
        except PaymentMismatch:
            outcome = "mismatched"
    assert outcome != "duplicate"
    assert shop.outcomes() == ["settled", outcome]


def test_a_sale_that_has_moved_on_is_no_repetition_of_what_it_is(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:
        ledger = shop.ledger(session, MODELS)
        ledger.settle(news())
        ledger.settle(news(TradeStatus.TRADE_FINISHED))
        assert ledger.settle(news(**SENT_AGAIN)).outcome == "stale"
    assert shop.standing() == (TradeStatus.TRADE_FINISHED, True, 0)


def test_news_that_seems_to_be_a_repetition_is_settled_all_the_same(shop: Shop) -> None:
    shop.order()
    assert shop.settle(news(**SENT_AGAIN)) == ("settled", ("paid",))


@pytest.mark.parametrize("looked", [False, True])
def test_the_claim_is_the_first_statement_of_its_transaction(shop: Shop, looked: bool) -> None:
    # It has read nothing that could be out of date, and SQLite's write lock is taken at once.
    shop.order()
    happened: list[str] = []
    with shop.session() as session:
        session.connection()
        session.rollback()
        for name in ("begin", "commit", "rollback"):
            event.listen(shop.engine, name, lambda connection, name=name: happened.append(name))
        overhear(shop.engine, lambda statement, _: happened.append(statement.split()[0]))
        shop.ledger(session, MODELS).settle(news(**(SENT_AGAIN if looked else {})))
    claimed = happened.index("UPDATE")
    before = ["begin", "SELECT", "rollback"] if looked else []
    assert happened[: claimed - 1] == before
    read = ["SELECT"] if looked else []
    assert happened[claimed - 1 :] == ["begin", "UPDATE", *read, "INSERT", "commit"]


def test_what_others_changed_between_look_and_claim_is_seen_by_the_callback(shop: Shop) -> None:
    shop.order(trade_status=TradeStatus.TRADE_SUCCESS, paid=True)
    seen: list[tuple[str, bool]] = []
    with shop.session() as session:

        def look(payment: Any) -> None:
            seen.append((payment.subject, payment.shipped))

        def rename() -> None:
            with shop.session() as other, other.begin():
                row = other.scalars(select(Payment)).one()
                row.subject, row.shipped = "another", True

        ledger = shop.ledger(session, finished=look)
        between_look_and_move(ledger, rename)
        ledger.settle(news(TradeStatus.TRADE_FINISHED))
    assert seen == [("another", True)]


def test_a_serialization_failure_is_tried_again_inside(postgresql_shop: Shop) -> None:
    shop = Shop(postgresql_shop.url, isolation_level="SERIALIZABLE")
    shop.order()
    overtaken: list[str] = []

    def overtake() -> None:
        if not overtaken:
            overtaken.append(deliver(shop, paid("A1"))[0])

    with shop.session() as session:
        ledger = shop.ledger(session, paid=pack(session))
        between_look_and_move(ledger, overtake)
        # It looks first.
        assert ledger.settle(paid("A1", **SENT_AGAIN)).outcome == "duplicate"
    assert overtaken == ["settled"]
    assert shop.parcels() == ["paid"]
    shop.engine.dispose()
