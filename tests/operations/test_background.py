"""Tasks in the background: bounded, each once, and in each process after a fork."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from flask_alipay.gateways.background import MAX_WORKERS, BackgroundTasks

pytestmark = pytest.mark.usefixtures("in_threads")

SOON = 10.0


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_nobody_waits_for_a_task() -> None:
    tasks, blocked, ran = BackgroundTasks(), threading.Event(), threading.Event()
    began = time.monotonic()
    assert tasks.submit("A1", lambda: blocked.wait(SOON) and ran.set())
    assert time.monotonic() - began < 1
    assert not ran.is_set()
    blocked.set()
    assert ran.wait(SOON)


def test_a_task_runs_once_at_a_time() -> None:
    tasks, blocked = BackgroundTasks(), threading.Event()
    ran: list[int] = []
    assert tasks.submit("A1", lambda: blocked.wait(SOON))
    assert not tasks.submit("A1", lambda: ran.append(1))
    blocked.set()
    until(lambda: tasks.submit("A1", lambda: ran.append(2)))
    until(lambda: ran == [2])


def test_there_are_as_many_tasks_as_threads() -> None:
    tasks, blocked = BackgroundTasks(), threading.Event()
    running = threading.Semaphore(0)
    before = threading.active_count()

    def task() -> None:
        running.release()
        blocked.wait(SOON)

    accepted = [tasks.submit(number, task) for number in range(MAX_WORKERS + 10)]
    assert accepted == [True] * MAX_WORKERS + [False] * 10
    assert threading.active_count() - before <= MAX_WORKERS
    blocked.set()
    for _ in range(MAX_WORKERS):
        assert running.acquire(timeout=SOON)
    until(lambda: tasks.submit("another", lambda: None))


def test_a_task_that_fails_is_logged_and_does_not_stop_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tasks, ran = BackgroundTasks(), threading.Event()

    def fail() -> None:
        raise RuntimeError("no boxes left")

    with caplog.at_level(logging.ERROR, "flask_alipay"):
        tasks.submit("A1", fail)
        until(lambda: tasks.submit("A1", ran.set))
        assert ran.wait(SOON)
    assert [record.message for record in caplog.records] == ["a background task failed"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_worker_has_threads_of_its_own() -> None:
    program = """
import os, threading, warnings
from flask_alipay.gateways.background import BackgroundTasks
warnings.simplefilter("ignore")
tasks, blocked, ran = BackgroundTasks(), threading.Event(), threading.Event()
tasks.submit("A1", lambda: blocked.wait(10))
child = os.fork()
if child == 0:
    tasks.submit("A1", ran.set)
    os._exit(0 if ran.wait(10) else 1)
blocked.set()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "0", done.stderr
