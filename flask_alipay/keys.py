"""Loading and description of keys and certificates in any common format.

Alipay's console exports bare base64, its tools PKCS#1 or PKCS#8, and pasted keys are PEM with any
line ends; all are accepted. A key of another kind is described in the error message. A key is
parsed once per process: checking a private key takes as long as a hundred signatures.
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

#: Minimum size of a merchant's RSA keys in bits; shorter ones can be factored.
MIN_RSA_BITS = 1024

# Raised by cryptography for input that it cannot load; TypeError for an encrypted private key,
# KeyError for a name in a certificate that is not of a text type.
_UNLOADABLE = (ValueError, TypeError, KeyError, UnsupportedAlgorithm)

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL)

# Start of a complete PEM file that is encoded in base64.
_PEM_IN_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])LS0tLS1CRUdJTi[A-Za-z0-9+/]+={0,2}")
# A key after a label ("应用私钥: MII…"), spaces removed; every key begins with MI.
_LABELLED = re.compile(r"(?!MI).{1,64}?(MI[A-Za-z0-9+/]{62,}={0,2})", re.DOTALL)
# An ASN.1 sequence of version 3 and another sequence.
_PKCS12 = re.compile(rb"\x30(?:[\x00-\x80]|\x81.|\x82..|\x83...)\x02\x01\x03\x30", re.DOTALL)
# Object identifiers in keys that cryptography may not load: SM2, elliptic curves.
_UNSUPPORTED_KINDS = {
    bytes.fromhex("06082a811ccf5501822d"): "an SM2 key (国密)",
    bytes.fromhex("06072a8648ce3d0201"): "an EC key",
}
_ENCRYPTED = "an encrypted private key"

_CUT_OFF = "text that begins like PEM and has no END line: it is cut off"

# An RSA signature algorithm; the SM2 and ECDSA certificates of Alipay's root bundle do not count.
_RSA_SIGNATURE_OID = "1.2.840.113549.1.1."


@without_secrets
def load_private_key(material: str | bytes) -> rsa.RSAPrivateKey:
    r"""Load an RSA private key.

    :param material: PEM (PKCS#1 or PKCS#8), the bare base64 of either on one line or many, or DER
        bytes; or a PKCS#12 file without a password. Stray spaces, any line ends, ``\\n`` spelled
        out (escaped once or more), quotes, a byte order mark, a label before the key, and base64 of
        the complete file are accepted.
    :raises KeyFormatError: for anything else, with a description of it, such as a public key.
    """
    der = _der(material)
    try:
        return _private_key(_from_pkcs12(der) if _PKCS12.match(der) else der)
    except _UNLOADABLE:
        raise KeyFormatError(f"expected an RSA private key, got {describe_key(material)}") from None


@without_secrets
def load_public_key(material: str | bytes) -> rsa.RSAPublicKey:
    """Load an RSA public key, also from a certificate.

    :param material: PEM (``PUBLIC KEY``, ``RSA PUBLIC KEY`` or ``CERTIFICATE``; of a chain the
        first), the bare base64 of any of these, or DER bytes; as lenient as
        :func:`load_private_key`.
    :raises KeyFormatError: for anything else, with a description of it, such as a private key.
    """
    der = _der(material)
    try:
        return _public_key(der)
    except _UNLOADABLE:
        raise KeyFormatError(f"expected an RSA public key, got {describe_key(material)}") from None


def describe_key(material: str | bytes) -> str:
    """Describe a key or certificate for people: ``"an RSA public key of 2048 bits"``.

    :param material: anything.
    """
    try:
        der = _der(material)
    except KeyFormatError as error:
        return str(error)
    broken = f"{len(der)} bytes that are not a key (cut off or altered?)"
    return _describe(der) or (_CUT_OFF if _is_cut_off(material) else broken)


def public_key_der(key: rsa.RSAPublicKey) -> bytes:
    """Return the key as DER ``SubjectPublicKeyInfo``, which is identical for equal keys."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_to_base64(key: rsa.RSAPrivateKey | rsa.RSAPublicKey, *, pkcs1: bool = False) -> str:
    """Return the key in the format of Alipay's console and Java tools: base64 without PEM's lines.

    :param key: a private key (as PKCS#8 unless ``pkcs1``) or a public one.
    :param pkcs1: use the older format of a private key, which non-Java SDKs require.
    """
    if isinstance(key, rsa.RSAPublicKey):
        return base64.b64encode(public_key_der(key)).decode("ascii")
    form = PrivateFormat.TraditionalOpenSSL if pkcs1 else PrivateFormat.PKCS8
    return base64.b64encode(key.private_bytes(Encoding.DER, form, NoEncryption())).decode("ascii")


def private_pem(key: rsa.RSAPrivateKey, *, pkcs1: bool = False) -> str:
    """Return a private key as PEM, PKCS#8 unless ``pkcs1``."""
    form = PrivateFormat.TraditionalOpenSSL if pkcs1 else PrivateFormat.PKCS8
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode("ascii")


def public_pem(key: rsa.RSAPublicKey) -> str:
    """Return a public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def generate_private_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Generate a private key.

    :param bits: Alipay recommends 2048 for RSA2.
    """
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def certificate_sn(material: str | bytes) -> str:
    """Return the serial number by which Alipay identifies a certificate (``app_cert_sn``).

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
    """Return Alipay's ``alipay_root_cert_sn`` of a bundle of root certificates.

    Only certificates signed with RSA count; their numbers are joined by ``_`` in the file's order.
    Alipay's production bundle contains certificates with elliptic curves, one of which cannot be
    decoded at all: they are skipped.

    :param bundle: PEM text with one certificate or several.
    :raises KeyFormatError: if the bundle contains no certificate signed with RSA.
    """
    numbers = [
        alipay_cert_sn(certificate)
        for certificate in load_certificates(bundle)
        if _is_rsa_signed(certificate)
    ]
    if not numbers:
        raise KeyFormatError("expected Alipay's root certificates, got none signed with RSA")
    return "_".join(numbers)


def load_certificates(bundle: str | bytes) -> list[x509.Certificate]:
    """Return a bundle's certificates in their order, without those that cannot be decoded.

    :param bundle: PEM text with any number of certificates; or one in any form that
        :func:`load_public_key` takes.
    """
    if isinstance(bundle, bytes) and bundle[:1] == b"\x30":
        return _decodable([bundle])
    bodies = [body for label, body in _PEM.findall(_text(bundle)) if label == "CERTIFICATE"]
    return _decodable([_unpacked(body) for body in bodies or [_text(bundle)]])


def alipay_cert_sn(certificate: x509.Certificate) -> str:
    """Return the number by which Alipay identifies a certificate: see :func:`certificate_sn`."""
    with _allow_zero_serial():
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
    """Return the content of a PEM block; empty if it is not base64."""
    try:
        return base64.b64decode(body)
    except ValueError:
        return b""


def _certificate(der: bytes) -> x509.Certificate:
    from cryptography import x509  # nearly a megabyte, not needed for plain keys

    try:
        with _allow_zero_serial():
            return x509.load_der_x509_certificate(der)
    except x509.InvalidVersion:
        raise ValueError from None


@contextmanager
def _allow_zero_serial() -> Iterator[None]:
    """Suppress cryptography's warning about the serial number 0 of certificates made for tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        yield


def _is_rsa_signed(certificate: x509.Certificate) -> bool:
    """Return True if a root certificate is part of the bundle's number."""
    return certificate.signature_algorithm_oid.dotted_string.startswith(_RSA_SIGNATURE_OID)


def _der(material: str | bytes) -> bytes:
    if isinstance(material, bytes) and material[:1] == b"\x30":
        return material
    text = _text(material)
    # openssl writes the parameters of an EC key before the key.
    block = next((one for one in _PEM.finditer(text) if not one[1].endswith(" PARAMETERS")), None)
    if block is not None:
        if "ENCRYPTED" in block[1] or "ENCRYPTED" in block[2]:
            raise KeyFormatError(f"{_ENCRYPTED}: remove the password first (openssl pkey)")
        text = block[2]
    packed = _packed(text)
    labelled = None if block is not None or _is_der(packed) else _LABELLED.fullmatch(packed)
    if labelled is not None:
        packed = labelled[1]
    if not packed:
        raise KeyFormatError("an empty text")
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        cut_off = _is_cut_off(material)
        raise KeyFormatError(_CUT_OFF if cut_off else _not_base64(packed)) from None


def _is_der(packed: str) -> bool:
    """Return True for the base64 of exactly one ASN.1 sequence: no label stands before it."""
    try:
        der = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    if len(der) < 2 or der[0] != 0x30:
        return False
    size = der[1] & 0x7F if der[1] & 0x80 else 0
    length = int.from_bytes(der[2 : 2 + size], "big") if size else der[1]
    return len(der) == 2 + size + length


def _is_cut_off(material: str | bytes) -> bool:
    """Return True for PEM that begins and does not end; a key that lacks only its last line is
    loaded.
    """
    text = _text(material)
    return "-----BEGIN " in text and "-----END " not in text


def _packed(text: str) -> str:
    return re.sub(r"[\s\u200b\"']+", "", text)


def _text(material: str | bytes) -> str:
    r"""Return text without byte order mark, base64 of a complete PEM file decoded, and ``\\n``
    spelled out (as in .env files, escaped once or more) replaced by line ends.
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
        return "a file name instead of the key itself: use the setting that ends in _PATH"
    return "something that is neither PEM nor base64"


def _from_pkcs12(der: bytes) -> bytes:
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
    """Describe a key without the slow checks of loading a private key; ``None`` for no key."""
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
        return next(
            (f"{name}, not RSA" for oid, name in _UNSUPPORTED_KINDS.items() if oid in der), None
        )


def _named(key: object, noun: str) -> str:
    if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)):
        return f"an RSA {noun} of {key.key_size} bits"
    kind = type(key).__name__.removesuffix("PrivateKey").removesuffix("PublicKey")
    return f"a {noun} of another kind ({kind or 'unknown'}), not RSA"
