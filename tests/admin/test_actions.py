"""Actions of operators on payments, from the page to the ledger."""

from __future__ import annotations

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any

import pytest
from werkzeug.test import TestResponse

from flask_alipay.protocol.trade_status import TradeStatus

from .conftest import OpenShop
from .shop import OPERATOR, Shop, form_of


def test_a_query_settles_a_sale_whose_notification_was_lost(deaf_shop: Shop) -> None:
    number = deaf_shop.order()
    deaf_shop.pay(number)
    assert not deaf_shop.payment(number).paid
    page = deaf_shop.act(f"payments/{number}/query")
    assert "The ledger is updated: Payment received." in page
    assert deaf_shop.payment(number).trade_status == TradeStatus.TRADE_SUCCESS
    assert deaf_shop.called == [("paid", number)]


def test_a_query_without_changes_leaves_the_ledger_unchanged(shop: Shop) -> None:
    number = shop.sold()
    before, called = shop.ledger(), list(shop.called)
    page = shop.act(f"payments/{number}/query")
    assert "Alipay reports TRADE_SUCCESS. The ledger is unchanged: Payment received." in page
    assert (shop.ledger(), shop.called) == (before, called)


def test_a_query_about_a_payment_without_a_trade_is_explained(shop: Shop) -> None:
    page = shop.act(f"payments/{shop.order()}/query")
    assert "the buyer has not begun to pay" in page


def test_a_sale_that_alipay_does_not_have_is_reported_as_an_error(shop: Shop) -> None:
    shop.add(shop.row("elsewhere1", trade_status=TradeStatus.TRADE_SUCCESS, paid=True))
    page = shop.act("payments/elsewhere1/query")
    assert "alert-danger" in page
    assert "Was it paid at another gateway" in page


def test_an_unpaid_payment_is_closed(shop: Shop) -> None:
    number = shop.order()
    page = shop.act(f"payments/{number}/close")
    assert "The ledger is updated: Closed, not paid." in page
    assert shop.payment(number).trade_status == TradeStatus.TRADE_CLOSED
    assert shop.called == [("failed", number)]


def test_a_payment_that_the_buyer_has_just_paid_is_settled_instead_of_closed(
    deaf_shop: Shop,
) -> None:
    number = deaf_shop.order()
    deaf_shop.pay(number)
    page = deaf_shop.act(f"payments/{number}/close")
    assert "The buyer has just paid" in page
    assert deaf_shop.payment(number).paid
    assert deaf_shop.called == [("paid", number)]


def test_a_paid_payment_cannot_be_closed(shop: Shop) -> None:
    number = shop.sold()
    before, called = shop.ledger(), list(shop.called)
    response = shop.client.post(f"/admin/alipay/payments/{number}/close")
    assert response.status_code == 303
    assert "Only an unpaid payment can be closed." in shop.get(f"payments/{number}").text
    assert (shop.ledger(), shop.called) == (before, called)


def test_a_part_is_refunded_with_a_reason(shop: Shop) -> None:
    number = shop.sold()
    response = shop.refund(number, "10.00", "one bag was torn")
    page = shop.client.get(response.location).text
    assert "¥10.00: Refund succeeded." in page
    (refund,) = shop.rows(shop.Refund)
    assert (refund.refund_fen, refund.reason, refund.status) == (
        1000,
        "one bag was torn",
        "REFUND_SUCCESS",
    )
    assert shop.payment(number).refunded_fen == 1000
    assert shop.called[-1] == ("refunded", number)


def test_a_refund_of_all_that_is_left_is_offered_first(shop: Shop) -> None:
    number = shop.sold()
    shop.refund(number, "10.00")
    fields = form_of(shop.get(f"payments/{number}/refund").text)
    assert fields["amount"] == "78.88"
    shop.refund(number, fields["amount"])
    assert shop.payment(number).refunded_fen == 8888
    assert "Refunded in full" in shop.get(f"payments/{number}").text


def test_a_refund_that_is_submitted_twice_is_executed_once(shop: Shop) -> None:
    number = shop.sold()
    requested = shop.post(f"payments/{number}/refund", {"amount": "10.00"})
    fields = form_of(requested.text)
    assert [shop.confirm(number, fields).status_code for _ in range(2)] == [303, 303]
    page = shop.get(f"payments/{number}").text
    assert "has succeeded already; nothing was refunded twice" in page
    assert [refund.refund_fen for refund in shop.rows(shop.Refund)] == [1000]
    assert shop.payment(number).refunded_fen == 1000
    assert shop.called.count(("refunded", number)) == 1


