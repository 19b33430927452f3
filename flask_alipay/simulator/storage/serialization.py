"""The simulator's data as documents that a person can read, and back.

Pure. A document is what JSON has: a dataclass becomes an object of its fields, of which those that
are as they always begin are left out; a time is a text, and bytes are the text that they encode.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Thing = TypeVar("Thing")

_Turn: TypeAlias = Callable[[Any], Any]

_PLAIN = (str, int, bool, float)


class InvalidDocument(ValueError):
    """A document is not of the kind that it should be."""


def dump(thing: object, kind: Any) -> Any:
    """Returns a thing as a document.

    :param kind: its type, as an annotation says it.
    """
    return _ways(kind)[0](thing)


def load(document: Any, kind: type[Thing]) -> Thing:
    """Returns the thing of a document.

    :raises Unreadable: if it is none of this kind.
    """
    try:
        thing: Thing = _ways(cast(Hashable, kind))[1](document)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InvalidDocument(f"no {getattr(kind, '__name__', kind)}: {error}") from None
    return thing


@cache
def _ways(kind: Any) -> tuple[_Turn, _Turn]:
    """How a kind is written and read."""
    if kind in _PLAIN:
        return _same, lambda document: _of(document, kind)
    if kind is datetime:
        return datetime.isoformat, _parse_time
    if kind is bytes:
        return lambda thing: thing.decode("latin-1"), lambda text: text.encode("latin-1")
    if is_dataclass(kind):
        return _object(kind)
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _either(parts)
    if origin is tuple:
        return _row(parts)
    if origin is not None and issubclass(origin, Mapping) and parts == (str, str):
        return dict, lambda document: {_of(n, str): _of(t, str) for n, t in document.items()}
    raise TypeError(f"there is no way to write {kind}")


def _same(thing: Any) -> Any:
    return thing


def _of(document: Any, kind: type) -> Any:
    if type(document) is not kind and not (kind is float and type(document) is int):
        raise TypeError(f"{kind.__name__} expected")
    return document


def _parse_time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment


def _object(kind: Any) -> tuple[_Turn, _Turn]:
    types = get_type_hints(kind)
    parts = [(part.name, part.default, *_ways(types[part.name])) for part in fields(kind)]
    readers = {name: read for name, _, _, read in parts}

    def write(thing: Any) -> Any:
        return {
            name: write(value)
            for name, default, write, _ in parts
            if (value := getattr(thing, name)) != default
        }

    return write, lambda document: kind(
        **{name: readers[name](value) for name, value in document.items()}
    )


def _row(parts: tuple[Any, ...]) -> tuple[_Turn, _Turn]:
    if len(parts) == 2 and parts[1] is ...:
        write, read = _ways(parts[0])
        return lambda things: [write(thing) for thing in things], lambda documents: tuple(
            read(document) for document in _of(documents, list)
        )
    ways = [_ways(part) for part in parts]
    return (
        lambda things: [way[0](thing) for way, thing in zip(ways, things, strict=True)],
        lambda documents: tuple(way[1](one) for way, one in zip(ways, documents, strict=True)),
    )


def _either(parts: tuple[Any, ...]) -> tuple[_Turn, _Turn]:
    """One kind or nothing; or one of several dataclasses, each under its name."""
    kinds = [part for part in parts if part is not NoneType]
    if len(kinds) == 1:
        write, read = _ways(kinds[0])
        return (
            lambda thing: None if thing is None else write(thing),
            lambda document: None if document is None else read(document),
        )
    named = {kind.__name__.lower(): _ways(kind) for kind in kinds}

    def written_by_name(thing: Any) -> Any:
        name = type(thing).__name__.lower()
        return {name: named[name][0](thing)}

    def read_by_name(document: Any) -> Any:
        ((name, inner),) = document.items()
        return named[name][1](inner)

    return written_by_name, read_by_name
