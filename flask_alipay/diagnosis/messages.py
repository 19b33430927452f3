"""Hints for people: texts that keep their templates and values, for translation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

#: A template in English, and the values of its placeholders.
Part: TypeAlias = "tuple[str, Mapping[str, str]]"


class Hint(str):
    """A text in English that keeps its templates, so that it can be translated."""

    __slots__ = ("parts",)

    parts: tuple[Part, ...]


def message(template: str, **names: str) -> Hint:
    """Return a hint of one template.

    :param template: English text with ``{placeholders}``.
    :param names: the values of the placeholders.
    """
    hint = Hint(template.format(**names) if names else template)
    hint.parts = ((template, names),)
    return hint


def join_hints(*hints: Hint) -> Hint:
    """Join hints with spaces; empty ones are left out."""
    joined = Hint(" ".join(filter(None, hints)))
    joined.parts = tuple(part for hint in hints if hint for part in hint.parts)
    return joined


#: No hint.
NO_HINT = join_hints()
