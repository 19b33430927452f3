"""The shop, the checkout and the simulator in a real browser."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.serving import make_server

from flask_alipay.simulator import Simulator
from flask_alipay.simulator.web.cashier import simulator_blueprint
from tests.services import expect, follow

from ..services import hurry

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser

OpenShop = Callable[..., Flask]
OpenTab = Callable[..., "Page"]
#: The timeout for an update of a page, in milliseconds. The tests make the pages poll faster.
SOON = 10_000
#: Read at import time, because the tests run without the machine's environment.
SCREENSHOTS = os.environ.get("FLASK_ALIPAY_SCREENSHOTS")

OPEN_PLATFORM = {
    "open platform": {},
    "open platform with certificates": {"ALIPAY_SIMULATOR": "certificates"},
}
LEGACY = {
    "legacy gateway": {"ALIPAY_PROTOCOL": "mapi"},
    "legacy gateway in GBK": {"ALIPAY_PROTOCOL": "mapi", "ALIPAY_INPUT_CHARSET": "gbk"},
}
MERCHANTS = OPEN_PLATFORM | LEGACY


@pytest.fixture
def app(open_shop: OpenShop, request: pytest.FixtureRequest) -> Flask:
    """The shop; a test is parametrized with the settings of another merchant."""
    return open_shop(getattr(request, "param", None))


@pytest.fixture
def site(app: Flask) -> Iterator[str]:
    """The URL of the shop's server."""
    with served(app) as url:
        yield url


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve an app on a free port, and yield the URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(params=["utf-8", "gbk"])
def far_simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """A simulator on another site."""
    app = Flask(__name__)
    with served(app) as address:
        simulator = Simulator(protocol="mapi", charset=request.param, base_url=f"{address}/alipay")
        app.register_blueprint(simulator_blueprint(simulator), url_prefix="/alipay")
        yield simulator


@pytest.fixture
def complaints() -> list[str]:
    """The messages in the consoles of all tabs; must be empty at the end."""
    return []


@pytest.fixture
def open_tab(browser: Browser, site: str, complaints: list[str]) -> Iterator[OpenTab]:
    """Open tabs of the site, each in a new browser profile."""
    contexts = []

    def open_one(**options: Any) -> Page:
        context = browser.new_context(base_url=site, **options)
        hurry(context)
        context.on("console", lambda message: complaints.append(message.text))
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        contexts.append(context)
        return context.new_page()

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def tab(open_tab: OpenTab) -> Page:
    return open_tab()


def look_at(tab: Page, name: str) -> None:
    """Save a screenshot, if ``FLASK_ALIPAY_SCREENSHOTS`` names a folder."""
    if SCREENSHOTS:
        tab.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)


def order_tea(tab: Page, method: str | None = None) -> str:
    """Order tea, and return the URL of the order."""
    tab.goto("/")
    tab.get_by_role("link", name="Dragon Well").click()
    look_at(tab, "shop-ways")
    if method is not None:
        tab.get_by_label(method).check()
    tab.get_by_label("Quantity").select_option("2")
    tab.get_by_role("button", name="Buy now").click()
    tab.wait_for_url("**/order/*")
    return tab.url


def go_to_checkout(tab: Page) -> None:
    tab.get_by_role("button", name="Pay ¥176.00").click()
    tab.wait_for_url("**/checkout/*")


def open_cashier(tab: Page) -> Page:
    """Follow the main payment link, which opens a new tab."""
    with tab.expect_popup() as opened:
        tab.locator("[data-pay]").first.click()
    opened.value.wait_for_load_state()
    return opened.value


def heading(tab: Page) -> Locator:
    return tab.get_by_role("heading").first


def press(cashier: Page, event: str) -> None:
    follow(cashier.locator(f"form[action$='/{event}'] button"))


@pytest.mark.parametrize(
    ("event", "title", "order_title"),
    [
        ("pay", "Payment received", "Thank you, your payment was received"),
        ("close", "Payment not made", "The payment was not made"),
        ("expire", "The time to pay is over", "The time to pay is over"),
    ],
)
def test_the_waiting_tab_shows_the_result_of_the_trade(
    tab: Page, event: str, title: str, order_title: str
) -> None:
    order = order_tea(tab)
    go_to_checkout(tab)
    press(open_cashier(tab), event)
    tab.wait_for_url("**/result/*", timeout=SOON)
    expect(heading(tab)).to_have_text(title)
    tab.goto(order)
    expect(heading(tab)).to_have_text(order_title)


@pytest.mark.parametrize("app", MERCHANTS.values(), ids=MERCHANTS.keys(), indirect=True)
def test_the_buyer_returns_to_the_result_after_the_payment(tab: Page) -> None:
    order_tea(tab)
    go_to_checkout(tab)
    cashier = open_cashier(tab)
    press(cashier, "pay")
    cashier.wait_for_url("**/result/*", timeout=SOON)
    expect(heading(cashier)).to_have_text("Payment received")


