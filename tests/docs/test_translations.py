"""The catalogues of the documentation are current and complete."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from docutils.core import publish_doctree

from flask_alipay.testing import AlipaySimulator

from ..looped import for_each
from .conftest import require_sphinx
from .reading import ROOT, page, words

PAGES = sorted(path.stem for path in (ROOT / "docs").glob("*.rst"))

each_page = for_each("name", PAGES)


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    require_sphinx()
    from .. import docs_translations

    return docs_translations


@pytest.fixture(scope="module")
def texts(tool: ModuleType) -> dict[str, list[str]]:
    """The texts of all pages, collected once for each worker."""
    collected: dict[str, list[str]] = tool.collect()
    return collected


def translations(tool: ModuleType, name: str) -> Iterator[tuple[str, str]]:
    """Yield each finished translation of a page."""
    catalogue = tool.read(tool.path_of(name, "zh_CN"))
    for message in catalogue:
        if message.id and message not in tool.unfinished(catalogue):
            yield message.id, message.string


def test_each_catalogue_is_as_the_tool_writes_it(
    tool: ModuleType, texts: dict[str, list[str]]
) -> None:
    """Otherwise the next text that somebody adds would change the whole file."""
    stale = []
    for name in texts:
        path: Path = tool.path_of(name, "zh_CN")
        catalogue = tool.merge(tool.read(path), texts[name], "zh_CN")
        if not path.exists() or path.read_bytes() != tool.as_po(catalogue):
            stale.append(name)
    assert stale == [], "run 'python -m tests.docs_translations'"


def test_each_catalogue_belongs_to_a_page(tool: ModuleType) -> None:
    assert tool.catalogues("zh_CN") == set(PAGES)


@each_page
def test_a_page_is_translated_unless_it_is_listed_as_incomplete(
    name: str, tool: ModuleType
) -> None:
    unfinished = tool.unfinished(tool.read(tool.path_of(name, "zh_CN")))
    if name in tool.incomplete_pages():
        assert unfinished, f"{name} is translated: remove it from {tool.INCOMPLETE.name}"
    else:
        assert [message.id for message in unfinished] == []


def test_the_incomplete_pages_exist(tool: ModuleType) -> None:
    assert tool.incomplete_pages() - set(PAGES) == set()


@each_page
def test_a_translation_names_the_same_code(name: str, tool: ModuleType) -> None:
    wrong = {
        english: difference
        for english, translated in translations(tool, name)
        if (difference := words(english) ^ words(translated))
    }
    assert wrong == {}


@each_page
def test_a_translation_has_the_same_roles(name: str, tool: ModuleType) -> None:
    role = re.compile(r":([\w:]+):`(?:[^`<]*<)?([^`>]+)>?`")
    wrong = {
        english: (role.findall(english), role.findall(translated))
        for english, translated in translations(tool, name)
        if sorted(role.findall(english)) != sorted(role.findall(translated))
    }
    assert wrong == {}


@pytest.mark.parametrize("name", PAGES)
def test_the_markup_of_a_translation_is_closed(name: str, tool: ModuleType) -> None:
    """A space is needed between markup and an opening bracket, for example."""
    wrong = []
    for _english, translated in translations(tool, name):
        warnings = io.StringIO()
        settings = {"warning_stream": warnings, "report_level": 2}
        publish_doctree(translated, settings_overrides=settings)
        if "start-string without end-string" in warnings.getvalue():
            wrong.append(translated)
    assert wrong == []


def test_an_edited_text_keeps_its_translation_as_fuzzy(tool: ModuleType) -> None:
    before = tool.merge(tool.Catalog(), ["Set the key of the merchant.", "Refund"], "zh_CN")
    before["Set the key of the merchant."].string = "设置商户的密钥。"
    after = tool.merge(before, ["Set the key of this merchant.", "Refund"], "zh_CN")
    assert [(each.string, each.fuzzy) for each in tool.unfinished(after)] == [
        ("设置商户的密钥。", True),
        ("", False),
    ]


@pytest.mark.parametrize(
    ("written", "tidy"),
    [
        ("见 :doc:`notify` 。", "见 :doc:`notify`。"),
        ("（ ``key`` ）， **退款** ：", "（``key``），**退款**："),
        ("运行： ::", "运行： ::"),
        ("在 Flask 中使用 ``key`` 时", "在 Flask 中使用 ``key`` 时"),
    ],
)
def test_no_space_stays_beside_a_full_width_mark(written: str, tidy: str, tool: ModuleType) -> None:
    assert tool.tidy(written) == tidy


def test_a_removed_text_leaves_the_catalogue(tool: ModuleType) -> None:
    before = tool.merge(tool.Catalog(), ["Refund", "Bill"], "zh_CN")
    before["Bill"].string = "对账单"
    after = tool.merge(before, ["Refund"], "zh_CN")
    assert [message.id for message in after if message.id] == ["Refund"]


def test_docstrings_are_translated_except_in_the_reference(
    texts: dict[str, list[str]],
) -> None:
    assert "The blueprint" in texts["api-blueprint"]
    assert not any("out_trade_no" in text for text in texts["api-blueprint"])
    docstring = (AlipaySimulator.__doc__ or "").partition("\n")[0]
    assert any(text.startswith(docstring) for text in texts["simulator"])


def test_included_files_are_not_translated(texts: dict[str, list[str]]) -> None:
    assert texts["changes"] == ["Changes", "The entries are in English."]


def test_a_text_of_code_only_is_not_translated(texts: dict[str, list[str]]) -> None:
    assert "``page_no``" in page("parameters.rst")
    assert "``page_no``" not in texts["parameters"]


def test_a_text_of_numbers_only_is_not_translated(texts: dict[str, list[str]]) -> None:
    assert "4,904" in page("reliability.rst")
    assert "4,904" not in texts["reliability"]


@pytest.mark.parametrize(
    "name", ["changes", "contributing", "license", *(n for n in PAGES if n.startswith("api-"))]
)
def test_a_chinese_page_says_what_stays_english(name: str) -> None:
    note = r"^\.\. only:: chinese\n\n    .* in English"
    assert re.search(note, page(f"{name}.rst"), re.MULTILINE)
