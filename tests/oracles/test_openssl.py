"""OpenSSL as a second opinion: what we sign verifies there, what it makes is read here."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_alipay.exceptions import KeyFormatError
from flask_alipay.keys import (
    describe_key,
    load_private_key,
    load_public_key,
    private_pem,
    public_pem,
)
from flask_alipay.signer import Md5Signer, Rsa2Signer, RsaSigner

from ..conftest import Keys
from ..requirements import missing

MESSAGES = [b"", b"a=1&b=2", "subject=龙井".encode("gbk"), bytes(range(256)) * 300]
SIGNERS = pytest.mark.parametrize(("made", "digest"), [(RsaSigner, "sha1"), (Rsa2Signer, "sha256")])


class OpenSSL:
    """The command line program, working in a folder of its own."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self.folder = folder

    def __call__(self, *arguments: str | Path, stdin: bytes = b"") -> bytes:
        done = subprocess.run(
            [self._program, *map(str, arguments)], input=stdin, capture_output=True, check=True
        )
        return done.stdout

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode("ascii") if isinstance(content, str) else content)
        return path

    def verifies(self, message: bytes, signature: bytes, key: Path, digest: str) -> bool:
        signed = self.file("signature", signature)
        try:
            self("dgst", f"-{digest}", "-verify", key, "-signature", signed, stdin=message)
        except subprocess.CalledProcessError:
            return False
        return True


@pytest.fixture(scope="module")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> OpenSSL:
    program = shutil.which("openssl")
    if program is None:
        missing("openssl is not installed")
    return OpenSSL(program, tmp_path_factory.mktemp("openssl"))


@SIGNERS
@pytest.mark.parametrize("message", MESSAGES, ids=len)
def test_what_we_sign_verifies_there(
    openssl: OpenSSL, keys: Keys, made: type[RsaSigner], digest: str, message: bytes
) -> None:
    public = openssl.file("public.pem", public_pem(keys.merchant.public_key()))
    signature = base64.b64decode(made(keys.merchant).sign(message))
    assert openssl.verifies(message, signature, public, digest)
    assert not openssl.verifies(message + b"x", signature, public, digest)


@SIGNERS
@pytest.mark.parametrize("message", MESSAGES, ids=len)
def test_what_is_signed_there_verifies_here(
    openssl: OpenSSL, keys: Keys, made: type[RsaSigner], digest: str, message: bytes
) -> None:
    private = openssl.file("private.pem", private_pem(keys.alipay))
    signature = openssl("dgst", f"-{digest}", "-sign", private, stdin=message)
    signer = made(None, keys.alipay.public_key())
    assert signer.verify(message, base64.b64encode(signature).decode("ascii"))
    assert not signer.verify(message + b"x", base64.b64encode(signature).decode("ascii"))


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(message=st.binary())
def test_both_make_the_same_signature_of_any_message(
    openssl: OpenSSL, keys: Keys, message: bytes
) -> None:
    private = openssl.file("private.pem", private_pem(keys.merchant, pkcs1=True))
    theirs = openssl("dgst", "-sha256", "-sign", private, stdin=message)
    assert base64.b64decode(Rsa2Signer(keys.merchant).sign(message)) == theirs


def test_an_md5_sign_is_its_digest_with_the_key_at_the_end(openssl: OpenSSL) -> None:
    theirs = openssl("dgst", "-md5", "-r", stdin=b"a=1&b=2" + b"secret").split()[0]
    assert Md5Signer("secret").sign(b"a=1&b=2") == theirs.decode("ascii")


def test_keys_made_there_are_read_here(openssl: OpenSSL) -> None:
    pkcs8 = openssl.file("made.pem", openssl("genpkey", "-algorithm", "RSA", "-quiet"))
    key = load_private_key(pkcs8.read_bytes())
    for form in (["-traditional"], ["-outform", "DER"], ["-traditional", "-outform", "DER"]):
        assert load_private_key(openssl("pkey", "-in", pkcs8, *form)) is not None
    for form in ([], ["-outform", "DER"]):
        public = openssl("pkey", "-in", pkcs8, "-pubout", *form)
        assert load_public_key(public) == key.public_key()
    assert load_public_key(openssl("rsa", "-in", pkcs8, "-RSAPublicKey_out")) == key.public_key()


def test_a_certificate_made_there_is_read_here(openssl: OpenSSL, keys: Keys) -> None:
    private = openssl.file("private.pem", private_pem(keys.alipay))
    made = openssl("req", "-x509", "-new", "-key", private, "-subj", "/CN=Test", "-days", "1")
    assert load_public_key(made) == keys.alipay.public_key()


def test_a_key_locked_there_is_told_so_here(openssl: OpenSSL, keys: Keys) -> None:
    private = openssl.file("private.pem", private_pem(keys.merchant))
    for form in ([], ["-traditional"]):
        locked = openssl("pkey", "-in", private, "-aes256", "-passout", "pass:pw", *form)
        with pytest.raises(KeyFormatError, match="encrypted private key"):
            load_private_key(locked)
        assert "encrypted" in describe_key(locked)
