"""An application whose session hides payments and refunds (soft delete, tenants)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from flask_alipay.exceptions import GatewayError
from flask_alipay.models import utc_now
from flask_alipay.operations.reconciliation import ReconcileRun
from flask_alipay.signals import payment_paid

from ..doubles.gateways import TRADE_NO, Alipay, done, refusal, trade
from ..doubles.merchant import Merchant
from ..doubles.shop import Notification, Payment, Refund, Shop, db
from .test_refunding import refunded


@pytest.fixture
def alipay(shop: Shop, merchant: Merchant) -> Alipay:
    played = Alipay(merchant)
    with shop.app.app_context():
        shop.alipay.gateway._transport = played
    return played


@pytest.fixture
def hide() -> Iterator[Callable[[], None]]:
    """Hides all rows of the three classes from now on, refreshes of their objects too."""

    def criteria(state: ORMExecuteState) -> None:
        for model in (Payment, Refund, Notification):
            hidden = with_loader_criteria(model, model.merchant == "another tenant")
            state.statement = state.statement.options(hidden)

    yield lambda: event.listen(Session, "do_orm_execute", criteria)
    event.remove(Session, "do_orm_execute", criteria)


def found(shop: Shop, number: str) -> Any:
    """Return a payment as the ledger finds it, in the current context."""
    return shop.alipay.ledger().find(number)


def status_of(shop: Shop, number: str) -> tuple[str, bool, int]:
    """Past the session."""
    with shop.app.app_context(), db.engine.connect() as connection:
        columns = Payment.__table__.c
        row = connection.execute(
            Payment.__table__.select().where(columns.out_trade_no == number)
        ).one()
        return row.trade_status, row.paid, row.refunded_fen


def test_a_notification_is_settled_and_its_observers_get_the_payment(
    shop: Shop, merchant: Merchant, hide: Callable[[], None]
) -> None:
    number = shop.order()
    seen: list[tuple[str, bool]] = []

    def observe(app: Any, payment: Any, **_: Any) -> None:
        seen.append((payment.out_trade_no, payment.paid))

    hide()
    with payment_paid.connected_to(observe, shop.app):
        assert shop.notify(merchant.notification(number)).data == b"success"
    assert (shop.called, seen) == ([("paid", number)], [(number, True)])
    assert shop.notify(merchant.notification(number)).data == b"success"
    assert status_of(shop, number) == ("TRADE_SUCCESS", True, 0)


def test_the_pages_find_the_payment(shop: Shop, alipay: Alipay, hide: Callable[[], None]) -> None:
    page, code = shop.order(), shop.order(product="qr")
    kinds = ("checkout", "pay", "result", "status")
    urls = [shop.url(kind, page) for kind in kinds] + [shop.url("checkout", code)]
    alipay.will_respond(precreate=done(qr_code="https://qr.alipay.com/bax1"))
    hide()
    statuses = [shop.client.get(url).status_code for url in urls]
    assert statuses == [200, 303, 200, 200, 200]


def test_a_query_a_close_and_a_cancel_return_the_payment(
    shop: Shop, alipay: Alipay, hide: Callable[[], None]
) -> None:
    bought, unwanted, cancelled = (shop.order() for _ in range(3))
    alipay.will_respond(
        query=trade(),
        close=done(trade_no="2"),
        cancel=done(trade_no="3", action="close", retry_flag="N"),
    )
    hide()
    with shop.app.test_request_context():
        assert shop.alipay.query(found(shop, bought)).paid
        assert shop.alipay.close(found(shop, unwanted)).trade_status == "TRADE_CLOSED"
        assert shop.alipay.cancel(found(shop, cancelled)).trade_status == "TRADE_CLOSED"


def test_refunds_are_made_once_and_their_rows_returned(
    shop: Shop, merchant: Merchant, alipay: Alipay, hide: Callable[[], None]
) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number, trade_no=TRADE_NO))
    message = [refunded(), refusal("ACQ.SELLER_BALANCE_NOT_ENOUGH")]
    alipay.will_respond(refund=message)
    hide()
    with shop.app.test_request_context():
        row = shop.alipay.refund(found(shop, number), "10.00", out_request_no="R1")
        assert (row.status, row.refund_fen) == ("REFUND_SUCCESS", 1000)
        again = shop.alipay.refund(found(shop, number), "10.00", out_request_no="R1")
        assert again is row
        with pytest.raises(GatewayError):
            shop.alipay.refund(found(shop, number), "5.00", out_request_no="R2")
        rows = shop.alipay.ledger().refunds
        assert rows is not None
        assert rows.find(number, "R2").status == "ACQ.SELLER_BALANCE_NOT_ENOUGH"
    assert status_of(shop, number) == ("TRADE_SUCCESS", True, 1000)


def test_reconcile_queries_pending_payments(
    shop: Shop, merchant: Merchant, alipay: Alipay, hide: Callable[[], None]
) -> None:
    bought, lost = shop.order(), shop.order()
    shop.change(lost, expires_at=utc_now() - timedelta(hours=1))
    alipay.will_respond(
        query=lambda content: (
            trade() if content["out_trade_no"] == bought else refusal("ACQ.TRADE_NOT_EXIST")
        )
    )
    hide()
    with shop.app.app_context():
        round_ = ReconcileRun(shop.alipay.merchant, timedelta(0), None)
        assert round_.count() == 2
        list(round_)
    assert (round_.summary.paid, round_.summary.closed, round_.summary.failures) == (1, 1, [])
    assert shop.called == [("paid", bought), ("failed", lost)]


def test_the_operators_commands_find_the_rows(
    shop: Shop, merchant: Merchant, hide: Callable[[], None]
) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number))
    hide()
    runner = shop.app.test_cli_runner()
    assert number in runner.invoke(args=["alipay", "payments"]).output
    assert "settled" in runner.invoke(args=["alipay", "show", number]).output
    replayed = runner.invoke(args=["alipay", "replay", "--id", "1", "--yes"])
    assert replayed.exit_code == 0, replayed.output
