"""The habits of clients in all languages, byte by byte: each request is a payment, signed, and the
simulator takes it however it is written; what it does not take, it says so.
"""

from __future__ import annotations

import contextlib
import json
import re
from itertools import count
from urllib.parse import quote, quote_plus, urlencode

import pytest

from flask_alipay.simulator import Simulator

from .conftest import HandClock, Shop
from .openapi.server import ORDER, Server
from .test_server import Line, served

FORM = "application/x-www-form-urlencoded"
SUBJECT = "龙井茶 + 100% ~!*()'"
PAID = ("alipay_trade_pay_response", "10000")
NUMBERS = count(1)


@pytest.fixture(scope="module")
def simulator():
    """One for all of them: each request is of another order."""
    return Simulator(post=Shop().post, clock=HandClock())


@pytest.fixture(scope="module")
def port(simulator):
    with served(simulator) as bound:
        yield bound.port


@pytest.fixture
def line(port):
    line = Line(port)
    yield line
    line.close()


@pytest.fixture
def params(app, merchant):
    """Makes the parameters of a payment, each of another order."""

    def params(charset="utf-8", **changes):
        barcode_order = {
            **ORDER,
            "scene": "bar_code",
            "auth_code": "2812345678901234",
            "subject": SUBJECT,
        }
        barcode_order["out_trade_no"] = f"T{next(NUMBERS)}"
        return Server(app, merchant).params(
            "alipay.trade.pay", barcode_order, charset=charset, **changes
        )

    return params


@pytest.fixture
def nothing_paid(simulator):
    """Nothing comes of the test's requests."""
    before = simulator.trades.all()
    yield
    assert simulator.trades.all() == before


def post(body, *headers, target="/gateway.do", version="1.1", kind=FORM):
    """A request as bytes; its head is what it is told to be, and a host and a length."""
    body = body.encode("ascii") if isinstance(body, str) else body
    lines = [f"POST {target} HTTP/{version}", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"Content-Type: {kind}"] if kind else []
    return "".join(f"{one}\r\n" for one in [*lines, *headers, ""]).encode("latin-1") + body


def response(answer, charset="utf-8"):
    """Under which name it was answered, and with which code or sub_code."""
    status, _, text = answer
    assert status == 200, text
    (name, node), *_ = json.loads(text.decode(charset)).items()
    return name, node.get("sub_code", node["code"])


# Percents


def escaped(params, charset, **options):
    return "&".join(
        f"{name}={quote(value, encoding=charset, **options)}" for name, value in params.items()
    )


ENCODINGS = {
    "a plus for a space": lambda params: urlencode(params),
    "%20 for a space": lambda params: urlencode(params, quote_via=quote),
    "lower case": lambda params: re.sub(
        "%[0-9A-F]{2}", lambda found: found[0].lower(), urlencode(params)
    ),
    "all that need not be escaped left": lambda params: escaped(
        params, "utf-8", safe="~!*()'/:;,@$?{}[]\""
    ),
    "every byte escaped": lambda params: "&".join(
        f"{name}={''.join(f'%{byte:02x}' for byte in value.encode())}"
        for name, value in params.items()
    ),
    "sorted": lambda params: urlencode(sorted(params.items())),
    "backwards": lambda params: urlencode(sorted(params.items(), reverse=True)),
    "stray ampersands": lambda params: f"&{urlencode(params).replace('&', '&&')}&",
    "names escaped": lambda params: urlencode(params).replace("biz_content=", "biz%5Fcontent="),
}


@pytest.mark.parametrize("where", ["body", "query"])
@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_a_form_is_read_however_it_is_escaped(line, params, simulator, encode, where):
    form = encode(params())
    if where == "query":
        request = f"GET /gateway.do?{form} HTTP/1.1\r\nHost: x\r\n\r\n".encode("ascii")
    else:
        request = post(form)
    assert response(line.query(request)) == PAID
    assert simulator.trades.all()[-1].order.subject == SUBJECT


@pytest.mark.parametrize("where", ["body", "query"])
def test_unescaped_text_is_read_too(line, params, where):
    sent = params()
    sent["sign"] = quote_plus(sent["sign"])
    sent["biz_content"] = sent["biz_content"].replace("+", "%2B").replace("%~", "%25~")
    sent["biz_content"] = sent["biz_content"].replace("100% ", "100%25+").replace(" ", "+")
    sent["timestamp"] = sent["timestamp"].replace(" ", "+")
    form = "&".join(f"{name}={value}" for name, value in sent.items()).encode()
    request = b"GET /gateway.do?" + form + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    assert response(line.query(post(form) if where == "body" else request)) == PAID


# Charsets


