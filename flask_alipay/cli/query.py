"""``query``: query of one payment at Alipay, with an update of the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..operations.queries import query as query_payment
from ..protocol.trade_status import TradeStatus
from .errors import CommandFailed, handle_errors
from .i18n import N_, _
from .merchants import PROGRAM_IN_APP, current_merchant
from .options import json_option, warn_if_simulator
from .output import find_payment, label, payment_as_json
from .table import echo_json

if TYPE_CHECKING:
    from ..operations.queries import QueryResult

_HELP = N_("""Query the status of a payment at Alipay, and update the ledger.

NUMBER is the payment's number (out_trade_no), Alipay's (trade_no) or the shop's own. A confirmed
status is settled as its notification would be: callbacks run, once. The exit status is 1 if the
ledger has a sale that Alipay does not have. Without a response it is 3, and nothing has changed.

\b
Examples:
  {prefix} query 20260131000000000000000001
  {prefix} query 20260131000000000000000001 --json
""")


def query_command() -> click.Command:
    """Return the command, in the current language."""

    @click.command(
        "query",
        help=_(_HELP).format(prefix=PROGRAM_IN_APP),
        short_help=_("Query the status of a payment at Alipay."),
    )
    @click.argument("number")
    @json_option
    def query(number: str, as_json: bool) -> None:
        merchant = current_merchant()
        next_step = _("The ledger is unchanged. Query again later.")
        with handle_errors(next_step):
            payment = find_payment(merchant, number)
            warn_if_simulator(merchant.config.simulator)
            before = payment.trade_status, payment.refunded_fen
            result = query_payment(merchant, payment)
        print_result(result, before, as_json)

    return query


def print_result(result: QueryResult, before: tuple[str, int], as_json: bool) -> None:
    """Print Alipay's report of a payment and the payment's status.

    :param result: the operation's result.
    :param before: the payment's status and refunded amount before the operation.
    :param as_json: whether to print JSON.
    :raises CommandFailed: if the ledger has a sale that Alipay does not have.
    """
    payment, reported = result
    if as_json:
        echo_json({**payment_as_json(payment), "alipay": {"trade_status": reported}})
    denied = payment.paid and reported in (None, TradeStatus.WAIT_BUYER_PAY)
    if as_json and not denied:
        return
    moved = (payment.trade_status, payment.refunded_fen) != before
    names = {
        "number": label(payment),
        "before": before[0],
        "after": payment.trade_status,
        "reported": reported,
    }
    text = _message(payment, reported, moved).format(**names)
    if denied:
        why = _(
            "Check whether it was paid at this gateway, and search for it in Alipay's merchant "
            "portal."
        )
        raise CommandFailed(f"{text} {why}")
    click.echo(text)


def _message(payment: Any, report: str | None, moved: bool) -> str:
    """Return the text that compares Alipay's report with the ledger."""
    if report is None and moved:
        return _(
            "{number}: Alipay has no trade with this number; updated from {before} to {after}."
        )
    if moved:
        return _("{number}: updated from {before} to {after}.")
    if report is None and payment.trade_status == TradeStatus.WAIT_BUYER_PAY:
        return _("{number}: Alipay has no such trade yet; the ledger has {after}.")
    if report is None:
        return _("{number}: Alipay has no trade with this number; the ledger has {after}.")
    if report == payment.trade_status:
        return _("{number} is {after}, at Alipay and in the ledger.")
    return _("{number}: Alipay reports {reported}; the ledger has {after}.")
