"""External URLs of the blueprint's routes, on the host that the merchant configured.

No request decides where Alipay sends a notification: a buyer who chose the host would receive the
signed notification in the merchant's place, and could present it whenever it suits him.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from flask import current_app, has_request_context, request, url_for

from ..exceptions import ConfigurationError, InvalidParameter
from ..settings import configured_host

if TYPE_CHECKING:
    from flask import Flask

    from ..config import Config

logger = logging.getLogger("flask_alipay")

# A port that belongs to one scheme decides it, and is not written.
_SCHEMES: Final = {":80": "http", ":443": "https"}


@dataclass(frozen=True)
class ExternalUrls:
    """The URLs of one registration that Alipay receives."""

    #: The name that the blueprint is registered under.
    endpoint: str
    #: The configured host and port; ``None``: the request's, while the app is being developed.
    host: str | None
    #: The configured URL for notifications, if there is one.
    fixed_notify_url: str | None
    #: The configured URL for the buyer's return, if there is one.
    fixed_return_url: str | None

    @property
    def notify_url(self) -> str:
        """Where Alipay sends notifications.

        :raises InvalidParameter: if no host is configured and the request's is invalid.
        """
        return self.fixed_notify_url or self._of("notify")

    @property
    def return_url(self) -> str:
        """Where Alipay sends the buyer back to; raises as :attr:`notify_url` does."""
        return self.fixed_return_url or self._of("return")

    def _of(self, route: str) -> str:
        """Return the external URL of a route.

        The host and port are the configured ones, and so is the path of the app
        (``APPLICATION_ROOT``); if only the server knows that path, it is the request's
        ``SCRIPT_NAME``. The scheme is ``https`` if ``PREFERRED_URL_SCHEME`` or the request says so:
        a request cannot make it ``http``.
        """
        endpoint = f"{self.endpoint}.{route}"
        if self.host is None:
            return request_url(endpoint)
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        host, scheme = _site(self.host, app.config["PREFERRED_URL_SCHEME"])
        values: dict[str, Any] = {}
        app.inject_url_defaults(endpoint, values)
        site = app.url_map.bind(host, script_name=_root(app), url_scheme=scheme)
        return str(site.build(endpoint, values, force_external=True))


def request_url(endpoint: str) -> str:
    """Return the external URL of an endpoint as Flask builds it.

    :raises InvalidParameter: if the request's host is invalid.
    """
    try:
        return url_for(endpoint, _external=True)
    except ValueError:  # some releases of Werkzeug accept any text as a host
        raise InvalidParameter("host", "of the request is invalid") from None


def external_urls(app: Flask, config: Config, endpoint: str) -> ExternalUrls:
    """Return the external URLs of a registration; its routes are in the app already.

    :param endpoint: the name that the blueprint is registered under.
    :raises ConfigurationError: if requests would decide where Alipay sends notifications or the
        buyer. While the app is being developed (``debug``, ``TESTING``, or no money moves) a
        warning is logged instead.
    """
    host = configured_host(app.config)
    developing = app.debug or app.testing or not config.moves_money
    return_url = config.return_url
    if return_url is None and not developing:
        return_url = _return_url_beside(app, config.notify_url, endpoint)
    urls = ExternalUrls(endpoint, host, config.notify_url, return_url)
    undecided = None if host else _undecided(config.prefix, urls)
    if undecided and not developing:
        raise undecided
    if undecided:
        logger.warning("%s", undecided)
    return urls


def _undecided(prefix: str, urls: ExternalUrls) -> ConfigurationError | None:
    """Return the error of an app without a configured host, if a URL depends on one."""
    if urls.fixed_notify_url is None:
        key, what = f"{prefix}_NOTIFY_URL", "notifications, and a buyer may keep one for himself"
    elif urls.fixed_return_url is None:
        key, what = f"{prefix}_RETURN_URL", "the buyer"
    else:
        return None
    return ConfigurationError(
        f"'{key}' must be set (or 'SERVER_NAME', or exactly one host, no pattern, in "
        "'TRUSTED_HOSTS'): without it the Host header of a request decides where Alipay sends "
        f"{what}",
        key,
    )


def _return_url_beside(app: Flask, notify_url: str | None, endpoint: str) -> str | None:
    """Return the URL of our return route, if that of our notify route is configured."""
    notify, back = (
        next(app.url_map.iter_rules(f"{endpoint}.{route}")).rule for route in ("notify", "return")
    )
    if notify_url is None or "<" in notify:
        return None
    parts = urlsplit(notify_url)
    if not parts.path.endswith(notify):
        return None
    path = parts.path.removesuffix(notify) + back
    return parts._replace(path=path, query="", fragment="").geturl()


def _site(host: str, preferred_scheme: str) -> tuple[str, str]:
    """Return the host as a URL of its scheme has it, and the scheme."""
    secure = preferred_scheme == "https" or (has_request_context() and request.is_secure)
    scheme = "https" if secure else "http"
    for port, its_scheme in _SCHEMES.items():
        if host.endswith(port):
            return host.removesuffix(port), its_scheme
    return host, scheme


def _root(app: Flask) -> str:
    """Return the path below which the app is mounted."""
    root = str(app.config["APPLICATION_ROOT"] or "/")
    return request.root_path if root == "/" and has_request_context() else root
