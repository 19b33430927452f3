"""Signatures of Alipay's side: verified on requests, made under answers and notifications."""

from __future__ import annotations

from collections.abc import Mapping

from ...exceptions import InvalidParameter
from ...protocol.charsets import decode, encode
from ...signer import Signer, sign_content
from ..web.forms import encode_form


class ServerSigner:
    """Signs what Alipay says and verifies what the merchant said.

    :param signers: Alipay's side of each sign type.
    """

    def __init__(self, signers: Mapping[str, Signer]) -> None:
        self._signers = signers

    def knows(self, sign_type: str) -> bool:
        """Tells whether there is such a sign type."""
        return sign_type in self._signers

    def verifies(self, params: Mapping[str, str], sign_type: str, charset: str) -> bool:
        """Tells whether the merchant signed the parameters, with ``sign`` among them."""
        try:
            content = sign_content(params, charset=charset)
        except InvalidParameter:
            return False
        return self.verifies_text(content, params.get("sign", ""), sign_type)

    def verifies_text(self, content: bytes, sign: str, sign_type: str) -> bool:
        """Tells whether the merchant signed exactly these bytes."""
        return self._signers[sign_type].verify(content, sign)

    def sign(self, fields: Mapping[str, str], sign_type: str, charset: str) -> str:
        """Signs fields: sorted, empty ones left out, in a charset."""
        return self.sign_text(sign_content(fields, charset=charset), sign_type)

    def sign_text(self, content: bytes, sign_type: str) -> str:
        """Signs exactly these bytes."""
        return self._signers[sign_type].sign(content)

    def form(self, fields: Mapping[str, str], sign_type: str, charset: str) -> str:
        """Returns signed fields as a form or query in a charset, of which the payload says nothing.

        What is not in the charset is told as a question mark: Alipay has no other way, either.
        """
        told = {
            name: replace_unencodable(value, charset) for name, value in fields.items() if value
        }
        sign = self.sign(told, sign_type, charset)
        return encode_form({**told, "sign_type": sign_type, "sign": sign}, charset)


def replace_unencodable(text: str, charset: str) -> str:
    """Returns a text with question marks for what a charset does not have."""
    return text if text.isascii() else decode(encode(text, charset, "replace"), charset)
