"""``biz_content``: written once, and nothing in it that JSON does not have."""

from __future__ import annotations

from typing import Any

import pytest

from flask_alipay.exceptions import InvalidParameter
from flask_alipay.protocol.charsets import encode_json


def test_the_content_is_written_without_spaces_once() -> None:
    assert (
        encode_json({"a": "茶", "b": [1, {"c": None}]}, "UTF-8") == '{"a":"茶","b":[1,{"c":null}]}'
    )


@pytest.mark.parametrize("charset", ["gbk", "GB2312", "gb18030"])
def test_characters_are_not_escaped_in_any_charset(charset: str) -> None:
    assert encode_json({"a": "茶€䶮"}, charset) == '{"a":"茶€䶮"}'


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"subject": "🍵"}, "subject"),
        (
            {"goods_detail": [{"goods_name": "茶"}, {"goods_name": "🍵"}]},
            "goods_detail[1].goods_name",
        ),
        ({"🍵": "茶"}, "biz_content"),
    ],
)
def test_a_character_that_gbk_lacks_is_reported_for_its_field(
    content: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        encode_json(content, "GBK")
    assert caught.value.parameter == field
    assert "U+1F375 TEACUP WITHOUT HANDLE" in str(caught.value)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", float("nan"), float("inf")])
def test_a_value_that_json_cannot_represent_is_rejected(value: object) -> None:
    with pytest.raises(InvalidParameter, match=r"^biz_content "):
        encode_json({"a": value}, "utf-8")


def test_a_recursive_value_is_rejected() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(InvalidParameter, match=r"^biz_content "):
        encode_json({"a": circle}, "utf-8")
