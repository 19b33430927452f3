"""An operator charges under an agreement and ends it, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.services import follow

from ..admin.test_in_a_browser import DESKTOP, PHONE, check_page
from ..doubles.server import serving
from .shop import DeductingShop
from .test_operator_page import add_pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

WORDS = {
    "en": {
        "due": "Possible today",
        "find": "Search",
        "charge": "Charge",
        "subject": "Subject",
        "continue": "Continue",
        "confirm": "Confirm: Charge",
        "paid": "of ¥12.50: Payment received.",
        "end": "End the agreement",
        "confirm end": "Confirm: End the agreement",
        "ended": "The ledger is updated: Ended.",
    },
    "zh-CN": {
        "due": "今天可扣款",
        "find": "搜索",
        "charge": "扣款",
        "subject": "订单标题",
        "continue": "继续",
        "confirm": "确认：扣款",
        "paid": "¥12.50：支付成功。",
        "end": "解约",
        "confirm end": "确认：解约",
        "ended": "账本已更新：已解约。",
    },
}


@pytest.mark.parametrize(("viewport", "locale"), [(DESKTOP, "en"), (PHONE, "zh-CN")])
def test_an_operator_charges_and_ends_an_agreement(
    small_shop: DeductingShop, browser: Browser, viewport: dict[str, int], locale: str
) -> None:
    add_pages(small_shop)
    small_shop.sign()
    words = WORDS[locale]
    with serving(small_shop.app) as site:
        context = browser.new_context(viewport=viewport, locale=locale, base_url=site)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto("/admin/alipay/agreements/")
        check_page(page, viewport)
        page.locator("select[name=due]").select_option(label=words["due"])
        follow(page.get_by_role("button", name=words["find"]))
        follow(page.get_by_role("link", name="S1", exact=True))
        check_page(page, viewport)
        follow(page.locator("main").get_by_role("link", name=words["charge"], exact=True))
        check_page(page, viewport)
        page.locator("#amount").fill("12.50")
        page.get_by_label(words["subject"], exact=True).fill("龙井")
        follow(page.get_by_role("button", name=words["continue"]))
        check_page(page, viewport)
        page.get_by_role("button", name=words["confirm"]).click()
        page.get_by_text(words["paid"]).wait_for()
        check_page(page, viewport)
        number = page.locator("main table a.number").first.inner_text()
        follow(page.get_by_role("link", name=number).first)
        page.get_by_role("link", name="S1", exact=True).click()
        follow(page.get_by_role("link", name=words["end"], exact=True))
        check_page(page, viewport)
        page.get_by_role("button", name=words["confirm end"]).click()
        page.get_by_text(words["ended"]).wait_for()
        check_page(page, viewport)
        context.close()
    assert small_shop.agreement().status == "UNSIGN"
    assert small_shop.events() == [("paid", number), ("agreement_ended", "S1")]
