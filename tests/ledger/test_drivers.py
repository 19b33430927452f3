"""Each supported database driver: retries, transactions that ended unnoticed, autocommit."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import NullPool, StaticPool, event, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from flask_alipay.exceptions import (
    CallbackFailed,
    LedgerUnavailable,
    PaymentMismatch,
    TransactionEnded,
)
from flask_alipay.ledger import Models
from flask_alipay.ledger.errors import describe_error, is_outage
from flask_alipay.ledger.session import commits_by_itself, is_open
from flask_alipay.protocol.trade_status import TradeStatus

from ..requirements import missing
from .shop import MODELS, NO_JOURNAL, TOTAL, Parcel, Shop, no_callback, pack, report
from .test_kept_open import lose

UNTOUCHED = (TradeStatus.WAIT_BUYER_PAY, False, 0)
SETTLED = (TradeStatus.TRADE_SUCCESS, True, 0)

POSTGRESQL = {"psycopg": "psycopg", "psycopg2": "psycopg2", "pg8000": "pg8000"}
MARIADB = {"pymysql": "pymysql", "mysqldb": "MySQLdb", "mysqlconnector": "mysql.connector"}
SQLITE = {"pysqlite": "sqlite3"}
PAID_AT = datetime(2026, 11, 23, tzinfo=timezone.utc)
#: Drivers that do not expose whether a transaction is open.
SILENT = ("pg8000", "mysqldb")
CHANGE = text("UPDATE alipay_payment SET subject = concat(subject, 'x') WHERE out_trade_no = 'B1'")


def _drivers(*kinds: dict[str, str]) -> list[Any]:
    marks = {"pysqlite": []}
    return [
        pytest.param(name, marks=marks.get(name, [pytest.mark.service]))
        for kind in kinds
        for name in kind
    ]


@pytest.fixture
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Open a shop whose engine uses the driver that the test names."""
    driver = request.param
    try:
        import_module({**POSTGRESQL, **MARIADB, **SQLITE}[driver])
    except ImportError:
        missing(f"the database driver {driver} is not installed")
    kind = "postgresql" if driver in POSTGRESQL else "mariadb" if driver in MARIADB else "sqlite"
    url = make_url(request.getfixturevalue(f"{kind}_shop").url)
    if driver not in ("psycopg", "pymysql", "pysqlite"):
        # Their URLs have options of their own.
        url = url.set(drivername=f"{url.get_backend_name()}+{driver}", query={})
    opened = Shop(url.render_as_string(hide_password=False))
    yield opened
    opened.engine.dispose()


each = pytest.mark.parametrize("shop", _drivers(POSTGRESQL, MARIADB, SQLITE), indirect=True)
servers = pytest.mark.parametrize("shop", _drivers(POSTGRESQL, MARIADB), indirect=True)
postgresql = pytest.mark.parametrize("shop", _drivers(POSTGRESQL), indirect=True)
mariadb = pytest.mark.parametrize("shop", _drivers(MARIADB), indirect=True)


def driver(session: Session) -> Any:
    return session.connection().connection.dbapi_connection


