"""Several workers receive the same report at the same time: it is settled once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event, select

from flask_alipay.exceptions import LedgerUnavailable, PaymentMismatch
from flask_alipay.ledger import Ledger
from flask_alipay.protocol.notification import Notification as Report
from flask_alipay.protocol.trade_status import TradeStatus

from ..processes import process_context
from .shop import (
    MODELS,
    TOTAL,
    Parcel,
    Payment,
    Refund,
    Shop,
    pack,
    record_statements,
    report,
)

ROUNDS = 8
WORKERS = 4

PAID_AT = datetime(2026, 2, 3, 2, tzinfo=timezone.utc)
#: As Alipay repeats itself for the first time.
SENT_AGAIN = {"paid_at": PAID_AT, "notify_time": PAID_AT + timedelta(minutes=4, seconds=3)}

Outcomes = list[tuple[str, tuple[str, ...]]]


def deliver(shop: Shop, piece: Report) -> tuple[str, tuple[str, ...]]:
    """Deliver a report in one worker, and retry until the response is success."""
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


def at_once(shop: Shop, pieces: list[Report]) -> Outcomes:
    """Deliver each report in a separate thread, all released at the same time."""
    barrier = Barrier(len(pieces))

    def work(piece: Report) -> tuple[str, tuple[str, ...]]:
        barrier.wait(10)
        return deliver(shop, piece)

    with ThreadPoolExecutor(len(pieces)) as pool:
        return list(pool.map(work, pieces))


def orders(shop: Shop) -> list[str]:
    return [shop.order(f"A{number}") for number in range(ROUNDS)]


def paid(order: str, **fields: Any) -> Report:
    return report(out_trade_no=order, trade_no=f"T{order}", **fields)


def test_threads_settle_the_same_report_once(shop: Shop) -> None:
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


def test_concurrent_reports_end_in_the_expected_state(shop: Shop) -> None:
    for order in orders(shop):
        pieces = [
            paid(order, trade_status=TradeStatus.WAIT_BUYER_PAY),
            paid(order),
            paid(order, refunded_fen=1000, out_request_no="R1"),
            paid(order, refunded_fen=3000, out_request_no="R2"),
            paid(order, trade_status=TradeStatus.TRADE_FINISHED),
        ]
        at_once(shop, pieces)
        assert shop.status(order) == (TradeStatus.TRADE_FINISHED, True, 3000)
        events = [row.event for row in shop.rows(Parcel) if row.out_trade_no == order]
        assert events.count("paid") == 1
        assert 1 <= events.count("refunded") <= 2
        refunded = [row.refund_fen for row in shop.rows(Refund) if row.out_trade_no == order]
        assert sum(refunded) == 3000


def test_a_close_and_a_payment_at_once_are_a_sale_or_a_refund(shop: Shop) -> None:
    for order in orders(shop):
        at_once(shop, [paid(order), paid(order, trade_status=TradeStatus.TRADE_CLOSED)])
        events = [row.event for row in shop.rows(Parcel) if row.out_trade_no == order]
        if events == ["failed", "paid"]:
            assert shop.status(order) == (TradeStatus.TRADE_SUCCESS, True, 0)
        else:
            assert events == ["paid", "refunded"]
            assert shop.status(order) == (TradeStatus.TRADE_CLOSED, True, TOTAL)


def in_a_process(url: str, order: str, barrier: Any, outcomes_queue: Any) -> None:
    """Work of a worker's process, which shares only the database with others."""
    shop = Shop(url)
    barrier.wait(30)
    outcomes_queue.put(deliver(shop, paid(order)))
    shop.engine.dispose()


