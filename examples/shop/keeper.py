"""Ship orders: an operator page, and a command.

The simulator inside the app keeps its trades in the server's memory, so the command, which runs in
another process, cannot ship escrow orders there.
"""

from __future__ import annotations

from collections.abc import Callable

import click
from flask import flash, redirect, request, url_for
from flask.cli import with_appcontext
from flask_admin import BaseView, expose
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from werkzeug import Response as Redirect

from flask_alipay import AlipayError

from . import orders, subscriptions
from .forms import check_token
from .models import PAID, Order, db
from .paying import alipay, method_label
from .sending import RefundedOrder, send

CARRIER = "SF Express (顺丰速运)"


class ParcelsView(BaseView):
    """The list of sold orders, with a button to ship each."""

    def __init__(self, is_operator: Callable[[], bool], to_login: Callable[[], Redirect]) -> None:
        super().__init__(_l("Parcels"), endpoint="parcels")
        self._is_operator = is_operator
        self._to_login = to_login

    def is_accessible(self) -> bool:
        return self._is_operator()

    def inaccessible_callback(self, name: str, **kwargs: object) -> Redirect:
        return self._to_login()

    @expose("/")
    def index(self) -> str:
        return self.render(
            "parcels.html",
            orders=orders.sold(),
            carrier=CARRIER,
            method_label=method_label,
            subscriptions=subscriptions.offered(),
        )

    @expose("/renew", methods=("POST",))
    def renew(self) -> Redirect:
        """Charge the subscriptions that are due, as the worker does regularly."""
        check_token()
        done = subscriptions.renew()
        text = _(
            "Subscriptions: %(paid)s paid, %(failed)s failed", paid=done.paid, failed=done.failed
        )
        flash(text, "success")
        return redirect(url_for(".index"), code=303)

    @expose("/<token>/ship", methods=("POST",))
    def ship(self, token: str) -> Redirect:
        """Ship an order, once."""
        check_token()
        order = db.first_or_404(select(Order).where(Order.token == token))
        if order.state == PAID:
            try:
                send(order, request.form.get("carrier", ""), request.form.get("parcel", "").strip())
            except (AlipayError, RefundedOrder) as error:
                db.session.rollback()
                flash(_("Not shipped; nothing was changed. %(reason)s", reason=error), "error")
        return redirect(url_for(".index"), code=303)


@click.command("ship")
@click.argument("number")
@click.option("--carrier", default=CARRIER, show_default=True, help="The carrier.")
@click.option("--parcel", default="", help="The carrier's tracking number.")
@with_appcontext
def ship_command(number: str, carrier: str, parcel: str) -> None:
    """Record that the order NUMBER was shipped; in escrow, also at Alipay."""
    order = orders.find(number)
    if order is None or order.state != PAID:
        raise click.ClickException(f"{number} is not an order that can be shipped.")
    if alipay.config.simulator and order.escrow:
        raise click.ClickException(
            "The simulator runs inside the shop's server. Ship the order on /admin."
        )
    try:
        send(order, carrier, parcel)
    except (AlipayError, RefundedOrder) as error:
        raise click.ClickException(f"Not shipped: {error}") from None
    click.echo(f"{order.number} is on its way.")
