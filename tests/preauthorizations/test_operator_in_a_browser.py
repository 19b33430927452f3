"""An operator captures a part of a deposit and releases the rest, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.services import follow

from ..admin.test_in_a_browser import DESKTOP, PHONE, check_page
from ..doubles.server import serving
from .shop import DepositShop
from .test_operator_page import add_pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

WORDS = {
    "en": {
        "search": "Authorization number or Alipay's",
        "capture": "Capture",
        "subject": "Subject",
        "continue": "Continue",
        "confirm capture": "Confirm: Capture",
        "paid": "of ¥120.00: Payment received.",
        "release": "Release",
        "reason": "Reason (optional, the payer may see it)",
        "confirm release": "Confirm: Release",
        "released": "of ¥380.00: done.",
    },
    "zh-CN": {
        "search": "商户授权资金订单号或授权单号",
        "capture": "转支付",
        "subject": "订单标题",
        "continue": "继续",
        "confirm capture": "确认：转支付",
        "paid": "¥120.00：支付成功。",
        "release": "解冻",
        "reason": "原因（可选，付款方可能看到）",
        "confirm release": "确认：解冻",
        "released": "解冻 ¥380.00 成功",
    },
}


@pytest.mark.parametrize(("viewport", "locale"), [(PHONE, "en"), (DESKTOP, "zh-CN")])
def test_an_operator_captures_a_part_and_releases_the_rest(
    small_shop: DepositShop, browser: Browser, viewport: dict[str, int], locale: str
) -> None:
    add_pages(small_shop)
    small_shop.hold()
    words = WORDS[locale]
    with serving(small_shop.app) as site:
        context = browser.new_context(viewport=viewport, locale=locale, base_url=site)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto("/admin/alipay/authorizations/")
        check_page(page, viewport)
        page.get_by_label(words["search"]).fill("DEP1")
        follow(page.get_by_label(words["search"]), "Enter")
        follow(page.get_by_role("link", name="DEP1"))
        check_page(page, viewport)
        follow(page.get_by_role("link", name=words["capture"], exact=True))
        check_page(page, viewport)
        page.locator("#amount").fill("120.00")
        page.get_by_label(words["subject"], exact=True).fill("迷你吧")
        follow(page.get_by_role("button", name=words["continue"]))
        check_page(page, viewport)
        page.get_by_role("button", name=words["confirm capture"]).click()
        page.get_by_text(words["paid"]).wait_for()
        check_page(page, viewport)
        page.get_by_role("link", name=words["release"], exact=True).click()
        page.get_by_label(words["reason"]).fill("完好")
        page.get_by_role("button", name=words["continue"]).click()
        page.get_by_role("button", name=words["confirm release"]).click()
        page.get_by_text(words["released"]).wait_for()
        check_page(page, viewport)
        context.close()
    assert small_shop.amounts() == ("FINISH", 12000, 38000, 0)
