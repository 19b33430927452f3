"""The page on which a payer confirms a deposit, in a real browser: in both sizes and languages,
accessible, and live.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from werkzeug.serving import make_server

from flask_alipay.models import utc_now
from tests.services import expect, follow

from ..blueprint.test_pages_in_a_browser import BROWSERS, SOON, assert_usable, look_at
from .simulated import SimulatedShop

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

NUMBER = "2026113012345678901234567890123456789012345678901234567890123456"
TITLE = "押金 Deposit for room 1201, two nights, with a long title"

in_every_browser = pytest.mark.parametrize(
    ("tab", "name"), [(name, name) for name in BROWSERS], indirect=["tab"], ids=list(BROWSERS)
)


@pytest.fixture
def shop(open_simulated: Callable[..., SimulatedShop]) -> SimulatedShop:
    return open_simulated(SHOP_NAME="Lake Inn 湖畔客栈", SHOP_COLOR="#1f6b4a")


@pytest.fixture
def site(shop: SimulatedShop) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, shop.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tab(request: pytest.FixtureRequest, browser: Browser, site: str) -> Iterator[Page]:
    context = browser.new_context(base_url=site, **BROWSERS[request.param])
    complaints: list[str] = []
    context.on("console", lambda message: complaints.append(message.text))
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    yield context.new_page()
    context.close()
    assert complaints == []


def page_of(shop: SimulatedShop, number: str = NUMBER) -> str:
    url: str = shop.run(shop.alipay.authorization_url, number)
    return urlsplit(url).path


@in_every_browser
def test_the_page_waits_and_shows_the_deposit_by_itself(
    shop: SimulatedShop, tab: Page, name: str
) -> None:
    shop.create(number=NUMBER, amount="88888.88")
    shop.change(NUMBER, title=TITLE)
    tab.goto(page_of(shop))
    tab.locator("#clock-time", has_text="14").wait_for()
    expect(tab.locator("#code svg")).to_be_visible()
    expect(tab.locator("#here")).to_be_visible(visible=name.startswith("phone"))
    expect(tab.locator("html")).to_have_attribute(
        "lang", ("en" if name.endswith("en") else "zh-CN")
    )
    assert_usable(tab)
    look_at(tab, "authorize-waiting", name)
    shop.app.test_client().get(urlsplit(str(tab.locator("#here").get_attribute("href"))).path)
    shop.simulator.authorize(NUMBER)
    tab.locator(".state.held").wait_for(timeout=SOON)
    assert_usable(tab)
    look_at(tab, "authorize-held", name)


@in_every_browser
def test_the_states_of_a_deposit_are_accessible(shop: SimulatedShop, tab: Page, name: str) -> None:
    shop.create(number=NUMBER)
    now = utc_now()
    frozen: dict[str, Any] = {"auth_no": "1", "authorized_at": now}
    states = {
        "settled": {**frozen, "status": "FINISH", "captured_fen": 20000, "released_fen": 30000},
        "released": {**frozen, "status": "CLOSED", "released_fen": 50000, "captured_fen": 0},
        "cancelled": {
            "status": "CLOSED",
            "authorized_at": None,
            "closed_at": now,
            "released_fen": 0,
            "expires_at": now + timedelta(minutes=9),
        },
        "expired": {"status": "CLOSED", "closed_at": now, "expires_at": now},
    }
    url = page_of(shop)
    titles = set()
    for state, values in states.items():
        shop.change(NUMBER, **values)
        tab.goto(url)
        expect(tab.locator(f".state.{state}")).to_be_visible()
        titles.add(tab.locator("#how").inner_text())
        assert_usable(tab)
        look_at(tab, f"authorize-{state}", name)
    assert len(titles) == len(states)


@pytest.mark.parametrize("tab", ["phone-en"], indirect=True)
def test_a_payer_on_a_phone_confirms_by_the_link(shop: SimulatedShop, tab: Page) -> None:
    shop.create(number=NUMBER)
    url = page_of(shop)
    tab.goto(url)
    tab.locator("#here").click()
    tab.wait_for_url("**/freeze/**")
    follow(tab.locator("form[action$=freeze] button"))
    tab.goto(url)
    expect(tab.locator(".state.held")).to_be_visible()
    assert shop.calls() == [("authorized", NUMBER)]


@pytest.mark.parametrize("tab", ["desktop-en"], indirect=True)
def test_the_code_disappears_when_the_time_is_over(shop: SimulatedShop, tab: Page) -> None:
    shop.create(number=NUMBER)
    url = page_of(shop)
    shop.run(shop.alipay.freeze_qr_code, NUMBER)
    shop.change(NUMBER, expires_at=utc_now() + timedelta(seconds=6))
    tab.goto(url)
    tab.locator("#over").wait_for(timeout=SOON)
    expect(tab.locator("#code")).to_be_hidden()
    expect(tab.locator("#here")).to_be_hidden()
    assert_usable(tab)
