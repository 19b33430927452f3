"""Ordinary trades of the rig at Alipay, with their refunds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flask_alipay.protocol.conversion import format_amount, to_minor_units

from ..doubles.openapi import DONE
from .fates import Node, refusal
from .shop import TOTAL_FEN

QUERY, REFUND = "alipay.trade.query", "alipay.trade.refund"
REFUND_QUERY = "alipay.trade.fastpay.refund.query"
#: Refunds whose number begins so are refused.
REFUSED = "no"


@dataclass
class Trade:
    """Paid trade with its refunds."""

    trade_status: str
    refunds: dict[str, int] = field(default_factory=dict)

    @property
    def refunded_fen(self) -> int:
        """Total refunded amount."""
        return sum(self.refunds.values())

    @property
    def reported_status(self) -> str:
        """Status that Alipay reports."""
        return "TRADE_CLOSED" if self.refunded_fen == TOTAL_FEN else self.trade_status


class Trades:
    """Alipay's side of trades that buyers pay; the caller holds the lock.

    :param on_refund: called with each refund and the total refunded so far.
    """

    def __init__(self, on_refund: Callable[[str, str, int], object]) -> None:
        self.paid: dict[str, Trade] = {}
        #: Requests that Alipay should never receive.
        self.faults: list[str] = []
        self._on_refund = on_refund

    def answer(self, method: str, content: Mapping[str, str]) -> Node:
        """Perform a request."""
        act = {QUERY: self._query, REFUND: self._refund, REFUND_QUERY: self._refund_query}[method]
        trade = self.paid.get(content["out_trade_no"])
        return refusal("ACQ.TRADE_NOT_EXIST") if trade is None else act(trade, content)

    def _query(self, trade: Trade, content: Mapping[str, str]) -> Node:
        return {
            **_numbers(content),
            "trade_status": trade.reported_status,
            "total_amount": format_amount(TOTAL_FEN),
            "buyer_user_id": "2088102122524333",
            "send_pay_date": "2026-02-03 10:12:13",
        }

    def _refund(self, trade: Trade, content: Mapping[str, str]) -> Node:
        number, request = content["out_trade_no"], content["out_request_no"]
        fen, new = to_minor_units(content["refund_amount"]), request not in trade.refunds
        if request.startswith(REFUSED):
            return refusal("ACQ.SELLER_BALANCE_NOT_ENOUGH")
        if not new and trade.refunds[request] != fen:
            self.faults.append(f"{number}: the refund {request} was asked for with two amounts")
        if new and trade.refunded_fen + fen > TOTAL_FEN:
            self.faults.append(f"{number}: more was asked for than was paid")
            return refusal("ACQ.REASON_TRADE_REFUND_FEE_ERR")
        if new:
            trade.refunds[request] = fen
            self._on_refund(number, request, trade.refunded_fen)
        return {
            **_numbers(content),
            "fund_change": "Y" if new else "N",
            "refund_fee": format_amount(trade.refunded_fen),
        }

    def _refund_query(self, trade: Trade, content: Mapping[str, str]) -> Node:
        request = content["out_request_no"]
        if request not in trade.refunds:
            return dict(DONE)
        return {
            **_numbers(content),
            "out_request_no": request,
            "refund_amount": format_amount(trade.refunds[request]),
            "refund_status": "REFUND_SUCCESS",
        }


def _numbers(content: Mapping[str, str]) -> dict[str, str]:
    number = content["out_trade_no"]
    return {**DONE, "out_trade_no": number, "trade_no": f"2026{number}"}
