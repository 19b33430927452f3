"""The operator pages about authorizations: a list, its CSV, and one with its history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import abort, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from sqlalchemy import select

from ..ledger.exact_text import exactly
from ..ledger.grant_attention import expires_at
from ..ledger.grant_history import history_of_authorization
from ..ledger.history import AUTHORIZATION
from ..ledger.listing import Listing, authorization_listing, read_all, read_rows
from ..models import utc_now
from ..protocol.conversion import format_amount
from ..protocol.preauthorizations import AuthorizationStatus
from . import grant_rows, rows
from .base import no_page
from .export import number, safe_text
from .filters import Filters, InvalidFilter, narrowed
from .grant_actions import GrantActions
from .grant_forms import CaptureForm, ReleaseForm
from .texts import ACTIONS, AUTHORIZATIONS, _, choices


class AuthorizationsView(GrantActions):
    """Authorizations, the newest first, and what can be done about each."""

    about = AUTHORIZATION
    number = "out_order_no"

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """List authorizations."""
        filters = Filters(request.args)
        try:
            page = self.page(self._listing(filters), filters)
        except InvalidFilter as error:
            page = no_page(error)
        return self.render(
            "authorizations.html", page=page, kept=True, statuses=choices(AUTHORIZATIONS)
        )

    @expose("/export.csv")
    def export(self) -> ResponseReturnValue:
        """Return the selected authorizations as CSV, with the payers masked."""
        try:
            listing = self._listing(Filters(request.args))
        except InvalidFilter as error:
            abort(400, str(error))
        return self.csv("authorizations", self._lines(listing))

    @expose("/<out_order_no>")
    def show(self, out_order_no: str) -> ResponseReturnValue:
        """Show one authorization with its history."""
        row = self.find(out_order_no)
        if row is None:
            abort(404)
        alipay, reveal = self.alipay, "reveal" in request.args
        history = history_of_authorization(alipay.session, alipay.models, self.merchant_of(), row)
        frozen = row.status == AuthorizationStatus.AUTHORIZED and row.authorized_at is not None
        days = alipay.config.authorization_days
        return self.render(
            "authorization.html",
            authorization=row,
            events=[(event, *grant_rows.event_text(event)) for event in history.events(utc_now())],
            payments=history.payments,
            payer=grant_rows.payer(row, reveal),
            reveal=reveal,
            until=expires_at(row, days) if frozen else None,
            actions=_offered(row) if self.access.may_act() else [],
            action_names=ACTIONS,
            journal_kept=alipay.models.Notification is not None,
        )

    @expose("/<out_order_no>/query", methods=("GET", "POST"))
    def query(self, out_order_no: str) -> ResponseReturnValue:
        """Query Alipay about an authorization and update the ledger."""
        text = _("Alipay is queried about this authorization, and the ledger is updated.")
        return self.without_form(self.target(out_order_no), "query", text, self._query)

    @expose("/<out_order_no>/cancel", methods=("GET", "POST"))
    def cancel(self, out_order_no: str) -> ResponseReturnValue:
        """Cancel an authorization whose amount is not frozen."""
        row = self.target(out_order_no)
        if row.status != AuthorizationStatus.INIT:
            return self.impossible(row, _("Only an authorization that waits can be cancelled."))
        text = _("The authorization is cancelled: the payer can no longer authorise it.")
        return self.without_form(row, "cancel", text, self._cancel)

    @expose("/<out_order_no>/capture", methods=("GET", "POST"))
    def capture(self, out_order_no: str) -> ResponseReturnValue:
        """Charge a part of the frozen amount."""
        row = self.target(out_order_no)
        return self.submitted(row, CaptureForm(self.alipay, row))

    @expose("/<out_order_no>/release", methods=("GET", "POST"))
    def release(self, out_order_no: str) -> ResponseReturnValue:
        """Release the frozen amount, or a part of it."""
        row = self.target(out_order_no)
        return self.submitted(row, ReleaseForm(self.alipay, row))

    def find(self, number: str) -> Any | None:
        """Return an authorization as the database has it now, or ``None``."""
        model: Any = self.alipay.models.Authorization
        found = select(model).where(
            exactly(model.merchant, self.merchant_of()), exactly(model.out_order_no, number)
        )
        found = found.execution_options(populate_existing=True)
        return next(iter(read_rows(self.alipay.session, found)), None)

    def _query(self, row: Any) -> tuple[str, str]:
        return self._changed(row, self.alipay.query_authorization)

    def _cancel(self, row: Any) -> tuple[str, str]:
        return self._changed(row, self.alipay.cancel_authorization)

    def _changed(self, row: Any, work: Callable[[Any], Any]) -> tuple[str, str]:
        before = _state(row)
        number = row.out_order_no
        work(row)
        after: Any = self.find(number)
        status = grant_rows.authorization_status(after)
        if _state(after) != before:
            return "success", _("The ledger is updated: {status}.").format(status=status)
        return "info", _("The ledger is unchanged: {status}.").format(status=status)

    def _listing(self, filters: Filters) -> Listing:
        status = filters.choice("status", AUTHORIZATIONS)
        model = self.alipay.models.Authorization
        listing = authorization_listing(model, self.merchant_of(), (status,) if status else ())
        return narrowed(listing, filters)

    def _lines(self, listing: Listing) -> Iterator[tuple[str, ...]]:
        yield (
            _("Authorization number"),
            _("Alipay's number"),
            _("Title"),
            _("Amount"),
            _("Captured amount"),
            _("Released amount"),
            _("Amount left"),
            _("Status"),
            _("Created (China time)"),
            _("Frozen at (China time)"),
            _("Payer"),
        )
        for row in read_all(self.alipay.session, listing):
            yield (
                number(row.out_order_no),
                number(row.auth_no),
                safe_text(row.title),
                format_amount(row.total_fen),
                format_amount(row.captured_fen),
                format_amount(row.released_fen),
                format_amount(row.rest_fen),
                grant_rows.authorization_status(row),
                rows.china(row.created_at),
                rows.china(row.authorized_at),
                safe_text(grant_rows.payer(row, reveal=False)),
            )


def _offered(row: Any) -> list[str]:
    """Return the actions that an authorization's status permits."""
    found = ["query"]
    if row.status == AuthorizationStatus.INIT:
        found.append("cancel")
    if row.rest_fen > 0:
        found.append("capture")
    if row.rest_fen > 0 or row.release_no:
        found.append("release")
    return found


def _state(row: Any) -> tuple[Any, ...]:
    return row.status, row.captured_fen, row.released_fen, row.reserved_fen
