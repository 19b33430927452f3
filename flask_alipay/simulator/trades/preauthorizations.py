"""Pre-authorisations (资金预授权): amounts that are frozen, then captured or released.

A :class:`Preauthorization` is immutable, like a trade. The facts are those of protocol-more.md,
part I; ``#`` and a number refer to them. A comment states what is a guess.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from ...protocol.conversion import format_china_time
from ...protocol.preauthorizations import AuthorizationStatus
from ..storage.storage import PersistentDict, Storage

#: The kinds of operations (#8).
FREEZE: Final = "FREEZE"
UNFREEZE: Final = "UNFREEZE"
CAPTURE: Final = "PAY"
#: The statuses of operations (#8).
WAITING, DONE, ENDED = "INIT", "SUCCESS", "CLOSED"
#: How long an amount is frozen before it is released automatically. Acquirers publish 30 days; no
#: figure of Alipay's was found (#46, likely).
FROZEN_FOR: Final = timedelta(days=30)
#: How long the freeze can be cancelled (#45).
CANCEL_WITHIN: Final = timedelta(hours=24)

_MAX_PREAUTHORIZATIONS: Final = 10_000


class PreauthorizationEvent:
    """Events of a pre-authorisation that its payer or time causes."""

    #: The payer authorises it, and the amount is frozen.
    FREEZE: Final = "freeze"
    #: The payer refuses.
    REFUSE: Final = "refuse"
    #: Its time runs out: closed if nothing is frozen, otherwise released.
    EXPIRE: Final = "expire"

    ALL: Final = (FREEZE, REFUSE, EXPIRE)


@dataclass(frozen=True)
class FreezeOrder:
    """A merchant's request to freeze an amount."""

    method: str
    out_order_no: str
    out_request_no: str
    title: str
    fen: int
    product_code: str
    charset: str
    #: The end of the time to authorise it, aware UTC.
    expires_at: datetime
    notify_url: str = ""
    #: The token of the merchant for whom a third-party application acts, or nothing.
    app_auth_token: str = field(default="", repr=False)

    def agrees_with(self, other: FreezeOrder) -> bool:
        """Return True if both request the same freeze."""
        names = ("out_order_no", "out_request_no", "title", "fen", "product_code")
        return all(getattr(self, name) == getattr(other, name) for name in names)


@dataclass(frozen=True)
class FundOperation:
    """An operation of a pre-authorisation: a freeze, a release or a capture."""

    kind: str
    #: The merchant's number of it; of a capture, the trade's.
    out_request_no: str
    #: Alipay's number of it.
    operation_id: str
    fen: int
    created_at: datetime
    at: datetime | None = None
    status: str = DONE
    remark: str = ""


