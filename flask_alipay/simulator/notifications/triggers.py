"""Notifications without a trade: valid ones, and ones that Alipay would never send.

Pure functions from an event and an order to notifications; the sender sends them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from ..protocols import Protocols, with_charset
from ..replies import ALIPAY, FORGER, GARBLER, OTHER_ACCOUNT, TAMPERER, PendingNotification
from ..trades.orders import Order, TradeEvent
from ..trades.trades import Trade, TradeStore
from .messages import new_message, new_message_id

# The states of the trade that are notified; None if the trade does not reach one.
_Sequence: TypeAlias = Callable[[Trade, datetime], "tuple[Trade | None, ...]"]


def _paid(trade: Trade, now: datetime) -> Trade | None:
    return trade.apply_event(TradeEvent.PAY, now)


def _sent_once(trade: Trade, now: datetime) -> tuple[Trade | None, ...]:
    return (_paid(trade, now),)


def _finished(trade: Trade, now: datetime) -> tuple[Trade | None, ...]:
    paid = _paid(trade, now)
    return (paid and paid.apply_event(TradeEvent.FINISH, now),)


def _closed(trade: Trade, now: datetime) -> tuple[Trade | None, ...]:
    return (trade.apply_event(TradeEvent.CLOSE, now),)


def _late_paid(trade: Trade, now: datetime) -> tuple[Trade | None, ...]:
    return (*_closed(trade, now), _paid(trade, now))


def _refunded(trade: Trade, now: datetime) -> tuple[Trade | None, ...]:
    paid = _paid(trade, now)
    return (paid and paid.refunded(_number(), trade.order.total_fen, now),)


def _partially_refunded(trade: Trade, now: datetime) -> tuple[Trade | None, ...]:
    paid = _paid(trade, now)
    return (paid and paid.refunded(_number(), max(1, trade.order.total_fen // 2), now),)


def _out_of_order(trade: Trade, now: datetime) -> tuple[Trade | None, ...]:
    return (*_partially_refunded(trade, now), _paid(trade, now))


def _escrow_paid(trade: Trade, now: datetime) -> tuple[Trade | None, ...]:
    escrow = replace(trade, order=replace(trade.order, payment_events=(TradeEvent.DEPOSIT,)))
    return (escrow.apply_event(TradeEvent.DEPOSIT, now),)


def _wrong_amount(trade: Trade, now: datetime) -> tuple[Trade | None, ...]:
    fen = max(1, trade.order.total_fen - 1) if trade.order.total_fen > 1 else 2
    return (_paid(replace(trade, order=replace(trade.order, total_fen=fen)), now),)


def _unknown_order(trade: Trade, now: datetime) -> tuple[Trade | None, ...]:
    return (_paid(replace(trade, order=replace(trade.order, out_trade_no=_number())), now),)


def _in_letters(trade: Trade, now: datetime) -> tuple[Trade | None, ...]:
    """Return text that differs between charsets."""
    return (_paid(replace(trade, order=replace(trade.order, body="茶")), now),)


_STORIES: Final[Mapping[str, _Sequence]] = MappingProxyType(
    {
        "paid": _sent_once,
        "duplicate": _sent_once,
        "finished": _finished,
        "closed": _closed,
        "late-paid": _late_paid,
        "refunded": _refunded,
        "partially-refunded": _partially_refunded,
        "out-of-order": _out_of_order,
        "escrow-paid": _escrow_paid,
        "gbk": _in_letters,
        "forged": _sent_once,
        "tampered": _sent_once,
        "wrong-amount": _wrong_amount,
        "wrong-account": _sent_once,
        "unknown-order": _unknown_order,
        "bad-charset": _sent_once,
    }
)

_SENDERS: Final = MappingProxyType(
    {
        "forged": FORGER,
        "tampered": TAMPERER,
        "wrong-account": OTHER_ACCOUNT,
        "bad-charset": GARBLER,
    }
)

#: The events; those to which a shop must not respond ``success`` are :data:`TO_REFUSE`.
EVENTS: Final = tuple(_STORIES)
TO_REFUSE: Final = frozenset({*_SENDERS, "wrong-amount", "unknown-order"})


#: The events of messages, with their senders.
MESSAGES: Final = MappingProxyType(
    {"message": ALIPAY, "forged-message": FORGER, "message-to-another-app": OTHER_ACCOUNT}
)


def build_message(
    event: str,
    kind: str,
    content: Mapping[str, Any] | None,
    *,
    url: str,
    charset: str,
    now: datetime,
) -> PendingNotification:
    """Return a message.

    :param event: one of :data:`MESSAGES`.
    :param kind: ``msg_method`` or ``notify_type``.
    :param content: its content; by default the kind's sample.
    :raises InvalidParameter: names the wrong parameter.
    """
    message = new_message(kind, content, charset=charset)
    return PendingNotification(url, new_message_id(now), message, MESSAGES[event])


def build_notifications(
    event: str, order: Order, protocols: Protocols, now: datetime, trade_no: str = ""
) -> tuple[PendingNotification, ...]:
    """Return the notifications of an event in their order.

    :param event: one of :data:`EVENTS`.
    :param order: what it is about, as the merchant would have asked for it.
    :param protocols: those of the merchant's Alipay.
    :param now: when it happens.
    :param trade_no: Alipay's number of the trade, if the shop knows one; without it a new one.
    :returns: nothing where Alipay tells nothing: of a trade in foreign money but its payment.
    """
    trade = TradeStore().create(order, now)
    states = _STORIES[event](replace(trade, trade_no=trade_no or trade.trade_no), now)
    found = (state and protocols.notice(state, optional=True) for state in states)
    notices = tuple(
        replace(notice, sender=_SENDERS.get(event, ALIPAY)) for notice in found if notice
    )
    if event == "gbk":
        notices = tuple(with_charset(notice, "GBK") for notice in notices)
    return notices * 2 if event == "duplicate" else notices


def _number() -> str:
    return f"trigger{secrets.token_hex(8)}"
