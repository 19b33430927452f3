"""The page about takings, open problems and recent reconciliation."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise

import pytest

from flask_alipay.ledger.takings import Period, periods
from flask_alipay.models import utc_now
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import Shop

#: One second to midnight in China, on the last day of January.
LATE = datetime(2026, 1, 31, 15, 59, 59, tzinfo=timezone.utc)


def sell(shop: Shop, number: str, at: datetime, fen: int, currency: str = "CNY") -> None:
    shop.add(
        shop.row(
            number,
            total_fen=fen,
            currency=currency,
            paid=True,
            paid_at=at,
            created_at=at,
            trade_status=TradeStatus.TRADE_SUCCESS,
        )
    )


def give_back(
    shop: Shop, number: str, at: datetime, fen: int, status: str = "REFUND_SUCCESS"
) -> None:
    done = at if status == "REFUND_SUCCESS" else None
    shop.add(
        shop.Refund(
            merchant=shop.merchant,
            out_trade_no=number,
            out_request_no=f"r{fen}",
            refund_fen=fen,
            status=status,
            created_at=at,
            refunded_at=done,
        )
    )


def exported(shop: Shop, query: str) -> dict[tuple[str, str], list[str]]:
    """Return the numbers of each currency and first day that has any."""
    text = shop.get(f"takings/export.csv?{query}").data.decode("utf-8-sig")
    lines = list(csv.reader(io.StringIO(text)))[1:]
    return {(line[0], line[1]): line[3:] for line in lines if line[3] != "0" or line[5] != "0"}


@pytest.fixture
def filled(shop: Shop) -> Shop:
    sell(shop, "one", LATE, 8888)
    sell(shop, "two", LATE + timedelta(seconds=1), 1000)
    sell(shop, "usd", LATE, 500, "USD")
    shop.add(shop.row("open"))
    give_back(shop, "one", LATE + timedelta(days=1), 88)
    give_back(shop, "one", LATE + timedelta(days=1), 800, "REFUND_PROCESSING")
    give_back(shop, "usd", LATE + timedelta(seconds=1), 100)
    return shop


def test_takings_are_summed_by_day_in_china(filled: Shop) -> None:
    assert exported(filled, "until=2026-02-02") == {
        ("CNY", "2026-01-31"): ["1", "88.88", "0", "0.00", "88.88"],
        ("CNY", "2026-02-01"): ["1", "10.00", "1", "0.88", "9.12"],
        ("USD", "2026-01-31"): ["1", "5.00", "0", "0.00", "5.00"],
        ("USD", "2026-02-01"): ["0", "0.00", "1", "1.00", "-1.00"],
    }


def test_takings_are_summed_by_week_and_month(filled: Shop) -> None:
    # The 31st of January 2026 is a Saturday.
    assert exported(filled, "by=week&until=2026-02-03")[("CNY", "2026-01-26")] == [
        *("2", "98.88", "1", "0.88", "98.00")
    ]
    months = exported(filled, "by=month&until=2026-02-03")
    assert months[("CNY", "2026-01-01")] == ["1", "88.88", "0", "0.00", "88.88"]
    assert months[("CNY", "2026-02-01")] == ["1", "10.00", "1", "0.88", "9.12"]


def test_a_days_takings_do_not_depend_on_the_chosen_range(filled: Shop) -> None:
    assert ("CNY", "2026-01-31") in exported(filled, "until=2026-01-31")
    assert exported(filled, "until=2026-01-30") == {}


def test_takings_are_shown_as_a_chart_and_a_table(filled: Shop) -> None:
    page = filled.get("takings/?until=2026-02-02").text
    assert "Sales ¥98.88, refunds ¥0.88, net ¥98.00" in page
    assert "Sales 5.00 USD, refunds 1.00 USD, net 4.00 USD" in page
    heights = [
        float(h)
        for h in re.findall(
            r'class="sales" x="[^"]+" y="[^"]+" width="[^"]+" height="([^"]+)"', page
        )
    ]
    assert len(heights) == 2 * 31  # for each currency
    assert heights[28] > 8 * heights[29] > 0  # 88.88 on the day before, then 10.00
    assert "http" not in re.sub(r'"http://localhost[^"]*"', "", page.split("<main")[1])


def test_a_page_without_any_takings_is_shown(shop: Shop) -> None:
    page = shop.get("takings/").text
    assert "No sales and no refunds." in page
    assert "None in the last 30 days." in page
    assert "Nothing was reconciled yet." in page


@pytest.mark.parametrize("query", ["by=year", "until=tomorrow", "until=2026-02-30"])
def test_a_period_that_does_not_exist_is_explained(shop: Shop, query: str) -> None:
    page = shop.get(f"takings/?{query}")
    assert page.status_code == 200
    assert 'role="alert"' in page.text
    assert shop.get(f"takings/export.csv?{query}").status_code == 400


def test_periods_follow_each_other() -> None:
    for kind in ("day", "week", "month"):
        found = periods(kind, date(2024, 3, 31))
        assert found[-1].first <= date(2024, 3, 31) < found[-1].end
        assert all(one.end == next_.first for one, next_ in pairwise(found))
    assert periods("month", date(2024, 3, 31))[-2] == Period(date(2024, 2, 1), date(2024, 3, 1))


def problem(shop: Shop, number: str, outcome: str, **columns: object) -> None:
    shop.add(
        shop.Notification(
            merchant=shop.merchant,
            notify_id="n1",
            out_trade_no=number,
            trade_status="TRADE_SUCCESS",
            outcome=outcome,
            payload={},
            **columns,
        )
    )


@pytest.mark.parametrize("outcome", ["mismatched", "callback_failed", "unknown"])
def test_a_problem_is_listed_until_it_is_settled(shop: Shop, outcome: str) -> None:
    shop.add(shop.row("number1"))
    problem(shop, "number1", outcome)
    problem(shop, "number1", outcome)  # Alipay retries
    page = shop.get("takings/").text
    assert page.count("notifications/2") == 1
    assert "notifications/1" not in page
    problem(shop, "number1", "settled")
    assert "None in the last 30 days." in shop.get("takings/").text


def test_an_old_problem_is_history(shop: Shop) -> None:
    problem(shop, "number1", "mismatched", received_at=utc_now() - timedelta(days=31))
    assert "None in the last 30 days." in shop.get("takings/").text


def test_a_refund_without_a_result_is_listed_after_an_hour(shop: Shop) -> None:
    sell(shop, "one", LATE, 8888)
    give_back(shop, "one", utc_now() - timedelta(minutes=50), 100, "REFUND_PROCESSING")
    assert "Refund without a result" not in shop.get("takings/").text
    give_back(shop, "one", utc_now() - timedelta(minutes=70), 200, "REFUND_PROCESSING")
    page = shop.get("takings/").text
    assert page.count("Refund without a result") == 1
    assert "r200" in page
