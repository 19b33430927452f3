"""Notifications of the older WAP gateway: signed in a fixed order, with XML inside."""

from __future__ import annotations

from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import BadNotification, BadSignature, NotificationRefused
from flask_alipay.protocol.notification import Notification
from flask_alipay.protocol.wap_notification import (
    WAP_PUBLIC_KEY,
    is_wap_notification,
    verify_wap,
    wap_signer,
)
from flask_alipay.signer import Md5Signer, RsaSigner, Signer

from .conftest import Keys

SIGNER = Md5Signer("0123456789abcdef0123456789abcdef")
NOTIFICATION = {
    "payment_type": "1",
    "subject": "茶 <1> & 100% + &total_fee",
    "trade_no": "2026013122001400001234567890",
    "buyer_email": "buyer@example.com",
    "gmt_create": "2026-01-31 12:00:00",
    "notify_type": "trade_status_sync",
    "quantity": "1",
    "out_trade_no": "A1",
    "notify_time": "2026-01-31 12:00:02",
    "seller_id": "2088000000000001",
    "trade_status": "TRADE_SUCCESS",
    "total_fee": "88.88",
    "gmt_payment": "2026-01-31 12:00:01",
    "notify_id": "n1",
}
ORDER = ("service", "v", "sec_id", "notify_data")


def xml(values: dict[str, str]) -> str:
    return f"<notify>{''.join(f'<{k}>{escape(v)}</{k}>' for k, v in values.items())}</notify>"


def notified(
    data: str | None = None,
    signer: Signer | None = SIGNER,
    charset: str = "utf-8",
    **changes: str,
) -> bytes:
    params = {
        "service": "alipay.wap.trade.create.direct",
        "v": "1.0",
        "sec_id": "MD5",
        "notify_data": xml(NOTIFICATION) if data is None else data,
        **changes,
    }
    if signer is not None:
        content = "&".join(f"{name}={params[name]}" for name in ORDER)
        params["sign"] = signer.sign(content.encode(charset))
    return urlencode(params, encoding=charset).encode("ascii")


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
@pytest.mark.parametrize("configured", ["utf-8", "gbk"])
def test_a_notification_is_verified_and_parsed(charset: str, configured: str) -> None:
    body = notified(charset=charset)
    assert is_wap_notification(body)
    params = verify_wap(body, SIGNER, configured)
    assert params == NOTIFICATION
    notification = Notification.from_params(params)
    assert (notification.out_trade_no, notification.total_fen, notification.trade_status) == (
        "A1",
        8888,
        "TRADE_SUCCESS",
    )
    assert notification.notify_id == "n1"
    assert notification.paid_at is not None


def test_the_signed_order_does_not_depend_on_the_order_of_fields() -> None:
    fields = notified().split(b"&")
    assert verify_wap(b"&".join(reversed(fields)), SIGNER) == NOTIFICATION
    # The sorted rule signs something else.
    wrong = "&".join(f"{name}={value}" for name, value in sorted({"v": "1.0"}.items()))
    assert not SIGNER.verify(wrong.encode(), "x")


def test_rsa_has_a_separate_key(keys: Keys) -> None:
    body = notified(signer=RsaSigner(keys.alipay), sec_id="0001")
    merchant_signer = RsaSigner(keys.merchant, keys.alipay.public_key())
    assert verify_wap(body, wap_signer(merchant_signer)) == NOTIFICATION
    widened = wap_signer(merchant_signer)
    assert isinstance(widened, RsaSigner)
    assert len(widened.public_keys) == 2
    assert RsaSigner(public_key=WAP_PUBLIC_KEY).public_keys[0].key_size == 1024
    assert wap_signer(SIGNER) is SIGNER
    with pytest.raises(BadSignature):
        verify_wap(
            notified(signer=RsaSigner(keys.merchant), sec_id="0001"), wap_signer(merchant_signer)
        )


