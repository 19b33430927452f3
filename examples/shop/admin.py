"""The operator pages at ``/admin``: Flask-Alipay's pages, the parcels, and the login.

There is one operator, ``keeper``. The password is ``SHOP_ADMIN_PASSWORD``, or a generated one;
``flask --app examples/shop admin-password`` prints it.
"""

from __future__ import annotations

import hmac
import secrets
from hmac import compare_digest

import click
from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.cli import with_appcontext
from flask_admin import Admin, AdminIndexView, expose
from werkzeug import Response as Redirect

from flask_alipay.admin import add_alipay_views

from .forms import check_token
from .keeper import ParcelsView
from .language import path_of_this_site
from .paying import alipay

OPERATOR = "keeper"

login = Blueprint("login", __name__)
login.before_request(check_token)


class HomeView(AdminIndexView):
    """The start page; redirects to the login if the operator is not logged in."""

    @expose("/")
    def index(self) -> str | Redirect:
        return redirect(url_for("alipay_admin_takings.index"), code=303)

    def is_accessible(self) -> bool:
        return is_operator()

    def is_visible(self) -> bool:
        return False

    def inaccessible_callback(self, name: str, **kwargs: object) -> Redirect:
        return to_login()


def is_operator() -> bool:
    """Return whether the operator is logged in with the present password."""
    proof = session.get("operator", "")
    return bool(proof) and compare_digest(proof, _login_proof())


def to_login() -> Redirect:
    return redirect(url_for("login.form", next=request.path), code=303)


def add_admin(app: Flask) -> None:
    """Add the pages and the login."""
    admin = Admin(app, name="Cloud & Leaf", index_view=HomeView(), csp_nonce_generator=_nonce)
    admin.add_view(ParcelsView(is_operator, to_login))
    add_alipay_views(
        admin,
        alipay,
        is_accessible=is_operator,
        inaccessible=to_login,
        operator=lambda: OPERATOR,
    )
    app.register_blueprint(login)
    app.after_request(_set_policy)
    app.cli.add_command(password_command)


@login.get("/login")
def form() -> str:
    return render_template("login.html", next=request.args.get("next", ""), wrong=False)


@login.post("/login")
def enter() -> Redirect | tuple[str, int]:
    name, password = request.form.get("name", ""), request.form.get("password", "")
    right = compare_digest(password.encode(), current_app.config["SHOP_ADMIN_PASSWORD"].encode())
    if name != OPERATOR or not right:
        return render_template("login.html", next=request.form.get("next", ""), wrong=True), 403
    session["operator"] = _login_proof()
    wanted = request.form.get("next", "")
    safe = path_of_this_site(wanted, below="/admin/")
    return redirect(safe or url_for("admin.index"), code=303)


@login.post("/logout")
def leave() -> Redirect:
    session.pop("operator", None)
    return redirect(url_for("shop.home"), code=303)


@click.command("admin-password")
@with_appcontext
def password_command() -> None:
    """Print the operator's password for /admin."""
    click.echo(f"{OPERATOR}: {current_app.config['SHOP_ADMIN_PASSWORD']}")


def _login_proof() -> str:
    """Return the session's proof of login: a new password ends all sessions."""
    config = current_app.config
    return hmac.digest(
        config["SECRET_KEY"].encode(), config["SHOP_ADMIN_PASSWORD"].encode(), "sha256"
    ).hex()


def _nonce() -> str:
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    found: str = g.nonce
    return found


def _set_policy(response: Response) -> Response:
    """Allow only the app's own scripts and styles on operator pages."""
    if request.path.startswith("/admin"):
        allowed = f"'self' 'nonce-{_nonce()}'"
        response.headers["Content-Security-Policy"] = (
            f"default-src 'self'; script-src {allowed}; style-src {allowed}; img-src 'self' data:; "
            "base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
        )
    return response
