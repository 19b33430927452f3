"""What goes wrong on the way of an answer, at each of the gateway's addresses."""

from __future__ import annotations

import io
import json
import re
import zipfile
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit
from xml.sax.saxutils import escape

import pytest

from flask_alipay.signer import sign_content
from flask_alipay.simulator.faults import Fault
from flask_alipay.simulator.openapi.encryption import ServerCipher

from .openapi.server import ORDER, Server
from .openapi.test_rest import Rest

WAP_ORDER = {
    "subject": "Tea",
    "out_trade_no": "T1",
    "total_fee": "88.88",
    "call_back_url": "https://shop.example/return",
}


@pytest.fixture
def wrong(simulator):
    def wrong(kind, **more):
        simulator.faults.add(Fault(kind, **more))

    return wrong


@pytest.fixture
def token(app, merchant):
    """Asks the older gateway for phones for a token; the answer's fields."""

    def token():
        account = {**WAP_ORDER, "seller_account_name": merchant.account.seller_email}
        inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in account.items())
        params = {
            "service": "alipay.wap.trade.create.direct",
            "format": "xml",
            "v": "2.0",
            "partner": merchant.account.partner,
            "req_id": "1",
            "sec_id": "MD5",
            "req_data": f"<direct_trade_create_req>{inner}</direct_trade_create_req>",
        }
        params["sign"] = merchant.signer("MD5").sign(sign_content(params))
        return app.test_client().get("/alipay/service/rest.htm", query_string=params)

    return token


@pytest.fixture
def older_app(app, merchant):
    """Hands Alipay's library an order string of the older kind; what it says."""

    def older_app():
        params = {
            "service": "mobile.securitypay.pay",
            "partner": merchant.account.partner,
            "_input_charset": "utf-8",
            "notify_url": quote("https://shop.example/notify", safe=""),
            "out_trade_no": "T1",
            "subject": "Tea",
            "payment_type": "1",
            "seller_id": merchant.account.partner,
            "total_fee": "88.88",
            "body": "250 g",
        }
        text = "&".join(f'{name}="{value}"' for name, value in params.items())
        sign = quote(merchant.signer("RSA").sign(text.encode("utf-8")), safe="")
        string = f'{text}&sign="{sign}"&sign_type="RSA"'
        return app.test_client().post("/alipay/mobile/pay", data=string.encode("utf-8"))

    return older_app


@pytest.fixture
def newer_app(app, merchant):
    def newer_app():
        order = {**ORDER, "product_code": "QUICK_MSECURITY_PAY"}
        server = Server(app, merchant)
        params = server.params("alipay.trade.app.pay", order)
        data = urlencode(params, quote_via=quote).encode("ascii")
        return server.client.post("/alipay/mobile/pay", data=data)

    return newer_app


@pytest.fixture
def bill(app, merchant):
    def bill():
        server, day = Server(app, merchant), {"bill_type": "trade", "bill_date": "2026-01-31"}
        server.call("pay", {**ORDER, "scene": "bar_code", "auth_code": "2812345678901234"})
        node = server.call("alipay.data.dataservice.bill.downloadurl.query", day)
        return urlsplit(node["bill_download_url"]).path

    return bill


def wap_holds(response, merchant):
    fields = dict(parse_qsl(response.text))
    return merchant.signer("MD5").verify(sign_content(fields), fields.get("sign", ""))


def older_holds(response, merchant):
    (result,) = re.findall(r";result=\{(.*)\}$", response.text)
    text, _, sign = result.partition('&sign_type="RSA"&sign="')
    return merchant.signer("RSA").verify(text.encode("utf-8"), unquote(sign.rstrip('"')))


def newer_holds(response, merchant):
    (result,) = re.findall(r";result=\{(.*)\}$", response.text)
    (node,) = re.findall(r'"alipay_trade_app_pay_response":(\{.*?\})', result)
    sign = json.loads(result).get("sign", "")
    return merchant.signer("RSA2").verify(node.encode("utf-8"), sign)


