"""How a gateway is asked over HTTP. Timeouts are not failures: the outcome is unknown.

``get`` is for questions that change nothing: one that gets lost is asked again. ``post`` is for
what does something: it is sent once, whatever happens, unless it is said to be ``repeatable``.
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
from ..protocol.charsets import canonical_charset, check_encodable

if TYPE_CHECKING:
    import requests

_PIECE = 64 * 1024
#: The most bytes of an answer: 16 MiB.
_MAX_BYTES = 1 << 24

# zlib's window for gzip, with its header.
_GZIP = 16 + zlib.MAX_WBITS

FORM = "application/x-www-form-urlencoded"

# The parameter that names the charset has to be readable before the body is: it goes into the URL.
_CHARSET_NAMES = ("_input_charset", "charset")


class HttpResponse(NamedTuple):
    """What came back, whatever its status."""

    status: int
    #: By their names in lower case.
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """What a gateway needs in order to ask: implemented over HTTP, and by the simulator's host."""

    def get(self, url: str, params: Mapping[str, str], charset: str = "utf-8") -> bytes:
        """Asks something that changes nothing, and may therefore be asked twice.

        :param url: the gateway's address.
        :param params: the query, decoded.
        :param charset: the charset to encode it in.
        :returns: the body of the answer.
        :raises InvalidParameter: names the parameter with a character that the charset lacks.
        :raises OutcomeUnknown: if there is none, or not all of it, or not with status 200.
        """

    def post(
        self,
        url: str,
        params: Mapping[str, str],
        charset: str = "utf-8",
        *,
        repeatable: bool = False,
    ) -> bytes:
        """Sends a form, once.

        Takes, returns and raises the same as :meth:`get`; the parameter that names the charset goes
        into the URL as well.

        :param repeatable: the form is a question after all, and may be sent again.
        """


class OpenApiTransport(Transport, Protocol):
    """What the open platform's client needs beyond a :class:`Transport`."""

    def request(
        self,
        http_method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        repeatable: bool = False,
    ) -> HttpResponse:
        """Sends a request as it is, once, and returns the answer of any status.

        :param http_method: ``GET`` or ``POST``.
        :param repeatable: it is a question, and may be sent again.
        :raises OutcomeUnknown: if no answer comes, or not all of it.
        """

    def download(self, url: str, into: IO[bytes], limit: int) -> int:
        """Fetches a file, piece by piece, and writes it.

        :param url: its address, with all that it takes.
        :param into: where it is written to; after an error it holds a part of it.
        :param most: the most bytes to take.
        :returns: how many it has.
        :raises GatewayError: if it has more.
        :raises OutcomeUnknown: if it does not come, or not whole, or a page comes in its place.
        """


class HttpTransport:
    """Asks with ``requests``: connections are kept alive, proxies come from its environment.

    :param timeout: seconds to wait for each piece of the answer.
    :param connect_timeout: seconds to wait for a connection; as many unless given.
    """

    def __init__(self, timeout: float = 10.0, connect_timeout: float | None = None) -> None:
        self._timeout = (timeout if connect_timeout is None else connect_timeout, timeout)
        self._local = threading.local()
        self._retries = True
        self._bounded: dict[float, HttpTransport] = {}

    def within(self, seconds: float) -> HttpTransport:
        """Return a transport that gives up early, and sends nothing twice after a timeout.

        It waits for a connection for two fifths of the time, and for each piece of the response
        for three fifths, unless the configured timeouts are shorter.

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
        """Asks something that changes nothing, again if no answer comes: see :class:`Transport`.

        :raises OutcomeUnknown: if there is none, or not all of it, or not with status 200.
        """
        # As bytes: requests is to encode the URL, and knows no charset but UTF-8.
        return self._response("GET", url, repeat=True, params=encode_form(params, charset))

    def post(
        self,
        url: str,
        params: Mapping[str, str],
        charset: str = "utf-8",
        *,
        repeatable: bool = False,
    ) -> bytes:
        """Sends a form, once or until an answer comes: see :class:`Transport`.

        :raises OutcomeUnknown: if no answer comes, or not all of it, or not with status 200.
        """
        return self._response(
            "POST",
            url,
            repeatable,
            params=encode_form(charset_params(params), charset),
            data=encode_form(params, charset),
            headers={"Content-Type": f"{FORM}; charset={canonical_charset(charset)}"},
        )

    def download(self, url: str, into: IO[bytes], limit: int) -> int:
        """Fetches a file, once: see :class:`OpenApiTransport`.

        :raises GatewayError: if it has more than ``most`` bytes.
        :raises OutcomeUnknown: if it does not come, or not whole, or a page comes in its place.
        """
        session = self._session(repeat=False)
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
            raise OutcomeUnknown(f"the file did not come ({type(error).__name__})") from None

    def request(
        self,
        http_method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        repeatable: bool = False,
    ) -> HttpResponse:
        """Sends a request as it is: see :class:`OpenApiTransport`.

        :raises OutcomeUnknown: if no answer comes, or not all of it.
        """
        return self._sent(http_method, url, repeatable, data=body or None, headers=headers)

    def _response(self, method: str, url: str, repeat: bool, **request: Any) -> bytes:
        answer = self._sent(method, url, repeat, **request)
        if answer.status != 200:
            raise OutcomeUnknown(f"the gateway answered with HTTP status {answer.status}")
        return answer.body

    def _sent(self, method: str, url: str, repeat: bool, **request: Any) -> HttpResponse:
        session = self._session(repeat=repeat and self._retries)
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
            # The exception's text holds the URL and with it parameters: its name says enough.
            raise OutcomeUnknown(f"the gateway did not answer ({type(error).__name__})") from None

    def _session(self, *, repeat: bool = True) -> requests.Session:
        """One session a thread: requests does not promise that sessions can be shared.

        And one for questions, another for acts: how often a session tries is a property of it.
        """
        name = "asking" if repeat else "telling"
        session: requests.Session | None = getattr(self._local, name, None)
        if session is None:
            session = _new_session(repeat)
            setattr(self._local, name, session)
        return session


class _QueryFilter(logging.Filter):
    """Removes queries from the log lines of a library while it sends one of our requests.

    urllib3 logs whole URLs: those of the legacy gateway hold a signed request, that of a bill is
    all that its download takes.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if _sending.get() and isinstance(record.args, tuple):
            record.args = tuple(map(_without_query, record.args))
        return True


