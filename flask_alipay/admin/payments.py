"""The operator pages about payments: a list, its CSV, and one payment with its history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import abort, request
from flask.typing import ResponseReturnValue
from flask_admin import expose

from ..ledger.listing import Listing, payment_listing, read_all
from ..ledger.references import reference_column, reference_of
from ..ledger.session import unfiltered
from ..ledger.totals import totals
from ..models import utc_now
from ..protocol.conversion import format_amount
from ..protocol.trade_status import TradeStatus
from . import rows
from .actions import PaymentActions, can_confirm_at_alipay, offered
from .base import AlipayView, no_page
from .export import number, safe_text
from .filters import Filters, InvalidFilter, narrowed
from .texts import ACTIONS, STATUSES, _, choices


class PaymentsView(PaymentActions, AlipayView):
    """Payments, the newest first, and what can be done about each."""

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """List payments."""
        filters = Filters(request.args)
        sums: list[dict[str, Any]] = []
        try:
            listing = self._listing(filters)
            page = self.page(listing, filters)
            if filters.has_range():
                sums = self._sums(listing)
        except InvalidFilter as error:
            page = no_page(error)
        return self.render(
            "payments.html",
            page=page,
            sums=sums,
            statuses=choices(STATUSES),
            products=[(name, name) for name in self.alipay.gateway.products],
            has_range=filters.has_range(),
            has_reference=reference_column(self.alipay.models.Payment) is not None,
        )

    @expose("/export.csv")
    def export(self) -> ResponseReturnValue:
        """Return the selected payments as CSV."""
        try:
            listing = self._listing(Filters(request.args))
        except InvalidFilter as error:
            abort(400, str(error))
        return self.csv("payments", self._lines(listing))

    @expose("/<out_trade_no>")
    def show(self, out_trade_no: str) -> ResponseReturnValue:
        """Show one payment with its history."""
        history = self.history(out_trade_no)
        if history is None:
            abort(404)
        payment = history.payment
        reveal = "reveal" in request.args
        return self.render(
            "payment.html",
            payment=payment,
            events=[
                (event, *rows.event_text(event, payment.currency))
                for event in history.events(utc_now())
            ],
            buyer=rows.buyer(payment, reveal),
            reveal=reveal,
            reference=reference_of(payment),
            actions=offered(self.alipay, payment) if self.access.may_act() else [],
            action_names=ACTIONS,
            with_password=can_confirm_at_alipay(self.alipay),
            journal_kept=self.alipay.models.Notification is not None,
            notified=any(event.kind == "notification" for event in history.events(utc_now())),
        )

    def _listing(self, filters: Filters) -> Listing:
        """Return the selection of the filters.

        :raises InvalidFilter: if one of them cannot be applied.
        """
        Payment: Any = self.alipay.models.Payment
        status = filters.choice("status", TradeStatus.ALL)
        product = filters.choice("product", self.alipay.gateway.products)
        subject = filters.text("subject")
        if subject and not filters.has_range():
            raise InvalidFilter(_("To search for a subject, please choose the first day, too."))
        lowest, highest = filters.fen("min"), filters.fen("max")
        conditions = []
        if product:
            conditions.append(Payment.product == product)
        if subject:
            conditions.append(Payment.subject.contains(subject, autoescape=True))
        if lowest is not None:
            conditions.append(Payment.total_fen >= lowest)
        if highest is not None:
            conditions.append(Payment.total_fen <= highest)
        statuses = (status,) if status else ()
        listing = payment_listing(Payment, self.merchant_of(), statuses)
        return narrowed(listing, filters, *conditions)

    def _sums(self, listing: Listing) -> list[dict[str, Any]]:
        found: Any = unfiltered(self.alipay.session, totals(listing.model, listing.where()))
        return [
            {
                "currency": currency,
                "count": int(count),
                **{
                    name: rows.money(int(fen), currency)
                    for name, fen in (("total", total), ("paid", paid), ("refunded", refunded))
                },
            }
            for currency, count, total, paid, refunded in found
        ]

    def _lines(self, listing: Listing) -> Iterator[tuple[str, ...]]:
        yield (
            _("Order number"),
            _("Shop's number"),
            _("Alipay's number"),
            _("Subject"),
            _("Currency"),
            _("Amount"),
            _("Refunded amount"),
            _("Status"),
            _("Product"),
            _("Created (China time)"),
            _("Paid at (China time)"),
            _("Buyer"),
        )
        for payment in read_all(self.alipay.session, listing):
            yield (
                number(payment.out_trade_no),
                safe_text(reference_of(payment)),
                number(payment.trade_no),
                safe_text(payment.subject),
                payment.currency,
                format_amount(payment.total_fen, payment.currency),
                format_amount(payment.refunded_fen, payment.currency),
                rows.payment_status(payment),
                payment.product or "",
                rows.china(payment.created_at),
                rows.china(payment.paid_at),
                rows.buyer(payment, reveal=False),
            )
