"""Results of requested refunds: an entry of a batch notification, or a response to a query.

Unlike a trade's notification, a result is about a single refund.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exceptions import PaymentMismatch, UnknownPayment
from ..protocol.conversion import format_amount
from .refunds import SUCCESS
from .updates import LedgerUpdate, make_update

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..protocol.batch_notification import RefundResult
    from .journal import Journal, JournalEntry
    from .refunds import RefundLedger
    from .session import LedgerSession
    from .statements import PaymentStatements


class RefundResultWriter:
    """Writer of refund results.

    :param session: the application's session.
    :param statements: the statements of the application's class of payments.
    :param refunds: the rows of refunds, ``None`` if the application has no class for them.
    :param journal: knows the reports recorded before.
    :param merchant: the ``app_id`` or ``partner``.
    """

    def __init__(
        self,
        session: LedgerSession,
        statements: PaymentStatements,
        refunds: RefundLedger | None,
        journal: Journal,
        merchant: str,
    ) -> None:
        self._session = session
        self._statements = statements
        self._refunds = refunds
        self._journal = journal
        self._merchant = merchant

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
        number = entry.out_trade_no
        payment = self._statements.lock(self._session, self._merchant, number) if number else None
        if payment is None:
            raise UnknownPayment("no payment in the ledger has this trade_no")
        if self._refunds is None:
            return self._refund_without_row(entry, payment, result), payment
        return self._refund_row(self._refunds, payment, out_request_no, result), payment

    def _refund_row(
        self, refunds: RefundLedger, payment: Any, out_request_no: str, result: RefundResult
    ) -> LedgerUpdate:
        number, fen = payment.out_trade_no, result.refund_fen
        rows = refunds.by_number(number)
        known = rows.get(out_request_no)
        if not result.succeeded:
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
        if not result.succeeded or not self._journal.enabled or entry.notify_id is None:
            return LedgerUpdate("recorded", ())
        if self._journal.was_acknowledged(entry):
            return LedgerUpdate("duplicate", ())
        counted = self._count_refund(payment, result.refund_fen)
        return make_update((), result.refund_fen if counted else 0)

    def _count_refund(self, payment: Any, refund_fen: int) -> bool:
        """Add to the refunded amount; the payment's row is locked.

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
        self._session.session.flush()
        return True


def record_known_refund(
    session: LedgerSession,
    refunds: RefundLedger,
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
        session.session.flush()
    if not number and not update.refund_fen:
        return update
    return make_update(update.events, number).with_refunds(number)
