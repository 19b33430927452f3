"""Reasons why a signature does not verify: each mistake is made on purpose and must be named."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping
from urllib.parse import quote, unquote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.diagnosis import Diagnosis, Reason, diagnose
from flask_alipay.exceptions import ConfigurationError
from flask_alipay.gateways.mapi import MAPI_PUBLIC_KEY
from flask_alipay.keys import generate_private_key
from flask_alipay.protocol.charsets import encode, python_codec
from flask_alipay.signer import Md5Signer, Rsa2Signer, RsaSigner, Signer, sign_content

from .conftest import Keys
from .looped import for_each
from .strategies import hostile_bodies
from .vectors import Vector, is_valid, signer_of, with_vectors

MD5_KEY = "0123456789abcdef0123456789abcdef"

# What the vectors that do not verify are in truth. Two of them (038, 054) are mistakes in the
# string that their finder built: their parameters are good.
REASONS = {
    "005": Reason.MISSING_SIGN,
    "035": Reason.WRONG_KEY,
    "051": Reason.EXTRA_PARAMETER,
    "053": Reason.DOUBLE_DECODED,
    "065": Reason.SIGN_TYPE_MISMATCH,
    "068": Reason.WRONG_KEY,
    "091": Reason.ALTERED,
}
GOOD_IN_TRUTH = {"038", "054"}

Params = dict[str, str]


@pytest.fixture(scope="module", params=["MD5", "RSA", "RSA2"])
def signer(request: pytest.FixtureRequest, keys: Keys) -> Signer:
    """Alipay's side and ours at once: it signs, and it verifies."""
    return signer_named(request.param, keys)


@pytest.fixture(scope="module", params=["RSA", "RSA2"])
def rsa_signer(request: pytest.FixtureRequest, keys: Keys) -> Signer:
    return signer_named(request.param, keys)


