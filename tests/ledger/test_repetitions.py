"""The line of a repetition in one statement, and where it takes a look first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flask_alipay.exceptions import PaymentMismatch, UnknownPayment
from flask_alipay.ledger import Lately, Ledger, Models
from flask_alipay.models import NotificationMixin, PaymentMixin
from flask_alipay.trade_status import TradeStatus

from .shop import (
    BUYER,
    MERCHANT,
    MODELS,
    NO_JOURNAL,
    TOTAL,
    Notification,
    Payment,
    Shop,
    news,
    overhear,
)


class Base(DeclarativeBase):
    pass


class Sale(PaymentMixin, Base):
    __tablename__ = "sale"


class Line(NotificationMixin, Base):
    """A journal with a column of the shop's own, which SQLAlchemy fills."""

    __tablename__ = "line"
    note: Mapped[str] = mapped_column(default="of the shop")


class Elsewhere(NotificationMixin, Base):
    __tablename__ = "elsewhere"


@pytest.fixture
def session() -> Iterator[Session]:
    """Payments in one database, the lines of one journal in another."""
    here, there = create_engine("sqlite://"), create_engine("sqlite://")
    Base.metadata.create_all(here)
    Base.metadata.create_all(there)
    with Session(binds={Sale: here, Line: here, Elsewhere: there}) as session:
        session.add(Sale(merchant=MERCHANT, out_trade_no="A1", subject="茶", total_fen=TOTAL))
        session.commit()
        yield session
    here.dispose()
    there.dispose()


def twice(session: Session, models: Models) -> tuple[str, list[str]]:
    """What came of a sale's repetition, and the statements that it took on the payments' engine."""
    ledger = Ledger(session, models, merchant=MERCHANT, lately=Lately())
    ledger.settle(news())
    engine, statements = session.get_bind(models.Payment), []
    overhear(engine, lambda statement, _: statements.append(statement.split()[0]))
    return ledger.settle(news()).outcome, statements


def test_its_line_says_all_that_any_line_does(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:
        twice(session, MODELS)
    first, again = shop.rows(Notification)
    same = ("notify_id", "merchant", "out_trade_no", "trade_no", "trade_status", "payload")
    assert [getattr(again, name) for name in same] == [getattr(first, name) for name in same]
    assert (again.outcome, again.detail) == ("duplicate", None)
    assert again.received_at >= first.received_at
    assert again.payload["buyer_id"] == BUYER


def test_the_payment_is_read_where_somebody_asks_for_it(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:
        ledger = shop.ledger(session, MODELS, lately=Lately())
        ledger.settle(news())
        assert ledger.settle(news()).payment is session.scalars(select(Payment)).one()


def test_a_column_of_the_shops_own_has_its_value_all_the_same(session: Session) -> None:
    assert twice(session, Models(Sale, None, Line)) == ("duplicate", ["SELECT", "INSERT"])
    assert list(session.scalars(select(Line.note))) == ["of the shop"] * 2


def test_a_journal_in_another_database_has_its_lines_all_the_same(session: Session) -> None:
    assert twice(session, Models(Sale, None, Elsewhere)) == ("duplicate", ["SELECT"])
    assert list(session.scalars(select(Elsewhere.outcome))) == ["settled", "duplicate"]


def test_without_a_journal_nothing_is_written(small_shop: Shop) -> None:
    small_shop.order()
    with small_shop.session() as session:
        outcome, statements = twice(session, NO_JOURNAL)
    assert (outcome, set(statements)) == ("duplicate", {"SELECT"})
    assert small_shop.outcomes() == []


@pytest.mark.parametrize("trade_no", [None, "2026112322001"])
def test_news_without_alipays_number_is_looked_into(shop: Shop, trade_no: str | None) -> None:
    shop.order()
    lately = Lately()
    with shop.session() as session:
        ledger = shop.ledger(session, MODELS, lately=lately)
        ledger.settle(news())
        assert ledger.settle(news(trade_no=trade_no)).outcome == "duplicate"
    assert shop.outcomes() == ["settled", "duplicate"]


def test_after_a_refund_it_is_looked_into(shop: Shop) -> None:
    shop.order()
    lately = Lately()
    with shop.session() as session:
        ledger = shop.ledger(session, MODELS, lately=lately)
        ledger.settle(news())
        ledger.settle(news(refunded_fen=100, refund=True, notify_id="n2"))
        assert ledger.settle(news()).outcome == "duplicate"
    assert shop.standing() == (TradeStatus.TRADE_SUCCESS, True, 100)
    assert shop.outcomes() == ["settled", "settled", "duplicate"]


@pytest.mark.parametrize(
    "columns", [{"merchant": "another"}, {"currency": "USD"}, {"total_fen": TOTAL + 1}]
)
def test_a_payment_that_is_another_is_none(shop: Shop, columns: dict[str, object]) -> None:
    shop.order(paid=True, trade_status="TRADE_SUCCESS", trade_no="2026112322001", **columns)
    lately = Lately()
    lately.add("A1")
    with shop.session() as session, pytest.raises((UnknownPayment, PaymentMismatch)):
        shop.ledger(session, MODELS, lately=lately).settle(news())
    assert "duplicate" not in shop.outcomes()


@pytest.mark.parametrize("database", ["sqlite_shop", "postgresql_shop"])
def test_its_payment_is_found_by_a_number_also_where_nobody_has_counted_the_rows(
    request: pytest.FixtureRequest, database: str
) -> None:
    shop: Shop = request.getfixturevalue(database)
    sold = {"paid": True, "trade_status": "TRADE_SUCCESS"}
    for number in range(100):
        shop.order(f"B{number}", trade_no=f"T{number}", **sold)
    shop.order()
    sent: list[tuple[str, Any]] = []
    with shop.session() as session:
        ledger = shop.ledger(session, MODELS, lately=Lately())
        ledger.settle(news())
        event.listen(
            shop.engine,
            "do_execute",
            lambda cursor, text, values, context: sent.append((text, values)),
        )
        ledger.settle(news())
    ((insert, values),) = sent
    explain = "EXPLAIN QUERY PLAN" if database == "sqlite_shop" else "EXPLAIN"
    with shop.engine.connect() as connection:
        plan = str(connection.exec_driver_sql(f"{explain} {insert}", values).all())
    assert "trade_no" in plan.partition("Filter")[0]
    assert "trade_status_" not in plan
