"""Requests to a shop on the network."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from flask_alipay.keys import private_pem
from flask_alipay.simulator.notifications.http_client import MAX_RESPONSE_BYTES, HttpClient

SUCCESS = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsuccess"


def head_of(received):
    """The lines of a head, nothing once the other side has hung up."""
    lines = []
    while (line := received.readline()) not in (b"\r\n", b""):
        lines.append(line)
    return b"".join(lines)


class Shop:
    """A shop down to the bytes: answers each request with what is next, and counts connections.

    An answer of ``None`` hangs up instead. After ``hang_up`` each answer is the last of its
    connection.
    """

    def __init__(self, tls=None):
        self.answers, self.requests, self.connections = [], [], []
        self.hang_up = False
        self.closed = threading.Semaphore(0)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self.port = self._listening.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/notify"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listening.accept()
                connection.settimeout(20)
                if self._tls:
                    connection = self._tls.wrap_socket(connection, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        # Who asks may hang up at any time.
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as received:
            while head := head_of(received):
                length = int(head.lower().partition(b"content-length: ")[2].split()[0])
                self.requests.append((head, received.read(length)))
                answer = self.answers.pop(0) if self.answers else SUCCESS
                if answer is not None:
                    connection.sendall(answer)
                if answer is None or self.hang_up:
                    break
        self.closed.release()

    def close(self):
        self._listening.close()


@pytest.fixture
def shop():
    shop = Shop()
    yield shop
    shop.close()


@pytest.fixture
def post():
    return HttpClient()


HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Mozilla/4.0"}


def test_a_notification_goes_over_http(post, shop):
    assert post(f"{shop.url}?a=%E8%8C%B6&b", b"a=1&b=%B2%E8", HEADERS) == (200, "success")
    ((head, body),) = shop.requests
    assert head.startswith(b"POST /notify?a=%E8%8C%B6&b HTTP/1.1\r\n")
    assert b"User-Agent: Mozilla/4.0\r\n" in head
    assert b"Content-Type: application/x-www-form-urlencoded\r\n" in head
    assert body == b"a=1&b=%B2%E8"


def test_a_redirect_is_not_followed(post, shop):
    shop.answers = [b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"]
    assert post(shop.url, b"a=1", HEADERS) == (302, "")
    assert len(shop.requests) == 1


def test_a_proxy_of_the_environment_is_not_used(post, shop, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert post(shop.url, b"a=1", HEADERS) == (200, "success")


def test_each_request_has_a_connection_that_ends_with_the_response(post, shop):
    for _ in range(3):
        assert post(shop.url, b"a=1", HEADERS) == (200, "success")
        assert shop.closed.acquire(timeout=20)  # a server with one thread can serve others
    assert b"Connection: close\r\n" in shop.requests[0][0]
    assert len(shop.requests) == len(shop.connections) == 3


def test_posts_at_the_same_time_have_connections_of_their_own(post, shop):
    threads = [
        threading.Thread(target=post, args=(shop.url, b"a=%d" % number, HEADERS))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(body for _, body in shop.requests) == [b"a=%d" % number for number in range(8)]


def test_a_request_without_a_response_is_not_sent_twice(post, shop):
    shop.answers = [None]
    with pytest.raises(http.client.RemoteDisconnected):
        post(shop.url, b"a=1", HEADERS)
    assert len(shop.requests) == 1


def test_a_request_whose_response_breaks_off_is_not_sent_twice(post, shop):
    shop.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\nsucc"]
    shop.hang_up = True
    assert post(shop.url, b"a=1", HEADERS) == (200, "succ")
    assert len(shop.requests) == 1


def test_of_a_long_response_only_the_beginning_is_read(post, shop):
    shop.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + 100_000 * b"x"]
    assert post(shop.url, b"a=1", HEADERS) == (200, "x" * MAX_RESPONSE_BYTES)


def test_a_response_in_parts_is_read(post, shop):
    parts = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsucc\r\n3\r\ness\r\n0\r\n\r\n"
    )
    shop.answers = [parts]
    assert post(shop.url, b"a=1", HEADERS) == (200, "success")


def test_a_name_and_a_password_in_the_address_are_notified(post, shop):
    post(shop.url.replace("//", "//tea:p%40ss@"), b"a=1", HEADERS)
    ((head, _),) = shop.requests
    assert b"authorization: basic dgvhonbac3m=\r\n" in head.lower()


def test_a_refused_connection_is_an_error(post):
    with pytest.raises(ConnectionRefusedError):
        post("http://127.0.0.1:9/notify", b"a=1", HEADERS)


@pytest.fixture
def certificate(tmp_path, keys):
    """The file of a certificate for this machine that nobody vouches for; its key is beside."""
    now, name = datetime.now(timezone.utc), x509.Name([])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(keys.merchant.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=True)
        .sign(keys.merchant, SHA256())
    )
    (tmp_path / "key.pem").write_text(private_pem(keys.merchant))
    file = tmp_path / "cert.pem"
    file.write_bytes(made.public_bytes(Encoding.PEM))
    return file


@pytest.fixture
def tls_shop(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    shop = Shop(context)
    yield shop
    shop.close()


def test_a_shop_with_a_trusted_certificate_is_notified(post, tls_shop, certificate, monkeypatch):
    monkeypatch.setattr(certifi, "where", lambda: str(certificate))
    assert post(tls_shop.url, b"a=1", HEADERS) == (200, "success")


def test_a_shop_with_an_untrusted_certificate_is_not_notified(post, tls_shop):
    with pytest.raises(ssl.SSLCertVerificationError):
        post(tls_shop.url, b"a=1", HEADERS)
    assert tls_shop.requests == []
