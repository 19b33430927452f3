"""Recovery of the key and the algorithm that made a signature.

The public key of the key that made an RSA signature, and no other, recovers the digest of the
signed content. The signer is therefore known even if the content was altered, and each attempt at
the original content costs one hash.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ..signer import RsaSigner, Signer

#: The form of an MD5 signature.
MD5_SHAPE = re.compile(r"[0-9a-fA-F]{32}")

# The DER of DigestInfo up to the digest, by the digest's algorithm (RFC 8017, 9.2, note 1).
_DIGEST_INFO = {
    "RSA": bytes.fromhex("3021300906052b0e03021a05000414"),
    "RSA2": bytes.fromhex("3031300d060960864801650304020105000420"),
}
_HASH = {"RSA": hashlib.sha1, "RSA2": hashlib.sha256}


class SignatureCandidate(Protocol):
    """A signature together with a key that may have made it."""

    @property
    def sign_type(self) -> str:
        """The algorithm of the signature, known or assumed."""

    @property
    def key(self) -> rsa.RSAPublicKey | None:
        """The public key of the key that certainly made it; ``None`` if only matching content can
        prove the key.
        """

    def matches(self, content: bytes) -> bool:
        """Return whether this content was signed."""


@dataclass(frozen=True)
class RecoveredSignature:
    """An RSA signature whose digest a public key has recovered: its private key made it."""

    sign_type: str
    key: rsa.RSAPublicKey
    digest: bytes

    def matches(self, content: bytes) -> bool:
        """Return whether this content was signed."""
        algorithm = _HASH.get(self.sign_type)
        return algorithm is not None and algorithm(content).digest() == self.digest


@dataclass(frozen=True)
class OpaqueSignature:
    """Any other signature: only the signer can verify content against it."""

    signer: Signer
    sign: str
    key: None = None

    @property
    def sign_type(self) -> str:
        """The signer's algorithm."""
        return self.signer.sign_type

    def matches(self, content: bytes) -> bool:
        """Return whether this content was signed."""
        return self.signer.verify(content, self.sign)


def candidates(sign: str, signer: Signer) -> list[SignatureCandidate]:
    """Return the signature with each key of the signer that may have made it.

    :param sign: the signature as in the payload.
    :returns: for an RSA signer only the candidate with the key that made it, or none.
    """
    if not isinstance(signer, RsaSigner):
        return [OpaqueSignature(signer, sign)]
    signature = rsa_signature(sign)
    recovered = (recover_signature(signature, key) for key in signer.public_keys if signature)
    return [candidate for candidate in recovered if candidate is not None]


def recover_signature(signature: bytes, key: rsa.RSAPublicKey) -> RecoveredSignature | None:
    """Recover the digest of an RSA signature, or return ``None`` if another key made it."""
    if len(signature) != (key.key_size + 7) // 8:
        return None
    try:
        info = key.recover_data_from_signature(signature, padding.PKCS1v15(), None)
    except InvalidSignature:
        return None
    for sign_type, prefix in _DIGEST_INFO.items():
        if info.startswith(prefix):
            return RecoveredSignature(sign_type, key, info[len(prefix) :])
    return RecoveredSignature("another algorithm", key, info)


def rsa_signature(sign: str) -> bytes | None:
    """Return the bytes of an RSA signature, or ``None`` if the text is not base64 or has a length
    that no RSA key produces.
    """
    try:
        signature = base64.b64decode(sign, validate=True)
    except (binascii.Error, ValueError):
        return None
    return signature if len(signature) >= 64 and len(signature) % 64 == 0 else None
