"""Agreements in the simulator's control, with payments, and after a restart."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from .openapi.agreements import QUERY, RULE, SIGN, Signing, deduction
from .openapi.server import ORDER, Server
from .test_control import control as control
from .test_control import see
from .test_restart import world as world

GATEWAY_URL = "https://shop.example/messages"
SIGN_PARAMS = {
    name: SIGN[name]
    for name in (
        *("product_code", "personal_product_code", "sign_scene", "external_agreement_no"),
        *("access_params", "period_rule_params"),
    )
}
BUYER = {"buyer_id": "2088000000000002"}


@pytest.fixture
def server(app, merchant):
    return Server(app, merchant)


@pytest.fixture
def signing(server):
    return Signing(server)


def kinds(shop):
    """The kinds of the notifications so far."""
    return [shop.fields(index)["notify_type"] for index in range(len(shop.bodies))]


def test_an_agreement_is_shown_with_what_can_happen(control, signing):
    signing.page()
    (shown,) = see(control, "/agreements")
    assert (shown["status"], shown["can"]) == ("TEMP", ["sign"])
    assert shown["single_amount"] == "30.00"
    assert see(control, "/live")["agreements"] == [shown]


def test_the_control_signs_and_ends(control, signing, shop, simulator):
    simulator.messages.default_url = GATEWAY_URL
    signing.page()
    signed = control("/agreements/S1/sign", body={}).json
    assert (signed["status"], signed["can"]) == ("NORMAL", ["end", "expire", "empty"])
    ended = control(f"/agreements/{signed['agreement_no']}/end", body={}).json
    assert (ended["status"], ended["ended_by"], ended["can"]) == ("UNSIGN", "buyer", [])
    assert kinds(shop) == ["dut_user_sign", "dut_user_unsign"]


def test_the_time_of_an_agreement_is_over_without_a_message(control, signing, shop):
    signing.signed()
    assert control("/agreements/S1/expire", body={}).json["status"] == "EXPIRED"
    assert (
        signing.server.refused(
            QUERY, {"agreement_no": see(control, "/agreements")[0]["agreement_no"]}
        )
        == "USER_AGREEMENT_NOT_EXIST"
    )
    assert kinds(shop) == ["dut_user_sign"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("S1/end", 409), ("S1/fill", 409), ("S2/sign", 404), ("S1/explode", 404)],
)
def test_what_cannot_happen_changes_nothing(control, signing, path, status):
    signing.page()
    before = see(control, "/agreements")
    assert control(f"/agreements/{path}", body={}).status_code == status
    assert see(control, "/agreements") == before


@pytest.mark.parametrize("months", [0, 13, "1", True, None])
def test_the_time_advances_by_one_to_twelve_months(control, clock, months):
    before = clock.now()
    assert control("/clock", body={"months": months}).status_code == 400
    assert clock.now() == before


def test_a_month_later_is_the_same_day_or_the_last(control, clock):
    days = [control("/clock", body={"months": 1}).json["now"][:16] for _ in range(2)]
    assert days == ["2026-02-28T04:00", "2026-03-28T04:00"]


def test_months_close_expired_trades_and_send_due_retries(control, server, shop, clock):
    shop.text = "fail"
    server.call("pay", {**ORDER, "scene": "bar_code", "auth_code": "2812345678901234"})
    server.call("create", {**ORDER, **BUYER, "out_trade_no": "T2", "timeout_express": "1h"})
    control("/clock", body={"months": 1})
    assert see(control, "/trades/T2")["trade_status"] == "TRADE_CLOSED"
    assert sum(b"out_trade_no=T1" in body for body in shop.bodies) == 8


def pay_and_sign(control, server, **fields):
    """Creates the trade of a payment with a request to sign."""
    sign = {**SIGN_PARAMS, **fields}
    server.call("create", {**ORDER, **BUYER, "agreement_sign_params": sign})


def test_a_payment_signs_the_agreement_that_belongs_to_it(control, server, shop):
    pay_and_sign(control, server)
    control("/trades/T1/pay", body={})
    assert sorted(kinds(shop)) == ["dut_user_sign", "trade_status_sync"]
    (agreement,) = see(control, "/agreements")
    assert (agreement["status"], agreement["next_date"]) == ("NORMAL", "2026-02-05")
    assert agreement["deductions"] == []  # the payment itself is none


def test_the_message_about_a_signature_has_an_address_of_its_own(control, server, simulator):
    url = "https://shop.example/signed"
    pay_and_sign(control, server, sign_notify_url=url)
    control("/trades/T1/pay", body={})
    assert url in {delivery.notice.url for delivery in simulator.deliverer.deliveries}


@pytest.mark.parametrize(("ticked", "status"), [(True, "NORMAL"), (False, "TEMP")])
def test_the_cashier_offers_the_agreement_and_the_buyer_decides(
    control, server, simulator, shop, ticked, status
):
    pay_and_sign(control, server)
    page = f"/alipay/cashier/{simulator.trades.by_out_trade_no('T1').cashier_id}"
    text = server.client.get(page).text
    assert "Every month" in text
    assert "¥30.00" in text
    sign = ["off", "on"] if ticked else ["off"]
    server.client.post(f"{page}/pay", data={"sign": sign})
    assert simulator.trades.by_out_trade_no("T1").paid
    assert see(control, "/agreements")[0]["status"] == status
    assert ("dut_user_sign" in kinds(shop)) is ticked


@pytest.mark.parametrize(("action", "status"), [("pay", "NORMAL"), ("pay-unsigned", "TEMP")])
def test_the_app_pays_with_and_without_the_agreement(control, server, simulator, action, status):
    biz = {**ORDER, "product_code": "QUICK_MSECURITY_PAY", "agreement_sign_params": SIGN_PARAMS}
    params = server.params("alipay.trade.app.pay", biz)
    answer = server.client.post(f"/alipay/mobile/{action}", data=params_text(params))
    assert answer.text.startswith("resultStatus={9000}")
    assert see(control, "/agreements")[0]["status"] == status


def params_text(params):
    from urllib.parse import urlencode

    return urlencode(params)


@pytest.mark.parametrize(("body", "status"), [({}, "NORMAL"), ({"sign": False}, "TEMP")])
def test_the_mini_program_pays_with_and_without_the_agreement(control, server, body, status):
    pay_and_sign(control, server)
    number = see(control, "/trades/T1")["trade_no"]
    paid = server.client.post("/alipay/mini-program/pay", json={"tradeNO": number, **body})
    assert paid.json == {"resultCode": "9000"}
    assert see(control, "/agreements")[0]["status"] == status


def test_a_page_has_the_older_parameters_without_a_rule(control, server, merchant, buyer):
    older = {"personal_product_code": "GENERAL_WITHHOLDING_P", "sign_scene": SIGN["sign_scene"]}
    request = merchant.page_pay(biz={"agreement_sign_params": older})
    cashier = buyer.cashier(request)
    assert "Whenever the shop charges you" in buyer.see(cashier).text
    rejected = merchant.page_pay(
        biz={"out_trade_no": "T2", "agreement_sign_params": {**older, "period_rule_params": RULE}}
    )
    assert b"period_rule_params" in buyer.open(rejected).data


@pytest.mark.parametrize(
    "params",
    [json.dumps(SIGN_PARAMS), {**SIGN_PARAMS, "access_params": None}, {"sign_scene": "A|B"}],
    ids=["text", "no access", "no product"],
)
def test_an_invalid_request_to_sign_rejects_the_payment(control, server, params):
    content = {**ORDER, **BUYER, "agreement_sign_params": params}
    assert server.refused("create", content) == "ACQ.INVALID_PARAMETER"
    assert see(control, "/trades") == []


def test_agreements_go_on_after_a_restart(world):
    signing = Signing(world.server)
    number = signing.signed()
    signing.pay(number)
    world.restart(after=timedelta(days=30))
    signing = Signing(world.server)
    (agreement,) = world.shown("/agreements")
    assert (agreement["agreement_no"], agreement["next_date"]) == (number, "2026-03-05")
    assert signing.pay(number, "D2")["code"] == "10000"


def test_a_killed_simulator_deducts_no_period_twice(world):
    signing = Signing(world.server)
    number = signing.signed()
    signing.pay(number)
    world.kill()
    code = world.server.refused("pay", deduction(number, "D2"))
    assert code == "ACQ.CYCLE_PAY_DATE_NOT_MATCH"
    assert world.server.refused("pay", deduction(number)) == "ACQ.TRADE_HAS_SUCCESS"


@pytest.mark.parametrize("kind", ["system-error", "system-error-done"])
def test_a_system_error_leaves_the_outcome_of_a_deduction_open(control, signing, kind):
    number = signing.signed()
    control("/faults", body={"kind": kind, "out_trade_no": "D1"})
    node = signing.server.call("pay", deduction(number))
    assert (node["code"], node["sub_code"]) == ("20000", "ACQ.SYSTEM_ERROR")
    made = see(control, "/agreements")[0]["deductions"]
    assert made == (["D1"] if kind == "system-error-done" else [])


def test_a_message_is_lost_and_sent_again(control, signing, shop, clock):
    control("/faults", body={"kind": "drop", "out_trade_no": "S1"})
    signing.signed()
    assert shop.bodies == []
    clock.advance(minutes=2)
    assert kinds(shop) == ["dut_user_sign"]
