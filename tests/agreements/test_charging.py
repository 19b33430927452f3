"""A deduction is claimed before Alipay is called, and made at most once in each period."""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from flask_alipay.exceptions import (
    AgreementEnded,
    AlipayError,
    AppAuthTokenError,
    CallbackFailed,
    ConfigurationError,
    DeductionFailed,
    DeductionLimitExceeded,
    DeductionNotDue,
    DeductionPending,
    InsufficientBalance,
    InvalidParameter,
    OutcomeUnknown,
)

from ..services import on_each_database
from .shop import (
    AGREEMENT_NO,
    LOST,
    PAY,
    PAYER,
    TRADE_QUERY,
    DeductingAlipay,
    DeductingShop,
    db,
    rejection,
)


@on_each_database
def test_a_deduction_is_paid_and_counts_for_the_agreement(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    payment = shop.charge()
    assert (payment.paid, payment.total_fen) == (True, 3000)
    assert (payment.external_agreement_no, payment.deduction_date) == ("S1", "2026-12-05")
    agreement = shop.agreement()
    assert (agreement.charged_fen, agreement.charge_count) == (3000, 1)
    assert (agreement.next_date, agreement.charge_no) == ("2027-01-05", None)
    assert agreement.charged_at == payment.paid_at
    assert shop.events() == [("paid", "P1")]
    [(method, content, _)] = alipay.requests
    assert method == PAY
    assert content["agreement_params"] == {"agreement_no": AGREEMENT_NO}
    assert (content["product_code"], content["total_amount"]) == ("GENERAL_WITHHOLDING", "30.00")
    assert "scene" not in content


@on_each_database
def test_the_claim_is_committed_before_alipay_is_called(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    seen: list[Any] = []

    def read() -> None:
        seen.extend([shop.agreement().charge_no, shop.payment().deduction_date])

    def look(method: str) -> None:
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()

    alipay.before = look
    shop.charge()
    assert seen == ["P1", "2026-12-05"]


def test_a_second_charge_of_a_paid_payment_changes_nothing(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    shop.charge()
    before = shop.contents()
    assert shop.charge().paid
    assert shop.contents() == before
    assert alipay.methods == [PAY]


@on_each_database
def test_a_period_is_deducted_once(shop: DeductingShop, alipay: DeductingAlipay) -> None:
    shop.sign()
    shop.charge("P1")
    with pytest.raises(DeductionNotDue) as caught:
        shop.charge("P2")
    assert (caught.value.due_from, caught.value.due_until) == (
        date(2026, 12, 31),
        date(2027, 1, 5),
    )
    assert alipay.methods == [PAY]
    payment = shop.payment("P2")
    assert (payment.trade_status, payment.deduction_date) == ("WAIT_BUYER_PAY", None)
    assert shop.agreement().charge_count == 1


@on_each_database
def test_two_threads_charge_a_period_once(shop: DeductingShop, alipay: DeductingAlipay) -> None:
    shop.sign()
    numbers = [f"P{number}" for number in range(4)]
    results: dict[str, Any] = {}
    start = threading.Barrier(len(numbers))

    def charge(number: str) -> None:
        start.wait()
        try:
            results[number] = shop.charge(number).paid
        except AlipayError as error:
            results[number] = type(error)

    threads = [threading.Thread(target=charge, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(results.values()).count(True) == 1
    assert {each for each in results.values() if each is not True} <= {
        DeductionPending,
        DeductionNotDue,
    }
    assert alipay.methods == [PAY]
    agreement = shop.agreement()
    assert (agreement.charge_count, agreement.next_date) == (1, "2027-01-05")
    assert len(shop.events()) == 1


@on_each_database
def test_two_threads_charge_the_same_payment_once(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    with shop.app.app_context():
        shop.alipay.create_payment(subject="茶", total_amount="30.00", out_trade_no="P1")
        db.session.commit()
    start = threading.Barrier(3)
    failures: list[BaseException] = []

    def charge() -> None:
        start.wait()
        try:
            shop.charge()
        except OutcomeUnknown:
            pass
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=charge) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert list(alipay.trades) == ["P1"]
    assert shop.payment().paid
    agreement = shop.agreement()
    assert (agreement.charge_count, agreement.charged_fen) == (1, 3000)
    assert shop.events() == [("paid", "P1")]


def test_a_lost_response_is_followed_by_a_query(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.script[PAY] = [alipay.lose]
    assert shop.charge().paid
    assert alipay.methods == [PAY, TRADE_QUERY]
    assert shop.agreement().charge_count == 1


def test_an_unknown_result_bars_other_deductions(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.script |= {PAY: [alipay.lose], TRADE_QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown):
        shop.charge("P1")
    assert shop.agreement().charge_no == "P1"
    with pytest.raises(DeductionPending) as caught:
        shop.charge("P2")
    assert caught.value.out_trade_no == "P1"
    assert list(alipay.trades) == ["P1"]
    assert shop.charge("P1").paid
    assert alipay.methods[-1] == TRADE_QUERY
    assert (shop.agreement().charge_no, shop.agreement().charge_count) == (None, 1)


def test_a_deduction_that_alipay_collects_later_stays_claimed(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.status = "WAIT_BUYER_PAY"
    payment = shop.charge()
    assert not payment.paid
    assert shop.agreement().charge_no == "P1"
    alipay.trades["P1"]["status"] = "TRADE_SUCCESS"
    assert shop.charge().paid
    assert shop.agreement().charge_no is None


@on_each_database
def test_a_duplicate_report_moves_the_plan_once(shop: DeductingShop) -> None:
    shop.sign()
    shop.charge()
    for number in range(3):
        body = shop.merchant.notification(
            "P1",
            notify_id=f"n{number}",
            trade_no=shop.payment().trade_no,
            total_amount="30.00",
            trade_status="TRADE_SUCCESS" if number else "TRADE_FINISHED",
        )
        assert shop.post(body) == (200, "success")
    agreement = shop.agreement()
    assert (agreement.charge_count, agreement.charged_fen) == (1, 3000)
    assert agreement.next_date == "2027-01-05"


@on_each_database
def test_a_callback_that_raises_leaves_the_deduction_pending(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    shop.refusal = RuntimeError("no tea")
    with pytest.raises(CallbackFailed):
        shop.charge()
    agreement = shop.agreement()
    assert (agreement.charge_no, agreement.charge_count) == ("P1", 0)
    assert agreement.next_date == "2026-12-05"
    shop.refusal = None
    assert shop.charge().paid
    assert shop.agreement().charge_count == 1
    assert list(alipay.trades) == ["P1"]


@pytest.mark.parametrize(
    ("code", "kind", "retry"),
    [
        ("BUYER_BALANCE_NOT_ENOUGH", InsufficientBalance, (date(2026, 12, 2), date(2026, 12, 5))),
        ("NO_PAYMENT_INSTRUMENTS_AVAILABLE", InsufficientBalance, (date(2026, 12, 2), None)),
        ("OVER_MAX_DEDUCT_COUNT", DeductionFailed, (date(2026, 12, 2), date(2026, 12, 5))),
        ("BUYER_ENABLE_STATUS_FORBID", DeductionFailed, (None, None)),
        ("MERCHANT_AGREEMENT_NOT_EXIST", DeductionFailed, (None, None)),
        ("CYCLE_PAY_TOTAL_TIMES_EXCEED", DeductionLimitExceeded, (None, None)),
        ("CYCLE_PAY_DATE_NOT_MATCH", DeductionNotDue, (date(2026, 12, 2), date(2026, 12, 5))),
        ("A_NEW_CODE", DeductionFailed, (None, None)),
    ],
)
def test_a_rejection_says_when_to_try_again(
    small_shop: DeductingShop,
    code: str,
    kind: type[DeductionFailed],
    retry: tuple[date | None, date | None],
) -> None:
    small_shop.sign()
    small_shop.at_alipay.script[PAY] = [rejection(f"ACQ.{code}")]
    with pytest.raises(DeductionFailed) as caught:
        small_shop.charge()
    assert type(caught.value) is kind
    assert caught.value.sub_code == f"ACQ.{code}"
    assert caught.value.retry_from == retry[0]
    if retry[1] is not None:
        assert caught.value.retry_until == retry[1]
    payment, agreement = small_shop.payment(), small_shop.agreement()
    assert (payment.trade_status, payment.paid) == ("TRADE_CLOSED", False)
    assert (agreement.charge_no, agreement.error_code) == (None, f"ACQ.{code}")
    assert agreement.failed_at is not None
    assert (agreement.charge_count, agreement.next_date) == (0, "2026-12-05")
    assert small_shop.events() == [("failed", "P1")]


@on_each_database
def test_a_failed_deduction_is_retried_with_a_new_payment(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.script[PAY] = [rejection("ACQ.BUYER_BALANCE_NOT_ENOUGH")]
    with pytest.raises(InsufficientBalance):
        shop.charge("P1")
    with pytest.raises(InvalidParameter):
        shop.charge("P1")
    shop.now += timedelta(days=1)
    assert shop.charge("P2").paid
    agreement = shop.agreement()
    assert (agreement.charge_count, agreement.error_code) == (1, None)


def test_balance_on_the_last_day_is_not_tried_again(small_shop: DeductingShop) -> None:
    small_shop.sign()
    small_shop.now = datetime(2026, 12, 5, 4, tzinfo=timezone.utc)
    small_shop.at_alipay.script[PAY] = [rejection("ACQ.BUYER_BALANCE_NOT_ENOUGH")]
    with pytest.raises(InsufficientBalance) as caught:
        small_shop.charge()
    assert (caught.value.retry_from, caught.value.retry_until) == (None, None)


def test_an_agreement_ended_in_the_wallet_is_found_by_a_charge(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.agreement = None
    alipay.script[PAY] = [rejection("ACQ.AGREEMENT_NOT_EXIST")]
    with pytest.raises(AgreementEnded):
        shop.charge()
    assert shop.agreement().status == "UNSIGN"
    assert shop.events() == [("failed", "P1"), ("agreement_ended", "S1")]
    with pytest.raises(AgreementEnded):
        shop.charge("P2")
    assert alipay.methods.count(PAY) == 1


def test_a_wrong_date_is_followed_by_the_date_that_alipay_has(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.agreement = {
        "status": "NORMAL",
        "next_deduct_time": "2026-12-20 00:00:00",
        "execution_plans": [{"execute_time": "2026-12-20", "latest_execute_time": "2026-12-22"}],
    }
    alipay.script[PAY] = [rejection("ACQ.CYCLE_PAY_DATE_NOT_MATCH")]
    with pytest.raises(DeductionNotDue) as caught:
        shop.charge()
    assert (caught.value.due_from, caught.value.due_until) == (
        date(2026, 12, 15),
        date(2026, 12, 22),
    )
    agreement = shop.agreement()
    assert (agreement.next_date, agreement.latest_date) == ("2026-12-20", "2026-12-22")


def test_an_outdated_date_never_repeats_a_paid_period(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    shop.charge()
    alipay.agreement = {"status": "NORMAL", "next_deduct_time": "2026-12-05"}
    shop.call("query_agreement")
    assert shop.agreement().next_date == "2027-01-05"
    shop.change(next_date="2026-12-05")  # whatever else moves it back
    with pytest.raises(DeductionNotDue):
        shop.charge("P2")
    assert alipay.methods.count(PAY) == 1


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"status": "STOP"}, AgreementEnded),
        ({"status": "UNSIGN"}, AgreementEnded),
        ({"status": "TEMP"}, AgreementEnded),
        ({"valid_until": datetime(2026, 12, 1, 3, tzinfo=timezone.utc)}, AgreementEnded),
        ({"single_fen": 2999}, DeductionLimitExceeded),
        ({"total_fen": 5000, "charged_fen": 2001}, DeductionLimitExceeded),
        ({"total_payments": 2, "charge_count": 2}, DeductionLimitExceeded),
        ({"next_date": "2026-12-07"}, DeductionNotDue),
        ({"next_date": "2026-11-30"}, DeductionNotDue),
        ({"charge_no": "P0"}, DeductionPending),
    ],
)
def test_what_the_ledger_knows_is_checked_before_alipay_is_called(
    small_shop: DeductingShop, columns: dict[str, Any], kind: type[DeductionFailed]
) -> None:
    small_shop.sign()
    small_shop.change(**columns)
    before = small_shop.agreement().charge_no
    with pytest.raises(kind) as caught:
        small_shop.charge()
    assert caught.value.code is None
    assert small_shop.at_alipay.requests == []
    assert small_shop.agreement().charge_no == before
    payment = small_shop.payment()
    assert (payment.deduction_date, payment.trade_status) == (None, "WAIT_BUYER_PAY")
    assert small_shop.events() == []


@pytest.mark.parametrize(
    "columns",
    [
        {"external_agreement_no": "S2"},
        {"out_order_no": "F1"},
        {"sent_at": datetime(2026, 12, 1, tzinfo=timezone.utc)},
        {"product": "page"},
        {"trade_status": "TRADE_CLOSED"},
        {"auth_app_id": "2021000000000201"},
        {"expires_at": datetime(2026, 11, 1, tzinfo=timezone.utc)},
        {"external_agreement_no": "S2", "deduction_date": "2026-12-05"},
    ],
)
def test_a_payment_that_is_used_otherwise_is_not_charged(
    small_shop: DeductingShop, columns: dict[str, Any]
) -> None:
    small_shop.sign()
    with small_shop.app.app_context():
        payment = small_shop.alipay.create_payment(
            subject="茶", total_amount="30.00", out_trade_no="P1"
        )
        for name, value in columns.items():
            setattr(payment, name, value)
        db.session.commit()
    before = small_shop.contents()
    with pytest.raises(InvalidParameter):
        small_shop.charge()
    assert small_shop.contents() == before
    assert small_shop.at_alipay.requests == []


def test_an_agreement_of_another_merchant_is_not_charged(small_shop: DeductingShop) -> None:
    small_shop.sign()
    small_shop.change(merchant="9021000000000009")
    with pytest.raises(InvalidParameter):
        small_shop.charge()
    assert small_shop.at_alipay.requests == []


def test_without_periods_one_deduction_at_a_time_is_made(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign(period_type=None, period=None, next_date=None)
    assert shop.charge("P1").deduction_date == "2026-12-01"
    assert shop.charge("P2").paid
    alipay.script |= {PAY: [LOST], TRADE_QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown):
        shop.charge("P3")
    with pytest.raises(DeductionPending):
        shop.charge("P4")
    assert (shop.agreement().charge_count, shop.agreement().next_date) == (2, None)


@on_each_database
def test_a_late_success_after_a_failure_counts(
    shop: DeductingShop, alipay: DeductingAlipay, caplog: pytest.LogCaptureFixture
) -> None:
    shop.sign()
    alipay.script[PAY] = [rejection("ACQ.BUYER_BALANCE_NOT_ENOUGH")]
    with pytest.raises(InsufficientBalance):
        shop.charge("P1")
    assert shop.charge("P2").paid
    # Alipay took the first one nevertheless.
    alipay.perform(PAY, {"out_trade_no": "P1", "total_amount": "30.00"})
    body = shop.merchant.notification(
        "P1", trade_no="2026120522001000000000000001", total_amount="30.00"
    )
    assert shop.post(body) == (200, "success")
    agreement = shop.agreement()
    assert (agreement.charge_count, agreement.charged_fen) == (2, 6000)
    assert agreement.next_date == "2027-01-05"
    assert "second deduction of its period" in caplog.text
    assert shop.events() == [("failed", "P1"), ("paid", "P2"), ("paid", "P1")]


def test_a_late_success_does_not_release_another_deduction(
    shop: DeductingShop, alipay: DeductingAlipay
) -> None:
    shop.sign()
    alipay.script[PAY] = [rejection("ACQ.BUYER_BALANCE_NOT_ENOUGH")]
    with pytest.raises(InsufficientBalance):
        shop.charge("P1")
    alipay.script |= {PAY: [LOST], TRADE_QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown):
        shop.charge("P2")
    alipay.perform(PAY, {"out_trade_no": "P1", "total_amount": "30.00"})
    body = shop.merchant.notification(
        "P1", trade_no="2026120522001000000000000000", total_amount="30.00"
    )
    assert shop.post(body) == (200, "success")
    agreement = shop.agreement()
    assert (agreement.charge_no, agreement.charge_count) == ("P2", 1)


def test_the_payer_is_the_agreements(shop: DeductingShop) -> None:
    shop.sign()
    assert shop.charge().buyer_id == PAYER


def test_a_deduction_for_another_merchant_sends_that_merchants_token(
    small_shop: DeductingShop,
) -> None:
    merchant = "2021000000000201"
    tokens: dict[str, str] = {}
    with small_shop.app.app_context():
        small_shop.alipay.app_auth_token_loader(tokens.get)
        small_shop.sign()
        small_shop.change(auth_app_id=merchant)
        small_shop.alipay.create_payment(subject="茶", total_amount="30.00", out_trade_no="P1")
        db.session.commit()
    small_shop.change_payment(auth_app_id=merchant)
    before = small_shop.contents()
    with pytest.raises(AppAuthTokenError):
        small_shop.charge()
    assert small_shop.contents() == before
    tokens[merchant] = "202601BB"
    assert small_shop.charge().paid
    [(_, _, params)] = small_shop.at_alipay.requests
    assert params["app_auth_token"] == "202601BB"


@pytest.mark.parametrize("code", ["aop.invalid-app-auth-token", "isp.unknow-error"])
def test_a_rejection_of_the_gateway_itself_is_no_failure(
    small_shop: DeductingShop, code: str
) -> None:
    small_shop.sign()
    node = {"code": "20001", "msg": "Insufficient Token Permissions", "sub_code": code}
    small_shop.at_alipay.script |= {PAY: [node], TRADE_QUERY: [node]}
    with pytest.raises(OutcomeUnknown):
        small_shop.charge()
    assert small_shop.agreement().charge_no == "P1"
    assert small_shop.payment().trade_status == "WAIT_BUYER_PAY"
    assert small_shop.charge().paid


@pytest.mark.parametrize(("setting", "due"), [("0", False), ("3", False), (4, True)])
def test_the_window_is_a_setting(open_shop: Any, setting: Any, due: bool) -> None:
    shop = open_shop(DEDUCTION_WINDOW_DAYS=setting)
    shop.sign()
    if due:
        assert shop.charge().paid
        return
    with pytest.raises(DeductionNotDue):
        shop.charge()


@pytest.mark.parametrize("setting", ["-1", "five", "367", 1.5])
def test_a_wrong_window_is_rejected_at_registration(open_shop: Any, setting: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_shop(DEDUCTION_WINDOW_DAYS=setting)
    assert caught.value.key == "ALIPAY_DEDUCTION_WINDOW_DAYS"


@pytest.mark.parametrize(
    "details",
    [
        {"auth_no": "2026120110002001000000000001"},
        {"auth_confirm_mode": "COMPLETE"},
        {"auth_code": "281234567890123456"},
        {"scene": "bar_code"},
        {"agreement_params": {"agreement_no": "20265001000000000009"}},
        {"agreement_params": "none"},
    ],
)
def test_a_payment_with_another_grant_is_left_alone(
    small_shop: DeductingShop, details: dict[str, Any]
) -> None:
    small_shop.sign()
    with small_shop.app.app_context():
        given = {"subject": "茶", "total_amount": "30.00", "out_trade_no": "P1"}
        small_shop.alipay.create_payment(**given)
        db.session.commit()
    small_shop.change_payment(details=details)
    before = small_shop.contents()
    with pytest.raises(InvalidParameter):
        small_shop.charge()
    assert small_shop.contents() == before
    assert small_shop.at_alipay.methods == []


def test_further_parameters_of_a_deduction_are_sent(small_shop: DeductingShop) -> None:
    small_shop.sign()
    with small_shop.app.app_context():
        further = {"deduct_permission": "DP1"}
        given = {"subject": "茶", "total_amount": "30.00", "out_trade_no": "P1"}
        small_shop.alipay.create_payment(**given, agreement_params=further)
        db.session.commit()
    assert small_shop.charge().paid
    [(_, content, _)] = small_shop.at_alipay.requests
    assert content["agreement_params"] == {
        "deduct_permission": "DP1",
        "agreement_no": AGREEMENT_NO,
    }
