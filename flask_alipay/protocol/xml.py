"""XML from outside, read without believing it: bytes in, an element tree out.

The legacy gateway answers in XML whose declaration names its encoding, which is GBK as often as
not; Python's parser knows no GBK, so it gets text. DTDs and entities are refused unread.
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
# Comments, character data and instructions are passed over: they may hold what looks like a tag.
_MARKUP = re.compile(
    r"""<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>"""
    r"""|(?P<tag><[^"'>]*(?:"[^"]*"[^"'>]*|'[^']*'[^"'>]*)*>)""",
    re.DOTALL,
)
_BOM = b"\xef\xbb\xbf"


class InvalidXml(ValueError):
    """What came is no XML document, or one that is not read: the message says which."""


def decode(body: bytes, charset: str = "utf-8") -> tuple[str, str]:
    """Decodes a document as its declaration says.

    :param body: the bytes as they came.
    :param charset: the charset to try first where the declaration names none; then UTF-8 and GBK,
        which Alipay writes by default, are tried.
    :returns: the text, and the charset that it was written in.
    :raises InvalidXml: if it is written in something else.
    """
    declared = _ENCODING.match(body.removeprefix(_BOM))
    candidates = (declared[1].decode("ascii"),) if declared else (charset, "utf-8", "gbk")
    for name in candidates:
        try:
            return decode_text(body.removeprefix(_BOM), name), name
        except (UnicodeDecodeError, InvalidParameter):
            continue
    raise InvalidXml("it is not written in the charset that it declares")


def parse(text: str) -> Element:
    """Returns the root of a document.

    :param text: decoded; what its declaration says of an encoding is over.
    :raises InvalidXml: if it is not well-formed, or has a DTD or an entity of its own.
    """
    # Slow to import, and needed for the legacy gateway's answers alone.
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    declaration = _DECLARATION.match(text)
    try:
        root: Element = fromstring(text[declaration.end() if declaration else 0 :], forbid_dtd=True)
    except DefusedXmlException:
        raise InvalidXml("it has a DTD or entities, which are not read") from None
    except (ParseError, ValueError):
        raise InvalidXml("it is not well-formed") from None
    return root


def child_values(
    element: Element, text: str, pieces: Collection[str] = (), root: Element | None = None
) -> dict[str, str]:
    """Return the children of an element as parameters, by the rule that they are signed by.

    A child's value is its text; that of a child with children is its own piece of the document
    from tag to tag, empty elements written out (Alipay's documentation of ``account.page.query``).

    :param element: of the document that ``text`` is.
    :param text: the decoded document.
    :param pieces: children whose value is their piece even when they have no children.
    :param root: of the document, if ``element`` is another.
    :raises InvalidXml: if a child occurs twice.
    """
    children: dict[str, str] = {}
    whole: list[Element] = []
    for child in element:
        if child.tag in children:
            raise InvalidXml("an element is there twice")
        children[child.tag] = child.text or ""
        if len(child) or child.tag in pieces:
            whole.append(child)
    if whole:
        spans = dict(zip((element if root is None else root).iter(), _spans(text), strict=True))
        for child in whole:
            start, end = spans[child]
            children[child.tag] = _EMPTY.sub(r"<\1></\1>", text[start:end])
    return children


def iter_rows(element: Element, path: str) -> Iterator[dict[str, str]]:
    """Yields the children's texts of each element that a path leads to, without space around."""
    for row in element.iterfind(path):
        yield {child.tag: (child.text or "").strip() for child in row}


def _spans(text: str) -> list[tuple[int, int]]:
    """Return where the elements of a well-formed document begin and end, in the order of their
    opening tags, in one pass.
    """
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
