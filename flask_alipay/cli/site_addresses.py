"""URLs: public addresses, and the app's own URLs outside a request."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from ..merchant import Merchant

_PRIVATE = (".localhost", ".local", ".internal", ".invalid", ".test", ".example")


def is_public(url: str) -> bool:
    """Check whether a URL's host can be on the internet.

    :param url: absolute.
    :return: ``False`` for private addresses and reserved names.
    """
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(_PRIVATE)


@contextmanager
def site_url_context(merchant: Merchant) -> Iterator[None]:
    """Provide a context in which the app's routes have external URLs.

    The host is the configured one, else the first trusted one, else that of ``flask run``.

    :param merchant: the merchant.
    """
    from flask import current_app

    if current_app.config.get("SERVER_NAME"):
        yield
        return
    scheme = current_app.config["PREFERRED_URL_SCHEME"]
    host = merchant.urls.host or _trusted_host() or _development_server()
    with current_app.test_request_context(base_url=f"{scheme}://{host}"):
        yield


def _trusted_host() -> str:
    from flask import current_app

    trusted = current_app.config.get("TRUSTED_HOSTS") or ("",)
    first = trusted if isinstance(trusted, str) else next(iter(trusted))
    return str(first).lstrip(".")


def _development_server() -> str:
    host = os.environ.get("FLASK_RUN_HOST", "127.0.0.1").replace("0.0.0.0", "127.0.0.1")  # noqa: S104
    return f"{host}:{os.environ.get('FLASK_RUN_PORT', '5000')}"
