r"""Responses of the open platform: a JSON envelope, signed over the exact text of one node.

The node's text is cut out, verified, and only then used. Parsing and serializing it again would
lose details that JSON leaves open (``\/``, spaces, the order of keys), and so the signature.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidAmount, OutcomeUnknown
from ...protocol import charsets
from ...protocol.charsets import canonical_charset, encode
from ...protocol.conversion import parse_minor_units
from ...protocol.notification import loggable
from ...signer import Signer
from .errors import error_from_response

if TYPE_CHECKING:
    from .encryption import ContentCipher

_SPACE = r"[ \t\r\n]*"
_OPENING = re.compile(_SPACE + r"\{")
_NAME = re.compile(_SPACE + r'"([^"\\]*)"' + _SPACE + ":" + _SPACE)
_NEXT = re.compile(_SPACE + "([,}])" + _SPACE)
# Shared: json.loads would create a decoder for each response.
_DECODER = json.JSONDecoder(parse_float=Decimal)

_ENCRYPT_TYPES = ("AES", "AES_V2")


@dataclass(frozen=True)
class Envelope:
    """A response split into its parts, not verified yet."""

    #: The signed text: an object or, if encrypted, a string with its quotes.
    node: str = field(repr=False)
    #: True if its name is ``error_response`` instead of the method's.
    is_error: bool
    #: The signature, or ``""``.
    sign: str = field(repr=False)
    #: The serial number of Alipay's certificate, or ``""``.
    cert_sn: str
    #: The charset of the text.
    charset: str
    #: The parsed node; not to be trusted before verification.
    value: Any = field(repr=False)

    @property
    def is_encrypted(self) -> bool:
        """True if the node is ciphertext."""
        return self.node.startswith('"')

    def signed_by(self, signer: Signer) -> bool:
        """Return True if the signature matches.

        :param signer: the configured signer.
        """
        return bool(self.sign) and signer.verify(encode(self.node, self.charset), self.sign)

    def verification_error(self, signer: Signer, cert_sns: Collection[str] = ()) -> str | None:
        """Return the reason why the node cannot be trusted, or ``None``.

        :param signer: the configured signer.
        :param cert_sns: the serial numbers of Alipay's certificates whose keys the signer has;
            empty outside certificate mode.
        """
        if cert_sns and self.cert_sn and self.cert_sn not in cert_sns:
            return (
                f"is signed with an Alipay certificate that is not configured "
                f"({loggable(self.cert_sn)}): download the new one"
            )
        return None if self.signed_by(signer) else "is not signed by Alipay"


def open_envelope(body: bytes, method: str, charset: str = "utf-8") -> Envelope:
    """Split a response into its parts.

    :param body: the received bytes.
    :param method: the called method, ``alipay.trade.query``.
    :param charset: the charset of the request, and of most responses; the gateway rejects some
        requests in GBK, whatever their charset was.
    :raises OutcomeUnknown: if the body is not such a response.
    """
    try:
        text, charset = decode(body, charset)
        found = _members(text)
        name = f"{method.replace('.', '_')}_response"
        is_error = name not in found
        node, value = found["error_response" if is_error else name]
        if not isinstance(value, (dict, str)):
            raise ValueError
    except (ValueError, LookupError, RecursionError, ArithmeticError):
        raise OutcomeUnknown(f"the response to {loggable(method)} cannot be parsed") from None
    sign, cert_sn = _text(found, "sign"), _text(found, "alipay_cert_sn")
    return Envelope(node, is_error, sign, cert_sn, charset, value)


def decode(body: bytes, charset: str) -> tuple[str, str]:
    """Decode a response in the charset of its request, or else in the other one.

    :returns: the text and the charset that it is in.
    :raises UnicodeDecodeError: if it is in neither.
    """
    try:
        return charsets.decode(body, charset), charset
    except UnicodeDecodeError:
        other = "gb18030" if canonical_charset(charset) == "utf-8" else "utf-8"
        return charsets.decode(body, other), other


def read_response(
    body: bytes,
    method: str,
    *,
    charset: str,
    signer: Signer,
    cipher: ContentCipher | None = None,
    cert_sns: Collection[str] = (),
) -> dict[str, Any]:
    """Verify a response and return its node. Decimal numbers are :class:`Decimal`.

    :param body: the received bytes.
    :param method: the called method.
    :param charset: the charset of the request.
    :param signer: verifies the response.
    :param cipher: decrypts it, if content is encrypted.
    :param cert_sns: see :meth:`Envelope.verification_error`.
    :raises GatewayError: if Alipay rejects the request, signed or not.
    :raises OutcomeUnknown: for an unsigned success, or a response that cannot be parsed.
    """
    return read_envelope(open_envelope(body, method, charset), method, signer, cipher, cert_sns)


def read_envelope(
    envelope: Envelope,
    method: str,
    signer: Signer,
    cipher: ContentCipher | None = None,
    cert_sns: Collection[str] = (),
) -> dict[str, Any]:
    """Verify and parse an envelope: see :func:`read_response`."""
    verification_error = envelope.verification_error(signer, cert_sns)
    if envelope.is_encrypted and verification_error:
        raise OutcomeUnknown(f"the response to {method} {verification_error}")
    try:
        node = _node(envelope, cipher)
    except (ValueError, RecursionError):
        raise OutcomeUnknown(f"the response to {method} cannot be parsed") from None
    if envelope.is_error or text_field(node, "code")[:1] not in ("", "1"):
        raise error_from_response(method, node, signed=verification_error is None)
    if verification_error:
        raise OutcomeUnknown(f"the response to {method} {verification_error}")
    return node


def unverified_node(envelope: Envelope) -> Mapping[str, Any]:
    """Return the node of a response without verification; its content must be verified otherwise.

    :raises OutcomeUnknown: if it is encrypted.
    """
    if not isinstance(envelope.value, dict):
        raise OutcomeUnknown("the response cannot be parsed")
    return envelope.value


def as_object(text: str) -> dict[str, Any]:
    """Parse a JSON object. Decimal numbers are :class:`Decimal`.

    :raises ValueError: if the text is not a JSON object.
    """
    try:
        node = _DECODER.decode(text)
    except ArithmeticError:  # a number whose exponent is too large for Decimal
        raise ValueError from None
    if not isinstance(node, dict):
        raise ValueError
    return node


def text_field(node: Mapping[str, Any], name: str) -> str:
    """Return a text or number of a node as text; ``""`` if there is neither."""
    value = node.get(name)
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return ""
    return str(value).strip()


def text_fields(node: Mapping[str, Any], *names: str) -> list[str | None]:
    """Return texts or numbers of a node as text, ``None`` for each that is missing."""
    return [text_field(node, name) or None for name in names]


def buyer_of(node: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the buyer: Alipay's number and the OpenID, of which an application receives one.

    The OpenID has an older name, ``open_id``.
    """
    buyer_id, buyer_open_id, open_id = text_fields(
        node, "buyer_user_id", "buyer_open_id", "open_id"
    )
    return buyer_id, buyer_open_id or open_id


