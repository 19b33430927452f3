"""Diagnosis by ``doctor``: a probe of the notification route.

The probe goes through the whole app in process. It shows whether Alipay's notifications reach the
view, and settles nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from flask import got_request_exception
from werkzeug.routing import BuildError
from werkzeug.test import Client
from werkzeug.wrappers import Response

from ..blueprint.probe import PROBE, Probe
from ..exceptions import InvalidParameter
from ..gateways.transport import FORM
from .findings import FAIL, OK, UNKNOWN, WARN, Finding
from .i18n import _
from .site_addresses import site_url_context

if TYPE_CHECKING:
    from flask import Flask

    from ..merchant import Merchant

_CHECK = "route"
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class _Response:
    """The app's response to a probe."""

    url: SplitResult
    probe: Probe
    #: Zero if the app raised an exception.
    status: int
    location: str
    body: bytes
    #: The class name of an exception that the app raised.
    raised: str

    @property
    def good(self) -> bool:
        """True if the view received the form, and the app returned the view's response."""
        return self.probe.received == self.probe.body and self.body == b"fail"


def check_route(app: Flask, merchant: Merchant) -> Iterator[Finding]:
    """Post a probe to the notification route.

    :param app: the app, with its middleware.
    :param merchant: the merchant.
    :return: the findings.
    """
    try:
        with site_url_context(merchant):
            url = urlsplit(merchant.notify_url)
    except (BuildError, InvalidParameter):
        key = f"{merchant.config.prefix}_NOTIFY_URL"
        text = _("The URL of the notification route depends on the request.")
        yield Finding(_CHECK, UNKNOWN, text, fix=_("Set {key} to test the route.").format(key=key))
        return
    response = _request(app, url)
    if response.good and response.probe.endpoint == f"{merchant.name}.notify":
        text = _("A form posted to {path} reaches the notification route.")
        yield Finding(_CHECK, OK, text.format(path=url.path))
        yield from _behind_a_proxy(app, url)
    else:
        yield _explain(response, merchant)


def _request(app: Flask, url: SplitResult, **headers: str) -> _Response:
    """Post a probe to a path.

    On a 404 try again below the prefixes at which a server may mount the app.
    """
    response = _post(app, url, "", **headers)
    for place in range(1, url.path.count("/")):
        if response.status != 404:
            break
        mounted = "/".join(url.path.split("/")[: place + 1])
        found = _post(app, url, mounted, **headers)
        response = found if found.probe.reached else response
    return response


def _post(app: Flask, url: SplitResult, mounted: str, **headers: str) -> _Response:
    filler = "".join(f"&parameter_{number}={secrets.token_hex(40)}" for number in range(30))
    probe = Probe(f"sign_type=RSA2&sign=none{filler}".encode())
    raised: list[str] = []

    def note(sender: object, exception: BaseException, **rest: object) -> None:
        raised.append(type(exception).__name__)

    client = Client(app, Response, use_cookies=False)
    with got_request_exception.connected_to(note, app):
        try:
            response = client.post(
                url.path.removeprefix(mounted) or "/",
                base_url=f"{url.scheme}://{url.netloc}{mounted}",
                query_string=url.query,
                data=probe.body,
                content_type=f"{FORM}; charset=utf-8",
                headers={"User-Agent": "Mozilla/4.0", **headers},
                environ_base={PROBE: probe, "REMOTE_ADDR": "203.0.113.1"},
            )
        except Exception as error:  # in testing mode the app propagates exceptions
            return _Response(url, probe, 0, "", b"", type(error).__name__)
    location = response.headers.get("Location", "")
    kind = raised[0] if raised else ""
    return _Response(url, probe, response.status_code, location, response.get_data(), kind)


