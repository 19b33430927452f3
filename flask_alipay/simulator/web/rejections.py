"""Requests that the control rejects."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from flask import request

from .network import is_from_nearby

# What names of this machine and of its private networks end in, besides names without a dot.
_NEAR: Final = (".localhost", ".local", ".internal", ".test")


class ActionRejected(Exception):
    """A request that the control rejects.

    :param status: of the response.
    :param error: the reason.
    """

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


def reject_strangers() -> None:
    """Reject a request from elsewhere, or one that a page of another site had the browser send.

    Where a request comes from is what the connection says: its ``Host`` is the caller's choice. The
    ``Host`` only tells pages apart: one that has had its name lead to this machine still calls it
    by that name. A browser names the page's origin with every POST; a command line names none.

    :raises ActionRejected: with a status of 403.
    """
    if not is_from_nearby(request.environ):
        raise ActionRejected(
            403, "the request came from outside this machine and its private network"
        )
    host = urlsplit(f"//{request.host}").hostname or ""
    if not _near(host):
        raise ActionRejected(403, "the host is not a name or an address of a private network")
    origin = request.headers.get("Origin")
    foreign = origin is not None and origin != request.host_url.rstrip("/")
    site = request.headers.get("Sec-Fetch-Site", "none")
    if request.method != "GET" and (foreign or site not in ("none", "same-origin")):
        raise ActionRejected(403, "the request came from a page of another site")


@lru_cache(maxsize=64)
def _near(host: str) -> bool:
    if "." not in host or host.endswith(_NEAR):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
