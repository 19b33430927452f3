"""Refunds of trades in foreign currencies, and the exchange rates of the day."""

from __future__ import annotations

import re

from ...exceptions import InvalidAmount
from ...protocol.conversion import to_minor_units
from ...protocol.validation import check_out_trade_no, check_text
from ..clock import read_china_text
from ..replies import ApiError, CallResult, PlainText
from ..trades import exchange_rates
from ..trades.trades import Trade
from . import xml
from .call import ApiCall, Context, Service
from .orders import FOREX, FOREX_WAP


class ForexService:
    """``forex_refund`` and ``forex_rate_file``.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.services = {
            "forex_refund": Service(self._refund),
            "forex_rate_file": Service(self._rates),
        }

    def _rates(self, call: ApiCall) -> CallResult:
        return CallResult(PlainText(exchange_rates.rate_file(call.now)))

    def _refund(self, call: ApiCall) -> CallResult:
        call.require("out_return_no", "out_trade_no", "currency", "gmt_return")
        check_out_trade_no(call.get("out_return_no"), "out_return_no")
        if call.get("reason"):
            check_text("reason", call.get("reason"), max_length=256)
        _check_time(call)
        trade = self._context.trades.by_out_trade_no(call.get("out_trade_no"))
        if trade is None or not trade.paid or trade.order.method not in (FOREX, FOREX_WAP):
            raise ApiError("PURCHASE_TRADE_NOT_EXIST")
        if call.get("currency") != trade.order.currency:
            raise ApiError("CURRENCY_NOT_SAME")
        if any(refund.number == call.get("out_return_no") for refund in trade.refunds):
            raise ApiError("REPEATED_REFUNDMENT_REQUEST")
        units = _units(call, trade)
        number = call.get("out_return_no")
        if self._context.trades.refund(trade.order.out_trade_no, number, units, call.now) is None:
            raise ApiError("RETURN_AMOUNT_EXCEED")
        return CallResult(xml.accepted(call))


def _units(call: ApiCall, trade: Trade) -> int:
    """Return the amount to refund, given in the trade's currency or in yuan."""
    currency = trade.order.currency
    foreign, rmb = call.get("return_amount"), call.get("return_rmb_amount")
    if bool(foreign) == bool(rmb):
        raise InvalidAmount("return_amount", "or return_rmb_amount is required, and not both")
    if foreign:
        return exchange_rates.read_units(foreign, currency, "return_amount")
    units = exchange_rates.from_rmb(to_minor_units(rmb, parameter="return_rmb_amount"), currency)
    rest = trade.order.total_fen - trade.refunded_fen
    return rest if units == rest + 1 else units  # parts that were rounded up may not add up


def _check_time(call: ApiCall) -> None:
    """Check a time ``yyyyMMddHHmmss``; newer guides have dashes and colons."""
    shape = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.ASCII)
    text = shape.sub(r"\1-\2-\3 \4:\5:\6", call.get("gmt_return"), count=1)
    if read_china_text(text) is None:
        raise ApiError("ILLEGAL_ARGUMENT", "gmt_return must be like 20260131080000")
