"""Pictures of the pages for the documentation, in both languages.

With ``FLASK_ALIPAY_SCREENSHOTS=docs/_static`` the pictures are kept there. A picture for Chinese
readers is called ``checkout.zh_CN.png``, as Sphinx expects it.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from ..docs.reading import ROOT, page
from .test_shop_in_a_browser import SCREENSHOTS, SOON, OpenTab, open_cashier, press
from .test_shop_in_a_browser import app as app
from .test_shop_in_a_browser import complaints as complaints
from .test_shop_in_a_browser import open_tab as open_tab
from .test_shop_in_a_browser import site as site

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

#: Bytes.
LARGEST = 150_000
SIZE = {"width": 960, "height": 640}
NAMES = ("shop", "checkout", "cashier", "result", "timeline", "simulator", "terminal")
LANGUAGES = {"en-US": "", "zh-CN": ".zh_CN"}

#: How a terminal shows the commands.
TERMINAL = """<!doctype html><meta charset="utf-8"><body style="margin:0"><pre style="margin:0;
padding:20px 24px; width:max-content;
font:15px/1.5 'DejaVu Sans Mono','Noto Sans Mono CJK SC',monospace;
color:#e6edf3; background:#0d1117">"""


class Camera:
    """Take pictures in one language."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self.folder, self.suffix = folder, suffix

    def take(self, shown: Page | Locator, name: str, **options: Any) -> None:
        shown.screenshot(path=self.folder / f"{name}{self.suffix}.png", **options)


def test_the_pictures_are_taken(
    app: Flask, open_tab: OpenTab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(SCREENSHOTS) if SCREENSHOTS else tmp_path
    for locale, suffix in LANGUAGES.items():
        monkeypatch.setenv("LANGUAGE", locale[:2])
        camera = Camera(folder, suffix)
        tab = open_tab(locale=locale, viewport=SIZE)
        take_those_of_a_buyer(tab, camera)
        number = latest_payment(app)
        take_those_of_the_keeper(open_tab(locale=locale, viewport=SIZE), app, number, camera)
        take_that_of_the_terminal(open_tab(), app, number, camera)
    sizes = {path.name: path.stat().st_size for path in folder.glob("*.png")}
    taken = {f"{name}{suffix}.png" for name in NAMES for suffix in LANGUAGES.values()}
    assert taken - set(sizes) == set()
    assert {name: sizes[name] for name in taken if sizes[name] > LARGEST} == {}


def latest_payment(app: Flask) -> str:
    listed = app.test_cli_runner().invoke(args=["alipay", "payments", "--json"]).stdout
    number: str = json.loads(listed.splitlines()[0])["out_trade_no"]
    return number


def take_those_of_a_buyer(tab: Page, camera: Camera) -> None:
    tab.goto("/")
    camera.take(tab, "shop")
    tab.locator("a.card").first.click()
    tab.locator("form button").first.click()
    tab.wait_for_url("**/order/*")
    tab.locator("form button").first.click()
    tab.wait_for_url("**/checkout/*")
    camera.take(tab, "checkout")
    cashier = open_cashier(tab)
    camera.take(cashier, "cashier")
    press(cashier, "pay")
    cashier.wait_for_url("**/result/*", timeout=SOON)
    camera.take(cashier, "result")
    cashier.goto("/alipay/simulator/")
    camera.take(cashier, "simulator")


def take_those_of_the_keeper(tab: Page, app: Flask, number: str, camera: Camera) -> None:
    tab.goto("/admin/parcels/")
    tab.locator("input[type=text], input:not([type])").first.fill("keeper")
    tab.locator("input[type=password]").fill(app.config["SHOP_ADMIN_PASSWORD"])
    tab.locator("form button").first.click()
    tab.locator("form button").first.wait_for()
    tab.goto(f"/admin/alipay/payments/{number}")
    camera.take(tab, "timeline", full_page=True)


def take_that_of_the_terminal(tab: Page, app: Flask, number: str, camera: Camera) -> None:
    shown = []
    for arguments in (["payments"], ["show", number]):
        result = app.test_cli_runner().invoke(args=["alipay", *arguments], terminal_width=100)
        assert result.exit_code == 0
        shown.append(f"$ flask alipay {' '.join(arguments)}\n{result.output}")
    tab.set_content(TERMINAL + escape("\n".join(shown).rstrip()) + "</pre>")
    camera.take(tab.locator("pre"), "terminal")


@pytest.mark.parametrize("suffix", LANGUAGES.values(), ids=LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_has_the_picture(name: str, suffix: str) -> None:
    path = ROOT / "docs" / "_static" / f"{name}{suffix}.png"
    assert 0 < path.stat().st_size <= LARGEST


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_the_picture(name: str) -> None:
    pages = [page(path.name) for path in (ROOT / "docs").glob("*.rst")]
    assert any(f".. image:: _static/{name}.png" in text for text in pages)
