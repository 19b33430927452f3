"""HTTP server of the standalone simulator, for an app in any language.

Waitress serves it: connections persist, and an idle one occupies no thread, so an app in
development and its simulator can call each other at the same time. It is not meant to be exposed to
the internet.
"""

from __future__ import annotations

import logging
import re
import socket
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

from flask import Flask, request
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import BaseWSGIServer, create_server
from waitress.utilities import BadRequest
from werkzeug.exceptions import MethodNotAllowed

from ...exceptions import AlipayError
from .cashier import simulator_blueprint
from .responses import problem

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as BaseResponse

    from ..simulator import Simulator

logger = logging.getLogger("flask_alipay.simulator")

#: Maximum number of requests that are handled at a time. A cashier page waits for the shop's
#: response to a notification, and the shop may call the gateway before it responds.
MAX_CONCURRENT_REQUESTS: Final = 64
#: Time after which an idle connection is closed, in seconds.
IDLE_TIMEOUT: Final = 30
#: Maximum size of a request's body, in bytes. The gateways have a lower limit, and reject a larger
#: body with a page that explains it.
MAX_BODY_BYTES: Final = 16 * 1024 * 1024
#: Maximum size of a request's first line and headers together, in bytes.
MAX_HEAD_BYTES: Final = 128 * 1024

# The first byte of a TLS handshake.
_TLS_HANDSHAKE: Final = b"\x16"
_NOT_ASCII: Final = re.compile(rb"[\x80-\xff]")
# Paths that open pages poll every two seconds.
_POLLED: Final = ("/live", "/follow")
_ADDRESSES: Final = """\
The simulator has nothing at this address.

/gateway.do         the gateway of the open platform, and the legacy one
/service/rest.htm   the legacy gateway for phones
/v3/...             the open platform's newer way
/                   the control, for people
"""


class BindError(AlipayError):
    """The address is in use, does not belong to this machine, or may not be used."""


class BoundSocket:
    """A listening socket that is bound before anything is served on it.

    :param host: name or address of this machine.
    :param port: ``0`` chooses a free port.
    :raises BindError: with the reason.
    """

    def __init__(self, host: str, port: int) -> None:
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            self._socket = socket.create_server((host, port), family=family, backlog=128)
        except OSError as error:
            reason = (error.strerror or "no such address").partition(" (")[0]
            raise BindError(f"cannot listen on {host} port {port}: {reason}") from None
        self._host = host
        #: The port, also where ``0`` was given.
        self.port: int = self._socket.getsockname()[1]

    def close(self) -> None:
        """Close the socket; a server that was created from it goes on listening."""
        self._socket.close()

    @property
    def base_url(self) -> str:
        """URL of the server for clients on this machine, without a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def server(self, simulator: Simulator) -> SimulatorServer:
        """Create a server of the simulator on this socket.

        :return: a server with a listening socket of its own.
        """
        app = Flask("flask_alipay.simulator", static_folder=None, template_folder=None)
        app.register_blueprint(simulator_blueprint(simulator))
        app.register_error_handler(404, _not_found)
        app.register_error_handler(405, _not_allowed)
        app.register_error_handler(500, _failed)
        app.after_request(_log_response)
        return SimulatorServer(self._socket.dup(), self._host, app)


class SimulatorServer:
    """A server of one WSGI app on a bound socket.

    :param bound: listening socket; the server closes it.
    :param host: host that the socket is bound to.
    :param app: WSGI app.
    """

    def __init__(self, bound: socket.socket, host: str, app: Flask) -> None:
        self._stopping = False
        self._connections: dict[int, Any] = {}
        self._server = cast(
            BaseWSGIServer,
            create_server(
                app,
                map=self._connections,
                sockets=[bound],
                threads=MAX_CONCURRENT_REQUESTS,
                server_name=host,
                ident="Flask-Alipay",
                max_request_header_size=MAX_HEAD_BYTES,
                max_request_body_size=MAX_BODY_BYTES,
                channel_timeout=IDLE_TIMEOUT,
                cleanup_interval=IDLE_TIMEOUT // 3,
                connection_limit=1000,
                # The control rejects requests that a proxy forwards for a client elsewhere.
                clear_untrusted_proxy_headers=False,
                log_socket_errors=False,
            ),
        )
        self._server.channel_class = _Channel

    def serve_forever(self) -> None:
        """Serve until :meth:`shutdown` or ``KeyboardInterrupt``, then close all connections.

        A request that is being handled gets its response first, if that takes at most 5 seconds.
        """
        try:
            while not self._stopping:
                wasyncore.loop(timeout=1, use_poll=True, map=self._connections, count=1)
        except KeyboardInterrupt:
            pass
        finally:
            self._stopping = True
            self._server.task_dispatcher.shutdown()
            wasyncore.close_all(self._connections)

    def shutdown(self) -> None:
        """Stop :meth:`serve_forever`, which runs in another thread; do not wait for its end."""
        if not self._stopping:
            self._stopping = True
            self._server.pull_trigger()


class _RequestParser(HTTPRequestParser):
    """Request parser that accepts unescaped bytes in a URL and rejects a TLS handshake at once."""

    def received(self, data: bytes) -> int:
        """Parse the next bytes of a request."""
        if self.header_plus or self.body_rcv or not data.startswith(_TLS_HANDSHAKE):
            return super().received(data)
        logger.warning("a client uses HTTPS: the address of the simulator begins with http://")
        self.error = BadRequest("This is not HTTPS: the address begins with http://")
        self.completed = True
        return len(data)

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the first line and the headers."""
        line, end, headers = header_plus.partition(b"\r\n")
        line = _NOT_ASCII.sub(lambda found: b"%%%02X" % found[0][0], line)
        try:
            super().parse_header(line + end + headers)
        except ValueError:
            raise ParsingError("The URL is invalid") from None


class _Channel(HTTPChannel):
    parser_class = _RequestParser


def _log_response(response: BaseResponse) -> BaseResponse:
    """Log the request without its query, which carries what was signed."""
    level = logging.DEBUG if request.path.endswith(_POLLED) else logging.INFO
    logger.log(level, "%s %s: %s", request.method, quote(request.path), response.status_code)
    return response


def _not_found(error: Exception) -> BaseResponse:
    return problem("nothing", 404, _ADDRESSES)


def _not_allowed(error: MethodNotAllowed) -> BaseResponse:
    response = problem("method", 405, "This address does not accept the method of the request.")
    response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response


def _failed(error: Exception) -> BaseResponse:
    return problem("failed", 500, "The simulator failed: its log has the reason.")
