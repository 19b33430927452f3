"""The operator pages about agreements: a list, its CSV, and one with its history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import abort, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from sqlalchemy import select

from ..ledger.agreement_filters import due_now, overdue
from ..ledger.exact_text import exactly
from ..ledger.grant_history import history_of_agreement
from ..ledger.history import AGREEMENT
from ..ledger.listing import Listing, agreement_listing, read_all, read_rows
from ..models import utc_now
from ..protocol.agreements import AgreementStatus
from ..protocol.conversion import format_amount
from . import grant_rows, rows
from .base import no_page
from .export import number, safe_text
from .filters import Filters, InvalidFilter, narrowed
from .grant_actions import GrantActions
from .grant_forms import ChargeForm
from .texts import ACTIONS, AGREEMENTS, DUE, _, choices


class AgreementsView(GrantActions):
    """Agreements, the newest first, and what can be done about each."""

    about = AGREEMENT
    number = "external_agreement_no"

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """List agreements."""
        filters = Filters(request.args)
        try:
            page = self.page(self._listing(filters), filters)
        except InvalidFilter as error:
            page = no_page(error)
        return self.render(
            "agreements.html",
            page=page,
            kept=True,
            statuses=choices(AGREEMENTS),
            windows=choices(DUE),
        )

    @expose("/export.csv")
    def export(self) -> ResponseReturnValue:
        """Return the selected agreements as CSV, with the payers masked."""
        try:
            listing = self._listing(Filters(request.args))
        except InvalidFilter as error:
            abort(400, str(error))
        return self.csv("agreements", self._lines(listing))

    @expose("/<external_agreement_no>")
    def show(self, external_agreement_no: str) -> ResponseReturnValue:
        """Show one agreement with its history."""
        row = self.find(external_agreement_no)
        if row is None:
            abort(404)
        alipay, reveal = self.alipay, "reveal" in request.args
        history = history_of_agreement(alipay.session, alipay.models, self.merchant_of(), row)
        return self.render(
            "agreement.html",
            agreement=row,
            events=[(event, *grant_rows.event_text(event)) for event in history.events(utc_now())],
            payments=history.payments,
            payer=grant_rows.payer(row, reveal),
            reveal=reveal,
            actions=_offered(row) if self.access.may_act() else [],
            action_names=ACTIONS,
            journal_kept=alipay.models.Notification is not None,
        )

    @expose("/<external_agreement_no>/query", methods=("GET", "POST"))
    def query(self, external_agreement_no: str) -> ResponseReturnValue:
        """Query Alipay about an agreement and update the ledger."""
        text = _("Alipay is queried about this agreement, and the ledger is updated.")
        return self.without_form(self.target(external_agreement_no), "query", text, self._query)

    @expose("/<external_agreement_no>/end", methods=("GET", "POST"))
    def end(self, external_agreement_no: str) -> ResponseReturnValue:
        """End an agreement at Alipay and in the ledger."""
        row = self.target(external_agreement_no)
        if row.status == AgreementStatus.UNSIGN:
            return self.impossible(row, _("The agreement has ended already."))
        text = _(
            "The agreement is ended at Alipay and here: nothing more can be deducted, and the "
            "payer would have to sign again."
        )
        return self.without_form(row, "end", text, self._end)

    @expose("/<external_agreement_no>/charge", methods=("GET", "POST"))
    def charge(self, external_agreement_no: str) -> ResponseReturnValue:
        """Charge a payment under an agreement."""
        row = self.target(external_agreement_no)
        return self.submitted(row, ChargeForm(self.alipay, row))

    def find(self, number: str) -> Any | None:
        """Return an agreement as the database has it now, or ``None``."""
        model: Any = self.alipay.models.Agreement
        found = select(model).where(
            exactly(model.merchant, self.merchant_of()),
            exactly(model.external_agreement_no, number),
        )
        found = found.execution_options(populate_existing=True)
        return next(iter(read_rows(self.alipay.session, found)), None)

    def _query(self, row: Any) -> tuple[str, str]:
        return self._changed(row, self.alipay.query_agreement)

    def _end(self, row: Any) -> tuple[str, str]:
        return self._changed(row, self.alipay.end_agreement)

    def _changed(self, row: Any, work: Callable[[Any], Any]) -> tuple[str, str]:
        before = _state(row)
        number = row.external_agreement_no
        work(row)
        after: Any = self.find(number)
        status = grant_rows.agreement_status(after)
        if _state(after) != before:
            return "success", _("The ledger is updated: {status}.").format(status=status)
        return "info", _("The ledger is unchanged: {status}.").format(status=status)

    def _listing(self, filters: Filters) -> Listing:
        status, due = filters.choice("status", AGREEMENTS), filters.choice("due", DUE)
        model = self.alipay.models.Agreement
        listing = agreement_listing(model, self.merchant_of(), (status,) if status else ())
        now = self.alipay.merchant.clock()
        conditions: tuple[Any, ...] = ()
        if due == "now":
            conditions = due_now(model, now, self.alipay.config.deduction_window_days)
        elif due:
            conditions = overdue(model, now)
        return narrowed(listing, filters, *conditions)

    def _lines(self, listing: Listing) -> Iterator[tuple[str, ...]]:
        yield (
            _("Agreement number"),
            _("Alipay's number"),
            _("Status"),
            _("Period"),
            _("Next deduction"),
            _("Maximum of a deduction"),
            _("Number of deductions"),
            _("Deducted amount"),
            _("Problem"),
            _("Created (China time)"),
            _("Signed at (China time)"),
            _("Payer"),
        )
        for row in read_all(self.alipay.session, listing):
            yield (
                number(row.external_agreement_no),
                number(row.agreement_no),
                grant_rows.agreement_status(row),
                grant_rows.period(row),
                row.next_date or "",
                "" if row.single_fen is None else format_amount(row.single_fen),
                str(row.charge_count),
                format_amount(row.charged_fen),
                safe_text(grant_rows.problem(row)),
                rows.china(row.created_at),
                rows.china(row.signed_at),
                safe_text(grant_rows.payer(row, reveal=False)),
            )


def _offered(row: Any) -> list[str]:
    """Return the actions that an agreement's status permits."""
    found = ["query"]
    if row.status == AgreementStatus.NORMAL or row.charge_no:
        found.append("charge")
    if row.status != AgreementStatus.UNSIGN:
        found.append("end")
    return found


def _state(row: Any) -> tuple[Any, ...]:
    return row.status, row.charged_fen, row.next_date, row.charge_no
