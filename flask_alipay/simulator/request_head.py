"""The head of a request off a connection, if it is as plain as nearly all are.

The standard library reads every head with its parser for e-mail, which takes longer than a gateway
takes for an order. What is not plain is left to that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http.client import HTTPMessage
from typing import Final, NamedTuple, Protocol

_REQUEST = re.compile(rb"([A-Z]{3,16}) (/(?!/)[!-~]*) HTTP/1\.1\r\n")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*)\r\n")
_CONNECTION: Final = ("", "close", "keep-alive")
# As the standard library has them, which says so to whoever sends more.
_MOST_HEADERS: Final = 100
_MOST_LINE: Final = 65536


class Stream(Protocol):
    """What is needed of a connection."""

    def readline(self, size: int, /) -> bytes:
        """Returns a line with its end, of at most so many bytes."""


class Head(NamedTuple):
    """A request's first line and headers."""

    command: str
    path: str
    headers: HTTPMessage
    #: Whether the other side wants the connection closed behind the answer.
    closing: bool


def is_plain(first: bytes) -> bool:
    """Tells whether a request's line is as usual, so that its headers can be read.

    :param first: the line with its end.
    """
    return _REQUEST.fullmatch(first) is not None


def read_lines(stream: Stream) -> list[bytes]:
    """Reads the lines below the first, to the empty one; fewer where they are too many or too long.

    :param stream: the connection.
    """
    lines: list[bytes] = []
    while len(lines) <= _MOST_HEADERS:
        line = stream.readline(_MOST_LINE + 1)
        lines.append(line)
        if line in (b"\r\n", b"\n", b"") or len(line) > _MOST_LINE:
            break
    return lines


def plain_head(first: bytes, lines: Sequence[bytes]) -> Head | None:
    """Returns a head, ``None`` where somebody has to look at it more closely.

    :param first: the request's line.
    :param lines: those below it, with the empty one.
    """
    asked = _REQUEST.fullmatch(first)
    if asked is None or lines[-1] != b"\r\n":
        return None
    headers = HTTPMessage()
    for line in lines[:-1]:
        found = _HEADER.fullmatch(line)
        if found is None:
            return None
        headers[found[1].decode("ascii")] = found[2].decode("latin-1")
    connection = headers.get("Connection", "").lower()
    if connection not in _CONNECTION or "Expect" in headers:
        return None
    command, path = asked[1].decode("ascii"), asked[2].decode("ascii")
    return Head(command, path, headers, connection == "close")
