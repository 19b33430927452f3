"""What the open platform answers: an envelope in JSON, signed over the very text of one node in it.

The node is cut out as it stands, verified, and only then read. To read first and to write again
would lose what JSON leaves open (``\\/``, spaces, the order of keys), and with it the signature.
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
from ...protocol.money import parse_minor_units
from ...protocol.notification import loggable
from ...signer import Signer
from .errors import error_from_response

if TYPE_CHECKING:
    from .encryption import ContentCipher

_SPACE = r"[ \t\r\n]*"
_OPENING = re.compile(_SPACE + r"\{")
_NAME = re.compile(_SPACE + r'"([^"\\]*)"' + _SPACE + ":" + _SPACE)
_NEXT = re.compile(_SPACE + "([,}])" + _SPACE)
# Made once: json.loads would make one for each answer.
_DECODER = json.JSONDecoder(parse_float=Decimal)

_ENCRYPT_TYPES = ("AES", "AES_V2")


@dataclass(frozen=True)
class Envelope:
    """An answer, taken apart but not read yet."""

    #: The text that is signed: an object or, if it is encrypted, a string with its quotes.
    node: str = field(repr=False)
    #: Whether it stands under ``error_response`` instead of the method's own name.
    is_error: bool
    #: The signature, or ``""``.
    sign: str = field(repr=False)
    #: The number of the certificate that verifies it, or ``""``.
    cert_sn: str
    #: What it is written in.
    charset: str
    #: The node, read; not to be believed yet.
    value: Any = field(repr=False)

    @property
    def is_encrypted(self) -> bool:
        """Whether the node is a cipher text."""
        return self.node.startswith('"')

    def signed_by(self, signer: Signer) -> bool:
        """Tells whether the signature is good.

        :param signer: the configured one.
        """
        return bool(self.sign) and signer.verify(encode(self.node, self.charset), self.sign)

    def verification_error(self, signer: Signer, cert_sns: Collection[str] = ()) -> str | None:
        """Says why the node cannot be believed; ``None`` if it can.

        :param signer: the configured one.
        :param cert_sns: the numbers of Alipay's certificates that it has the keys of; none outside
            certificate mode.
        """
        if cert_sns and self.cert_sn and self.cert_sn not in cert_sns:
            return (
                f"is signed with a certificate of Alipay's that is not configured "
                f"({loggable(self.cert_sn)}): download the new one"
            )
        return None if self.signed_by(signer) else "is not signed by Alipay"


def open_envelope(body: bytes, method: str, charset: str = "utf-8") -> Envelope:
    """Cuts an answer into its pieces.

    :param body: the bytes as they came.
    :param method: what was asked, ``alipay.trade.query``.
    :param charset: the charset of the request, and of most answers to it; the gateway rejects some
        requests in GBK, whatever theirs was.
    :raises OutcomeUnknown: if it is no such answer.
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
        raise OutcomeUnknown(f"the answer to {loggable(method)} cannot be read") from None
    sign, cert_sn = _text(found, "sign"), _text(found, "alipay_cert_sn")
    return Envelope(node, is_error, sign, cert_sn, charset, value)


def decode(body: bytes, charset: str) -> tuple[str, str]:
    """Decode a response in the charset of its request or, if it is not in that, in the other one.

    :returns: the text and the charset that it is in.
    :raises UnicodeDecodeError: if it is in neither.
    """
    try:
        return charsets.decode(body, charset), charset
    except UnicodeDecodeError:
        other = "gb18030" if canonical_charset(charset) == "utf-8" else "utf-8"
        return charsets.decode(body, other), other


def read_answer(
    body: bytes,
    method: str,
    *,
    charset: str,
    signer: Signer,
    cipher: ContentCipher | None = None,
    cert_sns: Collection[str] = (),
) -> dict[str, Any]:
    """Verifies an answer and returns its node. Numbers with a point are :class:`Decimal`.

    :param body: the bytes as they came.
    :param method: what was asked.
    :param charset: the charset of the request.
    :param signer: verifies it.
    :param cipher: decrypts it, where content is encrypted.
    :param cert_sns: see :meth:`Envelope.flaw`.
    :raises GatewayError: for a no of Alipay's, signed or not.
    :raises OutcomeUnknown: for a yes that is not signed, or an answer that cannot be read.
    """
    return read_envelope(open_envelope(body, method, charset), method, signer, cipher, cert_sns)


