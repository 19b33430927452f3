"""After a cross-border payment: its refund, and the rates of the day."""

from __future__ import annotations

from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import Any

import pytest

from flask_alipay.exceptions import GatewayError, InvalidParameter, OutcomeUnknown

from ..doubles.mapi import LOST, Alipay, gateway, no, yes

REFUND: dict[str, Any] = {
    "out_return_no": "R1",
    "out_trade_no": "A1",
    "currency": "USD",
    "return_amount": "1.5",
    "reason": "returned",
}


def refund(**changes: Any) -> dict[str, str]:
    alipay = Alipay(yes())
    gateway(alipay).forex_refund(**{**REFUND, **changes})
    return alipay.params


def fault(**changes: Any) -> str:
    with pytest.raises(InvalidParameter) as caught:
        refund(**changes)
    return caught.value.parameter


def test_a_refund_in_dollars() -> None:
    params = refund(gmt_return=datetime(2026, 1, 31, 4, 0, tzinfo=timezone.utc))
    assert params["return_amount"] == "1.50"
    assert params["gmt_return"] == "20260131120000"
    assert len(refund()["gmt_return"]) == 14


def test_a_refund_in_yen_is_whole() -> None:
    assert refund(currency="JPY", return_amount=100)["return_amount"] == "100"
    assert fault(currency="JPY", return_amount="0.50") == "return_amount"


def test_a_refund_has_one_amount() -> None:
    assert fault(return_rmb_amount="1.00") == "return_amount"
    assert fault(return_amount=None) == "return_amount"
    assert refund(return_amount=None, return_rmb_amount=Decimal("0.3"))["return_rmb_amount"] == (
        "0.30"
    )


@pytest.mark.parametrize("name", ["out_return_no", "out_trade_no", "currency", "reason"])
def test_a_missing_parameter_of_a_refund_is_named(name: str) -> None:
    assert fault(**{name: None}) == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("currency", "CNY"),
        ("gmt_return", "2026-01-31"),
        ("gmt_return", "20260231000000"),
        ("gmt_return", datetime(2026, 1, 31)),  # noqa: DTZ001
        ("is_sync", "maybe"),
        ("product_code", "OLD"),
        ("out_return_no", "R 1"),
        ("reason", "x" * 101),
    ],
)
def test_an_invalid_parameter_of_a_refund_is_named(name: str, value: Any) -> None:
    assert fault(**{name: value}) == name


RATES = b"20260131|090507|USD|6.1234|\r\n20260131|090507|JPY|0.0523\n"


def test_the_rates_of_the_day() -> None:
    alipay = Alipay(RATES)
    dollar, yen = gateway(alipay).forex_rate_file()
    assert (dollar.date, dollar.time) == (date(2026, 1, 31), time(9, 5, 7))
    assert (dollar.currency, dollar.rate) == ("USD", Decimal("6.1234"))
    assert dollar.set_at == datetime(2026, 1, 31, 1, 5, 7, tzinfo=timezone.utc)
    assert (yen.currency, yen.rate) == ("JPY", Decimal("0.0523"))
    assert alipay.verb == "GET"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\n\n",
        b"System exception",
        b"20260131|090507|USD",
        b"20260231|090507|USD|6.1",
        b"20260131|990507|USD|6.1",
        b"20260131|090507|USD|NaN",
        b"20260131|090507|USD|1e9",
        RATES + b"20260131|0905",
        b"\xff\xfe",
        yes(),
        b"<html></html>",
    ],
)
def test_an_invalid_rate_is_an_error(answer: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        gateway(Alipay(answer)).forex_rate_file()
    assert caught.value.code is None


def test_a_rejected_query_of_rates_has_alipays_code() -> None:
    with pytest.raises(GatewayError) as caught:
        gateway(Alipay(no("ILLEGAL_PARTNER"))).forex_rate_file()
    assert caught.value.code == "ILLEGAL_PARTNER"
    with pytest.raises(OutcomeUnknown):
        gateway(Alipay(LOST)).forex_rate_file()
