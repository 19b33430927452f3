"""CSV files that spreadsheet programs open: Chinese text, long numbers and no formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from flask import Response, stream_with_context

# Spreadsheet programs take a cell that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BOM = "\ufeff"


def csv_response(name: str, rows: Iterable[Sequence[str]]) -> Response:
    """Return a response that streams rows as CSV in UTF-8 with a byte order mark.

    :param name: of the file, without its extension; ASCII.
    :param rows: the head first.
    """
    response = Response(stream_with_context(_lines(rows)), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def number(text: str | None) -> str:
    """Return a long number so that a spreadsheet program keeps all digits.

    It is followed by a tab, as in Alipay's own bills.
    """
    return f"{text}\t" if text else ""


def safe_text(text: str | None) -> str:
    """Return a text that no spreadsheet program takes for a formula."""
    if not text:
        return ""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _BOM
    for row in rows:
        line = io.StringIO()
        csv.writer(line).writerow(row)
        yield line.getvalue()
