"""Reports about a transfer, in every order: no event happens twice."""

from __future__ import annotations

import itertools
import json
import threading
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import OutcomeUnknown, PaymentMismatch, UnknownPayment
from flask_alipay.ledger.transfer_transitions import TRANSITIONS
from flask_alipay.protocol.transfers import TransferReport, TransferStatus
from flask_alipay.signer import Rsa2Signer, Signer, sign_content

from ..conftest import Keys
from .conftest import OpenShop
from .shop import (
    LOST,
    NOT_THERE,
    QUERY,
    TRANSFER,
    Notification,
    PayingShop,
    TransferringAlipay,
    db,
    rejection,
)

CONTENT = {
    "out_biz_no": "T1",
    "order_id": "20260131110070000006210024965252",
    "status": "SUCCESS",
    "trans_amount": "8.88",
    "pay_date": "2026-01-31 12:00:00",
    "product_code": "TRANS_ACCOUNT_NO_PWD",
    "biz_scene": "DIRECT_TRANSFER",
    "origin_interface": "alipay.fund.trans.uni.transfer",
    "action_type": "FINISH",
}


def message(notify_id: str = "n1", **changes: Any) -> dict[str, str]:
    """Return the parameters of a message, unsigned."""
    content = {name: value for name, value in {**CONTENT, **changes}.items() if value is not None}
    return {
        "app_id": "9021000000000001",
        "charset": "UTF-8",
        "version": "1.1",
        "utc_timestamp": str(int(time.time() * 1000)),
        "msg_method": "alipay.fund.trans.order.changed",
        "notify_id": notify_id,
        "biz_content": json.dumps(content, ensure_ascii=False),
    }


def notify(shop: PayingShop, params: dict[str, str], signer: Signer | None = None) -> str:
    """Deliver a message, and return the response."""
    signer = signer or shop.merchant.signer
    sign = signer.sign(sign_content(params))
    body = urlencode({**params, "sign": sign, "sign_type": "RSA2"})
    response = shop.app.test_client().post(
        "/alipay/notify", data=body, content_type="application/x-www-form-urlencoded"
    )
    return response.text


def settle(shop: PayingShop, report: TransferReport) -> tuple[str, tuple[str, ...]]:
    """Settle a response."""
    with shop.app.app_context():
        settled = shop.alipay.merchant.transfers().settle_transfer(report)
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
    assert notify(pending, message()) == "success"
    assert notify(pending, message()) == "success"
    assert notify(pending, message("n2")) == "success"
    assert pending.row.status == "SUCCESS"
    assert pending.row.order_id == CONTENT["order_id"]
    assert pending.bonuses() == [("transferred", "T1")]
    assert pending.journal()[-3:] == ["settled", "duplicate", "recorded"]


