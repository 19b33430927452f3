"""``reconcile``: query of all pending payments, refunds and transfers at Alipay."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy.exc import SQLAlchemyError

from ..ledger.session import LedgerSession
from ..operations.reconciliation import ReconcileRun
from .database_errors import database_message
from .errors import NOT_IN_ORDER, CommandFailed, handle_errors, sentence
from .i18n import N_, _
from .merchants import PROGRAM_IN_APP, current_merchant
from .options import warn_if_simulator
from .output import Age, age_text
from .table import strip_control_chars

if TYPE_CHECKING:
    from ..merchant import Merchant
    from ..operations.reconciliation import ReconcileItem, ReconcileReport

_HELP = N_("""Query pending payments, refunds and transfers at Alipay, and update the ledger.

Sales whose notification was lost are settled, expired payments are closed, and refunds and
transfers with an unknown result are completed. The legacy gateway cannot query refunds: it reports
them in the notification of their batch; if that is missing, see Alipay's merchant portal. Several
processes may run at once and share the work. The exit status is 1 if a query or a settlement
failed.

\b
Examples:
  {prefix} reconcile
  {prefix} reconcile --older-than 1h --limit 500
  {prefix} reconcile --watch
""")

# Seconds between two rounds of --watch; doubled while Alipay or the database does not respond.
_PAUSE = 60.0
_MAX_PAUSE = 900.0


def reconcile_command() -> click.Command:
    """Return the command, in the current language."""

    @click.command(
        "reconcile",
        help=_(_HELP).format(prefix=PROGRAM_IN_APP),
        short_help=_("Query all pending payments, refunds and transfers at Alipay."),
    )
    @click.option(
        "--older-than",
        type=Age(),
        default="10m",
        show_default=True,
        help=_("Skip younger payments: 30s, 10m, 2h, 1d."),
    )
    @click.option("--limit", type=click.IntRange(min=1), help=_("The maximum number of queries."))
    @click.option("--watch", is_flag=True, help=_("Repeat every minute until stopped."))
    @click.pass_context
    def reconcile(
        context: click.Context, older_than: timedelta, limit: int | None, watch: bool
    ) -> None:
        merchant = current_merchant()
        warn_if_simulator(merchant.config.simulator)
        with _stop_on_sigterm() as stop, handle_errors():
            run = ReconcileRun(merchant, older_than, limit)
            summary = _first_round(run, stop, older_than, limit)
            if watch:
                _watch(merchant, older_than, limit, stop, unreachable=summary.aborted)
        if summary.failures and not watch:
            context.exit(NOT_IN_ORDER)

    return reconcile


def _first_round(
    run: ReconcileRun, stop: threading.Event, older_than: timedelta, limit: int | None
) -> ReconcileReport:
    """Run the first round; exit with status 1 if the database fails after a part of it."""
    try:
        return _round(run, stop, older_than, limit)
    except SQLAlchemyError as error:
        if not run.summary.queried:
            raise
        raise CommandFailed(database_message(error)) from None


def _watch(
    merchant: Merchant,
    older_than: timedelta,
    limit: int | None,
    stop: threading.Event,
    *,
    unreachable: bool,
) -> None:
    """Run rounds until stopped, with growing pauses while Alipay or the database does not respond.

    :param unreachable: whether the first round had no response.
    """
    wait = _PAUSE
    while True:
        wait = min(wait * 2, _MAX_PAUSE) if unreachable else _PAUSE
        if stop.wait(wait):
            return
        try:
            run = ReconcileRun(merchant, older_than, limit)
            unreachable = _round(run, stop, older_than, limit).aborted
        except SQLAlchemyError as error:
            LedgerSession(merchant.session).roll_back()
            click.echo(database_message(error), err=True)
            unreachable = True


def _round(
    run: ReconcileRun, stop: threading.Event, older_than: timedelta, limit: int | None
) -> ReconcileReport:
    if sys.stderr.isatty():
        label = _("Querying Alipay")
        with click.progressbar(run, length=run.count(), label=label, file=sys.stderr) as bar:
            changes = list(_changes(bar, stop))
        for one in changes:
            _print(one)
    else:
        for one in _changes(run, stop):
            _print(one)
    _print_summary(run.summary)
    _print_skipped(run, older_than, limit)
    return run.summary


def _changes(found: Any, stop: threading.Event) -> Iterator[ReconcileItem]:
    """Go through a round and yield the items that changed."""
    for one in found:
        if not one.outcome.endswith(("waiting", "in_force")):
            yield one
        if stop.is_set():
            return


def _print(one: ReconcileItem) -> None:
    number = one.external_agreement_no or one.out_biz_no or one.out_trade_no
    if one.reference:
        number = f"{strip_control_chars(one.reference)} ({number})"
    if one.error is not None:
        text = _("{number}: {trouble}")
        click.echo(text.format(number=number, trouble=sentence(one.error)), err=True)
        return
    texts = {
        "paid": _("{number} is paid."),
        "closed": _("{number} is closed without payment."),
        "refunded": _("{number}: a refund has succeeded."),
        "transferred": _("Transfer {number} has succeeded."),
        "agreement_signed": _("Agreement {number} is signed."),
        "agreement_ended": _("Agreement {number} has ended."),
    }
    click.echo(texts[one.outcome].format(number=number))


def _print_summary(summary: ReconcileReport) -> None:
    text = _(
        "Queried {queried}: {paid} paid, {closed} closed, {waiting} waiting, {refunded} "
        "refunds succeeded, {rejected} rejected; {failed} failed."
    )
    click.echo(
        text.format(
            queried=summary.queried,
            paid=summary.paid,
            closed=summary.closed,
            waiting=summary.waiting,
            refunded=summary.refunded,
            rejected=summary.refund_refused,
            failed=len(summary.failures),
        )
    )
    if summary.transfers:
        text = _("Transfers: {transferred} succeeded, {waiting} waiting, {failed} failed.")
        click.echo(
            text.format(
                transferred=summary.transferred,
                waiting=summary.transfer_waiting,
                failed=summary.transfer_failed,
            )
        )
    if summary.agreements:
        text = _("Agreements: {signed} signed, {waiting} waiting, {kept} in force, {ended} ended.")
        click.echo(
            text.format(
                signed=summary.agreement_signed,
                waiting=summary.agreement_waiting,
                kept=summary.agreement_in_force,
                ended=summary.agreement_ended,
            )
        )
    if summary.aborted:
        click.echo(
            _("Alipay does not respond. The remaining payments are left for the next round."),
            err=True,
        )


def _print_skipped(run: ReconcileRun, older_than: timedelta, limit: int | None) -> None:
    skipped = run.skipped()
    if skipped.younger:
        text = _("Skipped {count} younger than {age}.")
        click.echo(text.format(count=skipped.younger, age=age_text(older_than)))
    if skipped.others and limit is not None:
        click.echo(_("Skipped {count} beyond --limit.").format(count=skipped.others))
    elif skipped.others:
        text = _("Skipped {count} that were queried less than 2 minutes ago, or are being queried.")
        click.echo(text.format(count=skipped.others))
    if skipped.refunds:
        text = _("Skipped {count} refunds: the legacy gateway has no query for them.")
        click.echo(text.format(count=skipped.refunds))


@contextmanager
def _stop_on_sigterm() -> Iterator[threading.Event]:
    """Provide an event that SIGTERM sets: the current query is completed, no other is started."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)
