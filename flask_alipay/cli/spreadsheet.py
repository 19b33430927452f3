"""CSV on standard output for spreadsheet programs: Chinese text, long numbers, no formulas."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from ..protocol.conversion import format_china_time

# Spreadsheet programs take a cell that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# Longer numbers are rounded or written with an exponent.
_MAX_DIGITS = 11
_BOM = "\ufeff"


class SpreadsheetOutput:
    """CSV in UTF-8, with a byte order mark unless the output is a terminal.

    A number of many digits is followed by a tab, as in Alipay's own bills: a spreadsheet program
    would round it.

    :param columns: from left to right.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        mark = "" if sys.stdout.isatty() else _BOM
        self._print(mark + _line(columns))

    def write(self, row: Mapping[str, Any]) -> None:
        """Print a row.

        :param row: a value for each column; times are printed in China time.
        """
        self._print(_line([_cell(row[name]) for name in self._columns]))

    @staticmethod
    def _print(line: str) -> None:
        # Spreadsheet programs expect UTF-8 behind the mark, whatever the terminal's encoding.
        if sys.stdout.isatty():
            click.echo(line)
        else:
            click.echo(f"{line}\n".encode(), nl=False)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return format_china_time(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if text.isdigit() and len(text) > _MAX_DIGITS:
        return f"{text}\t"
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
