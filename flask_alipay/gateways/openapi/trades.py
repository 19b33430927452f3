"""Single trades: create, query, close and cancel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from ...protocol.conversion import parse_china_time
from ...protocol.validation import FieldValidator, amount, text, timeout
from . import biz_content, responses
from .client import MethodSpec, OpenApiClient
from .payments import FIELDS, REQUIRED, check_channels
from .responses import check_echo, missing, required_text, text_field

#: The two numbers of a trade; Alipay's takes precedence.
NUMBERS: Mapping[str, FieldValidator] = {
    "out_trade_no": biz_content.number,
    "trade_no": biz_content.trade_no,
}
#: Fields of which at least one identifies the trade.
EITHER = ("out_trade_no", "trade_no")

#: Fields of a trade that the merchant creates.
CREATION_FIELDS: Mapping[str, FieldValidator] = {
    **FIELDS,
    "seller_id": biz_content.account,
    "discountable_amount": amount,
    "undiscountable_amount": amount,
    "operator_id": text(28),
    "terminal_id": text(32),
    "product_code": text(64),
}

#: The buyer, for methods that need one: by one of the two.
BUYER: Mapping[str, FieldValidator] = {
    "buyer_id": biz_content.account,
    "buyer_open_id": text(128),
}

QUERY = MethodSpec("alipay.trade.query", NUMBERS, one_of=EITHER, read_only=True)
CLOSE = MethodSpec("alipay.trade.close", {**NUMBERS, "operator_id": text(28)}, one_of=EITHER)
CANCEL = MethodSpec("alipay.trade.cancel", NUMBERS, one_of=EITHER)
PRECREATE = MethodSpec(
    "alipay.trade.precreate",
    {**CREATION_FIELDS, "qr_code_timeout_express": timeout},
    required=REQUIRED,
)
CREATE = MethodSpec(
    "alipay.trade.create",
    {**CREATION_FIELDS, **BUYER, "op_buyer_open_id": text(128)},
    required=REQUIRED,
    one_of=("buyer_id", "buyer_open_id", "op_buyer_open_id"),
)


@dataclass(frozen=True)
class TradeQueryResponse:
    """A trade in Alipay's current state. Times are aware UTC. Amounts are in fen; ``total_fen`` is
    in minor units of ``currency``.
    """

    #: The merchant's order number.
    out_trade_no: str
    #: Alipay's trade number.
    trade_no: str
    #: Alipay's status of the trade.
    trade_status: str
    #: The order's amount.
    total_fen: int
    #: ISO 4217 code of the order's currency (``trans_currency``).
    currency: str
    #: The amounts that the merchant receives, that the buyer pays, of that in points, and of the
    #: invoice.
    receipt_fen: int | None
    buyer_pay_fen: int | None
    point_fen: int | None
    invoice_fen: int | None
    #: Time of the payment.
    paid_at: datetime | None
    #: The buyer: ``buyer_user_id`` or, in newer applications, ``buyer_open_id``.
    buyer_id: str | None = field(repr=False)
    buyer_open_id: str | None = field(repr=False)
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class TradeCloseResponse:
    """Response to a close: the trade can no longer be paid."""

    #: The merchant's order number, if Alipay repeats it.
    out_trade_no: str | None
    #: Alipay's trade number, likewise.
    trade_no: str | None
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class TradeCancelResponse:
    """Response to a cancel."""

    #: The merchant's order number, if Alipay repeats it.
    out_trade_no: str | None
    #: Alipay's trade number; ``None`` if there was no trade yet.
    trade_no: str | None
    #: ``close`` for an unpaid trade, ``refund`` for a paid one, ``None`` if there was nothing to
    #: do.
    action: str | None
    #: True if the cancel was not performed yet and must be retried.
    retry: bool
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class TradePrecreateResponse:
    """Response to the creation of a QR code, which a buyer scans to pay."""

    #: The merchant's order number.
    out_trade_no: str
    #: Content of the QR code; valid for at most two hours.
    qr_code: str
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class TradeCreateResponse:
    """Response to the creation of a trade for one buyer."""

    #: The merchant's order number.
    out_trade_no: str
    #: Alipay's trade number, which the buyer's page or app needs.
    trade_no: str
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


class Trades(OpenApiClient):
    """Single trades.

    Further ``fields`` of the methods are ``notify_url``, ``app_auth_token`` (to act for the
    merchant who granted it) and other fields of Alipay's method; unknown ones are passed through.
    ``None`` means that a field is not given.
    """

    def trade_query(
        self, *, out_trade_no: str | None = None, trade_no: str | None = None, **fields: Any
    ) -> TradeQueryResponse:
        """Query a trade (``alipay.trade.query``); retried if no response arrives.

        :param out_trade_no: the merchant's order number, or
        :param trade_no: Alipay's trade number, which takes precedence.
        :param fields: for example ``query_options``.
        :raises InvalidParameter: names the invalid field.
        :raises GatewayError: with Alipay's ``sub_code``; ``ACQ.TRADE_NOT_EXIST`` is not a failure
            while the order is new: the trade is created when the buyer logs in or scans.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        identifiers = {"out_trade_no": out_trade_no, "trade_no": trade_no}
        node = self._about(QUERY, identifiers, fields)
        currency = responses.currency_of(node)
        total = responses.amount(node, "total_amount", currency)
        if total is None:
            raise missing("total_amount")
        buyer_id, buyer_open_id = responses.buyer_of(node)
        return TradeQueryResponse(
            out_trade_no=required_text(node, "out_trade_no"),
            trade_no=required_text(node, "trade_no"),
            trade_status=required_text(node, "trade_status"),
            total_fen=total,
            currency=currency,
            receipt_fen=responses.amount(node, "receipt_amount"),
            buyer_pay_fen=responses.amount(node, "buyer_pay_amount"),
            point_fen=responses.amount(node, "point_amount"),
            invoice_fen=responses.amount(node, "invoice_amount"),
            paid_at=parse_china_time(text_field(node, "send_pay_date")),
            buyer_id=buyer_id,
            buyer_open_id=buyer_open_id,
            params=node,
        )

    def trade_close(
        self, *, out_trade_no: str | None = None, trade_no: str | None = None, **fields: Any
    ) -> TradeCloseResponse:
        """Close an unpaid trade (``alipay.trade.close``).

        :param out_trade_no: the merchant's order number, or
        :param trade_no: Alipay's trade number, which takes precedence.
        :param fields: see :ref:`trade_close <parameters-trade_close>`.
        :raises InvalidParameter: names the invalid field.
        :raises GatewayError: with Alipay's ``sub_code``: it is not closed.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted: it may be
            closed.
        """
        identifiers = {"out_trade_no": out_trade_no, "trade_no": trade_no}
        node = self._about(CLOSE, identifiers, fields)
        return TradeCloseResponse(
            out_trade_no=text_field(node, "out_trade_no") or None,
            trade_no=text_field(node, "trade_no") or None,
            params=node,
        )

    def trade_cancel(
        self, *, out_trade_no: str | None = None, trade_no: str | None = None, **fields: Any
    ) -> TradeCancelResponse:
        """Cancel a trade (``alipay.trade.cancel``): close it, or fully refund it if it was paid on
        the same day.

        :param out_trade_no: the merchant's order number, or
        :param trade_no: Alipay's trade number, which takes precedence.
        :raises InvalidParameter: names the invalid field.
        :raises GatewayError: with Alipay's ``sub_code``: it is not cancelled.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted: retry.
        """
        identifiers = {"out_trade_no": out_trade_no, "trade_no": trade_no}
        node = self._about(CANCEL, identifiers, fields)
        return TradeCancelResponse(
            out_trade_no=text_field(node, "out_trade_no") or None,
            trade_no=text_field(node, "trade_no") or None,
            action=text_field(node, "action") or None,
            retry=required_text(node, "retry_flag") == "Y",
            params=node,
        )

    def trade_precreate(
        self, *, out_trade_no: str, subject: str, total_amount: str | int | Decimal, **fields: Any
    ) -> TradePrecreateResponse:
        """Create the content of a QR code that a buyer scans to pay (``alipay.trade.precreate``).

        :param out_trade_no: 1 to 64 letters, digits, underscores or hyphens.
        :param subject: the goods, at most 256 characters.
        :param total_amount: yuan: ``str``, ``int`` or :class:`~decimal.Decimal`.
        :param fields: see :ref:`trade_precreate <parameters-trade_precreate>`.
        :raises InvalidParameter: names the invalid field.
        :raises TypeError: for a ``float`` amount.
        :raises GatewayError: with Alipay's ``sub_code``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        order = {"out_trade_no": out_trade_no, "subject": subject, "total_amount": total_amount}
        node = self._create(PRECREATE, {"product_code": "FACE_TO_FACE_PAYMENT", **fields, **order})
        return TradePrecreateResponse(out_trade_no, required_text(node, "qr_code"), node)

    def trade_create(
        self, *, out_trade_no: str, subject: str, total_amount: str | int | Decimal, **fields: Any
    ) -> TradeCreateResponse:
        """Create a trade for one buyer, who then pays it in Alipay's app (``alipay.trade.create``).

        :param out_trade_no: 1 to 64 letters, digits, underscores or hyphens.
        :param subject: the goods, at most 256 characters.
        :param total_amount: yuan: ``str``, ``int`` or :class:`~decimal.Decimal`.
        :param fields: ``buyer_id`` or ``buyer_open_id``, and further ones, see :ref:`trade_create
            <parameters-trade_create>`.
        :raises InvalidParameter: names the invalid field.
        :raises TypeError: for a ``float`` amount.
        :raises GatewayError: with Alipay's ``sub_code``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        order = {"out_trade_no": out_trade_no, "subject": subject, "total_amount": total_amount}
        node = self._create(CREATE, {**fields, **order})
        return TradeCreateResponse(out_trade_no, required_text(node, "trade_no"), node)

    def _create(self, method: MethodSpec, values: Mapping[str, Any]) -> dict[str, Any]:
        check_channels({name: value for name, value in values.items() if value is not None})
        node = self._do(method, values)
        check_echo(node, "out_trade_no", values["out_trade_no"])
        return node
