"""``doctor --production`` finds what a shop in production lacks."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from flask_alipay import attention_needed
from flask_alipay.cli import check_production
from flask_alipay.keys import private_pem, public_pem
from flask_alipay.models import utc_now

from ..conftest import Keys
from ..docs.reading import page, rows, section
from ..doubles.app import Shop, make_shop


@pytest.fixture
def settings(keys: Keys) -> dict[str, Any]:
    """The settings of a merchant in production."""
    return {
        "ALIPAY_APP_ID": "2021000000000000",
        "ALIPAY_PRIVATE_KEY": private_pem(keys.merchant),
        "ALIPAY_PUBLIC_KEY": public_pem(keys.alipay.public_key()),
        "ALIPAY_NOTIFY_URL": "https://shop.example.com/alipay/notify",
        "SESSION_COOKIE_SECURE": True,
        "TRUSTED_HOSTS": ["shop.example.com"],
        "SECRET_KEY": "0123456789abcdef0123456789abcdef",
    }


@pytest.fixture
def shop(settings: dict[str, Any], tmp_path: Path) -> Iterator[Shop]:
    """A shop that lacks nothing."""
    made = make_shop(SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/shop.db", **settings)
    made.alipay.on_paid(lambda payment: None)
    with made.app.app_context():
        made.db.session.execute(text("PRAGMA journal_mode=WAL"))
    logging.getLogger("flask_alipay.alerts").addHandler(handler := logging.NullHandler())
    yield made
    logging.getLogger("flask_alipay.alerts").removeHandler(handler)
    with made.app.app_context():
        made.db.engine.dispose()


def checks(shop: Shop) -> dict[str, str]:
    """The level of each check."""
    result = shop.run("doctor", "--production", "--offline", "--json")
    return {one["check"]: one["level"] for one in map(json.loads, result.stdout.splitlines())}


def pending(shop: Shop, requested: timedelta | None) -> None:
    """Add a payment that has been pending for two hours."""
    now = utc_now()
    asked_at = now - requested if requested is not None else None
    shop.add(shop.row("A1", created_at=now - timedelta(hours=2), asked_at=asked_at))


def test_a_shop_that_lacks_nothing_gets_no_warning(shop: Shop) -> None:
    pending(shop, requested=timedelta(minutes=5))
    assert {check for check, level in checks(shop).items() if level != "ok"} == {"reachable"}


@pytest.mark.parametrize(
    ("setting", "value", "check", "level"),
    [
        ("TESTING", True, "production_mode", "fail"),
        ("TRUSTED_HOSTS", None, "trusted_hosts", "warn"),
        ("SESSION_COOKIE_SECURE", False, "session_cookie", "warn"),
    ],
)
def test_a_setting_is_missing(
    shop: Shop, setting: str, value: object, check: str, level: str
) -> None:
    shop.app.config[setting] = value
    assert checks(shop)[check] == level


@pytest.mark.parametrize(
    "config", [{"ALIPAY_SANDBOX": True}, {"ALIPAY_GATEWAY_URL": "http://127.0.0.1:8090/gateway.do"}]
)
def test_a_gateway_without_real_money_is_not_production(
    settings: dict[str, Any], config: dict[str, Any]
) -> None:
    result = make_shop(**settings, **config).run("doctor", "--production", "--offline")
    assert result.exit_code == 1
    assert f"The app is not in production mode: {next(iter(config))}." in " ".join(
        result.stdout.split()
    )


def test_the_simulator_is_not_production() -> None:
    assert checks(make_shop(ALIPAY_SIMULATOR=True))["production_mode"] == "fail"


def test_a_shop_without_on_paid_is_warned(settings: dict[str, Any]) -> None:
    assert checks(make_shop(**settings))["on_paid"] == "warn"


def test_a_shop_whose_alerts_nobody_receives_is_warned(settings: dict[str, Any]) -> None:
    assert checks(make_shop(**settings))["alerts"] == "warn"


def test_a_receiver_of_the_signal_receives_alerts(settings: dict[str, Any]) -> None:
    def receive(sender: object, **arguments: object) -> None:
        """Do nothing."""

    with attention_needed.connected_to(receive):
        assert checks(make_shop(**settings))["alerts"] == "ok"


def test_a_database_in_memory_is_not_for_production(settings: dict[str, Any]) -> None:
    assert checks(make_shop(**settings))["database_kind"] == "fail"


def test_a_file_without_wal_is_a_warning(shop: Shop) -> None:
    with shop.app.app_context():
        shop.db.session.execute(text("PRAGMA journal_mode=DELETE"))
    assert checks(shop)["database_kind"] == "warn"


@pytest.mark.parametrize("requested", [None, timedelta(minutes=90)])
def test_a_payment_that_nobody_queries_is_a_warning(
    shop: Shop, requested: timedelta | None
) -> None:
    pending(shop, requested)
    assert checks(shop)["reconciliation"] == "warn"


def test_without_pending_payments_reconciliation_is_unknown(shop: Shop) -> None:
    assert checks(shop)["reconciliation"] == "unknown"


def test_an_unreadable_database_is_reported_once(shop: Shop) -> None:
    with shop.app.app_context():
        shop.db.drop_all()
    found = checks(shop)
    assert found["table"] == "fail"
    assert "reconciliation" not in found


def test_the_guide_has_a_line_for_each_check_of_production() -> None:
    source = Path(check_production.__file__).read_text(encoding="utf-8")
    emitted = set(re.findall(r'Finding\(\s*"(\w+)"', source))
    documented = {row[0].strip("`") for row in rows(section(page("production.rst"), "Checklist"))}
    assert emitted <= documented


def test_the_guide_names_only_checks_that_exist() -> None:
    folder = Path(check_production.__file__).parent
    source = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    documented = {row[0].strip("`") for row in rows(section(page("production.rst"), "Checklist"))}
    assert {name for name in documented if f'"{name}"' not in source} == set()
