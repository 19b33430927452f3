"""Payments in a mini-program: one trade for each payment, for one buyer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from flask_alipay.exceptions import (
    ConfigurationError,
    GatewayError,
    InvalidParameter,
    OutcomeUnknown,
    PaymentMismatch,
    UnknownPayment,
)
from flask_alipay.models import utc_now
from flask_alipay.simulator.merchant.merchant import SimulatedMerchant, open_id_under
from flask_alipay.simulator.simulator import SIMULATORS, Simulator
from flask_alipay.testing import AlipaySimulator

from ..doubles.shop import Payment, Shop, db

OpenShop = Callable[..., Shop]

CREATE = "alipay.trade.create"


@pytest.fixture(params=["v2", "v3"])
def shop(request: pytest.FixtureRequest, open_shop: OpenShop) -> Shop:
    """A shop with a newer application, which is a mini-program."""
    return open_shop({"SIMULATOR": "open_id", "API_VERSION": request.param})


def simulator_of(shop: Shop) -> Simulator:
    (simulator,) = shop.app.extensions[SIMULATORS].values()
    found: Simulator = simulator
    return found


def account(shop: Shop) -> SimulatedMerchant:
    return simulator_of(shop).merchant


def control(shop: Shop) -> AlipaySimulator:
    found = AlipaySimulator.of(shop.app)
    assert found is not None
    return found


def trade(shop: Shop, number: str, **buyer: str) -> str:
    """The number for ``my.tradePay``, by default of the buyer that there is."""
    buyer = buyer or {"buyer_open_id": account(shop).buyer_open_id}
    with shop.app.test_request_context():
        payment = db.session.scalar(select(Payment).where(Payment.out_trade_no == number))
        found: str = shop.alipay.mini_program_trade(payment, **buyer)
    return found


def refused(shop: Shop, number: str, wanted: type[Exception], **buyer: str) -> Any:
    """A call that must fail: the ledger does not change, no callback is called."""
    before, called = shop.ledger(), [*shop.called]
    with pytest.raises(wanted) as caught:
        trade(shop, number, **buyer)
    assert shop.ledger() == before
    assert shop.called == called
    return caught.value


def describe(shop: Shop, trade_no: str, **options: Any) -> Any:
    """What my.tradePay says."""
    response = shop.client.post(
        "/alipay/simulator/mini-program/pay", json={"tradeNO": trade_no, **options}
    )
    return response.get_json()["resultCode"]


# The trade


def test_a_payment_is_made_in_a_mini_program(shop: Shop) -> None:
    number = shop.order(product="jsapi")
    trade_no = trade(shop, number)
    assert control(shop).trade(number).trade_no == trade_no
    payment = shop.payment(number)
    assert (payment.trade_no, payment.trade_status) == (trade_no, "WAIT_BUYER_PAY")
    assert payment.buyer_open_id == account(shop).buyer_open_id
    assert describe(shop, trade_no) == "9000"
    assert shop.called == [("paid", number)]
    payment = shop.payment(number)
    assert (payment.paid, payment.trade_no) == (True, trade_no)
    assert (payment.buyer_id, payment.buyer_open_id) == (None, account(shop).buyer_open_id)


def test_a_buyer_who_cancels_can_pay_the_same_trade_later(shop: Shop) -> None:
    number = shop.order(product="jsapi")
    trade_no = trade(shop, number)
    assert describe(shop, trade_no, cancel=True) == "6001"
    assert trade(shop, number) == trade_no
    assert describe(shop, trade_no) == "9000"
    assert shop.called == [("paid", number)]


def test_a_second_call_returns_the_recorded_trade_without_a_request(shop: Shop) -> None:
    number = shop.order(product="jsapi")
    trade_no = trade(shop, number)
    control(shop).inject_fault("system-error", times=9, method=CREATE)
    assert trade(shop, number) == trade_no


def test_the_trade_has_the_payments_parameters(shop: Shop) -> None:
    until = utc_now() + timedelta(minutes=30)
    number = shop.order(product="jsapi", expires_at=until, body="tea")
    trade(shop, number)
    order = control(shop).trade(number).order
    assert (order.total_fen, order.subject, order.body) == (8888, "龙井 + 1 100%", "tea")
    assert order.expires_at == until.replace(microsecond=0)
    assert order.notify_url == "http://localhost/alipay/notify"


def test_an_older_application_names_the_buyer_by_the_account(open_shop: OpenShop) -> None:
    shop = open_shop({"SIMULATOR": True})
    number = shop.order(product="jsapi")
    trade_no = trade(shop, number, buyer_id="2088000000000007")
    assert describe(shop, trade_no) == "9000"
    payment = shop.payment(number)
    assert (payment.buyer_id, payment.buyer_open_id) == ("2088000000000007", None)


def test_a_mini_program_that_is_another_application_names_its_own_open_id(shop: Shop) -> None:
    merchant = account(shop)
    number = shop.order(product="jsapi", op_app_id=merchant.mini_app_id)
    buyer = {"op_buyer_open_id": open_id_under(merchant.mini_app_id, merchant.buyer_id)}
    trade_no = trade(shop, number, **buyer)
    assert trade(shop, number, **buyer) == trade_no
    # It is no identity of the buyer under the application that receives the notification.
    assert shop.payment(number).buyer_open_id is None
    assert describe(shop, trade_no) == "9000"
    assert shop.payment(number).buyer_open_id == merchant.buyer_open_id


# A lost response, a retry, several workers


@pytest.mark.parametrize("fault", ["cut-off", "system-error", "system-error-done", "unsigned"])
def test_a_lost_response_is_requested_again_and_creates_no_second_trade(
    shop: Shop, fault: str
) -> None:
    number = shop.order(product="jsapi")
    control(shop).inject_fault(fault, method=CREATE)
    trade_no = trade(shop, number)
    assert [each.trade_no for each in simulator_of(shop).trades.all()] == [trade_no]
    assert shop.payment(number).trade_no == trade_no


@pytest.mark.parametrize("fault", ["cut-off", "system-error-done"])
def test_after_an_unknown_outcome_a_later_call_returns_the_same_trade(
    shop: Shop, fault: str
) -> None:
    number = shop.order(product="jsapi")
    control(shop).inject_fault(fault, times=2, method=CREATE)
    refused(shop, number, OutcomeUnknown)
    trade_no = trade(shop, number)
    assert [each.trade_no for each in simulator_of(shop).trades.all()] == [trade_no]


def test_concurrent_calls_return_one_trade(open_shop: OpenShop, database_url: str) -> None:
    shop = open_shop({"SIMULATOR": "open_id"}, SQLALCHEMY_DATABASE_URI=database_url)
    number, start = shop.order(product="jsapi"), threading.Barrier(4)

    def call(_: int) -> str:
        start.wait()
        return trade(shop, number)

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(call, range(4)))
    assert found == {each.trade_no for each in simulator_of(shop).trades.all()}
    assert found == {shop.payment(number).trade_no}
    assert describe(shop, found.pop()) == "9000"
    assert shop.called == [("paid", number)]
    assert shop.payment(number).buyer_open_id == account(shop).buyer_open_id


def test_a_sale_that_is_reported_before_the_trade_is_recorded_is_kept(shop: Shop) -> None:
    number = shop.order(product="jsapi")
    control(shop).inject_fault("cut-off", times=2, method=CREATE)
    refused(shop, number, OutcomeUnknown)
    control(shop).pay(number)
    assert shop.called == [("paid", number)]
    error = refused(shop, number, InvalidParameter)
    assert "its state is paid" in str(error)


# Rejections


@pytest.mark.parametrize("buyer", [{}, {"buyer_id": None}])
def test_a_trade_needs_a_buyer(shop: Shop, buyer: dict[str, Any]) -> None:
    number = shop.order(product="jsapi")
    with shop.app.test_request_context():
        payment = db.session.scalar(select(Payment))
        with pytest.raises(InvalidParameter, match=r"^buyer_open_id or buyer_id is required"):
            shop.alipay.mini_program_trade(payment, **buyer)
    assert shop.payment(number).trade_no is None


@pytest.mark.parametrize(
    "buyer", [{"buyer_id": "2088000000000002"}, {"buyer_open_id": "099" + "a" * 45}]
)
def test_an_unknown_buyer_is_rejected_by_name(shop: Shop, buyer: dict[str, str]) -> None:
    number = shop.order(product="jsapi")
    error = refused(shop, number, GatewayError, **buyer)
    assert (error.sub_code, error.signed) == ("ACQ.BUYER_NOT_EXIST", True)


def test_another_buyer_is_rejected_before_a_request(shop: Shop) -> None:
    number = shop.order(product="jsapi")
    trade_no = trade(shop, number)
    error = refused(shop, number, InvalidParameter, buyer_open_id="099" + "a" * 45)
    assert "create another payment" in str(error)
    assert trade(shop, number) == trade_no


def test_alipay_rejects_another_buyer_of_a_trade_that_is_not_recorded(open_shop: OpenShop) -> None:
    shop = open_shop({"SIMULATOR": True})
    number = shop.order(product="jsapi")
    trade(shop, number, buyer_id="2088000000000007")
    shop.change(number, trade_no=None, buyer_id=None)
    error = refused(shop, number, GatewayError, buyer_id="2088000000000008")
    assert error.sub_code == "ACQ.TRADE_BUYER_NOT_MATCH"


def test_a_mini_program_of_another_merchant_is_rejected_by_name(shop: Shop) -> None:
    number = shop.order(product="jsapi", op_app_id="2021000000000999")
    assert refused(shop, number, GatewayError).sub_code == "ACQ.UNBOUND_APPLICATION"


def test_a_number_that_was_used_with_another_amount_is_rejected(shop: Shop) -> None:
    number = shop.order(product="jsapi")
    trade(shop, number)
    shop.change(number, trade_no=None, buyer_open_id=None, total_fen=1)
    assert refused(shop, number, GatewayError).sub_code == "ACQ.CONTEXT_INCONSISTENT"


def test_a_trade_that_is_paid_at_alipay_updates_the_ledger(shop: Shop) -> None:
    number = shop.order(product="jsapi")
    trade(shop, number)
    shop.change(number, trade_no=None, buyer_open_id=None)
    control(shop).inject_fault("drop")
    control(shop).pay(number)
    assert shop.called == []
    with pytest.raises(GatewayError) as caught:
        trade(shop, number)
    assert caught.value.sub_code == "ACQ.TRADE_HAS_SUCCESS"
    assert shop.called == [("paid", number)]
    assert shop.payment(number).paid


def test_a_trade_that_is_closed_at_alipay_updates_the_ledger(shop: Shop) -> None:
    number = shop.order(product="jsapi")
    trade(shop, number)
    shop.change(number, trade_no=None, buyer_open_id=None)
    control(shop).inject_fault("drop")
    control(shop).close(number)
    with pytest.raises(GatewayError) as caught:
        trade(shop, number)
    assert caught.value.sub_code == "ACQ.TRADE_HAS_CLOSE"
    assert shop.called == [("failed", number)]


def test_a_closed_payment_gets_no_trade(shop: Shop) -> None:
    number = shop.order(product="jsapi")
    with shop.app.app_context():
        shop.alipay.close(shop.alipay.ledger().find(number))
    error = refused(shop, number, InvalidParameter)
    assert "its state is failed" in str(error)


@pytest.mark.parametrize("product", [None, "page", "qr", "app", "barcode"])
def test_a_payment_of_another_product_has_no_such_trade(shop: Shop, product: str | None) -> None:
    number = shop.order(product=product)
    error = refused(shop, number, InvalidParameter)
    assert "is not of the product jsapi" in str(error)


def test_the_legacy_gateway_has_no_mini_programs(open_shop: OpenShop, keys: Any) -> None:
    shop = open_shop({"SIMULATOR": True, "PROTOCOL": "mapi"})
    number = shop.order()
    error = refused(shop, number, ConfigurationError, buyer_id="2088000000000002")
    assert error.key == "ALIPAY_PROTOCOL"


def test_a_trade_of_another_payment_is_not_recorded(shop: Shop) -> None:
    first, second = shop.order(product="jsapi"), shop.order(product="jsapi")
    trade_no = trade(shop, first)
    shop.change(first, out_trade_no="other")  # Alipay's number stands with another payment now
    with shop.app.app_context():
        payment = shop.alipay.ledger().find(second)
        payment.out_trade_no  # noqa: B018 - loaded
    shop.change(second, out_trade_no=first)
    error = refused(shop, first, PaymentMismatch)
    assert (error.field, error.received) == ("trade_no", trade_no)


def test_a_payment_that_was_deleted_meanwhile_gets_no_trade(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = shop.order(product="jsapi")
    from flask_alipay.operations import mini_programs

    create = mini_programs._create

    def create_and_delete(gateway: Any, params: Any) -> str:
        found = create(gateway, params)
        db.session.delete(db.session.scalar(select(Payment)))
        db.session.commit()
        return found

    monkeypatch.setattr(mini_programs, "_create", create_and_delete)
    with pytest.raises(UnknownPayment) as caught:
        trade(shop, number)
    assert caught.value.out_trade_no == number
    assert shop.ledger() == []
    assert shop.called == []


def test_a_trade_that_cannot_be_recorded_is_returned_nevertheless(
    open_shop: OpenShop, caplog: pytest.LogCaptureFixture
) -> None:
    shop = open_shop({"SIMULATOR": "open_id"})
    number = shop.order(product="jsapi")
    with shop.app.test_request_context():
        from sqlalchemy import event
        from sqlalchemy.exc import OperationalError

        def fail(*_: Any) -> None:
            raise OperationalError("UPDATE", {}, Exception("locked"))

        payment = db.session.scalar(select(Payment))
        event.listen(Payment, "before_update", fail)
        try:
            open_id = account(shop).buyer_open_id
            trade_no = shop.alipay.mini_program_trade(payment, buyer_open_id=open_id)
        finally:
            event.remove(Payment, "before_update", fail)
    assert shop.payment(number).trade_no is None
    assert "was not stored (OperationalError)" in caplog.text
    assert trade(shop, number) == trade_no
    assert shop.payment(number).trade_no == trade_no


# Pages


def test_the_pages_lead_to_the_result_and_not_to_alipay(shop: Shop) -> None:
    number = shop.order(product="jsapi")
    for page in ("checkout", "pay"):
        response = shop.look(page, number)
        assert response.status_code == 303
        assert "/result/" in response.location
    with pytest.raises(InvalidParameter, match=r"^product"):
        shop.url("gateway", number)


def test_the_buyer_of_a_trade_cannot_be_set_by_the_order(shop: Shop) -> None:
    for name in ("buyer_id", "buyer_open_id", "op_buyer_open_id"):
        with pytest.raises(InvalidParameter, match=rf"^{name} is set by this package"):
            shop.order(product="jsapi", **{name: "x"})


@pytest.mark.parametrize("app_id", ["2021", "wx0000000000000001", ""])
def test_an_op_app_id_in_another_form_is_rejected_with_the_order(shop: Shop, app_id: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^op_app_id must be the APPID of a mini-program"):
        shop.order(product="jsapi", op_app_id=app_id)
    assert shop.ledger() == []


def test_no_trade_opens_the_cashier_if_it_does_not_wait(shop: Shop) -> None:
    page = "/alipay/simulator/mini-program"
    assert shop.client.get(f"{page}/20260131").status_code == 404
    assert describe(shop, "20260131") == "4000"
    number = shop.order(product="jsapi")
    trade_no = trade(shop, number)
    assert "/cashier/" in shop.client.get(f"{page}/{trade_no}").location
    assert describe(shop, number) == "4000"  # out_trade_no instead of trade_no
    describe(shop, trade_no)
    assert shop.client.get(f"{page}/{trade_no}").status_code == 404
    assert describe(shop, trade_no) == "4000"
