"""Other people's SDKs: they believe what is signed here, what they sign is believed, and the
simulator is an Alipay to them.
"""

from __future__ import annotations

import html
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
from flask import Flask, jsonify, request
from werkzeug.serving import make_server

from flask_alipay.keys import private_pem, public_pem
from flask_alipay.notification import verify_params
from flask_alipay.openapi import OpenApiGateway
from flask_alipay.signer import Rsa2Signer, sign_content
from flask_alipay.simulator import Simulator

from ..openapi.alipay import TRADE, answer
from ..peers import ask, node_peer, python_peer

PROGRAMS = Path(__file__).parent / "programs"
DONE = "10000"


class Site:
    """A simulator and the shop that it tells, served on one address."""

    def __init__(self) -> None:
        self._app = Flask(__name__)
        self._server = make_server("127.0.0.1", 0, self._app, threaded=True)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self.root = f"{self.url}/alipay"
        self.simulator = Simulator(base_url=self.root)
        self._app.register_blueprint(self.simulator.blueprint(), url_prefix="/alipay")
        self.heard: list[dict[str, str]] = []
        self._app.add_url_rule("/notify", "notify", self._notify, methods=["POST"])
        self._app.add_url_rule("/heard", "heard", lambda: jsonify(self.heard))
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()

    def _notify(self) -> str:
        self.heard.append(request.form.to_dict())
        return "success"

    def told(self, *, certificates: bool = False, pkcs1: bool = True) -> dict[str, Any]:
        """What an SDK has to know, and what it is to look at."""
        merchant = self.simulator.merchant
        chain = merchant.certificates
        signer = merchant.alipay_signers()["RSA2"]
        fields = {
            "out_trade_no": "N1",
            "subject": "龙井 + 1 100%",
            "total_amount": "88.88",
            "fund_bill_list": '[{"amount":"88.88"}]',
        }
        sign = signer.sign(sign_content(fields))
        return {
            "app_id": merchant.app_id,
            "buyer_id": merchant.buyer_id,
            "private_key": private_pem(merchant.private_key, pkcs1=pkcs1),
            "public_key": public_pem(merchant.alipay_private_key.public_key()),
            "certificates": [chain.app, chain.alipay, chain.root] if certificates else None,
            "site": self.url,
            "root": self.root,
            "gateway": f"{self.root}/gateway.do",
            "notify_url": f"{self.url}/notify",
            "notification": {**fields, "sign_type": "RSA2", "sign": sign},
            "answer": answer("alipay.trade.query", TRADE, signer=signer).decode(),
        }

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


def believed_request(site: Site, query: str) -> bool:
    """Whether what an SDK signed is good by our own reading."""
    params = dict(parse_qsl(query, strict_parsing=True))
    signer = Rsa2Signer(None, site.simulator.merchant.private_key.public_key())
    return signer.verify(sign_content(params, exclude=("sign",)), params["sign"])


def cashier(site: Site, query: str) -> int:
    """Where a browser ends up that brings it to the gateway."""
    found = requests.get(f"{site.root}/gateway.do?{query}", timeout=30)
    assert "/cashier/" in found.url, found.text
    return found.status_code


def form(text: str) -> tuple[str, dict[str, str]]:
    """What a browser would send."""
    (action,) = re.findall(r'action="([^"]*)"', text)
    fields = re.findall(r'name="([^"]*)" value="([^"]*)"', text)
    return _plain(action), {name: _plain(value) for name, value in fields}


def _plain(value: str) -> str:
    """An attribute as a browser reads it: ``&times`` in an address is no multiplication sign."""
    return re.sub(r"&(?:#\w+|\w+);", lambda found: html.unescape(found[0]), value)


