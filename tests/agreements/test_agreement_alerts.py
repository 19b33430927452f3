"""Deductions that need an operator cause an alert during ``reconcile``."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from flask_alipay.models import utc_now
from flask_alipay.signals import Alert, attention_needed

from ..services import on_each_database
from .conftest import OpenShop
from .shop import LOST, PAY, TRADE_QUERY, DeductingShop


@pytest.fixture
def alerts() -> Iterator[list[Alert]]:
    found: list[Alert] = []

    def note(sender: object, *, alert: Alert, **rest: Any) -> None:
        found.append(alert)

    with attention_needed.connected_to(note):
        yield found


def kinds(alerts: list[Alert]) -> list[tuple[str, tuple[str, ...], int]]:
    return [(alert.kind, alert.numbers, alert.count) for alert in alerts]


@on_each_database
def test_a_missed_deduction_is_reported_once(shop: DeductingShop, alerts: list[Alert]) -> None:
    shop.sign()
    shop.now = datetime(2026, 12, 5, 15, 59, tzinfo=timezone.utc)  # the 5th in China
    shop.reconcile()
    assert alerts == []
    shop.now = datetime(2026, 12, 5, 16, 0, tzinfo=timezone.utc)
    for _ in range(3):
        shop.reconcile()
    assert kinds(alerts) == [("deduction_overdue", ("S1",), 1)]
    shop.change(next_date="2027-01-05")
    shop.now = datetime(2027, 1, 6, 4, tzinfo=timezone.utc)
    shop.reconcile()
    assert len(alerts) == 2


def test_a_failed_deduction_is_reported_before_its_window_closes(
    small_shop: DeductingShop, alerts: list[Alert], caplog: pytest.LogCaptureFixture
) -> None:
    small_shop.sign()
    small_shop.change(error_code="ACQ.BUYER_BALANCE_NOT_ENOUGH")
    small_shop.now = datetime(2026, 12, 3, 4, tzinfo=timezone.utc)
    small_shop.reconcile()
    assert alerts == []
    small_shop.now = datetime(2026, 12, 4, 4, tzinfo=timezone.utc)
    with caplog.at_level(logging.ERROR, "flask_alipay.alerts"):
        small_shop.reconcile()
    assert kinds(alerts) == [("deduction_overdue", ("S1",), 1)]
    assert "missed a deduction, or are about to: S1" in caplog.text


@pytest.mark.parametrize(
    "columns",
    [
        {"status": "UNSIGN"},
        {"status": "STOP"},
        {"latest_date": "2026-12-31"},
        {"total_payments": 1, "charge_count": 1},
        {"total_fen": 3000, "charged_fen": 3000},
        {"valid_until": datetime(2026, 12, 1, tzinfo=timezone.utc)},
        {"next_date": None},
    ],
)
def test_an_agreement_that_owes_nothing_is_not_reported(
    shop: DeductingShop, alerts: list[Alert], columns: dict[str, Any]
) -> None:
    shop.at_alipay.agreement = {"status": columns.get("status", "NORMAL")}
    shop.sign()
    shop.change(**columns)
    shop.now = datetime(2026, 12, 8, 4, tzinfo=timezone.utc)
    shop.reconcile()
    assert [alert for alert in alerts if alert.kind == "deduction_overdue"] == []


@on_each_database
def test_a_deduction_without_a_result_is_reported_after_an_hour(
    shop: DeductingShop, alerts: list[Alert]
) -> None:
    shop.sign()
    alipay = shop.at_alipay
    alipay.script = {**alipay.script, PAY: [LOST], TRADE_QUERY: [LOST] * 9}
    with pytest.raises(type(LOST)):
        shop.charge()
    shop.reconcile()
    assert [alert for alert in alerts if alert.kind == "deduction_unresolved"] == []
    earlier = utc_now() - timedelta(minutes=61)
    shop.change_payment(sent_at=earlier, created_at=earlier)
    shop.reconcile()
    found = [alert for alert in alerts if alert.kind == "deduction_unresolved"]
    assert kinds(found) == [("deduction_unresolved", ("P1",), 1)]


def test_an_ordinary_unpaid_payment_is_not_reported(
    small_shop: DeductingShop, alerts: list[Alert]
) -> None:
    from .shop import db

    small_shop.sign()
    with small_shop.app.app_context():
        small_shop.alipay.create_payment(subject="茶", total_amount="1", out_trade_no="Q1")
        db.session.commit()
    earlier = utc_now() - timedelta(days=1)
    small_shop.change_payment("Q1", sent_at=earlier, created_at=earlier)
    small_shop.reconcile()
    assert alerts == []


def test_without_a_journal_each_reconcile_reports(open_shop: OpenShop, alerts: list[Alert]) -> None:
    shop = open_shop()
    shop.alipay._models = shop.alipay.models._replace(Notification=None)
    merchant = shop.app.extensions["alipay"]
    for name, each in merchant.items():
        merchant[name] = type(each)(
            **{**vars(each), "models": each.models._replace(Notification=None)}
        )
    shop.sign()
    shop.now = datetime(2026, 12, 8, 4, tzinfo=timezone.utc)
    shop.reconcile()
    shop.reconcile()
    assert kinds(alerts) == [("deduction_overdue", ("S1",), 1)] * 2
