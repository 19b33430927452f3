"""Collect the texts of the documentation and update its catalogues.

Usage: ``python -m tests.docs_translations``

Sphinx translates each page with the catalogue ``docs/locale/LANGUAGE/LC_MESSAGES/PAGE.po`` and
compiles it during a build. The catalogues contain no docstrings of the API reference, no included
files and no text of code or numbers only: these are the same in each language.
"""

from __future__ import annotations

import difflib
import io
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from .translations import UndatedCatalog

DOCS = Path(__file__).parents[1] / "docs"
LOCALE = DOCS / "locale"
LANGUAGES = ("zh_CN",)
#: The pages that are not completely translated yet; translators shrink the list to nothing.
INCOMPLETE = LOCALE / "incomplete.txt"

#: The first letters of the pages whose docstrings stay English.
REFERENCE = "api-"

_HEADER = "# Translations of the documentation, updated by 'python -m tests.docs_translations'."
_CODE = re.compile(r"``.+?``|:(?:py:)?\w+:`[^`<]+`|:(?:meth|class|attr|exc|func|mod|data):`[^`]+`")
_AUTODOC = re.compile(r"^\.\. auto\w+::.*\n(?: +.*\n)*", re.MULTILINE)
#: A space beside a full-width mark, except before the colons of a code block.
_NEEDLESS_SPACE = re.compile(r" +(?=[，。；：、？！）”])|(?<=[，。；：、？！（“]) +(?!::)")
#: A text at least this similar to one that is gone is an edited version of it.
_SIMILARITY = 0.6


def collect() -> dict[str, list[str]]:
    """Return the texts of each page in the order of the page."""
    with tempfile.TemporaryDirectory() as output, docutils_namespace():
        app = Sphinx(
            str(DOCS), str(DOCS), output, f"{output}/doctrees", "gettext",
            confoverrides={"gettext_compact": False}, status=None, warning=io.StringIO(),
        )  # fmt: skip
        app.connect("source-read", _without_docstrings)
        app.build()
        catalogs: Mapping[str, Any] = app.builder.catalogs  # type: ignore[attr-defined]
    return {page: list(_texts(catalogs[page])) for page in sorted(catalogs)}


def _without_docstrings(_app: Sphinx, page: str, source: list[str]) -> None:
    if page.startswith(REFERENCE):
        source[0] = _AUTODOC.sub("", source[0])


def _texts(collected: Any) -> Iterator[str]:
    for text in collected.messages:
        places = (source for source, _line, _uuid in collected.metadata[text])
        packaged = any(":docstring of " in each or Path(each).parent == DOCS for each in places)
        if packaged and re.search(r"[^\W\d_]", _CODE.sub("", text)):
            yield text


def path_of(page: str, language: str) -> Path:
    """Return the catalogue of a page."""
    return LOCALE / language / "LC_MESSAGES" / f"{page}.po"


def catalogues(language: str) -> set[str]:
    """Return the pages that have a catalogue. ``sphinx.po`` is the theme's."""
    return {path.stem for path in (LOCALE / language).rglob("*.po")} - {"sphinx"}


def read(path: Path) -> Catalog:
    """Return a catalogue as it is in its file; a catalogue without a file is empty."""
    if not path.exists():
        return Catalog()
    with path.open("rb") as file:
        return read_po(file, locale=path.parts[-3])


def merge(known: Catalog, texts: list[str], language: str) -> Catalog:
    """Return a catalogue of the texts in their order.

    An edited text keeps the translation of its previous version, marked as fuzzy.
    """
    result = UndatedCatalog(locale=language, header_comment=_HEADER, charset="utf-8", fuzzy=False)
    gone = {
        str(message.id): str(message.string)
        for message in known
        if message.id and message.string and message.id not in texts
    }
    for text in texts:
        message = known.get(text)
        if message and message.string:
            result.add(text, tidy(str(message.string)), flags=message.flags & {"fuzzy"})
        elif similar := difflib.get_close_matches(text, gone, 1, _SIMILARITY):
            result.add(text, gone[similar[0]], flags={"fuzzy"})
        else:
            result.add(text, "")
    return result


def tidy(translation: str) -> str:
    """Return a translation without spaces beside full-width marks, which markup does not need."""
    return _NEEDLESS_SPACE.sub("", translation)


def as_po(catalogue: Catalog) -> bytes:
    """Return the source of a catalogue, one line for each text."""
    file = io.BytesIO()
    write_po(file, catalogue, width=0)
    return file.getvalue()


def unfinished(catalogue: Catalog) -> list[Message]:
    """Return the messages that are untranslated or fuzzy."""
    return [each for each in catalogue if each.id and (each.fuzzy or not each.string)]


def incomplete_pages() -> set[str]:
    """Return the pages that may have untranslated and fuzzy messages."""
    return set(INCOMPLETE.read_text(encoding="utf-8").split())


def update() -> None:
    """Bring each catalogue up to date and print the messages that need a translation."""
    pages = collect()
    unfinished_pages = set()
    for language in LANGUAGES:
        for page, texts in pages.items():
            path = path_of(page, language)
            catalogue = merge(read(path), texts, language)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(as_po(catalogue))
            for message in unfinished(catalogue):
                unfinished_pages.add(page)
                state = "fuzzy" if message.fuzzy else "not translated"
                print(f"{state} in {language}/{page}.po: {message.id!r}")
        for page in catalogues(language) - set(pages):
            path_of(page, language).unlink()
    remaining = sorted(incomplete_pages() & unfinished_pages)
    INCOMPLETE.write_text("".join(f"{page}\n" for page in remaining), encoding="utf-8")


if __name__ == "__main__":
    update()
