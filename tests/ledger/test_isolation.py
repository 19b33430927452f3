"""At any isolation level nothing is lost, doubled or exceeded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import DBAPIError

from flask_alipay.exceptions import CallbackFailed, InvalidAmount, LedgerUnavailable
from flask_alipay.ledger.statements import is_serialization_failure
from flask_alipay.protocol.batch_notification import RefundBatchNotification, RefundResult
from flask_alipay.protocol.notification import Notification as Report
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import TOTAL, Notification, Parcel, Payment, Refund, Shop, no_callback, pack, report
from .test_refund_answers import report_at_once
from .test_refund_batches import REQUESTED, sale

WORKERS = 4
LEVELS = [
    ("postgresql", "READ COMMITTED"),
    ("postgresql", "REPEATABLE READ"),
    ("postgresql", "SERIALIZABLE"),
    ("mariadb", "READ COMMITTED"),
    ("mariadb", "REPEATABLE READ"),
    ("mariadb", "SERIALIZABLE"),
]


@pytest.fixture(params=LEVELS, ids=" ".join)
def isolated(request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Open a shop whose transactions all have that level."""
    kind, level = request.param
    shop = Shop(request.getfixturevalue(f"{kind}_shop").url, isolation_level=level)
    yield shop
    shop.engine.dispose()


def at_once(works: list[Callable[[], object]]) -> None:
    """Run each function in a separate thread, all released at the same time."""
    start = Barrier(len(works))

    def let_go(work: Callable[[], object]) -> None:
        start.wait(10)
        work()

    with ThreadPoolExecutor(len(works)) as pool:
        list(pool.map(let_go, works))


def deliver(shop: Shop, piece: Report) -> None:
    """Deliver a report, and retry until the response is success."""
    for _ in range(50):
        with shop.session() as session, suppress(LedgerUnavailable):
            events = ("paid", "refunded", "failed", "finished")
            callbacks = {event: pack(session, event) for event in events}
            shop.ledger(session, **callbacks).settle(piece)
            return
    raise AssertionError("never answered success")


def sale_report(order: str, **fields: Any) -> Report:
    return report(out_trade_no=order, trade_no=f"T{order}", notify_id=f"n{order}", **fields)


def parcels(shop: Shop) -> Counter[tuple[str, str]]:
    return Counter((row.out_trade_no, row.event) for row in shop.rows(Parcel))


def test_the_shop_has_that_level(isolated: Shop, request: pytest.FixtureRequest) -> None:
    with isolated.engine.connect() as connection:
        assert connection.get_isolation_level() in request.node.name


def test_the_same_and_different_payments_at_once_are_settled_once_each(isolated: Shop) -> None:
    orders = [isolated.order(f"A{number}") for number in range(3)]
    works = [
        lambda order=order: deliver(isolated, sale_report(order))  # type: ignore[misc]
        for order in orders * WORKERS
    ]
    at_once(works)
    assert parcels(isolated) == {(order, "paid"): 1 for order in orders}
    outcomes = Counter(row.outcome for row in isolated.rows(Notification))
    assert outcomes == {"settled": 3, "duplicate": 3 * WORKERS - 3}


def test_sale_refunds_and_end_at_once_are_each_there_once(isolated: Shop) -> None:
    order = isolated.order()
    pieces = [
        sale_report(order),
        sale_report(order, refunded_fen=1000, out_request_no="R1"),
        sale_report(order, trade_status=TradeStatus.TRADE_FINISHED),
    ]
    at_once([lambda piece=piece: deliver(isolated, piece) for piece in pieces * 2])  # type: ignore[misc]
    assert isolated.status() == (TradeStatus.TRADE_FINISHED, True, 1000)
    events = ("paid", "refunded", "finished")
    assert parcels(isolated) == {(order, event): 1 for event in events}
    assert [row.refund_fen for row in isolated.rows(Refund)] == [1000]


def test_concurrent_responses_and_reports_notify_each_refund_once(isolated: Shop) -> None:
    report_at_once(isolated)


def test_concurrent_refund_requests_cannot_exceed_the_payment(isolated: Shop) -> None:
    sale(isolated)
    refused: list[str] = []

    def request(number: str) -> None:
        for _ in range(50):
            try:
                with isolated.session() as session, session.begin():
                    # As an app does: it has read the payment, and with it begun its transaction.
                    session.scalars(select(Payment)).one()
                    refunds = isolated.ledger(session).refunds
                    assert refunds is not None
                    refunds.open("A1", TOTAL - 1000, number, None)
                return
            except InvalidAmount:
                refused.append(number)
                return
            except DBAPIError as error:
                assert is_serialization_failure(error)  # noqa: PT017
        raise AssertionError("never taken")

    at_once([lambda number=number: request(f"R{number}") for number in range(WORKERS)])  # type: ignore[misc]
    assert [(row.refund_fen, row.status) for row in isolated.rows(Refund)] == [
        (TOTAL - 1000, REQUESTED)
    ]
    assert len(refused) == WORKERS - 1


