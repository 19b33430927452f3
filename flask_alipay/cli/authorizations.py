"""``authorizations``: a list of pre-authorisations with totals."""

from __future__ import annotations

from typing import Any

import click

from ..protocol.conversion import format_amount
from ..protocol.preauthorizations import AuthorizationStatus
from .errors import handle_errors
from .grants import (
    DEFAULT_LIMIT,
    authorization_as_json,
    authorization_model,
    conditions,
    count,
    list_options,
    read_newest,
)
from .i18n import N_, _, n_
from .merchants import PROGRAM_IN_APP, current_merchant
from .options import json_option
from .output import display_amount, display_time
from .table import Column, echo_json, echo_table

_HELP = N_("""List authorizations (pre-authorisations), the newest first, with totals.

Times are China time, amounts are in yuan. "left" is what can still be captured or released; "open"
is held for captures and a release without a result. Ages have the format 30m, 2h or 7d. --json
lists all authorizations unless --limit is given.

\b
Examples:
  {prefix} authorizations --status AUTHORIZED --older-than 20d
  {prefix} authorizations --number H1017 --json
""")


def authorizations_command() -> click.Command:
    """Return the command, in the current language."""

    @click.command(
        "authorizations",
        help=_(_HELP).format(prefix=PROGRAM_IN_APP),
        short_help=_("List authorizations with totals."),
    )
    @list_options(AuthorizationStatus.ALL)
    @json_option
    def authorizations(limit: int | None, as_json: bool, **options: Any) -> None:
        merchant = current_merchant()
        with handle_errors():
            model = authorization_model(merchant)
            numbers = (model.out_order_no, model.auth_no)
            where = conditions(merchant, model, numbers, options)
            if as_json:
                for row in read_newest(merchant, model, where, limit):
                    echo_json(authorization_as_json(row))
                return
            shown = list(read_newest(merchant, model, where, limit or DEFAULT_LIMIT))
            sums = count(
                merchant, model, where, model.total_fen, model.captured_fen, model.released_fen
            )
        _list(shown, sums)

    return authorizations


def _list(shown: list[Any], sums: tuple[int, ...]) -> None:
    if not shown:
        click.echo(_("No authorization matches."))
        return
    columns = [
        Column("out_order_no"),
        Column("status", min_width=10),
        Column(_("amount"), right=True),
        Column(_("captured"), right=True),
        Column(_("released"), right=True),
        Column(_("left"), right=True),
        Column(_("open"), right=True, optional=True),
        Column(_("created"), optional=True),
        Column(_("title"), min_width=7, optional=True),
    ]
    echo_table(columns, (_cells(row) for row in shown))
    click.echo()
    total, frozen, captured, released = sums
    text = n_(
        "{count} authorization of {total}; captured {captured}, released {released}.",
        "{count} authorizations of {total}; captured {captured}, released {released}.",
        total,
    )
    names = {"total": frozen, "captured": captured, "released": released}
    amounts = {name: display_amount(fen, "CNY") for name, fen in names.items()}
    click.echo(text.format(count=total, **amounts))
    if total > len(shown):
        text = _("{count} older ones are not shown: --limit shows more.")
        click.echo(text.format(count=total - len(shown)))


def _cells(row: Any) -> tuple[Any, ...]:
    return (
        row.out_order_no,
        row.status,
        format_amount(row.total_fen),
        _unless_zero(row.captured_fen),
        _unless_zero(row.released_fen),
        _unless_zero(row.rest_fen),
        _unless_zero(row.reserved_fen),
        display_time(row.created_at)[:16],
        row.title,
    )


def _unless_zero(fen: int) -> str:
    return format_amount(fen) if fen else ""
