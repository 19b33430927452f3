"""Reconciliation finds the result of each transfer, also without refunds and a journal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from flask_alipay.exceptions import OutcomeUnknown
from flask_alipay.models import utc_now
from flask_alipay.operations.reconciliation import ReconcileReport, ReconcileRun

from .shop import LOST, QUERY, TRANSFER, PayingShop, TransferringAlipay, rejection


def reconcile(shop: PayingShop, **options: Any) -> ReconcileReport:
    with shop.app.app_context():
        found: ReconcileReport = shop.alipay.reconcile(timedelta(0), **options)
        return found


@pytest.fixture
def interrupt(shop: PayingShop, alipay: TransferringAlipay) -> Callable[..., None]:
    """Leave a transfer without a result."""

    def leave(number: str = "T1", *, arrived: bool = True) -> None:
        alipay.script = {TRANSFER: [alipay.lose if arrived else LOST], QUERY: [LOST]}
        with pytest.raises(OutcomeUnknown):
            shop.pay(out_biz_no=number)
        alipay.requests.clear()

    return leave


def test_a_paid_transfer_is_found(
    shop: PayingShop, alipay: TransferringAlipay, interrupt: Callable[..., None]
) -> None:
    interrupt()
    report = reconcile(shop)
    assert (report.transferred, report.queried, report.failures) == (1, 1, [])
    assert alipay.methods == [QUERY]
    assert shop.row.status == "SUCCESS"
    assert shop.bonuses() == [("transferred", "T1")]


def test_a_transfer_that_did_not_arrive_is_submitted_again_under_its_number(
    shop: PayingShop, alipay: TransferringAlipay, interrupt: Callable[..., None]
) -> None:
    interrupt(arrived=False)
    assert reconcile(shop).transferred == 1
    assert alipay.methods == [QUERY, TRANSFER]
    assert list(alipay.transfers) == ["T1"]
    assert shop.bonuses() == [("transferred", "T1")]


def test_an_old_transfer_is_not_submitted_without_a_person(
    shop: PayingShop, alipay: TransferringAlipay, interrupt: Callable[..., None]
) -> None:
    interrupt(arrived=False)
    shop.change(created_at=utc_now() - timedelta(days=8))
    report = reconcile(shop)
    assert [failure.out_biz_no for failure in report.failures] == ["T1"]
    assert alipay.methods == [QUERY]
    assert shop.row.status == "DEALING"
    assert shop.pay().status == "SUCCESS"


def test_a_failed_transfer_is_counted(
    shop: PayingShop, alipay: TransferringAlipay, interrupt: Callable[..., None]
) -> None:
    interrupt()
    alipay.transfers["T1"]["status"] = "FAIL"
    assert reconcile(shop).transfer_failed == 1
    assert (shop.row.status, shop.row.error_code) == ("FAIL", "CARD_BIN_ERROR")
    assert shop.bonuses() == [("transfer_failed", "T1")]


def test_a_transfer_on_its_way_waits(
    shop: PayingShop, alipay: TransferringAlipay, interrupt: Callable[..., None]
) -> None:
    interrupt()
    alipay.transfers["T1"]["status"] = "DEALING"
    report = reconcile(shop)
    assert (report.transfer_waiting, report.queried) == (1, 1)
    assert shop.row.order_id == alipay.transfers["T1"]["order_id"]
    assert shop.called == []


@pytest.mark.parametrize("query", [LOST, rejection("SYSTEM_ERROR"), rejection("INVALID_PARAMETER")])
def test_a_query_without_a_result_changes_nothing(
    shop: PayingShop, alipay: TransferringAlipay, interrupt: Callable[..., None], query: Any
) -> None:
    interrupt()
    alipay.script[QUERY] = [query]
    report = reconcile(shop)
    assert [failure.out_biz_no for failure in report.failures] == ["T1"]
    assert shop.row.status == "DEALING"
    assert shop.called == []


def test_a_finished_transfer_is_not_queried(shop: PayingShop, alipay: TransferringAlipay) -> None:
    shop.pay()
    alipay.requests.clear()
    assert reconcile(shop).queried == 0
    assert alipay.requests == []


def test_a_leased_transfer_is_left_to_its_worker(
    shop: PayingShop, interrupt: Callable[..., None]
) -> None:
    interrupt()
    shop.change(asked_at=utc_now())
    assert reconcile(shop).queried == 0


def test_payments_and_transfers_are_queried_in_turns(
    small_shop: PayingShop,
) -> None:
    alipay = small_shop.at_alipay
    for number in ("T1", "T2"):
        alipay.script = {TRANSFER: [LOST], QUERY: [LOST]}
        with pytest.raises(OutcomeUnknown):
            small_shop.pay(out_biz_no=number)
    with small_shop.app.app_context():
        run = ReconcileRun(small_shop.alipay.merchant, timedelta(0), 1)
        assert run.count() == 1
        assert [item.outcome for item in run] == ["transferred"]
        assert run.skipped().others == 1


def test_several_workers_pay_each_transfer_once(
    shop: PayingShop, alipay: TransferringAlipay, interrupt: Callable[..., None]
) -> None:
    for number in range(6):
        interrupt(f"T{number}", arrived=bool(number % 2))
    threads = [threading.Thread(target=reconcile, args=(shop,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {row.status for row in shop.rows()} == {"SUCCESS"}
    assert sorted(number for _, number in shop.bonuses()) == [f"T{each}" for each in range(6)]
    assert len(alipay.transfers) == 6
