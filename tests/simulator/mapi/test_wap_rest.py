"""The older gateway for phones: order for token, token for page, notification in XML."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest

from flask_alipay.protocol.charsets import python_codec
from flask_alipay.signer import sign_content

from ..conftest import NOTIFY_URL, RETURN_URL

CREATE, EXECUTE = "alipay.wap.trade.create.direct", "alipay.wap.auth.authAndExecute"
SEC_IDS = {"MD5": "MD5", "0001": "RSA"}


@pytest.fixture(params=["MD5", "0001"])
def sec_id(request):
    return request.param


@pytest.fixture
def signer(merchant, sec_id):
    return merchant.signer(SEC_IDS[sec_id])


@pytest.fixture
def wap(buyer, merchant, signer, sec_id):
    def wap(service, req_data, /, *, charset=None, post=False, **changes):
        params = {
            "service": service,
            "format": "xml",
            "v": "2.0",
            "partner": merchant.account.partner,
            "sec_id": sec_id,
            "req_data": req_data,
        }
        if service == CREATE:
            params["req_id"] = "1"
        if charset:
            params["_input_charset"] = charset
        params = {name: value for name, value in (params | changes).items() if value}
        charset = charset or "utf-8"
        params.setdefault("sign", signer.sign(sign_content(params, charset=charset)))
        query = urlencode(params, encoding=python_codec(charset))
        if post:
            content_type = "application/x-www-form-urlencoded"
            return buyer.client.post(
                "/alipay/service/rest.htm", data=query, content_type=content_type
            )
        return buyer.see(f"/alipay/service/rest.htm?{query}")

    return wap


@pytest.fixture
def order(merchant):
    def order(**changes):
        fields = {
            "subject": "Tea & <茶>",
            "out_trade_no": "T1",
            "total_fee": "88.88",
            "seller_account_name": merchant.account.seller_email,
            "call_back_url": RETURN_URL,
            "notify_url": NOTIFY_URL,
        } | changes
        inner = "".join(f"<{k}>{escape(v)}</{k}>" for k, v in fields.items() if v)
        return f"<direct_trade_create_req>{inner}</direct_trade_create_req>"

    return order


def answered(response):
    assert response.status_code == 200
    return dict(parse_qsl(response.text, strict_parsing=True))


def error(response):
    document = ElementTree.fromstring(answered(response)["res_error"])
    assert document.tag == "err"
    return document.findtext("code")


@pytest.fixture
def cashier(wap, order):
    """Exchanges an order for a token, and the token for a page."""

    def cashier(**changes):
        document = ElementTree.fromstring(answered(wap(CREATE, order(**changes)))["res_data"])
        token = document.findtext("request_token")
        req_data = (
            f"<auth_and_execute_req><request_token>{token}</request_token></auth_and_execute_req>"
        )
        response = wap(EXECUTE, req_data)
        assert response.status_code == 303, response.text
        return response.location, token

    return cashier


@pytest.mark.parametrize("charset", [None, "utf-8", "gbk"])
@pytest.mark.parametrize("post", [False, True])
def test_an_order_is_exchanged_for_a_signed_token(wap, order, signer, charset, post):
    fields = answered(wap(CREATE, order(), charset=charset, post=post))
    assert fields["req_id"] == "1"
    assert ElementTree.fromstring(fields["res_data"]).findtext("request_token")
    assert signer.verify(sign_content(fields), fields["sign"])


def test_the_token_leads_to_the_cashier(cashier, buyer):
    page, _ = cashier()
    assert "Tea &amp; &lt;茶&gt;" in buyer.see(page).text


def test_the_notification_is_xml_signed_in_a_fixed_order(cashier, buyer, shop, signer, sec_id):
    buyer.press(cashier()[0], "pay")
    fields = shop.fields()
    assert sorted(fields) == ["notify_data", "sec_id", "service", "sign", "v"]
    assert (fields["service"], fields["v"], fields["sec_id"]) == (CREATE, "1.0", sec_id)
    names = ("service", "v", "sec_id", "notify_data")
    content = "&".join(f"{name}={fields[name]}" for name in names)
    assert signer.verify(content.encode("utf-8"), fields["sign"])
    notify = ElementTree.fromstring(fields["notify_data"])
    assert notify.tag == "notify"
    notified = {child.tag: child.text for child in notify}
    assert notified["subject"] == "Tea & <茶>"
    assert (notified["trade_status"], notified["total_fee"]) == ("TRADE_SUCCESS", "88.88")
    assert notified["notify_type"] == "trade_status_sync"
    assert notified["gmt_payment"] == "2026-01-31 12:00:00"


def test_the_buyer_returns_with_the_result(cashier, buyer, signer, trade):
    page, token = cashier()
    location = buyer.press(page, "pay").location
    assert location.startswith(f"{RETURN_URL}?")
    fields = dict(parse_qsl(urlsplit(location).query))
    assert signer.verify(sign_content(fields), fields.pop("sign"))
    assert fields == {
        "out_trade_no": "T1",
        "request_token": token,
        "result": "success",
        "trade_no": trade().trade_no,
    }


def test_a_closed_trade_is_notified_too(cashier, buyer, shop):
    buyer.press(cashier(pay_expire="10")[0], "close")
    notify = ElementTree.fromstring(shop.fields()["notify_data"])
    assert notify.findtext("trade_status") == "TRADE_CLOSED"
    assert notify.findtext("gmt_close") == "2026-01-31 12:00:00"


def test_a_refund_is_notified_in_the_trades_own_way(cashier, buyer, merchant, shop, trade, later):
    buyer.press(cashier()[0], "pay")
    refund = {
        "refund_date": "2026-01-31 12:00:00",
        "batch_no": "20260131001",
        "batch_num": "1",
        "detail_data": f"{trade().trade_no}^88.88^x",
    }
    buyer.open(merchant.call("refund_fastpay_by_platform_nopwd", **refund))
    later()
    notify = ElementTree.fromstring(shop.fields()["notify_data"])
    assert notify.findtext("trade_status") == "TRADE_CLOSED"
    assert notify.findtext("refund_status") == "REFUND_SUCCESS"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"format": ""}, "0001"),
        ({"v": "1.0"}, "0001"),
        ({"req_id": ""}, "0001"),
        ({"sign": "x"}, "0002"),
        ({"service": "alipay.wap.fly"}, "0003"),
        ({"req_data": "<direct_trade_create_req>"}, "0004"),
        ({"req_data": "<other/>"}, "0004"),
        ({"partner": "2088000000000009"}, "0005"),
        ({"sec_id": "DSA"}, "0006"),
    ],
)
def test_a_bad_request_has_a_code(wap, order, simulator, changes, code):
    assert error(wap(CREATE, order(), **changes)) == code
    assert len(simulator.trades) == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"subject": ""}, "0007"),
        ({"call_back_url": ""}, "0007"),
        ({"call_back_url": "back"}, "0007"),
        ({"out_trade_no": "A.1"}, "0007"),
        ({"total_fee": "0"}, "0007"),
        ({"pay_expire": "soon"}, "0007"),
        ({"out_trade_no": "T" * 65}, "0008"),
        ({"subject": "x" * 257}, "0008"),
        ({"seller_account_name": "other@shop.example"}, "0009"),
    ],
)
def test_a_bad_order_has_a_code(wap, order, simulator, changes, code):
    assert error(wap(CREATE, order(**changes))) == code
    assert len(simulator.trades) == 0


def test_a_number_that_was_used_is_a_system_error_that_says_why(wap, order):
    wap(CREATE, order())
    answer = answered(wap(CREATE, order(total_fee="1")))
    document = ElementTree.fromstring(answer["res_error"])
    assert document.findtext("code") == "0000"
    assert document.findtext("detail") == "TRADE_DATA_MATCH_ERROR"


@pytest.mark.parametrize(
    "document",
    [
        '<!DOCTYPE a [<!ENTITY x "y">]><direct_trade_create_req>&x;</direct_trade_create_req>',
        "<direct_trade_create_req><a><b/></a></direct_trade_create_req>",
        "<direct_trade_create_req><subject>a</subject><subject>b</subject></direct_trade_create_req>",
        "<a>" * 5000,
        "\ufffe",
    ],
)
def test_hostile_xml_is_rejected(wap, document):
    assert error(wap(CREATE, document)) == "0004"


@pytest.mark.parametrize(
    ("token", "words"), [("", "request_token is required"), ("x", "request_token is unknown")]
)
def test_a_bad_token_is_a_page(wap, token, words):
    req_data = (
        f"<auth_and_execute_req><request_token>{token}</request_token></auth_and_execute_req>"
    )
    response = wap(EXECUTE, req_data)
    assert response.status_code == 400
    assert "0007" in response.text
    assert words in response.text


def test_an_altered_charset_is_rejected(wap, order):
    assert error(wap(CREATE, order(), _input_charset="utf-7")) == "0001"
