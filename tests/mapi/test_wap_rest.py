"""The older WAP gateway: a token for a payment, and the buyer on the way with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

from flask_alipay.exceptions import (
    ConfigurationError,
    GatewayError,
    InvalidParameter,
    OutcomeUnknown,
)
from flask_alipay.gateways.mapi import WAP_PRODUCTION
from flask_alipay.protocol.notification import verified_params
from flask_alipay.signer import Md5Signer, Rsa2Signer, RsaSigner, Signer, sign_content

from ..conftest import Keys
from ..doubles.mapi import LOST, PARTNER, SIGNER, Alipay, gateway

TRADE: dict[str, Any] = {
    "subject": "茶 <1> & 100%",
    "out_trade_no": "A1",
    "total_fee": "88.88",
    "seller_account_name": "boss@shop.example",
    "call_back_url": "https://shop.example/return",
}


def answer(params: Mapping[str, str], signer: Signer | None = SIGNER, **changes: str) -> bytes:
    """What the gateway says to a request for a token."""
    names = ("partner", "req_id", "sec_id", "service", "v")
    notified = {name: params[name] for name in names}
    notified["res_data"] = (
        '<?xml version="1.0" encoding="utf-8"?>'
        "<direct_trade_create_res><request_token>20260131abc</request_token>"
        "</direct_trade_create_res>"
    )
    notified |= changes
    if signer is not None:
        notified["sign"] = signer.sign(sign_content(notified, exclude=("sign",)))
    return urlencode(notified).encode()


def create(alipay: Alipay, signer: Signer = SIGNER, **changes: Any) -> str:
    merchant = gateway(alipay, signer)
    return merchant.alipay_wap_trade_create_direct(**{**TRADE, **changes})


def answering(signer: Signer | None = SIGNER, **changes: str) -> Alipay:
    alipay = Alipay()
    alipay.answer = lambda params: answer(params, signer, **changes)
    return alipay


def test_a_payment_is_exchanged_for_a_token() -> None:
    alipay = answering()
    assert create(alipay) == "20260131abc"
    [(verb, url, params, charset)] = alipay.requested
    assert (verb, url, charset) == ("POST", WAP_PRODUCTION, "utf-8")
    assert params["service"] == "alipay.wap.trade.create.direct"
    assert (params["format"], params["v"], params["sec_id"]) == ("xml", "2.0", "MD5")
    assert "sign_type" not in params
    assert params["sign"] == SIGNER.sign(sign_content(params, exclude=("sign",)))


def test_the_document_holds_what_was_given() -> None:
    alipay = answering()
    create(alipay, notify_url="https://shop.example/notify", pay_expire=30)
    root = ElementTree.fromstring(alipay.params["req_data"])
    assert root.tag == "direct_trade_create_req"
    assert {child.tag: child.text for child in root} == {
        **TRADE,
        "notify_url": "https://shop.example/notify",
        "pay_expire": "30",
    }


def test_each_request_has_a_number_of_its_own() -> None:
    alipay = answering()
    create(alipay)
    create(alipay)
    numbers = {params["req_id"] for _, _, params, _ in alipay.requested}
    assert len(numbers) == 2
    assert all(1 <= len(number) <= 32 for number in numbers)
    own = answering()
    create(own, req_id="REQ1")
    assert own.params["req_id"] == "REQ1"


def test_it_is_written_in_utf_8_whatever_the_merchants_charset() -> None:
    alipay = answering()
    gateway(alipay, charset="gbk").alipay_wap_trade_create_direct(**{**TRADE, "subject": "🍵"})
    assert "🍵" in alipay.params["req_data"]
    assert alipay.requested[0][3] == "utf-8"


@pytest.mark.parametrize("name", list(TRADE))
def test_a_missing_parameter_of_a_payment_is_named(name: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        create(Alipay(), **{name: None})
    assert caught.value.parameter == name


def test_the_money_is_for_the_merchant() -> None:
    alipay = answering()
    merchant = gateway(alipay, seller_email="boss@shop.example")
    alone = {name: text for name, text in TRADE.items() if name != "seller_account_name"}
    merchant.alipay_wap_trade_create_direct(**alone)
    assert "<seller_account_name>boss@shop.example<" in alipay.params["req_data"]


def test_rsa_is_0001(keys: Keys) -> None:
    packaged = RsaSigner(keys.merchant, keys.alipay.public_key())
    alipay = answering(RsaSigner(keys.alipay))
    assert create(alipay, packaged) == "20260131abc"
    assert alipay.params["sec_id"] == "0001"


def test_rsa2_is_unknown_here(keys: Keys) -> None:
    signer = Rsa2Signer(keys.merchant, keys.alipay.public_key())
    with pytest.raises(ConfigurationError, match="MD5 or RSA"):
        create(Alipay(), signer)
    with pytest.raises(ConfigurationError, match="MD5 or RSA"):
        gateway(signer=signer).alipay_wap_auth_authAndExecute("t")


def error(text: str) -> bytes:
    return urlencode({"res_error": text, "partner": PARTNER}).encode()


def test_a_rejection_has_alipays_code() -> None:
    words = "<code>0005</code><sub_code>0005</sub_code><msg>partner</msg><detail>合作伙伴</detail>"
    with pytest.raises(GatewayError, match="0005") as caught:
        create(Alipay(error(f"<err>{words}</err>")))
    assert (caught.value.code, caught.value.sub_code) == ("0005", "0005")
    assert caught.value.sub_msg == "合作伙伴"
    assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"res_data=",
        b"res_data=%ff%fe",
        b"res_data=<token",
        urlencode({"res_data": "<!DOCTYPE a [<!ENTITY x 'x'>]><a>&x;</a>"}).encode(),
        error("<err"),
        error("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><err>&x;</err>"),
        b"\xd6\xd0",
    ],
)
def test_a_malformed_response_is_an_unknown_outcome(body: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        create(Alipay(body))


def test_without_a_response_the_outcome_is_unknown() -> None:
    with pytest.raises(OutcomeUnknown):
        create(Alipay(LOST))


def test_a_response_that_alipay_did_not_sign_is_not_trusted() -> None:
    for signer in (None, Md5Signer("f" * 32)):
        with pytest.raises(OutcomeUnknown, match="not signed"):
            create(answering(signer))


@pytest.mark.parametrize(
    "changes",
    [
        {"partner": "2088000000000009"},
        {"req_id": "another"},
        {"res_data": "<direct_trade_create_res/>"},
    ],
)
def test_a_response_to_another_request_is_rejected(changes: dict[str, str]) -> None:
    with pytest.raises(OutcomeUnknown, match="another request"):
        create(answering(**changes))


def test_the_buyer_goes_with_the_token() -> None:
    request = gateway(wap_gateway_url="https://wap.invalid/rest").alipay_wap_auth_authAndExecute(
        "a<b&c"
    )
    assert request.gateway_url == "https://wap.invalid/rest"
    assert "<request_token>a&lt;b&amp;c</request_token>" in request.params["req_data"]
    for wrong in ("", "x" * 65, "a\nb"):
        with pytest.raises(InvalidParameter, match=r"^request_token "):
            gateway().alipay_wap_auth_authAndExecute(wrong)


def test_the_buyers_return_is_signed_by_the_common_rule() -> None:
    notified = {
        "out_trade_no": "A1",
        "request_token": "20260131abc",
        "result": "success",
        "trade_no": "2026013122001400001234567890",
    }
    notified["sign"] = SIGNER.sign(sign_content(notified))
    assert verified_params(urlencode(notified).encode(), SIGNER) == notified
