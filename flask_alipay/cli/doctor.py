"""``doctor``: diagnosis of keys, settings, addresses, tables and the gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from ..config import Config
from ..exceptions import ConfigurationError
from ..settings import KNOWN, ConfigReader
from .check_gateway import check_gateway
from .check_keys import check_keys
from .check_names import check_names
from .check_production import check_production
from .check_route import check_route
from .check_site import check_addresses, check_app, check_host
from .credentials import credential_options, given_settings
from .errors import IN_ORDER, NOT_IN_ORDER, sentence
from .findings import FAIL, OK, WARN, Finding, muted_logging, print_findings
from .i18n import N_, _
from .load_failure import explain_load_failure, failed_app, failed_prefix
from .merchants import current_merchant, load_app, program, registrations
from .options import json_option

_HELP = N_("""Check keys, settings, addresses and tables, and explain fixes.

Each finding is ok, warn, fail or unknown, with the result, the reason and the fix. A form is posted
to the app's notification route, in process, to check that it arrives. The gateway is queried about
a trade that does not exist, which changes nothing; --offline skips the query. The exit status is 1
if a check failed.

\b
Examples:
  {prefix} doctor
  {prefix} doctor --offline --json
""")


def doctor_command(in_app: bool) -> click.Command:
    """Return the command, in the current language.

    :param in_app: whether it belongs to ``flask alipay``.
    """

    @click.command(
        "doctor",
        help=_(_HELP).format(prefix=program(in_app)),
        short_help=_("Check keys, settings and tables."),
    )
    @click.option("--offline", is_flag=True, help=_("Do not query the gateway."))
    @json_option
    @click.pass_context
    def doctor(context: click.Context, /, offline: bool, as_json: bool, **options: Any) -> None:
        found = (
            _check_app(context, offline, production=options["production"])
            if in_app
            else _check_environment(options, offline)
        )
        context.exit(IN_ORDER if print_findings(found, as_json) else NOT_IN_ORDER)

    if in_app:
        click.option(
            "--production",
            is_flag=True,
            help=_("Also check what production needs: mode, cookies, alerts, reconciliation."),
        )(doctor)
    else:
        credential_options(doctor)
        click.option(
            "--config",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help=_("The app's configuration, a Python file; it is executed."),
        )(doctor)
    return doctor


def _check_app(context: click.Context, offline: bool, *, production: bool) -> Iterator[Finding]:
    try:
        app = load_app(context)
    except (Exception, SystemExit) as error:
        yield explain_load_failure(error)
        yield from _check_unloaded(error, offline)
        return
    if not registrations():
        yield Finding(
            "blueprint",
            FAIL,
            _("The app loads but registers no AlipayBlueprint."),
            _("The app cannot start payments or receive notifications."),
            _("Call app.register_blueprint(alipay, url_prefix='/alipay') in the app's factory."),
        )
        return
    merchant = current_merchant()
    config = merchant.config
    if config.simulator:
        yield Finding(
            "simulator",
            WARN,
            _("The simulator replaces Alipay: no money is charged."),
            _("It is for development; in production, goods would be delivered without payment."),
            _("Remove {key} in production.").format(key=f"{config.prefix}_SIMULATOR"),
        )
    else:
        yield from check_keys(ConfigReader(app.config, config.prefix), config.protocol)
    others = [other.config.prefix for other in app.extensions["alipay"].values()]
    yield from check_names(ConfigReader(app.config, config.prefix), config, others)
    yield from _check_merchant(config)
    yield from check_addresses(config)
    yield from check_app(app, merchant)
    yield from check_route(app, merchant)
    if production:
        yield from check_production(app, merchant)
    if not offline:
        yield from check_gateway(config)


def _check_unloaded(error: BaseException, offline: bool) -> Iterator[Finding]:
    """Check the settings of an app that does not load, as far as it set them."""
    app = failed_app(error)
    mapping = given_settings({}) if app is None else app.config
    prefix = failed_prefix(error, mapping)
    settings = ConfigReader(mapping, prefix)
    if any(map(settings.is_set, KNOWN)) and not settings.is_set("SIMULATOR"):
        yield from _check_settings(mapping, prefix, offline)


def _check_environment(options: Mapping[str, Any], offline: bool) -> Iterator[Finding]:
    mapping = {**_read_config(options["config"]), **given_settings(options)}
    yield from _check_settings(mapping, "ALIPAY", offline, with_site=options["config"] is not None)


def _check_settings(
    mapping: Mapping[str, Any], prefix: str, offline: bool, *, with_site: bool = False
) -> Iterator[Finding]:
    """Check settings without an app.

    :param with_site: whether ``mapping`` has all settings of the app, not only Alipay's.
    """
    settings = ConfigReader(mapping, prefix)
    config: Config | None = None
    invalid: ConfigurationError | None = None
    try:
        with muted_logging():
            config = Config.from_mapping(mapping, prefix)
    except ConfigurationError as error:
        invalid = error
    keys = list(check_keys(settings, config.protocol if config else _guess_protocol(settings)))
    # Report an invalid key once: the check of the key explains more than the exception.
    if invalid is not None and _check_of(invalid) not in {
        one.check for one in keys if one.is_fault
    }:
        yield _invalid_setting(invalid, settings)
    yield from keys
    yield from check_names(settings, config)
    if config is not None:
        yield from _check_merchant(config)
        yield from check_addresses(config)
        if with_site:
            yield from check_host(config, mapping)
        if not offline:
            yield from check_gateway(config)


def _check_of(invalid: ConfigurationError) -> str:
    """Return the name of the check for an invalid setting."""
    return invalid.key.partition("_")[2].removesuffix("_PATH").lower()


def _invalid_setting(invalid: ConfigurationError, settings: ConfigReader) -> Finding:
    if settings.is_set(invalid.key.partition("_")[2]):
        fix = _("Change it in the environment, or in the app's configuration.")
    else:
        fix = _("Set it in the environment, or in the app's configuration.")
    return Finding("configuration", FAIL, sentence(invalid), fix=fix)


def _read_config(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    from flask import Config as FlaskConfig

    found = FlaskConfig(str(file.parent))
    try:
        found.from_pyfile(str(file.absolute()))
    except Exception as error:
        text = _("It cannot be executed ({kind}): {file}")
        kind = type(error).__name__
        raise click.UsageError(text.format(kind=kind, file=file)) from None
    return dict(found)


def _guess_protocol(settings: ConfigReader) -> str | None:
    if settings.is_set("APP_ID") != settings.is_set("PARTNER"):
        return "openapi" if settings.is_set("APP_ID") else "mapi"
    return None


def _check_merchant(config: Config) -> Iterator[Finding]:
    names = {
        "protocol": config.protocol,
        "merchant": config.merchant,
        "url": config.gateway.gateway_url,
        "sign_type": config.signer.sign_type,
    }
    yield Finding("merchant", OK, _("{protocol}: {merchant} at {url}.").format(**names))
    if config.protocol == "openapi" and config.signer.sign_type == "RSA":
        yield Finding(
            "sign_type",
            WARN,
            _("The sign type is RSA."),
            _("RSA uses SHA-1; Alipay supports it for old applications only."),
            _("Switch the application to RSA2 in Alipay's console, and remove SIGN_TYPE."),
        )
    else:
        yield Finding("sign_type", OK, _("The sign type is {sign_type}.").format(**names))
    if config.protocol == "openapi" and config.sale_queries == "never":
        yield Finding(
            "notify_verify",
            WARN,
            _("NOTIFY_VERIFY is off."),
            _("A notification that was withheld is settled even after a refund."),
            _("Leave it on unless the server cannot query Alipay."),
        )
    if config.protocol == "mapi" and not config.notify_verify:
        yield Finding(
            "notify_verify",
            WARN if config.signer.sign_type == "MD5" else FAIL,
            _("NOTIFY_VERIFY is off."),
            _("The legacy gateway signs for all merchants with the same key."),
            _("Leave it on unless the server cannot reach Alipay's confirmation service."),
        )
