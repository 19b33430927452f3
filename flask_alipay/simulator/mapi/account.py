"""Account statement pages, and anti-phishing keys."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from xml.etree.ElementTree import Element  # for writing only

from ...exceptions import InvalidParameter
from ...protocol.conversion import format_amount, format_china_time
from ..clock import read_china_text
from ..replies import ApiError, CallResult
from ..storage.storage import PersistentDict
from ..trades.batches import DONE, TRANSFERS
from ..trades.trades import Trade
from . import xml
from .call import ApiCall, Context, Service, parse_int

_MAX_PAGE_SIZE = 5000
_LONGEST = timedelta(hours=24)
#: What the merchant had before anything happened: a million yuan.
_OPENING_FEN = 100_000_000
_PAID, _MOVED = ("6001", "在线支付"), ("3011", "转账")


class Timestamps:
    """``query_timestamp``: one-time anti-phishing keys of payments.

    :param context: shared objects.
    :param max_count: maximum number of remembered keys.
    """

    def __init__(self, context: Context, max_count: int = 1000) -> None:
        self._context = context
        self._lock = threading.Lock()
        # With the time at which each was given out.
        self._keys = PersistentDict(context.storage, "anti_phishing_keys", datetime, max_count)
        self.services = {"query_timestamp": Service(self._query, unsigned=True)}

    def check(self, call: ApiCall) -> None:
        """Consume the anti-phishing key of a payment, if it has one.

        :raises ApiError: if it was not given out, or was used.
        """
        key = call.get("anti_phishing_key")
        with self._lock:
            if key and key not in self._keys:
                raise ApiError("ILLEGAL_ANTI_PHISHING_KEY", "unknown, or used before")
            if key:
                del self._keys[key]

    def _query(self, call: ApiCall) -> CallResult:
        key = secrets.token_urlsafe(15)
        with self._lock:
            self._keys[key] = call.now
            self._keys.evict()
        return CallResult(
            xml.xml_response(call, self._context.signer, "timestamp", {"encrypt_key": key})
        )


@dataclass(frozen=True)
class _Movement:
    """An amount credited to the merchant's account, or debited."""

    at: datetime
    number: str
    kind: tuple[str, str]
    income: int = 0
    outcome: int = 0
    memo: str = ""
    trade: Trade | None = None

    @property
    def trade_no(self) -> str:
        return "" if self.trade is None else self.trade.trade_no

    @property
    def out_trade_no(self) -> str:
        return "" if self.trade is None else self.trade.order.out_trade_no

    @property
    def subject(self) -> str:
        return "" if self.trade is None else self.trade.order.subject


class AccountService:
    """``account.page.query``: credits and debits in yuan.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.services = {"account.page.query": Service(self._query)}

    def _query(self, call: ApiCall) -> CallResult:
        page = parse_int("page_no", call.get("page_no"), 1, 10**6)
        size = parse_int("page_size", call.get("page_size") or "5000", 1, _MAX_PAGE_SIZE)
        wanted = _wanted(call)
        matching = [pair for pair in self._movements() if wanted(pair[0])]
        found = Element("account_log_list")
        for movement, balance in matching[(page - 1) * size : page * size]:
            found.append(self._entry(movement, balance, call.charset))
        fields: dict[str, str | Element] = {
            "account_log_list": found,
            "has_next_page": "T" if len(matching) > page * size else "F",
            "page_no": str(page),
            "page_size": str(size),
        }
        answer = xml.xml_response(call, self._context.signer, "account_page_query_result", fields)
        return CallResult(answer)

    def _movements(self) -> Iterator[tuple[_Movement, int]]:
        """Return all movements in the order of time, with the balance after each."""
        movements = [m for trade in self._context.trades.all() for m in _of_trade(trade)]
        balance = _OPENING_FEN
        for movement in sorted([*movements, *self._transfers()], key=lambda m: m.at):
            balance += movement.income - movement.outcome
            yield movement, balance

    def _transfers(self) -> Iterator[_Movement]:
        for batch in self._context.batches.all():
            if batch.kind == TRANSFERS and batch.status == DONE and batch.ended_at is not None:
                for done in batch.outcomes:
                    if not done.error:
                        fen, note = done.entry.fen, done.entry.note
                        yield _Movement(batch.ended_at, done.number, _MOVED, 0, fen, note)

    def _entry(self, movement: _Movement, balance: int, charset: str) -> Element:
        merchant = self._context.merchant
        fields = {
            "balance": format_amount(balance),
            "buyer_account": f"{merchant.buyer_id}0156",
            "currency": "156",  # the yuan's number in ISO 4217
            "goods_title": movement.subject,
            "income": format_amount(movement.income),
            "iw_account_log_id": movement.number,
            "memo": movement.memo,
            "merchant_out_order_no": movement.out_trade_no,
            "outcome": format_amount(movement.outcome),
            "partner_id": merchant.partner,
            "rate": "0",
            "seller_account": f"{merchant.partner}0156",
            "service_fee": "0.00",
            "total_fee": format_amount(movement.income or movement.outcome),
            "trade_no": movement.trade_no,
            "trans_code_msg": movement.kind[1],
            "trans_date": format_china_time(movement.at),
        }
        return xml.element("AccountQueryAccountLogVO", fields, charset)


def _of_trade(trade: Trade) -> Iterator[_Movement]:
    """Return a trade's movements. Money in escrow belongs to Alipay until the trade is finished;
    foreign currencies have separate accounts.
    """
    order = trade.order
    received_at = trade.finished_at if trade.sent_at is not None else trade.paid_at
    if order.currency != "CNY" or received_at is None or trade.in_escrow:
        return
    yield _Movement(received_at, f"{trade.trade_no}00", _PAID, order.total_fen, trade=trade)
    for count, refund in enumerate(trade.refunds, 1):
        number = f"{trade.trade_no}{count:02d}"
        yield _Movement(refund.at, number, _MOVED, 0, refund.fen, "交易退款", trade)


def _wanted(call: ApiCall) -> Callable[[_Movement], bool]:
    """Return the requested movements: within at most one day, unless the request names an order."""
    trade_no, order_no = call.get("trade_no"), call.get("merchant_out_order_no")
    codes = call.get("trans_code").split(",") if call.get("trans_code") else []
    start, end = (_parse_time(call, name) for name in ("gmt_start_time", "gmt_end_time"))
    if start is None or end is None:
        if not trade_no and not order_no:
            name = "gmt_start_time" if start is None else "gmt_end_time"
            raise InvalidParameter(name, "is required without trade_no or merchant_out_order_no")
    elif not start <= end <= start + _LONGEST:
        raise InvalidParameter("gmt_end_time", "must be within 24 hours after gmt_start_time")

    def wanted(movement: _Movement) -> bool:
        return (
            (not trade_no or movement.trade_no == trade_no)
            and (not order_no or movement.out_trade_no == order_no)
            and (not codes or movement.kind[0] in codes)
            and (start is None or movement.at >= start)
            and (end is None or movement.at <= end)
        )

    return wanted


def _parse_time(call: ApiCall, name: str) -> datetime | None:
    if not call.get(name):
        return None
    parsed = read_china_text(call.get(name))
    if parsed is None:
        raise InvalidParameter(name, "must be like 2026-01-31 08:00:00")
    return parsed
