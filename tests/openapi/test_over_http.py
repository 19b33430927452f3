"""Calls over a real connection: kept, in the charset, and repeated only where nothing can break."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest

from flask_alipay.exceptions import OutcomeUnknown
from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.gateways.transport import HttpTransport
from flask_alipay.protocol.charsets import python_codec
from flask_alipay.signer import Rsa2Signer, sign_content

from ..conftest import Keys
from ..doubles.local_server import LocalServer, Request
from ..doubles.openapi import APP_ID, METHODS, QUESTIONS, answer

acts = [method for method in METHODS if method not in QUESTIONS]


@pytest.fixture(scope="session")
def keys(small_keys: Keys) -> Keys:
    """No test here depends on the size of the keys."""
    return small_keys


class Platform:
    """The open platform on this machine.

    :param keys: of both sides.
    """

    def __init__(self, keys: Keys) -> None:
        self.signer = Rsa2Signer(keys.alipay, keys.merchant.public_key())
        #: What goes wrong with the next requests, one each.
        self.troubles: list[str] = []
        self.requests: list[dict[str, str]] = []
        self.connections: set[Any] = set()
        self.closing = threading.Event()
        self._server = LocalServer(self._respond)
        self.url = self._server.url

    def close(self) -> None:
        self.closing.set()
        self._server.close()

    def receives(self, requests: int) -> None:
        """Waits for requests whose senders did not wait; there are no more of them."""
        deadline = time.monotonic() + 30
        while len(self.requests) < requests and time.monotonic() < deadline:
            time.sleep(0.005)
        assert len(self.requests) == requests

    def _respond(self, request: Request) -> None:
        self.connections.add(request.client_address)
        charset = dict(parse_qsl(request.path.partition("?")[2]))["charset"]
        params = dict(
            parse_qsl(
                request.body().decode("ascii"), encoding=python_codec(charset), errors="strict"
            )
        )
        content = sign_content(params, exclude=("sign",), charset=charset)
        assert self.signer.verify(content, params["sign"])
        self.requests.append(params)
        method = params["method"]
        response = answer(method, METHODS[method][1], signer=self.signer, charset=charset)
        trouble = self.troubles.pop(0) if self.troubles else ""
        if trouble == "silence":
            self.closing.wait(5)
        if trouble in ("silence", "hung up"):
            request.close_connection = True
            return
        request.send_response(int(trouble) if trouble.isdigit() else 200)
        request.send_header("Content-Type", f"text/html;charset={charset}")
        request.send_header("Content-Length", str(len(response)))
        request.end_headers()
        request.wfile.write(response[:-9] if trouble == "cut off" else response)
        request.close_connection = trouble == "cut off"


@pytest.fixture
def platform(keys: Keys) -> Iterator[Platform]:
    platform = Platform(keys)
    yield platform
    platform.close()


@pytest.fixture
def open_gateway(keys: Keys, platform: Platform) -> Iterator[Callable[..., OpenApiGateway]]:
    patient, hasty = HttpTransport(30), HttpTransport(0.2)
    signer = Rsa2Signer(keys.merchant, keys.alipay.public_key())

    def open_gateway(charset: str = "utf-8") -> OpenApiGateway:
        # Who is told to expect silence does not wait for it; a busy machine is given its time.
        transport = hasty if "silence" in platform.troubles else patient
        return OpenApiGateway(
            APP_ID, signer, gateway_url=platform.url, charset=charset, transport=transport
        )

    yield open_gateway
    for transport in (patient, hasty):
        transport._session().close()
        transport._session("operations").close()


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
@pytest.mark.parametrize("method", METHODS)
def test_a_call_goes_there_and_back(
    platform: Platform, open_gateway: Callable[..., OpenApiGateway], method: str, charset: str
) -> None:
    perform, node = METHODS[method]
    response = perform(open_gateway(charset))
    assert (response if isinstance(response, dict) else response.params).get("code") == node.get(
        "code"
    )
    assert len(platform.requests) == 1


def test_the_connection_is_kept(
    platform: Platform, open_gateway: Callable[..., OpenApiGateway]
) -> None:
    gateway = open_gateway()
    for _ in range(3):
        gateway.trade_query(out_trade_no="A1")
    assert len(platform.connections) == 1


@pytest.mark.parametrize("trouble", ["hung up", "502", "503", "504"])
@pytest.mark.parametrize("method", sorted(QUESTIONS))
def test_a_lost_query_is_retried(
    platform: Platform, open_gateway: Callable[..., OpenApiGateway], method: str, trouble: str
) -> None:
    platform.troubles = [trouble]
    perform, _ = METHODS[method]
    perform(open_gateway())
    assert len(platform.requests) == 2


@pytest.mark.parametrize("method", sorted(QUESTIONS))
def test_a_response_that_is_cut_off_is_invalid(
    platform: Platform, open_gateway: Callable[..., OpenApiGateway], method: str
) -> None:
    platform.troubles = ["cut off"]
    perform, _ = METHODS[method]
    with pytest.raises(OutcomeUnknown):
        perform(open_gateway())


@pytest.mark.parametrize("trouble", ["silence", "hung up", "cut off", "500", "503"])
@pytest.mark.parametrize("method", acts)
def test_an_operation_is_sent_once_and_its_outcome_is_unknown(
    platform: Platform, open_gateway: Callable[..., OpenApiGateway], method: str, trouble: str
) -> None:
    platform.troubles = [trouble]
    perform, _ = METHODS[method]
    with pytest.raises(OutcomeUnknown) as caught:
        perform(open_gateway())
    assert caught.value.retryable
    platform.receives(1)


@pytest.mark.parametrize("method", sorted(QUESTIONS))
def test_a_query_is_retried_a_limited_number_of_times(
    platform: Platform, open_gateway: Callable[..., OpenApiGateway], method: str
) -> None:
    platform.troubles = ["silence"] * 20
    perform, _ = METHODS[method]
    with pytest.raises(OutcomeUnknown):
        perform(open_gateway())
    platform.receives(2)
