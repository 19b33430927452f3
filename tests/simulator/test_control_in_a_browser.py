"""The control page in a real browser: it shows what happens, and its buttons make it happen."""

from __future__ import annotations

import pytest

from flask_alipay.simulator.clock import SystemClock

from .test_cashier_in_a_browser import page as page
from .test_cashier_in_a_browser import site as site

pytestmark = pytest.mark.browser


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def control(site, buyer, merchant, page):
    """The page, with an order that waits for its buyer."""
    buyer.see(buyer.cashier(merchant.page_pay()))
    page.goto(f"http://127.0.0.1:{site}/alipay/")
    page.get_by_text("T1").wait_for()
    return page


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def test_a_trade_is_paid_refunded_and_told_again(control, simulator, shop):
    assert control.get_by_text("Simulator", exact=True).first.is_visible()
    press(control, "Pay")
    control.get_by_text("TRADE_SUCCESS").first.wait_for()
    control.get_by_label("Amount to refund").fill("1.00")
    press(control, "Refund")
    control.get_by_text("refunded ¥1.00").wait_for()
    press(control, "Notify again")
    control.get_by_text("Sendings: 2").wait_for()
    press(control, "Refund all")
    control.get_by_text("refunded ¥88.88").wait_for()
    assert simulator.trades.by_out_trade_no("T1").status == "TRADE_CLOSED"
    assert [shop.fields(index)["trade_status"] for index in range(4)] == [
        "TRADE_SUCCESS",
        "TRADE_SUCCESS",
        "TRADE_SUCCESS",
        "TRADE_CLOSED",
    ]
    assert control.complaints == []


def test_an_unheard_notification_is_repeated_when_its_time_is_made_to_come(control, shop):
    shop.text = "fail"
    press(control, "Pay")
    control.get_by_text("not heard").wait_for()
    control.get_by_text("Sent again at").wait_for()
    shop.text = "success"
    press(control, "+ 5 minutes")
    control.get_by_text("success", exact=True).first.wait_for()
    assert len(shop.bodies) == 2
    assert control.complaints == []


def test_what_cannot_be_is_said_on_the_page(control, shop):
    press(control, "Pay")
    control.get_by_label("Amount to refund").fill("88.89")
    press(control, "Refund")
    control.get_by_role("alert").filter(has_text="cannot refund 88.89").wait_for()
    assert len(shop.bodies) == 1


def test_nothing_is_wider_than_the_screen(control):
    press(control, "Pay")
    control.get_by_text("Sendings: 1").click()
    assert control.evaluate("document.documentElement.scrollWidth <= innerWidth")