@pytest.mark.parametrize("where", ["body", "query", "both"])
@pytest.mark.parametrize("charset", ["UTF-8", "utf-8", "GBK", "gb2312", "GB18030"])
def test_the_charset_is_declared_in_the_query_or_in_the_body(
    line, params, simulator, charset, where
):
    sent = params(charset)
    codec = "utf-8" if charset.lower() == "utf-8" else "gb18030"
    query = urlencode({"charset": sent["charset"]})
    if where == "query":
        del sent["charset"]
    target = "/gateway.do" if where == "body" else f"/gateway.do?{query}"
    request = post(urlencode(sent, encoding=codec), target=target)
    assert response(line.query(request), codec) == PAID
    assert simulator.trades.all()[-1].order.subject == SUBJECT


def test_the_header_does_not_tell_the_charset(line, params):
    """Alipay goes by the parameter: whoever sends GBK and says so in a header alone is told."""
    sent = params("gbk")
    del sent["charset"]
    answer = line.query(post(urlencode(sent, encoding="gbk"), kind=f"{FORM};charset=GBK"))
    assert response(answer) == ("alipay_trade_pay_response", "isv.invalid-charset")


def test_a_mark_of_the_byte_order_is_a_part_of_the_first_name(line, params):
    form = b"\xef\xbb\xbf" + urlencode(params()).encode("ascii")
    assert response(line.query(post(form))) == ("alipay_trade_pay_response", "isv.missing-app-id")


def test_a_mark_of_the_byte_order_in_the_content_is_rejected(line, params):
    content = "\N{ZERO WIDTH NO-BREAK SPACE}" + params()["biz_content"]
    request = post(urlencode(params(biz_content=content)))
    assert response(line.query(request)) == ("alipay_trade_pay_response", "isv.illegal-json")


# Parameters that come twice


def test_a_parameter_may_come_twice_if_it_is_the_same(line, params):
    sent = params()
    assert (
        response(line.query(post(urlencode(sent), target=f"/gateway.do?{urlencode(sent)}"))) == PAID
    )


@pytest.mark.parametrize("name", ["charset", "method", "app_id", "biz_content", "sign"])
def test_a_parameter_with_two_values_is_rejected(line, params, nothing_paid, name):
    request = post(urlencode(params()), target=f"/gateway.do?{name}=other")
    status, _, text = line.query(request)
    assert (status, text) == (400, b"The request has a parameter twice, with different values.")


# Headers


@pytest.mark.parametrize(
    "kind",
    [FORM, f"{FORM};charset=utf-8", f"{FORM}; charset=UTF-8", FORM.upper(), f"{FORM};", ""],
)
def test_a_form_is_one_however_it_is_called(line, params, kind):
    assert response(line.query(post(urlencode(params()), kind=kind))) == PAID


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "text/xml"])
def test_another_content_type_is_not_a_form(line, params, kind):
    request = post(urlencode(params()), kind=kind)
    assert response(line.query(request)) == ("error_response", "isv.missing-method")


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_headers_are_spelled_in_any_case(line, params, spell):
    head, _, body = post(urlencode(params())).partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    spelled = [f"{spell(name)}:{value}" for name, _, value in (one.partition(":") for one in lines)]
    request = "\r\n".join([first, *spelled, "", ""]).encode("ascii") + body
    assert response(line.query(request)) == PAID


@pytest.mark.parametrize(
    "header",
    [
        "Connection: keep-alive",
        "User-Agent:",
        "Accept: text/plain,text/xml,text/javascript,text/html",
        "Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA",
        "Proxy-Connection: Keep-Alive",
        "Cookie: JSESSIONID=é",
        "Expect: 200-ok",
        "X-Empty:",
    ],
)
def test_other_headers_change_nothing(line, params, header):
    status, headers, text = line.query(post(urlencode(params()), header))
    assert response((status, headers, text)) == PAID
    assert "content-encoding" not in headers
    assert response(line.query(post(urlencode(params())))) == PAID


def test_a_request_needs_no_header_but_a_length(line, params):
    body = urlencode(params())
    request = f"POST /gateway.do HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    assert response(line.query(request.encode("ascii"))) == PAID


# Bodies


def chunked(body, size=100, kind=FORM):
    pieces = [body[at : at + size].encode("ascii") for at in range(0, len(body), size)]
    chunks = b"".join(f"{len(one):x}\r\n".encode("ascii") + one + b"\r\n" for one in pieces)
    head = "POST /gateway.do HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    return f"{head}Content-Type: {kind}\r\n\r\n".encode("ascii") + chunks + b"0\r\n\r\n"


def test_a_body_may_come_in_chunks_and_the_next_request_goes_on(line, params):
    for _ in range(2):
        assert response(line.query(chunked(urlencode(params())))) == PAID


def test_chunks_may_wait_for_leave(line, params):
    request = chunked(urlencode(params())).replace(
        b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n", 1
    )
    head, _, body = request.partition(b"\r\n\r\n")
    assert line.query(head + b"\r\n\r\n", body=False)[0] == 100
    assert response(line.query(body)) == PAID


