"""Indexes serve the lookups of every notification and every reconcile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from flask_alipay.ledger.leases import pending_payments, pending_query
from flask_alipay.models import utc_now
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import MERCHANT, Payment, Shop

_NOW = utc_now()
_WAITING = pending_payments(Payment, MERCHANT, _NOW - timedelta(hours=1))

_LOOKUPS = {
    "uq_alipay_payment_out_trade_no": select(Payment.id).where(
        Payment.out_trade_no == "100", Payment.merchant == MERCHANT
    ),
    "uq_alipay_payment_trade_no": select(Payment.id).where(
        Payment.trade_no == "2026112522001100000000000001", Payment.merchant == MERCHANT
    ),
    "ix_alipay_payment_trade_status_created_at": select(Payment.id)
    .where(
        Payment.merchant == MERCHANT,
        Payment.trade_status == TradeStatus.WAIT_BUYER_PAY,
        Payment.created_at < _NOW - timedelta(hours=1),
    )
    .order_by(Payment.created_at)
    .limit(100),
}
#: Rows that were never queried, and rows that were queried some time ago.
_IN_TURN = {
    "never": pending_query(_WAITING, Payment.asked_at.is_(None)),
    "earlier": pending_query(_WAITING, Payment.asked_at < _NOW - timedelta(minutes=2)),
}


@pytest.mark.parametrize("index", _LOOKUPS)
def test_a_lookup_uses_its_index(shop: Shop, index: str) -> None:
    with shop.session() as session:
        session.add_all(_payment(number) for number in range(300))
        session.commit()
        session.execute(text(_ANALYZE[session.get_bind().dialect.name]))
        plan = _plan(session, _LOOKUPS[index])
    # SQLite numbers the indexes of its UNIQUEs: the column identifies the index.
    column = index.removeprefix("uq_alipay_payment_")
    assert index in plan or f"({column}=?)" in plan


@pytest.mark.parametrize("queried", _IN_TURN)
def test_pending_rows_are_read_in_order_from_an_index(shop: Shop, queried: str) -> None:
    with shop.session() as session:
        session.add_all(_payment(10 * number, number % 2) for number in range(400))
        session.commit()
        session.execute(text(_ANALYZE[session.get_bind().dialect.name]))
        plan = _plan(session, _IN_TURN[queried])
    assert plan.count("ix_alipay_payment_trade_status_asked_at") >= 2  # for each status


_ANALYZE = {
    "sqlite": "ANALYZE",
    "postgresql": "ANALYZE alipay_payment",
    "mysql": "ANALYZE TABLE alipay_payment",
}


def _payment(number: int, queried: int = False) -> Payment:
    waiting = number % 10 == 0
    return Payment(
        merchant=MERCHANT,
        out_trade_no=str(number),
        trade_no=None if waiting else f"20261125220011{number:014d}",
        subject="Tea",
        total_fen=8888,
        trade_status=TradeStatus.WAIT_BUYER_PAY if waiting else TradeStatus.TRADE_SUCCESS,
        paid=not waiting,
        created_at=_NOW - timedelta(minutes=number),
        asked_at=_NOW - timedelta(minutes=number) if queried else None,
        details={},
    )


def _plan(session: Session, statement: Select[Any]) -> str:
    dialect = session.get_bind().dialect
    if dialect.name == "postgresql":
        # What it may do, not what it would for so few rows.
        session.execute(text("SET LOCAL enable_seqscan = off"))
    explain = "EXPLAIN QUERY PLAN" if dialect.name == "sqlite" else "EXPLAIN"
    compiled = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    rows = session.execute(text(f"{explain} {compiled}".replace(":", r"\:")))
    return "\n".join(" ".join(map(str, row)) for row in rows)
