"""Ask, close and cancel: what Alipay answers settles a payment as its notification would."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from flask_alipay.exceptions import (
    CallbackFailed,
    ConfigurationError,
    GatewayError,
    InvalidParameter,
    OutcomeUnknown,
    PaymentMismatch,
)
from flask_alipay.models import utc_now
from flask_alipay.operations import queries

from ..doubles.gateways import (
    LOST,
    NOT_THERE,
    TRADE_NO,
    Alipay,
    done,
    legacy_trade,
    no,
    refusal,
    trade,
    unsigned,
    yes,
)
from ..doubles.merchant import Merchant, on_the_legacy_gateway
from ..doubles.shop import Notification, Payment, Shop, db

WAITING = trade("WAIT_BUYER_PAY")


@pytest.fixture
def alipay(shop: Shop, merchant: Merchant) -> Alipay:
    """Provide the responses to the shop's requests."""
    played = Alipay(merchant)
    with shop.app.app_context():
        shop.alipay.gateway._transport = played
    return played


def call(shop: Shop, verb: str, number: str) -> tuple[str, bool]:
    """Call a method of the blueprint with a payment; return the payment's status afterwards."""
    with shop.app.app_context():
        payment = db.session.scalar(select(Payment).where(Payment.out_trade_no == number))
        found = getattr(shop.alipay, verb)(payment)
        assert found is payment
        return found.trade_status, found.paid


def refused(shop: Shop, verb: str, number: str, wanted: type[Exception]) -> Any:
    """Call a method that must fail: nothing changes, no callback is called."""
    before, called = shop.ledger(), [*shop.called]
    with pytest.raises(wanted) as caught:
        call(shop, verb, number)
    assert shop.ledger() == before
    assert shop.called == called
    return caught.value


def expired(shop: Shop) -> str:
    number = shop.order()
    shop.change(number, expires_at=utc_now() - timedelta(hours=1))
    return number


# Query


@pytest.mark.parametrize(
    ("response", "received"),
    [(WAITING, "WAIT_BUYER_PAY"), (NOT_THERE, None)],
    ids=["waiting", "not there"],
)
@pytest.mark.parametrize("over", [False, True], ids=["young", "expired"])
def test_a_query_returns_alipays_response_with_the_payment(
    response: Any, received: str | None, over: bool, shop: Shop, alipay: Alipay
) -> None:
    number = expired(shop) if over else shop.order()
    alipay.will_respond(query=response)
    with shop.app.app_context():
        payment = db.session.scalar(select(Payment).where(Payment.out_trade_no == number))
        answer = queries.query(shop.alipay.merchant, payment)
        assert (answer.payment, answer.trade_status) == (payment, received)


