"""Effect of a verified report on a payment, on each database."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy.orm import scoped_session, sessionmaker

from flask_alipay.exceptions import LedgerUnavailable
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import (
    BUYER,
    MERCHANT,
    MODELS,
    NO_JOURNAL,
    SALES,
    TOTAL,
    Notification,
    Parcel,
    Payment,
    Refund,
    Shop,
    no_callback,
    pack,
    recorder,
    report,
)

PAID_AT = datetime(2026, 11, 23, 7, 0, tzinfo=timezone.utc)


def test_the_first_report_of_a_sale_settles_the_payment(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:
        ledger = shop.ledger(session, paid=pack(session))
        settled = ledger.settle(report(paid_at=PAID_AT))
        assert (settled.outcome, settled.events) == ("settled", ("paid",))
        assert isinstance(settled.payment, Payment)
    payment = shop.payment()
    assert (payment.trade_status, payment.paid) == (TradeStatus.TRADE_SUCCESS, True)
    assert (payment.trade_no, payment.buyer_id) == ("2026112322001", BUYER)
    assert (payment.paid_at, payment.closed_at, payment.finished_at) == (PAID_AT, None, None)
    assert shop.parcels() == ["paid"]
    assert shop.outcomes() == ["settled"]


def test_a_duplicate_only_adds_a_journal_row(shop: Shop) -> None:
    shop.order()
    shop.settle(report())
    before = vars(shop.payment())
    assert shop.settle(report(), paid=no_callback) == ("duplicate", ())
    changed = {name for name, value in vars(shop.payment()).items() if before[name] != value} - {
        "_sa_instance_state"
    }
    assert changed == set()
    assert shop.outcomes() == ["settled", "duplicate"]


def test_an_older_report_arriving_late_reverts_nothing(shop: Shop) -> None:
    shop.order()
    shop.settle(report(TradeStatus.TRADE_FINISHED))
    assert shop.settle(report(TradeStatus.TRADE_SUCCESS), paid=no_callback) == ("stale", ())
    assert shop.settle(report(TradeStatus.WAIT_BUYER_PAY)) == ("stale", ())
    assert shop.status() == (TradeStatus.TRADE_FINISHED, True, 0)
    assert shop.outcomes() == ["settled", "stale", "stale"]


def test_a_close_without_payment_is_a_failure_once(shop: Shop) -> None:
    shop.order()
    calls: list[str] = []
    closed_at = PAID_AT + timedelta(minutes=15)
    close = report(TradeStatus.TRADE_CLOSED, closed_at=closed_at)
    assert shop.settle(close, **recorder(calls)) == ("settled", ("failed",))
    assert shop.settle(close, **recorder(calls)) == ("duplicate", ())
    assert calls == ["failed"]
    assert shop.status() == (TradeStatus.TRADE_CLOSED, False, 0)
    assert shop.payment().closed_at == closed_at


def test_money_after_a_close_is_a_sale(shop: Shop) -> None:
    shop.order()
    calls: list[str] = []
    shop.settle(report(TradeStatus.TRADE_CLOSED), **recorder(calls))
    assert shop.settle(report(), **recorder(calls)) == ("settled", ("paid",))
    assert calls == ["failed", "paid"]
    assert shop.status() == (TradeStatus.TRADE_SUCCESS, True, 0)
    assert shop.payment().closed_at is None


def test_pending_is_recorded_and_is_not_money(shop: Shop) -> None:
    shop.order()
    assert shop.settle(report(TradeStatus.TRADE_PENDING), paid=no_callback) == ("recorded", ())
    assert shop.status() == (TradeStatus.TRADE_PENDING, False, 0)
    assert shop.settle(report()) == ("settled", ("paid",))


def test_a_sale_that_is_finished_at_once_is_both(shop: Shop) -> None:
    shop.order()
    calls: list[str] = []
    shop.settle(report(TradeStatus.TRADE_FINISHED), **recorder(calls))
    assert calls == ["paid", "finished"]
    assert shop.payment().finished_at is not None


def test_a_part_refund_is_counted_and_written_down(shop: Shop) -> None:
    shop.order()
    shop.settle(report())
    part = report(refunded_fen=1000, out_request_no="R1", notify_id="n2")
    assert shop.settle(part) == ("settled", ("refunded",))
    assert shop.settle(part) == ("duplicate", ())
    assert shop.status() == (TradeStatus.TRADE_SUCCESS, True, 1000)
    more = report(refunded_fen=3000, out_request_no="R2", notify_id="n3")
    assert shop.settle(more) == ("settled", ("refunded",))
    written = [(row.out_request_no, row.refund_fen, row.status) for row in shop.rows(Refund)]
    assert written == [("R1", 1000, "REFUND_SUCCESS"), ("R2", 2000, "REFUND_SUCCESS")]


def test_a_close_after_a_sale_is_a_full_refund(shop: Shop) -> None:
    shop.order()
    shop.settle(report())
    shop.settle(report(refunded_fen=1000, out_request_no="R1"))
    calls: list[str] = []
    close = report(TradeStatus.TRADE_CLOSED, refunded_fen=TOTAL, out_request_no="R2")
    assert shop.settle(close, **recorder(calls)) == ("settled", ("refunded",))
    assert calls == ["refunded"]
    assert shop.status() == (TradeStatus.TRADE_CLOSED, True, TOTAL)
    assert [row.refund_fen for row in shop.rows(Refund)] == [1000, TOTAL - 1000]


@pytest.mark.parametrize("refunded_fen", [None, 0, 1000])
def test_a_close_after_a_sale_is_a_full_refund_whatever_its_amount(
    small_shop: Shop, refunded_fen: int | None
) -> None:
    small_shop.order()
    small_shop.settle(report())
    small_shop.settle(report(TradeStatus.TRADE_CLOSED, refunded_fen=refunded_fen))
    assert small_shop.status() == (TradeStatus.TRADE_CLOSED, True, TOTAL)


def test_a_close_that_follows_its_refund_is_no_second_refund(small_shop: Shop) -> None:
    small_shop.order()
    small_shop.settle(report())
    assert small_shop.settle(report(refunded_fen=TOTAL)) == ("settled", ("refunded",))
    close = report(TradeStatus.TRADE_CLOSED, refunded_fen=TOTAL)
    assert small_shop.settle(close, refunded=no_callback) == ("recorded", ())
    assert small_shop.count(Refund) == 1


def test_a_refund_above_the_total_is_counted_as_the_total(shop: Shop) -> None:
    shop.order()
    shop.settle(report())
    shop.settle(report(refunded_fen=TOTAL + 1))
    assert shop.status() == (TradeStatus.TRADE_SUCCESS, True, TOTAL)


def test_a_refund_fee_of_nothing_is_no_refund(small_shop: Shop) -> None:
    # One arrived a year after the payment, when the trade was closed to refunds.
    small_shop.order()
    small_shop.settle(report())
    finished = report(TradeStatus.TRADE_FINISHED, refunded_fen=0)
    assert small_shop.settle(finished) == ("settled", ("finished",))
    assert small_shop.count(Refund) == 0


def test_a_sale_reported_together_with_its_refund_is_both(small_shop: Shop) -> None:
    small_shop.order()
    calls: list[str] = []
    small_shop.settle(report(refunded_fen=500), **recorder(calls))
    assert calls == ["paid", "refunded"]
    assert small_shop.status() == (TradeStatus.TRADE_SUCCESS, True, 500)


def test_a_refunded_close_that_overtakes_the_sale_ends_it(shop: Shop) -> None:
    shop.order()
    calls: list[str] = []
    shop.settle(report(TradeStatus.TRADE_CLOSED, refunded_fen=TOTAL), **recorder(calls))
    assert shop.settle(report(), **recorder(calls)) == ("stale", ())
    assert calls == ["failed"]
    assert shop.status() == (TradeStatus.TRADE_CLOSED, False, TOTAL)


def test_a_closed_sale_is_no_second_sale_even_with_its_money_still_there(shop: Shop) -> None:
    # Not made by the ledger: an operator has changed a row by hand.
    shop.order(trade_status=TradeStatus.TRADE_CLOSED, paid=True, trade_no="2026112322001")
    assert shop.settle(report(), paid=no_callback) == ("stale", ())
    assert shop.status() == (TradeStatus.TRADE_CLOSED, True, 0)


def test_a_refund_requested_by_the_shop_keeps_its_row(shop: Shop) -> None:
    shop.order()
    shop.settle(report())
    with shop.session() as session, session.begin():
        session.add(
            Refund(
                merchant=MERCHANT,
                out_trade_no="A1",
                out_request_no="R1",
                refund_fen=1000,
                status="WAITING",
                reason="broken",
            )
        )
    shop.settle(report(refunded_fen=1000, out_request_no="R1"))
    [row] = shop.rows(Refund)
    assert (row.status, row.reason) == ("REFUND_SUCCESS", "broken")
    assert row.refunded_at is not None


def test_a_refund_without_a_number_is_known_by_its_notification(small_shop: Shop) -> None:
    small_shop.order()
    small_shop.settle(report())
    small_shop.settle(report(refunded_fen=1, notify_id="n7"))
    assert [row.out_request_no for row in small_shop.rows(Refund)] == ["n7"]


def test_without_their_tables_refunds_and_notifications_are_not_recorded(shop: Shop) -> None:
    shop.order()
    bare = MODELS._replace(Refund=None, Notification=None)
    assert shop.settle(report(refunded_fen=1), bare) == ("settled", ("paid", "refunded"))
    assert shop.status() == (TradeStatus.TRADE_SUCCESS, True, 1)
    assert shop.count(Refund) == shop.count(Notification) == 0


@pytest.mark.parametrize("sale", SALES)
def test_every_paid_status_is_a_sale(small_shop: Shop, sale: str) -> None:
    small_shop.order()
    assert "paid" in small_shop.settle(report(sale))[1]
    assert small_shop.payment().paid


def test_the_journal_has_each_report_and_its_outcome(shop: Shop) -> None:
    shop.order()
    shop.settle(report(notify_id="n9", params={"subject": "龙井茶 🍵"}))
    [row] = shop.rows(Notification)
    assert (row.notify_id, row.merchant, row.out_trade_no) == ("n9", MERCHANT, "A1")
    assert (row.trade_no, row.trade_status) == ("2026112322001", TradeStatus.TRADE_SUCCESS)
    assert (row.outcome, row.detail) == ("settled", "paid")
    assert row.payload == {"subject": "龙井茶 🍵"}
    assert datetime.now(timezone.utc) - row.received_at < timedelta(minutes=1)


def test_a_report_without_notify_id_is_settled(shop: Shop) -> None:
    # What a query found out.
    shop.order()
    unnumbered = report(notify_id=None, trade_no=None, buyer_id=None)
    assert shop.settle(unnumbered) == ("settled", ("paid",))
    assert shop.payment().trade_no is None


def test_numbers_that_differ_in_case_are_two_payments(shop: Shop) -> None:
    shop.order("tea")
    shop.order("TEA")
    shop.settle(report(out_trade_no="TEA"))
    assert shop.status("TEA") == (TradeStatus.TRADE_SUCCESS, True, 0)
    assert shop.status("tea") == (TradeStatus.WAIT_BUYER_PAY, False, 0)


def test_the_largest_amount_fits(shop: Shop) -> None:
    shop.order(total_fen=10_000_000_000)
    shop.settle(report(total_fen=10_000_000_000, refunded_fen=9_999_999_999))
    assert shop.status() == (TradeStatus.TRADE_SUCCESS, True, 9_999_999_999)


def test_pending_changes_of_the_session_are_rolled_back_first(small_shop: Shop) -> None:
    small_shop.order()
    with small_shop.session() as session:
        session.add(Parcel(out_trade_no="A1", event="forgotten", weight=1))
        session.flush()
        small_shop.ledger(session).settle(report())
    assert small_shop.parcels() == []
    assert small_shop.payment().paid


def test_a_payment_that_the_session_had_loaded_is_seen_anew(small_shop: Shop) -> None:
    small_shop.order()
    with small_shop.session() as session:
        ledger = small_shop.ledger(session, paid=lambda payment: seen.append(payment.paid))
        seen: list[bool] = []
        loaded = ledger.find("A1")
        assert loaded is not None
        assert ledger.settle(report()).payment is loaded
        assert seen == [True]


def test_find_reads_the_database_and_only_the_merchants_payments(shop: Shop) -> None:
    shop.order()
    shop.order("B1", merchant="2088000000000009")
    with shop.session() as session:
        ledger = shop.ledger(session)
        payment = ledger.find("A1")
        assert payment is not None
        session.rollback()
        shop.settle(report())
        again: Any = ledger.find("A1")
        assert again is payment
        assert again.paid
        assert ledger.find("B1") is None
        assert ledger.find("C1") is None


def test_a_scoped_session_is_as_good(small_shop: Shop) -> None:
    small_shop.order()
    registry = scoped_session(sessionmaker(small_shop.engine))
    ledger = small_shop.ledger(registry, paid=pack(registry()))  # type: ignore[arg-type]
    assert ledger.settle(report()).events == ("paid",)
    registry.remove()
    assert small_shop.parcels() == ["paid"]


def test_a_failing_journal_fails_the_settlement(small_shop: Shop) -> None:
    small_shop.order()
    Notification.__table__.drop(small_shop.engine)  # type: ignore[attr-defined]
    with pytest.raises(LedgerUnavailable):
        small_shop.settle(report())
    assert not small_shop.payment().paid


def test_without_a_journal_a_sale_is_committed_all_the_same(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:
        shop.ledger(session, NO_JOURNAL, paid=pack(session)).settle(report())
    assert shop.parcels() == ["paid"]
    assert shop.payment().paid
