"""Transfers are recorded before Alipay is called, and pay at most once under a number."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from flask_alipay import AlipayBlueprint
from flask_alipay.exceptions import (
    CallbackFailed,
    ConfigurationError,
    GatewayError,
    InvalidParameter,
    OutcomeUnknown,
    PaymentMismatch,
)
from flask_alipay.models import utc_now

from ..doubles.openapi import DONE, answer
from .shop import (
    ANNA,
    LOST,
    NOT_THERE,
    QUERY,
    TRANSFER,
    PayingShop,
    Payment,
    TransferringAlipay,
    db,
    rejection,
)


def test_a_transfer_is_paid_and_recorded(shop: PayingShop, alipay: TransferringAlipay) -> None:
    row = shop.pay()
    assert (row.status, row.amount_fen, row.merchant) == ("SUCCESS", 888, "9021000000000001")
    assert (row.payee, row.identity_type) == ("anna@example.org", "ALIPAY_LOGON_ID")
    assert row.order_id == alipay.transfers["T1"]["order_id"]
    assert row.transferred_at.isoformat() == "2026-01-31T04:00:00+00:00"
    assert shop.bonuses() == [("transferred", "T1")]
    assert shop.journal() == ["settled"]
    assert alipay.methods == [TRANSFER]


def test_the_row_is_committed_before_alipay_is_called(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    seen: list[str] = []

    def read() -> None:
        seen.extend(row.status for row in shop.rows())

    def look(method: str) -> None:
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()

    alipay.before = look
    shop.pay()
    assert seen == ["DEALING"]


def test_a_repeated_number_is_the_same_transfer(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    assert [shop.pay().id for _ in range(3)] == [shop.row.id] * 3
    assert alipay.methods == [TRANSFER]
    assert shop.bonuses() == [("transferred", "T1")]


def test_a_generated_number_is_returned(small_shop: PayingShop) -> None:
    numbers = {small_shop.pay(out_biz_no=None).out_biz_no for _ in range(2)}
    assert len(numbers) == 2
    assert len(small_shop.at_alipay.transfers) == 2


def test_a_lost_response_is_followed_by_a_query(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.script[TRANSFER] = [alipay.lose]
    assert shop.pay().status == "SUCCESS"
    assert alipay.methods == [TRANSFER, QUERY]
    assert shop.bonuses() == [("transferred", "T1")]


def test_an_unknown_result_leaves_the_row_pending(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.script = {TRANSFER: [alipay.lose], QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown) as caught:
        shop.pay()
    assert caught.value.out_biz_no == "T1"
    assert shop.row.status == "DEALING"
    assert shop.called == []


def test_a_retry_with_the_number_queries_before_it_submits(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.script = {TRANSFER: [alipay.lose], QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown):
        shop.pay()
    alipay.requests.clear()
    assert shop.pay().status == "SUCCESS"
    assert alipay.methods == [QUERY]
    assert shop.bonuses() == [("transferred", "T1")]


def test_a_retry_without_a_number_continues_the_transfer(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.script = {TRANSFER: [LOST], QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown) as caught:
        shop.pay(out_biz_no=None)
    row = shop.pay(out_biz_no=None)
    assert row.out_biz_no == caught.value.out_biz_no
    assert list(alipay.transfers) == [row.out_biz_no]
    sent = [content for method, content in alipay.requests if method == TRANSFER]
    assert sent[0] == sent[1]


def test_a_call_without_a_number_does_not_continue_a_transfer_with_another_title(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.script = {TRANSFER: [LOST], QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown):
        shop.pay(out_biz_no=None)
    before = shop.contents()
    alipay.requests.clear()
    with pytest.raises(InvalidParameter) as caught:
        shop.pay(out_biz_no=None, title="工资")
    assert caught.value.parameter == "order_title"
    assert shop.contents() == before
    assert shop.called == []
    assert alipay.requests == []


def test_a_call_without_a_number_for_another_amount_is_another_transfer(
    small_shop: PayingShop,
) -> None:
    alipay = small_shop.at_alipay
    alipay.script = {TRANSFER: [LOST], QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown):
        small_shop.pay(out_biz_no=None)
    small_shop.pay("8.89", out_biz_no=None)
    assert len(small_shop.rows()) == 2


def test_a_transfer_unknown_to_alipay_is_submitted_again_under_its_number(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.script = {TRANSFER: [LOST], QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown):
        shop.pay()
    assert shop.pay().status == "SUCCESS"
    assert alipay.methods == [TRANSFER, QUERY, QUERY, TRANSFER]
    assert list(alipay.transfers) == ["T1"]


@pytest.mark.parametrize(
    "sub_code",
    [
        "PAYEE_NOT_EXIST",
        "PAYEE_USERINFO_ERROR",
        "PAYER_BALANCE_NOT_ENOUGH",
        "EXCEED_LIMIT_DM_AMOUNT",
        "A_CODE_THAT_NOBODY_KNOWS",
    ],
)
def test_a_rejected_transfer_has_failed(
    shop: PayingShop, alipay: TransferringAlipay, sub_code: str
) -> None:
    alipay.script[TRANSFER] = [rejection(sub_code)]
    with pytest.raises(GatewayError) as caught:
        shop.pay()
    assert not isinstance(caught.value, OutcomeUnknown)
    assert (caught.value.sub_code, caught.value.out_biz_no) == (sub_code, "T1")
    row = shop.row
    assert (row.status, row.error_code, row.fail_reason) == ("FAIL", sub_code, "不行")
    assert row.failed_at is not None
    assert shop.bonuses() == [("transfer_failed", "T1")]
    assert alipay.transfers == {}
    assert alipay.methods == [TRANSFER, QUERY]


def test_a_failed_number_is_never_submitted_again(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.script[TRANSFER] = [rejection("PAYEE_NOT_EXIST")]
    for _ in range(2):
        with pytest.raises(GatewayError, match="PAYEE_NOT_EXIST"):
            shop.pay()
    assert alipay.methods.count(TRANSFER) == 1
    assert shop.bonuses() == [("transfer_failed", "T1")]


@pytest.mark.parametrize("sub_code", ["BIZ_UNIQUE_EXCEPTION", "PROCESS_FAIL", "PAYEE_NOT_EXIST"])
def test_a_rejection_of_a_transfer_that_alipay_has_is_no_failure(
    shop: PayingShop, alipay: TransferringAlipay, sub_code: str
) -> None:
    def reject(content: dict[str, Any]) -> dict[str, Any]:
        alipay.perform(TRANSFER, content)
        return rejection(sub_code)

    alipay.script[TRANSFER] = [reject]
    assert shop.pay().status == "SUCCESS"
    assert shop.bonuses() == [("transferred", "T1")]


@pytest.mark.parametrize("query", [LOST, rejection("SYSTEM_ERROR"), rejection("INVALID_PARAMETER")])
def test_a_rejection_alone_is_not_a_failure(
    shop: PayingShop, alipay: TransferringAlipay, query: Any
) -> None:
    alipay.script = {TRANSFER: [rejection("PAYEE_NOT_EXIST")], QUERY: [query]}
    with pytest.raises(OutcomeUnknown):
        shop.pay()
    assert shop.row.status == "DEALING"
    assert shop.called == []


@pytest.mark.parametrize("sub_code", ["SYSTEM_ERROR", "REQUEST_PROCESSING", "TRANS_ORDER_DEALING"])
def test_a_code_in_doubt_leaves_the_row_pending(
    shop: PayingShop, alipay: TransferringAlipay, sub_code: str
) -> None:
    alipay.script[TRANSFER] = [rejection(sub_code)]
    with pytest.raises(OutcomeUnknown):
        shop.pay()
    assert shop.row.status == "DEALING"
    assert shop.called == []


def test_an_unsigned_rejection_leaves_the_row_pending(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.script[TRANSFER] = [answer(TRANSFER, rejection("PAYEE_NOT_EXIST"), signer=None)]
    with pytest.raises(OutcomeUnknown):
        shop.pay()
    assert shop.row.status == "DEALING"
    assert shop.called == []


def test_a_rejected_retry_is_no_failure_while_the_first_request_may_be_on_its_way(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.script = {TRANSFER: [LOST, rejection("PAYEE_NOT_EXIST")], QUERY: [LOST]}
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            shop.pay()
    assert shop.row.status == "DEALING"
    assert shop.called == []
    shop.change(submitted_at=utc_now() - timedelta(minutes=6))
    alipay.script[TRANSFER] = [rejection("PAYEE_NOT_EXIST")]
    with pytest.raises(GatewayError, match="PAYEE_NOT_EXIST"):
        shop.pay()
    assert shop.row.status == "FAIL"
    assert shop.called == [("transfer_failed", "T1")]


def test_a_rejected_retry_does_not_prolong_the_doubt(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    rejected = rejection("PAYEE_NOT_EXIST")
    alipay.script = {TRANSFER: [LOST, rejected, rejected], QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown):
        shop.pay()
    shop.change(submitted_at=utc_now().replace(microsecond=0) - timedelta(minutes=1))
    first = shop.row.submitted_at
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            shop.pay()
        assert shop.row.submitted_at == first
    alipay.script[TRANSFER] = [LOST]
    with pytest.raises(OutcomeUnknown):
        shop.pay()
    assert shop.row.submitted_at > first


def submit_meanwhile(shop: PayingShop, method: str, times: int = 1) -> None:
    """Have another worker submit the transfer just before the next request of a method."""
    left = [None] * times

    def mark() -> None:
        with shop.app.app_context():
            assert shop.alipay.merchant.transfers().mark_submitted("T1") is not None

    def before(requested: str) -> None:
        if requested == method and left:
            left.pop()
            thread = threading.Thread(target=mark)
            thread.start()
            thread.join()

    shop.at_alipay.before = before


@pytest.mark.parametrize("method", [QUERY, TRANSFER])
@pytest.mark.parametrize("age", [timedelta(minutes=4, seconds=50), timedelta(minutes=10)])
def test_a_rejected_retry_is_no_failure_while_another_workers_request_may_be_on_its_way(
    shop: PayingShop, alipay: TransferringAlipay, age: timedelta, method: str
) -> None:
    alipay.script = {TRANSFER: [LOST, rejection("PAYEE_NOT_EXIST")], QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown):
        shop.pay()
    shop.change(submitted_at=utc_now() - age)
    submit_meanwhile(shop, method)
    with pytest.raises(OutcomeUnknown):
        shop.pay()
    row = shop.row
    assert row.status == "DEALING"
    assert utc_now() - row.submitted_at < timedelta(minutes=1)
    assert shop.called == []


def test_a_rejected_first_request_is_no_failure_after_another_workers(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.script[TRANSFER] = [rejection("PAYEE_NOT_EXIST")]
    submit_meanwhile(shop, QUERY)
    with pytest.raises(OutcomeUnknown) as caught:
        shop.pay()
    assert caught.value.out_biz_no == "T1"
    assert shop.row.status == "DEALING"
    assert shop.called == []


def test_each_request_has_a_mark_of_its_own(shop: PayingShop, alipay: TransferringAlipay) -> None:
    alipay.script = {TRANSFER: [LOST], QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown):
        shop.pay()
    with shop.app.app_context():
        ledger = shop.alipay.merchant.transfers()
        first, second = ledger.mark_submitted("T1"), ledger.mark_submitted("T1")
        assert first is not None
        assert second is not None
        assert second.before == first.at != second.at
        ledger.unmark_submitted("T1", first)
        assert shop.row.submitted_at == second.at
        ledger.unmark_submitted("T1", second)
        assert shop.row.submitted_at == first.at


def test_marks_do_not_run_ahead_of_the_clock_however_many_workers_submit(
    small_shop: PayingShop,
) -> None:
    small_shop.at_alipay.script = {TRANSFER: [LOST], QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown):
        small_shop.pay()
    with small_shop.app.app_context():
        ledger = small_shop.alipay.merchant.transfers()

        def submit_often() -> None:
            for _ in range(10):
                ledger.mark_submitted("T1")

        with pytest.raises(OutcomeUnknown, match="other workers"):
            submit_often()
    assert small_shop.row.submitted_at < utc_now() + timedelta(seconds=6)


def test_a_truncated_response_leaves_the_row_pending(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    whole = answer(TRANSFER, {**DONE, "status": "SUCCESS"}, signer=shop.merchant.signer)
    alipay.script = {TRANSFER: [whole[:-40]], QUERY: [whole[:20]]}
    with pytest.raises(OutcomeUnknown):
        shop.pay()
    assert shop.row.status == "DEALING"
    assert shop.called == []


def test_a_transfer_to_a_bank_card_waits_for_the_bank(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.status = "DEALING"
    card = {"payee": "6222", "identity_type": "BANKCARD_ACCOUNT", "name": "安娜"}
    row = shop.pay(**card, bankcard_ext_info={"account_type": "2", "inst_name": "招商银行"})
    assert (row.status, row.order_id is not None) == ("DEALING", True)
    assert alipay.requests[0][1]["product_code"] == "TRANS_BANKCARD_NO_PWD"
    assert alipay.requests[0][1]["payee_info"]["bankcard_ext_info"]["inst_name"] == "招商银行"
    assert shop.called == []
    alipay.transfers["T1"]["status"] = "SUCCESS"
    with shop.app.app_context():
        found = shop.alipay.query_transfer(shop.row)
        assert found.status == "SUCCESS"
    assert alipay.requests[-1][1]["product_code"] == "TRANS_BANKCARD_NO_PWD"
    assert shop.bonuses() == [("transferred", "T1")]


def test_a_reported_failure_has_alipays_reason(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.status = "FAIL"
    with pytest.raises(GatewayError, match="CARD_BIN_ERROR"):
        shop.pay()
    row = shop.row
    assert (row.status, row.error_code, row.fail_reason) == ("FAIL", "CARD_BIN_ERROR", "卡号有误")
    assert shop.bonuses() == [("transfer_failed", "T1")]


def test_a_number_of_another_transfer_at_alipay_has_failed(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.script[TRANSFER] = [rejection("PAYMENT_INFO_INCONSISTENCY")]
    with pytest.raises(GatewayError, match="PAYMENT_INFO_INCONSISTENCY"):
        shop.pay()
    assert shop.row.status == "FAIL"
    assert alipay.methods == [TRANSFER]
    assert shop.called == [("transfer_failed", "T1")]


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"amount": "8.89"}, "amount"),
        ({"payee": "bert@example.org"}, "payee"),
        ({"payee": "2088000000000002", "identity_type": "ALIPAY_USER_ID"}, "payee"),
        ({"name": "别人"}, "payee_info.name"),
        ({"title": "工资"}, "order_title"),
        ({"remark": "一月"}, "remark"),
    ],
)
def test_a_number_is_not_used_for_another_transfer(
    shop: PayingShop, alipay: TransferringAlipay, fields: dict[str, Any], parameter: str
) -> None:
    shop.pay()
    before = shop.contents()
    shop.called.clear()
    with pytest.raises(InvalidParameter) as caught:
        shop.pay(**fields)
    assert caught.value.parameter == parameter
    assert shop.contents() == before
    assert shop.called == []
    assert alipay.methods == [TRANSFER]


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"amount": "0.09"}, "trans_amount"),
        ({"amount": "0"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "100000000.01"}, "amount"),
        ({"amount": "1.001"}, "amount"),
        ({"out_biz_no": "a b"}, "out_biz_no"),
        ({"out_biz_no": ""}, "out_biz_no"),
        ({"payee": ""}, "payee_info.identity"),
        ({"name": None}, "payee_info.name"),
        ({"identity_type": "login"}, "payee_info.identity_type"),
        ({"identity_type": "ALIPAY_USER_ID"}, "payee_info.identity"),
        ({"identity_type": "BANKCARD_ACCOUNT"}, "payee_info.bankcard_ext_info"),
        ({"title": "x" * 129}, "order_title"),
        ({"remark": "a\nb"}, "remark"),
        ({"payee_info": {"identity": "bert@example.org"}}, "payee_info"),
        ({"trans_amount": "999"}, "trans_amount"),
        ({"order_title": "工资"}, "order_title"),
    ],
)
def test_an_invalid_transfer_is_neither_recorded_nor_sent(
    small_shop: PayingShop, fields: dict[str, Any], parameter: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        small_shop.pay(**fields)
    assert caught.value.parameter == parameter
    assert small_shop.contents() == []
    assert small_shop.called == []
    assert small_shop.at_alipay.requests == []


def test_a_float_is_no_amount(small_shop: PayingShop) -> None:
    with pytest.raises(TypeError, match="not a float"):
        small_shop.pay(8.88)
    assert small_shop.contents() == []


def test_a_callback_that_raises_rolls_back_and_a_retry_settles(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    shop.refusal = RuntimeError("no")
    with pytest.raises(CallbackFailed) as caught:
        shop.pay()
    assert caught.value.out_biz_no == "T1"
    assert shop.row.status == "DEALING"
    assert shop.bonuses() == []
    shop.refusal = None
    assert shop.pay().status == "SUCCESS"
    assert alipay.methods == [TRANSFER, QUERY]
    assert shop.bonuses() == [("transferred", "T1")]


def test_another_amount_at_alipay_contradicts_the_ledger(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.script = {
        TRANSFER: [LOST],
        QUERY: [{**DONE, "out_biz_no": "T1", "status": "SUCCESS", "trans_amount": "9.99"}],
    }
    with pytest.raises(PaymentMismatch) as caught:
        shop.pay()
    assert (caught.value.field, caught.value.out_biz_no) == ("trans_amount", "T1")
    assert shop.row.status == "DEALING"
    assert shop.called == []
    assert shop.journal() == ["mismatched"]


def test_concurrent_calls_with_one_number_pay_once(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    results: list[str] = []

    def pay() -> None:
        try:
            results.append(shop.pay().status)
        except Exception as error:
            results.append(repr(error))

    threads = [threading.Thread(target=pay) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["SUCCESS"] * 6
    assert len(alipay.transfers) == 1
    assert shop.bonuses() == [("transferred", "T1")]


def test_a_failed_call_takes_no_lease(shop: PayingShop, alipay: TransferringAlipay) -> None:
    alipay.script = {TRANSFER: [LOST], QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown):
        shop.pay()
    assert shop.row.asked_at is None
    with shop.app.app_context():
        assert shop.alipay.reconcile(timedelta(0)).transferred == 1


def test_a_blueprint_without_the_class_rejects_transfers_and_their_callbacks(
    small_shop: PayingShop,
) -> None:
    plain: AlipayBlueprint[Any, Any] = AlipayBlueprint(db, Payment, name="plain")
    for register in (plain.on_transferred, plain.on_transfer_failed):
        with pytest.raises(ConfigurationError, match="Transfer="):
            register(print)
    small_shop.app.register_blueprint(plain, url_prefix="/plain")
    with small_shop.app.app_context(), pytest.raises(ConfigurationError) as caught:
        plain.transfer("8.88", title="奖金", **ANNA)
    assert caught.value.key == "Transfer"
    assert small_shop.at_alipay.requests == []


def test_secrets_and_the_payee_are_not_in_the_log(
    small_shop: PayingShop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "flask_alipay")
    small_shop.at_alipay.script[TRANSFER] = [rejection("PAYEE_NOT_EXIST")]
    with pytest.raises(GatewayError) as caught:
        small_shop.pay()
    text = caplog.text + str(caught.value) + repr(small_shop.row)
    assert ANNA["payee"] not in text
    assert ANNA["name"] not in text


def test_a_transfer_that_does_not_exist_at_alipay_stays_pending_after_a_lost_request(
    shop: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.script = {TRANSFER: [LOST], QUERY: [NOT_THERE]}
    with pytest.raises(OutcomeUnknown):
        shop.pay()
    assert shop.row.status == "DEALING"
    assert shop.called == []
