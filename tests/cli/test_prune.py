"""``prune`` deletes old rows of the journal."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from flask_alipay.models import utc_now

from ..doubles.app import Shop, make_shop
from ..doubles.models import LedgerClasses, declare_payment


@pytest.fixture
def shop() -> Shop:
    """A shop whose journal has a row of yesterday and one of two years ago."""
    made = make_shop(ALIPAY_SIMULATOR=True)
    with made.app.app_context():
        for number, age in enumerate((timedelta(days=1), timedelta(days=730))):
            made.db.session.add(
                made.Notification(
                    notify_id=f"n{number}",
                    merchant=made.alipay.config.merchant,
                    out_trade_no="A1",
                    trade_status="TRADE_SUCCESS",
                    outcome="settled",
                    payload={"buyer_logon_id": "buyer@example.com"},
                    received_at=utc_now() - age,
                )
            )
        made.db.session.commit()
    return made


def kept(shop: Shop) -> list[str]:
    with shop.app.app_context():
        return [row.notify_id for row in shop.db.session.query(shop.Notification)]


def test_old_rows_are_deleted_after_a_confirmation(shop: Shop) -> None:
    result = shop.run("prune", "--older-than", "365d", stdin="y\n")
    assert result.exit_code == 0
    assert "1 row of the journal, received before" in result.stderr
    assert result.stdout.strip().endswith("Deleted 1 row.")
    assert kept(shop) == ["n0"]


def test_nothing_is_deleted_without_a_confirmation(shop: Shop) -> None:
    assert shop.run("prune", "--older-than", "365d", stdin="n\n").exit_code == 1
    assert kept(shop) == ["n0", "n1"]


def test_the_confirmation_may_be_given_in_advance(shop: Shop) -> None:
    result = shop.run("prune", "--older-than", "365d", "--yes", "--json")
    assert json.loads(result.stdout) == {"deleted": 1}
    assert kept(shop) == ["n0"]


def test_nothing_is_asked_if_no_row_is_old(shop: Shop) -> None:
    result = shop.run("prune", "--older-than", "3650d")
    assert (result.exit_code, result.stdout) == (0, "Deleted 0 rows.\n")
    assert kept(shop) == ["n0", "n1"]


def test_rows_of_the_last_month_cannot_be_deleted(shop: Shop) -> None:
    result = shop.run("prune", "--older-than", "29d", "--yes")
    assert result.exit_code == 2
    assert "--older-than must be at least 30 days." in result.stderr
    assert kept(shop) == ["n0", "n1"]


def test_the_age_is_required(shop: Shop) -> None:
    assert shop.run("prune").exit_code == 2
    assert kept(shop) == ["n0", "n1"]


def test_an_app_without_a_journal_is_told_so() -> None:
    def without_journal(base: Any) -> LedgerClasses:
        return LedgerClasses(declare_payment(base), None, None)

    shop = make_shop(without_journal, ALIPAY_SIMULATOR=True)
    result = shop.run("prune", "--older-than", "365d")
    assert result.exit_code == 1
    assert "The app has no class for the journal." in result.stderr
