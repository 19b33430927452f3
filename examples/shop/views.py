"""The pages."""

from __future__ import annotations

from flask import (
    Blueprint,
    Response,
    abort,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from sqlalchemy import select
from werkzeug import Response as Redirect
from werkzeug.exceptions import HTTPException

from flask_alipay.protocol.money import format_amount

from . import orders
from .catalogue import CATALOGUE
from .forms import check_token
from .models import EXPIRED, FAILED, OPEN, SENT, Order, Stock, db, now
from .paying import alipay, method_label, offered

#: The most that one order takes of one product.
MOST_PIECES = 20

shop = Blueprint("shop", __name__)
shop.before_request(check_token)


@shop.after_request
def guard(response: Response) -> Response:
    """Our own style and script only; the link of an order stays out of caches and referrers."""
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
    )
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@shop.app_template_filter("yuan")
def yuan(fen: int) -> str:
    return f"¥{format_amount(fen)}"


@shop.get("/")
def home() -> str:
    orders.close_overdue()
    return render_template("catalogue.html", products=CATALOGUE.values(), left=_left())


@shop.get("/tea/<slug>")
def product(slug: str) -> str:
    if slug not in CATALOGUE:
        abort(404)
    orders.close_overdue()
    most = min(_left()[slug], MOST_PIECES)
    return render_template("product.html", product=CATALOGUE[slug], most=most, methods=offered())


@shop.post("/orders")
def place() -> Redirect | tuple[str, int]:
    """Takes a form whose fields are slugs and whose values are quantities."""
    name = request.form.get("method", "")
    method = offered().get(name)
    if method is None:
        return _method_is_gone(name)
    orders.close_overdue()
    try:
        placed = orders.place(_quantities(), name)
        method.begin(placed)
        db.session.commit()
    except orders.SoldOut as sold_out:
        return _sold_out(sold_out)
    session["orders"] = [placed.token, *session.get("orders", [])][:20]
    return redirect(url_for(".order", token=placed.token), code=303)


@shop.get("/orders")
def mine() -> str:
    """The orders whose links this browser was given; there is no other way to list any."""
    known = Order.token.in_(session.get("orders", []))
    found = db.session.scalars(select(Order).where(known).order_by(Order.id.desc()))
    return render_template("orders.html", orders=found.all())


@shop.get("/order/<token>")
def order(token: str) -> str:
    orders.close_overdue()
    found = _order(token)
    return render_template(
        "order.html",
        order=found,
        catalogue=CATALOGUE,
        method=offered().get(found.method),
        method_label=method_label(found.method),
        seconds_left=int((found.expires_at - now()).total_seconds()),
        confirm_url=_confirm_url(found),
        result_url=_result_url(found),
    )


@shop.get("/order/<token>/status")
def status(token: str) -> dict[str, str]:
    """What the order page asks every few seconds. It only reads, so it may be asked often."""
    return {"state": _order(token).shown_state}


@shop.post("/order/<token>/pay")
def pay(token: str) -> Redirect | tuple[str, int]:
    """Sends the buyer to pay; for an order that was not paid in time, begins a new payment."""
    found = _order(token)
    method = offered().get(found.method)
    if method is None:
        return _method_is_gone(found.method)
    try:
        if found.state in (FAILED, EXPIRED) and orders.reopen(found):
            method.begin(found)
        db.session.commit()
    except orders.SoldOut as sold_out:
        return _sold_out(sold_out)
    if found.shown_state != OPEN:
        return redirect(url_for(".order", token=token), code=303)
    return redirect(method.url(found), code=303)


def page_of_error(error: HTTPException) -> tuple[str, int]:
    words = {
        400: ("That did not work", error.description),
        404: ("Nothing here", "This page is not, or no longer, in the shop."),
    }
    title, text = words.get(error.code or 0, (error.name, error.description))
    return render_template("message.html", title=title, text=text), error.code or 500


def _sold_out(sold_out: orders.SoldOut) -> tuple[str, int]:
    db.session.rollback()
    text = f"There is not enough {sold_out.title} left for this order. Nothing was reserved."
    return render_template("message.html", title="Just sold out", text=text), 409


def _method_is_gone(name: str) -> tuple[str, int]:
    text = (
        f"The shop does not take {method_label(name)}. Please order again and choose another way; "
        "nothing was charged for this order."
    )
    return render_template("message.html", title="Not this way", text=text), 409


def _confirm_url(order: Order) -> str | None:
    """Where the buyer says that the goods have come. At Alipay that is among the buyer's own
    trades; at the simulator it is the page where the order was paid.
    """
    if order.state == SENT and order.escrow and alipay.config.simulator:
        return alipay.gateway_url(order.sale)
    return None


def _result_url(order: Order) -> str | None:
    """The URL that a waiting page polls, so that Alipay is queried about the payment."""
    if order.payment is None or order.payment.paid:
        return None
    return alipay.status_url(order.payment)


def _order(token: str) -> Order:
    return db.first_or_404(select(Order).where(Order.token == token))


def _left() -> dict[str, int]:
    return {stock.slug: stock.pieces for stock in db.session.scalars(select(Stock))}


def _quantities() -> dict[str, int]:
    """What was asked for. Anything else than a small whole number of a product is a bad request."""
    wanted = {slug: request.form.get(slug, 0, type=int) for slug in CATALOGUE}
    wanted = {slug: quantity for slug, quantity in wanted.items() if quantity != 0}
    if not wanted or not all(0 < quantity <= MOST_PIECES for quantity in wanted.values()):
        abort(400, f"Please choose between 1 and {MOST_PIECES} pieces.")
    return wanted
