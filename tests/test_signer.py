"""Content of signatures, and the three signature algorithms."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import (
    AlipayError,
    ConfigurationError,
    InvalidParameter,
    KeyFormatError,
)
from flask_alipay.keys import key_to_base64, private_pem, public_pem
from flask_alipay.protocol.charsets import canonical_charset, encode
from flask_alipay.signer import Md5Signer, Rsa2Signer, RsaSigner, Signer, sign_content

from .conftest import Keys
from .strategies import charsets, params

MD5_KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module", params=["MD5", "RSA", "RSA2"])
def signer(request: pytest.FixtureRequest, keys: Keys) -> Signer:
    """Return a signer that can both sign and verify."""
    if request.param == "MD5":
        return Md5Signer(MD5_KEY)
    made = {"RSA": RsaSigner, "RSA2": Rsa2Signer}[request.param]
    return made(keys.merchant, keys.merchant.public_key())


def reference_content(values: dict[str, str], exclude: list[str], charset: str) -> bytes:
    """Return the signed content by Alipay's rule, written independently and on bytes."""
    content = b""
    while values:
        name = min(values)
        value = values[name]
        values = {other: values[other] for other in values if other != name}
        if name in exclude or value == "":
            continue
        content += b"&" + name.encode("ascii") + b"=" + encode(value, charset)
    return content[1:]


@given(data=st.data(), charset=charsets)
def test_the_content_follows_alipays_rule(data: st.DataObject, charset: str) -> None:
    values = data.draw(params(charset)) | {"sign": "s", "sign_type": "RSA2"}
    exclude = data.draw(st.sampled_from([["sign", "sign_type"], ["sign"], [], ["sign", *values]]))
    assert sign_content(values, exclude=exclude, charset=charset) == reference_content(
        values, exclude, charset
    )


def test_names_are_sorted_with_capitals_first_and_the_underscore_before_small_letters() -> None:
    values = {"b": "1", "a": "2", "Z": "3", "_input_charset": "4", "a1": "5", "aB": "6"}
    assert sign_content(values) == b"Z=3&_input_charset=4&a=2&a1=5&aB=6&b=1"


def test_empty_values_are_left_out_and_zero_is_not_empty() -> None:
    assert sign_content({"a": "", "b": "0", "c": " "}) == b"b=0&c= "


def test_values_are_signed_as_they_are() -> None:
    assert sign_content({"a": "1&2=3+4%20", "b": '"中"'}) == 'a=1&2=3+4%20&b="中"'.encode()


def test_nothing_has_an_empty_content() -> None:
    assert sign_content({}) == b""
    assert sign_content({"sign": "x", "sign_type": "MD5", "a": ""}) == b""


@pytest.mark.parametrize(
    ("charset", "bytes_"), [("utf-8", b"\xe4\xb8\xad"), ("gb2312", b"\xd6\xd0")]
)
def test_the_content_is_in_the_charset(charset: str, bytes_: bytes) -> None:
    assert sign_content({"a": "中"}, charset=charset) == b"a=" + bytes_


def test_a_character_that_the_charset_lacks_is_reported_for_its_parameter() -> None:
    with pytest.raises(InvalidParameter, match=r"^subject has a character that gbk does not have"):
        sign_content({"body": "tea", "subject": "🍵"}, charset="gbk")


def test_an_incomplete_character_is_reported_for_its_parameter() -> None:
    with pytest.raises(InvalidParameter, match=r"^subject "):
        sign_content({"subject": "\ud83c"})


