"""Pages in an app with a Content-Security-Policy of its own: Flask-Talisman's or another."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, g, request
from werkzeug.test import TestResponse

from flask_alipay import AlipayBlueprint
from tests.services import expect

from ..doubles.shop import Notification, Payment, Refund, Shop, db, new_app, new_blueprint
from ..requirements import missing
from .conftest import OpenShop
from .test_long_requests import open_tab, order, served
from .test_pages import assert_strict, policy_of
from .test_qr_in_a_browser import SOON

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser


#: A policy of a shop with one form on its pages.
POLICY = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": ["'self'", "data:"],
    "object-src": "'none'",
    "form-action": "'self'",
}
NONCES = {"content_security_policy_nonce_in": ["script-src", "style-src"]}


def nonce_of_talisman() -> str:
    return str(getattr(request, "csp_nonce", ""))


def with_the_apps_nonce(**options: Any) -> AlipayBlueprint:
    options.setdefault("csp_nonce_generator", nonce_of_talisman)
    return AlipayBlueprint(db, Payment, Refund, Notification, **options)


def guard(app: Flask, **options: Any) -> Any:
    try:
        from flask_talisman import Talisman
    except ImportError:
        missing("Flask-Talisman is not installed")
    return Talisman(app, **{"force_https": False, "content_security_policy": POLICY, **options})


@pytest.fixture(params=["before", "after"])
def guarded(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Open a shop with Talisman, initialized before the blueprint or after it."""
    app = new_app(tmp_path, {"SIMULATOR": True})
    if request.param == "before":
        guard(app)
    alipay = new_blueprint()
    app.register_blueprint(alipay, url_prefix="/alipay")
    if request.param == "after":
        guard(app)
    app.add_url_rule("/", "home", lambda: "<p>tea</p>")
    shop = Shop(app, alipay)
    yield shop
    shop.close()


def nonces_of(page: TestResponse) -> set[str]:
    return set(re.findall(r'nonce="([^"]*)"', page.text))


def test_talisman_does_not_replace_the_policy_of_the_packages_pages(guarded: Shop) -> None:
    number = guarded.order()
    for page in (
        guarded.look("checkout", number),
        guarded.look("result", number),
        guarded.client.get("/alipay/result/bad"),
        guarded.come_back("a=b"),
    ):
        assert_strict(page)
        assert page.headers["X-Frame-Options"] == "SAMEORIGIN", "the rest of it stays"


def test_talisman_keeps_the_policy_of_the_apps_pages(guarded: Shop) -> None:
    assert policy_of(guarded.client.get("/"))["form-action"] == ["'self'"]


def test_one_blueprint_in_two_apps_has_the_options_of_each(open_shop: OpenShop) -> None:
    alipay = new_blueprint()
    first = open_shop({"SIMULATOR": True}, alipay=alipay)
    second = open_shop({"SIMULATOR": True}, alipay=alipay)
    guard(first.app, frame_options="DENY")
    guard(second.app)
    for shop, expected in ((first, "DENY"), (second, "SAMEORIGIN"), (first, "DENY")):
        page = shop.look("checkout", shop.order())
        assert page.headers["X-Frame-Options"] == expected


def test_the_apps_nonce_is_used_and_its_policy_applies(open_shop: OpenShop) -> None:
    shop = open_shop({"SIMULATOR": True}, alipay=with_the_apps_nonce())
    guard(shop.app, **NONCES)
    page = shop.look("checkout", shop.order())
    (nonce,) = nonces_of(page)
    policy = policy_of(page)
    assert f"'nonce-{nonce}'" in policy["script-src"]
    assert f"'nonce-{nonce}'" in policy["style-src"]
    assert policy["form-action"] == ["'self'"]


def test_a_view_may_have_separate_options(open_shop: OpenShop) -> None:
    shop = open_shop({"SIMULATOR": True, "MAX_URL_LENGTH": 1}, alipay=with_the_apps_nonce())
    security, views = guard(shop.app, **NONCES), shop.app.view_functions
    options = {**POLICY, "form-action": "'self' https://*.alipay.com"}
    views["alipay.pay"] = security(content_security_policy=options)(views["alipay.pay"])
    number = shop.order()
    assert policy_of(shop.look("pay", number))["form-action"][-1] == "https://*.alipay.com"
    assert policy_of(shop.look("checkout", number))["form-action"] == ["'self'"]


def test_a_nonce_made_by_the_app_is_used(open_shop: OpenShop) -> None:
    def nonce() -> str:
        g.setdefault("nonce", secrets.token_urlsafe())
        return str(g.nonce)

    shop = open_shop({"SIMULATOR": True}, alipay=with_the_apps_nonce(csp_nonce_generator=nonce))

    @shop.app.after_request
    def replace(response: Any) -> Any:
        response.headers["Content-Security-Policy"] = f"script-src 'nonce-{nonce()}'"
        return response

    page = shop.look("checkout", shop.order())
    assert [f"'nonce-{one}'" for one in nonces_of(page)] == policy_of(page)["script-src"]


def test_without_a_policy_of_the_app_the_packages_policy_has_its_nonce(open_shop: OpenShop) -> None:
    nonce = "n" * 24
    alipay = with_the_apps_nonce(csp_nonce_generator=lambda: nonce)
    shop = open_shop({"SIMULATOR": True}, alipay=alipay)
    page = shop.look("checkout", shop.order())
    assert nonces_of(page) == {nonce}
    assert_strict(page)


@pytest.mark.parametrize("empty", ["", None])
def test_an_app_without_a_nonce_gets_the_packages(open_shop: OpenShop, empty: Any) -> None:
    alipay = with_the_apps_nonce(csp_nonce_generator=lambda: empty)
    shop = open_shop({"SIMULATOR": True}, alipay=alipay)
    assert_strict(shop.look("checkout", shop.order()))


# In a browser


def buy(shop: Shop, browser: Browser) -> None:
    """Go from the checkout to the result, in new tab and old one."""
    number, complaints = order(shop), []
    with served(shop) as site:
        tab = open_tab(browser, site, complaints, locale="en-US")
        tab.goto(shop.url("checkout", number))
        assert tab.evaluate("getComputedStyle(document.querySelector('.card')).padding") != "0px"
        with tab.context.expect_page() as opened:
            tab.locator("[data-pay]").first.click()
        cashier = opened.value
        cashier.wait_for_url("**/simulator/cashier/*", timeout=SOON)
        expect(tab.locator("#leaving")).to_be_visible()
        cashier.locator("#pay button").first.click()
        tab.wait_for_url("**/result/*", timeout=SOON)
        expect(tab.locator("h1")).to_contain_text("Payment received")
        tab.context.close()
    assert complaints == []
    assert shop.payment(number).paid


@pytest.mark.browser
def test_a_buyer_pays_in_a_shop_with_talisman(guarded: Shop, browser: Browser) -> None:
    buy(guarded, browser)


@pytest.mark.browser
def test_a_buyer_pays_in_a_shop_that_provides_the_nonce(
    open_shop: OpenShop, browser: Browser
) -> None:
    shop = open_shop({"SIMULATOR": True}, alipay=with_the_apps_nonce())
    guard(shop.app, **NONCES)
    buy(shop, browser)


@pytest.mark.browser
def test_the_simulators_pages_work_with_talisman(guarded: Shop, browser: Browser) -> None:
    complaints: list[str] = []
    with served(guarded) as site:
        tab = open_tab(browser, site, complaints)
        tab.goto("/alipay/simulator/")
        tab.locator("table, main").first.wait_for(timeout=SOON)
        tab.context.close()
    assert complaints == []
