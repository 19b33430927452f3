"""A request to Alipay that is too long for a URL is posted by a form, in a browser too."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from werkzeug.serving import make_server

from flask_alipay.exceptions import ConfigurationError
from flask_alipay.testing import AlipayServer
from tests.services import expect

from ..doubles.merchant import Merchant, on_each_gateway
from ..doubles.shop import Shop
from ..test_signed_request import Form
from .conftest import OpenShop
from .test_pages import policy_of
from .test_qr_in_a_browser import DESKTOP, PHONE, look_at

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SUBJECT = "茶 & <b>'\"" + "龙井" * 35
BODY = "明前 " + "+%" * 30 + "茶" * 60
SOON = 15_000


def order(shop: Shop) -> str:
    """Insert a payment whose request is longer than 2,000 characters in any charset."""
    with shop.app.app_context():
        if shop.alipay.config.protocol == "openapi":
            return shop.order(subject=SUBJECT + "龙井" * 80, body=BODY)
    return shop.order(subject=SUBJECT, body=BODY + "茶" * 300)


@on_each_gateway
def test_a_request_that_is_longer_than_2000_characters_is_posted(shop: Shop) -> None:
    number = order(shop)
    page = shop.look("pay", number)
    request = shop.url("gateway", number)
    assert len(request) > 2000
    assert (page.status_code, "Location" in page.headers) == (200, False)
    charset = str(shop.app.config["ALIPAY_INPUT_CHARSET"])
    form = Form(page.text, charset)
    gateway, _, query = request.partition("?")
    sent = dict(parse_qsl(query, encoding=charset))
    name = "biz_content" if "biz_content" in sent else "subject"
    assert form.fields.keys() == sent.keys()
    assert form.fields[name] == sent[name]
    assert form.attributes["method"] == "post"
    assert str(form.attributes["action"]).startswith(f"{gateway}?")
    assert form.elements.count("button") == 1
    assert not re.search(r"<button[^>]* name=", page.text)


@on_each_gateway
def test_a_short_request_is_a_redirect(shop: Shop) -> None:
    answer = shop.look("pay", shop.order())
    assert answer.status_code == 303
    assert len(answer.location) <= 2000


def test_the_limit_is_a_setting(open_shop: OpenShop, merchant: Merchant) -> None:
    shop = open_shop({**merchant.settings, "MAX_URL_LENGTH": 20_000})
    assert shop.look("pay", order(shop)).status_code == 303
    shop = open_shop({**merchant.settings, "MAX_URL_LENGTH": 100})
    assert shop.look("pay", shop.order()).status_code == 200


@pytest.mark.parametrize("value", [0, -1, "many"])
def test_a_limit_that_is_none_is_named(open_shop: OpenShop, merchant: Merchant, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="ALIPAY_MAX_URL_LENGTH"):
        open_shop({**merchant.settings, "MAX_URL_LENGTH": value})


@on_each_gateway
def test_the_form_may_be_sent_to_alipay_and_nowhere_else(shop: Shop) -> None:
    policy = policy_of(shop.look("pay", order(shop)))
    gateway = urlsplit(shop.url("gateway", shop.order()))
    assert policy["form-action"] == [
        f"{gateway.scheme}://{gateway.netloc}",
        "https://*.alipay.com",
        "https://*.alipaydev.com",
    ]
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
    assert policy["script-src"][0].startswith("'nonce-")


# In a browser


@contextmanager
def served(shop: Shop) -> Iterator[str]:
    shop.app.config["TRUSTED_HOSTS"] = None  # the browser's is 127.0.0.1
    server = make_server("127.0.0.1", 0, shop.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


SIMULATED = {
    "openapi": {"SIMULATOR": True},
    "openapi in GBK": {"SIMULATOR": True, "INPUT_CHARSET": "gbk"},
    "mapi": {"SIMULATOR": True, "PROTOCOL": "mapi"},
    "mapi in GBK": {"SIMULATOR": True, "PROTOCOL": "mapi", "INPUT_CHARSET": "gbk"},
    "mapi with RSA in GBK": {
        "SIMULATOR": True,
        "PROTOCOL": "mapi",
        "SIGN_TYPE": "RSA",
        "INPUT_CHARSET": "gbk",
    },
}


@pytest.fixture(params=SIMULATED.values(), ids=SIMULATED.keys())
def sold(request: pytest.FixtureRequest, open_shop: OpenShop) -> Shop:
    """Open a shop with the simulator, on each gateway and in each charset."""
    return open_shop(request.param)


def open_tab(browser: Browser, site: str, complaints: list[str], **options: Any) -> Page:
    context = browser.new_context(base_url=site, **options)
    context.on("console", lambda message: complaints.append(message.text))
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    return context.new_page()


@pytest.mark.browser
def test_a_browser_posts_the_order_by_itself(sold: Shop, browser: Browser) -> None:
    number, complaints = order(sold), []
    with served(sold) as site:
        tab = open_tab(browser, site, complaints)
        tab.goto(sold.url("pay", number))
        tab.wait_for_url("**/simulator/cashier/*", timeout=SOON)
        expect(tab.locator("main")).to_contain_text(SUBJECT)
        tab.locator("#pay button").first.click()
        tab.wait_for_url("**/result/*", timeout=SOON)
        tab.context.close()
    assert complaints == []
    assert sold.payment(number).paid


@pytest.mark.browser
@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_browser_without_script_has_a_button(
    sold: Shop, browser: Browser, device: dict[str, Any]
) -> None:
    number = order(sold)
    with served(sold) as site:
        tab = open_tab(browser, site, [], java_script_enabled=False, **device)
        tab.goto(sold.url("pay", number))
        button = tab.locator("form button")
        expect(button).to_be_visible()
        look_at(tab, "pay")
        button.click()
        tab.wait_for_url("**/simulator/cashier/*", timeout=SOON)
        tab.context.close()


@pytest.mark.browser
def test_the_checkout_opens_it_in_a_new_tab(sold: Shop, browser: Browser) -> None:
    number, complaints = order(sold), []
    with served(sold) as site:
        tab = open_tab(browser, site, complaints, locale="en-US")
        tab.goto(sold.url("checkout", number))
        with tab.context.expect_page() as opened:
            tab.locator("[data-pay]").first.click()
        cashier = opened.value
        cashier.wait_for_url("**/simulator/cashier/*", timeout=SOON)
        expect(tab.locator("#leaving")).to_be_visible()
        cashier.locator("#pay button").first.click()
        tab.wait_for_url("**/result/*", timeout=SOON)
        tab.context.close()
    assert complaints == []


@pytest.mark.browser
def test_a_gateway_on_another_host_gets_the_form(
    open_shop: OpenShop, browser: Browser, tmp_path: Path
) -> None:
    complaints: list[str] = []
    with AlipayServer.running(tmp_path / "keys") as alipay:
        shop = open_shop(alipay.settings)
        number = order(shop)
        with served(shop) as site:
            tab = open_tab(browser, site, complaints)
            tab.goto(shop.url("pay", number))
            tab.wait_for_url(f"{alipay.url}/cashier/*", timeout=SOON)
            tab.context.close()
    assert complaints == []


@pytest.mark.browser
def test_a_buyer_who_returns_is_not_redirected_again(sold: Shop, browser: Browser) -> None:
    with served(sold) as site:
        tab = open_tab(browser, site, [])
        tab.add_init_script("performance.getEntriesByType = () => [{ type: 'back_forward' }];")
        tab.goto(sold.url("pay", order(sold)))
        tab.wait_for_timeout(300)
        assert "/pay/" in unquote(tab.url)
        expect(tab.locator("form button")).to_be_visible()
        tab.context.close()
