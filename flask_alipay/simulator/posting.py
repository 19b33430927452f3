"""Posting over HTTP to the merchant's server, on connections that are used again.

It is near, often this machine, and it is told of many things: a connection for each would cost more
than all the rest. One that the server may have given up since is not used again, so that no
notification is lost on a connection that is no more, and none sent twice without need.
"""

from __future__ import annotations

import contextlib
import http.client
import selectors
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from time import monotonic, sleep
from typing import Final, TypeAlias
from urllib.parse import SplitResult, quote, unquote, urlsplit

#: How much of an answer is read, in bytes.
MOST_ANSWER: Final = 200

_CONNECTING, _WAITING = 5, 10  # seconds, the latter for each part of an answer
#: How long a silent connection is kept, in seconds. Servers give one up after two (gunicorn), or
#: later: ours is given up before that.
FRESH = 1.0
#: Of more connections than these, those that were silent the longest are given up.
MOST_KEPT = 16
# One that takes nothing of the system to be made.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
# What an address may have that nobody has to encode.
_SAFE = "!#$%&'()*+,/:;=?@[]~"

_Server: TypeAlias = tuple[str, str, int]


class Posting:
    """Posts, and keeps a few connections for a moment; safe for threads.

    Follows no redirect, as Alipay does not, and uses neither a proxy nor a password of the
    environment.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Since when each is silent; the longest silent first.
        self._kept: list[tuple[float, _Server, http.client.HTTPConnection]] = []
        self._sweeping = False
        self._trusted: ssl.SSLContext | None = None

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        """Posts, and returns the status and the beginning of the answer.

        :raises OSError: if nobody answers.
        :raises http.client.HTTPException: if what is answered is not HTTP.
        """
        parts = urlsplit(url)
        server = _server(parts)
        target = quote(parts._replace(scheme="", netloc="", fragment="").geturl() or "/", _SAFE)
        headers = {"Accept": "*/*", **_password(parts), **headers}
        kept = self._take(server)
        if kept is not None:
            with contextlib.suppress(http.client.RemoteDisconnected, ConnectionError):
                return self._read(server, kept, _asked(kept, target, body, headers))
            # Given up by the server before it heard a word of this: all of it once more.
        new = self._new(server)
        return self._read(server, new, _asked(new, target, body, headers))

    def close(self) -> None:
        """Gives up the connections that are kept."""
        with self._lock:
            kept, self._kept = self._kept, []
        for _, _, connection in kept:
            connection.close()

    def _read(
        self,
        server: _Server,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
    ) -> tuple[int, str]:
        with _closing_in_trouble(connection):
            text = response.read(MOST_ANSWER)
        if response.isclosed() and not response.will_close:
            self._keep(server, connection)
        else:  # a longer answer is not waited for
            connection.close()
        return response.status, text.decode("utf-8", "replace")

    def _take(self, server: _Server) -> http.client.HTTPConnection | None:
        """Takes out a connection to a server that is still open, if there is one."""
        with self._lock:
            found = next((kept for kept in reversed(self._kept) if kept[1] == server), None)
            if found is None:
                return None
            self._kept.remove(found)
        since, _, connection = found
        if monotonic() - since <= FRESH and not _hung_up(connection):
            return connection
        connection.close()
        return None

    def _keep(self, server: _Server, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._kept.append((monotonic(), server, connection))
            surplus = self._kept.pop(0)[2] if len(self._kept) > MOST_KEPT else None
            if not self._sweeping:
                self._sweeping = True
                threading.Thread(
                    target=self._sweep, name="flask-alipay-posting", daemon=True
                ).start()
        if surplus is not None:
            surplus.close()

    def _sweep(self) -> None:
        """Gives up what was silent for long, until nothing is kept.

        A server may have but one thread, and that waits for what we have to say.
        """
        while True:
            sleep(FRESH)
            with self._lock:
                stale = [kept for kept in self._kept if monotonic() - kept[0] > FRESH]
                self._kept = self._kept[len(stale) :]
                self._sweeping = bool(self._kept)
                going_on = self._sweeping
            for _, _, connection in stale:
                connection.close()
            if not going_on:
                return

    def _new(self, server: _Server) -> http.client.HTTPConnection:
        scheme, host, port = server
        connection: http.client.HTTPConnection
        if scheme == "https":
            connection = http.client.HTTPSConnection(
                host, port, timeout=_CONNECTING, context=self._context()
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=_CONNECTING)
        with _closing_in_trouble(connection):
            connection.connect()
        connection.sock.settimeout(_WAITING)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._trusted is None:
            import certifi  # comes with requests, and so trusts what our gateways trust

            self._trusted = ssl.create_default_context(cafile=certifi.where())
        return self._trusted


def _server(parts: SplitResult) -> _Server:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, parts.hostname or "", port


def _asked(
    connection: http.client.HTTPConnection, target: str, body: bytes, headers: Mapping[str, str]
) -> http.client.HTTPResponse:
    with _closing_in_trouble(connection):
        connection.request("POST", target, body, dict(headers))
        return connection.getresponse()


@contextlib.contextmanager
def _closing_in_trouble(connection: http.client.HTTPConnection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _hung_up(connection: http.client.HTTPConnection) -> bool:
    """Tells whether the other side has closed, or says what nobody asked for."""
    with _Selector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(0))


def _password(parts: SplitResult) -> dict[str, str]:
    """What a name and a password in an address become."""
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return {"Authorization": f"Basic {b64encode(pair).decode('ascii')}"}
