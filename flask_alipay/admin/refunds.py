"""The operator page about refunds: a list and its CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import abort, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from sqlalchemy import select

from ..ledger.listing import Listing, read_all, refund_listing
from ..ledger.session import unfiltered
from ..protocol.conversion import format_amount
from . import rows
from .base import AlipayView, Page, no_page
from .export import number, safe_text
from .filters import Filters, InvalidFilter, narrowed
from .texts import REFUNDS, _, choices


class RefundsView(AlipayView):
    """Refunds, the newest first; each is managed on the page of its payment."""

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """List refunds."""
        kept = self.alipay.models.Refund is not None
        page = self._page(Filters(request.args)) if kept else Page([], "", "")
        currencies = self._currencies(page.rows)
        return self.render(
            "refunds.html", page=page, kept=kept, kinds=choices(REFUNDS), currencies=currencies
        )

    @expose("/export.csv")
    def export(self) -> ResponseReturnValue:
        """Return the selected refunds as CSV."""
        if self.alipay.models.Refund is None:
            abort(404)
        try:
            listing = self._listing(Filters(request.args))
        except InvalidFilter as error:
            abort(400, str(error))
        return self.csv("refunds", self._lines(listing))

    def _page(self, filters: Filters) -> Page:
        try:
            return self.page(self._listing(filters), filters)
        except InvalidFilter as error:
            return no_page(error)

    def _listing(self, filters: Filters) -> Listing:
        kind = filters.choice("status", REFUNDS)
        listing = refund_listing(self.alipay.models.Refund, self.merchant_of(), kind)
        return narrowed(listing, filters)

    def _currencies(self, refunds: list[Any]) -> dict[str, str]:
        """Return the currencies of the payments that refunds belong to, by order number."""
        if not refunds:
            return {}
        Payment: Any = self.alipay.models.Payment
        numbers = {refund.out_trade_no for refund in refunds}
        found = select(Payment.out_trade_no, Payment.currency).where(
            Payment.out_trade_no.in_(numbers)
        )
        return {row.out_trade_no: row.currency for row in unfiltered(self.alipay.session, found)}

    def _lines(self, listing: Listing) -> Iterator[tuple[str, ...]]:
        yield (
            _("Refund number"),
            _("Order number"),
            _("Currency"),
            _("Amount"),
            _("Status"),
            _("Refund reason"),
            _("Requested (China time)"),
            _("Refunded at (China time)"),
        )
        for refund in read_all(self.alipay.session, listing):
            currency = self._currencies([refund]).get(refund.out_trade_no, "CNY")
            yield (
                number(refund.out_request_no),
                number(refund.out_trade_no),
                currency,
                format_amount(refund.refund_fen, currency),
                rows.refund_status(refund),
                safe_text(refund.reason),
                rows.china(refund.created_at),
                rows.china(refund.refunded_at),
            )
