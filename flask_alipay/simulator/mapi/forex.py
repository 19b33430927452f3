"""Refunds of trades in foreign money, and the day's rates."""

from __future__ import annotations

import re

from ...exceptions import InvalidAmount
from ...limits import check_out_trade_no, check_text
from ...money import to_fen
from .. import rates
from ..answers import PlainText, Refusal, Reply
from ..clock import read_china_text
from ..trades import Trade
from . import xml
from .call import Call, Desk, Service
from .orders import FOREX, FOREX_WAP


class Forex:
    """``forex_refund`` and ``forex_rate_file``.

    :param desk: what it works with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.services = {
            "forex_refund": Service(self._refund),
            "forex_rate_file": Service(self._rates),
        }

    def _rates(self, call: Call) -> Reply:
        return Reply(PlainText(rates.rate_file(call.now)))

    def _refund(self, call: Call) -> Reply:
        call.require("out_return_no", "out_trade_no", "currency", "gmt_return")
        check_out_trade_no(call.get("out_return_no"), "out_return_no")
        if call.get("reason"):
            check_text("reason", call.get("reason"), most=256)
        _check_time(call)
        trade = self._desk.trades.by_out_trade_no(call.get("out_trade_no"))
        if trade is None or not trade.paid or trade.order.method not in (FOREX, FOREX_WAP):
            raise Refusal("PURCHASE_TRADE_NOT_EXIST")
        if call.get("currency") != trade.order.currency:
            raise Refusal("CURRENCY_NOT_SAME")
        if any(refund.number == call.get("out_return_no") for refund in trade.refunds):
            raise Refusal("REPEATED_REFUNDMENT_REQUEST")
        units = _units(call, trade)
        number = call.get("out_return_no")
        if self._desk.trades.refund(trade.order.out_trade_no, number, units, call.now) is None:
            raise Refusal("RETURN_AMOUNT_EXCEED")
        return Reply(xml.accepted(call))


def _units(call: Call, trade: Trade) -> int:
    """What is to go back, named in the trade's money or in yuan."""
    currency = trade.order.currency
    foreign, rmb = call.get("return_amount"), call.get("return_rmb_amount")
    if bool(foreign) == bool(rmb):
        raise InvalidAmount("return_amount", "or return_rmb_amount is required, and not both")
    if foreign:
        return rates.read_units(foreign, currency, "return_amount")
    units = rates.from_rmb(to_fen(rmb, parameter="return_rmb_amount"), currency)
    rest = trade.order.total_fen - trade.refunded_fen
    return rest if units == rest + 1 else units  # parts that were rounded up may not add up


def _check_time(call: Call) -> None:
    """``yyyyMMddHHmmss``; newer guides write the time with dashes and colons."""
    shape = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.ASCII)
    text = shape.sub(r"\1-\2-\3 \4:\5:\6", call.get("gmt_return"), count=1)
    if read_china_text(text) is None:
        raise Refusal("ILLEGAL_ARGUMENT", "gmt_return must be like 20260131080000")
