"""The daily limit: transfers of a day in China, also of concurrent workers, never exceed it."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from flask_alipay.exceptions import ConfigurationError, GatewayError, InvalidAmount
from flask_alipay.ledger import transfers

from .conftest import OpenShop
from .shop import TRANSFER, PayingShop, rejection


@pytest.fixture
def limited(open_shop: OpenShop, database_url: str) -> PayingShop:
    """A shop with a limit of a hundred yuan."""
    return open_shop(database_url, TRANSFER_DAILY_LIMIT="100")


def test_transfers_up_to_the_limit_are_paid(limited: PayingShop) -> None:
    assert [limited.pay("50", f"T{number}").status for number in range(2)] == ["SUCCESS"] * 2


def test_a_transfer_beyond_the_limit_is_neither_recorded_nor_sent(limited: PayingShop) -> None:
    limited.pay("60", "T1")
    before, called = limited.contents(), [*limited.called]
    limited.at_alipay.requests.clear()
    with pytest.raises(InvalidAmount, match=r"rest of today's limit, 40\.00 CNY") as caught:
        limited.pay("40.01", "T2")
    assert caught.value.parameter == "amount"
    assert limited.contents() == before
    assert limited.called == called
    assert limited.at_alipay.requests == []


def test_a_repeated_transfer_counts_once(limited: PayingShop) -> None:
    assert {limited.pay("100", "T1").id for _ in range(2)} == {limited.row.id}


def test_a_failed_transfer_does_not_count(limited: PayingShop) -> None:
    limited.at_alipay.script[TRANSFER] = [rejection("PAYEE_NOT_EXIST")]
    with pytest.raises(GatewayError):
        limited.pay("100", "T1")
    assert limited.pay("100", "T2").status == "SUCCESS"


def test_the_next_day_in_china_begins_anew(
    limited: PayingShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    evening = datetime(2026, 1, 31, 15, 59, tzinfo=timezone.utc)
    monkeypatch.setattr(transfers, "utc_now", lambda: evening)
    limited.pay("100", "T1")
    with pytest.raises(InvalidAmount):
        limited.pay("1", "T2")
    monkeypatch.setattr(transfers, "utc_now", lambda: evening + timedelta(minutes=1))
    assert limited.pay("100", "T2").limit_day == "2026-02-01"


def test_concurrent_transfers_stay_within_the_limit(limited: PayingShop) -> None:
    results: list[str] = []
    ready = threading.Barrier(8)

    def pay(number: int) -> None:
        ready.wait()
        try:
            results.append(limited.pay("30", f"T{number}").status)
        except InvalidAmount:
            results.append("limited")

    threads = [threading.Thread(target=pay, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["SUCCESS"] * 3 + ["limited"] * 5
    assert len(limited.at_alipay.transfers) == 3


@pytest.mark.parametrize("value", ["-1", "1.001", "much", 5.5, True])
def test_an_invalid_limit_is_rejected_at_the_start(open_shop: OpenShop, value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_shop(TRANSFER_DAILY_LIMIT=value)
    assert caught.value.key == "ALIPAY_TRANSFER_DAILY_LIMIT"


def test_without_a_limit_no_place_is_taken(open_shop: OpenShop) -> None:
    shop = open_shop()
    assert (shop.pay().limit_day, shop.row.limit_number) == (None, None)
