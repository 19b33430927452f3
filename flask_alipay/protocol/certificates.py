"""Alipay's certificates: which of its keys are believed, and how a new one comes to be.

Alipay exchanges its certificate now and then. The new one is fetched from Alipay itself, so it has
to prove by itself what it is: it leads to a root certificate that is configured, through
certificates that may issue others, each of them valid today; and it names the same subject as the
one before. Others get certificates from the same authority: a merchant's own leads to that root, as
well.
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

# What cryptography raises for a certificate that is not what it says.
_ODD = (ValueError, TypeError, KeyError, UnsupportedAlgorithm, x509.InvalidVersion)

_DIGESTS = ("sha256", "sha384", "sha512")
_LEAST_BITS = 2048
#: The most certificates between one and its root, and the most bytes of what is fetched.
_MAX_CHAIN = 4
_MAX_BYTES = 64 * 1024


def _now() -> datetime:
    return datetime.now(timezone.utc)


class CertificateStore:
    """The certificates of Alipay's that a signer has the keys of; safe to share between threads.

    :param signer: verifies; is given the key of each certificate that is accepted.
    :param alipay: the configured certificates, as PEM; each may have others behind it.
    :param roots: the configured root certificates, as PEM.
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
        own = [bundle[0] for bundle in bundles if bundle]
        self._signer = signer
        self._roots = load_certificates(roots)
        self._between = [certificate for bundle in bundles for certificate in bundle[1:]]
        self._names = {_name(certificate) for certificate in own} - {None}
        self._now = now
        self._lock = threading.Lock()
        #: Their numbers.
        self.sns: Collection[str] = frozenset(alipay_cert_sn(certificate) for certificate in own)

    def add_verified(self, content: str, sn: str) -> None:
        """Accepts a certificate that proves itself; from then on its key verifies.

        :param content: base64 of PEM: the certificate, and those between it and its root.
        :param sn: the number that it has to have.
        :raises KeyFormatError: if it is not that certificate, or does not prove itself.
        """
        certificates = _decoded(content)
        found = next((one for one in certificates if alipay_cert_sn(one) == sn), None)
        if found is None:
            raise KeyFormatError("expected the certificate of that number, got others")
        if _name(found) not in self._names:
            raise KeyFormatError("expected a certificate of Alipay's, got one of somebody else")
        key = found.public_key()
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _LEAST_BITS:
            raise KeyFormatError("expected a certificate of an RSA key of at least 2048 bits")
        if not verify_chain(found, self._roots, [*certificates, *self._between], self._now()):
            raise KeyFormatError("expected a certificate that leads to the configured root")
        with self._lock:
            if sn not in self.sns:
                self._signer.public_keys = (*self._signer.public_keys, key)
                self.sns = frozenset({*self.sns, sn})


def verify_chain(
    certificate: x509.Certificate,
    roots: Sequence[x509.Certificate],
    between: Iterable[x509.Certificate],
    when: datetime,
) -> bool:
    """Tells whether a certificate leads to one of the roots.

    :param roots: those that are believed.
    :param between: those that may stand between; they need not be true.
    :param moment: when all of them have to be valid.
    """
    between = list(between)

    def led(one: x509.Certificate, passed: int) -> bool:
        if not _valid(one, when):
            return False
        if any(_valid(root, when) and _issued(one, root, passed) for root in roots):
            return True
        return passed < _MAX_CHAIN and any(
            _issued(one, issuer, passed) and led(issuer, passed + 1)
            for issuer in between
            if issuer != one
        )

    return led(certificate, 0)


def _decoded(content: str) -> list[x509.Certificate]:
    try:
        bundle = base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise KeyFormatError("expected a certificate in base64, got something else") from None
    if len(bundle) > _MAX_BYTES:
        raise KeyFormatError("expected a certificate, got something much larger")
    return load_certificates(bundle)


def _name(certificate: x509.Certificate) -> str | None:
    """Whose certificate it is; for Alipay's it says so, and for which merchant."""
    try:
        [name] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except _ODD:
        return None
    return str(name.value)


def _valid(certificate: x509.Certificate, when: datetime) -> bool:
    return certificate.not_valid_before_utc <= when <= certificate.not_valid_after_utc


def _issued(one: x509.Certificate, issuer: x509.Certificate, passed: int) -> bool:
    """Whether the issuer made the certificate, and was allowed to.

    :param passed: how many certificates that issue others stand before it.
    """
    try:
        digest = one.signature_hash_algorithm
        if digest is None or digest.name not in _DIGESTS or not _may_issue(issuer, passed):
            return False
        one.verify_directly_issued_by(issuer)
    except (*_ODD, InvalidSignature):
        return False
    return True


def _may_issue(issuer: x509.Certificate, passed: int) -> bool:
    try:
        basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    if not basic.ca or (basic.path_length is not None and passed > basic.path_length):
        return False
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True
