"""On which connection a transaction goes on."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine, inspect
from sqlalchemy.orm import Session

from flask_alipay.ledger.connections import Connections

from .shop import Notification, Payment, Shop


class Asked(Session):
    """A session that counts how often it is asked for a connection."""

    asked = 0

    def connection(self, *given: Any, **options: Any) -> Any:
        self.asked += 1
        return super().connection(*given, **options)


def mappers() -> tuple[Any, Any]:
    return inspect(Payment), inspect(Notification)


def test_it_is_the_sessions(small_shop: Shop) -> None:
    payments, _ = mappers()
    with Session(small_shop.engine) as session:
        assert Connections(session).of(payments) is session.connection()


def test_the_session_is_asked_once_in_a_transaction(small_shop: Shop) -> None:
    payments, lines = mappers()
    with Asked(small_shop.engine) as session:
        connections = Connections(session)
        first = connections.of(payments)
        assert [connections.of(each) for each in (lines, payments, lines)] == [first] * 3
        assert session.asked == 1


def test_the_next_transaction_has_its_own(small_shop: Shop) -> None:
    payments, _ = mappers()
    for end in (Session.commit, Session.rollback, Session.close):
        with Asked(small_shop.engine) as session:
            connections = Connections(session)
            first = connections.of(payments)
            end(session)
            second = connections.of(payments)
            assert second is not first
            assert second is session.connection()
            assert second.in_transaction()


def test_a_savepoint_is_on_the_same_one(small_shop: Shop) -> None:
    payments, _ = mappers()
    with Session(small_shop.engine) as session:
        connections = Connections(session)
        first = connections.of(payments)
        with session.begin_nested():
            assert connections.of(payments) is first


def test_classes_on_different_engines_have_different_ones(small_shop: Shop) -> None:
    payments, lines = mappers()
    other: Engine = create_engine("sqlite://")
    with Session(binds={Payment: small_shop.engine, Notification: other}) as session:
        connections = Connections(session)
        for _ in range(2):
            assert connections.of(payments).engine is small_shop.engine
            assert connections.of(lines).engine is other
    other.dispose()


def test_a_session_on_a_connection_uses_it(small_shop: Shop) -> None:
    payments, lines = mappers()
    with small_shop.engine.connect() as connection, Session(connection) as session:
        connections = Connections(session)
        assert connections.of(payments) is connection
        assert connections.of(lines) is connection
