"""The ledger of agreements: each report once, and at most one deduction at a time.

A deduction is claimed by a guarded ``UPDATE`` on the agreement's row before Alipay is called, in
the transaction that makes the payment a deduction of this period. The row names it until its
outcome is known; a paid one moves the plan on in the transaction that settles the payment.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ..exceptions import LedgerUnavailable, PaymentMismatch, UnknownPayment
from ..models import utc_now
from ..protocol.agreements import AgreementReport, AgreementStatus
from ..protocol.message import Message
from ..protocol.trade_status import TradeStatus
from .agreement_rows import AgreementRows
from .agreement_transitions import AGREEMENT_ENDED, AGREEMENT_SIGNED, agreement_cell
from .agreement_updates import Deduction, PlanState, check_numbers, plan_values, status_values
from .journal import JournalEntry
from .ledger import Ledger
from .payment_rows import PaymentRows
from .settlement import MessageEffect, Settlement
from .statements import is_serialization_failure
from .transfer_updates import Submission

_ATTEMPTS: Final = 20
_MAX_CODE: Final = 64
_UNPAID: Final = TradeStatus.WAIT_BUYER_PAY


class AgreementLedger(Ledger):
    """The ledger of a merchant with the rows of its agreements; the application has a class for
    them.
    """

    @cached_property
    def agreements(self) -> AgreementRows:
        """The rows of the agreements."""
        return AgreementRows(self._session, self._models.Agreement, self._merchant)

    def find_agreement(self, external_agreement_no: str) -> Any | None:
        """Return an agreement of this merchant as the database has it now, or ``None``."""
        return self.agreements.find(external_agreement_no)

    def last_paid_date(self, external_agreement_no: str) -> str | None:
        """Return the day of an agreement's last deduction that was paid, or ``None``."""
        return self.agreements.last_paid_date(self._models.Payment, external_agreement_no)

    def settle_agreement(
        self, report: AgreementReport, plan: PlanState | None = None
    ) -> Settlement:
        """Record a verified report about an agreement once, in one transaction with the shop's
        callbacks. A response that changes nothing is not journalled.

        :param report: a response; it names the merchant's number.
        :param plan: the agreement's plan when Alipay was queried.
        :raises UnknownPayment: if the agreement is not in the ledger.
        :raises PaymentMismatch: if Alipay's number contradicts the ledger.
        :raises CallbackFailed: if a callback raised; everything is rolled back.
        :raises LedgerUnavailable: if the database could not record it; everything is rolled back.
        """
        number = report.external_agreement_no or ""
        entry = JournalEntry(number, report.agreement_no, report.status, None, report.params)
        return self._in_transaction(entry, lambda: self._settle_report(report, entry, plan))

    def apply_message(self, message: Message) -> MessageEffect | None:
        """Change the agreement that a message reports, in the current transaction; see
        :class:`~flask_alipay.ledger.messages.MessageHandler`.

        :raises BadNotification: if a field is missing or invalid.
        :raises PaymentMismatch: if Alipay's number contradicts the ledger.
        """
        report = AgreementReport.from_message(
            message.kind, message.content, message.params, message.notify_id
        )
        seen = self._seen(report)
        if seen is None or not self._is_for(seen, message.auth_app_id):
            return MessageEffect("recorded")  # made by other software, or for another merchant
        check_numbers(seen, report)
        cell = agreement_cell(seen.status, seen.agreement_no, report)
        values = {**status_values(seen, report, cell), **plan_values(seen, report, None, None)}
        if not values:
            return MessageEffect("recorded")
        if not self._change(seen, values, report):
            return None
        events = _events(cell)
        row = self.agreements.require(seen.external_agreement_no)
        return MessageEffect("settled" if events else "recorded", events, row)

    def mark_sent(self, external_agreement_no: str) -> None:
        """Record that an agreement is first sent to the payer, and commit."""
        self._session.roll_back()
        seen = self.agreements.read(external_agreement_no)
        if seen is not None and seen.sent_at is None:
            self.agreements.change(seen, {"sent_at": utc_now()})
        self._session.session.commit()

    def lease_query(self, external_agreement_no: str, interval: timedelta) -> bool:
        """Take the right to query Alipay about an agreement whose payer waits, and commit.

        :param interval: the time between two queries, by all processes.
        :returns: ``False`` if it was queried meanwhile.
        """
        self._session.roll_back()
        leased = self.agreements.lease(external_agreement_no, utc_now(), interval)
        self._session.session.commit()
        return leased

    def claim_deduction(
        self, external_agreement_no: str, deduction: Deduction
    ) -> Submission | None:
        """Make a payment the deduction of an agreement's period, and commit.

        The payment is unpaid, and neither sent to Alipay nor claimed before. The agreement is in
        force, has no deduction whose outcome is unknown, and its plan and sum are those that the
        decision is based on.

        :returns: the mark of the request that the caller now submits; ``None`` if the payment or
            the agreement is not in that state any more.
        """
        session = self._session
        for _ in range(_ATTEMPTS):
            session.roll_back()
            seen = self.agreements.read(external_agreement_no)
            payments = PaymentRows(session, self._models.Payment, self._merchant)
            names = ("paid", "trade_status", "sent_at", "external_agreement_no", "out_order_no")
            payment = payments.read(deduction.out_trade_no, names)
            session.roll_back()
            if not (_is_claimable(seen, deduction) and _is_free(payment)):
                return None
            column, submission = payments.column, Submission.after(None)
            values = {
                "external_agreement_no": external_agreement_no,
                "deduction_date": deduction.day,
                "sent_at": submission.at,
            }
            guard = (
                column["paid"].is_(False),
                column["trade_status"] == _UNPAID,
                column["sent_at"].is_(None),
                column["external_agreement_no"].is_(None),
                column["out_order_no"].is_(None),
            )
            try:
                # In the order in which a settlement locks them.
                if payments.change(payment, values, *guard) and self.agreements.change(
                    seen, {"charge_no": deduction.out_trade_no}
                ):
                    session.session.commit()
                    return submission
            except SQLAlchemyError as error:
                session.roll_back()
                if not is_serialization_failure(error):
                    raise
        raise LedgerUnavailable("other workers keep changing the agreement")

    def record_check(self, external_agreement_no: str, day: str) -> None:
        """Record the day on which a signed agreement was queried, and commit."""
        self._session.roll_back()
        seen = self.agreements.read(external_agreement_no)
        if seen is not None and seen.status != AgreementStatus.TEMP:
            self.agreements.change(seen, {"checked_date": day})
        self._session.session.commit()

    def record_rejection(self, external_agreement_no: str, code: str) -> None:
        """Record Alipay's code of the last deduction, which has failed, and commit."""
        self._session.roll_back()
        seen = self.agreements.read(external_agreement_no)
        if seen is not None and seen.charge_no is None:
            self.agreements.change(seen, {"error_code": code[:_MAX_CODE]})
        self._session.session.commit()

    def _settle_report(
        self, report: AgreementReport, entry: JournalEntry, plan: PlanState | None
    ) -> Settlement | None:
        seen = self._seen(report)
        if seen is None:
            raise UnknownPayment("no such agreement in the ledger")
        check_numbers(seen, report)
        cell = agreement_cell(seen.status, seen.agreement_no, report)
        last = None if plan is None else self.last_paid_date(seen.external_agreement_no)
        values = {**status_values(seen, report, cell), **plan_values(seen, report, plan, last)}
        if not values:
            self._session.session.commit()
            return self._settled(seen, cell, ())
        # The UPDATE has to be the first statement of its transaction.
        self._session.roll_back()
        if not self._change(seen, values, report):
            return None
        events = _events(cell)
        outcome = "settled" if events else "recorded"
        if events:
            row = self.agreements.require(seen.external_agreement_no)
            for event in events:
                self._run_callbacks(event, row)
        self._journal.write(entry, outcome, ", ".join(events) or None)
        self._session.session.commit()
        return self._settled(seen, outcome, events)

    def _settled(self, seen: Any, outcome: str, events: tuple[str, ...]) -> Settlement:
        number = seen.external_agreement_no
        return Settlement(outcome, events, lambda: self.find_agreement(number))

    def _change(self, seen: Any, values: Mapping[str, Any], report: AgreementReport) -> bool:
        """Change an agreement; another agreement must not have Alipay's number."""
        try:
            return self.agreements.change(seen, values)
        except IntegrityError:
            self._session.roll_back()
            if report.agreement_no is not None:
                other = self.agreements.read_by_agreement_no(report.agreement_no)
                if other is not None and other.id != seen.id:
                    raise PaymentMismatch(
                        "agreement_no", "another", report.agreement_no, notify_id=report.notify_id
                    ) from None
            raise

    def _seen(self, report: AgreementReport) -> Any | None:
        """Return the row of the agreement that a report names: by the merchant's number or, without
        it, by Alipay's.
        """
        if report.external_agreement_no is not None:
            return self.agreements.read(report.external_agreement_no)
        return self.agreements.read_by_agreement_no(report.agreement_no or "")

    def _is_for(self, seen: Any, auth_app_id: str | None) -> bool:
        """Return whether a message is about the merchant of an agreement: another merchant of a
        third-party application may use the same numbers.
        """
        if seen.auth_app_id is not None or auth_app_id is None:
            return bool(seen.auth_app_id == auth_app_id)
        return self._has_token or auth_app_id == self._merchant


def _events(cell: str) -> tuple[str, ...]:
    return (cell,) if cell in (AGREEMENT_SIGNED, AGREEMENT_ENDED) else ()


def _is_claimable(seen: Any, deduction: Deduction) -> bool:
    return (
        seen is not None
        and seen.status == AgreementStatus.NORMAL
        and seen.charge_no is None
        and PlanState.of(seen) == deduction.plan
        and seen.charged_fen == deduction.charged_fen
    )


def _is_free(payment: Any) -> bool:
    return (
        payment is not None
        and not payment.paid
        and payment.trade_status == _UNPAID
        and payment.sent_at is None
        and payment.external_agreement_no is None
        and payment.out_order_no is None
    )
