"""Tasks that may take long, run in threads so that one slow server delays no other."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

logger = logging.getLogger("flask_alipay.simulator")

Callback: TypeAlias = Callable[[], object]


@dataclass(frozen=True)
class Task:
    """A callback that waits for another server; calling the task runs it in the calling thread."""

    #: Tasks with the same key run one after the other, in their order.
    queue_key: str
    callback: Callback

    def __call__(self) -> object:
        """Run the callback."""
        return self.callback()


class WorkerPool:
    """Daemon threads for tasks: one thread for each queue key with tasks.

    A thread ends with the last task of its key. Tasks that have not been run when the process ends
    are not run; the threads of an executor would delay its end.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sequence = itertools.count()
        self._pending: dict[str, deque[tuple[int, Task]]] = {}
        self._running: set[str] = set()  # keys with a thread

    def submit(self, task: Task) -> None:
        """Run a task in a thread, after the earlier tasks with its key."""
        key = task.queue_key
        with self._lock:
            self._pending.setdefault(key, deque()).append((next(self._sequence), task))
            if key not in self._running:
                thread = threading.Thread(
                    target=self._work, args=(key,), name="flask-alipay-worker", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:  # no more threads: the next task with this key tries again
                    return
                self._running.add(key)

    def cancel_pending(self) -> list[Task]:
        """Remove the tasks that have not been started.

        :return: these tasks in the order in which they were submitted.
        """
        with self._lock:
            entries = sorted(itertools.chain(*self._pending.values()), key=lambda entry: entry[0])
            self._pending.clear()
        return [task for _, task in entries]

    def _work(self, key: str) -> None:
        while (task := self._next(key)) is not None:
            run_logged(task)

    def _next(self, key: str) -> Task | None:
        with self._lock:
            queue = self._pending.get(key)
            if queue:
                return queue.popleft()[1]
            self._pending.pop(key, None)
            self._running.discard(key)
            return None


def run_logged(callback: Callback) -> None:
    """Run a callback; log an exception, so that it does not prevent later callbacks."""
    try:
        callback()
    except Exception:
        logger.exception("a scheduled callback of the simulator failed")
