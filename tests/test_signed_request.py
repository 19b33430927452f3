"""Signed requests as URLs and as forms: exactly the signed values are sent."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import InvalidParameter
from flask_alipay.protocol import notification
from flask_alipay.protocol.charsets import python_codec
from flask_alipay.protocol.signed_request import SignedRequest, sign_request
from flask_alipay.signer import Md5Signer, sign_content

from .strategies import charsets, params

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

GATEWAY = "https://gateway.invalid/gateway.do"
SIGNER = Md5Signer("0123456789abcdef0123456789abcdef")
EXCLUDE = ("sign", "sign_type")


class Form(HTMLParser):
    """Form as a browser reads it.

    :param charset: of the request; decides how the posted bytes are decoded.
    """

    def __init__(self, markup: str, charset: str = "utf-8") -> None:
        super().__init__()
        self.charset = charset
        self.attributes: dict[str, str | None] = {}
        self.fields: dict[str, str | None] = {}
        self.elements: list[str] = []
        self.script: dict[str, str | None] = {}
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        attributes = dict(attrs)
        if tag == "form":
            self.attributes = attributes
        elif tag == "script":
            self.script = attributes
        elif tag == "input" and "name" in attributes:
            value = attributes["value"] or ""
            if self.attributes["accept-charset"] == "windows-1252":
                value = (
                    "".join(map(byte_of, value))
                    .encode("latin-1")
                    .decode(python_codec(self.charset))
                )
            self.fields[str(attributes["name"])] = value


def byte_of(character: str) -> str:
    """Return the byte that a browser posts for a character of windows-1252, as Latin-1."""
    try:
        return character.encode("cp1252").decode("latin-1")
    except UnicodeEncodeError:  # five bytes have no character of their own
        assert character in "\x81\x8d\x8f\x90\x9d"
        return character


def signed(values: dict[str, str], charset: str = "utf-8") -> SignedRequest:
    return sign_request(GATEWAY, values, SIGNER, charset=charset, exclude=EXCLUDE)


@given(data=st.data(), charset=charsets)
def test_the_url_carries_the_signed_parameters(data: st.DataObject, charset: str) -> None:
    values = data.draw(params(charset))
    request = signed(values, charset)
    query = urlsplit(request.url).query
    read = dict(
        parse_qsl(query, encoding=python_codec(charset), errors="strict", strict_parsing=True)
    )
    sign = read.pop("sign")
    assert read == {name: value for name, value in values.items() if value}
    assert SIGNER.verify(sign_content(read, charset=charset), sign)
    assert request.url.isascii()


@given(data=st.data(), charset=charsets)
def test_the_form_carries_the_signed_parameters(data: st.DataObject, charset: str) -> None:
    values = data.draw(params(charset))
    form = Form(signed(values, charset).form(), charset)
    sign = form.fields.pop("sign")
    assert form.fields == {name: value for name, value in values.items() if value}
    assert sign == SIGNER.sign(sign_content(values, charset=charset))
    assert form.elements == [
        "form",
        *["input"] * (len(form.fields) + 1),
        "noscript",
        "button",
        "script",
    ]


def test_the_signed_bytes_are_available() -> None:
    request = signed({"b": "中", "a": "1", "sign_type": "MD5"}, "gbk")
    assert request.content == b"a=1&b=\xd6\xd0"
    assert request.params == {
        "b": "中",
        "a": "1",
        "sign_type": "MD5",
        "sign": SIGNER.sign(request.content),
    }


def test_the_sign_type_is_signed_where_the_gateway_wants_it() -> None:
    values = {"a": "1", "sign_type": "RSA2"}
    request = sign_request(GATEWAY, values, SIGNER, charset="utf-8", exclude=("sign",))
    assert request.content == b"a=1&sign_type=RSA2"


def test_the_callers_parameters_are_not_changed() -> None:
    values = {"a": "1", "b": ""}
    signed(values)
    assert values == {"a": "1", "b": ""}


def test_a_space_is_percent_encoded() -> None:
    assert "subject=a%20b%2Bc" in signed({"subject": "a b+c"}).url


@pytest.mark.parametrize("name", ["charset", "_input_charset"])
def test_the_forms_action_names_the_charset(name: str) -> None:
    form = Form(signed({name: "GBK", "a": "1"}, "GBK").form())
    assert form.attributes["action"] == f"{GATEWAY}?{name}=GBK"
    assert form.attributes["accept-charset"] == "windows-1252"
    assert form.attributes["method"] == "post"


def test_the_form_has_the_given_target_and_nonce() -> None:
    request = signed({"a": "1"})
    form = Form(request.form(nonce="n0nce", target="_blank"))
    assert form.attributes["target"] == "_blank"
    assert form.script == {"nonce": "n0nce"}
    plain = Form(request.form())
    assert "target" not in plain.attributes
    assert plain.script == {}


def test_markup_in_a_value_stays_a_value() -> None:
    value = "\"><script>alert('1')</script>&amp;"
    form = Form(signed({"subject": value}).form(nonce='"><b>', target="'\">"))
    assert form.fields["subject"] == value
    assert form.elements.count("script") == 1
    assert form.script == {"nonce": '"><b>'}


def test_a_character_that_the_charset_lacks_is_not_sent_in_another_shape() -> None:
    with pytest.raises(InvalidParameter, match=r"^subject "):
        signed({"subject": "🍵"}, "gbk")


def test_a_request_shows_no_parameters() -> None:
    assert "secret-subject" not in repr(signed({"subject": "secret-subject"}))


@pytest.mark.browser
@pytest.mark.parametrize(("name", "charset"), [("charset", "utf-8"), ("_input_charset", "gbk")])
def test_a_browser_sends_the_form_as_it_was_signed(
    browser: Browser, name: str, charset: str
) -> None:
    values = {name: charset, "subject": '茶 + 1&2="3" <4> 100%', "body": "《中文》·—"}
    posted: list[bytes] = []

    def gateway(route: Route) -> None:
        posted.append(route.request.post_data_buffer or b"")
        route.fulfill(status=200, content_type="text/html", body="ok")

    page = browser.new_page()
    try:
        page.route(f"{GATEWAY}*", gateway)
        page.set_content(signed(values, charset).form())
        page.wait_for_url(f"{GATEWAY}?{name}={charset}")
    finally:
        page.close()
    [body] = posted
    assert {key: notification.verified_params(body, SIGNER)[key] for key in values} == values


@pytest.mark.browser
def test_a_browser_posts_every_character_of_gbk_as_it_was_signed(browser: Browser) -> None:
    """Includes the euro sign, private use and rare names."""
    leads = range(0x81, 0xFF)
    trails = [*range(0x40, 0x7F), *range(0x80, 0xFF)]
    texts = [bytes(byte for trail in trails for byte in (lead, trail)) for lead in leads]
    values = {f"v{number}": text.decode("gb18030") for number, text in enumerate(texts)}
    posted: list[bytes] = []

    def gateway(route: Route) -> None:
        posted.append(route.request.post_data_buffer or b"")
        route.fulfill(status=200, content_type="text/html", body="ok")

    page = browser.new_page()
    try:
        page.route(f"{GATEWAY}*", gateway)
        page.set_content(SignedRequest(GATEWAY, values, "gb18030", b"").form())
        page.wait_for_url(GATEWAY)
    finally:
        page.close()
    [body] = posted
    pairs = [pair.partition(b"=")[2].replace(b"+", b" ") for pair in body.split(b"&")]
    assert [unquote_to_bytes(value) for value in pairs] == texts
