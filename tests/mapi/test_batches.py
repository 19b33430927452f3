"""Batches of refunds and transfers: their limits, and sums that are exact."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import InvalidParameter
from flask_alipay.gateways.mapi import (
    RefundEntry,
    RoyaltyRefund,
    SubTradeRefund,
    TransferEntry,
    new_batch_no,
    validators,
)
from flask_alipay.protocol.conversion import CHINA_TIME
from flask_alipay.signer import sign_content

from ..doubles.mapi import PARTNER, SIGNER, TRADE_NO, Alipay, gateway, yes


def number(serial: int) -> str:
    return f"{2026013122001400000000000000 + serial}"


def refund(*entries: RefundEntry, charset: str = "utf-8", **params: Any) -> dict[str, str]:
    request = gateway(charset=charset).refund_fastpay_by_platform_pwd(
        entries or [RefundEntry(TRADE_NO, "1.00", "退款")],
        **{"batch_no": new_batch_no(), **params},
    )
    assert request.params["sign"] == SIGNER.sign(sign_content(request.params, charset=charset))
    return dict(request.params)


def transfer(*entries: TransferEntry, **params: Any) -> dict[str, str]:
    about = {"batch_no": new_batch_no(), "account_name": "茶店", "email": "boss@shop.example"}
    request = gateway().batch_trans_notify(
        entries or [TransferEntry("S1", "a@example.com", "王", "1.00", "谢谢")],
        **{**about, **params},
    )
    return dict(request.params)


def fault(act: Callable[[], Any]) -> str:
    with pytest.raises(InvalidParameter) as caught:
        act()
    return caught.value.parameter


def test_a_batch_of_refunds() -> None:
    params = refund(
        RefundEntry(number(1), "0.10", "坏了"),
        RefundEntry(number(2), Decimal("0.2"), "迟到"),
        notify_url="https://shop.example/notify",
    )
    assert params["service"] == "refund_fastpay_by_platform_pwd"
    assert params["batch_num"] == "2"
    assert params["detail_data"] == f"{number(1)}^0.10^坏了#{number(2)}^0.20^迟到"
    assert params["seller_user_id"] == PARTNER
    assert validators.china_datetime("refund_date", params["refund_date"], "utf-8")


def test_a_refund_with_shares_and_a_trade_within() -> None:
    share = RoyaltyRefund("x@example.com", "2088" + "0" * 12, "y@example.com", PARTNER, 1, "分润")
    entry = RefundEntry(TRADE_NO, 10, "退", [share, share], SubTradeRefund("2.5", "运费"))
    royalty = f"x@example.com^2088000000000000^y@example.com^{PARTNER}^1.00^分润"
    assert refund(entry)["detail_data"] == (f"{TRADE_NO}^10.00^退|{royalty}|{royalty}$$2.50^运费")


def test_a_refund_is_the_sellers() -> None:
    by_email = gateway(seller_email="boss@shop.example")
    entries = [RefundEntry(TRADE_NO, 1, "退")]
    params = by_email.refund_fastpay_by_platform_pwd(entries, batch_no=new_batch_no()).params
    assert params["seller_email"] == "boss@shop.example"
    assert "seller_user_id" not in params
    assert refund(seller_email="other@shop.example")["seller_email"] == "other@shop.example"


def test_refunds_without_a_password_are_performed() -> None:
    alipay = Alipay(yes())
    answer = gateway(alipay).refund_fastpay_by_platform_nopwd(
        [RefundEntry(TRADE_NO, "1.00", "退款")], batch_no=new_batch_no(), use_freeze_amount="N"
    )
    assert answer.params == {}
    assert alipay.params["service"] == "refund_fastpay_by_platform_nopwd"
    assert alipay.params["use_freeze_amount"] == "N"
    assert alipay.params["detail_data"] == f"{TRADE_NO}^1.00^退款"
    assert fault(lambda: refund(use_freeze_amount="N")) == "use_freeze_amount"


def test_a_batch_is_of_one_to_a_thousand() -> None:
    def many(count: int) -> list[RefundEntry]:
        return [RefundEntry(number(serial), "0.01", "退") for serial in range(count)]

    assert refund(*many(1000))["batch_num"] == "1000"
    assert fault(lambda: refund(*many(1001))) == "detail_data"
    nothing: list[RefundEntry] = []
    assert (
        fault(lambda: gateway().refund_fastpay_by_platform_pwd(nothing, batch_no=new_batch_no()))
        == "detail_data"
    )
    transfers = [TransferEntry(f"S{n}", "a@example.com", "王", 1) for n in range(1001)]
    assert fault(lambda: transfer(*transfers)) == "detail_data"


def test_a_trade_is_in_a_batch_once() -> None:
    assert fault(lambda: refund(*[RefundEntry(TRADE_NO, 1, "退")] * 2)) == "detail_data"
    one = TransferEntry("S1", "a@example.com", "王", 1)
    assert fault(lambda: transfer(one, one)) == "detail_data"


def test_a_batch_is_made_of_entries() -> None:
    wrong: Any = [(TRADE_NO, 1, "退")]
    assert fault(lambda: refund(*wrong)) == "detail_data"
    assert fault(lambda: transfer(*wrong)) == "detail_data"


@pytest.mark.parametrize("separator", ["^", "|", "$", "#", "\n", "\r"])
def test_no_part_of_an_entry_holds_what_separates_entries(separator: str) -> None:
    assert fault(lambda: refund(RefundEntry(TRADE_NO, 1, f"a{separator}b"))) == "reason"
    for name in ("account", "name", "note", "serial"):
        parts = {"serial": "S1", "account": "a@example.com", "name": "王", "note": "谢"}
        parts[name] += separator + "b"
        entry = TransferEntry(amount="1.00", **parts)
        assert fault(lambda entry=entry: transfer(entry)) == name


def test_a_reason_is_shorter_than_256_bytes() -> None:
    assert refund(RefundEntry(TRADE_NO, 1, "x" * 255))
    assert fault(lambda: refund(RefundEntry(TRADE_NO, 1, "x" * 256))) == "reason"
    assert refund(RefundEntry(TRADE_NO, 1, "退" * 85))
    assert fault(lambda: refund(RefundEntry(TRADE_NO, 1, "退" * 86))) == "reason"
    assert refund(RefundEntry(TRADE_NO, 1, "退" * 127), charset="gbk")
    assert fault(lambda: refund(RefundEntry(TRADE_NO, 1, "退" * 128), charset="gbk")) == "reason"
    assert fault(lambda: refund(RefundEntry(TRADE_NO, 1, ""))) == "reason"
    assert fault(lambda: refund(RefundEntry(TRADE_NO, 1, "🍵"), charset="gbk")) == "reason"


@pytest.mark.parametrize("amount", ["0", "0.001", "-1", "1e2", "", "100000000.01"])
def test_an_amount_that_is_none_is_rejected(amount: str) -> None:
    assert fault(lambda: refund(RefundEntry(TRADE_NO, amount, "退"))) == "amount"
    assert fault(lambda: transfer(TransferEntry("S1", "a@example.com", "王", amount))) == "amount"


def test_a_float_is_a_type_error() -> None:
    wrong: Any = 0.1
    with pytest.raises(TypeError, match="not a float"):
        refund(RefundEntry(TRADE_NO, wrong, "退"))
    with pytest.raises(TypeError, match="not a float"):
        transfer(TransferEntry("S1", "a@example.com", "王", wrong))


def today() -> str:
    return f"{datetime.now(timezone(timedelta(hours=8))):%Y%m%d}"


@pytest.mark.parametrize("rest", ["001", "A" * 24, "abcDEF123", "0001", "00a"])
def test_a_batchs_number_is_todays(rest: str) -> None:
    assert refund(batch_no=today() + rest)["batch_no"] == today() + rest
    assert transfer(batch_no=today() + rest)["batch_no"] == today() + rest


@pytest.mark.parametrize("rest", ["000", "01", "", "A" * 25, "00_1", "茶茶茶", "001\n"])
def test_a_batchs_number_of_another_shape_is_rejected(rest: str) -> None:
    assert fault(lambda: refund(batch_no=today() + rest)) == "batch_no"
    assert fault(lambda: transfer(batch_no=today() + rest)) == "batch_no"


@pytest.mark.parametrize("date", ["20150101", "99990101", "20261301"])
def test_a_batchs_number_of_another_day_is_rejected(date: str) -> None:
    assert fault(lambda: refund(batch_no=date + "001")) == "batch_no"
    assert fault(lambda: refund(batch_no=None)) == "batch_no"


def test_it_is_the_day_in_china_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    evening = datetime(2026, 1, 31, 17, 0, tzinfo=timezone.utc)  # an hour past midnight there
    monkeypatch.setattr(validators, "china_now", lambda: evening.astimezone(CHINA_TIME))
    assert new_batch_no().startswith("20260201")
    assert transfer(batch_no="20260201001")["pay_date"] == "20260201"
    assert refund(batch_no="20260201001")["refund_date"] == "2026-02-01 01:00:00"
    assert fault(lambda: refund(batch_no="20260131001")) == "batch_no"


def test_the_present_time_is_chinas() -> None:
    now = validators.china_now()
    assert now.utcoffset() == timedelta(hours=8)
    assert abs(datetime.now(timezone.utc) - now) < timedelta(minutes=1)


def test_new_numbers_are_new() -> None:
    numbers = {new_batch_no() for _ in range(100)}
    assert len(numbers) == 100
    assert all(len(made) == 26 for made in numbers)


def test_a_batch_of_transfers() -> None:
    params = transfer(
        TransferEntry("S1", "a@example.com", "王", "1000.00", "hello"),
        TransferEntry("S2", "13800000000", "李", 8),
        pay_date="20260131",
    )
    assert params["service"] == "batch_trans_notify"
    assert params["detail_data"] == ("S1^a@example.com^王^1000.00^hello|S2^13800000000^李^8.00^")
    assert (params["batch_num"], params["batch_fee"]) == ("2", "1008.00")
    assert params["pay_date"] == "20260131"


@pytest.mark.parametrize("name", ["batch_no", "account_name", "email"])
def test_a_batch_of_transfers_names_the_payer(name: str) -> None:
    assert fault(lambda: transfer(**{name: None})) == name


@pytest.mark.parametrize("day", ["2026-01-31", "20260230", datetime(2026, 1, 31), 20260131])  # noqa: DTZ001
def test_a_day_that_is_none_is_rejected(day: Any) -> None:
    assert fault(lambda: transfer(pay_date=day)) == "pay_date"


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=50))
def test_a_sum_is_exact(fens: list[int]) -> None:
    entries = [
        TransferEntry(f"S{index}", "a@example.com", "王", Decimal(fen).scaleb(-2))
        for index, fen in enumerate(fens)
    ]
    assert Decimal(transfer(*entries)["batch_fee"]) * 100 == sum(fens)


def test_payees_are_not_shown() -> None:
    shown = repr(TransferEntry("S1", "a@example.com", "王小明", 1))
    assert "a@example.com" not in shown
    assert "王小明" not in shown
