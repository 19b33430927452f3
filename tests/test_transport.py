"""Requests to a gateway over HTTP: an incomplete response is an unknown outcome."""

from __future__ import annotations

import io
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_alipay.exceptions import OutcomeUnknown
from flask_alipay.gateways.mapi import MapiGateway
from flask_alipay.gateways.transport import HttpTransport
from flask_alipay.signer import Md5Signer

from .doubles.local_server import LocalServer, Request

PARTNER = "2088000000000001"

#: Seconds that a gateway keeps silent: far longer than anybody waits for it.
SILENCE = 10


class Gateway:
    """Gateway on this machine with a chosen response, which records requests."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.connections: set[tuple[str, int]] = set()
        self.response: Callable[[Any], None] = self.responds(b"true")
        self.closing = threading.Event()
        self._server = LocalServer(self._respond)
        self.url = self._server.url

    def _respond(self, request: Request) -> None:
        self.paths.append(request.path)
        self.connections.add(request.client_address)
        self.response(request)

    def close(self) -> None:
        self.closing.set()
        self._server.close()

    @staticmethod
    def responds(body: bytes, status: int = 200) -> Callable[[Any], None]:
        return lambda request: request.respond(body, status)

    def hangs(self, request: Any) -> None:
        self.closing.wait(SILENCE)
        request.close_connection = True

    def cuts_off(self, request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "400")
        request.end_headers()
        request.wfile.write(b"true")
        request.close_connection = True

    def drips(self, request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "4")
        request.end_headers()
        request.wfile.write(b"tr")
        request.wfile.flush()
        self.hangs(request)

    @staticmethod
    def closes(request: Any) -> None:
        request.close_connection = True

    @staticmethod
    def sends_no_http(request: Any) -> None:
        request.wfile.write(b"true\r\n\r\n")
        request.close_connection = True


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    gateway = Gateway()
    yield gateway
    gateway.close()


@pytest.fixture
def transport() -> Iterator[HttpTransport]:
    transport = HttpTransport(0.3)
    yield transport
    transport._session().close()


@pytest.fixture
def merchant(gateway: Gateway, transport: HttpTransport) -> MapiGateway:
    return MapiGateway(PARTNER, Md5Signer("key"), gateway_url=gateway.url, transport=transport)


def test_the_response_is_its_body(gateway: Gateway, transport: HttpTransport) -> None:
    gateway.response = gateway.responds(b"\xd6\xd0\x00")
    assert transport.get(gateway.url, {"a": "1"}) == b"\xd6\xd0\x00"
    assert gateway.paths == ["/gateway.do?a=1"]


@pytest.mark.parametrize("trouble", ["hangs", "cuts_off", "drips", "closes", "sends_no_http"])
def test_an_incomplete_response_is_an_unknown_outcome(
    gateway: Gateway, transport: HttpTransport, trouble: str
) -> None:
    gateway.response = getattr(gateway, trouble)
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown, match="did not respond") as caught:
        transport.get(gateway.url, {"notify_id": "s3cr3t"})
    assert time.monotonic() - began < SILENCE / 2
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("status", [500, 502, 403, 404, 204, 201])
def test_another_status_is_an_unknown_outcome(
    gateway: Gateway, transport: HttpTransport, status: int
) -> None:
    gateway.response = gateway.responds(b"" if status == 204 else b"true", status)
    with pytest.raises(OutcomeUnknown, match=str(status)):
        transport.get(gateway.url, {})


def test_a_connection_that_is_rejected_is_an_unknown_outcome(transport: HttpTransport) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with pytest.raises(OutcomeUnknown, match="ConnectionError"):
            transport.get(url, {})


@pytest.mark.parametrize("url", ["http://gateway.invalid/", "nonsense", "http://", "http://[::1"])
def test_an_address_that_leads_nowhere_is_an_unknown_outcome(
    transport: HttpTransport, url: str
) -> None:
    with pytest.raises(OutcomeUnknown):
        transport.get(url, {})


def test_a_query_after_a_failure_succeeds(gateway: Gateway, transport: HttpTransport) -> None:
    gateway.response = gateway.cuts_off
    with pytest.raises(OutcomeUnknown):
        transport.get(gateway.url, {})
    gateway.response = gateway.responds(b"true")
    assert transport.get(gateway.url, {}) == b"true"


def test_the_connection_is_kept(gateway: Gateway, transport: HttpTransport) -> None:
    for _ in range(5):
        transport.get(gateway.url, {})
    assert len(gateway.connections) == 1


def test_each_thread_has_a_separate_connection(gateway: Gateway, transport: HttpTransport) -> None:
    def send_request() -> None:
        transport.get(gateway.url, {})
        transport._session().close()

    transport.get(gateway.url, {})
    thread = threading.Thread(target=send_request)
    thread.start()
    thread.join()
    assert len(gateway.connections) == 2


@pytest.mark.parametrize(
    ("response", "confirmed"),
    [
        (b"true", True),
        (b"true\n", True),
        (b"\r\n true ", True),
        (b"false", False),
        (b"invalid", False),
        (b"", False),
        (b"TRUE", False),
        (b"trueish", False),
        (b"<html>true</html>", False),
        (b"\xff\xfet\x00r\x00u\x00e\x00", False),
    ],
)
def test_only_true_is_a_confirmation(
    gateway: Gateway, merchant: MapiGateway, response: bytes, confirmed: bool
) -> None:
    gateway.response = gateway.responds(response)
    assert merchant.notify_verify("n1") is confirmed


def test_a_missing_response_is_no_confirmation(gateway: Gateway, merchant: MapiGateway) -> None:
    gateway.response = gateway.hangs
    with pytest.raises(OutcomeUnknown):
        merchant.notify_verify("n1")


def test_notify_verify_is_not_signed(gateway: Gateway, merchant: MapiGateway) -> None:
    merchant.notify_verify("n1")
    [path] = gateway.paths
    assert path == f"/gateway.do?service=notify_verify&partner={PARTNER}&notify_id=n1"


#: A captured one: it looks encoded, and is not.
LITERAL = "RqPnCoPT3K9%2Fvwbh3InWeOvCB%2BJOJ"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(notify_id=st.one_of(st.just(LITERAL), st.text("ab0%2FB+/= &?#\\é茶~-_.", min_size=1)))
def test_the_number_is_encoded_exactly_once(
    gateway: Gateway, merchant: MapiGateway, notify_id: str
) -> None:
    merchant.notify_verify(notify_id)
    sent = gateway.paths[-1].partition("notify_id=")[2]
    assert unquote_to_bytes(sent.replace("+", " ")).decode() == notify_id


def test_a_literal_percent_sign_is_sent_as_one(gateway: Gateway, merchant: MapiGateway) -> None:
    merchant.notify_verify(LITERAL)
    assert gateway.paths[0].endswith("notify_id=RqPnCoPT3K9%252Fvwbh3InWeOvCB%252BJOJ")


@pytest.mark.parametrize("trouble", ["hangs", "closes", "sends_no_http"])
def test_no_log_line_of_a_library_holds_a_signed_query(
    gateway: Gateway,
    merchant: MapiGateway,
    transport: HttpTransport,
    trouble: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway.response = getattr(gateway, trouble)
    with pytest.raises(OutcomeUnknown):
        merchant.single_trade_query(out_trade_no="T1")
    with pytest.raises(OutcomeUnknown):
        transport.download(f"{gateway.url}?bill=s3cr3t", io.BytesIO(), 99)
    lines = [record.getMessage() for record in caplog.records]
    assert any("Retrying" in line and "/gateway.do?..." in line for line in lines)
    assert [line for line in lines if "sign=" in line or "T1" in line or "s3cr3t" in line] == []


def test_the_log_lines_of_other_requests_are_unchanged(
    gateway: Gateway, transport: HttpTransport, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway.response = gateway.responds(b"true")
    transport.get(gateway.url, {"a": "1"})
    requests.get(f"{gateway.url}?theirs=2", timeout=5)
    lines = " ".join(record.getMessage() for record in caplog.records)
    assert "theirs=2" in lines
    assert "a=1" not in lines
