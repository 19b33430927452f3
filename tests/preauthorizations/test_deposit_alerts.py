"""Deposits that need an operator cause an alert during ``reconcile``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from flask_alipay.exceptions import ConfigurationError, OutcomeUnknown
from flask_alipay.models import utc_now
from flask_alipay.signals import Alert, attention_needed

from ..services import on_each_database
from .conftest import OpenShop
from .shop import LOST, PAY, QUERY, TRADE_QUERY, UNFREEZE, DepositShop


@pytest.fixture
def alerts() -> Iterator[list[Alert]]:
    found: list[Alert] = []

    def note(sender: object, *, alert: Alert, **rest: Any) -> None:
        found.append(alert)

    with attention_needed.connected_to(note):
        yield found


def kinds(alerts: list[Alert]) -> list[tuple[str, tuple[str, ...]]]:
    return [(alert.kind, alert.numbers) for alert in alerts]


@on_each_database
def test_a_frozen_amount_near_its_end_is_reported_once(
    shop: DepositShop, alerts: list[Alert]
) -> None:
    shop.hold()
    shop.change(authorized_at=utc_now() - timedelta(days=26, hours=23))
    shop.reconcile()
    assert alerts == []
    shop.change(authorized_at=utc_now() - timedelta(days=27, hours=1))
    for _ in range(3):
        shop.reconcile()
    assert kinds(alerts) == [("authorization_expiring", ("DEP1",))]


def test_the_days_are_those_of_the_contract(open_shop: OpenShop, alerts: list[Alert]) -> None:
    shop = open_shop(AUTHORIZATION_DAYS="7")
    shop.hold()
    shop.change(authorized_at=utc_now() - timedelta(days=5))
    shop.reconcile()
    assert alerts == []
    shop.change(authorized_at=utc_now() - timedelta(days=6, hours=1))
    shop.reconcile()
    assert kinds(alerts) == [("authorization_expiring", ("DEP1",))]


@pytest.mark.parametrize("value", ["a month", "-1", "3.5", "9999"])
def test_an_invalid_number_of_days_is_rejected(open_shop: OpenShop, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_shop(AUTHORIZATION_DAYS=value)
    assert caught.value.key == "ALIPAY_AUTHORIZATION_DAYS"


def test_an_authorization_that_has_ended_is_not_reported(
    small_shop: DepositShop, alerts: list[Alert]
) -> None:
    small_shop.hold()
    small_shop.release()
    small_shop.change(authorized_at=utc_now() - timedelta(days=40))
    small_shop.reconcile()
    assert alerts == []


@on_each_database
def test_captures_and_releases_without_a_result_are_reported_after_an_hour(
    shop: DepositShop, alerts: list[Alert]
) -> None:
    shop.hold()
    shop.change(authorized_at=utc_now())
    shop.at_alipay.fail(PAY, LOST)
    shop.at_alipay.fail(TRADE_QUERY, *[LOST] * 9)
    with pytest.raises(OutcomeUnknown):
        shop.capture("5.00")
    shop.at_alipay.fail(UNFREEZE, *[LOST] * 9)
    shop.at_alipay.fail(QUERY, *[LOST] * 9)
    with pytest.raises(OutcomeUnknown):
        shop.release("30.00")
    shop.reconcile()
    assert alerts == []
    earlier = utc_now() - timedelta(minutes=61)
    shop.change_payment(created_at=earlier, sent_at=earlier)
    shop.change(release_sent_at=earlier, created_at=earlier)
    with shop.app.app_context():
        from flask_alipay.operations.grant_alerts import alert_about_grants

        alert_about_grants(shop.alipay.merchant)
    assert sorted(kinds(alerts)) == [
        ("capture_unresolved", ("C1",)),
        ("release_unresolved", ("DEP1",)),
    ]
