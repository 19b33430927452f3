"""The simulator's pages meet WCAG 2.2 AA, on a desktop and on a phone, in both languages."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.simulator.clock import SystemClock
from tests.services import expect, follow

from ..accessibility import violations
from .conftest import NOTIFY_URL
from .openapi.agreements import OPEN, RULE, SIGN, Signing
from .openapi.server import ORDER, Server
from .openapi.test_preauthorizations import FREEZE, fund
from .test_cashier_in_a_browser import site as site

pytestmark = pytest.mark.browser

VIEWS = {
    f"{kind}-{locale}": {"viewport": viewport, "locale": locale, "has_touch": kind == "phone"}
    for kind, viewport in (
        ("desktop", {"width": 1280, "height": 800}),
        ("phone", {"width": 390, "height": 844}),
    )
    for locale in ("en-US", "zh-CN")
}


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture(params=VIEWS.values(), ids=VIEWS)
def tab(request, browser, site):
    context = browser.new_context(base_url=f"http://127.0.0.1:{site}", **request.param)
    yield context.new_page()
    context.close()


def assert_usable(tab):
    """The page keeps the rules, and is not wider than the window."""
    assert violations(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_cashier_and_its_result_are_accessible(tab, merchant, site):
    back = f"http://127.0.0.1:{site}/return"
    tab.goto(merchant.page_pay(biz={"subject": "龙井茶 " * 20}, return_url=back).url)
    assert_usable(tab)
    for detail in tab.locator("summary").all():
        detail.click()
    assert_usable(tab)
    address = tab.url
    tab.locator("form button").first.click()
    tab.wait_for_url(f"{back}?**")
    tab.goto(address)
    assert_usable(tab)


@pytest.mark.parametrize("ending", ["close", "expire"])
def test_the_page_of_a_payment_that_ended_is_accessible(tab, merchant, simulator, ending):
    tab.goto(merchant.page_pay().url)
    address = tab.url
    simulator.cashier_event(address.rsplit("/", 1)[1], ending, "")
    tab.goto(address)
    assert_usable(tab)


def test_the_code_in_a_frame_is_accessible(tab, merchant, buyer):
    cashier = buyer.cashier(merchant.page_pay(biz={"qr_pay_mode": "4"}))
    response = tab.request.get(cashier, headers={"Sec-Fetch-Dest": "iframe"})
    tab.set_content(response.text())
    assert violations(tab) == []


def test_the_pages_of_escrow_are_accessible(tab, merchant, buyer, simulator):
    order = merchant.escrow(subject="Tea", service="trade_create_by_buyer")
    tab.goto(order.url)
    assert_usable(tab)
    address = tab.url
    simulator.cashier_event(address.rsplit("/", 1)[1], "deposit", "")
    tab.goto(address)
    assert_usable(tab)
    trade_no = simulator.trades.by_out_trade_no("T1").trade_no
    sent = {"trade_no": trade_no, "logistics_name": "SF", "transport_type": "EMS"}
    buyer.open(merchant.call("send_goods_confirm_by_platform", **sent))
    tab.goto(address)
    assert_usable(tab)


def test_the_pages_of_a_batch_are_accessible(tab, merchant, buyer, simulator, clock):
    buyer.press(buyer.cashier(merchant.direct_pay(out_trade_no="T1")), "pay")
    now = format_china_time(clock.now())
    trade_no = simulator.trades.by_out_trade_no("T1").trade_no
    batch = merchant.call(
        "refund_fastpay_by_platform_pwd",
        notify_url=NOTIFY_URL,
        seller_user_id=merchant.account.partner,
        refund_date=now,
        batch_no=now[:10].replace("-", "") + "001",
        batch_num="1",
        detail_data=f"{trade_no}^99.99^not nice",
    )
    tab.goto(batch.url)
    assert_usable(tab)
    follow(tab.locator("form button").first)
    assert_usable(tab)


def test_the_pages_of_agreements_are_accessible(tab, app, merchant, site):
    signing = Signing(Server(app, merchant))
    rule = {**RULE, "total_amount": "360.00", "total_payments": 12}
    page = signing.page({**SIGN, "period_rule_params": rule, "sign_validity_period": "13m"})
    tab.goto(page)
    assert_usable(tab)
    signing.client.post(page, data={"decision": "sign"})
    tab.goto(page)
    assert_usable(tab)
    free = signing.signed({**OPEN, "external_agreement_no": "S2"})
    signing.pay(free)
    tab.goto("/alipay/wallet")
    for detail in tab.locator("summary").all():
        detail.click()
    assert_usable(tab)
    follow(tab.locator("form button").first)
    assert_usable(tab)
    tab.goto("/alipay/sign/nothing")
    assert_usable(tab)
    tab.goto("/alipay/")
    tab.get_by_text("S2").first.wait_for()
    assert_usable(tab)


def test_the_cashier_with_an_agreement_is_accessible(tab, app, merchant, simulator):
    server = Server(app, merchant)
    sign = {name: value for name, value in SIGN.items() if name != "external_logon_id"}
    buyer_id = merchant.account.buyer_id
    server.call("create", {**ORDER, "buyer_id": buyer_id, "agreement_sign_params": sign})
    tab.goto(f"/alipay/cashier/{simulator.trades.by_out_trade_no('T1').cashier_id}")
    assert_usable(tab)
    box = tab.get_by_role("checkbox")
    expect(box).to_be_checked()
    box.uncheck()
    follow(tab.locator("form button").first)
    assert simulator.trades.by_out_trade_no("T1").paid
    assert simulator.wallet.registry.store.find("S1").agreement_no == ""


def test_the_pages_about_errors_are_accessible(tab, merchant):
    tab.goto("/alipay/cashier/nothing")
    assert_usable(tab)
    url = merchant.page_pay().url
    tab.goto(url.replace("sign=", "sign=x"))
    assert_usable(tab)


def test_the_control_page_is_accessible(tab, merchant, buyer):
    buyer.press(buyer.cashier(merchant.page_pay()), "pay")
    tab.goto("/alipay/")
    tab.get_by_text("T1").first.wait_for()
    assert_usable(tab)
    for detail in tab.locator("summary").all():
        detail.click()
    assert_usable(tab)


@pytest.fixture
def deposit(tab, app, merchant):
    """The page of an amount that its payer has not frozen."""
    title = {**FREEZE, "order_title": "押金 Deposit " * 7}
    voucher = fund(Server(app, merchant), "order.voucher.create", title)
    tab.goto(urlsplit(voucher["code_value"]).path)
    return tab


def test_the_page_of_a_deposit_is_accessible(deposit, simulator):
    assert_usable(deposit)
    for detail in deposit.locator("summary").all():
        detail.click()
    assert_usable(deposit)
    deposit.locator("form button").first.click()
    deposit.locator(".mark.frozen").wait_for()
    assert_usable(deposit)
    simulator.preauthorizations.release("DEP1", "U1", 50000)
    deposit.locator(".mark.released").wait_for()  # by itself
    assert_usable(deposit)


@pytest.mark.parametrize(("number", "mark"), [(1, "closed"), (2, "expired")])
def test_the_page_of_a_deposit_that_ended_is_accessible(deposit, number, mark):
    deposit.locator("form button").nth(number).click()
    deposit.locator(f".mark.{mark}").wait_for()
    assert_usable(deposit)


def test_deposits_in_the_control_are_accessible(deposit):
    deposit.locator("form button").first.click()
    deposit.locator(".mark.frozen").wait_for()
    deposit.goto("/alipay/")
    deposit.locator("#preauthorizations button").first.wait_for()
    assert_usable(deposit)
    deposit.locator("#preauthorizations button").last.click()
    deposit.locator("#preauthorizations .badge", has_text="CLOSED").wait_for()
    assert_usable(deposit)
