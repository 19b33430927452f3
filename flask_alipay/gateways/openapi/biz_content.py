"""Validators of the fields of ``biz_content``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ...exceptions import InvalidParameter
from ...protocol.conversion import format_china_time
from ...protocol.validation import FieldValidator, pattern, validate_fields

#: The merchant's number of an existing order or refund; other software numbers with hyphens.
number = pattern(r"[A-Za-z0-9_\-]{1,64}", "1 to 64 letters, digits or one of _ -")
#: Alipay's trade number.
trade_no = pattern(r"[0-9]{16,64}", "Alipay's number of a trade, 16 to 64 digits")
#: An account's number.
account = pattern(r"[0-9]{16}", "an account number of 16 digits, like 2088…")


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
    table: Mapping[str, FieldValidator], *, required: Sequence[str] = (), one_of: Sequence[str] = ()
) -> FieldValidator:
    """Return a validator of an object with fields; messages name ``payee_info.name``.

    The parameters are those of
    :func:`~flask_alipay.protocol.validation.validate_fields`.
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
    table: Mapping[str, FieldValidator], *, required: Sequence[str] = (), one_of: Sequence[str] = ()
) -> FieldValidator:
    """Return a validator of a list of objects; messages name ``royalty_parameters[0].amount``.

    The parameters are those of
    :func:`~flask_alipay.protocol.validation.validate_fields`.
    """
    one = object_field(table, required=required, one_of=one_of)

    def field(name: str, value: Any, charset: str) -> list[Any]:
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
            raise InvalidParameter(name, "must be a list of mappings")
        return [one(f"{name}[{number}]", item, charset) for number, item in enumerate(value)]

    field.__doc__ = f"List of mappings with {', '.join(f'``{name}``' for name in table)}."
    return field
