"""Alipay's charsets: every character of its GBK survives, and no other is sent in it."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import InvalidParameter
from flask_alipay.protocol.charsets import (
    canonical_charset,
    check_encodable,
    decode,
    encode,
    percent_decode,
    percent_encode,
    request_charset,
)
from flask_alipay.protocol.notification import verified_params
from flask_alipay.protocol.signed_request import sign_request
from flask_alipay.signer import Md5Signer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

GBK_NAMES = ["gbk", "GBK", "GB2312", "gb18030", "x-gbk", "X-GBK"]
TRAILS = [*range(0x40, 0x7F), *range(0x80, 0xFF)]
#: All two-byte characters of Alipay's GBK.
ALL = [bytes((lead, trail)) for lead in range(0x81, 0xFF) for trail in TRAILS]
SIGNER = Md5Signer("0123456789abcdef0123456789abcdef")
GATEWAY = "https://gateway.invalid/gateway.do"


@pytest.mark.parametrize("charset", GBK_NAMES)
def test_all_characters_of_gbk_are_decoded_and_encoded_to_the_same_bytes(charset: str) -> None:
    assert len(ALL) == 23_940
    for code in ALL:
        text = decode(code, charset)
        assert len(text) == 1
        assert encode(text, charset) == code
    assert encode(decode(b"".join(ALL), charset), charset) == b"".join(ALL)


@pytest.mark.parametrize("charset", GBK_NAMES)
def test_a_notification_with_any_character_of_gbk_verifies_over_its_bytes(charset: str) -> None:
    for start in range(0, len(ALL), 2000):
        subject = b"".join(ALL[start : start + 2000])
        signed = b"charset=" + charset.encode() + b"&out_trade_no=1&subject=" + subject
        sign = SIGNER.sign(signed)
        quoted = "".join(f"%{byte:02X}" for byte in subject)
        body = f"charset={charset}&out_trade_no=1&subject={quoted}&sign_type=MD5&sign={sign}"
        assert encode(verified_params(body.encode(), SIGNER)["subject"], charset) == subject


@pytest.mark.parametrize(
    ("text", "code"), [("€", b"\xa2\xe3"), ("䶮", b"\xfe\x9f"), ("茶", b"\xb2\xe8"), ("a", b"a")]
)
def test_the_euro_sign_and_rare_names_are_written_as_alipay_reads_them(
    text: str, code: bytes
) -> None:
    assert encode(text, "gbk") == code
    assert decode(code, "gbk") == text


@pytest.mark.parametrize("text", ["🍵", "Ä", "한", "\ue863", "\ud800"])
def test_a_character_that_gbk_lacks_is_rejected_by_name(text: str) -> None:
    with pytest.raises(
        InvalidParameter, match=r"^subject has a character .* gbk .*: U\+"
    ) as caught:
        check_encodable("subject", f"茶{text}", "gbk")
    assert caught.value.parameter == "subject"
    assert f"U+{ord(text):04X}" in str(caught.value)
    assert str(caught.value).isascii()


def test_gb18030_has_every_character() -> None:
    assert decode(encode("🍵Ä茶", "gb18030"), "gb18030") == "🍵Ä茶"


@pytest.mark.parametrize("data", [b"\x80", b"\xff", b"\xa2", b"\x819", encode("🍵", "gb18030")])
def test_bytes_that_are_no_gbk_are_rejected(data: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        decode(b"a" + data, "gbk")


@pytest.mark.parametrize("charset", ["gbk", "gb18030", "utf-8"])
def test_a_character_that_a_charset_lacks_can_become_a_query_mark(charset: str) -> None:
    assert decode(encode("茶\ud800€", charset, "replace"), charset) == "茶?€"


def test_several_missing_characters_become_as_many_question_marks() -> None:
    assert encode("Ä茶🍵a", "gbk", "replace") == b"?\xb2\xe8?a"


@given(st.binary(max_size=40), st.sampled_from(["utf-8", *GBK_NAMES]))
def test_decoded_bytes_are_encoded_to_the_same_bytes(data: bytes, charset: str) -> None:
    try:
        text = decode(data, charset)
    except UnicodeDecodeError:
        return
    assert encode(text, charset) == data
    assert percent_decode(percent_encode(text, charset).encode()) == data


@pytest.mark.parametrize(
    ("given", "canonical", "sent"),
    [
        ("UTF8", "utf-8", "utf8"),
        ("GBK", "gbk", "gbk"),
        ("x-gbk", "gbk", "gbk"),
        ("GB2312", "gbk", "gb2312"),
        ("gb18030", "gb18030", "gb18030"),
    ],
)
def test_a_charset_has_one_name_for_each_use(given: str, canonical: str, sent: str) -> None:
    assert canonical_charset(given) == canonical
    assert request_charset(given) == sent


@pytest.mark.parametrize("charset", ["", "latin-1", "utf-7", "gbk2", "idna"])
def test_another_charset_is_rejected(charset: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^charset must be"):
        canonical_charset(charset)


@pytest.mark.browser
def test_a_browser_sends_every_character_of_gbk_as_it_was_signed(browser: Browser) -> None:
    posted: list[bytes] = []

    def gateway(route: Route) -> None:
        posted.append(route.request.post_data_buffer or b"")
        route.fulfill(status=200, content_type="text/html", body="ok")

    subject = decode(b"".join(ALL), "gbk")
    values = {"_input_charset": "gbk", "subject": subject}
    form = sign_request(GATEWAY, values, SIGNER, charset="gbk", exclude=("sign",)).form()
    page = browser.new_page()
    try:
        page.route(f"{GATEWAY}*", gateway)
        page.set_content(form)
        page.wait_for_url(f"{GATEWAY}*")
    finally:
        page.close()
    [body] = posted
    fields = (field.partition(b"=") for field in body.split(b"&"))
    sent = {name: value for name, _, value in fields}
    assert percent_decode(sent[b"subject"]) == encode(subject, "gbk")


@pytest.mark.parametrize(
    "field",
    [b"%", b"%4", b"%%41", b"%4%41", b"%zz%E4%bd%A0", b"a+%2B", b"%25%32%35", b"%0g"],
)
def test_an_escape_is_undone_once_and_a_stray_percent_sign_stays(field: bytes) -> None:
    assert percent_decode(field) == unquote_to_bytes(field.replace(b"+", b" "))


def test_every_escape_is_undone_in_both_cases() -> None:
    data = bytes(range(256))
    for digits in (data.hex(), data.hex().upper()):
        field = "".join(f"%{digits[at : at + 2]}" for at in range(0, 512, 2))
        assert percent_decode(field.encode()) == data


def test_stray_percent_signs_are_not_cut_apart() -> None:
    field = b"%" * (512 * 1024)
    tracemalloc.start()
    try:
        assert percent_decode(field) == field
        assert tracemalloc.get_traced_memory()[1] < 3 * len(field)
    finally:
        tracemalloc.stop()
