"""Pre-authorisations: frozen, released, cancelled, captured, expired, and notified."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flask_alipay.simulator.openapi.preauthorizations import FREEZE_ENDINGS

FREEZE = {
    "out_order_no": "DEP1",
    "out_request_no": "DEP1F",
    "order_title": "Deposit 押金",
    "amount": "500.00",
    "product_code": "PREAUTH_PAY",
}
BAR_CODE = {"auth_code": "2812345678901234", "auth_code_type": "bar_code"}
NAMED = {"out_order_no": "DEP1", "out_request_no": "DEP1F"}


def fund(server, name, biz, **options):
    return server.call(f"alipay.fund.auth.{name}", biz, **options)


def rejected(server, name, biz, **options):
    name = name if name.startswith("alipay.") else f"alipay.fund.auth.{name}"
    return server.refused(name, biz, **options)


def query(server, **named):
    return fund(server, "operation.detail.query", {**NAMED, **named})


def capture(frozen, number="C1", amount="100.00", **more):
    grant = {"auth_no": frozen["auth_no"], "product_code": "PREAUTH_PAY"}
    return {"out_trade_no": number, "total_amount": amount, "subject": "Room", **grant, **more}


def unfreeze(frozen, number="U1", amount="200.00", **more):
    numbers = {"auth_no": frozen["auth_no"], "out_request_no": number}
    return {**numbers, "amount": amount, "remark": "left early", **more}


@pytest.fixture
def frozen(server):
    """500 yuan that a payer's code froze."""
    return fund(server, "order.freeze", {**FREEZE, **BAR_CODE})


@pytest.fixture
def voucher(server):
    """The QR code of a freeze that its payer has not opened."""
    return fund(server, "order.voucher.create", FREEZE)


def opened(simulator, voucher):
    return simulator.preauthorizations.open(voucher["code_value"].rpartition("/")[2])


def amounts(node):
    names = ("total_freeze_amount", "total_pay_amount", "rest_amount")
    return tuple(node[name] for name in names)


# Freezing


def test_a_payers_code_freezes_the_amount_at_once(server, frozen, merchant):
    assert (frozen["code"], frozen["status"], frozen["amount"]) == ("10000", "SUCCESS", "500.00")
    assert frozen["payer_user_id"] == merchant.account.buyer_id
    assert frozen["payer_logon_id"] == "buy***@simulator.invalid"
    assert (len(frozen["auth_no"]), len(frozen["operation_id"])) == (28, 20)
    node = query(server)
    assert (node["order_status"], node["operation_type"]) == ("AUTHORIZED", "FREEZE")
    assert amounts(node) == ("500.00", "0.00", "500.00")
    assert node["order_title"] == "Deposit 押金"
    assert "total_unfreeze_amount" not in node
    assert query(server, auth_no=frozen["auth_no"], operation_id=frozen["operation_id"]) == node


def test_a_freeze_is_reported_to_the_address_of_its_call(server, frozen, shop, clock, merchant):
    clock.advance(seconds=1)
    notified = shop.fields()
    assert notified["notify_type"] == "fund_auth_freeze"
    assert (notified["out_order_no"], notified["out_request_no"]) == ("DEP1", "DEP1F")
    assert (notified["operation_type"], notified["status"], notified["amount"]) == (
        "FREEZE",
        "SUCCESS",
        "500.00",
    )
    assert notified["total_unfreeze_amount"] == notified["total_pay_amount"] == "0.00"
    assert notified["rest_amount"] == notified["total_freeze_amount"] == "500.00"
    assert notified["app_id"] == notified["auth_app_id"] == merchant.account.app_id
    assert notified["gmt_trans"] == "2026-01-31 12:00:00"


def test_a_freeze_without_an_address_is_not_reported(server, shop, clock):
    fund(server, "order.freeze", {**FREEZE, **BAR_CODE}, notify_url=None)
    clock.advance(seconds=1)
    assert shop.bodies == []


@pytest.mark.parametrize(
    ("ending", "code"), [one for one in FREEZE_ENDINGS.items() if one[1] != "10003"]
)
def test_a_documented_code_freezes_nothing(server, ending, code):
    wrong = {**BAR_CODE, "auth_code": f"2812345678{ending}"}
    assert rejected(server, "order.freeze", {**FREEZE, **wrong}) == code
    if code == "PAYMENT_AUTH_CODE_INVALID":
        assert rejected(server, "operation.detail.query", NAMED) == "AUTH_ORDER_NOT_EXIST"
    else:
        assert query(server)["order_status"] == "CLOSED"


