"""What goes wrong with requests to Alipay, and with its messages."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

Node = dict[str, Any]

# The shares of requests that never arrive, arrive late, and are answered with SYSTEM_ERROR before
# and after they are performed.
_NEVER, _LATE, _ERROR_BEFORE, _ERROR_AFTER = 0.05, 0.03, 0.02, 0.02
# Seconds on the rig's clock, on which a second is a minute.
MAX_DELAY = 2.0


class Fates:
    """Chooses what becomes of each request, and performs it.

    :param chance: the random choices.
    """

    def __init__(self, chance: random.Random) -> None:
        #: Held while a request is performed.
        self.lock = threading.RLock()
        #: The number of actions that are still to happen.
        self.waiting = 0
        self._chance = chance

    def perform(self, act: Callable[[], Node]) -> Node | None:
        """Perform a request; ``None``: without a response."""
        with self.lock:
            fate = self._chance.random()
            for share, become in (
                (_NEVER, lambda: None),
                (_LATE, lambda: self.later(act)),
                (_ERROR_BEFORE, lambda: refusal("SYSTEM_ERROR")),
                (_ERROR_AFTER, lambda: act() and refusal("SYSTEM_ERROR")),
            ):
                if fate < share:
                    return become()
                fate -= share
            return act()

    def later(self, act: Callable[[], object]) -> None:
        """Do something after a while."""

        def perform() -> None:
            with self.lock:
                self.waiting -= 1
                act()

        with self.lock:
            self.waiting += 1
            timer = threading.Timer(self._chance.uniform(0, MAX_DELAY), perform)
        timer.daemon = True
        timer.start()


def refusal(sub_code: str) -> Node:
    """Return the response to a rejected request."""
    return {"code": "40004", "msg": "Business Failed", "sub_code": sub_code}
