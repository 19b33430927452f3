"""Reports about a transfer, in every order: no event happens twice."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import BadNotification, PaymentMismatch, UnknownPayment
from flask_alipay.ledger.transfer_transitions import TRANSITIONS
from flask_alipay.operations.transfers import settle_transfer
from flask_alipay.protocol.transfers import TransferReport, TransferStatus

from .shop import Notification, PayingShop, TransferringAlipay, db

CONTENT = {
    "out_biz_no": "T1",
    "order_id": "20260131110070000006210024965252",
    "status": "SUCCESS",
    "trans_amount": "8.88",
    "pay_date": "2026-01-31 12:00:00",
}


def message(**changes: Any) -> TransferReport:
    return TransferReport.from_message({**CONTENT, **changes}, {"msg_method": "x"}, "n1")


def settle(shop: PayingShop, report: TransferReport) -> tuple[str, tuple[str, ...]]:
    with shop.app.app_context():
        merchant = shop.alipay.merchant
        settled = settle_transfer(merchant, merchant.transfers(), report)
        return settled.outcome, settled.events


@pytest.fixture
def pending(shop: PayingShop, alipay: TransferringAlipay) -> PayingShop:
    """A shop with a transfer that the bank has not confirmed."""
    alipay.status = "DEALING"
    shop.pay()
    shop.change(order_id=None)
    shop.called.clear()
    return shop


def test_a_message_settles_a_transfer_once(pending: PayingShop) -> None:
    assert settle(pending, message()) == ("settled", ("transferred",))
    assert settle(pending, message()) == ("duplicate", ())
    assert pending.row.status == "SUCCESS"
    assert pending.row.order_id == CONTENT["order_id"]
    assert pending.bonuses() == [("transferred", "T1")]


def test_a_message_of_a_failure_is_completed_with_the_reason(
    pending: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.transfers["T1"]["status"] = "FAIL"
    failure = message(status="FAIL", order_id=alipay.transfers["T1"]["order_id"])
    assert settle(pending, failure) == ("settled", ("transfer_failed",))
    assert (pending.row.error_code, pending.row.fail_reason) == ("CARD_BIN_ERROR", "卡号有误")


def test_money_that_the_bank_returns_fails_a_finished_transfer(pending: PayingShop) -> None:
    settle(pending, message())
    assert settle(pending, message(status="REFUND")) == ("settled", ("transfer_failed",))
    assert pending.row.status == "REFUND"
    assert pending.bonuses() == [("transferred", "T1"), ("transfer_failed", "T1")]
    assert settle(pending, message()) == ("stale", ())


def test_another_amount_is_a_mismatch(pending: PayingShop) -> None:
    before = pending.contents()
    with pytest.raises(PaymentMismatch) as caught:
        settle(pending, message(trans_amount="9.99"))
    assert caught.value.out_biz_no == "T1"
    assert pending.contents() == before
    assert pending.called == []


def test_another_order_of_alipays_is_a_mismatch(pending: PayingShop) -> None:
    settle(pending, message(status="DEALING"))
    before = pending.contents()
    with pytest.raises(PaymentMismatch) as caught:
        settle(pending, message(order_id="20260131110070000006210099999999"))
    assert caught.value.field == "order_id"
    assert pending.contents() == before
    assert pending.called == []


def test_a_transfer_that_the_ledger_does_not_have_is_unknown(pending: PayingShop) -> None:
    before = pending.contents()
    with pytest.raises(UnknownPayment):
        settle(pending, message(out_biz_no="T2"))
    assert pending.contents() == before
    assert pending.called == []


@pytest.mark.parametrize(
    "changes",
    [
        {"out_biz_no": None},
        {"status": "PAID"},
        {"status": None},
        {"trans_amount": None},
        {"trans_amount": "8.888"},
    ],
)
def test_a_message_without_a_field_is_rejected(changes: dict[str, Any]) -> None:
    with pytest.raises(BadNotification):
        message(**changes)


def test_an_order_that_waits_for_the_payer_is_on_its_way() -> None:
    assert message(status="WAIT_PAY").status == "DEALING"


def test_every_pair_of_statuses_has_a_cell() -> None:
    assert set(TRANSITIONS) == set(itertools.product(TransferStatus.ALL, repeat=2))


@given(st.lists(st.sampled_from(TransferStatus.ALL), max_size=8))
def test_in_every_order_no_event_happens_twice_in_a_row(reports: list[str]) -> None:
    status, events = TransferStatus.DEALING, []
    for report in reports:
        cell = TRANSITIONS[status, report]
        if cell in ("transferred", "transfer_failed"):
            events.append(cell)
        if cell not in ("duplicate", "stale"):
            status = report
    assert all(first != second for first, second in itertools.pairwise(events))
    assert events.count("transferred") <= 1
    assert (status == TransferStatus.SUCCESS) <= ("transferred" in events)


def test_a_response_that_changes_nothing_is_not_journalled(
    pending: PayingShop,
) -> None:
    with pending.app.app_context():
        lines = db.session.query(Notification).count()
        pending.alipay.query_transfer(pending.row)
        pending.alipay.query_transfer(pending.row)
        assert db.session.query(Notification).count() == lines + 1
