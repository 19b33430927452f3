"""Complaints of buyers, which messages announce and the merchant queries.

Source: ``AlipayMerchantTradecomplainQueryResponseModel`` in Alipay's PHP SDK of version 3, where
the query is a GET with the number in the path.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ...protocol.conversion import format_amount, format_china_time
from ..replies import ApiError
from ..storage.storage import PersistentDict
from ..trades.trades import Trade
from .call import ApiCall, Context, Handler, Success

QUERY: Final = "alipay.merchant.tradecomplain.query"
#: The path of the query in version 3, below ``/v3/``, without the number.
PATH: Final = "alipay/merchant/tradecomplain/"

_MAX_COMPLAINTS: Final = 1_000


@dataclass(frozen=True)
class Complaint:
    """A complaint, about the newest paid trade at that time."""

    complain_event_id: str
    at: datetime
    out_trade_no: str = ""


class ComplaintService:
    """``alipay.merchant.tradecomplain.query``.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._made = PersistentDict(context.storage, "complaints", Complaint, _MAX_COMPLAINTS)
        self.methods: Mapping[str, Handler] = {QUERY: self._query}

    def add(self, complain_event_id: str, now: datetime) -> None:
        """Record a complaint, unless there is one with this number."""
        paid = (trade for trade in reversed(self._context.trades.all()) if trade.paid)
        trade = next(paid, None)
        number = "" if trade is None else trade.order.out_trade_no
        with self._lock:
            if complain_event_id not in self._made:
                self._made[complain_event_id] = Complaint(complain_event_id, now, number)
                self._made.evict()

    def _query(self, call: ApiCall) -> Success:
        with self._lock:
            made = self._made.get(call.required("complain_event_id"))
        if made is None:
            raise ApiError("PARAM_ILLEGAL", "there is no complaint with this complain_event_id")
        at = format_china_time(made.at)
        fields: dict[str, object] = {
            "complain_event_id": made.complain_event_id,
            "status": "MERCHANT_PROCESSING",
            "target_type": "APPID",
            "target_id": self._context.merchant.app_id,
            "complain_reason": "The goods have not arrived",
            "content": "The tea has not arrived.",
            "gmt_create": at,
            "gmt_modified": at,
            "reply_detail_infos": [],
        }
        trade = self._context.trades.by_out_trade_no(made.out_trade_no)
        return Success(fields if trade is None else fields | _about(trade))


def _about(trade: Trade) -> dict[str, object]:
    return {
        "trade_no": trade.trade_no,
        "merchant_order_no": trade.order.out_trade_no,
        "trade_amount": format_amount(trade.order.total_fen),
    }
