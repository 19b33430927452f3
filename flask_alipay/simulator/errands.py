"""What is done elsewhere and may take long, and the few threads that do it.

A server that does not answer keeps only what is to be done there waiting, and nothing else.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

Callback: TypeAlias = Callable[[], object]

#: How many threads there are at most: so many places may be slow before others wait for them.
MOST_THREADS: Final = 8
# How long a thread waits for something to do before it ends, in seconds.
_PATIENCE: Final = 5.0


@dataclass(frozen=True)
class Errand:
    """A callback that waits for somebody else.

    To call it does it, here and now. Who must not wait for its end may have it done in another
    thread instead, behind the earlier ones to the same place.
    """

    #: Whom it waits for: those to one place are done one at a time, in their order.
    place: str
    callback: Callback

    def __call__(self) -> object:
        """Does it."""
        return self.callback()


class Messengers:
    """Does errands in daemon threads: to one place one at a time, in the order in which they came.

    There is no thread before the first errand, there are never more than a few, and they end when
    there is nothing to do for a while. What is not done when the process ends is not done.

    :param most: how many threads there are at most.
    """

    def __init__(self, most: int = MOST_THREADS) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        # By place: what is to be done there. The place that was served the longest ago first.
        self._waiting: OrderedDict[str, deque[tuple[int, Errand]]] = OrderedDict()
        self._busy: set[str] = set()
        self._threads = 0
        self._idle = 0  # of them; there is one for each place that is not busy, if there may be

    def send(self, errand: Errand) -> None:
        """Has it done as soon as the earlier ones to its place are. It must not raise."""
        with self._changed:
            entry = (next(self._numbers), errand)
            self._waiting.setdefault(errand.place, deque()).append(entry)
            free = sum(place not in self._busy for place in self._waiting)
            if free > self._idle and self._threads < self._most:
                self._hire()
            self._changed.notify()

    def take_back(self) -> list[Errand]:
        """Returns what nobody has begun to do, in the order in which it came, for others to do."""
        with self._changed:
            waiting = sorted(itertools.chain.from_iterable(self._waiting.values()), key=_number)
            self._waiting.clear()
        return [errand for _, errand in waiting]

    def _hire(self) -> None:
        messenger = threading.Thread(target=self._work, name="flask-alipay-messenger", daemon=True)
        try:
            messenger.start()
        except RuntimeError:  # no more threads are to be had, or the process is about to end
            return
        self._threads += 1
        self._idle += 1

    def _work(self) -> None:
        while (errand := self._next()) is not None:
            try:
                errand()
            finally:
                self._done(errand.place)

    def _next(self) -> Errand | None:
        """Takes the next errand, ``None`` if none comes for a while."""
        with self._changed:
            self._changed.wait_for(lambda: self._free_place() is not None, _PATIENCE)
            place = self._free_place()
            self._idle -= 1
            if place is None:
                self._threads -= 1
                return None
            self._busy.add(place)
            _, errand = self._waiting[place].popleft()
            self._waiting.move_to_end(place)
            if not self._waiting[place]:
                del self._waiting[place]
            return errand

    def _free_place(self) -> str | None:
        return next((place for place in self._waiting if place not in self._busy), None)

    def _done(self, place: str) -> None:
        with self._changed:
            self._busy.discard(place)
            self._idle += 1


def _number(entry: tuple[int, Errand]) -> int:
    return entry[0]
