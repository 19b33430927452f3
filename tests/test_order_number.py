"""Order numbers that are made here."""

from __future__ import annotations

import secrets
from datetime import datetime, timezone

import pytest

from flask_alipay.operations import order_number
from flask_alipay.operations.order_number import generate_out_trade_no
from flask_alipay.protocol.conversion import CHINA_TIME
from flask_alipay.protocol.validation import check_out_trade_no


def test_a_number_is_26_digits_that_alipay_takes() -> None:
    for _ in range(100):
        number = generate_out_trade_no()
        assert len(number) == 26
        assert number.isascii()
        assert number.isdigit()
        check_out_trade_no(number)


def test_a_number_begins_with_the_day_in_china(monkeypatch: pytest.MonkeyPatch) -> None:
    class NewYearsEve(datetime):
        @classmethod
        def now(cls, tz: object = None) -> NewYearsEve:
            assert tz is timezone.utc
            return cls(2025, 12, 31, 16, 0, 1, tzinfo=timezone.utc)

    monkeypatch.setattr(order_number, "datetime", NewYearsEve)
    assert generate_out_trade_no().startswith("20260101")


def test_the_rest_is_from_the_systems_random_source(monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[int] = []

    def smallest(below: int) -> int:
        requested.append(below)
        return 7

    monkeypatch.setattr(secrets, "randbelow", smallest)
    # Fixed length: what is small is filled up.
    assert generate_out_trade_no()[8:] == "000000000000000007"
    assert requested == [10**18]


def test_no_two_are_the_same() -> None:
    assert len({generate_out_trade_no() for _ in range(5000)}) == 5000


def test_the_day_of_a_number_is_todays_whatever_the_hosts_zone() -> None:
    before = datetime.now(CHINA_TIME).strftime("%Y%m%d")
    number = generate_out_trade_no()
    after = datetime.now(CHINA_TIME).strftime("%Y%m%d")
    assert number[:8] in (before, after)
