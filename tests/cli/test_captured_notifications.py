"""Payloads in captures of any format."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import pprint
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import CombinedMultiDict, ImmutableMultiDict

from flask_alipay.cli.captured_notifications import MAX_BYTES, read_captures
from flask_alipay.cli.payloads import UnreadablePayload

FORM = b"out_trade_no=1&subject=%E8%8C%B6&total_amount=0.10&trade_no=2&sign=a%2Bb"
PARAMS = {
    "out_trade_no": "1",
    "subject": "茶",
    "total_amount": "0.10",
    "trade_no": "2",
    "sign": "a+b",
}


def only(content: bytes) -> bytes | dict[str, str]:
    (capture,) = read_captures(content)
    assert capture.place == ""
    return capture.payload


def har(*requests: dict[str, Any]) -> bytes:
    return json.dumps({"log": {"entries": [{"request": request} for request in requests]}}).encode()


@pytest.mark.parametrize(
    "content",
    [
        FORM,
        FORM + b"\r\n",
        b"\xef\xbb\xbf" + FORM,
        FORM.decode().encode("utf-16"),
        b"'" + FORM + b"'\n",
        b"?" + FORM,
        FORM.replace(b"&", b"\n&", 2),
        b"https://shop.example/alipay/return?" + FORM,
        b"https://shop.example/alipay/return?" + FORM + b"#top",
        b"/alipay/return?" + FORM,
        b"GET /alipay/return?" + FORM + b" HTTP/1.1\r\nHost: shop.example\r\n\r\n",
        b"POST /alipay/notify HTTP/1.1\r\nHost: shop.example\r\n\r\n" + FORM,
        b"POST /alipay/notify?x=1 HTTP/1.0\nHost: shop.example\n\n" + FORM + b"\n",
        b"POST / HTTP/1.1\r\n\r\n" + FORM + b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\nsuccess",
    ],
)
def test_the_bytes_of_a_form_are_found(content: bytes) -> None:
    assert only(content) == FORM


@pytest.mark.parametrize(
    "content",
    [
        b"> POST /notify HTTP/1.1\r\n> Host: x\r\n>\r\n} [73 bytes data]\r\n"
        + FORM
        + b"\r\n* upload completely sent off\r\n< HTTP/1.1 200 OK\r\n< \r\nsuccess",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"
        + FORM[:5]
        + b"\r\n%x;x=y\r\n" % len(FORM[5:])
        + FORM[5:]
        + b"\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%bnoise" % (len(FORM), FORM),
        b"curl -X POST https://shop.example/notify -H 'A: b' --data-raw '" + FORM + b"'",
        b"curl 'https://shop.example/return?" + FORM + b"'",
        b'"' + FORM + b'"',
        repr(FORM).encode(),
        b'1.2.3.4 - - [31/Jan/2026] "GET /return?' + FORM + b' HTTP/1.1" 200 5 "-" "Mozilla"',
        b"2026-01-31 12:00:05 INFO notified with " + FORM,
        b"2026-01-31 12:00:05 INFO body=" + FORM,
        b"body=" + FORM,
    ],
    ids=itertools.count(),
)
def test_a_form_is_found_within_what_shows_it(content: bytes) -> None:
    assert only(content) == FORM


def test_packets_printed_by_tcpdump_are_joined() -> None:
    header = b"E...D.@.@..l..........J7.\n.[..$....@......."
    head = b"POST /notify HTTP/1.1\nContent-Length: %d\n\n" % len(FORM)
    packets = (("a", head, 3), ("b", b"", 0), ("a", FORM[:20], 0), ("a", FORM[20:], 0))
    ports = {"a": b"10.0.0.1.5 > 10.0.0.2.80", "b": b"10.0.0.2.80 > 10.0.0.1.5"}
    printed = b"".join(
        b"12:55:16.762455 IP %b: Flags [P.], seq 1:2, options [TS val 1], length %d: HTTP\n%b%b\n"
        % (ports[way], len(text) + dropped, header, text)
        for way, text, dropped in packets
    )
    assert only(printed) == FORM


def test_several_requests_are_several_payloads() -> None:
    one = b"POST / HTTP/1.1\r\n\r\n" + FORM + b"\r\n"
    assert [capture.place for capture in read_captures(one * 2)] == ["request 1", "request 2"]


TRICKY = {**PARAMS, "subject": '茶 "it\'s" 100%', "body": "", "fund": '[{"amount":"1"}]'}


def php(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@pytest.mark.parametrize(
    "dump",
    [
        repr(TRICKY),
        pprint.pformat(TRICKY, width=20),
        f"2026-01-31 [INFO] notified: {TRICKY!r} (3 ms)",
        repr(ImmutableMultiDict(TRICKY)),
        repr(CombinedMultiDict([ImmutableMultiDict(TRICKY)])),
        f"request.form = {ImmutableMultiDict(TRICKY)!r}",
        repr(OrderedDict(TRICKY)),
        repr(list(TRICKY.items())),
        f"<QueryDict: { ({name: [text] for name, text in TRICKY.items()})!r}>",
        "Array\n(\n" + "".join(f"    [{n}] => {t}\n" for n, t in TRICKY.items()) + ")\n",
        f"array({len(TRICKY)}) {{\n"
        + "".join(f'  ["{n}"]=>\n  string({len(t.encode())}) "{t}"\n' for n, t in TRICKY.items())
        + "}\n",
        "array (\n" + "".join(f"  '{n}' => {php(t)},\n" for n, t in TRICKY.items()) + ")",
        "$_POST = [" + ", ".join(f"'{n}' => {php(t)}" for n, t in TRICKY.items()) + "];",
        "{" + ", ".join(f"{n}={t}" for n, t in TRICKY.items()) + "}",
    ],
    ids=itertools.count(),
)
def test_a_printed_map_is_read(dump: str) -> None:
    assert only(dump.encode()) == TRICKY
    assert only(dump.encode("utf-16")) == TRICKY


def test_a_dump_in_gbk_is_read() -> None:
    assert only("Array\n(\n    [subject] => 茶\n    [sign] => x\n)\n".encode("gbk")) == {
        "subject": "茶",
        "sign": "x",
    }


def test_numbers_in_a_printed_map_stay_text() -> None:
    assert only(b"{'total_amount': 0.10, 'fee': Decimal('1.00'), 'body': None}") == {
        "total_amount": "0.10",
        "fee": "1.00",
        "body": "",
    }


def test_an_unknown_escape_is_kept() -> None:
    assert only(rb"{'url': 'https:\/\/shop.example', 'sign': 'x'}") == {
        "url": r"https:\/\/shop.example",
        "sign": "x",
    }
    assert only(rb"b'a=1\&sign=x'") == rb"a=1\&sign=x"


def test_lists_in_a_plain_dict_stay_lists() -> None:
    assert only(b"{'a': ['1'], 'sign': ['x']}") == {"a": "['1']", "sign": "['x']"}
    assert only(b'{"a": ["1"], "sign": ["x"]}') == {"a": '["1"]', "sign": '["x"]'}


def test_both_values_of_a_repeated_name_are_kept() -> None:
    dump = b"ImmutableMultiDict([('body', '1'), ('body', '2'), ('sign', 'x')])"
    assert only(dump) == b"body=1&body=2&sign=x"


@pytest.mark.parametrize(
    "content",
    [
        b"{" + b"a" * 250_000,
        b"<QueryDict: {" * 15_000,
        b"a=b " * 60_000,
        b"'" * 200_000 + b"=>",
        b"string(99999999) => " * 9_000,
        b"> POST / HTTP/1.1\n" * 20_000,
        b"12:00:00.1 IP a > b: length 9\n" * 20_000,
    ],
    ids=itertools.count(),
)
def test_text_that_only_resembles_a_printed_map_is_rejected(content: bytes) -> None:
    with pytest.raises(UnreadablePayload):
        read_captures(content)


def test_bytes_that_are_not_utf8_stay_as_they_are() -> None:
    content = "subject=茶&sign=x".encode("gbk")
    assert only(b"POST / HTTP/1.1\r\n\r\n" + content) == content


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(PARAMS).encode(),
        json.dumps(PARAMS, ensure_ascii=False, indent=1).encode(),
        json.dumps(PARAMS, ensure_ascii=False).encode("gbk"),
        json.dumps({"params": PARAMS, "valid": True}).encode(),
        json.dumps({"params": {**PARAMS, "sign": "a+b"}, "sign": "older"}).encode(),
    ],
)
def test_a_json_object_is_parameters(content: bytes) -> None:
    assert only(content) == PARAMS


def test_a_sign_beside_the_parameters_is_included() -> None:
    assert only(b'{"params": {"a": "1"}, "sign": "x", "name": "n"}') == {"a": "1", "sign": "x"}


def test_numbers_in_json_stay_text() -> None:
    payload = only(
        b'{"total_amount": 0.10, "trade_no": 2026013122001499160501586202, "body": null}'
    )
    assert payload == {
        "total_amount": "0.10",
        "trade_no": "2026013122001499160501586202",
        "body": "",
    }


def test_a_json_list_is_several_payloads() -> None:
    captures = read_captures(b'[{"a": "1"}, {"b": "2"}]')
    assert [(capture.payload, capture.place) for capture in captures] == [
        ({"a": "1"}, "item 1"),
        ({"b": "2"}, "item 2"),
    ]


def test_a_log_with_one_body_on_each_line_is_several_payloads() -> None:
    captures = read_captures(FORM + b"\n\nhttps://shop.example/return?" + FORM + b"\n")
    assert [(capture.payload, capture.place) for capture in captures] == [
        (FORM, "line 1"),
        (FORM, "line 2"),
    ]


def test_alipays_entries_of_a_har_file_are_read() -> None:
    captures = read_captures(
        har(
            {"method": "GET", "url": "https://shop.example/style.css?v=1"},
            {"method": "GET", "url": f"https://shop.example/return?{FORM.decode()}"},
            {"method": "GET", "url": "https://openapi.alipay.com/gateway.do?app_id=1&sign=x"},
            {
                "method": "POST",
                "url": "https://shop.example/notify",
                "postData": {"text": FORM.decode()},
            },
            {
                "method": "POST",
                "url": "https://shop.example/notify",
                "postData": {
                    "encoding": "base64",
                    "text": base64.b64encode(FORM).decode(),
                },
            },
            {
                "method": "POST",
                "url": "https://shop.example/notify",
                "postData": {
                    "params": [{"name": name, "value": text} for name, text in PARAMS.items()]
                },
            },
        )
    )
    assert [(capture.payload, capture.place) for capture in captures] == [
        (FORM, "entry 2"),
        (FORM, "entry 4"),
        (FORM, "entry 5"),
        (PARAMS, "entry 6"),
    ]


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b"", "empty"),
        (b" \r\n\t", "empty"),
        (b"hello", "neither"),
        (b"success", "neither"),
        (b"A=1\nB=2\n", "neither"),
        (b"\xff\xfe\x00", "binary"),
        (b"\x89PNG\r\n\x1a\n\0\0\0=\0", "binary"),
        (b"a" * 10_000_000, "neither"),
        (b"a=" + b"b" * 100_000, "larger than 64 KiB"),
        (json.dumps({"a": "b" * 100_000}).encode(), "larger than 64 KiB"),
        (b" " * (MAX_BYTES + 1), "larger than 64 MiB"),
        (b"{", "begins like JSON"),
        (b"[" * 100_000, "begins like JSON"),
        (b"[]", "list"),
        (b"[1]", "list"),
        (b'{"a": [{"b": "1"}]}', "'a' is a list"),
        (b"\xd4\xc3\xb2\xa1\0\0", "tcpdump -A"),
        (b"curl https://shop.example/", "without --data"),
        (b'{"a": {"b": "1"}}', "'a' is an object"),
        (b'{"a": true}', "'a' is true or false"),
        (b'{"a": "1", "a": "2"}', "repeats a name"),
        (b"\x81{", "neither"),
        (b'{"a": "\x81"}', "begins like JSON"),
        (b"POST / HTTP/1.1\r\nHost: x", "has no parameters"),
        (b"GET / HTTP/1.1\r\n\r\n", "has no parameters"),
        (har({"method": "GET", "url": "https://shop.example/"}), "HAR"),
        (b'{"log": {"entries": 5}}', "HAR"),
        (b'{"log": {"entries": [5, {"request": 5}, {"request": {"postData": 5}}]}}', "HAR"),
    ],
    ids=itertools.count(),
)
def test_other_content_than_a_payload_is_explained(content: bytes, finding: str) -> None:
    with pytest.raises(UnreadablePayload, match=finding):
        read_captures(content)


@given(
    content=st.one_of(
        st.binary(),
        st.text().map(str.encode),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(lambda document: json.dumps(document).encode()),
        st.binary().map(lambda rest: b"POST / HTTP/1.1\r\n" + rest),
        st.text().map(lambda rest: ("{'a': " + rest).encode()),
        st.text("[]()=>'\"\\ \nab1,").map(str.encode),
    )
)
def test_any_content_is_read_or_rejected(content: bytes) -> None:
    with contextlib.suppress(UnreadablePayload):
        assert read_captures(content)
