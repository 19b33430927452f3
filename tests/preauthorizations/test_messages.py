"""Messages about authorizations."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from flask_alipay.models import utc_now
from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.signer import Rsa2Signer

from ..conftest import Keys
from ..ledger.shop import record_statements
from ..services import on_each_database
from .conftest import OpenShop
from .shop import QUERY, DepositShop, db


def message(shop: DepositShop, kind: str = "fund_auth_freeze", **changes: Any) -> dict[str, str]:
    """Return a signed message about an authorization."""
    now = format_china_time(utc_now())
    operation = "UNFREEZE" if kind == "fund_auth_unfreeze" else "FREEZE"
    fields: dict[str, Any] = {
        "notify_type": kind,
        "notify_id": f"n-{kind}-{changes.get('out_request_no', '')}",
        "notify_time": now,
        "app_id": shop.merchant.settings["APP_ID"],
        "auth_app_id": shop.merchant.settings["APP_ID"],
        "charset": "utf-8",
        "version": "1.0",
        "sign_type": "RSA2",
        "auth_no": "2026000000000000000000000001",
        "out_order_no": "DEP1",
        "out_request_no": "DEP1",
        "operation_id": "20260131000000000001",
        "operation_type": operation,
        "status": "SUCCESS",
        "amount": "500.00",
        "total_freeze_amount": "500.00",
        "total_unfreeze_amount": "0.00",
        "total_pay_amount": "0.00",
        "rest_amount": "500.00",
        "gmt_create": now,
        "gmt_trans": now,
        "payer_user_id": "2088000000000001",
        **changes,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return shop.merchant.signed(given)


def send(shop: DepositShop, kind: str = "fund_auth_freeze", **changes: Any) -> tuple[int, str]:
    return shop.post(shop.merchant.encoded(message(shop, kind, **changes)))


def frozen_at_alipay(shop: DepositShop) -> None:
    shop.at_alipay.freeze({"out_order_no": "DEP1", "out_request_no": "DEP1", "amount": "500.00"})


def test_a_message_reports_a_freeze_once(shop: DepositShop) -> None:
    shop.create()
    assert send(shop) == (200, "success")
    assert send(shop) == (200, "success")
    assert send(shop, notify_id="another") == (200, "success")
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 0)
    assert shop.row().auth_no == "2026000000000000000000000001"
    assert shop.calls() == [("authorized", "DEP1")]


@on_each_database
def test_messages_about_releases_count_once(shop: DepositShop) -> None:
    shop.create()
    send(shop)
    release = {
        "amount": "200.00",
        "total_unfreeze_amount": "200.00",
        "rest_amount": "300.00",
        "out_request_no": "R1",
    }
    assert send(shop, "fund_auth_unfreeze", **release) == (200, "success")
    assert send(shop, "fund_auth_unfreeze", **release, notify_id="x") == (200, "success")
    assert shop.amounts() == ("AUTHORIZED", 0, 20000, 0)
    assert shop.calls() == [("authorized", "DEP1"), ("released", "DEP1")]


@on_each_database
def test_a_release_before_its_freeze_proves_both(shop: DepositShop) -> None:
    shop.create()
    send(
        shop,
        "fund_auth_unfreeze",
        amount="200.00",
        total_unfreeze_amount="200.00",
        rest_amount="300.00",
        out_request_no="R1",
    )
    send(shop)
    assert shop.amounts() == ("AUTHORIZED", 0, 20000, 0)
    assert shop.calls() == [("authorized", "DEP1"), ("released", "DEP1")]


def test_an_old_freeze_does_not_reopen_a_released_authorization(shop: DepositShop) -> None:
    shop.hold()
    kept = message(shop, auth_no=shop.row().auth_no)
    shop.release()
    before = shop.amounts(), shop.calls()
    assert shop.post(shop.merchant.encoded(kept)) == (200, "success")
    assert (shop.amounts(), shop.calls()) == before


def test_a_kept_freeze_is_confirmed_by_a_query(shop: DepositShop) -> None:
    shop.create()
    frozen_at_alipay(shop)
    shop.at_alipay.held["DEP1"].update(status="CLOSED", released=50000)  # released meanwhile
    old = format_china_time(utc_now() - timedelta(hours=3))
    assert send(shop, gmt_trans=old, gmt_create=old) == (200, "success")
    assert QUERY in shop.at_alipay.methods
    assert shop.amounts() == ("CLOSED", 0, 50000, 0)
    assert shop.calls() == [("authorization_closed", "DEP1")]


def test_a_freeze_after_the_close_is_found_by_a_query(shop: DepositShop) -> None:
    shop.create()
    shop.change(expires_at=utc_now() - timedelta(minutes=6), sent_at=utc_now())
    shop.reconcile()
    assert shop.calls() == [("authorization_closed", "DEP1")]
    frozen_at_alipay(shop)
    assert send(shop) == (200, "success")
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 0)
    assert shop.calls()[1:] == [("authorized", "DEP1")]


def test_a_cancellation_is_reported(shop: DepositShop) -> None:
    shop.create()
    without = dict.fromkeys(
        ("operation_type", "status", "amount", "total_freeze_amount", "rest_amount", "gmt_trans")
    )
    changes = {**without, "action": "close"}
    assert send(shop, "fund_auth_operation_cancel", **changes) == (200, "success")
    assert shop.amounts() == ("CLOSED", 0, 0, 0)
    assert shop.calls() == [("authorization_closed", "DEP1")]


@on_each_database
def test_a_callback_that_raises_refuses_the_message(shop: DepositShop) -> None:
    shop.create()
    before = shop.contents()
    shop.refusal = RuntimeError("no")
    assert send(shop)[1] == "fail"
    assert shop.contents() == before
    shop.refusal = None
    assert send(shop) == (200, "success")
    assert shop.calls() == [("authorized", "DEP1")]


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": "5.00"},
        {"total_freeze_amount": "500.01"},
        {"out_request_no": "OTHER"},
        {"trans_currency": "USD"},
        {"status": "DONE"},
        {"operation_type": "MELT"},
        {"amount": "x"},
        {"out_order_no": None},
    ],
)
def test_a_message_that_contradicts_the_ledger_is_refused(
    small_shop: DepositShop, changes: dict[str, Any]
) -> None:
    small_shop.create()
    before = small_shop.contents()
    assert send(small_shop, **changes)[1] == "fail"
    assert small_shop.contents() == before


def test_a_forged_message_is_refused(small_shop: DepositShop, keys: Keys) -> None:
    small_shop.create()
    forged = message(small_shop)
    forged["amount"] = "5.00"
    assert small_shop.post(small_shop.merchant.encoded(forged))[1] == "fail"
    own = Rsa2Signer(keys.merchant, keys.merchant.public_key())
    signed = small_shop.merchant.signed(message(small_shop), own)
    assert small_shop.post(small_shop.merchant.encoded(signed))[1] == "fail"
    assert small_shop.amounts() == ("INIT", 0, 0, 0)
    assert small_shop.journal() == []


@pytest.mark.parametrize(
    "changes", [{"out_order_no": "FOREIGN"}, {"auth_app_id": "2021000000000099"}]
)
def test_a_message_about_a_foreign_authorization_is_recorded(
    small_shop: DepositShop, changes: dict[str, Any]
) -> None:
    small_shop.create()
    before = small_shop.contents()
    assert send(small_shop, **changes) == (200, "success")
    assert small_shop.contents() == before
    assert small_shop.journal() == ["recorded"]


def test_a_message_for_another_application_is_refused(small_shop: DepositShop) -> None:
    small_shop.create()
    assert send(small_shop, app_id="2021000000000098")[1] == "fail"
    assert small_shop.amounts() == ("INIT", 0, 0, 0)


def test_a_third_party_application_holds_deposits_for_its_merchants(open_shop: OpenShop) -> None:
    shop = open_shop(SELLER_ID=None)
    shop.create(auth_app_id="2021000000000077", app_auth_token="token77")
    assert send(shop, auth_app_id="2021000000000099") == (200, "success")
    assert shop.amounts() == ("INIT", 0, 0, 0)
    assert send(shop, auth_app_id="2021000000000077", notify_id="own") == (200, "success")
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 0)
    payment_common = len(shop.at_alipay.common)
    shop.at_alipay.freeze({"out_order_no": "DEP1", "out_request_no": "DEP1", "amount": "500.00"})
    shop.at_alipay.held["DEP1"]["auth_no"] = "2026000000000000000000000001"
    payment = shop.capture("10.00")
    assert (payment.paid, payment.auth_app_id) == (True, "2021000000000077")
    sent = shop.at_alipay.common[payment_common:]
    assert {params["app_auth_token"] for params in sent} == {"token77"}


@pytest.mark.parametrize("kind", ["fund_auth_freeze", "fund_auth_unfreeze"])
def test_a_message_gets_fail_whichever_statement_the_database_fails_in(
    small_shop: DepositShop, kind: str
) -> None:
    small_shop.create()
    frozen_at_alipay(small_shop)
    send(small_shop)
    before, called = small_shop.contents(), small_shop.calls()
    body = small_shop.merchant.encoded(message(small_shop, kind, notify_id="again"))
    with small_shop.app.app_context():
        engine = db.engine
    for failing in range(1, 30):
        left = count(failing - 1, -1)

        def fail(statement: str, parameters: Any, left: Iterator[int] = left) -> None:
            if next(left) == 0:
                raise sqlite3.OperationalError("disk I/O error")

        end = record_statements(engine, fail)
        response = small_shop.post(body)
        end()
        if next(left) >= 0:  # there are not so many statements
            assert response == (200, "success")
            assert failing > 3
            return
        assert response == (503, "fail")
        assert (small_shop.contents(), small_shop.calls()) == (before, called)
    raise AssertionError("the statements do not end")


def test_a_message_gets_fail_if_the_lost_connection_cannot_roll_back(
    small_shop: DepositShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_shop.create()
    before = small_shop.contents()
    with small_shop.app.app_context():
        engine = db.engine

    def fail(*arguments: object) -> None:
        raise sqlite3.OperationalError("the connection is lost")

    end = record_statements(engine, fail)
    with monkeypatch.context() as patches:
        patches.setattr(engine.dialect, "do_rollback", fail)
        response = send(small_shop)
    end()
    assert response == (503, "fail")
    assert (small_shop.contents(), small_shop.calls()) == (before, [])
