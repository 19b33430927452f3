"""From captured bytes to a frozen record, and what is refused on the way."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timezone
from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import BadNotification, BadSignature, NotificationRefused
from flask_alipay.gateways.mapi import MapiGateway
from flask_alipay.keys import public_pem
from flask_alipay.protocol.charsets import declared_charset, parse_form, python_codec
from flask_alipay.protocol.notification import (
    Notification,
    mask_params,
    verified_params,
    verify_params,
)
from flask_alipay.protocol.trade_status import TradeStatus
from flask_alipay.signer import Md5Signer, Rsa2Signer, RsaSigner, Signer, sign_content

from .conftest import Keys
from .strategies import charsets, hostile_bodies, params

MD5 = Md5Signer("0123456789abcdef0123456789abcdef")

OPEN_PLATFORM = {
    "notify_time": "2026-01-02 00:00:03",
    "notify_type": "trade_status_sync",
    "notify_id": "2026010200222000003000000001",
    "app_id": "9021000000000001",
    "charset": "utf-8",
    "version": "1.0",
    "sign_type": "RSA2",
    "trade_no": "2026010222001400000500000001",
    "out_trade_no": "20260102000000000001",
    "buyer_id": "2088000000000009",
    "buyer_logon_id": "buy***@example.com",
    "seller_id": "2088000000000001",
    "seller_email": "shop@example.com",
    "trade_status": "TRADE_SUCCESS",
    "total_amount": "88.88",
    "subject": "龙井 + 1 & more",
    "gmt_payment": "2026-01-02 00:00:02",
}
LEGACY = {
    "notify_time": "2026-01-02 00:00:03",
    "notify_type": "trade_status_sync",
    "notify_id": "70fec0c2730b27528665af4517c27b95",
    "sign_type": "MD5",
    "out_trade_no": "20260102000000000001",
    "subject": "龙井 + 1 & more",
    "payment_type": "1",
    "trade_no": "2026010200001000000000000001",
    "trade_status": "TRADE_FINISHED",
    "gmt_payment": "2026-01-02 00:00:02",
    "seller_id": "2088000000000001",
    "seller_email": "shop@example.com",
    "buyer_id": "2088000000000009",
    "buyer_email": "buyer@example.com",
    "total_fee": "88.88",
    "price": "44.44",
    "quantity": "2",
}
DIALECTS = pytest.mark.parametrize("values", [OPEN_PLATFORM, LEGACY], ids=["openapi", "mapi"])


def signed(values: dict[str, str], signer: Signer = MD5, charset: str = "utf-8") -> dict[str, str]:
    return values | {"sign": signer.sign(sign_content(values, charset=charset))}


def form(values: dict[str, str], charset: str = "utf-8") -> bytes:
    return urlencode(values, encoding=python_codec(charset)).encode("ascii")


# parse


@given(data=st.data(), charset=charsets)
def test_a_form_is_decoded_once_and_wholly(data: st.DataObject, charset: str) -> None:
    values = data.draw(params(charset)) | {"a": "b"}
    assert parse_form(form(values, charset), charset) == values


@given(data=st.data(), charset=charsets)
def test_a_form_is_decoded_in_its_declared_charset(data: st.DataObject, charset: str) -> None:
    values = data.draw(params(charset)) | {"charset": charset}
    assert parse_form(form(values, charset), "utf-8") == values
    assert parse_form(form(values, charset), "gbk") == values


@pytest.mark.parametrize("name", ["charset", "_input_charset"])
def test_the_charset_is_found_in_any_position(name: str) -> None:
    field = f"{name}=gbk".encode()
    for body in (field, field + b"&a=b", b"a=b&" + field, b"a=b&" + field + b"&c=d"):
        assert declared_charset(body) == "gbk"


@pytest.mark.parametrize("body", [b"a=charset=gbk", b"xcharset=gbk", b"a=b", b"charset=", b""])
def test_a_parameter_that_resembles_the_charset_is_ignored(body: bytes) -> None:
    assert declared_charset(body) is None


@given(
    pieces=st.lists(st.sampled_from(["a", "b=", "=", "&", "+", "%", "%4", "%41", "%D6%D0", "%E4"])),
    charset=st.sampled_from(["utf-8", "gbk", "gb18030"]),
)
def test_a_form_in_ascii_is_read_as_the_standard_library_reads_it(
    pieces: list[str], charset: str
) -> None:
    text = "".join(pieces) + "&z=1"
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, encoding=charset, errors="strict"
        )
    except ValueError:
        pairs = []
    if pairs and len(pairs) == len(dict(pairs)):
        assert parse_form(text.encode(), charset) == dict(pairs)
    else:
        with pytest.raises(BadNotification):
            parse_form(text.encode(), charset)


def test_empty_values_are_kept() -> None:
    assert parse_form(b"a=&b=1") == {"a": "", "b": "1"}


def test_a_form_that_was_not_percent_encoded_is_read_too() -> None:
    assert parse_form("subject=中&a=b".encode("gbk"), "gbk") == {"subject": "中", "a": "b"}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"a=1&a=2", "repeats a key"),
        (b"a=1&%61=1", "repeats a key"),
        (b"total_amount=1&a=b&total_amount=", "repeats a key"),
        (b"", "it is empty"),
        (b"&", "not a form"),
        (b"hello", "not a form"),
        (b"a=1&b", "not a form"),
        (b'{"a": 1}', "not a form"),
        (b"<notify/>", "not a form"),
        (b"a=1&charset=utf-7", "unknown charset"),
        (b"a=1&charset=rot13", "unknown charset"),
        (b"a=1&charset=%00", "NUL"),
        (b"a=%FF&charset=utf-8", "not encoded in utf-8"),
        (b"a=\xff&charset=utf-8", "not encoded in utf-8"),
        (b"a=%81&charset=gbk", "not encoded in gbk"),
        (b"a=%00", "NUL"),
        (b"a=\0", "NUL"),
        (b"%00=a", "NUL"),
        (b"&".join(b"a%d=" % number for number in range(500)), "not a form"),
    ],
)
def test_a_body_that_is_not_a_notification_is_rejected(body: bytes, why: str) -> None:
    with pytest.raises(BadNotification, match=why):
        parse_form(body)


@given(body=hostile_bodies(), charset=charsets)
def test_any_bytes_are_parsed_or_rejected(body: bytes, charset: str) -> None:
    try:
        read = parse_form(body, charset)
    except BadNotification:
        return
    assert all(isinstance(text, str) for pair in read.items() for text in pair)


# verify


@given(data=st.data(), charset=charsets, named=st.booleans())
def test_alipays_signature_is_verified(data: st.DataObject, charset: str, named: bool) -> None:
    values = data.draw(params(charset)) | ({"charset": charset} if named else {"a": "b"})
    body = form(signed(values, charset=charset), charset)
    read = verified_params(body, MD5, charset)
    assert {name: read[name] for name in values} == values


@given(data=st.data())
def test_an_altered_value_is_rejected(data: st.DataObject) -> None:
    values = signed(OPEN_PLATFORM)
    name = data.draw(st.sampled_from([name for name in OPEN_PLATFORM if name != "sign_type"]))
    values[name] = data.draw(
        st.text(st.characters(codec="utf-8")).filter(lambda v: v != values[name])
    )
    with pytest.raises(NotificationRefused):
        verified_params(form(values), MD5)


@given(data=st.data())
def test_a_field_left_out_or_added_is_rejected(data: st.DataObject) -> None:
    values = signed(OPEN_PLATFORM)
    if data.draw(st.booleans()):
        del values[
            data.draw(st.sampled_from([name for name in OPEN_PLATFORM if name != "sign_type"]))
        ]
    else:
        values["refund_fee"] = "88.88"
    with pytest.raises(BadSignature):
        verified_params(form(values), MD5)


@given(body=hostile_bodies(), charset=charsets)
def test_no_forged_bytes_are_verified(body: bytes, charset: str) -> None:
    with pytest.raises(NotificationRefused):
        verified_params(body, MD5, charset)


@given(body=hostile_bodies())
def test_no_forged_bytes_are_verified_with_rsa(keys: Keys, body: bytes) -> None:
    with pytest.raises(NotificationRefused):
        verified_params(body, Rsa2Signer(None, keys.alipay.public_key()))


@pytest.mark.parametrize("configured", ["utf-8", "gbk"])
@pytest.mark.parametrize("written", ["utf-8", "gbk"])
def test_without_a_named_charset_both_are_tried(configured: str, written: str) -> None:
    body = form(signed(LEGACY, charset=written), written)
    assert verified_params(body, MD5, configured)["out_trade_no"] == LEGACY["out_trade_no"]


@pytest.mark.parametrize("configured", ["utf-8", "gbk"])
def test_decoded_parameters_are_tried_in_both_charsets_too(configured: str) -> None:
    assert verify_params(signed(LEGACY, charset="gbk"), MD5, configured)
    assert verify_params(signed(LEGACY, charset="utf-8"), MD5, configured)


def test_a_named_charset_is_the_only_one() -> None:
    values = LEGACY | {"charset": "utf-8"}
    assert not verify_params(signed(values, charset="gbk"), MD5, "gbk")


def test_a_charset_that_does_not_exist_verifies_nothing() -> None:
    assert not verify_params(signed(LEGACY | {"charset": "utf-7"}), MD5)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, "it is not signed"),
        ({"sign": ""}, "it is not signed"),
        ({"sign": "x", "sign_type": "MD5"}, "its signature does not verify"),
        ({"sign": "x", "sign_type": ""}, "its signature does not verify"),
        ({"sign": "x", "sign_type": "a\nb"}, "its signature does not verify"),
        ({"sign": "x", "sign_type": "DSA"}, "it is signed with DSA, MD5 is configured"),
    ],
)
def test_the_message_distinguishes_bad_signatures(changed: dict[str, str], why: str) -> None:
    with pytest.raises(BadSignature, match=f"^{why}$") as caught:
        verified_params(form(OPEN_PLATFORM | changed), MD5)
    assert caught.value.out_trade_no == OPEN_PLATFORM["out_trade_no"]


def test_the_message_does_not_choose_its_algorithm(keys: Keys) -> None:
    configured = Rsa2Signer(None, keys.alipay.public_key())
    weaker = signed(OPEN_PLATFORM | {"sign_type": "RSA"}, RsaSigner(keys.alipay))
    with pytest.raises(BadSignature, match=r"^it is signed with RSA, RSA2 is configured$"):
        verified_params(form(weaker), configured)


def test_the_public_key_is_no_md5_key(keys: Keys) -> None:
    public = keys.alipay.public_key()
    forged = signed(OPEN_PLATFORM | {"sign_type": "MD5"}, Md5Signer(public_pem(public)))
    with pytest.raises(BadSignature, match="signed with MD5, RSA2 is configured"):
        verified_params(form(forged), Rsa2Signer(None, public))


def test_the_sign_type_may_be_missing_or_wrong(keys: Keys) -> None:
    # It is not part of what is signed; only the configuration decides.
    alipay = Rsa2Signer(keys.alipay, keys.alipay.public_key())
    values = signed(OPEN_PLATFORM, alipay)
    for changed in ({}, {"sign_type": "RSA"}, {"sign_type": "nonsense"}):
        altered = {name: text for name, text in values.items() if name != "sign_type"} | changed
        assert verified_params(form(altered), alipay)["trade_status"] == "TRADE_SUCCESS"


@pytest.mark.parametrize("covered", [True, False])
def test_a_certificates_number_may_be_signed_or_not(covered: bool) -> None:
    number = {"alipay_cert_sn": "0123456789abcdef"}
    values = signed(OPEN_PLATFORM | number) if covered else signed(OPEN_PLATFORM) | number
    assert verified_params(form(values), MD5)


def test_a_rejection_quotes_no_more_than_a_safe_number() -> None:
    values = OPEN_PLATFORM | {"out_trade_no": "x\nINFO all is well " + "y" * 99, "sign": "forged"}
    with pytest.raises(BadSignature) as caught:
        verified_params(form(values), MD5)
    assert caught.value.out_trade_no is not None
    assert "\n" not in caught.value.out_trade_no
    assert len(caught.value.out_trade_no) == 64
    for secret in ("forged", "buy", "shop@example.com"):
        assert secret not in str(caught.value)


# Notification


def test_an_open_platform_notification_is_converted() -> None:
    assert Notification.from_params(OPEN_PLATFORM) == Notification(
        out_trade_no="20260102000000000001",
        trade_status=TradeStatus.TRADE_SUCCESS,
        total_fen=8888,
        currency="CNY",
        trade_no="2026010222001400000500000001",
        notify_id="2026010200222000003000000001",
        app_id="9021000000000001",
        seller_id="2088000000000001",
        seller_email="shop@example.com",
        buyer_id="2088000000000009",
        paid_at=datetime(2026, 1, 1, 16, 0, 2, tzinfo=timezone.utc),
        notify_time=datetime(2026, 1, 1, 16, 0, 3, tzinfo=timezone.utc),
        params=OPEN_PLATFORM,
    )


def test_a_legacy_notification_is_converted() -> None:
    assert Notification.from_params(LEGACY) == Notification(
        out_trade_no="20260102000000000001",
        trade_status=TradeStatus.TRADE_FINISHED,
        total_fen=8888,
        trade_no="2026010200001000000000000001",
        notify_id="70fec0c2730b27528665af4517c27b95",
        seller_id="2088000000000001",
        seller_email="shop@example.com",
        buyer_id="2088000000000009",
        paid_at=datetime(2026, 1, 1, 16, 0, 2, tzinfo=timezone.utc),
        notify_time=datetime(2026, 1, 1, 16, 0, 3, tzinfo=timezone.utc),
        params=LEGACY,
    )


def test_price_times_quantity_replaces_a_total() -> None:
    values = {name: text for name, text in LEGACY.items() if name != "total_fee"}
    assert Notification.from_params(values).total_fen == 2 * 4444


def test_a_foreign_amount_is_counted_in_its_currency() -> None:
    read = Notification.from_params(LEGACY | {"currency": "JPY", "total_fee": "500.00"})
    assert (read.currency, read.total_fen) == ("JPY", 500)


def test_a_refund_is_recognized_by_its_amount() -> None:
    values = OPEN_PLATFORM | {"refund_fee": "8.80", "gmt_refund": "2026-01-03 10:00:00.123"}
    read = Notification.from_params(values | {"out_biz_no": "R1"})
    assert (read.is_refund, read.refunded_fen, read.out_request_no) == (True, 880, "R1")


def test_a_legacy_refund_is_recognized_by_its_status() -> None:
    read = Notification.from_params(LEGACY | {"refund_status": "REFUND_SUCCESS"})
    assert (read.is_refund, read.refunded_fen) == (True, None)


def test_a_refund_of_nothing_is_no_refund() -> None:
    read = Notification.from_params(OPEN_PLATFORM | {"refund_fee": "0.00"})
    assert (read.is_refund, read.refunded_fen) == (False, 0)


def test_a_buyer_may_be_known_by_an_open_id() -> None:
    values = {name: text for name, text in OPEN_PLATFORM.items() if name != "buyer_id"}
    notification = Notification.from_params(values | {"buyer_open_id": "074a"})
    assert (notification.buyer_id, notification.buyer_open_id) == (None, "074a")


def test_no_payment_is_lost_over_a_time_that_cannot_be_read() -> None:
    assert Notification.from_params(OPEN_PLATFORM | {"gmt_payment": "soon"}).paid_at is None


@pytest.mark.parametrize("status", TradeStatus.ALL)
def test_every_status_of_alipays_is_read(status: str) -> None:
    assert Notification.from_params(LEGACY | {"trade_status": status}).trade_status == status


@pytest.mark.parametrize("status", sorted({*TradeStatus.ALL} - {*TradeStatus.ESCROW}))
def test_every_status_of_the_open_platform_is_read(status: str) -> None:
    assert Notification.from_params(OPEN_PLATFORM | {"trade_status": status}).trade_status == status


@pytest.mark.parametrize("status", TradeStatus.ESCROW)
def test_the_open_platform_has_no_status_of_escrow(status: str) -> None:
    with pytest.raises(BadNotification, match="trade_status is the legacy gateway's"):
        Notification.from_params(OPEN_PLATFORM | {"trade_status": status})


LEGACY_AMOUNTS = {"price": "44.44", "quantity": "2", "total_fee": "88.88", "rmb_fee": "88.88"}


@pytest.mark.parametrize("name", ["price", "quantity", "rmb_fee"])
def test_the_open_platform_ignores_legacy_amounts(name: str) -> None:
    extra = {name: "1.00"} if name != "quantity" else {"quantity": "7"}
    read = Notification.from_params(OPEN_PLATFORM | extra)
    assert (read.total_fen, read.rmb_fen) == (8888, None)


def test_legacy_amounts_are_no_amount_on_the_open_platform() -> None:
    values = {name: text for name, text in OPEN_PLATFORM.items() if name != "total_amount"}
    with pytest.raises(BadNotification, match="has no amount"):
        Notification.from_params(values | LEGACY_AMOUNTS)


def test_the_configured_gateway_decides_about_the_rules() -> None:
    values = {name: text for name, text in LEGACY.items() if name != "total_fee"}
    assert Notification.from_params(values | {"app_id": "1"}, "mapi").total_fen == 8888
    with pytest.raises(BadNotification, match="has no amount"):
        Notification.from_params(values, "openapi")


def test_a_price_in_another_currency_is_counted_in_it() -> None:
    values = OPEN_PLATFORM | {"trans_currency": "JPY", "total_amount": "1000"}
    read = Notification.from_params(values)
    assert (read.currency, read.total_fen, read.amounts) == ("JPY", 1000, (("JPY", 1000),))


def test_a_price_in_yen_has_no_decimals() -> None:
    with pytest.raises(BadNotification, match="integer"):
        Notification.from_params(OPEN_PLATFORM | {"trans_currency": "JPY", "total_amount": "88.88"})


@pytest.mark.parametrize("name", ["settle_currency", "pay_currency"])
def test_settlement_and_payment_currencies_do_not_change_the_price(name: str) -> None:
    read = Notification.from_params(OPEN_PLATFORM | {name: "USD", "settle_amount": "12.20"})
    assert (read.currency, read.total_fen) == ("CNY", 8888)


def test_two_currencies_of_a_price_are_rejected() -> None:
    with pytest.raises(BadNotification, match="two currencies"):
        Notification.from_params(OPEN_PLATFORM | {"trans_currency": "USD", "currency": "CNY"})


def test_an_amount_too_large_for_a_column_is_rejected() -> None:
    values = LEGACY | {"total_fee": "", "price": "999999999999.99", "quantity": "9999999"}
    with pytest.raises(BadNotification, match="exceeds the largest amount"):
        Notification.from_params(values)


@DIALECTS
@pytest.mark.parametrize(
    "changed",
    [
        {"out_trade_no": ""},
        {"trade_status": ""},
        {"trade_status": "TRADE_PAID"},
        {"trade_status": "trade_success"},
        {"refund_fee": "-8.80"},
        {"refund_fee": "1e3"},
    ],
)
def test_parameters_that_describe_no_trade_are_rejected(
    values: dict[str, str], changed: dict[str, str]
) -> None:
    with pytest.raises(BadNotification) as caught:
        Notification.from_params(values | changed)
    assert caught.value.notify_id == values["notify_id"]


@pytest.mark.parametrize("amount", ["-88.88", "88,88", "8８.88", "1e9", "88.888", "", "¥1", " 1"])
@DIALECTS
def test_an_invalid_amount_is_rejected(values: dict[str, str], amount: str) -> None:
    field = "total_amount" if "total_amount" in values else "total_fee"
    without = {name: text for name, text in values.items() if name not in ("price", "quantity")}
    with pytest.raises(BadNotification) as caught:
        Notification.from_params(without | {field: amount})
    assert caught.value.out_trade_no == values["out_trade_no"]


@pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "", "２", "99999999"])
def test_an_invalid_quantity_is_rejected(quantity: str) -> None:
    with pytest.raises(BadNotification):
        Notification.from_params(LEGACY | {"total_fee": "", "quantity": quantity})


@given(
    st.dictionaries(
        st.sampled_from([*OPEN_PLATFORM, *LEGACY, "refund_fee", "currency", "gmt_refund"]),
        st.one_of(
            st.text(),
            st.sampled_from([*OPEN_PLATFORM.values(), *LEGACY.values(), *TradeStatus.ALL, "JPY"]),
        ),
    )
)
def test_any_parameters_are_read_or_rejected(values: dict[str, str]) -> None:
    for base in ({}, OPEN_PLATFORM, LEGACY):
        try:
            read = Notification.from_params(base | values)
        except BadNotification:
            continue
        assert read.trade_status in TradeStatus.ALL
        assert read.total_fen >= 0


# The signed string can be cut in several ways: the buyer chose the body, and paid 0.01.


def test_fields_hidden_in_a_value_do_not_become_fields() -> None:
    body = "x&out_trade_no=DEAR&total_fee=9999.00&trade_status=TRADE_SUCCESS&zz="
    honest = signed(LEGACY | {"body": body, "total_fee": "0.01"})
    head, _, tail = sign_content(honest).decode().partition("&zz=")
    forged = dict(field.split("=", 1) for field in head.split("&"))
    forged |= {"zz": tail, "sign": honest["sign"]}
    params = verified_params(form(forged), MD5)  # the same string, so the signature holds
    assert params["total_fee"] == "9999.00"
    with pytest.raises(BadNotification, match="could be read as several"):
        Notification.from_params(params)


def test_fields_hidden_in_a_name_do_not_become_fields() -> None:
    values = OPEN_PLATFORM | {"zz=&total_amount=0.01&version": "1.0"}
    with pytest.raises(BadNotification, match="could be read as several"):
        Notification.from_params(values)


@pytest.mark.parametrize(
    "name", ["_input_charset", "service", "partner", "method", "exterface", "is_success"]
)
def test_a_request_or_a_return_is_no_notification(name: str) -> None:
    with pytest.raises(BadNotification, match="a request or a return"):
        Notification.from_params(LEGACY | {name: "x"})


def test_the_merchants_request_cannot_be_split_into_a_notification() -> None:
    """The buyer sees it, and it is signed with the key that signs the notifications."""
    gateway = MapiGateway("2088000000000001", MD5)
    requested = gateway.create_direct_pay_by_user(
        out_trade_no="DEAR", subject="s", total_fee="9999.00"
    )
    body = form({**requested.params, "sign_type": "MD5"})
    with pytest.raises(BadNotification):
        Notification.from_params(verified_params(body, MD5))


def test_two_amounts_are_rejected() -> None:
    with pytest.raises(BadNotification, match="two amounts"):
        Notification.from_params(LEGACY | {"total_amount": "9999.00"})


@given(data=st.data())
def test_a_string_with_embedded_fields_is_rejected_however_it_is_split(data: st.DataObject) -> None:
    honest = {"body": "x&out_trade_no=B&seller_id=1&zz=", "out_trade_no": "A"}
    honest |= {"trade_status": "TRADE_CLOSED", "total_fee": "0.01"}
    pieces = sign_content(honest).decode().split("&")
    cuts = data.draw(st.lists(st.booleans(), min_size=len(pieces) - 1, max_size=len(pieces) - 1))
    fields = [pieces[0]]
    for cut, piece in zip(cuts, pieces[1:], strict=True):
        if cut:
            fields.append(piece)
        else:
            fields[-1] += f"&{piece}"
    read = dict(field.split("=", 1) for field in fields)
    if len(read) < len(fields):
        return  # it repeats a key
    with pytest.raises(BadNotification):
        Notification.from_params(read)


@pytest.mark.parametrize("subject", ["Tea & Cake", "a=b", "R&D", "1 & 1 = 2", "100%&"])
def test_a_harmless_ampersand_is_accepted(subject: str) -> None:
    assert Notification.from_params(OPEN_PLATFORM | {"subject": subject}).total_fen == 8888


# What may be shown


@DIALECTS
def test_a_notification_shows_no_buyer(values: dict[str, str]) -> None:
    shown = repr(Notification.from_params(signed(values)))
    for private in ("2088000000000009", "example.com", "龙井", signed(values)["sign"]):
        assert private not in shown
    assert values["out_trade_no"] in shown


def test_a_notification_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Notification.from_params(LEGACY).total_fen = 1  # type: ignore[misc]


def test_a_mask_hides_the_buyer_and_the_signature() -> None:
    values = signed(
        OPEN_PLATFORM
        | {
            "buyer_email": "buyer@example.com",
            "receive_phone": "13800000000",
            "mobile": "13900000000",
        }
    )
    shown = str(mask_params(values))
    for private in ("buyer@", "2088000000000009", "13800", "13900", "shop@", values["sign"]):
        assert private not in shown
    assert mask_params(values)["total_amount"] == "88.88"
    assert mask_params(values).keys() == values.keys()


@pytest.mark.parametrize(
    "params",
    [
        {"app_auth_token": "secret"},
        {"app_auth_code": "secret"},
        {"appAuthToken": "secret"},
        {"detail": '{"app_auth_token": "secret"}'},
        {"detail": '[{"a": {"authCode": ["secret"]}}]'},
        {"detail": r'{"app_auth_toke\u006e": "secret"}'},
        {"detail": json.dumps({"a": json.dumps({"b": json.dumps({"auth_code": "secret"})})})},
        {"detail": "[" * 100_000 + '"token", "secret"'},
        {"login_token": "secret"},
    ],
)
def test_a_mask_hides_credentials(params: dict[str, str]) -> None:
    assert "secret" not in str(mask_params(params))
    assert mask_params(params).keys() == params.keys()


@pytest.mark.parametrize(
    "text", ['{"token":""}', '{ "a" : "token" }', '{"auth_code": null}', "{token", "token"]
)
def test_a_mask_leaves_texts_without_credentials_as_they_are(text: str) -> None:
    assert mask_params({"detail": text}) == {"detail": text}


def test_a_mask_leaves_amounts_to_be_seen() -> None:
    assert mask_params({"buyer_pay_amount": "88.88", "receipt_amount": "88.88"}) == {
        "buyer_pay_amount": "88.88",
        "receipt_amount": "88.88",
    }


def test_a_plus_is_a_plus_and_a_space_a_space() -> None:
    assert parse_form(b"subject=a%2Bb+c%20d&x=" + quote_plus("+ ").encode()) == {
        "subject": "a+b c d",
        "x": "+ ",
    }
