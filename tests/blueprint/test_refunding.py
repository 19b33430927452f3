"""Refunds: written down first, asked for second, and never made twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from flask_alipay.exceptions import (
    CallbackFailed,
    ConfigurationError,
    GatewayError,
    InvalidAmount,
    InvalidParameter,
    OutcomeUnknown,
)
from flask_alipay.gateways.mapi import new_batch_no
from flask_alipay.models import utc_now

from ..doubles.gateways import LOST, TRADE_NO, Alipay, done, no, refusal, unsigned, yes
from ..doubles.merchant import Merchant, on_the_legacy_gateway
from ..doubles.shop import Payment, Refund, Shop, db, new_app, new_blueprint
from .conftest import OpenShop

REQUESTED, DONE = "REFUND_PROCESSING", "REFUND_SUCCESS"
NOT_YET: dict[str, Any] = done()
Row = tuple[str, int, str]


@pytest.fixture
def alipay(shop: Shop, merchant: Merchant, number: str) -> Alipay:
    return response_for(shop, merchant)


def response_for(shop: Shop, merchant: Merchant) -> Alipay:
    played = Alipay(merchant)
    with shop.app.app_context():
        shop.alipay.gateway._transport = played
    return played


@pytest.fixture
def number(shop: Shop, merchant: Merchant) -> str:
    """Return the number of a sale."""
    return sale(shop, merchant)


def sale(shop: Shop, merchant: Merchant) -> str:
    number = shop.order()
    notification_params = merchant.notification(number, trade_no=TRADE_NO)
    assert shop.notify(notification_params).data == b"success"
    shop.called.clear()
    return number


def refunded(fund_change: str = "Y", refund_fee: str = "10.00") -> dict[str, Any]:
    return done(fund_change=fund_change, refund_fee=refund_fee)


def query_response(refund_amount: str = "10.00") -> Any:
    """Return the response of a refund query about a completed refund."""
    return lambda content: done(
        out_trade_no=content["out_trade_no"],
        out_request_no=content["out_request_no"],
        refund_amount=refund_amount,
        refund_status="REFUND_SUCCESS",
    )


def refund(shop: Shop, number: str, amount: str = "10.00", **options: Any) -> Row:
    """Refunds; returns the row."""
    with shop.app.test_request_context():
        payment = db.session.scalar(select(Payment).where(Payment.out_trade_no == number))
        row = shop.alipay.refund(payment, amount, **options)
        assert isinstance(row, Refund)
        return row.out_request_no, row.refund_fen, row.status


def rows(shop: Shop) -> list[Row]:
    with shop.app.app_context():
        return [
            (row.out_request_no, row.refund_fen, row.status)
            for row in db.session.scalars(select(Refund).order_by(Refund.id))
        ]


def refused(shop: Shop, number: str, wanted: type[Exception], **options: Any) -> Any:
    """Request a refund that must fail and leave the payment unchanged."""
    before = shop.payment(number).refunded_fen
    with pytest.raises(wanted) as caught:
        refund(shop, number, **options)
    assert shop.called == []
    assert shop.payment(number).refunded_fen == before
    return caught.value


def test_a_part_of_a_sale_is_refunded(shop: Shop, alipay: Alipay, number: str) -> None:
    alipay.will_respond(refund=refunded())
    row = refund(shop, number, reason="too green", out_request_no="R1")
    assert row == ("R1", 1000, DONE)
    assert shop.called == [("refunded", number)]
    payment = shop.payment(number)
    assert (payment.refunded_fen, payment.trade_status) == (1000, "TRADE_SUCCESS")
    [(_, content)] = alipay.requested
    assert content == {
        "out_trade_no": number,
        "refund_amount": "10.00",
        "out_request_no": "R1",
        "refund_reason": "too green",
    }


def test_the_row_is_committed_before_the_request(shop: Shop, alipay: Alipay, number: str) -> None:
    alipay.will_respond(refund=refunded())
    seen: list[Any] = []

    def look() -> None:
        seen.append(db.session().in_transaction())
        thread = threading.Thread(target=lambda: seen.extend(rows(shop)))
        thread.start()
        thread.join()

    alipay.before = look
    refund(shop, number, out_request_no="R1")
    assert seen == [False, ("R1", 1000, REQUESTED)]


def test_the_same_number_is_the_same_refund(shop: Shop, alipay: Alipay, number: str) -> None:
    alipay.will_respond(refund=refunded())
    assert refund(shop, number, out_request_no="R1") == ("R1", 1000, DONE)
    assert refund(shop, number, out_request_no="R1") == ("R1", 1000, DONE)
    assert len(alipay.requested) == 1
    assert shop.called == [("refunded", number)]


def test_an_unknown_outcome_is_retried_with_its_number(
    shop: Shop, alipay: Alipay, number: str
) -> None:
    alipay.will_respond(refund=[LOST, refunded("N")], fastpay_refund_query=query_response())
    refused(shop, number, OutcomeUnknown)
    [(first, _, status)] = rows(shop)
    assert status == REQUESTED
    assert refund(shop, number) == (first, 1000, DONE)  # no number: it goes on with that one
    assert alipay.requested[0][1]["out_request_no"] == alipay.requested[1][1]["out_request_no"]
    assert shop.called == [("refunded", number)]


def test_no_change_of_funds_is_confirmed_by_a_query(
    shop: Shop, alipay: Alipay, number: str
) -> None:
    alipay.will_respond(refund=refunded("N"), fastpay_refund_query=[NOT_YET, query_response()])
    assert refused(shop, number, OutcomeUnknown, out_request_no="R1").retryable
    assert rows(shop) == [("R1", 1000, REQUESTED)]
    assert refund(shop, number, out_request_no="R1") == ("R1", 1000, DONE)


def test_a_refusal_is_in_the_row(shop: Shop, alipay: Alipay, number: str) -> None:
    response = "ACQ.SELLER_BALANCE_NOT_ENOUGH"
    alipay.will_respond(refund=[refusal(response), refunded()], fastpay_refund_query=NOT_YET)
    assert refused(shop, number, GatewayError, out_request_no="R1").sub_code == response
    assert rows(shop) == [("R1", 1000, response)]
    assert shop.journal()[-1] == "recorded"
    assert refund(shop, number, out_request_no="R1") == ("R1", 1000, DONE)


def test_a_no_after_a_lost_yes_is_no_refusal(shop: Shop, alipay: Alipay, number: str) -> None:
    response = refusal("ACQ.TRADE_HAS_FINISHED")
    alipay.will_respond(refund=[LOST, response], fastpay_refund_query=query_response())
    refused(shop, number, OutcomeUnknown, out_request_no="R1")
    assert refund(shop, number, out_request_no="R1") == ("R1", 1000, DONE)


def test_an_unsigned_no_leaves_the_row_as_it_is(shop: Shop, alipay: Alipay, number: str) -> None:
    alipay.will_respond(refund=unsigned("alipay.trade.refund", "ACQ.TRADE_NOT_ALLOW_REFUND"))
    refused(shop, number, GatewayError, out_request_no="R1")
    assert rows(shop) == [("R1", 1000, REQUESTED)]


def test_more_than_is_left_is_not_requested(shop: Shop, alipay: Alipay, number: str) -> None:
    alipay.will_respond(refund=refunded())
    refund(shop, number, "80.00", out_request_no="R1")
    shop.called.clear()
    refused(shop, number, InvalidParameter, amount="8.89")
    refused(shop, number, InvalidParameter, amount="1.00", out_request_no="R1")
    assert len(alipay.requested) == 1
    assert rows(shop) == [("R1", 8000, DONE)]


@pytest.mark.parametrize(
    "options",
    [{"out_request_no": "no spaces"}, {"reason": ""}, {"reason": "a\nb"}, {"amount": "0.00"}],
    ids=str,
)
def test_an_invalid_request_is_not_recorded(
    shop: Shop, alipay: Alipay, number: str, options: dict[str, str]
) -> None:
    refused(shop, number, InvalidParameter, **options)
    assert rows(shop) == []
    assert alipay.requested == []


def test_an_unpaid_payment_is_not_refunded(shop: Shop, alipay: Alipay) -> None:
    refused(shop, shop.order(), InvalidParameter)
    assert rows(shop) == []
    assert alipay.requested == []


def test_a_callback_that_raises_is_called_again(shop: Shop, alipay: Alipay, number: str) -> None:
    broken = [True]

    @shop.alipay.on_refunded
    def restock(payment: Any) -> None:
        if broken:
            broken.clear()
            raise RuntimeError("no shelf")

    alipay.will_respond(refund=[refunded(), refunded("N")], fastpay_refund_query=query_response())
    with pytest.raises(CallbackFailed):
        refund(shop, number, out_request_no="R1")
    assert rows(shop) == [("R1", 1000, REQUESTED)]
    assert refund(shop, number, out_request_no="R1") == ("R1", 1000, DONE)
    assert shop.payment(number).refunded_fen == 1000


def test_the_notification_and_the_response_are_one_refund(
    shop: Shop, alipay: Alipay, number: str, merchant: Merchant
) -> None:
    notified = {"trade_no": TRADE_NO, "refund_fee": "10.00", "out_biz_no": "R1"}
    alipay.will_respond(refund=refunded())
    alipay.before = lambda: shop.notify(merchant.notification(number, notify_id="2", **notified))
    assert refund(shop, number, out_request_no="R1") == ("R1", 1000, DONE)
    shop.notify(merchant.notification(number, notify_id="3", **notified))
    assert shop.called == [("refunded", number)]
    assert shop.payment(number).refunded_fen == 1000


def test_without_a_class_for_refunds_there_are_none(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    from flask_alipay import AlipayBlueprint

    shop = open_shop(merchant, alipay=AlipayBlueprint(db, Payment))
    number = shop.order()
    shop.notify(merchant.notification(number))
    shop.called.clear()
    refused(shop, number, ConfigurationError)


# The legacy gateway


@on_the_legacy_gateway
def test_the_legacy_gateway_takes_a_refund_on(shop: Shop, alipay: Alipay, number: str) -> None:
    alipay.will_respond(refund_fastpay_by_platform_nopwd=yes())
    batch = new_batch_no()
    assert refund(shop, number, out_request_no=batch) == (batch, 1000, REQUESTED)
    assert alipay.requested[0][1]["detail_data"] == f"{TRADE_NO}^10.00^refund"


@on_the_legacy_gateway
def test_there_a_refusal_names_the_way_with_a_password(
    shop: Shop, alipay: Alipay, number: str
) -> None:
    alipay.will_respond(refund_fastpay_by_platform_nopwd=no("ILLEGAL_SERVICE"))
    error = refused(shop, number, GatewayError)
    assert "refund_url()" in str(error)
    assert [row[1:] for row in rows(shop)] == [(1000, "ILLEGAL_SERVICE")]


NOPWD = "refund_fastpay_by_platform_nopwd"


@on_the_legacy_gateway
def test_there_another_refusal_names_no_other_way(shop: Shop, alipay: Alipay, number: str) -> None:
    alipay.will_respond(**{NOPWD: no("TRADE_STATUS_ERROR")})
    assert "refund_url" not in str(refused(shop, number, GatewayError))
    assert [row[1:] for row in rows(shop)] == [(1000, "TRADE_STATUS_ERROR")]


@on_the_legacy_gateway
@pytest.mark.parametrize("named", [True, False])
def test_there_a_batch_that_alipay_has_already_is_under_way(
    shop: Shop, alipay: Alipay, number: str, named: bool
) -> None:
    alipay.will_respond(**{NOPWD: [LOST, no("DUPLICATE_BATCH_NO")]})
    first = refused(shop, number, OutcomeUnknown).out_request_no
    options = {"out_request_no": first} if named else {}
    assert refund(shop, number, **options) == (first, 1000, REQUESTED)
    assert [content["batch_no"] for _, content in alipay.requested] == [first, first]
    assert rows(shop) == [(first, 1000, REQUESTED)]


@on_the_legacy_gateway
def test_a_rejected_retry_on_the_legacy_gateway_leaves_the_first_outcome_unknown(
    shop: Shop, alipay: Alipay, number: str
) -> None:
    alipay.will_respond(**{NOPWD: [LOST, no("TRADE_STATUS_ERROR"), yes()]})
    first = refused(shop, number, OutcomeUnknown, amount="80.00").out_request_no
    error = refused(shop, number, OutcomeUnknown, amount="80.00", out_request_no=first)
    assert "TRADE_STATUS_ERROR" in str(error)
    assert rows(shop) == [(first, 8000, REQUESTED)]
    # Its money is still held back.
    refused(shop, number, InvalidAmount, amount="80.01")


@on_the_legacy_gateway
def test_there_one_that_was_refused_may_be_refused_again(
    shop: Shop, alipay: Alipay, number: str
) -> None:
    alipay.will_respond(**{NOPWD: no("TRADE_STATUS_ERROR")})
    batch = new_batch_no()
    for _ in range(2):
        refused(shop, number, GatewayError, out_request_no=batch)
        assert rows(shop) == [(batch, 1000, "TRADE_STATUS_ERROR")]


@on_the_legacy_gateway
def test_there_yesterdays_batch_is_neither_repeated_nor_made_twice(
    shop: Shop, alipay: Alipay, number: str
) -> None:
    alipay.will_respond(**{NOPWD: [LOST, yes()]})
    refused(shop, number, OutcomeUnknown)
    yesterday = "20260130000001"
    with shop.app.app_context():
        row = db.session.scalars(select(Refund)).one()
        row.out_request_no = yesterday
        db.session.commit()
    assert yesterday in str(refused(shop, number, InvalidParameter))
    assert rows(shop) == [(yesterday, 1000, REQUESTED)]
    another = new_batch_no()
    assert refund(shop, number, out_request_no=another) == (another, 1000, REQUESTED)


def test_an_unknown_outcome_has_the_refund_number(shop: Shop, alipay: Alipay, number: str) -> None:
    alipay.will_respond(refund=LOST)
    number_of_it = refused(shop, number, OutcomeUnknown).out_request_no
    assert rows(shop) == [(number_of_it, 1000, REQUESTED)]


@pytest.mark.parametrize("status", [REQUESTED, "ACQ.SELLER_BALANCE_NOT_ENOUGH"])
def test_an_old_pending_refund_still_reserves_its_amount(
    shop: Shop, alipay: Alipay, number: str, status: str
) -> None:
    alipay.will_respond(refund=[LOST, LOST])
    refused(shop, number, OutcomeUnknown, amount="80.00", out_request_no="R1")
    with shop.app.app_context():
        row = db.session.scalars(select(Refund)).one()
        row.status, row.created_at = status, utc_now() - timedelta(days=9)
        db.session.commit()
    refused(shop, number, OutcomeUnknown, amount="80.00", out_request_no="R1")
    refused(shop, number, InvalidAmount, amount="80.00", out_request_no="R2")
    assert rows(shop) == [("R1", 8000, REQUESTED)]


@on_the_legacy_gateway
def test_there_a_number_that_is_no_batchs_is_not_written_down(
    shop: Shop, alipay: Alipay, number: str
) -> None:
    refused(shop, number, InvalidParameter, out_request_no="R1")
    assert rows(shop) == []
    assert alipay.requested == []


# Many at once


@on_the_legacy_gateway
def test_there_a_refund_without_a_notification_url_is_not_recorded(
    shop: Shop, alipay: Alipay, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def undecided(blueprint: object) -> str:
        raise InvalidParameter("notify_url", "is undecided")

    monkeypatch.setattr("flask_alipay.merchant.Merchant.notify_url", property(undecided))
    assert refused(shop, number, InvalidParameter).parameter == "notify_url"
    assert rows(shop) == []
    assert alipay.requested == []


@pytest.fixture
def crowd(database_url: str, tmp_path: Path, merchant: Merchant) -> Iterator[Shop]:
    """Open a shop on each database."""
    app: Flask = new_app(tmp_path, merchant.settings, SQLALCHEMY_DATABASE_URI=database_url)
    alipay = new_blueprint()
    app.register_blueprint(alipay, url_prefix="/alipay")
    if database_url.startswith("sqlite"):
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"connect_args": {"timeout": 60}}
    opened = Shop(app, alipay)
    yield opened
    opened.close()


def test_concurrent_refunds_cannot_exceed_the_payment(crowd: Shop, merchant: Merchant) -> None:
    alipay = response_for(crowd, merchant)
    number = sale(crowd, merchant)
    alipay.will_respond(refund=refunded(refund_fee="60.00"))
    start, outcomes = threading.Barrier(4), []

    def work(place: int) -> None:
        start.wait()
        try:
            outcomes.append(refund(crowd, number, "60.00", out_request_no=f"R{place}")[2])
        except InvalidParameter:
            outcomes.append("too much")

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [DONE, "too much", "too much", "too much"]
    assert crowd.payment(number).refunded_fen == 6000
    assert len(alipay.requested) == 1
    assert crowd.called == [("refunded", number)]
