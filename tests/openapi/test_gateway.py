"""The open platform's client: what it signs is what it sends."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_alipay.exceptions import InvalidParameter
from flask_alipay.gateways.openapi import PRODUCTION, SANDBOX, OpenApiGateway
from flask_alipay.gateways.openapi.encryption import ContentCipher
from flask_alipay.signer import Rsa2Signer, RsaSigner, Signer

from ..conftest import Keys
from ..doubles.openapi import AES_KEY
from ..test_signed_request import Form

APP_ID = "2021000000000001"
LEAST: dict[str, Any] = {"out_trade_no": "A1", "subject": "茶", "total_amount": "88.88"}
URLS: dict[str, Any] = {
    "notify_url": "https://shop.example/notify?shop=1",
    "return_url": "https://shop.example/return",
}
CODECS = {"utf-8": "utf-8", "gbk": "gbk", "gb2312": "gbk"}


def subjects(charset: str) -> st.SearchStrategy[str]:
    """Subjects that can be sent."""
    return st.text(
        st.one_of(
            st.sampled_from(" +%=/?#\"'<>;:\\茶叶"),
            st.characters(
                codec=CODECS[charset], exclude_categories=["Cc", "Cs"], exclude_characters="&"
            ),
        ),
        min_size=1,
        max_size=40,
    )


class Unreachable:
    """Building a request asks nobody."""

    def get(self, url: str, params: Mapping[str, str], charset: str = "utf-8") -> bytes:
        raise AssertionError("the gateway was asked")

    def post(
        self,
        url: str,
        params: Mapping[str, str],
        charset: str = "utf-8",
        *,
        repeatable: bool = False,
    ) -> bytes:
        raise AssertionError("the gateway was asked")


@pytest.fixture(scope="module")
def gateway(keys: Keys) -> OpenApiGateway:
    return application(Rsa2Signer(keys.merchant))


def application(signer: Signer, **options: Any) -> OpenApiGateway:
    return OpenApiGateway(APP_ID, signer, transport=Unreachable(), **options)


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
    """The rule of the documentation, spelled out; a request signs its sign_type."""
    names = sorted((name for name in params if name != "sign"), key=str.encode)
    assert all(params[name] for name in names)
    return b"&".join(
        name.encode("ascii") + b"=" + params[name].encode(CODECS[charset]) for name in names
    )


def verified(keys: Keys, url: str, charset: str = "utf-8") -> dict[str, str]:
    """The parameters of a URL, once the merchant's public key has verified them."""
    params = read(url, charset)
    digest = {"RSA": SHA1(), "RSA2": SHA256()}[params["sign_type"]]
    keys.merchant.public_key().verify(
        base64.b64decode(params["sign"], validate=True),
        signed_string(params, charset),
        padding.PKCS1v15(),
        digest,
    )
    return params


