"""Content encryption (接口内容加密方式): what is asked, and what is answered, by a shared key."""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from ...exceptions import KeyFormatError

# The protocol's: the same content is the same cipher text every time.
_NO_IV = bytes(16)
_KEY_BYTES = 16


class ContentCipher:
    """Encrypts and decrypts with the key that the console shows (AES密钥).

    :param key: base64 of 16 bytes.
    :raises KeyFormatError: if it is something else.
    """

    #: What a request says of itself.
    encrypt_type = "AES"

    def __init__(self, key: str) -> None:
        try:
            secret = base64.b64decode(key.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise KeyFormatError("expected an AES key, got something that is no base64") from None
        if len(secret) != _KEY_BYTES:
            raise KeyFormatError(
                f"expected an AES key of {_KEY_BYTES} bytes in base64, got {len(secret)} bytes"
            )
        self._cipher = Cipher(AES(secret), CBC(_NO_IV))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def encrypt(self, content: bytes) -> str:
        """Returns the content encrypted, in base64."""
        padder, encryptor = PKCS7(AES.block_size).padder(), self._cipher.encryptor()
        padded = padder.update(content) + padder.finalize()
        return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode("ascii")

    def decrypt(self, text: str, encrypt_type: str = "AES") -> bytes:
        """Returns what was encrypted.

        To be called after the signature is verified, never before: whoever could try texts on it
        would learn from its refusals.

        :param text: base64.
        :param encrypt_type: ``AES``, or ``AES_V2``, which begins with an initialization vector.
        :raises ValueError: if it was not encrypted with this key.
        """
        unpadder, decryptor = PKCS7(AES.block_size).unpadder(), self._cipher.decryptor()
        padded = decryptor.update(base64.b64decode(text, validate=True)) + decryptor.finalize()
        content = unpadder.update(padded) + unpadder.finalize()
        # Read without its vector, the second block comes out right and only the first does not.
        return content[_KEY_BYTES:] if encrypt_type == "AES_V2" else content
