"""The open platform's newer dress (v3): signed in a header, answered flat."""

from __future__ import annotations

import json

import pytest

from flask_alipay.keys import generate_private_key
from flask_alipay.signer import Rsa2Signer
from flask_alipay.simulator.openapi.encryption import ServerCipher

from .server import ORDER

T1 = {"out_trade_no": "T1"}
TOKEN = "201509BBeff9351ad1874306903e96b91d248A36"
BARCODE_ORDER = {**ORDER, "scene": "bar_code"}
BILL = "/v3/alipay/data/dataservice/bill/downloadurl/query"


class Rest:
    """Calls over the app's HTTP, signed by hand."""

    def __init__(self, app, merchant):
        self.client = app.test_client()
        self.merchant = merchant

    def send(self, uri, body=None, *, signer=None, headers=None, mount="", reply=None, token=""):
        method = "GET" if body is None else "POST"
        text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
        milliseconds = int(self.merchant.clock.now().timestamp() * 1000)
        pairs = {
            "app_id": self.merchant.account.app_id,
            "nonce": "n1",
            "timestamp": str(milliseconds),
        } | (reply or {})
        auth = ",".join(f"{name}={value}" for name, value in pairs.items() if value)
        lines = [auth, method, f"{mount}{uri}", text, *([token] if token else [])]
        signer = signer or self.merchant.signer("RSA2")
        sign = signer.sign("".join(f"{line}\n" for line in lines).encode("utf-8"))
        return self.client.open(
            f"/alipay{uri}",
            method=method,
            data=text.encode("utf-8"),
            content_type="application/json",
            headers={
                "Authorization": f"ALIPAY-SHA256withRSA {auth},sign={sign}",
                **({"alipay-app-auth-token": token} if token else {}),
                **(headers or {}),
            },
        )

    def signed(self, response):
        """The body of a signed answer."""
        head = response.headers
        content = f"{head['alipay-timestamp']}\n{head['alipay-nonce']}\n{response.text}\n"
        signer = self.merchant.signer("RSA2")
        assert signer.verify(content.encode("utf-8"), head["alipay-signature"])
        return response.text

    def call(self, uri, body=None, status=200, **options):
        response = self.send(uri, body, **options)
        assert response.status_code == status, response.text
        return json.loads(self.signed(response))


@pytest.fixture
def rest(app, merchant):
    return Rest(app, merchant)


@pytest.mark.parametrize("mount", ["", "/alipay"])
def test_a_trade_is_paid_queried_and_refunded(rest, shop, clock, mount):
    barcode_order = {
        **BARCODE_ORDER,
        "auth_code": "2812345678901234",
        "notify_url": "https://shop.example/v3",
    }
    paid = rest.call("/v3/alipay/trade/pay", barcode_order, mount=mount)
    assert (paid["total_amount"], "code" in paid) == ("88.88", False)
    clock.advance(seconds=1)
    assert shop.fields()["trade_status"] == "TRADE_SUCCESS"
    assert rest.call("/v3/alipay/trade/query", T1)["trade_status"] == "TRADE_SUCCESS"
    back = {**T1, "refund_amount": "1.00", "out_request_no": "R1"}
    assert rest.call("/v3/alipay/trade/refund", back)["fund_change"] == "Y"
    requested = rest.call("/v3/alipay/trade/fastpay/refund/query", {**T1, "out_request_no": "R1"})
    assert requested["refund_amount"] == "1.00"
    bill = rest.call(f"{BILL}?bill_type=trade&bill_date=2026-01-31")
    assert bill["bill_download_url"].startswith("http://localhost/alipay/bill/")


def test_the_status_shows_that_the_buyer_must_confirm(rest):
    rest.call(
        "/v3/alipay/trade/pay", {**BARCODE_ORDER, "auth_code": "2812345678010003"}, status=202
    )
    assert rest.call("/v3/alipay/trade/query", T1)["trade_status"] == "WAIT_BUYER_PAY"


def test_a_business_failure_is_signed(rest):
    node = rest.call("/v3/alipay/trade/query", T1, status=400)
    assert node["code"] == "ACQ.TRADE_NOT_EXIST"
    assert node["message"]
    assert rest.call("/v3/alipay/trade/query", {}, status=400)["code"] == "ACQ.INVALID_PARAMETER"


def test_another_merchants_token_is_signed_along(rest):
    node = rest.call("/v3/alipay/trade/query", T1, status=400, token=TOKEN)
    assert node["code"] == "ACQ.TRADE_NOT_EXIST"
    response = rest.send("/v3/alipay/trade/query", T1, headers={"alipay-app-auth-token": TOKEN})
    assert response.json["code"] == "invalid-signature"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ({"app_id": None}, "missing-app-id"),
        ({"app_id": "9"}, "invalid-app-id"),
        ({"timestamp": None}, "missing-timestamp"),
        ({"timestamp": "2026-01-31"}, "invalid-timestamp"),
        ({"timestamp": "1"}, "invalid-timestamp"),
        ({"nonce": None}, "invalid-parameter"),
        ({"app_cert_sn": "0" * 32}, "app-cert-not-exist"),
    ],
)
def test_a_gateway_error_is_not_signed(rest, reply, code):
    response = rest.send("/v3/alipay/trade/query", T1, reply=reply)
    assert (response.status_code, response.json["code"]) == (400, code)
    assert "alipay-signature" not in response.headers
    assert response.headers["alipay-trace-id"]