@each
def test_a_sale_its_duplicate_and_a_refund_are_settled(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:
        ledger = shop.ledger(session, paid=pack(session), refunded=pack(session, "refunded"))
        assert ledger.settle(report()).outcome == "settled"
        assert ledger.settle(report()).outcome == "duplicate"
        assert ledger.settle(report(refunded_fen=10)).events == ("refunded",)
    assert shop.status() == (TradeStatus.TRADE_SUCCESS, True, 10)
    assert shop.parcels() == ["paid", "refunded"]


@each
def test_it_is_known_whether_a_transaction_is_open(shop: Shop) -> None:
    with shop.engine.connect() as connection:
        connection.execute(text("UPDATE parcel SET weight = 1"))
        assert not commits_by_itself(connection)
        silent = connection.dialect.driver in SILENT
        assert is_open(connection) is (None if silent else True)
        connection.commit()
        assert is_open(connection) is (None if silent else False)


@each
def test_a_trade_of_another_payment_is_a_mismatch(shop: Shop) -> None:
    shop.order()
    shop.order("B1")
    assert shop.settle(report()) == ("settled", ("paid",))
    first = report(out_trade_no="B1")
    again = replace(first, paid_at=PAID_AT, notify_time=PAID_AT + timedelta(hours=1))
    for other in (first, again):  # the claim without a look, and the move after one
        with shop.session() as session:
            ledger = shop.ledger(session, paid=no_callback)
            with pytest.raises(PaymentMismatch, match="trade_no"):
                ledger.settle(other)
    assert shop.status("B1") == UNTOUCHED
    assert shop.outcomes() == ["settled", "mismatched", "mismatched"]


def deadlock(session: Session, other: Session) -> None:
    """Let two transactions wait for each other; the session's is the victim."""
    if session.get_bind().dialect.name != "postgresql":
        lose(session, other)
        return
    update = "UPDATE alipay_payment SET subject = 'x' WHERE out_trade_no = '{}'"
    other.execute(text("SET LOCAL deadlock_timeout = '60s'"))
    other.execute(text(update.format("B1")))

    def wait() -> None:
        other.execute(text(update.format("A1")))
        other.rollback()

    threading.Thread(target=wait).start()
    session.execute(text("SET LOCAL deadlock_timeout = '10ms'"))
    until = time.monotonic() + 30
    while not session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
        assert time.monotonic() < until, "nobody waits for the session"
        time.sleep(0.02)
    session.execute(text(update.format("B1")))


@servers
def test_the_victim_of_a_deadlock_begins_anew(shop: Shop) -> None:
    shop.order()
    shop.order("B1", total_fen=TOTAL + 1)
    calls: list[str] = []
    with shop.session() as session, shop.session() as other:

        def callback(payment: Any) -> None:
            calls.append(payment.out_trade_no)
            if len(calls) == 1:
                deadlock(session, other)
            pack(session)(payment)

        assert shop.ledger(session, paid=callback).settle(report()).outcome == "settled"
    assert calls == ["A1", "A1"]
    assert shop.status() == SETTLED
    assert shop.parcels() == ["paid"]


@pytest.mark.parametrize("quiet", [False, True], ids=["raises", "keeps-quiet"])
@postgresql
def test_the_loser_of_a_serialization_failure_begins_anew(shop: Shop, quiet: bool) -> None:
    isolated = Shop(shop.url, isolation_level="REPEATABLE READ")
    shop.order()
    shop.order("B1")
    calls: list[str] = []
    with isolated.session() as session:

        def callback(payment: Any) -> None:
            calls.append("called")
            session.execute(text("SELECT count(*) FROM parcel"))
            if len(calls) == 1:
                with shop.engine.begin() as other:
                    other.execute(CHANGE)
            with suppress(SQLAlchemyError if quiet else ()):
                session.execute(CHANGE)
            if not quiet or len(calls) > 1:
                pack(session)(payment)

        assert isolated.ledger(session, paid=callback).settle(report()).outcome == "settled"
    isolated.engine.dispose()
    assert len(calls) == 2
    assert shop.status() == SETTLED
    assert shop.parcels() == ["paid"]


@mariadb
def test_the_victim_of_a_deadlock_that_kept_quiet_begins_anew(shop: Shop) -> None:
    shop.order()
    shop.order("B1", total_fen=TOTAL + 1)
    calls: list[str] = []
    with shop.session() as session, shop.session() as other:

        def callback(payment: Any) -> None:
            calls.append("called")
            if len(calls) == 1:
                with suppress(SQLAlchemyError):
                    lose(session, other)
            pack(session)(payment)

        assert shop.ledger(session, paid=callback).settle(report()).outcome == "settled"
    assert len(calls) == 2
    assert shop.status() == SETTLED
    assert shop.parcels() == ["paid"]


@mariadb
def test_a_wait_that_was_too_long_costs_nothing_but_its_statement(shop: Shop) -> None:
    shop.order()
    shop.order("B1")
    lock = "SELECT * FROM alipay_payment WHERE out_trade_no = 'B1' FOR UPDATE"
    with shop.session() as session, shop.session() as other:
        other.execute(text(lock)).all()

        def callback(payment: Any) -> None:
            with pytest.raises(DBAPIError, match="1205"), session.begin_nested():
                session.execute(text(f"{lock} NOWAIT"))
            pack(session)(payment)

        assert shop.ledger(session, paid=callback).settle(report()).outcome == "settled"
    assert shop.status() == SETTLED
    assert shop.parcels() == ["paid"]


def fails(shop: Shop, act: Callable[[Session], object], models: Models = MODELS) -> CallbackFailed:
    """Settle with a callback that writes its row and then does something that must not pass."""
    shop.order()
    with shop.session() as session:
        write = pack(session)

        def callback(payment: Any) -> None:
            write(payment)
            session.flush()
            act(session)

        with pytest.raises(CallbackFailed) as caught:
            shop.ledger(session, models, paid=callback).settle(report())
    assert isinstance(caught.value.__cause__, TransactionEnded)
    return caught.value


@pytest.mark.parametrize("models", [MODELS, NO_JOURNAL], ids=["journal", "no-journal"])
@postgresql
def test_a_transaction_failed_by_postgresql_is_never_reported_as_success(
    shop: Shop, models: Models
) -> None:
    def keep_quiet(session: Session) -> None:
        with suppress(SQLAlchemyError):
            session.execute(text("SELECT 1 / 0"))

    assert "savepoint" in str(fails(shop, keep_quiet, models).__cause__)
    assert shop.status() == UNTOUCHED
    assert shop.parcels() == []
    assert shop.settle(report(), models) == ("settled", ("paid",))


@pytest.mark.parametrize("models", [MODELS, NO_JOURNAL], ids=["journal", "no-journal"])
@servers
def test_a_rollback_past_the_session_is_never_reported_as_success(
    shop: Shop, models: Models
) -> None:
    fails(shop, lambda session: driver(session).rollback(), models)
    assert shop.status() == UNTOUCHED
    assert shop.parcels() == []
    assert shop.settle(report(), models) == ("settled", ("paid",))


def pack_after(session: Session) -> None:
    """Write in what may be another transaction by now."""
    session.add(Parcel(out_trade_no="A1", event="after", weight=1))
    session.flush()


@each
def test_after_a_rollback_past_the_session_nothing_more_is_written(shop: Shop) -> None:
    def begin_again(session: Session) -> None:
        driver(session).rollback()
        pack_after(session)

    fails(shop, begin_again)
    assert shop.status() == UNTOUCHED
    assert shop.parcels() == []
    assert shop.settle(report()) == ("settled", ("paid",))


@each
def test_after_a_commit_past_the_session_nothing_more_is_written(shop: Shop) -> None:
    def begin_again(session: Session) -> None:
        driver(session).commit()
        pack_after(session)

    fails(shop, begin_again)
    assert shop.parcels() == ["paid"]
    assert shop.outcomes() == ["callback_failed"]


@each
def test_rows_in_bulk_are_not_written_after_the_transaction(shop: Shop) -> None:
    def begin_again(session: Session) -> None:
        driver(session).commit()
        rows = [{"out_trade_no": "A1", "event": "bulk", "weight": 1}] * 2
        session.execute(Parcel.__table__.insert(), rows)  # type: ignore[attr-defined]

    fails(shop, begin_again)
    assert shop.parcels() == ["paid"]


@pytest.mark.parametrize("comment", ["/* of a tracer */", "-- of a\n-- tracer\n", "/**/ /* \n */"])
@each
def test_a_comment_does_not_hide_a_commit(shop: Shop, comment: str) -> None:
    fails(shop, lambda session: session.execute(text(f"{comment} COMMIT")))
    assert shop.status() == UNTOUCHED
    assert shop.parcels() == []


@mariadb
def test_a_procedure_that_commits_is_a_failed_callback(shop: Shop) -> None:
    with shop.engine.begin() as connection:
        commit = (
            "CREATE OR REPLACE PROCEDURE ship() BEGIN DELETE FROM parcel WHERE 1 = 0; COMMIT; END"
        )
        connection.execute(text(commit))

    def call(session: Session) -> None:
        session.execute(text("CALL ship()"))
        pack_after(session)

    fails(shop, call)
    assert shop.parcels() == ["paid"]
    assert shop.outcomes() == ["callback_failed"]


@pytest.mark.parametrize("verb", ["ANALYZE", "CHECK", "OPTIMIZE LOCAL", "REPAIR"])
@mariadb
def test_the_maintenance_of_a_table_that_would_commit_is_refused(shop: Shop, verb: str) -> None:
    fails(shop, lambda session: session.execute(text(f"{verb} TABLE parcel")))
    assert shop.status() == UNTOUCHED
    assert shop.parcels() == []


@each
def test_a_commit_past_the_session_is_a_failed_callback(shop: Shop) -> None:
    fails(shop, lambda session: driver(session).commit())
    assert shop.outcomes() == ["callback_failed"]


@servers
def test_a_connection_that_the_server_ends_loses_nothing(shop: Shop) -> None:
    shop.order()
    on_postgresql = shop.engine.dialect.name == "postgresql"
    number = "pg_backend_pid()" if on_postgresql else "connection_id()"
    kill = "SELECT pg_terminate_backend({})" if on_postgresql else "KILL {}"
    with shop.session() as session:

        def callback(payment: Any) -> None:
            pack(session)(payment)
            session.flush()
            found = session.scalar(text(f"SELECT {number}"))
            with shop.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
                other.execute(text(kill.format(found)))

        with pytest.raises((CallbackFailed, LedgerUnavailable)):
            shop.ledger(session, paid=callback).settle(report())
    assert shop.status() == UNTOUCHED
    assert shop.parcels() == []
    assert shop.settle(report()) == ("settled", ("paid",))


@each
def test_savepoints_of_a_callback_are_welcome(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:

        def careful(payment: Any) -> None:
            with suppress(DBAPIError), session.begin_nested():
                session.add(Parcel(out_trade_no="A1", event="too light", weight=0))
            with session.begin_nested():
                pack(session, "good")(payment)
            session.begin_nested()
            pack(session, "left open")(payment)

        callbacks = [careful, pack(session, "next")]
        shop.ledger(session, paid=callbacks).settle(report())
    assert shop.parcels() == ["good", "left open", "next"]
    assert shop.status() == SETTLED


@each
def test_where_each_statement_is_committed_by_itself_nothing_is_begun(shop: Shop) -> None:
    shop.order()
    careless = Shop(shop.url, isolation_level="AUTOCOMMIT")
    with careless.session() as session:
        ledger = careless.ledger(session, paid=no_callback)
        with pytest.raises(LedgerUnavailable, match="AUTOCOMMIT"):
            ledger.settle(report())
    careless.engine.dispose()
    assert shop.status() == UNTOUCHED
    assert shop.outcomes() == []


@each
def test_a_connection_that_all_sessions_share_is_refused(shop: Shop) -> None:
    shop.order()
    careless = Shop(shop.url, poolclass=StaticPool)
    with careless.session() as session:
        ledger = careless.ledger(session, paid=no_callback)
        with pytest.raises(LedgerUnavailable, match="StaticPool"):
            ledger.settle(report())
    careless.engine.dispose()
    assert shop.status() == UNTOUCHED
    assert shop.outcomes() == []


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_may_have_one_connection(url: str) -> None:
    shop = Shop(url, poolclass=StaticPool)
    shop.open()
    shop.order()
    assert shop.settle(report()) == ("settled", ("paid",))


@pytest.mark.parametrize(
    "options", [{"poolclass": NullPool}, {"pool_pre_ping": True}, {"pool_size": 1}]
)
@each
def test_other_pools_settle_a_sale(shop: Shop, options: dict[str, Any]) -> None:
    shop.order()
    other = Shop(shop.url, **options)
    assert other.settle(report()) == ("settled", ("paid",))
    other.engine.dispose()
    assert shop.status() == SETTLED


@each
def test_a_missing_column_is_named_and_no_data(shop: Shop) -> None:
    shop.order()

    def misspell(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> tuple[str, Any]:
        return re.sub(r"(?<!_)\btotal_fen", "totl_fen", statement), parameters

    event.listen(shop.engine, "before_cursor_execute", misspell, retval=True)
    with pytest.raises(LedgerUnavailable) as caught:
        shop.settle(report())
    event.remove(shop.engine, "before_cursor_execute", misspell)
    assert "totl_fen" in str(caught.value)
    for data in ("2088102116773037", "2026112322001", "\n"):
        assert data not in str(caught.value)


@servers
def test_a_wait_for_a_lock_is_an_outage_and_a_forbidden_value_is_none(shop: Shop) -> None:
    shop.order()
    lock = "SELECT * FROM alipay_payment WHERE out_trade_no = 'A1' FOR UPDATE"
    with shop.session() as session, shop.session() as other:
        other.execute(text(lock)).all()
        with pytest.raises(DBAPIError) as locked:
            session.execute(text(f"{lock} NOWAIT"))
    assert is_outage(locked.value)
    assert describe_error(locked.value) != type(locked.value).__name__
    with shop.session() as session:
        pack(session, weight=0)(shop.payment())
        with pytest.raises(DBAPIError) as forbidden:
            session.flush()
    assert not is_outage(forbidden.value)
    assert describe_error(forbidden.value) == type(forbidden.value).__name__
