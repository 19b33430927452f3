"""Every method over a real connection: with a key, with certificates, and the newer way.

Each is done, refused by the method, refused by the gateway, not answered, answered in part, signed
by somebody else and not signed at all.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from flask_alipay.exceptions import GatewayError, OutcomeUnknown
from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.gateways.transport import HttpTransport
from flask_alipay.protocol.certificates import CertificateStore
from flask_alipay.signer import Rsa2Signer, Signer, sign_content

from ..certificate_chains import ALIPAY, Issued, content, issue, spare_key
from ..conftest import Keys
from ..doubles.local_server import LocalServer, Request
from ..doubles.openapi import APP_ID, DONE, METHODS, QUESTIONS, answer
from ..doubles.openapi_v3 import answer3, flat, verified
from ..looped import for_each

MODES = ("key", "certificates", "v3", "v3 with certificates")
FAILURE = {"code": "40004", "msg": "Business Failed", "sub_code": "ACQ.TRADE_STATUS_ERROR"}
REFUSED = {"code": "40002", "msg": "Invalid Arguments", "sub_code": "isv.invalid-app-id"}
DOWNLOAD = "alipay.open.app.alipaycert.download"

modes = pytest.mark.parametrize("mode", MODES)
methods = for_each("method", METHODS)

Response = tuple[int, Mapping[str, str], bytes]


class Platform:
    """The open platform on this machine, in both of its dresses.

    :param keys: of both sides; in certificate mode Alipay has just exchanged its own.
    """

    def __init__(self, keys: Keys) -> None:
        year = timedelta(days=365)
        now = datetime.now(timezone.utc)
        times = {"since": now - year, "until": now + year}
        self.root = issue("R1", spare_key(0), ca=True, **times)
        self.before = issue(ALIPAY, keys.alipay, self.root, **times)
        self.after = issue(ALIPAY, spare_key(1), self.root, **times)
        self.merchant = Rsa2Signer(public_key=keys.merchant.public_key())
        self.stranger = Rsa2Signer(keys.merchant)
        self.mode, self.trouble, self.requested = "", "", 0
        self.closing = threading.Event()
        self._server = LocalServer(self._respond)
        self.url = self._server.url

    def close(self) -> None:
        self.closing.set()
        self._server.close()

    def _respond(self, request: Request) -> None:
        body, path = request.body(), urlsplit(request.path).path
        serve = self.newer if path.startswith("/v3/") else self.older
        self.send(request, *serve(request, path, body))

    def receives(self, requests: int) -> None:
        """Waits for requests whose senders did not wait; there are no more of them."""
        deadline = time.monotonic() + 30
        while self.requested < requests and time.monotonic() < deadline:
            time.sleep(0.005)
        assert self.requested == requests

    @property
    def certified(self) -> Issued | None:
        """What Alipay signs with in certificate mode."""
        return self.after if "certificates" in self.mode else None

    def signer(self, keyed: Issued) -> Signer | None:
        if self.trouble == "unsigned":
            return None
        return self.stranger if self.trouble == "another's" else Rsa2Signer(keyed.key)

    def node(self, method: str) -> Mapping[str, Any]:
        response = {"failure": FAILURE, "refused": REFUSED}
        return response.get(self.trouble) or METHODS[method][1]

    def older(self, request: Request, path: str, body: bytes) -> Response:
        params = dict(parse_qsl(body.decode("ascii"), encoding="utf-8", errors="strict"))
        assert self.merchant.verify(sign_content(params, exclude=("sign",)), params["sign"])
        method, keyed = params["method"], self.certified or self.before
        sn = {} if self.certified is None else {"cert_sn": keyed.sn}
        if method == DOWNLOAD:
            node = {**DONE, "alipay_cert_content": content(self.after)}
            return 200, {}, answer(method, node, signer=Rsa2Signer(self.after.key), **sn)
        self.requested += 1
        refused = self.trouble == "refused"
        signer, name = (None, "error_response") if refused else (self.signer(keyed), None)
        return 200, {}, answer(method, self.node(method), signer=signer, name=name, **sn)

    def newer(self, request: Request, path: str, body: bytes) -> Response:
        verified(self.merchant, request.command, request.path, body, request.headers)
        self.requested += 1
        method, keyed = path.removeprefix("/v3/").replace("/", "."), self.certified or self.before
        sn = None if self.certified is None else keyed.sn
        if self.trouble == "failure":
            no = {"code": FAILURE["sub_code"], "message": "no"}
            return answer3(no, self.signer(keyed), status=400, cert_sn=sn)
        if self.trouble == "refused":
            return answer3({"code": "invalid-app-id"}, None, status=400)
        return answer3(flat(self.node(method)), self.signer(keyed), cert_sn=sn)

    def send(self, request: Request, status: int, headers: Mapping[str, str], body: bytes) -> None:
        if self.trouble == "silence":
            self.closing.wait(5)
            request.close_connection = True
            return
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[:-9] if self.trouble == "cut off" else body)
        request.close_connection = self.trouble == "cut off"


@pytest.fixture(scope="module")
def running(keys: Keys) -> Iterator[Platform]:
    platform = Platform(keys)
    yield platform
    platform.close()


@pytest.fixture(scope="module")
def transports() -> Iterator[dict[str, HttpTransport]]:
    """One with patience, and one without."""
    transports = {"patient": HttpTransport(30), "hasty": HttpTransport(0.1)}
    yield transports
    for transport in transports.values():
        transport._session().close()
        transport._session("operations").close()


@pytest.fixture
def call(
    keys: Keys, running: Platform, transports: dict[str, HttpTransport]
) -> Callable[[str, str, str], Any]:
    """Performs a method in a mode, in some trouble."""

    def call(method: str, mode: str, trouble: str = "") -> Any:
        running.mode, running.trouble, running.requested = mode, trouble, 0
        signer = Rsa2Signer(keys.merchant, keys.alipay.public_key())
        options: dict[str, Any] = {}
        if "certificates" in mode:
            options = {
                "certificates": CertificateStore(signer, [running.before.pem], running.root.pem),
                "app_cert_sn": "1" * 32,
                "root_cert_sn": running.root.sn,
            }
        gateway = OpenApiGateway(
            APP_ID,
            signer,
            gateway_url=running.url,
            api_version="v3" if mode.startswith("v3") else "v2",
            transport=transports["hasty" if trouble == "silence" else "patient"],
            **options,
        )
        return METHODS[method][0](gateway)

    return call


@modes
@methods
def test_a_request_succeeds(
    running: Platform, call: Callable[..., Any], method: str, mode: str
) -> None:
    response = call(method, mode)
    node = METHODS[method][1]
    read = response if isinstance(response, dict) else response.params
    assert json.loads(json.dumps(read, default=float)) == (
        flat(node) if mode.startswith("v3") else node
    )
    assert running.requested == 1


@modes
@methods
def test_the_method_rejects_a_request(call: Callable[..., Any], method: str, mode: str) -> None:
    with pytest.raises(GatewayError) as caught:
        call(method, mode, "failure")
    error = caught.value
    assert (error.code, error.sub_code) == ("40004", "ACQ.TRADE_STATUS_ERROR")
    assert error.signed
    assert not isinstance(error, OutcomeUnknown)


@modes
@methods
def test_the_gateway_rejects_a_request(call: Callable[..., Any], method: str, mode: str) -> None:
    with pytest.raises(GatewayError) as caught:
        call(method, mode, "refused")
    error = caught.value
    assert (error.code, error.sub_code) == ("40002", "isv.invalid-app-id")
    assert not error.signed
    assert not isinstance(error, OutcomeUnknown)


@modes
@methods
@pytest.mark.parametrize("trouble", ["silence", "cut off"])
def test_no_complete_response_arrives(
    running: Platform, call: Callable[..., Any], method: str, mode: str, trouble: str
) -> None:
    with pytest.raises(OutcomeUnknown, match="did not respond") as caught:
        call(method, mode, trouble)
    assert caught.value.retryable
    twice = method in QUESTIONS and trouble == "silence"
    running.receives(2 if twice else 1)


@modes
@methods
@pytest.mark.parametrize("trouble", ["another's", "unsigned"])
def test_the_response_is_not_alipays(
    call: Callable[..., Any], method: str, mode: str, trouble: str
) -> None:
    with pytest.raises(OutcomeUnknown, match="is not signed by Alipay"):
        call(method, mode, trouble)
