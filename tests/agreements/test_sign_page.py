"""The page on which a payer signs: what is signed, by which way, and when it is."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from werkzeug.serving import make_server

from flask_alipay.models import utc_now
from tests.services import expect

from ..accessibility import violations
from .shop import QUERY, Agreement, DeductingShop, db

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from werkzeug.test import TestResponse

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
DESKTOP = {"viewport": {"width": 1280, "height": 800}, "locale": "en-US"}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "locale": "zh-CN",
    "user_agent": IPHONE,
    "has_touch": True,
    "is_mobile": True,
}
SOON = 15_000


@pytest.fixture
def unsigned(small_shop: DeductingShop) -> DeductingShop:
    """A shop whose payer has not signed yet."""
    small_shop.at_alipay.agreement = None
    small_shop.subscribe(total_payments=12, total_amount="360.00", external_logon_id="anna")
    return small_shop


def url(shop: DeductingShop, **arguments: Any) -> str:
    with shop.app.test_request_context(base_url="http://localhost"):
        agreement = db.session.scalar(select(Agreement))
        return shop.alipay.sign_url(agreement, **arguments)


def get(shop: DeductingShop, path: str, agent: str = "", **headers: str) -> TestResponse:
    given = {"User-Agent": agent, **headers}
    return shop.app.test_client().get(path, base_url="http://localhost", headers=given)


def status_url(page: str) -> str:
    return page.partition('watchPayment("')[2].partition('"')[0]


def test_the_page_says_what_is_signed(unsigned: DeductingShop) -> None:
    page = get(unsigned, url(unsigned)).text
    for text in ("Every month", "¥30.00", "2026-12-05", "12", "¥360.00", "anna", "S1"):
        assert text in page
    assert unsigned.agreement().sent_at is not None


def test_the_page_is_chinese_for_a_chinese_reader(unsigned: DeductingShop) -> None:
    page = get(unsigned, url(unsigned), **{"Accept-Language": "zh-CN"}).text
    assert "每月" in page
    assert "扫码开通自动扣款" in page
    assert "Automatic payments" not in page


def test_a_desktop_shows_a_code_and_a_phone_a_link(unsigned: DeductingShop) -> None:
    desktop, phone = get(unsigned, url(unsigned)).text, get(unsigned, url(unsigned), IPHONE).text
    assert "<svg" in desktop.partition('role="img"')[2]
    assert "alipays://" not in desktop
    assert 'href="alipays://platformapi/startapp?appId=60000157' in phone
    assert 'role="img"' not in phone


def test_alipays_own_browser_continues_by_itself(unsigned: DeductingShop) -> None:
    page = get(unsigned, url(unsigned), f"{IPHONE} AlipayClient/10.6.0").text
    assert "location.assign" in page
    assert "location.assign" not in get(unsigned, url(unsigned), IPHONE).text


def test_wechat_is_told_to_use_another_browser(unsigned: DeductingShop) -> None:
    page = get(unsigned, url(unsigned), f"{IPHONE} MicroMessenger/8.0").text
    assert "alipays://" not in page
    assert "WeChat does not open Alipay" in page


def test_the_status_is_queried_while_the_payer_waits(unsigned: DeductingShop) -> None:
    status = status_url(get(unsigned, url(unsigned)).text)
    unsigned.change(asked_at=None)
    expected = {"external_agreement_no": "S1", "status": "TEMP", "signed": False}
    assert get(unsigned, status).json == expected
    unsigned.at_alipay.agreement = {"status": "NORMAL"}
    assert get(unsigned, status).json == expected  # queried a moment ago
    unsigned.change(asked_at=utc_now() - timedelta(seconds=6))
    assert get(unsigned, status).json == {**expected, "status": "NORMAL", "signed": True}
    assert unsigned.at_alipay.methods == [QUERY, QUERY]
    assert unsigned.events() == [("agreement_signed", "S1")]
    assert "Automatic payments are turned on" in get(unsigned, url(unsigned)).text
    assert unsigned.at_alipay.methods == [QUERY, QUERY]


@pytest.mark.parametrize(
    ("status", "text"),
    [("STOP", "are suspended"), ("UNSIGN", "are turned off")],
)
def test_an_agreement_that_cannot_be_signed_has_no_link(
    unsigned: DeductingShop, status: str, text: str
) -> None:
    unsigned.change(status=status)
    page = get(unsigned, url(unsigned), IPHONE).text
    assert text in page
    assert "alipays://" not in page


def test_data_in_the_url_of_the_return_are_dropped(unsigned: DeductingShop) -> None:
    path = url(unsigned)
    response = get(unsigned, f"{path}?alipay_logon_id=138******00&status=NORMAL")
    assert (response.status_code, response.location) == (303, f"http://localhost{path}")
    assert unsigned.agreement().status == "TEMP"


def test_a_wrong_link_shows_no_agreement(unsigned: DeductingShop) -> None:
    path = url(unsigned)
    assert get(unsigned, path[:-1]).status_code == 404
    assert get(unsigned, path.replace("/sign/", "/sign-status/")).status_code == 404
    assert get(unsigned, path.replace("/sign/", "/pay/")).status_code == 404
    old = get(unsigned, url(unsigned, issued_at=utc_now() - timedelta(days=2)))
    assert old.status_code == 410
    assert "automatic payments are turned on" in old.text
    assert unsigned.at_alipay.requests == []


def test_a_failed_query_does_not_break_the_page(unsigned: DeductingShop) -> None:
    get(unsigned, url(unsigned))
    unsigned.change(asked_at=None)
    unsigned.at_alipay.script[QUERY] = [b""]
    assert get(unsigned, url(unsigned)).status_code == 200


# In a real browser


@pytest.fixture
def site(unsigned: DeductingShop) -> Iterator[str]:
    unsigned.app.config["TRUSTED_HOSTS"] = None  # the browser's is 127.0.0.1
    server = make_server("127.0.0.1", 0, unsigned.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def tab(request: pytest.FixtureRequest, browser: Browser, site: str) -> Iterator[Page]:
    context = browser.new_context(base_url=site, **request.param)
    faults: list[str] = []
    context.on("console", lambda message: faults.append(message.text))
    context.on("weberror", lambda error: faults.append(str(error.error)))
    yield context.new_page()
    context.close()
    assert faults == []


def look_at(tab: Page, name: str) -> None:
    """Save a screenshot if a folder for screenshots is set."""
    folder = os.environ.get("FLASK_ALIPAY_SCREENSHOTS")
    if folder:
        width = (tab.viewport_size or {"width": 0})["width"]
        tab.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)


@pytest.mark.browser
def test_the_page_notices_by_itself_that_it_is_signed(unsigned: DeductingShop, tab: Page) -> None:
    tab.goto(url(unsigned))
    desktop = (tab.viewport_size or {"width": 0})["width"] == 1280
    expect(tab.locator(".code svg")).to_be_visible(visible=desktop)
    expect(tab.locator("#open")).to_be_visible(visible=not desktop)
    if desktop:
        assert (tab.locator(".code svg").bounding_box() or {"width": 0})["width"] >= 180
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations(tab) == []
    look_at(tab, "sign")
    unsigned.at_alipay.agreement = {"status": "NORMAL"}
    tab.locator(".state.signed").wait_for(timeout=SOON)
    assert violations(tab) == []
    look_at(tab, "signed")