@pytest.fixture(params=["utf-8", "GBK"])
def charset(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def signer_named(sign_type: str, keys: Keys) -> Signer:
    if sign_type == "MD5":
        return Md5Signer(MD5_KEY)
    made = {"RSA": RsaSigner, "RSA2": Rsa2Signer}[sign_type]
    return made(keys.alipay, keys.alipay.public_key())


def verifier(sign_type: str, keys: Keys) -> Signer:
    """Ours alone: the merchant's private key and Alipay's public one."""
    made = {"RSA": RsaSigner, "RSA2": Rsa2Signer}[sign_type]
    return made(keys.merchant, keys.alipay.public_key())


def notification(charset: str = "utf-8", **more: str) -> Params:
    """Return a notification before it is signed."""
    return {
        "notify_time": "2026-01-31 12:00:05",
        "notify_type": "trade_status_sync",
        "notify_id": "a%2Fb0123456789",
        "charset": charset,
        "out_trade_no": "20260131000000000000000001",
        "trade_no": "2026013122001499160501586202",
        "trade_status": "TRADE_SUCCESS",
        "total_amount": "88.88",
        "subject": "茶+tea, two cups - 1",
        "body": "",
        "fund_bill_list": '[{"amount":"88.88","fundChannel":"PCREDIT"}]',
        "app_id": "2021000000000000",
        **more,
    }


def signed(params: Mapping[str, str], signer: Signer, charset: str = "utf-8") -> Params:
    sign = signer.sign(sign_content(params, charset=charset))
    return {**params, "sign": sign, "sign_type": signer.sign_type}


def body(params: Mapping[str, str], charset: str = "utf-8") -> bytes:
    return urlencode(params, encoding=python_codec(charset)).encode()


def test_a_good_payload_is_good(signer: Signer, charset: str) -> None:
    payload = body(signed(notification(charset), signer, charset), charset)
    found = diagnose(payload, signer)
    assert (found.valid, found.reason, found.hint) == (True, Reason.OK, "")
    assert (found.sign_type, found.charset) == (signer.sign_type, charset)
    assert found.params["subject"] == "茶+tea, two cups - 1"


def test_the_key_that_made_it_is_named(rsa_signer: Signer, keys: Keys) -> None:
    other = generate_private_key().public_key()
    made = type(rsa_signer)
    found = diagnose(
        body(signed(notification(), rsa_signer)),
        made(public_key=[other, keys.alipay.public_key()]),  # type: ignore[call-arg]
    )
    assert found.valid
    assert found.key is not None
    assert found.key.public_numbers() == keys.alipay.public_key().public_numbers()


# Each mistake: what somebody does to good parameters before they are verified.
def kept_sign_type(params: Params, signer: Signer, charset: str) -> Params:
    unsigned = {**params, "sign_type": signer.sign_type}
    del unsigned["sign"]
    sign = signer.sign(sign_content(unsigned, exclude=("sign",), charset=charset))
    return {**unsigned, "sign": sign}


def kept_empty(params: Params, signer: Signer, charset: str) -> Params:
    names = sorted(name for name in params if name not in ("sign", "sign_type"))
    content = "&".join(f"{name}={params[name]}" for name in names)
    return {**params, "sign": signer.sign(encode(content, charset))}


def plus_lost(params: Params, signer: Signer, charset: str) -> Params:
    return {**params, "subject": params["subject"].replace("+", " ")}


def decoded_twice(params: Params, signer: Signer, charset: str) -> Params:
    return {**params, "notify_id": unquote_plus(params["notify_id"])}


def spaces_not_decoded(params: Params, signer: Signer, charset: str) -> Params:
    return {name: value.replace(" ", "+") for name, value in params.items()}


def escaped(params: Params, signer: Signer, charset: str) -> Params:
    return {name: html.escape(value) for name, value in params.items()}


def added(params: Params, signer: Signer, charset: str) -> Params:
    return {**params, "_config": "default"}


def two_added(params: Params, signer: Signer, charset: str) -> Params:
    return {**params, "_config": "default", "shop": "1"}


def altered(params: Params, signer: Signer, charset: str) -> Params:
    return {**params, "total_amount": "0.01"}


def filled_in(params: Params, signer: Signer, charset: str) -> Params:
    return {**params, "body": "x"}


def lost(params: Params, signer: Signer, charset: str) -> Params:
    return {name: value for name, value in params.items() if name != "app_id"}


def unsigned(params: Params, signer: Signer, charset: str) -> Params:
    return {name: value for name, value in params.items() if name != "sign"}


MISTAKES: list[tuple[Callable[[Params, Signer, str], Params], str]] = [
    (kept_sign_type, Reason.SIGN_TYPE_IN_STRING),
    (kept_empty, Reason.EMPTY_KEPT),
    (plus_lost, Reason.DOUBLE_DECODED),
    (decoded_twice, Reason.DOUBLE_DECODED),
    (spaces_not_decoded, Reason.PLUS_SPACE),
    (escaped, Reason.HTML_ESCAPED),
    (added, Reason.EXTRA_PARAMETER),
    (two_added, Reason.EXTRA_PARAMETER),
    (altered, Reason.ALTERED),
    (filled_in, Reason.ALTERED),
    (lost, Reason.ALTERED),
    (unsigned, Reason.MISSING_SIGN),
]


@pytest.mark.parametrize("raw", [True, False], ids=["bytes", "params"])
@for_each("mistake,reason", MISTAKES)
def test_a_mistake_is_named(
    mistake: Callable[[Params, Signer, str], Params],
    reason: str,
    raw: bool,
    signer: Signer,
    charset: str,
) -> None:
    params = mistake(signed(notification(charset), signer, charset), signer, charset)
    found = diagnose(body(params, charset) if raw else params, signer)
    assert (found.valid, found.reason, bool(found.hint)) == (False, reason, True)


def test_many_lost_plus_signs_are_restored(signer: Signer) -> None:
    params = signed(notification(subject="+".join("twelve cups of tea")), signer)
    found = diagnose({**params, "subject": " ".join("twelve cups of tea")}, signer)
    assert found.reason == Reason.ALTERED  # the spaces within are no pluses: too many to try
    params = signed(notification(subject="+".join("twelvecupsoftea")), signer)
    found = diagnose({**params, "subject": " ".join("twelvecupsoftea")}, signer)
    assert found.reason == Reason.DOUBLE_DECODED


@pytest.mark.parametrize("covered", [True, False])
def test_a_certificate_number_may_be_signed_or_not(covered: bool, signer: Signer) -> None:
    params = signed(notification(**({"alipay_cert_sn": "1"} if covered else {})), signer)
    assert diagnose({**params, "alipay_cert_sn": "1"}, signer).reason == Reason.OK
    spoilt = diagnose({**params, "alipay_cert_sn": "1", "_config": "x"}, signer)
    assert spoilt.reason == Reason.EXTRA_PARAMETER


def test_text_decoded_in_the_wrong_charset_is_reported(signer: Signer, charset: str) -> None:
    params = signed(notification(charset), signer, charset)
    garbled = {name: encode(text, charset).decode("latin-1") for name, text in params.items()}
    found = diagnose(garbled, signer)
    assert (found.valid, found.reason) == (False, Reason.CHARSET)
    assert f"it is {charset.lower()}, but something decoded it as latin-1" in found.hint


def test_a_payload_encoded_in_another_charset_than_declared_is_reported(signer: Signer) -> None:
    found = diagnose(body(signed(notification("utf-8"), signer), "gbk"), signer)
    assert (found.valid, found.reason) == (False, Reason.CHARSET)
    assert "encoded in gbk, was signed in utf-8" in found.hint


def test_a_payload_signed_in_another_charset_than_declared_is_reported(signer: Signer) -> None:
    params = signed(notification("utf-8"), signer, "gbk")
    found = diagnose(params, signer)
    assert (found.valid, found.reason) == (False, Reason.CHARSET)
    assert "it was signed in gbk" in found.hint


def test_a_legacy_payload_in_gbk_is_good_though_utf8_is_configured(signer: Signer) -> None:
    params = notification()
    del params["charset"]
    found = diagnose(body(signed(params, signer, "gbk"), "gbk"), signer, charset="utf-8")
    assert (found.valid, found.charset) == (True, "gbk")


def test_plus_signs_lost_from_the_signature_are_reported(rsa_signer: Signer) -> None:
    params = signed(notification(), rsa_signer)
    nonce = 0
    while "+" not in params["sign"]:
        nonce += 1
        params = signed(notification(nonce=str(nonce)), rsa_signer)
    params["sign"] = params["sign"].replace("+", " ")
    assert diagnose(params, rsa_signer).reason == Reason.PLUS_SPACE


@pytest.mark.parametrize("sign_type", ["RSA", "RSA2"])
def test_another_key_is_reported(sign_type: str, keys: Keys) -> None:
    stranger = {"RSA": RsaSigner, "RSA2": Rsa2Signer}[sign_type](generate_private_key())
    found = diagnose(body(signed(notification(), stranger)), verifier(sign_type, keys))
    assert (found.valid, found.reason, found.key) == (False, Reason.WRONG_KEY, None)
    assert "console" in found.hint


def test_a_key_of_another_size_is_reported(keys: Keys) -> None:
    small = Rsa2Signer(generate_private_key(1024))
    found = diagnose(body(signed(notification(), small)), verifier("RSA2", keys))
    assert found.reason == Reason.WRONG_KEY
    assert "1024 bits; the one here has 2048" in found.hint


def test_a_key_known_by_other_means_is_named(keys: Keys) -> None:
    stranger = generate_private_key()
    found = diagnose(
        body(signed(notification(), Rsa2Signer(stranger))),
        verifier("RSA2", keys),
        others={"the key of another shop": Rsa2Signer(public_key=stranger.public_key())},
    )
    assert found.reason == Reason.WRONG_KEY
    assert "signed with the key of another shop," in found.hint


def test_a_known_key_over_changed_values_is_reported_as_both(keys: Keys) -> None:
    stranger = generate_private_key()
    params = altered(signed(notification(), Rsa2Signer(stranger)), Rsa2Signer(stranger), "utf-8")
    found = diagnose(
        params,
        verifier("RSA2", keys),
        others={"the key of another shop": Rsa2Signer(public_key=stranger.public_key())},
    )
    assert found.reason == Reason.WRONG_KEY
    assert "the key of another shop, which" in found.hint
    assert "Its content was also changed after signing" in found.hint


def test_an_md5_key_known_by_other_means_is_named() -> None:
    found = diagnose(
        signed(notification(), Md5Signer(MD5_KEY)),
        Md5Signer("other"),
        others={"the key of another shop": Md5Signer(MD5_KEY)},
    )
    assert found.reason == Reason.WRONG_KEY
    assert "the key of another shop" in found.hint


@pytest.mark.parametrize("key", [f" {MD5_KEY}", f"{MD5_KEY}\n"])
def test_a_stray_space_around_the_md5_key_is_reported(key: str) -> None:
    found = diagnose(signed(notification(), Md5Signer(MD5_KEY)), Md5Signer(key))
    assert found.reason == Reason.WRONG_KEY
    assert "surrounding spaces, line ends" in found.hint


def test_with_md5_an_altered_value_and_another_key_are_indistinguishable() -> None:
    payload = signed(notification(), Md5Signer(MD5_KEY))
    wrong_key = diagnose(payload, Md5Signer("other"))
    wrong_values = diagnose(altered(payload, Md5Signer(MD5_KEY), "utf-8"), Md5Signer(MD5_KEY))
    assert wrong_key.reason == wrong_values.reason == Reason.ALTERED
    assert wrong_key.hint == wrong_values.hint
    assert "altered, or signed with another key" in wrong_key.hint


def test_the_merchants_public_key_in_place_of_alipays_is_reported(keys: Keys) -> None:
    mistaken = Rsa2Signer(keys.merchant, keys.merchant.public_key())
    payload = body(signed(notification(), Rsa2Signer(keys.alipay)))
    found = diagnose(payload, mistaken)
    assert (found.valid, found.reason) == (False, Reason.OWN_PUBLIC_KEY)


def test_the_merchants_public_key_is_recognized_by_a_separate_key(keys: Keys) -> None:
    mistaken = Rsa2Signer(public_key=keys.merchant.public_key())
    payload = body(signed(notification(), Rsa2Signer(keys.alipay)))
    assert diagnose(payload, mistaken).reason == Reason.WRONG_KEY
    found = diagnose(payload, mistaken, merchant_key=keys.merchant.public_key())
    assert found.reason == Reason.OWN_PUBLIC_KEY


def test_the_merchants_signature_is_reported(keys: Keys) -> None:
    found = diagnose(signed(notification(), Rsa2Signer(keys.merchant)), verifier("RSA2", keys))
    assert found.reason == Reason.OWN_SIGNATURE


@pytest.mark.parametrize(
    ("alipay_signer", "merchant_signer"),
    [("RSA", "RSA2"), ("RSA2", "RSA"), ("MD5", "RSA2"), ("RSA2", "MD5"), ("RSA", "MD5")],
)
@pytest.mark.parametrize("honest", [True, False])
def test_a_sign_type_that_is_not_configured_is_reported(
    alipay_signer: str, merchant_signer: str, honest: bool, keys: Keys
) -> None:
    params = signed(notification(), signer_named(alipay_signer, keys))
    if not honest:
        params["sign_type"] = merchant_signer
    found = diagnose(body(params), signer_named(merchant_signer, keys))
    assert (found.valid, found.reason) == (False, Reason.SIGN_TYPE_MISMATCH)
    assert f"{merchant_signer} is configured" in found.hint


def test_the_declared_sign_type_does_not_make_it_valid(keys: Keys) -> None:
    params = {**signed(notification(), Rsa2Signer(keys.alipay)), "sign_type": "MD5"}
    assert diagnose(params, verifier("RSA2", keys)).valid


@pytest.mark.parametrize("sign", ["x", "A" * 10, "x" * 344, "中文", "A" * 343 + "="])
def test_a_damaged_signature_is_reported(sign: str, keys: Keys) -> None:
    params = {**signed(notification(), Rsa2Signer(keys.alipay)), "sign": sign}
    found = diagnose(params, verifier("RSA2", keys))
    assert found.reason in (Reason.ALTERED, Reason.WRONG_KEY)
    assert "damaged" in found.hint or "altered" in found.hint


def test_a_name_that_occurs_twice_is_named(signer: Signer) -> None:
    found = diagnose(body(signed(notification(), signer)) + b"&total_amount=0.01", signer)
    assert (found.valid, found.reason) == (False, Reason.MALFORMED)
    assert "total_amount" in found.hint


def test_a_value_that_is_not_encoded_is_malformed(signer: Signer) -> None:
    payload = body(signed(notification(), signer)).replace(b"%2C+two", b" & two")
    assert diagnose(payload, signer).reason == Reason.MALFORMED


def test_a_charset_that_does_not_exist_is_mentioned(rsa_signer: Signer) -> None:
    payload = body(signed(notification(), rsa_signer)).replace(b"charset=utf-8", b"charset=klingon")
    found = diagnose(payload, rsa_signer)
    assert found.reason == Reason.ALTERED
    assert "declares an unknown charset" in found.hint


@pytest.mark.parametrize("payload", [b"", b"\xff\xff=\xff", b"x" * 100, {}])
def test_a_payload_without_parameters_is_unreadable(
    payload: bytes | Params, signer: Signer
) -> None:
    assert diagnose(payload, signer).reason == Reason.UNREADABLE


def test_without_a_key_there_is_no_verdict() -> None:
    with pytest.raises(ConfigurationError):
        diagnose(signed(notification(), Md5Signer(MD5_KEY)), Rsa2Signer())


@given(payload=hostile_bodies())
@pytest.mark.parametrize("sign_type", ["MD5", "RSA2"])
def test_nothing_that_a_stranger_sends_is_more_than_not_verified(
    sign_type: str, payload: bytes, keys: Keys
) -> None:
    found = diagnose(payload, signer_named(sign_type, keys))
    assert not found.valid
    assert found.reason in Reason.ALL


@given(params=st.dictionaries(st.text(max_size=12), st.text(max_size=30), max_size=8))
def test_no_text_is_too_strange(params: Params, keys: Keys) -> None:
    assert not diagnose({"sign": "AAAA", **params}, verifier("RSA2", keys)).valid


def test_a_diagnosis_keeps_buyer_data_and_keys_out_of_its_repr(keys: Keys) -> None:
    params = signed(notification(buyer_id="2088000000000002"), Rsa2Signer(keys.alipay))
    found = diagnose(params, verifier("RSA2", keys))
    assert isinstance(found, Diagnosis)
    assert "2088000000000002" not in repr(found)


def test_hints_hold_no_text_of_a_stranger_as_it_came(rsa_signer: Signer) -> None:
    params = {**signed(notification(), rsa_signer), "\x1b[31mevil\n" * 9: "x"}
    found = diagnose(params, rsa_signer)
    assert found.reason == Reason.EXTRA_PARAMETER
    assert "\x1b" not in found.hint
    assert "\n" not in found.hint


@with_vectors("captured-notify", "captured-return", "notify", where=is_valid)
def test_a_captured_payload_that_verifies_is_good(vector: Vector) -> None:
    assert diagnose(params_of(vector), signer_of(vector), others=known()).reason == Reason.OK


@with_vectors("captured-notify", "captured-return", "notify", where=lambda v: not is_valid(v))
def test_a_captured_payload_that_does_not_verify_has_its_reason(vector: Vector) -> None:
    found = diagnose(params_of(vector), signer_of(vector), others=known())
    if vector["id"] in GOOD_IN_TRUTH:
        assert found.valid
    else:
        assert found.reason == REASONS[vector["id"]]


@with_vectors("request-sign", where=lambda vector: vector["protocol"] == "openapi-v2")
def test_a_request_is_distinguished_from_a_notification(vector: Vector) -> None:
    found = diagnose(params_of(vector), signer_of(vector))
    assert found.reason == Reason.SIGN_TYPE_IN_STRING


def params_of(vector: Vector) -> Params:
    params = dict(vector["params"])
    if vector["name"] != "mapi-md5-notify-unsigned":
        params.setdefault("sign", vector["sign"])
    return params


def known() -> dict[str, Signer]:
    return {"Alipay's key of the legacy gateway": RsaSigner(public_key=MAPI_PUBLIC_KEY)}


def test_base64_padding_is_not_a_trap(keys: Keys) -> None:
    params = signed(notification(), Rsa2Signer(keys.alipay))
    params["sign"] = base64.b64encode(base64.b64decode(params["sign"])[:-1]).decode()
    assert diagnose(params, verifier("RSA2", keys)).reason == Reason.ALTERED


def test_a_percent_encoded_signature_is_invalid(keys: Keys) -> None:
    params = signed(notification(), Rsa2Signer(keys.alipay))
    params["sign"] = quote(params["sign"], safe="")
    assert not diagnose(params, verifier("RSA2", keys)).valid
