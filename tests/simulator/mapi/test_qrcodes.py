from __future__ import annotations

import pytest

GOODS = {"biz_type": "10", "biz_data": '{"goods_info": {"name": "茶 & <Tea>"}}'}
SHOP = {"biz_type": "OVERSEASHOPQRCODE", "biz_data": '{"store_name": "Tea"}'}
CREATE, MODIFY = "alipay.commerce.qrcode.create", "alipay.commerce.qrcode.modify"


@pytest.fixture
def code(server, merchant):
    def code(service, **params):
        params = {"timestamp": "2026-01-31 12:00:00"} | params
        return server(merchant.call(service, **params))

    return code


@pytest.fixture
def manage(code):
    def manage(method, **params):
        return code("alipay.mobile.qrcode.manage", method=method, **params)

    return manage


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_a_code_is_made(manage, merchant, charset):
    answer = manage("add", charset=charset, **GOODS)
    assert answer.fields["result_code"] == "SUCCESS"
    assert answer.fields["qrcode"].startswith("https://qr.alipay.com/")
    assert answer.fields["qrcode_img_url"].startswith("https://mobilecodec.alipay.com/show.htm?")
    assert answer.signed_by(merchant.signer("MD5"))


def test_a_code_is_changed_stopped_and_started_again(manage):
    qrcode = manage("add", **GOODS).fields["qrcode"]
    for method in ("modify", "stop", "restart"):
        fields = manage(method, qrcode=qrcode, **GOODS).fields
        assert (fields["qrcode"], fields["result_code"]) == (qrcode, "SUCCESS")
    again = manage("restart", qrcode=qrcode)
    assert again.fields == {"result_code": "FAIL", "error_message": "QRCODE_STATUS_ERROR"}


def test_a_code_of_a_shop_is_made_and_changed(code):
    qrcode = code(CREATE, **SHOP).fields["qrcode"]
    for name in ("qrcode", "qr_code"):
        assert code(MODIFY, **SHOP, **{name: qrcode}).fields["qrcode"] == qrcode


def test_a_code_that_is_not_there_is_a_result(code, manage):
    for answer in (
        manage("stop", qrcode="https://qr.alipay.com/bax1"),
        manage("stop", qrcode=code(CREATE, **SHOP).fields["qrcode"]),
    ):
        assert answer.fields == {"result_code": "FAIL", "error_message": "QRCODE_NOT_EXIST"}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("burn", GOODS),
        ("add", {}),
        ("add", GOODS | {"biz_data": "{"}),
        ("add", GOODS | {"biz_data": "[" * 10_000}),
        ("add", GOODS | {"biz_data": f'{{"a": "{"x" * 20_000}"}}'}),
        ("add", GOODS | {"timestamp": "now"}),
        ("stop", {}),
    ],
)
def test_a_bad_request_is_rejected(manage, method, params):
    assert manage(method, **params).error == "ILLEGAL_ARGUMENT"


def test_a_shops_code_has_one_biz_type(code):
    assert code(CREATE, **(SHOP | {"biz_type": "10"})).error == "ILLEGAL_ARGUMENT"
    assert code(MODIFY, **SHOP).error == "ILLEGAL_ARGUMENT"
