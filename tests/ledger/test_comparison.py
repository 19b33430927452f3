"""Alipay's bill held against the ledger, row by row, on each database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from flask_alipay.exceptions import InvalidBill
from flask_alipay.gateways.openapi.bill import BillPeriod, BillRow
from flask_alipay.ledger import Models
from flask_alipay.ledger.bill_comparison import Difference, compare_bill
from flask_alipay.ledger.bill_table import BATCH
from flask_alipay.ledger.refunds import AGGREGATE_NO
from flask_alipay.protocol.conversion import CHINA_TIME

from .shop import MERCHANT, MODELS, TOTAL, Payment, Refund, Shop

DAY = BillPeriod.of("2026-01-31")
NOON = datetime(2026, 1, 31, 12, 0, 0, tzinfo=CHINA_TIME)
PAID = BillRow("T1", "A1", False, None, TOTAL, "茶", NOON, NOON)
BACK = replace(PAID, refund=True, out_request_no="R1", fen=888)


def sold(shop: Shop, number: str = "A1", **columns: Any) -> None:
    """Insert a paid payment."""
    made = {"paid": True, "trade_status": "TRADE_SUCCESS", "paid_at": NOON}
    shop.order(number, **{"trade_no": f"T{number[1:]}", **made, **columns})


def refunded(shop: Shop, number: str = "A1", **columns: Any) -> None:
    """Insert a refund."""
    made = {"out_request_no": "R1", "refund_fen": 888, "status": "REFUND_SUCCESS"}
    times = {"created_at": NOON, "refunded_at": NOON}
    with shop.session() as session, session.begin():
        session.add(
            Refund(**{"merchant": MERCHANT, "out_trade_no": number, **made, **times, **columns})
        )


def differences(
    shop: Shop, rows: Iterable[BillRow], models: Models = MODELS, period: BillPeriod = DAY
) -> list[Difference]:
    with shop.session() as session:
        return list(compare_bill(session, models, MERCHANT, rows, period))


def named(shop: Shop, *rows: BillRow, **options: Any) -> list[tuple[str, str, str | None]]:
    found = differences(shop, rows, **options)
    return [(one.kind, one.out_trade_no, one.out_request_no) for one in found]


def test_matching_entries_are_not_listed_on_any_database(shop: Shop) -> None:
    sold(shop)
    refunded(shop)
    assert named(shop, PAID, BACK) == []


def test_each_side_alone_is_named_on_any_database(shop: Shop) -> None:
    sold(shop, "A2")
    refunded(shop, "A2", out_request_no="R2")
    assert differences(shop, [PAID, BACK]) == [
        Difference("payment_unknown", "A1", "T1", None, TOTAL, None, None, NOON),
        Difference("refund_unknown", "A1", "T1", "R1", 888, None, None, NOON),
        Difference("payment_not_in_bill", "A2", "T2", None, None, TOTAL, "TRADE_SUCCESS", NOON),
        Difference("refund_not_in_bill", "A2", "T2", "R2", None, 888, "REFUND_SUCCESS", NOON),
    ]


@pytest.mark.parametrize(
    ("paid_at", "expected"),
    [
        (DAY.since - timedelta(seconds=1), []),
        (DAY.since, [("payment_not_in_bill", "A1", None)]),
        (DAY.until - timedelta(seconds=1), [("payment_not_in_bill", "A1", None)]),
        (DAY.until, []),
    ],
)
def test_a_day_is_one_of_chinas_on_any_database(
    paid_at: datetime, expected: list[Any], shop: Shop
) -> None:
    sold(shop, paid_at=paid_at)
    assert named(shop) == expected


def test_a_payment_of_the_bill_may_have_any_time_here(small_shop: Shop) -> None:
    sold(small_shop, paid_at=NOON - timedelta(days=3))
    assert named(small_shop, PAID) == []


def test_a_sale_that_was_refunded_is_still_one(small_shop: Shop) -> None:
    sold(small_shop, trade_status="TRADE_CLOSED", refunded_fen=TOTAL)
    refunded(small_shop, refund_fen=TOTAL)
    assert named(small_shop, PAID, replace(BACK, fen=TOTAL)) == []


def test_a_pending_payment_that_the_bill_has_as_paid_is_listed(small_shop: Shop) -> None:
    small_shop.order("A1")
    (found,) = differences(small_shop, [PAID])
    assert (found.kind, found.status) == ("payment_not_paid", "WAIT_BUYER_PAY")


def test_an_unpaid_payment_missing_in_the_bill_is_not_listed(small_shop: Shop) -> None:
    small_shop.order("A1")
    assert named(small_shop) == []


def test_another_amount_is_named_with_both(small_shop: Shop) -> None:
    sold(small_shop)
    (found,) = differences(small_shop, [replace(PAID, fen=1)])
    assert (found.kind, found.bill_fen, found.ledger_fen) == ("payment_amount", 1, TOTAL)


def test_another_trade_under_the_same_number_is_another_payment(small_shop: Shop) -> None:
    sold(small_shop, trade_no="T9")
    refunded(small_shop)
    assert named(small_shop, PAID, BACK) == [
        ("payment_unknown", "A1", None),
        ("refund_unknown", "A1", "R1"),
        ("payment_not_in_bill", "A1", None),
        ("refund_not_in_bill", "A1", "R1"),
    ]


def test_numbers_differ_in_their_case_on_any_database(shop: Shop) -> None:
    sold(shop, "a1", trade_no=None)
    assert named(shop, PAID) == [
        ("payment_unknown", "A1", None),
        ("payment_not_in_bill", "a1", None),
    ]


def test_other_merchants_in_the_same_tables_are_left_alone(small_shop: Shop) -> None:
    sold(small_shop, merchant="2021000000000009")
    refunded(small_shop, merchant="2021000000000009")
    assert named(small_shop) == []
    assert named(small_shop, PAID) == [("payment_unknown", "A1", None)]


def test_other_currencies_only_have_to_be_there(small_shop: Shop) -> None:
    sold(small_shop, currency="USD", total_fen=100)
    refunded(small_shop, refund_fen=1)
    assert named(small_shop) == []
    assert named(small_shop, PAID, BACK) == []


def test_refunds_on_other_days_are_other_days_business(small_shop: Shop) -> None:
    sold(small_shop)
    for number, days in (("R0", -1), ("R9", 1)):
        at = NOON + timedelta(days=days)
        refunded(small_shop, out_request_no=number, created_at=at, refunded_at=at)
    refunded(small_shop)
    assert named(small_shop, PAID, BACK) == []
    assert named(small_shop, PAID) == [("refund_not_in_bill", "A1", "R1")]


def test_a_refund_requested_before_midnight_may_be_in_either_bill(
    small_shop: Shop,
) -> None:
    sold(small_shop)
    refunded(small_shop, created_at=DAY.since - timedelta(seconds=1))
    assert named(small_shop, PAID) == []
    assert named(small_shop, PAID, BACK) == []


def test_a_refund_that_is_not_completed_here_is_listed_with_its_status(small_shop: Shop) -> None:
    sold(small_shop)
    refunded(small_shop, status="REFUND_PROCESSING", refunded_at=None)
    (found,) = differences(small_shop, [PAID, BACK])
    assert (found.kind, found.status) == ("refund_not_done", "REFUND_PROCESSING")
    assert named(small_shop, PAID) == []


def test_a_refund_of_another_amount_is_named(small_shop: Shop) -> None:
    sold(small_shop)
    refunded(small_shop)
    (found,) = differences(small_shop, [PAID, replace(BACK, fen=1)])
    assert (found.kind, found.bill_fen, found.ledger_fen) == ("refund_amount", 1, 888)


@pytest.mark.parametrize("number", [None, "2026013100001"])
def test_a_refund_with_another_number_is_matched_by_its_amount(
    number: str | None, small_shop: Shop
) -> None:
    sold(small_shop)
    refunded(small_shop)
    assert named(small_shop, PAID, replace(BACK, out_request_no=number)) == []


def test_refunds_that_are_here_in_one_piece_go_by_their_sum(small_shop: Shop) -> None:
    sold(small_shop)
    refunded(small_shop, out_request_no=AGGREGATE_NO, refund_fen=1000)
    parts = [replace(BACK, out_request_no=f"R{fen}", fen=fen) for fen in (888, 112)]
    assert named(small_shop, PAID, *parts) == []
    assert named(small_shop, PAID, *parts[:1]) == [
        ("refund_unknown", "A1", "R888"),
        ("refund_not_in_bill", "A1", AGGREGATE_NO),
    ]


def test_a_refund_of_last_week_does_not_stand_for_todays(small_shop: Shop) -> None:
    sold(small_shop)
    week = NOON - timedelta(days=7)
    refunded(small_shop, out_request_no="R0", created_at=week, refunded_at=week)
    assert named(small_shop, PAID, BACK) == [("refund_unknown", "A1", "R1")]


def test_one_refund_does_not_stand_for_two(small_shop: Shop) -> None:
    sold(small_shop)
    refunded(small_shop)
    twice = [replace(BACK, out_request_no=number) for number in ("R1", "R2")]
    assert named(small_shop, PAID, *twice) == [("refund_unknown", "A1", "R2")]


@pytest.mark.parametrize(
    ("refunded_fen", "expected"), [(887, [("refund_amount", "A1", None)]), (888, []), (999, [])]
)
def test_without_a_class_for_refunds_their_sum_is_compared(
    refunded_fen: int, expected: list[Any], small_shop: Shop
) -> None:
    sold(small_shop, refunded_fen=refunded_fen)
    parts = [replace(BACK, out_request_no=f"R{fen}", fen=fen) for fen in (800, 88)]
    assert named(small_shop, PAID, *parts, models=Models(Payment)) == expected


def test_more_rows_than_one_batch_are_all_compared(small_shop: Shop) -> None:
    numbers = [f"A{number}" for number in range(BATCH + 2)]
    made = {"merchant": MERCHANT, "subject": "茶", "total_fen": TOTAL, "paid": True}
    with small_shop.session() as session, session.begin():
        for number in numbers:
            row = Payment(out_trade_no=number, trade_no=f"T{number}", paid_at=NOON, **made)
            row.trade_status = "TRADE_SUCCESS"
            session.add(row)
    rows = [replace(PAID, out_trade_no=number, trade_no=f"T{number}") for number in numbers]
    assert named(small_shop, *rows) == []
    assert named(small_shop, *rows[1:-1]) == [
        ("payment_not_in_bill", numbers[0], None),
        ("payment_not_in_bill", numbers[-1], None),
    ]
    assert len(named(small_shop)) == len(numbers)


def test_the_order_of_the_bill_does_not_matter(small_shop: Shop) -> None:
    sold(small_shop)
    sold(small_shop, "A2")
    refunded(small_shop)
    assert named(small_shop, BACK, replace(PAID, out_trade_no="A2", trade_no="T2"), PAID) == []


def test_a_bill_that_breaks_off_is_compared_with_nothing(small_shop: Shop) -> None:
    def rows() -> Any:
        yield PAID
        raise InvalidBill("it is damaged")

    with small_shop.session() as session:
        with pytest.raises(InvalidBill):
            next(compare_bill(session, MODELS, MERCHANT, rows(), DAY))
        assert not session.in_transaction()


def test_nothing_is_changed(small_shop: Shop) -> None:
    small_shop.order("A1")
    before = small_shop.status()
    named(small_shop, PAID, BACK)
    assert small_shop.status() == before
    assert small_shop.count(Refund) == 0
