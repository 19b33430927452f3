"""Collect the texts for translation and compile the catalogues.

Usage: ``python -m tests.translations``
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

PACKAGE = Path(__file__).parents[1] / "flask_alipay"
CATALOGUES = sorted((PACKAGE / "locale").glob("*/LC_MESSAGES/flask_alipay.po"))

#: Functions whose first argument is a text; the second of ``n_`` is its plural.
KEYWORDS = {"_": None, "_t": None, "N_": None, "n_": (1, 2), "say": None, "message": None}

SHOP = PACKAGE.parent / "examples" / "shop"
SHOP_CATALOGUE = SHOP / "translations" / "zh" / "LC_MESSAGES" / "messages.po"
#: Flask-Babel's functions.
SHOP_KEYWORDS = {"_": None, "_l": None, "ngettext": (1, 2)}

METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]


class UndatedCatalog(Catalog):
    """Catalogue whose header depends on the language alone, so that branches do not conflict."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        return [
            ("Language", str(self.locale_identifier)),
            ("Plural-Forms", self.plural_forms),
            ("MIME-Version", "1.0"),
            ("Content-Type", f"text/plain; charset={self.charset}"),
            ("Content-Transfer-Encoding", "8bit\n"),
        ]


def collect() -> Catalog:
    """Return all texts of the package, with the files that use them."""
    return _collect(PACKAGE, KEYWORDS)


def collect_shop() -> Catalog:
    """Return all texts of the example shop, with the files that use them."""
    return _collect(SHOP, SHOP_KEYWORDS)


def _collect(folder: Path, keywords: Mapping[str, tuple[int, ...] | None]) -> Catalog:
    texts = Catalog(charset="utf-8")
    found = extract_from_dir(folder, METHODS, keywords=keywords)
    for file, _line, text, _comments, context in sorted(found, key=lambda each: each[:2]):
        texts.add(text, locations=[(f"{folder.name}/{file}", 0)], context=context)
    return texts


def read(path: Path) -> Catalog:
    """Return a catalogue as it is in its file."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parts[-3])


def merge(catalogue: Catalog, texts: Catalog) -> Catalog:
    """Return a catalogue of the collected texts: new ones are empty, unused ones are gone."""
    result = UndatedCatalog(
        locale=catalogue.locale_identifier,
        header_comment="# Translations of Flask-Alipay, updated by 'python -m tests.translations'.",
        charset="utf-8",
        fuzzy=False,
    )
    for message in texts:
        if message.id:
            result.add(message.id, _translation(catalogue, message), locations=message.locations)
    return result


def _translation(catalogue: Catalog, message: Message) -> str | tuple[str, ...]:
    known = catalogue.get(message.id)
    string = known.string if known else ""
    return (string,) if message.pluralizable and isinstance(string, str) else string


def as_po(catalogue: Catalog) -> bytes:
    """Return the source of a catalogue, in the order of the files."""
    file = io.BytesIO()
    write_po(file, catalogue, width=0, sort_by_file=True, include_lineno=False)
    return file.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    """Return a compiled catalogue."""
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def update(paths: Iterable[Path], texts: Catalog) -> None:
    """Bring catalogues up to date and print what is not translated yet.

    :param paths: the sources of the catalogues.
    :param texts: what was collected for them.
    """
    for path in paths:
        catalogue = merge(read(path), texts)
        path.write_bytes(as_po(catalogue))
        path.with_suffix(".mo").write_bytes(as_mo(catalogue))
        for message in catalogue:
            if message.id and not (message.string[0] if message.pluralizable else message.string):
                print(f"not translated in {path.parts[-3]}: {message.id!r}")


if __name__ == "__main__":
    update(CATALOGUES, collect())
    update([SHOP_CATALOGUE], collect_shop())