def currency_of(node: Mapping[str, Any]) -> str:
    """Return the currency of an order's amount; yuan by default."""
    return text_field(node, "trans_currency") or "CNY"


def amount(node: Mapping[str, Any], name: str, currency: str = "CNY") -> int | None:
    """Parse an amount of a node to minor units; ``None`` if it is missing.

    :param currency: the amount's currency.
    :raises OutcomeUnknown: if the amount is invalid.
    """
    text = text_field(node, name)
    try:
        return parse_minor_units(text, currency, parameter=name) if text else None
    except InvalidAmount as error:
        raise OutcomeUnknown(f"the gateway's response cannot be parsed: {error}") from None


def check_echo(node: Mapping[str, Any], name: str, request: str | None) -> None:
    """Check that the response is about the requested object, which its signature does not cover.

    :raises OutcomeUnknown: otherwise.
    """
    if text_field(node, name) != request:
        raise OutcomeUnknown(f"the gateway responded about another {name}")


def journal_params(method: str, node: Mapping[str, Any]) -> dict[str, str]:
    """Return a response as the journal records it: text by name, like a notification's parameters.

    :param method: the called method, which notifications do not contain.
    :param node: the response.
    """
    texts = {name: _as_text(value) for name, value in node.items() if value is not None}
    return {**texts, "method": method}


def _as_text(value: Any) -> str:
    """Return a value of JSON as text; Alipay sends some amounts as numbers."""
    if isinstance(value, (str, Decimal)):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def required_text(node: Mapping[str, Any], name: str) -> str:
    """Return a required text of a node.

    :raises OutcomeUnknown: if it is missing.
    """
    value = text_field(node, name)
    if not value:
        raise missing(name)
    return value


def missing(name: str) -> OutcomeUnknown:
    """Return the error for a response that lacks a field."""
    return OutcomeUnknown(f"the gateway's response cannot be parsed: it has no {name}")


def _members(text: str) -> dict[str, tuple[str, Any]]:
    """Return the envelope's members by name, each as its exact text and parsed."""
    found: dict[str, tuple[str, Any]] = {}
    position, separator = _match(_OPENING, text, 0).end(), ","
    while separator == ",":
        name = _match(_NAME, text, position)
        if name[1] in found:
            raise ValueError  # ambiguous: one of the two was signed
        value, end = _DECODER.raw_decode(text, name.end())
        found[name[1]] = text[name.end() : end], value
        following = _match(_NEXT, text, end)
        position, separator = following.end(), following[1]
    if position != len(text):
        raise ValueError
    return found


def _match(pattern: re.Pattern[str], text: str, position: int) -> re.Match[str]:
    found = pattern.match(text, position)
    if found is None:
        raise ValueError
    return found


def _text(found: Mapping[str, tuple[str, Any]], name: str) -> str:
    """Return a string of the envelope; ``""`` if it is missing or not a string."""
    _, value = found.get(name, ("", ""))
    return value if isinstance(value, str) else ""


def _node(envelope: Envelope, cipher: ContentCipher | None) -> dict[str, Any]:
    if isinstance(envelope.value, dict):
        return envelope.value
    if cipher is None:
        raise OutcomeUnknown("the gateway's response is encrypted, and no AES key is configured")
    for encrypt_type in _ENCRYPT_TYPES:
        content = cipher.decrypt(envelope.value, encrypt_type)
        try:
            return as_object(decode(content, envelope.charset)[0])
        except ValueError:
            continue  # the first block is not text: try the other type
    raise ValueError
