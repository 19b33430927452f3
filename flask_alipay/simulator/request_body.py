"""The body of a request off a connection: where it ends is said by its length, or in chunks."""

from __future__ import annotations

import re
from typing import Final, Protocol

_LENGTH = re.compile(rb"[0-9]{1,15}")
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?")
# The most bytes of a line between chunks, and the most lines behind the last.
_MOST_LINE: Final = 8192
_MOST_TRAILERS: Final = 100


class Stream(Protocol):
    """What is needed of a connection."""

    def read(self, size: int, /) -> bytes:
        """Returns so many bytes, fewer at the end."""

    def readline(self, size: int, /) -> bytes:
        """Returns a line with its end, of at most so many bytes."""


class Headers(Protocol):
    """What is needed of a request's headers."""

    def get_all(self, name: str, failobj: list[str]) -> list[str]:
        """Returns the values of a header, however often it is there."""


class BadBody(ValueError):
    """Nobody can tell where the body ends, or it breaks off.

    :param status: the HTTP status to answer with.
    """

    def __init__(self, status: int = 400) -> None:
        super().__init__(status)
        self.status = status


class TooLong(BadBody):
    """The body has a length, and it is too long: nothing of it was read."""


def read_body(stream: Stream, headers: Headers, most: int) -> bytes:
    """Reads a body to its end, and not a byte further.

    :param stream: the connection.
    :param headers: the request's.
    :param most: the most bytes to take.
    :raises TooLong: if it says that it has more.
    :raises BadBody: if it has no end that can be told, has more after all, or breaks off.
    """
    codings = headers.get_all("Transfer-Encoding", [])
    if not codings:
        length = _length(headers)
        if length > most:
            raise TooLong(413)
        return _exactly(stream, length)
    if [coding.strip().lower() for coding in codings] != ["chunked"]:
        raise BadBody(501)
    return _chunked(stream, most)


def _length(headers: Headers) -> int:
    said = {text.strip() for text in headers.get_all("Content-Length", [])} or {"0"}
    (text, *others) = said
    if others or _LENGTH.fullmatch(text.encode("latin-1", "replace")) is None:
        raise BadBody
    return int(text)


def _chunked(stream: Stream, most: int) -> bytes:
    pieces: list[bytes] = []
    while True:
        found = _CHUNK.fullmatch(_line(stream))
        if found is None:
            raise BadBody
        length = int(found[1], 16)
        if length == 0:
            break
        most -= length
        if most < 0:
            raise BadBody(413)
        pieces.append(_exactly(stream, length))
        if _line(stream):
            raise BadBody
    for _ in range(_MOST_TRAILERS):
        if not _line(stream):
            return b"".join(pieces)
    raise BadBody


def _exactly(stream: Stream, length: int) -> bytes:
    text = stream.read(length)
    if len(text) < length:  # the other side hung up in the middle
        raise BadBody
    return text


def _line(stream: Stream) -> bytes:
    line = stream.readline(_MOST_LINE)
    if not line.endswith(b"\n"):
        raise BadBody
    return line.removesuffix(b"\n").removesuffix(b"\r")
