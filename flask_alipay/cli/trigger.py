"""``trigger``: one notification of a kind, signed by a simulator, with no trade behind it."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy import or_, select

from ..protocol.money import to_minor_units
from .errors import NOT_IN_ORDER, CommandFailed, UnknownOutcome, handle_errors
from .i18n import N_, _
from .merchants import current_merchant, program
from .output import read

if TYPE_CHECKING:
    from ..merchant import Merchant
    from ..simulator.notifications.sender import Attempt, Delivery
    from .trigger_sender import TriggerSender

_HELP = N_("""Send the app a notification of a kind, signed by the simulator.

It is about a payment of the ledger, the newest one without --out-trade-no, and no trade is behind
it. It goes through the app's notify route in this process, or over HTTP where NOTIFY_URL is set.
Exits with 0 if the app answers as it should: success, and to what must not be believed anything
else that is no failure of its own; with 1 if it answers otherwise, with 3 if nobody answers.

\b
EVENT is true:
{true}
or must not be believed:
{untrue}

\b
Examples:
  {prefix} trigger paid
  {prefix} trigger forged --out-trade-no 20260131000001
""")
_HELP_ANYWHERE = N_("""Send an app a notification of a kind, signed as by 'simulate'.

It goes to the app over HTTP, signed with the keys that 'simulate --keys' wrote, and no trade is
behind it. Exits with 0 if the app answers as it should: success, and to what must not be believed
anything else that is no failure of its own; with 1 if it answers otherwise, with 3 if nobody
answers.

\b
EVENT is true:
{true}
or must not be believed:
{untrue}

\b
Examples:
  {prefix} trigger paid --url http://127.0.0.1:3000/notify \\
      --keys alipay-simulator --out-trade-no 20260131000001 --total-amount 88.88
