"""Parsing of ``biz_content`` and its fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...exceptions import InvalidParameter
from ...protocol.validation import check_text
from ..replies import ApiError


def read_content(text: str) -> dict[str, Any]:
    """Return the fields; numbers as they were written, so that no amount is rounded.

    :raises InvalidParameter: if it is missing.
    :raises ApiError: if it is not a JSON object.
    """
    if not text:
        raise InvalidParameter("biz_content", "is required")
    try:
        content = json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise ApiError("isv.illegal-json") from None
    if not isinstance(content, dict):
        raise ApiError("isv.illegal-json")
    return content


def texts(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields that are texts and not empty."""
    return {name: value for name, value in content.items() if isinstance(value, str) and value}


def text(content: Mapping[str, Any], name: str, max_length: int, charset: str) -> str:
    """Return a text, empty if it was not given.

    :param max_length: maximum number of characters.
    :raises InvalidParameter: if it is something else, too long, or cannot be repeated.
    """
    value = content.get(name)
    if value is None or value == "":
        return ""
    check_text(name, value, max_length=max_length)
    # JSON can spell characters that the charset does not have; they could not be sent back.
    check_text(name, value, max_length=4 * max_length, charset=charset)
    return str(value)


def required(content: Mapping[str, Any], name: str, max_length: int, charset: str) -> str:
    """Return a required text, with the exceptions of :func:`text`.

    :raises InvalidParameter: also if it was not given.
    """
    value = text(content, name, max_length, charset)
    if not value:
        raise InvalidParameter(name, "is required, as a text")
    return value


def names(content: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of names, for example ``query_options``; other values are skipped."""
    value = content.get(name)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _no_number(text: str) -> str:
    raise ValueError("NaN and Infinity are not JSON")
