"""Royalties: parts of a payment that are passed on, and their queries."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ...exceptions import InvalidParameter
from ...protocol.conversion import format_amount, format_china_time, to_minor_units
from ...protocol.trade_status import TradeStatus
from ...protocol.validation import check_choice, check_out_trade_no, check_pattern
from ..notifications.messages import Announcement
from ..replies import ApiError
from ..storage.storage import PersistentDict
from .call import ApiCall, Context, Handler, Success
from .content import required, text

_MAX_SETTLEMENTS: Final = 10_000


@dataclass(frozen=True)
class RoyaltyPart:
    """One part of a settlement."""

    trans_in: str
    trans_in_type: str
    fen: int


@dataclass(frozen=True)
class RoyaltySettlement:
    """A settlement with its parts."""

    out_request_no: str
    trade_no: str
    settle_no: str
    at: datetime
    parts: tuple[RoyaltyPart, ...]
    mode: str = "sync"


class SettlementService:
    """``alipay.trade.order.settle``, ``.settle.query`` and ``.onsettle.query``.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._settlements = PersistentDict(
            context.storage, "settlements", RoyaltySettlement, _MAX_SETTLEMENTS
        )
        self.methods: Mapping[str, Handler] = {
            "alipay.trade.order.settle": self._settle,
            "alipay.trade.order.settle.query": self._query,
            "alipay.trade.order.onsettle.query": self._unsettled,
        }

    def _settle(self, call: ApiCall) -> Success:
        call.required("trade_no")
        number = call.required("out_request_no")
        check_out_trade_no(number, "out_request_no")
        mode = call.text("royalty_mode") or "sync"
        check_choice("royalty_mode", mode, ("sync", "async"))
        trade = self._context.find(call)
        parts = self._parts(call, trade.order.total_fen)
        fen = sum(part.fen for part in parts)
        if trade.status != TradeStatus.TRADE_SUCCESS:
            raise ApiError("ACQ.TRADE_STATUS_ERROR")
        made = self._context.trades.settle(trade.order.out_trade_no, number, fen, call.now)
        if made is None:
            raise ApiError("ACQ.ALLOC_AMOUNT_VALIDATE_ERROR")
        if made.fen != fen:
            raise ApiError("ACQ.DISCORDANT_REPEAT_REQUEST")
        with self._lock:
            if made.settle_no not in self._settlements:
                self._settlements[made.settle_no] = RoyaltySettlement(
                    number, trade.trade_no, made.settle_no, made.at, parts, mode
                )
                self._settlements.evict()
                if mode == "async":  # a synchronous one has no message
                    call.notifications.append(self._announcement(self._settlements[made.settle_no]))
        return Success({"trade_no": trade.trade_no, "settle_no": made.settle_no})

    def _parts(self, call: ApiCall, total_fen: int) -> tuple[RoyaltyPart, ...]:
        given = call.content.get("royalty_parameters")
        extended = call.content.get("extend_params")
        finishes = isinstance(extended, dict) and extended.get("royalty_finish") == "true"
        if given is None and finishes:
            return ()
        if not isinstance(given, list) or not given:
            raise InvalidParameter("royalty_parameters", "is required, as a list")
        parts = tuple(_part(part, total_fen, call.charset) for part in given)
        if any(part.trans_in == self._context.merchant.partner for part in parts):
            raise ApiError("ACQ.ROYALTY_ACCOUNTS_EQUAL")
        return parts

    def _query(self, call: ApiCall) -> Success:
        settle_no, number = call.text("settle_no"), call.text("out_request_no")
        trade_no = call.text("trade_no")
        if not settle_no and not (number and trade_no):
            raise InvalidParameter("settle_no", "or out_request_no and trade_no are required")
        with self._lock:
            known = tuple(self._settlements.values())
        found = next(
            (
                each
                for each in known
                if each.settle_no == settle_no
                or (not settle_no and (each.out_request_no, each.trade_no) == (number, trade_no))
            ),
            None,
        )
        if found is None:
            raise ApiError("ACQ.TRADE_SETTLE_NOT_EXIST")
        return Success(
            {
                "out_request_no": found.out_request_no,
                "operation_dt": format_china_time(found.at),
                "royalty_detail_list": self._details(found),
            }
        )

    def _details(self, settlement: RoyaltySettlement) -> list[dict[str, Any]]:
        return [
            {
                "operation_type": "transfer",
                "execute_dt": format_china_time(settlement.at),
                "trans_out": self._context.merchant.partner,
                "trans_out_type": "userId",
                "trans_in": part.trans_in,
                "trans_in_type": part.trans_in_type,
                "amount": format_amount(part.fen),
                "state": "SUCCESS",
                "detail_id": f"{settlement.settle_no}{place:02d}",
            }
            for place, part in enumerate(settlement.parts, 1)
        ]

    def _announcement(self, settlement: RoyaltySettlement) -> Announcement:
        content = {
            "msg_type": "ASYNC_SETTLE_RESULT",
            "operation_dt": format_china_time(settlement.at),
            "out_request_no": settlement.out_request_no,
            "settle_no": settlement.settle_no,
            "trade_no": settlement.trade_no,
            "royalty_detail_list": self._details(settlement),
        }
        return Announcement("alipay.trade.order.settle.notify", content)

    def _unsettled(self, call: ApiCall) -> Success:
        call.required("trade_no")
        trade = self._context.find(call)
        if not trade.paid:
            raise ApiError("ACQ.TRADE_STATUS_ERROR")
        gone = sum(made.fen for made in trade.settlements) + trade.refunded_fen
        return Success({"unsettled_amount": format_amount(trade.order.total_fen - gone)})


def _part(part: object, total_fen: int, charset: str) -> RoyaltyPart:
    if not isinstance(part, dict):
        raise InvalidParameter("royalty_parameters", "must be a list of objects")
    account = required(part, "trans_in", 128, charset)
    kind = text(part, "trans_in_type", 64, charset) or "userId"
    amount = text(part, "amount", 16, charset)
    if amount:
        return RoyaltyPart(account, kind, to_minor_units(amount, parameter="amount"))
    percent = required(part, "amount_percentage", 3, charset)
    check_pattern("amount_percentage", percent, "[1-9][0-9]?|100", "from 1 to 100")
    return RoyaltyPart(account, kind, total_fen * int(percent) // 100)
