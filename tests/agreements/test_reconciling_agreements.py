"""Reconciliation finishes deductions, and finds signatures and ends that nobody reports."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import delete

from flask_alipay.exceptions import DeductionNotDue, InsufficientBalance, OutcomeUnknown
from flask_alipay.models import utc_now
from flask_alipay.operations import agreement_checks
from flask_alipay.operations.agreements import give_up_signing

from ..services import on_each_database
from .shop import (
    LOST,
    PAY,
    QUERY,
    TRADE_QUERY,
    Agreement,
    DeductingAlipay,
    DeductingShop,
    db,
    rejection,
)


class Killed(BaseException):
    """The end of a process."""


def kill(method: str) -> None:
    raise Killed


@on_each_database
def test_a_deduction_of_a_killed_process_is_finished(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.before = kill
    with pytest.raises(Killed):
        shop.charge()
    assert (shop.payment().deduction_date, shop.agreement().charge_no) == ("2026-12-05", "P1")
    assert alipay.trades == {}
    alipay.before = lambda method: None
    report = shop.reconcile()
    assert (report.paid, report.failures) == (1, [])
    assert list(alipay.trades) == ["P1"]
    agreement = shop.agreement()
    assert (agreement.charge_no, agreement.charge_count) == (None, 1)
    assert shop.events() == [("paid", "P1")]


def test_a_deduction_with_a_lost_response_is_finished(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.script |= {PAY: [alipay.lose], TRADE_QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown):
        shop.charge()
    alipay.requests.clear()
    assert shop.reconcile().paid == 1
    assert PAY not in alipay.methods
    assert shop.agreement().next_date == "2027-01-05"


@on_each_database
def test_a_rejected_deduction_is_closed_by_reconciliation(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.before = kill
    with pytest.raises(Killed):
        shop.charge()
    alipay.before = lambda method: None
    shop.change_payment(sent_at=utc_now() - timedelta(minutes=30))
    alipay.script[PAY] = [rejection("ACQ.BUYER_BALANCE_NOT_ENOUGH")]
    with shop.app.app_context():
        run = shop.alipay.reconcile(timedelta(0))
    assert (run.closed, run.failures) == (1, [])
    agreement = shop.agreement()
    assert (agreement.charge_no, agreement.error_code) == (None, "ACQ.BUYER_BALANCE_NOT_ENOUGH")
    assert shop.events() == [("failed", "P1")]


def test_a_rejection_while_an_earlier_request_may_succeed_is_no_failure(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.before = kill
    with pytest.raises(Killed):
        shop.charge()
    alipay.before = lambda method: None
    alipay.script[PAY] = [rejection("ACQ.BUYER_BALANCE_NOT_ENOUGH")]
    report = shop.reconcile()
    assert (report.closed, len(report.failures)) == (0, 1)
    assert shop.agreement().charge_no == "P1"
    assert shop.payment().trade_status == "WAIT_BUYER_PAY"


def test_an_old_payment_just_charged_is_not_given_up(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.script |= {PAY: [LOST], TRADE_QUERY: [LOST, rejection("ACQ.TRADE_NOT_EXIST")]}
    with pytest.raises(OutcomeUnknown):
        shop.charge()
    shop.change_payment(created_at=utc_now() - timedelta(days=10))
    report = shop.reconcile()
    assert (report.closed, len(report.failures)) == (0, 1)
    assert shop.agreement().charge_no == "P1"


@on_each_database
def test_an_end_in_the_wallet_is_found_before_a_deduction_is_due(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.agreement = None
    report = shop.reconcile()
    assert (report.agreement_ended, report.agreements) == (1, 1)
    assert shop.agreement().status == "UNSIGN"
    assert shop.events() == [("agreement_ended", "S1")]
    assert shop.reconcile().agreements == 0


def test_an_agreement_whose_deduction_is_far_is_not_queried(
    small_shop: DeductingShop,
) -> None:
    small_shop.sign(next_date="2026-12-08")
    assert small_shop.reconcile().agreements == 0
    small_shop.now += timedelta(days=1)
    assert small_shop.reconcile().agreement_in_force == 1


def test_an_agreement_that_is_due_is_queried_once_a_day(small_shop: DeductingShop) -> None:
    small_shop.sign()
    for expected in (1, 0, 0):
        small_shop.change(asked_at=None)
        assert small_shop.reconcile().agreement_in_force == expected
    small_shop.now += timedelta(days=1)
    small_shop.change(asked_at=None)
    assert small_shop.reconcile().agreement_in_force == 1
    assert small_shop.at_alipay.methods == [QUERY, QUERY]


def test_an_agreement_whose_time_is_over_is_found(small_shop: DeductingShop) -> None:
    small_shop.sign(next_date="2027-06-01")
    small_shop.change(valid_until=datetime(2026, 11, 30, tzinfo=timezone.utc))
    assert small_shop.reconcile().agreement_ended == 1
    assert small_shop.agreement().ended_at == datetime(2026, 11, 30, tzinfo=timezone.utc)
    assert small_shop.events() == [("agreement_ended", "S1")]


@on_each_database
def test_a_lost_message_about_the_signature_is_made_up_for(shop: DeductingShop) -> None:
    shop.subscribe()
    assert shop.reconcile().agreements == 0  # nobody could have signed it
    shop.change(sent_at=utc_now())
    assert shop.reconcile().agreement_signed == 1
    assert shop.agreement().status == "NORMAL"
    assert shop.events() == [("agreement_signed", "S1")]


def test_an_agreement_that_nobody_signs_is_given_up(small_shop: DeductingShop) -> None:
    small_shop.subscribe()
    small_shop.at_alipay.agreement = None
    small_shop.change(sent_at=utc_now() - timedelta(days=14))
    assert small_shop.reconcile().agreement_waiting == 1
    small_shop.change(sent_at=utc_now() - timedelta(days=16), asked_at=None)
    assert small_shop.reconcile().agreement_ended == 1
    assert (small_shop.agreement().status, small_shop.events()) == ("UNSIGN", [])
    small_shop.change(asked_at=None)
    assert small_shop.reconcile().agreements == 0
    assert small_shop.send("dut_user_sign") == (200, "success")
    assert small_shop.events() == [("agreement_signed", "S1")]


def test_a_query_that_fails_is_repeated(small_shop: DeductingShop) -> None:
    small_shop.sign()
    small_shop.at_alipay.script[QUERY] = [LOST]
    report = small_shop.reconcile()
    [failure] = report.failures
    assert (failure.external_agreement_no, failure.outcome) == ("S1", "trouble")
    small_shop.change(asked_at=None)
    assert small_shop.reconcile().agreement_in_force == 1


@on_each_database
def test_a_callback_that_raises_is_called_again(shop: DeductingShop) -> None:
    shop.subscribe()
    shop.change(sent_at=utc_now())
    shop.refusal = RuntimeError("no")
    assert len(shop.reconcile().failures) == 1
    assert shop.agreement().status == "TEMP"
    shop.refusal = None
    shop.change(asked_at=None)
    assert shop.reconcile().agreement_signed == 1


def test_twelve_months_are_charged_once_each(shop: DeductingShop, alipay: DeductingAlipay) -> None:
    shop.sign()
    for month in range(12):
        assert shop.charge(f"P{month}").paid
        with pytest.raises(DeductionNotDue):
            shop.charge(f"Q{month}")
        year, index = divmod(month + 12, 12)
        shop.now = datetime(2026 + year, index + 1, 1, 4, tzinfo=timezone.utc)
    agreement = shop.agreement()
    assert (agreement.charge_count, agreement.charged_fen) == (12, 36000)
    assert agreement.next_date == "2027-12-05"
    assert len(alipay.trades) == 12


def test_a_failure_is_retried_and_the_month_paid_once(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.script[PAY] = [rejection("ACQ.BUYER_BALANCE_NOT_ENOUGH")] * 2
    for day in range(2):
        with pytest.raises(InsufficientBalance) as caught:
            shop.charge(f"P{day}")
        assert caught.value.retry_from is not None
        shop.now += timedelta(days=1)
    assert shop.charge("P2").paid
    assert shop.agreement().charge_count == 1


@on_each_database
def test_a_signature_while_an_agreement_is_given_up_counts(
    shop: DeductingShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.subscribe()
    shop.at_alipay.agreement = None
    shop.change(sent_at=utc_now() - timedelta(days=16))

    def sign_and_give_up(merchant: Any, row: Any) -> Any:
        merchant.session.rollback()
        thread = threading.Thread(target=shop.send, args=("dut_user_sign",))
        thread.start()
        thread.join()
        return give_up_signing(merchant, row)

    monkeypatch.setattr(agreement_checks, "give_up_signing", sign_and_give_up)
    assert shop.reconcile().agreement_signed == 1
    assert shop.agreement().status == "NORMAL"
    assert shop.events() == [("agreement_signed", "S1")]


def test_a_number_before_the_signature_is_no_signature(shop: DeductingShop) -> None:
    shop.subscribe()
    shop.at_alipay.agreement = {"status": "TEMP"}
    shop.change(sent_at=utc_now() - timedelta(days=16))
    assert shop.reconcile().agreement_ended == 1
    agreement = shop.agreement()
    assert (agreement.status, agreement.agreement_no, shop.events()) == ("UNSIGN", None, [])
    assert shop.send("dut_user_sign", agreement_no="20265001000000000002")[0] == 200
    assert shop.agreement().status == "NORMAL"
    assert shop.events() == [("agreement_signed", "S1")]


@pytest.mark.parametrize("seconds", [-240, -3, 3, 540])
def test_a_new_signature_survives_an_outdated_response_by_any_clock(
    small_shop: DeductingShop, seconds: int
) -> None:
    small_shop.sign()
    small_shop.change(signed_at=small_shop.now - timedelta(seconds=seconds))
    small_shop.at_alipay.script[QUERY] = [rejection("USER_AGREEMENT_NOT_EXIST")]
    assert small_shop.call("query_agreement").status == "NORMAL"
    assert small_shop.events() == []


@on_each_database
def test_a_deduction_of_a_deleted_agreement_is_still_settled(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.script |= {PAY: [alipay.lose], TRADE_QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown):
        shop.charge()
    with shop.app.app_context():
        db.session.execute(delete(Agreement))
        db.session.commit()
    assert shop.reconcile().paid == 1
    assert shop.events() == [("paid", "P1")]
    assert alipay.methods.count(PAY) == 1


def test_a_deduction_of_a_deleted_agreement_is_not_submitted_again(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.before = kill
    with pytest.raises(Killed):
        shop.charge()
    alipay.before = lambda method: None
    with shop.app.app_context():
        db.session.execute(delete(Agreement))
        db.session.commit()
    assert shop.reconcile().waiting == 1
    assert alipay.trades == {}
