"""Sessions of ``requests`` for a gateway: retries, no redirects, and a limit to a response's time.

A socket's timeout begins anew with every byte. Here a response, from its first byte to its last,
has the timeout as a whole: a gateway that sends one byte now and then keeps no thread for longer.

``requests`` is slow to import, so this module is imported when the first session is created.
"""

from __future__ import annotations

import io
import time
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection


class Session(requests.Session):
    """Session that follows no redirect: requests would read the whole body of one."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return no target."""
        return None


def new_session(*, repeat: bool, min_rate: float = 0) -> requests.Session:
    """Return a session whose responses have to arrive completely within the timeout.

    Requests that were never sent are retried, and queries without a response as well. Each attempt
    may take the full timeout.

    :param repeat: whether its requests are queries.
    :param min_rate: bytes for which a response gets one more second, so that a large file may take
        its time; 0: the timeout is the limit.
    """
    session = Session()
    session.headers["Accept-Encoding"] = "gzip"  # the only encoding that the transport supports
    retry = Retry(
        total=2,
        connect=1,
        read=1 if repeat else 0,
        other=0,
        status=2 if repeat else 0,
        backoff_factor=0.1,
        status_forcelist=(502, 503, 504) if repeat else (),
        allowed_methods=frozenset({"GET", "POST"}),
        raise_on_status=False,
        respect_retry_after_header=False,  # our caller would not wait so long
    )
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(retry, min_rate))
    return session


class _Adapter(HTTPAdapter):
    """Adapter whose connections limit the time of a response, also through an HTTP proxy."""

    def __init__(self, retry: Retry, min_rate: float) -> None:
        self._pools = _pool_classes(min_rate)
        super().__init__(max_retries=retry)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        cast("PoolManager", self.poolmanager).pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if isinstance(manager, ProxyManager):  # a SOCKS proxy has connections of its own
            manager.pool_classes_by_scheme = self._pools
        return manager


def _pool_classes(rate: float) -> dict[str, Any]:
    """Return the classes of connection pools by scheme.

    :param rate: see :func:`new_session`.
    """

    class Connection(_TimeLimit, HTTPConnection):
        min_rate = rate

    class SecureConnection(_TimeLimit, HTTPSConnection):
        min_rate = rate

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}


class _TimeLimit:
    """Part of a connection that limits the time of each response."""

    min_rate: float
    sock: Any
    timeout: Any

    def getresponse(self) -> Any:
        """Return the response, whose headers and body are read within the connection's timeout."""
        sock = self.sock
        if self.timeout is not None:
            self.sock = _LimitedSocket(sock, self.timeout, self.min_rate)
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            if isinstance(self.sock, _LimitedSocket):  # otherwise the connection is closed
                self.sock = sock


class _LimitedSocket:
    """A socket whose next file is read within a time."""

    def __init__(self, sock: Any, seconds: float, min_rate: float) -> None:
        self._sock, self._seconds, self._min_rate = sock, seconds, min_rate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """Return the file from which ``http.client`` reads the response."""
        return io.BufferedReader(_LimitedFile(self._sock, self._seconds, self._min_rate))


class _LimitedFile(io.RawIOBase):
    """Reader of a socket that raises ``TimeoutError`` when the time is over."""

    def __init__(self, sock: Any, seconds: float, min_rate: float) -> None:
        self._sock, self._file = sock, sock.makefile("rb", buffering=0)
        self._until, self._min_rate = time.monotonic() + seconds, min_rate

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the response did not arrive completely in time")
        self._sock.settimeout(left)
        count: int | None = self._file.readinto(buffer)
        if self._min_rate and count:
            self._until += count / self._min_rate
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
