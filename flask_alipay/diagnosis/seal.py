"""What a signature gives away by itself: which key made it, and with which algorithm.

An RSA signature can be opened with the public half of the key that made it, and with no other; the
digest of the signed words is then in the open. So *who signed* is known even where *what was
signed* has been altered, and a guess at the words costs one hash.
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

#: What can be read off the shape of a signature.
MD5_SHAPE = re.compile(r"[0-9a-fA-F]{32}")

# The DER of DigestInfo up to the digest, by the digest's algorithm (RFC 8017, 9.2, note 1).
_DIGEST_INFO = {
    "RSA": bytes.fromhex("3021300906052b0e03021a05000414"),
    "RSA2": bytes.fromhex("3031300d060960864801650304020105000420"),
}
_HASH = {"RSA": hashlib.sha1, "RSA2": hashlib.sha256}


class SignatureCandidate(Protocol):
    """A signature beside a key that may have made it."""

    @property
    def sign_type(self) -> str:
        """The algorithm that made it, or that is assumed to have."""

    @property
    def key(self) -> rsa.RSAPublicKey | None:
        """The public half of the key that is proven to have made it; ``None``: nothing is proven
        before the words fit.
        """

    def matches(self, content: bytes) -> bool:
        """Tells whether these are the words that were signed."""


@dataclass(frozen=True)
class RecoveredSignature:
    """An RSA signature that a key has opened: that key made it."""

    sign_type: str
    key: rsa.RSAPublicKey
    digest: bytes

    def matches(self, content: bytes) -> bool:
        """Tells whether these are the words that were signed."""
        make = _HASH.get(self.sign_type)
        return make is not None and make(content).digest() == self.digest


@dataclass(frozen=True)
class OpaqueSignature:
    """Any other signature: the signer can only say yes or no to words."""

    signer: Signer
    sign: str
    key: None = None

    @property
    def sign_type(self) -> str:
        """The signer's."""
        return self.signer.sign_type

    def matches(self, content: bytes) -> bool:
        """Tells whether these are the words that were signed."""
        return self.signer.verify(content, self.sign)


def candidates(sign: str, signer: Signer) -> list[SignatureCandidate]:
    """Returns the signature beside each key of the signer that may have made it.

    :param sign: as it stands in the payload.
    :returns: for an RSA signer only the key that made it, or nothing.
    """
    if not isinstance(signer, RsaSigner):
        return [OpaqueSignature(signer, sign)]
    signature = rsa_signature(sign)
    opened = (recover_signature(signature, key) for key in signer.public_keys if signature)
    return [seal for seal in opened if seal is not None]


def recover_signature(signature: bytes, key: rsa.RSAPublicKey) -> RecoveredSignature | None:
    """Opens an RSA signature, or returns ``None`` if another key made it."""
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
    """Returns the bytes of an RSA signature, or ``None`` where it can be none: it is not base64, or
    has a length that no RSA key makes.
    """
    try:
        signature = base64.b64decode(sign, validate=True)
    except (binascii.Error, ValueError):
        return None
    return signature if len(signature) >= 64 and len(signature) % 64 == 0 else None
