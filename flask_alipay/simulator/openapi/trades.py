"""Single trades: asked about, closed, taken back."""

from __future__ import annotations

from collections.abc import Mapping

from ...china_time import to_china
from ...money import to_yuan
from ...trade_status import TradeStatus
from .. import funds
from ..answers import Refusal
from ..orders import Event
from ..trades import Trade
from .call import Call, Desk, Done, Run, numbers


class Trades:
    """``alipay.trade.query``, ``.close`` and ``.cancel``.

    :param desk: what it works with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.methods: Mapping[str, Run] = {
            "alipay.trade.query": self._query,
            "alipay.trade.close": self._close,
            "alipay.trade.cancel": self._cancel,
        }

    def _query(self, call: Call) -> Done:
        stated = self._desk.trades.stated.get(call.text("out_trade_no"))
        trade = stated or self._desk.find(call)
        fields: dict[str, object] = {
            **self._desk.buyer(),
            **amounts(trade),
            **numbers(trade),
            "trade_status": trade.status,
        }
        if "passback_params" in trade.order.echo:
            fields["passback_params"] = trade.order.echo["passback_params"]
        if trade.paid_at is not None:
            fields["send_pay_date"] = to_china(trade.paid_at)
            fields["fund_bill_list"] = fund_bill(trade)
        return Done(fields)

    def _close(self, call: Call) -> Done:
        call.text("operator_id", 28)
        trade = self._desk.find(call)
        if self._desk.happen(call, trade, Event.CLOSE) is None:
            raise Refusal("ACQ.REASON_TRADE_STATUS_INVALID")
        return Done(numbers(trade))

    def _cancel(self, call: Call) -> Done:
        """Closes what was not paid, refunds what was; of what nobody opened nothing is left."""
        trade = self._desk.placed(call)
        answer: dict[str, object] = {"retry_flag": "N"}
        if trade is None or self._desk.trades.withdraw(trade.order.out_trade_no, call.now):
            names = ("out_trade_no", "trade_no")
            return Done(answer | {name: call.text(name) for name in names if call.text(name)})
        answer |= numbers(trade)
        if not trade.paid:
            trade = self._desk.happen(call, trade, Event.CLOSE) or trade
        if not trade.paid and not trade.waiting:
            return Done(answer | {"action": "close"})
        self._take_back(call, trade)
        return Done(answer | {"action": "refund"})

    def _take_back(self, call: Call, trade: Trade) -> None:
        if trade.status == TradeStatus.TRADE_FINISHED:
            raise Refusal("ACQ.TRADE_HAS_FINISHED")
        if trade.status == TradeStatus.TRADE_CLOSED:
            return  # taken back before
        if trade.paid_at is None or to_china(trade.paid_at)[:10] != to_china(call.now)[:10]:
            raise Refusal("ACQ.TRADE_CANCEL_TIME_OUT")
        out_trade_no = trade.order.out_trade_no
        used = {refund.number for refund in trade.refunds}
        number = trade.trade_no if out_trade_no in used else out_trade_no
        rest = trade.order.total_fen - trade.refunded_fen
        changed = self._desk.trades.refund(out_trade_no, number, rest, call.now)
        if changed is None:  # somebody else was quicker
            raise Refusal("ACQ.SYSTEM_ERROR")
        call.news.append(changed)


def amounts(trade: Trade) -> dict[str, str]:
    """Returns what a trade costs, and what was paid: all of it by the buyer himself."""
    total = to_yuan(trade.order.total_fen)
    paid = total if trade.paid else "0.00"
    return {
        "buyer_pay_amount": paid,
        "invoice_amount": paid,
        "point_amount": "0.00",
        "receipt_amount": paid,
        "total_amount": total,
    }


def fund_bill(trade: Trade) -> list[dict[str, str]]:
    """Returns where the money came from, as answers spell it."""
    return funds.answered(trade.paid_with, trade.order.total_fen)
