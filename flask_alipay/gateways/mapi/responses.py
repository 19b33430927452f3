"""What the legacy gateway answers: an XML document with a yes or a no, and a signature."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...exceptions import GatewayError, InvalidAmount, InvalidParameter
from ...protocol.money import parse_minor_units
from ...protocol.xml import InvalidXml, child_values, decode, parse
from ...signer import Signer, sign_content

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: The only currency that answers name by its number: ISO 4217.
_NUMBERED = {"156": "CNY"}


@dataclass(frozen=True)
class AcceptedResponse:
    """Alipay has done, or taken on, what it was asked for."""

    #: What it said besides, as it came; often nothing.
    params: Mapping[str, str] = field(repr=False, hash=False)


@dataclass(frozen=True)
class MapiResponse:
    """A yes of the gateway's, read."""

    #: The element with the values: the only child of ``response``.
    values: Element | None = field(repr=False)
    #: Its children as parameters.
    params: Mapping[str, str] = field(repr=False)
    #: The signature over them, or ``""``.
    sign: str = field(repr=False)
    #: The charset it was written in.
    charset: str

    def signed_by(self, signer: Signer, charset: str) -> bool:
        """Tells whether the signature is good.

        :param signer: the configured one.
        :param charset: the charset of the request, in which Alipay signs; it is the answer's own
            unless the two differ.
        """
        for name in dict.fromkeys((self.charset.lower(), charset.lower())):
            try:
                content = sign_content(self.params, charset=name)
            except InvalidParameter:
                continue
            if self.sign and signer.verify(content, self.sign):
                return True
        return False


def read_answer(body: bytes, charset: str, pieces: Collection[str] = ()) -> MapiResponse:
    """Reads an answer.

    :param body: the bytes as they came.
    :param charset: the request's charset, where the answer declares none.
    :param pieces: the values that are XML themselves, see
        :func:`~flask_alipay.protocol.xml.fields`.
    :raises GatewayError: with Alipay's ``code``, if it is a no; without, if it cannot be read.
    """
    try:
        text, written_in = decode(body, charset)
        root = parse(text)
        answer = child_values(root, text)
        values = _values(root)
        params = {} if values is None else child_values(values, text, pieces, root)
    except InvalidXml as error:
        raise GatewayError(f"the gateway's answer cannot be read: {error}") from None
    success = answer.get("is_success", "").strip()
    if root.tag != "alipay" or success not in ("T", "F"):
        raise GatewayError("the gateway's answer cannot be read: it says neither yes nor no")
    if success == "F":
        raise error_from_code(answer.get("error", ""))
    return MapiResponse(values, params, answer.get("sign", "").strip(), written_in)


def error_from_code(code: str) -> GatewayError:
    """Returns Alipay's no as an exception.

    :param code: as it came; made safe for a log line.
    """
    word = re.sub(r"[^\w.\-]", "?", code.strip(), flags=re.ASCII)[:64] or "UNKNOWN"
    return GatewayError(f"Alipay rejected the request: {word}", code=word)


def amount(params: Mapping[str, str], name: str, currency: str = "CNY") -> int | None:
    """Reads an amount out of an answer, in minor units.

    :param name: of the parameter.
    :param currency: what it is in.
    :returns: ``None`` where there is none.
    :raises GatewayError: if it is none.
    """
    text = params.get(name, "").strip()
    try:
        return parse_minor_units(text, currency, parameter=name) if text else None
    except InvalidAmount as error:
        raise GatewayError(f"the gateway's answer cannot be read: {error}") from None


def currency_of(params: Mapping[str, str]) -> str:
    """Reads the currency of an answer; yuan where it names none."""
    currency = params.get("currency", "").strip() or "CNY"
    return _NUMBERED.get(currency, currency)


def _values(root: Element) -> Element | None:
    """``response`` holds one element, named for the service, and that one holds the values."""
    response = root.find("response")
    if response is None:
        return None
    return response[0] if len(response) == 1 and len(response[0]) else response
