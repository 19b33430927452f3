"""The operator pages about the journal: notifications, responses and operators' actions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import abort, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from sqlalchemy import select

from ..ledger.exact_text import exactly
from ..ledger.history import AGREEMENT, AUTHORIZATION, PAYMENT, TRANSFER, kind_of, subject_of
from ..ledger.listing import Listing, journal_listing, read_all, read_rows
from . import rows
from .base import AlipayView, Page, no_page
from .export import number, safe_text
from .filters import Filters, InvalidFilter, narrowed
from .texts import OUTCOMES, _, choices

_MAX_ID = 2**63 - 1


class NotificationsView(AlipayView):
    """The journal, the newest first."""

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """List rows of the journal."""
        kept = self.alipay.models.Notification is not None
        page = self._page(Filters(request.args)) if kept else Page([], "", "")
        return self.render(
            "notifications.html",
            page=page,
            kept=kept,
            outcomes=choices(OUTCOMES),
            url_of=self._url_of,
        )

    @expose("/export.csv")
    def export(self) -> ResponseReturnValue:
        """Return the selected rows as CSV, without their parameters."""
        if self.alipay.models.Notification is None:
            abort(404)
        try:
            listing = self._listing(Filters(request.args))
        except InvalidFilter as error:
            abort(400, str(error))
        return self.csv("notifications", self._lines(listing))

    @expose("/<int:row_id>")
    def show(self, row_id: int) -> ResponseReturnValue:
        """Show one row with its parameters."""
        row = journal_row(self, row_id)
        if row is None:
            abort(404)
        reveal = "reveal" in request.args
        return self.render(
            "notification.html",
            row=row,
            parameters=rows.parameters(row, reveal),
            reveal=reveal,
            kind=kind_of(row),
            subject=subject_of(row),
            url_of=self._url_of,
            has_payment=subject_of(row) in (PAYMENT, TRANSFER)
            and self.alipay.ledger().find(row.out_trade_no) is not None,
        )

    def _url_of(self, row: Any) -> str:
        """Return the URL of the authorization or agreement that a row is about; empty if it is
        about neither, or the shop has no class for it.
        """
        subject, models = subject_of(row), self.alipay.models
        if subject == AUTHORIZATION and models.Authorization is not None:
            return self.link("authorizations", "show", out_order_no=row.out_trade_no)
        if subject == AGREEMENT and models.Agreement is not None:
            return self.link("agreements", "show", external_agreement_no=row.out_trade_no)
        return ""

    def _page(self, filters: Filters) -> Page:
        try:
            return self.page(self._listing(filters), filters)
        except InvalidFilter as error:
            return no_page(error)

    def _listing(self, filters: Filters) -> Listing:
        outcome = filters.choice("outcome", OUTCOMES)
        listing = journal_listing(
            self.alipay.models.Notification, self.merchant_of(), (outcome,) if outcome else ()
        )
        return narrowed(listing, filters)

    def _lines(self, listing: Listing) -> Iterator[tuple[str, ...]]:
        yield (
            _("Row"),
            _("Received (China time)"),
            _("Source"),
            _("Order number"),
            _("Alipay's number"),
            _("Trade status"),
            _("Outcome"),
            _("Details"),
            _("Notification number"),
        )
        for row in read_all(self.alipay.session, listing):
            yield (
                str(row.id),
                rows.china(row.received_at),
                safe_text(rows.source(row)),
                number(row.out_trade_no),
                number(row.trade_no),
                rows.trade_status(row),
                rows.outcome(row),
                safe_text(row.detail),
                number(row.notify_id),
            )


def journal_row(view: AlipayView, row_id: int) -> Any | None:
    """Return a row of the merchant's journal; ``None`` if there is none.

    :param row_id: its ``id``.
    """
    model: Any = view.alipay.models.Notification
    if model is None or not 0 < row_id <= _MAX_ID:
        return None
    found = select(model).where(model.id == row_id, exactly(model.merchant, view.merchant_of()))
    return next(iter(read_rows(view.alipay.session, found)), None)
