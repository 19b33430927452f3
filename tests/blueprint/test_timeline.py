"""A payment records when it was sent to Alipay, and each query about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import with_loader_criteria

from flask_alipay.exceptions import GatewayError, OutcomeUnknown
from flask_alipay.ledger.annotations import query_groups
from flask_alipay.models import utc_now

from ..doubles.gateways import NOT_THERE, Alipay, done, legacy_trade, no, trade
from ..doubles.merchant import Merchant, on_each_gateway
from ..doubles.shop import Payment, Shop, db
from .conftest import OpenShop

WAITING = trade("WAIT_BUYER_PAY")


@pytest.fixture
def alipay(shop: Shop, merchant: Merchant) -> Alipay:
    """Responds to the shop's queries."""
    played = Alipay(merchant, query=WAITING, notify_verify=b"true")
    with shop.app.app_context():
        shop.alipay.gateway._transport = played
    return played


def queried(shop: Shop, number: str) -> list[tuple[str, int]]:
    return [(group.result, group.times) for group in query_groups(shop.payment(number))]


def query(shop: Shop, number: str) -> None:
    with shop.app.app_context():
        shop.alipay.query(shop.alipay.ledger().find(number))


@on_each_gateway
def test_the_redirect_to_alipay_is_recorded(shop: Shop) -> None:
    number = shop.order()
    assert shop.look("checkout", number).status_code == 200
    assert shop.payment(number).sent_at is None
    before = utc_now()
    assert shop.look("pay", number).status_code == 303
    sent = shop.payment(number).sent_at
    assert before <= sent <= utc_now()
    shop.look("pay", number)
    assert shop.payment(number).sent_at == sent


def test_a_form_that_submits_itself_is_recorded(open_shop: OpenShop, merchant: Merchant) -> None:
    shop = open_shop({**merchant.settings, "MAX_URL_LENGTH": 10})
    number = shop.order()
    answer = shop.look("pay", number)
    assert answer.status_code == 200
    assert number in answer.text
    assert shop.payment(number).sent_at is not None


def test_a_payment_that_is_not_sent_is_not_recorded(shop: Shop) -> None:
    number = shop.order()
    url = shop.url("pay", number)
    shop.change(number, trade_status="TRADE_CLOSED")
    assert shop.client.get(url).status_code == 303
    assert shop.payment(number).sent_at is None


def test_the_buyer_is_redirected_although_nothing_can_be_recorded(
    shop: Shop, log: Callable[[], list[Any]]
) -> None:
    number = shop.order()
    with shop.app.app_context():
        db.session.execute(
            text(
                "CREATE TRIGGER no_writing BEFORE UPDATE ON alipay_payment "
                "BEGIN SELECT RAISE(ABORT, 'read-only'); END"
            )
        )
        db.session.commit()
    before = shop.ledger()
    answer = shop.look("pay", number)
    assert answer.status_code == 303
    assert "alipay" in answer.location
    assert shop.ledger() == before
    assert [record.getMessage() for record in log()] == [
        f"sent_at of {number} was not recorded (IntegrityError)"
    ]


def test_the_record_costs_one_update_the_first_time_and_nothing_later(shop: Shop) -> None:
    number, statements = shop.order(), []
    url = shop.url("pay", number)
    with shop.app.app_context():
        engine = db.engine

    def note(*args: Any) -> None:
        statements.append(str(args[2]).split()[0])

    event.listen(engine, "before_cursor_execute", note)
    try:
        shop.client.get(url)
        first = statements[:]
        statements.clear()
        shop.client.get(url)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert first.count("UPDATE") == 1
    assert len(first) <= 6
    assert statements == ["SELECT"]


def test_a_qr_code_is_recorded(shop: Shop, alipay: Alipay) -> None:
    alipay.will_respond(precreate=done(qr_code="https://qr.alipay.com/bax1"))
    number = shop.order(product="qr")
    assert shop.look("checkout", number).status_code == 200
    assert shop.payment(number).sent_at is not None


def test_an_order_string_is_recorded(shop: Shop) -> None:
    number = shop.order(product="app")
    with shop.app.test_request_context():
        payment = shop.alipay.ledger().find(number)
        assert number in shop.alipay.order_string(payment)
        fresh = shop.alipay.create_payment(subject="Tea", total_amount="1.00", product="app")
        shop.alipay.order_string(fresh)
        db.session.commit()
        later = fresh.out_trade_no
    assert shop.payment(number).sent_at is not None
    assert shop.payment(later).sent_at is not None


def test_the_signed_url_of_a_stored_payment_writes_nothing(shop: Shop) -> None:
    number = shop.order()
    with shop.app.test_request_context():
        shop.alipay.gateway_url(shop.alipay.ledger().find(number))
        assert not db.session.dirty
        payment = shop.alipay.create_payment(subject="Tea", total_amount="1.00")
        shop.alipay.gateway_url(payment)
        assert payment.sent_at is not None
        db.session.rollback()
    assert shop.payment(number).sent_at is None


@on_each_gateway
def test_each_query_without_a_result_is_recorded(
    shop: Shop, merchant: Merchant, alipay: Alipay
) -> None:
    number = shop.order()
    if merchant.protocol == "openapi":
        waiting, missing = {"query": WAITING}, {"query": NOT_THERE}
    else:
        waiting = {"single_trade_query": legacy_trade(number, "WAIT_BUYER_PAY", merchant)}
        missing = {"single_trade_query": no("TRADE_NOT_EXIST")}
    alipay.will_respond(**missing)
    query(shop, number)
    alipay.will_respond(**waiting)
    query(shop, number)
    query(shop, number)
    assert queried(shop, number) == [("TRADE_NOT_EXIST", 1), ("WAIT_BUYER_PAY", 2)]
    assert shop.journal() == []


def test_a_query_without_a_response_or_with_a_rejection_is_recorded(
    shop: Shop, alipay: Alipay
) -> None:
    number = shop.order()
    alipay.will_respond(query=OutcomeUnknown("silence"))
    with pytest.raises(OutcomeUnknown):
        query(shop, number)
    alipay.will_respond(query={"code": "40006", "sub_code": "isv.insufficient-isv-permissions"})
    with pytest.raises(GatewayError):
        query(shop, number)
    assert queried(shop, number) == [
        ("NO_RESPONSE", 1),
        ("isv.insufficient-isv-permissions", 1),
    ]


def test_a_response_that_settles_is_in_the_journal_instead(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    alipay.will_respond(query=trade("TRADE_SUCCESS"))
    query(shop, number)
    assert queried(shop, number) == []
    assert shop.journal() == ["settled"]
    query(shop, number)
    assert queried(shop, number) == [("TRADE_SUCCESS", 1)]
    assert shop.journal() == ["settled"]


def test_reconciliation_records_its_queries(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    with shop.app.app_context():
        shop.alipay.reconcile(timedelta(0))
    assert queried(shop, number) == [("WAIT_BUYER_PAY", 1)]


def test_a_payment_hidden_by_a_session_filter_is_recorded_and_redirected(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    shop = open_shop(merchant)
    number = shop.order()
    url = shop.url("pay", number)

    def hide(state: Any) -> None:
        state.statement = state.statement.options(
            with_loader_criteria(Payment, lambda cls: cls.subject == "visible")
        )

    with shop.app.app_context():
        factory = db.session.session_factory
    event.listen(factory, "do_orm_execute", hide)
    try:
        assert shop.client.get(url).status_code == 303
    finally:
        event.remove(factory, "do_orm_execute", hide)
    assert shop.payment(number).sent_at is not None
