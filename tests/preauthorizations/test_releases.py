"""Releases, freezes, cancellations and expiry."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from flask_alipay.exceptions import (
    AlipayError,
    GatewayError,
    InvalidAmount,
    InvalidParameter,
    OutcomeUnknown,
)
from flask_alipay.gateways.openapi import PollingPolicy
from flask_alipay.models import utc_now

from ..services import on_each_database
from .shop import CANCEL, CODE, FREEZE, LOST, QUERY, UNFREEZE, DepositShop, rejection

AT_ONCE = PollingPolicy(seconds=0, interval=0, cancel_seconds=0)


@on_each_database
def test_a_part_is_released_and_then_the_rest(shop: DepositShop) -> None:
    shop.hold()
    assert shop.release("100.00").releases[0]["fen"] == 10000
    assert shop.amounts() == ("AUTHORIZED", 0, 10000, 0)
    shop.release(None, "R2")
    assert shop.amounts() == ("CLOSED", 0, 50000, 0)
    assert shop.calls() == [("authorized", "DEP1"), ("released", "DEP1"), ("released", "DEP1")]


def test_the_rest_after_a_capture_is_released(shop: DepositShop) -> None:
    shop.hold()
    shop.capture("120.00")
    shop.release()
    assert shop.amounts() == ("FINISH", 12000, 38000, 0)


def test_a_number_releases_once(shop: DepositShop) -> None:
    shop.hold()
    shop.release("100.00")
    shop.release("100.00")
    shop.release(None, "R1")
    assert shop.at_alipay.methods.count(UNFREEZE) == 1
    with pytest.raises(InvalidAmount, match="differs from the recorded release"):
        shop.release("100.01")
    assert shop.amounts() == ("AUTHORIZED", 0, 10000, 0)


def test_a_lost_release_is_continued_by_a_call_without_a_number(shop: DepositShop) -> None:
    shop.hold()
    shop.at_alipay.lose(UNFREEZE)
    shop.at_alipay.fail(QUERY, LOST)
    with pytest.raises(OutcomeUnknown) as caught:
        shop.release("100.00", None)
    number = caught.value.out_request_no
    assert shop.row().release_no == number
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 10000)
    with pytest.raises(InvalidParameter, match="out_request_no must wait"):
        shop.release("1.00", "R9")
    with pytest.raises(InvalidAmount):
        shop.capture("400.01")
    with pytest.raises(InvalidParameter, match="complete must wait"):
        shop.capture("1.00", complete=True)
    shop.release("100.00", None)
    assert shop.amounts() == ("AUTHORIZED", 0, 10000, 0)
    assert list(shop.at_alipay.held["DEP1"]["amounts"].values()) == [10000]


@on_each_database
def test_reconcile_finishes_a_release_that_was_never_submitted(shop: DepositShop) -> None:
    shop.hold()

    def stop(method: str) -> None:
        if method == UNFREEZE:
            raise KeyboardInterrupt

    shop.at_alipay.before = stop
    with pytest.raises(KeyboardInterrupt):
        shop.release("100.00")
    shop.at_alipay.before = lambda method: None
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 10000)
    assert shop.reconcile().authorized == 1
    assert shop.amounts() == ("AUTHORIZED", 0, 10000, 0)
    assert shop.calls()[1:] == [("released", "DEP1")]


@on_each_database
def test_an_unresolved_release_does_not_wait_for_daily_queries(shop: DepositShop) -> None:
    for number in ("A1", "A2", "A3", "A4", "DEP1"):
        shop.hold(number=number)
        shop.change(number, asked_at=utc_now() - timedelta(days=9))
    shop.at_alipay.fail(UNFREEZE, LOST)
    with pytest.raises(OutcomeUnknown):
        shop.release("100.00")
    shop.change(asked_at=utc_now() - timedelta(hours=1))
    with shop.app.app_context():
        assert shop.alipay.reconcile(timedelta(0), limit=2).queried == 2
    assert shop.amounts() == ("AUTHORIZED", 0, 10000, 0)


@pytest.mark.parametrize("way", ["capture", "release"])
def test_alipays_number_is_queried_before_it_is_needed(shop: DepositShop, way: str) -> None:
    shop.hold()
    shop.change(auth_no=None)
    work = {"capture": shop.capture, "release": shop.release}[way]
    work("100.00")
    assert shop.row().auth_no is not None
    assert sum(shop.amounts()[1:3]) == 10000


@on_each_database
def test_a_rejected_release_gives_its_amount_back(shop: DepositShop) -> None:
    shop.hold()
    shop.at_alipay.fail(UNFREEZE, rejection("BIZ_ERROR"))
    with pytest.raises(GatewayError, match="BIZ_ERROR"):
        shop.release("100.00")
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 0)
    assert shop.row().release_no is None
    assert shop.calls()[1:] == []


def test_a_rejection_beside_an_earlier_release_is_no_failure(shop: DepositShop) -> None:
    shop.hold()
    shop.at_alipay.fail(UNFREEZE, LOST, rejection("BIZ_ERROR"))
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            shop.release("100.00")
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 10000)
    shop.change(release_sent_at=utc_now() - timedelta(minutes=6))
    shop.at_alipay.fail(UNFREEZE, rejection("BIZ_ERROR"))
    with pytest.raises(GatewayError, match="BIZ_ERROR"):
        shop.release("100.00")
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 0)


@pytest.mark.parametrize("amount", ["500.01", "0.00", "-1", "1.001"])
def test_an_invalid_amount_is_not_released(small_shop: DepositShop, amount: str) -> None:
    small_shop.hold()
    before = small_shop.contents()
    with pytest.raises(InvalidAmount):
        small_shop.release(amount)
    assert small_shop.contents() == before
    assert UNFREEZE not in small_shop.at_alipay.methods


@on_each_database
def test_reconcile_finds_an_automatic_release(shop: DepositShop) -> None:
    shop.hold()
    held = shop.at_alipay.held["DEP1"]
    held.update(status="CLOSED", released=50000)
    assert shop.reconcile().authorizations == 1  # frozen more than a day ago
    assert shop.amounts() == ("CLOSED", 0, 50000, 0)
    assert shop.calls()[1:] == [("released", "DEP1")]


@on_each_database
def test_concurrent_captures_and_releases_never_exceed_the_frozen_amount(
    shop: DepositShop,
) -> None:
    shop.hold("100.00")

    def work(number: int) -> None:
        with shop.app.app_context():
            row = shop.alipay.merchant.authorizations().rows.find("DEP1")
            with suppress(AlipayError):
                if number % 3:
                    shop.alipay.capture(row, "15.00", out_trade_no=f"C{number}")
                else:
                    shop.alipay.release(row, "15.00", out_request_no=f"R{number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shop.reconcile()
    _, captured, released, reserved = shop.amounts()
    held = shop.at_alipay.held["DEP1"]
    assert reserved == 0
    assert captured + released <= 10000
    assert (captured, released) == (held["captured"], held["released"])
    paid = [name for name, _ in shop.calls() if name == "paid"]
    assert len(paid) == captured // 1500 == len(shop.at_alipay.trades)


@on_each_database
def test_one_number_is_captured_once_by_concurrent_workers(shop: DepositShop) -> None:
    shop.hold("100.00")

    def work() -> None:
        with shop.app.app_context():
            row = shop.alipay.merchant.authorizations().rows.find("DEP1")
            with suppress(AlipayError):
                shop.alipay.capture(row, "30.00", out_trade_no="C1")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shop.reconcile()
    assert shop.amounts() == ("AUTHORIZED", 3000, 0, 0)
    assert [name for name, _ in shop.calls() if name == "paid"] == ["paid"]


def test_a_code_freezes_the_amount(shop: DepositShop) -> None:
    shop.hold(room="7")
    row = shop.row()
    assert (row.status, row.room, row.payer_user_id) == ("AUTHORIZED", "7", "2088000000000001")
    assert row.auth_no is not None
    assert row.authorized_at is not None
    assert shop.calls() == [("authorized", "DEP1")]


def test_a_lost_freeze_is_queried(shop: DepositShop) -> None:
    shop.create()
    shop.at_alipay.lose(FREEZE)
    shop.run(lambda row: shop.alipay.freeze_barcode(row, CODE, polling=AT_ONCE))
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 0)


def test_a_freeze_without_confirmation_is_cancelled(shop: DepositShop) -> None:
    shop.create()
    shop.at_alipay.freezes_as = "INIT"
    shop.run(lambda row: shop.alipay.freeze_barcode(row, CODE, polling=AT_ONCE))
    assert shop.amounts() == ("CLOSED", 0, 0, 0)
    assert shop.calls() == [("authorization_closed", "DEP1")]


def test_a_rejected_code_closes_the_authorization(shop: DepositShop) -> None:
    shop.create()
    shop.at_alipay.fail(FREEZE, rejection("PAYMENT_AUTH_CODE_INVALID"))
    with pytest.raises(GatewayError, match="PAYMENT_AUTH_CODE_INVALID"):
        shop.run(lambda row: shop.alipay.freeze_barcode(row, CODE, polling=AT_ONCE))
    assert shop.amounts() == ("CLOSED", 0, 0, 0)
    assert shop.calls() == [("authorization_closed", "DEP1")]


def test_a_frozen_authorization_is_not_frozen_again(shop: DepositShop) -> None:
    shop.hold()
    before = shop.contents()
    for again in (
        lambda row: shop.alipay.freeze_barcode(row, CODE),
        shop.alipay.freeze_order_string,
        shop.alipay.freeze_qr_code,
    ):
        with pytest.raises(InvalidParameter, match="can no longer be frozen"):
            shop.run(again)
    assert shop.contents() == before


@on_each_database
def test_a_cancelled_authorization_is_closed(shop: DepositShop) -> None:
    shop.create()
    shop.run(shop.alipay.freeze_order_string)
    shop.at_alipay.freeze(
        {"out_order_no": "DEP1", "out_request_no": "DEP1", "amount": "500.00"}, "INIT"
    )
    shop.run(shop.alipay.cancel_authorization)
    assert shop.amounts() == ("CLOSED", 0, 0, 0)
    assert shop.calls() == [("authorization_closed", "DEP1")]


def test_a_payer_who_was_faster_gets_the_amount_back(shop: DepositShop) -> None:
    shop.create()
    shop.run(shop.alipay.freeze_order_string)
    shop.at_alipay.freeze({"out_order_no": "DEP1", "out_request_no": "DEP1", "amount": "500.00"})
    shop.run(shop.alipay.cancel_authorization)
    assert shop.amounts() == ("CLOSED", 0, 50000, 0)
    assert shop.calls() == [("authorization_closed", "DEP1")]
    assert shop.at_alipay.held["DEP1"]["released"] == 50000


def test_an_authorization_that_the_payer_may_still_open_is_not_closed(shop: DepositShop) -> None:
    shop.create()
    shop.run(shop.alipay.freeze_order_string)
    with pytest.raises(OutcomeUnknown, match="may still open it"):
        shop.run(shop.alipay.cancel_authorization)
    assert shop.amounts() == ("INIT", 0, 0, 0)
    shop.change(expires_at=utc_now() - timedelta(minutes=6))
    assert shop.reconcile().authorization_ended == 1
    assert shop.amounts() == ("CLOSED", 0, 0, 0)


def test_a_frozen_authorization_is_not_cancelled(shop: DepositShop) -> None:
    shop.hold()
    with pytest.raises(InvalidParameter, match="release the amount instead"):
        shop.run(shop.alipay.cancel_authorization)
    assert CANCEL not in shop.at_alipay.methods


@on_each_database
def test_an_expired_authorization_at_alipay_is_cancelled(shop: DepositShop) -> None:
    shop.create()
    shop.run(shop.alipay.freeze_order_string)
    shop.at_alipay.freeze(
        {"out_order_no": "DEP1", "out_request_no": "DEP1", "amount": "500.00"}, "INIT"
    )
    shop.change(expires_at=utc_now() - timedelta(minutes=6))
    assert shop.reconcile().authorization_ended == 1
    assert CANCEL in shop.at_alipay.methods
    assert shop.calls() == [("authorization_closed", "DEP1")]


@on_each_database
def test_an_authorization_that_nobody_was_sent_is_not_queried(shop: DepositShop) -> None:
    shop.create()
    assert shop.reconcile().queried == 0
    assert shop.at_alipay.methods == []
    shop.change(created_at=utc_now() - timedelta(days=15, minutes=6))
    assert shop.reconcile().authorization_ended == 1
    assert shop.calls() == [("authorization_closed", "DEP1")]


def test_reconcile_finds_a_freeze(shop: DepositShop) -> None:
    shop.create()
    shop.run(shop.alipay.freeze_qr_code)
    shop.at_alipay.freeze({"out_order_no": "DEP1", "out_request_no": "DEP1", "amount": "500.00"})
    assert shop.reconcile().authorized == 1
    assert shop.calls() == [("authorized", "DEP1")]


def test_a_freeze_of_another_amount_is_refused(shop: DepositShop) -> None:
    shop.create()
    shop.run(shop.alipay.freeze_qr_code)
    shop.at_alipay.freeze({"out_order_no": "DEP1", "out_request_no": "DEP1", "amount": "5.00"})
    report = shop.reconcile()
    assert [type(item.error).__name__ for item in report.failures] == ["PaymentMismatch"]
    assert shop.amounts() == ("INIT", 0, 0, 0)
    assert shop.calls() == []


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"amount": "0.00"}, "amount"),
        ({"amount": "100000000.01"}, "amount"),
        ({"title": "x" * 101}, "order_title"),
        ({"out_order_no": "a b"}, "out_order_no"),
        ({"pay_timeout": "16d"}, "pay_timeout"),
        ({"captured_fen": 1}, "captured_fen"),
        ({"notify_url": "https://example.com"}, "notify_url"),
    ],
)
def test_an_invalid_authorization_is_not_created(
    small_shop: DepositShop, fields: dict[str, Any], parameter: str
) -> None:
    given = {"title": "押金", "amount": "1.00", **fields}
    with small_shop.app.app_context(), pytest.raises(InvalidParameter) as caught:
        small_shop.alipay.create_authorization(**given)
    assert caught.value.parameter == parameter
    assert small_shop.contents() == []
