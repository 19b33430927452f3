"""Connections to the standalone simulator, byte by byte: persistent where that is safe."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import pytest

from flask_alipay.simulator.faults import Fault
from flask_alipay.simulator.web import server as web_server
from flask_alipay.simulator.web.server import BindError, BoundSocket

from .test_http_client import head_of

CLOCK = b"GET /clock HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def served(simulator):
    """Serve a simulator in a thread until the end of the block; yield its socket."""
    bound = BoundSocket("127.0.0.1", 0)
    server = bound.server(simulator)
    bound.close()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield bound
    finally:
        server.shutdown()
        thread.join()


@pytest.fixture
def bound(simulator):
    with served(simulator) as bound:
        yield bound


class Line:
    """A connection that is used for one request after the other."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._answers = self._socket.makefile("rb")

    def send(self, request):
        self._socket.sendall(request)

    def receive(self, *, body=True):
        """The status, headers and body of the next answer."""
        head = head_of(self._answers)
        assert head, "hung up"
        status, *lines = head.decode("latin-1").splitlines()
        headers = dict(line.lower().split(": ", 1) for line in lines)
        text = self._answers.read(int(headers["content-length"])) if body else b""
        return int(status.split()[1]), headers, text

    def query(self, request, **options):
        self.send(request)
        return self.receive(**options)

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
def line(bound):
    line = Line(bound.port)
    yield line
    line.close()


def test_one_connection_does_for_many_requests(line):
    for _ in range(3):
        status, headers, text = line.query(CLOCK)
        assert (status, "connection" in headers) == (200, False)
        assert text.startswith(b'{"now":')


def test_requests_that_come_at_once_are_answered_in_their_order(line):
    line.send(CLOCK + CLOCK.replace(b"clock", b"faults") + CLOCK)
    assert [line.receive()[2][:1] for _ in range(3)] == [b"{", b"[", b"{"]


