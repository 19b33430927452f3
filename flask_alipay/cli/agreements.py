"""``agreements``: a list of agreements on deductions."""

from __future__ import annotations

from typing import Any

import click

from ..ledger.agreement_filters import due_now
from ..protocol.agreements import AgreementStatus
from ..protocol.conversion import format_amount
from .errors import handle_errors
from .grants import (
    DEFAULT_LIMIT,
    agreement_as_json,
    agreement_model,
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

_HELP = N_("""List agreements on deductions, the newest first.

Times are China time, amounts are in yuan. "problem" is Alipay's code of the last deduction if it
failed, or the number of one without a result. Ages have the format 30m, 2h or 7d. --json lists all
agreements unless --limit is given.

\b
Examples:
  {prefix} agreements --due
  {prefix} agreements --status UNSIGN --newer-than 30d --json
""")


def agreements_command() -> click.Command:
    """Return the command, in the current language."""

    @click.command(
        "agreements",
        help=_(_HELP).format(prefix=PROGRAM_IN_APP),
        short_help=_("List agreements on deductions."),
    )
    @list_options(AgreementStatus.ALL)
    @click.option(
        "--due",
        is_flag=True,
        help=_("Only agreements under which a deduction can be made today."),
    )
    @json_option
    def agreements(limit: int | None, due: bool, as_json: bool, **options: Any) -> None:
        merchant = current_merchant()
        with handle_errors():
            model = agreement_model(merchant)
            numbers = (model.external_agreement_no, model.agreement_no)
            where = conditions(merchant, model, numbers, options)
            if due:
                days = merchant.config.deduction_window_days
                where += due_now(model, merchant.clock(), days)
            if as_json:
                for row in read_newest(merchant, model, where, limit):
                    echo_json(agreement_as_json(row))
                return
            shown = list(read_newest(merchant, model, where, limit or DEFAULT_LIMIT))
            total, charges, charged = count(
                merchant, model, where, model.charge_count, model.charged_fen
            )
        _list(shown, total, charges, charged)

    return agreements


def _list(shown: list[Any], total: int, charges: int, charged: int) -> None:
    if not shown:
        click.echo(_("No agreement matches."))
        return
    columns = [
        Column("external_agreement_no"),
        Column("status"),
        Column(_("period"), optional=True),
        Column("next_date"),
        Column(_("maximum"), right=True),
        Column(_("deductions"), right=True, optional=True),
        Column(_("deducted"), right=True),
        Column(_("problem"), min_width=8),
        Column(_("created"), optional=True),
    ]
    echo_table(columns, (_cells(row) for row in shown))
    click.echo()
    text = n_(
        "{count} agreement; {charged} deducted, {charges} deductions.",
        "{count} agreements; {charged} deducted, {charges} deductions.",
        total,
    )
    amount = display_amount(charged, "CNY")
    click.echo(text.format(count=total, charged=amount, charges=charges))
    if total > len(shown):
        text = _("{count} older ones are not shown: --limit shows more.")
        click.echo(text.format(count=total - len(shown)))


def _cells(row: Any) -> tuple[Any, ...]:
    return (
        row.external_agreement_no,
        row.status,
        period_text(row),
        row.next_date,
        "" if row.single_fen is None else format_amount(row.single_fen),
        row.charge_count,
        format_amount(row.charged_fen) if row.charged_fen else "",
        row.charge_no or row.error_code,
        display_time(row.created_at)[:16],
    )


def period_text(agreement: Any) -> str:
    """Return the length of an agreement's period as text: ``1 month``; empty without periods."""
    length = agreement.period
    if agreement.period_type is None or length is None:
        return ""
    if agreement.period_type == "MONTH":
        return n_("{count} month", "{count} months", length).format(count=length)
    return n_("{count} day", "{count} days", length).format(count=length)
