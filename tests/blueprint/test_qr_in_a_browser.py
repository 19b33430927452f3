"""Page with the QR code in a real browser: it counts down, notices the payment, renews the code."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.serving import make_server

from flask_alipay.models import utc_now
from tests.services import expect

from ..doubles.merchant import Merchant
from ..doubles.shop import Shop
from .test_products import QR, Platform
from .test_products import platform as platform

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

DESKTOP = {"viewport": {"width": 1280, "height": 800}, "locale": "en-US"}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "locale": "zh-CN",
    "has_touch": True,
    "is_mobile": True,
}
#: The pages ask every two seconds at first.
SOON = 15_000


@pytest.fixture
def site(shop: Shop, platform: Platform) -> Iterator[str]:
    shop.app.config["TRUSTED_HOSTS"] = None  # the browser's is 127.0.0.1
    server = make_server("127.0.0.1", 0, shop.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def tab(request: pytest.FixtureRequest, browser: Browser, site: str) -> Iterator[Page]:
    context = browser.new_context(base_url=site, **request.param)
    complaints: list[str] = []
    context.on("console", lambda message: complaints.append(message.text))
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    yield context.new_page()
    context.close()
    assert complaints == []


def look_at(tab: Page, name: str) -> None:
    """Save a screenshot if a folder for screenshots is set."""
    folder = os.environ.get("FLASK_ALIPAY_SCREENSHOTS")
    if folder:
        width = (tab.viewport_size or {"width": 0})["width"]
        tab.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)


def test_the_page_notices_by_itself_that_it_is_paid(
    shop: Shop, merchant: Merchant, tab: Page
) -> None:
    number = shop.order(product="qr", expires_at=utc_now() + timedelta(minutes=30))
    tab.goto(shop.url("checkout", number))
    expect(tab.locator("#code svg")).to_be_visible()
    expect(tab.locator(".owed")).to_contain_text("¥88.88")
    tab.locator("#clock-time", has_text="29").wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # Squares that a camera can tell apart.
    assert (tab.locator("#code svg").bounding_box() or {"width": 0})["width"] >= 180
    look_at(tab, "qr")
    assert shop.notify(merchant.notification(number)).data == b"success"
    tab.wait_for_url("**/result/*", timeout=SOON)


def test_a_phone_that_shows_the_code_may_follow_it(shop: Shop, tab: Page) -> None:
    tab.goto(shop.url("checkout", shop.order(product="qr")))
    here = tab.locator("#here")
    expect(here).to_have_attribute("href", QR)
    expect(here).to_be_visible(visible=((tab.viewport_size or {"width": 0})["width"] == 390))


def test_a_code_that_grows_old_is_renewed(shop: Shop, platform: Platform, tab: Page) -> None:
    number = shop.order(product="qr")
    until = (utc_now() + timedelta(seconds=31)).isoformat()
    kept = {"qr_code": "https://old.invalid/", "qr_code_until": until, "qr_code_fen": 8888}
    shop.change(number, details=kept)
    tab.goto(shop.url("checkout", number))
    expect(tab.locator("#here")).to_have_attribute("href", "https://old.invalid/")
    assert platform.requested == []
    tab.locator(f"#here[href='{QR}']").wait_for(state="attached", timeout=SOON)
    assert platform.methods() == ["precreate"]


def test_a_code_that_expired_in_the_background_waits_for_the_buyer(
    shop: Shop, platform: Platform, tab: Page
) -> None:
    tab.add_init_script("Object.defineProperty(document, 'hidden', {get: () => true})")
    number = shop.order(product="qr")
    until = (utc_now() + timedelta(seconds=31)).isoformat()
    kept = {"qr_code": "https://old.invalid/", "qr_code_until": until, "qr_code_fen": 8888}
    shop.change(number, details=kept)
    tab.goto(shop.url("checkout", number))
    tab.locator("#fresh").wait_for(timeout=SOON)
    look_at(tab, "qr-old")
    tab.locator("#fresh").click()
    tab.locator(f"#here[href='{QR}']").wait_for(state="attached", timeout=SOON)


def test_when_the_time_is_over_there_is_nothing_left_to_scan(shop: Shop, tab: Page) -> None:
    number = shop.order(product="qr", expires_at=utc_now() + timedelta(seconds=3))
    tab.goto(shop.url("checkout", number))
    tab.get_by_role("alert").wait_for(timeout=SOON)
    expect(tab.locator("#code")).to_be_hidden()
    look_at(tab, "qr-over")


def test_a_trade_that_is_closed_is_noticed(shop: Shop, merchant: Merchant, tab: Page) -> None:
    number = shop.order(product="qr")
    tab.goto(shop.url("checkout", number))
    body: Any = merchant.notification(number, trade_status="TRADE_CLOSED", gmt_payment=None)
    assert shop.notify(body).data == b"success"
    tab.wait_for_url("**/result/*", timeout=SOON)
