"""Statements that are only filled in: to the database they are what SQLAlchemy would send."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    event,
    insert,
    select,
    update,
)
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import IntegrityError

from flask_alipay.ledger.prepared import Prepared

from .shop import MERCHANT, Notification, Payment, Shop, news, overhear

LINES = Notification.__table__
MOMENT = datetime(2026, 2, 3, 4, 5, 6, 789000, timezone.utc)
LINE = {
    "notify_id": "n1",
    "merchant": MERCHANT,
    "out_trade_no": "A1",
    "trade_no": None,
    "trade_status": "TRADE_SUCCESS",
    "outcome": "settled",
    "detail": "100 % 'paid' : :colon %s ?",
    "payload": {"subject": "茶", "body": "100% ?"},
    "received_at": MOMENT,
}
WRITE = insert(LINES).inline()
PAID = (
    update(Payment.__table__)
    .where(Payment.out_trade_no == bindparam("of_out_trade_no"))
    .returning(Payment.id)
)
Sent: TypeAlias = "list[tuple[str, Any]]"


@contextmanager
def sent_by(connection: Connection) -> Iterator[Sent]:
    """What reaches the driver meanwhile."""
    sent: Sent = []

    end = overhear(connection.engine, lambda *told: sent.append(told))
    yield sent
    end()


def both_ways(shop: Shop, statement: Any, values: Mapping[str, Any]) -> list[Sent]:
    """What is sent by the prepared statement and by SQLAlchemy alone."""
    prepared, ways = Prepared(statement), []
    for execute in (
        prepared.execute,
        lambda connection, given: connection.execute(statement, given),
    ):
        with shop.engine.connect() as connection, sent_by(connection) as sent:
            execute(connection, values)
        ways.append([(text, plain(parameters)) for text, parameters in sent])
    return ways


def plain(parameters: Any) -> Any:
    """Parameters, to be compared: psycopg's JSON is an object of its own."""
    pairs = parameters.items() if isinstance(parameters, dict) else enumerate(parameters)
    return {name: getattr(value, "obj", value) for name, value in pairs}


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (WRITE, LINE),
        (update(LINES).where(LINES.c.notify_id == bindparam("which")), {"which": "n1", **LINE}),
        (select(LINES.c.id).where(LINES.c.notify_id == bindparam("which")), {"which": "n1"}),
    ],
    ids=["insert", "update", "select"],
)
def test_the_driver_gets_what_sqlalchemy_would_send(
    shop: Shop, statement: Any, values: Mapping[str, Any]
) -> None:
    prepared, by_sqlalchemy = both_ways(shop, statement, values)
    assert prepared == by_sqlalchemy
    assert len(prepared) == 1


@given(
    st.fixed_dictionaries(
        {
            "trade_no": st.none() | st.text(st.characters(exclude_characters="\0"), max_size=20),
            "payload": st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
            "received_at": st.datetimes(timezones=st.just(timezone.utc)),
        }
    )
)
def test_whatever_is_filled_in_is_read_again(open_shop: Shop, some: Mapping[str, Any]) -> None:
    with open_shop.engine.connect() as connection:
        Prepared(WRITE).execute(connection, {**LINE, **some})
        row = connection.execute(select(*(LINES.c[name] for name in some))).one()
    assert dict(row._mapping) == {**some, "received_at": some["received_at"].replace(tzinfo=None)}


def test_it_is_compiled_once(small_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[object] = []
    make = WRITE.compile

    def counted(*given: Any, **options: Any) -> Any:
        compiled.append(options["column_keys"])
        return make(*given, **options)

    monkeypatch.setattr(WRITE, "compile", counted, raising=False)
    prepared = Prepared(WRITE)
    with small_shop.engine.connect() as connection:
        for _ in range(3):
            prepared.execute(connection, LINE)
        prepared.execute(connection, {**LINE, "id": 77})
    assert len(compiled) == 2  # once for each choice of columns


def test_rows_and_their_number_are_told(shop: Shop) -> None:
    shop.order("A1")
    with shop.engine.connect() as connection:
        found = Prepared(select(Payment.out_trade_no)).execute(connection, {})
        assert found.scalars().all() == ["A1"]
        changing = Prepared(update(Payment.__table__))
        assert changing.execute(connection, {"trade_no": "T1"}).rowcount == 1


def test_what_the_database_refuses_is_sqlalchemys_error(shop: Shop) -> None:
    shop.order("A1")
    shop.order("A2")
    with shop.engine.connect() as connection, pytest.raises(IntegrityError):
        Prepared(update(Payment.__table__)).execute(connection, {"trade_no": "T1"})


# What is out of the ordinary, and what must come of it all the same.

THINGS = Table(
    "things",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String(9)),
    Column("made", String(9), default=lambda context: context.get_current_parameters()["name"] * 2),
    Column("odd name%", String(9), onupdate="changed"),
)


