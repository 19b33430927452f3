"""``biz_content``: the fields of a method, checked, and written as the one text that is signed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from ...exceptions import InvalidParameter
from ...protocol.charsets import check_encodable
from ...protocol.china_time import format_china_time
from ...protocol.limits import check_no_embedded_field
from ...protocol.validation import pattern

#: As a :data:`~flask_alipay.protocol.validation.Field`, but what it returns may be more than a
#: text.
ContentField: TypeAlias = Callable[[str, Any, str], Any]

#: The shop's number of an order or a refund that exists: others' orders are numbered with hyphens.
number = pattern(r"[A-Za-z0-9_\-]{1,64}", "1 to 64 letters, digits or one of _ -")
#: Alipay's number of a trade.
trade_no = pattern(r"[0-9]{16,64}", "Alipay's number of a trade, 16 to 64 digits")
#: An account's number.
account = pattern(r"[0-9]{16}", "an account number of 16 digits, like 2088…")


# Made once: json.dumps would make one for each request.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def china_datetime(name: str, value: Any, charset: str) -> str:
    """Aware ``datetime``, or China time like ``2026-01-31 23:59:59``."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidParameter(name, "must be an aware datetime: say in which zone it is")
        return format_china_time(value)
    return pattern(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", "like 2026-01-31 23:59:59"
    )(name, value, charset)


def object_field(
    table: Mapping[str, ContentField], *, required: Sequence[str] = (), one_of: Sequence[str] = ()
) -> ContentField:
    """A field that has fields of its own; they are blamed as ``payee_info.name``.

    Takes what :func:`checked` takes.
    """

    def field(name: str, value: Any, charset: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise InvalidParameter(name, "must be a mapping of names to values")
        return validate_fields(
            table, value, charset, required=required, one_of=one_of, within=f"{name}."
        )

    field.__doc__ = f"Mapping with {', '.join(f'``{name}``' for name in table)}."
    return field


def list_field(
    table: Mapping[str, ContentField], *, required: Sequence[str] = (), one_of: Sequence[str] = ()
) -> ContentField:
    """A list of what :func:`single` is one of; blamed as ``royalty_parameters[0].amount``."""
    one = object_field(table, required=required, one_of=one_of)

    def field(name: str, value: Any, charset: str) -> list[Any]:
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
            raise InvalidParameter(name, "must be a list of mappings")
        return [one(f"{name}[{number}]", item, charset) for number, item in enumerate(value)]

    field.__doc__ = f"List of mappings with {', '.join(f'``{name}``' for name in table)}."
    return field


def validate_fields(
    table: Mapping[str, ContentField],
    values: Mapping[str, Any],
    charset: str,
    *,
    required: Sequence[str] = (),
    one_of: Sequence[str] = (),
    within: str = "",
) -> dict[str, Any]:
    """Checks the fields of a method. ``None`` is one that was not given.

    :param table: the fields that have a limit; others are passed through as they are.
    :param values: what the caller gave.
    :param charset: the request's charset.
    :param required: the fields that have to be there.
    :param one_of: those of which one has to be there.
    :param within: what stands before their names in a message: ``payee_info.``.
    :raises InvalidParameter: names the field at fault.
    :raises TypeError: for a ``float`` amount.
    """
    given = {name: value for name, value in values.items() if value is not None}
    for name in required:
        if name not in given:
            raise InvalidParameter(f"{within}{name}", "is required")
    if one_of and given.keys().isdisjoint(one_of):
        raise InvalidParameter(f"{within}{one_of[0]}", f"or {' or '.join(one_of[1:])} is required")
    return {
        name: table.get(name, _unknown)(f"{within}{name}", value, charset)
        for name, value in given.items()
    }


def biz_content(content: Mapping[str, Any], charset: str) -> str:
    r"""Write ``biz_content`` once: the same text is signed and sent.

    Characters are written as they are, never as ``\u…``: Alipay could read an escaped one that its
    GBK lacks, but its notification in GBK could not repeat it.

    :raises InvalidParameter: if it holds something that JSON does not have, or names a field with a
        character that the charset does not have.
    """
    try:
        written = _ENCODER.encode(content)
    except (TypeError, ValueError, RecursionError):
        raise InvalidParameter("biz_content", "holds something that JSON does not have") from None
    try:
        check_encodable("biz_content", written, charset)
    except InvalidParameter:
        _check_encodable("", content, charset)
        raise
    return written


def _check_encodable(name: str, value: Any, charset: str) -> None:
    """Check each text of JSON content, so that the message names its field."""
    if isinstance(value, str):
        check_encodable(name or "biz_content", value, charset)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _check_encodable(f"{name}.{key}" if name else str(key), inner, charset)
    elif isinstance(value, Sequence):
        for number, inner in enumerate(value):
            _check_encodable(f"{name}[{number}]", inner, charset)


def _unknown(name: str, value: Any, charset: str) -> Any:
    """A field that is not in the table is passed on, but none may hide another."""
    if isinstance(value, str):
        check_no_embedded_field(name, value)
    return value
