"""Royalties: parts of a payment that are passed on."""

from __future__ import annotations

from collections.abc import Mapping

from ...exceptions import InvalidParameter
from ...protocol.money import to_minor_units
from ...protocol.trade_status import TradeStatus
from ...protocol.validation import check_out_trade_no, check_pattern
from ..replies import ApiError
from .call import ApiCall, Context, Handler, Success
from .content import required, text


class SettlementService:
    """``alipay.trade.order.settle``.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.methods: Mapping[str, Handler] = {"alipay.trade.order.settle": self._settle}

    def _settle(self, call: ApiCall) -> Success:
        call.required("trade_no")
        number = call.required("out_request_no")
        check_out_trade_no(number, "out_request_no")
        trade = self._context.find(call)
        parts = call.content.get("royalty_parameters")
        if not isinstance(parts, list) or not parts:
            raise InvalidParameter("royalty_parameters", "is required, as a list")
        fen = sum(_part(part, trade.order.total_fen, call.charset) for part in parts)
        if trade.status != TradeStatus.TRADE_SUCCESS:
            raise ApiError("ACQ.TRADE_STATUS_ERROR")
        made = self._context.trades.settle(trade.order.out_trade_no, number, fen, call.now)
        if made is None:
            raise ApiError("ACQ.ALLOC_AMOUNT_VALIDATE_ERROR")
        if made.fen != fen:
            raise ApiError("ACQ.DISCORDANT_REPEAT_REQUEST")
        return Success({"trade_no": trade.trade_no, "settle_no": made.settle_no})


def _part(part: object, total_fen: int, charset: str) -> int:
    if not isinstance(part, dict):
        raise InvalidParameter("royalty_parameters", "must be a list of objects")
    required(part, "trans_in", 28, charset)
    amount = text(part, "amount", 16, charset)
    if amount:
        return to_minor_units(amount, parameter="amount")
    percent = required(part, "amount_percentage", 3, charset)
    check_pattern("amount_percentage", percent, "[1-9][0-9]?|100", "from 1 to 100")
    return total_fen * int(percent) // 100
