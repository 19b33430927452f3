"""Marks of the requests by which a recorded payment is submitted to Alipay.

Several workers may submit the same payment, under the same number. Each marks its request in the
row first: a rejection proves a failure only if no later request may still succeed.
"""

from __future__ import annotations

from typing import Any, Final

from ..exceptions import LedgerUnavailable, OutcomeUnknown
from ..protocol.notification import Notification
from ..protocol.trade_status import TradeStatus
from .journal import JournalEntry
from .ledger import Ledger
from .payment_rows import PaymentRows
from .settlement import Settlement
from .transfer_updates import Submission, in_utc
from .updates import LedgerUpdate

_UNPAID: Final = (TradeStatus.WAIT_BUYER_PAY, TradeStatus.TRADE_PENDING)
_ATTEMPTS: Final = 20


class SubmissionLedger(Ledger):
    """The ledger of a merchant, for payments that its server submits."""

    _submission: Submission | None = None

    def mark_submitted(self, out_trade_no: str) -> Submission | None:
        """Mark a request that is about to be submitted in ``sent_at`` of its payment, and commit.

        :returns: its mark; ``None`` if the payment's result is known meanwhile.
        :raises LedgerUnavailable: if other workers keep submitting it.
        """
        rows = PaymentRows(self._session, self._models.Payment, self._merchant)
        column = rows.column
        for _ in range(_ATTEMPTS):
            self._session.roll_back()
            seen = rows.read(out_trade_no, ("trade_status", "paid", "sent_at"))
            self._session.roll_back()
            if seen is None or seen.paid or seen.trade_status not in _UNPAID:
                return None
            submission = Submission.after(in_utc(seen.sent_at))
            guard = (
                column["paid"].is_(False),
                column["trade_status"] == seen.trade_status,
                column["sent_at"].is_not_distinct_from(seen.sent_at),
            )
            if rows.write(seen, {"sent_at": submission.at}, *guard):
                return submission
        raise LedgerUnavailable("other workers keep submitting the payment")

    def unmark_submitted(self, out_trade_no: str, submission: Submission) -> None:
        """Restore the mark of the request before, and commit: unless another request has been
        submitted since.
        """
        rows = PaymentRows(self._session, self._models.Payment, self._merchant)
        self._session.roll_back()
        seen = rows.read(out_trade_no, ("sent_at",))
        self._session.roll_back()
        if seen is not None and in_utc(seen.sent_at) == submission.at:
            guard = rows.column["sent_at"].is_not_distinct_from(seen.sent_at)
            rows.write(seen, {"sent_at": submission.before}, guard)

    def settle_failure(self, report: Notification, submission: Submission) -> Settlement:
        """Record that a payment has failed, as :meth:`settle` does, unless another request has been
        submitted since.

        :param report: states that the trade is closed without a payment, or does not exist.
        :param submission: the last request that the report knows of.
        :raises OutcomeUnknown: if another request has been submitted since.
        """
        self._submission = submission
        try:
            return self.settle(report)
        finally:
            self._submission = None

    def _finish(self, entry: JournalEntry, update: LedgerUpdate, payment: Any | None) -> Settlement:
        # The row is locked: no request can be marked any more.
        if (
            self._submission is not None
            and payment is not None
            and "failed" in update.events
            and in_utc(payment.sent_at) != self._submission.at
        ):
            raise OutcomeUnknown("another worker has submitted the payment again", retryable=True)
        return super()._finish(entry, update, payment)