def test_a_payer_who_must_confirm_freezes_later(server, simulator):
    waiting = {**BAR_CODE, "auth_code": "2812345678010003"}
    node = fund(server, "order.freeze", {**FREEZE, **waiting})
    assert (node["code"], node["status"]) == ("10003", "INIT")
    assert query(server)["order_status"] == "INIT"
    simulator.preauthorizations.apply("DEP1", "freeze")
    assert query(server)["order_status"] == "AUTHORIZED"


def test_a_qr_code_exists_once_its_payer_opens_it(server, simulator, voucher, shop):
    assert voucher["code_type"] == "qrCode"
    for method in ("operation.detail.query", "operation.cancel"):
        assert rejected(server, method, {**NAMED, "remark": "r"}) == "AUTH_ORDER_NOT_EXIST"
    opened(simulator, voucher)
    assert query(server)["order_status"] == "INIT"
    simulator.preauthorizations.apply("DEP1", "freeze")
    assert amounts(query(server)) == ("500.00", "0.00", "500.00")
    assert shop.fields()["notify_type"] == "fund_auth_freeze"


def test_the_same_qr_code_is_returned_again(server, voucher):
    again = fund(server, "order.voucher.create", FREEZE)
    assert again["code_value"] == voucher["code_value"]


@pytest.mark.parametrize(
    "other",
    [
        {"amount": "500.01"},
        {"order_title": "Other"},
        {"out_request_no": "DEP1G"},
        {"out_order_no": "DEP2"},
    ],
)
def test_a_number_is_not_reused_with_other_content(server, voucher, other):
    changed = {**FREEZE, **other}
    assert rejected(server, "order.voucher.create", changed) == "UNIQUE_VIOLATION"


def test_an_order_is_frozen_once(server, frozen):
    assert rejected(server, "order.freeze", {**FREEZE, **BAR_CODE}) == "FREEZE_ALREADY_SUCCESS"
    assert amounts(query(server)) == ("500.00", "0.00", "500.00")


@pytest.mark.parametrize(
    "wrong",
    [
        {"out_order_no": "a b"},
        {"out_request_no": None},
        {"order_title": "x" * 101},
        {"amount": "0.001"},
        {"amount": "100000000.01"},
        {"product_code": "QUICK_WAP_WAY"},
        {"pay_timeout": "16d"},
        {"pay_timeout": "1c"},
        {"extra_param": {"category": "HOTEL"}},
        {"extra_param": "{"},
        {"enable_pay_channels": "[]", "disable_pay_channels": "[]"},
        {"auth_code": "1234"},
        {"auth_code_type": "magic"},
    ],
)
def test_an_unacceptable_freeze_is_rejected(server, simulator, wrong):
    content = {**FREEZE, **BAR_CODE, **wrong}
    assert rejected(server, "order.freeze", content) == "ILLEGAL_ARGUMENT"
    assert simulator.preauthorizations.all() == ()


@pytest.mark.parametrize(
    ("payee", "code"),
    [
        ({"payee_user_id": "2088000000000099"}, "ILLEGAL_PAYEE_USER_ID"),
        ({"payee_logon_id": "other@example.org"}, "PAYEE_NOT_EXIST"),
    ],
)
def test_the_payee_is_the_merchant(server, merchant, payee, code):
    assert rejected(server, "order.voucher.create", {**FREEZE, **payee}) == code
    own = {
        "payee_user_id": merchant.account.partner,
        "payee_logon_id": merchant.account.seller_email,
    }
    assert fund(server, "order.voucher.create", {**FREEZE, **own})["code_value"]


def test_a_server_cannot_call_the_method_of_order_strings(server):
    node = fund(server, "order.app.freeze", FREEZE)
    assert (node["code"], node["sub_code"]) == ("20000", "SYSTEM_ERROR")


# Limits


def test_an_order_that_is_not_authorised_in_time_is_closed(server, simulator, voucher, clock, shop):
    opened(simulator, voucher)
    clock.advance(minutes=15)
    assert query(server)["order_status"] == "CLOSED"
    assert simulator.preauthorizations.apply("DEP1", "freeze") is None
    assert shop.bodies == []
    assert rejected(server, "order.voucher.create", FREEZE) == "ORDER_ALREADY_CLOSED"


