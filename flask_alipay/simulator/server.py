"""The simulator by itself: an HTTP server for an app in any language.

Werkzeug's server with a thread for each connection: it is for one developer's machine, where an app
in development and its simulator ask each other at the same time.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.serving import BaseWSGIServer

from ..exceptions import AlipayError
from .connections import Connection, Connections
from .responses import plain

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as BaseResponse

    from .simulator import Simulator


# For whoever has mistyped an address into a configuration.
_ADDRESSES = """\
The simulator has nothing at this address.

/gateway.do         the gateway of the open platform, and the legacy one
/service/rest.htm   the legacy gateway for phones
/v3/...             the open platform's newer way
/                   the control, for people
"""


class CannotListen(AlipayError):
    """The address is taken, is not this machine's, or may not be used."""


class Listening:
    """An address that is ours, before anything is served at it.

    :param host: a name or an address of this machine.
    :param port: ``0`` takes one that is free.
    :raises CannotListen: says why.
    """

    def __init__(self, host: str, port: int) -> None:
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            self._socket = socket.create_server((host, port), family=family, backlog=128)
        except OSError as error:
            why = (error.strerror or "no such address").partition(" (")[0]
            raise CannotListen(f"cannot listen on {host} port {port}: {why}") from None
        self._host = host
        #: The port, chosen where ``0`` was asked for.
        self.port: int = self._socket.getsockname()[1]

    def close(self) -> None:
        """Gives the address up."""
        self._socket.close()

    @property
    def base_url(self) -> str:
        """Where it is found from this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def server(self, simulator: Simulator) -> BaseWSGIServer:
        """Returns a server of the simulator at this address.

        :returns: ``serve_forever`` serves until ``shutdown``, or until it is interrupted.
        """
        app = Flask("flask_alipay.simulator", static_folder=None, template_folder=None)
        app.register_blueprint(simulator.blueprint())
        app.register_error_handler(404, _nothing_here)
        # The server duplicates the socket: closing ours leaves it listening.
        return Connections(self._host, self.port, app, handler=Connection, fd=self._socket.fileno())


def _nothing_here(error: Exception) -> BaseResponse:
    return plain(_ADDRESSES, 404)