def read_envelope(
    envelope: Envelope,
    method: str,
    signer: Signer,
    cipher: ContentCipher | None = None,
    cert_sns: Collection[str] = (),
) -> dict[str, Any]:
    """Verifies an answer that is taken apart: see :func:`read_answer`."""
    flaw = envelope.verification_error(signer, cert_sns)
    if envelope.is_encrypted and flaw:
        raise OutcomeUnknown(f"the answer to {method} {flaw}")
    try:
        node = _node(envelope, cipher)
    except (ValueError, RecursionError):
        raise OutcomeUnknown(f"the answer to {method} cannot be read") from None
    if envelope.is_error or text_field(node, "code")[:1] not in ("", "1"):
        raise error_from_response(method, node, signed=flaw is None)
    if flaw:
        raise OutcomeUnknown(f"the answer to {method} {flaw}")
    return node


def unverified_node(envelope: Envelope) -> Mapping[str, Any]:
    """Returns a node that is not verified, and has to be proven by what it holds.

    :raises OutcomeUnknown: if it is encrypted.
    """
    if not isinstance(envelope.value, dict):
        raise OutcomeUnknown("the answer cannot be read")
    return envelope.value


def as_object(text: str) -> dict[str, Any]:
    """Reads a JSON object. Numbers with a point are :class:`Decimal`.

    :raises ValueError: if it is none.
    """
    try:
        node = _DECODER.decode(text)
    except ArithmeticError:  # a number with an exponent that no Decimal has
        raise ValueError from None
    if not isinstance(node, dict):
        raise ValueError
    return node


def text_field(node: Mapping[str, Any], name: str) -> str:
    """Reads a text or a number out of a node; ``""`` where there is neither."""
    value = node.get(name)
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return ""
    return str(value).strip()


def text_fields(node: Mapping[str, Any], *names: str) -> list[str | None]:
    """Read texts or numbers out of a node, ``None`` where there is neither."""
    return [text_field(node, name) or None for name in names]


def currency_of(node: Mapping[str, Any]) -> str:
    """Reads the currency of an order's amount; yuan where the node names none."""
    return text_field(node, "trans_currency") or "CNY"


def amount(node: Mapping[str, Any], name: str, currency: str = "CNY") -> int | None:
    """Reads an amount out of a node, in minor units; ``None`` where there is none.

    :param currency: what it is in.
    :raises OutcomeUnknown: if it is no amount.
    """
    text = text_field(node, name)
    try:
        return parse_minor_units(text, currency, parameter=name) if text else None
    except InvalidAmount as error:
        raise OutcomeUnknown(f"the gateway's answer cannot be read: {error}") from None


def check_echo(node: Mapping[str, Any], name: str, request: str | None) -> None:
    """Checks that the answer is about what was asked: a signature says not to what it answers.

    :raises OutcomeUnknown: otherwise.
    """
    if text_field(node, name) != request:
        raise OutcomeUnknown(f"the gateway answered about another {name}")


def required_text(node: Mapping[str, Any], name: str) -> str:
    """Reads a text that has to be there.

    :raises OutcomeUnknown: if it is not.
    """
    value = text_field(node, name)
    if not value:
        raise missing(name)
    return value


def missing(name: str) -> OutcomeUnknown:
    """Returns the error for an answer that lacks something."""
    return OutcomeUnknown(f"the gateway's answer cannot be read: it has no {name}")


def _members(text: str) -> dict[str, tuple[str, Any]]:
    """The members of the envelope, each as the text that it is, and read."""
    found: dict[str, tuple[str, Any]] = {}
    place, mark = _match(_OPENING, text, 0).end(), ","
    while mark == ",":
        name = _match(_NAME, text, place)
        if name[1] in found:
            raise ValueError  # which of the two was signed?
        value, end = _DECODER.raw_decode(text, name.end())
        found[name[1]] = text[name.end() : end], value
        following = _match(_NEXT, text, end)
        place, mark = following.end(), following[1]
    if place != len(text):
        raise ValueError
    return found


def _match(pattern: re.Pattern[str], text: str, place: int) -> re.Match[str]:
    found = pattern.match(text, place)
    if found is None:
        raise ValueError
    return found


def _text(found: Mapping[str, tuple[str, Any]], name: str) -> str:
    """A string of the envelope's; ``""`` where it is none."""
    _, value = found.get(name, ("", ""))
    return value if isinstance(value, str) else ""


def _node(envelope: Envelope, cipher: ContentCipher | None) -> dict[str, Any]:
    if isinstance(envelope.value, dict):
        return envelope.value
    if cipher is None:
        raise OutcomeUnknown("the gateway's answer is encrypted, and no AES key is configured")
    for encrypt_type in _ENCRYPT_TYPES:
        content = cipher.decrypt(envelope.value, encrypt_type)
        try:
            return as_object(decode(content, envelope.charset)[0])
        except ValueError:
            continue  # its first block is no text: it was the other way of encrypting
    raise ValueError
