"""One trade at a time: what has become of it, close it, and say that the goods are on their way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from ..china_time import from_china
from ..exceptions import GatewayError, InvalidAmount
from ..fields import Field, choice, convert, ip_address, out_trade_no, text
from ..money import parse_price
from . import rules
from .answers import Accepted, amount, currency_of
from .caller import Caller
from .escrow import TRANSPORT

if TYPE_CHECKING:
    from typing_extensions import Unpack

_QUERY: Mapping[str, Field] = {"trade_no": rules.trade_no, "out_trade_no": rules.foreign_number}
_CLOSE: Mapping[str, Field] = {
    "trade_no": rules.trade_no,
    "out_order_no": out_trade_no,
    "trade_role": choice("B", "S"),
    "ip": ip_address,
}
_SEND: Mapping[str, Field] = {
    "trade_no": rules.trade_no,
    "logistics_name": rules.words(64),
    "invoice_no": text(32),
    "transport_type": TRANSPORT,
    "create_transport_type": TRANSPORT,
    "seller_ip": ip_address,
}


class GoodsSent(TypedDict, total=False):
    """What :meth:`Trades.send_goods_confirm_by_platform` takes."""

    trade_no: str
    logistics_name: str
    invoice_no: str | None
    transport_type: str | None
    create_transport_type: str | None
    seller_ip: str | None


@dataclass(frozen=True)
class TradeQueryAnswer:
    """One trade as Alipay has it, proven by its signature. Times are aware UTC."""

    #: The shop's number of the order.
    out_trade_no: str
    #: Alipay's number of the trade.
    trade_no: str
    #: Where it stands, in Alipay's words.
    trade_status: str
    #: What it costs, in minor units of the currency.
    total_fen: int
    #: ISO 4217.
    currency: str
    #: Whether money went back, in Alipay's words; ``None`` if there is nothing to say.
    refund_status: str | None
    #: All that went back to the buyer (``to_buyer_fee``), where Alipay says it.
    refunded_fen: int | None
    #: Who gets the money.
    seller_id: str | None
    #: Who paid.
    buyer_id: str | None = field(repr=False)
    created_at: datetime | None
    paid_at: datetime | None
    closed_at: datetime | None
    refunded_at: datetime | None
    #: Everything, as it came:
    #: :meth:`~flask_alipay.notification.Notification.from_params` reads it as well.
    params: Mapping[str, str] = field(repr=False, hash=False)


@dataclass(frozen=True)
class SentAnswer:
    """A trade whose goods are on their way, as far as Alipay repeats it."""

    trade_no: str
    #: The shop's number of the order.
    out_trade_no: str | None
    #: ``WAIT_BUYER_CONFIRM_GOODS``.
    trade_status: str | None
    #: Everything, as it came.
    params: Mapping[str, str] = field(repr=False, hash=False)


class Trades(Caller):
    """Questions and acts about one trade."""

    def single_trade_query(
        self, *, out_trade_no: str | None = None, trade_no: str | None = None
    ) -> TradeQueryAnswer:
        """Asks what has become of a trade (单笔交易查询). The answer's signature is verified.

        :param out_trade_no: the shop's number of the order, or
        :param trade_no: Alipay's number of the trade, which wins.
        :raises InvalidParameter: names the parameter at fault.
        :raises GatewayError: with Alipay's code, ``TRADE_NOT_EXIST`` for one; without, if the
            answer is not signed by Alipay, or is about another trade.
        :raises OutcomeUnknown: if no answer comes.
        """
        service = "single_trade_query"
        asked = {"out_trade_no": out_trade_no, "trade_no": trade_no}
        params = convert(_QUERY, asked, self.charset, service)
        rules.require_one(params, "out_trade_no", "trade_no")
        answer = _read_trade(self._ask(service, params, proven=True).params)
        name = "trade_no" if trade_no else "out_trade_no"
        if answer.params[name] != params[name]:
            raise GatewayError("the gateway answered about another trade")
        return answer

    def close_trade(
        self,
        *,
        trade_no: str | None = None,
        out_order_no: str | None = None,
        trade_role: str | None = None,
        ip: str | None = None,
    ) -> Accepted:
        """Closes a trade that was not paid (关闭交易).

        :param trade_no: Alipay's number of the trade, or
        :param out_order_no: the shop's number of the order.
        :param trade_role: who wants it, ``B`` the buyer or ``S`` the seller.
        :param ip: whose computer asked for it.
        :raises InvalidParameter: names the parameter at fault.
        :raises GatewayError: with Alipay's code: ``TRADE_STATUS_NOT_AVAILD`` if it was paid or
            closed.
        :raises OutcomeUnknown: if no answer comes: it may be closed.
        """
        service = "close_trade"
        asked = {
            "trade_no": trade_no,
            "out_order_no": out_order_no,
            "trade_role": trade_role,
            "ip": ip,
        }
        params = convert(_CLOSE, asked, self.charset, service)
        rules.require_one(params, "trade_no", "out_order_no")
        return Accepted(self._tell(service, params).params)

    def send_goods_confirm_by_platform(self, **params: Unpack[GoodsSent]) -> SentAnswer:
        """Tells Alipay that the goods of a trade in escrow are on their way (确认发货).

        :param params: ``trade_no``, ``logistics_name`` (of the carrier) and ``transport_type`` or
            ``create_transport_type`` (``POST``, ``EXPRESS``, ``EMS``, ``DIRECT``); ``invoice_no``
            is the carrier's number of the parcel.
        :raises InvalidParameter: names the parameter at fault.
        :raises GatewayError: with Alipay's code.
        :raises OutcomeUnknown: if no answer comes: it may have been told.
        """
        service = "send_goods_confirm_by_platform"
        checked = convert(_SEND, params, self.charset, service)
        rules.require(checked, "trade_no", "logistics_name")
        rules.require_one(checked, "transport_type", "create_transport_type")
        said = self._tell(service, checked).params
        return SentAnswer(
            trade_no=said.get("trade_no") or checked["trade_no"],
            out_trade_no=said.get("out_trade_no") or None,
            trade_status=said.get("trade_status") or None,
            params=said,
        )


def _read_trade(params: Mapping[str, str]) -> TradeQueryAnswer:
    currency = currency_of(params)
    for name in ("out_trade_no", "trade_no", "trade_status"):
        if not params.get(name):
            raise GatewayError(f"the gateway's answer cannot be read: it has no {name}")
    return TradeQueryAnswer(
        out_trade_no=params["out_trade_no"],
        trade_no=params["trade_no"],
        trade_status=params["trade_status"],
        total_fen=_total(params, currency),
        currency=currency,
        refund_status=params.get("refund_status") or None,
        refunded_fen=amount(params, "to_buyer_fee", currency),
        seller_id=params.get("seller_id") or None,
        buyer_id=params.get("buyer_id") or None,
        created_at=from_china(params.get("gmt_create")),
        paid_at=from_china(params.get("gmt_payment")),
        closed_at=from_china(params.get("gmt_close")),
        refunded_at=from_china(params.get("gmt_refund")),
        params=params,
    )


def _total(params: Mapping[str, str], currency: str) -> int:
    total = amount(params, "total_fee", currency)
    if total is not None:
        return total
    try:
        return parse_price(params.get("price", ""), params.get("quantity", ""), currency)
    except InvalidAmount:
        raise GatewayError("the gateway's answer cannot be read: it names no amount") from None
