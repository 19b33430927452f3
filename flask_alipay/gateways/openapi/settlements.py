"""Settlement of royalties (分账): parts of a payment are passed on to other accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...exceptions import InvalidParameter
from ...protocol.validation import amount, integer, text
from . import biz_content
from .client import MethodSpec, OpenApiClient
from .responses import check_echo, text_field

_ROYALTY: Mapping[str, biz_content.ContentField] = {
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
        "royalty_mode": text(64),
    },
    required=("out_request_no", "trade_no", "royalty_parameters"),
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


class Settlements(OpenApiClient):
    """Settlement of royalties; further ``fields`` are those of the other methods."""

    def trade_order_settle(
        self,
        *,
        out_request_no: str,
        trade_no: str,
        royalty_parameters: Sequence[Mapping[str, Any]],
        **fields: Any,
    ) -> OrderSettleResponse:
        """Pass parts of a payment on to other accounts (``alipay.trade.order.settle``).

        :param out_request_no: the merchant's settlement number. A repeated number settles once;
            after an unknown outcome retry with the **same** number.
        :param trade_no: Alipay's trade number.
        :param royalty_parameters: the receivers: each with ``trans_in`` (the account), ``amount``
            (yuan: ``str``, ``int`` or :class:`~decimal.Decimal`) or ``amount_percentage``, and for
            example ``trans_in_type``, ``trans_out``, ``trans_out_type``, ``desc``.
        :param fields: see :ref:`trade_order_settle <parameters-trade_order_settle>`.
        :raises InvalidParameter: names the invalid field: ``royalty_parameters[0].amount``.
        :raises TypeError: for a ``float`` amount.
        :raises GatewayError: with Alipay's ``sub_code``: this call settled nothing.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted: it may be
            settled.
        """
        if not royalty_parameters:
            raise InvalidParameter("royalty_parameters", "must contain at least one receiver")
        required = {
            "out_request_no": out_request_no,
            "trade_no": trade_no,
            "royalty_parameters": royalty_parameters,
        }
        node = self._do(SETTLE, {**fields, **required})
        check_echo(node, "trade_no", trade_no)
        return OrderSettleResponse(trade_no, text_field(node, "settle_no") or None, node)
