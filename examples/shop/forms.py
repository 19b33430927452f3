"""Protection against forged forms: a signed token that matches the session's."""

from __future__ import annotations

import secrets
from hmac import compare_digest

from flask import abort, current_app, request, session
from flask_babel import gettext as _
from itsdangerous import BadSignature, URLSafeTimedSerializer

MAX_AGE = 24 * 60 * 60


def form_token() -> str:
    """Return the value of a form's hidden field ``token``."""
    if "form" not in session:
        session["form"] = secrets.token_urlsafe(16)
    return str(_serializer().dumps(session["form"]))


def check_token() -> None:
    """Reject a form without a valid token. For ``before_request``."""
    if request.method != "POST":
        return
    try:
        seed = _serializer().loads(request.form.get("token", ""), max_age=MAX_AGE)
    except BadSignature:
        seed = ""
    if not seed or not compare_digest(seed, session.get("form", "")):
        abort(400, _("This form has expired. Please go back, reload the page and try again."))


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.secret_key or "", salt="shop-form")
