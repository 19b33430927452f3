"""What ``alipay`` (lxneng) and ``alipay_python`` (fengli) got wrong, done right here.

Each test is named for the mistake that it keeps out.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.etree import ElementTree

import pytest

from flask_alipay.exceptions import (
    BadNotification,
    BadSignature,
    ConfigurationError,
    OutcomeUnknown,
)
from flask_alipay.gateways.mapi import RefundEntry, TransferEntry, new_batch_no
from flask_alipay.gateways.transport import HttpTransport
from flask_alipay.protocol.charsets import parse_form
from flask_alipay.protocol.notification import Notification, verified_params, verify_params
from flask_alipay.signer import Md5Signer, Rsa2Signer, RsaSigner, sign_content

from ..conftest import Keys
from ..doubles.mapi import SIGNER, TRADE_NO, Alipay, gateway, yes
from ..test_transport import Gateway
from ..test_transport import gateway as gateway_fixture

server = gateway_fixture

NOTIFICATION = {
    "notify_id": "RqPnCoPT3K9%2Fvwbh3InWeOvCB%2BJOJ",
    "out_trade_no": "A1",
    "seller_email": "boss@shop.example",
    "total_fee": "88.88",
    "trade_status": "TRADE_SUCCESS",
}


def notification_body(**changes: str | None) -> bytes:
    notification_params = {
        name: text for name, text in {**NOTIFICATION, **changes}.items() if text is not None
    }
    return urlencode(
        {
            **notification_params,
            "sign_type": "MD5",
            "sign": SIGNER.sign(sign_content(notification_params)),
        }
    ).encode()


# lxneng


def test_refund_fastpay_by_platform_pwd_does_not_always_raise() -> None:
    request = gateway().refund_fastpay_by_platform_pwd(
        [RefundEntry(TRADE_NO, "0.01", "退款")], batch_no=new_batch_no()
    )
    params = dict(parse_qsl(urlsplit(request.url).query))
    assert params["detail_data"] == f"{TRADE_NO}^0.01^退款"


def test_a_batch_fee_of_0_1_and_0_2_is_0_30() -> None:
    entries = [TransferEntry(f"S{n}", "a@example.com", "王", f"0.{n}") for n in (1, 2)]
    request = gateway().batch_trans_notify(
        entries, batch_no=new_batch_no(), account_name="茶店", email="boss@shop.example"
    )
    assert request.params["batch_fee"] == "0.30"
    assert request.params["batch_num"] == "2"


def test_empty_values_are_not_signed() -> None:
    request = gateway(Alipay()).create_direct_pay_by_user(
        out_trade_no="A1", subject="茶", total_fee="1.00", body=None, notify_url=None
    )
    assert b"body" not in request.content
    assert sign_content({"a": "1", "b": ""}) == b"a=1"
    assert verified_params(notification_body(body=""), SIGNER)["body"] == ""


@pytest.mark.parametrize("name", ["notify_id", "seller_email"])
def test_a_field_that_is_not_there_is_no_key_error(name: str) -> None:
    notification_params = Notification.from_params(
        verified_params(notification_body(**{name: None}), SIGNER)
    )
    assert getattr(notification_params, name) is None


def test_a_subject_with_markup_in_it_stays_a_subject() -> None:
    alipay = Alipay()
    subject = "<b>Tea</b> & </subject><total_fee>0.01</total_fee>"
    with pytest.raises(OutcomeUnknown):
        gateway(alipay).alipay_wap_trade_create_direct(
            subject=subject,
            out_trade_no="A1",
            total_fee="88.88",
            seller_account_name="boss@shop.example",
            call_back_url="https://shop.example/return",
        )
    root = ElementTree.fromstring(alipay.params["req_data"])
    assert root.findtext("subject") == subject
    assert [element.text for element in root.findall("total_fee")] == ["88.88"]


def test_a_gateway_that_hangs_is_not_waited_for_forever(server: Gateway) -> None:
    server.response = server.hangs
    transport = HttpTransport(0.2)
    merchant = gateway(transport, gateway_url=server.url)
    with pytest.raises(OutcomeUnknown):
        merchant.notify_verify("n1")
    transport._session().close()


def test_a_notification_is_verified_from_its_body_and_not_from_a_multidict() -> None:
    # Flask's request.form is not a mapping to single texts; the raw body is what was signed.
    assert parse_form(notification_body())["out_trade_no"] == "A1"
    assert verified_params(notification_body(), SIGNER)["total_fee"] == "88.88"


# fengli


def test_every_sign_type_signs(keys: Keys) -> None:
    signers = (SIGNER, RsaSigner(keys.merchant), Rsa2Signer(keys.merchant))
    signs = {
        gateway(signer=signer)
        .create_direct_pay_by_user(out_trade_no="A1", subject="茶", total_fee="1.00")
        .params["sign"]
        for signer in signers
    }
    assert len(signs) == 3
    assert all(len(sign) >= 32 for sign in signs)


@pytest.mark.parametrize("sign", ["", None])
def test_an_empty_sign_matches_nothing(keys: Keys, sign: str | None) -> None:
    pair = (keys.merchant, keys.alipay.public_key())
    notification_params = {**NOTIFICATION, "sign": sign} if sign is not None else NOTIFICATION
    for signer in (SIGNER, RsaSigner(*pair), Rsa2Signer(*pair)):
        assert not verify_params(notification_params, signer)
        with pytest.raises(BadSignature):
            verified_params(
                urlencode(
                    {key: text for key, text in notification_params.items() if text}
                ).encode(),
                signer,
            )
    with pytest.raises(ConfigurationError):
        Md5Signer("")


def test_a_notify_id_is_encoded_once() -> None:
    alipay = Alipay(b"true")
    assert gateway(alipay).notify_verify(verified_params(notification_body(), SIGNER)["notify_id"])
    assert alipay.params["notify_id"] == NOTIFICATION["notify_id"]


def test_logistics_are_the_shops_to_choose() -> None:
    request = gateway().create_partner_trade_by_buyer(
        out_trade_no="A1",
        subject="茶",
        price="10.00",
        quantity=2,
        logistics_type="EMS",
        logistics_fee="5.00",
        logistics_payment="BUYER_PAY_AFTER_RECEIVE",
    )
    assert request.params["logistics_type"] == "EMS"
    assert request.params["logistics_payment"] == "BUYER_PAY_AFTER_RECEIVE"
    alipay = Alipay(yes())
    gateway(alipay).send_goods_confirm_by_platform(
        trade_no=TRADE_NO, logistics_name="顺丰", transport_type="EMS"
    )
    assert alipay.params["logistics_name"] == "顺丰"
    assert alipay.params["transport_type"] == "EMS"


def test_a_return_is_no_notification() -> None:
    # The ancestors granted the goods at the return URL: a return is signed as well.
    back = {**NOTIFICATION, "is_success": "T", "exterface": "create_direct_pay_by_user"}
    back["sign"] = SIGNER.sign(sign_content(back))
    with pytest.raises(BadNotification, match="a return"):
        Notification.from_params(verified_params(urlencode(back).encode(), SIGNER))
