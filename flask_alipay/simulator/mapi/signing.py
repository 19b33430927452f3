"""Alipay's side of signatures: verification of requests, signing of responses and notifications."""

from __future__ import annotations

from collections.abc import Mapping

from ...exceptions import InvalidParameter
from ...protocol.charsets import decode, encode
from ...signer import Signer, sign_content
from ..web.forms import encode_form


class ServerSigner:
    """Signer of Alipay's messages and verifier of the merchant's.

    :param signers: Alipay's side of each sign type.
    """

    def __init__(self, signers: Mapping[str, Signer]) -> None:
        self._signers = signers

    def knows(self, sign_type: str) -> bool:
        """Return True if the sign type exists."""
        return sign_type in self._signers

    def verifies(self, params: Mapping[str, str], sign_type: str, charset: str) -> bool:
        """Return True if the merchant signed the parameters, which include ``sign``."""
        try:
            content = sign_content(params, charset=charset)
        except InvalidParameter:
            return False
        return self.verifies_text(content, params.get("sign", ""), sign_type)

    def verifies_text(self, content: bytes, sign: str, sign_type: str) -> bool:
        """Return True if the merchant signed exactly these bytes."""
        return self._signers[sign_type].verify(content, sign)

    def sign(self, fields: Mapping[str, str], sign_type: str, charset: str) -> str:
        """Sign fields: sorted, without empty ones, in a charset."""
        return self.sign_text(sign_content(fields, charset=charset), sign_type)

    def sign_text(self, content: bytes, sign_type: str) -> str:
        """Sign exactly these bytes."""
        return self._signers[sign_type].sign(content)

    def form(self, fields: Mapping[str, str], sign_type: str, charset: str) -> str:
        """Return signed fields as a form or query in a charset that the payload does not declare.

        Characters that the charset lacks become question marks, as at Alipay.
        """
        signed = {
            name: replace_unencodable(value, charset) for name, value in fields.items() if value
        }
        sign = self.sign(signed, sign_type, charset)
        return encode_form({**signed, "sign_type": sign_type, "sign": sign}, charset)


def replace_unencodable(text: str, charset: str) -> str:
    """Replace characters that a charset lacks by question marks."""
    return text if text.isascii() else decode(encode(text, charset, "replace"), charset)
