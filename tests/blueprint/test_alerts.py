"""Alerts: a log line and a signal for what needs a person, and the documented recipes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from flask_alipay.signals import Alert, attention_needed

from ..docs.reading import code_blocks, page
from ..doubles.app import Shop, make_shop

NUMBER = "20260131000000000000000001"
LOGGER = "flask_alipay.alerts"


@contextmanager
def received() -> Iterator[list[Alert]]:
    """Collect the alerts that are sent."""
    alerts: list[Alert] = []

    def note(app: object, alert: Alert, **more: object) -> None:
        alerts.append(alert)

    with attention_needed.connected_to(note):
        yield alerts


@pytest.fixture
def shop() -> Shop:
    """Return a shop with one waiting payment."""
    found = make_shop(ALIPAY_SIMULATOR=True)
    with found.app.app_context():
        merchant = found.alipay.config.merchant
    found.add(found.row(NUMBER, merchant=merchant))
    return found


def fail(payment: object) -> None:
    raise RuntimeError("out of labels")


def trigger(shop: Shop, event: str, *args: str) -> None:
    shop.run("trigger", event, "--out-trade-no", NUMBER, *args)


def test_a_mismatch_is_one_alert_however_often_alipay_repeats_it(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    with received() as alerts:
        for _time in range(3):
            trigger(shop, "wrong-amount")
    (alert,) = alerts
    assert (alert.kind, alert.numbers, alert.count) == ("mismatched", (NUMBER,), 1)
    assert f"{NUMBER}: total_amount is" in alert.message
    (line,) = [record for record in caplog.records if record.name == LOGGER]
    assert line.levelno == logging.ERROR
    assert line.getMessage() == f"mismatched: {alert.message}"


def test_a_callback_that_fails_is_an_alert_when_it_fails_again(shop: Shop) -> None:
    shop.alipay.on_paid(fail)
    with received() as alerts:
        trigger(shop, "paid")
        assert alerts == []
        trigger(shop, "paid")
        trigger(shop, "paid")
    (alert,) = alerts
    assert (alert.kind, alert.numbers, alert.count) == ("callback_failed", (NUMBER,), 2)
    assert "RuntimeError" in alert.message


@pytest.mark.parametrize("event", ["paid", "forged", "unknown-order", "wrong-account"])
def test_entries_without_required_action_are_no_alert(shop: Shop, event: str) -> None:
    with received() as alerts:
        trigger(shop, event)
    assert alerts == []


def refund(shop: Shop, number: str, age: timedelta, status: str = "REFUND_PROCESSING") -> Any:
    with shop.app.app_context():
        merchant = shop.alipay.config.merchant
    return shop.Refund(
        merchant=merchant,
        out_trade_no=number,
        out_request_no=f"R{number}",
        refund_fen=100,
        status=status,
        created_at=datetime.now(timezone.utc) - age,
    )


def test_refunds_without_a_result_for_an_hour_are_one_alert_of_a_reconciliation(
    shop: Shop,
) -> None:
    shop.add(
        refund(shop, "LOST1", timedelta(hours=2)),
        refund(shop, "LOST2", timedelta(minutes=61)),
        refund(shop, "YOUNG", timedelta(minutes=59)),
        refund(shop, "DONE", timedelta(hours=2), "REFUND_SUCCESS"),
    )
    with received() as alerts:
        shop.run("reconcile")
    (alert,) = [one for one in alerts if one.kind == "refund_unresolved"]
    assert (alert.numbers, alert.count) == (("LOST1", "LOST2"), 2)
    assert alert.message == "2 refunds have had no result for an hour: LOST1, LOST2"


def test_without_such_refunds_a_reconciliation_is_no_alert(shop: Shop) -> None:
    shop.add(refund(shop, "YOUNG", timedelta(minutes=59)))
    with received() as alerts:
        shop.run("reconcile")
    assert alerts == []


def test_a_receiver_that_raises_changes_no_response(shop: Shop) -> None:
    def fail_too(app: object, **more: object) -> None:
        raise RuntimeError("the mail server is down")

    with attention_needed.connected_to(fail_too):
        result = shop.run("trigger", "wrong-amount", "--out-trade-no", NUMBER)
    assert result.exit_code == 0  # the app answered fail, as it should
    with shop.app.app_context():
        assert shop.db.session.query(shop.Payment).one().paid is False


# The recipes


def recipes() -> list[str]:
    found: list[str] = code_blocks(page("alerts.rst"), "python")
    assert len(found) == 3
    return found


def test_the_recipe_sends_each_alert_by_mail(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    class Smtp:
        def __init__(self, host: str, port: int, **more: object) -> None:
            assert host == "localhost"

        def send_message(self, message: Any) -> None:
            sent.append(message)

        def quit(self) -> None:
            pass

    monkeypatch.setattr("smtplib.SMTP", Smtp)
    logger = logging.getLogger(LOGGER)
    before = list(logger.handlers)
    try:
        exec(recipes()[0], {})
        trigger(shop, "wrong-amount")
    finally:
        logger.handlers = before
    (mail,) = sent
    assert mail["To"] == "keeper@tea.example"
    assert NUMBER in mail.get_content()


def test_the_recipe_reports_each_kind_to_sentry_as_one_issue(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured: list[tuple[str, list[str], dict[str, str]]] = []
    scope = SimpleNamespace(fingerprint=[], tags={})
    scope.set_tag = scope.tags.__setitem__

    @contextmanager
    def new_scope() -> Iterator[Any]:
        yield scope

    def capture_message(message: str, level: str) -> None:
        assert level == "error"
        captured.append((message, scope.fingerprint, dict(scope.tags)))

    ignored: list[str] = []
    sdk: Any = ModuleType("sentry_sdk")
    sdk.new_scope, sdk.capture_message = new_scope, capture_message
    of_logging: Any = ModuleType("sentry_sdk.integrations.logging")
    of_logging.ignore_logger = ignored.append
    monkeypatch.setitem(sys.modules, "sentry_sdk", sdk)
    monkeypatch.setitem(sys.modules, "sentry_sdk.integrations", ModuleType("integrations"))
    monkeypatch.setitem(sys.modules, "sentry_sdk.integrations.logging", of_logging)
    names: dict[str, Any] = {}
    exec(recipes()[1], names)
    try:
        trigger(shop, "wrong-amount")
    finally:
        attention_needed.disconnect(names["report"])
    assert ignored == [LOGGER]
    ((message, fingerprint, tags),) = captured
    assert NUMBER in message
    assert (fingerprint, tags) == (["alipay", "mismatched"], {"alipay.kind": "mismatched"})


def test_the_recipe_queues_slow_work(shop: Shop) -> None:
    queued: list[str] = []
    names: dict[str, Any] = {"post_to_chat": SimpleNamespace(delay=queued.append)}
    exec(recipes()[2], names)
    try:
        trigger(shop, "wrong-amount")
    finally:
        attention_needed.disconnect(names["report"])
    (text,) = queued
    assert text.startswith(f"mismatched: {NUMBER}: ")
