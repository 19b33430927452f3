"""What the buyer pays with, chosen on the cashier page, and how each side hears of it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from flask_alipay.exceptions import InvalidParameter
from flask_alipay.simulator.trades.funding import check_fund
from flask_alipay.simulator.web import network

from .openapi.server import Server

CHINESE = {"Accept-Language": "zh-CN"}
CARD = {"amount": "88.88", "bank_code": "ICBC", "fund_channel": "BANKCARD"}

#: What is chosen, and what a notification and an answer call it.
FUNDS = {
    "balance": ({"fundChannel": "ALIPAYACCOUNT"}, {"fund_channel": "ALIPAYACCOUNT"}),
    "credit": ({"fundChannel": "PCREDIT"}, {"fund_channel": "PCREDIT"}),
    "ICBCB2C": (
        {"fundChannel": "BANKCARD", "fundType": "DEBIT_CARD"},
        CARD | {"fund_type": "DEBIT_CARD"},
    ),
    "ICBC-CREDIT": (
        {"fundChannel": "BANKCARD", "fundType": "CREDIT_CARD"},
        CARD | {"fund_type": "CREDIT_CARD"},
    ),
}


@pytest.fixture
def pay(buyer):
    def pay(cashier, paid_with="", event="pay"):
        form = {"with": paid_with} if paid_with in ("", "balance", "credit") else {}
        form = form or {"with": "bank", "bank": paid_with}
        return buyer.client.post(f"{cashier}/{event}", data=form)

    return pay


@pytest.mark.parametrize("paid_with", FUNDS)
def test_the_open_platform_notifies_the_fund(app, buyer, merchant, pay, shop, clock, paid_with):
    notified, answered = FUNDS[paid_with]
    cashier = buyer.cashier(merchant.page_pay())
    buyer.see(cashier)
    assert pay(cashier, paid_with).status_code == 303
    assert json.loads(shop.fields()["fund_bill_list"]) == [{"amount": "88.88"} | notified]
    server = Server(app, merchant)
    (bill,) = server.call("query", {"out_trade_no": "T1"})["fund_bill_list"]
    assert bill == {"amount": "88.88"} | answered
    refund = {"out_trade_no": "T1", "refund_amount": "8.88", "out_request_no": "R1"}
    (item,) = server.call("refund", refund)["refund_detail_item_list"]
    assert item == {**answered, "amount": "8.88"}
    clock.advance(seconds=1)
    assert json.loads(shop.fields()["fund_bill_list"]) == [{"amount": "88.88"} | notified]


def test_the_legacy_gateway_tells_nothing_of_it(buyer, merchant, pay, shop, simulator):
    cashier = buyer.cashier(merchant.direct_pay())
    pay(cashier, "ICBCB2C")
    assert not [name for name in shop.fields() if "fund" in name or "bank" in name]
    assert simulator.trades.by_out_trade_no("T1").paid_with == "ICBCB2C"


def test_a_bank_that_was_chosen_in_the_shop_is_preselected(buyer, merchant, pay, simulator):
    cashier = buyer.cashier(merchant.direct_pay(paymethod="bankPay", defaultbank="HZCBB2C"))
    page = buyer.see(cashier, headers=CHINESE).text
    assert '<option value="HZCBB2C" selected>杭州银行</option>' in page
    pay(cashier)
    assert simulator.trades.by_out_trade_no("T1").paid_with == "HZCBB2C"
    assert "Bank of Hangzhou" in buyer.see(cashier).text


@pytest.mark.parametrize("chosen", ["gold", "icbc", "ICBC B2C", "<b>", "A" * 40])
def test_an_unknown_fund_is_rejected(buyer, merchant, shop, simulator, chosen):
    cashier = buyer.cashier(merchant.page_pay())
    for form in ({"with": chosen}, {"with": "bank", "bank": chosen}):
        answer = buyer.client.post(f"{cashier}/pay", data=form)
        assert (answer.status_code, chosen in answer.text) == (400, False)
    assert (simulator.trades.by_out_trade_no("T1").paid, shop.bodies) == (False, [])


def test_a_bank_that_was_not_named_is_none(buyer, merchant):
    cashier = buyer.cashier(merchant.page_pay())
    assert buyer.client.post(f"{cashier}/pay", data={"with": "bank"}).status_code == 400


@pytest.mark.parametrize("chosen", ["", "balances", "abc"])
def test_a_fund_that_is_none_is_named_as_the_parameter(chosen):
    with pytest.raises(InvalidParameter) as caught:
        check_fund(chosen)
    assert caught.value.parameter == "paid_with"


def test_a_script_chooses_the_fund(app, buyer, merchant):
    buyer.cashier(merchant.page_pay())
    client = app.test_client()
    assert client.post("/alipay/trades/T1/pay", json={"paid_with": 1}).status_code == 400
    assert client.get("/alipay/trades/T1").json["paid_with"] is None
    paid = client.post("/alipay/trades/T1/pay", json={"paid_with": "credit"}).json
    assert (paid["trade_status"], paid["paid_with"]) == ("TRADE_SUCCESS", "credit")


# The page that is left open while the buyer pays elsewhere.


def follow(buyer, cashier):
    return buyer.see(f"{cashier}/follow").json


def test_a_page_learns_of_a_payment_on_another_device(buyer, merchant, pay):
    cashier = buyer.cashier(merchant.page_pay())
    assert follow(buyer, cashier) == {"trade_status": "WAIT_BUYER_PAY", "go_to": cashier}
    pay(cashier)
    notification_params = follow(buyer, cashier)
    assert notification_params["trade_status"] == "TRADE_SUCCESS"
    assert notification_params["go_to"].startswith("https://shop.example/return?")


def test_a_page_shows_itself_how_it_ended_otherwise(buyer, merchant, clock):
    cashier = buyer.cashier(merchant.page_pay(biz={"timeout_express": "5m"}))
    clock.advance(timedelta(minutes=6))
    assert follow(buyer, cashier) == {"trade_status": "TRADE_CLOSED", "go_to": cashier}


def test_a_page_in_escrow_waits_for_the_parcel(buyer, merchant, pay):
    cashier = buyer.cashier(merchant.escrow())
    pay(cashier, event="deposit")
    assert follow(buyer, cashier) == {"trade_status": "WAIT_SELLER_SEND_GOODS", "go_to": cashier}


def test_a_page_that_is_none_is_not_followed(buyer):
    assert buyer.see("/alipay/cashier/nobody/follow").status_code == 404


# The code for a phone.


@pytest.mark.parametrize(
    ("url", "listening", "expected"),
    [
        ("http://127.0.0.1:8090/c", "0.0.0.0", "http://192.168.1.7:8090/c"),
        ("http://localhost/c", "::", "http://192.168.1.7/c"),
        ("http://[::1]:8090/c", "0.0.0.0", "http://192.168.1.7:8090/c"),
        ("http://127.0.0.1:8090/c", "127.0.0.1", "http://127.0.0.1:8090/c"),
        ("http://192.168.1.8:8090/c", "0.0.0.0", "http://192.168.1.8:8090/c"),
        ("https://tunnel.example/c", "127.0.0.1", "https://tunnel.example/c"),
    ],
)
def test_a_phone_is_given_the_address_in_the_network(monkeypatch, url, listening, expected):
    monkeypatch.setattr(network, "lan_address", lambda: "192.168.1.7")
    assert network.lan_url(url, listening) == expected


def test_a_machine_in_no_network_has_none(monkeypatch):
    monkeypatch.setattr(network, "lan_address", lambda: None)
    assert network.lan_url("http://127.0.0.1/c", "0.0.0.0") == "http://127.0.0.1/c"


def test_the_address_in_the_network_is_not_this_machines_alone():
    address = network.lan_address()
    assert address is None or not network.is_loopback(address)


@pytest.mark.parametrize(("host", "note"), [("127.0.0.1", True), ("192.168.1.7", False)])
def test_the_page_states_that_no_phone_can_reach_it(buyer, merchant, host, note):
    cashier = buyer.cashier(merchant.page_pay())
    page = buyer.see(cashier, base_url=f"http://{host}:8090").text
    assert ("--host 0.0.0.0" in page) is note
