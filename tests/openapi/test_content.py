"""``biz_content``: written once, and nothing in it that JSON does not have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_alipay.exceptions import InvalidParameter
from flask_alipay.openapi.content import biz_content


def test_the_content_is_written_without_spaces_once() -> None:
    assert (
        biz_content({"a": "茶", "b": [1, {"c": None}]}, "UTF-8") == '{"a":"茶","b":[1,{"c":null}]}'
    )


@pytest.mark.parametrize("charset", ["gbk", "GB2312", "gb18030"])
def test_outside_utf8_every_charset_can_carry_it(charset: str) -> None:
    written = biz_content({"a": "茶🍵"}, charset)
    assert written.isascii()
    assert json.loads(written) == {"a": "茶🍵"}


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", float("nan"), float("inf")])
def test_what_json_does_not_have_is_refused(value: object) -> None:
    with pytest.raises(InvalidParameter, match=r"^biz_content "):
        biz_content({"a": value}, "utf-8")


def test_what_holds_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(InvalidParameter, match=r"^biz_content "):
        biz_content({"a": circle}, "utf-8")
