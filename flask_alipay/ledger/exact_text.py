"""Comparisons of texts: exact whatever the database's collation is, or without an index."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class exactly(FunctionElement[bool]):  # noqa: N801 - reads like SQLAlchemy's own functions
    """SQL condition: a column equals a text exactly.

    MySQL and MariaDB ignore trailing spaces in comparisons, also with a binary collation, and most
    of their collations ignore case. There the bytes are compared as well; the plain comparison
    before it uses the column's index.

    :param column: a text column.
    :param value: a text, or a ``bindparam``.
    """

    # No type: SQLAlchemy renders a Boolean as ``(…) = 1``, for which MySQL uses no index.
    inherit_cache = True

    def __init__(self, column: Any, value: Any) -> None:
        super().__init__(column, value)


@compiles(exactly)
def _plain(element: Any, compiler: Any, **options: Any) -> str:
    column, value = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = {value}"


@compiles(exactly, "mysql", "mariadb")
def _by_bytes(element: Any, compiler: Any, **options: Any) -> str:
    column, value = (compiler.process(clause, **options) for clause in element.clauses)
    bytes_of = "CAST(CONVERT({} USING utf8mb4) AS BINARY)".format
    return f"({column} = {value} AND {bytes_of(column)} = {bytes_of(value)})"


def without_index(column: Any) -> ColumnElement[Any]:
    """Return a column of few values for a comparison that must not choose the index.

    SQLite without statistics (``ANALYZE``) takes all indexes for equally good, and may read every
    row with an outcome to find the three of one notification.

    :param column: a column without ``NULL``.
    """
    return func.coalesce(column, "")
