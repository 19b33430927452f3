"""The rows of refunds: recorded before Alipay is called, or reported from Alipay's console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, cast

from sqlalchemy import Select, select

from ..exceptions import InvalidAmount
from ..models import PaymentMixin, RefundMixin, utc_now
from ..protocol.batch_notification import PENDING_TTL
from ..protocol.notification import Notification
from .session import LedgerSession
from .statements import equals_param, payment_statements
from .tables import columns_of, entity_of

#: Requested, outcome not known yet.
PROCESSING = "REFUND_PROCESSING"
#: Refunded.
SUCCESS = "REFUND_SUCCESS"
#: The number of the row for an amount that Alipay reported in one sum: a close that names neither
#: refund nor amount, or a cumulative total above the refunds known by number.
AGGREGATE_NO = "closed"


class OpenedRefund(NamedTuple):
    """A recorded refund."""

    row: Any
    #: ``True`` if it has to be submitted now: for the first time, or again after a rejection.
    new: bool
    #: ``True`` if it was recorded before.
    known: bool


class RefundLedger:
    """The refunds of one merchant.

    :param session: the application's session.
    :param payments: the application's class on :class:`~flask_alipay.PaymentMixin`.
    :param model: the application's class on :class:`~flask_alipay.RefundMixin`.
    :param merchant: the ``app_id`` or ``partner``.
    """

    def __init__(
        self,
        session: LedgerSession,
        payments: type[PaymentMixin],
        model: type[RefundMixin],
        merchant: str,
    ) -> None:
        self._session = session
        self._statements = payment_statements(cast("Any", payments))
        self._model: Any = model
        self._entity: Any = entity_of(cast("Any", model))
        self._merchant = merchant

    def open(
        self,
        out_trade_no: str,
        refund_fen: int,
        out_request_no: str,
        reason: str | None,
        pending_ttl: timedelta | None = PENDING_TTL,
    ) -> OpenedRefund:
        """Record that a refund is being requested; the caller commits before the request.

        A number recorded before means the same refund; a refund that Alipay rejected is submitted
        again.

        :param pending_ttl: for how long other refunds with an unknown outcome reserve their amount;
            ``None``: until their outcome is known.
        :raises InvalidAmount: if there is no such paid payment, if less than the amount is left, or
            if the number was recorded with another amount.
        """
        payment, rows = self._lock_all(out_trade_no)
        known = next((row for row in rows if row.out_request_no == out_request_no), None)
        if known is not None and known.refund_fen != refund_fen:
            raise InvalidAmount("amount", "differs from the recorded refund with this number")
        if known is not None and known.status in (PROCESSING, SUCCESS):
            return OpenedRefund(known, new=False, known=True)
        reserved = sum(row.refund_fen for row in rows if _may_succeed(row, pending_ttl))
        if payment is None or not payment.paid or reserved + refund_fen > _left(payment):
            raise InvalidAmount("amount", "exceeds the refundable amount")
        if known is not None:
            known.status, known.created_at = PROCESSING, utc_now()  # submitted again
            self._session.session.flush()
            return OpenedRefund(known, new=True, known=True)
        row = self._model(
            merchant=self._merchant,
            out_trade_no=out_trade_no,
            out_request_no=out_request_no,
            refund_fen=refund_fen,
            status=PROCESSING,
            reason=reason,
        )
        self._session.add(row)
        return OpenedRefund(row, new=True, known=False)

    def find_pending(
        self, out_trade_no: str, refund_fen: int, pending_ttl: timedelta | None = None
    ) -> str | None:
        """Return the number of a refund of that amount whose outcome is unknown, or ``None``.

        :param pending_ttl: the maximum age of the refund; ``None``: any age.
        """
        Refund = self._entity
        conditions: tuple[Any, ...] = (
            Refund.status == PROCESSING,
            Refund.refund_fen == refund_fen,
        )
        if pending_ttl is not None:
            conditions = (*conditions, Refund.created_at > utc_now() - pending_ttl)
        return self._first(out_trade_no, *conditions)

    def find_recent(self, out_trade_no: str, refund_fen: int, since: datetime) -> str | None:
        """Return the number of a successful refund of that amount since then, or ``None``."""
        Refund = self._entity
        return self._first(
            out_trade_no,
            Refund.status == SUCCESS,
            Refund.refund_fen == refund_fen,
            Refund.created_at >= since,
        )

    def _first(self, out_trade_no: str, *conditions: Any) -> str | None:
        return next((row.out_request_no for row in self._load(out_trade_no, *conditions)), None)

    def by_number(self, out_trade_no: str) -> dict[str, Any]:
        """Return the refunds of a payment by their numbers, as the database has them now."""
        return {row.out_request_no: row for row in self._load(out_trade_no)}

    def find(self, out_trade_no: str, out_request_no: str) -> Any | None:
        """Return a refund by its number, as the database has it now."""
        named = self._named(out_trade_no, of_out_request_no=out_request_no)
        found = self._session.load(_statements(self._entity).find, self._entity, named)
        return found[0] if found else None

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

    def split_aggregate(
        self, rows: Mapping[str, Any], out_request_no: str, refund_fen: int
    ) -> bool:
        """Split a refund from the aggregate of an earlier close, and mark it as done.

        :param rows: the refunds of the payment by their numbers.
        :return: ``False`` if the aggregate does not contain it.
        """
        aggregate, requested = rows.get(AGGREGATE_NO), rows.get(out_request_no)
        if aggregate is None or aggregate.refund_fen < refund_fen:
            return False
        if requested is not None and requested.created_at > aggregate.created_at:
            return False  # it was requested after that report
        out_trade_no = aggregate.out_trade_no
        if aggregate.refund_fen == refund_fen:
            self._session.session.delete(aggregate)
        else:
            aggregate.refund_fen -= refund_fen
        self._session.session.flush()
        if not self.succeed(requested):
            self.add(out_trade_no, out_request_no, refund_fen)
        return True

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
        self._session.session.flush()

    def succeed(self, row: Any | None, at: datetime | None = None) -> bool:
        """Mark a refund as done.

        :param at: the time of the refund, by default now.
        :return: ``False`` if there is no row, or the refund is done already.
        """
        return self._mark(row, SUCCESS, refunded_at=at or utc_now())

    def fail(self, row: Any | None, code: str) -> bool:
        """Mark a refund as rejected, with Alipay's code; returns what :meth:`succeed` does."""
        return self._mark(row, code[:32])

    def add(
        self, out_trade_no: str, out_request_no: str, refund_fen: int, at: datetime | None = None
    ) -> None:
        """Add a refund that was made in Alipay's console.

        :param at: the time of the refund, by default now. Its notification may arrive a day later,
            and Alipay's bill lists the refund on the day when it was made.
        """
        at = at or utc_now()
        self._session.add(
            self._model(
                merchant=self._merchant,
                out_trade_no=out_trade_no,
                out_request_no=out_request_no,
                refund_fen=refund_fen,
                status=SUCCESS,
                created_at=at,
                refunded_at=at,
            )
        )

    def _mark(self, row: Any | None, status: str, **values: Any) -> bool:
        if row is None or row.status == SUCCESS:
            return False
        for name, value in {"status": status, **values}.items():
            setattr(row, name, value)
        self._session.session.flush()
        return True

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

    def lock(self, out_trade_no: str) -> list[Any]:
        """Lock a payment until the commit, and return its refunds as they are then."""
        return self._lock_all(out_trade_no)[1]

    def _lock_all(self, out_trade_no: str) -> tuple[Any | None, list[Any]]:
        payment = self._statements.lock(self._session, self._merchant, out_trade_no)
        # The caller's transaction may have begun before other workers committed: on MariaDB only a
        # locking SELECT sees their rows. It locks only these rows, not rows that their class loads
        # with them.
        rows = _statements(self._entity).lock
        return payment, self._session.load(rows, self._entity, self._named(out_trade_no))

    def _load(self, out_trade_no: str, *conditions: Any) -> list[Any]:
        rows = _statements(self._entity).rows.where(*conditions)
        return self._session.load(rows, self._entity, self._named(out_trade_no))

    def _named(self, out_trade_no: str, **others: str) -> dict[str, str]:
        """Return the parameters of the statements."""
        return {"of_merchant": self._merchant, "of_out_trade_no": out_trade_no, **others}


