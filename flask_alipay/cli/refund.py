"""``refund``: gives money of a sale back to its buyer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..exceptions import AlipayError
from ..money import to_fen, to_yuan
from .addresses import on_the_site
from .conversation import confirm, json_option, warn_of_simulator, yes_option
from .exits import Refused, refusals, sentence
from .rows import amount, find_payment, refund_as_json
from .table import echo_json, plain
from .wording import N_, _

if TYPE_CHECKING:
    from ..blueprint import AlipayBlueprint

_HELP = N_("""Give money of a sale back to its buyer, all of it or a part.

NUMBER is the shop's number (out_trade_no) or Alipay's (trade_no), AMOUNT is in yuan, or 'all' for
what is left. If no answer comes the exit status is 3: the same command again goes on with the same
refund and never makes a second one.

\b
Examples:
  {prefix} refund 20260131000000000000000001 10.00 --reason "one bag was torn"
  {prefix} refund 20260131000000000000000001 all --yes
""")

_ALL = "all"


def refund_command(blueprint: AlipayBlueprint) -> click.Command:
    """Makes the command.

    :param blueprint: whose sale it was.
    """

    @click.command(
        "refund",
        help=_(_HELP).format(prefix=f"flask {blueprint.name}"),
        short_help=_("Give money back to a buyer."),
    )
    @click.argument("number")
    @click.argument("how_much", metavar="AMOUNT")
    @click.option("--reason", help=_("Why; the buyer may see it."))
    @click.option("--out-request-no", help=_("The refund's number; a new one if it is not given."))
    @yes_option
    @json_option
    def refund(number: str, how_much: str, yes: bool, machine: bool, **details: Any) -> None:
        next_step = _("It may have gone back or not: the same command again is the same refund.")
        with refusals(next_step), on_the_site():
            payment = find_payment(blueprint, number)
            warn_of_simulator(blueprint.config.simulator)
            fen = _checked(payment, how_much)
            _check_address(blueprint)
            names = _names(payment, fen)
            told = _("{amount} of {number} ({subject}, {total}) are going back to the buyer.")
            confirm(told.format(**names), yes)
            row = blueprint.refund(payment, to_yuan(fen, payment.currency), **details)
            _tell(row, names, machine)

    return refund


def _checked(payment: Any, how_much: str) -> int:
    """The amount in fen: of a sale, and no more than is left of it."""
    if not payment.paid:
        told = _("{number} is not paid: ask with 'query', or end it with 'close'.")
        raise Refused(told.format(number=payment.out_trade_no))
    left = payment.total_fen - payment.refunded_fen
    if left <= 0:
        raise Refused(_("{number} is refunded already.").format(number=payment.out_trade_no))
    if how_much == _ALL:
        return int(left)
    try:
        fen = to_fen(how_much, payment.currency, parameter="amount")
    except AlipayError as error:
        raise click.BadParameter(sentence(error), param_hint="AMOUNT") from None
    if fen > left:
        told = _("At most {left} are left of it.")
        left_text = amount(left, payment.currency)
        raise click.BadParameter(told.format(left=left_text), param_hint="AMOUNT")
    return fen


def _check_address(alipay: AlipayBlueprint) -> None:
    """The legacy gateway tells later what became of a refund, and has to be told where."""
    from flask import current_app

    config = alipay.config
    known = config.notify_url or config.simulator or current_app.config.get("SERVER_NAME")
    if config.protocol == "mapi" and not known:
        told = _("Set {key}: Alipay tells there what became of the refund.")
        raise click.UsageError(told.format(key=f"{config.prefix}_NOTIFY_URL"))


def _names(payment: Any, fen: int) -> dict[str, str]:
    return {
        "amount": amount(fen, payment.currency),
        "number": payment.out_trade_no,
        "subject": plain(payment.subject),
        "total": amount(payment.total_fen, payment.currency),
    }


def _tell(row: Any, names: dict[str, str], machine: bool) -> None:
    if machine:
        echo_json({"out_trade_no": row.out_trade_no, **refund_as_json(row)})
        return
    told = _("{amount} of {number}: {status}, as refund {refund}.")
    names = {**names, "status": row.status, "refund": row.out_request_no}
    click.echo(told.format(**names))
