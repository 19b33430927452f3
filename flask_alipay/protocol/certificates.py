"""Alipay's certificates: trusted keys, and the verification of a renewed certificate.

Alipay renews its certificate from time to time. The new one is downloaded from Alipay itself, so it
is accepted only if its chain leads through currently valid CA certificates to a configured root,
and if it has the same subject as a configured certificate. The subject matters because merchants'
certificates are issued by the same authority.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from ..exceptions import KeyFormatError
from ..keys import alipay_cert_sn, load_certificates

if TYPE_CHECKING:
    from ..signer import RsaSigner

# Raised by cryptography for malformed certificates.
_MALFORMED = (ValueError, TypeError, KeyError, UnsupportedAlgorithm, x509.InvalidVersion)

_DIGESTS = ("sha256", "sha384", "sha512")
_MIN_BITS = 2048
#: Maximum number of intermediate certificates, and maximum size of a downloaded bundle in bytes.
_MAX_CHAIN = 4
_MAX_BYTES = 64 * 1024


def _now() -> datetime:
    return datetime.now(timezone.utc)


class CertificateStore:
    """Alipay's certificates whose keys a signer trusts; safe to share intermediates threads.

    :param signer: receives the key of each accepted certificate.
    :param alipay: the configured certificates as PEM; each may be followed by intermediates.
    :param roots: the configured root certificates as PEM.
    :param now: the clock, aware UTC.
    """

    def __init__(
        self,
        signer: RsaSigner,
        alipay: Sequence[str | bytes],
        roots: str | bytes,
        *,
        now: Callable[[], datetime] = _now,
    ) -> None:
        bundles = [load_certificates(bundle) for bundle in alipay]
        leaves = [bundle[0] for bundle in bundles if bundle]
        self._signer = signer
        self._roots = load_certificates(roots)
        self._intermediates = [certificate for bundle in bundles for certificate in bundle[1:]]
        self._names = {_name(certificate) for certificate in leaves} - {None}
        self._now = now
        self._lock = threading.Lock()
        #: Serial numbers (``alipay_cert_sn``) of the trusted certificates.
        self.sns: Collection[str] = frozenset(alipay_cert_sn(certificate) for certificate in leaves)

    def add_verified(self, content: str, sn: str) -> None:
        """Verify a certificate's subject and chain, then trust its key.

        :param content: base64 of PEM: the certificate and its intermediates.
        :param sn: the expected serial number.
        :raises KeyFormatError: if the certificate is another one or cannot be verified.
        """
        certificates = _decoded(content)
        found = next((one for one in certificates if alipay_cert_sn(one) == sn), None)
        if found is None:
            raise KeyFormatError("expected the certificate with that serial number, got others")
        if _name(found) not in self._names:
            raise KeyFormatError("expected a certificate issued to Alipay, got another subject's")
        key = found.public_key()
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _MIN_BITS:
            raise KeyFormatError("expected a certificate with an RSA key of at least 2048 bits")
        if not verify_chain(found, self._roots, [*certificates, *self._intermediates], self._now()):
            raise KeyFormatError("expected a certificate whose chain leads to a configured root")
        with self._lock:
            if sn not in self.sns:
                self._signer.public_keys = (*self._signer.public_keys, key)
                self.sns = frozenset({*self.sns, sn})


def verify_chain(
    certificate: x509.Certificate,
    roots: Sequence[x509.Certificate],
    intermediates: Iterable[x509.Certificate],
    when: datetime,
) -> bool:
    """Return True if a certificate's chain leads to one of the roots.

    :param certificate: the certificate to verify.
    :param roots: trusted root certificates.
    :param intermediates: untrusted candidates for the certificates of the chain.
    :param when: the time at which every certificate of the chain must be valid.
    """
    intermediates = list(intermediates)

    def leads_to_root(one: x509.Certificate, depth: int) -> bool:
        if not _valid(one, when):
            return False
        if any(_valid(root, when) and _issued(one, root, depth) for root in roots):
            return True
        return depth < _MAX_CHAIN and any(
            _issued(one, issuer, depth) and leads_to_root(issuer, depth + 1)
            for issuer in intermediates
            if issuer != one
        )

    return leads_to_root(certificate, 0)


def _decoded(content: str) -> list[x509.Certificate]:
    try:
        bundle = base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise KeyFormatError("expected a certificate in base64, got something else") from None
    if len(bundle) > _MAX_BYTES:
        raise KeyFormatError("expected a certificate, got something much larger")
    return load_certificates(bundle)


def _name(certificate: x509.Certificate) -> str | None:
    """Return the subject's common name; Alipay's certificates name Alipay and the merchant."""
    try:
        [name] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except _MALFORMED:
        return None
    return str(name.value)


def _valid(certificate: x509.Certificate, when: datetime) -> bool:
    return certificate.not_valid_before_utc <= when <= certificate.not_valid_after_utc


def _issued(one: x509.Certificate, issuer: x509.Certificate, depth: int) -> bool:
    """Return True if the issuer signed the certificate and is a CA that may do so.

    :param depth: number of CA certificates below the issuer.
    """
    try:
        digest = one.signature_hash_algorithm
        if digest is None or digest.name not in _DIGESTS or not _may_issue(issuer, depth):
            return False
        one.verify_directly_issued_by(issuer)
    except (*_MALFORMED, InvalidSignature):
        return False
    return True


def _may_issue(issuer: x509.Certificate, depth: int) -> bool:
    try:
        basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    if not basic.ca or (basic.path_length is not None and depth > basic.path_length):
        return False
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True
