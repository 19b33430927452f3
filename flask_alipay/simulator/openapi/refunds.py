"""Refunds, performed once however often they are requested, and their queries."""

from __future__ import annotations

from collections.abc import Mapping

from ...exceptions import InvalidParameter
from ...protocol.conversion import format_amount, format_china_time, to_minor_units
from ...protocol.trade_status import TradeStatus
from ...protocol.validation import check_out_trade_no
from ..replies import ApiError
from ..trades import funding
from ..trades.trades import Refund, Trade
from .call import ApiCall, Context, Handler, Success, numbers
from .content import names


class RefundService:
    """``alipay.trade.refund`` and ``alipay.trade.fastpay.refund.query``.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.methods: Mapping[str, Handler] = {
            "alipay.trade.refund": self._refund,
            "alipay.trade.fastpay.refund.query": self._query,
        }

    def _refund(self, call: ApiCall) -> Success:
        call.text("refund_reason", 256)
        fen = to_minor_units(call.required("refund_amount"), parameter="refund_amount")
        number = call.text("out_request_no")
        if number:
            check_out_trade_no(number, "out_request_no")
        trade = self._context.find(call)
        if not number and fen < trade.order.total_fen:
            raise InvalidParameter("out_request_no", "is required for a part of the amount")
        number = number or trade.order.out_trade_no
        changed = None
        made = _made(trade, number)
        if made is None:
            changed = self._context.trades.refund(trade.order.out_trade_no, number, fen, call.now)
            trade = changed or self._context.find(call)  # another may have been quicker
            made = _made(trade, number)
        if made is None:
            raise ApiError(_why_not(trade))
        if made.fen != fen:
            raise ApiError("ACQ.DISCORDANT_REPEAT_REQUEST")
        if changed is not None:
            call.notifications.append(changed)
        return Success(self._refunded(call, trade, made, changed is not None))

    def _refunded(self, call: ApiCall, trade: Trade, made: Refund, new: bool) -> dict[str, object]:
        fields: dict[str, object] = {
            **self._context.buyer(trade.order),
            **numbers(trade),
            "fund_change": "Y" if new else "N",
            "gmt_refund_pay": format_china_time(made.at),
            "refund_fee": format_amount(trade.refunded_fen),
            "refund_detail_item_list": funding.response_fund_bill(trade.paid_with, made.fen),
        }
        if "send_back_fee" in names(call.content, "query_options"):
            fields["send_back_fee"] = format_amount(made.fen)
        return fields

    def _query(self, call: ApiCall) -> Success:
        """Query a refund; a missing one has a success without values."""
        number = call.required("out_request_no")
        trade = self._context.find(call)
        made = _made(trade, number)
        if made is None:
            return Success({})
        fields: dict[str, object] = {
            **numbers(trade),
            "out_request_no": number,
            "refund_amount": format_amount(made.fen),
            "refund_status": "REFUND_SUCCESS",
            "total_amount": format_amount(trade.order.total_fen),
        }
        options = names(call.content, "query_options")
        if "gmt_refund_pay" in options:
            fields["gmt_refund_pay"] = format_china_time(made.at)
        if "refund_detail_item_list" in options:
            fields["refund_detail_item_list"] = funding.response_fund_bill(
                trade.paid_with, made.fen
            )
        return Success(fields)


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
