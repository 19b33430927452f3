"""External URLs of the blueprint's routes, on the host that the merchant configured.

No request decides where Alipay sends a notification: a buyer who chose the host would receive the
signed notification instead of the merchant, and could deliver it at any later time.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from flask import current_app, has_request_context, request, url_for
from werkzeug.http import parse_list_header

from ..exceptions import ConfigurationError, InvalidParameter
from ..settings import configured_host

if TYPE_CHECKING:
    from flask import Flask

    from ..config import Config

logger = logging.getLogger("flask_alipay")

# A scheme's default port determines the scheme, and is left out of URLs.
_SCHEMES: Final = {":80": "http", ":443": "https"}
# A path that is nothing else after a host: no part of the host, no query, no "..".
_PLAIN_PATH: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9_.~-]+)*")


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
        """The URL to which Alipay sends notifications.

        :raises InvalidParameter: if no host is configured and the request's is invalid, or if a
            header of the request names the path of the app.
        """
        return self.fixed_notify_url or self._of("notify")

    @property
    def return_url(self) -> str:
        """The URL to which Alipay sends the buyer; raises as :attr:`notify_url` does."""
        return self.fixed_return_url or self._of("return")

    def page_url(self, route: str, token: str) -> str:
        """Return the URL of a page for a payer; raises as :attr:`notify_url` does."""
        return self._of(route, token=token)

    def _of(self, route: str, **arguments: str) -> str:
        """Return the external URL of a route.

        The host and port are the configured ones, and so is the path of the app
        (``APPLICATION_ROOT``); if only the server knows that path, it is the ``SCRIPT_NAME`` that
        the server gives, see :func:`_server_root`. The scheme is ``https`` if
        ``PREFERRED_URL_SCHEME`` or the request says so: a request cannot make it ``http``.
        """
        endpoint = f"{self.endpoint}.{route}"
        if self.host is None:
            return request_url(endpoint, **arguments)
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        host, scheme = _site(self.host, app.config["PREFERRED_URL_SCHEME"])
        values: dict[str, Any] = {**arguments}
        app.inject_url_defaults(endpoint, values)
        site = app.url_map.bind(host, script_name=_root(app), url_scheme=scheme)
        return str(site.build(endpoint, values, force_external=True))


def request_url(endpoint: str, **arguments: str) -> str:
    """Return the external URL of an endpoint as Flask builds it.

    :param arguments: the values of the rule.
    :raises InvalidParameter: if the request's host is invalid.
    """
    try:
        return url_for(endpoint, **arguments, _external=True)
    except ValueError:  # some releases of Werkzeug accept any text as a host
        raise InvalidParameter("host", "of the request is invalid") from None


def external_urls(app: Flask, config: Config, endpoint: str) -> ExternalUrls:
    """Return the external URLs of a registration; its routes are in the app already.

    :param endpoint: the name that the blueprint is registered under.
    :raises ConfigurationError: if requests would decide where Alipay sends notifications or the
        buyer. While the app is being developed (``debug``, ``TESTING``, or no money moves) a
        warning is logged instead.
    """
    host = None if _on_any_subdomain(app, endpoint) else configured_host(app.config)
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


def _on_any_subdomain(app: Flask, endpoint: str) -> bool:
    """Return whether requests choose the subdomain of the routes, also a foreign one."""
    (rule,) = app.url_map.iter_rules(f"{endpoint}.notify")
    return "<" in f"{rule.subdomain or ''}{rule.host or ''}"


def _undecided(prefix: str, urls: ExternalUrls) -> ConfigurationError | None:
    """Return the error of an app without a configured host, if a URL depends on one."""
    if urls.fixed_notify_url is None:
        key, sent = f"{prefix}_NOTIFY_URL", "notifications, and a buyer could intercept one"
    elif urls.fixed_return_url is None:
        key, sent = f"{prefix}_RETURN_URL", "the buyer"
    else:
        return None
    return ConfigurationError(
        f"'{key}' must be set (or 'SERVER_NAME', or exactly one host, no pattern, in "
        "'TRUSTED_HOSTS', and a subdomain without variable): without it the Host header of a "
        f"request decides where Alipay sends {sent}",
        key,
    )


def _return_url_beside(app: Flask, notify_url: str | None, endpoint: str) -> str | None:
    """Return the URL of the return route, derived from a configured URL of the notify route."""
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
    """Return the host as in a URL of its scheme, and the scheme."""
    secure = preferred_scheme == "https" or (has_request_context() and request.is_secure)
    scheme = "https" if secure else "http"
    for port, its_scheme in _SCHEMES.items():
        if host.endswith(port):
            return host.removesuffix(port), its_scheme
    return host, scheme


def _root(app: Flask) -> str:
    """Return the path below which the application is mounted."""
    root = str(app.config["APPLICATION_ROOT"] or "/")
    return _server_root() if root == "/" and has_request_context() else root


def _server_root() -> str:
    """Return the path below which the server has mounted the application.

    It follows the host in the URL: ``@attacker.example`` or ``.attacker.example`` would change the
    host, and another path may belong to another customer of the same host.

    :raises InvalidParameter: if it is no plain path, or ``X-Forwarded-Prefix`` contains it: any
        client can send that header if the proxy does not replace it.
    """
    root = str(request.environ.get("SCRIPT_NAME") or "").rstrip("/")
    header = request.environ.get("HTTP_X_FORWARDED_PREFIX", "")
    prefixes = (each.rstrip("/") for each in parse_list_header(header))
    if any(each and root.startswith(each) for each in prefixes):
        raise InvalidParameter(
            "X-Forwarded-Prefix",
            "of the request must not decide where Alipay sends notifications: set "
            "'APPLICATION_ROOT' to the path of the application",
        )
    if _PLAIN_PATH.fullmatch(root) is None:
        raise InvalidParameter("SCRIPT_NAME", "of the request is no plain path")
    return root
