"""Addresses: whether one is on the internet, and what the app's own are outside of a request."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

_PRIVATE = (".localhost", ".local", ".internal", ".invalid", ".test", ".example")


def is_public(url: str) -> bool:
    """Tells whether a URL could be reached from anywhere, as far as its host says."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(_PRIVATE)


@contextmanager
def on_the_site() -> Iterator[None]:
    """The app's routes get whole URLs: by ``SERVER_NAME`` or, without, where ``flask run`` is."""
    from flask import current_app

    if current_app.config.get("SERVER_NAME"):
        yield
        return
    host = os.environ.get("FLASK_RUN_HOST", "127.0.0.1").replace("0.0.0.0", "127.0.0.1")  # noqa: S104
    port = os.environ.get("FLASK_RUN_PORT", "5000")
    with current_app.test_request_context(base_url=f"http://{host}:{port}"):
        yield