""")

# As in simulator.triggers, which is not loaded before somebody triggers something.
TRUE = (
    "paid",
    "duplicate",
    "finished",
    "closed",
    "late-paid",
    "refunded",
    "partially-refunded",
    "out-of-order",
    "escrow-paid",
    "gbk",
)
UNTRUE = (
    "forged",
    "tampered",
    "wrong-amount",
    "wrong-account",
    "unknown-order",
    "bad-charset",
)


def trigger_command(in_app: bool) -> click.Command:
    """Return the command, in the current language.

    :param in_app: whether it belongs to ``flask alipay``.
    """

    def trigger(**options: Any) -> None:
        with handle_errors():
            alipay = current_merchant() if in_app else None
            teller = _teller(alipay, options)
            if alipay is None:
                deliveries = _send_by_keys(teller, options)
            else:
                deliveries = _send_to_app(teller, alipay, options)
        for delivery in deliveries:
            _print(options["event"], delivery)
        _end(options["event"], [delivery.attempts[-1] for delivery in deliveries])

    return click.Command(
        "trigger",
        callback=trigger,
        params=_parameters(in_an_app=in_app),
        help=_(_HELP if in_app else _HELP_ANYWHERE).format(
            prefix=program(in_app), true=_listed(TRUE), untrue=_listed(UNTRUE)
        ),
        short_help=_("Send a notification of a kind."),
    )


def _listed(events: tuple[str, ...]) -> str:
    return textwrap.fill(
        ", ".join(events),
        72,
        initial_indent="  ",
        subsequent_indent="  ",
        break_on_hyphens=False,
    )


def _parameters(*, in_an_app: bool) -> list[click.Parameter]:
    number = _("The payment that it is about; by default the newest.") if in_an_app else None
    folder = click.Path(file_okay=False, path_type=Path)
    return [
        click.Argument(["event"], type=click.Choice(TRUE + UNTRUE), metavar="EVENT"),
        click.Option(
            ["--out-trade-no"], required=not in_an_app, help=number or _("The order's number.")
        ),
        click.Option(
            ["--total-amount"],
            required=not in_an_app,
            help=_("Yuan; for an order that the ledger does not have, or another amount than its.")
            if in_an_app
            else _("Yuan."),
        ),
        click.Option(["--subject"], help=_("What is paid for.")),
        click.Option(
            ["--url"],
            required=not in_an_app,
            help=_("Where the app is told, over HTTP; by default where Alipay would tell it.")
            if in_an_app
            else _("Where the app is told: its notify_url."),
        ),
        click.Option(
            ["--keys", "folder"],
            type=folder,
            required=not in_an_app,
            help=_("Folder with the keys that 'simulate --keys' wrote."),
        ),
        *([] if in_an_app else _about_the_merchant()),
    ]


def _about_the_merchant() -> list[click.Parameter]:
    """In an app its configuration says it."""
    return [
        click.Option(
            ["--protocol"],
            type=click.Choice(["openapi", "mapi"]),
            default="openapi",
            show_default=True,
            help=_("The gateway that tells it."),
        ),
        click.Option(
            ["--charset"],
            type=click.Choice(["utf-8", "gbk"]),
            default="utf-8",
            show_default=True,
            help=_("The charset of the app's requests, and so of what it is told."),
        ),
        click.Option(
            ["--sign-type"],
            type=click.Choice(["MD5", "RSA", "RSA2"]),
            help=_("By default RSA2 on the open platform, MD5 on the legacy gateway."),
        ),
    ]


def _teller(alipay: Merchant | None, options: dict[str, Any]) -> TriggerSender:
    from .trigger_sender import from_embedded_simulator, from_key_folder

    if alipay is None:
        return from_key_folder(
            options["folder"], options["protocol"], options["charset"], options["sign_type"]
        )
    if options["folder"] is None:
        return from_embedded_simulator(alipay)
    config = alipay.config
    if not (options["url"] or config.notify_url):
        raise click.UsageError(_("Give --url: nobody knows where the app is served."))
    return from_key_folder(
        options["folder"], config.protocol, config.charset, config.signer.sign_type
    )


def _send_by_keys(teller: TriggerSender, options: dict[str, Any]) -> list[Delivery]:
    return teller.send(
        options["event"],
        url=options["url"],
        out_trade_no=options["out_trade_no"],
        total_fen=to_minor_units(options["total_amount"], parameter="total_amount"),
        subject=options["subject"] or options["out_trade_no"],
    )


def _send_to_app(
    teller: TriggerSender, alipay: Merchant, options: dict[str, Any]
) -> list[Delivery]:
    payment = _payment(alipay, options["out_trade_no"])
    if payment is None and options["total_amount"] is None:
        raise CommandFailed(
            _(
                "The ledger has no payment with the number {number!r}: with --total-amount it is "
                "told of all the same."
            ).format(number=options["out_trade_no"])
        )
    told: dict[str, Any] = {"out_trade_no": options["out_trade_no"], "subject": "Trigger"}
    if payment is not None:
        told = {
            "out_trade_no": payment.out_trade_no,
            "total_fen": payment.total_fen,
            "subject": payment.subject,
            "currency": payment.currency or "CNY",
            "trade_no": payment.trade_no or "",
        }
    if options["total_amount"] is not None:
        currency = told.get("currency", "CNY")
        told["total_fen"] = to_minor_units(
            options["total_amount"], currency, parameter="total_amount"
        )
    told["subject"] = options["subject"] or told["subject"]
    alipay.session.rollback()  # the app is told in a transaction of its own
    return _over_there(teller, alipay, options, told)


def _over_there(
    teller: TriggerSender, alipay: Merchant, options: dict[str, Any], message: dict[str, Any]
) -> list[Delivery]:
    from flask import current_app

    if options["url"]:
        return teller.over_http().send(options["event"], url=options["url"], **message)
    with current_app.test_request_context():
        url = alipay.notify_url
    return teller.send(options["event"], url=url, **message)


def _payment(alipay: Merchant, number: str | None) -> Any:
    """The payment of a number, ``None`` if there is none; without a number the newest.

    :raises Refused: if there is no payment at all.
    """
    Payment = alipay.models.Payment
    ours = select(Payment).where(Payment.merchant == alipay.config.merchant)
    if number is not None:
        ours = ours.where(or_(Payment.out_trade_no == number, Payment.trade_no == number))
    newest = ours.order_by(Payment.id.desc()).limit(1)
    payment = next(iter(read(alipay, newest)), None)
    if payment is None and number is None:
        raise CommandFailed(_("There is no payment in the ledger yet."))
    return payment


def _print(event: str, delivery: Delivery) -> None:
    attempt = delivery.attempts[-1]
    click.echo(f"{event}: {delivery.notice.out_trade_no} → {delivery.notice.url}")
    status = _("no answer") if attempt.status is None else attempt.status
    click.echo(f"{status} {attempt.response}")


def _end(event: str, attempts: list[Attempt]) -> None:
    """Ends with a status that says whether the app answered as it should."""
    from ..simulator.notifications.triggers import TO_REFUSE

    if any(attempt.status is None for attempt in attempts):
        raise UnknownOutcome(_("Nobody answers there: is the app running?"))
    # An app that breaks down over a forgery has not refused it.
    refused = [not attempt.acknowledged and (attempt.status or 0) < 500 for attempt in attempts]
    good = refused if event in TO_REFUSE else [attempt.acknowledged for attempt in attempts]
    if not all(good):
        click.echo(_("The app should have answered otherwise."), err=True)
        click.get_current_context().exit(NOT_IN_ORDER)
