"""Connections to the simulator by itself, byte by byte: kept where that is safe, else closed."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import pytest

from flask_alipay.simulator import connections
from flask_alipay.simulator.faults import Fault
from flask_alipay.simulator.server import Listening

from .test_posting import head_of

CLOCK = b"GET /clock HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def served(simulator):
    listening = Listening("127.0.0.1", 0)
    server = listening.server(simulator)
    listening.close()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def serving(simulator):
    with served(simulator) as server:
        yield server


class Line:
    """A connection that is used for one request after the other."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._answers = self._socket.makefile("rb")

    def say(self, request):
        self._socket.sendall(request)

    def hear(self, *, body=True):
        """The status, headers and body of the next answer."""
        head = head_of(self._answers)
        assert head, "hung up"
        status, *lines = head.decode("latin-1").splitlines()
        headers = dict(line.lower().split(": ", 1) for line in lines)
        text = self._answers.read(int(headers["content-length"])) if body else b""
        return int(status.split()[1]), headers, text

    def ask(self, request, **options):
        self.say(request)
        return self.hear(**options)

    @property
    def hung_up(self):
        try:
            return self._answers.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self._answers.close()
        self._socket.close()


@pytest.fixture
def line(serving):
    line = Line(serving.port)
    yield line
    line.close()


def test_one_connection_does_for_many_requests(line):
    for _ in range(3):
        status, headers, text = line.ask(CLOCK)
        assert (status, "connection" in headers) == (200, False)
        assert text.startswith(b'{"now":')


def test_requests_that_come_at_once_are_answered_in_their_order(line):
    line.say(CLOCK + CLOCK.replace(b"clock", b"faults") + CLOCK)
    assert [line.hear()[2][:1] for _ in range(3)] == [b"{", b"[", b"{"]


def test_a_body_that_nobody_wanted_is_not_the_next_request(line):
    status, _, _ = line.ask(CLOCK.replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\nGET /evil"))
    assert status == 200
    assert line.ask(CLOCK)[0] == 200


def test_the_next_request_goes_on_after_a_refusal(line):
    assert line.ask(CLOCK.replace(b"/clock", b"/nowhere"))[0] == 404
    assert line.ask(CLOCK.replace(b"localhost", b"evil.example"))[0] == 403
    assert line.ask(CLOCK)[0] == 200


def test_who_mistypes_an_address_is_told_those_that_there_are(line):
    status, headers, text = line.ask(CLOCK.replace(b"/clock", b"/gatway.do"))
    assert (status, headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert b"\n/gateway.do " in text


def test_a_head_is_answered_without_a_body(line):
    assert line.ask(CLOCK.replace(b"GET", b"HEAD"), body=False)[0] == 200
    assert line.ask(CLOCK)[0] == 200


def test_who_wants_it_closed_is_told_that_it_is(line):
    _, headers, _ = line.ask(CLOCK.replace(b"Host", b"Connection: close\r\nHost"))
    assert headers["connection"] == "close"
    assert line.hung_up


@pytest.mark.parametrize(
    "request_",
    [
        CLOCK.replace(b"1.1", b"1.0"),
        CLOCK.replace(b"1.1", b"1.0").replace(b"Host", b"Connection: keep-alive\r\nHost"),
        CLOCK.replace(b"Host", b"Content-Length: 0\r\nContent-Length: 5\r\nHost"),
        CLOCK.replace(b"Host", b"Content-Length: +5\r\nHost"),
    ],
    ids=["http-1.0", "http-1.0-kept", "two-lengths", "no-number"],
)
def test_a_request_whose_end_is_not_told_plainly_is_the_last(line, request_):
    _, headers, _ = line.ask(request_)
    assert headers["connection"] == "close"
    assert line.hung_up


def test_a_body_that_is_too_long_is_the_last(line, monkeypatch):
    monkeypatch.setattr(connections, "MOST_BODY", 10)
    request = CLOCK.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 11\r\n\r\n")
    _, headers, _ = line.ask(request + b'{"a": 1234}')
    assert headers["connection"] == "close"
    assert line.hung_up


def test_who_asks_before_sending_a_body_is_told_to_go_on(line):
    head = CLOCK.replace(b"GET", b"POST").replace(
        b"\r\n\r\n", b"\r\nExpect: 100-continue\r\nContent-Length: 14\r\n\r\n"
    )
    assert line.ask(head, body=False)[0] == 100
    status, _, _ = line.ask(b'{"advance": 1}')
    assert status == 200
    assert line.ask(CLOCK)[0] == 200


def test_who_hangs_up_in_the_middle_of_a_body_is_not_served(line, simulator):
    before = simulator.clock.now()
    line.say(b'POST /clock HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{"advance": 9}')
    line._socket.shutdown(socket.SHUT_WR)
    assert line.hear(body=False)[0] == 400
    assert simulator.clock.now() == before


def test_an_answer_that_a_fault_cuts_off_is_the_last(line, simulator, merchant):
    simulator.faults.add(Fault("cut-off"))
    url = merchant.call("single_trade_query", out_trade_no="T1").url.removeprefix("/alipay")
    line.say(f"GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode("ascii"))
    _, headers, text = line.hear()
    assert headers["connection"] == "close"
    assert len(text) < int(headers["content-length"])
    assert line.hung_up


def test_a_silent_connection_is_closed(simulator, monkeypatch, request):
    monkeypatch.setattr(connections.Connection, "timeout", 0.05)
    line = request.getfixturevalue("line")
    assert line.ask(CLOCK)[0] == 200
    assert line.hung_up


def test_a_view_that_breaks_down_is_a_500_and_the_next_request_goes_on(
    line, simulator, monkeypatch
):
    def break_down():
        raise RuntimeError("broken")

    with monkeypatch.context() as broken:
        broken.setattr(simulator, "expire", break_down)
        assert line.ask(CLOCK.replace(b"clock", b"trades"))[0] == 500
    assert line.ask(CLOCK)[0] == 200


def test_a_server_that_is_closed_hangs_up(serving, line):
    assert line.ask(CLOCK)[0] == 200
    serving.shutdown()
    serving.server_close()
    assert line.hung_up
