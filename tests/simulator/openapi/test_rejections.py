"""Rejections of the open platform's gateway (v2): codes, texts, roots and signatures."""

from __future__ import annotations

import json

import pytest

from flask_alipay.simulator.openapi.encryption import ServerCipher

from .server import ORDER

T1 = {"out_trade_no": "T1"}
QUERY = "alipay.trade.query"
TOKEN = "201509BBeff9351ad1874306903e96b91d248A36"


def envelope(server, params):
    return json.loads(server.post(params).text)


@pytest.mark.parametrize(
    ("changes", "root", "node"),
    [
        (
            {"app_id": "9", "sign": "x"},
            "alipay_trade_query_response",
            ("40002", "Invalid Arguments", "isv.invalid-app-id", "无效的AppID参数"),
        ),
        (
            {"app_id": ""},
            "alipay_trade_query_response",
            ("40001", "Missing Required Arguments", "isv.missing-app-id", "缺少AppID参数"),
        ),
        (
            {"sign": ""},
            "error_response",
            ("40001", "Missing Required Arguments", "isv.missing-signature", "缺少签名参数"),
        ),
        (
            {"method": "alipay.trade.fly"},
            "error_response",
            ("40002", "Invalid Arguments", "isv.invalid-method", "不存在的方法名"),
        ),
    ],
)
def test_an_unsigned_rejection_has_the_text_of_the_live_gateway(server, changes, root, node):
    names = ("code", "msg", "sub_code", "sub_msg")
    params = {name: value for name, value in (server.params(QUERY, T1) | changes).items() if value}
    assert envelope(server, params) == {root: dict(zip(names, node, strict=True))}


@pytest.mark.parametrize("content", ["no json", "[]", '{"out_trade_no":', '"T1"', "[" * 10_000])
def test_content_that_is_no_json_object_is_rejected(server, content):
    node = server.call(QUERY, biz_content=content)
    assert (node["code"], node["sub_code"]) == ("40002", "isv.illegal-json")


def test_encrypted_content_that_is_no_json_object_is_rejected(server, merchant):
    content = ServerCipher(merchant.account.aes_key).encrypt(b"no json")
    node = server.call(QUERY, biz_content=content, encrypt_type="AES")
    assert node["sub_code"] == "isv.illegal-json"


def test_missing_content_is_an_invalid_parameter(server):
    assert server.call(QUERY, biz_content=None)["sub_code"] == "ACQ.INVALID_PARAMETER"


def test_a_third_party_may_act_with_a_token_in_the_form_of_alipays(server):
    assert server.call("precreate", ORDER, app_auth_token=TOKEN)["code"] == "10000"


@pytest.mark.parametrize("token", ["x", "x" * 40, f"{TOKEN}0", TOKEN.replace("BB", "CC")])
def test_another_token_is_rejected_with_a_signature(server, merchant, simulator, token):
    params = server.params("alipay.trade.precreate", ORDER, app_auth_token=token)
    found = envelope(server, params)
    node = found["error_response"]
    assert (node["code"], node["msg"]) == ("20001", "Insufficient Token Permissions")
    assert (node["sub_code"], node["sub_msg"]) == (
        "aop.invalid-app-auth-token",
        "无效的应用授权令牌",
    )
    signed = json.dumps(node, ensure_ascii=False, separators=(",", ":"))
    assert merchant.signer("RSA2").verify(signed.encode(), found["sign"])
    assert len(simulator.trades) == 0


def test_a_buyers_browser_is_shown_that_a_token_is_invalid(buyer, merchant, simulator):
    response = buyer.open(merchant.page_pay(app_auth_token="x"))
    assert "invalid-app-auth-token" in response.data.decode("gbk")
    assert len(simulator.trades) == 0


@pytest.mark.parametrize(("declared", "used"), [("RSA2", "RSA"), ("RSA", "RSA2")])
def test_a_sign_of_another_sign_type_is_named(server, merchant, declared, used):
    node = server.call(QUERY, T1, sign_type=declared, signer=merchant.signer(used))
    assert node["sub_code"] == "isv.invalid-signature"
    assert node["sub_msg"] == (
        "验签出错，sign值与sign_type参数指定的签名类型不一致："
        f"sign_type参数值为{declared}，您实际用的签名类型可能是{used}"
    )


def test_a_bad_sign_is_answered_with_the_text_of_the_live_gateway(server, merchant):
    node = server.call(QUERY, T1, signer=merchant.signer("MD5"))
    text, _, string = node["sub_msg"].partition("，网关生成的验签字符串为：")
    assert text == "验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配"
    assert "&amp;method=alipay.trade.query" in string, "the live gateway escapes it for HTML"


@pytest.mark.parametrize("field", ["buyer_id", "buyer_logon_id"])
@pytest.mark.parametrize("method", ["create", "precreate", "pay"])
def test_a_seller_cannot_buy_from_himself(server, merchant, simulator, method, field):
    account = merchant.account
    seller = account.partner if field == "buyer_id" else account.seller_email
    order = {"buyer_id": account.buyer_id, field: seller}
    order |= {**ORDER, "scene": "bar_code", "auth_code": "2812345678901234"}
    assert server.refused(method, order) == "ACQ.BUYER_SELLER_EQUAL"
    assert len(simulator.trades) == 0


def test_a_wap_order_needs_no_product_code(buyer, merchant):
    assert buyer.cashier(merchant.wap_pay(biz={"product_code": None}))