@pytest.mark.parametrize("app", OPEN_PLATFORM.values(), ids=OPEN_PLATFORM.keys(), indirect=True)
def test_the_qr_code_page_moves_on_when_a_phone_has_paid(open_tab: OpenTab, site: str) -> None:
    tab, phone = open_tab(), open_tab(viewport={"width": 390, "height": 844}, is_mobile=True)
    order = order_tea(tab, "Alipay, by QR code (扫码支付)")
    look_at(tab, "shop-qr-order")
    go_to_checkout(tab)
    look_at(tab, "shop-qr")
    code = str(tab.locator("#here").get_attribute("href"))
    assert code.startswith(f"{site}/alipay/simulator/cashier/")
    phone.goto(code)
    press(phone, "pay")
    tab.wait_for_url("**/result/*", timeout=SOON)
    expect(heading(tab)).to_have_text("Payment received")
    tab.goto(order)
    expect(heading(tab)).to_have_text("Thank you, your payment was received")


@pytest.mark.parametrize(
    ("app", "width"),
    [(LEGACY["legacy gateway"], 390), (LEGACY["legacy gateway in GBK"], 1280)],
    ids=["phone", "desktop in GBK"],
    indirect=["app"],
)
def test_an_escrow_order_is_paid_shipped_and_confirmed(
    app: Flask, open_tab: OpenTab, width: int
) -> None:
    tab, keeper = open_tab(viewport={"width": width, "height": 800}), open_tab()
    order = order_tea(tab, "Alipay, escrow (担保交易)")
    go_to_checkout(tab)
    cashier = open_cashier(tab)
    press(cashier, "deposit")
    cashier.wait_for_url("**/result/*", timeout=SOON)
    expect(heading(cashier)).to_have_text("Payment received")
    tab.wait_for_url("**/result/*", timeout=SOON)  # without a click
    tab.goto(order)
    expect(heading(tab)).to_have_text("Thank you, your payment was received")
    keeper.goto("/admin/parcels/")
    keeper.get_by_label("Name").fill("keeper")
    keeper.get_by_label("Password").fill(app.config["SHOP_ADMIN_PASSWORD"])
    keeper.get_by_role("button", name="Log in").click()
    keeper.get_by_label("Parcel number").fill("SF1234567890")
    keeper.get_by_role("button", name="Ship now").click()
    keeper.get_by_text("On its way").wait_for()
    # The buyer's page updates without a click.
    tab.get_by_role("heading", name="Your parcel is on its way").wait_for(timeout=SOON)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.get_by_role("link", name="Confirm at the simulated Alipay").click()
    tab.get_by_role("button", name="Confirm receipt").click()
    tab.get_by_role("heading", name="Payment successful").wait_for()
    tab.goto(order)
    expect(heading(tab)).to_have_text("The order is completed")
    keeper.reload()
    expect(keeper.get_by_text("Completed")).to_be_visible()


def test_escrow_works_with_a_simulator_on_another_site(
    open_shop: OpenShop, far_simulator: Simulator, browser: Browser
) -> None:
    merchant = far_simulator.merchant_settings()
    app = open_shop({f"ALIPAY_{name}": value for name, value in merchant.items()})
    assert app.config["ALIPAY_SIMULATOR"] is False
    with served(app) as site:
        context = browser.new_context(base_url=site)
        hurry(context)
        tab = context.new_page()
        order = order_tea(tab, "Alipay, escrow (担保交易)")
        go_to_checkout(tab)
        cashier = open_cashier(tab)
        trade = cashier.url
        press(cashier, "deposit")
        cashier.wait_for_url("**/result/*", timeout=SOON)
        tab.wait_for_url("**/result/*", timeout=SOON)  # without a click
        ran = app.test_cli_runner().invoke(args=["ship", "T1001", "--carrier", "顺丰速运"])
        assert ran.output == "T1001 is on its way.\n"
        cashier.goto(trade)
        cashier.get_by_role("button", name="Confirm receipt").click()
        cashier.get_by_role("heading", name="Payment successful").wait_for()
        tab.goto(order)
        expect(heading(tab)).to_have_text("The order is completed")
        context.close()


def test_the_order_page_updates_by_itself(open_tab: OpenTab) -> None:
    tab, watching = open_tab(), open_tab()
    watching.goto(order_tea(tab))
    go_to_checkout(tab)
    press(open_cashier(tab), "pay")
    watching.get_by_role("heading", name="Thank you, your payment was received").wait_for(
        timeout=SOON
    )


