"""Queries and operations of the merchant's server on a trade."""

from __future__ import annotations

from datetime import datetime

from ...protocol.conversion import format_amount, format_china_time
from ...protocol.validation import check_choice, check_text
from ..replies import ApiError, CallResult
from ..trades.exchange_rates import format_units
from ..trades.orders import TradeEvent
from ..trades.trades import Trade
from . import xml
from .call import ApiCall, Context, Service
from .orders import TRANSPORTS


class TradeService:
    """``single_trade_query``, ``close_trade`` and ``send_goods_confirm_by_platform``.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.services = {
            "single_trade_query": Service(self._query),
            "close_trade": Service(self._close),
            "send_goods_confirm_by_platform": Service(self._send_goods),
        }

    def _query(self, call: ApiCall) -> CallResult:
        step = self._context.find(call, "trade_no", "out_trade_no")
        fields = {**self._about(step.trade), **_state(step.trade)}
        changed = () if step.event is None else (step.trade,)
        return CallResult(
            xml.xml_response(call, self._context.signer, "trade", fields), trades=changed
        )

    def _close(self, call: ApiCall) -> CallResult:
        if call.get("trade_role"):
            check_choice("trade_role", call.get("trade_role"), ("B", "S"))
        trade = self._context.find(call, "trade_no", "out_order_no").trade
        return CallResult(xml.accepted(call), trades=(self._happen(trade, TradeEvent.CLOSE, call),))

    def _send_goods(self, call: ApiCall) -> CallResult:
        call.require("trade_no", "logistics_name")
        transport = call.either("transport_type", "create_transport_type")
        check_choice(transport, call.get(transport), TRANSPORTS)
        check_text("logistics_name", call.get("logistics_name"), max_length=64)
        if call.get("invoice_no"):
            check_text("invoice_no", call.get("invoice_no"), max_length=32)
        trade = self._context.find(call, "trade_no", "trade_no").trade
        trade = self._happen(trade, TradeEvent.SEND, call)
        answer = xml.xml_response(call, self._context.signer, "tradeBase", self._base(trade))
        return CallResult(answer, trades=(trade,))

    def _happen(self, trade: Trade, event: str, call: ApiCall) -> Trade:
        step = self._context.trades.apply(trade.order.out_trade_no, event, call.now)
        if step is None or step.event != event:
            raise ApiError("TRADE_STATUS_NOT_AVAILD")  # so spelt by Alipay
        return step.trade

    def _about(self, trade: Trade) -> dict[str, str]:
        order, merchant = trade.order, self._context.merchant
        amount = format_units(order.total_fen, order.currency)
        return {
            "body": order.body,
            "buyer_email": merchant.buyer_email,
            "buyer_id": merchant.buyer_id,
            "discount": order.echo.get("discount", "0.00"),
            "flag_trade_locked": "0",
            "gmt_create": format_china_time(trade.created_at),
            "is_total_fee_adjust": "F",
            "operator_role": "B",
            "out_trade_no": order.out_trade_no,
            "payment_type": "1",
            "price": order.echo.get("price", amount),
            "quantity": order.echo.get("quantity", "1"),
            "seller_email": merchant.seller_email,
            "seller_id": merchant.partner,
            "subject": order.subject,
            "total_fee": amount,
            "currency": "" if order.currency == "CNY" else order.currency,
            "trade_no": trade.trade_no,
            "use_coupon": "F",
        }

    def _base(self, trade: Trade) -> dict[str, str]:
        order, merchant = trade.order, self._context.merchant
        return {
            "buyer_actions": "CONFIRM_GOODS",
            "buyer_login_email": merchant.buyer_email,
            "buyer_user_id": merchant.buyer_id,
            "create_time": format_china_time(trade.created_at),
            "currency": "156",  # the yuan's number in ISO 4217
            "last_modified_time": format_china_time(_modified_at(trade)),
            "out_trade_no": order.out_trade_no,
            "partner_id": merchant.partner,
            "seller_login_email": merchant.seller_email,
            "seller_user_id": merchant.partner,
            "total_fee": format_amount(order.total_fen),
            "trade_no": trade.trade_no,
            "trade_status": trade.status,
        }


def _state(trade: Trade) -> dict[str, str]:
    """Return the fields of ``trade`` that change over time."""
    currency = trade.order.currency
    kept = trade.order.total_fen - trade.refunded_fen if trade.paid and not trade.in_escrow else 0
    fields = {
        "gmt_last_modified_time": format_china_time(_modified_at(trade)),
        "to_buyer_fee": format_units(trade.refunded_fen, currency),
        "to_seller_fee": format_units(kept, currency),
        "trade_status": trade.status,
    }
    times = {
        "gmt_payment": trade.paid_at,
        "gmt_send_goods": trade.sent_at,
        "gmt_close": trade.closed_at,
        "gmt_refund": trade.refunds[-1].at if trade.refunds else None,
    }
    fields |= {name: format_china_time(when) for name, when in times.items() if when is not None}
    if trade.refunds:
        fields["refund_fee"] = format_units(trade.refunded_fen, currency)
        fields["refund_status"] = "REFUND_SUCCESS"
    if trade.ended_by == TradeEvent.EXPIRE:
        fields["additional_trade_status"] = "DAEMON_CONFIRM_CLOSE"
    return fields


def _modified_at(trade: Trade) -> datetime:
    refunded_at = trade.refunds[-1].at if trade.refunds else None
    times = (trade.paid_at, trade.sent_at, trade.finished_at, trade.closed_at, refunded_at)
    return max((when for when in times if when is not None), default=trade.created_at)
