"""Notifications of batches of refunds and transfers, parsed into types or rejected."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_alipay.exceptions import BadNotification
from flask_alipay.protocol.batch_notification import (
    REFUNDED,
    RefundBatchNotification,
    RefundResult,
    TransferBatchNotification,
    TransferResult,
)
from flask_alipay.protocol.conversion import format_amount

TRADE_NO = "2026013122001400001234567890"
ACCOUNT = "anna.buyer@example.org"
NAME = "安娜"


def refunds(details: str, **changes: str) -> RefundBatchNotification:
    params = {
        "notify_type": "batch_refund_notify",
        "notify_id": "n1",
        "batch_no": "20260131001",
        "success_num": "1",
        "result_details": details,
    }
    return RefundBatchNotification.from_params(params | changes)


def transfers(success: str = "", fail: str = "", **changes: str) -> TransferBatchNotification:
    params = {
        "notify_type": "batch_trans_notify",
        "notify_id": "n1",
        "batch_no": "20260131001",
        "pay_user_id": "2088000000000001",
        "success_details": success,
        "fail_details": fail,
    }
    return TransferBatchNotification.from_params(params | changes)


def transfer(serial: str = "S1", letter: str = "S", reason: str = "", **changes: str) -> str:
    about = {"amount": "20.00", "account": ACCOUNT, "name": NAME} | changes
    return (
        f"{serial}^{about['account']}^{about['name']}^{about['amount']}^{letter}^{reason}"
        "^200810248427067^20081024143652|"
    )


# Refunds


def test_a_refund_is_read() -> None:
    batch = refunds(f"{TRADE_NO}^88.88^SUCCESS")
    assert (batch.batch_no, batch.notify_id) == ("20260131001", "n1")
    assert batch.results == (RefundResult(TRADE_NO, 8888, "SUCCESS"),)
    assert batch.results[0].code == REFUNDED


@pytest.mark.parametrize(
    "rest",
    [
        "$shop@example.com^2088000000000001^0.53^SUCCESS",
        "|out@example.com^2088000000000002^in@example.com^2088000000000001^10.00^SUCCESS",
        "|out@a.com^2088000000000002^in@a.com^2088000000000001^1.00^TXN_RESULT_FAIL$b^1^0.53^OK",
        "$shop@a.com^2088000000000001^0.53^SUCCESS|out@a.com^2088^in@a.com^2088^1.00^SUCCESS",
        "$$10.00^SUCCESS",
    ],
)
def test_the_fee_and_the_royalties_of_a_refund_are_ignored(rest: str) -> None:
    batch = refunds(f"{TRADE_NO}^88.88^SUCCESS{rest}#{TRADE_NO[:-1]}9^1.00^SUCCESS")
    assert [(result.refund_fen, result.code == REFUNDED) for result in batch.results] == [
        (8888, True),
        (100, True),
    ]


@pytest.mark.parametrize("code", ["TRADE_HAS_CLOSED", "REFUND_TRADE_FEE_ERROR", "success"])
def test_anything_but_success_is_a_failure_with_its_reason(code: str) -> None:
    [result] = refunds(f"{TRADE_NO}^88.88^{code}").results
    assert result.code != REFUNDED
    assert result.code == code


def test_a_batch_may_have_a_thousand_refunds() -> None:
    entries = [f"{TRADE_NO[:-4]}{number:04}^{number}.01^SUCCESS" for number in range(1000)]
    batch = refunds("#".join(entries), success_num="1000")
    assert len(batch.results) == 1000
    assert batch.results[999] == RefundResult(f"{TRADE_NO[:-4]}0999", 99901, "SUCCESS")


def test_a_batch_without_a_notify_id_is_read() -> None:
    assert refunds(f"{TRADE_NO}^88.88^SUCCESS", notify_id="").notify_id is None


@pytest.mark.parametrize(
    "details",
    [
        "",
        "#",
        TRADE_NO,
        f"{TRADE_NO}^88.88",
        f"{TRADE_NO}^88.88^",
        f"{TRADE_NO}^^SUCCESS",
        "^88.88^SUCCESS",
        f"{TRADE_NO}^88.88^SUCCESS^more",
        f"{TRADE_NO}^88.88^SUCCESS#",
        f"#{TRADE_NO}^88.88^SUCCESS",
        f"{TRADE_NO}^88.88^SUCCESS##{TRADE_NO}^1.00^SUCCESS",
        f"${TRADE_NO}^88.88^SUCCESS",
        f"{TRADE_NO}^-88.88^SUCCESS",
        f"{TRADE_NO}^88.888^SUCCESS",
        f"{TRADE_NO}^1e3^SUCCESS",
        f"{TRADE_NO}^８８^SUCCESS",
        f"{TRADE_NO}^NaN^SUCCESS",
        f"{TRADE_NO}^{'9' * 400}^SUCCESS",
    ],
)
def test_refunds_that_cannot_be_read_are_rejected(details: str) -> None:
    with pytest.raises(BadNotification):
        refunds(details)


@pytest.mark.parametrize(
    "read", [RefundBatchNotification.from_params, TransferBatchNotification.from_params]
)
def test_a_batch_without_anything_is_rejected(read: Any) -> None:
    with pytest.raises(BadNotification):
        read({})


def test_a_batch_without_a_number_is_rejected() -> None:
    with pytest.raises(BadNotification, match="batch_no"):
        refunds(f"{TRADE_NO}^88.88^SUCCESS", batch_no="")
    with pytest.raises(BadNotification, match="batch_no"):
        transfers(transfer(), batch_no="")


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[0-9]{16,64}", fullmatch=True),
            st.integers(0, 10**10),
            st.sampled_from(["SUCCESS", "TRADE_HAS_CLOSED", "SELLER_BALANCE_NOT_ENOUGH"]),
            st.sampled_from(["", "$a@b.c^2088^0.01^SUCCESS", "|a^1^b^2^0.01^SUCCESS"]),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_refunds_are_read_as_they_were_written(
    entries: list[tuple[str, int, str, str]],
) -> None:
    details = "#".join(f"{no}^{format_amount(fen)}^{code}{rest}" for no, fen, code, rest in entries)
    found = [(one.trade_no, one.refund_fen, one.code) for one in refunds(details).results]
    assert found == [entry[:3] for entry in entries]


_PIECES = st.lists(
    st.sampled_from(["^", "#", "$", "|", "S", "F", "SUCCESS", TRADE_NO, "1.00", "-", "٣", "\n"])
    | st.text(max_size=3)
).map("".join)


@given(_PIECES)
@example("^^")
@example("$$")
@example("|^|")
def test_hostile_text_is_read_or_rejected_and_nothing_else(text: str) -> None:
    for read in (lambda: refunds(text), lambda: transfers(text), lambda: transfers("", text)):
        try:
            batch: Any = read()
        except BadNotification:
            continue
        assert batch.results


# Transfers


def test_a_transfer_is_read() -> None:
    batch = transfers(transfer())
    assert (batch.batch_no, batch.notify_id) == ("20260131001", "n1")
    assert batch.results == (
        TransferResult("S1", ACCOUNT, NAME, 2000, True, "", "200810248427067"),
    )


def test_a_failed_transfer_has_a_reason() -> None:
    batch = transfers(transfer("S1"), transfer("S2", "F", "RECEIVE_USER_NOT_EXIST"))
    assert [(one.serial, one.succeeded, one.reason) for one in batch.results] == [
        ("S1", True, ""),
        ("S2", False, "RECEIVE_USER_NOT_EXIST"),
    ]


def test_a_successful_transfer_has_no_reason() -> None:
    [result] = transfers(transfer(reason="null")).results
    assert result.reason == ""


def test_the_end_of_a_transfer_may_be_missing() -> None:
    [result] = transfers(f"S1^{ACCOUNT}^{NAME}^20.00^S").results
    assert (result.reason, result.alipay_no) == ("", "")


def test_a_batch_may_have_a_thousand_transfers() -> None:
    batch = transfers("".join(transfer(f"S{number}") for number in range(1000)))
    assert len({result.serial for result in batch.results}) == 1000


@pytest.mark.parametrize(
    "details",
    [
        "",
        "|",
        "S1",
        f"S1^{ACCOUNT}^{NAME}^20.00",
        f"S1^{ACCOUNT}^{NAME}^20.00^",
        f"S1^{ACCOUNT}^{NAME}^20.00^s",
        f"S1^{ACCOUNT}^{NAME}^20.00^SUCCESS",
        f"^{ACCOUNT}^{NAME}^20.00^S",
        f"S1^{ACCOUNT}^{NAME}^twenty^S",
        f"S1^{ACCOUNT}^{NAME}^^S",
        f"S1^{ACCOUNT}^安^娜^20.00^S^^1^2",
        f"S1^{ACCOUNT}^{NAME}^20.00^S^^1^2^3",
    ],
)
def test_transfers_that_cannot_be_read_are_rejected(details: str) -> None:
    with pytest.raises(BadNotification):
        transfers(details)


def test_the_payee_is_not_shown() -> None:
    shown = repr(transfers(transfer()))
    assert "S1" in shown
    assert ACCOUNT not in shown
    assert NAME not in shown
    assert ACCOUNT not in repr(refunds(f"{TRADE_NO}^1.00^SUCCESS${ACCOUNT}^2088^0.01^SUCCESS"))