def test_an_unexpected_body_is_not_the_next_request(line):
    status, _, _ = line.query(CLOCK.replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\nGET /evil"))
    assert status == 200
    assert line.query(CLOCK)[0] == 200


def test_the_next_request_goes_on_after_a_rejection(line):
    assert line.query(CLOCK.replace(b"/clock", b"/nowhere"))[0] == 404
    assert line.query(CLOCK.replace(b"localhost", b"evil.example"))[0] == 403
    assert line.query(CLOCK)[0] == 200


def test_an_unknown_path_lists_the_existing_ones(line):
    status, headers, text = line.query(CLOCK.replace(b"/clock", b"/gatway.do"))
    assert (status, headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert b"\n/gateway.do " in text


def test_a_head_is_answered_without_a_body(line):
    assert line.query(CLOCK.replace(b"GET", b"HEAD"), body=False)[0] == 200
    assert line.query(CLOCK)[0] == 200


def test_a_requested_close_of_the_connection_is_confirmed(line):
    _, headers, _ = line.query(CLOCK.replace(b"Host", b"Connection: close\r\nHost"))
    assert headers["connection"] == "close"
    assert line.hung_up


@pytest.mark.parametrize(
    "request_",
    [
        CLOCK.replace(b"1.1", b"1.0"),
        CLOCK.replace(b"Host", b"Content-Length: 0\r\nContent-Length: 5\r\nHost"),
        CLOCK.replace(b"Host", b"Content-Length: +5\r\nHost"),
    ],
    ids=["http-1.0", "two-lengths", "no-number"],
)
def test_a_request_with_an_ambiguous_end_is_the_last(line, request_):
    _, headers, _ = line.query(request_)
    assert headers["connection"] == "close"
    assert line.hung_up


def test_a_body_over_the_gateways_limit_is_rejected_and_the_next_request_goes_on(line):
    body = b"x" * 1_500_000
    request = CLOCK.replace(b"GET /clock", b"POST /gateway.do")
    request = request.replace(b"\r\n\r\n", b"\r\nContent-Length: %d\r\n\r\n" % len(body))
    assert line.query(request + body)[0] == 413
    assert line.query(CLOCK)[0] == 200


def test_a_body_over_the_servers_limit_is_not_read(line):
    too_long = b"\r\nContent-Length: %d\r\n\r\n" % (web_server.MAX_BODY_BYTES + 1)
    request = CLOCK.replace(b"GET", b"POST").replace(b"\r\n\r\n", too_long)
    status, headers, _ = line.query(request)
    assert (status, headers["connection"]) == (413, "close")
    assert line.hung_up


def test_expect_100_continue_is_answered(line):
    head = CLOCK.replace(b"GET", b"POST").replace(
        b"\r\n\r\n", b"\r\nExpect: 100-continue\r\nContent-Length: 14\r\n\r\n"
    )
    assert line.query(head, body=False)[0] == 100
    status, _, _ = line.query(b'{"advance": 1}')
    assert status == 200
    assert line.query(CLOCK)[0] == 200


def test_an_incomplete_body_is_not_served(line, simulator):
    before = simulator.clock.now()
    line.send(
        b'POST /clock HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{"advance": 9}'
    )
    line._socket.shutdown(socket.SHUT_WR)
    assert line.hung_up
    assert simulator.clock.now() == before


def test_a_response_that_a_fault_cuts_off_is_the_last(line, simulator, merchant):
    simulator.faults.add(Fault("cut-off"))
    url = merchant.call("single_trade_query", out_trade_no="T1").url.removeprefix("/alipay")
    line.send(f"GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode("ascii"))
    _, headers, text = line.receive()
    assert len(text) < int(headers["content-length"])
    assert line.hung_up


def test_a_silent_connection_is_closed(simulator, monkeypatch, request):
    monkeypatch.setattr(web_server, "IDLE_TIMEOUT", 1)
    line = request.getfixturevalue("line")
    assert line.query(CLOCK)[0] == 200
    assert line.hung_up


def test_a_view_that_breaks_down_is_a_500_and_the_next_request_goes_on(
    line, simulator, monkeypatch
):
    def break_down():
        raise RuntimeError("broken")

    with monkeypatch.context() as broken:
        broken.setattr(simulator, "expire", break_down)
        assert line.query(CLOCK.replace(b"clock", b"trades"))[0] == 500
    assert line.query(CLOCK)[0] == 200


def test_a_server_that_is_stopped_closes_its_connections(simulator):
    with served(simulator) as bound:
        line = Line(bound.port)
        assert line.query(CLOCK)[0] == 200
    assert line.hung_up
    line.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", bound.port))


def test_a_request_that_is_being_handled_gets_its_response_when_the_server_stops(
    simulator, monkeypatch
):
    began, stopping = threading.Event(), threading.Event()

    def wait():
        began.set()
        assert stopping.wait(20)

    monkeypatch.setattr(simulator, "expire", wait)
    with served(simulator) as bound:
        line = Line(bound.port)
        line.send(CLOCK.replace(b"clock", b"trades"))
        assert began.wait(20)
        threading.Timer(0.2, stopping.set).start()
    assert line.receive()[0] == 200
    line.close()


def test_many_requests_wait_for_the_shop_while_it_calls_the_simulator(simulator, monkeypatch):
    """As a shop that calls the gateway before it responds to a notification."""
    count = 20
    gate = threading.Barrier(count)
    monkeypatch.setattr(simulator, "expire", lambda: gate.wait(20))
    with served(simulator) as bound:
        lines = [Line(bound.port) for _ in range(count)]
        for line in lines:
            line.send(CLOCK.replace(b"clock", b"trades"))
        assert [line.receive()[0] for line in lines] == [200] * count
        for line in lines:
            line.close()


def test_an_address_in_use_is_an_error(bound):
    with pytest.raises(BindError, match=f"cannot listen on 127.0.0.1 port {bound.port}: "):
        BoundSocket("127.0.0.1", bound.port)
