"""The ledger detects when its transaction is ended behind the session's back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from typing import Any

import pytest
from sqlalchemy import event, insert, select, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from flask_alipay.exceptions import CallbackFailed, TransactionEnded
from flask_alipay.ledger import callbacks as callbacks_module
from flask_alipay.ledger import session as session_module
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import TOTAL, Parcel, Payment, Shop, pack, report

UNTOUCHED = (TradeStatus.WAIT_BUYER_PAY, False, 0)
SETTLED = (TradeStatus.TRADE_SUCCESS, True, 0)

Act = Callable[[Session], object]


def driver(session: Session) -> Any:
    return session.connection().connection.dbapi_connection


def transaction(session: Session) -> Any:
    return session.connection().get_transaction()


def settle_breaking(shop: Shop, act: Act) -> TransactionEnded:
    """Settle with a callback that writes its row and then does something forbidden."""
    shop.order()
    with shop.session() as session:
        write = pack(session)

        def callback(payment: Any) -> None:
            write(payment)
            session.flush()
            act(session)

        with pytest.raises(
            CallbackFailed, match="callback ended or broke the transaction"
        ) as caught:
            shop.ledger(session, paid=callback).settle(report())
    assert isinstance(caught.value.__cause__, TransactionEnded)
    assert shop.outcomes() == ["callback_failed"]
    return caught.value.__cause__


@pytest.mark.parametrize("statement", ["COMMIT", " rollback", "BEGIN", "ROLLBACK WORK"])
def test_a_statement_that_ends_the_transaction_is_not_executed(shop: Shop, statement: str) -> None:
    error = settle_breaking(shop, lambda session: session.execute(text(statement)))
    assert "must not commit" in str(error)
    assert shop.status() == UNTOUCHED
    assert shop.parcels() == []
    assert shop.settle(report()) == ("settled", ("paid",))


def test_a_commit_past_the_compiler_is_rejected(shop: Shop) -> None:
    def commit(session: Session) -> None:
        session.connection(execution_options={"no_parameters": True}).exec_driver_sql("COMMIT")

    settle_breaking(shop, lambda session: session.connection().exec_driver_sql("COMMIT"))
    assert shop.status() == UNTOUCHED
    with shop.session() as session, pytest.raises(CallbackFailed):
        shop.ledger(session, paid=lambda payment: commit(session)).settle(report())
    assert shop.status() == UNTOUCHED


def test_a_statement_after_which_mariadb_commits_is_not_executed(mariadb_shop: Shop) -> None:
    settle_breaking(
        mariadb_shop, lambda session: session.execute(text("CREATE TABLE lost (id INT)"))
    )
    assert mariadb_shop.status() == UNTOUCHED
    assert mariadb_shop.parcels() == []


def test_savepoints_by_hand_are_welcome(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:

        def careful(payment: Any) -> None:
            session.execute(text("SAVEPOINT mine"))
            pack(session, "thought better")(payment)
            session.flush()
            session.expunge_all()
            session.execute(text("ROLLBACK TO SAVEPOINT mine"))
            session.execute(text("RELEASE SAVEPOINT mine"))
            session.add(Parcel(out_trade_no="A1", event="good", weight=1))

        shop.ledger(session, paid=careful).settle(report())
    assert shop.parcels() == ["good"]
    assert shop.status() == SETTLED


COMMITS: dict[str, Act] = {
    "connection": lambda session: session.connection().commit(),
    "transaction": lambda session: transaction(session).commit(),
    "pooled": lambda session: session.connection().connection.commit(),
    "driver": lambda session: driver(session).commit(),
}
ROLLBACKS: dict[str, Act] = {
    "connection": lambda session: session.connection().rollback(),
    "transaction": lambda session: transaction(session).rollback(),
    "pooled": lambda session: session.connection().connection.rollback(),
    "driver": lambda session: driver(session).rollback(),
    "closed": lambda session: session.connection().close(),
}


@pytest.mark.parametrize("way", COMMITS)
def test_a_commit_past_the_session_is_never_reported_as_success(shop: Shop, way: str) -> None:
    error = settle_breaking(shop, COMMITS[way])
    assert "not on the connection or driver" in str(error)
    # It cannot be undone; it is in the journal, and the retry is a duplicate.
    assert shop.status() == SETTLED
    assert shop.settle(report()) == ("duplicate", ())
    assert shop.parcels() == ["paid"]


@pytest.mark.parametrize("way", ROLLBACKS)
def test_a_rollback_past_the_session_loses_nothing(shop: Shop, way: str) -> None:
    error = settle_breaking(shop, ROLLBACKS[way])
    assert "not on the connection or driver" in str(error)
    assert shop.status() == UNTOUCHED
    assert shop.parcels() == []
    with shop.session() as session:
        assert shop.ledger(session, paid=pack(session)).settle(report()).events == ("paid",)
    assert shop.parcels() == ["paid"]


@pytest.mark.parametrize("way", ["connection", "transaction"])
def test_one_that_sqlalchemy_knows_of_is_found_whatever_follows_it(shop: Shop, way: str) -> None:
    def go_on(session: Session) -> None:
        ROLLBACKS[way](session)
        with suppress(SQLAlchemyError):
            session.execute(text("SELECT 1"))

    settle_breaking(shop, go_on)
    assert shop.status() == UNTOUCHED


def test_many_rows_at_once_after_a_rollback_of_the_driver_are_not_inserted(shop: Shop) -> None:
    rows = [{"out_trade_no": "A1", "event": event, "weight": 1} for event in ("one", "two")]

    def go_on(session: Session) -> None:
        driver(session).rollback()
        session.connection().execute(insert(Parcel), rows)

    settle_breaking(shop, go_on)
    assert shop.status() == UNTOUCHED
    assert shop.parcels() == []


def test_the_callbacks_after_it_are_not_called(small_shop: Shop) -> None:
    small_shop.order()
    with small_shop.session() as session:
        callbacks = [lambda payment: session.connection().commit(), pack(session)]
        with pytest.raises(CallbackFailed):
            small_shop.ledger(session, paid=callbacks).settle(report())
    assert small_shop.parcels() == []


@pytest.mark.parametrize("database", ["postgresql_shop", "mariadb_shop"])
def test_a_separate_connection_of_a_callback_may_commit(
    request: pytest.FixtureRequest, database: str
) -> None:
    # On SQLite the ledger has the file for itself meanwhile.
    shop: Shop = request.getfixturevalue(database)
    shop.order()
    with shop.session() as session, shop.session() as other:

        def callback(payment: Any) -> None:
            other.add(Parcel(out_trade_no="A1", event="aside", weight=1))
            other.commit()
            with shop.engine.connect() as connection:
                connection.execute(text("ROLLBACK"))
                connection.commit()

        shop.ledger(session, paid=callback).settle(report())
    assert shop.parcels() == ["aside"]
    assert shop.status() == SETTLED


def test_the_victim_of_a_deadlock_that_kept_quiet_begins_anew(mariadb_shop: Shop) -> None:
    # MariaDB has rolled all of it back, and would take the rest as a transaction of its own.
    shop = mariadb_shop
    shop.order()
    shop.order("B1", total_fen=TOTAL + 1)
    calls: list[str] = []
    with shop.session() as session, shop.session() as other:

        def callback(payment: Any) -> None:
            calls.append(payment.out_trade_no)
            if len(calls) == 1:
                with suppress(SQLAlchemyError):
                    lose(session, other)
            pack(session)(payment)

        assert shop.ledger(session, paid=callback).settle(report()).outcome == "settled"
    assert calls == ["A1", "A1"]
    assert shop.status() == SETTLED
    assert shop.parcels() == ["paid"]


def lose(session: Session, other: Session) -> None:
    """Cause a deadlock whose victim is the session: the other transaction has changed more rows."""
    other.add_all(Parcel(out_trade_no="B1", event="heavy", weight=1) for _ in range(20))
    other.flush()
    other.execute(text("UPDATE alipay_payment SET subject = 'x' WHERE out_trade_no = 'B1'"))
    waiting = threading.Thread(
        target=other.execute,
        args=(text("UPDATE alipay_payment SET subject = 'x' WHERE out_trade_no = 'A1'"),),
    )
    waiting.start()
    try:
        waits = "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        until = time.monotonic() + 30
        while not session.scalar(text(waits)):
            assert time.monotonic() < until, "nobody waits for the session"
            time.sleep(0.2)  # more than ten reads a second return cached values
        session.execute(text("UPDATE alipay_payment SET subject = 'y' WHERE out_trade_no = 'B1'"))
    finally:
        waiting.join(30)
        other.rollback()


@pytest.fixture
def strict_shop(mariadb_shop: Shop) -> Iterator[Shop]:
    """Open a shop on MariaDB with 11.6 defaults: changing a row that others changed fails."""
    shop = Shop(
        mariadb_shop.url,
        connect_args={"init_command": "SET SESSION innodb_snapshot_isolation = ON"},
    )
    try:
        shop.engine.connect().close()
    except OperationalError:
        pytest.skip("MariaDB is too old to check what was read")
    yield shop
    shop.engine.dispose()


@pytest.mark.parametrize("in_savepoint", [False, True])
def test_so_does_who_kept_quiet_about_a_row_that_others_changed(
    strict_shop: Shop, in_savepoint: bool
) -> None:
    shop = strict_shop
    shop.order()
    shop.order("B1")
    change = text(
        "UPDATE alipay_payment SET subject = concat(subject, 'x') WHERE out_trade_no='B1'"
    )
    calls: list[str] = []
    with shop.session() as session:

        def callback(payment: Any) -> None:
            calls.append("called")
            session.execute(text("SELECT count(*) FROM alipay_payment"))
            if len(calls) == 1:
                with shop.engine.begin() as other:
                    other.execute(change)
                # The savepoint is gone as well: its own rollback fails.
                with (
                    suppress(SQLAlchemyError),
                    session.begin_nested() if in_savepoint else nullcontext(),
                ):
                    session.execute(change)
            pack(session)(payment)

        assert shop.ledger(session, paid=callback).settle(report()).outcome == "settled"
    assert len(calls) == 2
    assert shop.status() == SETTLED
    assert shop.parcels() == ["paid"]


def test_a_wait_that_was_too_long_costs_nothing_but_its_statement(mariadb_shop: Shop) -> None:
    # SELECT … NOWAIT fails in the same way.
    shop = mariadb_shop
    shop.order()
    shop.order("B1")
    with shop.session() as session, shop.session() as other:
        other.execute(text("SELECT * FROM alipay_payment WHERE out_trade_no = 'B1' FOR UPDATE"))

        def callback(payment: Any) -> None:
            pack(session)(payment)
            session.flush()
            with pytest.raises(OperationalError, match="1205"), session.begin_nested():
                session.execute(
                    text("SELECT * FROM alipay_payment WHERE out_trade_no = 'B1' FOR UPDATE NOWAIT")
                )

        assert shop.ledger(session, paid=callback).settle(report()).outcome == "settled"
    assert shop.status() == SETTLED
    assert shop.parcels() == ["paid"]


@pytest.mark.parametrize("database", ["sqlite_shop", "mariadb_shop"])
def test_an_error_after_which_nothing_is_open_is_noticed_whatever_follows(
    request: pytest.FixtureRequest, database: str
) -> None:
    # What MariaDB does after a wait with innodb_rollback_on_timeout, an option for its start.
    shop: Shop = request.getfixturevalue(database)
    shop.order()
    with shop.session() as session:

        def give_up(*of_statement: Any) -> None:
            driver(session).rollback()

        def callback(payment: Any) -> None:
            # After the ledger's own listener: the statement is under way.
            event.listen(shop.engine, "do_execute", give_up)
            with suppress(SQLAlchemyError):
                session.execute(text("SELECT nothing FROM nowhere"))
            event.remove(shop.engine, "do_execute", give_up)
            pack(session)(payment)

        with pytest.raises(CallbackFailed, match="raised"):
            shop.ledger(session, paid=callback).settle(report())
    assert shop.status() == UNTOUCHED
    assert shop.parcels() == []


def test_a_conflict_that_makes_sqlite_roll_back_is_retried(small_shop: Shop) -> None:
    shop = small_shop
    shop.order()
    with shop.engine.begin() as connection:
        connection.execute(text("CREATE TABLE coupon (code TEXT UNIQUE ON CONFLICT ROLLBACK)"))
        connection.execute(text("INSERT INTO coupon VALUES ('C')"))
    with shop.session() as session:

        def callback(payment: Any) -> None:
            with suppress(SQLAlchemyError):
                session.execute(text("INSERT INTO coupon VALUES ('C')"))
            pack(session)(payment)

        with pytest.raises(CallbackFailed, match="raised IntegrityError"):
            shop.ledger(session, paid=callback).settle(report())
    assert shop.status() == UNTOUCHED
    assert shop.parcels() == []
    assert shop.outcomes() == ["callback_failed"]


def test_a_connection_that_is_gone_is_a_transaction_that_is(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:

        def callback(payment: Any) -> None:
            driver(session).close()
            with suppress(SQLAlchemyError):
                session.execute(text("SELECT 1"))

        with pytest.raises(CallbackFailed):
            shop.ledger(session, paid=callback).settle(report())
    assert shop.status() == UNTOUCHED


def test_a_driver_without_a_transaction_state_is_judged_by_its_error(
    mariadb_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (callbacks_module, session_module):
        monkeypatch.setattr(module, "is_open", lambda connection: None)
    shop = mariadb_shop
    shop.order()
    with shop.session() as session:

        def callback(payment: Any) -> None:
            with suppress(SQLAlchemyError):
                session.execute(text("ROLLBACK TO SAVEPOINT gone"))
            pack(session)(payment)

        with pytest.raises(CallbackFailed, match="raised OperationalError"):
            shop.ledger(session, paid=callback).settle(report())
    assert shop.status() == UNTOUCHED


def test_a_session_in_an_outer_transaction_keeps_it(postgresql_shop: Shop) -> None:
    # As in a test that rolls everything back in the end. Python's sqlite3 does not begin before a
    # savepoint, whose release is then a commit.
    postgresql_shop.order()
    with postgresql_shop.engine.connect() as connection, connection.begin() as outer:
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            ledger = postgresql_shop.ledger(session, paid=pack(session))
            assert ledger.settle(report()).events == ("paid",)
            assert session.scalars(select(Payment)).one().paid
        assert outer.is_active
        outer.rollback()
    assert postgresql_shop.status() == UNTOUCHED
