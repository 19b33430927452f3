"""Application classes and their columns: inheritance and version counters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Integer, and_, inspect, update


class Version(NamedTuple):
    """The version counter of a class (``version_id_col``)."""

    column: Any
    #: Returns the version after a given one.
    after: Callable[[Any], Any]
    #: The primary key of the column's table if that table belongs to a parent class.
    parent: tuple[Any, ...]

    @property
    def columns(self) -> list[Any]:
        """The columns to read before a row is changed."""
        keys = (key.label(f"parent_{place}") for place, key in enumerate(self.parent))
        return [self.column.label("version"), *keys]

    def same_parent(self, seen: Any) -> Any:
        """Return the condition for the row in the parent's table."""
        keys = enumerate(self.parent)
        return and_(*(key == getattr(seen, f"parent_{place}") for place, key in keys))


@lru_cache(maxsize=64)
def mapper_of(model: Any) -> Any:
    """Return a class's mapper; it is the same for as long as the class exists."""
    return inspect(model)


@lru_cache(maxsize=64)
def entity_of(model: Any) -> Any:
    """Return the class that owns a class's table: with single-table inheritance, several classes
    share a table.
    """
    mapper: Any = inspect(model)
    sharing = [each for each in mapper.iterate_to_root() if each.local_table is mapper.local_table]
    return sharing[-1].class_


@lru_cache(maxsize=64)
def columns_of(model: Any) -> Mapping[str, Any]:
    """Return the columns of a class's own table, by the names of their attributes."""
    mapper: Any = inspect(model)
    return {
        attribute.key: column
        for attribute in mapper.column_attrs
        for column in attribute.columns
        if getattr(column, "table", None) is mapper.local_table
    }


@lru_cache(maxsize=64)
def version_of(model: Any) -> Version | None:
    """Return the version counter of a class; ``None`` also if the database or the application
    counts (``version_id_generator=False``).
    """
    mapper: Any = inspect(model)
    column, after = mapper.version_id_col, mapper.version_id_generator
    if column is None or not callable(after):
        return None
    own = column.table is mapper.local_table
    return Version(column, after, () if own else tuple(column.table.primary_key.columns))


@lru_cache(maxsize=64)
def is_simple(model: Any) -> bool:
    """Return whether a class has no inheritance, version counter or constructor, and an integer as
    its primary key.
    """
    mapper = mapper_of(model)
    identity = columns_of(model)["id"]
    return (
        mapper.inherits is None
        and mapper.polymorphic_on is None
        and mapper.version_id_col is None
        and mapper.class_manager.original_init is mapper.registry.constructor
        and tuple(mapper.primary_key) == (identity,)
        and isinstance(identity.type, Integer)
    )


@lru_cache(maxsize=64)
def update_bind(model: Any) -> Mapping[str, Any]:
    """Return the arguments by which a session chooses the bind for updates of a class."""
    return {"mapper": inspect(model), "clause": update(model)}
