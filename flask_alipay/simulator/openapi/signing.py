"""Alipay's side of signatures: verification of requests, signing of responses and notifications."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ...exceptions import InvalidParameter
from ...protocol.charsets import canonical_charset, encode
from ...signer import Signer, sign_content
from ..merchant.merchant import SimulatedMerchant
from ..replies import ApiError, JsonText
from ..web.forms import encode_form
from .encryption import ServerCipher

_CONTENT_TYPE = "text/html"  # so Alipay calls its JSON


class ServerSigner:
    """Signer of Alipay's messages and verifier of the merchant's.

    :param merchant: the keys and certificates of both sides.
    """

    def __init__(self, merchant: SimulatedMerchant) -> None:
        signers = merchant.alipay_signers()
        self._signers: dict[str, Signer] = {name: signers[name] for name in ("RSA2", "RSA")}
        self._merchant = merchant
        #: Encrypts and decrypts content.
        self.cipher = ServerCipher(merchant.aes_key)

    def knows(self, sign_type: str) -> bool:
        """Return True if the sign type exists."""
        return sign_type in self._signers

    def verifies(self, params: Mapping[str, str], charset: str) -> bool:
        """Return True if the merchant signed the parameters, with ``sign_type`` and ``sign``."""
        try:
            # A request's sign_type is signed, a notification's is not.
            content = sign_content(params, exclude=("sign",), charset=charset)
        except InvalidParameter:
            return False
        return self._signers[params["sign_type"]].verify(content, params["sign"])

    def other_sign_type(self, params: Mapping[str, str], charset: str) -> str:
        """Return the sign type that a request was signed with, if it declares another one."""
        content = sign_content(params, exclude=("sign",), charset=charset)
        others = (name for name in self._signers if name != params["sign_type"])
        verified = (name for name in others if self._signers[name].verify(content, params["sign"]))
        return next(verified, "")

    def verifies_text(self, content: bytes, sign: str) -> bool:
        """Return True if the merchant signed exactly these bytes with ``RSA2``."""
        return self._signers["RSA2"].verify(content, sign)

    def sign_text(self, content: str) -> str:
        """Sign exactly this text with ``RSA2``."""
        return self._signers["RSA2"].sign(content.encode("utf-8"))

    def form(
        self,
        fields: Mapping[str, str],
        sign_type: str,
        charset: str,
        *,
        with_sign_type: bool = False,
    ) -> str:
        """Return signed fields as a form or query in a charset.

        :param with_sign_type: whether the signature covers ``sign_type`` as well.
        """
        sent = {name: value for name, value in fields.items() if value}
        sent["sign_type"] = sign_type
        exclude = ("sign",) if with_sign_type else ("sign", "sign_type")
        content = sign_content(sent, exclude=exclude, charset=charset)
        return encode_form({**sent, "sign": self._signers[sign_type].sign(content)}, charset)

    def check_certificates(
        self, app_cert_sn: str, root_cert_sn: str, *, root_required: bool = True
    ) -> None:
        """Check the certificate numbers of a request; one without any is in key mode.

        :param root_required: whether certificate mode requires the number of Alipay's root. It
            does in v2; in v3 two official SDKs omit it and are served.
        :raises ApiError: if a number is missing or belongs to another certificate.
        """
        if not app_cert_sn and not root_cert_sn:
            return
        if not app_cert_sn:
            raise ApiError("isv.missing-app-cert-sn")
        if app_cert_sn != self._merchant.certificates.app_cert_sn:
            raise ApiError("isv.app-cert-not-exist")
        if not root_cert_sn:
            if root_required:
                raise ApiError("isv.missing-alipay-root-cert-sn")
        elif root_cert_sn != self._merchant.certificates.alipay_root_cert_sn:
            raise ApiError("isv.invalid-alipay-root-cert-sn")

    def signed(
        self, name: str, node: Mapping[str, object], params: Mapping[str, str], charset: str
    ) -> str:
        """Return a response whose node is signed exactly as sent.

        It is encrypted if the request was, with its quotes signed, and has the serial number of
        Alipay's certificate if the request had one.

        :param name: the node's name.
        :param params: the request's parameters.
        """
        text = dump_json(node, charset)
        if params.get("encrypt_type"):
            text = f'"{self.cipher.encrypt(encode(text, charset))}"'
        sign = self._signers[params["sign_type"]].sign(encode(text, charset))
        number = ""
        if params.get("app_cert_sn"):
            number = f',"alipay_cert_sn":"{self._merchant.certificates.alipay_cert_sn}"'
        return f'{{"{name}":{text}{number},"sign":"{sign}"}}'


def dump_json(node: Mapping[str, object], charset: str) -> str:
    r"""Return JSON in Alipay's format: slashes escaped, ``\u`` for what the charset lacks."""
    text = json.dumps(node, ensure_ascii=False, separators=(",", ":"))
    try:
        encode(text, charset)
    except UnicodeEncodeError:
        text = json.dumps(node, separators=(",", ":"))
    return text.replace("/", "\\/")


def json_response(text: str, charset: str) -> JsonText:
    """Return a document as a reply."""
    return JsonText(text, canonical_charset(charset), _CONTENT_TYPE)
