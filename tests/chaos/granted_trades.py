"""Trades that Alipay makes without the buyer: captures, and deductions under agreements."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from flask_alipay.protocol.conversion import format_amount, to_minor_units

from ..doubles.openapi import DONE
from .fates import Fates, Node, refusal
from .messages import MessageSender

PAY, QUERY, CLOSE = "alipay.trade.pay", "alipay.trade.query", "alipay.trade.close"
PAYER = "2088102122524333"
#: Rejections that may leave an unpaid trade behind.
NO_MONEY = "ACQ.BUYER_BALANCE_NOT_ENOUGH"

# The shares of trades that Alipay first accepts and then pays, or closes; and of the rejections
# that leave an unpaid trade behind. The number of queries until it is paid or closed.
_SLOW, _SLOW_FAILURE, _LEFT_BEHIND = 0.04, 0.02, 0.2
_MAX_QUERIES = 3
_PAID, _UNPAID, _CLOSED = "TRADE_SUCCESS", "WAIT_BUYER_PAY", "TRADE_CLOSED"


class Grant(Protocol):
    """What the buyer has granted: an authorization or an agreement, at Alipay."""

    def refuse(self, number: str, fen: int, content: Mapping[str, Any]) -> str | None:
        """Return the code of the rejection of a new trade, or ``None``."""

    def begin(self, number: str, fen: int) -> None:
        """Hold what a new trade needs."""

    def settle(self, number: str, fen: int, content: Mapping[str, Any]) -> None:
        """Take what a trade holds: it is paid."""

    def drop(self, number: str) -> None:
        """Give back what a trade holds: it is closed."""


@dataclass
class GrantedTrade:
    """A trade at Alipay."""

    content: Mapping[str, Any]
    notify: bool
    grant: Grant
    status: str = _UNPAID
    #: The number of further queries until it has :attr:`outcome`.
    waits: int = 0
    outcome: str = _PAID

    @property
    def fen(self) -> int:
        """The amount."""
        return int(to_minor_units(self.content["total_amount"]))


class GrantedTrades:
    """Alipay's side of these trades; the caller holds the lock.

    :param fates: chooses what goes wrong with requests.
    :param chance: chooses which trades are paid later.
    :param messages: sends the notifications.
    """

    def __init__(self, fates: Fates, chance: random.Random, messages: MessageSender) -> None:
        self.trades: dict[str, GrantedTrade] = {}
        self.rejected = 0
        #: Requests that Alipay should never receive.
        self.faults: list[str] = []
        self._fates, self._chance, self._messages = fates, chance, messages

    @property
    def paid(self) -> dict[str, int]:
        """The amounts of the paid trades in fen, by number."""
        return {number: one.fen for number, one in self.trades.items() if one.status == _PAID}

    def pay(self, content: Mapping[str, Any], grant: Grant | None, *, notify: bool) -> Node | None:
        """Perform a request, or not; ``None``: without a response.

        :param grant: what it is made under; ``None``: Alipay does not know it.
        :param notify: whether the request has a ``notify_url``.
        """
        return self._fates.perform(lambda: self._pay(content, grant, notify=notify))

    def _pay(self, content: Mapping[str, Any], grant: Grant | None, *, notify: bool) -> Node:
        number = content["out_trade_no"]
        known = self.trades.get(number)
        if known is None:
            return self._begin(content, grant, notify=notify)
        if known.content != content:
            self.faults.append(f"{number}: was requested with two contents")
            return refusal("ACQ.CONTEXT_INCONSISTENT")
        if known.status == _CLOSED:
            return refusal("ACQ.TRADE_HAS_CLOSE")
        return _response(number, known)

    def _begin(self, content: Mapping[str, Any], grant: Grant | None, *, notify: bool) -> Node:
        number, fen = content["out_trade_no"], to_minor_units(content["total_amount"])
        if grant is None:
            return refusal("ACQ.AUTH_NO_ERROR")
        code = grant.refuse(number, fen, content)
        self.rejected += code is not None
        if code is not None and (code != NO_MONEY or self._chance.random() > _LEFT_BEHIND):
            return refusal(code)
        grant.begin(number, fen)
        trade = self.trades[number] = GrantedTrade(dict(content), notify, grant)
        fate = self._chance.random()
        if code is not None or fate < _SLOW_FAILURE:
            trade.outcome = _CLOSED
        if code is not None or fate < _SLOW_FAILURE + _SLOW:
            trade.waits = self._chance.randint(1, _MAX_QUERIES)
        else:
            self._end(number, trade)
        return _response(number, trade) if code is None else refusal(code)

    def query(self, content: Mapping[str, Any]) -> Node:
        """Return the state of a trade; one that Alipay works on makes progress."""
        number = content["out_trade_no"]
        trade = self.trades.get(number)
        if trade is None:
            return refusal("ACQ.TRADE_NOT_EXIST")
        if trade.status == _UNPAID:
            trade.waits -= 1
            if trade.waits <= 0:
                self._end(number, trade)
        paid = {"send_pay_date": "2026-02-03 10:12:13"} if trade.status == _PAID else {}
        return {**_facts(number, trade), "trade_status": trade.status, **paid}

    def close(self, content: Mapping[str, Any]) -> Node:
        """Close an unpaid trade."""
        number = content["out_trade_no"]
        trade = self.trades.get(number)
        if trade is None:
            return refusal("ACQ.TRADE_NOT_EXIST")
        if trade.status != _UNPAID:
            return refusal("ACQ.TRADE_STATUS_ERROR")
        trade.outcome = _CLOSED
        self._end(number, trade)
        return {**DONE, "out_trade_no": number, "trade_no": f"2026{number}"}

    def _end(self, number: str, trade: GrantedTrade) -> None:
        trade.status = trade.outcome
        if trade.status == _PAID:
            trade.grant.settle(number, trade.fen, trade.content)
        else:
            trade.grant.drop(number)
        if trade.notify:
            self._messages.notify(number, trade.status, format_amount(trade.fen))


def _facts(number: str, trade: GrantedTrade) -> Node:
    return {
        **DONE,
        "out_trade_no": number,
        "trade_no": f"2026{number}",
        "total_amount": format_amount(trade.fen),
        "buyer_user_id": PAYER,
    }


def _response(number: str, trade: GrantedTrade) -> Node:
    facts = _facts(number, trade)
    if trade.status == _UNPAID:
        return {**facts, "code": "10003", "total_amount": "0.00"}
    return {**facts, "gmt_payment": "2026-02-03 10:12:13"}
