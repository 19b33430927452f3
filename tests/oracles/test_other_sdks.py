"""Other people's SDKs: they believe what is signed here, what they sign is believed, and the
simulator is an Alipay to them.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qsl, urlencode

import pytest
import requests
from flask import Flask, request
from werkzeug.serving import make_server

from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.protocol.notification import verify_params
from flask_alipay.signer import Rsa2Signer, sign_content
from flask_alipay.simulator import Simulator
from flask_alipay.simulator.web.cashier import simulator_blueprint

from ..other_sdks import call, node_peer, python_peer
from .agreements import AGREEMENTS
from .authorizations import mini_program_steps, third_party_steps, without_v3
from .deposits import DEPOSITS
from .journey import BESIDES, MESSAGES, UNSEEN, check, compare
from .standalone import Standalone, run

PROGRAMS = Path(__file__).parent / "programs"

#: A command, to which the arguments are added.
Program: TypeAlias = list[str | Path]


class Site:
    """A simulator and the shop that it tells, served on one address."""

    def __init__(self) -> None:
        self._app = Flask(__name__)
        self._server = make_server("127.0.0.1", 0, self._app, threaded=True)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self.root = f"{self.url}/alipay"
        self.simulator = Simulator(base_url=self.root)
        self._app.register_blueprint(simulator_blueprint(self.simulator), url_prefix="/alipay")
        self.delivered: list[dict[str, str]] = []
        self._app.add_url_rule("/notify", "notify", self._notify, methods=["POST"])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()

    def _notify(self) -> str:
        self.delivered.append(request.form.to_dict())
        return "success"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


def query_signed_by_the_merchant(standalone: Standalone, query: str) -> tuple[bool, bool]:
    """Whether what an SDK signed is good by our own reading, and whether with empty values."""
    params = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True))
    signer = Rsa2Signer(None, standalone.merchant.private_key.public_key())
    sign = params.pop("sign")
    with_empty = "&".join(f"{name}={params[name]}" for name in sorted(params)).encode()
    return signer.verify(sign_content(params), sign), signer.verify(with_empty, sign)


MONEY = ("transfer", "transfer query", "settle")
SHARES = ("bind", "relations", "settle", "settle query", "unbind")
ACCOUNT = ("account", "balance")
PAYOUTS = (
    *("told of the transfer", "told of the card", "told of the bank"),
    *("transfer", "transfer query", "transfer to a card", "confirmed by the bank"),
    *(*ACCOUNT, "account log", "receipt", "receipt download", *SHARES, "unsettled"),
)
BARCODE_ORDER = ("till", "told of till", "cancel", "told of cancel")
GRANTED = ("capture", "told of capture")
V3 = tuple(step for step in BESIDES if step.startswith("v3: "))


def test_python_alipay_sdk_shops_at_the_simulator(standalone: Standalone) -> None:
    python = python_peer("python-alipay-sdk")
    response = run([python, PROGRAMS / "fzlee.py", standalone.keys, "fzlee"])
    # It signs empty values, which Alipay's own documents leave out: told apart, not copied.
    query = response.pop("signed")["query"]
    assert query_signed_by_the_merchant(standalone, query) == (False, True)
    without = ("encrypted", "encrypted, with certificates", "form")
    check(
        standalone,
        response,
        (*BARCODE_ORDER, *MONEY),
        without=without,
        unseen=["with certificates"],
    )


def test_the_official_sdk_shops_at_the_simulator(standalone: Standalone) -> None:
    python = python_peer("alipay-sdk-python")
    response = run([python, PROGRAMS / "official.py", standalone.keys, "official", "trades"])
    query = response.pop("signed")["query"]
    assert query_signed_by_the_merchant(standalone, query)[0]
    without = ("with certificates", "encrypted, with certificates")
    besides = (*BARCODE_ORDER, *GRANTED, "transfer with plain keys", *SHARES, *ACCOUNT)
    check(standalone, response, besides, without=without)


def node_program(folder: Path, package: str) -> Program:
    """Copy the program to a folder: a module finds the packages beside it, and no others."""
    (folder / "node_modules").symlink_to(node_peer(package) / "node_modules")
    program = folder / "node.mjs"
    program.write_bytes((PROGRAMS / "node.mjs").read_bytes())
    return ["node", program]


@pytest.mark.parametrize(
    ("package", "besides"),
    [("alipay-sdk@4", (*V3, "a file")), ("alipay-sdk@3", ())],
    ids=["newer", "older"],
)
def test_the_sdk_for_nodejs_shops_at_the_simulator(
    standalone: Standalone, tmp_path: Path, package: str, besides: tuple[str, ...]
) -> None:
    program = node_program(tmp_path, package)
    response = run([*program, standalone.keys, f"node{package[-1]}", "trades"])
    received = [f"message {kind}" for kind in MESSAGES]
    check(standalone, response, (*besides, *received, *PAYOUTS), unseen=UNSEEN)


#: The SDKs that know version 3 of the protocol.
WITH_V3 = ("node4",)


@pytest.fixture(params=["official", "node4", "node3"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Program:
    """The program with an official SDK: Python's, or Node's newer or older."""
    if request.param == "official":
        return [python_peer("alipay-sdk-python"), PROGRAMS / "official.py"]
    return node_program(tmp_path, f"alipay-sdk@{request.param[-1]}")


def test_official_sdks_sell_in_a_mini_program(
    mini_program: Standalone, program: Program, request: pytest.FixtureRequest
) -> None:
    sdk = request.node.callspec.id
    response = run([*program, mini_program.keys, sdk, "mini-program"])
    steps = mini_program_steps(mini_program.merchant)
    compare(response, steps if sdk in WITH_V3 else without_v3(steps))


def test_official_sdks_sell_for_merchants_who_authorise_them(
    third_party: Standalone, program: Program, request: pytest.FixtureRequest
) -> None:
    sdk = request.node.callspec.id
    response = run([*program, third_party.keys, sdk, "third-party"])
    steps = third_party_steps(third_party.merchant)
    compare(response, steps if sdk in WITH_V3 else without_v3(steps))


def test_official_sdks_hold_deposits(
    standalone: Standalone, program: Program, request: pytest.FixtureRequest
) -> None:
    sdk = request.node.callspec.id
    response = run([*program, standalone.keys, f"{sdk}d", "deposits"])
    compare(response, DEPOSITS if sdk in WITH_V3 else without_v3(DEPOSITS))


def test_official_sdks_deduct_by_agreements(
    standalone: Standalone, program: Program, request: pytest.FixtureRequest
) -> None:
    sdk = request.node.callspec.id
    response = run([*program, standalone.keys, f"{sdk}a", "agreements"])
    compare(response, AGREEMENTS if sdk in WITH_V3 else without_v3(AGREEMENTS))


def test_the_test_suite_of_lxneng_passes_at_the_simulator(standalone: Standalone) -> None:
    python = python_peer("alipay==0.7.4")
    notified = {"root": standalone.url, "gateway": standalone.gateway}
    response = call([python, PROGRAMS / "lxneng.py"], notified)
    assert response["bad"] == []
    assert response["run"] == len(response["names"]) >= 17
    network = {"test_single_trade_query", "test_wap_notifyurl", "test_wap_unauthorization_token"}
    assert network <= set(response["names"])


# The wire, as SDKs in other languages use it


@pytest.fixture
def query(site: Site) -> dict[str, str]:
    """A question about a trade that is there, signed."""
    site_root = f"{site.root}/gateway.do"
    settings = site.simulator.merchant_settings()
    signer = Rsa2Signer(settings["PRIVATE_KEY"], settings["PUBLIC_KEY"])
    gateway = OpenApiGateway(settings["APP_ID"], signer, gateway_url=site_root)
    gateway.trade_precreate(out_trade_no="Q1", subject="Tea", total_amount="88.88")
    requests.post(f"{site.root}/trades/Q1/pay", json={}, timeout=30).raise_for_status()
    requested = gateway._request("alipay.trade.query", {"out_trade_no": "Q1"}, {})
    return dict(requested.params)


def status(body: str) -> str:
    return str(json.loads(body)["alipay_trade_query_response"]["trade_status"])


@pytest.mark.parametrize("in_body", [0, 1, 6, 99])
def test_parameters_may_stand_in_the_query_and_in_the_body(
    site: Site, query: dict[str, str], in_body: int
) -> None:
    names = sorted(query)
    body = {name: query[name] for name in names[:in_body]}
    url = {name: query[name] for name in names[in_body:]}
    found = requests.post(f"{site.root}/gateway.do", params=url, data=body, timeout=30)
    assert status(found.text) == "TRADE_SUCCESS"


def test_a_question_may_be_got(site: Site, query: dict[str, str]) -> None:
    found = requests.get(f"{site.root}/gateway.do", params=query, timeout=30)
    assert status(found.text) == "TRADE_SUCCESS"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_may_name_the_whole_address(
    site: Site, query: dict[str, str], method: str
) -> None:
    text = urlencode(query)
    target = f"{site.root}/gateway.do"
    body = text if method == "POST" else ""
    target = target if body else f"{target}?{text}"
    head = (
        f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded;charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as connection:
        connection.sendall((head + body).encode("ascii"))
        pieces = iter(lambda: connection.recv(65536), b"")
        response = b"".join(pieces).decode()
    assert response.startswith("HTTP/1.1 200 ")
    assert status(response.partition("\r\n\r\n")[2]) == "TRADE_SUCCESS"


def test_what_the_simulator_tells_is_what_it_signed(site: Site, query: dict[str, str]) -> None:
    notify = {"notify_url": f"{site.url}/notify"}
    settings = site.simulator.merchant_settings()
    signer = Rsa2Signer(settings["PRIVATE_KEY"], settings["PUBLIC_KEY"])
    gateway = OpenApiGateway(settings["APP_ID"], signer, gateway_url=f"{site.root}/gateway.do")
    gateway.trade_precreate(out_trade_no="Q2", subject="Tea", total_amount="8.88", **notify)
    requests.post(f"{site.root}/trades/Q2/pay", json={}, timeout=30).raise_for_status()
    (fields,) = site.delivered
    assert verify_params(fields, signer)
