"""The operator page about takings, open problems and recent reconciliation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from flask import abort, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from sqlalchemy.exc import SQLAlchemyError

from ..exceptions import AlipayError
from ..ledger.attention import open_problems, recently_queried
from ..ledger.grant_attention import GrantProblem, grant_problems
from ..ledger.operator_log import record_action
from ..ledger.session import LedgerSession
from ..ledger.takings import PERIODS, Period, Takings, periods, takings
from ..models import utc_now
from ..operations.reconciliation import ReconcileReport
from ..protocol.conversion import CHINA_TIME, format_amount
from . import grant_rows
from .base import AlipayView
from .chart import HEIGHT, LEFT, WIDTH, chart
from .confirmations import Confirmation, problem_of_form, token
from .errors import explain
from .filters import Filters, InvalidFilter
from .texts import ACTIONS, N_, _, n_

#: The kinds of periods in words.
KINDS: Final = {"day": N_("Days"), "week": N_("Weeks"), "month": N_("Months")}
#: Payments and refunds that one request reconciles: a browser waits for it.
RECONCILE_LIMIT: Final = 20
# Problems of each kind with authorizations and agreements.
_MAX_PROBLEMS: Final = 50


class TakingsView(AlipayView):
    """Sales, refunds and net; what needs attention; what was reconciled."""

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """Show takings, open problems and recent reconciliation."""
        filters = Filters(request.args)
        problem = ""
        try:
            kind, wanted = _periods(filters)
        except InvalidFilter as error:
            problem = str(error)
            kind, wanted = _periods(Filters({}))
        alipay = self.alipay
        found = takings(alipay.session, alipay.models, self.merchant_of(), wanted)
        now = utc_now()
        return self.render(
            "takings.html",
            problem=problem,
            kind=kind,
            kinds=KINDS,
            last=wanted[-1].end - timedelta(days=1),
            earlier=wanted[0].first - timedelta(days=1),
            currencies={
                currency: (each, chart(each, [label(kind, one.period) for one in each]))
                for currency, each in found.items()
            },
            sums={currency: _sum(each) for currency, each in found.items()},
            label=label,
            size=(WIDTH, HEIGHT, LEFT),
            refunds_kept=alipay.models.Refund is not None,
            journal_kept=alipay.models.Notification is not None,
            problems=open_problems(alipay.session, alipay.models, self.merchant_of(), now),
            grants=self._grant_problems(),
            grant_rows=grant_rows,
            queried=recently_queried(alipay.session, alipay.models, self.merchant_of()),
        )

    def _grant_problems(self) -> list[GrantProblem]:
        alipay = self.alipay
        return grant_problems(
            alipay.session,
            alipay.models,
            self.merchant_of(),
            clock=alipay.merchant.clock(),
            now=utc_now(),
            authorization_days=alipay.config.authorization_days,
            limit=_MAX_PROBLEMS,
        )

    @expose("/export.csv")
    def export(self) -> ResponseReturnValue:
        """Return the takings as CSV."""
        try:
            kind, wanted = _periods(Filters(request.args))
        except InvalidFilter as error:
            abort(400, str(error))
        alipay = self.alipay
        found = takings(alipay.session, alipay.models, self.merchant_of(), wanted)
        return self.csv(f"takings-{kind}", _lines(found))

    @expose("/reconcile", methods=("GET", "POST"))
    def reconcile(self) -> ResponseReturnValue:
        """Reconcile the payments and refunds that have waited longest."""
        if not self.access.may_act():
            abort(403)
        text = _(
            "Alipay is queried about the {count} payments and refunds that have waited longest, "
            "and the ledger is updated. This may take a minute."
        )
        confirmation = Confirmation(_(ACTIONS["reconcile"]), text.format(count=RECONCILE_LIMIT))
        problem = problem_of_form() if request.method == "POST" else ""
        if request.method == "GET" or problem:
            page = self.render(
                "confirm.html",
                payment=None,
                confirmation=confirmation,
                token=token(),
                problem=problem,
                back=self.get_url(".index"),
            )
            return page, 400 if problem else 200
        category, message = self._reconcile()
        flash(message, category)
        return redirect(self.get_url(".index"), 303)

    def _reconcile(self) -> tuple[str, str]:
        try:
            self._record()
            summary = self.alipay.reconcile(limit=RECONCILE_LIMIT)
            text = reconciled(summary)
            queried, failed = summary.queried, len(summary.failures)
            self._record(f"{queried} queried, {summary.paid} paid, {failed} failed", "done")
        except (AlipayError, SQLAlchemyError) as error:
            LedgerSession(self.alipay.session).roll_back()
            return "error", explain(error)
        return ("warning" if summary.failures else "success"), text

    def _record(self, detail: str = "", result: str = "") -> None:
        record_action(
            self.alipay.session,
            self.alipay.models,
            self.merchant_of(),
            operator=self.access.operator_name(),
            action="reconcile",
            detail=detail,
            result=result,
        )


def reconciled(summary: ReconcileReport) -> str:
    """Return the summary of a reconciliation in words."""
    text = n_(
        "{count} queried: {paid} paid, {closed} closed, {waiting} waiting, {refunded} refunds "
        "succeeded, {failed} failed.",
        "{count} queried: {paid} paid, {closed} closed, {waiting} waiting, {refunded} refunds "
        "succeeded, {failed} failed.",
        summary.queried,
    ).format(
        count=summary.queried,
        paid=summary.paid,
        closed=summary.closed,
        waiting=summary.waiting + summary.refund_waiting,
        refunded=summary.refunded,
        failed=len(summary.failures) + summary.refund_refused,
    )
    if summary.aborted:
        text += " " + _("Alipay does not respond; please try again later.")
    return text


def label(kind: str, period: Period) -> str:
    """Return the name of a period: ``01-31``, ``2026-01``."""
    return period.first.strftime("%Y-%m" if kind == "month" else "%m-%d")


def _periods(filters: Filters) -> tuple[str, list[Period]]:
    kind = filters.choice("by", PERIODS) or "day"
    last: date = filters.day("until") or utc_now().astimezone(CHINA_TIME).date()
    return kind, periods(kind, last)


def _sum(found: list[Takings]) -> Takings:
    return Takings(
        Period(found[0].period.first, found[-1].period.end),
        sum(each.sales for each in found),
        sum(each.sales_fen for each in found),
        sum(each.refunds for each in found),
        sum(each.refunds_fen for each in found),
    )


def _lines(found: dict[str, list[Takings]]) -> Iterator[tuple[str, ...]]:
    yield (
        _("Currency"),
        _("First day"),
        _("Last day"),
        _("Number of sales"),
        _("Sales amount"),
        _("Number of refunds"),
        _("Refunded amount"),
        _("Net"),
    )
    for currency, sums in found.items():
        for each in sums:
            yield (
                currency,
                each.period.first.isoformat(),
                (each.period.end - timedelta(days=1)).isoformat(),
                str(each.sales),
                format_amount(each.sales_fen, currency),
                str(each.refunds),
                format_amount(each.refunds_fen, currency),
                format_amount(each.net_fen, currency),
            )
