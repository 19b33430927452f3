"""Downloads arrive in chunks, completely or not at all, and within the limit."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from flask_alipay.exceptions import GatewayError, OutcomeUnknown
from flask_alipay.gateways.transport import HttpTransport

from .doubles.local_server import LocalServer, Request

FILE = b"PK\x03\x04" + bytes(range(256)) * 1000


class Files:
    """File server on this machine; the file's name chooses the failure."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self._server = LocalServer(self._respond)
        self.url = self._server.url.removesuffix("/gateway.do")
        self.close = self._server.close

    def _respond(self, request: Request) -> None:
        self.requests.append((request.path, dict(request.headers)))
        name = request.path.partition("?")[0].strip("/")
        request.send_response(int(name) if name.isdigit() else 200)
        if name == "302":
            request.send_header("Location", "/elsewhere")
        kind = "text/html; charset=GBK" if name == "page" else "application/zip"
        request.send_header("Content-Type", kind)
        if name != "endless":
            request.send_header("Content-Length", str(len(FILE)))
        request.end_headers()
        request.wfile.write(FILE[:-1] if name == "cut" else FILE)
        request.close_connection = True


@pytest.fixture
def files() -> Iterator[Files]:
    files = Files()
    yield files
    files.close()


@pytest.fixture
def transport() -> Iterator[HttpTransport]:
    transport = HttpTransport(10)
    yield transport
    transport._session("downloads").close()


@pytest.mark.parametrize("name", ["file", "endless"])
def test_a_file_is_downloaded_completely(files: Files, transport: HttpTransport, name: str) -> None:
    into = io.BytesIO()
    assert transport.download(f"{files.url}/{name}?id=%2F1", into, len(FILE)) == len(FILE)
    assert into.getvalue() == FILE
    [(path, headers)] = files.requests
    assert path == f"/{name}?id=%2F1"
    assert "Authorization" not in headers


@pytest.mark.parametrize("name", ["cut", "page", "302", "404", "500"])
def test_an_incomplete_file_is_rejected(files: Files, transport: HttpTransport, name: str) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        transport.download(f"{files.url}/{name}?id=s3cr3t", io.BytesIO(), len(FILE))
    assert "s3cr3t" not in str(caught.value)
    assert len(files.requests) == 1


@pytest.mark.parametrize("name", ["file", "endless"])
def test_a_download_is_limited(files: Files, transport: HttpTransport, name: str) -> None:
    into = io.BytesIO()
    with pytest.raises(GatewayError, match=f"more than {len(FILE) - 1} bytes") as caught:
        transport.download(f"{files.url}/{name}", into, len(FILE) - 1)
    assert not isinstance(caught.value, OutcomeUnknown)
    assert len(into.getvalue()) < len(FILE)


def test_a_server_that_does_not_respond_has_no_file(transport: HttpTransport) -> None:
    with pytest.raises(OutcomeUnknown, match="did not arrive"):
        transport.download("http://127.0.0.1:9/s3cr3t", io.BytesIO(), 10)
