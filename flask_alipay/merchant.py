"""What belongs to one app: made when the blueprint is registered, kept in ``app.extensions``."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from .blueprint.external_urls import ExternalUrls, external_urls, request_url
from .blueprint.rejected import check_path
from .blueprint.tokens import Tokens
from .config import Config, simulator_enabled
from .exceptions import ConfigurationError
from .operations.verification import QueryLimit
from .settings import ConfigReader
from .signer import MIN_MD5_CHARACTERS

logger = logging.getLogger("flask_alipay")

if TYPE_CHECKING:
    from flask import Flask
    from flask.blueprints import BlueprintSetupState

    from .blueprint.callback_registry import AppCallbacks
    from .protocol.signed_request import SignedRequest


@dataclass(frozen=True)
class Merchant:
    """One registration of the blueprint in one app."""

    #: The merchant.
    config: Config
    #: The words in our URLs.
    tokens: Tokens
    #: The URLs that Alipay receives.
    urls: ExternalUrls
    #: The name that the blueprint is registered under, dotted where it is nested.
    endpoint: str
    #: The endpoint of the simulator's gateway, where it is on.
    simulator_gateway: str | None
    #: The callbacks that this app runs.
    callbacks: AppCallbacks
    #: Limits the queries that reports cause.
    query_limit: QueryLimit = field(default_factory=QueryLimit, compare=False)

    def endpoint_of(self, route: str) -> str:
        """Returns the endpoint of one of our routes, for ``url_for`` from anywhere."""
        return f"{self.endpoint}.{route}"

    def at_simulator(self, signed: SignedRequest) -> SignedRequest:
        """Return a request as it has to be sent: the embedded simulator is where this site is."""
        gateway = self.simulator_gateway
        if gateway is None:
            return signed
        if signed.gateway_url == getattr(self.config.gateway, "wap_gateway_url", None):
            gateway = f"{gateway.rpartition('.')[0]}.wap_gateway"
        # The app's URL processors may add arguments.
        return replace(signed, gateway_url=request_url(gateway).partition("?")[0])


def build_state(setup: BlueprintSetupState, prefix: str, callbacks: AppCallbacks) -> Merchant:
    """Reads the app's configuration and makes what belongs to it.

    :param setup: Flask's word about where the blueprint is being registered.
    :param prefix: of the settings.
    :param callbacks: those that the app runs.
    :raises ConfigurationError: names the setting at fault, never its value.
    """
    app = cast("Flask", setup.app)
    settings = ConfigReader(app.config, prefix)
    _warn_of_unknown(settings)
    endpoint = ".".join(filter(None, (setup.name_prefix, setup.name)))
    gateway: str | None = None
    if simulator_enabled(settings, developing=app.debug or app.testing):
        from .blueprint.embedded_simulator import (
            mount_simulator,  # only where it is wanted: nothing of it is in other processes
        )

        config, gateway = mount_simulator(app, setup, settings, endpoint)
    else:
        config = Config.from_mapping(app.config, prefix)
        _check_strength(settings, config)
    _check_rejected_path(app, settings, config)
    tokens, urls = _tokens(app, config), external_urls(app, config, endpoint)
    return Merchant(config, tokens, urls, endpoint, gateway, callbacks)


def _warn_of_unknown(settings: ConfigReader) -> None:
    """A misspelt setting would be ignored in silence."""
    for key, likely in settings.unknown().items():
        meant = f" (did you mean '{likely}'?)" if likely else ""
        logger.warning("there is no setting '%s'%s: it is ignored", key, meant)


def _check_rejected_path(app: Flask, settings: ConfigReader, config: Config) -> None:
    """Check that the file of rejected notifications is no other file of the app's.

    :raises ConfigurationError: if it is one, or a static file.
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
    from .keys import MIN_RSA_BITS, load_private_key, load_public_key

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
        # Taken for a list, each of its characters would be a key.
        raise ConfigurationError(
            "'SECRET_KEY_FALLBACKS' must be a list of keys", "SECRET_KEY_FALLBACKS"
        )
    # itsdangerous wants the oldest first, Flask lists the newest first.
    keys = (*reversed(list(fallbacks)), app.secret_key)
    return Tokens(keys, config.merchant, config.result_max_age)


def merchants(app: Flask) -> dict[Any, Merchant]:
    """Returns all that is kept for an app, by blueprint."""
    found: dict[Any, Merchant] = app.extensions.setdefault("alipay", {})
    return found
