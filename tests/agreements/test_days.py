"""Days of deductions: periods, windows, and the transitions of an agreement."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import InvalidParameter
from flask_alipay.ledger.agreement_transitions import (
    AGREEMENT_ENDED,
    AGREEMENT_SIGNED,
    AGREEMENT_TRANSITIONS,
    ENDED,
    NEVER_SIGNED,
    agreement_cell,
)
from flask_alipay.protocol.agreements import (
    AgreementReport,
    AgreementStatus,
    check_period_rule,
    china_date,
    china_today,
    date_of,
    deduction_window,
    next_deduction,
)

DAYS = st.dates(date(2000, 1, 1), date(2090, 12, 31))
SAFE_DAYS = DAYS.map(lambda day: day.replace(day=min(day.day, 28)))


@given(SAFE_DAYS, st.integers(1, 120))
def test_months_keep_the_day(day: date, period: int) -> None:
    found = date.fromisoformat(next_deduction(day.isoformat(), "MONTH", period))
    assert found.day == day.day
    assert (found.year - day.year) * 12 + found.month - day.month == period


@given(DAYS, st.integers(7, 400))
def test_days_are_counted(day: date, period: int) -> None:
    found = next_deduction(day.isoformat(), "DAY", period)
    assert date.fromisoformat(found) - day == timedelta(days=period)


@given(SAFE_DAYS, st.integers(1, 60), st.integers(1, 60))
def test_periods_add_up(day: date, first: int, second: int) -> None:
    two = next_deduction(next_deduction(day.isoformat(), "MONTH", first), "MONTH", second)
    assert two == next_deduction(day.isoformat(), "MONTH", first + second)


@given(DAYS, st.integers(1, 48))
def test_a_later_day_than_the_28th_stays_in_its_month(day: date, period: int) -> None:
    found = date.fromisoformat(next_deduction(day.isoformat(), "MONTH", period))
    assert (found.year * 12 + found.month) - (day.year * 12 + day.month) == period


@given(DAYS, st.integers(0, 30), st.one_of(st.none(), st.integers(-5, 10)))
def test_a_window_ends_on_the_day_or_the_latest_one(
    day: date, before: int, latest: int | None
) -> None:
    last = None if latest is None else (day + timedelta(days=latest)).isoformat()
    window = deduction_window(day.isoformat(), before, last)
    assert window.first == day - timedelta(days=before)
    assert window.last == day + timedelta(days=max(0, latest or 0))


def test_a_window_is_that_of_alipays_example() -> None:
    window = deduction_window("2026-07-06", 5)
    assert (window.first, window.last) == (date(2026, 7, 1), date(2026, 7, 6))


@given(st.sampled_from(["MONTH", "DAY"]), SAFE_DAYS, st.integers(7, 60))
def test_the_windows_of_two_periods_never_overlap(kind: str, day: date, period: int) -> None:
    following = next_deduction(day.isoformat(), kind, period)
    assert deduction_window(following, 5).first > day


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 12, 4, 15, 59, 59, tzinfo=timezone.utc), date(2026, 12, 4)),
        (datetime(2026, 12, 4, 16, 0, 0, tzinfo=timezone.utc), date(2026, 12, 5)),
    ],
)
def test_a_day_begins_at_midnight_in_china(now: datetime, day: date) -> None:
    assert china_today(now) == day


@given(st.dates())
def test_a_day_is_given_as_date_or_text(day: date) -> None:
    assert china_date(day, "next_date") == china_date(day.isoformat(), "next_date")


@given(st.one_of(st.text(max_size=12), st.integers(), st.none(), st.datetimes()))
def test_nothing_else_is_a_day(value: Any) -> None:
    try:
        found = china_date(value, "next_date")
    except InvalidParameter:
        return
    assert found == value == date.fromisoformat(found).isoformat()


@given(st.text(max_size=30))
def test_any_text_has_a_day_or_none(text: str) -> None:
    found = date_of(text)
    assert found is None or text.startswith(found)


@pytest.mark.parametrize("text", ["2026-12-05", "2026-12-05 10:00:00", "2026-12-05T00:00"])
def test_a_time_of_alipays_has_a_day(text: str) -> None:
    assert date_of(text) == "2026-12-05"


@pytest.mark.parametrize("text", [None, "", "2026-02-30", "20261205", "2026-12-5", "2026-W49-6x"])
def test_something_else_has_none(text: str | None) -> None:
    assert date_of(text) is None


@given(st.sampled_from(["DAY", "MONTH"]), st.integers(-3, 40), DAYS)
def test_a_rule_is_checked(kind: str, period: int, day: date) -> None:
    valid = period >= 7 if kind == "DAY" else period >= 1 and day.day <= 28
    try:
        check_period_rule(kind, period, day.isoformat())
    except InvalidParameter:
        assert not valid
    else:
        assert valid


NUMBER = "20265001000000000001"
STATES = (*AgreementStatus.ALL[:3], ENDED, NEVER_SIGNED)
REPORTS = [
    AgreementReport(status, agreement_no=number, notify_id=notify_id)
    for status, number, notify_id in (
        *((status, NUMBER, None) for status in AgreementStatus.ALL),
        ("NORMAL", NUMBER, "n1"),
        ("UNSIGN", NUMBER, "n2"),
        ("UNSIGN", None, None),
    )
]


def test_every_state_has_every_report() -> None:
    assert set(AGREEMENT_TRANSITIONS) == set(itertools.product(STATES, STATES))


@given(st.lists(st.sampled_from(REPORTS), max_size=12))
def test_an_agreement_is_signed_and_ended_at_most_once(reports: list[AgreementReport]) -> None:
    status, number, events = "TEMP", None, []
    for report in reports:
        cell = agreement_cell(status, number, report)
        if cell == "stale":
            continue
        if report.status != AgreementStatus.TEMP:
            number = number or report.agreement_no
        if cell != "duplicate":
            status = report.status
        if cell in (AGREEMENT_SIGNED, AGREEMENT_ENDED):
            events.append(cell)
    assert events in (
        [],
        [AGREEMENT_SIGNED],
        [AGREEMENT_ENDED],
        [AGREEMENT_SIGNED, AGREEMENT_ENDED],
    )
    if AGREEMENT_ENDED in events:
        assert status == "UNSIGN"
