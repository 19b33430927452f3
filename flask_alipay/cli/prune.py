"""``prune``: deletion of old rows of the journal."""

from __future__ import annotations

import json
from datetime import timedelta

import click

from ..ledger.retention import MIN_AGE, OldNotifications
from ..models import utc_now
from ..protocol.conversion import format_china_time
from .errors import CommandFailed, handle_errors
from .i18n import N_, _, n_
from .merchants import PROGRAM_IN_APP, current_merchant
from .options import confirm, json_option, yes_option
from .output import Age, age_text

_HELP = N_("""Delete old rows of the journal.

The journal contains buyer data and grows with every notification. Payments, refunds, transfers,
authorizations and agreements are kept. Rows of the last 30 days cannot be deleted. Run it
regularly, for example with cron once a month; it may be interrupted and started again.

\b
Examples:
  {prefix} prune --older-than 365d
  {prefix} prune --older-than 365d --yes
""")


def prune_command() -> click.Command:
    """Return the command, in the current language."""

    @click.command(
        "prune",
        help=_(_HELP).format(prefix=PROGRAM_IN_APP),
        short_help=_("Delete old rows of the journal."),
    )
    @click.option(
        "--older-than",
        type=Age(),
        metavar="AGE",
        required=True,
        help=_("Delete rows that were received longer ago, for example 365d."),
    )
    @yes_option
    @json_option
    def prune(older_than: timedelta, yes: bool, as_json: bool) -> None:
        if older_than < MIN_AGE:
            text = _("--older-than must be at least {age}.")
            raise click.UsageError(text.format(age=age_text(MIN_AGE)))
        merchant = current_merchant()
        if merchant.models.Notification is None:
            raise CommandFailed(_("The app has no class for the journal."))
        before = utc_now() - older_than
        old = OldNotifications(
            merchant.session, merchant.models.Notification, merchant.config.merchant, before
        )
        with handle_errors(_("Rows may have been deleted. Run the command again.")):
            count = old.count()
            if count:
                _confirm(count, format_china_time(before), yes)
            deleted = sum(old.delete()) if count else 0
        if as_json:
            click.echo(json.dumps({"deleted": deleted}))
        else:
            text = n_("Deleted {count} row.", "Deleted {count} rows.", deleted)
            click.echo(text.format(count=deleted))

    return prune


def _confirm(count: int, before: str, yes: bool) -> None:
    text = n_(
        "{count} row of the journal, received before {before} (China time), will be deleted.",
        "{count} rows of the journal, received before {before} (China time), will be deleted.",
        count,
    )
    confirm(text.format(count=count, before=before), yes)
