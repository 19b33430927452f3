"""What an address says about itself."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_PRIVATE = (".localhost", ".local", ".internal", ".invalid", ".test", ".example")


def is_public(url: str) -> bool:
    """Tells whether a URL could be reached from anywhere, as far as its host says."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(_PRIVATE)