@pytest.mark.parametrize("name", ["pay_timeout", "timeout_express"])
def test_the_merchant_sets_the_time_to_authorise(server, simulator, clock, name):
    opened(simulator, fund(server, "order.voucher.create", {**FREEZE, name: "2h"}))
    clock.advance(minutes=119)
    assert query(server)["order_status"] == "INIT"
    clock.advance(minutes=1)
    assert query(server)["order_status"] == "CLOSED"


def test_the_rest_is_released_after_thirty_days(server, frozen, clock, shop):
    server.call("pay", capture(frozen))
    clock.advance(days=30, seconds=1)
    notified = shop.fields()
    assert (notified["notify_type"], notified["amount"]) == ("fund_auth_unfreeze", "400.00")
    assert (notified["rest_amount"], notified["total_unfreeze_amount"]) == ("0.00", "400.00")
    assert query(server)["order_status"] == "FINISH"
    again = unfreeze(frozen)
    assert rejected(server, "order.unfreeze", again) == "ORDER_ALREADY_FINISH"


# Releasing


def test_parts_are_released_once_each(server, frozen, shop, clock):
    first = fund(server, "order.unfreeze", unfreeze(frozen))
    assert fund(server, "order.unfreeze", unfreeze(frozen)) == first
    assert (first["amount"], first["status"]) == ("200.00", "SUCCESS")
    assert amounts(query(server)) == ("500.00", "0.00", "300.00")
    clock.advance(seconds=1)
    notified = [shop.fields(index) for index in range(len(shop.bodies))]
    assert [one["notify_type"] for one in notified] == ["fund_auth_freeze", "fund_auth_unfreeze"]
    assert (notified[1]["amount"], notified[1]["rest_amount"]) == ("200.00", "300.00")
    node = query(server, out_request_no="U1")
    assert (node["operation_type"], node["remark"]) == ("UNFREEZE", "left early")


def test_all_released_closes_the_order(server, frozen):
    fund(server, "order.unfreeze", unfreeze(frozen, amount="500.00"))
    assert query(server)["order_status"] == "CLOSED"
    again = unfreeze(frozen, "U2")
    assert rejected(server, "order.unfreeze", again) == "ORDER_ALREADY_CLOSED"
    assert server.refused("pay", capture(frozen)) == "ACQ.AUTH_NO_ERROR"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"amount": "500.01"}, "REQUEST_AMOUNT_EXCEED"),
        ({"auth_no": "2026013110002001000000000001"}, "AUTH_ORDER_NOT_EXIST"),
        ({"auth_no": None}, "ILLEGAL_ARGUMENT"),
        ({"remark": None}, "ILLEGAL_ARGUMENT"),
        ({"amount": "0"}, "ILLEGAL_ARGUMENT"),
        ({"out_request_no": "a b"}, "ILLEGAL_ARGUMENT"),
        ({"extra_param": "["}, "ILLEGAL_ARGUMENT"),
    ],
)
def test_an_impossible_release_changes_nothing(server, frozen, wrong, code):
    assert rejected(server, "order.unfreeze", {**unfreeze(frozen), **wrong}) == code
    assert amounts(query(server)) == ("500.00", "0.00", "500.00")


def test_a_release_does_not_change_its_amount(server, frozen):
    fund(server, "order.unfreeze", unfreeze(frozen))
    other = unfreeze(frozen, amount="100.00")
    assert rejected(server, "order.unfreeze", other) == "UNIQUE_VIOLATION"
    assert amounts(query(server)) == ("500.00", "0.00", "300.00")


def test_a_release_may_have_the_number_of_the_freeze(server, frozen):
    fund(server, "order.unfreeze", unfreeze(frozen, "DEP1F"))
    assert query(server)["operation_type"] == "FREEZE"
    assert query(server, operation_type="UNFREEZE")["amount"] == "200.00"


# Cancelling

CANCEL = {**NAMED, "remark": "no answer"}


@pytest.mark.parametrize("times", [1, 2])
def test_a_cancelled_freeze_is_given_back(server, frozen, shop, clock, times):
    for _ in range(times):
        node = fund(server, "operation.cancel", CANCEL)
    assert node["action"] == "unfreeze"
    assert query(server)["order_status"] == "CLOSED"
    clock.advance(seconds=1)
    notified = shop.fields()
    assert (notified["notify_type"], notified["action"]) == (
        "fund_auth_operation_cancel",
        "unfreeze",
    )
    assert "amount" not in notified
    assert len(shop.bodies) == 2


