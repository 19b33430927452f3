"""Signatures of Alipay's side: verified on requests, made under answers and notifications."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ...exceptions import InvalidParameter
from ...signer import Signer, codec, sign_content
from ..answers import JsonText
from ..wire import encode

_CONTENT_TYPE = "text/html"  # so Alipay calls its JSON


class Seal:
    """Signs what Alipay says and verifies what the merchant said.

    :param signers: Alipay's side of ``RSA2`` and ``RSA``.
    """

    def __init__(self, signers: Mapping[str, Signer]) -> None:
        self._signers = {name: signers[name] for name in ("RSA2", "RSA")}

    def knows(self, sign_type: str) -> bool:
        """Tells whether there is such a sign type."""
        return sign_type in self._signers

    def verifies(self, params: Mapping[str, str], charset: str) -> bool:
        """Tells whether the merchant signed the parameters, ``sign_type`` and ``sign`` in them."""
        try:
            # A request's sign_type is signed, a notification's is not.
            content = sign_content(params, exclude=("sign",), charset=charset)
        except InvalidParameter:  # a codec may read what it cannot write
            return False
        return self._signers[params["sign_type"]].verify(content, params["sign"])

    def form(self, fields: Mapping[str, str], sign_type: str, charset: str) -> str:
        """Returns signed fields as a form or query in a charset."""
        told = {name: value for name, value in fields.items() if value}
        sign = self._signers[sign_type].sign(sign_content(told, charset=charset))
        return encode({**told, "sign_type": sign_type, "sign": sign}, charset)

    def signed(self, name: str, node: Mapping[str, object], sign_type: str, charset: str) -> str:
        """Returns an answer whose node is signed as it stands, to the last character.

        :param name: the node's.
        """
        text = written(node, charset)
        sign = self._signers[sign_type].sign(text.encode(codec(charset)))
        return f'{{"{name}":{text},"sign":"{sign}"}}'


def written(node: Mapping[str, object], charset: str) -> str:
    r"""Returns JSON as Alipay writes it: slashes escaped, ``\u`` for what the charset lacks."""
    text = json.dumps(node, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode(codec(charset))
    except UnicodeEncodeError:
        text = json.dumps(node, separators=(",", ":"))
    return text.replace("/", "\\/")


def answered(text: str, charset: str) -> JsonText:
    """Returns a document as an answer."""
    return JsonText(text, codec(charset), _CONTENT_TYPE)
