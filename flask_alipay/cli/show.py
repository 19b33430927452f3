"""``show``: one payment, authorization or agreement with its history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ..ledger.annotations import query_groups
from ..ledger.history import OPERATOR, Event, History, history_of, kind_of
from ..ledger.references import reference_of
from ..models import utc_now
from .errors import handle_errors
from .i18n import N_, _, n_
from .merchants import PROGRAM_IN_APP, current_merchant
from .options import json_option
from .output import (
    display_amount,
    display_time,
    find_payment,
    masked,
    notification_as_json,
    payment_as_json,
    payments_with,
    query_as_json,
    refund_as_json,
)
from .table import Column, echo_json, echo_table, strip_control_chars

if TYPE_CHECKING:
    from ..merchant import Merchant

_HELP = N_("""Show a payment: its status, refunds, and Alipay's notifications and responses.

NUMBER is the payment's number (out_trade_no), Alipay's (trade_no) or the shop's own. It may also be
the shop's or Alipay's number of an authorization or agreement; --kind selects one if several things
have the number. Times are China time. Buyer data is masked.

\b
Examples:
  {prefix} show 20260131000000000000000001
  {prefix} show 2026013122001499160501586202 --json
""")

_KINDS = ("payment", "authorization", "agreement")


def show_command() -> click.Command:
    """Return the command, in the current language."""

    @click.command(
        "show",
        help=_(_HELP).format(prefix=PROGRAM_IN_APP),
        short_help=_("Show a payment with its history."),
    )
    @click.argument("number")
    @click.option(
        "--show-params",
        is_flag=True,
        help=_("Show all parameters from Alipay, including buyer data."),
    )
    @click.option(
        "--kind",
        type=click.Choice(_KINDS),
        help=_("The kind of thing that has the number; by default the first that is found."),
    )
    @json_option
    def show(number: str, kind: str | None, show_params: bool, as_json: bool) -> None:
        merchant = current_merchant()
        with handle_errors():
            if _show_grant(merchant, number, kind, show_params, as_json):
                return
            history = _read(merchant, number)
        if as_json:
            _as_json(history, show_params)
        else:
            _print(merchant, history, show_params)

    return show


def _show_grant(
    merchant: Merchant, number: str, kind: str | None, show_params: bool, as_json: bool
) -> bool:
    """Print an authorization or agreement; return ``False`` if the number is that of a payment, or
    of nothing.

    :param kind: one of :data:`_KINDS`, or ``None``: a payment takes precedence.
    """
    models = merchant.models
    if kind is None and models.Authorization is None and models.Agreement is None:
        return False
    from . import grants, show_grants  # applications without such classes never import it

    if kind == "payment" or (kind is None and payments_with(merchant, number)):
        return False
    if kind == "authorization":
        authorization = grants.find_authorization(merchant, number)
    else:
        authorization = None if kind else grants.authorization_with(merchant, number)
    if authorization is not None:
        show_grants.show_authorization(merchant, authorization, show_params, as_json)
        return True
    if kind == "agreement":
        agreement = grants.find_agreement(merchant, number)
    else:
        agreement = grants.agreement_with(merchant, number)
    if agreement is not None:
        show_grants.show_agreement(merchant, agreement, show_params, as_json)
    return agreement is not None


def _read(merchant: Merchant, number: str) -> History:
    payment = find_payment(merchant, number)
    return history_of(merchant.session, merchant.models, merchant.config.merchant, payment)


def _as_json(history: History, show_params: bool) -> None:
    echo_json(
        {
            **payment_as_json(history.payment),
            "queries": [query_as_json(group) for group in query_groups(history.payment)],
            "refunds": [refund_as_json(refund) for refund in history.refunds],
            "notifications": [notification_as_json(row, show_params) for row in history.journal],
        }
    )


def _print(merchant: Merchant, history: History, show_params: bool) -> None:
    payment = history.payment
    facts = [(name, strip_control_chars(value)) for name, value in _facts(payment) if value]
    wide = max(len(name) for name, _value in facts)
    for name, value in facts:
        click.echo(f"{name.ljust(wide)}  {value}")
    click.echo()
    columns = [
        Column(_("time"), min_width=10),
        Column(_("event")),
        Column(_("details"), min_width=12),
    ]
    echo_table(columns, [_line(event, payment.currency) for event in history.events(utc_now())])
    if show_params:
        for row in history.journal:
            click.echo(f"\n#{row.id}")
            for name, value in sorted(row.payload.items()):
                click.echo(f"  {strip_control_chars(name)}: {strip_control_chars(value)}")
    if merchant.models.Notification is None:
        click.echo("\n" + _("The app keeps no journal: notifications are not recorded."))
    elif not payment.paid and not any(row.notify_id for row in history.journal):
        click.echo("\n" + _("No notification about it was received."))


def _facts(payment: Any) -> Iterator[tuple[str, Any]]:
    currency = payment.currency
    yield "out_trade_no", payment.out_trade_no
    yield "reference", reference_of(payment)
    yield "trade_no", payment.trade_no
    yield "trade_status", payment.trade_status
    yield "paid", "yes" if payment.paid else "no"
    yield "subject", payment.subject
    yield "total_amount", display_amount(payment.total_fen, currency)
    yield "refunded", payment.refunded_fen and display_amount(payment.refunded_fen, currency)
    yield "product", payment.product
    for name in ("buyer_id", "buyer_open_id"):
        yield name, masked(payment, name)
    yield "out_order_no", payment.out_order_no
    yield "external_agreement_no", payment.external_agreement_no
    yield "deduction_date", payment.deduction_date
    yield "merchant", payment.merchant
    yield "auth_app_id", payment.auth_app_id


def _line(event: Event, currency: str) -> tuple[str, str, str]:
    """Return the cells of an event: time, event, details."""
    row, texts = event.row, _texts()
    if event.kind in ("refund_requested", "refunded"):
        detail = f"{display_amount(row.refund_fen, currency)}, {row.out_request_no}"
    elif event.kind == "queried":
        times = n_("{count} time", "{count} times", row.times).format(count=row.times)
        detail = f"{row.result}, {times}"
    elif event.kind in texts:
        detail = ""
    else:
        detail = ", ".join(filter(None, (f"#{row.id} {row.outcome}", row.detail)))
    return display_time(event.at), texts.get(event.kind) or _source(row), detail


def _texts() -> dict[str, str]:
    return {
        "created": _("created"),
        "sent": _("sent to Alipay"),
        "returned": _("buyer returned"),
        "expired": _("payment deadline"),
        "paid": _("paid"),
        "closed": _("closed"),
        "finished": _("finished"),
        "refund_requested": _("refund requested"),
        "refunded": _("refunded"),
        "queried": _("queried"),
    }


def _source(row: Any) -> str:
    kind = kind_of(row)
    if kind == "operator":
        return _("operator {name}").format(name=row.payload[OPERATOR])
    text = _("response: {status}") if kind == "response" else "Alipay: {status}"
    return text.format(status=row.trade_status)
