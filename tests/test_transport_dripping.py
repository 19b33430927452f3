"""A response that arrives byte by byte is given up when the timeout is over."""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from flask_alipay.exceptions import OutcomeUnknown
from flask_alipay.gateways import transport as transports
from flask_alipay.gateways.mapi import MapiGateway
from flask_alipay.gateways.transport import HttpTransport
from flask_alipay.signer import Md5Signer

#: Seconds between two bytes: far less than the timeout.
PAUSE = 0.05
TIMEOUT = 0.4
#: Seconds within which one attempt has to end, on a busy machine.
SOON = 2.5

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Dripping:
    """A server that sends the beginning of a response at once, and then single bytes for ever."""

    def __init__(self) -> None:
        #: The part that is sent at once, and the bytes that follow singly, again and again.
        self.at_once, self.singly = b"", b"x"
        self.served = 0
        self.tls: ssl.SSLContext | None = None
        self.closing = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/gateway.do"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if self.closing.is_set():
                connection.close()
                return
            self.served += 1
            thread = threading.Thread(target=self._drip, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _drip(self, connection: socket.socket) -> None:
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True)
        with connection:
            try:
                connection.recv(65536)
                connection.sendall(self.at_once)
                while not self.closing.is_set():
                    for byte in self.singly:
                        connection.sendall(bytes([byte]))
                        if self.closing.wait(PAUSE):
                            return
            except OSError:
                pass  # the client has given up

    def close(self) -> None:
        self.closing.set()
        socket.create_connection(self._socket.getsockname()).close()
        for thread in self._threads:
            thread.join()
        self._socket.close()


@pytest.fixture
def server() -> Iterator[Dripping]:
    server = Dripping()
    yield server
    server.close()


@pytest.fixture
def transport() -> Iterator[HttpTransport]:
    transport = HttpTransport(TIMEOUT)
    yield transport
    for kind in ("queries", "operations", "downloads"):
        transport._session(kind).close()


def given_up_after(send: Callable[[], object]) -> float:
    """Return the seconds after which a request ends without a known outcome."""
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        send()
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("at_once", "singly"),
    [
        pytest.param(b"", b"H", id="status-line"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", id="headers"),
        pytest.param(HEAD + b"\r\n", b"x", id="body"),
        pytest.param(CHUNKED, b"1\r\nx\r\n", id="chunks"),
        pytest.param(HEAD + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08", b"\0", id="gzip"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", b"x", id="endless"),
    ],
)
def test_a_dripping_response_is_an_unknown_outcome_after_the_timeout(
    server: Dripping, transport: HttpTransport, at_once: bytes, singly: bytes
) -> None:
    server.at_once, server.singly = at_once, singly
    took = given_up_after(lambda: transport.post(server.url, {"a": "1"}))
    assert TIMEOUT * 0.9 < took < SOON
    assert server.served == 1


def test_a_query_with_a_dripping_response_takes_two_timeouts_at_most(
    server: Dripping, transport: HttpTransport
) -> None:
    took = given_up_after(lambda: transport.get(server.url, {"a": "1"}))
    assert took < 2 * SOON
    assert server.served == 2


def test_a_query_for_a_waiting_buyer_ends_within_its_time(
    server: Dripping, transport: HttpTransport
) -> None:
    patient = HttpTransport(60)
    took = given_up_after(lambda: patient.within(1.0).get(server.url, {"a": "1"}))
    assert took < SOON
    assert server.served == 1
    patient.within(1.0)._session("operations").close()


def test_a_dripping_file_is_given_up(server: Dripping, transport: HttpTransport) -> None:
    server.at_once = b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\n\r\nPK"
    took = given_up_after(lambda: transport.download(server.url, io.BytesIO(), 1 << 20))
    assert took < SOON


def test_a_file_that_arrives_steadily_may_take_longer_than_the_timeout(
    server: Dripping, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "_MIN_DOWNLOAD_RATE", 4)
    length = int(3 * TIMEOUT / PAUSE)
    server.at_once = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode()
    file, began = io.BytesIO(), time.monotonic()
    assert transport.download(server.url, file, 1 << 20) == length
    assert time.monotonic() - began > TIMEOUT
    assert file.getvalue() == b"x" * length


def test_a_dripping_notify_verify_confirms_nothing(
    server: Dripping, transport: HttpTransport
) -> None:
    server.at_once = b"HTTP/1.1 200 OK\r\n\r\ntrue"
    gateway = MapiGateway(
        "2088000000000001", Md5Signer("key"), gateway_url=server.url, transport=transport
    )
    assert given_up_after(lambda: gateway.notify_verify("n1")) < 2 * SOON


def test_the_next_request_on_a_kept_connection_has_the_whole_time(
    transport: HttpTransport,
) -> None:
    """The time that a response has used is not missing from the next one."""
    body = b"true"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + body
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            for _ in range(3):
                connection.recv(65536)
                time.sleep(TIMEOUT * 0.6)
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    assert [transport.post(url, {"a": "1"}) for _ in range(3)] == [body] * 3
    thread.join()
    listener.close()


def test_a_dripping_response_over_tls_is_given_up(
    server: Dripping,
    transport: HttpTransport,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(pem)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    server.at_once = HEAD + b"\r\n"
    url = server.url.replace("http:", "https:")
    assert TIMEOUT * 0.9 < given_up_after(lambda: transport.post(url, {"a": "1"})) < SOON
    assert server.served == 1
