"""Hostile requests: the response ``fail``, one log line without secrets, nothing changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from flask_alipay.exceptions import BadNotification
from flask_alipay.keys import generate_private_key
from flask_alipay.protocol.charsets import parse_form
from flask_alipay.signer import Md5Signer, Rsa2Signer, RsaSigner, Signer

from ..doubles.gateways import Alipay, trade
from ..doubles.merchant import (
    BUYER_ID,
    ODD_AMOUNTS,
    Merchant,
    on_each_gateway,
    on_the_legacy_gateway,
)
from ..doubles.shop import FORM, Shop
from ..looped import for_each
from ..strategies import hostile_bodies
from .conftest import Confirmations, Refusals

KILO = 1024
# The fixtures are made once for all examples: nothing that is sent here may change anything.
of_any_kind = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


# Too large


@on_each_gateway
def test_a_body_over_the_limit_is_refused(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    body = merchant.notification(shop.order(), body="x" * 64 * KILO)
    assert refusals.of(body).status_code == 413


def test_a_large_body_within_the_limit_is_read(shop: Shop, merchant: Merchant) -> None:
    body = merchant.notification(shop.order(), body="x" * 62 * KILO)
    assert shop.notify(body).data == b"success"


def test_a_body_over_the_limit_without_a_length_is_refused(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    body = merchant.notification(shop.order(), body="x" * 64 * KILO)
    assert refusals.of(b"", **without_length(BytesIO(body))).status_code == 413


def test_a_body_declared_too_large_is_not_read(shop: Shop) -> None:
    stream = Counted(1024 * KILO)
    shop.notify(b"", **without_length(stream, str(1024 * KILO)))
    assert stream.taken == 0


@for_each("length", ["", "7", "nine"])
def test_no_more_than_the_limit_is_read_whatever_length_is_declared(
    shop: Shop, length: str
) -> None:
    stream = Counted(10 * 1024 * KILO)
    shop.notify(b"", **without_length(stream, length))
    assert stream.taken == 64 * KILO + 1


def test_a_body_in_small_chunks_is_read_completely(shop: Shop, merchant: Merchant) -> None:
    body = merchant.notification(shop.order())
    assert shop.notify(b"", **without_length(Trickle(body))).data == b"success"


def test_a_length_that_lies_about_the_body_is_refused(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    body = merchant.notification(shop.order())
    for length in (len(body) + 1, len(body) - 1, 0, 10**15):
        environ = {"CONTENT_LENGTH": str(length)}
        refusals.of(b"", input_stream=BytesIO(body), environ_overrides=environ)


@for_each("length", ["-1", "nine", "1e3", "٣"])
def test_a_length_that_is_no_number_is_refused(
    shop: Shop, merchant: Merchant, refusals: Refusals, length: str
) -> None:
    environ = {"CONTENT_LENGTH": length}
    body = BytesIO(merchant.notification(shop.order()))
    refusals.of(b"", input_stream=body, environ_overrides=environ)


def test_the_limit_of_the_app_causes_no_error(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    shop.app.config["MAX_CONTENT_LENGTH"] = 100
    refusals.of(merchant.notification(shop.order()))


class Counted(BytesIO):
    """Body that counts the bytes read."""

    def __init__(self, size: int) -> None:
        super().__init__(b"a" * size)
        self.taken = 0

    def read(self, size: int | None = -1) -> bytes:
        taken = super().read(size)
        self.taken += len(taken)
        return taken


class Trickle(BytesIO):
    """Body that yields only a few bytes per read."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(7 if size is None or size < 0 else min(size, 7))


def without_length(stream: BytesIO, length: str = "") -> dict[str, object]:
    """Send a body whose end the server determines, for example a chunked one."""
    environ = {"CONTENT_LENGTH": length, "wsgi.input_terminated": True}
    return {"input_stream": stream, "environ_overrides": environ}


# No form


@for_each(
    "content_type",
    [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "text/xml",
        "a/b/c",
        "\x7f",
    ],
)
def test_another_content_type_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals, content_type: str
) -> None:
    refusals.of(merchant.notification(shop.order()), content_type=content_type)


def test_json_is_refused(shop: Shop, merchant: Merchant, refusals: Refusals) -> None:
    body = json.dumps(merchant.signed(merchant.notification_params(shop.order()))).encode()
    refusals.of(body, content_type="application/json")
    refusals.of(body, content_type=FORM)


