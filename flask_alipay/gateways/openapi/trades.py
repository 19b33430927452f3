"""One trade at a time: made, asked about, closed, taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from ...protocol.china_time import parse_china_time
from ...protocol.validation import amount, text, timeout
from . import biz_content, responses
from .client import MethodSpec, OpenApiClient
from .payments import FIELDS, REQUIRED, check_channels
from .responses import check_echo, missing, required_text, text_field

#: The two numbers of a trade; Alipay's wins.
NUMBERS: Mapping[str, biz_content.ContentField] = {
    "out_trade_no": biz_content.number,
    "trade_no": biz_content.trade_no,
}
#: One of them says which trade is meant.
EITHER = ("out_trade_no", "trade_no")

#: The fields of a trade that the shop makes.
MADE: Mapping[str, biz_content.ContentField] = {
    **FIELDS,
    "seller_id": biz_content.account,
    "discountable_amount": amount,
    "undiscountable_amount": amount,
    "operator_id": text(28),
    "terminal_id": text(32),
    "product_code": text(64),
}

QUERY = MethodSpec("alipay.trade.query", NUMBERS, one_of=EITHER, read_only=True)
CLOSE = MethodSpec("alipay.trade.close", {**NUMBERS, "operator_id": text(28)}, one_of=EITHER)
CANCEL = MethodSpec("alipay.trade.cancel", NUMBERS, one_of=EITHER)
PRECREATE = MethodSpec(
    "alipay.trade.precreate", {**MADE, "qr_code_timeout_express": timeout}, required=REQUIRED
)
CREATE = MethodSpec(
    "alipay.trade.create",
    {**MADE, "buyer_id": biz_content.account, "buyer_open_id": text(128)},
    required=REQUIRED,
    one_of=("buyer_id", "buyer_open_id"),
)


@dataclass(frozen=True)
class TradeQueryResponse:
    """One trade as Alipay has it. Times are aware UTC. Amounts are in fen; ``total_fen`` is in
    minor units of ``currency``.
    """

    #: The shop's number of the order.
    out_trade_no: str
    #: Alipay's number of the trade.
    trade_no: str
    #: Where it stands, in Alipay's words.
    trade_status: str
    #: What it costs.
    total_fen: int
    #: What it is priced in (``trans_currency``), ISO 4217.
    currency: str
    #: What the shop gets of it, what the buyer pays, what of that in points, what is on the
    #: invoice.
    receipt_fen: int | None
    buyer_pay_fen: int | None
    point_fen: int | None
    invoice_fen: int | None
    #: When it was paid.
    paid_at: datetime | None
    #: Who paid: ``buyer_user_id`` or, in newer applications, ``buyer_open_id``.
    buyer_id: str | None = field(repr=False)
    #: The whole node, as it came.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class TradeCloseResponse:
    """A trade that is closed and can no longer be paid."""

    #: The shop's number of the order, as far as Alipay repeats it.
    out_trade_no: str | None
    #: Alipay's number of the trade, likewise.
    trade_no: str | None
    #: The whole node, as it came.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class TradeCancelResponse:
    """What became of a trade that is taken back."""

    #: The shop's number of the order, as far as Alipay repeats it.
    out_trade_no: str | None
    #: Alipay's number of the trade; ``None`` where there was none yet.
    trade_no: str | None
    #: ``close`` if it had not been paid, ``refund`` if the money went back, ``None`` if there was
    #: nothing to do.
    action: str | None
    #: Whether it did not work yet and has to be asked again.
    retry: bool
    #: The whole node, as it came.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class TradePrecreateResponse:
    """An order that waits for a buyer to scan it."""

    #: The shop's number of the order.
    out_trade_no: str
    #: What the QR code says; good for two hours at most.
    qr_code: str
    #: The whole node, as it came.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class TradeCreateResponse:
    """A trade that waits for its buyer."""

    #: The shop's number of the order.
    out_trade_no: str
    #: Alipay's number of the trade: what the buyer's page or app needs.
    trade_no: str
    #: The whole node, as it came.
    params: Mapping[str, Any] = field(repr=False, hash=False)


class Trades(OpenApiClient):
    """Single trades.

    Further ``fields`` of any of these are ``notify_url``, ``app_auth_token`` (to act for the
    merchant who gave it) and whatever else the method takes; what is not known here is passed
    through, ``None`` is a field that is not given.
    """

    def trade_query(
        self, *, out_trade_no: str | None = None, trade_no: str | None = None, **fields: Any
    ) -> TradeQueryResponse:
        """Asks what has become of a trade (``alipay.trade.query``); again if no answer comes.

        :param out_trade_no: the shop's number of the order, or
        :param trade_no: Alipay's number of the trade, which wins.
        :param fields: for example ``query_options``.
        :raises InvalidParameter: names the field at fault.
        :raises GatewayError: with Alipay's ``sub_code``; ``ACQ.TRADE_NOT_EXIST`` is no failure
            while the order is young: a trade begins when the buyer logs in or scans.
        :raises OutcomeUnknown: if no answer comes, or none that can be believed.
        """
        asked = {"out_trade_no": out_trade_no, "trade_no": trade_no}
        node = self._about(QUERY, asked, fields)
        currency = responses.currency_of(node)
        total = responses.amount(node, "total_amount", currency)
        if total is None:
            raise missing("total_amount")
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
            buyer_id=text_field(node, "buyer_user_id") or text_field(node, "buyer_open_id") or None,
            params=node,
        )

    def trade_close(
        self, *, out_trade_no: str | None = None, trade_no: str | None = None, **fields: Any
    ) -> TradeCloseResponse:
        """Closes a trade that was not paid (``alipay.trade.close``).

        :param out_trade_no: the shop's number of the order, or
        :param trade_no: Alipay's number of the trade, which wins.
        :param fields: see :ref:`trade_close <parameters-trade_close>`.
        :raises InvalidParameter: names the field at fault.
        :raises GatewayError: with Alipay's ``sub_code``: it is not closed.
        :raises OutcomeUnknown: if no answer comes, or none that can be believed: it may be closed.
        """
        asked = {"out_trade_no": out_trade_no, "trade_no": trade_no}
        node = self._about(CLOSE, asked, fields)
        return TradeCloseResponse(
            out_trade_no=text_field(node, "out_trade_no") or None,
            trade_no=text_field(node, "trade_no") or None,
            params=node,
        )

    def trade_cancel(
        self, *, out_trade_no: str | None = None, trade_no: str | None = None, **fields: Any
    ) -> TradeCancelResponse:
        """Takes a trade back (``alipay.trade.cancel``): closes it, or refunds all of it if it was
        paid on the same day.

        :param out_trade_no: the shop's number of the order, or
        :param trade_no: Alipay's number of the trade, which wins.
        :raises InvalidParameter: names the field at fault.
        :raises GatewayError: with Alipay's ``sub_code``: it is not taken back.
        :raises OutcomeUnknown: if no answer comes, or none that can be believed: ask again.
        """
        asked = {"out_trade_no": out_trade_no, "trade_no": trade_no}
        node = self._about(CANCEL, asked, fields)
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
        """Makes the text of a QR code that a buyer scans to pay (``alipay.trade.precreate``).

        :param out_trade_no: 1 to 64 letters, digits, underscores or hyphens.
        :param subject: what is sold, at most 256 characters.
        :param total_amount: yuan: ``str``, ``int`` or :class:`~decimal.Decimal`.
        :param fields: see :ref:`trade_precreate <parameters-trade_precreate>`.
        :raises InvalidParameter: names the field at fault.
        :raises TypeError: for a ``float`` amount.
        :raises GatewayError: with Alipay's ``sub_code``.
        :raises OutcomeUnknown: if no answer comes, or none that can be believed.
        """
        own = {"out_trade_no": out_trade_no, "subject": subject, "total_amount": total_amount}
        node = self._made(PRECREATE, {"product_code": "FACE_TO_FACE_PAYMENT", **fields, **own})
        return TradePrecreateResponse(out_trade_no, required_text(node, "qr_code"), node)

    def trade_create(
        self, *, out_trade_no: str, subject: str, total_amount: str | int | Decimal, **fields: Any
    ) -> TradeCreateResponse:
        """Makes a trade for one buyer, who then pays it in Alipay's app (``alipay.trade.create``).

        :param out_trade_no: 1 to 64 letters, digits, underscores or hyphens.
        :param subject: what is sold, at most 256 characters.
        :param total_amount: yuan: ``str``, ``int`` or :class:`~decimal.Decimal`.
        :param fields: ``buyer_id`` or ``buyer_open_id``, and further ones, see :ref:`trade_create
            <parameters-trade_create>`.
        :raises InvalidParameter: names the field at fault.
        :raises TypeError: for a ``float`` amount.
        :raises GatewayError: with Alipay's ``sub_code``.
        :raises OutcomeUnknown: if no answer comes, or none that can be believed.
        """
        own = {"out_trade_no": out_trade_no, "subject": subject, "total_amount": total_amount}
        node = self._made(CREATE, {**fields, **own})
        return TradeCreateResponse(out_trade_no, required_text(node, "trade_no"), node)

    def _made(self, method: MethodSpec, values: Mapping[str, Any]) -> dict[str, Any]:
        check_channels({name: value for name, value in values.items() if value is not None})
        node = self._do(method, values)
        check_echo(node, "out_trade_no", values["out_trade_no"])
        return node
