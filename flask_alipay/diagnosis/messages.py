"""What a diagnosis says to people: text that remembers what it was made of, for translation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

#: A text as it stands in the code, and what goes into it.
Part: TypeAlias = "tuple[str, Mapping[str, str]]"


class Hint(str):
    """A text in English, which keeps its sentences apart for whoever speaks another language."""

    __slots__ = ("parts",)

    parts: tuple[Part, ...]


def message(template: str, **names: str) -> Hint:
    """Returns one text.

    :param template: in English, with ``{names}`` for what goes in.
    """
    hint = Hint(template.format(**names) if names else template)
    hint.parts = ((template, names),)
    return hint


def join_hints(*hints: Hint) -> Hint:
    """Returns several texts as one, with spaces between; empty ones are left out."""
    whole = Hint(" ".join(filter(None, hints)))
    whole.parts = tuple(part for hint in hints if hint for part in hint.parts)
    return whole


#: Nothing to say.
NO_HINT = join_hints()
