"""The control page in a real browser: it shows what happens, and its buttons make it happen."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.simulator.clock import SystemClock
from flask_alipay.simulator.faults import KINDS, Fault
from flask_alipay.simulator.trades.transfers import Transfer, new_number
from flask_alipay.simulator.web.manual_orders import read_order
from tests.services import expect

from .conftest import NOTIFY_URL
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


def test_a_trade_is_paid_refunded_and_notified_again(control, simulator, shop):
    expect(control.get_by_text("Simulator", exact=True).first).to_be_visible()
    press(control, "Pay")
    control.get_by_text("TRADE_SUCCESS").first.wait_for()
    control.get_by_label("Amount to refund").fill("1.00")
    press(control, "Refund")
    control.get_by_text("refunded ¥1.00").wait_for()
    control.get_by_role("button", name="Notify again").first.click()
    control.get_by_text("Deliveries: 2").wait_for()
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
    control.get_by_text("not acknowledged").wait_for()
    control.get_by_text("Next retry at").wait_for()
    shop.text = "success"
    press(control, "+ 5 minutes")
    control.get_by_text("success", exact=True).first.wait_for()
    assert len(shop.bodies) == 2
    assert control.complaints == []


def test_the_page_shows_a_rejected_event(control, shop):
    press(control, "Pay")
    control.get_by_label("Amount to refund").fill("88.89")
    press(control, "Refund")
    control.get_by_role("alert").filter(has_text="cannot refund 88.89").wait_for()
    assert len(shop.bodies) == 1


def test_nothing_is_wider_than_the_screen(control):
    press(control, "Pay")
    control.get_by_text("Deliveries: 1").click()
    assert control.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_fault_is_requested_shown_and_cleared(control, simulator):
    control.locator("select[name=kind]").select_option("A response is delayed")
    control.get_by_label("How often").fill("2")
    control.get_by_label("Seconds").fill("0.5")
    control.get_by_label("Order number").fill("T1")
    control.get_by_label("Method of the request").fill("alipay.trade.query")
    press(control, "Inject")
    waiting = control.get_by_label("Pending faults")
    waiting.get_by_text("T1 · alipay.trade.query · 0.5").wait_for()
    assert simulator.faults.all() == (Fault("slow", 2, "T1", 0.5, "alipay.trade.query"),)
    press(control, "Clear all")
    waiting.get_by_role("listitem").wait_for(state="detached")
    assert simulator.faults.all() == ()
    assert control.complaints == []


def test_every_fault_can_be_chosen(control, simulator):
    for count, kind in enumerate(KINDS, start=1):
        control.locator("select[name=kind]").select_option(kind)
        press(control, "Inject")
        control.locator(f"#waiting li:nth-child({count})").wait_for()
    assert [fault.kind for fault in simulator.faults.all()] == list(KINDS)
    assert {fault.times for fault in simulator.faults.all()} == {1}
    assert control.complaints == []


def test_an_escrow_trade_is_shipped_and_received(control, buyer, merchant, simulator):
    buyer.cashier(merchant.escrow(out_trade_no="E1"))
    for name, status in (
        ("Pay with protection", "WAIT_SELLER_SEND_GOODS"),
        ("Send the goods", "WAIT_BUYER_CONFIRM_GOODS"),
        ("Receive the goods", "TRADE_FINISHED"),
    ):
        press(control, name)
        control.locator("#trades").get_by_text(status).wait_for()
    assert simulator.trades.by_out_trade_no("E1").status == "TRADE_FINISHED"


@pytest.mark.parametrize(("name", "response"), [("Confirm", "done"), ("Reject", "rejected")])
def test_a_batch_is_confirmed_or_rejected(
    control, buyer, merchant, simulator, clock, name, response
):
    buyer.press(buyer.cashier(merchant.direct_pay(out_trade_no="B1")), "pay")
    now, trade_no = format_china_time(clock.now()), simulator.trades.by_out_trade_no("B1").trade_no
    refund = merchant.call(
        "refund_fastpay_by_platform_pwd",
        notify_url=NOTIFY_URL,
        seller_user_id=merchant.account.partner,
        refund_date=now,
        batch_no=f"{now[:10].replace('-', '')}001",
        batch_num="1",
        detail_data=f"{trade_no}^8.88^tea",
    )
    assert buyer.open(refund).status_code == 303
    press(control, name)
    control.locator("#batches").get_by_text(response, exact=True).wait_for()
    assert simulator.trades.by_out_trade_no("B1").refunded_fen == (888 if response == "done" else 0)
    assert control.complaints == []


def test_a_bank_confirms_and_returns_a_transfer(control, simulator):
    now = datetime(2026, 1, 31, tzinfo=timezone.utc)
    payee = ("BANKCARD_ACCOUNT", "6222")
    waiting = {"status": "DEALING", "product_code": "TRANS_BANKCARD_NO_PWD", "title": "Prize"}
    simulator.transfers.add(
        Transfer("B1", 888, payee, now, new_number(now), new_number(now), **waiting)
    )
    transfers = control.locator("#transfers")
    transfers.get_by_text("DEALING", exact=True).wait_for()
    transfers.get_by_role("button", name="Confirm", exact=True).click()
    transfers.get_by_text("SUCCESS", exact=True).wait_for()
    transfers.get_by_role("button", name="Return the money", exact=True).click()
    transfers.get_by_text("REFUND", exact=True).wait_for()
    assert simulator.transfers.get("B1").status == "REFUND"
    assert control.complaints == []


def test_a_message_is_sent_from_a_sample(control, shop):
    kind = control.get_by_label("Kind")
    kind.fill("alipay.fund.trans.order.changed")
    content = control.get_by_label("Content (JSON)")
    assert '"out_biz_no": "T2001"' in content.input_value()
    content.fill('{"out_biz_no": "T2002"}')
    control.get_by_role("button", name="Send", exact=True).click()
    control.get_by_text("alipay.fund.trans.order.changed").first.wait_for()
    control.get_by_text("T2002").first.wait_for()
    assert shop.fields()["biz_content"] == '{"out_biz_no":"T2002"}'
    content.fill("{")
    control.get_by_role("button", name="Send", exact=True).click()
    control.get_by_role("alert").wait_for()
    assert len(shop.bodies) == 1
    control.get_by_role("button", name="Activate the address").click()
    control.get_by_text("has not answered the probe correctly").wait_for()
    assert control.complaints == []


def test_a_new_test_order_leads_to_its_cashier_page(control, simulator):
    press(control, "New test order")
    control.get_by_label("Order amount in yuan").fill("12.50")
    control.get_by_label("Subject", exact=True).fill("Oolong")
    press(control, "Create and open the cashier")
    control.wait_for_url("**/cashier/*")
    expect(control.get_by_text("¥12.50").first).to_be_visible()
    expect(control.get_by_text("Oolong").first).to_be_visible()
    assert len(simulator.trades) == 2
    assert control.complaints == []


def test_an_amount_that_is_none_creates_no_test_order(control, simulator):
    press(control, "New test order")
    control.get_by_label("Order amount in yuan").fill("free")
    press(control, "Create and open the cashier")
    assert control.evaluate("document.querySelector('#order :invalid').name") == "amount"
    assert len(simulator.trades) == 1


def make_trades(simulator, count):
    for number in range(count):
        body = {"amount": "0.01", "subject": f"Tea {number}"}
        simulator.create_trade(read_order(body, simulator))


def test_trades_are_searched_and_turned_over(control, simulator):
    make_trades(simulator, 44)
    control.get_by_text("Page 1 of 3, 45 trades").wait_for()
    assert control.locator("#trades > li").count() == 20
    expect(control.get_by_role("button", name="Newer")).to_be_disabled()
    press(control, "Older")
    control.get_by_text("Page 2 of 3, 45 trades").wait_for()
    press(control, "Older")
    control.get_by_text("Page 3 of 3, 45 trades").wait_for()
    expect(control.get_by_role("button", name="Older")).to_be_disabled()
    search = control.get_by_label("Search for a number or a subject")
    search.fill("tea 43")
    control.get_by_text("Tea 42", exact=True).wait_for(state="detached")
    control.get_by_text("Tea 43", exact=True).wait_for()
    assert control.locator("#trades > li").count() == 1
    expect(control.locator("#pages")).to_be_hidden()
    search.fill("coffee")
    control.get_by_text("No trade matches.").wait_for()
    assert control.complaints == []


@pytest.mark.parametrize(("width", "height"), [(1280, 5000), (390, 8000)])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_the_page_with_200_trades_has_a_bounded_height(
    browser, site, simulator, locale, width, height
):
    make_trades(simulator, 200)
    context = browser.new_context(locale=locale, viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{site}/alipay/")
    page.get_by_text("Tea 199", exact=True).wait_for()
    page.locator("#new").click()
    expect(page.locator("#order")).to_be_visible()
    size = page.evaluate(
        "[document.documentElement.scrollHeight, document.documentElement.scrollWidth]"
    )
    context.close()
    assert size[0] <= height
    assert size[1] <= width
