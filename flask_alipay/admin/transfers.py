"""The operator page about transfers: a list and its CSV."""

from __future__ import annotations

from collections.abc import Iterator

from flask import abort, request
from flask.typing import ResponseReturnValue
from flask_admin import expose

from ..ledger.listing import Listing, read_all, transfer_listing
from ..protocol.conversion import format_amount
from . import rows
from .base import AlipayView, no_page
from .export import number, safe_text
from .filters import Filters, InvalidFilter, narrowed
from .texts import TRANSFERS, _, choices


class TransfersView(AlipayView):
    """Transfers, the newest first; reconciliation finds results that are unknown."""

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """List transfers."""
        filters = Filters(request.args)
        try:
            page = self.page(self._listing(filters), filters)
        except InvalidFilter as error:
            page = no_page(error)
        reveal = "reveal" in request.args
        return self.render("transfers.html", page=page, statuses=choices(TRANSFERS), reveal=reveal)

    @expose("/export.csv")
    def export(self) -> ResponseReturnValue:
        """Return the selected transfers as CSV, with the payees masked."""
        try:
            listing = self._listing(Filters(request.args))
        except InvalidFilter as error:
            abort(400, str(error))
        return self.csv("transfers", self._lines(listing))

    def _listing(self, filters: Filters) -> Listing:
        status = filters.choice("status", TRANSFERS)
        statuses = (status,) if status else ()
        listing = transfer_listing(self.alipay.models.Transfer, self.merchant_of(), statuses)
        return narrowed(listing, filters)

    def _lines(self, listing: Listing) -> Iterator[tuple[str, ...]]:
        yield (
            _("Transfer number"),
            _("Alipay's number"),
            _("Amount"),
            _("Payee"),
            _("Status"),
            _("Reason"),
            _("Requested (China time)"),
            _("Transferred at (China time)"),
        )
        for transfer in read_all(self.alipay.session, listing):
            yield (
                number(transfer.out_biz_no),
                number(transfer.order_id),
                format_amount(transfer.amount_fen),
                safe_text(rows.payee(transfer, reveal=False)),
                rows.transfer_status(transfer),
                safe_text(rows.failure(transfer)),
                rows.china(transfer.created_at),
                rows.china(transfer.transferred_at),
            )
