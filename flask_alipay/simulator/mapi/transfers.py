"""Batch transfers to many accounts, confirmed by the merchant on a page.

Accounts whose name begins with ``nobody`` do not exist, so that failures can be tested.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime

from ...exceptions import InvalidParameter
from ...protocol.conversion import format_china_time, to_minor_units
from ...protocol.validation import check_text
from ..clock import read_china_text
from ..replies import ApiError, CallResult, RedirectToBatch
from ..trades.batches import DONE, TRANSFERS, Batch, BatchEntry, Outcome
from ..web.urls import checked_notify_url
from .call import ApiCall, Context, Service
from .notifications import NotificationBuilder
from .refunds import check_batch_no, check_batch_num

NO_ACCOUNT = "nobody"


class TransferService:
    """``batch_trans_notify``.

    :param context: shared objects.
    :param notifications: builds the notification of the result.
    """

    def __init__(self, context: Context, notifications: NotificationBuilder) -> None:
        self._context = context
        self._notifications = notifications
        self.services = {"batch_trans_notify": Service(self._transfer, browser=True)}

    def perform(self, batch: Batch, now: datetime) -> CallResult:
        """Perform a confirmed batch; of a rejected one, every entry fails.

        :returns: with the page of the batch as its answer, and all that is to be told.
        """
        outcomes = tuple(_outcome(entry, batch.status, now) for entry in batch.entries)
        batch = self._context.batches.note(batch, outcomes)
        return CallResult(RedirectToBatch(batch), self._notifications.batch_notice(batch))

    def _transfer(self, call: ApiCall) -> CallResult:
        call.require(
            "account_name", "detail_data", "batch_no", "batch_num", "batch_fee", "email", "pay_date"
        )
        check_text("account_name", call.get("account_name"), max_length=100)
        if call.get("email") != self._context.merchant.seller_email:
            raise ApiError("ACCOUNT_NOT_EXISTS", "email is not this merchant's")
        _check_pay_date(call.get("pay_date"))
        check_batch_no(call, self._context.ahead(), serial=r"[0-9A-Za-z]{3,24}")
        check_batch_num(call, "|")
        entries = tuple(_entry(text) for text in call.get("detail_data").split("|"))
        if len({entry.number for entry in entries}) != len(entries):
            raise ApiError("DETAIL_DATA_FORMAT_ERROR", "a serial number stands there twice")
        if to_minor_units(call.get("batch_fee"), parameter="batch_fee") != sum(
            e.fen for e in entries
        ):
            raise InvalidParameter("batch_fee", "must be the sum of the transfers")
        batch = Batch(
            kind=TRANSFERS,
            batch_no=call.get("batch_no"),
            entries=entries,
            charset=call.charset,
            sign_type=call.sign_type,
            notify_url=checked_notify_url(call.get("notify_url")),
            payer=call.get("account_name"),
        )
        placed = self._context.batches.create(batch)
        if placed is None:
            raise ApiError("DUPLICATE_BATCH_NO")
        return CallResult(RedirectToBatch(placed))


def _check_pay_date(text: str) -> None:
    dashed = re.sub(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3 00:00:00", text, flags=re.ASCII)
    if read_china_text(dashed) is None:
        raise InvalidParameter("pay_date", "must be a day like 20260131")


def _entry(text: str) -> BatchEntry:
    """Parse ``serial^account^name^amount^note``."""
    parts = text.split("^")
    if len(parts) != 5:
        raise ApiError(
            "DETAIL_DATA_FORMAT_ERROR", "an entry must be serial^account^name^amount^note"
        )
    serial, account, name, amount, note = parts
    try:
        for value, max_length in ((serial, 64), (account, 100), (name, 128)):
            check_text("detail_data", value, max_length=max_length)
        if note:
            check_text("detail_data", note, max_length=200)
        fen = to_minor_units(amount, parameter="detail_data")
    except InvalidParameter as error:
        raise ApiError("DETAIL_DATA_FORMAT_ERROR", str(error)) from None
    return BatchEntry(serial, fen, amount, note, account, name)


def _outcome(entry: BatchEntry, status: str, now: datetime) -> Outcome:
    error = ""
    if entry.account.startswith(NO_ACCOUNT):
        error = "RECEIVE_USER_NOT_EXIST"
    if status != DONE:
        error = "MERCHANT_DISUSE_FILE"
    return Outcome(entry, error, f"{format_china_time(now)[:10].replace('-', '')}{_digits(9)}")


def _digits(count: int) -> str:
    return f"{secrets.randbelow(10**count):0{count}d}"
