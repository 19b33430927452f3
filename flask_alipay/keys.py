"""Keys and certificates, in any form that people paste them, and what they turn out to be.

Alipay's console hands out bare base64, its tools PKCS#1 or PKCS#8, other people's answers PEM with
the line ends of their system; all of it is taken. What is not the wanted thing is named for what it
is. A key is parsed once per process (a checked private key costs as much as a hundred signatures).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)
from cryptography.utils import CryptographyDeprecationWarning

from .exceptions import KeyFormatError, without_secrets

if TYPE_CHECKING:
    from cryptography import x509

#: A merchant's RSA keys have at least so many bits; shorter ones can be factored.
MIN_RSA_BITS = 1024

# What cryptography raises for input that it cannot load; TypeError is an encrypted private key,
# KeyError a name in a certificate that is of no kind of text.
_UNLOADABLE = (ValueError, TypeError, KeyError, UnsupportedAlgorithm)

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL)

# What a PEM file begins with, encoded as a whole.
_PEM_IN_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])LS0tLS1CRUdJTi[A-Za-z0-9+/]+={0,2}")
# A key with a label in front ("应用私钥: MII…"), without its spaces; every key begins with MI.
_LABELLED = re.compile(r"(?!MI).{1,64}?(MI[A-Za-z0-9+/]{62,}={0,2})", re.DOTALL)
# A sequence that begins with version 3 and goes on with another sequence.
_PKCS12 = re.compile(rb"\x30(?:[\x00-\x80]|\x81.|\x82..|\x83...)\x02\x01\x03\x30", re.DOTALL)
# Object identifiers in keys that cryptography may not load: SM2, elliptic curves.
_OTHER_KINDS = {
    bytes.fromhex("06082a811ccf5501822d"): "an SM2 key (国密)",
    bytes.fromhex("06072a8648ce3d0201"): "an EC key",
}
_ENCRYPTED = "an encrypted private key"

_CUT_OFF = "text that begins like PEM and has no END line: it is cut off"

# An RSA signature algorithm; the SM2 and ECDSA certificates of Alipay's root bundle do not count.
_RSA_SIGNATURE_OID = "1.2.840.113549.1.1."


@without_secrets
def load_private_key(material: str | bytes) -> rsa.RSAPrivateKey:
    """Reads an RSA private key.

    :param material: PEM (PKCS#1 or PKCS#8), the bare base64 of either on one line or many, or DER
        bytes; or a PKCS#12 file without a password. Forgiven are stray spaces, any line ends,
        ``\\n`` spelled out (escaped once or more), quotes, a byte order mark, a label in front, and
        base64 around the whole.
    :raises KeyFormatError: for anything else, saying what it is; a public key is told so by name.
    """
    der = _der(material)
    try:
        return _private_key(_out_of_pkcs12(der) if _PKCS12.match(der) else der)
    except _UNLOADABLE:
        raise KeyFormatError(f"expected an RSA private key, got {describe_key(material)}") from None


@without_secrets
def load_public_key(material: str | bytes) -> rsa.RSAPublicKey:
    """Reads an RSA public key, also out of a certificate.

    :param material: PEM (``PUBLIC KEY``, ``RSA PUBLIC KEY`` or ``CERTIFICATE``; of a chain the
        first), the bare base64 of any of these, or DER bytes; as forgiving as
        :func:`load_private_key`.
    :raises KeyFormatError: for anything else, saying what it is; a private key is told so by name.
    """
    der = _der(material)
    try:
        return _public_key(der)
    except _UNLOADABLE:
        raise KeyFormatError(f"expected an RSA public key, got {describe_key(material)}") from None


def describe_key(material: str | bytes) -> str:
    """Says what a key or certificate is, for people: ``"an RSA public key of 2048 bits"``.

    :param material: anything at all.
    """
    try:
        der = _der(material)
    except KeyFormatError as error:
        return str(error)
    broken = f"{len(der)} bytes that are no key (cut short or altered?)"
    return _describe(der) or (_CUT_OFF if _is_cut_off(material) else broken)


def public_key_der(key: rsa.RSAPublicKey) -> bytes:
    """Returns the key as DER ``SubjectPublicKeyInfo``: what two equal keys have in common."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_to_base64(key: rsa.RSAPrivateKey | rsa.RSAPublicKey, *, pkcs1: bool = False) -> str:
    """Returns the key as Alipay's console and its Java tools write it: base64 without PEM's lines.

    :param key: a private key (as PKCS#8 unless ``pkcs1``) or a public one.
    :param pkcs1: the older form of a private key, which non-Java SDKs want.
    """
    if isinstance(key, rsa.RSAPublicKey):
        return base64.b64encode(public_key_der(key)).decode("ascii")
    form = PrivateFormat.TraditionalOpenSSL if pkcs1 else PrivateFormat.PKCS8
    return base64.b64encode(key.private_bytes(Encoding.DER, form, NoEncryption())).decode("ascii")


def private_pem(key: rsa.RSAPrivateKey, *, pkcs1: bool = False) -> str:
    """Returns a private key as PEM, PKCS#8 unless ``pkcs1``."""
    form = PrivateFormat.TraditionalOpenSSL if pkcs1 else PrivateFormat.PKCS8
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode("ascii")


def public_pem(key: rsa.RSAPublicKey) -> str:
    """Returns a public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def generate_private_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Makes a new private key.

    :param bits: 2048 is what Alipay advises for RSA2.
    """
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def certificate_sn(material: str | bytes) -> str:
    """Returns the serial number by which Alipay knows a certificate (``app_cert_sn``).

    It is the MD5, in hex, of the issuer's name (most specific part first) followed by the serial
    number in decimals; source: Alipay's own SDKs, reproduced on their published certificates.

    :param material: a certificate in any form that :func:`load_public_key` takes.
    :raises KeyFormatError: if it is not a certificate.
    """
    der = _der(material)
    try:
        return alipay_cert_sn(_certificate(der))
    except _UNLOADABLE:
        raise KeyFormatError(f"expected a certificate, got {describe_key(material)}") from None


def root_certificate_sn(bundle: str | bytes) -> str:
    """Returns Alipay's ``alipay_root_cert_sn`` of a bundle of root certificates.

    Only certificates signed with RSA count; their numbers are joined by ``_`` in the file's order.
    Alipay's production bundle holds certificates on other curves, one of which cannot be decoded at
    all: they are passed over.

    :param bundle: PEM text with one certificate or several.
    :raises KeyFormatError: if no certificate in it counts.
    """
    numbers = [
        alipay_cert_sn(certificate)
        for certificate in load_certificates(bundle)
        if _counts(certificate)
    ]
    if not numbers:
        raise KeyFormatError("expected Alipay's root certificates, got none signed with RSA")
    return "_".join(numbers)


def load_certificates(bundle: str | bytes) -> list[x509.Certificate]:
    """Returns the certificates of a bundle in its order, without those that cannot be decoded.

    :param bundle: PEM text with any number of certificates; or one in any form that
        :func:`load_public_key` takes.
    """
    if isinstance(bundle, bytes) and bundle[:1] == b"\x30":
        return _decodable([bundle])
    bodies = [body for label, body in _PEM.findall(_text(bundle)) if label == "CERTIFICATE"]
    return _decodable([_unpacked(body) for body in bodies or [_text(bundle)]])


def alipay_cert_sn(certificate: x509.Certificate) -> str:
    """Returns the number by which Alipay knows a certificate: see :func:`certificate_sn`."""
    with _numbered_oddly():
        text = f"{certificate.issuer.rfc4514_string()}{certificate.serial_number}"
    return hashlib.md5(text.encode("utf-8")).hexdigest()


@lru_cache(maxsize=64)
def _private_key(der: bytes) -> rsa.RSAPrivateKey:
    key = load_der_private_key(der, password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError
    return key


@lru_cache(maxsize=64)
def _public_key(der: bytes) -> rsa.RSAPublicKey:
    try:
        key = load_der_public_key(der)
    except ValueError:
        key = _certificate(der).public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError
    return key


def _decodable(ders: list[bytes]) -> list[x509.Certificate]:
    found = []
    for der in ders:
        try:
            certificate = _certificate(der)
            alipay_cert_sn(certificate)
            found.append(certificate)
        except _UNLOADABLE:
            continue
    return found


def _unpacked(body: str) -> bytes:
    """What a PEM block holds; nothing where it is no base64."""
    try:
        return base64.b64decode(body)
    except ValueError:
        return b""


def _certificate(der: bytes) -> x509.Certificate:
    from cryptography import x509  # nearly a megabyte, which plain keys do without

    try:
        with _numbered_oddly():
            return x509.load_der_x509_certificate(der)
    except x509.InvalidVersion:
        raise ValueError from None


@contextmanager
def _numbered_oddly() -> Iterator[None]:
    """Certificates made for tests have the number 0: cryptography warns, their owners want it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        yield


def _counts(certificate: x509.Certificate) -> bool:
    """Whether a root certificate has a part in the number of the bundle."""
    return certificate.signature_algorithm_oid.dotted_string.startswith(_RSA_SIGNATURE_OID)


def _der(material: str | bytes) -> bytes:
    if isinstance(material, bytes) and material[:1] == b"\x30":
        return material
    text = _text(material)
    # openssl writes the parameters of an EC key in front of it.
    block = next((one for one in _PEM.finditer(text) if not one[1].endswith(" PARAMETERS")), None)
    if block is not None:
        if "ENCRYPTED" in block[1] or "ENCRYPTED" in block[2]:
            raise KeyFormatError(f"{_ENCRYPTED}: take the password off first (openssl pkey)")
        text = block[2]
    packed = _packed(text)
    labelled = _LABELLED.fullmatch(packed)
    if labelled is not None:
        packed = labelled[1]
    if not packed:
        raise KeyFormatError("nothing at all where a key should be")
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        cut_off = _is_cut_off(material)
        raise KeyFormatError(_CUT_OFF if cut_off else _not_base64(packed)) from None


def _is_cut_off(material: str | bytes) -> bool:
    """Whether it begins like PEM and does not end so; a whole key without its last line is read."""
    text = _text(material)
    return "-----BEGIN " in text and "-----END " not in text


def _packed(text: str) -> str:
    return re.sub(r"[\s\u200b\"']+", "", text)


def _text(material: str | bytes) -> str:
    """Text without byte order mark and base64 around a whole PEM file, and with ``\\n`` spelled out
    (as in .env files, escaped once or more) made real.
    """
    text = _plain_text(material)
    found = _PEM_IN_BASE64.search(_packed(text))
    return text if found is None else _plain_text(_unpacked(found[0] + "=" * (-len(found[0]) % 4)))


def _plain_text(material: str | bytes) -> str:
    if isinstance(material, bytes):
        material = material.decode(
            "utf-16" if material[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace"
        )
    return re.sub(r"\\+n", "\n", re.sub(r"\\+r", "\r", material.replace("\ufeff", "")))


def _not_base64(packed: str) -> str:
    if packed.endswith((".pem", ".key", ".crt", ".txt", ".cer")):
        return (
            "the name of a file where the key itself should be: use the setting that ends in _PATH"
        )
    return "something that is neither PEM nor base64"


def _out_of_pkcs12(der: bytes) -> bytes:
    """Return the private key of a PKCS#12 file.

    :raises KeyFormatError: if it has a password, or no private key.
    """
    from cryptography.hazmat.primitives.serialization import pkcs12

    for password in (None, b""):
        try:
            key, _, _ = pkcs12.load_key_and_certificates(der, password)
        except _UNLOADABLE:
            continue
        if not isinstance(key, rsa.RSAPrivateKey):
            raise KeyFormatError("a PKCS#12 file without an RSA private key")
        return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    raise KeyFormatError(
        "a PKCS#12 file with a password: extract the key first (openssl pkcs12 -nocerts -nodes)"
    )


def _describe(der: bytes) -> str | None:
    """What it is, without the checks that make loading a private key slow; ``None`` for no key."""
    if _PKCS12.match(der):
        return "a PKCS#12 file"
    try:
        private = load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
        return _named(private, "private key")
    except TypeError:
        return _ENCRYPTED
    except (ValueError, UnsupportedAlgorithm):
        pass
    try:
        return _named(load_der_public_key(der), "public key")
    except _UNLOADABLE:
        pass
    try:
        return _named(_certificate(der).public_key(), "public key in a certificate")
    except _UNLOADABLE:
        return next((f"{name}, not RSA" for oid, name in _OTHER_KINDS.items() if oid in der), None)


def _named(key: object, noun: str) -> str:
    if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)):
        return f"an RSA {noun} of {key.key_size} bits"
    kind = type(key).__name__.removesuffix("PrivateKey").removesuffix("PublicKey")
    return f"a {noun} of another kind ({kind or 'unknown'}), not RSA"