@pytest.mark.parametrize(
    ("product", "method", "code"),
    [
        ("page", "alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
        ("wap", "alipay.trade.wap.pay", "QUICK_WAP_WAY"),
    ],
)
def test_a_payment_has_the_methods_parameters(
    keys: Keys, gateway: OpenApiGateway, product: str, method: str, code: str
) -> None:
    by_name = {"page": gateway.trade_page_pay, "wap": gateway.trade_wap_pay}[product]
    for request in (by_name(**LEAST, **URLS), gateway.pay(product, **LEAST, **URLS)):
        params = verified(keys, request.url)
        assert len(params.pop("sign")) == 344
        notification = datetime.strptime(params.pop("timestamp"), "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
        assert abs(
            datetime.now(timezone.utc).replace(tzinfo=None) - notification + timedelta(hours=8)
        ) < (timedelta(minutes=1))
        assert json.loads(params.pop("biz_content")) == {"product_code": code, **LEAST}
        assert params == {
            "app_id": APP_ID,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "version": "1.0",
            **URLS,
        }
        assert request.url.startswith(f"{PRODUCTION}?")


@settings(max_examples=40)
@given(data=st.data(), charset=st.sampled_from(sorted(CODECS)))
def test_the_url_decodes_to_what_was_signed(
    keys: Keys, gateway: OpenApiGateway, data: st.DataObject, charset: str
) -> None:
    subject = data.draw(subjects(charset))
    request = gateway.in_charset(charset).trade_page_pay(**LEAST | {"subject": subject})
    params = verified(keys, request.url, charset)
    assert params["charset"] == charset
    assert json.loads(params["biz_content"])["subject"] == subject
    assert request.content == signed_string(params, charset)


@settings(max_examples=40)
@given(data=st.data(), charset=st.sampled_from(sorted(CODECS)))
def test_the_form_posts_the_same_parameters(
    gateway: OpenApiGateway, data: st.DataObject, charset: str
) -> None:
    subject = data.draw(subjects(charset))
    request = gateway.in_charset(charset).trade_page_pay(**LEAST | {"subject": subject})
    form = Form(request.form(nonce="n0nce"), charset)
    assert form.fields == request.params == read(request.url, charset)
    assert form.attributes["action"] == f"{PRODUCTION}?charset={charset}"
    accepted = "utf-8" if CODECS[charset] == "utf-8" else "windows-1252"
    assert form.attributes["accept-charset"] == accepted
    assert form.elements.count("script") == 1


@pytest.mark.parametrize(("made", "sign_type"), [(RsaSigner, "RSA"), (Rsa2Signer, "RSA2")])
def test_the_sign_type_is_the_signers(keys: Keys, made: type[RsaSigner], sign_type: str) -> None:
    request = application(made(keys.merchant)).trade_page_pay(**LEAST)
    assert verified(keys, request.url)["sign_type"] == sign_type
    assert f"sign_type={sign_type}".encode() in request.content


def test_certificate_mode_names_both_certificates(keys: Keys) -> None:
    numbers = {"app_cert_sn": "a" * 32, "root_cert_sn": f"{'b' * 32}_{'c' * 32}"}
    params = verified(
        keys, application(Rsa2Signer(keys.merchant), **numbers).trade_page_pay(**LEAST).url
    )
    assert params["app_cert_sn"] == numbers["app_cert_sn"]
    assert params["alipay_root_cert_sn"] == numbers["root_cert_sn"]


def test_key_mode_sends_nothing_empty(gateway: OpenApiGateway) -> None:
    request = gateway.trade_page_pay(**LEAST)
    assert all(request.params.values())
    assert not any("cert_sn" in name for name in request.params)


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """The host's time zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "zone", ["UTC", "Asia/Shanghai", "America/New_York", "Pacific/Kiritimati"], indirect=True
)
def test_the_timestamp_is_china_time_wherever_the_host_is(
    gateway: OpenApiGateway, zone: str
) -> None:
    before = int(time.time())
    timestamp = gateway.trade_page_pay(**LEAST).params["timestamp"]
    after = int(time.time())
    # Counted by hand: no time zone of anybody's is asked.
    in_china = {
        time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(instant + 8 * 3600))
        for instant in range(before, after + 1)
    }
    assert timestamp in in_china


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati"], indirect=True)
def test_an_expiry_is_china_time_wherever_the_host_is(gateway: OpenApiGateway, zone: str) -> None:
    instant = datetime(2026, 6, 30, 15, 59, 59, tzinfo=timezone.utc)
    request = gateway.pay("page", **LEAST, expires_at=instant)
    assert json.loads(request.params["biz_content"])["time_expire"] == "2026-06-30 23:59:59"


def test_further_fields_go_into_the_content(gateway: OpenApiGateway) -> None:
    request = gateway.trade_wap_pay(**LEAST, quit_url="https://shop.example/cart", body=None)
    written = json.loads(request.params["biz_content"])
    assert written["quit_url"] == "https://shop.example/cart"
    assert "body" not in written


@pytest.mark.parametrize("name", ["notify_url", "return_url"])
@pytest.mark.parametrize("value", ["/notify", "https://x.example/" + "a" * 256, ""])
def test_a_url_that_alipay_cannot_call_is_rejected(
    gateway: OpenApiGateway, name: str, value: str
) -> None:
    with pytest.raises(InvalidParameter, match=f"^{name} "):
        gateway.trade_page_pay(**LEAST, **{name: value})


def test_a_float_is_a_type_error(gateway: OpenApiGateway) -> None:
    with pytest.raises(TypeError, match="not a float"):
        gateway.trade_page_pay(**LEAST | {"total_amount": 88.88})


def test_an_app_gets_an_order_string(keys: Keys, gateway: OpenApiGateway) -> None:
    order = gateway.trade_app_pay(**LEAST, notify_url=URLS["notify_url"], body=None)
    params = verified(keys, f"?{order}")
    assert params["method"] == "alipay.trade.app.pay"
    assert params["notify_url"] == URLS["notify_url"]
    assert json.loads(params["biz_content"]) == {"product_code": "QUICK_MSECURITY_PAY", **LEAST}
    assert "+" not in order  # an app would not take it for a space
    with pytest.raises(InvalidParameter, match=r"^total_amount is required"):
        gateway.trade_app_pay(**{**LEAST, "total_amount": None})


def test_a_payment_may_be_for_another_merchant(keys: Keys, gateway: OpenApiGateway) -> None:
    token = "201509BBeff9351ad1874306903e96b91d248A36"
    for make in (gateway.trade_page_pay, gateway.trade_wap_pay):
        params = verified(keys, make(**LEAST, app_auth_token=token).url)
        assert params["app_auth_token"] == token
        assert "app_auth_token" not in json.loads(params["biz_content"])
    gateway.check_payment("page", **LEAST, app_auth_token=token)


def test_a_payment_is_encrypted_where_calls_are(keys: Keys) -> None:
    encrypting = application(Rsa2Signer(keys.merchant), aes_key=AES_KEY)
    order = encrypting.trade_app_pay(**LEAST)
    for url in (encrypting.trade_page_pay(**LEAST).url, f"?{order}"):
        params = verified(keys, url)
        assert params["encrypt_type"] == "AES"
        plain = ContentCipher(AES_KEY).decrypt(params["biz_content"])
        assert json.loads(plain).items() >= LEAST.items()


def test_a_bank_cannot_be_chosen_here(gateway: OpenApiGateway) -> None:
    with pytest.raises(InvalidParameter, match=r"^bank "):
        gateway.pay("page", **LEAST, bank="CMB")


@pytest.mark.parametrize("product", ["app", "qr", "barcode", "", "alipay.trade.page.pay"])
def test_a_product_without_a_browser_is_rejected(gateway: OpenApiGateway, product: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^product must be one of page, wap"):
        gateway.pay(product, **LEAST)


@pytest.mark.parametrize("product", ["", "alipay.trade.page.pay", "wechat"])
def test_a_payment_of_another_product_is_rejected(gateway: OpenApiGateway, product: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^product must be one of page, wap, app, qr, bar"):
        gateway.check_payment(product, **LEAST)


def test_a_payment_is_checked_before_it_is_stored(gateway: OpenApiGateway) -> None:
    gateway.check_payment(None, **LEAST)
    gateway.check_payment("wap", **LEAST)
    for name, value in {"subject": "", "timeout_express": "16d", "body": "a" * 129}.items():
        with pytest.raises(InvalidParameter, match=f"^{name} "):
            gateway.check_payment("page", **{**LEAST, name: value})
    with pytest.raises(InvalidParameter, match=r"^biz_content "):
        gateway.check_payment("page", **LEAST, goods_detail=object())


def test_an_incomplete_character_is_rejected_before_it_is_stored(gateway: OpenApiGateway) -> None:
    with pytest.raises(InvalidParameter, match="has a character that utf-8 does not have"):
        gateway.check_payment("page", **LEAST | {"subject": "\ud83c"})


@pytest.mark.parametrize(
    ("user_agent", "product"),
    [
        ("", "page"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120 Safari/537.36", "page"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148", "wap"),
        ("Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/120 Mobile Safari/537.36", "wap"),
    ],
)
def test_a_phone_gets_the_phones_product(
    gateway: OpenApiGateway, user_agent: str, product: str
) -> None:
    assert gateway.product_for(user_agent) == product


def test_another_charset_is_another_gateway(gateway: OpenApiGateway) -> None:
    other = gateway.in_charset("gbk")
    assert other.trade_page_pay(**LEAST).params["charset"] == "gbk"
    assert gateway.trade_page_pay(**LEAST).params["charset"] == "utf-8"


def test_the_sandbox_is_the_one_with_a_good_certificate() -> None:
    assert SANDBOX == "https://openapi-sandbox.dl.alipaydev.com/gateway.do"
