"""HTTP server on this machine, in a thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Request(BaseHTTPRequestHandler):
    """Received request, with the means to respond."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one piece

    def handle(self) -> None:
        """Serve a connection until either side closes it."""
        with contextlib.suppress(OSError):  # a client may stop waiting, or be killed
            super().handle()

    def body(self) -> bytes:
        """Read the request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def respond(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Send a response.

        :param headers: with underscores for hyphens.
        """
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


class LocalServer:
    """HTTP server on a free port of this machine.

    :param handle: responds to each request.
    """

    def __init__(self, handle: Callable[[Request], object]) -> None:
        class BoundRequest(Request):
            def do_GET(self) -> None:
                handle(self)

            do_HEAD = do_POST = do_GET  # noqa: N815 - names of the base class

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), BoundRequest)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/gateway.do"

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
