"""Parsing of untrusted XML: bytes to an element tree.

The legacy gateway's XML declares its encoding, often GBK, which Python's parser does not support:
the parser gets decoded text. Documents with DTDs or entities are rejected.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from ..exceptions import InvalidParameter
from .charsets import decode as decode_text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_DECLARATION = re.compile(r"\s*<\?xml\b[^>]*\?>")
_ENCODING = re.compile(rb"""\s*<\?xml\b[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_EMPTY = re.compile(r"<([\w:.-]+)\s*/>")
# Comments, character data and instructions are skipped: they may contain something like a tag.
_MARKUP = re.compile(
    r"""<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>"""
    r"""|(?P<tag><[^"'>]*(?:"[^"]*"[^"'>]*|'[^']*'[^"'>]*)*>)""",
    re.DOTALL,
)
_BOM = b"\xef\xbb\xbf"


class InvalidXml(ValueError):
    """The document is not XML, or not supported; the message gives the reason."""


def decode(body: bytes, charset: str = "utf-8") -> tuple[str, str]:
    """Decode a document by its declared encoding.

    :param body: the received bytes.
    :param charset: the charset to try first if the document declares none; then UTF-8 and GBK,
        Alipay's default, are tried.
    :returns: the text and its charset.
    :raises InvalidXml: if the document is not encoded in one of these.
    """
    declared = _ENCODING.match(body.removeprefix(_BOM))
    candidates = (declared[1].decode("ascii"),) if declared else (charset, "utf-8", "gbk")
    for name in candidates:
        try:
            return decode_text(body.removeprefix(_BOM), name), name
        except (UnicodeDecodeError, InvalidParameter):
            continue
    raise InvalidXml("it is not encoded in the charset that it declares")


def parse(text: str) -> Element:
    """Return the root of a document.

    :param text: decoded text; a declared encoding is ignored.
    :raises InvalidXml: if the document is not well-formed, or has a DTD or entities.
    """
    # Slow to import, and used only for the legacy gateway's responses.
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    declaration = _DECLARATION.match(text)
    try:
        root: Element = fromstring(text[declaration.end() if declaration else 0 :], forbid_dtd=True)
    except DefusedXmlException:
        raise InvalidXml("it has a DTD or entities, which are not supported") from None
    except (ParseError, ValueError):
        raise InvalidXml("it is not well-formed") from None
    return root


def child_values(
    element: Element, text: str, raw: Collection[str] = (), root: Element | None = None
) -> dict[str, str]:
    """Return an element's children as parameters, as Alipay signs them.

    A child's value is its text; that of a child with children is its raw XML including its tags,
    with empty elements expanded (Alipay's documentation of ``account.page.query``).

    :param element: an element of the document ``text``.
    :param text: the decoded document.
    :param raw: children whose value is always their raw XML.
    :param root: the document's root, if ``element`` is not the root.
    :raises InvalidXml: if a child occurs twice.
    """
    children: dict[str, str] = {}
    nested: list[Element] = []
    for child in element:
        if child.tag in children:
            raise InvalidXml("an element occurs twice")
        children[child.tag] = child.text or ""
        if len(child) or child.tag in raw:
            nested.append(child)
    if nested:
        spans = dict(zip((element if root is None else root).iter(), _spans(text), strict=True))
        for child in nested:
            start, end = spans[child]
            children[child.tag] = _EMPTY.sub(r"<\1></\1>", text[start:end])
    return children


def iter_rows(element: Element, path: str) -> Iterator[dict[str, str]]:
    """Yield the stripped texts of the children of each element that matches a path."""
    for row in element.iterfind(path):
        yield {child.tag: (child.text or "").strip() for child in row}


def _spans(text: str) -> list[tuple[int, int]]:
    """Return the start and end offsets of a well-formed document's elements, in document order."""
    spans: list[tuple[int, int]] = []
    opened: list[int] = []
    for found in _MARKUP.finditer(text):
        tag = found["tag"]
        if tag is None:
            continue
        if tag.startswith("</"):
            number = opened.pop()
            spans[number] = spans[number][0], found.end()
            continue
        if not tag.endswith("/>"):
            opened.append(len(spans))
        spans.append(found.span())
    return spans
