"""The simulator on the web: the gateway's address and the buyer's pages, as a Flask blueprint."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ..banks import bank_name
from ..china_time import to_china
from ..money import NO_MINOR_UNIT, to_yuan
from .answers import Answer, ErrorPage, JsonText, PlainText, ToBatch, ToCashier, XmlText
from .batches import TRANSFERS, WAITING, Batch
from .rates import to_rmb
from .trades import Event, Order, Trade
from .wire import MOST_BYTES, RawForm, Unreadable
from .wording import LANGUAGES, wording

if TYPE_CHECKING:
    from .simulator import Simulator

_TEMPLATES = Path(__file__).parent.parent / "templates"
_FORM = "application/x-www-form-urlencoded"
# The most entries of a batch that its page lists.
_MOST_SHOWN = 50


def cashier_blueprint(simulator: Simulator, name: str) -> Blueprint:
    """Returns a new blueprint of a simulator's gateway and cashier pages.

    :param simulator: does the work; the blueprint only speaks HTTP.
    :param name: the blueprint's name.
    """
    blueprint = Blueprint(name, __name__, template_folder=str(_TEMPLATES))
    views = _Views(simulator)
    blueprint.add_url_rule("/gateway.do", "gateway", views.gateway, methods=["GET", "POST"])
    blueprint.add_url_rule(
        "/service/rest.htm", "wap_gateway", views.wap_gateway, methods=["GET", "POST"]
    )
    blueprint.add_url_rule(
        "/mobile/<any(pay, cancel):wish>", "mobile", views.mobile, methods=["POST"]
    )
    blueprint.add_url_rule("/cashier/<cashier_id>", "cashier", views.cashier)
    blueprint.add_url_rule(
        "/cashier/<cashier_id>/<any(pay, deposit, confirm, close, expire):event>",
        "act",
        views.act,
        methods=["POST"],
    )
    blueprint.add_url_rule("/batch/<batch_id>", "batch", views.batch)
    blueprint.add_url_rule(
        "/batch/<batch_id>/<any(confirm, refuse):wish>",
        "end_batch",
        views.end_batch,
        methods=["POST"],
    )
    return blueprint


class _Views:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def gateway(self) -> BaseResponse:
        """Takes a request of the merchant's, brought by its server or by a browser."""
        return _answered(self._simulator.answer)

    def wap_gateway(self) -> BaseResponse:
        """Takes a request to the older gateway for phones."""
        return _answered(self._simulator.answer_wap)

    def mobile(self, wish: str) -> BaseResponse:
        """Takes an app's order string, as it is, and does what its buyer wants."""
        order_string = request.stream.read(MOST_BYTES)
        return _respond(self._simulator.pay_in_app(order_string, cancel=wish == "cancel"))

    def cashier(self, cashier_id: str) -> BaseResponse:
        """Shows the buyer the order, or how it ended."""
        trade = self._simulator.look(cashier_id)
        if trade is None:
            return _page("message.html", 404, topic="lost")
        if trade.waiting:
            return self._cashier_page(trade)
        if trade.in_escrow:
            return self._escrow_page(trade)
        return self._outcome_page(trade)

    def act(self, cashier_id: str, event: str) -> BaseResponse:
        """Does what the buyer's button says; a paid buyer goes straight back to the shop."""
        trade = self._simulator.act(cashier_id, event)
        if trade is None:
            return _page("message.html", 404, topic="lost")
        if event in (Event.PAY, Event.DEPOSIT) and trade.paid and trade.order.return_url:
            return _unkept(redirect(self._simulator.return_url(trade), 303))
        return _unkept(redirect(url_for(".cashier", cashier_id=cashier_id), 303))

    def batch(self, batch_id: str) -> BaseResponse:
        """Shows the merchant a batch that waits for confirmation, or what became of it."""
        batch = self._simulator.batches.by_id(batch_id)
        if batch is None:
            return _page("message.html", 404, topic="lost")
        return _page(
            "batch.html",
            batch=batch,
            entries=_entries(batch),
            more=max(0, len(batch.entries) - _MOST_SHOWN),
            total=to_yuan(batch.total_fen),
            waiting=batch.status == WAITING,
            transfers=batch.kind == TRANSFERS,
            unheard=batch.status != WAITING and self._simulator.unheard_batch(batch),
        )

    def end_batch(self, batch_id: str, wish: str) -> BaseResponse:
        """Does what the merchant's button says, and shows what became of it."""
        batch = self._simulator.end_batch(batch_id, confirm=wish == "confirm")
        if batch is None:
            return _page("message.html", 404, topic="lost")
        return _unkept(redirect(url_for(".batch", batch_id=batch_id), 303))

    def _cashier_page(self, trade: Trade) -> BaseResponse:
        order = trade.order
        limit = order.expires_at
        left = None if limit is None else limit - self._simulator.clock.now()
        return _page(
            "cashier.html",
            **self._about(trade),
            bank=bank_name(order.bank, _language()) if order.bank else "",
            # Rounded up: when the page reaches zero, the trade is over here, too.
            seconds_left=None if left is None else int(left.total_seconds()) + 1,
            pay_before=None if limit is None else to_china(limit),
            in_yuan=_in_yuan(order),
            instant=Event.DEPOSIT not in order.ways or Event.PAY in order.ways,
            escrow=Event.DEPOSIT in order.ways,
        )

    def _escrow_page(self, trade: Trade) -> BaseResponse:
        return _page(
            "escrow.html",
            **self._about(trade),
            sent=trade.sent_at is not None,
            unheard=self._simulator.unheard(trade),
            shop_url=self._simulator.return_url(trade),
        )

    def _outcome_page(self, trade: Trade) -> BaseResponse:
        ending = "paid" if trade.paid else "closed"
        if trade.ended_by == Event.EXPIRE:
            ending = "expired"
        if trade.refunded_fen == trade.order.total_fen:
            ending = "refunded"
        return _page(
            "outcome.html",
            **self._about(trade),
            ending=ending,
            unheard=self._simulator.unheard(trade),
            shop_url=self._simulator.return_url(trade),
        )

    def _about(self, trade: Trade) -> dict[str, Any]:
        return {
            "trade": trade,
            "order": trade.order,
            "total": _money(trade.order),
            "seller": self._simulator.merchant.seller_email,
        }


