"""A plain head reads as the standard library would read it; any other is left to that."""

from __future__ import annotations

from http.client import parse_headers
from io import BytesIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_alipay.simulator.request_head import is_plain, plain_head, read_lines

FIRST = b"POST /gateway.do?charset=utf-8 HTTP/1.1\r\n"
names = st.text("abcXYZ019-_.!", min_size=1, max_size=12)
values = st.text(st.characters(max_codepoint=0xFF), max_size=30)
heads = st.lists(st.tuples(names, values), max_size=8).map(
    lambda pairs: "".join(f"{name}: {value}\r\n" for name, value in pairs).encode("latin-1")
)


@given(heads)
@example(b"A: 1\r\nA: 2\r\n")
@example(b"A: a\r\n folded\r\n")
@example(b"A: x \t\r\n")
@example(b"A:\t\xa0\x85x\r\n")
@example(b"A: x\rB: y\r\n")
@example(b"A : x\r\n")
@example(b"From me\r\nA: b\r\n")
def test_its_headers_are_those_that_the_standard_library_reads(head):
    lines = read_lines(BytesIO(head + b"\r\n"))
    plain = plain_head(FIRST, lines)
    if plain is not None:
        assert plain.headers.items() == parse_headers(BytesIO(b"".join(lines))).items()


def test_a_head_has_a_command_and_a_path_as_it_was_sent():
    head = plain_head(FIRST, [b"Host: a\r\n", b"\r\n"])
    assert head is not None
    assert (head.command, head.path) == ("POST", "/gateway.do?charset=utf-8")
    assert not head.closing


@pytest.mark.parametrize(("connection", "closing"), [("close", True), ("Keep-Alive", False)])
def test_it_says_whether_the_connection_is_to_be_closed(connection, closing):
    head = plain_head(FIRST, [f"Connection: {connection}\r\n".encode(), b"\r\n"])
    assert head is not None
    assert head.closing is closing


@pytest.mark.parametrize(
    "line",
    [
        b"\r\n",
        b"GET / HTTP/1.0\r\n",
        b"GET //elsewhere HTTP/1.1\r\n",
        b"GET http://elsewhere/ HTTP/1.1\r\n",
        b"GET /\xe4 HTTP/1.1\r\n",
        b"GET  / HTTP/1.1\r\n",
        b"get / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\n",
        b"GET /",
    ],
)
def test_an_unusual_line_is_left_to_the_standard_library(line):
    assert not is_plain(line)
    assert plain_head(line, [b"\r\n"]) is None


@pytest.mark.parametrize(
    "lines",
    [
        [b"Host: a\r\n", b""],
        [b"Host: a\n", b"\r\n"],
        [b"Host: a\r\n", b"\n"],
        [b"Host : a\r\n", b"\r\n"],
        [b"Host: a\r\n", b" b\r\n", b"\r\n"],
        [b"Host: \0\r\n", b"\r\n"],
        [b"Expect: 100-continue\r\n", b"\r\n"],
        [b"Connection: upgrade\r\n", b"\r\n"],
        [b"nonsense\r\n", b"\r\n"],
    ],
)
def test_unusual_headers_are_left_to_the_standard_library(lines):
    assert plain_head(FIRST, lines) is None


def test_no_more_is_read_than_the_standard_library_would_take():
    assert len(read_lines(BytesIO(b"A: b\r\n" * 1000))) == 101
    assert len(read_lines(BytesIO(b"A" * 200_000))) == 1


def test_what_follows_the_empty_line_is_not_touched():
    stream = BytesIO(b"A: b\r\n\r\nbody")
    read_lines(stream)
    assert stream.read() == b"body"
