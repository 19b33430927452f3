"""Refunds of trades and queries of their outcome, also as operations of both gateways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from ...exceptions import GatewayError, OutcomeUnknown
from ...protocol.conversion import format_amount, parse_china_time
from ...protocol.validation import amount, text
from ..interface import RefundReport, RefundRequest, rejection_code
from . import biz_content, responses
from .client import MethodSpec
from .responses import check_echo, journal_params, missing, text_field, text_fields
from .trades import EITHER, NUMBERS, Trades

REFUND = MethodSpec(
    "alipay.trade.refund",
    {
        **NUMBERS,
        "refund_amount": amount,
        "out_request_no": biz_content.number,
        "refund_reason": text(256),
        "operator_id": text(30),
        "store_id": text(32),
        "terminal_id": text(32),
    },
    required=("refund_amount", "out_request_no"),
    one_of=EITHER,
)
REFUND_QUERY = MethodSpec(
    "alipay.trade.fastpay.refund.query",
    {**NUMBERS, "out_request_no": biz_content.number},
    required=("out_request_no",),
    one_of=EITHER,
    read_only=True,
)


@dataclass(frozen=True)
class TradeRefundResponse:
    """Response to an accepted refund. Amounts are in fen, times are aware UTC."""

    #: The merchant's order number, if Alipay repeats it.
    out_trade_no: str | None
    #: Alipay's trade number, likewise.
    trade_no: str | None
    #: True if this call moved money. ``False`` is not a failure: the same ``out_request_no`` was
    #: refunded before or is still pending; :meth:`Refunds.trade_fastpay_refund_query` decides.
    fund_change: bool
    #: The trade's total refunded amount, including this refund.
    refunded_fen: int
    #: Time of the refund.
    refunded_at: datetime | None
    #: The buyer: ``buyer_user_id`` or, in newer applications, ``buyer_open_id``.
    buyer_id: str | None = field(repr=False)
    buyer_open_id: str | None = field(repr=False)
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class RefundQueryResponse:
    """Outcome of one refund. Amounts are in fen, times are aware UTC.

    A query for a missing refund has an empty response: check ``refunded``.
    """

    #: True if the amount was refunded.
    refunded: bool
    #: Alipay's status; older responses have none.
    refund_status: str | None
    #: The order, trade and refund numbers, if Alipay repeats them.
    out_trade_no: str | None
    trade_no: str | None
    out_request_no: str | None
    #: The amount of this refund.
    refund_fen: int | None
    #: The amount of the order.
    total_fen: int | None
    #: Time of the refund, if ``query_options`` contained ``gmt_refund_pay``.
    refunded_at: datetime | None
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


class Refunds(Trades):
    """Refunds of paid trades; further ``fields`` are those of :class:`Trades`."""

    def trade_refund(
        self,
        *,
        refund_amount: str | int | Decimal,
        out_request_no: str,
        out_trade_no: str | None = None,
        trade_no: str | None = None,
        **fields: Any,
    ) -> TradeRefundResponse:
        """Refund a trade fully or partially (``alipay.trade.refund``).

        :param refund_amount: yuan: ``str``, ``int`` or :class:`~decimal.Decimal`.
        :param out_request_no: the merchant's refund number. A repeated number refunds once; after
            an unknown outcome retry with the **same** number.
        :param out_trade_no: the merchant's order number, or
        :param trade_no: Alipay's trade number, which takes precedence.
        :param fields: see :ref:`trade_refund <parameters-trade_refund>`; for example also
            ``query_options``.
        :raises InvalidParameter: names the invalid field.
        :raises TypeError: for a ``float`` amount.
        :raises GatewayError: with Alipay's ``sub_code``: this call refunded nothing.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted: it may be
            refunded.
        """
        required = {"refund_amount": refund_amount, "out_request_no": out_request_no}
        identifiers = {"out_trade_no": out_trade_no, "trade_no": trade_no}
        node = self._about(REFUND, identifiers, {**fields, **required})
        refunded = responses.amount(node, "refund_fee")
        if refunded is None:
            raise missing("refund_fee")
        numbers = text_fields(node, "out_trade_no", "trade_no", "fund_change", "gmt_refund_pay")
        order_no, alipay_no, change, refunded_at = numbers
        buyer_id, buyer_open_id = responses.buyer_of(node)
        return TradeRefundResponse(
            out_trade_no=order_no,
            trade_no=alipay_no,
            fund_change=change == "Y",
            refunded_fen=refunded,
            refunded_at=parse_china_time(refunded_at),
            buyer_id=buyer_id,
            buyer_open_id=buyer_open_id,
            params=node,
        )

    def trade_fastpay_refund_query(
        self,
        *,
        out_request_no: str,
        out_trade_no: str | None = None,
        trade_no: str | None = None,
        **fields: Any,
    ) -> RefundQueryResponse:
        """Query a refund (``alipay.trade.fastpay.refund.query``); retried if no response arrives.
        Alipay recommends to wait ten seconds after the refund.

        :param out_request_no: the merchant's refund number; the ``out_trade_no`` if it had none.
        :param out_trade_no: the merchant's order number, or
        :param trade_no: Alipay's trade number, which takes precedence.
        :param fields: for example ``query_options=["gmt_refund_pay"]``.
        :raises InvalidParameter: names the invalid field.
        :raises GatewayError: with Alipay's ``sub_code``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        identifiers = {"out_trade_no": out_trade_no, "trade_no": trade_no}
        node = self._do(REFUND_QUERY, {**fields, **identifiers, "out_request_no": out_request_no})
        fen = responses.amount(node, "refund_amount")
        status = text_field(node, "refund_status")
        refunded = status == "REFUND_SUCCESS" or (not status and bool(fen))
        if refunded:
            name = "trade_no" if trade_no is not None else "out_trade_no"
            check_echo(node, name, identifiers[name])
            check_echo(node, "out_request_no", out_request_no)
        return RefundQueryResponse(
            refunded=refunded,
            refund_status=status or None,
            out_trade_no=text_field(node, "out_trade_no") or None,
            trade_no=text_field(node, "trade_no") or None,
            out_request_no=text_field(node, "out_request_no") or None,
            refund_fen=fen,
            total_fen=responses.amount(node, "total_amount"),
            refunded_at=parse_china_time(text_field(node, "gmt_refund_pay")),
            params=node,
        )

    def check_refund(self, refund: RefundRequest, *, resumed: bool = False) -> None:
        """Check the reason of a refund.

        :param refund: the refund.
        :param resumed: True if the number belongs to a pending refund; not used here.
        :raises InvalidParameter: names ``refund_reason``.
        """
        if refund.reason is not None:
            REFUND.fields["refund_reason"]("refund_reason", refund.reason, self.charset)

    def submit_refund(self, refund: RefundRequest) -> RefundReport | None:
        """Refund a trade or a part of it by :meth:`trade_refund`.

        A rejection of a repeated number proves nothing, since an earlier request may have
        succeeded: the refund is queried first.

        :param refund: the refund.
        :return: the outcome; a rejection only if Alipay signed it.
        :raises GatewayError: for an unsigned rejection.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted, or Alipay has
            not refunded the money yet.
        """
        try:
            response = self.trade_refund(
                out_trade_no=refund.out_trade_no,
                refund_amount=format_amount(refund.refund_fen),
                out_request_no=refund.out_request_no,
                refund_reason=refund.reason,
            )
        except OutcomeUnknown:
            raise
        except GatewayError as error:
            if not error.signed:
                raise
            report = self.query_refund(refund) if refund.repeated else None
            params = {"method": REFUND.name, "code": rejection_code(error)}
            return report or RefundReport(params, error)
        if response.fund_change:
            return RefundReport(journal_params(REFUND.name, response.params))
        report = self.query_refund(refund)
        if report is None:
            raise OutcomeUnknown("Alipay has not refunded the amount yet: retry", retryable=True)
        return report

    def query_refund(self, refund: RefundRequest) -> RefundReport | None:
        """Query a refund by :meth:`trade_fastpay_refund_query`.

        :param refund: the refund.
        :return: ``None`` if the amount has not been refunded, or not yet.
        :raises GatewayError: if Alipay rejects the query.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted, or Alipay
            refunded another amount under the number.
        """
        response = self.trade_fastpay_refund_query(
            out_trade_no=refund.out_trade_no, out_request_no=refund.out_request_no
        )
        if not response.refunded:
            return None
        if response.refund_fen not in (None, refund.refund_fen):
            raise OutcomeUnknown("Alipay refunded another amount under the same number")
        return RefundReport(journal_params(REFUND_QUERY.name, response.params))
