"""Single trades: query, close and cancel."""

from __future__ import annotations

from collections.abc import Mapping

from ...protocol.conversion import format_amount, format_china_time
from ...protocol.trade_status import TradeStatus
from ..replies import ApiError
from ..trades import funding
from ..trades.orders import TradeEvent
from ..trades.trades import Trade
from .call import ApiCall, Context, Handler, Success, numbers


class TradeService:
    """``alipay.trade.query``, ``.close`` and ``.cancel``.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.methods: Mapping[str, Handler] = {
            "alipay.trade.query": self._query,
            "alipay.trade.close": self._close,
            "alipay.trade.cancel": self._cancel,
        }

    def _query(self, call: ApiCall) -> Success:
        stated = self._context.trades.stated.get(call.text("out_trade_no"))
        trade = stated or self._context.find(call)
        fields: dict[str, object] = {
            **self._context.buyer(trade.order),
            **amounts(trade),
            **numbers(trade),
            "trade_status": trade.status,
        }
        if "passback_params" in trade.order.echo:
            fields["passback_params"] = trade.order.echo["passback_params"]
        if trade.paid_at is not None:
            fields["send_pay_date"] = format_china_time(trade.paid_at)
            fields["fund_bill_list"] = fund_bill(trade)
        return Success(fields)

    def _close(self, call: ApiCall) -> Success:
        call.text("operator_id", 28)
        trade = self._context.find(call)
        if self._context.happen(call, trade, TradeEvent.CLOSE) is None:
            raise ApiError("ACQ.REASON_TRADE_STATUS_INVALID")
        return Success(numbers(trade))

    def _cancel(self, call: ApiCall) -> Success:
        """Close an unpaid trade, refund a paid one, remove an order that was not opened."""
        trade = self._context.placed(call)
        answer: dict[str, object] = {"retry_flag": "N"}
        if trade is None or self._context.trades.cancel_unopened(
            trade.order.out_trade_no, call.now
        ):
            names = ("out_trade_no", "trade_no")
            return Success(answer | {name: call.text(name) for name in names if call.text(name)})
        answer |= numbers(trade)
        if not trade.paid:
            trade = self._context.happen(call, trade, TradeEvent.CLOSE) or trade
        if not trade.paid and not trade.waiting:
            return Success(answer | {"action": "close"})
        self._take_back(call, trade)
        return Success(answer | {"action": "refund"})

    def _take_back(self, call: ApiCall, trade: Trade) -> None:
        if trade.status == TradeStatus.TRADE_FINISHED:
            raise ApiError("ACQ.TRADE_HAS_FINISHED")
        if trade.status == TradeStatus.TRADE_CLOSED:
            return  # taken back before
        if (
            trade.paid_at is None
            or format_china_time(trade.paid_at)[:10] != format_china_time(call.now)[:10]
        ):
            raise ApiError("ACQ.TRADE_CANCEL_TIME_OUT")
        out_trade_no = trade.order.out_trade_no
        used = {refund.number for refund in trade.refunds}
        number = trade.trade_no if out_trade_no in used else out_trade_no
        rest = trade.order.total_fen - trade.refunded_fen
        changed = self._context.trades.refund(out_trade_no, number, rest, call.now)
        if changed is None:  # another client was faster
            raise ApiError("ACQ.SYSTEM_ERROR")
        call.notifications.append(changed)


def amounts(trade: Trade) -> dict[str, str]:
    """Return the amounts of a trade; the buyer pays the full amount."""
    total = format_amount(trade.order.total_fen)
    paid = total if trade.paid else "0.00"
    return {
        "buyer_pay_amount": paid,
        "invoice_amount": paid,
        "point_amount": "0.00",
        "receipt_amount": paid,
        "total_amount": total,
    }


def fund_bill(trade: Trade) -> list[dict[str, str]]:
    """Return the payment channels in the spelling of responses."""
    return funding.response_fund_bill(trade.paid_with, trade.order.total_fen)
