"""Single trades: query, close, and confirmation of shipment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypedDict

from ...exceptions import GatewayError, InvalidAmount
from ...protocol.conversion import parse_china_time, parse_price
from ...protocol.validation import choice, ip_address, out_trade_no, text
from ..parameters import REQUIRED, validate_declared
from . import validators
from .client import MapiClient
from .escrow import TRANSPORT
from .responses import AcceptedResponse, amount, currency_of

if TYPE_CHECKING:
    from typing_extensions import Unpack


class QueryParams(TypedDict, total=False):
    """Parameters of ``single_trade_query``; ``trade_no`` takes precedence."""

    out_trade_no: Annotated[str | None, validators.foreign_number, "or ``trade_no``"]
    trade_no: Annotated[str | None, validators.trade_no]


class CloseParams(TypedDict, total=False):
    """Parameters of ``close_trade``."""

    trade_no: Annotated[str | None, validators.trade_no, "or ``out_order_no``"]
    out_order_no: Annotated[str | None, out_trade_no, "the merchant's order number"]
    trade_role: Annotated[str | None, choice("B", "S"), "who closes: buyer or seller"]
    ip: Annotated[str | None, ip_address, "address of the client that requested it"]


class ShipmentParams(TypedDict, total=False):
    """Parameters of ``send_goods_confirm_by_platform``."""

    trade_no: Annotated[str, validators.trade_no, REQUIRED]
    logistics_name: Annotated[str, validators.text_bytes(64), REQUIRED, "the carrier"]
    invoice_no: Annotated[str | None, text(32), "the carrier's number of the parcel"]
    transport_type: Annotated[str | None, TRANSPORT, "or ``create_transport_type``"]
    create_transport_type: Annotated[str | None, TRANSPORT]
    seller_ip: Annotated[str | None, ip_address]


@dataclass(frozen=True)
class TradeQueryResponse:
    """A trade in Alipay's current state, verified by its signature. Times are aware UTC."""

    #: The merchant's order number.
    out_trade_no: str
    #: Alipay's trade number.
    trade_no: str
    #: Alipay's status of the trade.
    trade_status: str
    #: The trade's amount in minor units of the currency.
    total_fen: int
    #: ISO 4217 code.
    currency: str
    #: Alipay's refund status; ``None`` without one.
    refund_status: str | None
    #: The total refunded amount (``to_buyer_fee``), if Alipay reports it.
    refunded_fen: int | None
    #: The account that receives the money.
    seller_id: str | None
    #: The buyer's account.
    buyer_id: str | None = field(repr=False)
    created_at: datetime | None
    paid_at: datetime | None
    closed_at: datetime | None
    refunded_at: datetime | None
    #: All received parameters, which
    #: :meth:`~flask_alipay.protocol.notification.Notification.from_params` accepts as well.
    params: Mapping[str, str] = field(repr=False, hash=False)


@dataclass(frozen=True)
class ShipmentResponse:
    """A shipped trade, as repeated by Alipay."""

    trade_no: str
    #: The merchant's order number.
    out_trade_no: str | None
    #: ``WAIT_BUYER_CONFIRM_GOODS``.
    trade_status: str | None
    #: All received parameters.
    params: Mapping[str, str] = field(repr=False, hash=False)


class Trades(MapiClient):
    """Queries and operations on one trade."""

    def single_trade_query(self, **params: Unpack[QueryParams]) -> TradeQueryResponse:
        """Query a trade (单笔交易查询). The signature of the response is verified.

        :param params: see :ref:`single_trade_query <parameters-single_trade_query>`.
        :raises InvalidParameter: names the invalid parameter.
        :raises GatewayError: with Alipay's code, ``TRADE_NOT_EXIST`` for one; without, if the trade
            is not signed by Alipay, or is about another trade.
        :raises OutcomeUnknown: if no response arrives.
        """
        service = "single_trade_query"
        checked = validate_declared(QueryParams, params, self.charset, service)
        validators.require_one(checked, "out_trade_no", "trade_no")
        trade = _read_trade(self._query(service, checked, require_signature=True).params)
        name = "trade_no" if "trade_no" in checked else "out_trade_no"
        if trade.params[name] != checked[name]:
            raise GatewayError("the gateway responded about another trade")
        return trade

    def close_trade(self, **params: Unpack[CloseParams]) -> AcceptedResponse:
        """Close an unpaid trade (关闭交易).

        :param params: see :ref:`close_trade <parameters-close_trade>`.
        :raises InvalidParameter: names the invalid parameter.
        :raises GatewayError: with Alipay's code: ``TRADE_STATUS_NOT_AVAILD`` if it was paid or
            closed.
        :raises OutcomeUnknown: if no response arrives: it may be closed.
        """
        service = "close_trade"
        checked = validate_declared(CloseParams, params, self.charset, service)
        validators.require_one(checked, "trade_no", "out_order_no")
        return AcceptedResponse(self._execute(service, checked).params)

    def send_goods_confirm_by_platform(self, **params: Unpack[ShipmentParams]) -> ShipmentResponse:
        """Report to Alipay that the goods of an escrow trade were shipped (确认发货).

        :param params: see :ref:`send_goods_confirm_by_platform
            <parameters-send_goods_confirm_by_platform>`; ``transport_type`` or
            ``create_transport_type`` is required.
        :raises InvalidParameter: names the invalid parameter.
        :raises GatewayError: with Alipay's code.
        :raises OutcomeUnknown: if no response arrives: Alipay may have recorded the shipment.
        """
        service = "send_goods_confirm_by_platform"
        checked = validate_declared(ShipmentParams, params, self.charset, service)
        validators.require_one(checked, "transport_type", "create_transport_type")
        values = self._execute(service, checked).params
        return ShipmentResponse(
            trade_no=values.get("trade_no") or checked["trade_no"],
            out_trade_no=values.get("out_trade_no") or None,
            trade_status=values.get("trade_status") or None,
            params=values,
        )


def _read_trade(params: Mapping[str, str]) -> TradeQueryResponse:
    currency = currency_of(params)
    for name in ("out_trade_no", "trade_no", "trade_status"):
        if not params.get(name):
            raise GatewayError(f"the gateway's response cannot be parsed: it has no {name}")
    return TradeQueryResponse(
        out_trade_no=params["out_trade_no"],
        trade_no=params["trade_no"],
        trade_status=params["trade_status"],
        total_fen=_total(params, currency),
        currency=currency,
        refund_status=params.get("refund_status") or None,
        refunded_fen=amount(params, "to_buyer_fee", currency),
        seller_id=params.get("seller_id") or None,
        buyer_id=params.get("buyer_id") or None,
        created_at=parse_china_time(params.get("gmt_create")),
        paid_at=parse_china_time(params.get("gmt_payment")),
        closed_at=parse_china_time(params.get("gmt_close")),
        refunded_at=parse_china_time(params.get("gmt_refund")),
        params=params,
    )


def _total(params: Mapping[str, str], currency: str) -> int:
    total = amount(params, "total_fee", currency)
    if total is not None:
        return total
    try:
        return parse_price(params.get("price", ""), params.get("quantity", ""), currency)
    except InvalidAmount:
        raise GatewayError("the gateway's response cannot be parsed: it has no amount") from None
