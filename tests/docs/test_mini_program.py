"""The page about mini-programs: its code works, in a browser as well."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.serving import make_server

from flask_alipay.simulator.merchant.merchant import open_id_under
from flask_alipay.simulator.simulator import SIMULATORS
from tests.services import expect

from ..doubles.shop import Shop
from .test_tasks import Task, numbers
from .test_tasks import task as task

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIMULATOR = "/alipay/simulator"


@pytest.fixture(params=[True, "open_id"], ids=["buyer_id", "open_id"])
def shop(request: pytest.FixtureRequest, task: Task) -> Shop:
    shop, names = task("take-mini-program", SIMULATOR=request.param)
    shop.app.extensions["names"] = names
    return shop


def log_in(shop: Shop) -> None:
    """What the mini-program does first."""
    code = shop.client.post(f"{SIMULATOR}/mini-program/auth-code", json={"scopes": "auth_base"})
    sent = {"code": code.get_json()["authCode"]}
    assert shop.client.post("/mini/login", json=sent).status_code == 200
    assert shop.client.post("/mini/login", json=sent).status_code == 403  # used before


def describe(shop: Shop, **trade: Any) -> str:
    response = shop.client.post(f"{SIMULATOR}/mini-program/pay", json=trade)
    found: str = response.get_json()["resultCode"]
    return found


def test_a_payment_in_a_mini_program(shop: Shop) -> None:
    assert shop.client.post("/mini/orders").status_code == 401
    log_in(shop)
    order = shop.client.post("/mini/orders").get_json()
    (number,) = numbers(shop)
    assert describe(shop, tradeNO=order["tradeNO"], cancel=True) == "6001"
    assert shop.client.get(order["status_url"]).get_json()["paid"] is False
    assert describe(shop, tradeNO=order["tradeNO"]) == "9000"
    assert shop.client.get(order["status_url"]).get_json()["paid"] is True
    assert shop.called == [("paid", number)]


def test_a_mini_program_that_is_another_application(shop: Shop) -> None:
    (simulator,) = shop.app.extensions[SIMULATORS].values()
    merchant = simulator.merchant
    open_id = open_id_under(merchant.mini_app_id, merchant.buyer_id)
    with shop.app.test_request_context():
        create = shop.app.extensions["names"]["trade_for_another_mini_program"]
        trade_no = create(merchant.mini_app_id, open_id)
    assert describe(shop, tradeNO=trade_no) == "9000"
    assert shop.called == [("paid", numbers(shop)[0])]


def test_a_return_without_a_state_is_rejected(shop: Shop) -> None:
    assert shop.client.get("/logged-in?auth_code=c1").status_code == 403
    assert shop.client.post("/mini/orders").status_code == 401
    assert numbers(shop) == []


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
def tab(browser: Browser, site: str) -> Iterator[Page]:
    context = browser.new_context(base_url=site, locale="en-US")
    complaints: list[str] = []
    context.on("console", lambda message: complaints.append(message.text))
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    yield context.new_page()
    context.close()
    assert complaints == []


@pytest.mark.browser
def test_a_journey_in_a_browser(shop: Shop, tab: Page) -> None:
    tab.goto("/login")
    expect(tab.get_by_role("heading")).to_have_text("Log in with Alipay")
    tab.get_by_role("button", name="Authorise").click()
    tab.wait_for_url("**/logged-in?*")
    assert "测试买家" in tab.evaluate("JSON.parse(document.body.innerText).hello")
    order = tab.request.post("/mini/orders").json()
    tab.goto(f"{SIMULATOR}/mini-program/{order['tradeNO']}")
    tab.get_by_role("button", name="Pay").first.click()
    tab.get_by_text("Paid").first.wait_for()
    (number,) = numbers(shop)
    assert shop.called == [("paid", number)]
    payment = shop.payment(number)
    assert payment.trade_no == order["tradeNO"]
    assert (payment.buyer_id is None) is (payment.buyer_open_id is not None)
