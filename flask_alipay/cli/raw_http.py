"""HTTP requests in text: raw, of ``curl -v``, of ``tcpdump -A``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_REQUEST_LINE = re.compile(rb"(GET|POST|PUT) (\S+) HTTP/\d(?:\.\d)?(?:\r?\n|\Z)", re.ASCII)
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
_RESPONSE = re.compile(rb"\r?\n(?:\r?\n)?HTTP/\d")
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,9})", re.IGNORECASE | re.MULTILINE)
_CHUNKED = re.compile(rb"^transfer-encoding:.*chunked", re.IGNORECASE | re.MULTILINE)
_CHUNK = re.compile(rb"\s*([0-9a-fA-F]{1,6})[ \t]*(?:;[^\n]*)?\r?\n")

# The marks of "curl -v" before what it sends, and the lines that it does not send.
_OF_CURL = re.compile(rb"^> (?:GET|POST|PUT) ", re.MULTILINE)
_CURL_MARK = re.compile(rb"^(?:> ?|[<*}{].*?(?:\n|\Z))", re.MULTILINE)

# tcpdump prints each packet's direction and number of bytes; the bytes are last in its text.
_PACKET = re.compile(
    rb"^(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d+ IP6? (\S+ > [^:\s]+): .*?\blength (\d+).*\n",
    re.MULTILINE,
)


class Request(NamedTuple):
    """A request found in text."""

    #: ``GET``, ``POST`` …
    method: bytes
    #: Path and query, or a URL.
    target: bytes
    #: The complete body, without the text after it; empty without one.
    body: bytes


def parse_requests(content: bytes) -> Iterator[Request]:
    """Find the requests in a text, ignoring the text around them.

    :param content: of a file; a request line within a line of a server's log is skipped.
    :return: the requests in their order.
    """
    content = _without_packets(content)
    if _OF_CURL.search(content):
        content = _CURL_MARK.sub(b"", content)
    lines = [
        found
        for found in _REQUEST_LINE.finditer(content)
        if content[max(0, found.start() - 1) : found.start()] != b'"'
    ]
    for place, line in enumerate(lines):
        end = lines[place + 1].start() if place + 1 < len(lines) else len(content)
        yield Request(line[1], line[2], _body(content[line.end() : end]))


def _without_packets(content: bytes) -> bytes:
    """Join the bytes of each direction in the output of tcpdump."""
    packets = list(_PACKET.finditer(content))
    if not packets:
        return content
    streams: dict[bytes, bytes] = {}
    for place, packet in enumerate(packets):
        end = packets[place + 1].start() if place + 1 < len(packets) else len(content)
        text = content[packet.end() : end].removesuffix(b"\n")
        brought = text[max(0, len(text) - int(packet[2])) :]
        streams[packet[1]] = streams.get(packet[1], b"") + brought
    return b"\n".join(streams.values())


def _body(rest: bytes) -> bytes:
    """Return the body: as long as its header states, else up to the end of the line."""
    end = _END_OF_HEADERS.search(b"\n" + rest)
    if end is None:
        return b""
    headers, rest = rest[: end.start()], rest[end.end() - 1 :]
    if _CHUNKED.search(headers):
        return _joined(rest)
    length = _LENGTH.search(headers)
    if length is not None and 0 < int(length[1]) <= len(rest):
        return rest[: int(length[1])]
    return _RESPONSE.split(rest, maxsplit=1)[0].strip().partition(b"\n")[0].strip()


def _joined(rest: bytes) -> bytes:
    """Join the chunks of a body; return a body without chunks as it is."""
    body, at = b"", 0
    while chunk := _CHUNK.match(rest, at):
        size = int(chunk[1], 16)
        if size == 0:
            return body
        body += rest[chunk.end() : chunk.end() + size]
        at = chunk.end() + size
    return body or rest.strip()
