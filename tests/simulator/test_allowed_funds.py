"""What a merchant takes for an order, and what becomes of a buyer who would pay otherwise."""

from __future__ import annotations

import re

import pytest

from flask_alipay.simulator.trades.funding import KINDS, allowed_channels, credit_card, kind_of
from flask_alipay.simulator.trades.orders import Order

from .openapi.server import Server

BARCODE_ORDER = {
    "scene": "bar_code",
    "auth_code": "281234567890123456",
    "product_code": "FACE_TO_FACE",
}


@pytest.mark.parametrize(
    ("enabled", "disabled", "taken"),
    [
        ("", "", KINDS),
        ("balance", "", ("balance",)),
        ("moneyFund", "", ("balance",)),
        ("pcredit,moneyFund,debitCardExpress", "", ("balance", "credit", "debit-card")),
        ("credit_group", "", ("credit", "credit-card")),
        ("bankPay", "", ("debit-card", "credit-card")),
        ("coupon,point", "", ()),
        ("", "balance", ("credit", "debit-card", "credit-card")),
        ("", "moneyFund,coupon", KINDS),
        ("", "credit_group", ("balance", "debit-card")),
        ("", "pcredit,creditCard,debitCardExpress", ("balance",)),
        ("directPay", "", ("balance",)),
        ("directPay,bankPay,cartoon,cash", "", ("balance", "debit-card", "credit-card")),
        ("", "creditPay", ("balance", "debit-card", "credit-card")),
    ],
)
def test_words_of_a_merchant_open_and_shut_ways_to_pay(enabled, disabled, taken):
    words = [[word for word in given.split(",") if word] for given in (enabled, disabled)]
    assert allowed_channels(*words) == taken


@pytest.mark.parametrize(
    ("paid_with", "kind"),
    [
        ("balance", "balance"),
        ("credit", "credit"),
        ("ICBCB2C", "debit-card"),
        ("ICBC-DEBIT", "debit-card"),
        ("CMB-CREDIT", "credit-card"),
    ],
)
def test_a_banks_code_tells_the_kind_of_the_card(paid_with, kind):
    assert kind_of(paid_with) == kind


def test_a_bank_has_credit_cards_too():
    assert credit_card("ICBCB2C") == "ICBC-CREDIT"


@pytest.mark.parametrize(
    ("funds", "bank", "requested", "paid_with"),
    [
        (KINDS, "", "", "balance"),
        (KINDS, "CMB", "", "CMB"),
        (KINDS, "CMB", "credit", "credit"),
        (("credit", "debit-card"), "", "", "credit"),
        (("debit-card",), "", "", "ICBCB2C"),
        (("credit-card",), "", "", "ICBC-CREDIT"),
        (("balance",), "CMB", "", "balance"),
        (("balance",), "", "CMB", ""),
        ((), "", "", ""),
        ((), "CMB", "", ""),
    ],
)
def test_a_buyer_without_a_choice_pays_with_an_accepted_fund(funds, bank, requested, paid_with):
    order = Order("openapi", "", "T1", "tea", 1, "utf-8", "RSA2", funds=funds, bank=bank)
    assert order.choose_fund(requested) == paid_with


@pytest.fixture
def cashiers(buyer, merchant):
    """Opens a cashier for an order that takes so much, of either gateway."""

    def cashier(gateway, enabled="", disabled=""):
        if gateway == "openapi":
            names, separator = ("enable_pay_channels", "disable_pay_channels"), ","
            words = dict(zip(names, (enabled, disabled), strict=True))
            return buyer.cashier(merchant.page_pay(biz={n: w for n, w in words.items() if w}))
        names, separator = ("enable_paymethod", "disable_paymethod"), "^"
        words = dict(zip(names, (enabled, disabled), strict=True))
        given = {name: word.replace(",", separator) for name, word in words.items() if word}
        return buyer.cashier(merchant.direct_pay(**given))

    return cashier


def offered(page):
    """What a cashier page lets the buyer choose."""
    return re.findall(r'name="with" value="(\w+)"', page)


@pytest.mark.parametrize("gateway", ["openapi", "mapi"])
def test_the_cashier_offers_the_accepted_funds(cashiers, buyer, gateway):
    page = buyer.see(cashiers(gateway, "balance,debitCardExpress")).text
    assert offered(page) == ["balance", "bank"]
    assert "accepts no other method" in page
    assert '<option value="ICBCB2C">' in page
    assert "-CREDIT" not in page


