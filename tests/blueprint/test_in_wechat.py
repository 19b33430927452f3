"""WeChat's browser opens no page of Alipay's: the buyer learns how to open ours in another one."""

from __future__ import annotations

from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

from tests.services import expect

from ..doubles.merchant import Merchant, on_each_gateway
from ..doubles.shop import Shop
from .conftest import OpenShop
from .test_long_requests import open_tab, served
from .test_pages import assert_private, assert_strict
from .test_products import QR, Platform
from .test_products import platform as platform
from .test_qr_in_a_browser import SOON, look_at

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WECHAT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Mobile/15E148 MicroMessenger/8.0.42(0x18002a2a) NetType/WIFI Language/zh_CN"
)
COMPUTER = "Mozilla/5.0 (Windows NT 10.0) Chrome/107.0 Safari/537.36 MicroMessenger/7.0.20.1781"
#: QQ opens Alipay.
QQ = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148 QQ/8.9.88.642 V1_IPH_SQ"
CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9"}


@on_each_gateway
@pytest.mark.parametrize("agent", [WECHAT, COMPUTER, WECHAT.lower()])
@pytest.mark.parametrize("kind", ["checkout", "pay"])
def test_the_page_explains_how_to_leave_wechat(shop: Shop, kind: str, agent: str) -> None:
    url = shop.url(kind, shop.order())
    page = shop.client.get(url, headers={"User-Agent": agent})
    assert (page.status_code, "Location" in page.headers) == (200, False)
    assert "Open this page in your browser" in page.text
    assert ">Copy link</button>" in page.text
    assert "¥88.88" in page.text
    assert f'value="http://localhost{url}"' in unescape(page.text)
    assert "data-pay" not in page.text, "no way to a page that WeChat does not open"
    assert_private(page)
    assert_strict(page)


def test_the_explanation_is_in_chinese(shop: Shop) -> None:
    page = shop.look("checkout", shop.order(), headers={"User-Agent": WECHAT, **CHINESE})
    assert "请在浏览器中打开此页面" in page.text
    assert "点击右上角" in page.text
    assert ">复制链接</button>" in page.text


@pytest.mark.parametrize("agent", [QQ, "Mozilla/5.0 (iPhone) Safari/604.1", ""])
def test_other_browsers_go_to_alipay(shop: Shop, agent: str) -> None:
    number = shop.order()
    assert shop.look("pay", number, headers={"User-Agent": agent}).status_code == 303
    assert "data-pay" in shop.look("checkout", number, headers={"User-Agent": agent}).text


def test_a_payment_made_in_another_browser_leads_to_its_result(
    shop: Shop, merchant: Merchant
) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number))
    for kind in ("checkout", "pay"):
        answer = shop.look(kind, number, headers={"User-Agent": WECHAT})
        assert (answer.status_code, "/result/" in answer.location) == (303, True)


def test_the_qr_code_is_shown_beside_the_way_out_of_wechat(shop: Shop, platform: Platform) -> None:
    url = shop.url("checkout", shop.order(product="qr"))
    page = shop.client.get(url, headers={"User-Agent": WECHAT})
    assert "<svg" in page.text
    assert f'href="{QR}"' not in page.text
    assert f'value="http://localhost{url}"' in unescape(page.text)
    assert_strict(page)


# In a browser

SIZES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 844}},
}


@pytest.mark.browser
@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_the_link_can_be_copied(
    shop: Shop, browser: Browser, size: dict[str, Any], locale: str
) -> None:
    url, complaints = shop.url("checkout", shop.order()), []
    with served(shop) as site:
        tab = open_tab(browser, site, complaints, user_agent=WECHAT, locale=locale, **size)
        tab.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site)
        tab.goto(url)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        tab.locator("#copy").click()
        tab.locator("#copy-news:not(:empty)").wait_for(timeout=SOON)
        copied = tab.evaluate("navigator.clipboard.readText()")
        look_at(tab, f"wechat-{locale}")
        tab.context.close()
    assert copied == f"{site}{url}"
    assert complaints == []


@pytest.mark.browser
def test_a_browser_that_may_not_copy_selects_the_link(shop: Shop, browser: Browser) -> None:
    with served(shop) as site:
        tab = open_tab(browser, site, [], user_agent=WECHAT, locale="en-US")
        tab.add_init_script(
            "Object.defineProperty(navigator, 'clipboard', {value: undefined});"
            "document.execCommand = () => false;"
        )
        tab.goto(shop.url("checkout", shop.order()))
        tab.locator("#copy").click()
        tab.locator("#copy-news", has_text="Press and hold").wait_for(timeout=SOON)
        selected = "getSelection().toString() || link.value.slice(link.selectionStart)"
        assert "/checkout/" in tab.evaluate(selected)
        tab.context.close()


@pytest.mark.browser
def test_the_page_in_wechat_notices_a_payment_in_another_browser(
    shop: Shop, merchant: Merchant, browser: Browser
) -> None:
    number = shop.order()
    with served(shop) as site:
        tab = open_tab(browser, site, [], user_agent=WECHAT)
        tab.goto(shop.url("checkout", number))
        assert shop.notify(merchant.notification(number)).data == b"success"
        tab.wait_for_url("**/result/*", timeout=SOON)
        tab.context.close()


@pytest.mark.browser
@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_the_qr_page_fits_into_wechat(
    shop: Shop, platform: Platform, browser: Browser, locale: str
) -> None:
    complaints: list[str] = []
    with served(shop) as site:
        for size in SIZES.values():
            tab = open_tab(browser, site, complaints, user_agent=WECHAT, locale=locale, **size)
            tab.goto(shop.url("checkout", shop.order(product="qr")))
            expect(tab.locator("#copy")).to_be_visible()
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
            look_at(tab, f"wechat-qr-{locale}")
            tab.context.close()
    assert complaints == []


@pytest.mark.browser
@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_the_form_of_a_long_request_fits_every_screen(
    open_shop: OpenShop, browser: Browser, locale: str
) -> None:
    shop = open_shop({"SIMULATOR": True, "MAX_URL_LENGTH": 1})
    with served(shop) as site:
        for size in SIZES.values():
            tab = open_tab(browser, site, [], java_script_enabled=False, locale=locale, **size)
            tab.goto(shop.url("pay", shop.order()))
            expect(tab.locator("form button")).to_be_visible()
            look_at(tab, f"pay-{locale}")
            tab.context.close()
