"""Results of a reconciliation: of one row, and of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ..exceptions import AlipayError, OutcomeUnknown

# After this number of consecutive queries without a response, the run is aborted.
_MAX_UNANSWERED: Final = 10


@dataclass(frozen=True)
class ReconcileItem:
    """The result for one payment, refund, transfer or agreement."""

    #: The number of the payment; empty for a transfer or agreement.
    out_trade_no: str
    #: ``paid``, ``closed``, ``waiting``, ``refunded``, ``refund_waiting``, ``refund_refused``,
    #: ``transferred``, ``transfer_waiting``, ``transfer_failed``, ``agreement_signed``,
    #: ``agreement_waiting``, ``agreement_in_force``, ``agreement_ended``, ``authorized``,
    #: ``authorization_waiting``, ``authorization_ended`` or ``trouble``.
    outcome: str
    #: For ``trouble``, ``refund_refused`` and ``transfer_failed``, and for a deduction or capture
    #: that has failed (``closed``): the exception.
    error: AlipayError | None = None
    #: The shop's own order number, empty if there is none.
    reference: str = ""
    #: The number of the transfer; empty for anything else.
    out_biz_no: str = ""
    #: The number of the agreement; empty for anything else.
    external_agreement_no: str = ""
    #: The number of the authorization; empty for anything else.
    out_order_no: str = ""


class Skipped(NamedTuple):
    """Numbers of pending rows that were not queried."""

    #: Created too recently.
    younger: int
    #: Beyond the limit or, without a limit, queried by another process just before.
    others: int
    #: Refunds at a gateway that has no query for them.
    refunds: int


@dataclass
class ReconcileReport:
    """The result of a run: numbers of payments, refunds, transfers and agreements."""

    #: Payments that are paid now.
    paid: int = 0
    #: Payments closed without being paid.
    closed: int = 0
    #: Payments still unpaid.
    waiting: int = 0
    #: Refunds that are done now, not done yet, and rejected by Alipay.
    refunded: int = 0
    refund_waiting: int = 0
    refund_refused: int = 0
    #: Transfers that are done now, not done yet, and failed.
    transferred: int = 0
    transfer_waiting: int = 0
    transfer_failed: int = 0
    #: Agreements that are signed now, still unsigned, in force as before, and ended.
    agreement_signed: int = 0
    agreement_waiting: int = 0
    agreement_in_force: int = 0
    agreement_ended: int = 0
    #: Authorizations that are frozen, not confirmed yet, and ended.
    authorized: int = 0
    authorization_waiting: int = 0
    authorization_ended: int = 0
    #: Those that could not be queried, or whose response could not be settled.
    failures: list[ReconcileItem] = field(default_factory=list)
    #: ``True`` if the run was aborted because Alipay did not respond any more.
    aborted: bool = False

    @property
    def queried(self) -> int:
        """The number of queries."""
        payments = self.paid + self.closed + self.waiting
        others = self.refunds + self.transfers + self.agreements + self.authorizations
        return payments + others + len(self.failures)

    @property
    def refunds(self) -> int:
        """The number of refunds with a response."""
        return self.refunded + self.refund_waiting + self.refund_refused

    @property
    def transfers(self) -> int:
        """The number of transfers with a response."""
        return self.transferred + self.transfer_waiting + self.transfer_failed

    @property
    def agreements(self) -> int:
        """The number of agreements with a response."""
        unsigned = self.agreement_signed + self.agreement_waiting
        return unsigned + self.agreement_in_force + self.agreement_ended

    @property
    def authorizations(self) -> int:
        """The number of authorizations with a response."""
        return self.authorized + self.authorization_waiting + self.authorization_ended

    def count(self, item: ReconcileItem) -> None:
        """Add a result."""
        if item.outcome == "trouble":
            self.failures.append(item)
        else:
            setattr(self, item.outcome, getattr(self, item.outcome) + 1)
        unanswered = isinstance(item.error, OutcomeUnknown)
        self._unanswered = self._unanswered + 1 if unanswered else 0
        self.aborted = self._unanswered >= _MAX_UNANSWERED

    _unanswered: int = field(default=0, repr=False)
