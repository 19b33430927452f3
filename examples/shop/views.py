"""The pages for buyers."""

from __future__ import annotations

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_babel import gettext as _
from sqlalchemy import select
from werkzeug import Response as Redirect
from werkzeug.exceptions import HTTPException

from flask_alipay import AlipayError
from flask_alipay.protocol.conversion import format_amount

from . import orders, subscriptions
from .catalogue import CATALOGUE
from .forms import check_token
from .language import path_of_this_site
from .models import EXPIRED, FAILED, OPEN, SENT, Order, Stock, Subscription, db, now
from .paying import SUBSCRIPTION, alipay, method_label, offered

#: The maximum quantity of a product in one order.
MAX_PIECES = 20

shop = Blueprint("shop", __name__)
shop.before_request(check_token)


@shop.after_request
def set_headers(response: Response) -> Response:
    """Allow only the app's own files; keep the secret URLs of orders from caches and referrers."""
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
    limit = min(_left()[slug], MAX_PIECES)
    return render_template(
        "product.html",
        product=CATALOGUE[slug],
        limit=limit,
        methods=offered(),
        subscriptions=subscriptions.offered(),
    )


@shop.post("/orders")
def place() -> Redirect | tuple[str, int]:
    """Place an order; the form's fields are slugs, the values quantities."""
    name = request.form.get("method", "")
    method = offered().get(name)
    if method is None:
        return _method_not_offered(name)
    orders.close_overdue()
    try:
        placed = orders.place(_quantities(), name)
        method.begin(placed)
        db.session.commit()
    except orders.SoldOut as sold_out:
        return _sold_out(sold_out)
    session["orders"] = [placed.token, *session.get("orders", [])][:20]
    return redirect(url_for(".order", token=placed.token), code=303)


@shop.get("/language/<any(zh, en):language>")
def choose_language(language: str) -> Redirect:
    """Remember the buyer's choice, and return to the page that offered it."""
    session["language"] = language
    return redirect(path_of_this_site(request.args.get("next", "")) or url_for(".home"), code=303)


@shop.get("/orders")
def mine() -> str:
    """List the orders of this browser's session; there is no other list for buyers."""
    known = Order.token.in_(session.get("orders", []))
    found = db.session.scalars(select(Order).where(known).order_by(Order.id.desc()))
    subscribed = Subscription.token.in_(session.get("subscriptions", []))
    kept = db.session.scalars(select(Subscription).where(subscribed).order_by(Subscription.id))
    return render_template("orders.html", orders=found.all(), subscriptions=kept.all())


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


@shop.post("/tea/<slug>/subscribe")
def subscribe(slug: str) -> Redirect:
    """Begin a subscription, and redirect the buyer to the page that leads to Alipay."""
    if slug not in CATALOGUE or not subscriptions.offered():
        abort(404)
    begun = subscriptions.begin(slug)
    db.session.commit()
    session["subscriptions"] = [begun.token, *session.get("subscriptions", [])][:20]
    return redirect(alipay.sign_url(begun.agreement), code=303)


@shop.get("/subscription/<token>")
def subscription(token: str) -> str:
    return render_template("subscription.html", subscription=_subscription(token))


@shop.post("/subscription/<token>/sign")
def sign(token: str) -> Redirect:
    """Redirect a buyer who has not signed yet to Alipay."""
    return redirect(alipay.sign_url(_subscription(token).agreement), code=303)


@shop.post("/subscription/<token>/end")
def end_subscription(token: str) -> Redirect | tuple[str, int]:
    """End a subscription at Alipay, at the buyer's wish."""
    try:
        subscriptions.end(_subscription(token))
    except AlipayError:
        db.session.rollback()
        current_app.logger.exception("a subscription was not ended")
        title = _("Not ended yet")
        text = _("Alipay did not confirm it. Please try again in a few minutes.")
        return render_template("message.html", title=title, text=text), 502
    return redirect(url_for(".subscription", token=token), code=303)


@shop.get("/order/<token>/status")
def status(token: str) -> dict[str, str]:
    """Return the state of an order, which its page polls. Reads only."""
    return {"state": _order(token).shown_state}


@shop.post("/order/<token>/pay")
def pay(token: str) -> Redirect | tuple[str, int]:
    """Redirect the buyer to the payment; start a new one if the order failed or expired."""
    found = _order(token)
    method = offered().get(found.method)
    if method is None:
        return _method_not_offered(found.method)
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
    messages = {
        400: (_("Invalid request"), error.description),
        404: (_("Page not found"), _("This page does not exist, or no longer exists.")),
        405: (_("Invalid request"), _("Please use the links and buttons of the pages.")),
    }
    title, text = messages.get(error.code or 0, (error.name, error.description))
    return render_template("message.html", title=title, text=text), error.code or 500


def _sold_out(sold_out: orders.SoldOut) -> tuple[str, int]:
    db.session.rollback()
    text = _(
        "%(title)s is not available in this quantity. Nothing was reserved.", title=sold_out.title
    )
    return render_template("message.html", title=_("Sold out"), text=text), 409


def _method_not_offered(name: str) -> tuple[str, int]:
    text = _(
        "The shop does not accept %(method)s. Please order again with another payment method; "
        "nothing was charged for this order.",
        method=method_label(name),
    )
    title = _("Payment method not available")
    return render_template("message.html", title=title, text=text), 409


def _confirm_url(order: Order) -> str | None:
    """Return the URL where the buyer confirms the goods: the simulator's cashier page.

    At Alipay, the buyer confirms in the list of trades in the own account.
    """
    if order.state == SENT and order.escrow and alipay.config.simulator:
        return alipay.gateway_url(order.sale)
    return None


def _result_url(order: Order) -> str | None:
    """The URL that a waiting page polls, so that Alipay is queried about the payment."""
    if order.payment is None or order.payment.paid or order.method == SUBSCRIPTION:
        return None
    return alipay.status_url(order.payment)


def _order(token: str) -> Order:
    return db.first_or_404(select(Order).where(Order.token == token))


def _subscription(token: str) -> Subscription:
    return db.first_or_404(select(Subscription).where(Subscription.token == token))


def _left() -> dict[str, int]:
    return {stock.slug: stock.pieces for stock in db.session.scalars(select(Stock))}


def _quantities() -> dict[str, int]:
    """Return the ordered quantities; reject anything but small positive integers."""
    quantities = {slug: request.form.get(slug, 0, type=int) for slug in CATALOGUE}
    quantities = {slug: quantity for slug, quantity in quantities.items() if quantity != 0}
    if not quantities or not all(0 < quantity <= MAX_PIECES for quantity in quantities.values()):
        abort(400, _("Please choose between 1 and %(most)s pieces.", most=MAX_PIECES))
    return quantities
