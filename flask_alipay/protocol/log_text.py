"""Received text made safe for log lines: short, without control characters."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

_UNSAFE = re.compile(r"[^A-Za-z0-9_.\-]")
_MAX_NAMES = 5
_MAX_NAME = 40


def loggable(value: str | None) -> str | None:
    """Return a received identifier made safe for a log line.

    :param value: of any length and with any characters.
    """
    return _UNSAFE.sub("?", value[:64]) if value else None


def loggable_texts(*values: str | None) -> list[str | None]:
    """Return several received identifiers made safe for a log line: see :func:`loggable`."""
    return [loggable(value) for value in values]


def loggable_names(names: Iterable[str]) -> str:
    """Return a few received parameter names made safe for a log line."""
    few = list(islice(names, _MAX_NAMES + 1))
    listed = ", ".join((loggable(name) or "(empty)")[:_MAX_NAME] for name in few[:_MAX_NAMES])
    return f"{listed} and more" if few[_MAX_NAMES:] else listed