@pytest.fixture
def things() -> Iterator[Connection]:
    """A table whose columns have values of their own."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        THINGS.create(connection)
        yield connection
    engine.dispose()


def test_a_column_with_a_value_of_its_own_has_it(things: Connection) -> None:
    Prepared(insert(THINGS).inline()).execute(things, {"name": "tea"})
    Prepared(update(THINGS)).execute(things, {"name": "cup"})
    assert things.execute(select(THINGS)).all() == [(1, "cup", "teatea", "changed")]


def test_a_column_of_any_name_is_written(things: Connection) -> None:
    Prepared(insert(THINGS).inline()).execute(things, {"made": "x", "odd name%": "y"})
    assert things.execute(select(THINGS)).all() == [(1, None, "x", "y")]


def test_a_list_of_values_may_be_of_any_length(things: Connection) -> None:
    things.execute(insert(THINGS), [{"name": "a"}, {"name": "b"}, {"name": "c"}])
    some = Prepared(
        select(THINGS.c.name).where(THINGS.c.name.in_(bindparam("some", expanding=True)))
    )
    for names in (["a"], ["a", "c"], []):
        assert some.execute(things, {"some": names}).scalars().all() == names


def test_a_schema_that_is_translated_is_used(small_shop: Shop) -> None:
    with small_shop.engine.connect() as connection:
        connection.exec_driver_sql("ATTACH ':memory:' AS tenant")
        connection.exec_driver_sql(
            "CREATE TABLE tenant.alipay_notification AS SELECT * FROM " + LINES.name
        )
        translated = connection.execution_options(schema_translate_map={None: "tenant"})
        Prepared(WRITE).execute(translated, LINE)
        for schema, count in (("tenant", 1), ("main", 0)):
            rows = connection.exec_driver_sql(f"SELECT count(*) FROM {schema}.{LINES.name}")
            assert rows.scalar_one() == count


@pytest.mark.parametrize("where", ["engine", "connection"])
@pytest.mark.parametrize("name", ["before_execute", "after_execute"])
def test_who_listens_to_statements_hears_of_it(small_shop: Shop, name: str, where: str) -> None:
    heard: list[object] = []

    def hear(connection: Connection, statement: object, *more: object) -> None:
        heard.append(statement)

    with small_shop.engine.connect() as connection:
        event.listen(small_shop.engine if where == "engine" else connection, name, hear)
        Prepared(WRITE).execute(connection, LINE)
    assert heard == [WRITE]


@pytest.mark.parametrize("name", ["before_cursor_execute", "after_cursor_execute"])
def test_who_listens_to_cursors_may_ask_what_is_executed(small_shop: Shop, name: str) -> None:
    # As routers of writes, audits and counters of statements do.
    heard: list[tuple[bool, bool]] = []

    def hear(connection: Connection, *more: Any) -> None:
        context = more[3]
        heard.append((context.isinsert, context.compiled.statement is WRITE))

    event.listen(small_shop.engine, name, hear)
    with small_shop.engine.connect() as connection:
        Prepared(WRITE).execute(connection, LINE)
    assert heard == [(True, True)]


def test_what_the_ledger_itself_listens_to_makes_no_difference(
    small_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_shop.order()
    small_shop.settle(news(), paid=lambda payment: None)
    executed: list[str] = []
    by_text = Connection.exec_driver_sql
    monkeypatch.setattr(
        Connection,
        "exec_driver_sql",
        lambda self, text, *given: (executed.append(text), by_text(self, text, *given))[1],
    )
    with small_shop.engine.connect() as connection:
        Prepared(WRITE).execute(connection, LINE)
    assert len(executed) == 1


def test_another_driver_gets_what_sqlalchemy_makes_of_it(
    small_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    driver = small_shop.engine.dialect.driver

    def named(dialect: DefaultDialect) -> str:
        asked.append(driver)
        return "another"

    monkeypatch.setattr(type(small_shop.engine.dialect), "driver", property(named))
    executed: list[object] = []
    whole: Callable[..., Any] = Connection.execute
    monkeypatch.setattr(
        Connection,
        "execute",
        lambda self, *given: (executed.append(given[0]), whole(self, *given))[1],
    )
    with small_shop.engine.connect() as connection:
        Prepared(WRITE).execute(connection, LINE)
    assert executed == [WRITE]
    assert asked


def test_no_more_than_a_few_dialects_are_remembered() -> None:
    prepared = Prepared(select(THINGS.c.name))
    for _ in range(30):
        engine = create_engine("sqlite://")
        with engine.connect() as connection:
            THINGS.create(connection)
            assert prepared.execute(connection, {}).all() == []
        engine.dispose()
    assert len(prepared) <= 8
