"""XML responses to the merchant's server.

The signature covers the children of the one node in ``response``, sorted like parameters. A child
with children is signed as its raw XML with tags and expanded empty elements (Alipay's guide of
account.page.query). A response without ``response`` is not signed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, tostring  # for writing only

from ...protocol.charsets import canonical_charset, encode
from ..replies import XmlText
from .call import ApiCall
from .signing import ServerSigner, replace_unencodable

# Canonical names to those that an XML declaration has.
_DECLARED = {"utf-8": "utf-8", "gbk": "GBK", "gb18030": "GB18030"}
# What an XML document cannot hold, and the carriage return, which a reader would change.
_UNWRITABLE = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def accepted(call: ApiCall) -> XmlText:
    """Return a success without values."""
    root = Element("alipay")
    SubElement(root, "is_success").text = "T"
    return document(root, call.charset)


def refused(code: str, charset: str) -> XmlText:
    """Return an error with one of Alipay's codes.

    :param charset: the request's.
    """
    root = Element("alipay")
    SubElement(root, "is_success").text = "F"
    SubElement(root, "error").text = code
    return document(root, charset)


def xml_response(
    call: ApiCall, signer: ServerSigner, name: str, fields: Mapping[str, str | Element]
) -> XmlText:
    """Return a node of fields, signed like the request.

    :param name: the node's name.
    :param fields: its children, texts or whole elements; empty texts are left out.
    """
    root = Element("alipay")
    SubElement(root, "is_success").text = "T"
    request = SubElement(root, "request")
    for key in sorted(call.params):
        if key not in ("sign", "sign_type"):
            param = SubElement(request, "param", name=_clean(key, call.charset))
            param.text = _clean(call.params[key], call.charset)
    node = SubElement(SubElement(root, "response"), name)
    signed = {}
    for key, value in fields.items():
        if isinstance(value, Element):
            node.append(value)
            signed[key] = _text(value)
        elif value:
            signed[key] = _clean(value, call.charset)
            SubElement(node, key).text = signed[key]
    SubElement(root, "sign").text = signer.sign(signed, call.sign_type, call.charset)
    SubElement(root, "sign_type").text = call.sign_type
    return document(root, call.charset)


def element(name: str, fields: Mapping[str, str], charset: str) -> Element:
    """Return an element of texts, including empty ones."""
    node = Element(name)
    for key, value in fields.items():
        SubElement(node, key).text = _clean(value, charset)
    return node


def document(root: Element, charset: str) -> XmlText:
    """Return a document in a charset, which it declares."""
    name = canonical_charset(charset)
    head = f'<?xml version="1.0" encoding="{_DECLARED[name]}"?>\n'
    return XmlText(encode(head + _text(root), name), name)


def _text(node: Element) -> str:
    return tostring(node, encoding="unicode", short_empty_elements=False)


def _clean(text: str, charset: str) -> str:
    return replace_unencodable(_UNWRITABLE.sub("?", text), charset)
