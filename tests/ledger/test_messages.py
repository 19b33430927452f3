"""Messages are processed once, with everything that they cause in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event, update
from sqlalchemy.orm import Session

from flask_alipay.exceptions import CallbackFailed, LedgerUnavailable, PaymentMismatch
from flask_alipay.ledger import Ledger, Models, messages
from flask_alipay.ledger.messages import Handling, MessageLedger
from flask_alipay.ledger.settlement import MessageEffect, Settlement
from flask_alipay.protocol.message import Message

from .shop import MERCHANT, MODELS, NO_JOURNAL, Notification, Parcel, Payment, Shop

KIND = "alipay.test.changed"
Callbacks = dict[str, Sequence[Callable[[Any], object]]]


def message(notify_id: str = "m1", **content: Any) -> Message:
    fields = {"msg_method": KIND, "notify_id": notify_id, "biz_content": "{}", "sign": "AAAA"}
    return Message(KIND, notify_id, content, app_id=MERCHANT, params=fields)


def receive(
    shop: Shop,
    received: Message,
    models: Models = MODELS,
    callbacks: Callable[[Session], Callbacks] = lambda session: {},
) -> Settlement:
    """Process a message in a session of its own."""
    with shop.session() as session:
        ledger = MessageLedger(session, models, merchant=MERCHANT, callbacks=callbacks(session))
        return ledger.receive(received)


def packing(*events: str, fail: bool = False) -> Callable[[Session], Callbacks]:
    """Callbacks that write a row each, and the last one raises if it is told to."""

    def make(session: Session) -> Callbacks:
        def of(name: str) -> Callable[[Any], None]:
            def write(subject: Any) -> None:
                session.add(Parcel(out_trade_no=type(subject).__name__, event=name[:16], weight=1))
                if fail and name == events[-1]:
                    raise RuntimeError

            return write

        return {name: [of(name)] for name in events}

    return make


def test_a_message_is_recorded_once(shop: Shop) -> None:
    outcomes = [receive(shop, message()).outcome for _ in range(3)]
    assert outcomes == ["recorded", "duplicate", "duplicate"]
    assert [row.message_id for row in shop.rows(Notification)] == [f"{MERCHANT}:m1", None, None]


def test_duplicates_are_recorded_a_limited_number_of_times(small_shop: Shop) -> None:
    for _ in range(30):
        receive(small_shop, message())
    assert small_shop.outcomes() == ["recorded"] + ["duplicate"] * 20


def test_messages_of_two_merchants_may_have_the_same_number(shop: Shop) -> None:
    receive(shop, message())
    with shop.session() as session:
        other = MessageLedger(session, MODELS, merchant="2021000000000002")
        assert other.receive(message()).outcome == "recorded"


def test_numbers_that_differ_in_case_are_different(shop: Shop) -> None:
    assert [receive(shop, message(number)).outcome for number in ("m1", "M1")] == ["recorded"] * 2


def test_callbacks_write_in_the_transaction_of_the_message(shop: Shop) -> None:
    callbacks = packing("message", f"message:{KIND}")
    assert receive(shop, message(), callbacks=callbacks).outcome == "settled"
    assert shop.parcels() == ["message", f"message:{KIND}"[:16]]
    assert receive(shop, message(), callbacks=callbacks).outcome == "duplicate"
    assert len(shop.parcels()) == 2


def test_a_failing_callback_undoes_everything(shop: Shop) -> None:
    with pytest.raises(CallbackFailed):
        receive(shop, message(), callbacks=packing("message", f"message:{KIND}", fail=True))
    assert shop.parcels() == []
    (row,) = shop.rows(Notification)
    assert (row.outcome, row.message_id) == ("callback_failed", None)
    assert receive(shop, message(), callbacks=packing("message")).outcome == "settled"


def test_workers_process_the_same_message_once(shop: Shop) -> None:
    workers, rounds = 4, 6

    def deliver(number: str, barrier: Barrier) -> str:
        barrier.wait(10)
        for _ in range(20):
            try:
                return receive(shop, message(number), callbacks=packing("message")).outcome
            except LedgerUnavailable:
                continue
        raise AssertionError("never answered success")

    with ThreadPoolExecutor(workers) as pool:
        for number in map(str, range(rounds)):
            barrier = Barrier(workers)
            outcomes = pool.map(deliver, [number] * workers, [barrier] * workers)
            assert sorted(outcomes) == ["duplicate"] * (workers - 1) + ["settled"]
    assert shop.parcels() == ["message"] * rounds


def test_a_class_with_listeners_gets_its_events(shop: Shop) -> None:
    seen: list[str | None] = []

    def inserted(mapper: object, connection: object, row: Any) -> None:
        seen.append(row.message_id)

    event.listen(Notification, "after_insert", inserted)
    try:
        assert [receive(shop, message()).outcome for _ in range(2)] == ["recorded", "duplicate"]
    finally:
        event.remove(Notification, "after_insert", inserted)
    assert seen == [f"{MERCHANT}:m1", None]


def test_without_a_journal_and_a_handler_the_database_is_not_used(small_shop: Shop) -> None:
    with small_shop.session() as session:
        ledger = MessageLedger(session, NO_JOURNAL, merchant=MERCHANT)
        assert ledger.receive(message()).outcome == "recorded"
        assert not session.in_transaction()


def test_the_outcome_of_a_replay_is_foreseen_without_a_change(shop: Shop) -> None:
    def foreseen(callbacks: Callbacks) -> str:
        with shop.session() as session:
            ledger = MessageLedger(session, MODELS, merchant=MERCHANT, callbacks=callbacks)
            return ledger.expected_outcome(message())

    assert foreseen({}) == "recorded"
    assert foreseen({f"message:{KIND}": [print]}) == "settled"
    assert shop.outcomes() == []
    receive(shop, message())
    assert foreseen({}) == "duplicate"


# Kinds that the package itself handles


class Marks(Ledger):
    """A ledger that marks the payment that a message names as shipped."""

    #: What is returned for the first messages, instead of the effect.
    lost: int = 0

    def apply_message(self, received: Message) -> MessageEffect | None:
        number = received.content["out_trade_no"]
        if number == "wrong":
            raise PaymentMismatch("total_amount", "1.00", "2.00")
        if Marks.lost:
            Marks.lost -= 1
            return None
        changed = self._session.update_count(
            update(Payment)
            .where(Payment.out_trade_no == number, Payment.shipped.is_(False))
            .values(shipped=True),
            Payment,
        )
        if not changed:
            return MessageEffect("stale")
        return MessageEffect("settled", ("shipped",), self.find(number))


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "HANDLERS", {KIND: Handling("Payment", lambda: Marks)})
    monkeypatch.setattr(Marks, "lost", 0)


@pytest.mark.usefixtures("handled")
def test_a_handler_its_events_and_the_callbacks_are_one_transaction(shop: Shop) -> None:
    shop.order()
    settled = receive(shop, message(out_trade_no="A1"), callbacks=packing("shipped", "message"))
    assert (settled.outcome, settled.events) == ("settled", ("shipped",))
    assert shop.payment().shipped
    assert [(row.out_trade_no, row.event) for row in shop.rows(Parcel)] == [
        ("Payment", "shipped"),
        ("Message", "message"),
    ]
    (row,) = shop.rows(Notification)
    assert (row.outcome, row.detail, row.out_trade_no) == ("settled", "shipped", "A1")


@pytest.mark.usefixtures("handled")
@pytest.mark.parametrize("failing", ["shipped", "message"])
def test_a_failing_callback_undoes_the_handler(shop: Shop, failing: str) -> None:
    shop.order()
    with pytest.raises(CallbackFailed):
        receive(shop, message(out_trade_no="A1"), callbacks=packing(failing, fail=True))
    assert not shop.payment().shipped
    assert shop.parcels() == []
    assert shop.outcomes() == ["callback_failed"]


@pytest.mark.usefixtures("handled")
def test_a_handler_that_changes_nothing_is_recorded(shop: Shop) -> None:
    shop.order(shipped=True)
    assert receive(shop, message(out_trade_no="A1")).outcome == "stale"
    assert shop.outcomes() == ["stale"]
    assert receive(shop, message(out_trade_no="A1")).outcome == "duplicate"


@pytest.mark.usefixtures("handled")
def test_a_handler_whose_row_has_changed_is_retried(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.order()
    monkeypatch.setattr(Marks, "lost", 2)
    assert receive(shop, message(out_trade_no="A1")).outcome == "settled"
    monkeypatch.setattr(Marks, "lost", 9)
    with pytest.raises(LedgerUnavailable):
        receive(shop, message("m2", out_trade_no="A1"))
    assert shop.outcomes() == ["settled"]


@pytest.mark.usefixtures("handled")
def test_a_message_that_contradicts_the_ledger_is_refused(shop: Shop) -> None:
    with pytest.raises(PaymentMismatch):
        receive(shop, message(out_trade_no="wrong"), callbacks=packing("message"))
    assert shop.parcels() == []
    (row,) = shop.rows(Notification)
    assert (row.outcome, row.message_id) == ("mismatched", None)


@pytest.mark.usefixtures("handled")
def test_a_handler_works_without_a_journal(shop: Shop) -> None:
    shop.order()
    received = message(out_trade_no="A1")
    settled = receive(shop, received, NO_JOURNAL, packing("shipped"))
    assert settled.outcome == "settled"
    assert receive(shop, received, NO_JOURNAL).outcome == "stale"
    assert shop.parcels() == ["shipped"]


def test_a_kind_is_not_handled_without_the_applications_class(
    small_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "HANDLERS", {KIND: Handling("Transfer", lambda: Marks)})
    small_shop.order()
    assert receive(small_shop, message(out_trade_no="A1")).outcome == "recorded"
    assert not small_shop.payment().shipped
