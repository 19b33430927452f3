from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.simulator.web.forms import InvalidForm, RawForm
from flask_alipay.simulator.web.multipart import parse_multipart


def parts(*fields, boundary="b", head='Content-Disposition: form-data; name="{}"'):
    notified = [head.format(name).encode() + b"\r\n\r\n" + text + b"\r\n" for name, text in fields]
    line = f"--{boundary}".encode()
    return b"".join(line + b"\r\n" + part for part in notified) + line + b"--\r\n"


def test_parts_are_the_fields_of_a_form():
    body = parts(("subject", "茶 + 1%&=".encode()), ("biz_content", b'{\r\n"a":"\r\n"}'))
    form = RawForm(b"charset=utf-8", parse_multipart(body, "b").form)
    assert form.decode("utf-8") == {
        "charset": "utf-8",
        "subject": "茶 + 1%&=",
        "biz_content": '{\r\n"a":"\r\n"}',
    }


def test_parts_are_in_the_charset_of_the_request():
    body = parse_multipart(parts(("subject", "茶".encode("gbk"))), "b").form
    assert RawForm(b"", body).decode("gbk") == {"subject": "茶"}


def test_parts_as_the_java_library_writes_them_are_read():
    """A line in front of the first, no space behind colons, a type for each."""
    head = 'Content-Disposition:form-data;name="{}"\r\nContent-Type:text/plain'
    body = b"\r\n" + parts(("a", b"1"), ("b", b""), boundary="1700000000000", head=head)
    assert parse_multipart(body, "1700000000000").form == b"a=1&b="


def test_files_are_no_fields_as_they_are_not_signed():
    file = parts(("f", b"PNG"), head='Content-Disposition: form-data; name="{}"; filename="x.png"')
    body = parts(("a", b"1")).removesuffix(b"--b--\r\n") + file
    parsed = parse_multipart(body, "b")
    assert parsed.form == b"a=1"
    assert parsed.files == {"f": b"PNG"}


def test_a_part_that_is_given_twice_is_in_the_form_twice():
    with pytest.raises(InvalidForm, match="twice"):
        RawForm(b"", parse_multipart(parts(("a", b"1"), ("a", b"2")), "b").form)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"a=1",
        parts(("a", b"1"))[:-9],
        parts(("a", b"1"), boundary="c"),
        parts(("a", b"1"), head="X: {}"),
        parts(("a", b"1")).replace(b'"a"', b'"\xff"'),
        parts(*[(str(number), b"1") for number in range(501)]),
    ],
    ids=["nothing", "form", "cut off", "boundary", "nameless", "bytes", "many"],
)
def test_an_invalid_multipart_form_is_rejected(body):
    with pytest.raises(InvalidForm):
        parse_multipart(body, "b")


def test_parts_without_a_boundary_are_rejected():
    with pytest.raises(InvalidForm, match="boundary"):
        parse_multipart(parts(("a", b"1")), "")


@given(
    st.lists(
        st.sampled_from(
            [
                b"--b\r\n",
                b"\r\n--b\r\n",
                b"\r\n--b--\r\n",
                b'Content-Disposition: form-data; name="a"',
                b"Content-Disposition: form-data",
                b'; filename="x"',
                b"\r\n\r\n",
                b"\xff",
            ]
        )
    )
)
def test_any_bytes_are_parts_or_rejected(pieces):
    with contextlib.suppress(InvalidForm):
        parse_multipart(b"".join(pieces), "b")
