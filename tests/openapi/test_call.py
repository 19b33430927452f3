"""Any other method: what is sent of what the caller gave."""

from __future__ import annotations

from typing import Any

import pytest

from flask_alipay.exceptions import InvalidParameter
from flask_alipay.gateways.openapi.encryption import ContentCipher

from ..conftest import Keys
from ..doubles.openapi import AES_KEY, DONE, Alipay

METHOD = "alipay.some.method"


def test_the_content_is_sent_as_it_is_but_for_none(keys: Keys) -> None:
    alipay = Alipay(keys, DONE)
    content = {"a": "龙井/茶 +&=%", "b": None, "c": [{"d": 1}], "url": "https://x.example/?a=1&b=2"}
    assert alipay.gateway().call(METHOD, content) == DONE
    assert alipay.content == {name: value for name, value in content.items() if name != "b"}


@pytest.mark.parametrize("options", [{}, {"aes_key": AES_KEY}])
def test_a_method_may_have_no_content(keys: Keys, options: dict[str, Any]) -> None:
    alipay = Alipay(keys, DONE)
    alipay.gateway(**options).call(METHOD, grant_type="authorization_code", code="c1", scope=None)
    assert alipay.params["grant_type"] == "authorization_code"
    assert alipay.params["code"] == "c1"
    assert alipay.params.keys().isdisjoint({"scope", "biz_content", "encrypt_type"})


def test_a_response_without_a_code_is_a_yes(keys: Keys) -> None:
    node = {"access_token": "t", "expires_in": 300}
    assert Alipay(keys, node).gateway().call("alipay.system.oauth.token", code="c1") == node


def test_common_parameters_are_sent_beside_the_content(keys: Keys) -> None:
    alipay = Alipay(keys, DONE)
    common = {
        "notify_url": "https://shop.example/notify",
        "return_url": "https://shop.example/return",
        "app_auth_token": "201509BBeff9351ad1874306903e96b91d248A36",
        "version": "2.0",
    }
    alipay.gateway().call(METHOD, {}, **common)
    assert common.items() <= alipay.params.items()
    assert alipay.content == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("notify_url", "/notify"),
        ("app_auth_token", "a" * 41),
        ("app_id", "2021000000000002"),
        ("sign", "AAAA"),
        ("sign_type", "RSA"),
        ("encrypt_type", "AES"),
        ("charset", "gbk"),
        ("code", "c1&app_auth_token=x"),
        ("code", "c\n1"),
        ("code", 5),
    ],
)
def test_a_common_parameter_that_cannot_be_sent_is_reported(
    keys: Keys, name: str, value: Any
) -> None:
    alipay = Alipay(keys, DONE)
    with pytest.raises(InvalidParameter) as caught:
        alipay.gateway().call(METHOD, {}, **{name: value})
    assert caught.value.parameter == name
    assert alipay.requested == []


@pytest.mark.parametrize("method", ["", "alipay..x", "a&b=c", "茶", None])
def test_a_method_that_is_none_is_rejected(keys: Keys, method: Any) -> None:
    with pytest.raises(InvalidParameter, match=r"^method "):
        Alipay(keys, DONE).gateway().call(method)


@pytest.mark.parametrize("options", [{}, {"aes_key": AES_KEY}])
@pytest.mark.parametrize("value", [object(), float("nan"), "\ud83c"])
def test_a_value_that_cannot_be_encoded_is_rejected(
    keys: Keys, value: object, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParameter, match=r"^(biz_content|a) "):
        Alipay(keys, DONE).gateway(**options).call(METHOD, {"a": value})


def test_content_in_gbk_is_encrypted_as_well(keys: Keys) -> None:
    cipher = ContentCipher(AES_KEY)
    alipay = Alipay(keys, {**DONE, "a": "茶"}, charset="gbk", cipher=cipher)
    gateway = alipay.gateway(charset="gbk", aes_key=AES_KEY)
    assert gateway.call(METHOD, {"a": "茶"})["a"] == "茶"
    assert cipher.decrypt(alipay.params["biz_content"]) == b'{"a":"\xb2\xe8"}'
