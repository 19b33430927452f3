"""Registration of the blueprint in an application: the merchant, tokens and simulator."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ..config import Config
from ..exceptions import ConfigurationError
from ..merchant import Merchant
from ..models import utc_now
from ..settings import ConfigReader
from ..signer import MIN_MD5_CHARACTERS
from .external_urls import external_urls, request_url
from .rejected import check_path
from .simulator_settings import simulator_enabled
from .tokens import Tokens

logger = logging.getLogger("flask_alipay")

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from flask import Flask
    from flask.blueprints import BlueprintSetupState

    from ..ledger import Models
    from ..protocol.signed_request import SignedRequest
    from .callback_registry import AppCallbacks


@dataclass(frozen=True, kw_only=True)
class Registration(Merchant):
    """A merchant with the further objects that the blueprint's routes need."""

    #: Signs and reads the tokens in the URLs of the pages.
    tokens: Tokens = field(repr=False)
    #: Owns :attr:`callbacks`: the registry of callbacks refers to it weakly.
    app_callbacks: AppCallbacks = field(repr=False)
    #: The endpoint of the embedded simulator's gateway, if there is one.
    simulator_gateway: str | None

    def endpoint_of(self, route: str) -> str:
        """Return the endpoint of a route of the blueprint, for ``url_for`` from anywhere."""
        return f"{self.name}.{route}"


def build_registration(
    setup: BlueprintSetupState,
    prefix: str,
    callbacks: AppCallbacks,
    *,
    blueprint: Any,
    db: Any,
    models: Models,
    clock: Callable[[], datetime] | None = None,
) -> Registration:
    """Read the app's configuration and build the merchant.

    :param setup: Flask's record of the registration.
    :param prefix: the prefix of the settings.
    :param callbacks: the callbacks that the app runs.
    :param blueprint: the blueprint that is registered.
    :param db: any object with a ``session``.
    :param models: the application's classes.
    :param clock: see :class:`~flask_alipay.AlipayBlueprint`.
    :raises ConfigurationError: names the wrong setting, never its value.
    """
    app = cast("Flask", setup.app)
    settings = ConfigReader(app.config, prefix)
    _warn_of_unknown(settings)
    name = ".".join(filter(None, (setup.name_prefix, setup.name)))
    gateway: str | None = None
    if simulator_enabled(settings, developing=app.debug or app.testing):
        # Applications without the simulator never import it.
        from .embedded_simulator import mount_simulator

        config, gateway, simulated = mount_simulator(app, setup, settings, name)
        clock = clock or simulated
    else:
        config = Config.from_mapping(app.config, prefix)
        _check_strength(settings, config)
    _check_rejected_path(app, settings, config)
    return Registration(
        name=name,
        config=config,
        models=models,
        db=db,
        callbacks=callbacks.by_event,
        app_callbacks=callbacks,
        urls=external_urls(app, config, name),
        blueprint=blueprint,
        route_to_simulator=partial(_route, config, gateway),
        tokens=_tokens(app, config),
        simulator_gateway=gateway,
        clock=clock or utc_now,
    )


def _route(config: Config, gateway: str | None, signed: SignedRequest) -> SignedRequest:
    """Redirect a request to the embedded simulator, on this site, if there is one.

    :param gateway: the endpoint of the simulator's gateway.
    """
    if gateway is None:
        return signed
    if signed.gateway_url == getattr(config.gateway, "wap_gateway_url", None):
        gateway = f"{gateway.rpartition('.')[0]}.wap_gateway"
    # The app's URL processors may add arguments.
    return replace(signed, gateway_url=request_url(gateway).partition("?")[0])


def _warn_of_unknown(settings: ConfigReader) -> None:
    """Log a warning for each unknown setting, for example a misspelt one."""
    for key, similar in settings.unknown().items():
        suggestion = f" (did you mean '{similar}'?)" if similar else ""
        logger.warning("there is no setting '%s'%s: it is ignored", key, suggestion)


def _check_rejected_path(app: Flask, settings: ConfigReader, config: Config) -> None:
    """Check that the file for rejected notifications is no other file of the application.

    :raises ConfigurationError: if it has other content or is a static file.
    """
    if config.rejected_path is not None:
        try:
            check_path(config.rejected_path, app.static_folder)
        except ValueError as error:
            raise settings.error("REJECTED_PATH", str(error)) from None


def _check_strength(settings: ConfigReader, config: Config) -> None:
    """Check that no key of a merchant can be guessed or factored.

    :raises ConfigurationError: for an RSA key below 1,024 bits or an MD5 key below 16 characters.
    """
    if config.signer.sign_type == "MD5":
        if len(settings.required("KEY")) < MIN_MD5_CHARACTERS:
            raise settings.error("KEY", f"must have at least {MIN_MD5_CHARACTERS} characters")
        return
    # Slow to import, and not needed for MD5.
    from ..keys import MIN_RSA_BITS, load_private_key, load_public_key

    readers = (
        ("PRIVATE_KEY", load_private_key),
        ("PUBLIC_KEY", load_public_key),
        ("PUBLIC_CERT", load_public_key),
        ("APP_CERT", load_public_key),
    )
    for name, load in readers:
        for setting, material in settings.key_material(name):
            if load(material).key_size < MIN_RSA_BITS:
                raise settings.error(setting, f"must be an RSA key of at least {MIN_RSA_BITS} bits")


def _tokens(app: Flask, config: Config) -> Tokens:
    if not app.secret_key:
        raise ConfigurationError(
            "'SECRET_KEY' must be set: it signs the tokens in payment links", "SECRET_KEY"
        )
    fallbacks = app.config.get("SECRET_KEY_FALLBACKS") or ()
    if isinstance(fallbacks, (str, bytes)):
        # Used as a list, each of its characters would be a key.
        raise ConfigurationError(
            "'SECRET_KEY_FALLBACKS' must be a list of keys", "SECRET_KEY_FALLBACKS"
        )
    # itsdangerous expects the oldest key first, Flask lists the newest first.
    keys = (*reversed(list(fallbacks)), app.secret_key)
    return Tokens(keys, config.merchant, config.result_max_age)


def registrations(app: Flask) -> dict[Any, Registration]:
    """Return the registrations in an app, by blueprint."""
    found: dict[Any, Registration] = app.extensions.setdefault("alipay", {})
    return found
