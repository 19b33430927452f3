"""``doctor`` posts a probe to the notification route, through the complete app."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, abort, redirect, request
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import MetaData, NullPool, text
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_alipay import (
    AlipayBlueprint,
    ConfigurationError,
    notification_refused,
)
from flask_alipay.keys import key_to_base64, private_pem
from flask_alipay.settings import KNOWN

from ..conftest import Keys
from ..docs.settings_read import settings_read
from ..doubles.app import MERCHANT, Shop, make_shop
from ..doubles.models import declare_models, declare_payment

NOTIFY_URL = "https://shop.example.com/alipay/notify"


@pytest.fixture
def open_shop(keys: Keys) -> Callable[..., Shop]:
    def make(**config: Any) -> Shop:
        settings = {
            "ALIPAY_APP_ID": MERCHANT,
            "ALIPAY_PRIVATE_KEY": private_pem(keys.merchant),
            "ALIPAY_PUBLIC_KEY": key_to_base64(keys.alipay.public_key()),
            "ALIPAY_NOTIFY_URL": NOTIFY_URL,
            "TRUSTED_HOSTS": ["shop.example.com"],
        }
        return make_shop(**{**settings, **config})

    return make


def findings(shop: Shop, *options: str) -> dict[str, dict[str, str]]:
    result = shop.run("doctor", "--offline", "--json", *options)
    assert not result.exception or isinstance(result.exception, SystemExit)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    return {one["check"]: one for one in found}


def test_a_reached_route_is_reported(open_shop: Callable[..., Shop]) -> None:
    route = findings(open_shop())["route"]
    assert (route["level"], "/alipay/notify" in route["message"]) == ("ok", True)


@pytest.mark.parametrize("trusted", [["a.example", "b.example"], [".shop.example"]])
def test_the_probe_uses_a_trusted_host(open_shop: Callable[..., Shop], trusted: list[str]) -> None:
    config = dict.fromkeys(("ALIPAY_APP_ID", "ALIPAY_PRIVATE_KEY", "ALIPAY_PUBLIC_KEY"))
    shop = open_shop(
        **config,
        ALIPAY_NOTIFY_URL=None,
        ALIPAY_SIMULATOR=True,
        TESTING=True,
        TRUSTED_HOSTS=trusted,
    )
    assert findings(shop)["route"]["level"] == "ok"


def test_the_probe_settles_logs_and_signals_nothing(
    open_shop: Callable[..., Shop], caplog: pytest.LogCaptureFixture
) -> None:
    shop, signalled = open_shop(), []
    shop.add(shop.row("T1"))
    caplog.set_level(logging.INFO, "flask_alipay")

    def note(*args: object, **rest: object) -> None:
        signalled.append(args)

    with notification_refused.connected_to(note):
        findings(shop)
    assert (signalled, caplog.records) == ([], [])
    with shop.app.app_context():
        assert shop.db.session.query(shop.Notification).count() == 0
        assert not shop.db.session.query(shop.Payment).one().paid


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"flask_alipay.blueprint.probe": "1", "Flask-Alipay-Probe": "1"}},
        {"environ_overrides": {"flask_alipay.blueprint.probe": "1"}},
    ],
)
def test_a_request_over_http_is_not_taken_for_a_probe(
    options: dict[str, Any], open_shop: Callable[..., Shop]
) -> None:
    signalled = []

    def note(*args: object, **rest: object) -> None:
        signalled.append(args)

    with notification_refused.connected_to(note):
        shop = open_shop()
        shop.app.test_client().post(NOTIFY_URL, data={"a": "1"}, **options)
    assert len(signalled) == 1


def login(app: Flask) -> None:
    @app.before_request
    def require_login() -> Any:
        return redirect("/login?next=x")


def csrf(app: Flask) -> None:
    @app.before_request
    def check() -> None:
        if request.method == "POST" and "csrf_token" not in request.form:
            abort(400, "The CSRF token is missing.")


def csrf_in_silence(app: Flask) -> None:
    @app.before_request
    def check() -> None:
        abort(403)


def https(app: Flask) -> None:
    @app.before_request
    def force() -> Any:
        if not request.is_secure:
            return redirect(request.url.replace("http://", "https://"), 301)
        return None


def consumed(app: Flask) -> None:
    @app.before_request
    def log_form() -> None:
        str(request.form)


def consumed_by_middleware(app: Flask) -> None:
    inner = app.wsgi_app

    def middleware(environ: Any, start: Any) -> Any:
        environ["wsgi.input"].read()
        return inner(environ, start)

    app.wsgi_app = middleware  # type: ignore[method-assign]


def raising(app: Flask) -> None:
    @app.before_request
    def fail() -> None:
        raise KeyError("secret-of-the-shop")


def wrapped(app: Flask) -> None:
    @app.after_request
    def wrap(response: Any) -> Any:
        response.set_data(b'{"data": "fail"}')
        return response


def maintenance(app: Flask) -> None:
    @app.before_request
    def closed() -> Any:
        return "closed", 503


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (login, "redirects notifications to /login (status 302)"),
        (csrf, "CSRF protection rejects notifications (status 400)"),
        (csrf_in_silence, "rejects notifications before the route is reached (status 403)"),
        (consumed, "reads or changes the form"),
        (consumed_by_middleware, "reads or changes the form"),
        (raising, "raises KeyError before"),
        (wrapped, "changes its response"),
        (maintenance, "Other code responds at /alipay/notify (status 503)"),
    ],
)
@pytest.mark.parametrize("testing", [True, False])
def test_the_cause_that_keeps_notifications_from_the_route_is_named(
    spoil: Callable[[Flask], None], words: str, testing: bool, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(TESTING=testing)
    spoil(shop.app)
    route = findings(shop)["route"]
    assert (route["level"], words in route["message"]) == ("fail", True), route
    assert "secret-of-the-shop" not in json.dumps(route)
    assert shop.run("doctor", "--offline").exit_code == 1


def test_a_notify_url_on_a_host_that_the_app_does_not_trust_is_found(
    open_shop: Callable[..., Shop],
) -> None:
    route = findings(open_shop(TRUSTED_HOSTS=["shop.example.org"]))["route"]
    assert (route["level"], "(status 400)" in route["message"]) == ("fail", True)
    assert "TRUSTED_HOSTS" in route["fix"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"{NOTIFY_URL}/", "no route at /alipay/notify/"),
        ("https://shop.example.com/notify", "no route at /notify"),
        ("https://shop.example.com/alipay/return", "does not accept POST"),
    ],
)
def test_a_wrong_notify_url_is_found(url: str, words: str, open_shop: Callable[..., Shop]) -> None:
    route = findings(open_shop(ALIPAY_NOTIFY_URL=url))["route"]
    assert (route["level"], words in route["message"]) == ("fail", True), route
    assert "ALIPAY_NOTIFY_URL" in route["fix"]


def test_a_slash_that_the_app_adds_is_found(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(ALIPAY_NOTIFY_URL="https://shop.example.com/pay")
    shop.app.add_url_rule(
        "/pay/", "own", shop.app.view_functions["alipay.notify"], methods=["POST"]
    )
    route = findings(shop)["route"]
    assert (route["level"], "the trailing slash differs" in route["message"]) == ("fail", True)


def test_a_redirect_to_https_is_found(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(ALIPAY_NOTIFY_URL=NOTIFY_URL.replace("https", "http"))
    https(shop.app)
    route = findings(shop)["route"]
    assert (route["level"], "to https (status 301)" in route["message"]) == ("fail", True)


def test_a_redirect_to_https_behind_a_proxy_is_a_warning_without_proxyfix(
    open_shop: Callable[..., Shop],
) -> None:
    shop = open_shop()
    https(shop.app)
    found = findings(shop)
    assert (found["route"]["level"], found["proxy_https"]["level"]) == ("ok", "warn")
    shop.app.wsgi_app = ProxyFix(shop.app.wsgi_app)  # type: ignore[method-assign]
    assert "proxy_https" not in findings(shop)


def test_flask_wtf_lets_the_probe_through(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop()
    CSRFProtect(shop.app)
    assert findings(shop)["route"]["level"] == "ok"


def test_an_app_mounted_below_a_path_is_reached(
    open_shop: Callable[..., Shop],
) -> None:
    url = "https://shop.example.com/shop/alipay/notify"
    assert findings(open_shop(ALIPAY_NOTIFY_URL=url))["route"]["level"] == "ok"
    shop = open_shop(ALIPAY_NOTIFY_URL=url)
    shop.app.wsgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
        Flask("other"), {"/shop": shop.app.wsgi_app}
    )
    assert findings(shop)["route"]["level"] == "ok"


def test_without_a_notify_url_the_apps_own_route_is_tested(
    open_shop: Callable[..., Shop],
) -> None:
    for more in ({}, {"SERVER_NAME": "shop.example.com"}, {"TRUSTED_HOSTS": None, "DEBUG": True}):
        assert findings(open_shop(ALIPAY_NOTIFY_URL=None, **more))["route"]["level"] == "ok"


def test_the_route_of_another_merchant_is_found(keys: Keys, open_shop: Callable[..., Shop]) -> None:
    url = "https://shop.example.com/books/notify"
    shop = open_shop(ALIPAY_NOTIFY_URL=url)
    books = {
        "BOOKS_APP_ID": "2021000000000009",
        "BOOKS_PRIVATE_KEY": private_pem(keys.merchant),
        "BOOKS_PUBLIC_KEY": key_to_base64(keys.alipay.public_key()),
    }
    shop.app.config.update(books)
    other = AlipayBlueprint(shop.db, shop.Payment, name="books", config_prefix="BOOKS")
    shop.app.register_blueprint(other, url_prefix="/books")
    route = findings(shop, "--merchant", "alipay")["route"]
    assert (route["level"], "another merchant" in route["message"]) == ("fail", True)


# Names of settings


def test_an_unknown_setting_is_reported_at_start_and_by_doctor(
    open_shop: Callable[..., Shop], caplog: pytest.LogCaptureFixture
) -> None:
    shop = open_shop(ALIPAY_SANDBX="true")
    assert "no setting 'ALIPAY_SANDBX' (did you mean 'ALIPAY_SANDBOX'?)" in caplog.text
    settings = findings(shop)["settings"]
    assert (settings["level"], "ALIPAY_SANDBX" in settings["message"]) == ("warn", True)
    assert "ALIPAY_SANDBOX" in settings["fix"]


def test_the_settings_of_a_merchant_with_a_longer_prefix_are_not_unknown(
    open_shop: Callable[..., Shop], caplog: pytest.LogCaptureFixture
) -> None:
    shop = open_shop(ALIPAY_BOOKS_APP_ID="2021000000000009", ALIPAY_BOOKS_SANDBX="true")
    assert "no setting" not in caplog.text
    assert findings(shop)["settings"]["level"] == "ok"


def test_every_setting_that_the_code_reads_is_known(keys: Keys) -> None:
    assert settings_read(keys) - KNOWN == set()


@pytest.mark.parametrize(
    ("app_id", "level"),
    [("2021000000000000", "ok"), ("2088000000000001", "fail"), ("202100000000000", "fail")],
)
def test_an_invalid_app_id_is_found(
    app_id: str, level: str, open_shop: Callable[..., Shop]
) -> None:
    assert findings(open_shop(ALIPAY_APP_ID=app_id))["app_id"]["level"] == level


# Classes and tables


def test_classes_in_the_wrong_order_are_rejected_by_name(keys: Keys) -> None:
    db = SQLAlchemy()

    Payment, Refund, Notification = declare_models(db.Model)

    wrong: Any = AlipayBlueprint(db, Payment, Notification, Refund)  # type: ignore[arg-type]
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="test", SQLALCHEMY_DATABASE_URI="sqlite://", ALIPAY_SIMULATOR=True, TESTING=True
    )
    db.init_app(app)
    words = "Notification is a NotificationMixin but was passed as Refund: pass it as Notification="
    with pytest.raises(ConfigurationError, match=words):
        app.register_blueprint(wrong)


def in_schema(url: str, schema: str | None, keys: Keys) -> tuple[Flask, SQLAlchemy]:
    db = SQLAlchemy(metadata=MetaData(schema=schema))

    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="test",
        SQLALCHEMY_DATABASE_URI=url,
        SQLALCHEMY_ENGINE_OPTIONS={"poolclass": NullPool},
        ALIPAY_APP_ID=MERCHANT,
        ALIPAY_PRIVATE_KEY=private_pem(keys.merchant),
        ALIPAY_PUBLIC_KEY=key_to_base64(keys.alipay.public_key()),
        ALIPAY_NOTIFY_URL=NOTIFY_URL,
    )
    db.init_app(app)
    app.register_blueprint(AlipayBlueprint(db, declare_payment(db.Model)), url_prefix="/alipay")
    return app, db


def table(app: Flask) -> dict[str, str]:
    result = app.test_cli_runner().invoke(args=("alipay", "doctor", "--offline", "--json"))
    found = [json.loads(line) for line in result.stdout.splitlines()]
    (one,) = [each for each in found if each["check"] == "table"]
    return dict(one)


def test_a_table_in_the_class_schema_is_found(postgresql_url: str, keys: Keys) -> None:
    app, db = in_schema(postgresql_url, "shop", keys)
    with app.app_context():
        with db.engine.begin() as connection:
            connection.execute(text("CREATE SCHEMA shop"))
        db.create_all()
    assert table(app)["level"] == "ok"
    other, _ = in_schema(postgresql_url, None, keys)
    finding = table(other)
    assert finding["level"] == "fail"
    assert "is in another schema (shop) than Payment names" in finding["message"]


def test_a_schema_that_the_engine_translates_is_followed(postgresql_url: str, keys: Keys) -> None:
    app, db = in_schema(postgresql_url, "tenant", keys)
    with app.app_context():
        with db.engine.begin() as connection:
            connection.execute(text("CREATE SCHEMA shop"))
        engine = db.engine.execution_options(schema_translate_map={"tenant": "shop"})
        db.metadata.create_all(engine)
        db.engines[None] = engine
    assert table(app)["level"] == "ok"


def test_a_table_that_is_missing_is_found(mariadb_url: str, keys: Keys) -> None:
    app, db = in_schema(mariadb_url, None, keys)
    assert "cannot be read (NoSuchTableError)" in table(app)["message"]
    with app.app_context():
        db.create_all()
    assert table(app)["level"] == "ok"
