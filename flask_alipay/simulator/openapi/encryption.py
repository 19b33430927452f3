"""Content encryption of requests and responses with a shared key."""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

_BLOCK_BITS = 128


class ServerCipher:
    """AES-128 in CBC mode with a zero initialization vector, as defined by the protocol.

    :param key: 16 bytes in base64.
    """

    def __init__(self, key: str) -> None:
        self._cipher = Cipher(AES(base64.b64decode(key)), CBC(bytes(16)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def encrypt(self, content: bytes) -> str:
        """Return the encrypted content in base64."""
        padder, encryptor = PKCS7(_BLOCK_BITS).padder(), self._cipher.encryptor()
        padded = padder.update(content) + padder.finalize()
        return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode("ascii")

    def decrypt(self, text: str) -> bytes | None:
        """Return the decrypted content, ``None`` if it was not encrypted with this key."""
        unpadder, decryptor = PKCS7(_BLOCK_BITS).unpadder(), self._cipher.decryptor()
        try:
            padded = decryptor.update(base64.b64decode(text, validate=True))
            return unpadder.update(padded + decryptor.finalize()) + unpadder.finalize()
        except (binascii.Error, ValueError):
            return None
