"""Balance, log and receipts of the merchant's account."""

from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from flask_alipay.exceptions import GatewayError, InvalidParameter, OutcomeUnknown

from ..conftest import Keys
from ..doubles.openapi import DONE, Alipay
from .test_with_the_simulator import payer as payer
from .test_with_the_simulator import transfer

LOG = {"start_time": "2026-01-31 00:00:00", "end_time": "2026-02-01 00:00:00"}


def test_the_balance_is_read_in_fen(keys: Keys) -> None:
    alipay = Alipay(keys, {**DONE, "available_amount": "26.45", "freeze_amount": "11.11"})
    found = alipay.gateway().fund_account_query(alipay_user_id="2088000000000001")
    assert (found.available_fen, found.freeze_fen) == (2645, 1111)
    assert alipay.content == {
        "account_type": "ACCTRANS_ACCOUNT",
        "alipay_user_id": "2088000000000001",
    }


def test_the_balance_of_the_bill_may_lack_amounts(keys: Keys) -> None:
    found = Alipay(keys, {**DONE, "available_amount": "26.45"}).gateway().data_bill_balance_query()
    assert (found.available_fen, found.total_fen, found.settle_fen) == (2645, None, None)


def test_an_empty_page_of_the_log_has_no_list(keys: Keys) -> None:
    alipay = Alipay(keys, {**DONE, "total_size": "0"})
    found = alipay.gateway().data_bill_accountlog_query(**LOG)
    assert (found.entries, found.total_size, found.page_size) == ((), 0, 2000)
    assert alipay.content == {**LOG, "page_no": "1", "page_size": "2000"}


def test_a_time_with_a_zone_is_sent_in_china_time(keys: Keys) -> None:
    alipay = Alipay(keys, {**DONE})
    noon = datetime(2026, 1, 31, 4, tzinfo=timezone.utc)
    alipay.gateway().data_bill_accountlog_query(start_time=noon, end_time=noon + timedelta(hours=1))
    assert alipay.content["start_time"] == "2026-01-31 12:00:00"


@pytest.mark.parametrize(
    ("call", "parameter"),
    [
        (lambda g: g.fund_account_query(), "alipay_user_id"),
        (lambda g: g.fund_account_query(alipay_user_id="2088"), "alipay_user_id"),
        (lambda g: g.data_bill_accountlog_query(**LOG, page_size=2001), "page_size"),
        (lambda g: g.data_bill_accountlog_query(**{**LOG, "end_time": "x"}), "end_time"),
        (
            lambda g: g.data_bill_accountlog_query(
                **LOG, alipay_order_no="1", merchant_order_no="2"
            ),
            "merchant_order_no",
        ),
        (lambda g: g.data_bill_ereceipt_apply(type="PDF", key="1"), "type"),
        (lambda g: g.data_bill_ereceipt_query(file_id="a/b"), "file_id"),
    ],
)
def test_an_invalid_field_is_not_sent(keys: Keys, call: Any, parameter: str) -> None:
    alipay = Alipay(keys, DONE)
    with pytest.raises(InvalidParameter) as caught:
        call(alipay.gateway())
    assert caught.value.parameter == parameter
    assert alipay.requested == []


@pytest.mark.parametrize(
    ("call", "node"),
    [
        (lambda g: g.fund_account_query(alipay_open_id="o"), {}),
        (lambda g: g.data_bill_balance_query(), {"available_amount": "much"}),
        (lambda g: g.data_bill_accountlog_query(**LOG), {"detail_list": "x"}),
        (lambda g: g.data_bill_accountlog_query(**LOG), {"total_size": "-1"}),
        (lambda g: g.data_bill_ereceipt_apply(type="FUND_DETAIL", key="1"), {}),
        (lambda g: g.data_bill_ereceipt_query(file_id="1"), {}),
    ],
)
def test_an_unreadable_response_is_not_trusted(keys: Keys, call: Any, node: dict[str, Any]) -> None:
    with pytest.raises(OutcomeUnknown):
        call(Alipay(keys, {**DONE, **node}).gateway())


def test_a_transfer_is_in_the_balance_and_the_log(payer: Any) -> None:
    before = payer.data_bill_balance_query().available_fen
    done = transfer(payer)
    assert payer.data_bill_balance_query().available_fen == before - 888
    account = payer.fund_account_query(alipay_user_id="2088000000000001")
    assert account.available_fen == before - 888
    now = datetime.now(timezone.utc)
    span = {"start_time": now - timedelta(hours=1), "end_time": now + timedelta(hours=1)}
    found = payer.data_bill_accountlog_query(**span)
    [entry] = found.entries
    assert (entry["merchant_order_no"], entry["trans_amount"]) == ("T1", "8.88")
    assert entry["alipay_order_no"] == done.order_id
    other = payer.data_bill_accountlog_query(**span, merchant_order_no="T2")
    assert (other.entries, other.total_size) == ((), 0)


def test_a_receipt_of_a_transfer_is_downloaded(payer: Any) -> None:
    done = transfer(payer)
    key = done.pay_fund_order_id
    file_id = payer.data_bill_ereceipt_apply(type="FUND_DETAIL", key=key).file_id
    found = payer.data_bill_ereceipt_query(file_id=file_id)
    assert found.status == "SUCCESS"
    file = io.BytesIO()
    payer.download_bill(found.download_url, file)
    assert file.getvalue().startswith(b"%PDF-")
    assert found.download_url not in repr(found)


@pytest.mark.parametrize(
    ("call", "sub_code"),
    [
        (
            lambda g: g.fund_account_query(alipay_user_id="2088000000000009"),
            "NO_PERMISSION_ACCOUNT",
        ),
        (lambda g: g.data_bill_ereceipt_apply(type="FUND_DETAIL", key="1"), "ORDER_NOT_EXIST"),
        (lambda g: g.data_bill_ereceipt_query(file_id="1"), "ORDER_NOT_EXIST"),
    ],
)
def test_a_rejection_has_its_code(payer: Any, call: Any, sub_code: str) -> None:
    with pytest.raises(GatewayError) as caught:
        call(payer)
    assert caught.value.sub_code == sub_code