_sending: ContextVar[bool] = ContextVar("flask_alipay_sending", default=False)
_query_filter = _QueryFilter()


@contextmanager
def _queries_hidden() -> Iterator[None]:
    """Keep queries out of urllib3's log lines within the block."""
    token = _sending.set(True)
    try:
        yield
    finally:
        _sending.reset(token)


def _without_query(value: object) -> object:
    if isinstance(value, str) and "?" in value:
        return f"{value.partition('?')[0]}?..."
    return value


def encode_form(params: Mapping[str, str], charset: str) -> bytes:
    """Returns parameters as a query or a form body.

    :param params: decoded text by name.
    :param charset: the charset to encode them in.
    :raises InvalidParameter: names the parameter with a character that the charset lacks.
    """
    pairs = {
        check_encodable(name, name, charset): check_encodable(name, value, charset)
        for name, value in params.items()
    }
    return urlencode(pairs).encode("ascii")


def charset_params(params: Mapping[str, str]) -> dict[str, str]:
    """Returns the parameters of a form that the URL has to name as well: those of its charset."""
    return {name: params[name] for name in _CHARSET_NAMES if name in params}


def _read_all(response: requests.Response) -> bytes:
    """The body, which is short: whoever sends without end does not fill the memory.

    :raises OutcomeUnknown: if it is not.
    """
    pieces, size = [], 0
    for piece in decompressed(response, _MAX_BYTES):
        pieces.append(piece)
        size += len(piece)
        if size > _MAX_BYTES:
            raise OutcomeUnknown(f"the gateway answered with more than {_MAX_BYTES} bytes")
    return b"".join(pieces)


def decompressed(response: requests.Response, limit: int) -> Iterator[bytes]:
    """Yield the body of a response in pieces of limited size, before and after decompression.

    Not left to urllib3: before its version 2.6 it decompresses a piece as a whole, and 64 KiB may
    become 64 MiB.

    :param most: the most compressed bytes to take.
    :raises OutcomeUnknown: if it is compressed in a way that was not asked for, damaged or cut off.
    """
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    pieces: Iterator[bytes] = response.raw.stream(_PIECE, decode_content=False)
    if coding in ("", "identity"):
        yield from pieces
        return
    if coding not in ("gzip", "x-gzip"):
        raise OutcomeUnknown("the answer is compressed in an unknown way")
    decompressor, left = zlib.decompressobj(_GZIP), limit
    try:
        for piece in pieces:
            left -= len(piece)
            while piece and left >= 0:
                yield decompressor.decompress(piece, _PIECE)
                piece = decompressor.unconsumed_tail
            if decompressor.eof:
                return
    except zlib.error:
        raise OutcomeUnknown("the answer is damaged: it cannot be decompressed") from None
    raise OutcomeUnknown("the answer is cut off, or longer than any")


def _errors() -> tuple[type[Exception], ...]:
    """What requests and urllib3 raise for a connection that fails."""
    import requests
    from urllib3.exceptions import HTTPError

    return requests.RequestException, HTTPError


def is_html(content_type: str | None) -> bool:
    """Tells whether what comes is a page for people, as errors are, and no file."""
    return (content_type or "").partition(";")[0].strip().lower() == "text/html"


def copy_limited(pieces: Iterable[bytes], into: IO[bytes], limit: int) -> int:
    """Writes a file's pieces as they come, and returns how many bytes they had.

    :raises GatewayError: if they have more than ``most``.
    """
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise GatewayError(f"the file has more than {limit} bytes")
        into.write(piece)
    return size


def _new_session(repeat: bool) -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    for name in ("connection", "connectionpool", "util.retry"):
        logging.getLogger(f"urllib3.{name}").addFilter(_query_filter)

    class Session(requests.Session):
        """Follows no redirect. Looking at where one leads, requests would read its body whole."""

        def get_redirect_target(self, resp: requests.Response) -> str | None:
            return None

    session = Session()
    session.headers["Accept-Encoding"] = "gzip"  # the only one that is decompressed here
    # What was never sent may be sent again; what may be asked again, also where no answer came.
    # Each may take the whole timeout.
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
        respect_retry_after_header=False,  # whoever waits for us waits not so long
    )
    session.mount("https://", HTTPAdapter(max_retries=retry))
    session.mount("http://", HTTPAdapter(max_retries=retry))
    return session
