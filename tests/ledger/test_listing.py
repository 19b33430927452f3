"""Lists for operators: each page comes from an index, and numbers are found by their beginning."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from flask_alipay.ledger.listing import (
    MIN_PREFIX,
    Listing,
    Position,
    _next,
    journal_listing,
    payment_listing,
    read_all,
    read_rows,
    refund_listing,
    starts_with,
)
from flask_alipay.models import utc_now
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import MERCHANT, Notification, Payment, Refund, Shop

NOW = utc_now().replace(microsecond=0)
AFTER = Position(NOW - timedelta(minutes=50), 50)


def with_number(listing: Listing, number: str) -> Select[Any]:
    from dataclasses import replace

    return replace(listing, number=number).page(50)


#: Statements with the index that has to serve each of their parts.
PAGES: dict[str, tuple[Callable[[], Select[Any]], str]] = {
    "newest payments": (
        lambda: payment_listing(Payment, MERCHANT).page(51),
        "ix_alipay_payment_trade_status_created_at",
    ),
    "older payments": (
        lambda: payment_listing(Payment, MERCHANT).page(51, AFTER),
        "ix_alipay_payment_trade_status_created_at",
    ),
    "payments of a buyer": (
        lambda: with_number(payment_listing(Payment, MERCHANT), "2088102116773037"),
        "ix_alipay_payment_buyer_id",
    ),
    "payments of an OpenID": (
        lambda: with_number(payment_listing(Payment, MERCHANT), "074a1C-dEf"),
        "ix_alipay_payment_buyer_open_id",
    ),
    "a refund by its number": (
        lambda: with_number(refund_listing(Refund, MERCHANT), "20260131000000000000000001"),
        "ix_alipay_refund_out_request_no",
    ),
    "refunds": (
        lambda: refund_listing(Refund, MERCHANT).page(51),
        "ix_alipay_refund_status_created_at",
    ),
    "the journal": (
        lambda: journal_listing(Notification, MERCHANT).page(51),
        "ix_alipay_notification_outcome_received_at",
    ),
    "a notification by its number": (
        lambda: with_number(journal_listing(Notification, MERCHANT), "2026013100222120005"),
        "ix_alipay_notification_notify_id",
    ),
}


def fill(session: Session, count: int = 300) -> None:
    for number in range(count):
        at = NOW - timedelta(minutes=number)
        session.add(
            Payment(
                merchant=MERCHANT,
                out_trade_no=f"n{number:05}",
                subject="Tea",
                total_fen=8888,
                trade_status=TradeStatus.ALL[number % 7],
                buyer_id=f"2088{number:012}",
                buyer_open_id=f"074a{number:05}" if number % 2 else None,
                created_at=at,
                details={},
            )
        )
        session.add(
            Refund(
                merchant=MERCHANT,
                out_trade_no=f"n{number:05}",
                out_request_no=f"r{number:05}",
                refund_fen=1,
                status=("REFUND_SUCCESS", "REFUND_PROCESSING", "ACQ.X")[number % 3],
                created_at=at,
            )
        )
        session.add(
            Notification(
                merchant=MERCHANT,
                notify_id=f"i{number:05}",
                out_trade_no=f"n{number:05}",
                trade_status="TRADE_SUCCESS",
                outcome=("settled", "duplicate", "mismatched")[number % 3],
                payload={},
                received_at=at,
            )
        )
    session.commit()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_read_from_an_index(shop: Shop, name: str) -> None:
    statement, index = PAGES[name]
    with shop.session() as session:
        fill(session)
        dialect = session.get_bind().dialect
        if dialect.name == "sqlite":
            session.execute(text("ANALYZE"))
        elif dialect.name == "postgresql":
            session.execute(text("ANALYZE"))
            # What it may do, not what it would for so few rows.
            session.execute(text("SET LOCAL enable_seqscan = off"))
            session.execute(text("SET LOCAL enable_sort = off"))
        compiled = statement().compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN QUERY PLAN" if dialect.name == "sqlite" else "EXPLAIN"
        rows = session.execute(text(f"{explain} {compiled}".replace(":", r"\:")))
        plan = "\n".join(" ".join(map(str, row)) for row in rows)
    assert index in plan


@pytest.mark.parametrize("size", [7, 50, 1000])
def test_all_rows_are_read_once_in_their_order(shop: Shop, size: int) -> None:
    with shop.session() as session:
        fill(session, 60)
        for listing in (
            payment_listing(Payment, MERCHANT),
            refund_listing(Refund, MERCHANT),
            journal_listing(Notification, MERCHANT),
        ):
            found = [row.id for row in read_all(session, listing, size)]
            newest = getattr(listing.model, listing.time).desc()
            expected = select(listing.model.id).order_by(newest, listing.model.id.desc())
            assert found == list(session.scalars(expected))


def test_rows_of_one_time_are_divided_between_pages(shop: Shop) -> None:
    with shop.session() as session:
        fill(session, 20)
        for payment in session.scalars(select(Payment)):
            payment.created_at = NOW
        session.commit()
        listing = payment_listing(Payment, MERCHANT)
        first = read_rows(session, listing.page(7))
        rest = read_rows(session, listing.page(50, Position(NOW, first[-1].id)))
        ids = [row.id for row in (*first, *rest)]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 20


@pytest.mark.parametrize(
    "number",
    ["a-b_c1", "A-B_C1", "zzzz99", "zzzzzz", "ZZZZ-Z", "9999-9", "99999", "a%b_c1", "----1"],
)
def test_a_number_is_found_by_its_beginning(shop: Shop, number: str) -> None:
    others = ("aab_c1", "a-b", "zzz", "9998", "A_B_C1", "a%%b_c", "--", "9999", "zzzz9", "Zzzz-z")
    with shop.session() as session:
        for each in {number, *others}:
            session.add(
                Payment(
                    merchant=MERCHANT, out_trade_no=each, subject="Tea", total_fen=1, details={}
                )
            )
        session.commit()
        for length in range(MIN_PREFIX, len(number) + 1):
            found = select(Payment.out_trade_no).where(
                starts_with(Payment.out_trade_no, number[:length])
            )
            names = set(session.scalars(found))
            expected = {each for each in (number, *others) if each.startswith(number[:length])}
            assert names == expected, number[:length]


@given(
    st.text(alphabet="0189azAZ", min_size=1, max_size=6), st.text(alphabet="0189azAZ", max_size=4)
)
def test_the_end_of_a_range_is_above_all_that_begin_with_it(beginning: str, rest: str) -> None:
    end = _next(beginning)
    assert not end or beginning + rest < end
