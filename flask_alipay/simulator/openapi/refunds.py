"""Refunds: made once however often they are asked for, and asked about."""

from __future__ import annotations

from collections.abc import Mapping

from ...china_time import to_china
from ...exceptions import InvalidParameter
from ...limits import check_out_trade_no
from ...money import to_fen, to_yuan
from ...trade_status import TradeStatus
from .. import funds
from ..answers import Refusal
from ..trades import Refund, Trade
from .call import Call, Desk, Done, Run, numbers
from .content import names


class Refunds:
    """``alipay.trade.refund`` and ``alipay.trade.fastpay.refund.query``.

    :param desk: what it works with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.methods: Mapping[str, Run] = {
            "alipay.trade.refund": self._refund,
            "alipay.trade.fastpay.refund.query": self._query,
        }

    def _refund(self, call: Call) -> Done:
        call.text("refund_reason", 256)
        fen = to_fen(call.required("refund_amount"), parameter="refund_amount")
        number = call.text("out_request_no")
        if number:
            check_out_trade_no(number, "out_request_no")
        trade = self._desk.find(call)
        if not number and fen < trade.order.total_fen:
            raise InvalidParameter("out_request_no", "is required for a part of the amount")
        number = number or trade.order.out_trade_no
        changed = None
        made = _made(trade, number)
        if made is None:
            changed = self._desk.trades.refund(trade.order.out_trade_no, number, fen, call.now)
            trade = changed or self._desk.find(call)  # another may have been quicker
            made = _made(trade, number)
        if made is None:
            raise Refusal(_why_not(trade))
        if made.fen != fen:
            raise Refusal("ACQ.DISCORDANT_REPEAT_REQUEST")
        if changed is not None:
            call.news.append(changed)
        return Done(self._refunded(call, trade, made, changed is not None))

    def _refunded(self, call: Call, trade: Trade, made: Refund, new: bool) -> dict[str, object]:
        fields: dict[str, object] = {
            **self._desk.buyer(),
            **numbers(trade),
            "fund_change": "Y" if new else "N",
            "gmt_refund_pay": to_china(made.at),
            "refund_fee": to_yuan(trade.refunded_fen),
            "refund_detail_item_list": funds.answered(trade.paid_with, made.fen),
        }
        if "send_back_fee" in names(call.content, "query_options"):
            fields["send_back_fee"] = to_yuan(made.fen)
        return fields

    def _query(self, call: Call) -> Done:
        """A number that never was is answered with success, and nothing else."""
        number = call.required("out_request_no")
        trade = self._desk.find(call)
        made = _made(trade, number)
        if made is None:
            return Done({})
        fields: dict[str, object] = {
            **numbers(trade),
            "out_request_no": number,
            "refund_amount": to_yuan(made.fen),
            "refund_status": "REFUND_SUCCESS",
            "total_amount": to_yuan(trade.order.total_fen),
        }
        options = names(call.content, "query_options")
        if "gmt_refund_pay" in options:
            fields["gmt_refund_pay"] = to_china(made.at)
        if "refund_detail_item_list" in options:
            fields["refund_detail_item_list"] = funds.answered(trade.paid_with, made.fen)
        return Done(fields)


def _made(trade: Trade, number: str) -> Refund | None:
    return next((refund for refund in trade.refunds if refund.number == number), None)


def _why_not(trade: Trade) -> str:
    if trade.status == TradeStatus.TRADE_FINISHED:
        return "ACQ.TRADE_HAS_FINISHED"
    if trade.status == TradeStatus.TRADE_CLOSED:
        return "ACQ.TRADE_HAS_CLOSE"
    if not trade.paid:
        return "ACQ.TRADE_STATUS_ERROR"
    return "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
