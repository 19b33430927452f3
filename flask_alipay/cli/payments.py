"""``payments``: a list of payments with totals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from ..ledger.references import reference_column, reference_of
from ..ledger.session import unfiltered
from ..ledger.totals import totals
from ..models import utc_now
from ..protocol.conversion import format_amount
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
    read_each,
)
from .periods import day_options, days_of
from .spreadsheet import SpreadsheetOutput
from .table import Column, echo_json, echo_table

_HELP = N_("""List payments, the newest first, with totals.

Days and times are China time, as in Alipay's console, and those of a payment's creation. Ages have
the format 30m, 2h or 7d. --csv and --json list all payments unless --limit is given.

\b
Examples:
  {prefix} payments --today --paid
  {prefix} payments --unpaid --older-than 30m
  {prefix} payments --from 2026-01-01 --to 2026-01-31 --csv > january.csv
  {prefix} payments --status TRADE_CLOSED --text tea --json
""")
_TIMES = ("created_at", "paid_at", "closed_at", "finished_at")
#: The columns of ``--csv``.
_CSV = (
    "out_trade_no",
    "reference",
    "trade_no",
    "trade_status",
    "paid",
    "subject",
    "product",
    "currency",
    "total_amount",
    "refunded_amount",
    "buyer_id",
    "buyer_open_id",
    "auth_app_id",
    *_TIMES,
)
# The default limit of the table.
_DEFAULT_LIMIT = 50


def payments_command() -> click.Command:
    """Return the command, in the current language."""

    @click.command(
        "payments",
        help=_(_HELP).format(prefix=PROGRAM_IN_APP),
        short_help=_("List payments with totals."),
    )
    @click.option(
        "--status",
        multiple=True,
        type=click.Choice(TradeStatus.ALL, case_sensitive=False),
        metavar="TRADE_STATUS",
        help=_("Only payments with this trade status; may be given several times."),
    )
    @click.option("--paid/--unpaid", default=None, help=_("Only paid, or only unpaid payments."))
    @click.option(
        "--older-than", type=Age(), metavar="AGE", help=_("Only payments created longer ago.")
    )
    @click.option(
        "--newer-than", type=Age(), metavar="AGE", help=_("Only payments created within this time.")
    )
    @day_options
    @click.option("--buyer", help=_("Only payments of this buyer: buyer_id or OpenID."))
    @click.option("--text", help=_("A part of the subject or of a number."))
    @click.option(
        "--limit",
        type=click.IntRange(1),
        help=_(
            "The maximum number of payments, {count} by default in the table; totals include all."
        ).format(count=_DEFAULT_LIMIT),
    )
    @json_option
    @click.option("--csv", "as_csv", is_flag=True, help=_("CSV for spreadsheet programs."))
    def payments(limit: int | None, as_json: bool, as_csv: bool, **options: Any) -> None:
        if as_json and as_csv:
            raise click.UsageError(_("Use --json or --csv, not both."))
        merchant = current_merchant()
        conditions = payment_filters(merchant, options)
        with handle_errors():
            if as_json or as_csv:
                _echo_all(read_each(merchant, conditions, limit), as_csv)
                return
            shown = read(merchant, newest_payments(merchant, conditions, limit or _DEFAULT_LIMIT))
            sums = list(unfiltered(merchant.session, totals(merchant.models.Payment, conditions)))
        one_day = days_of(options).is_one_day
        has_reference = reference_column(merchant.models.Payment) is not None
        _list(shown, sums, one_day=one_day, has_reference=has_reference)

    return payments


def _echo_all(payments: Iterator[Any], as_csv: bool) -> None:
    if not as_csv:
        for payment in payments:
            echo_json(payment_as_json(payment))
        return
    output = SpreadsheetOutput(_CSV)
    for payment in payments:
        refunded = format_amount(payment.refunded_fen, payment.currency)
        times = {name: getattr(payment, name) for name in _TIMES}
        output.write({**payment_as_json(payment), **times, "refunded_amount": refunded})


def _list(shown: list[Any], sums: list[Any], *, one_day: bool, has_reference: bool) -> None:
    """Print the table and the totals.

    :param one_day: whether all payments are of one day.
    :param has_reference: whether the class has the shop's own order number.
    """
    if not shown:
        click.echo(_("No payment matches."))
        return
    refunded = any(payment.refunded_fen for payment in shown)
    columns = {
        "reference": has_reference and Column("reference"),
        "number": Column("out_trade_no", optional=has_reference),
        "status": Column("trade_status", min_width=14),
        "amount": Column(_("amount"), right=True),
        "refunded": refunded and Column(_("refund"), right=True, optional=True),
        "created": Column(_("created"), optional=True),
        "subject": Column(_("subject"), min_width=7),
    }
    shows = {name: column for name, column in columns.items() if column}
    rows = (_cells(payment, one_day) for payment in shown)
    echo_table(list(shows.values()), ([row[name] for name in shows] for row in rows))
    click.echo()
    for currency, count, total, paid, refunded in sums:
        text = n_(
            "{count} payment of {total}; paid {paid}, refunded {refunded}.",
            "{count} payments of {total}; paid {paid}, refunded {refunded}.",
            count,
        )
        names = {"total": total, "paid": paid, "refunded": refunded}
        amounts = {name: display_amount(int(fen), currency) for name, fen in names.items()}
        click.echo(text.format(count=count, **amounts))
    left = sum(row[1] for row in sums) - len(shown)
    if left > 0:
        text = _("{count} older payments are not shown: --limit shows more.")
        click.echo(text.format(count=left))


def _cells(payment: Any, one_day: bool) -> dict[str, Any]:
    currency = payment.currency
    return {
        "reference": reference_of(payment),
        "number": payment.out_trade_no,
        "status": payment.trade_status,
        "amount": _short_amount(payment.total_fen, currency),
        "refunded": _short_amount(payment.refunded_fen, currency) if payment.refunded_fen else "",
        "created": _short_time(display_time(payment.created_at), one_day),
        "subject": payment.subject,
    }


def _short_time(at: str, one_day: bool) -> str:
    """Return a China time without the day if all are of one day, else without the current year."""
    if one_day:
        return at[11:16]
    return at[5:16] if at[:4] == display_time(utc_now())[:4] else at[:10]


def _short_amount(fen: int, currency: str) -> str:
    """Return an amount as text, without the currency if it is CNY."""
    return display_amount(fen, currency).removesuffix(" CNY")
