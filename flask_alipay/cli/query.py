"""``query``: asks Alipay what became of a payment, and brings the ledger in line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .conversation import json_option, warn_of_simulator
from .exits import refusals
from .rows import find_payment, payment_as_json
from .table import echo_json
from .wording import N_, _

if TYPE_CHECKING:
    from ..blueprint import AlipayBlueprint

_HELP = N_("""Ask Alipay what became of a payment, and bring the ledger in line.

NUMBER is the shop's number (out_trade_no) or Alipay's (trade_no). What Alipay proves is settled as
its notification would be: callbacks run, once. If no answer comes the exit status is 3 and nothing
has changed.

\b
Examples:
  {prefix} query 20260131000000000000000001
  {prefix} query 20260131000000000000000001 --json
""")


def query_command(blueprint: AlipayBlueprint) -> click.Command:
    """Makes the command.

    :param blueprint: whose payment it is.
    """

    @click.command(
        "query",
        help=_(_HELP).format(prefix=f"flask {blueprint.name}"),
        short_help=_("Ask Alipay what became of a payment."),
    )
    @click.argument("number")
    @json_option
    def query(number: str, machine: bool) -> None:
        next_step = _("Nothing has changed here: ask again later.")
        with refusals(next_step):
            payment = find_payment(blueprint, number)
            warn_of_simulator(blueprint.config.simulator)
            before = payment.trade_status, payment.refunded_fen
            payment = blueprint.query(payment)
        tell_payment(payment, before, machine)

    return query


def tell_payment(payment: Any, before: tuple[str, int], machine: bool) -> None:
    """Says how a payment stands after Alipay was asked.

    :param before: its status and what had been refunded, before.
    """
    if machine:
        echo_json(payment_as_json(payment))
        return
    names = {
        "number": payment.out_trade_no,
        "before": before[0],
        "after": payment.trade_status,
    }
    if (payment.trade_status, payment.refunded_fen) == before:
        told = _("{number} is {after}, as the ledger had it.")
    else:
        told = _("{number} was {before} here and is {after}: the ledger knows it now.")
    click.echo(told.format(**names))