def test_a_large_body_waits_for_leave(line, params):
    sent = params(alipay_sdk="x" * 900_000)
    head, _, body = post(urlencode(sent), "Expect: 100-continue").partition(b"\r\n\r\n")
    assert line.query(head + b"\r\n\r\n", body=False)[0] == 100
    assert response(line.query(body)) == PAID


@pytest.mark.parametrize(
    "declared", ["boundary=1764000000;charset=UTF-8", 'charset=UTF-8; boundary="1764000000"']
)
def test_a_body_may_come_in_parts(line, params, declared):
    parts = "".join(
        f'\r\n--1764000000\r\nContent-Disposition:form-data;name="{name}"\r\n'
        f"Content-Type:text/plain\r\n\r\n{value}"
        for name, value in params().items()
    )
    body = f"{parts}\r\n--1764000000--\r\n".encode()
    assert response(line.query(post(body, kind=f"multipart/form-data;{declared}"))) == PAID


def test_parts_without_end_are_rejected(line):
    status, _, text = line.query(post(b"--b\r\n", kind="multipart/form-data;boundary=b"))
    assert (status, text) == (400, b"The request is no form in parts, or breaks off.")


def test_an_empty_line_behind_a_body_is_nothing(line, params):
    line.send(post(urlencode(params())) + b"\r\n" + post(urlencode(params())))
    assert [response(line.receive()), response(line.receive())] == [PAID, PAID]


def test_requests_may_be_sent_before_the_responses_come(line, params):
    line.send(post(urlencode(params())) + chunked(urlencode(params())) + post(urlencode(params())))
    assert [response(line.receive()) for _ in range(3)] == [PAID] * 3


@pytest.mark.parametrize("host", ["", "Host: localhost\r\n"])
def test_a_request_of_the_older_http_is_answered_and_the_line_closed(line, params, host):
    body = urlencode(params())
    head = f"POST /gateway.do HTTP/1.0\r\n{host}Content-Type: {FORM}\r\nExpect: 100-continue\r\n"
    answer = line.query(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode("ascii"))
    assert response(answer) == PAID
    assert line.hung_up


# What is no request for a gateway


@pytest.mark.parametrize("path", ["/gateway.do", "/service/rest.htm", "/v3/alipay/trade/query"])
def test_a_head_does_nothing(line, params, nothing_paid, path):
    request = f"HEAD {path}?{urlencode(params())} HTTP/1.1\r\nHost: x\r\n\r\n"
    status, headers, _ = line.query(request.encode("ascii"), body=False)
    assert (status, headers["allow"]) == (405, "get, post, options")


def test_options_lists_the_allowed_methods(line):
    status, headers, _ = line.query(b"OPTIONS /gateway.do HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == 200
    assert {"get", "post"} <= set(headers["allow"].split(", "))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods_are_rejected(line, params, nothing_paid, method):
    request = post(urlencode(params())).replace(b"POST", method.encode("ascii"), 1)
    assert line.query(request)[0] == 405


NONSENSE = {
    "a greeting in TLS": (bytes.fromhex("1603010200010001fc0303") + b"\x8a" * 300, 400),
    "HTTP/2 without asking": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404),
    "no words": (b"\x00\xff\x00\x01\r\n\r\n", 400),
    "a version that is none": (b"GET / HTTP/x\r\n\r\n", 400),
    "a line without end": (b"GET /gateway.do?" + b"x" * 140_000 + b" HTTP/1.1\r\n\r\n", 431),
    "a header without end": (b"GET / HTTP/1.1\r\nX: " + b"x" * 140_000 + b"\r\n\r\n", 431),
    "headers without end": (b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 30_000 + b"\r\n", 431),
    "a length that is none": (b"POST /gateway.do HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
    "chunks that are none": (
        b"POST /gateway.do HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        400,
    ),
    "another coding": (b"POST /gateway.do HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n\x1f", 501),
}


@pytest.mark.parametrize(("sent", "status"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_answered_at_once_and_the_line_closed(line, capfd, sent, status):
    line.send(sent)
    assert line.receive(body=False)[0] == status
    line._socket.settimeout(10)
    with contextlib.suppress(ConnectionResetError):  # it was still sending
        assert line._answers.read() != b""
    assert capfd.readouterr() == ("", "")


def test_the_log_explains_a_tls_handshake(line, caplog):
    line.send(NONSENSE["a greeting in TLS"][0])
    line.receive(body=False)
    assert "address of the simulator begins with http://" in caplog.text


@pytest.mark.parametrize("version", ["1.1", "9.1"])
def test_a_query_is_in_no_log(line, caplog, version):
    line.send(f"GET /gateway.do?secret=1 HTTP/{version}\r\n\r\n".encode("ascii"))
    line.receive(body=False)
    assert "secret" not in caplog.text
