"""Deductions by an agreement: when, how often and how much."""

from __future__ import annotations

import threading

import pytest

from .agreements import MODIFY, NAMED, OPEN, QUERY, RULE, SIGN, UNSIGN, Signing, deduction


@pytest.fixture
def signing(server):
    return Signing(server)


@pytest.fixture
def agreement_no(signing):
    return signing.signed()


def test_a_deduction_is_paid_and_notified_like_any_payment(signing, agreement_no, shop, clock):
    node = signing.pay(agreement_no)
    assert (node["code"], node["total_amount"]) == ("10000", "30.00")
    clock.advance(seconds=1)
    fields = shop.fields()
    assert (fields["notify_type"], fields["trade_status"]) == ("trade_status_sync", "TRADE_SUCCESS")
    assert fields["out_trade_no"] == "D1"


def test_a_deduction_moves_the_plan_one_period_on(signing, agreement_no):
    signing.pay(agreement_no)
    node = signing.server.call(QUERY, NAMED)
    assert (node["next_deduct_time"], node["last_deduct_time"]) == ("2026-03-05", "2026-01-31")


def test_a_second_deduction_of_a_period_is_rejected(signing, agreement_no):
    signing.pay(agreement_no)
    assert signing.refused(agreement_no, "D2") == "ACQ.CYCLE_PAY_DATE_NOT_MATCH"
    assert signing.server.refused("query", {"out_trade_no": "D2"}) == "ACQ.TRADE_NOT_EXIST"


@pytest.mark.parametrize(
    ("days", "accepted"),
    [(0, True), (5, True), (6, False), (-1, False)],
    ids=["first day", "the day itself", "a day late", "a day early"],
)
def test_the_window_is_the_day_and_five_days_before_it(signing, clock, days, accepted):
    number = signing.signed()  # on 31 January, due on 5 February
    if days == -1:
        signing.server.call(MODIFY, {"agreement_no": number, "deduct_time": "2026-02-06"})
    else:
        clock.advance(days=days)
    if accepted:
        assert signing.pay(number)["code"] == "10000"
    else:
        assert signing.refused(number) == "ACQ.CYCLE_PAY_DATE_NOT_MATCH"


def test_the_day_is_that_of_china(signing, agreement_no, clock):
    clock.advance(days=5, hours=11, minutes=59)  # 5 February, 23:59
    assert signing.pay(agreement_no)["code"] == "10000"


def test_after_a_missed_day_the_plan_has_to_be_moved(signing, agreement_no, clock):
    clock.advance(days=40)
    assert signing.refused(agreement_no) == "ACQ.CYCLE_PAY_DATE_NOT_MATCH"
    signing.server.call(MODIFY, {"agreement_no": agreement_no, "deduct_time": "2026-03-12"})
    assert signing.pay(agreement_no)["code"] == "10000"
    assert signing.server.call(QUERY, NAMED)["next_deduct_time"] == "2026-04-12"


def test_a_deduction_a_month_is_possible_for_a_year(signing, agreement_no, clock):
    clock.advance(days=5)
    for month in range(12):
        assert signing.pay(agreement_no, f"D{month}")["code"] == "10000"
        response = signing.client.post("/alipay/clock", json={"months": 1})
        assert response.status_code == 200
    (agreement,) = signing.client.get("/alipay/agreements").json
    assert agreement["next_date"] == "2027-02-05"
    assert agreement["deducted_amount"] == "360.00"


def test_a_period_of_days_begins_anew_after_each_deduction(signing):
    rule = {**RULE, "period_type": "DAY", "period": 7, "execute_time": "2026-02-01"}
    number = signing.signed({**SIGN, "period_rule_params": rule})
    signing.pay(number)
    assert signing.server.call(QUERY, NAMED)["next_deduct_time"] == "2026-02-08"


