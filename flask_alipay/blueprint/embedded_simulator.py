"""The simulator inside the application: mounted below the blueprint, called within the process.

A development server with a single thread would deadlock if it called itself over HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import current_app, has_request_context, url_for
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Response

from ..config import Config
from ..exceptions import ConfigurationError, OutcomeUnknown
from ..gateways.mapi import MapiGateway
from ..gateways.transport import (
    FORM,
    HttpResponse,
    charset_params,
    copy_limited,
    is_html,
)
from ..protocol.charsets import encode_form
from ..settings import ConfigReader
from ..simulator import Simulator
from ..simulator.merchant.merchant import get_merchant
from ..simulator.simulator import SIMULATORS
from ..simulator.web.cashier import simulator_blueprint
from .simulator_settings import simulator_options

if TYPE_CHECKING:
    from flask import Flask
    from flask.blueprints import BlueprintSetupState

    from ..simulator.notifications.sender import Post


def mount_simulator(
    app: Flask, setup: BlueprintSetupState, settings: ConfigReader, endpoint: str
) -> tuple[Config, str, Callable[[], datetime]]:
    """Create a simulator for the application and mount it at ``simulator`` below the blueprint.

    :param app: the application.
    :param setup: Flask's record of the registration.
    :param settings: the merchant's settings, without credentials.
    :param endpoint: the name under which the blueprint is registered.
    :returns: the configuration of the simulator's merchant, the endpoint of its gateway, and its
        clock.
    """
    mount = (setup.url_prefix or "").rstrip("/")
    if "<" in f"{mount}{setup.subdomain or ''}":
        raise settings.error(
            "SIMULATOR",
            f"cannot be mounted below '{setup.subdomain or ''}{mount}': the simulator has no value "
            "for the variable. Register the blueprint below a prefix without variables",
        )
    name = f"{endpoint.replace('.', '_')}_simulator"
    transport = InProcessTransport(app, f"{mount}/notify", f"{name}.gateway")
    # A configured NOTIFY_URL may lead through a tunnel under test.
    post = None if settings.is_set("NOTIFY_URL") else transport.deliver
    simulators = app.extensions.setdefault(SIMULATORS, {})
    simulator, options = _create_simulator(app, settings, post, len(simulators))
    simulators[endpoint] = simulator
    simulator.messages.default_url = f"{site_of(app)}{mount}/notify"
    blueprint = simulator_blueprint(simulator, name)
    app.register_blueprint(blueprint, url_prefix=f"{mount}/simulator", subdomain=setup.subdomain)
    own = {"GATEWAY_URL": transport.gateway_path, **simulator.merchant_settings(**options)}
    config = Config.from_mapping(
        settings.with_overrides(own), settings.prefix, transport=transport, simulator=True
    )
    if isinstance(config.gateway, MapiGateway):
        config.gateway.wap_gateway_url = f"{mount}/simulator/service/rest.htm"
    return config, f"{name}.gateway", simulator.clock.now


def _create_simulator(
    app: Flask, settings: ConfigReader, post: Post | None, number: int
) -> tuple[Simulator, dict[str, Any]]:
    """Create a simulator; also return the options of its merchant's settings.

    :param post: delivers notifications; HTTP by default.
    :param number: distinguishes the merchants of an application.
    """
    protocol, charset = settings.protocol() or "openapi", settings.charset()
    sign_type = (settings.text("SIGN_TYPE") or "").upper() or None
    options = simulator_options(settings, protocol, sign_type or "RSA2")
    kind = {name: options.pop(name) for name in ("open_id", "third_party")}
    # Other processes of the application, commands and workers, have to be the same merchant.
    folder = Path(app.instance_path)
    keys = folder if folder.is_dir() else None
    merchant = get_merchant(keys).numbered(number).of_kind(**kind)
    try:
        simulator = Simulator(
            protocol=protocol,
            charset=charset,
            sign_type=sign_type,
            post=post,
            merchant=merchant,
        )
    except ConfigurationError as error:
        raise settings.error(error.key, f"cannot be simulated: {error}") from None
    return simulator, options


class InProcessTransport:
    """Transport that sends requests to the application itself, through its WSGI interface.

    :param app: the application.
    :param notify_path: the path of its ``notify`` route.
    :param gateway: the endpoint of the simulator's gateway, from which the site's URL is derived.
    """

    def __init__(self, app: Flask, notify_path: str, gateway: str | None = None) -> None:
        self._app = app
        self._notify_path = notify_path
        self._gateway = gateway
        self._simulator_path = f"{notify_path.removesuffix('notify')}simulator/"
        #: The path of the simulator's gateway.
        self.gateway_path = f"{self._simulator_path}gateway.do"

    def get(self, url: str, params: Mapping[str, str], charset: str = "utf-8") -> bytes:
        """Send a GET request to the simulator's gateway; see
        :class:`~flask_alipay.gateways.transport.Transport`.
        """
        query = encode_form(params, charset).decode("ascii")
        return _body(self._request("GET", urlsplit(url).path, query_string=query))

    def post(
        self,
        url: str,
        params: Mapping[str, str],
        charset: str = "utf-8",
        *,
        repeatable: bool = False,
    ) -> bytes:
        """Post a form to the simulator's gateway."""
        response = self._request(
            "POST",
            urlsplit(url).path,
            query_string=encode_form(charset_params(params), charset).decode("ascii"),
            data=encode_form(params, charset),
            content_type=FORM,
        )
        return _body(response)

    def request(
        self,
        http_method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        repeatable: bool = False,
    ) -> HttpResponse:
        """Send a request to the simulator unchanged."""
        parts = urlsplit(url)
        # Path and query together, as signed: a separate query would not be part of RAW_URI.
        target = parts._replace(scheme="", netloc="").geturl()
        response = self._request(http_method, target, data=body, headers=dict(headers))
        named = {name.lower(): value for name, value in response.headers.items()}
        return HttpResponse(response.status_code, named, response.get_data())

    def download(self, url: str, into: IO[bytes], limit: int) -> int:
        """Download a file from the simulator."""
        parts = urlsplit(url)
        # Without the path below which a server has mounted the application.
        path = parts.path[max(0, parts.path.rfind(self._simulator_path)) :]
        with self._request("GET", path, query_string=parts.query) as response:
            if response.status_code != 200 or is_html(response.content_type):
                raise OutcomeUnknown(f"there is no such file (HTTP status {response.status_code})")
            return copy_limited(response.iter_encoded(), into, limit)

    def deliver(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        """Deliver one of the simulator's notifications."""
        parts = urlsplit(url)
        # The path before the route, where a server has mounted the application, belongs to the base
        # URL.
        base_url = f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix(self._notify_path)}"
        response = self._client().post(
            self._notify_path, base_url=base_url, data=body, headers=dict(headers)
        )
        return response.status_code, response.get_data(as_text=True)

    def _request(self, http_method: str, path: str, **request: Any) -> TestResponse:
        """Send a request with the site's URL, which the simulator's responses contain."""
        site = self._site()
        response = self._client().open(path, method=http_method, base_url=site, **request)
        secure = f"https{site.removeprefix('http')}"
        if site.startswith("http:") and response.headers.get("Location", "").startswith(secure):
            # The application redirects to https, and PREFERRED_URL_SCHEME is not configured.
            return self._client().open(path, method=http_method, base_url=secure, **request)
        return response

    def _site(self) -> str:
        """Return the URL of the current request's site, or the configured one in a command or
        worker.
        """
        app = current_app._get_current_object() if current_app else None  # type: ignore[attr-defined]
        if self._gateway is None or app is not self._app:
            return site_of(self._app)
        if not (has_request_context() or app.config["SERVER_NAME"]):
            return site_of(self._app)
        try:
            # The app's URL processors may add arguments.
            url = url_for(self._gateway, _external=True).partition("?")[0]
        except ValueError:  # some releases of Werkzeug accept any text as a host
            return site_of(self._app)
        return url.removesuffix(self.gateway_path)

    def _client(self) -> Client:
        return Client(self._app, Response, use_cookies=False)


def site_of(app: Flask, scheme: str | None = None) -> str:
    """Return a URL of an application, without a slash at the end.

    :param app: the application.
    :param scheme: replaces ``PREFERRED_URL_SCHEME``.
    """
    trusted = app.config.get("TRUSTED_HOSTS") or ("localhost",)
    first = trusted if isinstance(trusted, str) else next(iter(trusted))
    host = app.config["SERVER_NAME"] or first.lstrip(".")
    root = app.config["APPLICATION_ROOT"].rstrip("/")
    return f"{scheme or app.config['PREFERRED_URL_SCHEME']}://{host}{root}"


def _body(response: TestResponse) -> bytes:
    if response.status_code != 200:
        location = response.headers.get("Location")
        place = f" and Location {location}" if location else ""
        raise OutcomeUnknown(f"the simulator answered with status {response.status_code}{place}")
    return response.get_data()
