"""An operator resolves a missing order in a real browser, on a desktop and on a phone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Response, g
from flask_admin import Admin
from werkzeug.serving import make_server

from tests.services import expect, follow

from ..accessibility import violations
from .conftest import OpenShop
from .pictures import take
from .shop import LOST, Shop

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

#: The number of the payment whose notification was lost, as in the documentation.
NUMBER = "20260131000000000000000001"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
WORDS = {
    "en": {
        "payments": "Payments",
        "search": "Number or buyer",
        "find": "Search",
        "query": "Query Alipay",
        "confirm query": "Confirm: Query Alipay",
        "updated": "The ledger is updated: Payment received.",
        "refund": "Refund",
        "amount": "Amount in yuan",
        "reason": "Reason (optional, the buyer may see it)",
        "continue": "Continue",
        "confirm refund": "Confirm: Refund",
        "refunded": "¥10.00: Refund succeeded.",
        "takings": "Takings",
        "net": "Sales ¥88.88, refunds ¥10.00, net ¥78.88",
        "menu": "Toggle navigation",
    },
    "zh-CN": {
        "payments": "订单",
        "search": "号码或买家",
        "find": "搜索",
        "query": "查询",
        "confirm query": "确认：查询",
        "updated": "账本已更新：支付成功。",
        "refund": "退款",
        "amount": "退款金额（元）",
        "reason": "退款原因（可选，买家可能看到）",
        "continue": "继续",
        "confirm refund": "确认：退款",
        "refunded": "：退款成功。",
        "takings": "收款统计",
        "net": "交易额 ¥88.88，退款额 ¥10.00，净额 ¥78.88",
        "menu": "Toggle navigation",
    },
}


@pytest.fixture
def shop(open_shop: OpenShop) -> Shop:
    """A shop that Alipay's notifications do not reach, with a strict Content-Security-Policy."""

    def admin(app: Flask) -> Admin:
        def nonce() -> str:
            g.nonce = "n0nce"
            return "n0nce"

        @app.after_request
        def guard(response: Response) -> Response:
            if "nonce" in g:
                own = "'self' 'nonce-n0nce'"
                response.headers["Content-Security-Policy"] = (
                    f"default-src 'self'; script-src {own}; style-src {own}; img-src 'self' data:"
                )
            return response

        return Admin(app, name="Cloud & Leaf", csp_nonce_generator=nonce)

    return open_shop(admin=admin, config={"ALIPAY_NOTIFY_URL": LOST})


