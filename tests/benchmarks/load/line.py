"""Connection with minimal cost for its driver."""

from __future__ import annotations

import socket


class Line:
    """Connection to a server on this machine, kept open if the server allows it.

    :param port: the server's.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, request: bytes, expected: int) -> bytes:
        """Send a request and return the body of the response, which must have the status."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        head, body = self._answer(self._socket)
        status = int(head[9:12])
        if status != expected:
            raise RuntimeError(f"the server answered {status}: {body[:500]!r}")
        if b"connection: close" in head or head.startswith(b"http/1.0"):
            self.close()
        return body

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @staticmethod
    def _answer(connection: socket.socket) -> tuple[bytes, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            data += _received(connection)
        head, _, body = data.partition(b"\r\n\r\n")
        head = head.lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += _received(connection)
        return head, body


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise RuntimeError("the server hung up in the middle of an answer")
    return data