def test_a_cancelled_order_cannot_be_authorised(server, simulator, voucher, shop, clock):
    opened(simulator, voucher)
    assert fund(server, "operation.cancel", CANCEL)["action"] == "close"
    assert fund(server, "operation.cancel", CANCEL)["action"] == "close"
    assert simulator.preauthorizations.apply("DEP1", "freeze") is None
    clock.advance(seconds=1)
    assert shop.fields()["action"] == "close"
    assert len(shop.bodies) == 1


def test_a_freeze_is_cancelled_within_a_day(server, frozen, clock):
    clock.advance(days=1, seconds=1)
    assert rejected(server, "operation.cancel", CANCEL) == "CANCEL_OPERATION_TIME_OUT"
    assert amounts(query(server)) == ("500.00", "0.00", "500.00")


def test_a_freeze_is_not_cancelled_after_a_release(server, frozen):
    fund(server, "order.unfreeze", unfreeze(frozen))
    assert rejected(server, "operation.cancel", CANCEL) == "REQUEST_AMOUNT_EXCEED"


def test_a_captured_order_is_not_cancelled(server, frozen):
    server.call("pay", capture(frozen, amount="500.00"))
    assert rejected(server, "operation.cancel", CANCEL) == "ORDER_ALREADY_FINISH"


# Querying


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({"out_order_no": "DEP1"}, "ILLEGAL_ARGUMENT"),
        ({"out_order_no": "DEP9", "out_request_no": "DEP1F"}, "AUTH_ORDER_NOT_EXIST"),
        ({"out_order_no": "DEP1", "out_request_no": "X"}, "AUTH_OPERATION_NOT_EXIST"),
        ({**NAMED, "operation_type": "PAY"}, "AUTH_OPERATION_NOT_EXIST"),
        ({**NAMED, "operation_type": "pay"}, "ILLEGAL_ARGUMENT"),
    ],
)
def test_an_unknown_operation_is_not_found(server, frozen, named, code):
    assert rejected(server, "operation.detail.query", named) == code


# Capturing


def test_parts_are_captured(server, frozen, shop, clock, merchant):
    parties = {"buyer_id": frozen["payer_user_id"], "seller_id": merchant.account.partner}
    node = server.call("pay", capture(frozen, **parties))
    assert (node["code"], node["total_amount"]) == ("10000", "100.00")
    assert node["buyer_user_id"] == frozen["payer_user_id"]
    server.call("pay", capture(frozen, "C2", "400.00"))
    node = query(server)
    assert (node["order_status"], *amounts(node)) == ("FINISH", "500.00", "500.00", "0.00")
    made = query(server, out_request_no="C2", operation_type="PAY")
    assert (made["operation_type"], made["amount"]) == ("PAY", "400.00")
    clock.advance(seconds=1)
    notified = [shop.fields(index) for index in (1, 2)]
    assert [one["notify_type"] for one in notified] == ["trade_status_sync"] * 2
    assert [one["out_trade_no"] for one in notified] == ["C1", "C2"]
    assert "auth_no" not in notified[0]


def test_a_complete_capture_releases_the_rest(server, frozen, shop, clock):
    server.call("pay", capture(frozen, auth_confirm_mode="COMPLETE"))
    node = query(server)
    assert (node["order_status"], *amounts(node)) == ("FINISH", "500.00", "100.00", "0.00")
    clock.advance(seconds=1)
    assert len(shop.bodies) == 2  # the freeze, and the sale


def test_a_capture_is_made_once(server, frozen):
    server.call("pay", capture(frozen))
    assert server.refused("pay", capture(frozen)) == "ACQ.TRADE_HAS_SUCCESS"
    assert amounts(query(server)) == ("500.00", "100.00", "400.00")


