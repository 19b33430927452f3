"""The signed string, and the three signature methods: MD5, RSA and RSA2.

``sign`` returns text, ``verify`` returns a bool. A malformed signature from outside does not
verify; it never raises another exception.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from .exceptions import ConfigurationError, without_secrets
from .protocol.charsets import check_encodable, encode

if TYPE_CHECKING:
    # cryptography is imported with the first key: it takes a third of this package's import time,
    # and MD5 does not need it.
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    PrivateKey: TypeAlias = str | bytes | rsa.RSAPrivateKey
    PublicKey: TypeAlias = str | bytes | rsa.RSAPublicKey

#: Minimum length of a merchant's MD5 key; Alipay's keys have 32 characters.
MIN_MD5_CHARACTERS = 16


class Signer(Protocol):
    """Interface of the signers."""

    #: ``"MD5"``, ``"RSA"`` or ``"RSA2"``.
    sign_type: str

    def sign(self, message: bytes) -> str:
        """Return the signature of the message in Alipay's encoding."""

    def verify(self, message: bytes, sign: str) -> bool:
        """Return True if the signature matches exactly this message."""


def sign_content(
    params: Mapping[str, str],
    *,
    exclude: Collection[str] = ("sign", "sign_type"),
    charset: str = "utf-8",
) -> bytes:
    """Return the signed bytes: ``k=v`` sorted by key and joined by ``&``.

    Empty values are left out. Source: Alipay's signing rules for both gateways, reproduced on
    published payloads.

    :param params: decoded text by name.
    :param exclude: names that are not signed. A notification excludes ``sign`` and ``sign_type``; a
        request to the open platform excludes ``sign`` only.
    :param charset: the charset of the bytes.
    :raises InvalidParameter: if a parameter has a character that the charset lacks.
    """
    text = "&".join(
        [f"{key}={params[key]}" for key in sorted(params) if params[key] and key not in exclude]
    )
    try:
        return encode(text, charset)
    except UnicodeEncodeError:
        for name in params:
            check_encodable(name, f"{name}{params[name]}", charset)
        raise


def sign_params(
    params: Mapping[str, str],
    signer: Signer,
    *,
    exclude: Collection[str] = ("sign", "sign_type"),
    charset: str = "utf-8",
) -> tuple[dict[str, str], bytes]:
    """Sign the parameters of a request.

    :param params: decoded text by name, without ``sign``. Empty values are not sent.
    :param signer: the merchant's signer.
    :param exclude: names that are sent but not signed.
    :param charset: the charset in which the request is signed and sent.
    :returns: the parameters to send, ``sign`` included, and the signed bytes.
    :raises InvalidParameter: if a parameter has a character that the charset lacks.
    """
    sent = {name: value for name, value in params.items() if value}
    content = sign_content(sent, exclude=exclude, charset=charset)
    return {**sent, "sign": signer.sign(content)}, content


class Md5Signer:
    """Signer with MD5 and the merchant's key appended; the legacy gateway's default.

    :param key: the merchant's MD5 key (安全校验码).
    :raises ConfigurationError: if the key is empty, since anyone could sign with an empty key.
    """

    sign_type = "MD5"

    def __init__(self, key: str) -> None:
        if not key:
            raise ConfigurationError("the MD5 key must not be empty", "KEY")
        self._key = key.encode("utf-8")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def sign(self, message: bytes) -> str:
        """Return 32 lower-case hexadecimal digits."""
        return hashlib.md5(message + self._key).hexdigest()

    def verify(self, message: bytes, sign: str) -> bool:
        """Return, in constant time, True if the signature matches the message."""
        try:
            return hmac.compare_digest(self.sign(message), sign)
        except TypeError:  # not text, or text that is not ASCII
            return False

    def with_cleaned_key(self) -> list[Md5Signer]:
        """Return signers with likely corrections of the key: without surrounding spaces, quotes or
        byte order mark, without line ends, in lower case.
        """
        key = self._key.decode("utf-8")
        stripped = key.strip().strip("\"'\ufeff\u200b\u00a0").strip()
        corrected = dict.fromkeys(
            (key.strip(), stripped, "".join(stripped.split()), stripped.lower())
        )
        return [Md5Signer(text) for text in corrected if text not in ("", key)]


class RsaSigner:
    """Signer with RSA and SHA-1 (PKCS#1 v1.5): the legacy gateway's ``RSA``.

    :param private_key: the merchant's private key, in any form that
        :func:`~flask_alipay.keys.load_private_key` accepts; required for signing.
    :param public_key: Alipay's public key, likewise, or several of them during a key rotation: a
        signature by any of them verifies. Required for verification.
    :raises KeyFormatError: if a key is something else.
    """

    sign_type = "RSA"

    @without_secrets
    def __init__(
        self,
        private_key: PrivateKey | None = None,
        public_key: PublicKey | Sequence[PublicKey] | None = None,
    ) -> None:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

        self._scheme = PKCS1v15(), self._digest()
        self._private_key = None if private_key is None else _private(private_key)
        #: The public keys, in the order in which they are tried.
        self.public_keys = tuple(_public(key) for key in _as_sequence(public_key))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @property
    def own_public_key(self) -> rsa.RSAPublicKey | None:
        """The public key of the private key, as uploaded to Alipay; ``None`` without one."""
        return None if self._private_key is None else self._private_key.public_key()

    def sign(self, message: bytes) -> str:
        """Return the signature in base64.

        :raises ConfigurationError: without a private key.
        """
        if self._private_key is None:
            raise ConfigurationError("a private key is needed to sign", "PRIVATE_KEY")
        signature = self._private_key.sign(message, *self._scheme)
        return base64.b64encode(signature).decode("ascii")

    def verify(self, message: bytes, sign: str) -> bool:
        """Return True if the signature matches the message and one of the public keys.

        :raises ConfigurationError: without a public key.
        """
        from cryptography.exceptions import InvalidSignature

        if not self.public_keys:
            raise ConfigurationError("Alipay's public key is needed to verify", "PUBLIC_KEY")
        try:
            signature = base64.b64decode(sign, validate=True)
        except (binascii.Error, ValueError, TypeError):
            return False
        for key in self.public_keys:
            try:
                key.verify(signature, message, *self._scheme)
            except (InvalidSignature, TypeError):
                continue
            return True
        return False

    @staticmethod
    def _digest() -> HashAlgorithm:
        from cryptography.hazmat.primitives.hashes import SHA1

        return SHA1()  # noqa: S303 - required by the protocol


class Rsa2Signer(RsaSigner):
    """Signer with RSA and SHA-256 (PKCS#1 v1.5): ``RSA2``, which the open platform recommends.

    The parameters are those of :class:`RsaSigner`.
    """

    sign_type = "RSA2"

    @staticmethod
    def _digest() -> HashAlgorithm:
        from cryptography.hazmat.primitives.hashes import SHA256

        return SHA256()


def _private(key: PrivateKey) -> rsa.RSAPrivateKey:
    if not isinstance(key, (str, bytes)):
        return key
    from .keys import load_private_key

    return load_private_key(key)


def _public(key: PublicKey) -> rsa.RSAPublicKey:
    if not isinstance(key, (str, bytes)):
        return key
    from .keys import load_public_key

    return load_public_key(key)


def _as_sequence(keys: PublicKey | Sequence[PublicKey] | None) -> Sequence[PublicKey]:
    if keys is None:
        return ()
    if isinstance(keys, (list, tuple)):
        return keys
    return (cast("PublicKey", keys),)
