"""Client of the open platform: a payment's URL, a response, a complete call.

``python -m tests.benchmarks.platform``. The URL is compared, in turns, with that of python-
alipay-sdk in a separate process: of the interpreter that ``FLASK_ALIPAY_PEER`` names, or of an
environment created for it.
"""

from __future__ import annotations

import base64
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from time import perf_counter_ns

import requests
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.gateways.openapi.responses import read_response
from flask_alipay.keys import generate_private_key, private_pem, public_pem
from flask_alipay.signer import Rsa2Signer

from ..doubles.local_server import LocalServer, Request
from . import sdk
from .race import ratio, report
from .verdicts import at_least, at_most, conclude, for_the_record, not_measured

APP_ID = "2021000000000000"
METHOD = "alipay.trade.query"
CHINA = timezone(timedelta(hours=8))
ORDER = {
    "out_trade_no": "20260203123456789012345678",
    "subject": "龙井茶 250g",
    "total_amount": "88.88",
}
URLS = {
    "notify_url": "https://shop.example.com/alipay/notify",
    "return_url": "https://shop.example.com/alipay/return",
}
NODE = json.dumps(
    {
        "code": "10000",
        "msg": "Success",
        "buyer_logon_id": "buy***@example.com",
        "buyer_pay_amount": "88.88",
        "buyer_user_id": "2088102122524333",
        "fund_bill_list": [{"amount": "88.88", "fund_channel": "ALIPAYACCOUNT"}],
        "invoice_amount": "88.88",
        "out_trade_no": ORDER["out_trade_no"],
        "point_amount": "0.00",
        "receipt_amount": "88.88",
        "send_pay_date": "2026-02-03 10:12:13",
        "total_amount": "88.88",
        "trade_no": "2026020322001424330501234567",
        "trade_status": "TRADE_SUCCESS",
    },
    ensure_ascii=False,
    separators=(",", ":"),
)

_BESIDE = "the URL beside python-alipay-sdk"

_PEER = """
import json, sys, time
from alipay import AliPay
told = json.loads(sys.stdin.readline())
peer = AliPay(appid=told["app_id"], app_notify_url=None, app_private_key_string=told["private"],
              alipay_public_key_string=told["public"], sign_type="RSA2")
def url():
    query = peer.api_alipay_trade_page_pay(**told["order"], **told["urls"])
    return "https://openapi.alipay.com/gateway.do?" + query
assert "sign=" in url()
print("ready", flush=True)
for line in sys.stdin:
    start = time.perf_counter_ns()
    for _ in range(int(line)):
        url()
    print(time.perf_counter_ns() - start, flush=True)
"""


def answering(key: rsa.RSAPrivateKey) -> None:
    """Split, verify and parse a response; by hand with plain searches."""
    sign = Rsa2Signer(key).sign(NODE.encode())
    body = f'{{"alipay_trade_query_response":{NODE},"sign":"{sign}"}}'.encode()
    public_key = key.public_key()
    signer = Rsa2Signer(public_key=public_key)

    def floor() -> object:
        text = body.decode()
        name = '"alipay_trade_query_response":'
        start = text.index(name) + len(name)
        node, end = json.JSONDecoder().raw_decode(text, start)
        at = text.index('"sign":"', end) + 8
        signature = base64.b64decode(text[at : text.index('"', at)])
        public_key.verify(signature, text[start:end].encode(), padding.PKCS1v15(), SHA256())
        return node

    def ours() -> object:
        return read_response(body, METHOD, charset="utf-8", signer=signer)

    report("cut, verify and parse an answer (RSA2)", ratio(ours, floor), 0.80)


