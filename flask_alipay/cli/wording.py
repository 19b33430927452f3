"""What the command line says, in the reader's language: gettext's catalogues, read as they stand.

English is what stands in the code, so it needs no catalogue; Chinese is in
``locale/zh_CN/LC_MESSAGES/flask_alipay.po``. The ``.po`` file is read itself: there is nothing to
compile, and so nothing that could be older than its source. Exit statuses, option names, Alipay's
own words and ``--json`` are the same in all languages.

Write ``_("Give --{option}.").format(option=option)``: the text that is looked up is the one in the
code, and names go in afterwards. A text that stands outside a function is marked with ``N_`` there
and looked up with ``_`` where it is said, for the language is the caller's.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_LOCALE = Path(__file__).parent.parent / "locale"
_CATALOGUE = "LC_MESSAGES/flask_alipay.po"

# In gettext's order: the first that is set counts.
_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")

# How a language may begin, and the folder of its catalogue.
_LANGUAGES = {"zh": "zh_CN"}

_ENTRY = re.compile(r'^(msgid|msgid_plural|msgstr(?:\[0\])?)\s+((?:"(?:[^"\\]|\\.)*"\s*)+)', re.M)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def _(text: str) -> str:
    """Returns a text in the reader's language.

    :param text: as it stands in the code, in English.
    """
    return catalogue(language()).get(text) or text


def N_(text: str) -> str:  # noqa: N802 - gettext's name
    """Marks a text for translation and returns it as it is."""
    return text


def n_(one: str, several: str, count: int) -> str:
    """Returns a text that speaks of a number of things, in the reader's language.

    :param one: for one thing, in English; the key of the translation.
    :param several: for any other number of them.
    :param count: how many.
    """
    translated = catalogue(language()).get(one)
    return translated or (one if count == 1 else several)


def language() -> str:
    """Returns the folder of the reader's catalogue, empty for English.

    ``LANGUAGE``, ``LC_ALL``, ``LC_MESSAGES`` and ``LANG`` say which, in this order. Where the
    output cannot hold the language, it is English.
    """
    named = next(filter(None, map(os.environ.get, _VARIABLES)), "")
    for name in named.split(":"):
        folder = _LANGUAGES.get(re.split(r"[_.@-]", name.lower())[0])
        if folder is not None:
            return folder if _can_be_written("中文") else ""
        if name:
            return ""
    return ""


@lru_cache(maxsize=4)
def catalogue(folder: str) -> dict[str, str]:
    """Returns the translations of one language by the English text.

    :param folder: as :func:`language` names it.
    """
    if not folder:
        return {}
    text = (_LOCALE / folder / _CATALOGUE).read_text(encoding="utf-8")
    return {english: translated for english, translated in _entries(text) if english and translated}


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """The pairs of a ``.po`` file; comments say nothing here."""
    english = ""
    for keyword, quoted in _ENTRY.findall(text):
        value = "".join(map(ast.literal_eval, _QUOTED.findall(quoted)))
        if keyword == "msgid":
            english = value
        elif keyword != "msgid_plural":
            yield english, value


def _can_be_written(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
