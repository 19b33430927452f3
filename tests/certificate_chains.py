"""Certificate authorities like Alipay's, made for tests."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from flask_alipay.keys import alipay_cert_sn, generate_private_key

NOW = datetime(2026, 2, 1, 12, tzinfo=timezone.utc)
ALIPAY = "支付宝(中国)网络技术有限公司-2088000000000001"


@dataclass(frozen=True)
class Issued:
    """Certificate with the key that belongs to it."""

    certificate: x509.Certificate
    key: RSAPrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")

    @property
    def sn(self) -> str:
        return alipay_cert_sn(self.certificate)


@cache
def spare_key(number: int) -> RSAPrivateKey:
    """Return a key from a small cache: generating keys is slow."""
    return generate_private_key()


def named(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ant Financial"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def issue(
    name: str,
    key: RSAPrivateKey,
    by: Issued | None = None,
    *,
    ca: bool = False,
    public_key: RSAPublicKey | Any = None,
    since: datetime = NOW - timedelta(days=300),
    until: datetime = NOW + timedelta(days=300),
    path_length: int | None = None,
    may_sign: bool = True,
) -> Issued:
    """Issue a certificate, self-signed by default.

    :param ca: whether it may issue others; without it there are no CA extensions.
    :param may_sign: ``keyCertSign`` of a CA certificate.
    """
    signer = key if by is None else by.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(name) if by is None else by.certificate.subject)
        .public_key(public_key or key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
    )
    if ca:
        uses = dict.fromkeys(
            [
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ],
            False,
        )
        builder = builder.add_extension(x509.BasicConstraints(True, path_length), critical=True)
        builder = builder.add_extension(
            x509.KeyUsage(key_cert_sign=may_sign, crl_sign=True, **uses), critical=True
        )
    return Issued(builder.sign(signer, SHA256()), key)


def content(*issued: Issued) -> str:
    """Return the content of Alipay's response to a request for certificates."""
    return base64.b64encode("".join(one.pem for one in issued).encode()).decode()