def test_a_double_click_on_a_refund_refunds_once(shop: Shop) -> None:
    number = shop.sold()
    fields = form_of(shop.post(f"payments/{number}/refund", {"amount": "10.00"}).text)
    cookie = shop.client.get_cookie("session").value

    def click(_number: int) -> int:
        browser = shop.app.test_client()
        browser.set_cookie("session", cookie)
        url = f"/admin/alipay/payments/{number}/refund"
        return int(browser.post(url, data=fields).status_code)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(click, range(4))) == {303}
    assert [refund.refund_fen for refund in shop.rows(shop.Refund)] == [1000]
    assert shop.payment(number).refunded_fen == 1000
    assert shop.called.count(("refunded", number)) == 1


def test_a_second_refund_of_the_same_amount_has_to_be_ticked(shop: Shop) -> None:
    number = shop.sold()
    shop.refund(number, "10.00")
    requested = shop.post(f"payments/{number}/refund", {"amount": "10.00"})
    assert "was refunded within the last day" in requested.text
    before = shop.ledger()
    rejected = shop.confirm(number, form_of(requested.text))
    assert rejected.status_code == 400
    assert "Please tick the box to confirm." in rejected.text
    assert shop.ledger() == before
    assert shop.called.count(("refunded", number)) == 1
    shop.confirm(number, {**form_of(requested.text), "tick": "yes"})
    assert shop.payment(number).refunded_fen == 2000


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"amount": "88.89"}, "At most ¥88.88 can be refunded."),
        ({"amount": "0"}, "Please write an amount like 88.88."),
        ({"amount": "-1"}, "Please write an amount like 88.88."),
        ({"amount": "1e1"}, "Please write an amount like 88.88."),
        ({"amount": "10.001"}, "Please write an amount like 88.88."),
        ({"amount": ""}, "Please write an amount like 88.88."),
        ({"reason": "x" * 257}, "The reason is too long"),
        ({"number": "a b"}, "number is damaged"),
        ({"number": "x" * 65}, "number is damaged"),
        ({"number": "\0"}, "number is damaged"),
    ],
)
@pytest.mark.parametrize("confirmed", [{}, {"confirmed": "yes"}], ids=["first", "confirmed"])
def test_a_refund_that_is_not_possible_is_rejected(
    shop: Shop, form: dict[str, str], text: str, confirmed: dict[str, str]
) -> None:
    number = shop.sold()
    before, called = shop.ledger(), list(shop.called)
    response = shop.post(f"payments/{number}/refund", {**form, **confirmed})
    assert response.status_code == 400
    assert text in response.text.replace("&#39;", "'")
    assert (shop.ledger(), shop.called) == (before, called)
    assert shop.actions() == []


def test_an_unpaid_payment_is_not_refunded(shop: Shop) -> None:
    number = shop.order()
    before = shop.ledger()
    response = shop.client.post(
        f"/admin/alipay/payments/{number}/refund", data={"amount": "1", "confirmed": "yes"}
    )
    assert response.status_code == 303
    assert "Only a paid payment" in shop.get(f"payments/{number}").text
    assert (shop.ledger(), shop.called) == (before, [])


def test_a_refund_whose_result_is_unknown_is_retried_under_its_number(shop: Shop) -> None:
    number = shop.sold()
    with shop.app.app_context():
        row = shop.Refund(
            merchant=shop.merchant,
            out_trade_no=number,
            out_request_no="r1",
            refund_fen=500,
            status="REFUND_PROCESSING",
        )
        shop.db.session.add(row)
        shop.db.session.commit()
    assert "Retry the refund" in shop.get(f"payments/{number}").text
    form = form_of(shop.get(f"payments/{number}/refund?number=r1").text)
    assert (form["number"], form["amount"]) == ("r1", "5.00")
    # The amount is that of the refund, whatever a form says.
    requested = shop.client.post(
        f"/admin/alipay/payments/{number}/refund", data={**form, "amount": "80.00"}
    )
    shop.confirm(number, form_of(requested.text))
    assert [(one.out_request_no, one.status) for one in shop.rows(shop.Refund)] == [
        ("r1", "REFUND_SUCCESS")
    ]
    assert shop.payment(number).refunded_fen == 500


