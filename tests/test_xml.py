"""XML from outside is read from bytes, and not believed."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.protocol.xml import InvalidXml, child_values, decode, iter_rows, parse


@pytest.mark.parametrize(
    ("declared", "codec"),
    [("GBK", "gbk"), ("gb2312", "gbk"), ("UTF-8", "utf-8"), ("utf8", "utf-8")],
)
def test_the_declaration_names_the_encoding(declared: str, codec: str) -> None:
    text = f"<?xml version='1.0' encoding='{declared}'?>\n<a><b>龙井茶</b></a>"
    decoded, charset = decode(text.encode(codec), "utf-8")
    assert charset == declared
    assert child_values(parse(decoded), decoded) == {"b": "龙井茶"}


@pytest.mark.parametrize("first", ["utf-8", "gbk"])
@pytest.mark.parametrize("codec", ["utf-8", "gbk"])
def test_gbk_is_read_where_nothing_is_declared(first: str, codec: str) -> None:
    text = "<a><b>龙井茶叶</b></a>"
    if (first, codec) != ("gbk", "utf-8"):  # which is GBK as well, of other characters
        assert decode(text.encode(codec), first)[0] == text


def test_a_byte_order_mark_is_no_text() -> None:
    assert parse(decode(b"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?><a/>")[0]).tag == "a"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_document_or_invalid(body: bytes) -> None:
    with contextlib.suppress(InvalidXml):
        parse(decode(body)[0])


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE a [<!ENTITY x 'x'>]><a>&x;</a>",
        "<!DOCTYPE a SYSTEM 'http://x.invalid/a.dtd'><a/>",
        "<!DOCTYPE a><a/>",
        "<a>&unknown;</a>",
        "<a>",
        "",
        "<a/><b/>",
        "<a>\x00</a>",
    ],
)
def test_dtds_entities_and_fragments_are_rejected(text: str) -> None:
    with pytest.raises(InvalidXml):
        parse(text)


def test_a_child_with_children_is_raw_xml() -> None:
    text = "<a><list x='1'>\n <b>1 &amp; 2</b><c/><d />\n</list><n>1</n><e/></a>"
    assert child_values(parse(text), text) == {
        "list": "<list x='1'>\n <b>1 &amp; 2</b><c></c><d></d>\n</list>",
        "n": "1",
        "e": "",
    }


def test_a_duplicate_child_is_rejected() -> None:
    text = "<a><b>1</b><b>2</b></a>"
    with pytest.raises(InvalidXml, match="twice"):
        child_values(parse(text), text)


def test_rows_are_their_texts() -> None:
    root = parse("<a><l><r><x> 1 </x><y/></r><r/></l></a>")
    assert list(iter_rows(root, "l/r")) == [{"x": "1", "y": ""}, {}]


def test_a_child_without_children_may_be_raw_xml() -> None:
    for written in ("<list></list>", "<list/>", "<list />"):
        text = f"<a>{written}<n>1</n></a>"
        assert child_values(parse(text), text, ["list"]) == {"list": "<list></list>", "n": "1"}
