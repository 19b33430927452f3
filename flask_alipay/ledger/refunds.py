"""The rows of refunds: recorded before Alipay is called, then settled by its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Select, select

from ..exceptions import InvalidAmount, PaymentMismatch, UnknownPayment
from ..models import utc_now
from ..protocol.batch_notification import PENDING_TTL, REFUNDED, RefundResult
from ..protocol.conversion import format_amount
from .session import LedgerSession
from .statements import PaymentStatements, equals_param, payment_statements
from .tables import entity_of
from .updates import LedgerUpdate, make_update

if TYPE_CHECKING:
    from .journal import Journal, JournalEntry

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


@dataclass(frozen=True)
class RefundLedger:
    """The refunds of one merchant."""

    #: The application's session.
    _session: LedgerSession
    #: The application's class on :class:`~flask_alipay.PaymentMixin`.
    _payments: Any
    #: The application's class on :class:`~flask_alipay.RefundMixin`.
    _model: Any
    #: The ``app_id`` or ``partner``.
    _merchant: str

    @cached_property
    def _entity(self) -> Any:
        return entity_of(self._model)

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
        payment, rows = self._lock(out_trade_no, _statements(self._entity).lock)
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
            self._session.flush()
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

    def find(self, out_trade_no: str, out_request_no: str) -> Any | None:
        """Return a refund by its number, as the database has it now."""
        named = self._named(out_trade_no, of_out_request_no=out_request_no)
        found = self._session.load(_statements(self._entity).find, self._entity, named)
        return found[0] if found else None

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
        self._session.flush()
        if not self.succeed(requested):
            self.add(out_trade_no, out_request_no, refund_fen)
        return True

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
        self._session.flush()
        return True

    def lock(self, out_trade_no: str) -> list[Any]:
        """Lock a payment until the commit, and return its refunds as they are then."""
        # The caller's transaction may have begun before other workers committed: on MariaDB only a
        # locking SELECT sees their rows. It locks only these rows, not rows that their class loads
        # with them.
        return self._lock(out_trade_no, _statements(self._entity).lock)[1]

    def lock_first(self, out_trade_no: str) -> tuple[Any | None, dict[str, Any]]:
        """Lock a payment until the commit, in the first statement of a transaction.

        :returns: the payment and its refunds by their numbers, as the database has them then.
        """
        payment, rows = self._lock(out_trade_no, _statements(self._entity).rows)
        return payment, {row.out_request_no: row for row in rows}

    def _lock(self, out_trade_no: str, refunds: Select[Any]) -> tuple[Any | None, list[Any]]:
        statements = payment_statements(self._payments)
        payments, rows = self._session.lock(
            statements.touch,
            self._named(out_trade_no),
            (statements.lock_row, statements.model),
            (refunds, self._entity),
        )
        return (payments[0] if payments else None), rows

    def _load(self, out_trade_no: str, *conditions: Any) -> list[Any]:
        rows = _statements(self._entity).rows.where(*conditions)
        return self._session.load(rows, self._entity, self._named(out_trade_no))

    def _named(self, out_trade_no: str, **others: str) -> dict[str, str]:
        """Return the parameters of the statements."""
        return {"of_merchant": self._merchant, "of_out_trade_no": out_trade_no, **others}


@dataclass(frozen=True)
class RefundResultWriter:
    """Writer of the results of requested refunds: an entry of a batch notification, or a response.

    Unlike a trade's notification, a result is about a single refund.
    """

    #: The application's session.
    _session: LedgerSession
    #: The statements of the application's class of payments.
    _statements: PaymentStatements
    #: The rows of refunds, ``None`` if the application has no class for them.
    _refunds: RefundLedger | None
    #: Knows the reports recorded before.
    _journal: Journal
    #: The ``app_id`` or ``partner``.
    _merchant: str

    def write(
        self, entry: JournalEntry, out_request_no: str, result: RefundResult
    ) -> tuple[LedgerUpdate, Any]:
        """Add the result to the current transaction; the first statement locks the payment.

        :param entry: the journal's entry; names the payment.
        :param out_request_no: the number of the refund or of the batch.
        :param result: the verified result.
        :returns: the effect on the payment, and the application's payment object.
        :raises UnknownPayment: if the payment is not in the ledger.
        :raises PaymentMismatch: if the amount cannot have been refunded.
        """
        number, refunds = entry.out_trade_no, self._refunds
        payment, rows = None, dict[str, Any]()
        if number and refunds is not None:
            payment, rows = refunds.lock_first(number)
        elif number:
            payment = self._statements.lock(self._session, self._merchant, number)
        if payment is None:
            raise UnknownPayment("no payment in the ledger has this trade_no")
        if refunds is None:
            return self._refund_without_row(entry, payment, result), payment
        return self._refund_row(refunds, payment, rows, out_request_no, result), payment

    def _refund_row(
        self,
        refunds: RefundLedger,
        payment: Any,
        rows: Mapping[str, Any],
        out_request_no: str,
        result: RefundResult,
    ) -> LedgerUpdate:
        number, fen = payment.out_trade_no, result.refund_fen
        known = rows.get(out_request_no)
        if result.code != REFUNDED:
            return LedgerUpdate("recorded" if refunds.fail(known, result.code) else "stale", ())
        if known is not None and known.refund_fen != fen:
            raise PaymentMismatch(
                "refund_amount", format_amount(known.refund_fen), format_amount(fen)
            )
        if known is not None and known.status == SUCCESS:
            return LedgerUpdate("duplicate", ())
        # An earlier report may have included it in a cumulative total.
        covered = refunds.split_aggregate(rows, out_request_no, fen)
        counted = not covered and self._count_refund(payment, fen)
        if not covered and not refunds.succeed(known) and counted:
            refunds.add(number, out_request_no, fen)
        if not counted:
            return LedgerUpdate("recorded", ())
        return LedgerUpdate("settled", ("refunded",), fen)

    def _refund_without_row(
        self, entry: JournalEntry, payment: Any, result: RefundResult
    ) -> LedgerUpdate:
        """Count a refund by the journal; without a journal, only record the report."""
        if result.code != REFUNDED or not self._journal.enabled or entry.notify_id is None:
            return LedgerUpdate("recorded", ())
        if self._journal.was_acknowledged(entry):
            return LedgerUpdate("duplicate", ())
        counted = self._count_refund(payment, result.refund_fen)
        self._session.flush()
        return make_update((), result.refund_fen if counted else 0)

    def _count_refund(self, payment: Any, refund_fen: int) -> bool:
        """Add to the refunded amount, without a flush; the payment's row is locked.

        :returns: ``False`` if the payment is fully refunded already.
        :raises PaymentMismatch: if the payment is not paid, or less than that amount is left.
        """
        left = payment.total_fen - payment.refunded_fen
        if left == 0:
            return False
        if not payment.paid:
            # The sale's notification is yet to arrive; Alipay retries this result after it.
            raise PaymentMismatch("trade_status", payment.trade_status, "refunded")
        if not 0 < refund_fen <= left:
            raise PaymentMismatch(
                "refund_amount", f"at most {format_amount(left)}", format_amount(refund_fen)
            )
        payment.refunded_fen += refund_fen
        return True


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


def _left(payment: Any) -> int:
    left: int = payment.total_fen - payment.refunded_fen
    return left


def _may_succeed(row: Any, pending_ttl: timedelta | None) -> bool:
    pending = pending_ttl is None or row.created_at > utc_now() - pending_ttl
    return bool(row.status == PROCESSING and pending)
