"""Reports that the ledger rejects: the exception, nothing changed, no callback, one journal row."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from flask_alipay.exceptions import (
    LedgerUnavailable,
    NotificationRefused,
    PaymentMismatch,
    UnknownPayment,
)
from flask_alipay.protocol.notification import Notification as Report
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import (
    BUYER,
    MERCHANT,
    NO_JOURNAL,
    TOTAL,
    Notification,
    Payment,
    Refund,
    Shop,
    no_callback,
    report,
)

NO_CALLBACKS = dict.fromkeys(("paid", "failed", "refunded", "finished"), no_callback)


def state(shop: Shop) -> list[dict[str, Any]]:
    """Return every payment and refund, column by column."""
    return [
        {column.key: getattr(row, column.key) for column in model.__table__.columns}
        for model in (Payment, Refund)
        for row in shop.rows(model)
    ]


def refused(shop: Shop, piece: Report, wanted: type[NotificationRefused]) -> NotificationRefused:
    """Settle what must be rejected: the ledger is unchanged and the journal has the reason."""
    before, journal = state(shop), len(shop.outcomes())
    with pytest.raises(wanted) as caught:
        shop.settle(piece, **NO_CALLBACKS)
    assert state(shop) == before
    assert shop.outcomes()[journal:] == [wanted.reason]
    assert caught.value.out_trade_no == piece.out_trade_no
    assert caught.value.notify_id == piece.notify_id
    assert BUYER not in str(caught.value)
    return caught.value


def test_a_payment_that_is_not_there_is_unknown(shop: Shop) -> None:
    shop.order("B1")
    for trade_status in TradeStatus.ALL:
        refused(shop, report(trade_status), UnknownPayment)


def test_another_merchants_payment_is_unknown(shop: Shop) -> None:
    shop.order(merchant="2088000000000009")
    refused(shop, report(), UnknownPayment)


@pytest.mark.parametrize("total_fen", [1, TOTAL - 1, TOTAL + 1, 0, TOTAL * 100])
@pytest.mark.parametrize("trade_status", TradeStatus.ALL)
def test_another_amount_is_a_mismatch(small_shop: Shop, trade_status: str, total_fen: int) -> None:
    small_shop.order()
    error = refused(small_shop, report(trade_status, total_fen=total_fen), PaymentMismatch)
    assert isinstance(error, PaymentMismatch)
    assert (error.field, error.expected) == ("total_amount", "88.88")


def test_another_amount_is_a_mismatch_on_every_database(shop: Shop) -> None:
    shop.order()
    refused(shop, report(total_fen=1), PaymentMismatch)


def test_another_currency_is_a_mismatch(shop: Shop) -> None:
    shop.order()
    error = refused(shop, report(currency="JPY"), PaymentMismatch)
    assert isinstance(error, PaymentMismatch)
    assert (error.field, error.expected, error.received) == ("currency", "CNY", "JPY")


def test_another_amount_is_a_mismatch_of_a_paid_order_too(small_shop: Shop) -> None:
    small_shop.order()
    small_shop.settle(report())
    refused(small_shop, report(total_fen=1), PaymentMismatch)
    refused(small_shop, report(refunded_fen=1, total_fen=1), PaymentMismatch)


def test_a_second_trade_that_pays_the_same_order_is_a_mismatch(shop: Shop) -> None:
    shop.order()
    shop.settle(report(trade_no="T1"))
    error = refused(shop, report(trade_no="T2"), PaymentMismatch)
    assert isinstance(error, PaymentMismatch)
    assert (error.field, error.expected, error.received) == ("trade_no", "T1", "T2")


@pytest.mark.parametrize("trade_no", ["T1", None])
def test_the_same_trade_is_not(small_shop: Shop, trade_no: str | None) -> None:
    small_shop.order()
    small_shop.settle(report(trade_no="T1"))
    assert small_shop.settle(report(trade_no=trade_no)) == ("duplicate", ())


def test_the_trade_of_another_payment_is_a_mismatch(shop: Shop) -> None:
    shop.order()
    shop.order("B1")
    shop.settle(report(out_trade_no="B1", trade_no="T1"))
    error = refused(shop, report(trade_no="T1"), PaymentMismatch)
    assert isinstance(error, PaymentMismatch)
    assert error.field == "trade_no"
    assert "B1" not in str(error)


def test_a_violated_constraint_of_the_shop_is_no_other_trade(small_shop: Shop) -> None:
    shop = small_shop
    shop.order()
    with shop.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER no_tea BEFORE UPDATE ON alipay_payment WHEN new.paid"
                " BEGIN SELECT RAISE(ABORT, 'tea is sold out'); END"
            )
        )
    with pytest.raises(LedgerUnavailable) as caught:
        shop.settle(report(), **NO_CALLBACKS)
    assert isinstance(caught.value.__cause__, IntegrityError)
    assert "trade_no" not in str(caught.value)
    assert shop.outcomes() == []


def test_a_second_trade_that_is_closed_touches_nothing_of_the_first(shop: Shop) -> None:
    # The shop gave the money of the second one back by hand: that of the first is still there.
    shop.order()
    shop.settle(report(trade_no="T1"))
    for refunded_fen in (None, TOTAL):
        close = report(TradeStatus.TRADE_CLOSED, trade_no="T2", refunded_fen=refunded_fen)
        assert shop.settle(close, **NO_CALLBACKS) == ("stale", ())
    assert shop.status() == (TradeStatus.TRADE_SUCCESS, True, 0)
    assert shop.payment().trade_no == "T1"


def test_a_mismatch_leaves_its_evidence_in_the_journal(shop: Shop) -> None:
    shop.order()
    refused(shop, report(total_fen=1, params={"total_amount": "0.01"}), PaymentMismatch)
    [row] = shop.rows(Notification)
    assert row.detail == "total_amount is 0.01 at Alipay and 88.88 in the ledger"
    assert row.payload == {"total_amount": "0.01"}
    assert row.merchant == MERCHANT


def test_without_a_journal_a_refusal_is_still_one(small_shop: Shop) -> None:
    with pytest.raises(UnknownPayment):
        small_shop.settle(report(), NO_JOURNAL)


def test_after_a_refusal_the_session_is_good_for_more(shop: Shop) -> None:
    shop.order()
    shop.order("B1")
    with shop.session() as session:
        ledger = shop.ledger(session)
        ledger.settle(report(out_trade_no="B1", trade_no="T1"))
        for bad in (report(total_fen=1), report(trade_no="T1"), report(out_trade_no="C1")):
            with pytest.raises(NotificationRefused):
                ledger.settle(bad)
        assert ledger.settle(report()).outcome == "settled"


def test_a_journal_that_cannot_be_written_does_not_hide_the_refusal(
    small_shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    Notification.__table__.drop(small_shop.engine)  # type: ignore[attr-defined]
    with caplog.at_level(logging.DEBUG, "flask_alipay"), pytest.raises(UnknownPayment):
        small_shop.settle(report())
    assert "the journal could not be written for A1 (OperationalError: no such table" in caplog.text
    assert BUYER not in caplog.text


def test_a_number_longer_than_any_order_number_is_unknown(shop: Shop) -> None:
    with pytest.raises(UnknownPayment):
        shop.settle(report(out_trade_no="A" * 65))
