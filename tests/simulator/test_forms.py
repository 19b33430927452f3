from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import InvalidParameter
from flask_alipay.simulator.web.forms import InvalidForm, RawForm, encode_form, with_query


def test_query_and_form_are_merged():
    form = RawForm(b"charset=utf-8&a=1", b"b=%E8%8C%B6&c=x+y%2B")
    assert form.decode("utf-8") == {"charset": "utf-8", "a": "1", "b": "茶", "c": "x y+"}


def test_gbk_is_read_as_gbk():
    assert RawForm(b"subject=%B2%E8").decode("GBK") == {"subject": "茶"}


def test_the_charset_may_stand_in_both_query_and_form():
    assert RawForm(b"charset=gbk", b"charset=gbk").ascii_value("charset") == "gbk"


def test_two_values_of_one_parameter_are_rejected():
    with pytest.raises(InvalidForm, match="twice"):
        RawForm(b"total_fee=1", b"total_fee=2")


def test_too_many_parameters_are_rejected():
    with pytest.raises(InvalidForm, match="more than"):
        RawForm(b"&".join(b"%d=1" % number for number in range(201)))


def test_bytes_that_are_not_text_in_the_charset_are_rejected():
    with pytest.raises(InvalidForm, match="not text"):
        RawForm(b"subject=%B2%E8").decode("utf-8")


def test_a_nul_is_rejected():
    with pytest.raises(InvalidForm, match="NUL"):
        RawForm(b"subject=a%00").decode("utf-8")


@pytest.mark.parametrize("charset", ["", "utf-7", "../x", "idna", "rot13", "é"])
def test_a_charset_that_alipay_does_not_have_is_rejected(charset):
    with pytest.raises(InvalidParameter, match="charset"):
        RawForm(b"a=1").decode(charset)


def test_a_word_that_is_not_there_is_none():
    assert RawForm(b"a=%ff").ascii_value("b") is None
    assert RawForm(b"a=%ff").ascii_value("a") == "\N{REPLACEMENT CHARACTER}"


@given(st.binary(max_size=300), st.binary(max_size=300), st.sampled_from(["utf-8", "gbk"]))
def test_any_bytes_are_a_form_or_rejected(query, body, charset):
    with contextlib.suppress(InvalidForm):
        RawForm(query, body).decode(charset)


@given(
    st.dictionaries(
        st.text(min_size=1), st.text().filter(lambda text: "\0" not in text), max_size=8
    ).filter(lambda params: all("\0" not in name for name in params))
)
def test_what_is_encoded_is_read_again(params):
    try:
        encoded = encode_form(params, "utf-8")
    except UnicodeEncodeError:
        return
    assert RawForm(encoded.encode("ascii")).decode("utf-8") == params


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://shop.example/back", "https://shop.example/back?a=1"),
        ("https://shop.example/back?x=2", "https://shop.example/back?x=2&a=1"),
        ("https://shop.example/back#top", "https://shop.example/back?a=1#top"),
        ("https://shop.example", "https://shop.example?a=1"),
    ],
)
def test_a_query_is_added_to_what_the_url_has(url, expected):
    assert with_query(url, "a=1") == expected
