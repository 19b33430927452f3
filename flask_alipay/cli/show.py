"""``show``: all that the ledger knows of one payment, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from .errors import handle_errors
from .i18n import N_, _
from .merchants import PROGRAM_IN_APP, current_merchant
from .options import json_option
from .output import (
    display_amount,
    display_time,
    find_payment,
    masked_buyer,
    notification_as_json,
    payment_as_json,
    refund_as_json,
    response_method,
    rows_for_payment,
)
from .table import Column, echo_json, echo_table, strip_control_chars

if TYPE_CHECKING:
    from ..blueprint import AlipayBlueprint

_HELP = N_("""Show one payment: how it stands, its refunds, and what was heard about it.

NUMBER is the shop's number (out_trade_no) or Alipay's (trade_no). Times are China time. Buyer data
is masked.

\b
Examples:
  {prefix} show 20260131000000000000000001
  {prefix} show 2026013122001499160501586202 --json
""")


class TimelineEntry(NamedTuple):
    """One line of what happened."""

    at: datetime
    what: str
    detail: str


class PaymentHistory(NamedTuple):
    """A payment and its rows."""

    payment: Any
    refunds: list[Any]
    notifications: list[Any]


def show_command() -> click.Command:
    """Return the command, in the current language."""

    @click.command(
        "show",
        help=_(_HELP).format(prefix=PROGRAM_IN_APP),
        short_help=_("Show all that is known of one payment."),
    )
    @click.argument("number")
    @click.option(
        "--show-params", is_flag=True, help=_("Show what Alipay sent, buyer data included.")
    )
    @json_option
    def show(number: str, show_params: bool, machine: bool) -> None:
        alipay = current_merchant()
        with handle_errors():
            story = _read(alipay, number)
        if machine:
            _as_json(story, show_params)
        else:
            _print(alipay, story, show_params)

    return show


def _read(alipay: AlipayBlueprint, number: str) -> PaymentHistory:
    models = alipay.models
    payment = find_payment(alipay, number)
    out_trade_no = payment.out_trade_no
    return PaymentHistory(
        payment,
        rows_for_payment(alipay, models.Refund, out_trade_no),
        rows_for_payment(alipay, models.Notification, out_trade_no),
    )


def _as_json(history: PaymentHistory, show_params: bool) -> None:
    echo_json(
        {
            **payment_as_json(history.payment),
            "refunds": [refund_as_json(refund) for refund in history.refunds],
            "notifications": [
                notification_as_json(row, show_params) for row in history.notifications
            ],
        }
    )


def _print(alipay: AlipayBlueprint, history: PaymentHistory, show_params: bool) -> None:
    payment = history.payment
    facts = [(name, strip_control_chars(value)) for name, value in _facts(payment) if value]
    wide = max(len(name) for name, _value in facts)
    for name, value in facts:
        click.echo(f"{name.ljust(wide)}  {value}")
    click.echo()
    columns = [Column(_("when"), min_width=10), Column(_("what")), Column(_("more"), min_width=12)]
    # Alipay's times are whole seconds: within one, the order is that of a payment's life.
    events = sorted(_events(history), key=lambda event: event.at.replace(microsecond=0))
    echo_table(columns, [(display_time(at), what, detail) for at, what, detail in events])
    if show_params:
        for row in history.notifications:
            click.echo(f"\n#{row.id}")
            for name, value in sorted(row.payload.items()):
                click.echo(f"  {strip_control_chars(name)}: {strip_control_chars(value)}")
    if alipay.models.Notification is None:
        click.echo("\n" + _("The app keeps no journal: what Alipay said is not known."))
    elif not history.notifications and not payment.paid:
        click.echo("\n" + _("Nothing was heard of it from Alipay."))


def _facts(payment: Any) -> Iterator[tuple[str, Any]]:
    currency = payment.currency
    yield "out_trade_no", payment.out_trade_no
    yield "trade_no", payment.trade_no
    yield "trade_status", payment.trade_status
    yield "paid", "yes" if payment.paid else "no"
    yield "subject", payment.subject
    yield "total_amount", display_amount(payment.total_fen, currency)
    yield "refunded", payment.refunded_fen and display_amount(payment.refunded_fen, currency)
    yield "product", payment.product
    yield "buyer_id", masked_buyer(payment)
    yield "merchant", payment.merchant


def _events(history: PaymentHistory) -> Iterator[TimelineEntry]:
    payment = history.payment
    for at, what in (
        (payment.created_at, _("made")),
        (payment.expires_at, _("can no longer be paid")),
        (payment.paid_at, _("paid")),
        (payment.closed_at, _("closed")),
        (payment.finished_at, _("finished")),
    ):
        if at is not None:
            yield TimelineEntry(at, what, "")
    for refund in history.refunds:
        detail = f"{display_amount(refund.refund_fen, payment.currency)}, {refund.out_request_no}"
        yield TimelineEntry(refund.created_at, _("refund asked for"), detail)
        if refund.refunded_at is not None:
            yield TimelineEntry(refund.refunded_at, _("refunded"), detail)
    for row in history.notifications:
        detail = ", ".join(filter(None, (f"#{row.id} {row.outcome}", row.detail)))
        told = _("asked: {status}") if response_method(row) else "Alipay: {status}"
        yield TimelineEntry(row.received_at, told.format(status=row.trade_status), detail)
