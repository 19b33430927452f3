"""Content encryption (接口内容加密方式): requests and responses encrypted with a shared key."""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from ...exceptions import KeyFormatError

# Defined by the protocol: equal content has equal ciphertext.
_NO_IV = bytes(16)
_KEY_BYTES = 16


class ContentCipher:
    """Encryption and decryption with the AES key of the console (AES密钥).

    :param key: base64 of 16 bytes.
    :raises KeyFormatError: if it is something else.
    """

    #: The ``encrypt_type`` of a request.
    encrypt_type = "AES"

    def __init__(self, key: str) -> None:
        try:
            secret = base64.b64decode(key.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise KeyFormatError("expected an AES key, got something that is not base64") from None
        if len(secret) != _KEY_BYTES:
            raise KeyFormatError(
                f"expected an AES key of {_KEY_BYTES} bytes in base64, got {len(secret)} bytes"
            )
        self._cipher = Cipher(AES(secret), CBC(_NO_IV))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def encrypt(self, content: bytes) -> str:
        """Return the encrypted content in base64."""
        padder, encryptor = PKCS7(AES.block_size).padder(), self._cipher.encryptor()
        padded = padder.update(content) + padder.finalize()
        return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode("ascii")

    def decrypt(self, text: str, encrypt_type: str = "AES") -> bytes:
        """Return the decrypted content.

        Verify the signature before, never afterwards: different errors for different texts would
        reveal the content to an attacker.

        :param text: base64.
        :param encrypt_type: ``AES``, or ``AES_V2``, which begins with an initialization vector.
        :raises ValueError: if the text was not encrypted with this key.
        """
        unpadder, decryptor = PKCS7(AES.block_size).unpadder(), self._cipher.decryptor()
        padded = decryptor.update(base64.b64decode(text, validate=True)) + decryptor.finalize()
        content = unpadder.update(padded) + unpadder.finalize()
        # Decrypted without its vector, only the first block, the vector itself, is wrong.
        return content[_KEY_BYTES:] if encrypt_type == "AES_V2" else content