def test_a_buyer_who_has_not_paid_yet_sees_that_the_payment_is_pending(tab: Page) -> None:
    order_tea(tab)
    go_to_checkout(tab)
    cashier = open_cashier(tab)
    tab.get_by_role("link", name="Payment completed").click()
    tab.get_by_role("heading", name="Not paid yet").wait_for()
    press(cashier, "pay")
    tab.get_by_role("heading", name="Payment received").wait_for(timeout=SOON)


def test_a_buyer_with_a_problem_gets_help_and_the_payment_methods(tab: Page) -> None:
    order_tea(tab)
    go_to_checkout(tab)
    open_cashier(tab)
    tab.get_by_role("link", name="I had a problem").click()
    tab.wait_for_url("**/checkout/*problem=1")
    tab.get_by_role("link", name="Back to the ways to pay").click()
    tab.wait_for_url("**/checkout/*")
    expect(tab.get_by_role("dialog")).to_have_count(0)
    expect(tab.locator("[data-pay]").first).to_be_visible()


def test_a_short_network_failure_does_no_harm(tab: Page, complaints: list[str]) -> None:
    order_tea(tab)
    go_to_checkout(tab)
    tab.route("**/status/*", lambda route: route.abort())
    with tab.expect_event("requestfailed", timeout=SOON):
        press(open_cashier(tab), "pay")
    tab.unroute("**/status/*")
    tab.wait_for_url("**/result/*", timeout=SOON)
    complaints.clear()  # messages about the network failure


def test_after_the_time_for_payment_the_checkout_has_no_payment_buttons(
    app: Flask, shop: ModuleType, tab: Page
) -> None:
    order_tea(tab)
    with app.app_context():
        soon = shop.models.now() + timedelta(seconds=3)
        shop.models.db.session.scalar(select(shop.models.Order)).pay_by = soon
        shop.models.db.session.scalar(select(shop.models.Payment)).expires_at = soon
        shop.models.db.session.commit()
    go_to_checkout(tab)
    expect(tab.locator("#clock")).to_contain_text("Pay within")
    tab.get_by_role("alert").wait_for(timeout=SOON)
    expect(tab.locator("[data-pay]").first).to_be_hidden()


def test_a_payment_works_without_scripts(open_tab: OpenTab) -> None:
    tab = open_tab(java_script_enabled=False)
    order = order_tea(tab)
    go_to_checkout(tab)
    press(open_cashier(tab), "pay")
    tab.get_by_role("link", name="Check the payment status").click()
    expect(heading(tab)).to_have_text("Payment received")
    tab.goto(order)
    expect(heading(tab)).to_have_text("Thank you, your payment was received")


def test_without_scripts_the_waiting_page_reloads_itself(open_tab: OpenTab) -> None:
    tab = open_tab(java_script_enabled=False)
    order_tea(tab)
    go_to_checkout(tab)
    cashier = open_cashier(tab)
    tab.get_by_role("link", name="Check the payment status").click()
    expect(heading(tab)).to_have_text("Not paid yet")
    press(cashier, "pay")
    tab.get_by_role("heading", name="Payment received").wait_for(timeout=2 * SOON)


def test_a_chinese_browser_gets_chinese_pages(open_tab: OpenTab) -> None:
    tab = open_tab(locale="zh-CN")
    tab.goto("/")
    tab.get_by_role("link", name="龙井").click()
    tab.get_by_role("button", name="立即购买").click()
    tab.get_by_role("button", name="支付 ¥88.00").click()
    tab.wait_for_url("**/checkout/*")
    assert tab.title() == "订单支付"
    press(open_cashier(tab), "pay")
    tab.wait_for_url("**/result/*", timeout=SOON)
    expect(heading(tab)).to_have_text("支付成功")


def test_the_link_to_the_other_language_translates_shop_and_checkout(open_tab: OpenTab) -> None:
    tab = open_tab(locale="zh-CN")
    tab.goto("/tea/dragon-well")
    tab.get_by_role("link", name="English").click()
    tab.get_by_role("heading", name="Dragon Well").wait_for()
    order_tea(tab)
    go_to_checkout(tab)
    assert tab.title() == "Checkout"
    tab.goto("/orders")
    tab.get_by_role("link", name="中文").click()
    tab.get_by_role("heading", name="我的订单").wait_for()


@pytest.mark.parametrize("app", [{"ALIPAY_PROTOCOL": "mapi"}], ids=["with banks"], indirect=True)
@pytest.mark.parametrize("width", [320, 1280])
def test_no_page_is_wider_than_the_screen(open_tab: OpenTab, width: int) -> None:
    tab = open_tab(viewport={"width": width, "height": 700})
    pages = ["/", "/tea/big-red-robe", "/orders", order_tea(tab)]
    go_to_checkout(tab)
    pages += [tab.url, str(tab.locator("#already a").get_attribute("href"))]
    for page in pages:
        tab.goto(page)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, page
