"""Routes of the gateways, and a request's raw bytes from query and body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as BaseResponse

from ..openapi import RestRequest
from ..replies import Reply
from .forms import MAX_BYTES, MAX_UPLOAD, InvalidForm, RawForm
from .multipart import MULTIPART, Parts, parse_multipart
from .response_faults import apply_faults
from .responses import no_store, plain, problem, render_page, respond
from .visited import base_url

if TYPE_CHECKING:
    from ..simulator import Simulator

_FORM = "application/x-www-form-urlencoded"


def add_gateways(blueprint: Blueprint, simulator: Simulator) -> None:
    """Add the routes for the merchant's server, the buyer's browser and the app.

    :param blueprint: the simulator's.
    :param simulator: does the work; the addresses only speak HTTP.
    """
    views = _Gateways(simulator)
    blueprint.add_url_rule("/gateway.do", "gateway", views.gateway, methods=["GET", "POST"])
    blueprint.add_url_rule(
        "/service/rest.htm", "wap_gateway", views.wap_gateway, methods=["GET", "POST"]
    )
    blueprint.add_url_rule(
        "/trade/notify_query.do", "notify_query", views.notify_query, methods=["GET", "POST"]
    )
    blueprint.add_url_rule(
        "/mobile/<any('pay', 'pay-unsigned', 'cancel'):action>",
        "mobile",
        views.mobile,
        methods=["POST"],
    )
    blueprint.add_url_rule("/v3/<path:path>", "rest", views.rest, methods=["GET", "POST"])
    blueprint.add_url_rule("/bill/<token>", "bill", views.bill)


class _Gateways:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def gateway(self) -> BaseResponse:
        """Handle a merchant's request from its server or a browser."""
        root = self._simulator.base_url or base_url(request, "/gateway.do")
        return self._respond(lambda form: self._simulator.reply(form, root))

    def wap_gateway(self) -> BaseResponse:
        """Handle a request to the legacy WAP gateway."""
        return self._respond(self._simulator.reply_wap)

    def notify_query(self) -> BaseResponse:
        """Confirm a ``notify_id`` at the URL of the oldest clients."""
        return self._respond(self._simulator.reply_to_notify_query)

    def rest(self, path: str) -> BaseResponse:
        """Handle a request of the merchant's server in version 3."""
        if request.method == "HEAD":
            return _not_by_head()
        body = _body()
        files: Mapping[str, bytes] = {}
        if body is None or len(request.query_string) > MAX_BYTES:
            return plain("The request is too large.", 413)
        if request.mimetype == MULTIPART:
            try:
                fields, files = _parts(body)
            except InvalidForm as error:
                return plain(f"The request {error}.", 400)
            body = dict(fields).get(b"data", b"")  # all that is signed
        headers = {name.lower(): value for name, value in request.headers.items()}
        query = request.query_string.decode("latin-1")
        rest_request = RestRequest(
            request.method, path, query, _signed_uris(), body, headers, files
        )
        root = self._simulator.base_url or base_url(request, f"/v3/{path}")
        return apply_faults(
            self._simulator, body, respond(self._simulator.reply_v3(rest_request, root))
        )

    def bill(self, token: str) -> BaseResponse:
        """Return a bill or a receipt, for half a minute."""
        bill = self._simulator.bill(token)
        if bill is None:
            return problem("no_bill", 404, "There is no bill here, or no longer.")
        kind = "pdf" if bill.startswith(b"%PDF") else "zip"
        response = no_store(Response(bill, content_type=f"application/{kind}"))
        return apply_faults(self._simulator, b"", response)

    def mobile(self, action: str) -> BaseResponse:
        """Handle an app's order string; ``pay-unsigned`` is a buyer who unticks the agreement that
        belongs to the payment.
        """
        order_string = request.stream.read(MAX_BYTES)
        done = self._simulator.pay_in_app(
            order_string, cancel=action == "cancel", sign=action != "pay-unsigned"
        )
        response = respond(done)
        return apply_faults(self._simulator, order_string, response)

    def _respond(self, response: Callable[[RawForm], Reply]) -> BaseResponse:
        if request.method == "HEAD":  # expects no body, and must have no effect
            return _not_by_head()
        sent = _form_body()
        if sent is None or len(request.query_string) > MAX_BYTES:
            return render_page("message.html", 413, topic="large")
        try:
            parts = _parts(sent) if request.mimetype == MULTIPART else None
            body, files = (sent, {}) if parts is None else (parts.form, parts.files)
            form = RawForm(request.query_string, body, files)
        except InvalidForm as error:
            return problem("invalid", 400, f"The request {error}.")
        return apply_faults(self._simulator, body, respond(response(form)))


def _signed_uris() -> tuple[str, ...]:
    """Return the request's path and query as sent, and without the simulator's prefix."""
    environ = request.environ  # servers have no common name for it
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or request.full_path.rstrip("?")
    sent = str(raw)
    if "://" in sent.partition("?")[0]:  # a request may name its host there, too
        sent = f"/{sent.partition('://')[2].partition('/')[2]}"
    return sent, f"/v3/{sent.partition('/v3/')[2]}"


def _not_by_head() -> BaseResponse:
    response = plain("The gateway accepts only GET and POST.", 405)
    response.headers["Allow"] = "GET, POST, OPTIONS"
    return response


def _form_body() -> bytes | None:
    """Return the raw body of a form, empty for other content, ``None`` if it is too large.

    Must come before anything that makes Flask parse the form, which would read it as UTF-8.
    """
    if request.method != "POST" or request.mimetype not in (_FORM, MULTIPART, ""):
        return b""
    return _body()


def _body() -> bytes | None:
    """Return the raw body, ``None`` if it is too large."""
    limit = MAX_UPLOAD if request.mimetype == MULTIPART else MAX_BYTES
    if (request.content_length or 0) > limit:
        return None
    body = request.stream.read(limit + 1)
    return None if len(body) > limit else body


def _parts(body: bytes) -> Parts:
    return parse_multipart(body, request.mimetype_params.get("boundary", ""))
