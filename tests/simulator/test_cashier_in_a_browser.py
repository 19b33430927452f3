"""The cashier in a real browser: the pages' own policy lets their buttons and their script work."""

from __future__ import annotations

import re
import threading

import pytest
import segno
from flask import Flask, request
from werkzeug.serving import make_server

from flask_alipay.simulator import Simulator
from flask_alipay.simulator.clock import SystemClock
from flask_alipay.simulator.web.cashier import simulator_blueprint
from tests.services import expect

from ..services import hurry
from .conftest import Merchant

pytestmark = pytest.mark.browser

DESKTOP = {"viewport": {"width": 1280, "height": 800}, "locale": "en-US"}
PHONE = {"viewport": {"width": 360, "height": 740}, "locale": "en-US", "has_touch": True}


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def site(simulator):
    """The simulator and a shop's return page, on two hosts of one machine."""
    app = Flask(__name__)
    app.register_blueprint(simulator_blueprint(simulator), url_prefix="/alipay")
    app.add_url_rule("/return", "return", lambda: f"back with {len(request.args)} fields")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def page(request, browser):
    context = browser.new_context(**request.param)
    hurry(context)
    page = context.new_page()
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on(
        "console",
        lambda message: page.complaints.append(message.text) if message.type == "error" else None,
    )
    yield page
    context.close()


@pytest.fixture
def cashier(site, merchant: Merchant, page):
    """Opens the cashier with an order whose shop is on another host."""

    def cashier(**biz):
        order = merchant.page_pay(biz=biz, return_url=f"http://localhost:{site}/return")
        page.goto(f"http://127.0.0.1:{site}{order.url}")
        return page

    return cashier


def test_a_buyer_pays_and_is_back_in_the_shop(cashier, site):
    page = cashier()
    page.get_by_role("button", name="Pay ¥88.88").click()
    page.wait_for_url(f"http://localhost:{site}/return?**")
    expect(page.locator("body")).to_have_text("back with 12 fields")


@pytest.mark.parametrize(
    ("button", "words"),
    [("Reject the payment", "Payment rejected"), ("Expire", "Payment timed out")],
)
def test_a_buyer_does_not_pay_and_is_shown_the_way_back(cashier, site, button, words):
    page = cashier()
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("heading", name=words)).to_be_visible()
    page.get_by_role("link", name="Back to the shop").click()
    expect(page.locator("body")).to_have_text("back with 0 fields")


def test_the_countdown_counts_down(cashier):
    page = cashier(timeout_express="2h")
    limit = page.locator("#limit")
    limit.filter(has_text=re.compile("^1:59:5")).wait_for()
    expect(page.get_by_text("Pay within")).to_be_visible()
    assert page.complaints == []


def test_nothing_sticks_out_of_the_page(cashier):
    page = cashier(subject="Tea" * 80, out_trade_no="T" * 64, total_amount="100000000.00")
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]
    assert page.complaints == []


def test_a_buyer_who_comes_back_by_the_history_sees_how_it_ended(cashier):
    page = cashier()
    page.get_by_role("button", name="Pay ¥88.88").click()
    page.wait_for_url("**/return?**")
    page.go_back()
    page.get_by_role("heading", name="Payment successful").wait_for()


def test_the_page_works_without_script(site, merchant, browser):
    context = browser.new_context(java_script_enabled=False, locale="en-US")
    page = context.new_page()
    order = merchant.page_pay(biz={"timeout_express": "2h"})
    page.goto(f"http://127.0.0.1:{site}{order.url}")
    expect(page.get_by_text("Pay before (China time)")).to_be_visible()
    page.get_by_role("button", name="Reject the payment").click()
    expect(page.get_by_role("heading", name="Payment rejected")).to_be_visible()
    context.close()


def test_a_simulator_needs_no_clock_of_a_test():
    assert isinstance(Simulator().clock, SystemClock)


def test_a_phone_scans_its_way_to_the_page(cashier):
    page = cashier()
    code = page.locator(".phone svg")
    expect(code).to_be_hidden()
    page.get_by_text("Pay on a phone").click()
    code.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    drawn = code.evaluate("code => code.outerHTML")
    expected = segno.make(page.url, micro=False).svg_inline(scale=4, border=2)
    assert paths(drawn) == paths(expected) != []
    assert page.complaints == []


def test_the_chosen_fund_pays(cashier, simulator, site):
    page = cashier()
    page.get_by_role("combobox").select_option("CMB")
    expect(page.get_by_role("radio", name="Bank account or card")).to_be_checked()
    page.get_by_role("button", name="Pay ¥88.88").click()
    page.wait_for_url("**/return?**")
    assert simulator.trades.by_out_trade_no("T1").paid_with == "CMB"


def test_a_page_follows_what_was_paid_on_a_phone(cashier, simulator, site):
    page = cashier()
    assert page.complaints == []
    simulator.apply_event("T1", "pay")
    page.wait_for_url(f"http://localhost:{site}/return?**")
    expect(page.locator("body")).to_have_text("back with 12 fields")


def paths(svg):
    return re.findall(r' d="([^"]+)"', svg)
