"""Notifications with no trade behind them: what Alipay would say of a payment, or never would.

Pure: an event and an order in, notifications out; the deliverer sends them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final, TypeAlias

from .answers import ALIPAY, FORGER, OTHER_ACCOUNT, Notice
from .dialects import Dialects
from .orders import Event, Order
from .trades import Trade, TradeStore

_Story: TypeAlias = Callable[[Trade, datetime], "Trade | None"]


def _paid(trade: Trade, now: datetime) -> Trade | None:
    return trade.after(Event.PAY, now)


def _finished(trade: Trade, now: datetime) -> Trade | None:
    paid = trade.after(Event.PAY, now)
    return paid and paid.after(Event.FINISH, now)


def _refunded(trade: Trade, now: datetime) -> Trade | None:
    paid = trade.after(Event.PAY, now)
    return paid and paid.refunded(_number(), trade.order.total_fen, now)


def _partially_refunded(trade: Trade, now: datetime) -> Trade | None:
    paid = trade.after(Event.PAY, now)
    return paid and paid.refunded(_number(), max(1, trade.order.total_fen // 2), now)


def _escrow_paid(trade: Trade, now: datetime) -> Trade | None:
    escrow = replace(trade, order=replace(trade.order, ways=(Event.DEPOSIT,)))
    return escrow.after(Event.DEPOSIT, now)


def _wrong_amount(trade: Trade, now: datetime) -> Trade | None:
    fen = max(1, trade.order.total_fen - 1) if trade.order.total_fen > 1 else 2
    return _paid(replace(trade, order=replace(trade.order, total_fen=fen)), now)


def _unknown_order(trade: Trade, now: datetime) -> Trade | None:
    return _paid(replace(trade, order=replace(trade.order, out_trade_no=_number())), now)


_STORIES: Final[Mapping[str, _Story]] = MappingProxyType(
    {
        "paid": _paid,
        "duplicate": _paid,
        "finished": _finished,
        "closed": lambda trade, now: trade.after(Event.CLOSE, now),
        "refunded": _refunded,
        "partially-refunded": _partially_refunded,
        "escrow-paid": _escrow_paid,
        "forged": _paid,
        "wrong-amount": _wrong_amount,
        "wrong-account": _paid,
        "unknown-order": _unknown_order,
    }
)

#: The events; those that a shop must not answer with ``success`` are :data:`TO_REFUSE`.
EVENTS: Final = tuple(_STORIES)
TO_REFUSE: Final = frozenset({"forged", "wrong-amount", "wrong-account", "unknown-order"})

_SENDERS: Final = MappingProxyType({"forged": FORGER, "wrong-account": OTHER_ACCOUNT})


def triggered(
    event: str, order: Order, dialects: Dialects, now: datetime, trade_no: str = ""
) -> tuple[Notice, ...]:
    """Returns what is sent for an event, one after the other.

    :param event: one of :data:`EVENTS`.
    :param order: what it is about, as the merchant would have asked for it.
    :param dialects: those of the merchant's Alipay.
    :param now: when it happens.
    :param trade_no: Alipay's number of the trade, if the shop knows one; without it a new one.
    :returns: nothing where Alipay tells nothing: of a trade in foreign money but its payment.
    """
    trade = TradeStore().place(order, now)
    story = _STORIES[event](replace(trade, trade_no=trade_no or trade.trade_no), now)
    notice = story and dialects.notice(story)
    if not notice:
        return ()
    notice = replace(notice, sender=_SENDERS.get(event, ALIPAY))
    return (notice, notice) if event == "duplicate" else (notice,)


def _number() -> str:
    return f"trigger{secrets.token_hex(8)}"
