"""Certificate mode and encrypted content: decided by each request, whoever makes it."""

from __future__ import annotations

import base64
import json
import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from flask_alipay.config import Config
from flask_alipay.exceptions import GatewayError
from flask_alipay.gateways.transport import FORM
from flask_alipay.keys import load_public_key, public_key_der
from flask_alipay.protocol.charsets import encode_form
from flask_alipay.simulator.merchant.certificates import issue
from flask_alipay.simulator.openapi.encryption import ServerCipher

from .server import ORDER

QUERY = "alipay.trade.query"
T1 = {"out_trade_no": "T1"}
BARCODE = {"scene": "bar_code", "auth_code": "2812345678901234"}


class Client:
    """A transport into the app."""

    def __init__(self, app):
        self.client = app.test_client()

    def post(self, url, params, charset="utf-8", *, repeatable=False):
        body = encode_form(params, charset)
        return self.client.post("/alipay/gateway.do", data=body, content_type=FORM).data


def test_a_response_names_the_certificate_that_signed_it(server, paid, certified, simulator):
    text = server.post(server.params(QUERY, T1, **certified)).text
    found = re.fullmatch(r'\{"\w+":(.+),"alipay_cert_sn":"(\w{32})","sign":"(.+)"\}', text)
    certificates = simulator.merchant.certificates
    assert found[2] == certificates.alipay_cert_sn
    key = load_public_key(certificates.alipay)
    key.verify(base64.b64decode(found[3]), found[1].encode("utf-8"), PKCS1v15(), SHA256())


@pytest.mark.parametrize(
    ("changes", "sub_code"),
    [
        ({"app_cert_sn": None}, "isv.missing-app-cert-sn"),
        ({"alipay_root_cert_sn": None}, "isv.missing-alipay-root-cert-sn"),
        ({"app_cert_sn": "0" * 32}, "isv.app-cert-not-exist"),
        ({"alipay_root_cert_sn": "0" * 32}, "isv.invalid-alipay-root-cert-sn"),
    ],
)
def test_a_wrong_certificate_number_is_rejected_with_a_signature(
    server, paid, certified, changes, sub_code
):
    error = server.call(QUERY, T1, **{**certified, **changes})
    assert (error["code"], error["sub_code"]) == ("40002", sub_code)


def test_the_certificates_lead_to_the_root(simulator):
    certificates = simulator.merchant.certificates
    app, alipay, root = (
        x509.load_pem_x509_certificate(pem.encode("ascii"))
        for pem in (certificates.app, certificates.alipay, certificates.root)
    )
    for one in (app, alipay, root):
        one.verify_directly_issued_by(root)
    assert public_key_der(app.public_key()) == public_key_der(
        simulator.merchant.private_key.public_key()
    )


def test_the_same_keys_have_the_same_certificates(simulator):
    merchant = simulator.merchant
    again = issue(merchant.private_key.public_key(), merchant.alipay_private_key)
    assert again == merchant.certificates


def test_a_certificate_can_be_fetched_by_its_number(server, merchant):
    number = merchant.account.certificates.alipay_cert_sn
    params = server.params("alipay.open.app.alipaycert.download", {"alipay_cert_sn": number})
    node = json.loads(server.post(params).text)["alipay_open_app_alipaycert_download_response"]
    content = base64.b64decode(node["alipay_cert_content"])
    assert content == merchant.account.certificates.alipay.encode("ascii")


def test_encrypted_content_is_answered_encrypted(server, paid, merchant):
    cipher = ServerCipher(merchant.account.aes_key)
    content = cipher.encrypt(json.dumps(T1).encode("ascii"))
    text = server.post(server.params(QUERY, {}, encrypt_type="AES", biz_content=content)).text
    found = re.fullmatch(r'\{"alipay_trade_query_response":("([^"]+)"),"sign":"(.+)"\}', text)
    assert merchant.signer("RSA2").verify(found[1].encode("ascii"), found[3]), "with its quotes"
    node = json.loads(cipher.decrypt(found[2]))
    assert (node["code"], node["trade_status"]) == ("10000", "TRADE_SUCCESS")


@pytest.mark.parametrize("content", ["", "x", "AAAA", '{"out_trade_no":"T1"}'])
def test_what_is_not_encrypted_with_the_key_is_rejected(server, paid, merchant, content):
    node = server.call(QUERY, {}, encrypt_type="AES", biz_content=content)
    assert (node["code"], node["sub_code"]) == ("40003", "isv.decryption-error-unknown")


def test_the_known_response_of_content_encryption():
    cipher = ServerCipher("aa4BtZ4tspm2wnXLb1ThQA==")
    assert cipher.encrypt(b"test1234567") == "ILpoMowjIQjfYMR847rnFQ=="
    assert cipher.decrypt("ILpoMowjIQjfYMR847rnFQ==") == b"test1234567"
    assert cipher.decrypt("AAAA") is None


@pytest.mark.parametrize("certificates", [False, True])
@pytest.mark.parametrize("encrypted", [False, True])
def test_the_packages_own_gateway_is_served(app, simulator, clock, certificates, encrypted):
    clock.time = type(clock.time).now(clock.time.tzinfo)  # the gateway writes the machine's time
    settings = simulator.merchant_settings(certificates=certificates, encrypted=encrypted)
    mapping = {f"ALIPAY_{name}": value for name, value in settings.items()}
    gateway = Config.from_mapping(mapping, "ALIPAY", transport=Client(app)).gateway
    answer = gateway.call("alipay.trade.pay", {**ORDER, **BARCODE})
    assert answer["buyer_pay_amount"] == "88.88"
    assert gateway.trade_query(out_trade_no="T1").trade_status == "TRADE_SUCCESS"
    with pytest.raises(GatewayError, match="TRADE_NOT_EXIST"):
        gateway.trade_query(out_trade_no="nothing")
