"""For the shopkeeper: a command, and with the embedded simulator a page.

The page knows no login, so a shop that takes real money does not have it. The simulator's trades
are in the memory of the server, so a command in another process cannot do anything to them.
"""

from __future__ import annotations

import click
from flask import Blueprint, redirect, render_template, request, url_for
from flask.cli import with_appcontext
from sqlalchemy import select
from werkzeug import Response as Redirect

from flask_alipay import AlipayError

from . import orders
from .forms import check_token
from .models import PAID, Order, db
from .paying import alipay, method_label
from .sending import GivenBack, send
from .views import guard

CARRIER = "SF Express (顺丰速运)"

keeper = Blueprint("keeper", __name__)
keeper.before_request(check_token)
keeper.after_request(guard)


@keeper.get("/keeper")
def sold() -> str:
    """What was sold, and a button to ship it."""
    return render_template(
        "keeper.html", orders=orders.sold(), carrier=CARRIER, method_label=method_label
    )


@keeper.post("/keeper/<token>/ship")
def ship(token: str) -> Redirect | tuple[str, int]:
    """Sends what the button stands beside; pressed twice, it is sent once."""
    order = db.first_or_404(select(Order).where(Order.token == token))
    if order.state == PAID:
        try:
            send(order, request.form.get("carrier", ""), request.form.get("parcel", "").strip())
        except (AlipayError, GivenBack) as error:
            return _not_sent(error)
    return redirect(url_for(".sold"), code=303)


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
        raise click.ClickException("The simulator is inside the running shop: ship it on /keeper.")
    try:
        send(order, carrier, parcel)
    except (AlipayError, GivenBack) as error:
        raise click.ClickException(f"Not sent: {error}") from None
    click.echo(f"{order.number} is on its way.")


def _not_sent(error: Exception) -> tuple[str, int]:
    db.session.rollback()
    text = f"Nothing was changed. {error}"
    return render_template("message.html", title="Not sent", text=text), 409
