"""Catalogues contain every text of the package, and the compiled ones are current."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo

from flask_alipay.protocol.i18n import N_, translate, translate_plural, translator

from .translations import (
    CATALOGUES,
    KEYWORDS,
    PACKAGE,
    SHOP_CATALOGUE,
    as_po,
    collect,
    collect_shop,
    merge,
    read,
)

each_catalogue = pytest.mark.parametrize(
    "path", [*CATALOGUES, SHOP_CATALOGUE], ids=lambda path: path.parts[-5]
)


@cache
def texts_of(path: Path) -> Catalog:
    """Return the texts that a catalogue translates; they take a second to collect."""
    return collect_shop() if path == SHOP_CATALOGUE else collect()


def messages(catalogue: Catalog) -> Iterator[Message]:
    """Return everything except the header."""
    return (message for message in catalogue if message.id)


def forms(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def contents(catalogue: Catalog) -> dict[tuple[str, ...], tuple[str, ...]]:
    return {forms(message.id): forms(message.string) for message in messages(catalogue)}


def pairs(path: Path) -> list[tuple[str, str]]:
    """Return each English text, singular and plural, with each of its translations."""
    return [
        (english, translated)
        for message in messages(read(path))
        for english in forms(message.id)
        for translated in forms(message.string)
    ]


def placeholders(text: str) -> set[str]:
    braces = {name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name}
    return braces | set(re.findall(r"%\((\w+)\)s", text))


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Return each call that shows or marks a text, with its place."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in KEYWORDS:
                yield f"{file.relative_to(PACKAGE)}:{node.lineno}", node


def test_chinese_has_a_catalogue() -> None:
    assert [path.parts[-3] for path in CATALOGUES] == ["zh_CN"]


@each_catalogue
def test_every_text_is_translated(path: Path) -> None:
    catalogue = read(path)
    untranslated = [
        message.id
        for message in messages(texts_of(path))
        if (known := catalogue.get(message.id)) is None or not all(forms(known.string))
    ]
    assert untranslated == []


@each_catalogue
def test_every_translation_is_used(path: Path) -> None:
    unused = [
        message.id for message in messages(read(path)) if texts_of(path).get(message.id) is None
    ]
    assert unused == []


@each_catalogue
def test_no_translation_is_fuzzy_or_obsolete(path: Path) -> None:
    catalogue = read(path)
    assert [message.id for message in messages(catalogue) if message.fuzzy] == []
    assert list(catalogue.obsolete) == []


@each_catalogue
def test_the_compiled_catalogue_is_current(path: Path) -> None:
    with path.with_suffix(".mo").open("rb") as file:
        compiled = read_mo(file)
    assert contents(compiled) == contents(read(path)), "run 'python -m tests.translations'"


@each_catalogue
def test_the_source_of_a_catalogue_is_as_the_tool_writes_it(path: Path) -> None:
    """Otherwise the next text that somebody adds would change the whole file."""
    assert path.read_bytes() == as_po(merge(read(path), texts_of(path)))


@each_catalogue
def test_a_translation_has_the_same_placeholders(path: Path) -> None:
    wrong = {
        english: translated
        for english, translated in pairs(path)
        if placeholders(english) != placeholders(translated)
    }
    assert wrong == {}


@each_catalogue
def test_commands_options_and_settings_are_the_same_in_both_languages(path: Path) -> None:
    literal = re.compile(r"--[a-z-]+[a-z]|\b[A-Z]+_[A-Z_]+\b|'[a-z][a-z-]*'")
    wrong = {
        english: difference
        for english, translated in pairs(path)
        if (difference := set(literal.findall(english)) ^ set(literal.findall(translated)))
    }
    assert wrong == {}


def test_only_complete_literal_texts_are_looked_up() -> None:
    """No catalogue has an f-string, a sum, or a text with its values inserted."""
    wrong = [
        place
        for place, call in calls()
        if isinstance(call.args[0], (ast.JoinedStr, ast.BinOp))
        or (
            isinstance(call.args[0], ast.Call)
            and getattr(call.args[0].func, "attr", "") == "format"
        )
    ]
    assert wrong == []


@pytest.mark.parametrize("language", ["zh", "zh-CN", "zh_TW.UTF-8", "ZH"])
def test_every_chinese_locale_reads_the_chinese_catalogue(language: str) -> None:
    assert translate("Back to the shop", language) == "返回商家"
    assert translator(language)("Back to the shop") == "返回商家"


@pytest.mark.parametrize("language", ["en", "en-US", "de_DE", "C", ""])
def test_any_other_language_is_english(language: str) -> None:
    assert translate("Back to the shop", language) == "Back to the shop"


def test_a_text_that_the_catalogue_lacks_stays_english() -> None:
    text = "A text that nobody has translated."
    assert translate(N_(text), "zh") == text


def test_the_empty_text_stays_empty() -> None:
    assert translate("", "zh") == ""


@pytest.mark.parametrize(("count", "expected"), [(0, "things"), (1, "thing"), (2, "things")])
def test_a_number_of_things_agrees(count: int, expected: str) -> None:
    assert translate_plural("thing", "things", count, "en") == expected
