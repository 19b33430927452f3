"""The journal does not grow with reports that anyone can send repeatedly."""

from __future__ import annotations

import re
from typing import Any

import pytest

from flask_alipay.exceptions import CallbackFailed, NotificationRefused, UnknownPayment
from flask_alipay.ledger.journal import MAX_ROWS

from .shop import Notification, Shop, record_statements, report

AGAIN = range(MAX_ROWS + 5)


def test_a_notification_that_is_sent_again_and_again_leaves_a_bounded_number_of_rows(
    shop: Shop,
) -> None:
    shop.order()
    for _ in AGAIN:
        shop.settle(report())
    assert shop.outcomes() == ["settled", *["duplicate"] * MAX_ROWS]
    assert shop.settle(report())[0] == "duplicate"


def test_another_notification_is_recorded_all_the_same(shop: Shop) -> None:
    shop.order()
    for _ in AGAIN:
        shop.settle(report())
    shop.settle(report(notify_id="n2"))
    shop.settle(report(notify_id=None))
    assert shop.count(Notification) == 1 + MAX_ROWS + 2


def test_an_unknown_order_is_recorded_a_bounded_number_of_times(shop: Shop) -> None:
    for _ in AGAIN:
        with pytest.raises(UnknownPayment):
            shop.settle(report())
    assert shop.outcomes() == ["unknown"] * MAX_ROWS


def test_a_sale_is_recorded_after_any_number_of_failures(shop: Shop) -> None:
    def fail(payment: object) -> None:
        raise RuntimeError("out of stock")

    shop.order()
    for _ in AGAIN:
        with pytest.raises(CallbackFailed):
            shop.settle(report(), paid=fail)
    assert shop.settle(report())[0] == "settled"
    assert shop.outcomes() == [*["callback_failed"] * MAX_ROWS, "settled"]


def test_reports_without_a_number_are_bounded_for_each_order(shop: Shop) -> None:
    shop.order()
    shop.order("A2")
    for number in ("A1", "A2"):
        for _ in AGAIN:
            shop.settle(report(out_trade_no=number, trade_no=f"T{number}", notify_id=None))
    assert shop.outcomes().count("duplicate") == 2 * MAX_ROWS


def test_tokens_are_masked(shop: Shop) -> None:
    params = {"app_auth_token": "secret", "app_auth_code": "secret", "subject": "tea"}
    with pytest.raises(NotificationRefused):
        shop.settle(report(params=params))
    [row] = shop.rows(Notification)
    assert row.payload == {"app_auth_token": "***", "app_auth_code": "***", "subject": "tea"}


def test_the_shops_own_values_stay_as_they_are_signed(shop: Shop) -> None:
    params = {"passback_params": '{"token": "of the shop"}', "subject": "tea"}
    with pytest.raises(NotificationRefused):
        shop.settle(report(params=params))
    [row] = shop.rows(Notification)
    assert row.payload == params


@pytest.mark.parametrize("notify_id", ["n1", None])
def test_sqlite_finds_the_rows_of_a_report_without_statistics(
    sqlite_shop: Shop, notify_id: str | None
) -> None:
    sqlite_shop.order()
    sqlite_shop.settle(report(notify_id=notify_id))
    statements: list[tuple[str, Any]] = []
    end = record_statements(sqlite_shop.engine, lambda *one: statements.append(one))
    assert sqlite_shop.settle(report(notify_id=notify_id))[0] == "duplicate"
    end()
    of_journal = [
        each
        for each in statements
        if re.match(r"SELECT .*\sFROM alipay_notification\s", each[0], re.S)
    ]
    assert of_journal
    with sqlite_shop.engine.connect() as connection:
        for statement, values in of_journal:
            plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all())
            assert "(notify_id=?)" in plan or "(out_trade_no=?)" in plan, plan
