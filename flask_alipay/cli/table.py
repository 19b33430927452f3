"""Tables that fit the terminal, and JSON lines for programs.

A Chinese character takes two columns and a combining mark none (Unicode's East Asian Width). In a
terminal a row takes one line: flexible columns shrink, then optional columns are left out and named
below the table. Other outputs are not cut unless ``COLUMNS`` sets their width.
"""

from __future__ import annotations

import codecs
import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from .i18n import _

_GAP = "  "
_CUT = "…"


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    #: The heading.
    title: str
    #: Whether to align values to the right, as for amounts.
    right: bool = False
    #: The minimum width in a narrow terminal; 0: the column does not shrink.
    min_width: int = 0
    #: Whether to leave the column out if it does not fit.
    optional: bool = False


def echo_table(columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table on standard output.

    :param columns: from left to right.
    :param rows: a value for each column; ``None`` is an empty cell. Control characters are
        replaced.
    """
    cells = _cells(rows)
    fitting = _fit(columns, _widths(columns, cells), terminal_width())
    for number, line in enumerate(_lines(columns, cells, fitting)):
        click.echo(click.style(line, bold=True) if number == 0 else line)
    left_out = [column.title for number, column in enumerate(columns) if number not in fitting]
    if left_out:
        text = _("Not shown for lack of space: {columns}. A wider terminal shows all.")
        click.echo(text.format(columns=", ".join(left_out)))


def echo_json(found: Any) -> None:
    """Print an object as JSON on one line; see :func:`json_line`."""
    click.echo(json_line(found))


def json_line(found: Any) -> str:
    """Return an object as JSON on one line.

    Chinese text is readable if the output is UTF-8; for other encodings, which programs do not
    expect of JSON, it is escaped to ASCII. Control and format characters are always escaped.

    :param found: the object.
    :return: the line without its end.
    """
    if codecs.lookup(sys.stdout.encoding or "ascii").name != "utf-8":
        return json.dumps(found, default=str)
    text = json.dumps(found, default=str, ensure_ascii=False)
    return "".join(_escaped(c) if unicodedata.category(c)[0] in "CZ" else c for c in text)


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[Any]], max_width: int | None = None
) -> Iterator[str]:
    """Return the lines of a table, the heading first.

    :param columns: from left to right.
    :param rows: a value for each column.
    :param max_width: in columns; ``None``: unlimited.
    :return: the lines.
    """
    cells = _cells(rows)
    return _lines(columns, cells, _fit(columns, _widths(columns, cells), max_width))


def _cells(rows: Iterable[Sequence[Any]]) -> list[list[str]]:
    return [["" if value is None else strip_control_chars(value) for value in row] for row in rows]


def _widths(columns: Sequence[Column], cells: list[list[str]]) -> list[int]:
    return [
        max([width(column.title), *(width(row[number]) for row in cells)])
        for number, column in enumerate(columns)
    ]


def _lines(
    columns: Sequence[Column], cells: list[list[str]], fitting: dict[int, int]
) -> Iterator[str]:
    for row in ([column.title for column in columns], *cells):
        yield _GAP.join(
            _padded(row[number], column_width, columns[number].right)
            for number, column_width in fitting.items()
        ).rstrip()


def terminal_width() -> int | None:
    """Return the number of columns of the output; ``None`` if it is not a terminal."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return max(20, shutil.get_terminal_size().columns)
    return None


def width(text: str) -> int:
    """Return the number of terminal columns that a text takes."""
    return sum(map(_columns_of, text))


def truncate(text: str, max_width: int) -> str:
    """Cut a text to a number of terminal columns, with an ellipsis."""
    if width(text) <= max_width:
        return text
    mark = _CUT if _can_encode(_CUT) else "~"
    kept, taken = [], 1
    for character in text:
        taken += _columns_of(character)
        if taken > max_width:
            break
        kept.append(character)
    return "".join(kept) + mark


def strip_control_chars(text: Any) -> str:
    """Replace control characters, and characters that the output cannot encode."""
    shown = "".join("?" if unicodedata.category(c)[0] == "C" else c for c in str(text))
    encoding = sys.stdout.encoding or "ascii"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def _fit(columns: Sequence[Column], widths: list[int], max_width: int | None) -> dict[int, int]:
    """Return the width of each column that fits, by its number."""
    fitting = dict(enumerate(widths))
    if max_width is None:
        return fitting
    _shrink(columns, fitting, max_width)
    for number in reversed(range(len(columns))):
        if _total(fitting) <= max_width:
            break
        if columns[number].optional:
            del fitting[number]
            # The other columns may be wider again.
            fitting.update({other: widths[other] for other in fitting})
            _shrink(columns, fitting, max_width)
    if _total(fitting) > max_width:
        _shrink([replace(column, min_width=4) for column in columns], fitting, max_width)
    return fitting


def _shrink(columns: Sequence[Column], fitting: dict[int, int], max_width: int) -> None:
    """Narrow the widest flexible columns until the table fits."""
    while _total(fitting) > max_width:
        shrinkable = [
            n for n in fitting if columns[n].min_width and fitting[n] > columns[n].min_width
        ]
        if not shrinkable:
            return
        fitting[max(shrinkable, key=fitting.__getitem__)] -= 1


def _total(fitting: dict[int, int]) -> int:
    return sum(fitting.values()) + len(_GAP) * max(0, len(fitting) - 1)


def _padded(text: str, max_width: int, right: bool) -> str:
    shown = truncate(text, max_width)
    space = " " * (max_width - width(shown))
    return space + shown if right else shown + space


def _columns_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _escaped(character: str) -> str:
    return character if character == " " else json.dumps(character)[1:-1]


def _can_encode(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
