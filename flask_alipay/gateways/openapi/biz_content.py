"""Validation of a method's fields, and their encoding as the signed text ``biz_content``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from ...exceptions import InvalidParameter
from ...protocol.charsets import check_encodable
from ...protocol.conversion import format_china_time
from ...protocol.validation import check_no_embedded_field, pattern

#: Like :data:`~flask_alipay.protocol.validation.Validator`, but the result may be any JSON value.
ContentField: TypeAlias = Callable[[str, Any, str], Any]

#: The merchant's number of an existing order or refund; other software numbers with hyphens.
number = pattern(r"[A-Za-z0-9_\-]{1,64}", "1 to 64 letters, digits or one of _ -")
#: Alipay's trade number.
trade_no = pattern(r"[0-9]{16,64}", "Alipay's number of a trade, 16 to 64 digits")
#: An account's number.
account = pattern(r"[0-9]{16}", "an account number of 16 digits, like 2088…")


# Shared: json.dumps would create an encoder for each request.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def china_datetime(name: str, value: Any, charset: str) -> str:
    """Aware ``datetime``, or China time like ``2026-01-31 23:59:59``."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidParameter(name, "must be an aware datetime, with a time zone")
        return format_china_time(value)
    return pattern(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", "like 2026-01-31 23:59:59"
    )(name, value, charset)


def object_field(
    table: Mapping[str, ContentField], *, required: Sequence[str] = (), one_of: Sequence[str] = ()
) -> ContentField:
    """Return a validator of an object with fields; messages name ``payee_info.name``.

    The parameters are those of :func:`validate_fields`.
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
    """Return a validator of a list of objects; messages name ``royalty_parameters[0].amount``.

    The parameters are those of :func:`validate_fields`.
    """
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
    """Validate the fields of a method. ``None`` means that a field is not given.

    :param table: the fields with validators; other fields are passed through unchanged.
    :param values: the caller's values.
    :param charset: the request's charset.
    :param required: required fields.
    :param one_of: fields of which at least one is required.
    :param within: prefix of the names in messages: ``payee_info.``.
    :raises InvalidParameter: names the invalid field.
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

    :raises InvalidParameter: if JSON cannot represent a value, or if the named field has a
        character that the charset lacks.
    """
    try:
        text = _ENCODER.encode(content)
    except (TypeError, ValueError, RecursionError):
        raise InvalidParameter(
            "biz_content", "contains a value that JSON cannot represent"
        ) from None
    try:
        check_encodable("biz_content", text, charset)
    except InvalidParameter:
        _check_encodable("", content, charset)
        raise
    return text


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
    """Pass a field without a validator through, unless it embeds another field."""
    if isinstance(value, str):
        check_no_embedded_field(name, value)
    return value