def _money(order: Order) -> str:
    """An amount for people: a currency without a minor unit has no decimals here."""
    if order.currency == "CNY":
        return f"¥{to_yuan(order.total_fen)}"
    whole = order.currency in NO_MINOR_UNIT
    return f"{order.currency} {order.total_fen if whole else to_yuan(order.total_fen)}"


def _in_yuan(order: Order) -> str:
    """What the buyer pays for an order in foreign money, nothing for one in yuan."""
    if order.currency == "CNY":
        return ""
    rmb_fen = to_rmb(order.total_fen, order.currency) if order.rmb_fen is None else order.rmb_fen
    return f"¥{to_yuan(rmb_fen)}"


def _entries(batch: Batch) -> list[dict[str, str]]:
    errors = {done.entry.number: done.error for done in batch.outcomes}
    return [
        {
            "number": entry.number,
            "amount": to_yuan(entry.fen),
            "note": entry.note,
            "payee": " · ".join(filter(None, (entry.name, entry.account))),
            "error": errors.get(entry.number, ""),
        }
        for entry in batch.entries[:_MOST_SHOWN]
    ]


def _answered(answer: Callable[[RawForm], Answer]) -> BaseResponse:
    body = _form_body()
    if body is None or len(request.query_string) > MOST_BYTES:
        return _page("message.html", 413, topic="large")
    try:
        form = RawForm(request.query_string, body)
    except Unreadable as error:
        return _plain(f"The request {error}.", 400)
    return _respond(answer(form))


def _form_body() -> bytes | None:
    """The raw body of a form, nothing for anything else, ``None`` if it is too large.

    Must come before anything that makes Flask parse the form, which would read it as UTF-8.
    """
    if request.method != "POST" or request.mimetype not in (_FORM, ""):
        return b""
    if (request.content_length or 0) > MOST_BYTES:
        return None
    body = request.stream.read(MOST_BYTES + 1)
    return None if len(body) > MOST_BYTES else body


def _respond(answer: Answer) -> BaseResponse:
    if isinstance(answer, ToCashier):
        cashier = url_for(".cashier", cashier_id=answer.trade.cashier_id)
        return _unkept(redirect(cashier, 303))
    if isinstance(answer, ToBatch):
        return _unkept(redirect(url_for(".batch", batch_id=answer.batch.batch_id), 303))
    if isinstance(answer, XmlText):
        content_type = f"text/xml;charset={answer.charset}"
        return _unkept(Response(answer.body, content_type=content_type))
    if isinstance(answer, PlainText):
        return _plain(answer.text, 200)
    if isinstance(answer, JsonText):
        body = answer.text.encode(answer.charset)
        return _unkept(Response(body, content_type=f"application/json;charset={answer.charset}"))
    return _error_page(answer)


def _error_page(error: ErrorPage) -> BaseResponse:
    return _page(
        "error.html",
        400,
        code=error.code,
        meaning=error.meaning[LANGUAGES.index(_language())],
        detail=error.detail,
        shop_url=error.shop_url,
    )


def _page(template: str, status: int = 200, **context: Any) -> BaseResponse:
    nonce = secrets.token_urlsafe(16)
    language = _language()
    html = render_template(
        f"alipay_simulator/{template}",
        nonce=nonce,
        lang=language,
        text=wording(language),
        **context,
    )
    response = make_response(html, status)
    # No limit on form-action's host: browsers apply it to the redirect after the form as well, and
    # that one leads to the shop, wherever it is.
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
        "img-src data:; form-action 'self' http: https:; base-uri 'none'; frame-ancestors 'self'"
    )
    response.headers["Vary"] = "Accept-Language"
    return _unkept(response)


def _plain(text: str, status: int) -> BaseResponse:
    return _unkept(Response(text, status, content_type="text/plain; charset=utf-8"))


def _unkept(response: BaseResponse) -> BaseResponse:
    """Nothing here is for a cache, and a page's address is for the buyer alone."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    return response


def _language() -> str:
    return request.accept_languages.best_match(LANGUAGES, LANGUAGES[0])