@pytest.fixture
def site(shop: Shop) -> Iterator[str]:
    # The browser keeps the scripts of Flask-Admin: a page that it leaves early cuts off no request.
    shop.app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600
    server = make_server("127.0.0.1", 0, shop.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def open_page(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """Open a browser window; a violated policy or a script error fails the test."""
    contexts: list[Any] = []
    errors: list[str] = []

    def make(viewport: dict[str, int], locale: str) -> Page:
        context = browser.new_context(viewport=viewport, locale=locale, base_url=site)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: errors.append(message.text) if message.type == "error" else None,
        )
        return page

    yield make
    for context in contexts:
        for page in context.pages:
            page.wait_for_load_state("load")
        context.close()
    assert [error for error in errors if "404" not in error and "400" not in error] == []


def check_page(page: Page, viewport: dict[str, int]) -> None:
    """Check the requirements of every page, when it is complete."""
    page.wait_for_load_state("load")
    assert violations(page) == []
    wide = page.evaluate(
        """width => [...document.querySelectorAll('body *')]
        .filter(e => e.getBoundingClientRect().right > width && !e.closest('.drawing, thead'))
        .map(e => e.outerHTML)""",
        viewport["width"],
    )
    assert wide == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    expect(page.locator("main h1")).to_have_count(1)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('main input:not([type=hidden]), main select')]
        .filter(field => !field.labels.length).map(field => field.outerHTML)"""
    )
    assert nameless == []
    small = page.evaluate(
        """() => [...document.querySelectorAll('main button, main a.btn')]
        .filter(e => e.getBoundingClientRect().height < 24).map(e => e.outerHTML)"""
    )
    assert small == []
    expect(page.locator("main svg[role=img]:not([aria-label])")).to_have_count(0)


@pytest.mark.parametrize("kind", ["desktop", "phone"])
@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_a_missing_order_is_resolved_refunded_and_counted(
    shop: Shop, open_page: Callable[..., Page], kind: str, locale: str
) -> None:
    """The walk through ``docs/missing-order.rst``, with its pictures."""
    viewport = {"desktop": DESKTOP, "phone": PHONE}[kind]
    number = shop.order(reference="T1221", subject="龙井茶 × 2", out_trade_no=NUMBER)
    shop.order(reference="T1222", subject="Keemun × 1", out_trade_no=NUMBER[:-1] + "2")
    shop.pay(number)
    page, words = open_page(viewport, locale), WORDS[locale]

    def check(picture: str = "") -> None:
        check_page(page, viewport)
        if picture:
            take(page, picture, kind, locale)

    page.goto("/admin/alipay/payments/")
    check("payments")
    page.get_by_label(words["search"]).fill("T1221")
    follow(page.get_by_label(words["search"]), "Enter")
    follow(page.get_by_role("link", name=number))
    check("missing")
    follow(page.get_by_role("link", name=words["query"], exact=True))
    check("query")
    page.get_by_role("button", name=words["confirm query"]).click()
    page.get_by_text(words["updated"]).wait_for()
    assert shop.payment(number).paid
    check("found")
    follow(page.locator("main").get_by_role("link", name=words["refund"], exact=True))
    check()
    page.get_by_label(words["amount"]).fill("10.00")
    page.get_by_label(words["reason"]).fill("包装破损")
    check("refund")
    follow(page.get_by_role("button", name=words["continue"]))
    check("confirm")
    page.get_by_role("button", name=words["confirm refund"]).click()
    page.get_by_text(words["refunded"]).first.wait_for()
    assert shop.payment(number).refunded_fen == 1000
    assert [row.refund_fen for row in shop.rows(shop.Refund)] == [1000]
    check("payment")
    if viewport is PHONE:
        page.get_by_role("button", name=words["menu"]).click()
        page.wait_for_timeout(500)
    page.get_by_role("link", name=words["takings"], exact=True).click()
    page.get_by_text(words["net"]).wait_for()
    check("takings")
    for path in ("refunds/", "notifications/", "notifications/1"):
        page.goto(f"/admin/alipay/{path}")
        check()


def test_a_payment_is_closed_with_the_keyboard_alone(
    shop: Shop, open_page: Callable[..., Page]
) -> None:
    number = shop.order()
    page = open_page(DESKTOP, "en")
    page.goto(f"/admin/alipay/payments/{number}")

    def press_enter_on(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = page.evaluate("document.activeElement.textContent.trim()")
            if focused == name:
                break
        else:
            raise AssertionError(f"{name} is not reached by the keyboard")
        page.keyboard.press("Enter")

    press_enter_on("Close")
    page.get_by_role("heading", name="Close").wait_for()
    press_enter_on("Confirm: Close")
    page.get_by_text("The ledger is updated: Closed, not paid.").wait_for()
    assert shop.called == [("failed", number)]


def test_the_pages_work_without_scripts(shop: Shop, browser: Browser, site: str) -> None:
    number = shop.order()
    context = browser.new_context(java_script_enabled=False, locale="en", base_url=site)
    page = context.new_page()
    page.goto("/admin/alipay/payments/")
    page.get_by_label("Status").select_option("TRADE_CLOSED")
    page.get_by_role("button", name="Search").click()
    page.get_by_text("No payment matches.").wait_for()
    page.get_by_role("link", name="Reset").click()
    page.get_by_role("link", name=number).click()
    page.get_by_role("link", name="Query Alipay").click()
    page.get_by_role("button", name="Confirm: Query Alipay").click()
    page.get_by_text("the buyer has not begun to pay").wait_for()
    page.wait_for_load_state("load")
    context.close()
