from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

import pytest

from flask_alipay.simulator.clock import (
    PersistedOffset,
    SystemClock,
    end_of_china_day,
    read_china_text,
)
from flask_alipay.simulator.storage.storage import Storage
from flask_alipay.simulator.worker_pool import Task


def test_the_machines_time_is_aware_utc():
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_callbacks_come_in_the_order_in_which_they_are_due():
    clock, order, done = SystemClock(), [], threading.Event()
    clock.call_later(timedelta(milliseconds=900), done.set)
    clock.call_later(timedelta(milliseconds=800), lambda: order.append("later"))
    clock.call_later(timedelta(milliseconds=10), lambda: order.append("sooner"))
    assert done.wait(30)
    assert order == ["sooner", "later"]


def test_a_callback_that_raises_does_not_silence_the_next(caplog):
    clock, done = SystemClock(), threading.Event()
    clock.call_later(timedelta(0), lambda: 1 / 0)
    clock.call_later(timedelta(milliseconds=10), done.set)
    assert done.wait(5)
    assert "scheduled callback of the simulator failed" in caplog.text


def test_the_thread_is_a_daemon_and_not_started_before_it_is_needed():
    before = set(threading.enumerate())
    clock = SystemClock()
    assert set(threading.enumerate()) == before
    clock.call_later(timedelta(hours=1), lambda: None)
    (started,) = set(threading.enumerate()) - before
    assert started.daemon


def test_a_merchants_time_is_read_as_china_time():
    assert read_china_text("2026-01-31 12:00:00") == datetime(2026, 1, 31, 4, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-02-30 12:00:00",
        "２０２６-01-31 12:00:00",
        "0001-01-01 00:00:00",
        "2026-01-31 12:00:00+08:00",
        "x" * 19,
    ],
)
def test_a_time_written_otherwise_is_none(text):
    assert read_china_text(text) is None


def test_the_day_ends_at_midnight_in_china():
    evening = datetime(2026, 1, 31, 15, 59, tzinfo=timezone.utc)  # 23:59 in China
    assert end_of_china_day(evening) == datetime(2026, 1, 31, 16, 0, tzinfo=timezone.utc)
    assert end_of_china_day(evening + timedelta(minutes=1)) == datetime(
        2026, 2, 1, 16, 0, tzinfo=timezone.utc
    )


def test_a_faster_clock_runs_ahead_of_the_machines():
    clock, done = SystemClock(speed=3600), threading.Event()
    clock.call_later(timedelta(minutes=1), done.set)
    assert done.wait(30)


def test_advancing_calls_what_is_due_in_order_and_at_its_time():
    clock, seen = SystemClock(), []
    begin = clock.now()

    def note(name):
        seen.append((name, (clock.now() - begin) // timedelta(hours=1)))

    clock.call_later(timedelta(hours=2), lambda: note("second"))
    clock.call_later(timedelta(hours=1), lambda: note("first"))
    clock.call_later(timedelta(hours=9), lambda: note("never"))
    clock.advance(timedelta(hours=3))
    assert seen == [("first", 1), ("second", 2)]
    assert clock.now() - begin >= timedelta(hours=3)


def test_advancing_calls_what_a_call_puts_off():
    clock, seen = SystemClock(), []
    clock.call_later(
        timedelta(hours=1), lambda: clock.call_later(timedelta(hours=1), lambda: seen.append(1))
    )
    clock.advance(timedelta(hours=3))
    assert seen == [1]


def test_a_call_that_fails_does_not_stop_the_clock(caplog):
    clock, seen = SystemClock(), []
    clock.call_later(timedelta(hours=1), lambda: 1 / 0)
    clock.call_later(timedelta(hours=2), lambda: seen.append(1))
    clock.advance(timedelta(hours=3))
    assert seen == [1]
    assert "scheduled callback of the simulator failed" in caplog.text


@pytest.fixture
def slow():
    """A task that waits, the event that it sets first, and the one that ends its wait."""
    opens, entered = threading.Event(), threading.Event()

    def visit():
        entered.set()
        assert opens.wait(30)

    task = Task("slow", visit)
    yield task, entered, opens
    opens.set()


def test_tasks_of_different_keys_do_not_wait_for_each_other(slow):
    clock, done, elsewhere = SystemClock(), threading.Event(), threading.Event()
    task, entered, opens = slow
    clock.call_later(timedelta(0), task)
    assert entered.wait(30)
    clock.call_later(timedelta(0), done.set)
    clock.call_later(timedelta(0), Task("elsewhere", elsewhere.set))
    assert done.wait(30)
    assert elsewhere.wait(30)
    opens.set()


def test_a_failing_task_is_logged_and_prevents_no_other(caplog):
    clock, done = SystemClock(), threading.Event()
    clock.call_later(timedelta(0), Task("here", lambda: 1 / 0))
    clock.call_later(timedelta(0), Task("here", done.set))
    assert done.wait(30)
    assert "scheduled callback of the simulator failed" in caplog.text


def test_advancing_does_tasks_in_order_before_it_returns(slow):
    clock, seen = SystemClock(), []
    task, entered, opens = slow
    clock.call_later(timedelta(0), task)
    assert entered.wait(30)

    def note(name):
        return lambda: seen.append((name, threading.current_thread()))

    clock.call_later(timedelta(0), Task("slow", note("waits for the slow one")))
    done = threading.Event()
    clock.call_later(timedelta(0), done.set)
    assert done.wait(30)  # and so the one before it was sent on its way
    for hours, place in enumerate(("one", "other", "one"), 1):
        clock.call_later(timedelta(hours=hours), Task(place, note(f"{hours} at the {place}")))
    clock.advance(timedelta(hours=3))
    here = threading.current_thread()
    names = ["waits for the slow one", "1 at the one", "2 at the other", "3 at the one"]
    assert seen == [(name, here) for name in names]
    opens.set()


def test_only_advance_runs_due_callbacks_while_it_moves_the_time():
    clock, seen = SystemClock(), []

    def note():
        seen.append(threading.current_thread())

    def due_at_once():
        clock.call_later(timedelta(0), note)  # wakes the clock's thread
        threading.Event().wait(0.1)

    clock.call_later(timedelta(hours=1), due_at_once)
    clock.advance(timedelta(hours=2))
    assert seen == [threading.current_thread()]


@pytest.fixture
def offset(clock):
    return PersistedOffset(clock, Storage())


def test_the_clock_is_set_to_the_latest_time_that_is_known(offset, clock):
    begin = clock.now()
    offset.not_before([begin + timedelta(hours=2), begin + timedelta(hours=1)])
    assert clock.now() == begin + timedelta(hours=2)


@pytest.mark.parametrize("instants", [[], [timedelta(hours=-1)]])
def test_the_clock_is_never_set_back(offset, clock, instants):
    begin = clock.now()
    offset.not_before(begin + instant for instant in instants)
    assert clock.now() == begin