def test_a_deduction_has_a_maximum(signing, agreement_no):
    assert signing.refused(agreement_no, amount="30.01") == "ACQ.CYCLE_PAY_SINGLE_FEE_EXCEED"
    assert signing.pay(agreement_no, amount="0.01")["code"] == "10000"


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        ({"total_amount": "59.99"}, "ACQ.CYCLE_PAY_TOTAL_FEE_EXCEED"),
        ({"total_payments": 1}, "ACQ.CYCLE_PAY_TOTAL_TIMES_EXCEED"),
    ],
)
def test_all_deductions_together_have_a_maximum(signing, clock, limit, code):
    number = signing.signed({**SIGN, "period_rule_params": {**RULE, **limit}})
    signing.pay(number)
    clock.advance(days=30)
    assert signing.refused(number, "D2") == code


def test_without_a_rule_deductions_are_free(signing):
    number = signing.signed(OPEN)
    for name in ("D1", "D2"):
        assert signing.pay(number, name, "5000.00")["code"] == "10000"


def test_an_ended_agreement_pays_nothing(signing, agreement_no):
    signing.server.call(UNSIGN, {"agreement_no": agreement_no})
    assert signing.refused(agreement_no) == "ACQ.AGREEMENT_NOT_EXIST"
    assert signing.refused("20265001000000000001") == "ACQ.AGREEMENT_NOT_EXIST"


def test_an_expired_agreement_pays_nothing(signing, clock):
    number = signing.signed({**OPEN, "sign_validity_period": "30d"})
    clock.advance(days=30)
    assert signing.refused(number) == "ACQ.AGREEMENT_INVALID"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"product_code": "PREAUTH_PAY"}, "ACQ.INVALID_PARAMETER"),
        ({"agreement_params": "20265001"}, "ACQ.INVALID_PARAMETER"),
        ({"agreement_params": {"apply_token": "x"}}, "ACQ.INVALID_PARAMETER"),
    ],
)
def test_an_invalid_deduction_is_rejected(signing, agreement_no, fields, code):
    assert signing.refused(agreement_no, **fields) == code


def test_a_buyer_without_money_pays_another_day(signing, agreement_no):
    control = "/alipay/agreements/S1"
    assert signing.client.post(f"{control}/empty", json={}).json["funded"] is False
    assert signing.refused(agreement_no) == "ACQ.BUYER_BALANCE_NOT_ENOUGH"
    trade = signing.server.call("query", {"out_trade_no": "D1"})
    assert trade["trade_status"] == "TRADE_CLOSED"
    assert signing.client.post(f"{control}/fill", json={}).json["funded"] is True
    assert signing.pay(agreement_no, "D2")["code"] == "10000"


def test_a_repetition_does_not_deduct_twice(signing, agreement_no):
    signing.pay(agreement_no)
    assert signing.refused(agreement_no) == "ACQ.TRADE_HAS_SUCCESS"
    assert signing.refused(agreement_no, amount="29.00") == "ACQ.CONTEXT_INCONSISTENT"
    (agreement,) = signing.client.get("/alipay/agreements").json
    assert agreement["deductions"] == ["D1"]


@pytest.mark.parametrize(("event", "count"), [("pay", 1), ("close", 0)])
def test_a_deduction_in_process_is_performed_later(signing, agreement_no, event, count):
    signing.client.post("/alipay/faults", json={"kind": "in-process"})
    assert signing.pay(agreement_no)["code"] == "10003"
    assert signing.pay(agreement_no)["code"] == "10003"
    assert signing.refused(agreement_no, "D2") == "ACQ.OVER_MAX_UNDER_WAY_DEDUCT_COUNT"
    assert signing.client.post(f"/alipay/trades/D1/{event}", json={}).status_code == 200
    (agreement,) = signing.client.get("/alipay/agreements").json
    assert len(agreement["deductions"]) == count
    if event == "close":
        assert signing.pay(agreement_no, "D2")["code"] == "10000"


def test_of_concurrent_deductions_one_is_paid(signing, agreement_no, simulator, server):
    bodies = [server.params("alipay.trade.pay", deduction(agreement_no, f"D{n}")) for n in range(8)]
    app = server.client.application
    threads = [
        threading.Thread(
            target=lambda body=body: app.test_client().post("/alipay/gateway.do", data=body)
        )
        for body in bodies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (agreement,) = signing.client.get("/alipay/agreements").json
    assert len(agreement["deductions"]) == 1
    assert sum(trade.paid for trade in simulator.trades.all()) == 1
