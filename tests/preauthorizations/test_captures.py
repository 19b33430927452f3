"""Captures of a frozen amount."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flask_alipay.exceptions import (
    CallbackFailed,
    GatewayError,
    InvalidAmount,
    InvalidParameter,
    OutcomeUnknown,
)
from flask_alipay.models import utc_now

from ..services import on_each_database
from .shop import LOST, PAY, TRADE_CLOSE, TRADE_QUERY, DepositShop, FreezingAlipay, rejection


@pytest.fixture
def alipay(shop: DepositShop) -> FreezingAlipay:
    shop.hold()
    return shop.at_alipay


@on_each_database
def test_a_capture_is_a_paid_payment(shop: DepositShop, alipay: FreezingAlipay) -> None:
    payment = shop.capture("120.00", room="12")
    assert (payment.paid, payment.total_fen, payment.out_order_no) == (True, 12000, "DEP1")
    assert payment.room == "12"
    assert shop.amounts() == ("AUTHORIZED", 12000, 0, 0)
    assert shop.calls() == [("authorized", "DEP1"), ("paid", "C1")]
    [content] = [content for method, content in alipay.requests if method == PAY]
    assert content["auth_no"] == shop.row().auth_no
    assert (content["product_code"], content["buyer_id"]) == ("PREAUTH_PAY", "2088000000000001")
    assert "scene" not in content


def test_captures_end_when_nothing_is_left(shop: DepositShop, alipay: FreezingAlipay) -> None:
    shop.capture("200.00", "C1")
    shop.capture("300.00", "C2")
    assert shop.amounts() == ("FINISH", 50000, 0, 0)
    assert shop.row().finished_at is not None


@on_each_database
def test_a_complete_capture_releases_the_rest(shop: DepositShop, alipay: FreezingAlipay) -> None:
    shop.capture("120.00", complete=True)
    assert shop.amounts() == ("FINISH", 12000, 38000, 0)
    assert shop.calls()[1:] == [("released", "DEP1"), ("paid", "C1")]


@pytest.mark.parametrize("amount", ["500.01", "1000.00"])
def test_more_than_the_rest_is_not_captured(
    shop: DepositShop, alipay: FreezingAlipay, amount: str
) -> None:
    before = shop.contents()
    with pytest.raises(InvalidAmount, match=r"exceeds the frozen rest, 500.00 CNY"):
        shop.capture(amount)
    assert shop.contents() == before
    assert PAY not in alipay.methods


@on_each_database
def test_a_number_captures_once(shop: DepositShop, alipay: FreezingAlipay) -> None:
    shop.capture("120.00")
    assert shop.capture("120.00").paid
    assert alipay.methods.count(PAY) == 1
    assert shop.amounts() == ("AUTHORIZED", 12000, 0, 0)


def test_a_number_with_another_amount_is_rejected(
    shop: DepositShop, alipay: FreezingAlipay
) -> None:
    shop.capture("120.00")
    before = shop.contents()
    with pytest.raises(InvalidAmount, match="differs from the recorded capture"):
        shop.capture("120.01")
    with pytest.raises(InvalidParameter, match="complete differs"):
        shop.capture("120.00", complete=True)
    assert shop.contents() == before


def test_the_number_of_another_payment_is_rejected(
    shop: DepositShop, alipay: FreezingAlipay
) -> None:
    shop.hold(number="DEP2")
    shop.run(lambda row: shop.alipay.capture(row, "1.00", out_trade_no="C1"), "DEP2")
    with pytest.raises(InvalidParameter, match="out_trade_no belongs to another payment"):
        shop.capture("1.00")
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 0)


def test_a_lost_response_is_queried(shop: DepositShop, alipay: FreezingAlipay) -> None:
    alipay.lose(PAY)
    assert shop.capture("120.00").paid
    assert shop.amounts() == ("AUTHORIZED", 12000, 0, 0)


def test_an_unknown_capture_stays_reserved(shop: DepositShop, alipay: FreezingAlipay) -> None:
    alipay.fail(PAY, LOST)
    with pytest.raises(OutcomeUnknown) as caught:
        shop.capture("120.00")
    assert caught.value.out_trade_no == "C1"
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 12000)
    with pytest.raises(InvalidAmount, match=r"exceeds the frozen rest, 380.00 CNY"):
        shop.capture("400.00", "C2")
    assert shop.capture("120.00").paid
    assert shop.amounts() == ("AUTHORIZED", 12000, 0, 0)
    assert len(alipay.trades) == 1


@on_each_database
def test_reconcile_finishes_a_capture_that_was_never_submitted(
    shop: DepositShop, alipay: FreezingAlipay
) -> None:
    alipay.before = lambda method: _stop() if method == PAY else None
    with pytest.raises(KeyboardInterrupt):
        shop.capture("120.00")
    alipay.before = lambda method: None
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 12000)
    report = shop.reconcile()
    assert report.paid == 1
    assert shop.amounts() == ("AUTHORIZED", 12000, 0, 0)
    assert shop.calls() == [("authorized", "DEP1"), ("paid", "C1")]


def _stop() -> None:
    raise KeyboardInterrupt  # as if the process ended


@on_each_database
def test_a_rejected_capture_gives_its_amount_back(
    shop: DepositShop, alipay: FreezingAlipay
) -> None:
    alipay.fail(PAY, rejection("ACQ.PAYER_UNMATCHED"))
    with pytest.raises(GatewayError, match="PAYER_UNMATCHED") as caught:
        shop.capture("120.00")
    assert not isinstance(caught.value, OutcomeUnknown)
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 0)
    assert shop.payment().trade_status == "TRADE_CLOSED"
    assert shop.calls()[1:] == [("failed", "C1")]


def test_the_number_of_a_failed_capture_is_not_used_again(
    shop: DepositShop, alipay: FreezingAlipay
) -> None:
    alipay.fail(PAY, rejection("ACQ.PAYER_UNMATCHED"))
    with pytest.raises(GatewayError, match="PAYER_UNMATCHED"):
        shop.capture("120.00")
    before = shop.contents()
    with pytest.raises(GatewayError, match="has failed: a new attempt needs a new out_trade_no"):
        shop.capture("120.00")
    assert alipay.methods.count(PAY) == 1
    assert shop.contents() == before
    assert shop.capture("120.00", "C2").paid


def test_a_capture_that_alipay_closed_has_failed(shop: DepositShop, alipay: FreezingAlipay) -> None:
    alipay.trades_as = "WAIT_BUYER_PAY"
    shop.capture("120.00")
    alipay.trades["C1"]["status"] = "TRADE_CLOSED"
    with pytest.raises(GatewayError, match="has failed"):
        shop.capture("120.00")
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 0)


@on_each_database
def test_a_capture_that_alipay_does_not_know_for_a_week_has_failed(
    shop: DepositShop, alipay: FreezingAlipay
) -> None:
    alipay.fail(PAY, LOST)
    with pytest.raises(OutcomeUnknown):
        shop.capture("120.00")
    long_ago = utc_now() - timedelta(days=8)
    shop.change_payment(created_at=long_ago, sent_at=long_ago)
    assert shop.reconcile().closed == 1
    assert alipay.methods.count(PAY) == 1
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 0)
    assert shop.calls()[1:] == [("failed", "C1")]


def test_an_unpaid_trade_of_a_rejected_capture_is_closed(
    shop: DepositShop, alipay: FreezingAlipay
) -> None:
    def leave(content: dict[str, str]) -> dict[str, str]:
        alipay.trades["C1"] = {"fen": 12000, "status": "WAIT_BUYER_PAY", "trade_no": "2026" * 7}
        return rejection("ACQ.BUYER_BALANCE_NOT_ENOUGH")

    alipay.fail(PAY, leave)
    with pytest.raises(GatewayError):
        shop.capture("120.00")
    assert TRADE_CLOSE in alipay.methods
    assert alipay.trades["C1"]["status"] == "TRADE_CLOSED"
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 0)


def test_a_rejection_beside_an_earlier_request_is_no_failure(
    shop: DepositShop, alipay: FreezingAlipay
) -> None:
    alipay.fail(PAY, LOST, rejection("ACQ.AUTH_AMOUNT_NOT_ENOUGH"))
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            shop.capture("120.00")
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 12000)
    assert shop.capture("120.00").paid  # the first request was executed late


def test_a_rejection_long_after_an_earlier_request_is_a_failure(
    shop: DepositShop, alipay: FreezingAlipay
) -> None:
    alipay.fail(PAY, LOST, rejection("ACQ.AUTH_NO_ERROR"))
    with pytest.raises(OutcomeUnknown):
        shop.capture("120.00")
    shop.change_payment(sent_at=utc_now() - timedelta(minutes=6))
    with pytest.raises(GatewayError, match="AUTH_NO_ERROR"):
        shop.capture("120.00")
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 0)


def test_a_capture_in_flight_cannot_be_closed(shop: DepositShop, alipay: FreezingAlipay) -> None:
    alipay.fail(PAY, LOST)
    with pytest.raises(OutcomeUnknown):
        shop.capture("120.00")
    with pytest.raises(OutcomeUnknown, match="may still be executing"), shop.app.app_context():
        shop.alipay.close(shop.alipay.ledger().find("C1"))
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 12000)


def test_a_capture_that_alipay_collects_later_stays_reserved(
    shop: DepositShop, alipay: FreezingAlipay
) -> None:
    alipay.trades_as = "WAIT_BUYER_PAY"
    assert not shop.capture("120.00").paid
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 12000)
    assert shop.reconcile().waiting == 1
    alipay.trades["C1"]["status"] = "TRADE_SUCCESS"
    assert shop.reconcile().paid == 1
    assert shop.amounts() == ("AUTHORIZED", 12000, 0, 0)


@on_each_database
def test_a_notification_settles_a_capture(shop: DepositShop, alipay: FreezingAlipay) -> None:
    alipay.fail(PAY, LOST)
    alipay.fail(TRADE_QUERY, LOST)
    with pytest.raises(OutcomeUnknown):
        shop.capture("88.88")
    body = shop.merchant.notification("C1")
    assert shop.post(body) == (200, "success")
    assert shop.post(body) == (200, "success")
    assert shop.amounts() == ("AUTHORIZED", 8888, 0, 0)
    assert shop.calls()[1:] == [("paid", "C1")]


def test_a_sale_after_a_failure_is_counted_once(shop: DepositShop, alipay: FreezingAlipay) -> None:
    alipay.fail(PAY, rejection("ACQ.PAYER_UNMATCHED"))
    with pytest.raises(GatewayError):
        shop.capture("88.88")
    shop.capture("400.00", "C2")
    alipay.trades["C1"] = {"fen": 8888, "status": "TRADE_SUCCESS", "trade_no": "2026" * 7}
    assert shop.post(shop.merchant.notification("C1", trade_no="2026" * 7)) == (200, "success")
    assert shop.amounts() == ("AUTHORIZED", 48888, 0, 0)


@on_each_database
def test_a_proven_sale_is_never_refused_because_of_the_counters(
    shop: DepositShop, alipay: FreezingAlipay
) -> None:
    alipay.fail(PAY, rejection("ACQ.PAYER_UNMATCHED"))
    with pytest.raises(GatewayError):
        shop.capture("88.88")
    shop.capture("500.00", "C2")
    alipay.trades["C1"] = {"fen": 8888, "status": "TRADE_SUCCESS", "trade_no": "2026" * 7}
    assert shop.post(shop.merchant.notification("C1", trade_no="2026" * 7)) == (200, "success")
    assert shop.payment().paid
    assert shop.amounts() == ("FINISH", 50000, 0, 0)


@on_each_database
def test_a_callback_that_raises_leaves_the_capture_reserved(
    shop: DepositShop, alipay: FreezingAlipay
) -> None:
    shop.refusal = RuntimeError("no")
    with pytest.raises(CallbackFailed):
        shop.capture("120.00")
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 12000)
    shop.refusal = None
    assert shop.reconcile().paid == 1
    assert shop.amounts() == ("AUTHORIZED", 12000, 0, 0)


def test_a_capture_is_refunded_like_any_payment(shop: DepositShop, alipay: FreezingAlipay) -> None:
    shop.capture("120.00")
    with shop.app.app_context():
        shop.alipay.refund(shop.alipay.ledger().find("C1"), "20.00")
    assert shop.payment().refunded_fen == 2000
    assert shop.amounts() == ("AUTHORIZED", 12000, 0, 0)


def test_a_finished_authorization_is_not_captured(
    shop: DepositShop, alipay: FreezingAlipay
) -> None:
    shop.release()
    before = shop.contents()
    with pytest.raises(InvalidParameter, match="authorization is not frozen: its status is CLOSED"):
        shop.capture("1.00")
    assert shop.contents() == before


def test_an_unconfirmed_authorization_is_not_captured(small_shop: DepositShop) -> None:
    small_shop.create()
    with pytest.raises(InvalidParameter, match="its status is INIT"):
        small_shop.capture("1.00")
    assert small_shop.payments() == 0


def test_an_invalid_detail_is_rejected_before_anything_is_recorded(
    small_shop: DepositShop,
) -> None:
    small_shop.hold()
    for fields in ({"amount": "0.001"}, {"amount": "1.00", "subject": "x" * 257}):
        with pytest.raises(InvalidParameter):
            small_shop.capture(**fields)
    with pytest.raises(TypeError):
        small_shop.capture(1.5)
    assert small_shop.payments() == 0
    assert small_shop.amounts() == ("AUTHORIZED", 0, 0, 0)


def test_a_payment_of_the_product_preauth_is_made_by_a_capture_only(
    small_shop: DepositShop,
) -> None:
    with pytest.raises(InvalidParameter, match="product"), small_shop.app.app_context():
        small_shop.alipay.create_payment(subject="x", total_amount="1.00", product="preauth")