def test_a_notification_whose_callback_failed_is_replayed(shop: Shop) -> None:
    number, broken = shop.order(), [True]

    @shop.alipay.on_paid
    def ship(payment: Any) -> None:
        if broken:
            raise RuntimeError("out of labels")

    shop.pay(number)
    assert not shop.payment(number).paid
    (row,) = shop.rows(shop.Notification)
    assert row.outcome == "callback_failed"
    assert f"payments/{number}/replay/{row.id}" in shop.get(f"payments/{number}").text
    broken.clear()
    requested = shop.get(f"payments/{number}/replay/{row.id}").text
    assert "It would be: settled (paid)" in requested
    page = shop.act(f"payments/{number}/replay/{row.id}")
    assert "The notification is: settled (paid)." in page
    assert shop.payment(number).paid
    assert shop.called.count(("paid", number)) == 2  # the first time it was rolled back


def test_a_notification_that_is_replayed_twice_settles_once(shop: Shop) -> None:
    number = shop.sold()
    row = shop.rows(shop.Notification)[0]
    page = shop.act(f"payments/{number}/replay/{row.id}")
    assert "The notification is: duplicate." in page
    assert shop.called == [("paid", number)]


def test_a_notification_that_was_changed_in_the_journal_is_not_replayed(shop: Shop) -> None:
    number = shop.sold()
    with shop.app.app_context():
        row = shop.db.session.get(shop.Notification, 1)
        row.payload = {**row.payload, "total_amount": "0.01"}
        shop.db.session.commit()
    before, called = shop.ledger(), list(shop.called)
    response = shop.get(f"payments/{number}/replay/1")
    assert response.status_code == 303
    assert "does not verify" in shop.get(f"payments/{number}").text
    assert (shop.ledger(), shop.called) == (before, called)


def test_a_notification_is_replayed_for_its_own_payment_alone(shop: Shop) -> None:
    first, other = shop.sold(), shop.sold()
    row = shop.rows(shop.Notification)[0]
    assert row.out_trade_no == first
    assert shop.get(f"payments/{other}/replay/{row.id}").status_code == 404


def test_other_rows_than_notifications_are_not_replayed(deaf_shop: Shop) -> None:
    number = deaf_shop.order()
    deaf_shop.pay(number)
    deaf_shop.act(f"payments/{number}/query")
    ids = [row.id for row in deaf_shop.rows(deaf_shop.Notification)]
    assert len(ids) == 3  # the operator's two, and the response between them
    codes = {deaf_shop.get(f"payments/{number}/replay/{i}").status_code for i in ids}
    assert codes == {404}


def test_reconciliation_settles_what_was_lost(deaf_shop: Shop) -> None:
    number = deaf_shop.order()
    deaf_shop.pay(number)
    with deaf_shop.app.app_context():
        payment = deaf_shop.alipay.ledger().find(number)
        payment.created_at = payment.created_at.replace(year=2026, month=1, day=1)
        deaf_shop.db.session.commit()
    page = deaf_shop.act("takings/reconcile")
    assert "1 queried: 1 paid" in page
    assert deaf_shop.called == [("paid", number)]
    assert "Recent reconciliation" in page
    assert f"payments/{number}" in page
    assert deaf_shop.actions() == [
        "reconcile by alice",
        "reconcile by alice: 1 queried, 1 paid, 0 failed · done",
    ]


@pytest.mark.parametrize("action", ["query", "close", "refund"])
def test_an_action_without_the_forms_token_is_rejected(shop: Shop, action: str) -> None:
    number = shop.sold() if action == "refund" else shop.order()
    before, called = shop.ledger(), list(shop.called)
    form = {"amount": "10.00", "confirmed": "yes"}
    response = shop.client.post(f"/admin/alipay/payments/{number}/{action}", data=form)
    assert response.status_code == 400
    assert "too old or comes from another page" in response.text
    assert (shop.ledger(), shop.called) == (before, called)
    assert shop.actions() == []


def test_a_token_of_another_session_is_rejected(shop: Shop) -> None:
    number = shop.order()
    form = form_of(shop.get(f"payments/{number}/close").text)
    thief = shop.app.test_client()
    before = shop.ledger()
    response = thief.post(f"/admin/alipay/payments/{number}/close", data=form)
    assert response.status_code == 400
    assert (shop.ledger(), shop.called) == (before, [])


def test_reconciliation_without_the_forms_token_is_rejected(shop: Shop) -> None:
    assert shop.client.post("/admin/alipay/takings/reconcile").status_code == 400
    assert shop.actions() == []


