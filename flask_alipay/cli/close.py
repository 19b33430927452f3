"""``close``: closing of an unpaid payment."""

from __future__ import annotations

from typing import Any

import click

from ..operations.queries import close as close_trade
from .errors import CommandFailed, handle_errors, handle_ledger_errors
from .i18n import N_, _
from .merchants import PROGRAM_IN_APP, current_merchant
from .options import confirm, json_option, warn_if_simulator, yes_option
from .output import display_amount, find_payment, label
from .query import print_result

_HELP = N_("""Close an unpaid payment, at Alipay and in the ledger.

NUMBER is the payment's number (out_trade_no), Alipay's (trade_no) or the shop's own. A closed trade
can no longer be paid, and on_failed is called. If the buyer has just paid, the payment is settled
as a sale instead, and the exit status is 1. Without a response it is 3.

\b
Examples:
  {prefix} close 20260131000000000000000001
  {prefix} close 20260131000000000000000001 --yes
""")


def close_command() -> click.Command:
    """Return the command, in the current language."""

    @click.command(
        "close",
        help=_(_HELP).format(prefix=PROGRAM_IN_APP),
        short_help=_("Close an unpaid payment."),
    )
    @click.argument("number")
    @yes_option
    @json_option
    def close(number: str, yes: bool, as_json: bool) -> None:
        merchant = current_merchant()
        next_step = _("The payment may be closed. Check with 'query'.")
        with handle_errors(next_step):
            payment = find_payment(merchant, number)
            warn_if_simulator(merchant.config.simulator)
            if payment.paid:
                text = _("{number} is paid and cannot be closed. Use 'refund' to refund it.")
                raise CommandFailed(text.format(number=label(payment)))
            text = _("{number}, {amount}, will be closed at Alipay and in the ledger.")
            total = display_amount(payment.total_fen, payment.currency)
            confirm(text.format(number=label(payment), amount=total), yes)
            before = payment.trade_status, payment.refunded_fen
            with handle_ledger_errors(_closed(), _remedy(payment), next_step):
                result = close_trade(merchant, payment)
        print_result(result, before, as_json)
        if result.payment.paid:
            raise CommandFailed(_("The buyer has just paid: the payment is settled as a sale."))

    return close


def _closed() -> str:
    return _(
        "The payment is closed at Alipay, or was just paid, but the ledger could not record it."
    )


def _remedy(payment: Any) -> str:
    text = _("Fix the problem, then run 'query {number}' or the same command again.")
    return text.format(number=payment.out_trade_no)
