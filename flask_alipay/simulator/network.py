"""Where another machine of the same network finds this one: for a code that a phone is to scan."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit, urlunsplit

# Of addresses that belong to nobody: to "connect" there sends nothing, and says by which address of
# this machine it would be done.
_ELSEWHERE: Final = ("192.0.2.1", 9)


def only_here(listening: str) -> bool:
    """Tells whether a server listens to this machine alone.

    :param listening: the address that it listens on, or its name.
    """
    return listening == "localhost" or _is(listening, "is_loopback")


def for_a_phone(url: str, listening: str) -> str:
    """Returns an address of this machine's as a phone on the same network has to say it.

    :param url: as the browser on this machine says it.
    :param listening: what the server listens on; all addresses are ``0.0.0.0`` or ``::``.
    """
    parts = urlsplit(url)
    if not only_here(parts.hostname or "") or not _is(listening, "is_unspecified"):
        return url
    address = address_in_network()
    if address is None:
        return url
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit(parts._replace(netloc=f"{address}{port}"))


def address_in_network() -> str | None:
    """Returns this machine's address in its network, ``None`` if it is in none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(_ELSEWHERE)
        except OSError:
            return None
        address = str(asking.getsockname()[0])
    return None if only_here(address) or _is(address, "is_unspecified") else address


def _is(text: str, what: str) -> bool:
    try:
        return bool(getattr(ip_address(text), what))
    except ValueError:  # a name
        return False
