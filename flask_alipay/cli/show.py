"""``show``: all that the ledger knows of one payment, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from .conversation import json_option
from .exits import refusals
from .merchants import PROGRAM_IN_APP, current_merchant
from .rows import (
    amount,
    asked_in,
    china,
    find_payment,
    masked_buyer,
    news_as_json,
    of_payment,
    payment_as_json,
    refund_as_json,
)
from .table import Column, echo_json, echo_table, plain
from .wording import N_, _

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


class Event(NamedTuple):
    """One line of what happened."""

    at: datetime
    what: str
    detail: str


class Story(NamedTuple):
    """A payment and its rows."""

    payment: Any
    refunds: list[Any]
    news: list[Any]


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
        with refusals():
            story = _read(alipay, number)
        if machine:
            _as_json(story, show_params)
        else:
            _tell(alipay, story, show_params)

    return show


def _read(alipay: AlipayBlueprint, number: str) -> Story:
    models = alipay.models
    payment = find_payment(alipay, number)
    out_trade_no = payment.out_trade_no
    return Story(
        payment,
        of_payment(alipay, models.Refund, out_trade_no),
        of_payment(alipay, models.Notification, out_trade_no),
    )


def _as_json(story: Story, show_params: bool) -> None:
    echo_json(
        {
            **payment_as_json(story.payment),
            "refunds": [refund_as_json(refund) for refund in story.refunds],
            "notifications": [news_as_json(row, show_params) for row in story.news],
        }
    )


def _tell(alipay: AlipayBlueprint, story: Story, show_params: bool) -> None:
    payment = story.payment
    facts = [(name, plain(value)) for name, value in _facts(payment) if value]
    wide = max(len(name) for name, _value in facts)
    for name, value in facts:
        click.echo(f"{name.ljust(wide)}  {value}")
    click.echo()
    columns = [Column(_("when"), least=10), Column(_("what")), Column(_("more"), least=12)]
    # Alipay's times are whole seconds: within one, the order is that of a payment's life.
    events = sorted(_events(story), key=lambda event: event.at.replace(microsecond=0))
    echo_table(columns, [(china(at), what, detail) for at, what, detail in events])
    if show_params:
        for row in story.news:
            click.echo(f"\n#{row.id}")
            for name, value in sorted(row.payload.items()):
                click.echo(f"  {plain(name)}: {plain(value)}")
    if alipay.models.Notification is None:
        click.echo("\n" + _("The app keeps no journal: what Alipay said is not known."))
    elif not story.news and not payment.paid:
        click.echo("\n" + _("Nothing was heard of it from Alipay."))


def _facts(payment: Any) -> Iterator[tuple[str, Any]]:
    currency = payment.currency
    yield "out_trade_no", payment.out_trade_no
    yield "trade_no", payment.trade_no
    yield "trade_status", payment.trade_status
    yield "paid", "yes" if payment.paid else "no"
    yield "subject", payment.subject
    yield "total_amount", amount(payment.total_fen, currency)
    yield "refunded", payment.refunded_fen and amount(payment.refunded_fen, currency)
    yield "product", payment.product
    yield "buyer_id", masked_buyer(payment)
    yield "merchant", payment.merchant


def _events(story: Story) -> Iterator[Event]:
    payment = story.payment
    for at, what in (
        (payment.created_at, _("made")),
        (payment.expires_at, _("can no longer be paid")),
        (payment.paid_at, _("paid")),
        (payment.closed_at, _("closed")),
        (payment.finished_at, _("finished")),
    ):
        if at is not None:
            yield Event(at, what, "")
    for refund in story.refunds:
        detail = f"{amount(refund.refund_fen, payment.currency)}, {refund.out_request_no}"
        yield Event(refund.created_at, _("refund asked for"), detail)
        if refund.refunded_at is not None:
            yield Event(refund.refunded_at, _("refunded"), detail)
    for row in story.news:
        detail = ", ".join(filter(None, (f"#{row.id} {row.outcome}", row.detail)))
        told = _("asked: {status}") if asked_in(row) else "Alipay: {status}"
        yield Event(row.received_at, told.format(status=row.trade_status), detail)
