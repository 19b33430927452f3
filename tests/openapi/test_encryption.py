"""Content encryption: published texts both ways, and keys that are none."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import KeyFormatError
from flask_alipay.gateways.openapi.encryption import ContentCipher

from ..doubles.openapi import AES_KEY
from ..vectors import Vector, with_vectors


@with_vectors("aes")
def test_a_published_text_is_decrypted(vector: Vector) -> None:
    cipher = ContentCipher(vector["aes_key"])
    content = cipher.decrypt(vector["ciphertext"], vector["sign_type"])
    assert content.decode(vector["charset"]) == vector["plaintext"]


@with_vectors("aes", where=lambda vector: vector["sign_type"] == "AES")
def test_a_published_text_is_encrypted_byte_for_byte(vector: Vector) -> None:
    cipher = ContentCipher(vector["aes_key"])
    assert cipher.encrypt(vector["plaintext"].encode(vector["charset"])) == vector["ciphertext"]


@given(content=st.binary(max_size=100))
def test_encrypted_content_can_be_decrypted(content: bytes) -> None:
    cipher = ContentCipher(AES_KEY)
    assert cipher.decrypt(cipher.encrypt(content)) == content


@pytest.mark.parametrize("text", ["", "AAAA", "no base64", "茶", AES_KEY, AES_KEY * 2])
def test_text_that_was_not_encrypted_with_the_key_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever of its layers refuses it
        ContentCipher(AES_KEY).decrypt(text)


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("s3cr3t!", "not base64"),
        ("茶", "not base64"),
        ("", "0 bytes"),
        (base64.b64encode(b"s3cr3t").decode(), "6 bytes"),
        (base64.b64encode(bytes(32)).decode(), "32 bytes"),
    ],
)
def test_an_invalid_key_is_described(key: str, what: str) -> None:
    with pytest.raises(KeyFormatError, match=what) as caught:
        ContentCipher(key)
    assert "s3cr3t" not in str(caught.value)


def test_space_around_a_key_is_ignored() -> None:
    text = ContentCipher(AES_KEY).encrypt(b"a")
    assert ContentCipher(f" {AES_KEY}\n").decrypt(text) == b"a"