@pytest.mark.parametrize("action", ["query", "close", "refund", "replay/1"])
def test_opening_a_confirmation_changes_nothing(shop: Shop, action: str) -> None:
    number = shop.order() if action == "close" else shop.sold()
    before, called, journal = shop.ledger(), list(shop.called), len(shop.rows(shop.Notification))
    assert shop.get(f"payments/{number}/{action}").status_code == 200
    assert (shop.ledger(), shop.called) == (before, called)
    assert len(shop.rows(shop.Notification)) == journal


def test_an_action_is_recorded_with_its_operator(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    number = shop.sold()
    with caplog.at_level(logging.INFO, "flask_alipay"):
        shop.refund(number, "10.00", "torn")
    begun, done = shop.actions()
    assert begun.startswith(f"refund by {OPERATOR}: ¥10.00 · ")
    assert begun.endswith("torn")
    assert done == f"{begun} · done"
    assert f"operator {OPERATOR}: refund of {number}" in caplog.text
    page = shop.get(f"payments/{number}").text
    assert f"Operator {OPERATOR}" in page


def test_a_failed_action_is_recorded_as_failed(open_shop: OpenShop) -> None:
    shop = open_shop(config={"ALIPAY_SIMULATOR": None, **_UNREACHABLE})
    number = shop.order()
    page = shop.act(f"payments/{number}/query")
    assert "No response from Alipay: the result is unknown." in page
    assert shop.actions() == [
        f"query by {OPERATOR}",
        f"query by {OPERATOR}: OutcomeUnknown",
    ]
    assert shop.payment(number).trade_status == TradeStatus.WAIT_BUYER_PAY


_UNREACHABLE = {
    "SERVER_NAME": "localhost",
    "ALIPAY_PARTNER": "2088123456789012",
    "ALIPAY_KEY": "0123456789abcdef0123456789abcdef",
    "ALIPAY_SELLER_EMAIL": "shop@example.com",
    "ALIPAY_GATEWAY_URL": "http://127.0.0.1:9/gateway.do",
}


def test_an_operator_whose_name_is_hostile_is_recorded_in_one_line(open_shop: OpenShop) -> None:
    shop = open_shop(operator=lambda: "eve\n<script>" + "x" * 200)
    number = shop.order()
    shop.act(f"payments/{number}/query")
    assert all("\n" not in action for action in shop.actions())
    assert "<script>" not in shop.get(f"payments/{number}").text


def test_a_shop_with_csrf_protection_of_its_own_is_served(open_shop: OpenShop) -> None:
    from flask_wtf.csrf import CSRFProtect

    shop = open_shop()
    CSRFProtect(shop.app)
    number = shop.order()
    shop.act(f"payments/{number}/close")
    assert shop.payment(number).trade_status == TradeStatus.TRADE_CLOSED
    form = form_of(shop.get(f"payments/{number}/query").text)
    del form["alipay_csrf_token"]
    assert shop.client.post(f"/admin/alipay/payments/{number}/query", data=form).status_code == 400


def test_a_legacy_refund_is_accepted_and_reported_later(open_shop: OpenShop) -> None:
    shop = open_shop(config={"ALIPAY_PROTOCOL": "mapi"})
    number = shop.sold()
    response = shop.refund(number, "10.00", "torn")
    assert response.status_code == 303
    (refund,) = shop.rows(shop.Refund)
    assert refund.refund_fen == 1000
    assert refund.status in ("REFUND_PROCESSING", "REFUND_SUCCESS")


def password_refund(shop: Shop, number: str, amount: str, reason: str) -> TestResponse:
    """Fill in and confirm a refund with a password."""
    path = f"payments/{number}/refund-with-password"
    requested = shop.post(path, {"amount": amount, "reason": reason})
    if requested.status_code != 200:
        return requested
    return shop.client.post(f"/admin/alipay/{path}", data=form_of(requested.text))


def alipays_page(page: str) -> str:
    """Return the link to Alipay's page."""
    found = re.search(r'href="([^"]+)" target="_blank" rel="noopener noreferrer"', page)
    assert found is not None, page
    return unescape(found[1])


def test_a_refund_with_password_is_recorded_before_alipays_page_opens(
    open_shop: OpenShop,
) -> None:
    shop = open_shop(config={"ALIPAY_PROTOCOL": "mapi"})
    number = shop.sold()
    assert f"{number}/refund-with-password" in shop.get(f"payments/{number}").text
    answer = password_refund(shop, number, "10.00", "torn")
    assert answer.status_code == 200
    (refund,) = shop.rows(shop.Refund)
    assert (refund.refund_fen, refund.status, refund.reason) == (1000, "REFUND_PROCESSING", "torn")
    assert shop.payment(number).refunded_fen == 0
    record = f"refund_with_password by alice: ¥10.00 · {refund.out_request_no} · torn"
    assert shop.actions() == [record, f"{record} · at_alipay"]
    assert "to be confirmed on Alipay" in shop.get(f"payments/{number}").text

    merchant = shop.app.test_client()
    page = merchant.get(alipays_page(answer.text), follow_redirects=True)
    assert page.status_code == 200
    assert merchant.post(f"{page.request.path}/confirm").status_code in (200, 303)
    assert shop.payment(number).refunded_fen == 1000
    assert shop.called == [("paid", number), ("refunded", number)]
    assert [row.status for row in shop.rows(shop.Refund)] == ["REFUND_SUCCESS"]


def test_a_refund_with_password_that_is_submitted_twice_is_one_refund(
    open_shop: OpenShop,
) -> None:
    shop = open_shop(config={"ALIPAY_PROTOCOL": "mapi"})
    number = shop.sold()
    path = f"payments/{number}/refund-with-password"
    fields = form_of(shop.post(path, {"amount": "10.00", "reason": "torn"}).text)
    pages = [shop.client.post(f"/admin/alipay/{path}", data=fields) for _ in range(2)]
    assert [page.status_code for page in pages] == [200, 200]
    (refund,) = shop.rows(shop.Refund)
    assert all(refund.out_request_no in alipays_page(page.text) for page in pages)
    # It is opened again from the history, too.
    again = re.search(
        r'href="([^"]+refund-with-password[?][^"]+)"', shop.get(f"payments/{number}").text
    )
    assert again is not None
    form = form_of(shop.client.get(unescape(again[1])).text)
    assert (form["number"], form["amount"], form["reason"]) == (
        refund.out_request_no,
        "10.00",
        "torn",
    )


@pytest.mark.parametrize(
    ("amount", "reason", "message"),
    [("10.00", "", "Please write a reason."), ("88.89", "torn", "At most ¥88.88")],
)
def test_a_refund_with_password_that_is_not_possible_is_rejected(
    open_shop: OpenShop, amount: str, reason: str, message: str
) -> None:
    shop = open_shop(config={"ALIPAY_PROTOCOL": "mapi"})
    number = shop.sold()
    before, called = shop.ledger(), shop.called[:]
    answer = password_refund(shop, number, amount, reason)
    assert answer.status_code == 400
    assert message in answer.text
    assert (shop.ledger(), shop.called, shop.actions()) == (before, called, [])


def test_a_reason_that_the_batch_cannot_hold_is_explained(open_shop: OpenShop) -> None:
    shop = open_shop(config={"ALIPAY_PROTOCOL": "mapi"})
    number = shop.sold()
    before, called = shop.ledger(), shop.called[:]
    answer = password_refund(shop, number, "10.00", "a^b")
    assert answer.status_code == 303
    assert "Not done." in shop.client.get(answer.location).text
    assert (shop.ledger(), shop.called) == (before, called)


def test_a_refund_with_password_without_the_forms_token_is_rejected(open_shop: OpenShop) -> None:
    shop = open_shop(config={"ALIPAY_PROTOCOL": "mapi"})
    number = shop.sold()
    before, called = shop.ledger(), shop.called[:]
    path = f"/admin/alipay/payments/{number}/refund-with-password"
    fields = {"number": "20261130123", "amount": "1.00", "reason": "x", "confirmed": "yes"}
    answer = shop.client.post(path, data=fields)
    assert answer.status_code == 400
    assert (shop.ledger(), shop.called) == (before, called)


def test_an_operator_without_permission_refunds_nothing_with_password(open_shop: OpenShop) -> None:
    shop = open_shop(config={"ALIPAY_PROTOCOL": "mapi"}, can_edit=False)
    number = shop.sold()
    before, called = shop.ledger(), shop.called[:]
    assert shop.get(f"payments/{number}/refund-with-password").status_code == 403
    assert (
        shop.client.post(f"/admin/alipay/payments/{number}/refund-with-password").status_code == 403
    )
    assert "refund-with-password" not in shop.get(f"payments/{number}").text
    assert (shop.ledger(), shop.called) == (before, called)


def test_the_open_platform_has_no_refund_with_password(shop: Shop) -> None:
    number = shop.sold()
    assert "refund-with-password" not in shop.get(f"payments/{number}").text
    assert shop.get(f"payments/{number}/refund-with-password").status_code == 404
