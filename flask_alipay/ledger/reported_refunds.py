"""Refunds that the reports of a trade state, with or without their numbers.

A trade's report has the cumulative refunded amount. The refunds may have been requested here, or
made in Alipay's console.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from ..models import utc_now
from ..protocol.notification import Notification
from .refunds import AGGREGATE_NO, PROCESSING, SUCCESS, RefundLedger
from .session import LedgerSession
from .tables import columns_of
from .updates import LedgerUpdate, make_update


class ReportedRefunds(RefundLedger):
    """The refunds of one merchant, for the reports of trades."""

    def record_notified(
        self, notification: Notification, refund_fen: int, refunded_fen: int
    ) -> int:
        """Record the refund that a trade's report states.

        If the report names no refund (as on the legacy gateway), it means the pending refund of
        that amount, or all pending refunds if their sum is that amount.

        :param refund_fen: the amount refunded by this report alone, in minor units.
        :param refunded_fen: the total refunded amount, this report included.
        :returns: the number of refunds recorded.
        """
        out_trade_no = notification.out_trade_no
        if notification.out_request_no is None:
            pending = self._pending(out_trade_no, refund_fen)
            for row in pending:
                self.succeed(row, notification.refunded_at)
            if pending:
                return len(pending)
        number, at = (
            notification.out_request_no or _number_of(notification),
            notification.refunded_at,
        )
        if self.succeed(self.find(out_trade_no, number), at):
            return 1
        if self._has_pending(out_trade_no, refund_fen):
            # The sum may include them: each is split from it when its result arrives.
            self._apply_aggregate(out_trade_no, refund_fen)
            return 1
        if self._is_taken(out_trade_no, number):
            # All refunds without a number are reported under the trade's number. The total refunded
            # amount, which only grows, distinguishes them.
            number = f"{number[:48]}_{refunded_fen}"
        self.add(out_trade_no, number, refund_fen, at)
        return 1

    def apply_notified(
        self, row: Any, rows: Sequence[Any], refund_fen: int, *, fully_refunded: bool
    ) -> tuple[int, int]:
        """Record the report of a refund that is known by its number.

        The report's cumulative total may be older or newer than the ledger. While other refunds are
        pending, it proves nothing about them: each has its own report.

        :param row: the refund.
        :param rows: all refunds of the payment.
        :param refund_fen: the increase of the cumulative total over the ledger, in minor units.
        :param fully_refunded: whether nothing is left: then the total includes all refunds.
        :returns: the number of refunds recorded, and the amount to add to the ledger's total: how
            much more the recorded refunds are than the increase (negative if less).
        """
        out_trade_no, own_fen = row.out_trade_no, 0
        known, by_number = row.status == SUCCESS, {each.out_request_no: each for each in rows}
        if not (known or self.split_aggregate(by_number, row.out_request_no, row.refund_fen)):
            self.succeed(row)
            own_fen = row.refund_fen
        others_fen = refund_fen - own_fen
        pending = [each for each in rows if each is not row and each.status == PROCESSING]
        if others_fen <= 0 or (pending and not fully_refunded):
            return int(bool(own_fen)), -others_fen
        return bool(own_fen) + self._record_others(out_trade_no, pending, others_fen), 0

    def _record_others(self, out_trade_no: str, pending: Sequence[Any], refund_fen: int) -> int:
        """Record the rest of a cumulative total: the pending refunds if their sum is that amount,
        otherwise an aggregate.

        :returns: the number of refunds recorded.
        """
        if sum(row.refund_fen for row in pending) == refund_fen:
            for row in pending:
                self.succeed(row)
            return len(pending)
        self._apply_aggregate(out_trade_no, refund_fen)
        return 1

    def _apply_aggregate(self, out_trade_no: str, refund_fen: int) -> None:
        aggregate = self.find(out_trade_no, AGGREGATE_NO)
        if aggregate is None:
            self.add(out_trade_no, AGGREGATE_NO, refund_fen)
            return
        aggregate.refund_fen += refund_fen
        aggregate.created_at = utc_now()
        self._session.flush()

    def _is_taken(self, out_trade_no: str, out_request_no: str) -> bool:
        """Return whether the unique constraint, which compares by the database's collation, rejects
        a number.
        """
        column = columns_of(self._entity)
        named = (
            column["out_trade_no"] == out_trade_no,
            column["out_request_no"] == out_request_no,
        )
        found = select(column["id"]).where(*named).limit(1)
        return self._session.execute(found, self._entity).first() is not None

    def _has_pending(self, out_trade_no: str, below_fen: int) -> bool:
        """Return whether refunds of less than an amount are pending."""
        Refund = self._entity
        return bool(
            self._first(out_trade_no, Refund.status == PROCESSING, Refund.refund_fen < below_fen)
        )

    def _pending(self, out_trade_no: str, refund_fen: int) -> list[Any]:
        """Return the pending refunds that amount to a sum: a single one, or all of them."""
        pending = self._load(out_trade_no, self._entity.status == PROCESSING)
        for row in pending:
            if row.refund_fen == refund_fen:
                return [row]
        return pending if sum(row.refund_fen for row in pending) == refund_fen else []


def record_known_refund(
    session: LedgerSession,
    refunds: ReportedRefunds,
    row: Any,
    rows: Sequence[Any],
    update: LedgerUpdate,
    payment: Any,
) -> LedgerUpdate:
    """Use the refund's own amount; the report's cumulative total may be stale or ahead.

    :param row: the refund that the report names, one of the payment's ``rows``.
    :param payment: the payment, locked.
    :returns: the update with the refunds that the report settles.
    """
    fully_refunded = payment.refunded_fen >= payment.total_fen
    number, missing = refunds.apply_notified(
        row, rows, update.refund_fen, fully_refunded=fully_refunded
    )
    missing = min(missing, payment.total_fen - payment.refunded_fen)
    if missing:
        payment.refunded_fen += missing
        session.flush()
    if not number and not update.refund_fen:
        return update
    return make_update(update.events, number).with_refunds(number)


def _number_of(notification: Notification) -> str:
    """Return a number for a refund that a report states without one."""
    if notification.refunded_fen is None:
        return AGGREGATE_NO  # only a close states a refund without an amount, and only once
    # Alipay's notify_id is longer than a refund's number may be.
    return (notification.notify_id or notification.out_trade_no)[:64]
