from __future__ import annotations

import contextlib
import io
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.simulator.request_body import BadBody, TooLong, read_body

MOST = 100


def read(sent, **headers):
    """The body, and what is left for the next request."""
    told = Message()
    for name, values in headers.items():
        for value in [values] if isinstance(values, str) else values:
            told[name.replace("_", "-")] = value
    stream = io.BytesIO(sent)
    return read_body(stream, told, MOST), stream.read()


def test_a_body_is_as_long_as_it_says():
    assert read(b"a=1GET", Content_Length="3") == (b"a=1", b"GET")


@pytest.mark.parametrize("headers", [{}, {"Content_Length": "0"}])
def test_no_body_is_nothing(headers):
    assert read(b"GET", **headers) == (b"", b"GET")


def test_a_length_may_be_told_twice():
    assert read(b"a=1GET", Content_Length=["3", " 3"]) == (b"a=1", b"GET")


@pytest.mark.parametrize("length", ["", "x", "-3", "+3", "3.0", "0x3", "٣", ["3", "4"], "9" * 16])
def test_a_length_that_is_none_is_refused(length):
    with pytest.raises(BadBody) as caught:
        read(b"a=1", Content_Length=length)
    assert caught.value.status == 400


def test_a_body_that_says_it_is_too_long_is_not_read():
    with pytest.raises(TooLong):
        read(b"", Content_Length=str(MOST + 1))


def test_a_body_that_breaks_off_is_refused():
    with pytest.raises(BadBody):
        read(b"a=", Content_Length="3")


@pytest.mark.parametrize(
    "sent",
    [
        b"3\r\na=1\r\n0\r\n\r\n",
        b"1\r\na\r\n2\r\n=1\r\n0\r\n\r\n",
        b"003 ;name=value\r\na=1\r\n0;x\r\n\r\n",
        b"3\r\na=1\r\n0\r\nX-Trailer: 1\r\nX-Other: 2\r\n\r\n",
        b"3\na=1\n0\n\n",
    ],
    ids=["one", "two", "extensions", "trailers", "bare line ends"],
)
@pytest.mark.parametrize("coding", ["chunked", "Chunked", " chunked "])
def test_chunks_are_put_together(sent, coding):
    assert read(sent + b"GET", Transfer_Encoding=coding) == (b"a=1", b"GET")


def test_chunks_win_over_a_length():
    headers = {"Content_Length": "1", "Transfer_Encoding": "chunked"}
    assert read(b"3\r\na=1\r\n0\r\n\r\n", **headers) == (b"a=1", b"")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"3\r\na=",
        b"3\r\na=1",
        b"3\r\na=1\r\n",
        b"3\r\na=1\r\n0\r\n",
        b"x\r\na=1\r\n0\r\n\r\n",
        b"-3\r\na=1\r\n0\r\n\r\n",
        b"\r\na=1\r\n0\r\n\r\n",
        b"2\r\na=1\r\n0\r\n\r\n",
        b"0\r\n" + b"X: 1\r\n" * 101 + b"\r\n",
        b"3;" + b"x" * 9000 + b"\r\na=1\r\n0\r\n\r\n",
        b"f" * 16 + b"\r\n",
    ],
)
def test_chunks_that_are_none_are_refused(sent):
    with pytest.raises(BadBody) as caught:
        read(sent, Transfer_Encoding="chunked")
    assert caught.value.status == 400


def test_chunks_without_end_are_refused():
    with pytest.raises(BadBody) as caught:
        read(b"33\r\n" + b"x" * 51 + b"\r\n33\r\n" + b"x" * 51, Transfer_Encoding="chunked")
    assert caught.value.status == 413


@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "identity", ["chunked", "chunked"]])
def test_another_coding_is_not_known(coding):
    with pytest.raises(BadBody) as caught:
        read(b"3\r\na=1\r\n0\r\n\r\n", Transfer_Encoding=coding)
    assert caught.value.status == 501


@given(st.binary(max_size=200), st.sampled_from(["chunked", ""]), st.text(max_size=5))
def test_any_bytes_are_a_body_or_refused(sent, coding, length):
    headers = {"Transfer_Encoding": coding} if coding else {"Content_Length": length}
    with contextlib.suppress(BadBody):
        read(sent, **headers)
