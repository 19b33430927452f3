"""The documentation as HTML, in both languages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.services import expect

from .conftest import build
from .reading import ROOT, page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: The first test waits for both builds, which take minutes on a busy machine.
pytestmark = pytest.mark.timeout(1200)

PAGES = sorted(path.stem for path in (ROOT / "docs").glob("*.rst"))
DICTIONARY = ROOT / "docs/locale/zh_CN/search-words.txt"

each_language = pytest.mark.parametrize("folder", ["", "zh_CN"], ids=["en", "zh"])


def pages_in(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.glob("*.html")):
        yield path, path.read_text(encoding="utf-8")


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    yield context.new_page()
    context.close()


@pytest.fixture
def desktop(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    yield context.new_page()
    context.close()


@each_language
def test_each_page_links_to_itself_in_the_other_language(folder: str, html: Path) -> None:
    other = {"": "zh_CN", "zh_CN": ".."}[folder]
    for path, text in pages_in(html / folder):
        links = set(re.findall(r'class="language-switch[^"]*" href="([^"#]*)', text))
        assert {(path.parent / link or path).resolve() for link in links} == {
            (path.parent / other / path.name).resolve()
        }
        assert (path.parent / other / path.name).exists()


@each_language
def test_each_page_declares_its_language(folder: str, html: Path) -> None:
    expected = {"": "en", "zh_CN": "zh-CN"}[folder]
    assert {
        re.findall(r'<html[^>]* lang="([^"]+)"', text)[0] for _path, text in pages_in(html / folder)
    } == {expected}


@each_language
def test_the_sidebar_has_all_pages(folder: str, html: Path) -> None:
    text = (html / folder / "license.html").read_text(encoding="utf-8")
    sidebar = text.partition('<div class="sidebar-tree">')[2].partition("</aside>")[0]
    linked = set(re.findall(r'href="([\w-]*)(?:\.html)?(?:#[^"]*)?"', sidebar)) - {""}
    assert linked | {"license", "index"} == set(PAGES)


@each_language
def test_a_page_loads_nothing_from_another_host(folder: str, html: Path) -> None:
    loaded = r'<(?:script|img|iframe)[^>]* src="([^"]+)"|<link[^>]* href="([^"]+)"'
    addresses = {
        address
        for _path, text in pages_in(html / folder)
        for found in re.findall(loaded, text)
        for address in found
    }
    styles = "".join(
        path.read_text(encoding="utf-8") for path in (html / folder / "_static").rglob("*.css")
    )
    addresses |= set(re.findall(r"(?:@import |url\()[\"']?([^\"')]+)", styles))
    assert {each for each in addresses if re.match(r"(?:https?:)?//", each)} == set()


def test_the_theme_is_in_chinese_on_chinese_pages(html: Path) -> None:
    text = (html / "zh_CN" / "notify.html").read_text(encoding="utf-8")
    for english in ("On this page", "Back to top", "Skip to content", "Next", "Previous"):
        assert not re.search(rf">\s*{english}\s*<", text)
    assert "本页内容" in text


@pytest.mark.browser
@each_language
def test_no_page_scrolls_sideways_on_a_phone(folder: str, html: Path, phone: Page) -> None:
    wide = {}
    for path, _text in pages_in(html / folder):
        phone.goto(path.as_uri())
        width = phone.evaluate("document.documentElement.scrollWidth")
        if width > 390:
            wide[path.name] = width
    assert wide == {}


@pytest.mark.browser
def test_the_pages_are_dark_for_a_reader_who_prefers_it(html: Path, desktop: Page) -> None:
    desktop.goto((html / "index.html").as_uri())
    colour = desktop.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", colour)[:3])) < 64
    desktop.emulate_media(color_scheme="light")
    colour = desktop.evaluate("getComputedStyle(document.body).backgroundColor")
    assert min(map(int, re.findall(r"\d+", colour)[:3])) > 224


@pytest.mark.browser
def test_each_code_block_has_a_copy_button(html: Path, desktop: Page) -> None:
    desktop.goto((html / "zh_CN" / "quickstart.html").as_uri())
    blocks = desktop.locator("article .highlight")
    desktop.locator("button.copybtn").first.wait_for(state="attached")
    assert desktop.locator("article .highlight button.copybtn").count() == blocks.count() > 0


@pytest.mark.browser
def test_a_tab_shows_the_settings_of_one_language(html: Path, desktop: Page) -> None:
    desktop.goto((html / "offline.html").as_uri())
    desktop.get_by_text("PHP", exact=True).click()
    expect(desktop.get_by_text("new AopClient()")).to_be_visible()
    expect(desktop.get_by_text("new AlipaySdk(")).to_be_hidden()


def found(page: Page, site: Path, words: str) -> list[str]:
    """Return the pages that the search finds."""
    page.goto(f"{(site / 'search.html').as_uri()}?q={words}")
    summary = "document.querySelector('#search-results .search-summary')?.textContent"
    page.wait_for_function(summary)
    links = page.locator("#search-results li a")
    return [str(link.get_attribute("href")).partition(".html")[0] for link in links.all()]


@pytest.fixture(scope="module")
def compounds(html: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with all words of the dictionary, built with the documentation's configuration."""
    source = tmp_path_factory.mktemp("compounds")
    for name in ("conf.py", "chinese_search.py", "_templates", "_static", "locale"):
        path = ROOT / "docs" / name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, source / name)
    words = DICTIONARY.read_text(encoding="utf-8").split()
    sentence = "，".join(f"我们先用{word}再说" for word in words)
    (source / "index.rst").write_text(f"Words\n=====\n\n{sentence}。\n", encoding="utf-8")
    build(source / "html", "-D", "language=zh_CN", source=source)
    return source / "html"


@pytest.mark.browser
@pytest.mark.parametrize(
    "word", ["退款", "验签", "小程序", "对账单", "付款码", "异步通知", "商户订单号"]
)
def test_the_search_finds_a_word_within_a_chinese_sentence(
    word: str, compounds: Path, phone: Page
) -> None:
    assert found(phone, compounds, word) == ["index"]


@pytest.mark.browser
def test_the_search_splits_a_question_without_spaces(compounds: Path, phone: Page) -> None:
    assert found(phone, compounds, "小程序退款怎么办") == ["index"]


@pytest.mark.browser
def test_the_search_does_not_find_a_word_that_no_page_has(compounds: Path, phone: Page) -> None:
    assert found(phone, compounds, "葡萄酒") == []


@pytest.mark.browser
@pytest.mark.parametrize(("word", "name"), [("退款", "refund"), ("验签", "verify")])
def test_the_search_finds_the_page_about_a_task(
    word: str, name: str, html: Path, phone: Page
) -> None:
    assert name in found(phone, html / "zh_CN", word)


def test_the_dictionary_is_sorted_without_duplicates() -> None:
    words = DICTIONARY.read_text(encoding="utf-8").split()
    assert words == sorted(set(words))


def test_the_index_lists_each_page_once() -> None:
    index = page("index.rst") + page("api.rst")
    listed = re.findall(r"^    ([\w-]+)$", index.partition(".. toctree::")[2], re.MULTILINE)
    assert sorted(listed) == sorted(set(PAGES) - {"index"})