@pytest.mark.parametrize(
    "charset", ["utf-7", "latin-1", "idna", "rot13", "zlib", "", "utf-8 ", "\0"]
)
def test_a_charset_that_alipay_does_not_have_is_rejected(charset: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^charset must be"):
        canonical_charset(charset)


@given(message=st.binary())
def test_a_signature_verifies(signer: Signer, message: bytes) -> None:
    assert signer.verify(message, signer.sign(message))


@given(data=st.data(), charset=charsets)
def test_signed_parameters_verify_in_any_charset(
    signer: Signer, data: st.DataObject, charset: str
) -> None:
    content = sign_content(data.draw(params(charset)), charset=charset)
    assert signer.verify(content, signer.sign(content))


@given(message=st.binary(), other=st.binary())
def test_another_message_does_not_verify(signer: Signer, message: bytes, other: bytes) -> None:
    assert signer.verify(other, signer.sign(message)) is (message == other)


@given(sign=st.one_of(st.text(), st.binary().map(lambda raw: base64.b64encode(raw).decode())))
def test_any_other_signature_does_not_verify(signer: Signer, sign: str) -> None:
    assert signer.verify(b"a=1", sign) is False


@pytest.mark.parametrize(
    "sign", [None, 5, b"AAAA", [], object(), "", "中", "A", "AAAA=", "\0", "=" * 9]
)
def test_text_that_is_not_a_signature_does_not_verify(signer: Signer, sign: object) -> None:
    assert signer.verify(b"a=1", sign) is False  # type: ignore[arg-type]


def test_a_signature_cut_short_or_drawn_out_does_not_verify(signer: Signer) -> None:
    sign = signer.sign(b"a=1")
    for altered in (sign[:-4], sign + "AAAA", f" {sign}", f"{sign}\n", sign.swapcase()):
        assert signer.verify(b"a=1", altered) is False


def test_md5_is_the_digest_of_the_message_and_the_key() -> None:
    assert Md5Signer("k").sign(b"a=1") == hashlib.md5(b"a=1k").hexdigest()


def test_a_capital_md5_does_not_verify() -> None:
    signer = Md5Signer(MD5_KEY)
    assert signer.verify(b"a=1", signer.sign(b"a=1").upper()) is False


def test_an_empty_md5_key_is_rejected() -> None:
    with pytest.raises(ConfigurationError):
        Md5Signer("")


@pytest.mark.parametrize(("made", "digest"), [(RsaSigner, SHA1()), (Rsa2Signer, SHA256())])
def test_rsa_signs_with_pkcs1_padding(
    keys: Keys, made: type[RsaSigner], digest: HashAlgorithm
) -> None:
    sign = made(keys.merchant).sign(b"a=1")
    keys.merchant.public_key().verify(base64.b64decode(sign), b"a=1", padding.PKCS1v15(), digest)


def test_rsa_and_rsa2_are_not_taken_for_each_other(keys: Keys) -> None:
    own = keys.merchant.public_key()
    assert not RsaSigner(None, own).verify(b"a=1", Rsa2Signer(keys.merchant).sign(b"a=1"))
    assert not Rsa2Signer(None, own).verify(b"a=1", RsaSigner(keys.merchant).sign(b"a=1"))


def test_a_signature_by_another_key_does_not_verify(keys: Keys) -> None:
    forged = Rsa2Signer(keys.merchant).sign(b"a=1")
    assert not Rsa2Signer(None, keys.alipay.public_key()).verify(b"a=1", forged)


def test_while_keys_are_exchanged_either_verifies(keys: Keys) -> None:
    both = (public_pem(keys.merchant.public_key()), keys.alipay.public_key())
    signer = Rsa2Signer(None, both)
    for key in (keys.merchant, keys.alipay):
        assert signer.verify(b"a=1", Rsa2Signer(key).sign(b"a=1"))


def test_keys_may_be_given_as_they_were_pasted(keys: Keys) -> None:
    signer = Rsa2Signer(
        private_pem(keys.merchant), key_to_base64(keys.merchant.public_key()).encode()
    )
    assert signer.verify(b"a=1", signer.sign(b"a=1"))
    assert signer.own_public_key == keys.merchant.public_key()


def test_without_a_private_key_nothing_is_signed(keys: Keys) -> None:
    signer = Rsa2Signer(None, keys.alipay.public_key())
    assert signer.own_public_key is None
    with pytest.raises(ConfigurationError):
        signer.sign(b"a=1")


@pytest.mark.parametrize("public_key", [None, (), []])
def test_without_a_public_key_nothing_is_verified(keys: Keys, public_key: None) -> None:
    signer = Rsa2Signer(keys.merchant, public_key)
    with pytest.raises(ConfigurationError):
        signer.verify(b"a=1", signer.sign(b"a=1"))


@pytest.mark.parametrize("public_key", ["", b"", [""], "hello"])
def test_an_empty_public_key_is_an_error_and_not_no_key(public_key: str) -> None:
    with pytest.raises(KeyFormatError):
        Rsa2Signer(None, public_key)


def test_a_signer_shows_no_key(signer: Signer) -> None:
    assert repr(signer) == f"{type(signer).__name__}()"
    assert str(signer) == repr(signer)


def test_an_error_of_a_key_does_not_show_it(keys: Keys) -> None:
    secret = key_to_base64(keys.merchant)
    with pytest.raises(AlipayError) as caught:
        Rsa2Signer(None, secret)
    assert secret[:16] not in str(caught.value)


def test_a_key_pasted_with_white_space_can_be_tried_without() -> None:
    clean = Md5Signer(MD5_KEY)
    for slip in (f" {MD5_KEY}\n", f'"{MD5_KEY}"', f"\ufeff{MD5_KEY}", MD5_KEY.upper()):
        meant = Md5Signer(slip).with_cleaned_key()
        assert any(signer.verify(b"a=1", clean.sign(b"a=1")) for signer in meant), slip
    assert clean.with_cleaned_key() == []
    assert Md5Signer(" ").with_cleaned_key() == []