class _Statements(NamedTuple):
    """The statements of a class of refunds; they load the refunds of one payment."""

    rows: Select[Any]
    #: One refund.
    find: Select[Any]
    #: Same as :attr:`rows`, with a lock.
    lock: Select[Any]


@lru_cache(maxsize=64)
def _statements(Refund: Any) -> _Statements:  # noqa: N803 - it is a class
    named = (
        equals_param(Refund.merchant, "of_merchant"),
        equals_param(Refund.out_trade_no, "of_out_trade_no"),
    )
    rows = select(Refund).where(*named).order_by(Refund.id)
    one = rows.where(equals_param(Refund.out_request_no, "of_out_request_no"))
    return _Statements(rows, one, rows.with_for_update(of=Refund))


def _number_of(notification: Notification) -> str:
    """Return a number for a refund that a report states without one."""
    if notification.refunded_fen is None:
        return AGGREGATE_NO  # only a close states a refund without an amount, and only once
    # Alipay's notify_id is longer than a refund's number may be.
    return (notification.notify_id or notification.out_trade_no)[:64]


def _left(payment: Any) -> int:
    left: int = payment.total_fen - payment.refunded_fen
    return left


def _may_succeed(row: Any, pending_ttl: timedelta | None) -> bool:
    pending = pending_ttl is None or row.created_at > utc_now() - pending_ttl
    return bool(row.status == PROCESSING and pending)
