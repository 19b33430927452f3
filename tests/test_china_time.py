"""Alipay's clock on the wire, UTC inside."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.protocol.conversion import format_china_time, parse_china_time

times = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    max_value=datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=st.just(timezone.utc),
).map(lambda time: time.replace(microsecond=0))


@given(times)
def test_a_time_is_unchanged_by_formatting_and_parsing(time: datetime) -> None:
    there = format_china_time(time)
    assert len(there) == len("yyyy-MM-dd HH:mm:ss")
    back = parse_china_time(there)
    assert back == time
    assert back is not None
    assert back.utcoffset() == timedelta(0)


def test_china_is_eight_hours_ahead() -> None:
    assert parse_china_time("2026-01-01 00:30:00") == datetime(
        2025, 12, 31, 16, 30, tzinfo=timezone.utc
    )


def test_milliseconds_are_kept() -> None:
    read = parse_china_time("2020-04-10 11:04:52.593")
    assert read is not None
    assert read.microsecond == 593_000


@pytest.mark.parametrize(
    "text", [None, "", "yesterday", "2026-13-01 00:00:00", "0001-01-01 00:00:00"]
)
def test_a_time_that_cannot_be_read_is_none(text: str | None) -> None:
    assert parse_china_time(text) is None


@given(st.text())
def test_any_text_is_a_time_or_none(text: str) -> None:
    read = parse_china_time(text)
    assert read is None or read.utcoffset() == timedelta(0)
