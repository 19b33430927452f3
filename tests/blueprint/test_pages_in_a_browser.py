"""Pages of the buyer in a real browser: in both sizes and languages, and accessible."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.serving import make_server

from flask_alipay.models import utc_now
from flask_alipay.testing import AlipaySimulator
from tests.services import expect

from ..accessibility import violations
from ..doubles.shop import Payment, Shop, new_app, new_blueprint

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "user_agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148",
}
BROWSERS = {
    "desktop-en": {**DESKTOP, "locale": "en-US"},
    "desktop-zh": {**DESKTOP, "locale": "zh-CN"},
    "phone-en": {**PHONE, "locale": "en-US"},
    "phone-zh": {**PHONE, "locale": "zh-CN"},
    "desktop-dark": {**DESKTOP, "locale": "zh-CN", "color_scheme": "dark"},
    "phone-dark": {**PHONE, "locale": "zh-CN", "color_scheme": "dark"},
}
#: "Paid" is seen so many milliseconds after Alipay's confirmation.
SOON = 20_000
LONG = "2026112319000000000000000000000000000000000000000000000000012345"

SHOP = {
    "SIMULATOR": True,
    "SHOP_NAME": "Cloud & Leaf 云叶茶舍",
    "SHOP_LOGO": "/static/logo.svg",
    "SHOP_COLOR": "#1f6b4a",
    "SHOP_CONTACT": "400-000-0000 (9:00–21:00)",
    "CHECKOUT_QR": True,
}
LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<circle cx="16" cy="16" r="16" fill="#1f6b4a"/></svg>'
)
ITEMS = [
    {"name": "龙井 Dragon Well, 50 g", "quantity": 2, "amount": "80.88"},
    {"name": "Postage", "amount": "8.00"},
]


def states() -> dict[str, dict[str, Any]]:
    """Return the columns of a payment in each state of the result page, as of now."""
    return {
        "waiting": {},
        "confirming": {"returned_at": utc_now()},
        "unconfirmed": {"returned_at": utc_now() - timedelta(hours=1)},
        "paid": {"paid": True, "trade_status": "TRADE_SUCCESS", "paid_at": utc_now()},
        "partly_refunded": {"paid": True, "trade_status": "TRADE_SUCCESS", "refunded_fen": 1000},
        "refunded": {"paid": True, "trade_status": "TRADE_CLOSED", "refunded_fen": 8888},
        "failed": {"trade_status": "TRADE_CLOSED"},
        "expired": {"expires_at": utc_now() - timedelta(hours=1)},
    }


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """With the simulator inside, and a name and colour of its own."""
    monkeypatch.setattr(Payment, "checkout_items", ITEMS, raising=False)
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "logo.svg").write_text(LOGO)
    app, alipay = new_app(tmp_path, SHOP), new_blueprint()
    app.register_blueprint(alipay, url_prefix="/alipay")
    shop = Shop(app, alipay)
    yield shop
    shop.close()


@pytest.fixture
def site(shop: Shop) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, shop.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tab(request: pytest.FixtureRequest, browser: Browser, site: str) -> Iterator[Page]:
    name = getattr(request, "param", "desktop-en")
    context = browser.new_context(base_url=site, **BROWSERS[name])
    complaints: list[str] = []
    context.on("console", lambda message: complaints.append(message.text))
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    yield context.new_page()
    context.close()
    assert complaints == []


def help_url(shop: Shop, number: str) -> str:
    with shop.app.test_request_context():
        return shop.alipay.link("help", shop.payment(number))


def look_at(tab: Page, name: str, browser_name: str) -> None:
    """Keep a picture where ``FLASK_ALIPAY_SCREENSHOTS`` names a folder."""
    folder = os.environ.get("FLASK_ALIPAY_SCREENSHOTS")
    if folder:
        tab.screenshot(path=Path(folder) / f"{name}-{browser_name}.png", full_page=True)


def assert_usable(tab: Page) -> None:
    """Assert that a page meets WCAG 2.2 AA and is not wider than the window."""
    assert violations(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


in_every_browser = pytest.mark.parametrize(
    ("tab", "name"), [(name, name) for name in BROWSERS], indirect=["tab"], ids=list(BROWSERS)
)


@in_every_browser
def test_the_results_are_accessible(shop: Shop, tab: Page, name: str) -> None:
    number = shop.order(out_trade_no=LONG)
    blank = {"paid": False, "paid_at": None, "refunded_fen": 0, "trade_status": "WAIT_BUYER_PAY"}
    blank |= {"returned_at": None, "expires_at": None}
    titles = set()
    for state, values in states().items():
        tab.goto("about:blank")  # the last page would reload itself
        shop.change(number, **blank | values)
        tab.goto(shop.url("result", number))
        expect(tab.locator(f"article.{state}")).to_be_visible()
        titles.add(tab.get_by_role("heading", level=1).inner_text())
        assert_usable(tab)
        look_at(tab, f"result-{state}", name)
    assert len(titles) == len(states())


@in_every_browser
def test_the_checkout_is_accessible(shop: Shop, tab: Page, name: str) -> None:
    number = shop.order(expires_at=utc_now() + timedelta(minutes=30))
    tab.goto(shop.url("checkout", number))
    tab.locator("#clock-time", has_text="29").wait_for()
    assert tab.locator(".brand img").evaluate("image => image.naturalWidth > 0")
    expect(tab.locator(".brand")).to_contain_text("云叶茶舍")
    expect(tab.locator("footer")).to_contain_text("400-000-0000")
    expect(tab.locator(".items")).to_contain_text("¥80.88")
    color = tab.locator(".button[data-pay]").evaluate(
        "one => getComputedStyle(one).backgroundColor"
    )
    assert color == "rgb(31, 107, 74)"
    on_desktop = name.startswith("desktop")
    expect(tab.locator("#scan")).to_have_count(int(on_desktop))
    if on_desktop:
        tab.frame_locator("#scan iframe").locator("svg").wait_for()
    assert_usable(tab)
    look_at(tab, "checkout", name)
    with tab.expect_popup() as opened:
        tab.locator("[data-pay]").first.click()
    tab.get_by_role("dialog").wait_for()
    assert_usable(tab)
    look_at(tab, "dialog", name)
    opened.value.wait_for_load_state()
    expect(opened.value.locator(".phone")).to_have_count(int(on_desktop))
    look_at(opened.value, "cashier", name)


@in_every_browser
def test_the_other_pages_are_accessible(shop: Shop, tab: Page, name: str) -> None:
    number, code = shop.order(), shop.order(product="qr")
    tab.goto(help_url(shop, number))
    assert_usable(tab)
    look_at(tab, "help", name)
    tab.goto(shop.url("checkout", code))
    expect(tab.locator("#code svg")).to_be_visible()
    assert_usable(tab)
    look_at(tab, "qr", name)


@in_every_browser
def test_an_error_is_accessible(
    shop: Shop, browser: Browser, site: str, tab: Page, name: str
) -> None:
    context = browser.new_context(base_url=site, **BROWSERS[name])
    page = context.new_page()
    page.goto("/alipay/result/bad")
    assert_usable(page)
    look_at(page, "error", name)
    context.close()


def test_i_had_a_problem_leads_to_help(shop: Shop, tab: Page) -> None:
    number = shop.order()
    tab.goto(shop.url("checkout", number))
    with tab.expect_popup():
        tab.locator("[data-pay]").first.click()
    tab.get_by_role("link", name="I had a problem").click()
    tab.wait_for_url("**/checkout/*problem=1")
    tab.get_by_role("link", name="Back to the ways to pay").click()
    tab.wait_for_url("**/checkout/*")


def test_the_code_beside_the_button_is_paid_with_a_phone(
    shop: Shop, browser: Browser, site: str, tab: Page
) -> None:
    number = shop.order()
    tab.goto(shop.url("checkout", number))
    code = tab.frame_locator("#scan iframe").locator("a").get_attribute("href")
    phone = browser.new_context(base_url=site, **BROWSERS["phone-zh"])
    cashier = phone.new_page()
    cashier.goto(str(code))
    cashier.locator("form[action$='/pay'] button").click()
    tab.wait_for_url("**/result/*", timeout=SOON)
    expect(tab.get_by_role("heading", level=1)).to_have_text("Payment received")
    phone.close()


# Lost notifications


@pytest.fixture
def queries(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the times of the queries."""
    times: list[float] = []
    with shop.app.app_context():
        transport: Any = shop.alipay.gateway._transport
    post = transport.post

    def counted(url: str, params: dict[str, str], *more: Any, **options: Any) -> bytes:
        if params.get("method") == "alipay.trade.query":
            times.append(time.monotonic())
        answer: bytes = post(url, params, *more, **options)
        return answer

    monkeypatch.setattr(transport, "post", counted)
    return times