@for_each(
    "body",
    [
        b"",
        b"&",
        b"=",
        b"hello",
        b"<?xml version='1.0'?><notify/>",
        b"\0",
        b"a=\0",
        b"a=%00",
        b"a=%",
        b"a=%E4%B8",
        b"a=%GG",
        b"\xff\xfe=\xff",
        b"a=1;b=2",
        b"charset=utf-8",
        b"charset=&charset=",
        b"sign=",
        b"sign=AAAA",
        b"sign=%00&sign_type=RSA2",
        b"sign=" + "中".encode() + b"&a=b",
        b"sign=" + b"A" * 344 + b"&a=b",
    ],
)
@on_each_gateway
def test_rubbish_is_refused(shop: Shop, refusals: Refusals, body: bytes) -> None:
    shop.order()
    refusals.of(body)
    assert shop.journal() == []


@on_each_gateway
def test_ten_thousand_fields_are_refused(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    many = b"&".join(b"f%d=" % number for number in range(7_000))
    refusals.of(merchant.notification(shop.order()) + b"&" + many)
    refusals.of(b"&" * 10_000)
    refusals.of(b"a&" * 10_000)


@on_each_gateway
@for_each(
    "addition",
    [
        b"&trade_status=TRADE_SUCCESS",
        b"&trade%5Fstatus=TRADE_SUCCESS",
        b"&out_trade_no=",
        b"&sign=AAAA",
        b"&notify_id",
        b"&%E4%B8",
        b"&x=%00",
        b"&x=%E4%B8",
        b"&x=\xff",
        b"&x=%",
        b"&x=1",
    ],
)
def test_a_good_body_with_something_added_is_refused(
    shop: Shop, merchant: Merchant, refusals: Refusals, addition: bytes
) -> None:
    refusals.of(merchant.notification(shop.order()) + addition)
    assert shop.journal() == []


@on_each_gateway
@for_each("charset", ["utf-7", "rot13", "idna", "latin-1", "中", "x" * 1000, "%00"])
def test_a_charset_that_does_not_exist_is_refused(
    shop: Shop, merchant: Merchant, refusals: Refusals, charset: str
) -> None:
    fields = merchant.notification_params(shop.order()) | {"charset": charset}
    refusals.of(merchant.encoded(merchant.signed(fields)))


# Forged


def other_keys(merchant: Merchant) -> list[Signer]:
    """Return keys of other parties, and Alipay's with the wrong sign type."""
    stranger, alipay = generate_private_key(1024), merchant.keys.alipay
    signer_key = merchant.keys.merchant
    signers: list[Signer] = [
        Md5Signer("another key of thirty-two letters"),
        RsaSigner(stranger),
        Rsa2Signer(stranger),
        RsaSigner(signer_key),
        Rsa2Signer(signer_key),
        RsaSigner(alipay),
        Rsa2Signer(alipay),
    ]
    return [signer for signer in signers if not right(signer, merchant)]


def right(signer: Signer, merchant: Merchant) -> bool:
    message = b"a=b"
    return merchant.sign_type == signer.sign_type and signer.sign(message) == merchant.signer.sign(
        message
    )


@on_each_gateway
def test_a_signature_by_another_key_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    notification_params = merchant.notification_params(shop.order())
    for signer in other_keys(merchant):
        refusals.of(merchant.encoded(merchant.signed(notification_params, signer)))
        assert refusals.reason == "bad_signature"
    assert shop.journal() == []


@on_each_gateway
def test_a_signature_by_another_key_is_rejected_with_the_configured_sign_type(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    notification_params = merchant.notification_params(shop.order())
    for signer in other_keys(merchant):
        fields = merchant.signed(notification_params, signer) | {"sign_type": merchant.sign_type}
        refusals.of(merchant.encoded(fields))


@on_each_gateway
@for_each("sign", [None, "", " ", "true", "=", "====", "中", "0" * 32, "A" * 4096])
def test_an_unsigned_notification_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals, sign: str | None
) -> None:
    fields = merchant.signed(merchant.notification_params(shop.order()))
    fields["sign"] = sign or ""
    if sign is None:
        del fields["sign"]
    refusals.of(merchant.encoded(fields))
    assert (refusals.reason, shop.journal()) == ("bad_signature", [])


@on_the_legacy_gateway
def test_a_signature_with_the_name_of_the_sign_type_instead_of_the_key_is_refused(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    for key in ("MD5", "key", "None", " "):
        refusals.of(
            merchant.encoded(
                merchant.signed(merchant.notification_params(shop.order()), Md5Signer(key))
            )
        )


@on_each_gateway
def test_each_altered_field_is_refused(shop: Shop, merchant: Merchant, refusals: Refusals) -> None:
    good = merchant.signed(merchant.notification_params(shop.order()))
    for name in good.keys() - {"sign_type"}:
        refusals.of(merchant.encoded(good | {name: good[name] + "1"}))
        refusals.of(merchant.encoded({key: good[key] for key in good if key != name}))
    assert shop.journal() == []


@on_each_gateway
def test_a_forgery_costs_no_connection_to_the_database(
    shop: Shop, merchant: Merchant, connections: list[object]
) -> None:
    good = merchant.signed(merchant.notification_params(shop.order()))
    connections.clear()
    shop.notify(merchant.encoded(good | {"total_amount": "0.01"}))
    shop.notify(b"rubbish")
    shop.notify(b"a=" + b"x" * 70 * KILO)
    assert connections == []


def test_the_buyers_return_is_no_notification(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    refusals.of(merchant.come_back(shop.order()).encode())


def test_a_forgery_cannot_write_lines_into_the_log(
    shop: Shop, merchant: Merchant, refusals: Refusals, caplog: pytest.LogCaptureFixture
) -> None:
    shop.order()
    lie = "1\nnotification settled: 2 is TRADE_SUCCESS"
    refusals.of(
        merchant.encoded(merchant.notification_params(lie) | {"sign": "x", "notify_id": lie})
    )
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_a_forgery_cannot_put_buyer_data_into_the_log(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    shop.order()
    fields = merchant.notification_params(
        "1", subject=BUYER_ID, notify_id=BUYER_ID, trade_status=BUYER_ID
    )
    refusals.of(merchant.encoded(fields | {"sign_type": BUYER_ID, "sign": "x"}))


# Signed, and no news all the same


@on_each_gateway
@for_each("amount", ODD_AMOUNTS)
def test_an_amount_that_is_written_oddly_is_refused(
    shop: Shop, merchant: Merchant, refusals: Refusals, amount: str
) -> None:
    body = merchant.notification(shop.order(), **{merchant.amount: amount})
    assert refusals.of(body).status_code in (400, 409)


@on_each_gateway
def test_a_negative_amount_is_refused_though_it_is_the_orders(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    body = merchant.notification(shop.order(), **{merchant.amount: "-88.88"})
    refusals.of(body)
    assert refusals.reason == "malformed"


@on_each_gateway
@for_each("amount", [None, ""])
def test_a_notification_without_an_amount_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals, amount: str | None
) -> None:
    changes = {merchant.amount: amount, "price": None, "quantity": None}
    refusals.of(merchant.notification(shop.order(), **changes))


def test_a_notification_with_two_amounts_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    refusals.of(merchant.notification(shop.order(), total_amount="88.88", total_fee="88.88"))


@on_each_gateway
@for_each(
    "status",
    [
        None,
        "",
        "TRADE_PAID",
        "trade_success",
        "TRADE_SUCCESS ",
        "TRADE_SUCCESS,",
        "True",
        "1",
        "成功",
    ],
)
def test_a_status_that_does_not_exist_is_refused(
    shop: Shop, merchant: Merchant, refusals: Refusals, status: str | None
) -> None:
    assert refusals.of(merchant.notification(shop.order(), trade_status=status)).status_code == 400
    assert shop.journal() == []


@on_each_gateway
@for_each("number", ["", "'; DROP TABLE alipay_payment; --", "%", "中" * 9, "1" * 999])
def test_an_order_number_that_is_none_is_refused(
    shop: Shop, merchant: Merchant, refusals: Refusals, number: str
) -> None:
    shop.order()
    refusals.of(merchant.notification(number))


def test_an_order_is_not_found_by_another_case(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    shop.order(out_trade_no="order_A")
    refusals.of(merchant.notification("order_a"))
    refusals.of(merchant.notification("order_A "))


@on_each_gateway
def test_nul_is_refused_though_it_is_signed(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    refusals.of(merchant.notification(shop.order(), subject="tea\0"))


@on_each_gateway
def test_a_repeated_key_is_refused_whichever_of_the_two_is_signed(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    body = merchant.notification(shop.order(), **{merchant.amount: "0.01"})
    more = f"{merchant.amount}=88.88".encode()
    refusals.of(body + b"&" + more)
    refusals.of(more + b"&" + body)


@on_each_gateway
def test_a_field_that_embeds_another_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    """The signed text could be cut so that a small amount becomes a large one."""
    name = merchant.amount
    bought = merchant.notification_params(
        shop.order(), subject=f"x&{name}=88.88&{name}_too=y", **{name: "0.01"}
    )
    signed = merchant.signed(bought)
    cut = signed | {"subject": "x", name: "88.88", f"{name}_too": f"y&{name}=0.01"}
    assert merchant.signed(cut)["sign"] == signed["sign"]
    refusals.of(merchant.encoded(signed))
    refusals.of(merchant.encoded(cut))


# Anything at all

Change = Callable[[bytes], bytes]


@st.composite
def mutations(draw: st.DrawFn) -> Change:
    """Generate changes that an attacker may make to a valid body."""
    kind = draw(st.sampled_from(["cut", "insert", "replace", "swap", "case", "repeat"]))
    at = draw(st.floats(0, 1, exclude_max=True))
    length = draw(st.integers(1, 40))
    piece = draw(st.one_of(st.binary(min_size=1, max_size=8), hostile_bodies()))

    def change(body: bytes) -> bytes:
        start = int(at * len(body))
        end = start + length
        fields = body.split(b"&")
        return {
            "cut": lambda: body[:start] + body[end:],
            "insert": lambda: body[:start] + piece + body[start:],
            "replace": lambda: body[:start] + piece + body[end:],
            "swap": lambda: b"&".join(fields[length % len(fields) :] + fields),
            "case": lambda: body[:start] + body[start:end].swapcase() + body[end:],
            "repeat": lambda: body + b"&" + fields[length % len(fields)],
        }[kind]()

    return change


def meaning(body: bytes, charset: str) -> dict[str, str] | None:
    """Return the parameters of a body without the signature, independent of order and encoding."""
    try:
        params = parse_form(body, charset)
    except BadNotification:
        return None
    unsigned = ("sign", "sign_type", "alipay_cert_sn")
    return {name: value for name, value in params.items() if value and name not in unsigned}


@on_each_gateway
@of_any_kind
@given(changes=st.lists(mutations(), min_size=1, max_size=3))
def test_a_good_body_that_was_changed_is_never_settled(
    shop: Shop,
    merchant: Merchant,
    confirmations: Confirmations,
    changes: list[Change],
) -> None:
    number = "mutated"
    if not shop.ledger():
        shop.order(out_trade_no=number)
    good = body = merchant.notification(number)
    for change in changes:
        body = change(body)
    # Bytes that are not UTF-8 in a field without signature may be GBK, which is tried as well.
    for charset in (merchant.charset, "utf-8", "gbk"):
        assume(meaning(body, charset) != meaning(good, merchant.charset))
    answer = shop.notify(body)
    assert answer.data == b"fail"
    assert 400 <= answer.status_code < 500
    assert shop.called == []
    assert not shop.payment(number).paid


@on_each_gateway
@of_any_kind
@given(body=hostile_bodies())
@example(body=b"a=b&sign=%FF&charset=gbk")
def test_arbitrary_bytes_get_the_response_fail(shop: Shop, merchant: Merchant, body: bytes) -> None:
    answer = shop.notify(body)
    assert answer.data == b"fail"
    assert 400 <= answer.status_code < 500
    assert shop.journal() == []


@on_each_gateway
@of_any_kind
@given(
    value=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
    name=st.sampled_from(
        [
            "trade_status",
            "total_amount",
            "total_fee",
            "refund_fee",
            "gmt_payment",
            "gmt_close",
            "notify_time",
            "currency",
            "price",
            "quantity",
            "seller_id",
            "app_id",
            "out_biz_no",
            "refund_status",
        ]
    ),
)
@example(name="gmt_payment", value="0001-01-01 00:00:00")
@example(name="gmt_payment", value="9999-12-31 23:59:59+23:59")
@example(name="refund_fee", value="999999999999.99")
def test_no_signed_notification_causes_a_server_error(
    shop: Shop, merchant: Merchant, name: str, value: str
) -> None:
    if merchant.protocol == "openapi":
        with shop.app.app_context():  # an unreadable time needs a query
            shop.alipay.gateway._transport = Alipay(merchant, query=trade())
    answer = shop.notify(merchant.notification(shop.order(), **{name: value}))
    assert answer.data in (b"success", b"fail")
    assert answer.status_code < 500
