"""The legacy gateway's client: what it signs is what it sends."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import InvalidParameter
from flask_alipay.gateways.mapi import MAPI_PUBLIC_KEY, PRODUCTION, MapiGateway
from flask_alipay.protocol.banks import CHECKOUT_BANKS
from flask_alipay.signer import Md5Signer, RsaSigner, Signer

from ..conftest import Keys
from ..test_signed_request import Form

PARTNER = "2088000000000001"
KEY = "0123456789abcdef0123456789abcdef"
URLS = {
    "notify_url": "https://shop.example/notify",
    "return_url": "https://shop.example/return",
}
#: Python's codecs, written down again: the wire is read without the code under test.
CODECS = {"utf-8": "utf-8", "gbk": "gbk", "gb2312": "gbk"}


class Unreachable:
    """Building a request asks nobody."""

    def get(self, url: str, params: Mapping[str, str], charset: str = "utf-8") -> bytes:
        raise AssertionError("the gateway was asked")

    post = get


def merchant(signer: Signer | None = None, **options: Any) -> MapiGateway:
    return MapiGateway(PARTNER, signer or Md5Signer(KEY), transport=Unreachable(), **options)


def payment(gateway: MapiGateway, **details: Any) -> Any:
    return gateway.create_direct_pay_by_user(
        **{"out_trade_no": "A1", "subject": "茶", "total_fee": "88.88", **details}
    )


def read(url: str, charset: str) -> dict[str, str]:
    """What Alipay reads out of a URL."""
    pairs = parse_qsl(
        urlsplit(url).query,
        keep_blank_values=True,
        strict_parsing=True,
        encoding=CODECS[charset],
        errors="strict",
    )
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def signed_string(params: Mapping[str, str], charset: str) -> bytes:
    """The rule of the documentation, spelled out: byte order, no empty values, no quoting."""
    pieces = b""
    for name in sorted(params, key=lambda name: name.encode("ascii")):
        if name == "sign" or name == "sign_type" or params[name] == "":
            continue
        pieces += b"&" if pieces else b""
        pieces += name.encode("ascii") + b"=" + params[name].encode(CODECS[charset])
    return pieces


def texts(charset: str) -> st.SearchStrategy[str]:
    """Subjects and remarks that can be sent."""
    return st.text(
        st.one_of(
            st.sampled_from(" +%=/?#\"'<>;:茶叶"),
            st.characters(
                codec=CODECS[charset], exclude_categories=["Cc", "Cs"], exclude_characters="&"
            ),
        ),
        min_size=1,
        max_size=40,
    )


def test_a_payment_has_the_services_parameters() -> None:
    request = payment(merchant(), **URLS)
    params = dict(request.params)
    assert len(params.pop("sign")) == 32
    assert params == {
        "service": "create_direct_pay_by_user",
        "partner": PARTNER,
        "_input_charset": "utf-8",
        "sign_type": "MD5",
        "payment_type": "1",
        "out_trade_no": "A1",
        "subject": "茶",
        "total_fee": "88.88",
        "seller_id": PARTNER,
        **URLS,
    }
    assert request.url.startswith(f"{PRODUCTION}?")


@given(data=st.data(), charset=st.sampled_from(sorted(CODECS)))
def test_the_url_decodes_to_what_was_signed_with_md5(data: st.DataObject, charset: str) -> None:
    subject, body = data.draw(texts(charset)), data.draw(texts(charset))
    request = payment(merchant(charset=charset), subject=subject, body=body)
    params = read(request.url, charset)
    assert (params["subject"], params["body"]) == (subject, body)
    content = signed_string(params, charset)
    assert request.content == content
    assert params["sign"] == hashlib.md5(content + KEY.encode()).hexdigest()


@pytest.mark.parametrize("charset", sorted(CODECS))
def test_the_url_verifies_with_the_merchants_public_key(keys: Keys, charset: str) -> None:
    # RSA verifies in every charset alike; what differs between texts is tried with MD5 above.
    public = RsaSigner(None, keys.merchant.public_key())
    gateway = merchant(RsaSigner(keys.merchant), charset=charset)
    for subject in ("龙井茶 +1 100%", "a/b=c&", "<tea>", "“茶”·—"):
        params = read(payment(gateway, subject=subject).url, charset)
        assert params["sign_type"] == "RSA"
        assert public.verify(signed_string(params, charset), params["sign"])


@given(data=st.data(), charset=st.sampled_from(sorted(CODECS)))
def test_the_form_posts_the_same_parameters(data: st.DataObject, charset: str) -> None:
    request = payment(merchant(charset=charset), subject=data.draw(texts(charset)))
    form = Form(request.form(), charset)
    assert form.fields == request.params == read(request.url, charset)
    assert form.attributes["action"] == f"{PRODUCTION}?_input_charset={charset}"
    accepted = "utf-8" if CODECS[charset] == "utf-8" else "windows-1252"
    assert form.attributes["accept-charset"] == accepted


@pytest.mark.parametrize("name", ["subject", "body", "extra_common_param", "seller_account_name"])
def test_a_character_that_gbk_does_not_have_is_rejected_by_name(name: str) -> None:
    gateway = merchant(charset="gbk")
    with pytest.raises(InvalidParameter, match=f"^{name} has a character that gbk does not have"):
        payment(gateway, **{name: "🍵"})
    details = {"out_trade_no": "A1", "subject": "茶", "total_amount": "88.88", name: "🍵"}
    with pytest.raises(InvalidParameter, match=f"^{name} "):
        gateway.check_payment("page", **details)


def test_the_money_goes_to_the_configured_account() -> None:
    by_email = payment(merchant(seller_email="boss@shop.example")).params
    assert by_email["seller_email"] == "boss@shop.example"
    assert "seller_id" not in by_email
    both = merchant(seller_email="boss@shop.example", seller_id="2088000000000002")
    assert payment(both).params["seller_id"] == "2088000000000002"
    assert "seller_email" not in payment(both).params
    notified = payment(both, seller_account_name="other@shop.example").params
    assert notified["seller_account_name"] == "other@shop.example"
    assert not {"seller_id", "seller_email"} & notified.keys()


def test_the_shops_page_is_shown_unless_the_payment_has_one() -> None:
    gateway = merchant(show_url="https://shop.example/")
    assert payment(gateway).params["show_url"] == "https://shop.example/"
    other = payment(gateway, show_url="https://shop.example/tea").params
    assert other["show_url"] == "https://shop.example/tea"


def test_a_float_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="not a float"):
        payment(merchant(), total_fee=88.88)


def pay(gateway: MapiGateway, product: str = "page", **details: Any) -> dict[str, str]:
    about = {"out_trade_no": "A1", "subject": "茶", "total_amount": "88.88"}
    return dict(gateway.pay(product, **{**about, **details}).params)


def test_a_page_payment_is_an_instant_payment() -> None:
    assert pay(merchant(), **URLS) == payment(merchant(), **URLS).params


def test_the_bank_that_the_buyer_chose_is_used() -> None:
    params = pay(merchant(), bank="ICBCB2C")
    assert (params["paymethod"], params["defaultbank"]) == ("bankPay", "ICBCB2C")
    with pytest.raises(InvalidParameter, match=r"^defaultbank "):
        pay(merchant(), bank="<script>")


@pytest.mark.parametrize("code", CHECKOUT_BANKS)
def test_each_bank_of_the_checkout_page_is_valid(code: str) -> None:
    assert pay(merchant(), bank=code)["defaultbank"] == code


@pytest.mark.parametrize(
    ("left", "it_b_pay"),
    [
        (timedelta(minutes=30), "30m"),
        (timedelta(minutes=29, seconds=1), "30m"),
        (timedelta(seconds=1), "1m"),
        (timedelta(seconds=-5), "1m"),
        (timedelta(days=15), "21600m"),
        (timedelta(days=99), "21600m"),
    ],
)
def test_an_expiry_is_sent_in_full_minutes(left: timedelta, it_b_pay: str) -> None:
    instant = datetime.now(timezone.utc) + left - timedelta(milliseconds=1)
    assert pay(merchant(), expires_at=instant)["it_b_pay"] == it_b_pay


@pytest.mark.parametrize("product", ["qr", "", "app", "create_direct_pay_by_user"])
def test_another_product_is_rejected(product: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^product must be one of page"):
        pay(merchant(), product)
    with pytest.raises(InvalidParameter, match=r"^product "):
        merchant().check_payment(product, out_trade_no="A1", subject="茶", total_amount=1)


def test_there_is_one_product_forevery_browser() -> None:
    for user_agent in ("", "Mozilla/5.0 (iPhone) Mobile", "curl"):
        assert merchant().product_for(user_agent) == "page"


def test_a_payment_is_checked_before_it_is_stored() -> None:
    merchant().check_payment(None, out_trade_no="A1", subject="茶", total_amount="88.88")
    for name, value in {"subject": "", "it_b_pay": "16d", "nonsense": "1"}.items():
        details = {"out_trade_no": "A1", "subject": "茶", "total_amount": "88.88", name: value}
        with pytest.raises(InvalidParameter, match=f"^{name} "):
            merchant().check_payment("page", **details)


def test_another_charset_is_another_gateway() -> None:
    gateway = merchant()
    other = gateway.in_charset("gbk")
    assert payment(other).params["_input_charset"] == "gbk"
    assert payment(gateway).params["_input_charset"] == "utf-8"
    with pytest.raises(InvalidParameter, match=r"^charset "):
        payment(gateway.in_charset("klingon-8"))


def test_a_gateway_shows_no_key() -> None:
    assert KEY not in repr(merchant()) + repr(payment(merchant()))


def test_alipays_published_key_is_a_key() -> None:
    assert RsaSigner(None, MAPI_PUBLIC_KEY).public_keys[0].key_size == 1024