def test_a_refund_of_a_capture_goes_to_the_buyer(server, frozen):
    server.call("pay", capture(frozen))
    refund = {"out_trade_no": "C1", "refund_amount": "100.00"}
    assert server.call("refund", refund)["fund_change"] == "Y"
    assert amounts(query(server)) == ("500.00", "100.00", "400.00")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"total_amount": "500.01"}, "ACQ.AUTH_AMOUNT_NOT_ENOUGH"),
        ({"auth_no": "2026013110002001000000000001"}, "ACQ.AUTH_NO_ERROR"),
        ({"product_code": "PRE_AUTH"}, "ACQ.PRE_AUTH_PROD_CODE_INCONSISTENT"),
        ({"product_code": None}, "ACQ.AUTH_TOKEN_IS_NOT_EXIST"),
        ({"buyer_id": "2088000000000099"}, "ACQ.PAYER_UNMATCHED"),
        ({"auth_confirm_mode": "MAYBE"}, "ACQ.INVALID_PARAMETER"),
    ],
)
def test_an_impossible_capture_is_no_trade(server, frozen, wrong, code):
    assert server.refused("pay", {**capture(frozen), **wrong}) == code
    assert server.refused("query", {"out_trade_no": "C1"}) == "ACQ.TRADE_NOT_EXIST"
    assert amounts(query(server)) == ("500.00", "0.00", "500.00")


def test_only_an_authorised_order_is_captured(server, simulator, voucher, clock):
    held = {"auth_no": opened(simulator, voucher).auth_no}
    assert server.refused("pay", capture(held)) == "ACQ.AUTH_ORDER_NOT_PAID"
    clock.advance(minutes=15)
    assert server.refused("pay", capture(held)) == "ACQ.AUTH_ORDER_HAS_CLOSED"


def test_a_finished_order_is_not_captured(server, frozen):
    server.call("pay", capture(frozen, amount="500.00"))
    assert server.refused("pay", capture(frozen, "C2")) == "ACQ.AUTH_ORDER_HAS_FINISHED"


SYNC = {
    "out_request_no": "S1",
    "biz_type": "CREDIT_AUTH",
    "order_biz_info": '{"status":"COMPLETE"}',
}


def test_an_outcome_is_synchronised(server, frozen):
    trade_no = server.call("pay", capture(frozen))["trade_no"]
    for _ in range(2):
        node = server.call("orderinfo.sync", {**SYNC, "trade_no": trade_no})
    assert (node["out_trade_no"], node["trade_no"]) == ("C1", trade_no)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"order_biz_info": '{"status":"PAID"}'}, "ACQ.NOTIFY_STATUS_INVALID"),
        ({"order_biz_info": "[]"}, "ACQ.NOTIFY_STATUS_INVALID"),
        ({"order_biz_info": "{"}, "ACQ.INVALID_PARAMETER"),
        ({"biz_type": "CASH"}, "ACQ.INVALID_PARAMETER"),
        ({"trade_no": None}, "ACQ.INVALID_PARAMETER"),
        ({"trade_no": "2026013122001000000000000001"}, "ACQ.TRADE_NOT_EXIST"),
    ],
)
def test_an_impossible_synchronisation_is_rejected(server, frozen, wrong, code):
    trade_no = server.call("pay", capture(frozen))["trade_no"]
    assert server.refused("orderinfo.sync", {**SYNC, "trade_no": trade_no, **wrong}) == code


# Faults


@pytest.mark.parametrize(
    ("kind", "rest"), [("system-error", "500.00"), ("system-error-done", "300.00")]
)
def test_a_release_may_fail_with_an_unknown_outcome(app, server, frozen, kind, rest):
    fault = {"kind": kind, "method": "alipay.fund.auth.order.unfreeze", "out_trade_no": "U1"}
    assert app.test_client().post("/alipay/faults", json=fault).status_code == 200
    node = fund(server, "order.unfreeze", unfreeze(frozen))
    assert (node["code"], node["sub_code"]) == ("20000", "SYSTEM_ERROR")
    assert query(server)["rest_amount"] == rest
    assert fund(server, "order.unfreeze", unfreeze(frozen))["status"] == "SUCCESS"
    assert query(server)["rest_amount"] == "300.00"


def test_a_notification_of_a_freeze_is_retried(server, shop, clock, app):
    shop.text = "fail"
    fund(server, "order.freeze", {**FREEZE, **BAR_CODE})
    clock.advance(seconds=1)
    assert len(shop.bodies) == 1
    shop.text = "success"
    clock.advance(hours=25)
    assert len(shop.bodies) == 2
    assert shop.fields(0)["notify_id"] == shop.fields(1)["notify_id"]


def test_time_is_moved_to_the_release_at_once(simulator, server, frozen):
    simulator.advance(timedelta(days=31))
    assert query(server)["order_status"] == "CLOSED"
