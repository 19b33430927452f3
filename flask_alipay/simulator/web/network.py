"""Network addresses: of this machine for a phone, and of clients nearby."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

# Unassigned addresses: to "connect" there sends nothing, and reveals this machine's address for it.
_ELSEWHERE: Final = ("192.0.2.1", 9)
# This machine, and networks that are not on the internet.
_NEARBY: Final = tuple(
    map(
        ip_network,
        (
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "::1/128",
            "fc00::/7",
            "fe80::/10",
        ),
    )
)
# The client that a proxy names in the header Forwarded (RFC 7239).
_FORWARDED: Final = re.compile(r'for="?\[?([^]";, ]*)', re.IGNORECASE)


def is_loopback(listening: str) -> bool:
    """Return True if a server listens on this machine only.

    :param listening: the address that it listens on, or its name.
    """
    return listening == "localhost" or _is(listening, "is_loopback")


def lan_url(url: str, listening: str) -> str:
    """Return a URL of this machine for a phone on the same network.

    :param url: as the browser on this machine says it.
    :param listening: what the server listens on; all addresses are ``0.0.0.0`` or ``::``.
    """
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or "") or not _is(listening, "is_unspecified"):
        return url
    address = lan_address()
    if address is None:
        return url
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit(parts._replace(netloc=f"{address}{port}"))


def is_from_nearby(environ: Mapping[str, Any]) -> bool:
    """Return True for a request from this machine or its private network.

    The peer of the connection counts, whatever ``ProxyFix`` put in its place, and so does each
    client that a proxy names: a header can exclude a request, and admit none.

    :param environ: the request's WSGI environment.
    """
    return all(map(_is_nearby, _clients(environ)))


def _clients(environ: Mapping[str, Any]) -> Iterator[str]:
    """Yield every client address of the request, that of its peer first."""
    before_proxy_fix = environ.get("werkzeug.proxy_fix.orig") or environ
    yield str(before_proxy_fix.get("REMOTE_ADDR") or "")
    yield str(environ.get("REMOTE_ADDR") or "")
    for header in ("HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP"):
        yield from filter(None, map(str.strip, str(environ.get(header, "")).split(",")))
    yield from _FORWARDED.findall(str(environ.get("HTTP_FORWARDED", "")))


def _is_nearby(address: str) -> bool:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found.version == network.version and found in network for network in _NEARBY)


def lan_address() -> str | None:
    """Return this machine's address in its network, ``None`` if there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if is_loopback(address) or _is(address, "is_unspecified") else address


def _is(text: str, what: str) -> bool:
    try:
        return bool(getattr(ip_address(text), what))
    except ValueError:  # a name
        return False