def test_a_shop_that_says_nothing_takes_everything(cashiers, buyer):
    page = buyer.see(cashiers("openapi")).text
    assert offered(page) == ["balance", "credit", "bank"]
    assert "accepts no other method" not in page


def test_a_shop_may_take_credit_cards_alone(cashiers, buyer, simulator):
    cashier = cashiers("openapi", "creditCard")
    page = buyer.see(cashier).text
    assert offered(page) == ["bank"]
    assert '<option value="ICBC-CREDIT">' in page
    assert "ICBCB2C" not in page
    buyer.client.post(f"{cashier}/pay", data={"with": "bank", "bank": "CMB-CREDIT"})
    assert simulator.trades.by_out_trade_no("T1").paid_with == "CMB-CREDIT"


@pytest.mark.parametrize("gateway", ["openapi", "mapi"])
@pytest.mark.parametrize("form", [{"with": "credit"}, {"with": "bank", "bank": "CMB-CREDIT"}])
def test_a_fund_that_is_not_accepted_pays_nothing(cashiers, buyer, shop, simulator, gateway, form):
    cashier = cashiers(gateway, disabled="pcredit,creditCard")
    assert buyer.client.post(f"{cashier}/pay", data=form).status_code == 400
    assert (simulator.trades.by_out_trade_no("T1").paid, shop.bodies) == (False, [])
    assert buyer.client.post(f"{cashier}/pay", data={"with": "balance"}).status_code == 303
    assert simulator.trades.by_out_trade_no("T1").paid


def test_the_page_states_that_no_fund_is_accepted(cashiers, buyer, simulator):
    cashier = cashiers("openapi", "coupon")
    page = buyer.see(cashier).text
    assert offered(page) == []
    assert "there is no payment method" in page
    assert 'class="button"' not in page
    assert buyer.client.post(f"{cashier}/pay").status_code == 303  # to where it stands
    assert not simulator.trades.by_out_trade_no("T1").paid


def test_a_bank_that_the_shop_itself_shuts_out_is_not_offered(buyer, merchant, simulator):
    order = {"paymethod": "bankPay", "defaultbank": "CMB", "enable_paymethod": "directPay"}
    cashier = buyer.cashier(merchant.direct_pay(**order))
    assert offered(buyer.see(cashier).text) == ["balance"]
    buyer.client.post(f"{cashier}/pay")
    assert simulator.trades.by_out_trade_no("T1").paid_with == "balance"


def test_a_script_gets_the_accepted_funds(app, cashiers, shop):
    cashiers("openapi", "balance,debitCardExpress")
    client = app.test_client()
    assert client.get("/alipay/trades/T1").json["funds"] == ["balance", "debit-card"]
    refused = client.post("/alipay/trades/T1/pay", json={"paid_with": "credit"})
    assert (refused.status_code, refused.json) == (
        409,
        {"error": "the order does not take it: it takes balance, debit-card"},
    )
    assert (client.get("/alipay/trades/T1").json["paid_with"], shop.bodies) == (None, [])
    assert client.post("/alipay/trades/T1/pay").json["paid_with"] == "balance"


def test_channels_are_opened_or_shut_and_not_both(app, merchant):
    both = {"enable_pay_channels": "balance", "disable_pay_channels": "pcredit"}
    answer = Server(app, merchant).call("precreate", {**ORDER, **both})
    assert answer["sub_code"] == "ACQ.INVALID_PARAMETER"
    assert "disable_pay_channels" in answer["sub_msg"]


def test_a_barcode_payment_without_an_accepted_fund_is_rejected(app, merchant, simulator):
    server = Server(app, merchant)
    refused = server.call("pay", {**ORDER, **BARCODE_ORDER, "enable_pay_channels": "coupon"})
    assert refused["sub_code"] == "ACQ.NO_PAYMENT_INSTRUMENTS_AVAILABLE"
    assert not simulator.trades.by_out_trade_no("T1").paid


def test_a_barcode_payment_uses_an_accepted_fund(app, merchant):
    server = Server(app, merchant)
    paid = server.call("pay", {**ORDER, **BARCODE_ORDER, "disable_pay_channels": "balance"})
    assert paid["fund_bill_list"] == [{"amount": "88.88", "fund_channel": "PCREDIT"}]


ORDER = {"out_trade_no": "T1", "total_amount": "88.88", "subject": "Tea"}
