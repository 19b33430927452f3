"""Leases on payments: one process at a time queries Alipay, on each database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

from flask_alipay.ledger.leases import lease_rows, pending_payments
from flask_alipay.ledger.query_leases import QueryLease, QueryLeases
from flask_alipay.ledger.query_schedule import LEASE, MAX_QUERIES
from flask_alipay.models import utc_now

from ..processes import process_context
from .shop import MERCHANT, Payment, Shop, report

WORKERS = 10


def claim(shop: Shop, number: str = "A1", merchant: str = MERCHANT) -> QueryLease | None:
    with shop.session() as session:
        return QueryLeases(session, Payment, merchant).claim(number)


def release(shop: Shop, lease: QueryLease, **options: Any) -> None:
    with shop.session() as session:
        QueryLeases(session, Payment, MERCHANT).release(lease, **options)


def record_return(shop: Shop, number: str = "A1") -> None:
    with shop.session() as session:
        QueryLeases(session, Payment, MERCHANT).record_return(number)


def change(shop: Shop, **values: Any) -> None:
    with shop.session() as session, session.begin():
        for name, value in values.items():
            setattr(session.get(Payment, 1) or session.query(Payment).one(), name, value)


def test_of_ten_threads_one_gets_the_lease(shop: Shop) -> None:
    for number in range(4):
        order, barrier = shop.order(f"A{number}"), Barrier(WORKERS)

        def work(_: int, order: str = order, barrier: Barrier = barrier) -> QueryLease | None:
            barrier.wait(20)
            return claim(shop, order)

        with ThreadPoolExecutor(WORKERS) as pool:
            leases = list(pool.map(work, range(WORKERS)))
        assert sum(lease is not None for lease in leases) == 1
        assert shop.payment(order).query_count == 1


def in_a_process(url: str, barrier: Any, results: Any) -> None:
    shop = Shop(url)
    barrier.wait(30)
    results.put(claim(shop) is not None)
    shop.engine.dispose()


def test_of_several_processes_one_gets_the_lease(shop: Shop) -> None:
    shop.order()
    shop.engine.dispose()
    context = process_context()
    barrier, results = context.Barrier(3), context.Queue()
    workers = [
        context.Process(target=in_a_process, args=(shop.url, barrier, results)) for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    try:
        got = sorted(results.get(timeout=60) for _ in workers)
    finally:
        for worker in workers:
            worker.join(30)
    assert got == [False, False, True]


def test_a_lease_ends_by_itself(shop: Shop) -> None:
    shop.order()
    assert claim(shop) is not None
    payment = shop.payment()
    assert payment.query_leased_until - payment.asked_at == LEASE
    assert claim(shop) is None
    past = utc_now() - LEASE - timedelta(seconds=1)
    change(shop, asked_at=past, query_leased_until=past + LEASE)
    assert claim(shop) is not None
    assert shop.payment().query_count == 2


def test_a_returned_lease_keeps_the_pause(shop: Shop) -> None:
    shop.order()
    lease = claim(shop)
    assert lease is not None
    release(shop, lease)
    assert shop.payment().query_leased_until is None
    assert claim(shop) is None
    change(shop, asked_at=utc_now() - timedelta(seconds=4))
    assert claim(shop) is not None


def test_a_lease_that_lapsed_takes_nothing_from_the_next_one(shop: Shop) -> None:
    shop.order()
    lapsed = claim(shop)
    assert lapsed is not None
    past = utc_now() - timedelta(minutes=1)
    change(shop, asked_at=past, query_leased_until=past + LEASE)
    lapsed = QueryLease("A1", (past + LEASE).replace(microsecond=0))
    following = claim(shop)
    assert following is not None
    release(shop, lapsed, last=True)
    assert shop.payment().query_leased_until == following.until
    assert shop.payment().query_count == 2


def test_the_last_query_is_followed_by_none_until_the_buyer_returns(shop: Shop) -> None:
    shop.order()
    lease = claim(shop)
    assert lease is not None
    release(shop, lease, last=True)
    change(shop, asked_at=utc_now() - timedelta(days=1))
    assert shop.payment().query_count == MAX_QUERIES
    assert claim(shop) is None
    record_return(shop)
    assert claim(shop) is not None


def test_a_return_counts_once(shop: Shop) -> None:
    shop.order()
    record_return(shop)
    first = shop.payment().returned_at
    assert first is not None
    change(shop, query_count=5, returned_at=first - timedelta(minutes=1))
    record_return(shop)
    assert shop.payment().returned_at == first - timedelta(minutes=1)
    assert shop.payment().query_count == 5


def test_a_return_leaves_the_lease_of_a_query_that_is_on_its_way(shop: Shop) -> None:
    shop.order()
    lease = claim(shop)
    record_return(shop)
    assert claim(shop) is None
    assert lease is not None
    assert shop.payment().query_leased_until == lease.until
    assert shop.payment().query_count == 0


def test_a_paid_payment_has_no_lease_and_no_return(shop: Shop) -> None:
    shop.order()
    shop.settle(report())
    record_return(shop)
    assert claim(shop) is None
    assert shop.payment().returned_at is None


def test_another_merchants_payment_has_no_lease(shop: Shop) -> None:
    shop.order()
    assert claim(shop, merchant="9021000000000666") is None
    assert claim(shop, "a1") is None
    assert shop.payment().query_count is None


def test_reconcile_and_a_lease_exclude_each_other(shop: Shop) -> None:
    shop.order()
    waiting = pending_payments(Payment, MERCHANT, utc_now() + timedelta(seconds=1))
    with shop.session() as session:
        assert [row.out_trade_no for row in lease_rows(session, waiting)] == ["A1"]
    assert claim(shop) is None
    change(shop, asked_at=None, query_leased_until=None)
    assert claim(shop) is not None
    with shop.session() as session:
        assert list(lease_rows(session, waiting)) == []
