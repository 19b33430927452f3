"""``charge``: deduction under an agreement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..exceptions import OutcomeUnknown
from ..protocol.conversion import to_minor_units
from .errors import UnknownOutcome, handle_errors, handle_ledger_errors, sentence
from .grants import find_agreement
from .i18n import N_, _
from .merchants import PROGRAM_IN_APP, command_line, current_merchant
from .options import AmountCommand, confirm, json_option, warn_if_simulator, yes_option
from .output import display_amount, payment_as_json
from .site_addresses import site_url_context
from .table import echo_json, strip_control_chars

if TYPE_CHECKING:
    from ..merchant import Merchant

_HELP = N_("""Charge a payment under an agreement, once for each period.

AGREEMENT is its number (external_agreement_no) or Alipay's (agreement_no). AMOUNT is in yuan;
without it, it is the maximum of a deduction. Without a response the exit status is 3, and the
command for a retry is printed. The same --out-trade-no is the same payment and is charged at most
once; without a number, a deduction without a result is continued.

\b
Examples:
  {prefix} agreements --due
  {prefix} charge S2031 30.00 --subject "Tea in March"
""")


def charge_command() -> click.Command:
    """Return the command, in the current language."""

    @click.command(
        "charge",
        cls=AmountCommand,
        help=_(_HELP).format(prefix=PROGRAM_IN_APP),
        short_help=_("Charge a payment under an agreement."),
    )
    @click.argument("number", metavar="AGREEMENT")
    @click.argument("how_much", metavar="[AMOUNT]", required=False)
    @click.option("--subject", help=_("The payment's subject; by default that of the last one."))
    @click.option(
        "--out-trade-no",
        help=_("The payment's number: the same number is the same payment. Default: generated."),
    )
    @yes_option
    @json_option
    def charge(
        number: str,
        how_much: str | None,
        subject: str | None,
        out_trade_no: str | None,
        yes: bool,
        as_json: bool,
    ) -> None:
        merchant = current_merchant()
        with handle_errors(), site_url_context(merchant):
            agreement = find_agreement(merchant, number)
            warn_if_simulator(merchant.config.simulator)
            fen = None if how_much is None else to_minor_units(how_much, parameter="amount")
            payment = _planned(merchant, agreement, fen, subject, out_trade_no)
            names = _names(agreement, payment)
            confirm(_question(payment).format(**names), yes)
            _print(_charge(merchant, agreement, payment, names, as_json), names, as_json)

    return charge


def _planned(
    merchant: Merchant, agreement: Any, fen: int | None, subject: str | None, trade: str | None
) -> Any:
    from ..operations.deduction_plans import plan_deduction

    return plan_deduction(merchant, agreement, total_fen=fen, subject=subject, out_trade_no=trade)


def _charge(
    merchant: Merchant, agreement: Any, payment: Any, names: dict[str, str], as_json: bool
) -> Any:
    from ..operations.deductions import charge

    trade = names["trade"]
    text = _("The deduction's result is unknown. Continue the same deduction with: {command}")
    retry = f"charge {names['number']} --out-trade-no {trade}"
    step = text.format(command=command_line(merchant, retry))
    done = _("Alipay has charged the amount, but the ledger could not record it.")
    try:
        with handle_ledger_errors(done, step, step):
            merchant.session.add(payment)  # nothing is stored before the confirmation
            return charge(merchant, agreement, payment)
    except OutcomeUnknown as error:
        merchant.session.rollback()
        payment = merchant.ledger().find(trade)
        if as_json and payment is not None:
            echo_json(payment_as_json(payment))
        raise UnknownOutcome(f"{sentence(error)} {step}") from None


def _question(payment: Any) -> str:
    if payment.paid:
        return _("Payment {trade} of {amount} is paid already; nothing is charged.")
    if payment.external_agreement_no is not None:
        return _("The deduction of {amount} under agreement {number} is continued: {trade}.")
    return _("{amount} will be deducted under agreement {number} ({subject}), as payment {trade}.")


def _names(agreement: Any, payment: Any) -> dict[str, str]:
    return {
        "amount": display_amount(payment.total_fen, "CNY"),
        "number": agreement.external_agreement_no,
        "subject": strip_control_chars(payment.subject),
        "trade": payment.out_trade_no,
    }


def _print(payment: Any, names: dict[str, str], as_json: bool) -> None:
    if as_json:
        echo_json(payment_as_json(payment))
        return
    text = _("{amount} under {number}: {status}, as payment {trade}.")
    click.echo(text.format(**{**names, "status": payment.trade_status}))
