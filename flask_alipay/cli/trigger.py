"""``trigger``: a simulated notification of a kind, without a trade."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask import current_app
from sqlalchemy import select

from ..protocol.conversion import to_minor_units
from .errors import NOT_IN_ORDER, CommandFailed, UnknownOutcome, handle_errors
from .i18n import N_, _
from .merchants import current_merchant, program
from .output import payments_with, read, several_payments
from .trigger_content import content_from_ledger

if TYPE_CHECKING:
    from ..merchant import Merchant
    from ..simulator.notifications.sender import Attempt, Delivery
    from .trigger_sender import TriggerSender

_HELP = N_("""Send the app a notification of a kind, signed by the simulator.

It is about a payment of the ledger, by default the newest; there is no trade for it. It is
delivered to the app's notification route in this process, or over HTTP if NOTIFY_URL is set. The
exit status is 0 if the app responds as expected: with success to a genuine notification, and
neither with success nor with a server error to an invalid one. Otherwise it is 1, and 3 without a
response.

\b
EVENT is genuine:
{true}
or invalid:
{untrue}

\b
Examples:
  {prefix} trigger paid
  {prefix} trigger forged --out-trade-no 20260131000001
""")
_HELP_ANYWHERE = N_("""Send an app a notification of a kind, signed as by 'simulate'.

It is delivered over HTTP, signed with the keys of 'simulate --keys'; there is no trade for it. The
exit status is 0 if the app responds as expected: with success to a genuine notification, and
neither with success nor with a server error to an invalid one. Otherwise it is 1, and 3 without a
response.

\b
EVENT is genuine:
{true}
or invalid:
{untrue}

\b
Examples:
  {prefix} trigger paid --url http://127.0.0.1:3000/notify \\
      --keys alipay-simulator --out-trade-no 20260131000001 --total-amount 88.88
""")

# The same as in simulator.notifications.triggers, which is slow to import.
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
#: The events of messages; the first is genuine.
MESSAGES = ("message", "forged-message", "message-to-another-app")


def trigger_command(in_app: bool) -> click.Command:
    """Return the command, in the current language.

    :param in_app: whether it belongs to ``flask alipay``.
    """

    def trigger(**options: Any) -> None:
        with handle_errors():
            merchant = current_merchant() if in_app else None
            _require(options, in_app=in_app)
            sender = _sender(merchant, options)
            if options["event"] in MESSAGES:
                deliveries = _send_message(sender, merchant, options)
            elif merchant is None:
                deliveries = _send_by_keys(sender, options)
            else:
                deliveries = _send_to_app(sender, merchant, options)
        for delivery in deliveries:
            _print(options["event"], delivery)
        _exit(options["event"], [delivery.attempts[-1] for delivery in deliveries])

    return click.Command(
        "trigger",
        callback=trigger,
        params=_parameters(in_app=in_app),
        help=_(_HELP if in_app else _HELP_ANYWHERE).format(
            prefix=program(in_app),
            true=_listed((*TRUE, *MESSAGES[:1])),
            untrue=_listed((*UNTRUE, *MESSAGES[1:])),
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


def _parameters(*, in_app: bool) -> list[click.Parameter]:
    number = (
        _(
            "The payment's number, Alipay's or the shop's own; by default the newest payment. With "
            "a message, the number of the authorization or agreement."
        )
        if in_app
        else None
    )
    folder = click.Path(file_okay=False, path_type=Path)
    return [
        click.Argument(["event"], type=click.Choice(TRUE + UNTRUE + MESSAGES), metavar="EVENT"),
        click.Option(["--out-trade-no"], help=number or _("The order's number.")),
        click.Option(
            ["--total-amount"],
            help=_(
                "The amount in yuan, for an order that is not in the ledger, or a different amount."
            )
            if in_app
            else _("The amount in yuan."),
        ),
        click.Option(["--subject"], help=_("The order's subject.")),
        click.Option(["--kind"], help=_("The kind of a message: its notify_type or msg_method.")),
        click.Option(
            ["--content"], help=_("The content of a message as JSON; by default a sample.")
        ),
        click.Option(
            ["--url"],
            required=not in_app,
            help=_("The URL for delivery over HTTP; by default that of Alipay's notifications.")
            if in_app
            else _("The app's notify_url."),
        ),
        click.Option(
            ["--keys", "folder"],
            type=folder,
            required=not in_app,
            help=_("Folder with the keys of 'simulate --keys'."),
        ),
        *([] if in_app else _merchant_options()),
    ]


def _merchant_options() -> list[click.Parameter]:
    """Return the options that replace an app's configuration."""
    return [
        click.Option(
            ["--protocol"],
            type=click.Choice(["openapi", "mapi"]),
            default="openapi",
            show_default=True,
            help=_("The gateway that sends the notification."),
        ),
        click.Option(
            ["--charset"],
            type=click.Choice(["utf-8", "gbk"]),
            default="utf-8",
            show_default=True,
            help=_("The charset of the app's requests and of its notifications."),
        ),
        click.Option(
            ["--sign-type"],
            type=click.Choice(["MD5", "RSA", "RSA2"]),
            help=_(
                "The sign type; by default RSA2 on the open platform, MD5 on the legacy gateway."
            ),
        ),
    ]


