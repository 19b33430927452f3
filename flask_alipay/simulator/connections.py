"""Connections to the simulator by itself: kept open from one request to the next.

Werkzeug's server closes each connection, since it cannot tell whether a request was read to its
end. Here a request is read to its end before it is answered. One of HTTP/1.0, or with a body that
is too long, is left to Werkzeug, and its connection closed.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import threading
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.test import run_wsgi_app

from .request_body import BadBody, TooLong, read_body
from .request_head import is_plain, plain_head, read_lines
from .wire import MOST_BYTES

if TYPE_CHECKING:
    from io import BufferedReader

# The first byte of a greeting in TLS, and the most bytes of a line.
_TLS: Final = b"\x16"
_MOST_LINE: Final = 65537
_UNESCAPED: Final = re.compile("[^\x00-\x7f]")
# What open pages ask every other second.
_POLLED: Final = ("/live", "/follow")
# For how long nothing may come of somebody who was refused, in seconds.
_FAREWELL: Final = 0.2

logger = logging.getLogger("flask_alipay.simulator")

#: How long a connection may be silent, in seconds. Each has a thread, and browsers keep some open.
SILENCE: Final = 30

#: A longer body is not kept in memory; a gateway reads half as much.
MOST_BODY = 2 * MOST_BYTES


class Connections(ThreadedWSGIServer):
    """A server with a thread for each connection; it hangs up on all of them when it is closed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(*arguments, **options)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Gives a new connection its thread."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Ends a connection, in its thread."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stops listening; who is being answered gets the answer, and nobody another one."""
        super().server_close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):  # the other side was quicker
                    connection.shutdown(socket.SHUT_RD)


class Connection(WSGIRequestHandler):
    """Answers one request after the other, and says so to our log, without colours."""

    protocol_version = "HTTP/1.1"
    # So that what is no request is answered as well.
    default_request_version = "HTTP/1.0"
    timeout = SILENCE
    raw_requestline: bytes
    # An answer goes out in one piece, and at once.
    wbufsize = -1
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """Answers a request; one for no address at all, at which Werkzeug would merely hang up."""
        try:
            urlsplit(self.path)
        except ValueError:
            self.send_error(400)
            return
        # Bytes that should have been escaped: Werkzeug would take them for other characters.
        self.path = _UNESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", self.path)
        if self.request_version < "HTTP/1.1":
            self._leave_to_werkzeug()
            return
        try:
            self._answer(read_body(self.rfile, self.headers, MOST_BODY))
        except TooLong:
            self._leave_to_werkzeug()
        except BadBody as error:
            self._refuse(error.status)

    def handle_one_request(self) -> None:
        """Answers a request, but no greeting in TLS: whoever says that waits for one in return."""
        if cast("BufferedReader", self.rfile).peek(1)[:1] != _TLS:
            super().handle_one_request()
            return
        logger.warning("somebody speaks HTTPS here: the address begins with http://")
        self.requestline, self.request_version, self.command = "", "HTTP/1.0", ""
        self._refuse(400)

    def parse_request(self) -> bool:
        """Reads a request's head. Old clients send an empty line behind a body: it is nothing."""
        while self.raw_requestline in (b"\r\n", b"\n"):
            self.raw_requestline = self.rfile.readline(_MOST_LINE)
        if not is_plain(self.raw_requestline):
            return super().parse_request()
        lines = read_lines(self.rfile)
        head = plain_head(self.raw_requestline, lines)
        if head is None:
            return self._parse_closely(lines)
        self.command, self.path, self.headers, self.close_connection = head
        self.requestline = self.raw_requestline.decode("ascii").rstrip()
        self.request_version = self.protocol_version
        return True

    def handle_expect_100(self) -> bool:
        """Has the body sent that is asked for permission first."""
        proceed = super().handle_expect_100()
        self.wfile.flush()
        return proceed

    def log(self, type: str, message: str, *args: Any) -> None:
        """Tells our log what went wrong with a connection."""
        logger.debug("%s", message % args)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Tells our log what was answered: the path alone, a query carries what was signed."""
        # What was no request has none.
        path = self.path.partition("?")[0] if self.command else "-"
        level = logging.DEBUG if path.endswith(_POLLED) else logging.INFO
        logger.log(level, "%s %s: %s", self.command or "-", path, getattr(code, "value", code))

    def _parse_closely(self, lines: list[bytes]) -> bool:
        """Has the standard library read a head that is off the connection already."""
        connection, self.rfile = self.rfile, cast("BufferedReader", BytesIO(b"".join(lines)))
        try:
            return super().parse_request()
        finally:
            self.rfile = connection

    def _leave_to_werkzeug(self) -> None:
        """Has Werkzeug answer, and hang up."""
        del self.headers["Expect"]  # was told to go on already, or does not know of it
        super().run_wsgi()

    def _refuse(self, status: int) -> None:
        """Answers what is no request, and hangs up when the other side has had the time to hear."""
        self.send_error(status)
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_FAREWELL)
            while self.connection.recv(_MOST_LINE):
                pass

    def _answer(self, body: bytes) -> None:
        environ = {**self.make_environ(), "wsgi.input": BytesIO(body)}
        parts, status, headers = run_wsgi_app(self.server.app, environ, buffered=True)
        content = b"".join(parts)
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        told = headers.get("Content-Length", type=int)
        if told is None and self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        elif told != len(content) and self.command != "HEAD":  # as a fault wants it
            self.close_connection = True
        if self.close_connection and "Connection" not in headers:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)