def test_a_message_and_a_query_settle_a_transfer_once(
    pending: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.transfers["T1"]["status"] = "SUCCESS"
    order_id = alipay.transfers["T1"]["order_id"]
    with pending.app.app_context():
        pending.alipay.query_transfer(pending.row)
    assert notify(pending, message(order_id=order_id)) == "success"
    assert pending.bonuses() == [("transferred", "T1")]


def test_concurrent_messages_settle_a_transfer_once(pending: PayingShop) -> None:
    responses: list[str] = []

    def deliver(number: int) -> None:
        responses.append(notify(pending, message(f"n{number % 3}")))

    threads = [threading.Thread(target=deliver, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while "fail" in responses:  # Alipay retries
        responses = [notify(pending, message("n0"))]
    assert pending.bonuses() == [("transferred", "T1")]


def test_a_message_of_a_failure_is_completed_with_the_reason(
    pending: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.transfers["T1"]["status"] = "FAIL"
    order_id = alipay.transfers["T1"]["order_id"]
    assert notify(pending, message(status="FAIL", order_id=order_id)) == "success"
    row = pending.row
    assert (row.status, row.error_code, row.fail_reason) == ("FAIL", "CARD_BIN_ERROR", "卡号有误")
    assert pending.bonuses() == [("transfer_failed", "T1")]


@pytest.mark.parametrize("status", ["FAIL", "CLOSED", "REFUND"])
@pytest.mark.parametrize("query", [LOST, NOT_THERE, rejection("SYSTEM_ERROR")])
def test_a_failure_that_no_query_confirms_is_rejected(
    pending: PayingShop, alipay: TransferringAlipay, query: Any, status: str
) -> None:
    alipay.script[QUERY] = [query]
    assert_rejected(pending, message(status=status))


def test_a_failure_of_an_earlier_attempt_settles_what_the_query_finds(
    pending: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.transfers["T1"]["status"] = "SUCCESS"
    assert notify(pending, message(status="FAIL", pay_date=None)) == "success"
    row = pending.row
    assert (row.status, row.order_id) == ("SUCCESS", alipay.transfers["T1"]["order_id"])
    assert row.transferred_at.isoformat() == "2026-01-31T04:00:00+00:00"
    assert pending.bonuses() == [("transferred", "T1")]


def test_a_failure_of_an_earlier_attempt_leaves_a_pending_transfer(
    pending: PayingShop, alipay: TransferringAlipay
) -> None:
    assert notify(pending, message(status="FAIL")) == "success"
    assert pending.row.status == "DEALING"
    assert pending.called == []


def test_a_failure_is_rejected_if_the_query_finds_another_amount(
    pending: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.transfers["T1"]["status"] = "SUCCESS"
    alipay.transfers["T1"]["content"]["trans_amount"] = "9.99"
    assert_rejected(pending, message(status="FAIL"))


def test_returned_money_that_the_query_does_not_show_yet_is_rejected(
    pending: PayingShop, alipay: TransferringAlipay
) -> None:
    alipay.transfers["T1"]["status"] = "SUCCESS"
    order_id = alipay.transfers["T1"]["order_id"]
    assert notify(pending, message(order_id=order_id)) == "success"
    assert_rejected(pending, message("n2", status="REFUND", order_id=order_id))
    alipay.transfers["T1"]["status"] = "REFUND"
    assert notify(pending, message("n2", status="REFUND", order_id=order_id)) == "success"
    assert pending.row.status == "REFUND"


def test_money_that_the_bank_returns_fails_a_finished_transfer(
    pending: PayingShop, alipay: TransferringAlipay
) -> None:
    order_id = alipay.transfers["T1"]["order_id"]
    assert notify(pending, message(order_id=order_id)) == "success"
    alipay.transfers["T1"]["status"] = "REFUND"
    assert notify(pending, message("n2", status="REFUND", order_id=order_id)) == "success"
    assert pending.row.status == "REFUND"
    assert pending.bonuses() == [("transferred", "T1"), ("transfer_failed", "T1")]
    assert notify(pending, message("n3", order_id=order_id)) == "success"
    assert pending.row.status == "REFUND"


def test_a_callback_that_raises_has_alipay_retry(pending: PayingShop) -> None:
    pending.refusal = RuntimeError("no")
    assert notify(pending, message()) == "fail"
    assert pending.row.status == "DEALING"
    assert pending.bonuses() == []
    pending.refusal = None
    assert notify(pending, message()) == "success"
    assert pending.bonuses() == [("transferred", "T1")]


def assert_rejected(shop: PayingShop, params: dict[str, str], signer: Signer | None = None) -> None:
    """Check the response, the unchanged ledger, and that no callback ran."""
    before, called = shop.contents(), [*shop.called]
    assert notify(shop, params, signer) == "fail"
    assert shop.contents() == before
    assert shop.called == called


@pytest.mark.parametrize(
    "changes",
    [
        {"trans_amount": "9.99"},
        {"trans_amount": None},
        {"status": "PAID"},
        {"out_biz_no": None},
    ],
)
def test_a_message_that_contradicts_the_ledger_is_rejected(
    pending: PayingShop, changes: dict[str, Any]
) -> None:
    assert_rejected(pending, message(**changes))


def test_another_order_of_alipays_is_rejected(pending: PayingShop) -> None:
    assert notify(pending, message(status="DEALING")) == "success"
    assert_rejected(pending, message("n2", order_id="20260131110070000006210099999999"))


def test_a_forged_message_is_rejected(pending: PayingShop, keys: Keys) -> None:
    assert_rejected(pending, message(), Rsa2Signer(keys.merchant))


def test_a_message_for_another_application_is_rejected(pending: PayingShop) -> None:
    assert_rejected(pending, {**message(), "app_id": "9021000000000009"})


THIRD_PARTY = {"APP_AUTH_TOKEN": "202601BBtokenA", "AUTH_APP_ID": "2021000000000001"}
OTHER, OWN = {"auth_app_id": "2021999999999999"}, {"auth_app_id": "2021000000000001"}


def waiting(open_shop: OpenShop, url: str | None = None, **settings: str) -> PayingShop:
    """Return a shop with a transfer whose result is unknown; Alipay does not have it."""
    shop = open_shop(url, **settings)
    shop.at_alipay.script = {TRANSFER: [LOST], QUERY: [LOST]}
    with pytest.raises(OutcomeUnknown):
        shop.pay()
    return shop


@pytest.mark.parametrize("settings", [THIRD_PARTY, {}])
@pytest.mark.parametrize("status", ["SUCCESS", "FAIL", "DEALING"])
def test_a_message_about_another_merchants_transfer_is_recorded(
    open_shop: OpenShop, database_url: str, settings: dict[str, str], status: str
) -> None:
    shop = waiting(open_shop, database_url, **settings)
    before = shop.contents()
    assert notify(shop, {**message(status=status), **OTHER}) == "success"
    assert shop.contents() == before
    assert shop.called == []
    assert shop.journal() == ["recorded"]


def test_a_message_about_another_merchants_transfer_is_recorded_in_replays(
    open_shop: OpenShop,
) -> None:
    shop = waiting(open_shop, **THIRD_PARTY)
    before = shop.contents()
    params = {**message(), **OTHER}
    sign = shop.merchant.signer.sign(sign_content(params))
    with shop.app.app_context():
        for dry_run in (True, False):
            found = shop.alipay.replay({**params, "sign": sign}, dry_run=dry_run)
            assert found.outcome == "recorded"
    assert shop.contents() == before
    assert shop.called == []


def test_a_message_that_names_the_merchant_settles_the_transfer(open_shop: OpenShop) -> None:
    shop = waiting(open_shop, **THIRD_PARTY)
    assert notify(shop, {**message(), **OWN}) == "success"
    assert shop.bonuses() == [("transferred", "T1")]
    assert shop.at_alipay.methods == [TRANSFER, QUERY]


@pytest.mark.parametrize("token_only", [True, False])
@pytest.mark.parametrize("status", ["SUCCESS", "DEALING"])
def test_a_message_that_names_no_merchant_is_rejected_without_a_transfer_at_alipay(
    open_shop: OpenShop, database_url: str, status: str, token_only: bool
) -> None:
    settings = {"APP_AUTH_TOKEN": THIRD_PARTY["APP_AUTH_TOKEN"]} if token_only else THIRD_PARTY
    assert_rejected(waiting(open_shop, database_url, **settings), message(status=status))


def test_a_message_that_names_no_merchant_settles_what_the_query_finds(
    open_shop: OpenShop,
) -> None:
    shop = waiting(open_shop, **THIRD_PARTY)
    shop.at_alipay.perform(TRANSFER, shop.row.content)
    assert notify(shop, message()) == "success"
    assert shop.row.order_id == shop.at_alipay.transfers["T1"]["order_id"]
    assert shop.bonuses() == [("transferred", "T1")]


def test_a_transfer_of_other_software_is_recorded(pending: PayingShop) -> None:
    before = pending.contents()
    assert notify(pending, message(out_biz_no="T2")) == "success"
    assert pending.contents() == before
    assert pending.called == []
    assert pending.journal()[-1] == "recorded"


def test_a_message_is_settled_without_a_journal(
    small_shop: PayingShop,
) -> None:
    small_shop.at_alipay.status = "DEALING"
    small_shop.pay()
    small_shop.change(order_id=None)
    with small_shop.app.app_context():
        merchant = small_shop.alipay.merchant
        object.__setattr__(merchant, "models", merchant.models._replace(Notification=None))
    for number in ("n1", "n1", "n2"):
        assert notify(small_shop, message(number)) == "success"
    assert small_shop.bonuses() == [("transferred", "T1")]


def test_a_response_about_another_amount_is_a_mismatch(pending: PayingShop) -> None:
    before = pending.contents()
    with pytest.raises(PaymentMismatch) as caught:
        settle(pending, TransferReport("T1", "SUCCESS", 999))
    assert caught.value.out_biz_no == "T1"
    assert pending.contents() == before
    assert pending.called == []


def test_a_response_about_an_unknown_transfer_is_rejected(pending: PayingShop) -> None:
    before = pending.contents()
    with pytest.raises(UnknownPayment):
        settle(pending, TransferReport("T2", "SUCCESS", 888))
    assert pending.contents() == before
    assert pending.called == []


def test_an_order_that_waits_for_the_payer_is_on_its_way() -> None:
    content = {**CONTENT, "status": "WAIT_PAY"}
    assert TransferReport.from_message(content, {}, "n1").status == "DEALING"


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
