"""Requests as clients of any kind write them, sent byte by byte to the simulator by itself."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlencode, urlsplit

import pytest

from .openapi.server import ORDER, Server
from .openapi.test_rest import Rest
from .test_server import served

BARCODE_ORDER = {**ORDER, "scene": "bar_code", "auth_code": "2812345678901234"}
FORM = "application/x-www-form-urlencoded"


class Line:
    """A line to the server, with nothing in between that would tidy a request up."""

    def __init__(self, port):
        self.port = port
        self.host = f"127.0.0.1:{port}"

    def send(self, method, target, body=b"", **headers):
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.host}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        head = "".join(f"{line}\r\n" for line in [*lines, ""])
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as line:
            line.sendall(head.encode("latin-1") + body)
            with line.makefile("rb") as answer:
                whole = answer.read()
        head, _, body = whole.partition(b"\r\n\r\n")
        return int(head.split()[1]), head.decode("latin-1"), body.decode("utf-8")


@pytest.fixture
def line(simulator):
    with served(simulator) as bound:
        yield Line(bound.port)


@pytest.fixture
def params(app, merchant):
    return Server(app, merchant).params("alipay.trade.pay", BARCODE_ORDER)


def assert_paid(answer):
    status, _, text = answer
    assert status == 200, text
    assert json.loads(text)["alipay_trade_pay_response"]["code"] == "10000"


@pytest.fixture(params=["/gateway.do", "http://{host}/gateway.do"], ids=["path", "absolute"])
def target(request, line):
    return request.param.format(host=line.host)


def test_a_request_comes_by_get(line, params, target):
    assert_paid(line.send("GET", f"{target}?{urlencode(params)}"))


def test_a_request_comes_as_a_form(line, params, target):
    assert_paid(line.send("POST", target, urlencode(params).encode("ascii"), Content_Type=FORM))


def test_a_form_may_be_empty_beside_a_query(line, params, target):
    headers = {"Content_Type": FORM, "Content_Length": "0"}
    assert_paid(line.send("POST", f"{target}?{urlencode(params)}", **headers))


@pytest.mark.parametrize("charset", ["", "; charset=utf-8"])
def test_a_request_is_spread_over_query_and_form(line, params, target, charset):
    """As most of Alipay's own libraries do: all but the content in the query."""
    form = urlencode({"biz_content": params.pop("biz_content")}).encode("ascii")
    query = urlencode(params)
    assert_paid(line.send("POST", f"{target}?{query}", form, Content_Type=f"{FORM}{charset}"))


def test_a_parameter_may_be_in_both(line, params, target):
    form = urlencode(params).encode("ascii")
    assert_paid(line.send("POST", f"{target}?charset=utf-8", form, Content_Type=FORM))


def test_a_parameter_with_two_values_is_rejected(line, params, target, simulator):
    form = urlencode(params).encode("ascii")
    status, _, _ = line.send("POST", f"{target}?charset=gbk", form, Content_Type=FORM)
    assert status == 400
    assert simulator.trades.all() == ()


def test_a_buyers_browser_is_sent_on_to_the_cashier(line, merchant, target):
    query = urlsplit(merchant.page_pay().url).query
    status, head, _ = line.send("GET", f"{target}?{query}")
    assert status == 303
    assert f"Location: http://{line.host}/cashier/" in head or "Location: /cashier/" in head


@pytest.mark.parametrize("before", ["", "http://{host}"], ids=["path", "absolute"])
def test_the_newer_way_names_its_host_as_well(line, app, merchant, before):
    rest = Rest(app, merchant)
    sent = {}
    rest.client.open = lambda *args, **options: sent.update(options)
    rest.send("/v3/alipay/trade/pay", BARCODE_ORDER)
    target = f"{before.format(host=line.host)}/v3/alipay/trade/pay"
    headers = {"Content_Type": "application/json", **sent["headers"]}
    status, _, text = line.send("POST", target, sent["data"], **headers)
    assert status == 200, text
    assert json.loads(text)["total_amount"] == "88.88"


def test_a_target_that_is_no_address_breaks_nothing(line):
    for before in ("http://[", "http://[::1", "//[/", "http://a]b", ""):
        for path in ("/v3/alipay/trade/query", "/gateway.do", "/bill/x", "/%00", "/%zz%ff"):
            assert 200 <= line.send("GET", before + path)[0] < 500, before + path
    assert line.send("GET", "/trades")[0] == 200
