"""Conversion of dataclasses to JSON and back, by their annotations.

A dataclass becomes an object with its name as ``type`` and without the fields that have their
default; a datetime becomes ISO text, and bytes become the text that they encode in Latin-1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from types import UnionType
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Value = TypeVar("Value")

_INVALID: Final = (TypeError, ValueError, KeyError, AttributeError, RecursionError)
_hints = cache(get_type_hints)


class InvalidDocument(ValueError):
    """A document is not of the expected type."""


def load(document: str, kind: type[Value]) -> Value:
    """Convert JSON to a value of a type.

    :raises InvalidDocument: if it is not a value of this type.
    """
    try:
        return cast(Value, _load(json.loads(document), kind))
    except _INVALID as error:
        raise InvalidDocument(f"not a {kind.__name__}: {error}") from None


def _load(document: Any, kind: Any) -> Any:
    if is_dataclass(kind):
        return _load_dataclass(document, cast(type, kind))
    if kind is datetime:
        return _load_datetime(document)
    if kind is bytes:
        return document.encode("latin-1")
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _load_first(document, arguments)
    if origin is tuple and type(document) is list:
        kinds = [arguments[0]] * len(document) if arguments[-1] is ... else arguments
        return tuple(_load(part, kind) for part, kind in zip(document, kinds, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {name: _load(part, arguments[1]) for name, part in document.items()}
    if type(document) is not kind and not (kind is float and type(document) is int):
        raise TypeError(f"{kind} expected")
    return document


def _load_dataclass(document: Any, kind: type) -> Any:
    parts, hints = dict(document), _hints(kind)
    if parts.pop("type") != kind.__name__:
        raise TypeError(f"{kind.__name__} expected")
    return kind(**{name: _load(part, hints[name]) for name, part in parts.items()})


def _load_datetime(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError("a time without a zone")
    return when


def _load_first(document: Any, kinds: tuple[Any, ...]) -> Any:
    """Return the value of the first type that fits."""
    for kind in kinds:
        try:
            return _load(document, kind)
        except _INVALID:
            continue
    raise TypeError(f"one of {kinds} expected")


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, Mapping):
        return dict(value)
    document = {"type": type(value).__name__}
    for field in fields(value):
        part = getattr(value, field.name)
        if part != field.default:
            document[field.name] = part
    return document


#: Converts a value to JSON; raises ``TypeError`` for an unsupported type.
dump = json.JSONEncoder(default=_encode, separators=(",", ":")).encode