def test_processes_settle_the_same_report_once(shop: Shop) -> None:
    shop.order()
    context = process_context()
    barrier, outcomes_queue = context.Barrier(2), context.Queue()
    workers = [
        context.Process(target=in_a_process, args=(shop.url, "A1", barrier, outcomes_queue))
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    outcomes = sorted(outcomes_queue.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
        worker.close()
    outcomes_queue.close()
    outcomes_queue.join_thread()
    assert outcomes == [("duplicate", ()), ("settled", ("paid",))]
    assert shop.parcels() == ["paid"]


def between_read_and_update(ledger: Ledger, act: Callable[[], None]) -> None:
    """Let another worker act after this one has read the payment and before it updates it."""
    update = ledger._update

    def interrupted(*seen: Any) -> Any:
        act()
        return update(*seen)

    ledger._update = interrupted  # type: ignore[method-assign]


def test_an_overtaken_worker_reads_again(postgresql_shop: Shop) -> None:
    shop = postgresql_shop
    shop.order()
    shop.settle(paid("A1"))
    overtaken: list[str] = []

    def overtake() -> None:
        if not overtaken:
            overtaken.append(deliver(shop, paid("A1", refunded_fen=3000, out_request_no="R2"))[0])

    with shop.session() as session:
        ledger = shop.ledger(session, refunded=pack(session, "late"))
        between_read_and_update(ledger, overtake)
        late = ledger.settle(paid("A1", refunded_fen=1000, out_request_no="R1"))
        assert (late.outcome, late.events) == ("duplicate", ())
    assert shop.status("A1") == (TradeStatus.TRADE_SUCCESS, True, 3000)
    assert shop.parcels() == ["refunded"]


def test_a_worker_overtaken_repeatedly_lets_alipay_retry_later(
    postgresql_shop: Shop,
) -> None:
    shop = postgresql_shop
    shop.order()
    shop.settle(paid("A1"))
    events = iter(range(1, 100))

    def overtake() -> None:
        fen = next(events)
        deliver(shop, paid("A1", refunded_fen=fen, out_request_no=f"R{fen}"))

    with shop.session() as session:
        ledger = shop.ledger(session, refunded=pack(session, "late"))
        between_read_and_update(ledger, overtake)
        with pytest.raises(LedgerUnavailable, match="other workers"):
            ledger.settle(paid("A1", refunded_fen=1000, out_request_no="R1000"))
        assert not session.in_transaction()
    assert "late" not in shop.parcels()


def statements_of(shop: Shop) -> list[str]:
    """What reaches the database from here on."""
    statements: list[str] = []
    record_statements(shop.engine, lambda statement, _: statements.append(statement.split()[0]))
    return statements


def test_the_first_delivery_claims_without_a_look(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:
        session.connection()
        statements = statements_of(shop)
        shop.ledger(session, MODELS, paid=lambda payment: payment.total_fen).settle(report())
    assert statements == ["UPDATE", "INSERT"]


def test_a_sale_is_claimed_without_a_read_after_a_report_without_change(small_shop: Shop) -> None:
    # The legacy gateway first notifies WAIT_BUYER_PAY.
    small_shop.order()
    with small_shop.session() as session:
        small_shop.ledger(session).settle(report(TradeStatus.WAIT_BUYER_PAY))
        statements = statements_of(small_shop)
        small_shop.ledger(session).settle(report())
    assert statements == ["UPDATE", "INSERT"]


def test_a_duplicate_is_recognized_by_its_time_and_writes_its_line_alone(shop: Shop) -> None:
    shop.order()
    shop.settle(report())
    with shop.session() as session:
        session.connection()
        statements = statements_of(shop)
        assert shop.ledger(session, MODELS).settle(report(**SENT_AGAIN)).outcome == "duplicate"
    # One for the payment, one for the rows that the journal has of the report.
    assert statements == ["SELECT", "SELECT", "INSERT"]


def test_a_duplicate_that_looks_new_changes_nothing(shop: Shop) -> None:
    shop.order()
    shop.settle(report())
    with shop.session() as session:
        session.connection()
        statements = statements_of(shop)
        assert shop.ledger(session, MODELS).settle(report()).outcome == "duplicate"
    assert statements == ["UPDATE", "SELECT", "SELECT", "INSERT"]


@pytest.mark.parametrize("database", ["postgresql_shop", "mariadb_shop"])
def test_a_duplicate_does_not_wait_for_a_lock_on_the_payment(
    request: pytest.FixtureRequest, database: str
) -> None:
    shop: Shop = request.getfixturevalue(database)
    shop.order()
    with shop.session() as session, shop.session() as other:
        shop.ledger(session, MODELS).settle(report())
        other.scalars(select(Payment).with_for_update()).one()
        # It would wait until the test's end.
        assert shop.ledger(session, MODELS).settle(report(**SENT_AGAIN)).outcome == "duplicate"


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
def test_a_report_of_another_sale_is_no_duplicate(shop: Shop, fields: dict[str, Any]) -> None:
    shop.order()
    with shop.session() as session:
        ledger = shop.ledger(session, MODELS)
        ledger.settle(report())
        try:
            outcome = ledger.settle(report(**SENT_AGAIN, **fields)).outcome
        except PaymentMismatch:
            outcome = "mismatched"
    assert outcome != "duplicate"
    assert shop.outcomes() == ["settled", outcome]


def test_an_older_report_of_a_changed_sale_is_no_duplicate(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:
        ledger = shop.ledger(session, MODELS)
        ledger.settle(report())
        ledger.settle(report(TradeStatus.TRADE_FINISHED))
        assert ledger.settle(report(**SENT_AGAIN)).outcome == "stale"
    assert shop.status() == (TradeStatus.TRADE_FINISHED, True, 0)


def test_a_report_that_looks_like_a_duplicate_is_settled(shop: Shop) -> None:
    shop.order()
    assert shop.settle(report(**SENT_AGAIN)) == ("settled", ("paid",))


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
        record_statements(shop.engine, lambda statement, _: happened.append(statement.split()[0]))
        shop.ledger(session, MODELS).settle(report(**(SENT_AGAIN if looked else {})))
    claimed = happened.index("UPDATE")
    before = ["begin", "SELECT", "rollback"] if looked else []
    assert happened[: claimed - 1] == before
    read = ["SELECT"] if looked else []
    assert happened[claimed - 1 :] == ["begin", "UPDATE", *read, "INSERT", "commit"]


def test_the_callback_sees_changes_made_between_read_and_claim(shop: Shop) -> None:
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
        between_read_and_update(ledger, rename)
        ledger.settle(report(TradeStatus.TRADE_FINISHED))
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
        between_read_and_update(ledger, overtake)
        # It looks first.
        assert ledger.settle(paid("A1", **SENT_AGAIN)).outcome == "duplicate"
    assert overtaken == ["settled"]
    assert shop.parcels() == ["paid"]
    shop.engine.dispose()
