"""Every method that is performed: what it believes, what it refuses, what it cannot know."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_alipay.exceptions import AlipayError, ConfigurationError, GatewayError, OutcomeUnknown
from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.gateways.openapi.encryption import ContentCipher
from flask_alipay.signer import Rsa2Signer

from ..conftest import Keys
from ..doubles.openapi import (
    AES_KEY,
    APP_ID,
    DONE,
    IN_COMMON,
    LOST,
    METHODS,
    NUMBERS,
    QUESTIONS,
    Alipay,
    answer,
)
from ..looped import for_each
from ..sampled import ALL
from ..strategies import examples

methods = for_each("method", METHODS)

#: Each signed request costs a millisecond, and a response has hundreds of bytes.
_STEP = 5 if ALL else 25

FAILURE = {
    "code": "40004",
    "msg": "Business Failed",
    "sub_code": "ACQ.TRADE_STATUS_ERROR",
    "sub_msg": "交易状态不合法",
}

#: No answers.
RUBBISH = {
    "nothing": b"",
    "text": b"System exception",
    "a page": "<html><body>验签出错</body></html>".encode("gbk"),
    "a list": b"[]",
    "an empty object": b"{}",
    "another method's": b'{"alipay_other_response":{"code":"10000"},"sign":"AAAA"}',
    "a number beyond numbers": b'{"error_response":{"code":1e9999999999999999999}}',
    "null": b'{"alipay_trade_query_response":null}',
    "a number": b'{"error_response":40004}',
    "not closed": b'{"error_response":{"code":"40004"}',
    "closed twice": b'{"error_response":{"code":"40004"}}}',
    "something behind": b'{"error_response":{"code":"40004"}} {}',
    "twice": b'{"error_response":{"code":"40004"},"error_response":{"code":"40004"}}',
    "two signatures": b'{"error_response":{"code":"40004"},"sign":"a","sign":"b"}',
    "no JSON inside": b'{"error_response":{"code":40004,}}',
    "bytes": b"\xff\xfe\x00{",
    "deep": b'{"error_response":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
    "a name in disguise": b'{"error\\u005fresponse":{"code":"40004"}}',
    "a list inside": b'{"error_response":[{"code":"40004"}]}',
    "encrypted": b'{"error_response":"AAAAAAAAAAAAAAAAAAAAAA=="}',
}


@pytest.fixture(scope="session")
def keys(small_keys: Keys) -> Keys:
    """No test here depends on the size of the keys."""
    return small_keys


@methods
@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_a_good_response_is_read(keys: Keys, method: str, charset: str) -> None:
    perform, node = METHODS[method]
    response = perform(Alipay(keys, node, charset=charset).gateway(charset=charset))
    read = response if isinstance(response, dict) else response.params
    assert json.loads(json.dumps(read, default=float)) == node


@methods
@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_a_request_is_signed(keys: Keys, method: str, charset: str) -> None:
    perform, node = METHODS[method]
    alipay = Alipay(keys, node, charset=charset)
    perform(alipay.gateway(charset=charset))
    assert alipay.params["method"] == method
    assert alipay.params["app_id"] == APP_ID
    assert alipay.params["charset"] == charset
    assert all(alipay.params.values())


@methods
def test_only_a_query_is_retried(keys: Keys, method: str) -> None:
    perform, node = METHODS[method]
    alipay = Alipay(keys, node)
    perform(alipay.gateway())
    assert alipay.repeatable is (method in QUESTIONS)


@methods
def test_a_rejection_is_an_error_with_alipays_codes(keys: Keys, method: str) -> None:
    perform, _ = METHODS[method]
    with pytest.raises(GatewayError, match=r"40004 ACQ\.TRADE_STATUS_ERROR( \(.+\))?$") as caught:
        perform(Alipay(keys, FAILURE).gateway())
    error = caught.value
    assert (error.code, error.sub_code) == ("40004", "ACQ.TRADE_STATUS_ERROR")
    assert error.sub_msg == "交易状态不合法"
    assert error.signed
    assert not error.retryable
    assert not isinstance(error, OutcomeUnknown)


@methods
@pytest.mark.parametrize("signed_by", ["nobody", "somebody else"])
def test_an_unsigned_rejection_is_an_error_that_proves_nothing(
    keys: Keys, method: str, signed_by: str
) -> None:
    perform, _ = METHODS[method]
    signer = None if signed_by == "nobody" else Rsa2Signer(keys.merchant)
    refused = {"code": "40002", "msg": "Invalid Arguments", "sub_code": "isv.invalid-app-id"}
    with pytest.raises(GatewayError, match=r"40002 isv\.invalid-app-id") as caught:
        perform(Alipay(keys, refused, signer=signer, name="error_response").gateway())
    assert not caught.value.signed
    assert not isinstance(caught.value, OutcomeUnknown)


@methods
@pytest.mark.parametrize(
    ("code", "sub_code"),
    [
        ("20000", "isp.unknow-error"),
        ("20000", None),
        ("40004", "ACQ.SYSTEM_ERROR"),
        ("40004", "AQC.SYSTEM_ERROR"),
        ("40004", "SYSTEM_ERROR"),
        ("40004", "UNKNOWN_ERROR"),
        ("40004", "REQUEST_PROCESSING"),
        ("40004", "aop.unknow-error"),
    ],
)
def test_an_unavailable_gateway_may_be_retried(
    keys: Keys, method: str, code: str, sub_code: str | None
) -> None:
    perform, _ = METHODS[method]
    node = {"code": code, "msg": "Service Currently Unavailable", "sub_code": sub_code}
    with pytest.raises(OutcomeUnknown) as caught:
        perform(Alipay(keys, node).gateway())
    assert caught.value.retryable
    assert (caught.value.code, caught.value.sub_code) == (code, sub_code)


@methods
def test_without_a_response_the_outcome_is_unknown(keys: Keys, method: str) -> None:
    perform, _ = METHODS[method]
    with pytest.raises(OutcomeUnknown, match="ReadTimeout") as caught:
        perform(Alipay(keys, OutcomeUnknown(*LOST.args)).gateway())
    assert caught.value.retryable


@methods
@pytest.mark.parametrize("signed_by", ["nobody", "the merchant", "another signature"])
def test_a_success_without_alipays_signature_is_not_trusted(
    keys: Keys, method: str, signed_by: str
) -> None:
    perform, node = METHODS[method]
    signer = {"nobody": None, "the merchant": Rsa2Signer(keys.merchant)}.get(
        signed_by, Rsa2Signer(keys.alipay)
    )
    alipay = Alipay(keys, node, signer=signer)
    if signed_by == "another signature":
        body = answer(method, node, signer=signer)
        alipay.node = body.replace(b'": "', b'":  "', 1)
    with pytest.raises(OutcomeUnknown, match="not signed by Alipay") as caught:
        perform(alipay.gateway())
    assert caught.value.code is None


@methods
def test_a_response_that_is_cut_off_is_invalid(keys: Keys, method: str) -> None:
    perform, node = METHODS[method]
    alipay = Alipay(keys, b"")
    gateway = alipay.gateway()
    whole = answer(method, node, signer=alipay.signer)
    for length in range(0, len(whole), _STEP):
        alipay.node = whole[:length]
        with pytest.raises(OutcomeUnknown, match="cannot be parsed"):
            perform(gateway)


@methods
@pytest.mark.parametrize("rubbish", RUBBISH)
def test_after_a_malformed_response_the_outcome_is_unknown(
    keys: Keys, method: str, rubbish: str
) -> None:
    perform, _ = METHODS[method]
    with pytest.raises(OutcomeUnknown):
        perform(Alipay(keys, RUBBISH[rubbish]).gateway())


@settings(max_examples=examples(200))
@given(
    body=st.one_of(
        st.binary(),
        st.lists(
            st.sampled_from(
                [
                    b"{",
                    b"}",
                    b'"',
                    b"\\",
                    b":",
                    b",",
                    b"[",
                    b'"alipay_trade_query_response":',
                    b'"error_response":',
                    b'"code":"40004"',
                    b'"code":"10000"',
                    b'"sign":"AAAA"',
                    b'"sign":"\\u0000',
                    b"1e999",
                    b"9" * 5000,
                    b"\xd6\xd0",
                    b"NaN",
                ]
            ),
            max_size=12,
        ).map(lambda pieces: b"{" + b"".join(pieces) + b"}"),
    ),
    charset=st.sampled_from(["utf-8", "gbk", "gb18030"]),
)
def test_any_bytes_raise_only_the_packages_exceptions(
    keys: Keys, body: bytes, charset: str
) -> None:
    with pytest.raises(AlipayError):
        Alipay(keys, body).gateway(charset=charset).trade_query(out_trade_no="A1")


@methods
def test_a_response_without_success_or_rejection_is_an_unknown_outcome(
    keys: Keys, method: str
) -> None:
    perform, node = METHODS[method]
    gateway = Alipay(keys, {**node, "code": "10003"}).gateway()
    confirmed_later = ("alipay.trade.pay", "alipay.fund.auth.order.freeze")
    if method in ("alipay.some.method", *confirmed_later):
        response = perform(gateway)
        assert (response if isinstance(response, dict) else response.params)["code"] == "10003"
    else:
        with pytest.raises(OutcomeUnknown, match="does not state whether"):
            perform(gateway)


@methods
def test_malformed_codes_do_not_reach_the_log(keys: Keys, method: str) -> None:
    perform, _ = METHODS[method]
    node = {"code": "4\n", "sub_code": "X\nforged line " + "茶" * 100, "sub_msg": 5}
    with pytest.raises(GatewayError) as caught:
        perform(Alipay(keys, node).gateway())
    assert "\n" not in str(caught.value)
    assert len(str(caught.value.sub_code)) <= 64
    assert caught.value.sub_msg is None


@methods
def test_content_is_encrypted_both_ways(keys: Keys, method: str) -> None:
    perform, node = METHODS[method]
    cipher = ContentCipher(AES_KEY)
    plain, encrypted = Alipay(keys, node), Alipay(keys, node, cipher=cipher)
    response = perform(encrypted.gateway(aes_key=AES_KEY))
    assert response == perform(plain.gateway())
    if method in IN_COMMON:
        assert not {"encrypt_type", "biz_content"} & encrypted.params.keys()
        return
    assert encrypted.params["encrypt_type"] == "AES"
    assert json.loads(cipher.decrypt(encrypted.params["biz_content"])) == plain.content


def test_an_encrypted_response_needs_a_key(keys: Keys) -> None:
    perform, node = METHODS["alipay.trade.query"]
    alipay = Alipay(keys, node, cipher=ContentCipher(AES_KEY))
    with pytest.raises(OutcomeUnknown, match="no AES key is configured"):
        perform(alipay.gateway())
    with pytest.raises(OutcomeUnknown, match="cannot be parsed"):
        perform(alipay.gateway(aes_key="vEARwBsVE8dBrk0tiaNQtQ=="))


def test_an_encrypted_response_is_not_decrypted_before_it_is_verified(keys: Keys) -> None:
    perform, node = METHODS["alipay.trade.query"]
    alipay = Alipay(keys, node, cipher=ContentCipher(AES_KEY), signer=None)
    with pytest.raises(OutcomeUnknown, match="not signed by Alipay"):
        perform(alipay.gateway(aes_key=AES_KEY))


def test_an_encrypted_rejection_is_an_error(keys: Keys) -> None:
    perform, _ = METHODS["alipay.trade.close"]
    alipay = Alipay(keys, FAILURE, cipher=ContentCipher(AES_KEY))
    with pytest.raises(GatewayError, match="TRADE_STATUS_ERROR"):
        perform(alipay.gateway(aes_key=AES_KEY))


def test_the_newer_encryption_is_read_as_well(keys: Keys) -> None:
    class Newer(ContentCipher):
        def encrypt(self, content: bytes) -> str:
            # A first block of its own in front is what a random vector comes to.
            return super().encrypt(b"\xf0" * 16 + content)

    perform, node = METHODS["alipay.trade.close"]
    response = perform(Alipay(keys, node, cipher=Newer(AES_KEY)).gateway(aes_key=AES_KEY))
    assert response.trade_no == NUMBERS["trade_no"]


SN = "a359aaadd01ceca03dbc07537da539b9"


@methods
def test_a_response_names_the_certificate_that_is_configured(keys: Keys, method: str) -> None:
    perform, node = METHODS[method]
    for options in ({"alipay_cert_sns": [SN]}, {}):
        perform(Alipay(keys, node, cert_sn=SN).gateway(**options))
    perform(Alipay(keys, node).gateway(alipay_cert_sns=[SN]))


@methods
def test_a_response_with_another_certificate_is_not_trusted(keys: Keys, method: str) -> None:
    perform, node = METHODS[method]
    gateway = Alipay(keys, node, cert_sn="b" * 32).gateway(alipay_cert_sns=[SN])
    with pytest.raises(OutcomeUnknown, match=f"certificate .* not configured .{'b' * 32}"):
        perform(gateway)


def test_without_alipays_key_nothing_is_sent(keys: Keys) -> None:
    alipay = Alipay(keys, DONE)
    gateway = OpenApiGateway(APP_ID, Rsa2Signer(keys.merchant), transport=alipay)
    with pytest.raises(ConfigurationError):
        gateway.trade_close(out_trade_no="A1")
    assert alipay.requested == []


def test_no_secret_is_shown(keys: Keys) -> None:
    alipay = Alipay(keys, DONE)
    shown: list[Any] = [alipay.gateway(aes_key=AES_KEY), ContentCipher(AES_KEY)]
    assert AES_KEY not in repr(shown)