def beside_the_peer(key: rsa.RSAPrivateKey) -> None:
    """Build the signed URL of a page payment, and compare with python-alipay-sdk."""
    try:
        interpreter = os.environ.get("FLASK_ALIPAY_PEER") or sdk.interpreter()
    except sdk.Missing as error:
        not_measured(_BESIDE, str(error))
        return
    gateway = OpenApiGateway(APP_ID, Rsa2Signer(key))
    told = {"app_id": APP_ID, "private": private_pem(key, pkcs1=True), "order": ORDER}
    told |= {"public": public_pem(key.public_key()), "urls": URLS}

    def ours(calls: int) -> int:
        start = perf_counter_ns()
        for _ in range(calls):
            gateway.trade_page_pay(**ORDER, **URLS).url  # noqa: B018 - it is written when read
        return perf_counter_ns() - start

    with subprocess.Popen(
        [interpreter, "-c", _PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as peer:
        assert peer.stdin is not None
        assert peer.stdout is not None

        def say(line: str) -> str:
            print(line, file=peer.stdin, flush=True)
            return peer.stdout.readline()  # type: ignore[union-attr]

        assert say(json.dumps(told)).strip() == "ready"
        pairs = [int(say("40")) / ours(40) for _ in range(30)]
        peer.stdin.close()
    times = statistics.median(pairs[2:])
    at_least(_BESIDE, times, 4, "times as fast")


def calling(key: rsa.RSAPrivateKey, rounds: int = 40) -> None:
    """Run a complete call on a kept connection, and compare with hand-written code and the bare
    exchange.
    """
    sign = Rsa2Signer(key).sign(NODE.encode())
    body = f'{{"alipay_trade_query_response":{NODE},"sign":"{sign}"}}'.encode()

    def respond(request: Request) -> None:
        request.body()
        request.respond(body)

    server = LocalServer(respond)
    url = server.url
    public_key, signer = key.public_key(), Rsa2Signer(key, key.public_key())
    gateway = OpenApiGateway(APP_ID, signer, gateway_url=url)
    session = requests.Session()

    def params() -> dict[str, str]:
        return {
            "app_id": APP_ID,
            "method": METHOD,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "version": "1.0",
            "timestamp": datetime.now(CHINA).strftime("%Y-%m-%d %H:%M:%S"),
            "biz_content": json.dumps({"out_trade_no": ORDER["out_trade_no"]}),
        }

    bare_params = {**params(), "sign": sign}

    def bare() -> object:
        return session.post(url, params={"charset": "utf-8"}, data=bare_params, timeout=10).content

    def by_hand() -> object:
        sent = params()
        content = "&".join(f"{k}={v}" for k, v in sorted(sent.items())).encode()
        made = key.sign(content, padding.PKCS1v15(), SHA256())
        sent["sign"] = base64.b64encode(made).decode()
        said = session.post(url, params={"charset": "utf-8"}, data=sent, timeout=10).content
        envelope = json.loads(said)
        signature = base64.b64decode(envelope["sign"])
        public_key.verify(signature, NODE.encode(), padding.PKCS1v15(), SHA256())
        return envelope

    def ours() -> object:
        return gateway.trade_query(out_trade_no=ORDER["out_trade_no"])

    added, signed = _added(ours, by_hand, rounds), _added(by_hand, bare, rounds)
    at_most("a call on a kept connection adds", added, 1, "ms")
    for_the_record("  signing and verifying by hand, not in it", signed, "ms")
    session.close()
    server.close()


def _added(ours: Callable[[], object], floor: Callable[[], object], rounds: int) -> float:
    """Return how many milliseconds one takes more than the other, in turns, per call."""
    pairs = []
    for _ in range(rounds):
        start = perf_counter_ns()
        for _ in range(10):
            ours()
        between = perf_counter_ns()
        for _ in range(10):
            floor()
        pairs.append((2 * between - start - perf_counter_ns()) / 10 / 1e6)
    return statistics.median(pairs[2:])


def main() -> None:
    """Run all three."""
    key = generate_private_key()
    answering(key)
    beside_the_peer(key)
    calling(key)


if __name__ == "__main__":
    main()
    sys.exit(conclude())