def check(site: Site, said: dict[str, Any]) -> None:
    """What every SDK must have seen."""
    assert said["verifies ours"] is True
    assert said["refuses a changed one"] is True
    for name in ("page", "wap", "app"):
        assert believed_request(site, said[name]), name
    for name in ("page", "wap"):
        assert cashier(site, said[name]) == 200
    assert said["precreate"]["code"] == DONE
    assert said["precreate"]["qr_code"]
    assert said["query"]["trade_status"] == "TRADE_SUCCESS"
    assert said["query"]["total_amount"] == "88.88"
    assert [one["fund_change"] for one in said["refunds"]] == ["Y", "N", "Y"]
    assert [one["refund_fee"] for one in said["refunds"]] == ["8.88", "8.88", "17.76"]
    assert "ACQ." in str(said["too much"])
    assert said["refund query"]["refund_amount"] == "8.88"
    assert said["closed"]["trade_status"] == "TRADE_CLOSED"
    assert said["pay"]["code"] == DONE
    assert said["cancel"]["action"] == "refund"
    assert said["close"]["code"] == DONE
    assert "ACQ.TRADE_NOT_EXIST" in str(said["nothing there"])
    assert said["heard"][:1] == ["TRADE_SUCCESS"]
    assert said["believes all"] is True


@pytest.mark.parametrize("certificates", [False, True], ids=["keys", "certificates"])
def test_python_alipay_sdk_shops_at_the_simulator(site: Site, certificates: bool) -> None:
    python = python_peer("python-alipay-sdk")
    said = ask([python, PROGRAMS / "fzlee.py"], site.told(certificates=certificates))
    check(site, said)
    assert said["reads our answer"]["trade_no"] == TRADE["trade_no"]
    # It signs empty values, which Alipay's own documents leave out: told apart, not copied.
    fields = dict(parse_qsl(said["signed"], keep_blank_values=True, strict_parsing=True))
    signer = Rsa2Signer(None, site.simulator.merchant.private_key.public_key())
    content = sign_content(fields, exclude=("sign",))
    assert not signer.verify(content, fields["sign"])
    assert signer.verify(content.replace(b"&b=", b"&a=&b="), fields["sign"])


def test_the_official_sdk_shops_at_the_simulator(site: Site) -> None:
    python = python_peer("alipay-sdk-python")
    said = ask([python, PROGRAMS / "official.py"], site.told())
    check(site, said)
    assert believed_request(site, urlencode(said["signed"]))
    check_form(site, said)


@pytest.mark.parametrize("certificates", [False, True], ids=["keys", "certificates"])
def test_the_sdk_for_nodejs_shops_at_the_simulator(
    site: Site, tmp_path: Path, certificates: bool
) -> None:
    # A module finds the packages beside it, and no others.
    (tmp_path / "node_modules").symlink_to(node_peer("alipay-sdk@4") / "node_modules")
    program = tmp_path / "node.mjs"
    program.write_bytes((PROGRAMS / "node.mjs").read_bytes())
    told = site.told(certificates=certificates, pkcs1=certificates)
    said = ask(["node", program], told)
    check(site, said)
    check_form(site, said)


def check_form(site: Site, said: dict[str, Any]) -> None:
    """A browser that sends the form: some parameters in the address, some in the body."""
    action, fields = form(said["form"])
    assert urlsplit(action).query
    found = requests.post(action, data=fields, timeout=30)
    assert "/cashier/" in found.url, found.text


def test_the_test_suite_of_lxneng_passes_at_the_simulator(site: Site) -> None:
    python = python_peer("alipay==0.7.4")
    said = ask([python, PROGRAMS / "lxneng.py"], site.told())
    assert said["bad"] == []
    assert said["run"] == len(said["names"]) >= 17
    network = {"test_single_trade_query", "test_wap_notifyurl", "test_wap_unauthorization_token"}
    assert network <= set(said["names"])


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
    asked = gateway._request("alipay.trade.query", {"out_trade_no": "Q1"}, {})
    return dict(asked.params)


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
        said = b"".join(pieces).decode()
    assert said.startswith("HTTP/1.1 200 ")
    assert status(said.partition("\r\n\r\n")[2]) == "TRADE_SUCCESS"


def test_what_the_simulator_tells_is_what_it_signed(site: Site, query: dict[str, str]) -> None:
    notify = {"notify_url": f"{site.url}/notify"}
    settings = site.simulator.merchant_settings()
    signer = Rsa2Signer(settings["PRIVATE_KEY"], settings["PUBLIC_KEY"])
    gateway = OpenApiGateway(settings["APP_ID"], signer, gateway_url=f"{site.root}/gateway.do")
    gateway.trade_precreate(out_trade_no="Q2", subject="Tea", total_amount="8.88", **notify)
    requests.post(f"{site.root}/trades/Q2/pay", json={}, timeout=30).raise_for_status()
    (fields,) = site.heard
    assert verify_params(fields, signer)
