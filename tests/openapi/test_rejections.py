"""Rejections: what the operator reads, in which charset it arrived, and what stays out of logs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_alipay.exceptions import GatewayError, OutcomeUnknown
from flask_alipay.gateways.transport import HttpResponse

from ..conftest import Keys
from ..doubles.openapi import AES_KEY, DONE, Alipay, answer
from ..doubles.openapi_v3 import answer3

TOKEN = "201509BBeff9351ad1874306903e96b91d248A36"
POOR = {
    "code": "40004",
    "msg": "Business Failed",
    "sub_code": "ACQ.SELLER_BALANCE_NOT_ENOUGH",
    "sub_msg": "卖家余额不足",
}
UNKNOWN_APP = {
    "code": "40002",
    "msg": "Invalid Arguments",
    "sub_code": "isv.invalid-app-id",
    "sub_msg": "无效的AppID参数",
}


def refund(alipay: Any, **options: Any) -> GatewayError:
    """The rejection of a refund."""
    with pytest.raises(GatewayError) as caught:
        alipay.gateway(**options).trade_refund(
            out_trade_no="A1", refund_amount="1.00", out_request_no="R1"
        )
    return caught.value


def test_the_message_has_code_sub_code_and_alipays_explanation(keys: Keys) -> None:
    error = refund(Alipay(keys, POOR))
    assert str(error) == (
        "Alipay rejected alipay.trade.refund: 40004 ACQ.SELLER_BALANCE_NOT_ENOUGH (卖家余额不足)"
    )
    assert (error.sub_code, error.sub_msg) == (POOR["sub_code"], POOR["sub_msg"])


def test_without_an_explanation_the_message_of_the_code_stands_for_it(keys: Keys) -> None:
    node = {"code": "40005", "msg": "Call Limited", "sub_code": "isv.app-call-limited"}
    assert str(refund(Alipay(keys, node))).endswith("40005 isv.app-call-limited (Call Limited)")


@pytest.mark.parametrize("ampersand", ["&", "&amp;"])
@pytest.mark.parametrize("first", ["app_id", "app_auth_token", "app_cert_sn"])
def test_the_message_omits_the_string_to_sign(keys: Keys, first: str, ampersand: str) -> None:
    quoted = ampersand.join(
        [f"{first}=x", f"app_auth_token={TOKEN}", 'biz_content={"buyer":"Anna"}']
    )
    sub_msg = f"验签出错，建议检查签名字符串，网关生成的验签字符串为：{quoted}"
    node = {"code": "40002", "sub_code": "isv.invalid-signature", "sub_msg": sub_msg}
    error = refund(Alipay(keys, node))
    assert str(error).endswith("网关生成的验签字符串为：…)")
    assert error.sub_msg is not None
    assert "Anna" in error.sub_msg  # whoever needs the string finds it here, but for the token
    assert TOKEN not in error.sub_msg


def test_a_link_in_the_explanation_is_kept(keys: Keys) -> None:
    link = "https://open.alipay.com/api/errCheck?traceId=1&source=openapi"
    node = {**UNKNOWN_APP, "sub_msg": f"无效的AppID参数，解决方案：{link}"}
    assert link in str(refund(Alipay(keys, node)))


def test_the_explanation_forges_no_line_of_the_log(keys: Keys) -> None:
    notified = str(refund(Alipay(keys, {**POOR, "sub_msg": "a\nb\r\x1b[31mc\u2028d" + "e" * 999})))
    assert notified.isprintable()
    assert len(notified) < 400


@pytest.mark.parametrize("options", [{}, {"aes_key": AES_KEY}], ids=["plain", "encrypted"])
def test_a_signed_rejection_in_gbk_to_a_request_in_utf_8_is_proven(
    keys: Keys, options: dict[str, Any]
) -> None:
    alipay = Alipay(keys, b"")
    alipay.node = answer("alipay.trade.refund", POOR, signer=alipay.signer, charset="gbk")
    error = refund(alipay, **options)
    assert (error.sub_msg, error.signed) == (POOR["sub_msg"], True)
    assert not isinstance(error, OutcomeUnknown)


def test_an_unsigned_rejection_in_gbk_is_read(keys: Keys) -> None:
    alipay = Alipay(keys, answer("alipay.trade.refund", UNKNOWN_APP, signer=None, charset="gbk"))
    error = refund(alipay)
    assert (error.sub_code, error.sub_msg) == ("isv.invalid-app-id", UNKNOWN_APP["sub_msg"])
    assert not error.signed


@pytest.mark.parametrize("character", [b"\xa2\xe3", b"\xfe\x9f"], ids=["euro", "rare"])
def test_characters_that_pythons_gbk_lacks_verify_in_a_response(
    keys: Keys, character: bytes
) -> None:
    alipay = Alipay(keys, b"")
    node = b'{"code":"40004","sub_code":"ACQ.X","sub_msg":"' + character + b'"}'
    sign = alipay.signer.sign(node).encode()
    alipay.node = b'{"alipay_trade_refund_response":' + node + b',"sign":"' + sign + b'"}'
    assert refund(alipay).signed


def test_a_response_in_utf_8_to_a_request_in_gbk_is_read(keys: Keys) -> None:
    alipay = Alipay(keys, b"")
    node = {**POOR, "sub_msg": "卖家余额不足，请充值"}
    alipay.node = answer("alipay.trade.refund", node, signer=alipay.signer)
    error = refund(alipay, charset="gbk")
    assert (error.sub_msg, error.signed) == (node["sub_msg"], True)


def test_an_acceptance_in_gbk_is_trusted_only_with_its_signature(keys: Keys) -> None:
    node = {**DONE, "refund_fee": "1.00", "fund_change": "Y", "out_trade_no": "A1", "x": "茶"}
    alipay = Alipay(keys, answer("alipay.trade.refund", node, signer=None, charset="gbk"))
    with pytest.raises(OutcomeUnknown):
        alipay.gateway().trade_refund(out_trade_no="A1", refund_amount="1.00", out_request_no="R1")


@pytest.mark.parametrize("node", [b"nothing", b"\xff\xff", {**DONE, "refund_fee": "x"}])
def test_the_method_is_named_as_alipay_spells_it(keys: Keys, node: Any) -> None:
    error = refund(Alipay(keys, node))
    assert "alipay?trade?refund" not in str(error)
    if isinstance(node, bytes):
        assert "alipay.trade.refund" in str(error)


@pytest.mark.parametrize("status", [200, 400, 502])
@pytest.mark.parametrize("body", [b"<html>", b"{"])
def test_in_v3_the_method_is_named_so_too(keys: Keys, body: bytes, status: int) -> None:
    alipay = Alipay(keys, b"")
    alipay.request = lambda *_, **__: HttpResponse(status, {}, body)  # type: ignore[attr-defined]
    assert "alipay.trade.refund" in str(refund(alipay, api_version="v3"))


def test_a_rejection_in_gbk_is_read_in_v3(keys: Keys) -> None:
    alipay = Alipay(keys, b"")
    body = json.dumps({"code": "invalid-app-id", "message": "无效的AppID参数"}, ensure_ascii=False)
    reply = answer3(body.encode("gbk"), alipay.signer, status=400)
    alipay.request = lambda *_, **__: reply  # type: ignore[attr-defined]
    error = refund(alipay, api_version="v3")
    assert (error.sub_code, error.sub_msg) == ("isv.invalid-app-id", "无效的AppID参数")
