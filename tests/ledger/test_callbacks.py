"""Callbacks run inside the ledger's transaction: all of it is committed, or none of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from flask_alipay.exceptions import AlipayError, CallbackFailed, LedgerUnavailable
from flask_alipay.ledger import Models
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import (
    BUYER,
    MODELS,
    NO_JOURNAL,
    Notification,
    Parcel,
    Payment,
    Shop,
    pack,
    report,
)

UNTOUCHED = (TradeStatus.WAIT_BUYER_PAY, False, 0)
SETTLED = (TradeStatus.TRADE_SUCCESS, True, 0)

Act = Callable[[Session, Any], None]


def run_out(payment: Any) -> None:
    raise RuntimeError("no boxes left for 2088")


def fails(
    shop: Shop,
    act: Act,
    wanted: type[AlipayError] | tuple[type[AlipayError], ...] = CallbackFailed,
    models: Models = MODELS,
) -> AlipayError:
    """Settle with a callback that writes its row and then breaks a rule: nothing is committed, and
    the next delivery settles once.
    """
    shop.order()
    with shop.session() as session:
        write = pack(session)

        def callback(payment: Any) -> None:
            write(payment)
            session.flush()
            act(session, payment)

        with pytest.raises(wanted) as caught:
            shop.ledger(session, models, paid=callback).settle(report())
    assert shop.status() == UNTOUCHED
    assert shop.parcels() == []
    with shop.session() as session:
        assert shop.ledger(session, models, paid=pack(session)).settle(report()).events == ("paid",)
    assert shop.status() == SETTLED
    assert shop.parcels() == ["paid"]
    return caught.value


def test_a_callback_that_raises_rolls_everything_back(shop: Shop) -> None:
    fails(shop, lambda session, payment: run_out(payment))
    assert shop.outcomes() == ["callback_failed", "settled"]


def test_the_journal_names_the_failed_callback_only(small_shop: Shop) -> None:
    small_shop.order()
    with pytest.raises(CallbackFailed) as caught:
        small_shop.settle(report(), paid=run_out)
    [row] = small_shop.rows(Notification)
    assert row.detail == f"{__name__}.run_out raised RuntimeError"
    assert str(caught.value) == row.detail
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert (caught.value.out_trade_no, caught.value.notify_id) == ("A1", "n1")


def test_the_callbacks_error_message_is_logged(
    small_shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    small_shop.order()
    with caplog.at_level(logging.DEBUG, "flask_alipay"), pytest.raises(CallbackFailed):
        small_shop.settle(report(), paid=run_out)
    assert f"callback {__name__}.run_out failed for A1" in caplog.text
    assert "no boxes left" in caplog.text
    assert BUYER not in caplog.text


@pytest.mark.parametrize("event", ["failed", "refunded", "finished"])
def test_every_event_can_be_refused(small_shop: Shop, event: str) -> None:
    small_shop.order()
    if event != "failed":
        small_shop.settle(report())
    callbacks = {event: run_out}
    piece = {
        "failed": report(TradeStatus.TRADE_CLOSED),
        "refunded": report(refunded_fen=1),
        "finished": report(TradeStatus.TRADE_FINISHED),
    }[event]
    before = small_shop.status()
    with pytest.raises(CallbackFailed):
        small_shop.settle(piece, **callbacks)
    assert small_shop.status() == before
    assert small_shop.settle(piece) == ("settled", (event,))


def test_a_callback_that_commits_is_rejected(shop: Shop) -> None:
    error = fails(shop, lambda session, payment: session.commit())
    assert isinstance(error.__cause__, AlipayError)
    assert "must not commit" in str(error.__cause__)
    assert shop.outcomes() == ["callback_failed", "settled"]


def test_a_commit_inside_a_savepoint_counts_as_a_commit(shop: Shop) -> None:
    def commit(session: Session, payment: Any) -> None:
        session.begin_nested()
        session.commit()

    fails(shop, commit)


def test_a_commit_whose_error_is_suppressed_commits_nothing_early(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:
        write = pack(session)

        def commit(payment: Any) -> None:
            write(payment)
            with suppress(AlipayError):
                session.commit()
            assert shop.status() == UNTOUCHED or shop.engine.dialect.name == "sqlite"

        shop.ledger(session, paid=commit).settle(report())
    assert shop.parcels() == ["paid"]
    assert shop.status() == SETTLED


def test_a_callback_that_rolls_back_is_rejected(shop: Shop) -> None:
    error = fails(shop, lambda session, payment: session.rollback())
    assert "must not commit or roll back" in str(error.__cause__)


def test_a_callback_that_rolls_back_and_begins_again_is_rejected(shop: Shop) -> None:
    def start_over(session: Session, payment: Any) -> None:
        session.rollback()
        session.add(Parcel(out_trade_no="A1", event="paid", weight=1))

    fails(shop, start_over)


def test_a_callback_that_closes_the_session_is_rejected(shop: Shop) -> None:
    fails(shop, lambda session, payment: session.close())


def test_a_callback_that_removes_the_scoped_session_is_rejected(shop: Shop) -> None:
    shop.order()
    registry = scoped_session(sessionmaker(shop.engine))
    ledger = shop.ledger(registry, paid=lambda payment: registry.remove())  # type: ignore[arg-type]
    with pytest.raises(CallbackFailed):
        ledger.settle(report())
    registry.remove()
    assert shop.status() == UNTOUCHED
    assert shop.outcomes() == ["callback_failed"]


def test_a_savepoint_is_welcome(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:

        def careful(payment: Any) -> None:
            with suppress(SQLAlchemyError), session.begin_nested():
                session.add(Parcel(out_trade_no="A1", event="too light", weight=0))
            with session.begin_nested():
                session.add(Parcel(out_trade_no="A1", event="good", weight=1))
            with suppress(RuntimeError), session.begin_nested():
                session.add(Parcel(out_trade_no="A1", event="thought better", weight=1))
                session.flush()
                raise RuntimeError

        shop.ledger(session, paid=careful).settle(report())
    assert shop.parcels() == ["good"]
    assert shop.status() == SETTLED


def test_a_savepoint_left_open_is_committed_with_the_rest(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:

        def careless(payment: Any) -> None:
            session.begin_nested()
            session.add(Parcel(out_trade_no="A1", event="paid", weight=1))

        shop.ledger(session, paid=careless).settle(report())
    assert shop.parcels() == ["paid"]
    assert shop.status() == SETTLED


def test_a_row_that_the_shop_itself_forbids_is_a_failed_callback(shop: Shop) -> None:
    def too_light(session: Session, payment: Any) -> None:
        pack(session, weight=0)(payment)

    error = fails(shop, too_light)
    assert isinstance(error.__cause__, SQLAlchemyError)


def test_a_payment_broken_by_a_callback_is_not_committed(shop: Shop) -> None:
    def overdraw(session: Session, payment: Any) -> None:
        payment.refunded_fen = payment.total_fen + 1

    fails(shop, overdraw)


@pytest.mark.parametrize("models", [MODELS, NO_JOURNAL], ids=["journal", "no-journal"])
def test_a_suppressed_flush_error_fails_the_callback(shop: Shop, models: Models) -> None:
    def keep_quiet(session: Session, payment: Any) -> None:
        session.add(Parcel(out_trade_no="A1", event="paid", weight=0))
        with suppress(SQLAlchemyError):
            session.flush()

    error = fails(shop, keep_quiet, models=models)
    assert "savepoint" in str(error.__cause__)


@pytest.mark.parametrize("models", [MODELS, NO_JOURNAL], ids=["journal", "no-journal"])
def test_a_suppressed_statement_error_never_ends_in_success(
    postgresql_shop: Shop, models: Models
) -> None:
    # On COMMIT of a transaction with a failed statement, PostgreSQL rolls back,
    # without an error.
    def keep_quiet(session: Session, payment: Any) -> None:
        with suppress(SQLAlchemyError):
            session.execute(text("SELECT 1 / 0"))

    fails(postgresql_shop, keep_quiet, (CallbackFailed, LedgerUnavailable), models)


@pytest.mark.parametrize("models", [MODELS, NO_JOURNAL], ids=["journal", "no-journal"])
@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_a_failed_statement_that_leaves_the_transaction_usable_is_allowed(
    request: pytest.FixtureRequest, kind: str, models: Models
) -> None:
    fixture = {"sqlite": "small_shop", "mariadb": "mariadb_shop"}[kind]
    shop: Shop = request.getfixturevalue(fixture)
    shop.order()
    with shop.session() as session:
        write = pack(session)

        def keep_quiet(payment: Any) -> None:
            with suppress(SQLAlchemyError):
                session.execute(text("SELECT nothing FROM nowhere"))
            write(payment)

        shop.ledger(session, models, paid=keep_quiet).settle(report())
    assert shop.parcels() == ["paid"]
    assert shop.status() == SETTLED


def test_several_callbacks_are_called_in_order_and_see_earlier_changes(shop: Shop) -> None:
    shop.order()
    seen: list[list[str]] = []
    with shop.session() as session:

        def look(payment: Any) -> None:
            seen.append(list(session.scalars(select(Parcel.event).order_by(Parcel.id))))

        callbacks = [look, pack(session, "first"), look, pack(session, "second"), look]
        shop.ledger(session, paid=callbacks).settle(report())
    assert seen == [[], ["first"], ["first", "second"]]
    assert shop.parcels() == ["first", "second"]


def test_a_failing_callback_undoes_earlier_ones_and_prevents_later_ones(shop: Shop) -> None:
    shop.order()
    with shop.session() as session:
        callbacks = [pack(session, "first"), run_out, pack(session, "third")]
        with pytest.raises(CallbackFailed, match="run_out"):
            shop.ledger(session, paid=callbacks).settle(report())
    assert shop.parcels() == []
    assert shop.status() == UNTOUCHED


def test_the_callback_gets_the_apps_object_in_its_current_state(shop: Shop) -> None:
    shop.order()
    seen: list[Any] = []
    with shop.session() as session:

        def look(payment: Any) -> None:
            seen.append((type(payment), payment.trade_status, payment.paid, payment.refunded_fen))
            payment.shipped = True

        shop.ledger(session, paid=look, refunded=look, failed=look).settle(report(refunded_fen=5))
    assert seen == [(Payment, TradeStatus.TRADE_SUCCESS, True, 5)] * 2
    assert shop.payment().shipped


def test_a_refund_is_seen_by_its_callback_as_the_sum(shop: Shop) -> None:
    shop.order()
    shop.settle(report())
    seen: list[int] = []
    for total in (10, 30):
        shop.settle(
            report(refunded_fen=total), refunded=lambda payment: seen.append(payment.refunded_fen)
        )
    assert seen == [10, 30]


def test_a_callback_may_load_other_payments(shop: Shop) -> None:
    shop.order()
    shop.order("B1")
    with shop.session() as session:

        def upgrade(payment: Any) -> None:
            other = session.scalars(select(Payment).where(Payment.out_trade_no == "B1")).one()
            other.subject = "with a gift"

        shop.ledger(session, paid=upgrade).settle(report())
    assert shop.payment("B1").subject == "with a gift"


def test_the_return_value_of_a_callback_is_ignored(small_shop: Shop) -> None:
    small_shop.order()
    assert small_shop.settle(report(), paid=lambda payment: False) == ("settled", ("paid",))


def test_a_callable_object_is_named_by_its_class(small_shop: Shop) -> None:
    class Warehouse:
        def __call__(self, payment: Any) -> None:
            raise RuntimeError

    small_shop.order()
    with pytest.raises(CallbackFailed, match=r"Warehouse raised RuntimeError"):
        small_shop.settle(report(), paid=Warehouse())


def test_after_it_is_over_the_session_may_commit_again(small_shop: Shop) -> None:
    small_shop.order()
    small_shop.order("B1")
    with small_shop.session() as session:
        small_shop.ledger(session, paid=lambda payment: None).settle(report())
        with pytest.raises(CallbackFailed):
            small_shop.ledger(session, paid=run_out).settle(
                report(out_trade_no="B1", trade_no="T2")
            )
        session.add(Parcel(out_trade_no="A1", event="later", weight=1))
        session.commit()
    assert small_shop.parcels() == ["later"]


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit])
def test_a_terminated_worker_leaves_nothing_incomplete(
    shop: Shop, leaving: type[BaseException]
) -> None:
    shop.order()
    with shop.session() as session:

        def stop(payment: Any) -> None:
            pack(session)(payment)
            session.flush()
            raise leaving

        with pytest.raises(leaving):
            shop.ledger(session, paid=stop).settle(report())
        assert not session.in_transaction()
    assert shop.status() == UNTOUCHED
    assert shop.parcels() == []
    assert shop.settle(report()) == ("settled", ("paid",))
