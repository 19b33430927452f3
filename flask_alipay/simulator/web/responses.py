"""Conversion of replies and pages to HTTP responses."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ...protocol.charsets import encode
from ...protocol.i18n import DEFAULT, LANGUAGES, translator
from ..error_codes import without_prefix
from ..replies import (
    ErrorPage,
    JsonText,
    PlainText,
    RedirectToAgreement,
    RedirectToBatch,
    RedirectToCashier,
    Reply,
    V3Response,
    XmlText,
)


def respond(response: Reply) -> BaseResponse:
    """Convert a gateway's reply to a response for a server or a browser."""
    if isinstance(response, RedirectToCashier):
        cashier = url_for(".cashier", cashier_id=response.trade.cashier_id)
        return no_store(redirect(cashier, 303))
    if isinstance(response, RedirectToBatch):
        return no_store(redirect(url_for(".batch", batch_id=response.batch.batch_id), 303))
    if isinstance(response, RedirectToAgreement):
        page = url_for(".sign_page", page_id=response.agreement.page_id)
        return no_store(redirect(page, 303))
    if isinstance(response, XmlText):
        content_type = f"text/xml;charset={response.charset}"
        return no_store(Response(response.body, content_type=content_type))
    if isinstance(response, PlainText):
        return plain(response.text, 200)
    if isinstance(response, JsonText):
        body = encode(response.text, response.charset)
        content_type = f"{response.media_type};charset={response.charset}"
        return no_store(Response(body, content_type=content_type))
    if isinstance(response, V3Response):
        content_type = f"{response.media_type};charset=UTF-8"
        return no_store(
            Response(response.body, response.status, response.headers, content_type=content_type)
        )
    return _error_page(response)


def _error_page(error: ErrorPage) -> BaseResponse:
    english, chinese = error.meaning
    response = render_page(
        "error.html",
        error.status,
        code=without_prefix(error.code),
        meaning=chinese if language() == "zh" else english,
        detail=error.detail,
        string_to_sign=error.string_to_sign,
        shop_url=error.shop_url,
    )
    response.set_data(response.get_data(as_text=True).encode(error.charset, "xmlcharrefreplace"))
    response.content_type = f"text/html;charset={error.charset.upper()}"
    return response


def render_page(
    template: str, status: int = 200, *, frame_ancestors: str = "'self'", **context: Any
) -> BaseResponse:
    """Render one of the simulator's pages in the browser's language.

    :param template: its name below ``alipay_simulator``.
    :param frame_ancestors: the sites that may show the page in a frame.
    :param context: what the template needs besides ``nonce``, ``lang`` and ``_t``.
    """
    nonce = secrets.token_urlsafe(16)
    chosen = language()
    html = render_template(
        f"alipay_simulator/{template}",
        nonce=nonce,
        lang=chosen,
        _t=translator(chosen),
        **context,
    )
    response = make_response(html, status)
    # No limit on form-action's host: browsers apply it to the redirect after the form as well, and
    # that one leads to the shop, wherever it is.
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
        "img-src data:; connect-src 'self'; form-action 'self' http: https:; "
        f"base-uri 'none'; frame-ancestors {frame_ancestors}"
    )
    response.headers["Vary"] = "Accept-Language"
    return no_store(response)


def problem(topic: str, status: int, text: str, *, parameter: str = "") -> BaseResponse:
    """Return a rejection: a page in the reader's language for a browser, otherwise a plain text.

    :param topic: of the page, see ``message.html``.
    :param text: in English, for programs.
    :param parameter: the invalid parameter of the request, for the page.
    """
    if request.accept_mimetypes.best_match(("text/plain", "text/html")) != "text/html":
        return plain(text, status)
    return render_page("message.html", status, topic=topic, parameter=parameter)


def plain(text: str, status: int) -> BaseResponse:
    """Return a plain text."""
    return no_store(Response(text, status, content_type="text/plain; charset=utf-8"))


def no_store(response: BaseResponse) -> BaseResponse:
    """Prevent caching of the response: a page's URL is for the buyer only."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    return response


def language() -> str:
    """Return the browser's preferred language of the pages."""
    return request.accept_languages.best_match(LANGUAGES, DEFAULT)
