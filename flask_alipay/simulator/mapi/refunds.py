"""Batch refunds of instant payments: confirmed by the merchant on a page, or performed at once."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from ...exceptions import InvalidParameter
from ...protocol.conversion import format_china_time, to_minor_units
from ...protocol.trade_status import TradeStatus
from ...protocol.validation import check_text
from ..clock import read_china_text
from ..replies import ApiError, CallResult, RedirectToBatch
from ..trades.batches import DONE, REFUNDS, Batch, BatchEntry, Outcome
from ..trades.trades import Trade
from ..web.urls import checked_notify_url
from . import xml
from .call import ApiCall, Context, Service, parse_int
from .notifications import NotificationBuilder

_MAX_ENTRIES = 1000
# What may follow an entry's own part: shares of it that others give back, and fees.
_ROYALTY = re.compile(r"[^^]*\^[^^]*\^[^^]*\^[^^]*\^[0-9.]+\^[^^]*")
_SUB_TRADE = re.compile(r"[0-9.]+\^[^^]*")


class RefundService:
    """``refund_fastpay_by_platform_pwd`` and ``refund_fastpay_by_platform_nopwd``.

    :param context: shared objects.
    :param notifications: builds the notification of the result.
    """

    def __init__(self, context: Context, notifications: NotificationBuilder) -> None:
        self._context = context
        self._notifications = notifications
        self.services = {
            "refund_fastpay_by_platform_pwd": Service(self._with_password, browser=True),
            "refund_fastpay_by_platform_nopwd": Service(self._without_password),
        }

    def perform(self, batch: Batch, now: datetime) -> CallResult:
        """Perform a confirmed batch.

        :returns: with the page of the batch as its answer, and all that is to be told.
        """
        outcomes, trades = [], []
        for entry in batch.entries:
            error, trade = self._refund(entry, batch.batch_no, now)
            outcomes.append(Outcome(entry, error, entry.number))
            trades += [trade] if trade is not None and not error else []
        batch = self._context.batches.note(batch, tuple(outcomes))
        return CallResult(
            RedirectToBatch(batch), self._notifications.batch_notice(batch), tuple(trades)
        )

    def _with_password(self, call: ApiCall) -> CallResult:
        call.either("seller_user_id", "seller_email")
        return CallResult(RedirectToBatch(self._place(call)))

    def _without_password(self, call: ApiCall) -> CallResult:
        batch = self._context.batches.end(self._place(call).batch_id, DONE, call.now)
        if batch is None:  # another request with this number was quicker
            raise ApiError("DUPLICATE_BATCH_NO")
        done = self.perform(batch, call.now)
        return CallResult(xml.accepted(call), done.notices, done.trades)

    def _refund(self, entry: BatchEntry, batch_no: str, now: datetime) -> tuple[str, Trade | None]:
        trade = self._context.trades.by_trade_no(entry.number)
        if trade is None:
            return "TRADE_NOT_EXISTS", None
        if trade.order.currency != "CNY":
            return "TRADE_STATUS_ERROR", None
        changed = self._context.trades.refund(trade.order.out_trade_no, batch_no, entry.fen, now)
        if changed is not None:
            return "", changed
        if trade.status == TradeStatus.TRADE_CLOSED:
            return "TRADE_HAS_CLOSED", None
        refundable = trade.status == TradeStatus.TRADE_SUCCESS
        return ("REFUND_TRADE_FEE_ERROR" if refundable else "TRADE_STATUS_ERROR"), None

    def _place(self, call: ApiCall) -> Batch:
        call.require("refund_date", "batch_no", "batch_num", "detail_data")
        self._check_seller(call)
        if read_china_text(call.get("refund_date")) is None:
            raise ApiError("REFUND_DATE_ERROR", "refund_date must be like 2026-01-31 08:00:00")
        check_batch_no(call, self._context.ahead(), serial=r"(?!000$)[0-9A-Za-z]{3,24}")
        check_batch_num(call, "#")
        entries = tuple(_entry(text, call.charset) for text in call.get("detail_data").split("#"))
        if len({entry.number for entry in entries}) != len(entries):
            raise ApiError("DUBL_TRADE_NO_IN_SAME_BATCH")
        batch = Batch(
            kind=REFUNDS,
            batch_no=call.get("batch_no"),
            entries=entries,
            charset=call.charset,
            sign_type=call.sign_type,
            notify_url=checked_notify_url(call.get("notify_url")),
        )
        placed = self._context.batches.create(batch)
        if placed is None:
            raise ApiError("DUPLICATE_BATCH_NO")
        return placed

    def _check_seller(self, call: ApiCall) -> None:
        merchant = self._context.merchant
        for name, own in (
            ("seller_user_id", merchant.partner),
            ("seller_email", merchant.seller_email),
        ):
            if call.get(name):
                if call.get(name) != own:
                    raise ApiError("ACCOUNT_NOT_EXISTS", f"{name} is not this merchant's")
                return


def check_batch_no(call: ApiCall, ahead: timedelta, *, serial: str) -> None:
    """Check that a batch number is today's date in China and a serial number.

    :param ahead: how far the time here is ahead of the merchant's, whose today will do.
    :param serial: what may follow the day, as a regular expression.
    :raises ApiError: otherwise.
    """
    today, theirs = (
        format_china_time(when)[:10].replace("-", "") for when in (call.now, call.now - ahead)
    )
    if re.fullmatch(f"(?:{today}|{theirs}){serial}", call.get("batch_no"), re.ASCII) is None:
        raise ApiError("BATCH_NO_FORMAT_ERROR", f"batch_no must be today, {today}, and a serial")


def check_batch_num(call: ApiCall, separator: str) -> None:
    """Check that a batch has the declared number of entries, and not too many.

    :param separator: what stands between entries.
    :raises ApiError: otherwise.
    """
    try:
        declared = parse_int("batch_num", call.get("batch_num"), 1, 10**9)
    except InvalidParameter as error:
        raise ApiError("BATCH_NUM_ERROR", str(error)) from None
    if declared > _MAX_ENTRIES:
        raise ApiError("BATCH_NUM_EXCEED_LIMIT", f"batch_num must be at most {_MAX_ENTRIES}")
    if declared != call.get("detail_data").count(separator) + 1:
        raise ApiError("BATCH_NUM_NOT_EQUAL_TOTAL", f"detail_data does not have {declared} entries")


def _entry(text: str, charset: str) -> BatchEntry:
    """Parse ``trade_no^amount^reason``, royalties after bars, and a fee after ``$$``."""
    trade, *sub_trades = text.split("$$")
    own, *shares = trade.split("|")
    parts = own.split("^")
    shaped = all(map(_ROYALTY.fullmatch, shares)) and all(map(_SUB_TRADE.fullmatch, sub_trades))
    if len(parts) != 3 or not shaped or "$" in trade:
        raise ApiError("DETAIL_DATA_FORMAT_ERROR", "an entry must be trade_no^amount^reason")
    trade_no, amount, reason = parts
    try:
        check_text("detail_data", trade_no, max_length=64)
        check_text("detail_data", reason, max_length=10**6)
        fen = to_minor_units(amount, parameter="detail_data")
    except InvalidParameter as error:
        raise ApiError("DETAIL_DATA_FORMAT_ERROR", str(error)) from None
    try:
        check_text("reason", reason, max_length=255, charset=charset)
    except InvalidParameter as error:
        raise ApiError("SINGLE_DETAIL_DATA_EXCEED_LIMIT", str(error)) from None
    return BatchEntry(trade_no, fen, amount, reason)
