"""HTTP requests to a gateway. A timeout is not a failure: the outcome is unknown.

``get`` sends queries, which change nothing and are retried if no response arrives. ``post`` sends
requests that have an effect: exactly once, unless the caller declares them ``repeatable``.
"""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlencode

from ..exceptions import GatewayError, OutcomeUnknown
from ..protocol.charsets import canonical_charset, encode_form

if TYPE_CHECKING:
    import requests

_CHUNK_SIZE = 64 * 1024
#: Maximum size of a response in bytes: 16 MiB.
_MAX_BYTES = 1 << 24

# A file may take the timeout, and a second for each 4 KiB that have arrived.
_MIN_DOWNLOAD_RATE = 4096

# zlib's window for gzip, with its header.
_GZIP = 16 + zlib.MAX_WBITS

FORM = "application/x-www-form-urlencoded"

# The charset parameter must be known before the body is decoded: it goes into the URL.
_CHARSET_NAMES = ("_input_charset", "charset")


class HttpResponse(NamedTuple):
    """An HTTP response of any status."""

    status: int
    #: Values by lower-case name.
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Interface through which a gateway sends requests: over HTTP, or to the embedded simulator."""

    def get(self, url: str, params: Mapping[str, str], charset: str = "utf-8") -> bytes:
        """Send a query, which changes nothing and may therefore be retried.

        :param url: the gateway's URL.
        :param params: the query parameters, decoded.
        :param charset: the charset of the encoded query.
        :returns: the body of the response.
        :raises InvalidParameter: if a parameter has a character that the charset lacks.
        :raises OutcomeUnknown: if no complete response with status 200 arrives.
        """

    def post(
        self,
        url: str,
        params: Mapping[str, str],
        charset: str = "utf-8",
        *,
        repeatable: bool = False,
    ) -> bytes:
        """Send a form once.

        Parameters, result and exceptions are those of :meth:`get`; the charset parameter is also
        part of the URL.

        :param repeatable: True if the form is a query and may be retried.
        """


class OpenApiTransport(Transport, Protocol):
    """A :class:`Transport` with the requests that only the open platform's client sends."""

    def request(
        self,
        http_method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        repeatable: bool = False,
    ) -> HttpResponse:
        """Send a request unchanged, once, and return the response of any status.

        :param http_method: ``GET`` or ``POST``.
        :param repeatable: True if the request is a query and may be retried.
        :raises OutcomeUnknown: if no complete response arrives.
        """

    def download(self, url: str, into: IO[bytes], limit: int) -> int:
        """Download a file in chunks.

        :param url: the file's URL, which needs no further parameters.
        :param into: the file to write to; after an error it is incomplete.
        :param limit: maximum number of bytes.
        :returns: the number of bytes.
        :raises GatewayError: if the file is larger.
        :raises OutcomeUnknown: if the file does not arrive completely, or an HTML page arrives
            instead.
        """


class HttpTransport:
    """Transport with ``requests``: connections are kept alive, proxies come from the environment.

    :param timeout: seconds for the whole response; a downloaded file gets more time as it arrives.
    :param connect_timeout: seconds to wait for a connection; ``timeout`` by default.
    """

    def __init__(self, timeout: float = 10.0, connect_timeout: float | None = None) -> None:
        self._timeout = (timeout if connect_timeout is None else connect_timeout, timeout)
        self._local = threading.local()
        self._retries = True
        self._bounded: dict[float, HttpTransport] = {}

    def within(self, seconds: float) -> HttpTransport:
        """Return a transport that gives up early, and sends nothing twice after a timeout.

        It waits for a connection for two fifths of the time, and for the response for three fifths,
        unless the configured timeouts are shorter.

        :param seconds: the time for a request and its response.
        """
        bounded = self._bounded.get(seconds)
        if bounded is None:
            connect, read = self._timeout
            bounded = HttpTransport(min(read, seconds * 0.6), min(connect, seconds * 0.4))
            bounded._retries = False
            self._bounded[seconds] = bounded
        return bounded

    def get(self, url: str, params: Mapping[str, str], charset: str = "utf-8") -> bytes:
        """Send a query; retry if no response arrives: see :class:`Transport`.

        :raises OutcomeUnknown: if no complete response with status 200 arrives.
        """
        # Encoded to bytes here: requests would encode the URL in UTF-8.
        return self._response("GET", url, repeat=True, params=encode_form(params, charset))

    def post(
        self,
        url: str,
        params: Mapping[str, str],
        charset: str = "utf-8",
        *,
        repeatable: bool = False,
    ) -> bytes:
        """Send a form, once or with retries: see :class:`Transport`.

        :raises OutcomeUnknown: if no complete response with status 200 arrives.
        """
        return self._response(
            "POST",
            url,
            repeatable,
            params=urlencode(charset_params(params)),
            data=encode_form(params, charset),
            headers={"Content-Type": f"{FORM}; charset={canonical_charset(charset)}"},
        )

    def download(self, url: str, into: IO[bytes], limit: int) -> int:
        """Download a file once: see :class:`OpenApiTransport`.

        :raises GatewayError: if the file has more than ``limit`` bytes.
        :raises OutcomeUnknown: if the file does not arrive completely, or an HTML page arrives
            instead.
        """
        session = self._session("downloads")
        try:
            with (
                _queries_hidden(),
                session.get(
                    url, timeout=self._timeout, allow_redirects=False, stream=True
                ) as response,
            ):
                if response.status_code != 200 or is_html(response.headers.get("Content-Type")):
                    raise OutcomeUnknown(
                        f"there is no such file (HTTP status {response.status_code})"
                    )
                return copy_limited(decompressed(response, limit), into, limit)
        except _errors() as error:
            raise OutcomeUnknown(f"the file did not arrive ({type(error).__name__})") from None

    def request(
        self,
        http_method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        repeatable: bool = False,
    ) -> HttpResponse:
        """Send a request unchanged: see :class:`OpenApiTransport`.

        :raises OutcomeUnknown: if no complete response arrives.
        """
        return self._sent(http_method, url, repeatable, data=body or None, headers=headers)

    def _response(self, method: str, url: str, repeat: bool, **request: Any) -> bytes:
        response = self._sent(method, url, repeat, **request)
        if response.status != 200:
            raise OutcomeUnknown(f"the gateway responded with HTTP status {response.status}")
        return response.body

    def _sent(self, method: str, url: str, repeat: bool, **request: Any) -> HttpResponse:
        session = self._session("queries" if repeat and self._retries else "operations")
        try:
            with (
                _queries_hidden(),
                session.request(
                    method,
                    url,
                    timeout=self._timeout,
                    allow_redirects=False,
                    stream=True,
                    **request,
                ) as response,
            ):
                headers = {name.lower(): value for name, value in response.headers.items()}
                return HttpResponse(response.status_code, headers, _read_all(response))
        except _errors() as error:
            # The exception's text contains the URL with parameters: report its name only.
            raise OutcomeUnknown(f"the gateway did not respond ({type(error).__name__})") from None

    def _session(self, kind: str = "queries") -> requests.Session:
        """Return the thread's session: requests does not guarantee that sessions can be shared.

        Each kind has a separate session, since the number of retries and the time for a response
        are properties of the session.

        :param kind: ``queries``, ``operations`` or ``downloads``.
        """
        session: requests.Session | None = getattr(self._local, kind, None)
        if session is None:
            rate = _MIN_DOWNLOAD_RATE if kind == "downloads" else 0
            session = _new_session(kind == "queries", rate)
            setattr(self._local, kind, session)
        return session


