"""``trigger``: one notification of a kind, signed by the simulator, with no trade behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from flask import current_app
from sqlalchemy import select

from .exits import NOT_IN_ORDER, Refused, refusals
from .rows import find_payment
from .wording import N_, _

if TYPE_CHECKING:
    from ..blueprint import AlipayBlueprint
    from ..simulator import Simulator
    from ..simulator.deliveries import Delivery

_HELP = N_("""Send the app a notification of a kind, signed by the simulator.

It is about a payment of the ledger, the newest one without --out-trade-no, and no trade is behind
it. It goes through the app's notify route in this process, or over HTTP where NOTIFY_URL is set.
Exits with 0 if the app answers as it should: success, and to what must not be believed anything
else.

\b
Examples:
  {prefix} trigger paid
  {prefix} trigger forged --out-trade-no 20260131000001
""")

# As in simulator.triggers, which is not loaded before somebody triggers something.
EVENTS = (
    "paid",
    "duplicate",
    "finished",
    "closed",
    "refunded",
    "partially-refunded",
    "escrow-paid",
    "forged",
    "wrong-amount",
    "wrong-account",
    "unknown-order",
)


def trigger_command(blueprint: AlipayBlueprint) -> click.Command:
    """Makes the command.

    :param blueprint: whose app is told.
    """

    @click.command(
        "trigger",
        help=_(_HELP).format(prefix=f"flask {blueprint.name}"),
        short_help=_("Send a notification of a kind."),
    )
    @click.argument("event", type=click.Choice(EVENTS))
    @click.option("--out-trade-no", help=_("The payment that it is about; by default the newest."))
    @click.pass_context
    def trigger(context: click.Context, /, event: str, out_trade_no: str | None) -> None:
        from ..simulator.triggers import TO_REFUSE

        with refusals():
            deliveries = _told(blueprint, event, out_trade_no)
        for delivery in deliveries:
            _say(event, delivery)
        if any(delivery.heard == (event in TO_REFUSE) for delivery in deliveries):
            click.echo(_("The app should have answered otherwise."), err=True)
            context.exit(NOT_IN_ORDER)

    return trigger


def _told(alipay: AlipayBlueprint, event: str, out_trade_no: str | None) -> list[Delivery]:
    from ..simulator.orders import Order
    from ..simulator.triggers import triggered

    simulator = _simulator(alipay)
    payment = find_payment(alipay, out_trade_no) if out_trade_no else _newest(alipay)
    with current_app.test_request_context():
        notify_url = alipay.config.notify_url or alipay.outside_url("notify")
    legacy = simulator.protocol == "mapi"
    order = Order(
        protocol=simulator.protocol,
        method="create_direct_pay_by_user" if legacy else "alipay.trade.page.pay",
        out_trade_no=payment.out_trade_no,
        subject=payment.subject,
        total_fen=payment.total_fen,
        charset=simulator.charset,
        sign_type=simulator.sign_type,
        notify_url=notify_url,
        currency=payment.currency or "CNY",
    )
    notices = triggered(
        event, order, simulator.dialects, simulator.clock.now(), payment.trade_no or ""
    )
    alipay.session.rollback()  # the app is told in a transaction of its own
    if event == "escrow-paid" and not legacy:
        notices = ()
    if not notices:
        raise Refused(_("Alipay tells nothing of this kind about such a payment."))
    return [simulator.deliverer.deliver(notice) for notice in notices]


def _simulator(alipay: AlipayBlueprint) -> Simulator:
    if not alipay.config.simulator:
        raise Refused(
            _(
                "Only Alipay signs what this app believes: set {key}, without real credentials, "
                "and the simulator can."
            ).format(key=f"{alipay.config.prefix}_SIMULATOR")
        )
    from ..simulator.simulator import SIMULATORS

    simulator: Simulator = current_app.extensions[SIMULATORS][alipay.state.endpoint]
    return simulator


def _newest(alipay: AlipayBlueprint) -> Any:
    Payment = alipay.models.Payment
    ours = select(Payment).where(Payment.merchant == alipay.config.merchant)
    payment = alipay.session.scalars(ours.order_by(Payment.id.desc()).limit(1)).first()
    if payment is None:
        raise Refused(_("There is no payment in the ledger yet."))
    return payment


def _say(event: str, delivery: Delivery) -> None:
    attempt = delivery.attempts[-1]
    click.echo(f"{event}: {delivery.notice.out_trade_no} → {delivery.notice.url}")
    status = _("no answer") if attempt.status is None else attempt.status
    click.echo(f"{status} {attempt.answer}")