def test_a_paid_response_is_settled_once(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    alipay.will_respond(query=trade())
    assert call(shop, "query", number) == ("TRADE_SUCCESS", True)
    assert call(shop, "query", number) == ("TRADE_SUCCESS", True)
    assert shop.called == [("paid", number)]
    payment = shop.payment(number)
    assert payment.trade_no == TRADE_NO
    assert payment.paid_at.isoformat() == "2026-01-31T04:00:01+00:00"


def test_the_journal_records_the_query(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    alipay.will_respond(query=[WAITING, trade()])
    call(shop, "query", number)
    assert shop.journal() == []  # nothing new
    call(shop, "query", number)
    with shop.app.app_context():
        [row] = db.session.scalars(select(Notification))
        assert (row.outcome, row.detail, row.notify_id) == ("settled", "paid", None)
        assert row.payload["method"] == "alipay.trade.query"
        assert "PCREDIT" in row.payload["fund_bill_list"]


def test_a_notification_after_the_response_is_a_duplicate(
    shop: Shop, alipay: Alipay, merchant: Merchant
) -> None:
    number = shop.order()
    alipay.will_respond(query=trade())
    call(shop, "query", number)
    assert shop.notify(merchant.notification(number, trade_no=TRADE_NO)).data == b"success"
    assert shop.called == [("paid", number)]


def test_a_response_after_the_notification_changes_nothing(
    shop: Shop, alipay: Alipay, merchant: Merchant
) -> None:
    number = shop.order()
    alipay.will_respond(query=trade())
    alipay.before = lambda: shop.notify(merchant.notification(number, trade_no=TRADE_NO))
    assert call(shop, "query", number) == ("TRADE_SUCCESS", True)
    assert shop.called == [("paid", number)]


def test_a_young_order_that_alipay_does_not_know_waits(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    alipay.will_respond(query=NOT_THERE)
    assert call(shop, "query", number) == ("WAIT_BUYER_PAY", False)
    assert shop.called == []


def test_an_expired_order_that_alipay_does_not_know_has_failed(shop: Shop, alipay: Alipay) -> None:
    number = expired(shop)
    alipay.will_respond(query=NOT_THERE)
    assert call(shop, "query", number) == ("TRADE_CLOSED", False)
    assert call(shop, "query", number) == ("TRADE_CLOSED", False)
    assert shop.called == [("failed", number)]


def test_a_sale_in_the_meantime_is_not_closed_again(
    shop: Shop, alipay: Alipay, merchant: Merchant
) -> None:
    number = expired(shop)
    alipay.will_respond(query=NOT_THERE)
    alipay.before = lambda: shop.notify(merchant.notification(number))
    assert call(shop, "query", number) == ("TRADE_SUCCESS", True)
    assert shop.called == [("paid", number)]
    assert shop.payment(number).refunded_fen == 0


def test_an_unsigned_no_changes_nothing(shop: Shop, alipay: Alipay) -> None:
    number = expired(shop)
    alipay.will_respond(query=unsigned("alipay.trade.query", "ACQ.TRADE_NOT_EXIST"))
    assert not refused(shop, "query", number, GatewayError).signed


def test_a_missing_response_changes_nothing(shop: Shop, alipay: Alipay) -> None:
    alipay.will_respond(query=LOST, close=LOST, cancel=LOST)
    number = expired(shop)
    for verb in ("query", "close", "cancel"):
        refused(shop, verb, number, OutcomeUnknown)


def test_an_unknown_status_is_rejected(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    alipay.will_respond(query=trade("TRADE_WONDERFUL"))
    refused(shop, "query", number, OutcomeUnknown)


def test_another_amount_is_refused_and_journalled(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    alipay.will_respond(query=trade(total_amount="0.01"))
    refused(shop, "query", number, PaymentMismatch)
    assert shop.journal() == ["mismatched"]


def test_the_money_of_a_closed_trade_that_was_paid_is_gone(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    alipay.will_respond(query=[trade(), trade("TRADE_CLOSED", send_pay_date="2026-01-31 12:00:01")])
    call(shop, "query", number)
    assert call(shop, "query", number) == ("TRADE_CLOSED", True)
    assert shop.called == [("paid", number), ("refunded", number)]
    assert shop.payment(number).refunded_fen == 8888


def test_a_callback_that_raises_leaves_the_payment_for_the_next_time(
    shop: Shop, alipay: Alipay
) -> None:
    number, broken = shop.order(), [True]

    @shop.alipay.on_paid
    def ship(payment: Any) -> None:
        if broken:
            broken.clear()
            raise RuntimeError("out of boxes")

    alipay.will_respond(query=trade())
    with pytest.raises(CallbackFailed):
        call(shop, "query", number)
    assert shop.payment(number).paid is False
    assert call(shop, "query", number) == ("TRADE_SUCCESS", True)


def test_pending_changes_of_the_session_are_committed_first(shop: Shop, alipay: Alipay) -> None:
    alipay.will_respond(query=trade())
    with shop.app.app_context():
        payment = shop.alipay.create_payment(subject="茶", total_amount="88.88")
        assert shop.alipay.query(payment) is payment
        assert payment.paid


def test_nothing_is_locked_during_a_query(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    alipay.will_respond(query=trade())
    open_ones: list[bool] = []
    alipay.before = lambda: open_ones.append(db.session().in_transaction())
    call(shop, "query", number)
    assert open_ones == [False]


def test_another_merchants_payment_is_not_queried(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    shop.change(number, merchant="2021999999999999")
    for verb in ("query", "close", "cancel"):
        refused(shop, verb, number, InvalidParameter)
    assert alipay.requested == []


def test_observers_are_notified(shop: Shop, alipay: Alipay) -> None:
    number, received = shop.order(), []

    def receive(app: Any, alipay: Any, payment: Any) -> None:
        received.append(payment.out_trade_no)

    alipay.will_respond(query=trade())
    with shop.alipay.payment_paid.connected_to(receive):
        call(shop, "query", number)
    assert received == [number]


# Close


def test_a_waiting_trade_is_closed(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    alipay.will_respond(close=done())
    assert call(shop, "close", number) == ("TRADE_CLOSED", False)
    assert call(shop, "close", number) == ("TRADE_CLOSED", False)
    assert shop.called == [("failed", number)]


def test_a_trade_that_alipay_does_not_know_is_closed_here(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    alipay.will_respond(close=NOT_THERE)
    assert call(shop, "close", number) == ("TRADE_CLOSED", False)
    assert shop.called == [("failed", number)]


def test_money_after_the_close_is_a_sale(shop: Shop, alipay: Alipay, merchant: Merchant) -> None:
    number = shop.order()
    alipay.will_respond(close=NOT_THERE, query=trade())
    call(shop, "close", number)
    shop.notify(merchant.notification(number, trade_no=TRADE_NO))
    assert shop.called == [("failed", number), ("paid", number)]


def test_a_paid_trade_is_settled_instead_of_closed(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    alipay.will_respond(close=refusal("ACQ.REASON_TRADE_STATUS_INVALID"), query=trade())
    assert call(shop, "close", number) == ("TRADE_SUCCESS", True)
    assert shop.called == [("paid", number)]


def test_a_close_that_is_refused_is_an_error(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    alipay.will_respond(close=refusal("ACQ.TRADE_STATUS_ERROR"), query=WAITING)
    error = refused(shop, "close", number, GatewayError)
    assert error.sub_code == "ACQ.TRADE_STATUS_ERROR"


def test_an_unsigned_not_there_closes_nothing(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    response = {
        verb: unsigned(f"alipay.trade.{verb}", "ACQ.TRADE_NOT_EXIST")
        for verb in ("close", "cancel", "query")
    }
    alipay.will_respond(**response)
    refused(shop, "close", number, GatewayError)
    refused(shop, "cancel", number, GatewayError)


# Cancel


def test_cancel_closes_an_unpaid_trade(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    alipay.will_respond(cancel=done(action="close", retry_flag="N"))
    assert call(shop, "cancel", number) == ("TRADE_CLOSED", False)
    assert shop.called == [("failed", number)]


def test_cancel_refunds_a_paid_trade_once(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    alipay.will_respond(query=trade(), cancel=done(action="refund", retry_flag="N"))
    call(shop, "query", number)
    assert call(shop, "cancel", number) == ("TRADE_CLOSED", True)
    assert call(shop, "cancel", number) == ("TRADE_CLOSED", True)
    assert shop.called == [("paid", number), ("refunded", number)]
    assert shop.payment(number).refunded_fen == 8888


def test_cancel_of_an_unreported_payment_fails_it(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    alipay.will_respond(cancel=done(action="refund", retry_flag="N"))
    assert call(shop, "cancel", number) == ("TRADE_CLOSED", False)
    assert shop.called == [("failed", number)]


@pytest.mark.parametrize("response", [NOT_THERE, done(retry_flag="N")], ids=["unknown", "nothing"])
def test_cancel_of_a_trade_that_never_began_closes_it(
    shop: Shop, alipay: Alipay, response: Any
) -> None:
    number = shop.order()
    alipay.will_respond(cancel=response, query=NOT_THERE)
    assert call(shop, "cancel", number) == ("TRADE_CLOSED", False)
    assert shop.called == [("failed", number)]


def test_cancel_is_retried_if_alipay_requests_it(
    shop: Shop, alipay: Alipay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_alipay.gateways.openapi.payment_operations._CANCEL_INTERVAL", 0)
    number = shop.order()
    again = done(retry_flag="Y")
    alipay.will_respond(cancel=[again, again, done(action="close", retry_flag="N")])
    assert call(shop, "cancel", number) == ("TRADE_CLOSED", False)
    alipay.will_respond(cancel=again)
    other = shop.order()
    assert refused(shop, "cancel", other, OutcomeUnknown).retryable
    assert alipay.methods.count("alipay.trade.cancel") == 6


def test_a_cancel_that_comes_too_late_reports_the_sale(shop: Shop, alipay: Alipay) -> None:
    number = shop.order()
    alipay.will_respond(cancel=refusal("ACQ.TRADE_CANCEL_TIME_OUT"), query=trade())
    with pytest.raises(GatewayError):
        call(shop, "cancel", number)
    assert shop.payment(number).paid
    assert shop.called == [("paid", number)]


# The legacy gateway


@on_the_legacy_gateway
def test_the_legacy_gateway_is_queried_too(shop: Shop, alipay: Alipay, merchant: Merchant) -> None:
    number = shop.order()
    alipay.will_respond(single_trade_query=legacy_trade(number, "TRADE_SUCCESS", merchant))
    assert call(shop, "query", number) == ("TRADE_SUCCESS", True)
    assert shop.called == [("paid", number)]


@on_the_legacy_gateway
def test_an_expired_order_unknown_to_the_legacy_gateway_has_failed(
    shop: Shop, alipay: Alipay
) -> None:
    young, old = shop.order(), expired(shop)
    alipay.will_respond(single_trade_query=no("TRADE_NOT_EXIST"))
    assert call(shop, "query", young) == ("WAIT_BUYER_PAY", False)
    assert call(shop, "query", old) == ("TRADE_CLOSED", False)
    assert shop.called == [("failed", old)]


@on_the_legacy_gateway
def test_a_partial_refund_on_the_legacy_gateway_is_left_to_its_batch(
    shop: Shop, alipay: Alipay, merchant: Merchant
) -> None:
    number = shop.order()
    part = {"refund_status": "REFUND_SUCCESS", "to_buyer_fee": "10.00"}
    sold = legacy_trade(number, "TRADE_SUCCESS", merchant)
    row = legacy_trade(number, "TRADE_SUCCESS", merchant, **part)
    gone = legacy_trade(number, "TRADE_CLOSED", merchant, **part)
    alipay.will_respond(single_trade_query=[sold, row, gone])
    for refunded_fen in (0, 0, 8888):
        call(shop, "query", number)
        assert shop.payment(number).refunded_fen == refunded_fen
    assert shop.called == [("paid", number), ("refunded", number)]


@on_the_legacy_gateway
def test_a_close_on_the_legacy_gateway_is_confirmed_by_a_query(
    shop: Shop, alipay: Alipay, merchant: Merchant
) -> None:
    number = shop.order()
    closed = legacy_trade(number, "TRADE_CLOSED", merchant)
    waiting = legacy_trade(number, "WAIT_BUYER_PAY", merchant)
    alipay.will_respond(close_trade=yes(), single_trade_query=[waiting, closed])
    refused(shop, "close", number, OutcomeUnknown)
    assert call(shop, "close", number) == ("TRADE_CLOSED", False)
    assert shop.called == [("failed", number)]


@on_the_legacy_gateway
def test_another_sellers_trade_on_the_legacy_gateway_is_rejected(
    shop: Shop, alipay: Alipay, merchant: Merchant
) -> None:
    number = shop.order()
    other = legacy_trade(number, "TRADE_SUCCESS", merchant, seller_id="2088000000000009")
    alipay.will_respond(single_trade_query=other)
    refused(shop, "query", number, OutcomeUnknown)


@on_the_legacy_gateway
def test_there_is_no_cancel_there(shop: Shop, alipay: Alipay) -> None:
    refused(shop, "cancel", shop.order(), ConfigurationError)
