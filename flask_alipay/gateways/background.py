"""Threads for work that no request waits for, a few for each process."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

logger = logging.getLogger("flask_alipay")

#: So many threads, and tasks at the same time, for one merchant in one process.
MAX_WORKERS: Final = 8


class BackgroundTasks:
    """Run tasks in threads, each key once at a time.

    The threads start with the first task, so that a server that forks its workers after loading
    the application gets them in each worker. No task waits for a thread: the caller tries again
    later. A process that ends therefore has no more to do than the tasks that are running.
    """

    _executor: ThreadPoolExecutor | None

    def __init__(self) -> None:
        self._reset()

    def submit(self, key: Hashable, task: Callable[[], object]) -> bool:
        """Run a task now, unless one with the same key is running or no thread is free.

        :param key: identifies the task.
        :param task: called without arguments; an exception is logged.
        :return: whether it runs.
        """
        if self._pid != os.getpid():
            self._reset()  # a thread does not survive a fork
        with self._lock:
            if key in self._keys or len(self._keys) >= MAX_WORKERS:
                return False
            self._keys.add(key)
            executor = self._executor
            if executor is None:
                executor = ThreadPoolExecutor(MAX_WORKERS, thread_name_prefix="flask_alipay")
                self._executor = executor
        try:
            executor.submit(self._run, key, task)
        except RuntimeError:  # the interpreter is shutting down
            self._keys.discard(key)
            return False
        return True

    def _run(self, key: Hashable, task: Callable[[], object]) -> None:
        try:
            task()
        except Exception:
            logger.exception("a background task failed")
        finally:
            with self._lock:
                self._keys.discard(key)

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._keys: set[Hashable] = set()
        self._executor = None
