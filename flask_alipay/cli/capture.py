"""``capture``: charge of a part of a frozen amount."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from ..exceptions import OutcomeUnknown
from ..ledger.grant_history import payments_of
from ..models import utc_now
from ..operations.order_number import generate_out_trade_no
from ..protocol.conversion import format_amount, to_minor_units
from ..protocol.trade_status import TradeStatus
from .errors import CommandFailed, UnknownOutcome, handle_errors, handle_ledger_errors, sentence
from .grants import find_authorization
from .i18n import N_, _
from .merchants import PROGRAM_IN_APP, command_line, current_merchant
from .options import AmountCommand, confirm, json_option, warn_if_simulator, yes_option
from .output import display_amount, payment_as_json
from .site_addresses import site_url_context
from .table import echo_json, strip_control_chars

if TYPE_CHECKING:
    from ..merchant import Merchant

_HELP = N_("""Charge a part of the amount that an authorization has frozen.

AUTHORIZATION is its number (out_order_no) or Alipay's (auth_no). AMOUNT is in yuan, or 'all' for
what is left. Without a response the exit status is 3, and the command for a retry is printed: the
same --out-trade-no is the same payment and charges at most once.

\b
Examples:
  {prefix} capture H1017 120.00
  {prefix} capture H1017 80.00 --complete --yes
""")

#: The argument that stands for everything that is left.
ALL = "all"
# Within this time a capture of the same amount is taken for a repeated command.
_RECENT = timedelta(days=1)


def capture_command() -> click.Command:
    """Return the command, in the current language."""

    @click.command(
        "capture",
        cls=AmountCommand,
        help=_(_HELP).format(prefix=PROGRAM_IN_APP),
        short_help=_("Charge a part of a frozen amount."),
    )
    @click.argument("number", metavar="AUTHORIZATION")
    @click.argument("how_much", metavar="AMOUNT")
    @click.option(
        "--out-trade-no",
        help=_("The payment's number: the same number is the same payment. Default: generated."),
    )
    @click.option("--complete", is_flag=True, help=_("Release everything else afterwards."))
    @click.option("--subject", help=_("The payment's subject; by default the title."))
    @yes_option
    @json_option
    def capture(
        number: str,
        how_much: str,
        out_trade_no: str | None,
        complete: bool,
        subject: str | None,
        yes: bool,
        as_json: bool,
    ) -> None:
        merchant = current_merchant()
        with handle_errors(), site_url_context(merchant):
            authorization = find_authorization(merchant, number)
            warn_if_simulator(merchant.config.simulator)
            fen = _amount(authorization, how_much)
            trade = out_trade_no or _number(merchant, authorization, fen, how_much)
            names = _names(authorization, fen, trade)
            confirm(_question(complete).format(**names), yes)
            payment = _capture(
                merchant, authorization, names, as_json, complete=complete, subject=subject
            )
            _print(payment, names, as_json)

    return capture


def _capture(
    merchant: Merchant, authorization: Any, names: dict[str, str], as_json: bool, **details: Any
) -> Any:
    from ..operations.captures import capture

    trade, option = names["trade"], " --complete" if details["complete"] else ""
    retry = f"capture {names['number']} {names['yuan']} --out-trade-no {trade}{option}"
    text = _("The capture's result is unknown. Retry the same capture with: {command}")
    step = text.format(command=command_line(merchant, retry))
    done = _("Alipay has charged the amount, but the ledger could not record it.")
    try:
        with handle_ledger_errors(done, step, step):
            amount = names["yuan"]
            return capture(
                merchant, authorization, amount, out_trade_no=trade, details={}, **details
            )
    except OutcomeUnknown as error:
        merchant.session.rollback()
        payment = merchant.ledger().find(trade)
        if as_json and payment is not None:
            echo_json(payment_as_json(payment))
        raise UnknownOutcome(f"{sentence(error)} {step}") from None


def _amount(authorization: Any, how_much: str) -> int:
    """Return the amount in fen."""
    if how_much != ALL:
        return to_minor_units(how_much, parameter="amount")
    left: int = authorization.rest_fen
    if left <= 0:
        text = _("Nothing is left of {number}. Look at it with 'show {number}'.")
        raise CommandFailed(text.format(number=authorization.out_order_no))
    return left


def _number(merchant: Merchant, authorization: Any, fen: int, how_much: str) -> str:
    """Return the number of the capture of this amount that has no result yet, or a new one.

    :raises CommandFailed: if the same amount was captured within a day: it may be a repeated
        command.
    """
    number = authorization.out_order_no
    model, account = merchant.models.Payment, merchant.config.merchant
    captures = payments_of(merchant.session, model, account, out_order_no=number)
    same = [payment for payment in captures if payment.total_fen == fen]
    for payment in same:
        if not payment.paid and payment.trade_status != TradeStatus.TRADE_CLOSED:
            return str(payment.out_trade_no)
    new = generate_out_trade_no()
    recent = [each for each in same if each.paid and each.created_at >= utc_now() - _RECENT]
    if recent and how_much != ALL:
        text = _(
            "{amount} of {number} was already captured within the last day, as payment {recent}. "
            "To capture another {amount}, use a new number: --out-trade-no {new}."
        )
        amount, last = display_amount(fen, "CNY"), recent[-1].out_trade_no
        raise CommandFailed(text.format(amount=amount, number=number, recent=last, new=new))
    return new


def _question(complete: bool) -> str:
    if complete:
        return _(
            "{amount} of authorization {number} ({title}, {total}, {left} left) will be charged, "
            "as payment {trade}; everything else will be released."
        )
    return _(
        "{amount} of authorization {number} ({title}, {total}, {left} left) will be charged, as "
        "payment {trade}."
    )


def _names(authorization: Any, fen: int, trade: str) -> dict[str, str]:
    return {
        "amount": display_amount(fen, "CNY"),
        "yuan": format_amount(fen),
        "number": authorization.out_order_no,
        "title": strip_control_chars(authorization.title),
        "total": display_amount(authorization.total_fen, "CNY"),
        "left": display_amount(authorization.rest_fen, "CNY"),
        "trade": strip_control_chars(trade),
    }


def _print(payment: Any, names: dict[str, str], as_json: bool) -> None:
    if as_json:
        echo_json(payment_as_json(payment))
        return
    text = _("{amount} of {number}: {status}, as payment {trade}.")
    click.echo(text.format(**{**names, "status": payment.trade_status}))
