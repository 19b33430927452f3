"""For the shopkeeper: a page among the operator pages, and a command, to ship what was sold.

The simulator's trades are in the memory of the server, so a command in another process cannot do
anything to them.
"""

from __future__ import annotations

from collections.abc import Callable

import click
from flask import flash, redirect, request, url_for
from flask.cli import with_appcontext
from flask_admin import BaseView, expose
from sqlalchemy import select
from werkzeug import Response as Redirect

from flask_alipay import AlipayError

from . import orders
from .forms import check_token
from .models import PAID, Order, db
from .paying import alipay, method_label
from .sending import GivenBack, send

CARRIER = "SF Express (顺丰速运)"


class ParcelsView(BaseView):
    """What was sold, and a button to ship it."""

    def __init__(self, is_operator: Callable[[], bool], to_login: Callable[[], Redirect]) -> None:
        super().__init__("Parcels", endpoint="parcels")
        self._is_operator = is_operator
        self._to_login = to_login

    def is_accessible(self) -> bool:
        return self._is_operator()

    def inaccessible_callback(self, name: str, **kwargs: object) -> Redirect:
        return self._to_login()

    @expose("/")
    def index(self) -> str:
        return self.render(
            "parcels.html", orders=orders.sold(), carrier=CARRIER, method_label=method_label
        )

    @expose("/<token>/ship", methods=("POST",))
    def ship(self, token: str) -> Redirect:
        """Sends what the button stands beside; pressed twice, it is sent once."""
        check_token()
        order = db.first_or_404(select(Order).where(Order.token == token))
        if order.state == PAID:
            try:
                send(order, request.form.get("carrier", ""), request.form.get("parcel", "").strip())
            except (AlipayError, GivenBack) as error:
                db.session.rollback()
                flash(f"Not sent; nothing was changed. {error}", "error")
        return redirect(url_for(".index"), code=303)


@click.command("ship")
@click.argument("number")
@click.option("--carrier", default=CARRIER, show_default=True, help="Who carries the parcel.")
@click.option("--parcel", default="", help="The carrier's number of it.")
@with_appcontext
def ship_command(number: str, carrier: str, parcel: str) -> None:
    """Record that the order NUMBER is on its way; in escrow, tell Alipay."""
    order = orders.find(number)
    if order is None or order.state != PAID:
        raise click.ClickException(f"{number} is no order that waits to be sent.")
    if alipay.config.simulator and order.escrow:
        raise click.ClickException("The simulator is inside the running shop: ship it on /admin.")
    try:
        send(order, carrier, parcel)
    except (AlipayError, GivenBack) as error:
        raise click.ClickException(f"Not sent: {error}") from None
    click.echo(f"{order.number} is on its way.")