def _sender(merchant: Merchant | None, options: dict[str, Any]) -> TriggerSender:
    from .trigger_sender import from_embedded_simulator, from_key_folder

    if merchant is None:
        return from_key_folder(
            options["folder"], options["protocol"], options["charset"], options["sign_type"]
        )
    if options["folder"] is None:
        return from_embedded_simulator(merchant)
    config = merchant.config
    if not (options["url"] or config.notify_url):
        raise click.UsageError(_("Pass the app's notification URL with --url."))
    return from_key_folder(
        options["folder"], config.protocol, config.charset, config.signer.sign_type
    )


def _require(options: dict[str, Any], *, in_app: bool) -> None:
    """Check that the options that an event needs are given.

    :raises click.MissingParameter: names the first that is missing.
    """
    needed: tuple[str, ...] = () if in_app else ("out_trade_no", "total_amount")
    if options["event"] in MESSAGES:
        needed = ("kind",)
    context = click.get_current_context()
    for param in context.command.params:
        if param.name in needed and options[param.name] is None:
            raise click.MissingParameter(ctx=context, param=param)


def _send_message(
    sender: TriggerSender, merchant: Merchant | None, options: dict[str, Any]
) -> list[Delivery]:
    """Send a message to the app."""
    content = None
    if options["content"] is not None:
        try:
            content = json.loads(options["content"])
        except ValueError:
            content = ()
        if not isinstance(content, dict):
            raise click.UsageError(_("--content must be a JSON object."))
    elif merchant is not None:
        content = content_from_ledger(merchant, options["kind"], options["out_trade_no"])
    url = options["url"]
    if merchant is None or url:
        by_http = sender if merchant is None else sender.over_http()
        return by_http.send_message(options["event"], options["kind"], content, url=url)
    merchant.session.rollback()  # the app processes it in its own transaction
    with current_app.test_request_context():
        url = merchant.notify_url
    return sender.send_message(options["event"], options["kind"], content, url=url)


def _send_by_keys(sender: TriggerSender, options: dict[str, Any]) -> list[Delivery]:
    return sender.send(
        options["event"],
        url=options["url"],
        out_trade_no=options["out_trade_no"],
        total_fen=to_minor_units(options["total_amount"], parameter="total_amount"),
        subject=options["subject"] or options["out_trade_no"],
    )


def _send_to_app(
    sender: TriggerSender, merchant: Merchant, options: dict[str, Any]
) -> list[Delivery]:
    payment = _payment(merchant, options["out_trade_no"])
    if payment is None and options["total_amount"] is None:
        raise CommandFailed(
            _(
                "The ledger has no payment {number!r}. Pass --total-amount to send the "
                "notification anyway."
            ).format(number=options["out_trade_no"])
        )
    details: dict[str, Any] = {"out_trade_no": options["out_trade_no"], "subject": "Trigger"}
    if payment is not None:
        details = {
            "out_trade_no": payment.out_trade_no,
            "total_fen": payment.total_fen,
            "subject": payment.subject,
            "currency": payment.currency or "CNY",
            "trade_no": payment.trade_no or "",
        }
    if options["total_amount"] is not None:
        currency = details.get("currency", "CNY")
        details["total_fen"] = to_minor_units(
            options["total_amount"], currency, parameter="total_amount"
        )
    details["subject"] = options["subject"] or details["subject"]
    merchant.session.rollback()  # the app settles in its own transaction
    return _deliver(sender, merchant, options, details)


def _deliver(
    sender: TriggerSender, merchant: Merchant, options: dict[str, Any], message: dict[str, Any]
) -> list[Delivery]:
    if options["url"]:
        return sender.over_http().send(options["event"], url=options["url"], **message)
    with current_app.test_request_context():
        url = merchant.notify_url
    return sender.send(options["event"], url=url, **message)


def _payment(merchant: Merchant, number: str | None) -> Any:
    """Return the payment with a number, ``None`` if there is none; without a number the newest.

    :raises CommandFailed: if the ledger has no payment, or several with the shop's own number.
    """
    if number is not None:
        found = payments_with(merchant, number)
        if len(found) > 1:
            raise several_payments(number, found)
        return found[0] if found else None
    Payment = merchant.models.Payment
    own_payments = select(Payment).where(Payment.merchant == merchant.config.merchant)
    payment = next(iter(read(merchant, own_payments.order_by(Payment.id.desc()).limit(1))), None)
    if payment is None:
        raise CommandFailed(_("The ledger has no payment yet."))
    return payment


def _print(event: str, delivery: Delivery) -> None:
    attempt = delivery.attempts[-1]
    click.echo(f"{event}: {delivery.notice.out_trade_no} → {delivery.notice.url}")
    status = _("no response") if attempt.status is None else attempt.status
    click.echo(f"{status} {attempt.response}")


def _exit(event: str, attempts: list[Attempt]) -> None:
    """Exit with a status that states whether the app responded as expected."""
    from ..simulator.notifications.triggers import TO_REFUSE

    to_refuse = event in TO_REFUSE or event in MESSAGES[1:]
    if any(attempt.status is None for attempt in attempts):
        raise UnknownOutcome(_("There was no response. Check that the app is running."))
    # A server error is not a rejection.
    rejected = [not attempt.acknowledged and (attempt.status or 0) < 500 for attempt in attempts]
    expected = rejected if to_refuse else [attempt.acknowledged for attempt in attempts]
    if not all(expected):
        click.echo(_("The app did not respond as expected."), err=True)
        click.get_current_context().exit(NOT_IN_ORDER)
