"""Thousands of apps with the same routes, pages, tables and queries: each is compiled once.

SQLite does not wait for the disk: no test cuts the power.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Connection, Engine, MetaData, create_mock_engine, event
from sqlalchemy.orm import Mapper
from sqlalchemy.util import LRUCache, memoized_property
from werkzeug.routing import Rule


def compile_once() -> None:
    """Keep what Werkzeug and Jinja compile, from one app to the next."""
    Flask.jinja_options = {"bytecode_cache": _Pages()}
    _keep_routes()
    _keep_queries()


def create_tables(metadata: MetaData, engine: Engine) -> None:
    """Create the tables of a test; in an empty database on SQLite, with compiled statements.

    :param metadata: of the tables.
    :param engine: of the database.
    """
    if engine.dialect.name == "sqlite":
        connection = engine.raw_connection()
        try:
            database: Any = connection.driver_connection
            if database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
                database.executescript(_script(metadata, len(metadata.tables)))
                return
        finally:
            connection.close()
    metadata.create_all(engine)


@lru_cache(maxsize=50)
def _script(metadata: MetaData, tables: int) -> str:
    """Return the statements that create the tables of a metadata object that has so many."""
    statements: list[str] = []

    def keep(statement: Any, *parameters: object, **options: object) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)))

    engine = create_mock_engine("sqlite://", keep)
    metadata.create_all(engine, checkfirst=False)
    return ";".join(["BEGIN", *statements, "COMMIT"])


class _Pages(BytecodeCache):
    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


def _keep_routes() -> None:
    """Werkzeug compiles two functions for each route of each app. They depend on the route's text
    alone where it has no defaults. A Werkzeug that works otherwise is left alone.
    """
    compile_builder: Callable[..., Any] | None = getattr(Rule, "_compile_builder", None)
    if compile_builder is None:
        return
    known: dict[Any, Any] = {}

    def remembered(rule: Any, append_unknown: bool = True) -> Any:
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        route = (rule.rule, tuple(rule._trace), append_unknown)
        if route not in known:
            known[route] = compile_builder(rule, append_unknown)
        return known[route]

    Rule._compile_builder = remembered  # type: ignore[method-assign,unused-ignore]


class _Queries(LRUCache[Any, Any]):
    """Compiled statements by their text and, on SQLite, the kind of database instead of each
    engine's dialect object.
    """

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(self._of_any_engine(key), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__(self._of_any_engine(key), compiled)

    @staticmethod
    def _of_any_engine(key: Any) -> Any:
        return (type(key[0]), *key[1:]) if key[0].name == "sqlite" else key


def _keep_queries() -> None:
    """SQLAlchemy keeps what it compiles by engine, and each app has its own. All engines for SQLite
    have the same options here, as far as they change what is compiled.

    The statements that store an object are kept with its class, also by engine.
    """
    if hasattr(Mapper, "_compiled_cache"):
        # The name tells where it is kept.
        def _compiled_cache(mapper: Any) -> _Queries:
            return _Queries(100)

        Mapper._compiled_cache = memoized_property(_compiled_cache)  # type: ignore[assignment,unused-ignore]
    kept = _Queries(1000)

    @event.listens_for(Engine, "connect")
    def hurry(connection: Any, record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    @event.listens_for(Engine, "engine_connect")
    def share(connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            connection.execution_options(compiled_cache=kept)