@dataclass(frozen=True)
class Preauthorization:
    """Immutable state of a pre-authorisation."""

    order: FreezeOrder
    #: Alipay's number of it.
    auth_no: str
    #: The part of its page's address that cannot be guessed.
    page_id: str = field(repr=False)
    created_at: datetime
    #: Begins with the freeze.
    operations: tuple[FundOperation, ...]
    #: When the payer opened it: before, it does not exist for Alipay's methods (#33, a guess).
    opened_at: datetime | None = None
    status: str = AuthorizationStatus.INIT
    #: Whether its time ran out before it was authorised.
    expired: bool = False

    @property
    def freeze(self) -> FundOperation:
        """The operation that freezes the amount."""
        return self.operations[0]

    @property
    def frozen_at(self) -> datetime | None:
        """The time of the freeze; ``None`` if nothing was frozen."""
        return self.freeze.at if self.freeze.status == DONE else None

    @property
    def frozen_fen(self) -> int:
        """The amount that was frozen in total."""
        return 0 if self.frozen_at is None else self.freeze.fen

    @property
    def captured_fen(self) -> int:
        """The captured amount."""
        return sum(one.fen for one in self.operations if one.kind == CAPTURE)

    @property
    def released_fen(self) -> int:
        """The released amount."""
        return sum(one.fen for one in self.operations if one.kind == UNFREEZE)

    @property
    def rest_fen(self) -> int:
        """The amount that is still frozen (#13)."""
        return self.frozen_fen - self.captured_fen - self.released_fen

    @property
    def waiting(self) -> bool:
        """True while the payer may authorise it."""
        return self.status == AuthorizationStatus.INIT

    @property
    def authorized(self) -> bool:
        """True while the amount may be captured and released."""
        return self.status == AuthorizationStatus.AUTHORIZED

    @property
    def limit(self) -> datetime | None:
        """The end of its time in the present status; ``None`` after its end."""
        if self.waiting:
            return self.order.expires_at
        return self.frozen_at + FROZEN_FOR if self.authorized and self.frozen_at else None

    @property
    def possible(self) -> tuple[str, ...]:
        """The events that are possible in the present status."""
        if self.waiting:
            return PreauthorizationEvent.ALL
        return (PreauthorizationEvent.EXPIRE,) if self.authorized else ()

    @property
    def event_times(self) -> tuple[datetime, ...]:
        """The times of its events."""
        operations = (one.at for one in self.operations)
        return (self.created_at, *filter(None, (self.opened_at, *operations)))

    def find(self, kind: str, out_request_no: str) -> FundOperation | None:
        """Return an operation by its kind and the merchant's number of it."""
        return next(
            (
                one
                for one in self.operations
                if (one.kind, one.out_request_no) == (kind, out_request_no)
            ),
            None,
        )

    def overdue(self, now: datetime) -> bool:
        """Return True if its time is over."""
        return self.limit is not None and now >= self.limit

    def opened(self, now: datetime) -> Preauthorization:
        """Return it after its payer opened it."""
        return self if self.opened_at is not None else replace(self, opened_at=now)

    def apply_event(self, event: str, now: datetime) -> Preauthorization | None:
        """Return it after an event, ``None`` if the event is not possible."""
        if event not in self.possible:
            return None
        if event == PreauthorizationEvent.FREEZE:
            done = replace(self.freeze, status=DONE, at=now)
            status = AuthorizationStatus.AUTHORIZED
            return replace(self.opened(now), operations=(done,), status=status)
        if self.authorized:
            # A release without a request has the number of the freeze: a freeze and a release may
            # share one (#22). No automatic release was captured (#47, a guess).
            return self.released(self.order.out_request_no, self.rest_fen, now)
        expired = event == PreauthorizationEvent.EXPIRE
        ended = replace(self.freeze, status=ENDED)
        status = AuthorizationStatus.CLOSED
        opened = self if expired else self.opened(now)
        return replace(opened, operations=(ended,), status=status, expired=expired)

    def released(
        self, number: str, fen: int, now: datetime, remark: str = ""
    ) -> Preauthorization | None:
        """Return it after a release, ``None`` if there is not that much left."""
        return self._after(now, _operation(UNFREEZE, number, fen, now, remark))

    def captured(
        self, out_trade_no: str, fen: int, now: datetime, *, complete: bool
    ) -> Preauthorization | None:
        """Return it after a capture, ``None`` if there is not that much left.

        :param complete: whether the rest is released. That release has the number of the capture
            (a guess: its operation is documented nowhere, #37).
        """
        after = self._after(now, _operation(CAPTURE, out_trade_no, fen, now))
        if after is None or not complete or not after.rest_fen:
            return after
        return after.released(out_trade_no, after.rest_fen, now)

    def _after(self, now: datetime, operation: FundOperation) -> Preauthorization | None:
        if not self.authorized or not 0 < operation.fen <= self.rest_fen:
            return None
        changed = replace(self, operations=(*self.operations, operation))
        if changed.rest_fen:
            return changed
        # FINISH: captured, and nothing is left frozen; CLOSED: all of it was released (#9).
        ended = AuthorizationStatus.FINISH if changed.captured_fen else AuthorizationStatus.CLOSED
        return replace(changed, status=ended)


