"""Responses of the legacy gateway: an XML document that accepts or rejects the request, with a
signature.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...exceptions import GatewayError, InvalidAmount, InvalidParameter
from ...protocol.conversion import parse_minor_units
from ...protocol.xml import InvalidXml, child_values, decode, parse
from ...signer import Signer, sign_content

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: The only currency that responses identify by its ISO 4217 number.
_NUMERIC_CODES = {"156": "CNY"}


@dataclass(frozen=True)
class AcceptedResponse:
    """A response with which Alipay performed or accepted a request."""

    #: The response's values; often empty.
    params: Mapping[str, str] = field(repr=False, hash=False)


@dataclass(frozen=True)
class MapiResponse:
    """A successful response of the gateway, parsed."""

    #: The element with the values: the only child of ``response``.
    values: Element | None = field(repr=False)
    #: The children of that element as parameters.
    params: Mapping[str, str] = field(repr=False)
    #: The signature of the parameters, or ``""``.
    sign: str = field(repr=False)
    #: The charset of the document.
    charset: str

    def signed_by(self, signer: Signer, charset: str) -> bool:
        """Return True if the signature matches.

        :param signer: the configured signer.
        :param charset: the charset of the request, in which Alipay signs; it may differ from that
            of the response, which is tried as well.
        """
        for name in dict.fromkeys((self.charset.lower(), charset.lower())):
            try:
                content = sign_content(self.params, charset=name)
            except InvalidParameter:
                continue
            if self.sign and signer.verify(content, self.sign):
                return True
        return False


def read_response(body: bytes, charset: str, raw: Collection[str] = ()) -> MapiResponse:
    """Parse a response.

    :param body: the received bytes.
    :param charset: the request's charset, used if the response declares none.
    :param raw: the values that are XML themselves, see
        :func:`~flask_alipay.protocol.xml.child_values`.
    :raises GatewayError: with Alipay's ``code``, if Alipay rejects the request; without a code, if
        the response cannot be parsed.
    """
    try:
        text, document_charset = decode(body, charset)
        root = parse(text)
        document = child_values(root, text)
        values = _values(root)
        params = {} if values is None else child_values(values, text, raw, root)
    except InvalidXml as error:
        raise GatewayError(f"the gateway's response cannot be parsed: {error}") from None
    success = document.get("is_success", "").strip()
    if root.tag != "alipay" or success not in ("T", "F"):
        raise GatewayError("the gateway's response cannot be parsed: is_success is neither T nor F")
    if success == "F":
        raise error_from_code(document.get("error", ""))
    return MapiResponse(values, params, document.get("sign", "").strip(), document_charset)


def error_from_code(code: str) -> GatewayError:
    """Return Alipay's rejection as an exception.

    :param code: the received code; made safe for log lines.
    """
    safe_code = re.sub(r"[^\w.\-]", "?", code.strip(), flags=re.ASCII)[:64] or "UNKNOWN"
    return GatewayError(f"Alipay rejected the request: {safe_code}", code=safe_code)


def amount(params: Mapping[str, str], name: str, currency: str = "CNY") -> int | None:
    """Parse an amount of a response to minor units.

    :param name: the parameter's name.
    :param currency: the amount's currency.
    :returns: ``None`` if the parameter is missing.
    :raises GatewayError: if the amount is invalid.
    """
    text = params.get(name, "").strip()
    try:
        return parse_minor_units(text, currency, parameter=name) if text else None
    except InvalidAmount as error:
        raise GatewayError(f"the gateway's response cannot be parsed: {error}") from None


def currency_of(params: Mapping[str, str]) -> str:
    """Return the currency of a response; yuan by default."""
    currency = params.get("currency", "").strip() or "CNY"
    return _NUMERIC_CODES.get(currency, currency)


def _values(root: Element) -> Element | None:
    """Return the element with the values: the only child of ``response``, named for the service."""
    response = root.find("response")
    if response is None:
        return None
    return response[0] if len(response) == 1 and len(response[0]) else response
