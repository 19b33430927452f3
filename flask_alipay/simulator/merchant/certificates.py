"""Certificates of certificate mode: derived from the keys, so that equal keys have equal ones.

Alipay's key signs them all: its root, its certificate for responses, and the application's. RSA
signatures of this kind are deterministic, and serial numbers and dates are derived from the keys.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timezone

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ...keys import certificate_sn, public_key_der, root_certificate_sn

_FROM = datetime(2020, 1, 1, tzinfo=timezone.utc)
_UNTIL = datetime(2070, 1, 1, tzinfo=timezone.utc)
_ROOT = "Simulator of Alipay Root CA"


@dataclass(frozen=True)
class Certificates:
    """The three certificates of a merchant in certificate mode, as PEM, and their numbers."""

    #: The application's, over the merchant's key.
    app: str
    #: Alipay's, for the key that signs its responses.
    alipay: str
    #: What both lead to.
    root: str
    app_cert_sn: str
    alipay_cert_sn: str
    alipay_root_cert_sn: str


def issue(app_key: rsa.RSAPublicKey, alipay_key: rsa.RSAPrivateKey) -> Certificates:
    """Return the certificates of two keys, always the same for the same keys.

    :param app_key: the merchant's.
    :param alipay_key: Alipay's.
    """
    alipay_public = alipay_key.public_key()
    root = _signed(_ROOT, alipay_public, alipay_key, authority=True)
    alipay = _signed("Simulator of Alipay", alipay_public, alipay_key)
    app = _signed("Merchant of the simulator", app_key, alipay_key)
    return Certificates(
        app, alipay, root, certificate_sn(app), certificate_sn(alipay), root_certificate_sn(root)
    )


def _signed(
    name: str, key: rsa.RSAPublicKey, issuer_key: rsa.RSAPrivateKey, *, authority: bool = False
) -> str:
    digest = hashlib.sha256(name.encode("ascii") + public_key_der(key)).digest()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(_ROOT))
        .public_key(key)
        .serial_number(int.from_bytes(digest[:15], "big") + 1)
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(issuer_key, SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _named(name: str) -> x509.Name:
    """Return a name with the country first: Alipay's serial number uses the reverse order."""
    parts = (
        (NameOID.COUNTRY_NAME, "CN"),
        (NameOID.ORGANIZATION_NAME, "Simulator"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "Not Alipay"),
        (NameOID.COMMON_NAME, name),
    )
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])