class PreauthorizationStore:
    """The pre-authorisations, by the merchant's numbers; safe for threads.

    :param storage: stores them beyond the process.
    """

    def __init__(self, storage: Storage | None = None) -> None:
        self._lock = threading.RLock()
        self._held = PersistentDict(
            storage, "preauthorizations", Preauthorization, _MAX_PREAUTHORIZATIONS
        )
        # To out_order_no: auth_no, page_id and out_request_no of the freeze.
        self._numbers: dict[str, str] = {}
        for held in self._held.values():
            self._index(held)
        #: Is called with each new pre-authorisation, and when its time limit changes.
        self.on_limit: Callable[[Preauthorization], object] = _ignore

    def all(self) -> tuple[Preauthorization, ...]:
        """Return them, the oldest first."""
        with self._lock:
            return tuple(self._held.values())

    def get(self, out_order_no: str) -> Preauthorization | None:
        """Return the one with the merchant's number, ``None`` if there is none."""
        with self._lock:
            return self._held.get(out_order_no)

    def find(self, name: str, value: str) -> Preauthorization | None:
        """Return the one with a number: ``auth_no``, ``page_id`` or ``out_request_no``."""
        with self._lock:
            return self._held.get(self._numbers.get(f"{name} {value}", ""))

    def create(self, order: FreezeOrder, now: datetime, *, opened: bool) -> Preauthorization:
        """Return the pre-authorisation of an order: a new one, or the existing one.

        :param opened: whether it exists at once for Alipay's methods.
        """
        with self._lock:
            known = self._held.get(order.out_order_no)
            if known is not None:
                if opened and known.waiting:
                    known = self._held[order.out_order_no] = known.opened(now)
                return known
            freeze = _operation(FREEZE, order.out_request_no, order.fen, now)
            new = Preauthorization(
                order,
                auth_no=_number(now, "10002001", 12),
                page_id=secrets.token_urlsafe(24),
                created_at=now,
                operations=(replace(freeze, status=WAITING, at=None),),
                opened_at=now if opened else None,
            )
            self._held[order.out_order_no] = new
            self._index(new)
            for oldest in self._held.evict():
                for name in _names(oldest):
                    self._numbers.pop(name, None)
        self.on_limit(new)
        return new

    def open(self, out_order_no: str, now: datetime) -> Preauthorization | None:
        """Record that the payer opened it; ``None`` if there is none."""
        return self.change(out_order_no, lambda held: held.opened(now) if held.waiting else held)

    def apply(self, out_order_no: str, event: str | None, now: datetime) -> Preauthorization | None:
        """Apply an event, or the expiry if its time is over.

        :param event: one of :class:`PreauthorizationEvent`; ``None`` merely lets time do its work.
        :returns: ``None`` if nothing happened.
        """
        with self._lock:
            held = self._held.get(out_order_no)
            if held is None:
                return None
            chosen = PreauthorizationEvent.EXPIRE if held.overdue(now) else event
            if chosen is None:
                return None
            return self.change(out_order_no, lambda held: held.apply_event(chosen, now))

    def change(
        self,
        out_order_no: str,
        change: Callable[[Preauthorization], Preauthorization | None],
    ) -> Preauthorization | None:
        """Store the result of a change; of concurrent callers, one changes it after the other.

        :returns: the result; ``None`` if there is none, or the change is not possible.
        """
        with self._lock:
            held = self._held.get(out_order_no)
            changed = None if held is None else change(held)
            if held is None or changed is None:
                return None
            if changed is not held:
                self._held[out_order_no] = changed
        if changed.limit is not None and changed.limit != held.limit:
            self.on_limit(changed)
        return changed

    def _index(self, held: Preauthorization) -> None:
        self._numbers.update(dict.fromkeys(_names(held), held.order.out_order_no))


def _names(held: Preauthorization) -> tuple[str, ...]:
    request = f"out_request_no {held.order.out_request_no}"
    return f"auth_no {held.auth_no}", f"page_id {held.page_id}", request


def _operation(kind: str, number: str, fen: int, now: datetime, remark: str = "") -> FundOperation:
    return FundOperation(kind, number, _number(now, "", 12), fen, now, now, remark=remark)


def _number(now: datetime, middle: str, digits: int) -> str:
    """Return a number of Alipay's form: it begins with the day in China (#15)."""
    day = format_china_time(now)[:10].replace("-", "")
    return f"{day}{middle}{secrets.randbelow(10**digits):0{digits}d}"


def _ignore(held: Preauthorization) -> None:
    pass
