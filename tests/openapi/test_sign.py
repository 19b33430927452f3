"""Any method as a page, a form or an app's string."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from flask_alipay.exceptions import InvalidParameter
from flask_alipay.gateways.openapi.encryption import ContentCipher
from flask_alipay.protocol.charsets import python_codec
from flask_alipay.protocol.signed_request import SignedRequest
from flask_alipay.signer import sign_content

from ..conftest import Keys
from ..doubles.openapi import AES_KEY, Alipay
from ..doubles.openapi_v3 import Alipay3
from ..oracles.standalone import read_form

METHOD = "alipay.user.agreement.page.sign"
CONTENT = {
    "personal_product_code": "CYCLE_PAY_AUTH_P",
    "sign_scene": "INDUSTRY|龙井 & 茶",
    "access_params": {"channel": "ALIPAYAPP"},
    "external_agreement_no": None,
}
SENT = (
    '{"personal_product_code":"CYCLE_PAY_AUTH_P","sign_scene":"INDUSTRY|龙井 & 茶",'
    '"access_params":{"channel":"ALIPAYAPP"}}'
)
URLS = {
    "notify_url": "https://shop.example/notify",
    "return_url": "https://shop.example/return",
}


def decoded(query: str, charset: str = "utf-8") -> dict[str, str]:
    return dict(parse_qsl(query, encoding=python_codec(charset), strict_parsing=True))


def test_a_signed_method_is_a_url_a_form_and_an_order_string(keys: Keys) -> None:
    alipay = Alipay(keys, {})
    signed = alipay.gateway().sign(METHOD, CONTENT, **URLS)
    assert isinstance(signed, SignedRequest)
    assert signed.params["biz_content"] == SENT
    assert signed.params["method"] == METHOD
    assert signed.params.items() >= URLS.items()
    assert decoded(signed.order_string) == signed.params
    assert signed.url == f"{signed.gateway_url}?{signed.order_string}"
    action, fields = read_form(signed.form())
    assert fields == signed.params
    assert urlsplit(action).query == "charset=utf-8"
    assert alipay.requested == []


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
@pytest.mark.parametrize("version", ["v2", "v3"])
def test_alipay_verifies_what_was_signed(keys: Keys, charset: str, version: str) -> None:
    alipay = Alipay(keys, {})
    gateway = alipay.gateway(charset=charset, api_version=version)
    params = decoded(gateway.sign(METHOD, CONTENT).order_string, charset)
    content = sign_content(params, exclude=("sign",), charset=charset)
    assert alipay.signer.verify(content, params["sign"])
    assert params["biz_content"] == SENT


def test_certificates_are_named(keys: Keys) -> None:
    numbers = {"app_cert_sn": "1" * 32, "root_cert_sn": "2" * 32}
    params = Alipay(keys, {}).gateway(**numbers).sign(METHOD, CONTENT).params
    assert params["app_cert_sn"] == numbers["app_cert_sn"]
    assert params["alipay_root_cert_sn"] == numbers["root_cert_sn"]


def test_the_content_is_encrypted_with_a_configured_key(keys: Keys) -> None:
    params = Alipay(keys, {}).gateway(aes_key=AES_KEY).sign(METHOD, CONTENT).params
    assert params["encrypt_type"] == "AES"
    assert ContentCipher(AES_KEY).decrypt(params["biz_content"]).decode() == SENT


def test_further_parameters_stand_beside_the_content(keys: Keys) -> None:
    token = "201509BBeff9351ad1874306903e96b91d248A36"
    gateway = Alipay(keys, {}).gateway(app_auth_token=token)
    params = gateway.sign("alipay.x", scope="auth_user", state=None).params
    assert params["scope"] == "auth_user"
    assert params["app_auth_token"] == token
    assert params.keys().isdisjoint({"state", "biz_content", "notify_url", "return_url"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("notify_url", "/notify"),
        ("return_url", "https://shop.example/?a=1&b=2"),
        ("app_id", "2021000000000002"),
        ("sign", "AAAA"),
        ("state", "x&app_id=2021"),
        ("state", "x\ny"),
    ],
)
def test_a_parameter_that_cannot_be_signed_is_rejected(keys: Keys, name: str, value: Any) -> None:
    with pytest.raises(InvalidParameter) as caught:
        Alipay(keys, {}).gateway().sign(METHOD, CONTENT, **{name: value})
    assert caught.value.parameter == name


def test_a_character_that_gbk_lacks_is_rejected_with_its_field(keys: Keys) -> None:
    with pytest.raises(InvalidParameter) as caught:
        Alipay(keys, {}).gateway(charset="gbk").sign(METHOD, {"a": {"b": "\U0001f375"}})
    assert caught.value.parameter == "a.b"


@pytest.mark.parametrize("method", ["", "alipay..x", "a&b=c", None])
def test_a_method_that_is_none_is_not_signed(keys: Keys, method: Any) -> None:
    with pytest.raises(InvalidParameter, match=r"^method "):
        Alipay3(keys, {}).gateway().sign(method)
