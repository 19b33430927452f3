"""Trades, their statuses and events, and their store.

A :class:`Trade` is immutable; an event creates another one, and the store keeps the latest. No
protocol, network or clock is used here.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from ...protocol.conversion import format_china_time
from ...protocol.trade_status import TradeStatus
from ..storage.storage import PersistentDict, Storage
from .funding import BALANCE
from .orders import PAYING
from .orders import Order as Order
from .orders import TradeEvent as TradeEvent

#: How many trades a store keeps; the oldest make room.
MAX_TRADES = 10_000

_TRADE_NO = re.compile(r"(?<!\d)\d{28}(?!\d)", re.ASCII)

#: The whole life of a trade. What is not here does not happen.
TRANSITIONS: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        (TradeStatus.WAIT_BUYER_PAY, TradeEvent.PAY): TradeStatus.TRADE_SUCCESS,
        (TradeStatus.WAIT_BUYER_PAY, TradeEvent.DEPOSIT): TradeStatus.WAIT_SELLER_SEND_GOODS,
        (TradeStatus.WAIT_BUYER_PAY, TradeEvent.SETTLE): TradeStatus.TRADE_FINISHED,
        (TradeStatus.WAIT_BUYER_PAY, TradeEvent.CLOSE): TradeStatus.TRADE_CLOSED,
        (TradeStatus.WAIT_BUYER_PAY, TradeEvent.EXPIRE): TradeStatus.TRADE_CLOSED,
        (TradeStatus.WAIT_SELLER_SEND_GOODS, TradeEvent.SEND): TradeStatus.WAIT_BUYER_CONFIRM_GOODS,
        (TradeStatus.WAIT_BUYER_CONFIRM_GOODS, TradeEvent.CONFIRM): TradeStatus.TRADE_FINISHED,
        (TradeStatus.TRADE_SUCCESS, TradeEvent.FINISH): TradeStatus.TRADE_FINISHED,
    }
)

#: Where a trade may be refunded, by how it was paid; and where it stands once all of it is.
REFUNDED: Final[Mapping[tuple[str | None, str], str]] = MappingProxyType(
    {
        (TradeEvent.PAY, TradeStatus.TRADE_SUCCESS): TradeStatus.TRADE_CLOSED,
        (TradeEvent.SETTLE, TradeStatus.TRADE_FINISHED): TradeStatus.TRADE_FINISHED,
    }
)


@dataclass(frozen=True)
class Refund:
    """A refund of a trade."""

    #: The merchant's number of it.
    number: str
    #: In minor units of the trade's currency.
    fen: int
    at: datetime


@dataclass(frozen=True)
class TradeSettlement:
    """A part of a payment that was passed on."""

    #: The merchant's number of it, and Alipay's.
    number: str
    settle_no: str
    fen: int
    at: datetime


@dataclass(frozen=True)
class Trade:
    """Immutable state of a trade."""

    order: Order
    #: Alipay's number of it.
    trade_no: str
    #: The part of the cashier's address that cannot be guessed.
    cashier_id: str = field(repr=False)
    created_at: datetime
    #: When the buyer first saw it: on the open platform an order whose page or code was never
    #: opened is no trade yet, and cannot be queried.
    opened_at: datetime | None = None
    status: str = TradeStatus.WAIT_BUYER_PAY
    #: The event that ended the waiting, ``None`` while it waits.
    ended_by: str | None = None
    paid_at: datetime | None = None
    #: What the buyer paid with: ``balance``, ``credit`` or the code of a bank.
    paid_with: str = BALANCE
    sent_at: datetime | None = None
    finished_at: datetime | None = None
    closed_at: datetime | None = None
    refunds: tuple[Refund, ...] = ()
    settlements: tuple[TradeSettlement, ...] = ()

    @property
    def waiting(self) -> bool:
        """True while the buyer may pay."""
        return self.status == TradeStatus.WAIT_BUYER_PAY

    @property
    def paid(self) -> bool:
        """True once the trade was paid."""
        return self.paid_at is not None

    @property
    def in_escrow(self) -> bool:
        """True while Alipay holds the money until the buyer confirms the receipt."""
        return self.paid and self.status.startswith("WAIT_")

    @property
    def refunded_fen(self) -> int:
        """The total refunded amount."""
        return sum(refund.fen for refund in self.refunds)

    @property
    def event_times(self) -> tuple[datetime, ...]:
        """The times of the trade's events. The time of an expiry may be in the future."""
        closed_at = None if self.ended_by == TradeEvent.EXPIRE else self.closed_at
        singly = (self.opened_at, self.paid_at, self.sent_at, self.finished_at, closed_at)
        refunds = (refund.at for refund in self.refunds)
        settlements = (settlement.at for settlement in self.settlements)
        return (self.created_at, *filter(None, singly), *refunds, *settlements)

    @property
    def possible(self) -> tuple[str, ...]:
        """The events that are possible in the present status."""
        return tuple(
            event
            for status, event in TRANSITIONS
            if status == self.status and (event not in PAYING or event in self.order.payment_events)
        )

    @property
    def refundable(self) -> bool:
        """True if a part of the amount can be refunded."""
        there = (self.ended_by, self.status) in REFUNDED
        return there and self.refunded_fen < self.order.total_fen

    def overdue(self, now: datetime) -> bool:
        """Return True if the trade is unpaid though its time is over."""
        limit = self.order.expires_at
        return self.waiting and limit is not None and now >= limit

    def resolve_event(self, event: str) -> str:
        """Return the event that a request means: ``pay`` depends on the kind of order."""
        ways = self.order.payment_events
        return ways[0] if event == TradeEvent.PAY and event not in ways else event

    def apply_event(self, event: str, now: datetime, paid_with: str = "") -> Trade | None:
        """Return the trade after an event, ``None`` if the event is not possible.

        :param paid_with: what the buyer pays with, if he pays; by default at the bank that he chose
            in the shop, or from his balance. What the merchant does not take pays nothing.
        """
        status = TRANSITIONS.get((self.status, event))
        if status is None:
            return None
        if event in PAYING:
            paid_with = self.order.choose_fund(paid_with)
            if event not in self.order.payment_events or not paid_with:
                return None
        return replace(
            self,
            status=status,
            # A buyer who pays or refuses has seen it; an unopened order expires, too.
            opened_at=now if self._seen(event) else self.opened_at,
            ended_by=event if self.waiting else self.ended_by,
            paid_at=now if event in PAYING else self.paid_at,
            paid_with=paid_with if event in PAYING else self.paid_with,
            sent_at=now if event == TradeEvent.SEND else self.sent_at,
            finished_at=now if status == TradeStatus.TRADE_FINISHED else None,
            closed_at=self._end(event, now) if status == TradeStatus.TRADE_CLOSED else None,
        )

    def opened(self, now: datetime) -> Trade:
        """Return the trade after its buyer opened it."""
        return self if self.opened_at is not None else replace(self, opened_at=now)

    def refunded(self, number: str, fen: int, now: datetime) -> Trade | None:
        """Return the trade after a refund, ``None`` if the amount cannot be refunded.

        :param number: the merchant's number of the refund; each is made once.
        :param fen: how much, in minor units of the trade's currency.
        """
        status = REFUNDED.get((self.ended_by, self.status))
        rest = self.order.total_fen - self.refunded_fen - fen
        made = any(refund.number == number for refund in self.refunds)
        if status is None or made or fen < 1 or rest < 0:
            return None
        status = self.status if rest else status
        return replace(
            self,
            status=status,
            closed_at=now if status == TradeStatus.TRADE_CLOSED else None,
            refunds=(*self.refunds, Refund(number, fen, now)),
        )

    def _seen(self, event: str) -> bool:
        return self.opened_at is None and event != TradeEvent.EXPIRE

    def _end(self, event: str, now: datetime) -> datetime:
        """Return the end of a trade that expires early: the end of its time."""
        limit = self.order.expires_at
        return max(now, limit) if event == TradeEvent.EXPIRE and limit else now


