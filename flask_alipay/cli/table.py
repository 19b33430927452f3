"""Tables that fit the terminal, and one JSON object a line for programs.

A Chinese character takes two columns and a combining mark none (Unicode's East Asian Width).
In a terminal a row takes one line: the columns that may shrink do, then optional ones are left out
and named below the table. Where the output is no terminal nothing is cut, unless ``COLUMNS`` says
how wide it is.
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
    """One column of a table."""

    #: Its head.
    title: str
    #: Whether its values stand at the right, as amounts do.
    right: bool = False
    #: The least width that it may shrink to where the terminal is narrow; 0: it does not shrink.
    min_width: int = 0
    #: Whether it can be missed where there is no room for it at all.
    optional: bool = False


def echo_table(columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> None:
    """Prints a table on standard output.

    :param columns: from left to right.
    :param rows: a value for each column; ``None`` is an empty cell. A stranger's text does
        nothing to the terminal.
    """
    cells = _cells(rows)
    fitting = _fit(columns, _widths(columns, cells), terminal_width())
    for number, line in enumerate(_lines(columns, cells, fitting)):
        click.echo(click.style(line, bold=True) if number == 0 else line)
    left_out = [column.title for number, column in enumerate(columns) if number not in fitting]
    if left_out:
        told = _("Not shown for lack of room: {columns}. A wider terminal shows all.")
        click.echo(told.format(columns=", ".join(left_out)))


def echo_json(found: Any) -> None:
    """Print an object for programs, on one line; see :func:`json_line`."""
    click.echo(json_line(found))


def json_line(found: Any) -> str:
    """Return an object as JSON on one line.

    Chinese text is readable if the output is UTF-8; for any other encoding, which no program
    expects of JSON, it is escaped to ASCII. Control and format characters are escaped in any case.
    """
    if codecs.lookup(sys.stdout.encoding or "ascii").name != "utf-8":
        return json.dumps(found, default=str)
    text = json.dumps(found, default=str, ensure_ascii=False)
    return "".join(_escaped(c) if unicodedata.category(c)[0] in "CZ" else c for c in text)


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[Any]], room: int | None = None
) -> Iterator[str]:
    """Returns the lines of a table, the head first.

    :param room: how wide it may be; ``None``: as wide as it is.
    """
    cells = _cells(rows)
    return _lines(columns, cells, _fit(columns, _widths(columns, cells), room))


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
            _padded(row[number], wide, columns[number].right) for number, wide in fitting.items()
        ).rstrip()


def terminal_width() -> int | None:
    """Returns how many columns the output has, ``None`` where it is no terminal."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return max(20, shutil.get_terminal_size().columns)
    return None


def width(text: str) -> int:
    """Returns how many columns of a terminal a text takes."""
    return sum(map(_columns_of, text))


def truncate(text: str, room: int) -> str:
    """Returns a text that takes at most so many columns, cut with an ellipsis."""
    if width(text) <= room:
        return text
    mark = _CUT if _writable(_CUT) else "~"
    kept, taken = [], 1
    for character in text:
        taken += _columns_of(character)
        if taken > room:
            break
        kept.append(character)
    return "".join(kept) + mark


def strip_control_chars(text: Any) -> str:
    """Returns a stranger's text so that it can do nothing to a terminal."""
    shown = "".join("?" if unicodedata.category(c)[0] == "C" else c for c in str(text))
    encoding = sys.stdout.encoding or "ascii"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def _fit(columns: Sequence[Column], widths: list[int], room: int | None) -> dict[int, int]:
    """The width of each column that has room, by its number."""
    fitting = dict(enumerate(widths))
    if room is None:
        return fitting
    _shrink(columns, fitting, room)
    for number in reversed(range(len(columns))):
        if _total(fitting) <= room:
            break
        if columns[number].optional:
            del fitting[number]
            # What is left may have room again.
            fitting.update({other: widths[other] for other in fitting})
            _shrink(columns, fitting, room)
    if _total(fitting) > room:
        _shrink([replace(column, min_width=4) for column in columns], fitting, room)
    return fitting


def _shrink(columns: Sequence[Column], fitting: dict[int, int], room: int) -> None:
    """Takes from the widest of the columns that may shrink."""
    while _total(fitting) > room:
        able = [n for n in fitting if columns[n].min_width and fitting[n] > columns[n].min_width]
        if not able:
            return
        fitting[max(able, key=fitting.__getitem__)] -= 1


def _total(fitting: dict[int, int]) -> int:
    return sum(fitting.values()) + len(_GAP) * max(0, len(fitting) - 1)


def _padded(text: str, room: int, right: bool) -> str:
    shown = truncate(text, room)
    space = " " * (room - width(shown))
    return space + shown if right else shown + space


def _columns_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _escaped(character: str) -> str:
    return character if character == " " else json.dumps(character)[1:-1]


def _writable(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
