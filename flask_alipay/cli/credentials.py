"""The merchant's credentials without an app: from options, then from the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from ..config import Config
from ..exceptions import ConfigurationError
from ..gateways.mapi import MAPI_PUBLIC_KEY
from .i18n import _

F = TypeVar("F", bound="Callable[..., Any] | click.Command")

#: Prefixes of environment variables; the first takes precedence, as in ``from_prefixed_env``.
PREFIXES = ("FLASK_ALIPAY_", "ALIPAY_")

# Options by the settings that they set.
_SETTINGS = {
    "app_id": "APP_ID",
    "private_key": "PRIVATE_KEY_PATH",
    "public_key": "PUBLIC_KEY_PATH",
    "partner": "PARTNER",
    "key": "KEY",
    "seller_email": "SELLER_EMAIL",
    "seller_id": "SELLER_ID",
    "sign_type": "SIGN_TYPE",
    "gateway_url": "GATEWAY_URL",
    "notify_url": "NOTIFY_URL",
    "return_url": "RETURN_URL",
    "protocol": "PROTOCOL",
}

# Other settings of the environment that an option replaces.
_INSTEAD_OF = {
    "PRIVATE_KEY_PATH": ("PRIVATE_KEY",),
    "PUBLIC_KEY_PATH": ("PUBLIC_KEY",),
    "SELLER_EMAIL": ("SELLER_ID",),
}

_FILE = click.Path(exists=True, dir_okay=False)
_PROMPT = "-"


def _prompted(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value != _PROMPT:
        return value
    return str(click.prompt(_("MD5 key"), hide_input=True, err=True))


def key_option(command: F) -> F:
    """Add ``--key``, with a prompt if it has no value."""
    return click.option(
        "--key",
        is_flag=False,
        flag_value=_PROMPT,
        callback=_prompted,
        help=_(
            "The MD5 key of the legacy gateway. Other users of this machine can see it in the "
            "process list: prefer FLASK_ALIPAY_KEY, or put --key without a value last to be "
            "prompted."
        ),
    )(command)


def sign_type_option(command: F) -> F:
    """Add ``--sign-type``."""
    return click.option(
        "--sign-type",
        type=click.Choice(["MD5", "RSA", "RSA2"], case_sensitive=False),
        metavar="[MD5|RSA|RSA2]",
        help=_("The sign type."),
    )(command)


def credential_options(command: click.Command) -> None:
    """Add the options for a merchant's credentials to a command."""
    options = (
        click.option("--app-id", help=_("The APPID on the open platform.")),
        click.option(
            "--private-key", type=_FILE, help=_("The file with the application's private key.")
        ),
        click.option("--public-key", type=_FILE, help=_("The file with Alipay's public key.")),
        click.option(
            "--partner", help=_("The partner number (PID) on the legacy gateway, 2088...")
        ),
        key_option,
        click.option("--seller-email", help=_("Legacy gateway: the seller's login name.")),
        click.option("--seller-id", help=_("The seller's user id.")),
        sign_type_option,
        click.option("--protocol", type=click.Choice(["openapi", "mapi"]), help=_("The gateway.")),
        click.option(
            "--gateway-url",
            help=_("The URL of another gateway, such as the sandbox or a simulator."),
        ),
        click.option("--notify-url", help=_("The URL for notifications.")),
        click.option("--return-url", help=_("The URL to which the buyer returns.")),
    )
    for add in options:
        add(command)


def environment(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the settings in environment variables, as in ``app.config``.

    :param environ: the environment variables.
    :return: settings by key.
    """
    found: dict[str, Any] = {}
    for prefix in reversed(PREFIXES):
        for name, value in environ.items():
            if name.startswith(prefix) and value.strip():
                found[f"ALIPAY_{name.removeprefix(prefix)}"] = _value(value)
    return found


def given_settings(options: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the settings from options and environment, as in ``app.config``.

    :param options: the values of :func:`credential_options`.
    :return: settings by key.
    """
    settings = {**environment(), **_given(options)}
    settings.pop("ALIPAY_SIMULATOR", None)  # it exists only in an app
    return settings


def merchant_config(options: Mapping[str, str | None]) -> Config:
    """Return the configuration from options and environment, for signing.

    :param options: the values of :func:`credential_options`.
    :return: the configuration.
    :raises click.UsageError: if a setting is missing or invalid; the message names it and where to
        set it.
    """
    settings = given_settings(options)
    if not settings.get("ALIPAY_APP_ID") and not settings.get("ALIPAY_PARTNER"):
        raise click.UsageError(
            _(
                "The merchant is missing. Pass --app-id and --private-key (open platform) or "
                "--partner and --key (legacy gateway), or set environment variables such as "
                "FLASK_ALIPAY_APP_ID."
            )
        )
    if not any(name.startswith(("ALIPAY_PUBLIC_KEY", "ALIPAY_PUBLIC_CERT")) for name in settings):
        # Nothing is verified here, so any public key will do.
        settings["ALIPAY_PUBLIC_KEY"] = MAPI_PUBLIC_KEY
    try:
        return Config.from_mapping(settings)
    except ConfigurationError as error:
        raise click.UsageError(f"{error}.{_where_to_set(error.key)}") from None


def _given(options: Mapping[str, str | None]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for option, setting in _SETTINGS.items():
        value = options.get(option)
        if value is not None:
            settings.update(dict.fromkeys(_key(name) for name in _INSTEAD_OF.get(setting, ())))
            settings[_key(setting)] = value
    if options.get("protocol") is None:
        # An account on the command line takes precedence over one in the environment.
        for option, protocol in (("app_id", "openapi"), ("partner", "mapi")):
            if options.get(option) is not None:
                settings[_key("PROTOCOL")] = protocol
    return settings


def _key(setting: str) -> str:
    return f"ALIPAY_{setting}"


def _value(text: str) -> Any:
    """Return the value of an environment variable.

    As in ``from_prefixed_env``, a quoted text and a list are JSON. A key of digits stays text.
    """
    if text[:1] in ('"', "["):
        try:
            return json.loads(text)
        except ValueError:
            pass
    return text


def _where_to_set(key: str) -> str:
    name = key.removeprefix("ALIPAY_")
    options = {setting.removesuffix("_PATH"): option for option, setting in _SETTINGS.items()}
    option = options.get(name.removesuffix("_PATH"))
    if option is None:
        return " " + _("Set FLASK_ALIPAY_{name} in the environment.").format(name=name)
    text = _("Set FLASK_ALIPAY_{name} in the environment or pass --{option}.")
    return " " + text.format(name=name, option=option.replace("_", "-"))
