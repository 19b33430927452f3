"""Numbers and currencies are compared exactly, also where the database's collation is lax."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from flask_alipay.exceptions import NotificationRefused, PaymentMismatch, UnknownPayment
from flask_alipay.gateways.openapi.bill import BillPeriod, BillRow
from flask_alipay.ledger.bill_comparison import PAYMENT_UNKNOWN, REFUND_UNKNOWN, compare_bill
from flask_alipay.protocol.batch_notification import RefundBatchNotification

from .shop import MERCHANT, MODELS, TOTAL, Payment, Refund, Shop, no_callback, report

NO_CALLBACKS = dict.fromkeys(("paid", "failed", "refunded", "finished"), no_callback)
TRADE_NO = "2026112322001"
#: Texts that some collation of MariaDB's takes for "A1".
LIKE_A1 = ("A1 ", "A1   ", "a1")


def refused(shop: Shop, piece: object, wanted: type[NotificationRefused], outcome: str) -> None:
    """Settle a report that must be rejected: payments unchanged, one more row in the journal."""
    before = [shop.status(row.out_trade_no) for row in shop.rows(Payment)]
    with pytest.raises(wanted):
        shop.settle(piece, **NO_CALLBACKS)  # type: ignore[arg-type]
    assert [shop.status(row.out_trade_no) for row in shop.rows(Payment)] == before
    assert shop.outcomes()[-1] == outcome


@pytest.mark.parametrize("number", LIKE_A1)
@pytest.mark.parametrize("repeated", [False, True], ids=["fresh", "retried"])
def test_a_number_that_is_only_similar_settles_nothing(
    shop: Shop, number: str, repeated: bool
) -> None:
    shop.order("A1")
    paid_at = datetime(2026, 11, 23, tzinfo=timezone.utc)
    sent_at = paid_at.replace(hour=1 if repeated else 0)
    piece = report(out_trade_no=number, paid_at=paid_at, notify_time=sent_at)
    refused(shop, piece, UnknownPayment, "unknown")


@pytest.mark.parametrize("number", LIKE_A1)
def test_a_close_or_refund_of_a_number_that_is_only_similar_changes_nothing(
    shop: Shop, number: str
) -> None:
    shop.order("A1")
    shop.settle(report())
    refused(shop, report("TRADE_CLOSED", out_trade_no=number), UnknownPayment, "unknown")
    refused(shop, report(out_trade_no=number, refunded_fen=100), UnknownPayment, "unknown")


@pytest.mark.parametrize("number", LIKE_A1)
def test_a_number_that_is_only_similar_finds_no_payment(shop: Shop, number: str) -> None:
    shop.order("A1")
    with shop.session() as session:
        assert shop.ledger(session).find(number) is None
        assert shop.ledger(session).find("A1") is not None


@pytest.mark.parametrize("currency", ["cny", "CNY ", "Cny"])
def test_a_currency_that_is_only_similar_settles_nothing(shop: Shop, currency: str) -> None:
    shop.order("A1")
    refused(shop, report(currency=currency), PaymentMismatch, "mismatched")


def test_a_similar_merchant_number_finds_no_payment(shop: Shop) -> None:
    shop.order("A1", merchant="shop")
    with shop.session() as session:
        ledger = shop.ledger(session)
        ledger._merchant = "SHOP"
        assert ledger.find("A1") is None


def test_a_similar_refund_number_is_another_refund(shop: Shop) -> None:
    shop.order("A1")
    shop.settle(report())
    with shop.session() as session:
        refunds = shop.ledger(session).refunds
        assert refunds is not None
        refunds.open("A1", 100, "R1", None)
        session.commit()
        assert refunds.find("A1", "R1 ") is None
    shop.settle(report(refunded_fen=50, out_request_no="R1 ", notify_id="n2"))
    rows = {row.out_request_no: (row.status, row.refund_fen) for row in shop.rows(Refund)}
    assert rows.pop("R1") == ("REFUND_PROCESSING", 100)
    assert list(rows.values()) == [("REFUND_SUCCESS", 50)]


def batch(notify_id: str) -> RefundBatchNotification:
    return RefundBatchNotification.from_params(
        {
            "notify_type": "batch_refund_notify",
            "notify_id": notify_id,
            "batch_no": "20261123001",
            "result_details": f"{TRADE_NO}^10.00^SUCCESS",
        }
    )


def test_a_similar_notify_id_is_no_duplicate(shop: Shop) -> None:
    shop.order("A1")
    shop.settle(report())
    without_refunds = MODELS._replace(Refund=None)
    for notify_id in ("Ab1", "aB1", "aB1", "Ab1"):
        with shop.session() as session:
            list(shop.ledger(session, without_refunds).settle_refunds(batch(notify_id)))
    assert shop.outcomes()[1:] == ["settled", "settled", "duplicate", "duplicate"]
    assert shop.payment().refunded_fen == 2000


def test_a_trade_with_a_similar_number_is_not_refunded(shop: Shop) -> None:
    shop.order("A1")
    shop.settle(report(trade_no="trade-a"))
    result = {
        "notify_type": "batch_refund_notify",
        "notify_id": "n2",
        "batch_no": "20261123001",
        "result_details": "TRADE-A^10.00^SUCCESS",
    }
    with shop.session() as session, pytest.raises(UnknownPayment):
        list(shop.ledger(session).settle_refunds(RefundBatchNotification.from_params(result)))
    assert shop.payment().refunded_fen == 0


def test_a_bill_row_with_a_similar_number_is_unknown_to_the_ledger(shop: Shop) -> None:
    shop.order("A1")
    shop.settle(report(paid_at=datetime(2026, 11, 23, 4, tzinfo=timezone.utc)))
    rows = [bill_row("A1"), bill_row("a1 "), bill_row("A1 ", refund=True)]
    with shop.session() as session:
        found = list(compare_bill(session, MODELS, MERCHANT, rows, BillPeriod.of("2026-11-23")))
    kinds = sorted((difference.kind, difference.out_trade_no) for difference in found)
    assert kinds == [(PAYMENT_UNKNOWN, "a1 "), (REFUND_UNKNOWN, "A1 ")]


def bill_row(number: str, *, refund: bool = False) -> BillRow:
    at = datetime(2026, 11, 23, 4, tzinfo=timezone.utc)
    out_request_no = "R1" if refund else None
    return BillRow(TRADE_NO, number, refund, out_request_no, TOTAL, "茶", at, at)
