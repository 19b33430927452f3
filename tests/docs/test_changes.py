"""CHANGES.rst is grouped, with one line for each entry."""

from __future__ import annotations

import re
from collections import Counter

from flask_alipay import __version__

from .reading import ROOT

LINES = (ROOT / "CHANGES.rst").read_text(encoding="utf-8").splitlines()
ENTRIES = [line for line in LINES if line.startswith("-   ")]


def is_title(number: int) -> bool:
    return number + 1 < len(LINES) and re.fullmatch(r"([=~-])\1{3,}", LINES[number + 1]) is not None


def test_the_first_version_is_that_of_the_package() -> None:
    (first, *_) = (line for line in LINES if line.startswith("Version "))
    assert first == f"Version {__version__}"


def test_every_entry_has_one_line() -> None:
    assert [line for line in LINES if line.startswith(" ")] == []


def test_no_entry_is_repeated() -> None:
    assert [line for line, times in Counter(ENTRIES).items() if times > 1] == []


def test_every_entry_belongs_to_a_group() -> None:
    group = ""
    ungrouped = []
    for number, line in enumerate(LINES):
        if is_title(number):
            group = line if LINES[number + 1].startswith("~") else ""
        elif line in ENTRIES and not group:
            ungrouped.append(line)
    assert ungrouped == []


def test_no_group_is_repeated_or_empty() -> None:
    text = "\n".join(LINES)
    groups = re.split(r"^([^\n]+)\n~{4,}\n", text, flags=re.MULTILINE)[1:]
    titles, bodies = groups[::2], groups[1::2]
    assert len(titles) == len(set(titles))
    empty = [title for title, body in zip(titles, bodies, strict=True) if "\n-   " not in body]
    assert empty == []
