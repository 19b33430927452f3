"""Diagnosis by ``doctor``: addresses, the app and its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError, NoSuchTableError, SQLAlchemyError

from ..ledger.constraints import missing_in_database
from ..ledger.tables import entity_of
from ..settings import configured_host
from .findings import FAIL, OK, UNKNOWN, WARN, Finding
from .i18n import _
from .site_addresses import is_public

if TYPE_CHECKING:
    from flask import Flask

    from ..config import Config
    from ..merchant import Merchant

_MIN_SECRET = 16


def check_addresses(config: Config) -> Iterator[Finding]:
    """Check the configured URLs for notifications and returns.

    :param config: the merchant's configuration.
    :return: the findings.
    """
    for name, url in (("notify_url", config.notify_url), ("return_url", config.return_url)):
        if url is not None:
            key = f"{config.prefix}_{name.upper()}"
            yield from _address(config, name, url, key, key)
    if config.notify_url is not None and is_public(config.notify_url):
        yield Finding(
            "reachable",
            UNKNOWN,
            _("This machine cannot check whether Alipay can reach the NOTIFY_URL."),
            fix=_("Run curl -i -X POST {url} in another network; it must return 'fail'.").format(
                url=config.notify_url
            ),
        )


def check_host(config: Config, mapping: Mapping[str, Any]) -> Iterator[Finding]:
    """Check that a configured host, not a request, decides where Alipay sends notifications.

    :param config: the merchant's configuration.
    :param mapping: the app's configuration.
    :return: the findings.
    """
    if config.notify_url is not None or config.simulator:
        return
    host = configured_host(mapping)
    if host is not None:
        key = "SERVER_NAME" if mapping.get("SERVER_NAME") else "TRUSTED_HOSTS"
        url = f"{mapping.get('PREFERRED_URL_SCHEME') or 'http'}://{host}/"
        yield from _address(config, "notify_url", url, key, "PREFERRED_URL_SCHEME")
        return
    developing = mapping.get("DEBUG") or mapping.get("TESTING") or not config.moves_money
    yield Finding(
        "notify_url",
        WARN if developing else FAIL,
        _("The Host header of a request decides where Alipay sends notifications."),
        _(
            "A buyer who sends a forged Host header receives the notification, and can submit "
            "it after a refund."
        ),
        _("Set {key}, or SERVER_NAME, or exactly one host in TRUSTED_HOSTS.").format(
            key=f"{config.prefix}_NOTIFY_URL"
        ),
    )


def _address(
    config: Config, name: str, url: str, host_key: str, scheme_key: str
) -> Iterator[Finding]:
    parts = urlsplit(url)
    names = {"key": host_key, "host": parts.hostname or ""}
    if not is_public(url) and is_public(config.gateway.gateway_url):
        yield Finding(
            name,
            FAIL,
            _("{key} is not a public address: {host}.").format(**names),
            _("Alipay sends notifications from the internet."),
            _("Set a public address; for a test a tunnel is sufficient."),
        )
    elif parts.scheme != "https" and is_public(url):
        yield Finding(
            name,
            WARN,
            _("{key} is not https.").format(key=scheme_key),
            _("Buyer data is transmitted unencrypted."),
            _("Serve the shop over https and change {key} accordingly.").format(key=scheme_key),
        )
    else:
        yield Finding(name, OK, _("The host of {key} is {host}.").format(**names))


def check_app(app: Flask, merchant: Merchant) -> Iterator[Finding]:
    """Check the app in which the blueprint is registered.

    :param app: the app.
    :param merchant: the merchant.
    :return: the findings.
    """
    yield _secret(app)
    yield _csrf(app)
    yield from check_host(merchant.config, app.config)
    models = merchant.models
    for name, model in (("Refund", models.Refund), ("Notification", models.Notification)):
        if model is None:
            yield Finding(
                name.lower(),
                WARN,
                _("The blueprint has no class for {name}.").format(name=name),
                _("Without it only the sum of refunds is kept, or no notification is recorded."),
                _("Pass AlipayBlueprint a {name} class based on {name}Mixin.").format(name=name),
            )
    yield from _tables(merchant)


def _secret(app: Flask) -> Finding:
    key = app.secret_key or ""
    if len(key) >= _MIN_SECRET:
        return Finding("secret_key", OK, _("SECRET_KEY is set."))
    return Finding(
        "secret_key",
        WARN,
        _("SECRET_KEY is too short."),
        _("It signs payment links: anyone who guesses it can forge them."),
        'python -c "import secrets; print(secrets.token_hex())"',
    )


def _csrf(app: Flask) -> Finding:
    if "csrf" in app.extensions:
        return Finding("csrf", OK, _("Flask-WTF's CSRFProtect exempts the notification route."))
    return Finding("csrf", OK, _("The app has no CSRFProtect that could reject notifications."))


def _tables(merchant: Merchant) -> Iterator[Finding]:
    """Check the tables; report a database that does not respond once."""
    for model in merchant.models:
        if model is None:
            continue
        try:
            yield _table(merchant, model)
        except DBAPIError as error:
            yield Finding(
                "database",
                FAIL,
                _("The database does not respond ({kind}).").format(kind=type(error).__name__),
                _("Notifications cannot be settled; Alipay retries them."),
                _("Check that it is running, and check SQLALCHEMY_DATABASE_URI."),
            )
            return


def _table(merchant: Merchant, model: Any) -> Finding:
    entity, check = entity_of(model), "table"
    table: Any = inspect(entity).local_table
    fix = _("Run the migrations (flask db upgrade), or db.create_all() for a new database.")
    try:
        bind = merchant.session.get_bind(mapper=model)
        inspector, schema = inspect(bind), _schema(bind, table)
        columns = {column["name"] for column in inspector.get_columns(table.name, schema=schema)}
    except NoSuchTableError:
        return _missing_table(inspector, model, fix)
    except DBAPIError:
        raise
    except SQLAlchemyError as error:
        text = _("The table {name} cannot be read ({kind}).")
        message = text.format(name=table.fullname, kind=type(error).__name__)
        return Finding(check, FAIL, message, fix=fix)
    name = table.name
    missing = sorted({column.name for column in table.columns} - columns)
    if missing:
        text = _("The table {name} lacks {columns}.")
        return Finding(check, FAIL, text.format(name=name, columns=", ".join(missing)), fix=fix)
    missing_rules = missing_in_database(entity, inspector, schema)
    if missing_rules:
        text = _("The table {name} lacks the constraint {rules}.")
        why = _("The database constraint is the last guard against duplicate numbers.")
        rules = ", ".join(sorted(missing_rules))
        return Finding(check, WARN, text.format(name=name, rules=rules), why, fix)
    return Finding(check, OK, _("The table {name} is complete.").format(name=name))


def _schema(bind: Any, table: Any) -> str | None:
    """Return the table's schema as the engine translates it; ``None`` for the default schema."""
    translated = bind.get_execution_options().get("schema_translate_map") or {}
    found: str | None = translated.get(table.schema, table.schema)
    return found


def _missing_table(inspector: Any, model: Any, fix: str) -> Finding:
    """Return the finding for a missing table; name other schemas that have it."""
    name = model.__table__.name
    # On MySQL, schemas are the databases of other apps.
    schemas = [] if inspector.dialect.name in ("mysql", "mariadb") else inspector.get_schema_names()
    found = [each for each in schemas if inspector.has_table(name, schema=each)]
    text = _("The table {name} cannot be read ({kind}).")
    if not found:
        return Finding("table", FAIL, text.format(name=name, kind="NoSuchTableError"), fix=fix)
    text = _("The table {name} is in another schema ({schemas}) than {model} names.")
    message = text.format(name=name, schemas=", ".join(found), model=model.__name__)
    fix = _("Set the schema in __table_args__ of {model}, or the database user's search_path.")
    return Finding("table", FAIL, message, fix=fix.format(model=model.__name__))
