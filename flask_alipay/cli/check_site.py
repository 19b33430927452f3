"""``doctor`` looks at the site: addresses, the app, the tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from .addresses import is_public
from .finding import FAIL, OK, UNKNOWN, WARN, Finding
from .wording import _

if TYPE_CHECKING:
    from flask import Flask

    from ..blueprint import AlipayBlueprint
    from ..config import Config

_SHORT = 16


def check_addresses(config: Config) -> Iterator[Finding]:
    """Looks at where Alipay calls and where buyers come back to."""
    for name, url in (("notify_url", config.notify_url), ("return_url", config.return_url)):
        if url is not None:
            yield from _address(config, name, url)
    if config.notify_url is not None and is_public(config.notify_url):
        yield Finding(
            "reachable",
            UNKNOWN,
            _("Whether Alipay can reach the NOTIFY_URL cannot be seen from here."),
            mend=_("Ask from another network: curl -i -X POST {url} has to answer 'fail'.").format(
                url=config.notify_url
            ),
        )


def _address(config: Config, name: str, url: str) -> Iterator[Finding]:
    setting, parts = f"{config.prefix}_{name.upper()}", urlsplit(url)
    names = {"key": setting, "host": parts.hostname or ""}
    if not is_public(url) and is_public(config.gateway.gateway_url):
        yield Finding(
            name,
            FAIL,
            _("{key} names {host}, which is not on the internet.").format(**names),
            _("Alipay calls from outside."),
            _("Set a public address; a tunnel will do to try."),
        )
    elif parts.scheme != "https" and is_public(url):
        yield Finding(
            name,
            WARN,
            _("{key} is not https.").format(**names),
            _("Buyer data goes that way in the clear."),
            _("Serve the shop over https and say so in {key}.").format(**names),
        )
    else:
        yield Finding(name, OK, _("{key} is at {host}.").format(**names))


def check_app(app: Flask, alipay: AlipayBlueprint) -> Iterator[Finding]:
    """Looks at the app that the blueprint is registered in."""
    yield _secret(app)
    yield _csrf(app)
    yield from _proxy(app, alipay.config)
    models = alipay.models
    for name, model in (("Refund", models.Refund), ("Notification", models.Notification)):
        if model is None:
            yield Finding(
                name.lower(),
                WARN,
                _("The blueprint has no class for {name}.").format(name=name),
                _("Without it refunds are only counted, or nothing is kept of what Alipay said."),
                _("Give AlipayBlueprint a {name} on {name}Mixin.").format(name=name),
            )
    yield from _tables(alipay)


def _secret(app: Flask) -> Finding:
    key = app.secret_key or ""
    if len(key) >= _SHORT:
        return Finding("secret_key", OK, _("SECRET_KEY is set."))
    return Finding(
        "secret_key",
        WARN,
        _("SECRET_KEY is short."),
        _("It signs the links to payments: whoever guesses it can make them."),
        'python -c "import secrets; print(secrets.token_hex())"',
    )


def _csrf(app: Flask) -> Finding:
    if "csrf" in app.extensions:
        return Finding("csrf", OK, _("Flask-WTF's CSRFProtect lets notify through."))
    return Finding("csrf", OK, _("The app has no CSRFProtect that could stop notify."))


def _proxy(app: Flask, config: Config) -> Iterator[Finding]:
    from werkzeug.middleware.proxy_fix import ProxyFix

    if config.notify_url is not None or config.simulator:
        return
    if isinstance(app.wsgi_app, ProxyFix):
        told = _("The NOTIFY_URL is built from the request, and ProxyFix reads the proxy's word.")
        yield Finding("proxy", OK, told)
        return
    yield Finding(
        "proxy",
        WARN,
        _("The NOTIFY_URL is built from the request, and the app knows of no proxy."),
        _("Behind a proxy Alipay would be told an address that only you can reach."),
        _("Use werkzeug's ProxyFix, or set {key}.").format(key=f"{config.prefix}_NOTIFY_URL"),
    )


def _tables(alipay: AlipayBlueprint) -> Iterator[Finding]:
    """Looks at the tables; a database that does not answer is one fault, however many it has."""
    for model in alipay.models:
        if model is None:
            continue
        try:
            yield _table(alipay, model)
        except DBAPIError as error:
            yield Finding(
                "database",
                FAIL,
                _("The database does not answer ({kind}).").format(kind=type(error).__name__),
                _("Without it no notification is believed, and Alipay comes again."),
                _("Is it running, and is SQLALCHEMY_DATABASE_URI right?"),
            )
            return


def _table(alipay: AlipayBlueprint, model: Any) -> Finding:
    name, check = model.__tablename__, "table"
    mend = _("Run the migrations (flask db upgrade), or db.create_all() for a new database.")
    try:
        looked = inspect(alipay.session.get_bind(mapper=model))
        columns = {column["name"] for column in looked.get_columns(name)}
    except DBAPIError:
        raise
    except SQLAlchemyError as error:
        told = _("The table {name} cannot be read ({kind}).")
        return Finding(check, FAIL, told.format(name=name, kind=type(error).__name__), mend=mend)
    missing = sorted({column.name for column in model.__table__.columns} - columns)
    if missing:
        told = _("The table {name} lacks {columns}.")
        return Finding(check, FAIL, told.format(name=name, columns=", ".join(missing)), mend=mend)
    unique = {rule["name"] for rule in looked.get_unique_constraints(name)}
    unique |= {index["name"] for index in looked.get_indexes(name) if index["unique"]}
    wanted = {rule.name for rule in model.__table__.constraints if _is_ours(rule, name)}
    if wanted - unique:
        told = _("The table {name} lacks the constraint {rules}.")
        why = _("The database is the last guard against the same number twice.")
        rules = ", ".join(sorted(map(str, wanted - unique)))
        return Finding(check, WARN, told.format(name=name, rules=rules), why, mend)
    return Finding(check, OK, _("The table {name} is there, whole.").format(name=name))


def _is_ours(rule: Any, table: str) -> bool:
    return str(rule.name or "").startswith(f"uq_{table}_")
