"""Royalties: parts of a payment that go on to others."""

from __future__ import annotations

from collections.abc import Mapping

from ...exceptions import InvalidParameter
from ...limits import check_out_trade_no, check_pattern
from ...money import to_fen
from ...trade_status import TradeStatus
from ..answers import Refusal
from .call import Call, Desk, Done, Run
from .content import required, text


class Settlements:
    """``alipay.trade.order.settle``.

    :param desk: what it works with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.methods: Mapping[str, Run] = {"alipay.trade.order.settle": self._settle}

    def _settle(self, call: Call) -> Done:
        call.required("trade_no")
        number = call.required("out_request_no")
        check_out_trade_no(number, "out_request_no")
        trade = self._desk.find(call)
        parts = call.content.get("royalty_parameters")
        if not isinstance(parts, list) or not parts:
            raise InvalidParameter("royalty_parameters", "is required, as a list")
        fen = sum(_part(part, trade.order.total_fen, call.charset) for part in parts)
        if trade.status != TradeStatus.TRADE_SUCCESS:
            raise Refusal("ACQ.TRADE_STATUS_ERROR")
        made = self._desk.trades.settle(trade.order.out_trade_no, number, fen, call.now)
        if made is None:
            raise Refusal("ACQ.ALLOC_AMOUNT_VALIDATE_ERROR")
        if made.fen != fen:
            raise Refusal("ACQ.DISCORDANT_REPEAT_REQUEST")
        return Done({"trade_no": trade.trade_no, "settle_no": made.settle_no})


def _part(part: object, total_fen: int, charset: str) -> int:
    if not isinstance(part, dict):
        raise InvalidParameter("royalty_parameters", "must be a list of objects")
    required(part, "trans_in", 28, charset)
    amount = text(part, "amount", 16, charset)
    if amount:
        return to_fen(amount, parameter="amount")
    percent = required(part, "amount_percentage", 3, charset)
    check_pattern("amount_percentage", percent, "[1-9][0-9]?|100", "from 1 to 100")
    return total_fen * int(percent) // 100
