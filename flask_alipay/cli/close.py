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

_HELP = N_("""Close a payment that is not paid, at Alipay and here.

NUMBER is the payment's number (out_trade_no), Alipay's (trade_no) or the shop's own. A trade that
Alipay knows can no longer be paid then, and on_failed is called. If its buyer has just paid, it is
settled as a sale instead, and the exit status is 1. If no answer comes it is 3.

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
        short_help=_("Close a payment that is not paid."),
    )
    @click.argument("number")
    @yes_option
    @json_option
    def close(number: str, yes: bool, as_json: bool) -> None:
        merchant = current_merchant()
        next_step = _("It may be closed or not: ask with 'query'.")
        with handle_errors(next_step):
            payment = find_payment(merchant, number)
            warn_if_simulator(merchant.config.simulator)
            if payment.paid:
                text = _("{number} is paid: it can be refunded, not closed.")
                raise CommandFailed(text.format(number=label(payment)))
            text = _("{number}, {amount}, is going to be closed at Alipay and here.")
            total = display_amount(payment.total_fen, payment.currency)
            confirm(text.format(number=label(payment), amount=total), yes)
            before = payment.trade_status, payment.refunded_fen
            with handle_ledger_errors(_closed(), _remedy(payment), next_step):
                result = close_trade(merchant, payment)
        print_result(result, before, as_json)
        if result.payment.paid:
            raise CommandFailed(_("Its buyer has paid meanwhile: it is settled as a sale."))

    return close


def _closed() -> str:
    return _("It is closed at Alipay, or just paid, but the ledger could not write it down.")


def _remedy(payment: Any) -> str:
    text = _("Mend it, then 'query {number}' or give the same command again.")
    return text.format(number=payment.out_trade_no)
