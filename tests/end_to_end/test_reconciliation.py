"""Queries and reconciliation of the shop with the simulator, without notifications."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from flask_alipay.exceptions import GatewayError

from ..doubles.shop import Payment, Refund, Shop, db
from .test_payments import Buyer, Line, on_every_gateway
from .test_payments import buyer as buyer
from .test_payments import line as line
from .test_payments import shop as shop


@pytest.fixture(autouse=True)
def no_notifications(line: Line) -> None:
    line.down = True


def call(shop: Shop, verb: str, number: str, *arguments: Any, **options: Any) -> Any:
    with shop.app.test_request_context():
        payment = db.session.scalar(select(Payment).where(Payment.out_trade_no == number))
        found = getattr(shop.alipay, verb)(payment, *arguments, **options)
        db.session.refresh(found)
        db.session.expunge(found)
        return found


def reconcile(shop: Shop) -> Any:
    with shop.app.app_context():
        return shop.alipay.reconcile(timedelta(0))


@on_every_gateway
def test_a_sale_without_a_notification_is_found(shop: Shop, buyer: Buyer) -> None:
    buyer.press("pay")
    assert not shop.payment(buyer.number).paid
    assert call(shop, "query", buyer.number).paid
    assert shop.called == [("paid", buyer.number)]


@on_every_gateway
def test_reconcile_finds_it_too(shop: Shop, buyer: Buyer) -> None:
    waiting = Buyer(shop)
    buyer.press("pay")
    summary = reconcile(shop)
    assert (summary.paid, summary.waiting, summary.failures) == (1, 1, [])
    assert not shop.payment(waiting.number).paid
    assert shop.called == [("paid", buyer.number)]


@on_every_gateway
def test_a_pending_payment_is_closed(shop: Shop, buyer: Buyer) -> None:
    cashier = buyer.cashier()
    assert call(shop, "close", buyer.number).trade_status == "TRADE_CLOSED"
    buyer.press("pay", cashier)
    assert call(shop, "query", buyer.number).trade_status == "TRADE_CLOSED"
    assert shop.called == [("failed", buyer.number)]


@on_every_gateway
def test_a_payment_just_paid_is_not_closed(shop: Shop, buyer: Buyer) -> None:
    buyer.press("pay")
    assert call(shop, "close", buyer.number).paid
    assert shop.called == [("paid", buyer.number)]


def test_a_sale_is_refunded_in_parts_until_nothing_is_left(
    shop: Shop, buyer: Buyer, line: Line
) -> None:
    buyer.press("pay")
    call(shop, "query", buyer.number)
    assert call(shop, "refund", buyer.number, "8.88").status == "REFUND_SUCCESS"
    line.down = False  # this one is told of by a notification, too
    assert call(shop, "refund", buyer.number, "80.00").status == "REFUND_SUCCESS"
    assert call(shop, "query", buyer.number).trade_status == "TRADE_CLOSED"
    payment = shop.payment(buyer.number)
    assert (payment.refunded_fen, payment.paid) == (8888, True)
    assert shop.called == [("paid", buyer.number), *[("refunded", buyer.number)] * 2]
    with shop.app.app_context():
        assert [row.refund_fen for row in db.session.scalars(select(Refund))] == [888, 8000]


def test_the_same_number_refunds_once(shop: Shop, buyer: Buyer) -> None:
    buyer.press("pay")
    call(shop, "query", buyer.number)
    call(shop, "refund", buyer.number, "8.88", out_request_no="R1")
    with shop.app.app_context():  # as if the answer had been lost
        db.session.execute(Refund.__table__.update().values(status="REFUND_PROCESSING"))
        db.session.execute(Payment.__table__.update().values(refunded_fen=0))
        db.session.commit()
    shop.called.clear()
    assert reconcile(shop).refunded == 1
    assert shop.payment(buyer.number).refunded_fen == 888
    assert shop.called == [("refunded", buyer.number)]


def test_a_paid_sale_is_cancelled_with_a_refund(shop: Shop, buyer: Buyer) -> None:
    buyer.press("pay")
    call(shop, "query", buyer.number)
    assert call(shop, "cancel", buyer.number).refunded_fen == 8888
    assert shop.called == [("paid", buyer.number), ("refunded", buyer.number)]


def test_more_than_it_cost_is_refused_by_alipay_too(shop: Shop, buyer: Buyer) -> None:
    buyer.press("pay")
    call(shop, "query", buyer.number)
    with shop.app.app_context():
        gateway = shop.alipay.gateway
        with pytest.raises(GatewayError):
            gateway.trade_refund(
                out_trade_no=buyer.number, refund_amount="88.89", out_request_no="R1"
            )
    assert shop.called == [("paid", buyer.number)]