def _explain(response: _Response, merchant: Merchant) -> Finding:
    why = _(
        "Alipay would receive this response instead of 'success', and no payment would be settled."
    )
    message, fix = (
        _reached(response, merchant) if response.probe.reached else _not_reached(response)
    )
    names = {
        "path": response.url.path,
        "status": str(response.status),
        "location": _redirect_target(response.location),
        "raised": response.raised,
        "endpoint": f"{merchant.name}.notify",
        "key": f"{merchant.config.prefix}_NOTIFY_URL",
    }
    return Finding(_CHECK, FAIL, message.format(**names), why, fix.format(**names))


def _reached(response: _Response, merchant: Merchant) -> tuple[str, str]:
    if response.probe.endpoint != f"{merchant.name}.notify":
        message = _("{key} is the notification route of another merchant.")
        return message, _("Set {key} to this merchant's own route.")
    if response.probe.received != response.probe.body:
        return _consumed()
    message = _("The notification route is reached, but the app changes its response ({status}).")
    return message, _(
        "Do not change responses of {endpoint} in after_request functions or middleware."
    )


def _consumed() -> tuple[str, str]:
    return (
        _("Other code of the app reads or changes the form before the notification route."),
        _(
            "Skip {endpoint} in before_request functions and middleware: they must not read "
            "request.form or request.stream there."
        ),
    )


def _not_reached(response: _Response) -> tuple[str, str]:
    if response.raised:
        message = _("The app raises {raised} before the notification route is reached.")
        return message, _("Check before_request functions and middleware.")
    if response.status in _REDIRECTS:
        return _redirected(response)
    if response.status in (400, 403, 419) and b"csrf" in response.body.lower():
        message = _("CSRF protection rejects notifications (status {status}): Alipay has no token.")
        return message, _("Exempt the endpoint {endpoint} from CSRF protection.")
    if response.status in (400, 401, 403, 419):
        message = _("The app rejects notifications before the route is reached (status {status}).")
        return message, _(
            "Exempt the endpoint {endpoint} from login, CSRF and host checks "
            "(before_request, TRUSTED_HOSTS, middleware)."
        )
    if response.status == 404:
        return _("The app has no route at {path}."), _("Set {key} to the URL of {endpoint}.")
    if response.status == 405:
        message = _("The route at {path} does not accept POST: it is not the notification route.")
        return message, _("Set {key} to the URL of {endpoint}.")
    message = _("Other code responds at {path} (status {status}).")
    return message, _(
        "Let requests to {endpoint} through: a before_request function or middleware "
        "responds early."
    )


def _redirected(response: _Response) -> tuple[str, str]:
    there, path = urlsplit(response.location), response.url.path
    if there.scheme == "https" and response.url.scheme == "http" and there.path == path:
        message = _("The app redirects notifications to https (status {status}).")
        return message, _("Alipay does not follow redirects. Set {key} to the https URL.")
    if there.path.rstrip("/") == path.rstrip("/"):
        message = _("The app redirects {path} to {location}: the trailing slash differs.")
        return message, _("Alipay does not follow redirects. Set {key} to exactly that URL.")
    message = _(
        "The app redirects notifications to {location} (status {status}), perhaps a login page."
    )
    return message, _("Exempt the endpoint {endpoint} from the login (before_request).")


def _behind_a_proxy(app: Flask, url: SplitResult) -> Iterator[Finding]:
    """Check a probe as a proxy that terminates TLS sends it: over http, with a header."""
    if url.scheme != "https":
        return
    response = _request(app, url._replace(scheme="http"), **{"X-Forwarded-Proto": "https"})
    if response.status in _REDIRECTS and response.location.startswith("https:"):
        yield Finding(
            "proxy_https",
            WARN,
            _("Behind a proxy that terminates TLS, the app would redirect notifications to https."),
            _("The app does not read X-Forwarded-Proto, and Alipay does not follow redirects."),
            _("Use Werkzeug's ProxyFix if there is such a proxy."),
        )


def _redirect_target(location: str) -> str:
    """Return a redirect's target without its query."""
    return urlsplit(location)._replace(query="", fragment="").geturl()[:120]