def drop_everything(shop: Shop) -> None:
    """From now on no notification arrives, as on a laptop with the sandbox."""
    simulator = AlipaySimulator.of(shop.app)
    assert simulator is not None
    simulator.inject_fault("drop", times=99)


@pytest.mark.usefixtures("in_threads")
def test_without_notifications_the_buyer_who_returns_sees_it_paid(
    shop: Shop, tab: Page, queries: list[float]
) -> None:
    drop_everything(shop)
    number = shop.order()
    tab.goto(shop.url("checkout", number))
    with tab.expect_popup() as opened:
        tab.locator("[data-pay]").first.click()
    cashier = opened.value
    cashier.locator("form[action$='/pay'] button").click()
    cashier.wait_for_url("**/result/*", timeout=SOON)
    cashier.get_by_role("heading", name="Payment received").wait_for(timeout=SOON)
    tab.wait_for_url("**/result/*", timeout=SOON)  # the tab that stayed open moves on, too
    expect(tab.get_by_role("heading", level=1)).to_have_text("Payment received")
    assert shop.called == [("paid", number)]
    assert len(queries) <= 4


@pytest.mark.usefixtures("in_threads")
def test_ten_tabs_without_notifications_see_it_paid_by_few_queries(
    shop: Shop, browser: Browser, site: str, queries: list[float]
) -> None:
    drop_everything(shop)
    number = shop.order()
    context = browser.new_context(base_url=site, locale="zh-CN")
    tabs = [context.new_page() for _ in range(10)]
    for tab in tabs:
        tab.goto(shop.url("result", number))
    began = time.monotonic()
    simulator = AlipaySimulator.of(shop.app)
    assert simulator is not None
    simulator.pay(number)
    for tab in tabs:
        tab.get_by_role("heading", name="支付成功").wait_for(timeout=SOON)
    assert len(queries) <= 3 + (time.monotonic() - began) / 2
    assert shop.called == [("paid", number)]
    context.close()
