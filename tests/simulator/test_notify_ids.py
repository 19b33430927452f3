from __future__ import annotations

from datetime import datetime, timedelta, timezone

from flask_alipay.simulator.notifications.notify_ids import NotifyIds

NOON = datetime(2026, 1, 31, 4, 0, tzinfo=timezone.utc)


def test_a_number_is_fresh_for_a_minute_after_it_was_sent():
    ids = NotifyIds()
    ids.record("n", NOON)
    assert ids.is_recent("n", NOON + timedelta(seconds=60))
    assert not ids.is_recent("n", NOON + timedelta(seconds=61))


def test_a_retry_is_fresh_again():
    ids = NotifyIds()
    ids.record("n", NOON)
    ids.record("n", NOON + timedelta(minutes=4))
    assert ids.is_recent("n", NOON + timedelta(minutes=4, seconds=30))


def test_a_number_that_was_never_sent_is_not_fresh():
    assert not NotifyIds().is_recent(NotifyIds.new(), NOON)


def test_old_numbers_are_forgotten():
    ids = NotifyIds()
    for second in range(500):
        ids.record(str(second), NOON + timedelta(seconds=second))
    assert len(ids._sent) <= 62


def test_numbers_do_not_repeat():
    assert len({NotifyIds.new() for _ in range(100)}) == 100
    assert len(NotifyIds.new()) == 34
