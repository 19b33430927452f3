"""Forms are sent once, in the merchant's charset; queries may be retried."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import parse_qsl

import pytest

from flask_alipay.exceptions import InvalidParameter, OutcomeUnknown
from flask_alipay.gateways.transport import HttpTransport
from flask_alipay.protocol.charsets import encode_form

from .doubles.local_server import LocalServer, Request


class Gateway:
    """Gateway on this machine, whose first responses may be failures."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.requests: list[tuple[str, str, bytes, str]] = []
        self.connections: set[tuple[str, int]] = set()
        self._server = LocalServer(self._respond)
        self.url, self.close = self._server.url, self._server.close

    def _respond(self, request: Request) -> None:
        kind = request.headers.get("Content-Type", "")
        self.requests.append((request.command, request.path, request.body(), kind))
        self.connections.add(request.client_address)
        failure = self.failures.pop(0) if self.failures else "200"
        if failure == "cut":
            request.close_connection = True
            return
        moved = {"Location": "/elsewhere"} if failure == "302" else {}
        request.respond(b"true", int(failure), Retry_After="60", **moved)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    gateway = Gateway()
    yield gateway
    gateway.close()


@pytest.fixture
def transport() -> Iterator[HttpTransport]:
    transport = HttpTransport(2)
    yield transport
    transport._session().close()
    transport._session("operations").close()


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_a_form_is_sent_in_the_merchants_charset(
    gateway: Gateway, transport: HttpTransport, charset: str
) -> None:
    params = {"_input_charset": charset, "subject": "龙井茶 +&=%", "sign": "a+b/c="}
    assert transport.post(gateway.url, params, charset) == b"true"
    [(verb, path, body, kind)] = gateway.requests
    assert (verb, path) == ("POST", f"/gateway.do?_input_charset={charset}")
    assert kind == f"application/x-www-form-urlencoded; charset={charset}"
    assert dict(parse_qsl(body.decode("ascii"), encoding=charset, errors="strict")) == params


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_a_query_is_sent_in_the_merchants_charset(
    gateway: Gateway, transport: HttpTransport, charset: str
) -> None:
    params = {"_input_charset": charset, "subject": "龙井茶 +&=%~"}
    transport.get(gateway.url, params, charset)
    [(_, path, _, _)] = gateway.requests
    assert dict(parse_qsl(path.partition("?")[2], encoding=charset, errors="strict")) == params


@pytest.mark.parametrize("verb", ["get", "post"])
def test_a_character_that_the_charset_lacks_is_rejected_by_name(verb: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^subject "):
        getattr(HttpTransport(), verb)("http://gateway.invalid/", {"subject": "🍵"}, "gbk")


@pytest.mark.parametrize("failure", ["cut", "502", "503", "504"])
def test_a_lost_query_is_retried(gateway: Gateway, transport: HttpTransport, failure: str) -> None:
    gateway.failures = [failure]
    assert transport.get(gateway.url, {"a": "1"}) == b"true"
    assert len(gateway.requests) == 2


def test_a_query_is_retried_a_limited_number_of_times(
    gateway: Gateway, transport: HttpTransport
) -> None:
    gateway.failures = ["cut"] * 20
    with pytest.raises(OutcomeUnknown, match="did not respond"):
        transport.get(gateway.url, {"a": "1"})
    assert len(gateway.requests) <= 3
    gateway.failures = ["503"] * 20
    with pytest.raises(OutcomeUnknown, match="503"):
        transport.get(gateway.url, {"a": "1"})


@pytest.mark.parametrize("failure", ["cut", "500", "502", "503", "504"])
def test_an_operation_is_sent_once(
    gateway: Gateway, transport: HttpTransport, failure: str
) -> None:
    gateway.failures = [failure]
    with pytest.raises(OutcomeUnknown):
        transport.post(gateway.url, {"batch_no": "s3cr3t"})
    assert len(gateway.requests) == 1


@pytest.mark.parametrize("verb", ["get", "post"])
def test_redirects_are_not_followed(gateway: Gateway, transport: HttpTransport, verb: str) -> None:
    gateway.failures = ["302"]
    with pytest.raises(OutcomeUnknown, match="302"):
        getattr(transport, verb)(gateway.url, {"sign": "s3cr3t"})
    assert len(gateway.requests) == 1


def test_the_connection_is_kept(gateway: Gateway, transport: HttpTransport) -> None:
    for _ in range(5):
        transport.post(gateway.url, {"a": "1"})
    assert len(gateway.connections) == 1


def test_a_connection_that_is_rejected_is_an_unknown_outcome(transport: HttpTransport) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with pytest.raises(OutcomeUnknown, match="ConnectionError") as caught:
            transport.post(url, {"key": "s3cr3t"})
    assert "s3cr3t" not in str(caught.value)


def test_proxies_come_from_the_environment(
    gateway: Gateway, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", gateway.url.removesuffix("/gateway.do"))
    monkeypatch.setenv("no_proxy", "")
    assert transport.post("http://alipay.invalid/gateway.do", {"a": "1"}) == b"true"
    assert gateway.requests[0][1].startswith("http://alipay.invalid/gateway.do")


def test_a_form_is_ascii_whatever_is_in_it() -> None:
    assert encode_form({"a": "茶 &", "b": ""}, "gbk") == b"a=%B2%E8+%26&b="


def test_an_endless_response_does_not_fill_the_memory(
    gateway: Gateway, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_alipay.gateways.transport._MAX_BYTES", 3)
    with pytest.raises(OutcomeUnknown, match="more than 3 bytes"):
        transport.post(gateway.url, {"a": "1"})
    monkeypatch.setattr("flask_alipay.gateways.transport._MAX_BYTES", 4)
    assert transport.post(gateway.url, {"a": "1"}) == b"true"


@pytest.mark.parametrize("status", ["200", "302", "400", "503"])
def test_an_exchange_returns_a_response_of_any_status(
    gateway: Gateway, transport: HttpTransport, status: str
) -> None:
    gateway.failures = [status]
    response = transport.request("POST", f"{gateway.url}?a=%2F", b"{}", {"Content-Type": "a/b"})
    assert (response.status, response.body) == (int(status), b"true")
    assert response.headers["retry-after"] == "60"
    assert gateway.requests == [("POST", "/gateway.do?a=%2F", b"{}", "a/b")]


def test_a_repeatable_request_is_retried(gateway: Gateway, transport: HttpTransport) -> None:
    gateway.failures = ["503", "cut"]
    assert transport.request("GET", gateway.url, b"", {}, repeatable=True).status == 200
    assert len(gateway.requests) == 3


def test_a_request_that_was_never_sent_is_retried(
    gateway: Gateway, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tries = socket.socket.connect, []

    def connect(self: socket.socket, address: object) -> None:
        tries.append(address)
        if len(tries) == 1:
            raise ConnectionRefusedError
        real(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect)
    assert transport.post(gateway.url, {"a": "1"}) == b"true"
    assert len(gateway.requests) == 1
