"""What the merchant's server asks about a trade, or does with it."""

from __future__ import annotations

from datetime import datetime

from ...china_time import to_china
from ...limits import check_choice, check_text
from ...money import to_yuan
from ..answers import Refusal, Reply
from ..orders import Event
from ..rates import money_text
from ..trades import Trade
from . import xml
from .call import Call, Desk, Service
from .orders import TRANSPORTS


class Trades:
    """``single_trade_query``, ``close_trade`` and ``send_goods_confirm_by_platform``.

    :param desk: what it works with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.services = {
            "single_trade_query": Service(self._query),
            "close_trade": Service(self._close),
            "send_goods_confirm_by_platform": Service(self._send_goods),
        }

    def _query(self, call: Call) -> Reply:
        step = self._desk.find(call, "trade_no", "out_trade_no")
        fields = {**self._about(step.trade), **_state(step.trade)}
        told = () if step.event is None else (step.trade,)
        return Reply(xml.answered(call, self._desk.seal, "trade", fields), trades=told)

    def _close(self, call: Call) -> Reply:
        if call.get("trade_role"):
            check_choice("trade_role", call.get("trade_role"), ("B", "S"))
        trade = self._desk.find(call, "trade_no", "out_order_no").trade
        return Reply(xml.accepted(call), trades=(self._happen(trade, Event.CLOSE, call),))

    def _send_goods(self, call: Call) -> Reply:
        call.require("trade_no", "logistics_name")
        transport = call.either("transport_type", "create_transport_type")
        check_choice(transport, call.get(transport), TRANSPORTS)
        check_text("logistics_name", call.get("logistics_name"), most=64)
        if call.get("invoice_no"):
            check_text("invoice_no", call.get("invoice_no"), most=32)
        trade = self._desk.find(call, "trade_no", "trade_no").trade
        trade = self._happen(trade, Event.SEND, call)
        answer = xml.answered(call, self._desk.seal, "tradeBase", self._base(trade))
        return Reply(answer, trades=(trade,))

    def _happen(self, trade: Trade, event: str, call: Call) -> Trade:
        step = self._desk.trades.apply(trade.order.out_trade_no, event, call.now)
        if step is None or step.event != event:
            raise Refusal("TRADE_STATUS_NOT_AVAILD")  # so spelt by Alipay
        return step.trade

    def _about(self, trade: Trade) -> dict[str, str]:
        order, merchant = trade.order, self._desk.merchant
        amount = money_text(order.total_fen, order.currency)
        return {
            "body": order.body,
            "buyer_email": merchant.buyer_email,
            "buyer_id": merchant.buyer_id,
            "discount": order.echo.get("discount", "0.00"),
            "flag_trade_locked": "0",
            "gmt_create": to_china(trade.created_at),
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
        order, merchant = trade.order, self._desk.merchant
        return {
            "buyer_actions": "CONFIRM_GOODS",
            "buyer_login_email": merchant.buyer_email,
            "buyer_user_id": merchant.buyer_id,
            "create_time": to_china(trade.created_at),
            "currency": "156",  # the yuan's number in ISO 4217
            "last_modified_time": to_china(_modified_at(trade)),
            "out_trade_no": order.out_trade_no,
            "partner_id": merchant.partner,
            "seller_login_email": merchant.seller_email,
            "seller_user_id": merchant.partner,
            "total_fee": to_yuan(order.total_fen),
            "trade_no": trade.trade_no,
            "trade_status": trade.status,
        }


def _state(trade: Trade) -> dict[str, str]:
    """The fields of ``trade`` that change in its life."""
    currency = trade.order.currency
    kept = trade.order.total_fen - trade.refunded_fen if trade.paid and not trade.in_escrow else 0
    fields = {
        "gmt_last_modified_time": to_china(_modified_at(trade)),
        "to_buyer_fee": money_text(trade.refunded_fen, currency),
        "to_seller_fee": money_text(kept, currency),
        "trade_status": trade.status,
    }
    moments = {
        "gmt_payment": trade.paid_at,
        "gmt_send_goods": trade.sent_at,
        "gmt_close": trade.closed_at,
        "gmt_refund": trade.refunds[-1].at if trade.refunds else None,
    }
    fields |= {name: to_china(moment) for name, moment in moments.items() if moment is not None}
    if trade.refunds:
        fields["refund_fee"] = money_text(trade.refunded_fen, currency)
        fields["refund_status"] = "REFUND_SUCCESS"
    if trade.ended_by == Event.EXPIRE:
        fields["additional_trade_status"] = "DAEMON_CONFIRM_CLOSE"
    return fields


def _modified_at(trade: Trade) -> datetime:
    refunded_at = trade.refunds[-1].at if trade.refunds else None
    moments = (trade.paid_at, trade.sent_at, trade.finished_at, trade.closed_at, refunded_at)
    return max((moment for moment in moments if moment is not None), default=trade.created_at)
