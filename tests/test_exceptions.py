"""Tree of exceptions, and their attributes."""

from __future__ import annotations

import inspect

import pytest

from flask_alipay import exceptions
from flask_alipay.exceptions import (
    AlipayError,
    InvalidParameter,
    NotificationRefused,
    PaymentMismatch,
)

CLASSES = [
    found
    for _, found in inspect.getmembers(exceptions, inspect.isclass)
    if found.__module__ == exceptions.__name__
]
REFUSALS = [found for found in CLASSES if issubclass(found, NotificationRefused)]


@pytest.mark.parametrize("exception", CLASSES)
def test_every_exception_is_an_alipay_error(exception: type[Exception]) -> None:
    assert issubclass(exception, AlipayError)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_rejection_has_an_error_status(
    refusal: type[NotificationRefused],
) -> None:
    # 503 asks Alipay to come again; 500 would mean that nobody thought of it.
    assert 400 <= refusal.status < 500 or refusal.status == 503


def test_each_rejection_has_a_separate_reason() -> None:
    assert len({refusal.reason for refusal in REFUSALS}) == len(REFUSALS)


def test_an_invalid_parameter_is_a_value_error_too() -> None:
    error = InvalidParameter("subject", "must be a text")
    assert isinstance(error, ValueError)
    assert str(error) == "subject must be a text"


def test_a_mismatch_carries_its_evidence() -> None:
    error = PaymentMismatch("total_fen", 8888, 1, out_trade_no="A1", notify_id="n1")
    assert (error.field, error.expected, error.received) == ("total_fen", 8888, 1)
    assert (error.out_trade_no, error.notify_id) == ("A1", "n1")
    assert str(error) == "total_fen is 1 at Alipay and 8888 in the ledger"


def test_the_message_of_a_mismatch_is_one_line_whatever_alipay_has() -> None:
    error = PaymentMismatch("trade_no", "T1", "T2\nnotification settled: A1")
    assert str(error) == "trade_no is T2?notification settled: A1 at Alipay and T1 in the ledger"
    assert error.received == "T2\nnotification settled: A1"
