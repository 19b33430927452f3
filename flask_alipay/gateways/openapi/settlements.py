"""Settlement of royalties (分账): parts of a payment are passed on to other accounts.

Source: the documentation of ``alipay.trade.order.settle``, ``.settle.query`` and
``.onsettle.query``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ...exceptions import InvalidParameter, OutcomeUnknown
from ...protocol.conversion import parse_china_time
from ...protocol.validation import FieldValidator, amount, choice, integer, text
from . import biz_content, responses
from .client import MethodSpec, OpenApiClient
from .responses import check_echo, missing, text_field, text_fields

_ROYALTY: Mapping[str, FieldValidator] = {
    "royalty_type": text(32),
    "trans_out": text(28),
    "trans_out_type": text(64),
    "trans_in": text(28),
    "trans_in_type": text(64),
    "trans_in_name": text(64),
    "amount": amount,
    "amount_percentage": integer(1, 100),
    "desc": text(1000),
    "royalty_scene": text(256),
}

SETTLE = MethodSpec(
    "alipay.trade.order.settle",
    {
        "out_request_no": biz_content.number,
        "trade_no": biz_content.trade_no,
        "royalty_parameters": biz_content.list_field(
            _ROYALTY, required=("trans_in",), one_of=("amount", "amount_percentage")
        ),
        "operator_id": text(64),
        "royalty_mode": choice("sync", "async"),
    },
    required=("out_request_no", "trade_no"),
)
SETTLE_QUERY = MethodSpec(
    "alipay.trade.order.settle.query",
    {
        "settle_no": text(64),
        "out_request_no": biz_content.number,
        "trade_no": biz_content.trade_no,
    },
    one_of=("settle_no", "out_request_no"),
    read_only=True,
)
ONSETTLE_QUERY = MethodSpec(
    "alipay.trade.order.onsettle.query",
    {"trade_no": biz_content.trade_no, "royalty_source": text(32)},
    required=("trade_no",),
    read_only=True,
)


@dataclass(frozen=True)
class OrderSettleResponse:
    """Response to an accepted settlement."""

    #: Alipay's trade number.
    trade_no: str
    #: Alipay's settlement number, if any.
    settle_no: str | None
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class RoyaltyDetail:
    """One part of a settlement. Amounts are in fen, times are aware UTC."""

    #: ``transfer``, ``transfer_refund``, ``replenish`` or ``replenish_refund``.
    operation_type: str | None
    #: The accounts that give and receive, with the kinds of their numbers.
    trans_out: str | None = field(repr=False)
    trans_in: str | None = field(repr=False)
    amount_fen: int | None
    #: ``SUCCESS``, ``FAIL`` or ``PROCESSING``.
    state: str | None
    executed_at: datetime | None
    #: The reason of a failure.
    error_code: str | None
    #: The entry as Alipay sends it.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class OrderSettleQueryResponse:
    """Result of a settlement: each part has its own state."""

    out_request_no: str | None
    #: Time of the request.
    requested_at: datetime | None
    details: tuple[RoyaltyDetail, ...]
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class OnSettleQueryResponse:
    """The amount of a trade that is not settled yet, in fen."""

    unsettled_fen: int
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


class Settlements(OpenApiClient):
    """Settlement of royalties; further ``fields`` are those of the other methods."""

    def trade_order_settle(
        self,
        *,
        out_request_no: str,
        trade_no: str,
        royalty_parameters: Sequence[Mapping[str, Any]] = (),
        **fields: Any,
    ) -> OrderSettleResponse:
        """Pass parts of a payment on to other accounts (``alipay.trade.order.settle``).

        :param out_request_no: the merchant's settlement number. A repeated number settles once;
            after an unknown outcome retry with the **same** number.
        :param trade_no: Alipay's trade number.
        :param royalty_parameters: the receivers: each with ``trans_in`` (the account), ``amount``
            (yuan: ``str``, ``int`` or :class:`~decimal.Decimal`) or ``amount_percentage``, and for
            example ``trans_in_type``, ``trans_out``, ``trans_out_type``, ``desc``. May be empty if
            ``extend_params`` has ``royalty_finish``, which releases the rest of a frozen trade.
        :param fields: ``royalty_mode`` is ``sync`` (all parts or none, the default) or ``async``
            (query each part's state, or wait for the message
            ``alipay.trade.order.settle.notify``); see :ref:`trade_order_settle
            <parameters-trade_order_settle>`.
        :raises InvalidParameter: names the invalid field: ``royalty_parameters[0].amount``.
        :raises TypeError: for a ``float`` amount.
        :raises GatewayError: with Alipay's ``sub_code``: this call settled nothing.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted: it may be
            settled.
        """
        if not royalty_parameters and not _finishes(fields.get("extend_params")):
            raise InvalidParameter("royalty_parameters", "must contain at least one receiver")
        required = {
            "out_request_no": out_request_no,
            "trade_no": trade_no,
            "royalty_parameters": royalty_parameters or None,
        }
        node = self._do(SETTLE, {**fields, **required})
        check_echo(node, "trade_no", trade_no)
        return OrderSettleResponse(trade_no, text_field(node, "settle_no") or None, node)

    def trade_order_settle_query(
        self,
        *,
        settle_no: str | None = None,
        out_request_no: str | None = None,
        trade_no: str | None = None,
        **fields: Any,
    ) -> OrderSettleQueryResponse:
        """Query a settlement (``alipay.trade.order.settle.query``); retried if no response arrives.

        :param settle_no: Alipay's settlement number, or
        :param out_request_no: the merchant's settlement number, with
        :param trade_no: Alipay's trade number.
        :raises InvalidParameter: names the invalid field.
        :raises GatewayError: with Alipay's ``sub_code``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        if out_request_no is not None and trade_no is None and settle_no is None:
            raise InvalidParameter("trade_no", "is required with out_request_no")
        numbers = {"settle_no": settle_no, "out_request_no": out_request_no, "trade_no": trade_no}
        node = self._do(SETTLE_QUERY, {**fields, **numbers})
        details = node.get("royalty_detail_list") or ()
        if not isinstance(details, (list, tuple)):
            raise OutcomeUnknown(
                "the gateway's response cannot be parsed: royalty_detail_list is no list"
            )
        return OrderSettleQueryResponse(
            out_request_no=text_field(node, "out_request_no") or None,
            requested_at=parse_china_time(text_field(node, "operation_dt")),
            details=tuple(_detail(each) for each in details if isinstance(each, Mapping)),
            params=node,
        )

    def trade_order_onsettle_query(
        self, *, trade_no: str, royalty_source: str = "unsettled", **fields: Any
    ) -> OnSettleQueryResponse:
        """Query the amount of a trade that is not settled (``alipay.trade.order.onsettle.query``);
        retried if no response arrives.

        :param trade_no: Alipay's trade number.
        :param royalty_source: ``unsettled``.
        :raises InvalidParameter: names the invalid field.
        :raises GatewayError: with Alipay's ``sub_code``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        given = {"trade_no": trade_no, "royalty_source": royalty_source}
        node = self._do(ONSETTLE_QUERY, {**fields, **given})
        unsettled = responses.amount(node, "unsettled_amount")
        if unsettled is None:
            raise missing("unsettled_amount")
        return OnSettleQueryResponse(unsettled, node)


def _finishes(extend_params: Any) -> bool:
    """Return whether a settlement releases the rest of a frozen trade."""
    return isinstance(extend_params, Mapping) and extend_params.get("royalty_finish") == "true"


def _detail(entry: Mapping[str, Any]) -> RoyaltyDetail:
    kind, giver, receiver, state, error_code = text_fields(
        entry, "operation_type", "trans_out", "trans_in", "state", "error_code"
    )
    return RoyaltyDetail(
        operation_type=kind,
        trans_out=giver or text_field(entry, "trans_out_open_id") or None,
        trans_in=receiver or text_field(entry, "trans_in_open_id") or None,
        amount_fen=responses.amount(entry, "amount"),
        state=state,
        executed_at=parse_china_time(text_field(entry, "execute_dt")),
        error_code=error_code,
        params=entry,
    )
