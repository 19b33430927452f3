"""Transfers as they are recorded, and the changes that a report makes to one. No database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from ..exceptions import InvalidAmount, InvalidParameter, OutcomeUnknown, PaymentMismatch
from ..models import utc_now
from ..protocol.conversion import format_amount
from ..protocol.transfers import TransferReport
from .transfer_transitions import TRANSFER_FAILED, TRANSFERRED

# How far the mark of a request may be ahead of the time: marks are whole seconds.
_MAX_AHEAD = timedelta(seconds=5)


@dataclass(frozen=True)
class NewTransfer:
    """A transfer to record."""

    out_biz_no: str
    amount_fen: int
    payee: str
    identity_type: str
    #: Everything that Alipay receives.
    content: Mapping[str, Any]
    #: The maximum of all transfers of a day in China; ``None``: no limit.
    daily_limit_fen: int | None = None


@dataclass(frozen=True)
class RecordedTransfer:
    """A transfer as the ledger has it, committed."""

    out_biz_no: str
    order_id: str | None
    amount_fen: int
    status: str
    error_code: str | None
    content: Mapping[str, Any]
    created_at: datetime
    submitted_at: datetime | None
    #: ``True`` if this call recorded it.
    new: bool = False

    @classmethod
    def of(cls, row: Any, *, new: bool = False) -> RecordedTransfer:
        """Read the application's object."""
        return cls(
            row.out_biz_no,
            row.order_id,
            row.amount_fen,
            row.status,
            row.error_code,
            dict(row.content),
            row.created_at,
            row.submitted_at,
            new,
        )


class Submission(NamedTuple):
    """The mark of a request in the row of its transfer, by ``submitted_at``."""

    #: The mark of the request before.
    before: datetime | None
    #: Its own. No other request has the same, also in databases that keep whole seconds.
    at: datetime | None

    @classmethod
    def after(cls, before: datetime | None) -> Submission:
        """Return the next mark.

        :raises OutcomeUnknown: if other workers submit the same at a rate at which marks would run
            ahead of the time: they would delay the proof that it has failed without end.
        """
        now = utc_now()
        later = now if before is None else max(now, before + timedelta(seconds=1))
        if later > now + _MAX_AHEAD:
            raise OutcomeUnknown("other workers have just submitted it", retryable=True)
        return cls(before, later.replace(microsecond=0))


def in_utc(time: datetime | None) -> datetime | None:
    """Return a time of a plain row as aware UTC: SQLite and MariaDB keep no zone."""
    if time is None:
        return None
    aware = time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time
    return aware.astimezone(timezone.utc)


def check_same(row: Any, transfer: NewTransfer) -> None:
    """Check that a number means the recorded transfer.

    :raises InvalidParameter: otherwise.
    """
    if row.amount_fen != transfer.amount_fen:
        raise InvalidAmount("amount", "differs from the recorded transfer with this number")
    if (row.payee, row.identity_type) != (transfer.payee, transfer.identity_type):
        raise InvalidParameter("payee", "differs from the recorded transfer with this number")
    recorded, given = _flat(row.content), _flat(json.loads(json.dumps(dict(transfer.content))))
    for name in sorted(recorded.keys() | given.keys()):
        if recorded.get(name) != given.get(name):
            raise InvalidParameter(name, "differs from the recorded transfer with this number")


def _flat(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return all fields, those of the payee by their path."""
    payee = content.get("payee_info") or {}
    fields = {name: value for name, value in content.items() if name != "payee_info"}
    return {**fields, **{f"payee_info.{name}": value for name, value in payee.items()}}


def check_last(seen: Any, submission: Submission) -> None:
    """Check that a request is the last one that was submitted for a transfer.

    :raises OutcomeUnknown: otherwise.
    """
    if in_utc(seen.submitted_at) != submission.at:
        raise OutcomeUnknown("another worker has submitted the transfer again", retryable=True)


def check_match(seen: Any, report: TransferReport) -> None:
    """Check that a report has the transfer's amount and Alipay's number.

    :raises PaymentMismatch: otherwise.
    """
    if report.amount_fen not in (None, seen.amount_fen):
        received = format_amount(report.amount_fen or 0)
        expected = format_amount(seen.amount_fen)
        raise PaymentMismatch("trans_amount", expected, received, notify_id=report.notify_id)
    if None not in (seen.order_id, report.order_id) and seen.order_id != report.order_id:
        raise PaymentMismatch(
            "order_id", seen.order_id, report.order_id, notify_id=report.notify_id
        )


def changed_values(seen: Any, report: TransferReport, cell: str) -> dict[str, Any]:
    """Return the values that a report changes, none if it changes nothing."""
    numbers = {
        name: getattr(report, name)
        for name in ("order_id", "pay_fund_order_id")
        if getattr(report, name) and getattr(seen, name) is None
    }
    if cell in ("duplicate", "stale"):
        return numbers
    values = {**numbers, "status": report.status}
    now = utc_now()
    if cell == TRANSFERRED:
        return {**values, "transferred_at": report.transferred_at or now, "error_code": None}
    reason = report.fail_reason
    values |= {"error_code": report.error_code, "fail_reason": reason[:256] if reason else None}
    return {**values, "failed_at": now} if cell == TRANSFER_FAILED else values
