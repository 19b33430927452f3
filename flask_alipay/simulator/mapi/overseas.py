"""Query and refund of payments in shops abroad.

Such payments are made at a point of sale, with services that the package does not have; here every
trade is accepted as one, by its numbers.
"""

from __future__ import annotations

import re

from ...protocol.conversion import format_amount, format_china_time
from ...protocol.trade_status import TradeStatus
from ...protocol.validation import check_choice, check_text
from ..replies import ApiError, CallResult
from ..trades import exchange_rates
from ..trades.trades import Trade
from . import xml
from .call import ApiCall, Context, Service


class OverseasService:
    """``alipay.acquire.overseas.query`` and ``alipay.acquire.overseas.spot.refund``.

    Whatever is wrong with the trade is said in ``result_code`` and ``error`` of an answer whose
    ``is_success`` is ``T``: the call itself was good.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.services = {
            "alipay.acquire.overseas.query": Service(self._query),
            "alipay.acquire.overseas.spot.refund": Service(self._refund),
        }

    def _query(self, call: ApiCall) -> CallResult:
        try:
            trade = self._context.find(call, "alipay_trans_id", "partner_trans_id").trade
        except ApiError as refusal:
            return self._failed(call, refusal.code)
        return self._done(call, {**self._about(trade), **_amounts(trade, "trans_amount", None)})

    def _refund(self, call: ApiCall) -> CallResult:
        call.require("partner_trans_id", "partner_refund_id", "refund_amount", "currency")
        check_text("partner_refund_id", call.get("partner_refund_id"), max_length=64)
        if call.get("is_sync"):
            check_choice("is_sync", call.get("is_sync"), ("Y", "N"))
        try:
            trade, units, changed = self._refunded(call)
        except ApiError as refusal:
            return self._failed(call, refusal.code)
        fields = {
            "alipay_trans_id": trade.trade_no,
            "partner_trans_id": trade.order.out_trade_no,
            "partner_refund_id": call.get("partner_refund_id"),
            **_amounts(trade, "refund_amount", units),
        }
        node = () if changed is None else (changed,)
        return CallResult(self._done(call, fields).reply, trades=node)

    def _refunded(self, call: ApiCall) -> tuple[Trade, int, Trade | None]:
        """Return the trade, the refunded amount and the trade afterwards; a retry refunds nothing
        more.
        """
        number = call.get("partner_refund_id")
        trade = self._context.find(call, "alipay_trans_id", "partner_trans_id").trade
        currency = trade.order.currency
        if call.get("currency") != currency:
            raise ApiError("CURRENCY_NOT_SAME")
        units = exchange_rates.read_units(call.get("refund_amount"), currency, "refund_amount")
        for refund in trade.refunds:
            if refund.number == number:
                if refund.fen != units:
                    raise ApiError("REPEATED_REFUNDMENT_REQUEST")
                return trade, units, None
        changed = self._context.trades.refund(trade.order.out_trade_no, number, units, call.now)
        if changed is None:
            rest = trade.order.total_fen - trade.refunded_fen
            raise ApiError("RETURN_AMOUNT_EXCEED" if units > rest else "TRADE_STATUS_ERROR")
        return trade, units, changed

    def _about(self, trade: Trade) -> dict[str, str]:
        merchant = self._context.merchant
        name, _, host = merchant.buyer_email.partition("@")
        finished = trade.status == TradeStatus.TRADE_FINISHED
        paid_at = (
            "" if trade.paid_at is None else re.sub(r"\D", "", format_china_time(trade.paid_at))
        )
        return {
            "alipay_buyer_login_id": f"{name[:3]}***@{host}",
            "alipay_buyer_user_id": merchant.buyer_id,
            "alipay_pay_time": paid_at,
            "alipay_trans_id": trade.trade_no,
            # Documented are three statuses alone.
            "alipay_trans_status": TradeStatus.TRADE_SUCCESS if finished else trade.status,
            "out_trade_no": trade.order.out_trade_no,
            "partner_trans_id": trade.order.out_trade_no,
            "payment_inst": "ALIPAYCN",
        }

    def _done(self, call: ApiCall, fields: dict[str, str]) -> CallResult:
        node = {**fields, "result_code": "SUCCESS"}
        return CallResult(xml.xml_response(call, self._context.signer, "alipay", node))

    def _failed(self, call: ApiCall, error: str) -> CallResult:
        node = {"result_code": "FAIL", "error": error}
        return CallResult(xml.xml_response(call, self._context.signer, "alipay", node))


def _amounts(trade: Trade, name: str, units: int | None) -> dict[str, str]:
    currency = trade.order.currency
    units = trade.order.total_fen if units is None else units
    fields = {"currency": currency, name: exchange_rates.format_units(units, currency)}
    if currency != "CNY":
        fields["exchange_rate"] = str(exchange_rates.RATES[currency])
        fields[f"{name}_cny"] = format_amount(exchange_rates.to_rmb(units, currency))
    return fields