class _QueryFilter(logging.Filter):
    """Logging filter that removes queries from a library's log lines while it sends our requests.

    urllib3 logs complete URLs: those of the legacy gateway contain a signed request, and a bill's
    URL alone is enough to download it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if _sending.get() and isinstance(record.args, tuple):
            record.args = tuple(map(_without_query, record.args))
        return True


_sending: ContextVar[bool] = ContextVar("flask_alipay_sending", default=False)
_query_filter = _QueryFilter()


@contextmanager
def _queries_hidden() -> Iterator[None]:
    """Hide URL queries in urllib3's log lines within the block."""
    token = _sending.set(True)
    try:
        yield
    finally:
        _sending.reset(token)


def _without_query(value: object) -> object:
    if isinstance(value, str) and "?" in value:
        return f"{value.partition('?')[0]}?..."
    return value


def charset_params(params: Mapping[str, str]) -> dict[str, str]:
    """Return the charset parameters of a form, which the URL must repeat."""
    return {name: params[name] for name in _CHARSET_NAMES if name in params}


def _read_all(response: requests.Response) -> bytes:
    """Return the body of a response; its size is limited to protect the memory.

    :raises OutcomeUnknown: if the body is larger than the limit.
    """
    chunks, size = [], 0
    for chunk in decompressed(response, _MAX_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        if size > _MAX_BYTES:
            raise OutcomeUnknown(f"the gateway responded with more than {_MAX_BYTES} bytes")
    return b"".join(chunks)


def decompressed(response: requests.Response, limit: int) -> Iterator[bytes]:
    """Yield a response's body in chunks of limited size, before and after decompression.

    urllib3 before version 2.6 decompresses a chunk as a whole, and 64 KiB may become 64 MiB.

    :param limit: maximum number of compressed bytes.
    :raises OutcomeUnknown: if the body is damaged, cut off, or compressed in an unrequested way.
    """
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    chunks: Iterator[bytes] = response.raw.stream(_CHUNK_SIZE, decode_content=False)
    if coding in ("", "identity"):
        yield from chunks
        return
    if coding not in ("gzip", "x-gzip"):
        raise OutcomeUnknown("the response is compressed in an unknown way")
    decompressor, left = zlib.decompressobj(_GZIP), limit
    try:
        for chunk in chunks:
            left -= len(chunk)
            while chunk and left >= 0:
                yield decompressor.decompress(chunk, _CHUNK_SIZE)
                chunk = decompressor.unconsumed_tail
            if decompressor.eof:
                return
    except zlib.error:
        raise OutcomeUnknown("the response is damaged: it cannot be decompressed") from None
    raise OutcomeUnknown("the response is cut off or too large")


def _errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that requests and urllib3 raise for failed connections."""
    import requests
    from urllib3.exceptions import HTTPError

    return requests.RequestException, HTTPError


def is_html(content_type: str | None) -> bool:
    """Return True if a content type is an HTML page, such as an error page, instead of a file."""
    return (content_type or "").partition(";")[0].strip().lower() == "text/html"


def copy_limited(chunks: Iterable[bytes], into: IO[bytes], limit: int) -> int:
    """Write a file in chunks and return its number of bytes.

    :raises GatewayError: if the file has more than ``limit`` bytes.
    """
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise GatewayError(f"the file has more than {limit} bytes")
        into.write(chunk)
    return size


def _new_session(repeat: bool, min_rate: float) -> requests.Session:
    from .sessions import new_session

    for name in ("connection", "connectionpool", "util.retry"):
        logging.getLogger(f"urllib3.{name}").addFilter(_query_filter)
    return new_session(repeat=repeat, min_rate=min_rate)
