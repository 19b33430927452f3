"""``biz_content``: the fields of a method, checked, and written as the one text that is signed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..china_time import to_china
from ..exceptions import InvalidParameter
from ..fields import Field, pattern
from ..limits import HIDDEN_FIELD

#: The shop's number of an order or a refund that exists: others' orders are numbered with hyphens.
number = pattern(r"[A-Za-z0-9_\-]{1,64}", "1 to 64 letters, digits or one of _ -")
#: Alipay's number of a trade.
trade_no = pattern(r"[0-9]{16,64}", "Alipay's number of a trade, 16 to 64 digits")
#: An account's number.
account = pattern(r"[0-9]{16}", "an account number of 16 digits, like 2088…")


def moment(name: str, value: Any, charset: str) -> str:
    """An aware ``datetime``, or Alipay's own text of China time."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidParameter(name, "must be an aware datetime: say in which zone it is")
        return to_china(value)
    return pattern(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", "like 2026-01-31 23:59:59"
    )(name, value, charset)


def checked(
    table: Mapping[str, Field],
    values: Mapping[str, Any],
    charset: str,
    *,
    required: Sequence[str] = (),
    one_of: Sequence[str] = (),
) -> dict[str, Any]:
    """Checks the fields of a method. ``None`` is one that was not given.

    :param table: the fields that have a limit; others are passed through as they are.
    :param values: what the caller gave.
    :param charset: the request's charset.
    :param required: the fields that have to be there.
    :param one_of: those of which one has to be there.
    :raises InvalidParameter: names the field at fault.
    :raises TypeError: for a ``float`` amount.
    """
    given = {name: value for name, value in values.items() if value is not None}
    for name in required:
        if name not in given:
            raise InvalidParameter(name, "is required")
    if one_of and given.keys().isdisjoint(one_of):
        raise InvalidParameter(one_of[0], f"or {' or '.join(one_of[1:])} is required")
    return {
        name: table[name](name, value, charset) if name in table else _unknown(name, value)
        for name, value in given.items()
    }


def biz_content(content: Mapping[str, Any], charset: str) -> str:
    r"""Writes ``biz_content`` once: the same text is signed and sent.

    Outside UTF-8 other characters are written as ``\u…``, which every charset can carry.

    :raises InvalidParameter: if it holds something that JSON does not have.
    """
    try:
        return json.dumps(
            content,
            ensure_ascii=charset.lower() not in ("utf-8", "utf8"),
            allow_nan=False,
            separators=(",", ":"),
        )
    except (TypeError, ValueError):
        raise InvalidParameter("biz_content", "holds something that JSON does not have") from None


def _unknown(name: str, value: Any) -> Any:
    """A field that is not in the table is passed on, but none may hide another."""
    if isinstance(value, str) and HIDDEN_FIELD.search(value):
        raise InvalidParameter(name, "must not hold what looks like another field (&name=)")
    return value
