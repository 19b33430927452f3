from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from flask_alipay.simulator.worker_pool import Task, WorkerPool

LONG = 30  # seconds: nothing here takes as long as that


class Place:
    """A server: each task that comes waits there until it opens."""

    def __init__(self, name):
        self.name = name
        self.opens, self.entered = threading.Event(), threading.Event()
        self.came = []

    def task(self, what=None):
        def visit():
            self.entered.set()
            assert self.opens.wait(LONG)
            self.came.append(what)

        return Task(self.name, visit)


@pytest.fixture
def places():
    places = [Place(f"place {number}") for number in range(20)]
    yield places
    for place in places:
        place.opens.set()
    for thread in threads():
        thread.join(LONG)


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "flask-alipay-worker"]


def test_a_task_that_is_called_runs_in_the_calling_thread():
    assert Task("here", threading.current_thread)() is threading.current_thread()


def test_a_slow_server_delays_only_its_own_tasks(places):
    slow, quick = places[:2]
    pool, done = WorkerPool(), threading.Event()
    for _ in range(3):
        pool.submit(slow.task())
    quick.opens.set()
    pool.submit(quick.task())
    pool.submit(Task(quick.name, done.set))
    assert done.wait(LONG)
    assert slow.came == []


def test_many_slow_servers_delay_no_other(places):
    pool, done = WorkerPool(), threading.Event()
    for place in places:
        pool.submit(place.task())
    assert all(place.entered.wait(LONG) for place in places)
    pool.submit(Task("quick", done.set))
    assert done.wait(LONG)


def test_tasks_with_one_key_run_one_at_a_time_in_their_order(places):
    pool, done, place = WorkerPool(), threading.Event(), places[0]
    for number in range(20):
        pool.submit(place.task(number))
    pool.submit(Task(place.name, done.set))
    assert place.entered.wait(LONG)
    assert len(threads()) == 1
    place.opens.set()
    assert done.wait(LONG)
    assert place.came == list(range(20))


def test_a_task_that_fails_is_logged_and_the_next_one_runs(caplog):
    pool, done = WorkerPool(), threading.Event()
    pool.submit(Task("here", lambda: 1 / 0))
    pool.submit(Task("here", done.set))
    assert done.wait(LONG)
    assert "ZeroDivisionError" in caplog.text


def test_the_threads_are_daemons_that_end_with_the_last_task():
    assert threads() == []
    pool, seen = WorkerPool(), []
    assert threads() == []
    pool.submit(Task("here", lambda: seen.append(threading.current_thread())))
    for thread in threads():
        thread.join(LONG)
    assert threads() == []
    assert [thread.daemon for thread in seen] == [True]
    done = threading.Event()
    pool.submit(Task("here", done.set))
    assert done.wait(LONG)


def test_tasks_that_have_not_started_are_cancelled_in_their_order(places):
    pool, place, other = WorkerPool(), *places[:2]
    pool.submit(place.task("begun"))
    pool.submit(other.task("begun"))
    assert place.entered.wait(LONG)
    assert other.entered.wait(LONG)
    later = [Task(name, lambda: None) for name in (other.name, place.name, other.name)]
    for task in later:
        pool.submit(task)
    assert pool.cancel_pending() == later
    assert pool.cancel_pending() == []
    done = threading.Event()
    pool.submit(Task(place.name, done.set))
    place.opens.set()
    assert done.wait(LONG)
    assert place.came == ["begun"]


def test_a_task_that_takes_forever_keeps_no_process_from_ending():
    program = """if True:
        import threading
        from flask_alipay.simulator.worker_pool import Task, WorkerPool
        begun = threading.Event()
        WorkerPool().submit(Task("nowhere", lambda: (begun.set(), threading.Event().wait())))
        begun.wait()
    """
    subprocess.run([sys.executable, "-c", program], timeout=LONG, check=True)


def test_without_a_free_thread_a_task_waits_for_the_next_one(monkeypatch):
    def reject(thread):
        raise RuntimeError("can't start new thread")

    pool, seen, done = WorkerPool(), [], threading.Event()
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", reject)
        pool.submit(Task("here", lambda: seen.append("first")))
    pool.submit(Task("here", done.set))
    assert done.wait(LONG)
    assert seen == ["first"]
