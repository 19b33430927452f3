"""Connections to the simulator by itself: kept open from one request to the next.

Werkzeug's server closes each connection, since it cannot tell whether a request was read to its
end. Here the usual request, whose body says how long it is, is read before it is answered; whatever
is said in another way is left to Werkzeug, and its connection closed.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import threading
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlsplit

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.test import run_wsgi_app

from .wire import MOST_BYTES

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
    timeout = SILENCE
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
        length = self._length()
        if length is None:
            super().run_wsgi()  # and hangs up
            return
        body = self.rfile.read(length)
        if len(body) < length:  # the other side hung up in the middle
            self.close_connection = True
            return
        self._answer(body)

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
        path = self.path.partition("?")[0]
        logger.info("%s %s: %s", self.command, path, getattr(code, "value", code))

    def _length(self) -> int | None:
        """How long the body is; ``None`` if too long, or if that is not said in the plain way."""
        said = self.headers.get_all("Content-Length", ["0"])
        plain = len(said) == 1 and re.fullmatch("[0-9]{1,9}", said[0], re.ASCII)
        if not plain or "Transfer-Encoding" in self.headers or self.request_version < "HTTP/1.1":
            return None
        length = int(said[0])
        return length if length <= MOST_BODY else None

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
