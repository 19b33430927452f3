from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from flask_alipay.simulator.trades.batches import (
    DONE,
    REFUNDS,
    REFUSED,
    TRANSFERS,
    Batch,
    BatchEntry,
    BatchStore,
    Outcome,
)

NOON = datetime(2026, 1, 31, 4, 0, tzinfo=timezone.utc)


def a_batch(batch_no="20260131001", **changes):
    fields = {
        "kind": REFUNDS,
        "batch_no": batch_no,
        "entries": (BatchEntry("1", 100, "1.00", "why"), BatchEntry("2", 200, "2", "why")),
        "charset": "utf-8",
        "sign_type": "MD5",
    }
    return Batch(**(fields | changes))


@pytest.fixture
def store():
    return BatchStore()


def test_a_batch_waits_and_is_summed(store):
    batch = store.create(a_batch())
    assert (batch.status, batch.total_fen) == ("waiting", 300)
    assert store.by_id(batch.batch_id) == batch


def test_a_number_is_used_once_for_each_kind(store):
    first = store.create(a_batch())
    assert store.create(a_batch(kind=TRANSFERS)) is not None
    assert store.create(a_batch()) == first, "the same one, as long as it waits"
    assert store.create(a_batch(entries=())) is None
    store.end(first.batch_id, DONE, NOON)
    assert store.create(a_batch()) is None


@pytest.mark.parametrize("status", [DONE, REFUSED])
def test_a_batch_ends_once(store, status):
    batch = store.create(a_batch())
    ended = store.end(batch.batch_id, status, NOON)
    assert (ended.status, ended.ended_at) == (status, NOON)
    assert store.end(batch.batch_id, DONE, NOON) is None
    assert store.end("nothing", DONE, NOON) is None


def test_only_one_of_concurrent_callers_ends_a_batch(store):
    batch = store.create(a_batch())
    barrier, got = threading.Barrier(8), []

    def end():
        barrier.wait()
        got.append(store.end(batch.batch_id, DONE, NOON))

    threads = [threading.Thread(target=end) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one is not None for one in got) == 1


def test_the_results_of_a_batch_are_recorded(store):
    batch = store.create(a_batch())
    noted = store.note(batch, (Outcome(batch.entries[0], "", "1"),))
    assert store.by_id(batch.batch_id).outcomes == noted.outcomes


def test_the_oldest_batches_make_room():
    store = BatchStore(max_count=2)
    batches = [store.create(a_batch(f"2026013100{number}")) for number in range(3)]
    assert [batch.batch_no for batch in store.all()] == ["20260131001", "20260131002"]
    assert store.by_id(batches[0].batch_id) is None
    store.note(replace(batches[0]), ())
    assert len(store.all()) == 2


def test_no_account_is_in_the_repr():
    batch = a_batch(entries=(BatchEntry("1", 1, "0.01", "", "a@b.cn", "李雷"),), payer="茶馆")
    assert "a@b.cn" not in repr(batch)
    assert "茶馆" not in repr(batch)
    assert "李雷" not in repr(batch.entries[0])