def test_a_callbacks_read_that_others_change_is_retried_or_fails(
    postgresql_shop: Shop,
) -> None:
    # Two callbacks that each count before they write: under SERIALIZABLE one has to begin anew.
    shop = Shop(postgresql_shop.url, isolation_level="SERIALIZABLE")
    orders = [shop.order(f"A{number}") for number in range(2)]
    seen: list[int] = []
    read = Barrier(2)

    def settle(order: str) -> None:
        with shop.session() as session:

            def number_them(payment: Any) -> None:
                count = session.scalar(text("SELECT count(*) FROM parcel")) or 0
                seen.append(count)
                if len(seen) <= 2:
                    read.wait(10)
                session.add(Parcel(out_trade_no=order, event=f"box {count + 1}", weight=1))

            shop.ledger(session, paid=number_them).settle(sale_report(order))

    at_once([lambda order=order: settle(order) for order in orders])  # type: ignore[misc]
    assert sorted(row.event for row in shop.rows(Parcel)) == ["box 1", "box 2"]
    assert sorted(seen) == [0, 0, 1]
    shop.engine.dispose()


def test_on_sqlite_the_first_statement_of_the_claim_takes_the_lock(sqlite_shop: Shop) -> None:
    sqlite_shop.order()
    with sqlite_shop.session() as session, sqlite_shop.engine.connect() as other:
        other.exec_driver_sql("PRAGMA busy_timeout = 0")

        def look(payment: Any) -> None:
            with pytest.raises(DBAPIError, match="locked"):
                other.exec_driver_sql("BEGIN IMMEDIATE")

        sqlite_shop.ledger(session, paid=look).settle(report())
    assert sqlite_shop.status() == (TradeStatus.TRADE_SUCCESS, True, 0)


@pytest.fixture
def careless(shop: Shop) -> Iterator[Shop]:
    """Open a shop in which every statement is committed at once."""
    shop.order()
    careless = Shop(shop.url, isolation_level="AUTOCOMMIT")
    yield careless
    careless.engine.dispose()


def test_where_each_statement_is_committed_by_itself_nothing_is_begun(careless: Shop) -> None:
    with careless.session() as session:
        ledger = careless.ledger(session, paid=no_callback)
        with pytest.raises(LedgerUnavailable, match="AUTOCOMMIT") as refused:
            ledger.settle(report())
    assert (refused.value.out_trade_no, refused.value.notify_id) == ("A1", "n1")
    assert careless.status() == (TradeStatus.WAIT_BUYER_PAY, False, 0)
    assert careless.outcomes() == []


def test_nor_is_a_refund(careless: Shop) -> None:
    careful = Shop(careless.url)
    careful.settle(report())
    careful.engine.dispose()
    with careless.session() as session:
        ledger = careless.ledger(session, refunded=no_callback)
        refunds = ledger.refunds
        assert refunds is not None
        with pytest.raises(LedgerUnavailable, match="AUTOCOMMIT"):
            refunds.open("A1", 1000, "R1", None)
        batch = RefundBatchNotification(
            "R1", "n2", (RefundResult("2026112322001", 1000, "SUCCESS"),), {}
        )
        with pytest.raises(LedgerUnavailable, match="AUTOCOMMIT"):
            list(ledger.settle_refunds(batch))
    assert careless.status() == (TradeStatus.TRADE_SUCCESS, True, 0)


@pytest.mark.parametrize("driver", ["pysqlite", "psycopg", "pymysql"])
def test_a_transaction_that_is_begun_by_hand_is_one(
    request: pytest.FixtureRequest, driver: str
) -> None:
    # SQLAlchemy's recipe for SQLite, which Python's module would not begin before a SELECT.
    kinds = {"pysqlite": "sqlite_shop", "psycopg": "postgresql_shop", "pymysql": "mariadb_shop"}
    url = request.getfixturevalue(kinds[driver]).url
    options = {} if driver == "pysqlite" else {"isolation_level": "AUTOCOMMIT"}
    shop = Shop(url, **options)
    if driver == "pysqlite":
        event.listen(
            shop.engine, "connect", lambda made, record: setattr(made, "isolation_level", None)
        )
    event.listen(shop.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    shop.order()
    with shop.session() as session, pytest.raises(CallbackFailed):
        shop.ledger(session, paid=no_callback).settle(report())
    assert shop.status() == (TradeStatus.WAIT_BUYER_PAY, False, 0)
    assert shop.settle(report()) == ("settled", ("paid",))
    shop.engine.dispose()
