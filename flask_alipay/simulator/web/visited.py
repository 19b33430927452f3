"""The simulator's URL as used by the present request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv6Address
from typing import Any, Final
from urllib.parse import quote, urlsplit

from werkzeug.wrappers import Request

from .network import is_loopback, lan_url

# A name or an address, perhaps with a port. The client chooses it, and may send anything.
_PLAIN: Final = re.compile(r"(?:\w[\w.-]{0,252}|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
# What stands for all of a machine's addresses is none.
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - no server listens here
_USUAL_PORTS: Final = {"http": ":80", "https": ":443"}


def base_url(requested: Request, below: str) -> str:
    """Return the absolute URL of the simulator in a request, without a trailing slash.

    On the host that the request names; what is no plain host counts as none, and the server's own
    address takes its place. Somebody on this machine, who calls it by an address that nobody else
    can use while others may come, gets that by which they can.

    :param below: the end of the request's path, which leads on from there.
    """
    environ = requested.environ
    path = quote(f"{requested.root_path.rstrip('/')}{requested.path.removesuffix(below)}")
    root = f"{requested.scheme}://{_host(environ, requested.scheme)}{path}"
    if not is_loopback(str(environ.get("REMOTE_ADDR", ""))):
        return root
    return lan_url(root, str(environ.get("SERVER_NAME", "")))


def _host(environ: Mapping[str, Any], scheme: str) -> str:
    named = str(environ.get("HTTP_HOST", ""))
    host = named if _is_plain(named) else _root(environ)
    name, port = _parted(host.removesuffix(_USUAL_PORTS.get(scheme, "")))
    return f"{_EVERYWHERE.get(name, name)}{port}"


def _root(environ: Mapping[str, Any]) -> str:
    """Return the server's URL, if it has one: a file name is possible instead."""
    name = str(environ.get("SERVER_NAME", ""))
    name = f"[{name}]" if ":" in name and not name.startswith("[") else name
    own = f"{name}:{environ.get('SERVER_PORT', '')}"
    return own if _is_plain(own) else "localhost"


def _parted(host: str) -> tuple[str, str]:
    """Split a host name from its port with the colon."""
    name, colon, port = host.rpartition(":")
    return (name, f":{port}") if colon and port.isdigit() else (host, "")


def _is_plain(host: str) -> bool:
    if _PLAIN.fullmatch(host) is None:
        return False
    try:
        if host.startswith("["):  # Python 3.10 takes anything for an address there
            IPv6Address(host[1 : host.index("]")])
        return urlsplit(f"//{host}").port != 0
    except ValueError:  # no address, or no port
        return False
