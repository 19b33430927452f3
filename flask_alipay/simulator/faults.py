"""Injected faults: their kind, number, and trade.

Senders and gateways query here whether a fault is due.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from ..exceptions import InvalidParameter
from .storage.storage import PersistentDict, Storage

#: A notification is lost on its way; it is sent again on schedule.
DROP: Final = "drop"
#: A notification is first sent later, so that others overtake it.
DELAY: Final = "delay"
#: A notification is first sent right after the next one about the same trade.
OUT_OF_ORDER: Final = "out-of-order"
#: A notification is sent again although it was acknowledged.
REPEAT: Final = "repeat"
#: A notification is altered after it was signed.
TAMPER: Final = "tamper"
#: A notification is encoded and signed in GBK, and declares it if its protocol can.
GBK: Final = "gbk"
#: A gateway's response is late.
SLOW: Final = "slow"
#: A gateway's response is truncated; the request is performed.
CUT_OFF: Final = "cut-off"
#: A gateway's response has an invalid signature.
WRONG_SIGN: Final = "wrong-sign"
#: A gateway's response has no signature.
UNSIGNED: Final = "unsigned"
#: A gateway responds with a system error; the request is not performed.
SYSTEM_ERROR: Final = "system-error"
#: A gateway responds with a system error, although the request is performed.
SYSTEM_ERROR_DONE: Final = "system-error-done"

#: A deduction is accepted and not performed yet: it waits, and is paid or closed later.
IN_PROCESS: Final = "in-process"

#: Faults of notifications, and faults of a gateway's responses.
TO_NOTIFICATIONS: Final = (DROP, DELAY, OUT_OF_ORDER, REPEAT, TAMPER, GBK)
RESPONSE_FAULTS: Final = (
    *(SLOW, CUT_OFF, WRONG_SIGN, UNSIGNED, SYSTEM_ERROR, SYSTEM_ERROR_DONE),
    IN_PROCESS,
)
KINDS: Final = TO_NOTIFICATIONS + RESPONSE_FAULTS
#: Those that last :attr:`Fault.seconds`.
TIMED: Final = (DELAY, SLOW)
#: How many faults may wait at a time.
MAX_FAULTS: Final = 100
#: Maximum repetitions of a fault, and seconds: in the simulator's time, and of a slow response.
MAX_TIMES: Final = 1_000_000
MAX_SECONDS: Final = 366 * 24 * 3600
MAX_SLOW: Final = 60


@dataclass(frozen=True)
class Fault:
    """A fault to inject."""

    #: One of :data:`KINDS`.
    kind: str
    #: How often still.
    times: int = 1
    #: With which trade; empty: with any.
    out_trade_no: str = ""
    #: Seconds of a delay in the simulator's time, or of a slow response in the machine's.
    seconds: float = 5.0
    #: Method or service of a gateway whose response is affected; empty: any.
    method: str = ""


_FIELDS: Final = tuple(field.name for field in fields(Fault))


@dataclass(frozen=True)
class _Waiting:
    """All pending faults in the order of their injection."""

    faults: tuple[Fault, ...] = ()


class Faults:
    """The pending faults in the order of their injection; safe for threads.

    :param storage: stores them beyond the process.
    """

    def __init__(self, storage: Storage | None = None) -> None:
        self._lock = threading.Lock()
        self._stored = PersistentDict(storage, "faults", _Waiting)
        self._faults: tuple[Fault, ...] = ()
        for waiting in self._stored.values():
            self._faults = waiting.faults

    def all(self) -> tuple[Fault, ...]:
        """Return the pending faults."""
        return self._faults

    def add(self, fault: Fault) -> bool:
        """Add a fault; return False if too many are pending."""
        with self._lock:
            if len(self._faults) >= MAX_FAULTS:
                return False
            self._wait(*self._faults, fault)
            return True

    def clear(self) -> None:
        """Remove all pending faults."""
        with self._lock:
            self._wait()

    def take(self, kind: str, about: str) -> Fault | None:
        """Return the fault that is due, counting it down; ``None`` if there is none.

        :param about: the number of the trade, or a text that names it and the method.
        """
        if not self._faults:
            return None
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.kind == kind and _is_about(fault, about):
                    left = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                    self._wait(*self._faults[:index], *left, *self._faults[index + 1 :])
                    return fault
        return None

    def _wait(self, *faults: Fault) -> None:
        self._faults = faults
        self._stored["waiting"] = _Waiting(faults)


def read_fault(fields: Mapping[str, Any]) -> Fault:
    """Parse a requested fault.

    :param fields: its fields; all but ``kind`` may be left out.
    :raises InvalidParameter: names the field that is not as it must be.
    """
    for name in fields:
        if name not in _FIELDS:
            raise InvalidParameter(str(name), f"is unknown: a fault has {', '.join(_FIELDS)}")
    kind = fields.get("kind")
    if kind not in KINDS:
        raise InvalidParameter("kind", f"must be one of {', '.join(KINDS)}")
    for name in ("out_trade_no", "method"):
        if not isinstance(fields.get(name, ""), str):
            raise InvalidParameter(name, "must be a text")
    if fields.get("method") and kind not in RESPONSE_FAULTS:
        raise InvalidParameter("method", f"goes with {', '.join(RESPONSE_FAULTS)}")
    _check_number("times", fields.get("times", 1), 1, MAX_TIMES)
    maximum = MAX_SLOW if kind == SLOW else MAX_SECONDS
    _check_number("seconds", fields.get("seconds", 0), 0, maximum)
    fault = Fault(**fields)
    return replace(fault, times=int(fault.times))


def _check_number(name: str, given: object, minimum: float, limit: float) -> None:
    number = isinstance(given, (int, float)) and not isinstance(given, bool)
    if not number or not minimum <= given <= limit:  # type: ignore[operator]  # NaN is neither
        raise InvalidParameter(name, f"must be a number, from {minimum} to {limit}")


def _is_about(fault: Fault, about: str) -> bool:
    return all(_names(about, word) for word in (fault.out_trade_no, fault.method) if word)


def _names(text: str, word: str) -> bool:
    """Return True if a text contains a word, and not only a longer word with it."""
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])", text) is not None
