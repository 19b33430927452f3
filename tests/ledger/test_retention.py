"""Old rows of the journal are deleted, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from flask_alipay.ledger import retention
from flask_alipay.ledger.retention import OldNotifications
from flask_alipay.models import utc_now

from .shop import MERCHANT, Notification, Payment, Shop

YEAR = timedelta(days=365)


def received(shop: Shop, *ages: timedelta, merchant: str = MERCHANT) -> None:
    """Put one row per age into the journal."""
    with shop.session() as session, session.begin():
        for number, age in enumerate(ages):
            session.add(
                Notification(
                    notify_id=f"n{number}",
                    merchant=merchant,
                    out_trade_no="A1",
                    trade_status="TRADE_SUCCESS",
                    outcome="settled",
                    payload={},
                    received_at=utc_now() - age,
                )
            )


def old(session: Session) -> OldNotifications:
    return OldNotifications(session, Notification, MERCHANT, utc_now() - YEAR)


def test_only_rows_that_are_old_enough_are_deleted(shop: Shop) -> None:
    shop.order()
    received(shop, YEAR + timedelta(days=1), YEAR - timedelta(days=1), timedelta(0))
    with shop.session() as session:
        assert old(session).count() == 1
        assert list(old(session).delete()) == [1]
    assert sorted(row.notify_id for row in shop.rows(Notification)) == ["n1", "n2"]
    assert shop.count(Payment) == 1


def test_rows_of_another_merchant_are_kept(shop: Shop) -> None:
    received(shop, 2 * YEAR, merchant="another")
    with shop.session() as session:
        assert list(old(session).delete()) == []
    assert shop.count(Notification) == 1


def test_each_batch_is_committed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)
    received(shop, *[2 * YEAR] * 5)
    with shop.session() as session:
        deletion = old(session).delete()
        assert next(deletion) == 2
        assert shop.count(Notification) == 3
        assert list(deletion) == [2, 1]
    assert shop.count(Notification) == 0


def test_an_error_keeps_the_rows_of_its_batch(small_shop: Shop) -> None:
    received(small_shop, 2 * YEAR)

    def refuse(*_arguments: object) -> None:
        raise RuntimeError("these rows are evidence")

    event.listen(Notification, "before_delete", refuse)
    try:
        with small_shop.session() as session, pytest.raises(RuntimeError):
            list(old(session).delete())
    finally:
        event.remove(Notification, "before_delete", refuse)
    assert small_shop.count(Notification) == 1


def test_rows_that_the_session_hides_are_deleted_as_well(small_shop: Shop) -> None:
    received(small_shop, 2 * YEAR)
    with small_shop.session() as session:

        @event.listens_for(session, "do_orm_execute")
        def hide(state: object) -> None:
            state.statement = state.statement.where(Notification.id < 0)  # type: ignore[attr-defined]

        assert list(old(session).delete()) == [1]
    assert small_shop.count(Notification) == 0