ADDRESSES = {"token": wap_holds, "older_app": older_holds, "newer_app": newer_holds}


@pytest.mark.parametrize("kind", ["wrong-sign", "unsigned"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_signature_does_not_hold_once(request, wrong, merchant, clock, address, kind):
    query, holds = request.getfixturevalue(address), ADDRESSES[address]
    wrong(kind, out_trade_no="T1")
    assert not holds(query(), merchant)


@pytest.mark.parametrize("address", ADDRESSES)
def test_it_holds_where_nothing_is_to_go_wrong(request, merchant, wrong, address):
    wrong("wrong-sign", out_trade_no="T2")
    assert ADDRESSES[address](request.getfixturevalue(address)(), merchant)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_response_breaks_off_and_the_work_is_done(request, wrong, simulator, address):
    wrong("cut-off")
    answer = request.getfixturevalue(address)()
    assert 0 < len(answer.data) < int(answer.headers["Content-Length"])
    assert simulator.trades.by_out_trade_no("T1") is not None


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_response_is_late(request, wrong, monkeypatch, merchant, address):
    waited = []
    monkeypatch.setattr("time.sleep", waited.append)
    wrong("slow", seconds=3)
    assert ADDRESSES[address](request.getfixturevalue(address)(), merchant)
    assert waited == [3]


def test_a_bill_breaks_off_once(app, wrong, bill):
    path = bill()
    wrong("cut-off")
    broken, whole = app.test_client().get(path), app.test_client().get(path)
    assert len(broken.data) < int(broken.headers["Content-Length"]) == len(whole.data)
    assert not zipfile.is_zipfile(io.BytesIO(broken.data))
    assert zipfile.is_zipfile(io.BytesIO(whole.data))


def test_a_bill_is_late(app, wrong, bill, monkeypatch):
    waited = []
    monkeypatch.setattr("time.sleep", waited.append)
    path = bill()
    wrong("slow", seconds=3)
    assert app.test_client().get(path).status_code == 200
    assert waited == [3]


@pytest.mark.parametrize("kind", ["wrong-sign", "unsigned", "cut-off"])
def test_version_3_is_no_safer(app, merchant, wrong, kind):
    rest, order = Rest(app, merchant), {**ORDER, "buyer_id": merchant.account.buyer_id}
    wrong(kind, method="alipay.trade.create")
    answer = rest.send("/v3/alipay/trade/create", order)
    with pytest.raises((AssertionError, KeyError)):
        rest.signed(answer)
    assert rest.signed(rest.send("/v3/alipay/trade/query", {"out_trade_no": "T1"}))


@pytest.fixture(params=["v2", "v3"])
def query_in_secret(request, app, merchant):
    """Asks about a trade with its content encrypted; whether the answer is signed."""

    def older(content):
        server = Server(app, merchant)
        common = {"encrypt_type": "AES", "biz_content": content}
        answer = server.post(server.params("alipay.trade.query", {}, **common))
        return '"sign"' in answer.text

    def newer(content):
        headers = {"alipay-encrypt-type": "AES"}
        answer = Rest(app, merchant).send("/v3/alipay/trade/query", content, headers=headers)
        return "alipay-signature" in answer.headers

    def query(**names):
        content = ServerCipher(merchant.account.aes_key).encrypt(json.dumps(names).encode())
        return older(content) if request.param == "v2" else newer(content)

    return query


@pytest.mark.parametrize("name", ["out_trade_no", "trade_no"])
def test_an_encrypted_call_is_known_by_its_trade(app, merchant, wrong, query_in_secret, name):
    barcode_order = {**ORDER, "scene": "bar_code", "auth_code": "2812345678901234"}
    paid = Server(app, merchant).call("pay", barcode_order)
    wrong("unsigned", out_trade_no="T1", method="alipay.trade.query")
    assert query_in_secret(out_trade_no="T2")
    assert not query_in_secret(**{name: paid[name]})
    assert query_in_secret(**{name: paid[name]})
