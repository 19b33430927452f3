"""Escrow, and a batch of refunds, in a real browser."""

from __future__ import annotations

import threading

import pytest
from flask import Flask, request
from werkzeug.serving import make_server

from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.simulator.clock import SystemClock
from flask_alipay.simulator.web.cashier import simulator_blueprint
from tests.services import expect

from .conftest import NOTIFY_URL
from .test_cashier_in_a_browser import DESKTOP, PHONE

pytestmark = pytest.mark.browser


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def site(simulator):
    app = Flask(__name__)
    app.register_blueprint(simulator_blueprint(simulator), url_prefix="/alipay")
    app.add_url_rule("/return", "return", _back)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _back():
    return f'<link rel="icon" href="data:,">back, {request.args.get("trade_status")}'


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def page(request, browser):
    context = browser.new_context(**request.param)
    page = context.new_page()
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on(
        "console",
        lambda message: page.complaints.append(message.text) if message.type == "error" else None,
    )
    yield page
    context.close()


def fits(page):
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    return width[0] <= width[1]


def test_a_buyer_pays_into_escrow_and_confirms(page, site, simulator, merchant, buyer):
    order = merchant.escrow(
        subject="Tea" * 80, return_url=f"{site}/return", service="trade_create_by_buyer"
    )
    page.goto(f"{site}{order.url}")
    assert fits(page)
    cashier = page.url
    page.get_by_role("button", name="Pay with protection").click()
    page.wait_for_url("**/return?**")
    expect(page.locator("body")).to_have_text("back, WAIT_SELLER_SEND_GOODS")
    page.goto(cashier)
    expect(page.get_by_role("heading", name="Waiting for the shop")).to_be_visible()
    assert fits(page)
    trade_no = simulator.trades.by_out_trade_no("T1").trade_no
    sent = {"trade_no": trade_no, "logistics_name": "SF", "transport_type": "EMS"}
    buyer.open(merchant.call("send_goods_confirm_by_platform", **sent))
    page.get_by_role("link", name="Refresh").click()
    page.get_by_role("button", name="Confirm receipt").click()
    page.get_by_role("heading", name="Payment successful").wait_for()
    assert page.complaints == []


def test_a_merchant_confirms_refunds(page, site, merchant, buyer, clock, simulator):
    numbers = []
    for number in ("T1", "T2"):
        buyer.press(buyer.cashier(merchant.direct_pay(out_trade_no=number)), "pay")
        numbers.append(simulator.trades.by_out_trade_no(number).trade_no)
    now = format_china_time(clock.now())
    batch = merchant.call(
        "refund_fastpay_by_platform_pwd",
        notify_url=NOTIFY_URL,
        seller_user_id=merchant.account.partner,
        refund_date=now,
        batch_no=now[:10].replace("-", "") + "001",
        batch_num="2",
        detail_data=f"{numbers[0]}^88.88^{'too late' * 20}#{numbers[1]}^99.99^not nice",
    )
    page.goto(f"{site}{batch.url}")
    assert fits(page)
    page.get_by_role("button", name="Confirm ¥188.87").click()
    expect(page.get_by_role("heading", name="The batch is done")).to_be_visible()
    expect(page.get_by_text("REFUND_TRADE_FEE_ERROR")).to_be_visible()
    assert fits(page)
    assert page.complaints == []
