"""``reconcile``: query of all pending payments and refunds at Alipay."""

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

_HELP = N_("""Ask Alipay about payments that still wait, and settle what it answers.

Sales whose notification was lost are settled, what expired is closed, and refunds whose outcome is
unknown are finished; not on the legacy gateway, which cannot be asked about a refund: it tells of
one in the notification of its batch, and where none came, Alipay's console knows. It may run in
several processes at once: they share the work. The exit status is 1 if something could not be asked
about or settled.

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
        short_help=_("Ask Alipay about all that still waits."),
    )
    @click.option(
        "--older-than",
        type=Age(),
        default="10m",
        show_default=True,
        help=_("Leave out what is younger: 30s, 10m, 2h, 1d."),
    )
    @click.option("--limit", type=click.IntRange(min=1), help=_("The most to ask about."))
    @click.option("--watch", is_flag=True, help=_("Go on, a round each minute, until stopped."))
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
        label = _("Asking Alipay")
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
        if one.outcome not in ("waiting", "refund_waiting"):
            yield one
        if stop.is_set():
            return


def _print(one: ReconcileItem) -> None:
    number = (
        f"{strip_control_chars(one.reference)} ({one.out_trade_no})"
        if one.reference
        else one.out_trade_no
    )
    if one.error is not None:
        text = _("{number}: {trouble}")
        click.echo(text.format(number=number, trouble=sentence(one.error)), err=True)
        return
    texts = {
        "paid": _("{number} is paid."),
        "closed": _("{number} is closed, not paid."),
        "refunded": _("{number}: a refund is done."),
    }
    click.echo(texts[one.outcome].format(number=number))


def _print_summary(summary: ReconcileReport) -> None:
    text = _(
        "Asked about {asked}: {paid} paid, {closed} closed, {waiting} still waiting, {refunded} "
        "refunds done, {refused} refused; {troubles} could not be asked about or settled."
    )
    click.echo(
        text.format(
            asked=summary.queried,
            paid=summary.paid,
            closed=summary.closed,
            waiting=summary.waiting,
            refunded=summary.refunded,
            refused=summary.refund_refused,
            troubles=len(summary.failures),
        )
    )
    if summary.aborted:
        click.echo(_("Alipay does not answer: given up for now, the rest waits."), err=True)


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
