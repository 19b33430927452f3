"""Statements that are compiled once for a database, and from then on only filled in.

SQLAlchemy finds a compiled statement again by all that it is made of, and puts its parameters
together anew, each time: for the few statements of a notification more work than to execute them.
So the text is kept, with the order of its parameters and with what makes a database's values of
them; it goes to the driver through SQLAlchemy's connection, which logs it, tells its listeners and
wraps its errors as ever. Where anything is out of the ordinary, SQLAlchemy does it all: another
database or driver, columns of the app's with values of their own, a schema that is translated,
listeners to the statement itself or to its cursor, which may ask what it was made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, CursorResult, Dialect, Executable

# The drivers that the package is tested with.
_DRIVERS = ("pysqlite", "psycopg", "pymysql")
# More engines than any app writes one table through; a test suite makes many, one after the other.
_MOST_DIALECTS = 8


class _Text(NamedTuple):
    """A statement as a driver takes it."""

    text: str
    #: The parameters in their order, each with what makes a value for the database of it.
    parameters: tuple[tuple[str, Callable[[Any], Any] | None], ...]
    #: Whether they have no names there.
    positional: bool

    def filled(self, values: Mapping[str, Any]) -> Any:
        """Returns the parameters as the driver takes them."""
        made = [
            values[name] if process is None else process(values[name])
            for name, process in self.parameters
        ]
        if self.positional:
            return tuple(made)
        return dict(zip((name for name, _ in self.parameters), made, strict=True))


class Prepared:
    """One statement.

    :param statement: with a ``bindparam`` for whatever changes.
    """

    def __init__(self, statement: Executable) -> None:
        self._statement: Any = statement
        self._texts: dict[Dialect, dict[frozenset[str], _Text | None]] = {}

    def __len__(self) -> int:
        """Tells for how many dialects it is kept."""
        return len(self._texts)

    def execute(self, connection: Connection, values: Mapping[str, Any]) -> CursorResult[Any]:
        """Runs the statement.

        :param values: by the names of the parameters, and of the columns that are written.
        """
        text = self._text(connection.dialect, frozenset(values)) if _plain(connection) else None
        if text is None:
            return connection.execute(self._statement, values)
        return connection.exec_driver_sql(text.text, text.filled(values))

    def _text(self, dialect: Dialect, names: frozenset[str]) -> _Text | None:
        texts = self._texts.get(dialect)
        if texts is None:
            if len(self._texts) >= _MOST_DIALECTS:
                self._texts = {}
            texts = self._texts[dialect] = {}
        if names not in texts:
            texts[names] = _compiled(self._statement, dialect, names)
        return texts[names]


def _plain(connection: Connection) -> bool:
    """Tells whether nobody wants to see or to change the statement before it is a text, or to know
    at the cursor what kind of statement it was.
    """
    translated = connection.get_execution_options().get("schema_translate_map")
    return not (translated or (_may_be_heard(connection) and _is_heard(connection)))


def _may_be_heard(connection: Connection) -> bool:
    """Asks as SQLAlchemy does before it looks at the listeners, which takes longer."""
    return bool(
        getattr(connection, "_has_events", True) or getattr(connection.engine, "_has_events", True)
    )


def _is_heard(connection: Connection) -> bool:
    heard = connection.dispatch  # the engine's listeners, and the connection's own
    return bool(
        heard.before_execute
        or heard.after_execute
        or heard.before_cursor_execute
        or heard.after_cursor_execute
    )


def _compiled(statement: Any, dialect: Dialect, names: frozenset[str]) -> _Text | None:
    """Compiles a statement. ``None``: its text alone is not all of it."""
    if dialect.driver not in _DRIVERS:
        return None
    compiled = statement.compile(dialect=dialect, column_keys=sorted(names))
    types = {name: parameter.type for parameter, name in compiled.bind_names.items()}
    if not names.issuperset(types) or any(
        (
            compiled.insert_prefetch,
            compiled.update_prefetch,
            compiled.post_compile_params,
            compiled.literal_execute_params,
            compiled.escaped_bind_names,
        )
    ):
        return None
    order = compiled.positiontup if compiled.positional else types
    return _Text(
        compiled.string,
        tuple((name, types[name].dialect_impl(dialect).bind_processor(dialect)) for name in order),
        compiled.positional,
    )
