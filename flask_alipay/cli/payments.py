"""``payments``: what the ledger knows of many payments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..ledger.session import unfiltered
from ..ledger.totals import totals
from ..protocol.trade_status import TradeStatus
from .errors import handle_errors
from .i18n import N_, _, n_
from .merchants import PROGRAM_IN_APP, current_merchant
from .options import json_option
from .output import (
    Age,
    display_amount,
    display_time,
    newest_payments,
    payment_as_json,
    payment_filters,
    read,
)
from .table import Column, echo_json, echo_table

if TYPE_CHECKING:
    pass

_HELP = N_("""List payments, the newest first, and sum them up.

Times are China time, as in Alipay's console. Ages are counted from when a payment was made, and
written like 30m, 2h or 7d.

\b
Examples:
  {prefix} payments --unpaid --older-than 30m
  {prefix} payments --status TRADE_CLOSED --text tea --json
""")


def payments_command() -> click.Command:
    """Return the command, in the current language."""

    @click.command(
        "payments",
        help=_(_HELP).format(prefix=PROGRAM_IN_APP),
        short_help=_("List payments and sum them up."),
    )
    @click.option(
        "--status",
        multiple=True,
        type=click.Choice(TradeStatus.ALL, case_sensitive=False),
        metavar="TRADE_STATUS",
        help=_("Only those that stand there; may be given several times."),
    )
    @click.option("--paid/--unpaid", default=None, help=_("Only sales, or only what is none."))
    @click.option("--older-than", type=Age(), metavar="AGE", help=_("Made longer ago than this."))
    @click.option("--newer-than", type=Age(), metavar="AGE", help=_("Made within this time."))
    @click.option("--text", help=_("A part of the subject or of either number."))
    @click.option(
        "--limit",
        type=click.IntRange(1),
        default=50,
        show_default=True,
        help=_("At most so many; the sums are of all."),
    )
    @json_option
    def payments(limit: int, machine: bool, **options: Any) -> None:
        alipay = current_merchant()
        conditions = payment_filters(alipay, options)
        with handle_errors():
            found = read(alipay, newest_payments(alipay, conditions, limit))
            sums = list(unfiltered(alipay.session, totals(alipay.models.Payment, conditions)))
        if machine:
            for payment in found:
                echo_json(payment_as_json(payment))
        else:
            _list(found, sums)

    return payments


def _list(found: list[Any], sums: list[Any]) -> None:
    if not found:
        click.echo(_("No payment fits."))
        return
    columns = [
        Column("out_trade_no"),
        Column("trade_status", min_width=14),
        Column(_("amount"), right=True),
        Column(_("refunded"), right=True, optional=True),
        Column(_("made")),
        Column(_("subject"), min_width=8, optional=True),
    ]
    echo_table(columns, map(_row, found))
    click.echo()
    for currency, count, total, paid, refunded in sums:
        told = n_(
            "{count} payment of {total}; paid {paid}, refunded {refunded}.",
            "{count} payments of {total}; paid {paid}, refunded {refunded}.",
            count,
        )
        names = {"total": total, "paid": paid, "refunded": refunded}
        amounts = {name: display_amount(int(fen), currency) for name, fen in names.items()}
        click.echo(told.format(count=count, **amounts))
    left = sum(row[1] for row in sums) - len(found)
    if left > 0:
        told = _("{count} older ones are not shown: --limit shows more.")
        click.echo(told.format(count=left))


def _row(payment: Any) -> tuple[Any, ...]:
    currency = payment.currency
    return (
        payment.out_trade_no,
        payment.trade_status,
        _short(payment.total_fen, currency),
        _short(payment.refunded_fen, currency) if payment.refunded_fen else "",
        display_time(payment.created_at)[:16],
        payment.subject,
    )


def _short(fen: int, currency: str) -> str:
    """Yuan go without saying."""
    return display_amount(fen, currency).removesuffix(" CNY")
