"""Input is bounded before it is verified: sizes and passes are counted, not timed."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from flask_alipay.exceptions import InvalidBill, OutcomeUnknown
from flask_alipay.gateways.openapi.bill import read_bill
from flask_alipay.gateways.transport import decompressed
from flask_alipay.protocol import xml
from flask_alipay.protocol.charsets import declared_charset
from flask_alipay.protocol.xml import child_values, parse

from .doubles.bills import TEA, table, zipped

PIECE = 64 * 1024


class Response:
    """Response as requests has it, not read yet."""

    def __init__(self, body: bytes, **headers: str) -> None:
        self.headers: Mapping[str, str] = {n.replace("_", "-"): v for n, v in headers.items()}
        self.raw = self
        self._body = body

    def stream(self, size: int, decode_content: bool) -> Iterator[bytes]:
        assert not decode_content
        for start in range(0, len(self._body), size):
            yield self._body[start : start + size]


def read(response: Any, maximum: int = 1 << 24) -> list[bytes]:
    return list(decompressed(response, maximum))


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP"])
def test_a_compressed_response_is_read_completely(coding: str) -> None:
    body = bytes(range(256)) * 2000
    assert b"".join(read(Response(gzip.compress(body), Content_Encoding=coding))) == body
    assert b"".join(read(Response(body))) == body


def test_a_decompression_bomb_is_read_in_chunks_of_limited_size() -> None:
    bomb = gzip.compress(bytes(32 << 20))
    assert len(bomb) < PIECE
    pieces = decompressed(Response(bomb, Content_Encoding="gzip"), 1 << 24)  # type: ignore[arg-type]
    assert max(len(next(pieces)) for _ in range(20)) <= PIECE


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(b"answer")[:-9], "gzip"),
        (b"answer", "gzip"),
        (zlib.compress(b"answer"), "deflate"),
        (b"answer", "br"),
    ],
    ids=["cut", "plain", "deflate", "br"],
)
def test_a_response_that_cannot_be_decompressed_is_an_invalid_response(
    body: bytes, coding: str
) -> None:
    with pytest.raises(OutcomeUnknown):
        read(Response(body, Content_Encoding=coding))


def test_compressed_bytes_are_limited_as_well() -> None:
    with pytest.raises(OutcomeUnknown):
        read(Response(gzip.compress(bytes(1 << 20), 0), Content_Encoding="gzip"), maximum=PIECE)


class Counted(bytes):
    """Body that counts the bytes of its slices."""

    copied = 0

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        Counted.copied += len(found) if isinstance(found, bytes) else 1
        return found


def test_the_search_for_a_charset_copies_no_body() -> None:
    Counted.copied = 0
    assert declared_charset(Counted(b"a=charset=charset=" * 1000 + b"&charset=GBK")) == "GBK"
    assert Counted.copied == 0


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        (b"charset=a%2Db", "a-b"),
        (b"x=1&_input_charset=gbk", "gbk"),
        (b"a_charset=gbk&charset=", None),
        (b"x=charset=gbk", None),
    ],
)
def test_only_a_field_of_that_name_declares_a_charset(body: bytes, charset: str | None) -> None:
    assert declared_charset(body) == charset


def test_all_elements_are_found_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    spans = xml._spans

    def counted(text: str) -> list[tuple[int, int]]:
        passes.append(1)
        return spans(text)

    monkeypatch.setattr(xml, "_spans", counted)
    text = "".join(f"<e{number}><b>{number}</b></e{number}>" for number in range(500))
    found = child_values(parse(f"<r>{text}</r>"), f"<r>{text}</r>")
    assert found["e7"] == "<e7><b>7</b></e7>"
    assert passes == [1]


def test_text_that_resembles_an_element_is_ignored() -> None:
    text = (
        "<r><!-- <a><b/></a> --><![CDATA[<a>]]><x y='>'/><a z=\"/a>\"><b><![CDATA[</a>]]></b>"
        "<!--</a>--></a></r>"
    )
    root = parse(text)
    assert child_values(root, text)["a"] == text[text.index("<a z") : -4]
    assert child_values(root[1], text, ["b"], root)["b"] == "<b><![CDATA[</a>]]></b>"


def test_a_small_bill_is_not_read_for_long() -> None:
    line = b"1,1,1,1\n"
    head = "支付宝交易号,商户订单号,业务类型,订单金额\n".encode("gbk")
    file = zipped({"a.csv": head + line * 1_000_000})
    assert len(file.getvalue()) < 16 << 10
    rows: list[object] = []
    with pytest.raises(InvalidBill, match="it is too large"):
        rows.extend(row.fen for row in read_bill(file))
    assert len(rows) < 350_000


@pytest.mark.parametrize("line", ["", "#", ",,,", "\t"])
def test_lines_without_a_row_are_few(line: str) -> None:
    with pytest.raises(InvalidBill, match="more lines without a row"):
        list(read_bill(io.BytesIO(table(TEA).encode("gbk") + f"{line}\n".encode() * 1001)))