def test_an_unsigned_notification_is_not_trusted() -> None:
    for body in (
        notified(signer=None),
        notified(signer=Md5Signer("f" * 32)),
        notified(signer=None, sign=""),
    ):
        with pytest.raises(BadSignature):
            verify_wap(body, SIGNER)


@pytest.mark.parametrize("name", ORDER)
def test_every_signed_field_is_verified(name: str) -> None:
    body = notified()
    sent = dict(pair.split("=", 1) for pair in body.decode().split("&"))
    sent[name] = sent[name].replace("1", "2").replace("MD5", "MD6") + "x"
    with pytest.raises(NotificationRefused):
        verify_wap("&".join(f"{key}={value}" for key, value in sent.items()).encode(), SIGNER)
    del sent[name]
    with pytest.raises(BadSignature, match="not signed by the WAP"):
        verify_wap("&".join(f"{key}={value}" for key, value in sent.items()).encode(), SIGNER)


def test_unsigned_fields_are_ignored() -> None:
    params = verify_wap(notified() + b"&total_fee=0.01&seller_id=2088999999999999", SIGNER)
    assert params["total_fee"] == "88.88"
    assert params["seller_id"] == "2088000000000001"


def test_the_signed_string_cannot_be_split_at_another_place() -> None:
    # A subject in CDATA may hold a raw "&notify_data=<notify>…": signed once, it must not be read
    # from there.
    inner = "<notify><out_trade_no>B2</out_trade_no></notify>"
    data = f"<notify><subject><![CDATA[&notify_data={inner}]]></subject></notify>"
    body = notified(data)
    assert verify_wap(body, SIGNER)["subject"].endswith("</notify>")
    sign = body.rpartition(b"&sign=")[2].decode()
    before, _, after = f"MD5&notify_data={data}".partition("&notify_data=" + inner)
    cut = {
        "service": "alipay.wap.trade.create.direct",
        "v": "1.0",
        "sec_id": before,
        "notify_data": inner + after,
    }
    with pytest.raises(BadNotification, match="could be read as several"):
        verify_wap(f"{urlencode(cut)}&sign={quote(sign)}".encode(), SIGNER)


@pytest.mark.parametrize(
    "data",
    [
        "no xml",
        "<notify>",
        "<other><out_trade_no>A1</out_trade_no></other>",
        "<notify><out_trade_no>A1</out_trade_no><out_trade_no>A2</out_trade_no></notify>",
        "<notify><trade><out_trade_no>A1</out_trade_no></trade></notify>",
        "<!DOCTYPE notify [<!ENTITY x '1'>]><notify><a>&x;</a></notify>",
        "<!DOCTYPE notify SYSTEM 'file:///etc/passwd'><notify/>",
    ],
)
def test_hostile_xml_is_rejected_even_if_it_is_signed(data: str) -> None:
    with pytest.raises(BadNotification, match="notify_data"):
        verify_wap(notified(data), SIGNER)


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"notify_data=%ff", b"notify_data=1&notify_data=2", b"notify_data=%00", b"\xff"],
)
def test_a_body_that_is_not_a_form_is_rejected(body: bytes) -> None:
    with pytest.raises(NotificationRefused):
        verify_wap(body, SIGNER)


@given(st.binary(max_size=200))
def test_any_body_raises_only_rejections(body: bytes) -> None:
    with pytest.raises(NotificationRefused):
        verify_wap(b"notify_data=" + body, SIGNER)


def test_an_xml_declaration_inside_is_ignored() -> None:
    data = '<?xml version="1.0" encoding="GBK"?>' + xml(NOTIFICATION)
    assert verify_wap(notified(data), SIGNER) == NOTIFICATION


def test_other_notifications_are_not_wap_notifications() -> None:
    assert not is_wap_notification(b"out_trade_no=A1&sign=1")
    assert not is_wap_notification(b"subject=notify_data%3D&x_notify_data=1")
    assert is_wap_notification(b"v=1&notify_data=1")
