"""Keys in the forms in which people paste them, and what they turn out to be."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import KeyFormatError
from flask_alipay.keys import (
    certificate_sn,
    describe_key,
    generate_private_key,
    key_to_base64,
    load_private_key,
    load_public_key,
    private_pem,
    public_key_der,
    public_pem,
    root_certificate_sn,
)

from .conftest import Keys

LINE_ENDS = ("\n", "\r\n", "\r", "\\n", "\\r\\n", " ", "\n\n", " \n\t")


@st.composite
def paste_forms(draw: st.DrawFn, der: bytes, label: str) -> str | bytes:
    """Return a key as consoles, mails, .env files and text editors format it."""
    packed = base64.b64encode(der).decode("ascii")
    width = draw(st.sampled_from([64, 76, 1, 63, len(packed)]))
    lines = [packed[start : start + width] for start in range(0, len(packed), width)]
    if draw(st.booleans()):
        lines = [f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"]
    elif draw(st.booleans()):
        lines[-1] = lines[-1].rstrip("=")
    text = draw(st.sampled_from(LINE_ENDS)).join(lines)
    for wrap in draw(
        st.lists(st.sampled_from(["{}\n", "  {}", "{} \t", '"{}"', "'{}'"]), max_size=3)
    ):
        text = wrap.format(text)
    text = draw(st.sampled_from(["", "\ufeff"])) + text
    forms: list[str | bytes] = [text, text.encode("utf-8"), text.encode("utf-16"), der]
    return draw(st.sampled_from(forms))


@pytest.fixture(scope="module")
def certificate(keys: Keys) -> x509.Certificate:
    return certificate_for(keys.alipay)


def certificate_for(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, serial: int = 20261122
) -> x509.Certificate:
    name = x509.Name.from_rfc4514_string("CN=Test CA,OU=Testing,O=A \\, B,C=CN")
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), serial)
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, SHA256())


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


@given(data=st.data(), pkcs1=st.booleans())
def test_a_private_key_is_read_however_it_was_pasted(
    keys: Keys, data: st.DataObject, pkcs1: bool
) -> None:
    der = base64.b64decode(key_to_base64(keys.merchant, pkcs1=pkcs1))
    label = "RSA PRIVATE KEY" if pkcs1 else "PRIVATE KEY"
    read = load_private_key(data.draw(paste_forms(der, label)))
    assert read.private_numbers() == keys.merchant.private_numbers()


@given(data=st.data(), form=st.sampled_from(["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"]))
def test_a_public_key_is_read_however_it_was_pasted(
    keys: Keys, certificate: x509.Certificate, data: st.DataObject, form: str
) -> None:
    public = keys.alipay.public_key()
    der = {
        "PUBLIC KEY": public_key_der(public),
        "RSA PUBLIC KEY": public.public_bytes(Encoding.DER, PublicFormat.PKCS1),
        "CERTIFICATE": certificate.public_bytes(Encoding.DER),
    }[form]
    assert load_public_key(data.draw(paste_forms(der, form))) == public


def test_the_first_certificate_of_a_chain_is_the_one(keys: Keys) -> None:
    chain = pem(certificate_for(keys.alipay)) + pem(certificate_for(keys.merchant))
    assert load_public_key(chain) == keys.alipay.public_key()


def test_text_around_a_pem_is_ignored(keys: Keys) -> None:
    bag = f"Bag Attributes\n  friendlyName: shop\n{private_pem(keys.merchant)}\nthanks!"
    assert load_private_key(bag) == load_private_key(private_pem(keys.merchant))


def test_a_key_is_parsed_once_whatever_its_form(keys: Keys) -> None:
    first = load_private_key(private_pem(keys.merchant))
    assert load_private_key(key_to_base64(keys.merchant)) is first
    assert load_public_key(public_pem(first.public_key())) is load_public_key(
        key_to_base64(first.public_key())
    )


def test_a_public_key_instead_of_a_private_key_is_described(keys: Keys) -> None:
    with pytest.raises(
        KeyFormatError, match="expected an RSA private key, got an RSA public key of 2048 bits"
    ):
        load_private_key(key_to_base64(keys.alipay.public_key()))


def test_a_private_key_instead_of_a_public_key_is_described(keys: Keys) -> None:
    with pytest.raises(
        KeyFormatError, match="expected an RSA public key, got an RSA private key of 2048 bits"
    ):
        load_public_key(key_to_base64(keys.merchant))


def test_a_certificate_instead_of_a_private_key_is_described(certificate: x509.Certificate) -> None:
    with pytest.raises(KeyFormatError, match="got an RSA public key in a certificate of 2048 bits"):
        load_private_key(pem(certificate))


def test_the_message_for_an_encrypted_key_has_the_next_step(keys: Keys) -> None:
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        locked = keys.merchant.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"pw"))
        with pytest.raises(KeyFormatError, match="encrypted private key"):
            load_private_key(locked)
    locked = keys.merchant.private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw")
    )
    with pytest.raises(KeyFormatError, match="encrypted private key"):
        load_private_key(locked)


def test_a_key_that_is_not_rsa_is_described() -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    private = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(KeyFormatError, match=r"private key of another kind .*not RSA"):
        load_private_key(private)
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    with pytest.raises(KeyFormatError, match=r"public key of another kind \(Ed25519\), not RSA"):
        load_public_key(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(KeyFormatError, match="not RSA"):
        load_public_key(pem(certificate_for(curve)))


@pytest.mark.parametrize("name", ["keys/merchant.pem", "/run/secrets/alipay.key", "cert.crt"])
def test_the_message_for_a_file_name_names_the_right_setting(name: str) -> None:
    with pytest.raises(KeyFormatError, match="_PATH"):
        load_private_key(name)


@pytest.mark.parametrize("material", ["", b"", "  \n", "\ufeff", '""'])
def test_an_empty_text_is_described(material: str | bytes) -> None:
    for load in (load_private_key, load_public_key):
        with pytest.raises(KeyFormatError, match="an empty text"):
            load(material)


def test_half_a_key_is_rejected(keys: Keys) -> None:
    half = key_to_base64(keys.merchant)[:800]
    with pytest.raises(KeyFormatError, match="not a key") as caught:
        load_private_key(half)
    assert half[:20] not in str(caught.value)


# cryptography warns of odd certificates before it refuses them.
@given(st.one_of(st.text(), st.binary(), st.binary().map(lambda rest: b"\x30" + rest)))
def test_any_material_raises_only_the_packages_exceptions(material: str | bytes) -> None:
    for load in (load_private_key, load_public_key, certificate_sn, root_certificate_sn):
        with pytest.raises(KeyFormatError):
            load(material)
    assert describe_key(material)


# cryptography finds fault with some names in certificates, and reads them all the same.
@pytest.mark.filterwarnings("ignore::UserWarning")
@given(data=st.data())
def test_an_altered_key_is_rejected_or_another_key(
    keys: Keys, certificate: x509.Certificate, data: st.DataObject
) -> None:
    der = bytearray(
        data.draw(
            st.sampled_from(
                [
                    base64.b64decode(key_to_base64(keys.merchant)),
                    base64.b64decode(key_to_base64(keys.merchant, pkcs1=True)),
                    public_key_der(keys.alipay.public_key()),
                    certificate.public_bytes(Encoding.DER),
                ]
            )
        )
    )
    place = data.draw(st.integers(0, len(der) - 1))
    der[place] ^= data.draw(st.integers(1, 255))
    for load in (load_private_key, load_public_key, certificate_sn):
        try:
            load(bytes(der))
        except KeyFormatError:
            continue
    assert describe_key(bytes(der))


def test_a_certificate_of_a_version_that_does_not_exist_is_rejected(
    certificate: x509.Certificate,
) -> None:
    # cryptography's exception for that one is not a ValueError.
    odd = certificate.public_bytes(Encoding.DER).replace(
        b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03", 1
    )
    for load in (load_private_key, load_public_key, certificate_sn):
        with pytest.raises(KeyFormatError):
            load(odd)
    body = base64.b64encode(odd).decode("ascii")
    with pytest.raises(KeyFormatError):
        root_certificate_sn(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----")


def test_a_key_is_described_for_people(keys: Keys, certificate: x509.Certificate) -> None:
    assert describe_key(private_pem(keys.merchant)) == "an RSA private key of 2048 bits"
    assert describe_key(public_pem(keys.alipay.public_key())) == "an RSA public key of 2048 bits"
    assert describe_key(pem(certificate)) == "an RSA public key in a certificate of 2048 bits"
    assert "neither PEM nor base64" in describe_key("hello?")


def test_a_new_key_has_the_requested_size() -> None:
    assert generate_private_key(1024).key_size == 1024


def test_an_exported_key_can_be_loaded(keys: Keys) -> None:
    for written in (private_pem(keys.merchant), private_pem(keys.merchant, pkcs1=True)):
        assert load_private_key(written).private_numbers() == keys.merchant.private_numbers()
    assert "BEGIN RSA PRIVATE KEY" in private_pem(keys.merchant, pkcs1=True)
    assert load_public_key(public_pem(keys.alipay.public_key())) == keys.alipay.public_key()


@pytest.mark.parametrize("maximum", [700, 701, 702, 703])
def test_a_pem_text_that_is_cut_off_is_described(maximum: int, keys: Keys) -> None:
    with pytest.raises(KeyFormatError, match="begins like PEM and has no END line"):
        load_private_key(private_pem(keys.merchant)[:maximum])


def test_a_pem_text_that_lacks_nothing_but_its_last_line_is_read(keys: Keys) -> None:
    pem = private_pem(keys.merchant).partition("-----END")[0]
    assert load_private_key(pem) == load_private_key(private_pem(keys.merchant))


def test_a_certificates_number_is_made_of_its_issuer_and_serial(
    certificate: x509.Certificate,
) -> None:
    known = hashlib.md5(b"CN=Test CA,OU=Testing,O=A \\, B,C=CN20261122").hexdigest()
    assert certificate_sn(pem(certificate)) == known
    assert certificate_sn(certificate.public_bytes(Encoding.DER)) == known


def test_a_key_is_no_certificate(keys: Keys) -> None:
    with pytest.raises(KeyFormatError, match="expected a certificate, got an RSA public key"):
        certificate_sn(key_to_base64(keys.alipay.public_key()))


def test_only_rsa_certificates_of_a_root_bundle_count(keys: Keys) -> None:
    first, second = certificate_for(keys.alipay, 1), certificate_for(keys.merchant, 2)
    curve = certificate_for(ec.generate_private_key(ec.SECP256R1()), 3)
    unreadable = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    bundle = "".join(["\ufeff", pem(first), pem(curve), unreadable, pem(second)])
    assert (
        root_certificate_sn(bundle) == f"{certificate_sn(pem(first))}_{certificate_sn(pem(second))}"
    )
    assert root_certificate_sn(bundle.replace("\n", "\r\n").encode()) == root_certificate_sn(bundle)


def test_a_root_bundle_without_an_rsa_certificate_is_rejected(keys: Keys) -> None:
    with pytest.raises(KeyFormatError, match="got none signed with RSA"):
        root_certificate_sn(public_pem(keys.alipay.public_key()))


def same(one: rsa.RSAPrivateKey, other: rsa.RSAPrivateKey) -> bool:
    return one.private_numbers() == other.private_numbers()


@pytest.mark.parametrize("escape", ["\\n", "\\\\n", "\\\\\\\\n", "\\\\r\\\\n"])
def test_line_ends_may_be_escaped_more_than_once(keys: Keys, escape: str) -> None:
    pasted = private_pem(keys.merchant).replace("\n", escape)
    assert same(load_private_key(pasted), keys.merchant)


@pytest.mark.parametrize("encode", [base64.b64encode, base64.encodebytes])
def test_a_complete_pem_file_may_be_encoded_in_base64(keys: Keys, encode: Any) -> None:
    assert same(load_private_key(encode(private_pem(keys.merchant).encode())), keys.merchant)
    public = load_public_key(encode(public_pem(keys.alipay.public_key()).encode()).decode())
    assert public_key_der(public) == public_key_der(keys.alipay.public_key())


def test_a_bundle_of_certificates_may_be_encoded_in_base64(keys: Keys) -> None:
    bundle = pem(certificate_for(keys.alipay, 1)) + pem(certificate_for(keys.merchant, 2))
    encoded = base64.b64encode(bundle.encode())
    assert root_certificate_sn(encoded) == root_certificate_sn(bundle)


@pytest.mark.parametrize(
    "label",
    ["应用私钥: ", "应用私钥：", "private key: ", "APP_PRIVATE_KEY=", "ADMIN KEY:\n", "私钥"],
)
def test_a_label_in_front_of_a_key_is_ignored(keys: Keys, label: str) -> None:
    for pasted in (key_to_base64(keys.merchant), private_pem(keys.merchant)):
        assert same(load_private_key(label + pasted), keys.merchant)
    public = key_to_base64(keys.alipay.public_key())
    assert public_key_der(load_public_key(label + public)) == public_key_der(
        keys.alipay.public_key()
    )


def pkcs12_file(key: Any, password: bytes | None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"app", key, None, None, encryption)


@pytest.mark.parametrize("encode", [bytes, base64.b64encode])
def test_a_pkcs12_file_without_a_password_is_read(keys: Keys, encode: Any) -> None:
    assert same(load_private_key(encode(pkcs12_file(keys.merchant, None))), keys.merchant)


def test_a_pkcs12_file_with_a_password_is_rejected_with_the_next_step(keys: Keys) -> None:
    with pytest.raises(KeyFormatError, match="PKCS#12 file with a password: extract the key"):
        load_private_key(pkcs12_file(keys.merchant, b"secret"))


def test_a_pkcs12_file_is_named_where_a_public_key_should_be(keys: Keys) -> None:
    with pytest.raises(KeyFormatError, match="got a PKCS#12 file"):
        load_public_key(pkcs12_file(keys.merchant, None))


def test_a_pkcs12_file_with_a_key_of_another_kind_is_rejected() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(KeyFormatError, match="PKCS#12 file without an RSA private key"):
        load_private_key(pkcs12_file(key, None))


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_ec_key_is_named_also_behind_its_parameters(form: PrivateFormat) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    # As "openssl ecparam -genkey" prints it.
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    for pasted in (pem, parameters + pem, "".join(pem.splitlines()[1:-1])):
        with pytest.raises(KeyFormatError, match=r"of another kind \(EC.*\), not RSA"):
            load_private_key(pasted)


def test_an_sm2_key_is_named() -> None:
    # A public key on SM2's curve, as an X.509 SubjectPublicKeyInfo; the point does not matter.
    algorithm = bytes.fromhex("301306072a8648ce3d020106082a811ccf5501822d")
    der = b"\x30\x59" + algorithm + b"\x03\x42\x00\x04" + bytes(64)
    with pytest.raises(KeyFormatError, match="got an SM2 key"):
        load_public_key(der)


def test_text_that_resembles_a_label_and_a_key_is_not_a_key() -> None:
    for pasted in ("应用私钥: MI" + "A" * 100, "LS0tLS1CRUdJTiBhYmM", "x" * 65 + "MI" + "A" * 64):
        with pytest.raises(KeyFormatError):
            load_private_key(pasted)