@dataclass(frozen=True)
class EventResult:
    """Result of an attempt to change a trade."""

    #: The trade as it stands now.
    trade: Trade
    #: What really happened to it, ``None``: nothing. Paying a trade that is overdue expires it.
    event: str | None


class TradeStore:
    """The latest trades, safe for threads.

    :param limit: maximum number; the oldest are removed.
    :param storage: stores them beyond the process.
    """

    def __init__(self, limit: int = MAX_TRADES, storage: Storage | None = None) -> None:
        self._lock = threading.Lock()
        # By out_trade_no.
        self._trades = PersistentDict(storage, "trades", Trade, limit)
        # To out_trade_no: cashier_id and trade_no.
        self._cashiers = {trade.cashier_id: number for number, trade in self._trades.items()}
        self._numbers = {trade.trade_no: number for number, trade in self._trades.items()}
        #: What notifications without a trade state, by out_trade_no, while they are delivered.
        self.stated: dict[str, Trade] = {}
        #: Is called with each new trade, once it is kept.
        self.on_new: Callable[[Trade], object] = _ignore

    def __len__(self) -> int:
        with self._lock:
            return len(self._trades)

    def create(self, order: Order, now: datetime, *, opened: bool = True) -> Trade:
        """Return the order's trade: a new one, or the existing one with its number.

        Of an order that comes again while its trade waits, the newer one's addresses and charset
        count (the buyer may have come by another host name) and the older one's time limit. Whether
        the two agree is for the caller to see (:meth:`Order.agrees_with`); one that does not agree
        changes nothing.

        :param opened: whether it is a trade at once, or not before its buyer has opened it.
        """
        with self._lock:
            known = self._trades.get(order.out_trade_no)
            if known is None:
                new = self._new(order, now, now if opened else None)
            elif known.waiting and known.order.agrees_with(order):
                known = known.opened(now) if opened else known
                known = replace(known, order=replace(order, expires_at=known.order.expires_at))
                self._trades[order.out_trade_no] = known
        if known is not None:
            return known
        self.on_new(new)
        return new

    def open(self, out_trade_no: str, now: datetime) -> None:
        """Record that the buyer opened the trade, if it is unpaid."""
        with self._lock:
            trade = self._trades.get(out_trade_no)
            if trade is not None and trade.waiting:
                self._trades[out_trade_no] = trade.opened(now)

    def cancel_unopened(self, out_trade_no: str, now: datetime) -> bool:
        """End an order that was not opened: it can no longer be paid, and never was a trade.

        :returns: whether there is none, or it was ended so; false if it is a trade.
        """
        with self._lock:
            trade = self._trades.get(out_trade_no)
            if trade is not None and trade.opened_at is not None:
                return False
            closed = None if trade is None else trade.apply_event(TradeEvent.CLOSE, now)
            if closed is not None:
                self._trades[out_trade_no] = replace(closed, opened_at=None)
            return True

    def by_cashier(self, cashier_id: str) -> Trade | None:
        """Return the trade of a cashier page, ``None`` if there is none."""
        with self._lock:
            return self._trades.get(self._cashiers.get(cashier_id, ""))

    def by_out_trade_no(self, out_trade_no: str) -> Trade | None:
        """Return the trade of the merchant's number, ``None`` if there is none."""
        with self._lock:
            return self._trades.get(out_trade_no)

    def by_trade_no(self, trade_no: str) -> Trade | None:
        """Return the trade of Alipay's number, ``None`` if there is none."""
        with self._lock:
            return self._trades.get(self._numbers.get(trade_no, ""))

    def named_in(self, text: str) -> str:
        """Return a text, extended by the merchant's number of each trade that it names by Alipay's
        number.
        """
        found = map(self.by_trade_no, _TRADE_NO.findall(text))
        return " ".join([text, *(trade.order.out_trade_no for trade in found if trade)])

    def all(self) -> tuple[Trade, ...]:
        """Return the trades, the oldest first."""
        with self._lock:
            return tuple(self._trades.values())

    def apply(
        self, out_trade_no: str, event: str | None, now: datetime, paid_with: str = ""
    ) -> EventResult | None:
        """Apply an event to a trade; only one of concurrent callers sees it happen.

        :param event: one of :class:`TradeEvent`; ``None`` merely lets time do its work.
        :param paid_with: see :meth:`Trade.apply_event`.
        :returns: ``None`` if there is no such trade.
        """
        with self._lock:
            trade = self._trades.get(out_trade_no)
            if trade is None:
                return None
            if event is not None:
                event = trade.resolve_event(event)
            if trade.overdue(now):
                event = TradeEvent.EXPIRE
            changed = None if event is None else trade.apply_event(event, now, paid_with)
            if changed is None:
                return EventResult(trade, None)
            self._trades[out_trade_no] = changed
            return EventResult(changed, event)

    def refund(self, out_trade_no: str, number: str, fen: int, now: datetime) -> Trade | None:
        """Refund a trade if the amount can be refunded; of concurrent refunds of the same rest, one
        succeeds.

        :param number: the merchant's number of the refund.
        :param fen: how much, in minor units of the trade's currency.
        :returns: the trade after it, ``None`` if it did not happen.
        """
        with self._lock:
            trade = self._trades.get(out_trade_no)
            changed = None if trade is None else trade.refunded(number, fen, now)
            if changed is not None:
                self._trades[out_trade_no] = changed
            return changed

    def settle(
        self, out_trade_no: str, number: str, fen: int, now: datetime
    ) -> TradeSettlement | None:
        """Pass a part of a payment on, once: a repeated number has the same result.

        :param number: the merchant's number of it.
        :param fen: how much.
        :returns: ``None`` if there is not that much left.
        """
        with self._lock:
            trade = self._trades[out_trade_no]
            for made in trade.settlements:
                if made.number == number:
                    return made
            gone = sum(made.fen for made in trade.settlements) + trade.refunded_fen
            if not trade.paid or gone + fen > trade.order.total_fen:
                return None
            made = TradeSettlement(number, _new_trade_no(now), fen, now)
            self._trades[out_trade_no] = replace(trade, settlements=(*trade.settlements, made))
            return made

    def _new(self, order: Order, now: datetime, opened_at: datetime | None) -> Trade:
        trade = Trade(
            order,
            trade_no=_new_trade_no(now),
            cashier_id=secrets.token_urlsafe(24),
            created_at=now,
            opened_at=opened_at,
        )
        self._trades[order.out_trade_no] = trade
        self._cashiers[trade.cashier_id] = order.out_trade_no
        self._numbers[trade.trade_no] = order.out_trade_no
        for oldest in self._trades.evict():
            del self._cashiers[oldest.cashier_id], self._numbers[oldest.trade_no]
        return trade


def _ignore(trade: Trade) -> None:
    pass


def _new_trade_no(now: datetime) -> str:
    """Return 28 digits that begin with the day in China, like Alipay's numbers."""
    day = format_china_time(now)[:10].replace("-", "")
    return f"{day}22001{secrets.randbelow(10**15):015d}"