def test_an_unknown_app_is_rejected_as_by_the_live_sandbox(rest):
    response = rest.send("/v3/alipay/trade/query", T1, reply={"app_id": "9"})
    assert response.status_code == 400
    assert response.content_type == "application/json;charset=UTF-8"
    assert response.json == {"code": "invalid-app-id", "message": "无效的AppID参数"}


@pytest.mark.parametrize("token", ["A1", "x" * 40])
def test_a_token_that_alipay_did_not_issue_is_rejected(rest, simulator, token):
    response = rest.send("/v3/alipay/trade/precreate", ORDER, token=token)
    assert (response.status_code, response.json["code"]) == (401, "invalid-app-auth-token")
    assert len(simulator.trades) == 0


def test_another_key_is_rejected(rest, simulator):
    stranger = Rsa2Signer(generate_private_key())
    response = rest.send("/v3/alipay/trade/precreate", ORDER, signer=stranger)
    assert (response.status_code, response.json["code"]) == (400, "invalid-signature")
    assert len(simulator.trades) == 0


@pytest.mark.parametrize("header", ["", "Basic eA==", "ALIPAY-SHA256withRSA ,sign=", "é"])
def test_a_request_without_authorization_lacks_a_timestamp(rest, header):
    headers = {"Authorization": header.encode("utf-8").decode("latin-1")}
    response = rest.client.post("/alipay/v3/alipay/trade/query", json=T1, headers=headers)
    assert response.status_code == 400
    assert response.json == {"code": "missing-timestamp", "message": "缺少时间戳参数"}


@pytest.mark.parametrize("path", ["trade/page/pay", "trade/fly", "trade/query/"])
def test_an_unknown_path_is_an_invalid_method(rest, path):
    response = rest.send(f"/v3/alipay/{path}", T1)
    assert response.status_code == 400, "as on the live gateway"
    assert response.json == {"code": "invalid-method", "message": "不存在的方法名"}


def test_a_payment_is_posted_and_the_bill_is_requested(rest):
    assert rest.send("/v3/alipay/trade/query?out_trade_no=T1").json["code"] == "invalid-method"
    assert rest.send(BILL, {"bill_type": "trade"}).json["code"] == "invalid-method"


@pytest.mark.parametrize("body", ["", "[]", "x", '{"a": NaN}', "[" * 10_000])
def test_a_body_that_is_no_object_is_rejected(rest, body):
    assert rest.send("/v3/alipay/trade/query", body).json["code"] == "illegal-json"


def test_certificate_mode_needs_no_root_certificate_number(rest, merchant):
    reply = {"app_cert_sn": merchant.account.certificates.app_cert_sn}
    node = rest.call("/v3/alipay/trade/precreate", ORDER, reply=reply)
    assert node["out_trade_no"] == "T1"


def test_the_number_of_another_root_certificate_is_rejected(rest, merchant, simulator):
    reply = {"app_cert_sn": merchant.account.certificates.app_cert_sn}
    headers = {"alipay-root-cert-sn": "0" * 32}
    response = rest.send("/v3/alipay/trade/precreate", ORDER, reply=reply, headers=headers)
    assert response.json["code"] == "invalid-alipay-root-cert-sn"
    assert len(simulator.trades) == 0


def test_certificate_mode_names_the_certificate(rest, merchant):
    certificates = merchant.account.certificates
    response = rest.send(
        "/v3/alipay/trade/query",
        T1,
        reply={"app_cert_sn": certificates.app_cert_sn},
        headers={"alipay-root-cert-sn": certificates.alipay_root_cert_sn},
    )
    assert response.headers["alipay-sn"] == certificates.alipay_cert_sn
    assert json.loads(rest.signed(response))["code"] == "ACQ.TRADE_NOT_EXIST"


def test_an_encrypted_body_is_answered_encrypted(rest, paid, merchant):
    cipher = ServerCipher(merchant.account.aes_key)
    headers = {"alipay-encrypt-type": "AES"}
    body = cipher.encrypt(json.dumps(T1).encode("ascii"))
    text = rest.signed(rest.send("/v3/alipay/trade/query", body, headers=headers))
    assert json.loads(cipher.decrypt(text))["trade_status"] == "TRADE_SUCCESS"
    response = rest.send("/v3/alipay/trade/query", T1, headers=headers)
    assert response.json["code"] == "decryption-error-unknown"


def test_an_error_to_an_encrypted_request_is_plain_signed_json(rest, merchant):
    cipher = ServerCipher(merchant.account.aes_key)
    body = cipher.encrypt(json.dumps(T1).encode("ascii"))
    headers = {"alipay-encrypt-type": "AES"}
    response = rest.send("/v3/alipay/trade/query", body, headers=headers)
    assert (response.status_code, response.mimetype) == (400, "application/json")
    assert json.loads(rest.signed(response))["code"] == "ACQ.TRADE_NOT_EXIST"


@pytest.mark.parametrize("method", ["create", "precreate", "pay"])
def test_a_seller_cannot_buy_from_himself(rest, merchant, simulator, method):
    order = {**BARCODE_ORDER, "auth_code": "2812345678901234", "buyer_id": merchant.account.partner}
    node = rest.call(f"/v3/alipay/trade/{method}", order, status=400)
    assert node["code"] == "ACQ.BUYER_SELLER_EQUAL"
    assert len(simulator.trades) == 0
