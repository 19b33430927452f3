"""``refund``: refund of a payment, in full or in part."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from ..exceptions import OutcomeUnknown
from ..models import utc_now
from ..operations.order_number import generate_out_trade_no
from ..operations.refunds import refund as refund_payment
from ..protocol.money import format_amount, to_minor_units
from .errors import CommandFailed, UnknownOutcome, handle_errors, handle_ledger_errors, sentence
from .i18n import N_, _
from .merchants import PROGRAM_IN_APP, command_line, current_merchant
from .options import confirm, json_option, warn_if_simulator, yes_option
from .output import display_amount, find_payment, label, refund_as_json
from .site_addresses import site_url_context
from .table import echo_json, strip_control_chars

if TYPE_CHECKING:
    from ..merchant import Merchant

_HELP = N_("""Give money of a sale back to its buyer, all of it or a part.

NUMBER is the payment's number (out_trade_no), Alipay's (trade_no) or the shop's own, AMOUNT is in
yuan, or 'all' for what is left. If no answer comes the exit status is 3, and the command to go on
with is printed: under the same --out-request-no it is the same refund and never a second one.

\b
Examples:
  {prefix} refund 20260131000000000000000001 10.00 --reason "one bag was torn"
  {prefix} refund 20260131000000000000000001 all --yes
""")

_ALL = "all"
_NEGATIVE = re.compile(r"-[0-9][0-9.,]*|-[.,][0-9]+")
# Within this time a refund of the same amount is taken for a repeated command.
_RECENT = timedelta(days=1)


def refund_command() -> click.Command:
    """Return the command, in the current language."""

    @click.command(
        "refund",
        cls=_RefundCommand,
        help=_(_HELP).format(prefix=PROGRAM_IN_APP),
        short_help=_("Give money back to a buyer."),
    )
    @click.argument("number")
    @click.argument("how_much", metavar="AMOUNT")
    @click.option("--reason", help=_("Why; the buyer may see it."))
    @click.option(
        "--out-request-no",
        help=_("The refund's number: the same again is the same refund; a new one without it."),
    )
    @yes_option
    @json_option
    def refund(number: str, how_much: str, yes: bool, as_json: bool, **details: Any) -> None:
        merchant = current_merchant()
        with handle_errors(), site_url_context(merchant):
            payment = find_payment(merchant, number)
            warn_if_simulator(merchant.config.simulator)
            fen = _checked(payment, how_much)
            _check_address(merchant)
            names = _names(payment, fen)
            # A repeated refund of the rest cannot refund twice.
            if details["out_request_no"] is None and how_much != _ALL:
                _check_recent(merchant, payment, fen, names)
            text = _("{amount} of {label} ({subject}, {total}) are going back to the buyer.")
            confirm(text.format(**names), yes)
            try:
                with handle_ledger_errors(_refunded(), _remedy(payment), _check_first(payment)):
                    yuan = format_amount(fen, payment.currency)
                    row = refund_payment(merchant, payment, yuan, **details)
            except OutcomeUnknown as error:
                raise _unknown(merchant, error, names, as_json) from None
            _print(row, names, as_json)

    return refund


class _RefundCommand(click.Command):
    """The command, which does not parse a negative amount as an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments.

        :param ctx: of the command.
        :param args: of the command line.
        :return: the arguments that are left.
        :raises click.BadParameter: for a negative amount.
        """
        for before, argument in zip(("", *args), args, strict=False):
            if _NEGATIVE.fullmatch(argument) and not before.startswith("-"):
                raise click.BadParameter(_("must be above zero."), ctx, param_hint="'AMOUNT'")
        return super().parse_args(ctx, args)


def _checked(payment: Any, how_much: str) -> int:
    """Return the amount in fen; reject unpaid payments and more than can be refunded."""
    if not payment.paid:
        text = _("{number} is not paid: ask with 'query', or end it with 'close'.")
        raise CommandFailed(text.format(number=label(payment)))
    left = payment.total_fen - payment.refunded_fen
    if left <= 0:
        raise CommandFailed(_("{number} is refunded already.").format(number=label(payment)))
    if how_much == _ALL:
        return int(left)
    fen = to_minor_units(how_much, payment.currency, parameter="amount")
    if fen > left:
        text = _("At most {left} are left of it.")
        left_text = display_amount(left, payment.currency)
        raise click.BadParameter(text.format(left=left_text), param_hint="'AMOUNT'")
    return fen


def _check_address(merchant: Merchant) -> None:
    """Require a notification URL for the legacy gateway, which reports a refund's result there."""
    config, urls = merchant.config, merchant.urls
    known = urls.fixed_notify_url or urls.host or config.simulator
    if config.gateway.notifies_refunds and not known:
        text = _("Set {key}: Alipay tells there what became of the refund.")
        raise click.UsageError(text.format(key=f"{config.prefix}_NOTIFY_URL"))


def _check_recent(merchant: Merchant, payment: Any, fen: int, names: dict[str, str]) -> None:
    """Reject a refund of the same amount within a day: it may be a repeated command."""
    refunds = merchant.ledger().refunds
    if refunds is None:
        return
    recent = refunds.find_recent(payment.out_trade_no, fen, utc_now() - _RECENT)
    if recent is not None:
        text = _(
            "{amount} of {number} went back already in the last day, as refund {refund}. If "
            "another {amount} are to go back, give that refund a number of its own: "
            "--out-request-no {new}."
        )
        raise CommandFailed(text.format(**names, refund=recent, new=generate_out_trade_no()))


def _unknown(
    merchant: Merchant, error: OutcomeUnknown, names: dict[str, str], as_json: bool
) -> UnknownOutcome:
    """Return the error for a refund with an unknown result, with the command that retries it."""
    merchant.session.rollback()
    refunds, refund = merchant.ledger().refunds, error.out_request_no or ""
    row = refunds.find(names["number"], refund) if refunds is not None else None
    if as_json and row is not None:
        echo_json({"out_trade_no": row.out_trade_no, **refund_as_json(row)})
    text = _("It may have gone back or not. This command goes on with the same refund: {command}")
    retry = f"refund {names['number']} {names['yuan']} --out-request-no {refund}"
    step = text.format(command=command_line(merchant, retry))
    return UnknownOutcome(f"{sentence(error)} {step}")


def _refunded() -> str:
    return _("Alipay has given the money back, but the ledger could not write it down.")


def _remedy(payment: Any) -> str:
    text = _(
        "Mend it, then give the same command with --out-request-no and the refund's number, which "
        "'show {number}' tells, or run 'reconcile'."
    )
    return text.format(number=payment.out_trade_no)


def _check_first(payment: Any) -> str:
    text = _("It may have gone back or not: 'show {number}' tells of its refunds.")
    return text.format(number=payment.out_trade_no)


def _names(payment: Any, fen: int) -> dict[str, str]:
    return {
        "amount": display_amount(fen, payment.currency),
        "yuan": format_amount(fen, payment.currency),
        "number": payment.out_trade_no,
        "label": label(payment),
        "subject": strip_control_chars(payment.subject),
        "total": display_amount(payment.total_fen, payment.currency),
    }


def _print(row: Any, names: dict[str, str], as_json: bool) -> None:
    if as_json:
        echo_json({"out_trade_no": row.out_trade_no, **refund_as_json(row)})
        return
    text = _("{amount} of {label}: {status}, as refund {refund}.")
    names = {**names, "status": row.status, "refund": row.out_request_no}
    click.echo(text.format(**names))
