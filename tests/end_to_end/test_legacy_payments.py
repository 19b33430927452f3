"""Other products of the legacy gateway, from the order to the last notification.

Alipay is the simulator inside the app; buyer and merchant are clients that follow the links.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from flask_alipay.exceptions import GatewayError, InvalidParameter
from flask_alipay.gateways.mapi import MapiGateway, RefundEntry, TransferEntry, new_batch_no
from flask_alipay.signals import transfer_batch_notified
from flask_alipay.simulator.clock import SystemClock
from flask_alipay.simulator.turns import AFTER_RESPONSE

from ..doubles.shop import Payment, Refund, Shop, db, new_app, new_blueprint
from ..sampled import sampled

SETTINGS: dict[str, dict[str, Any]] = {
    "MD5": {},
    "RSA": {"SIGN_TYPE": "RSA"},
    "MD5 in GBK": {"INPUT_CHARSET": "gbk"},
    "RSA in GBK": {"SIGN_TYPE": "RSA", "INPUT_CHARSET": "gbk"},
}
SAMPLE = sampled(SETTINGS, "MD5", "RSA in GBK")
SUBJECT = "龙井茶 50g + 1 & more; 100%"

in_utf_8 = pytest.mark.parametrize(
    "shop", [SETTINGS["MD5"], SETTINGS["RSA"]], ids=["MD5", "RSA"], indirect=True
)


class LegacyShop(Shop):
    """Merchant on the legacy gateway.

    :param due: the simulator's work that is postponed until the shop has its response.
    """

    def __init__(self, app: Any, alipay: Any, due: list[Callable[[], object]]) -> None:
        super().__init__(app, alipay)
        self.due = due


@pytest.fixture(params=list(SAMPLE.values()), ids=list(SAMPLE))
def shop(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LegacyShop]:
    """With the simulator on, in each charset and with each signature."""
    due: list[Callable[[], object]] = []

    def call_later(clock: object, delay: timedelta, callback: Callable[[], object]) -> None:
        if delay == AFTER_RESPONSE:
            due.append(callback)

    monkeypatch.setattr(SystemClock, "call_later", call_later)
    app = new_app(tmp_path, {"SIMULATOR": True, "PROTOCOL": "mapi", **request.param})
    alipay = new_blueprint()
    app.register_blueprint(alipay, url_prefix="/alipay")
    shop = LegacyShop(app, alipay, due)
    yield shop
    shop.close()


def open_page(shop: LegacyShop, url: str) -> str:
    """Open a URL that redirects to a page of the simulator; return the page's path."""
    response = shop.client.get(url)
    assert response.status_code == 303, response.text
    assert shop.client.get(response.location).status_code == 200
    return urlsplit(response.location).path


def cashier(shop: LegacyShop, number: str) -> str:
    """Sets out to pay, and returns the page at the cashier."""
    gateway = shop.look("pay", number)
    assert gateway.status_code == 303, gateway.text
    return open_page(shop, gateway.location)


def press(shop: LegacyShop, page: str, button: str) -> TestResponse:
    """Presses a button and follows to where it leads."""
    response = shop.client.post(f"{page}/{button}")
    while response.location:
        response = shop.client.get(response.location)
    assert response.status_code == 200, response.text
    return response


def order(shop: LegacyShop, product: str, **details: Any) -> str:
    return shop.order(subject=SUBJECT, product=product, **details)


def paid(shop: LegacyShop, product: str = "page", **details: Any) -> str:
    """Return the number of a sale; forget its callbacks."""
    number = order(shop, product, **details)
    press(shop, cashier(shop, number), "pay")
    assert shop.payment(number).paid
    shop.called.clear()
    return number


def call_gateway(shop: LegacyShop, call: Callable[[MapiGateway], Any]) -> Any:
    """Send a request from the shop's server; run the postponed notifications after the response."""
    with shop.app.test_request_context():
        gateway = shop.alipay.gateway
        assert isinstance(gateway, MapiGateway)
        response = call(gateway)
    while shop.due:
        shop.due.pop(0)()
    return response


def refund_page(shop: LegacyShop, number: str, amount: str, **options: Any) -> str:
    """Request a refund; return the page where the merchant confirms it."""
    with shop.app.test_request_context():
        payment = db.session.scalar(select(Payment).where(Payment.out_trade_no == number))
        url = shop.alipay.refund_url(payment, amount, reason="退货", **options)
    return open_page(shop, url)


def refunds(shop: LegacyShop) -> list[tuple[int, str]]:
    with shop.app.app_context():
        rows = db.session.scalars(select(Refund).order_by(Refund.id))
        return [(row.refund_fen, row.status) for row in rows]


# Escrow


def send_goods(shop: LegacyShop, number: str) -> None:
    trade_no = shop.payment(number).trade_no
    trade = call_gateway(
        shop,
        lambda gateway: gateway.send_goods_confirm_by_platform(
            trade_no=trade_no, logistics_name="顺丰", transport_type="EXPRESS", invoice_no="SF1"
        ),
    )
    assert (trade.out_trade_no, trade.trade_status) == (number, "WAIT_BUYER_CONFIRM_GOODS")
    assert shop.payment(number).trade_status == "WAIT_BUYER_CONFIRM_GOODS"


@pytest.mark.parametrize("product", ["escrow", "dual"])
def test_escrow_works_from_the_order_to_the_confirmed_goods(shop: LegacyShop, product: str) -> None:
    number = order(shop, product)
    page = cashier(shop, number)
    assert shop.payment(number).trade_status == "WAIT_BUYER_PAY"
    assert "Payment received" in press(shop, page, "deposit").text
    assert shop.payment(number).trade_status == "WAIT_SELLER_SEND_GOODS"
    assert shop.called == [("paid", number)]
    send_goods(shop, number)
    assert shop.called == [("paid", number)]
    press(shop, page, "confirm")
    payment = shop.payment(number)
    assert (payment.trade_status, payment.subject) == ("TRADE_FINISHED", SUBJECT)
    assert payment.finished_at is not None
    assert shop.called == [("paid", number), ("finished", number)]
    assert "settled" in shop.journal()


def test_a_buyer_of_the_dual_interface_may_pay_at_once(shop: LegacyShop) -> None:
    number = order(shop, "dual")
    press(shop, cashier(shop, number), "pay")
    assert shop.payment(number).trade_status == "TRADE_SUCCESS"
    assert shop.called == [("paid", number)]


def test_logistics_that_the_buyer_pays_are_part_of_the_total(shop: LegacyShop) -> None:
    parcel = {"logistics_type": "EMS", "logistics_fee": "8.88", "logistics_payment": "BUYER_PAY"}
    number = order(shop, "escrow", quantity=2, price="40.00", **parcel)
    with shop.app.app_context():
        query = shop.alipay.gateway.single_trade_query  # type: ignore[union-attr]
        with pytest.raises(GatewayError) as caught:
            query(out_trade_no=number)
        assert caught.value.code == "TRADE_NOT_EXIST"
    press(shop, cashier(shop, number), "deposit")
    assert shop.called == [("paid", number)]


def test_goods_that_were_not_paid_cannot_be_sent(shop: LegacyShop) -> None:
    number = order(shop, "escrow")
    cashier(shop, number)
    trade_no = call_gateway(
        shop, lambda gateway: gateway.single_trade_query(out_trade_no=number)
    ).trade_no
    with pytest.raises(GatewayError) as caught:
        call_gateway(
            shop,
            lambda gateway: gateway.send_goods_confirm_by_platform(
                trade_no=trade_no, logistics_name="顺丰", transport_type="EXPRESS"
            ),
        )
    assert caught.value.code == "TRADE_STATUS_NOT_AVAILD"
    assert shop.called == []


# On phones


@in_utf_8
def test_a_buyer_pays_on_a_phone(shop: LegacyShop) -> None:
    number = order(shop, "wap", show_url="https://shop.example/tea")
    assert "Payment received" in press(shop, cashier(shop, number), "pay").text
    assert shop.called == [("paid", number)]


@pytest.mark.parametrize("shop", [SETTINGS["MD5 in GBK"]], indirect=True)
def test_a_service_that_requires_utf_8_is_rejected_for_a_merchant_on_gbk(shop: LegacyShop) -> None:
    with pytest.raises(InvalidParameter) as caught:
        order(shop, "wap", show_url="https://shop.example/tea")
    assert caught.value.parameter == "_input_charset"


def test_a_buyer_pays_by_the_older_wap_gateway(shop: LegacyShop) -> None:
    number = order(shop, "page")

    def request(gateway: MapiGateway) -> str:
        token = gateway.alipay_wap_trade_create_direct(
            subject=SUBJECT,
            out_trade_no=number,
            total_fee="88.88",
            seller_account_name="shop@simulator.invalid",
            call_back_url=shop.alipay.return_url,
            notify_url=shop.alipay.notify_url,
        )
        signed = gateway.alipay_wap_auth_authAndExecute(token)
        return shop.alipay.merchant.route_to_simulator(signed).url

    url = call_gateway(shop, request)
    assert url.startswith("http://localhost/alipay/simulator/service/rest.htm?")
    end = press(shop, open_page(shop, url), "pay")
    assert end.request.path.startswith("/alipay/result/")
    assert "Payment received" in end.text
    assert shop.called == [("paid", number)]
    assert shop.payment(number).trade_no is not None


# Foreign money


@pytest.mark.parametrize("product", ["forex", "forex_wap"])
@pytest.mark.parametrize(
    ("price", "total_fen"),
    [
        ({"currency": "USD", "total_amount": "12.34"}, 1234),
        ({"currency": "JPY", "total_amount": 1700}, 1700),
        ({"settlement_currency": "USD", "total_amount": "88.88"}, 8888),
        ({"settlement_currency": "JPY", "total_amount": "88.88"}, 8888),
    ],
    ids=["USD", "JPY", "yuan for USD", "yuan for JPY"],
)
def test_a_cross_border_payment_is_a_sale_and_finished_at_once(
    shop: LegacyShop, product: str, price: dict[str, Any], total_fen: int
) -> None:
    number = order(shop, product, **price)
    end = press(shop, cashier(shop, number), "pay")
    assert end.request.path.startswith("/alipay/result/")
    assert "Payment received" in end.text
    payment = shop.payment(number)
    assert (payment.trade_status, payment.total_fen) == ("TRADE_FINISHED", total_fen)
    assert shop.called == [("paid", number), ("finished", number)]


def test_a_cross_border_payment_is_refunded_in_its_currency(shop: LegacyShop) -> None:
    number = paid(shop, "forex", currency="USD", total_amount="12.34")
    with pytest.raises(InvalidParameter, match="forex_refund"):
        refund_page(shop, number, "1.00")
    given = {"out_trade_no": number, "currency": "USD", "reason": "too green"}
    call_gateway(
        shop,
        lambda gateway: gateway.forex_refund(out_return_no="R1", return_amount="2.34", **given),
    )
    trade = call_gateway(shop, lambda gateway: gateway.single_trade_query(out_trade_no=number))
    assert (trade.currency, trade.total_fen, trade.refunded_fen) == ("USD", 1234, 234)


# Refunds


def test_a_refund_is_notified_once_when_the_merchant_confirms_it(shop: LegacyShop) -> None:
    number = paid(shop)
    page = refund_page(shop, number, "10.00")
    assert refunds(shop) == [(1000, "REFUND_PROCESSING")]
    assert shop.called == []
    press(shop, page, "confirm")
    assert shop.called == [("refunded", number)]
    assert refunds(shop) == [(1000, "REFUND_SUCCESS")]
    payment = shop.payment(number)
    assert (payment.refunded_fen, payment.trade_status) == (1000, "TRADE_SUCCESS")


def test_a_full_refund_closes_the_trade_and_is_notified_once(shop: LegacyShop) -> None:
    number = paid(shop)
    press(shop, refund_page(shop, number, "88.88"), "confirm")
    payment = shop.payment(number)
    assert (payment.refunded_fen, payment.trade_status) == (8888, "TRADE_CLOSED")
    assert shop.called == [("refunded", number)]
    assert refunds(shop) == [(8888, "REFUND_SUCCESS")]


def test_partial_refunds_are_each_notified_and_finally_close_the_trade(shop: LegacyShop) -> None:
    number = paid(shop)
    for amount, status in (("10.00", "TRADE_SUCCESS"), ("78.88", "TRADE_CLOSED")):
        press(shop, refund_page(shop, number, amount), "confirm")
        assert shop.payment(number).trade_status == status
    assert shop.called == [("refunded", number)] * 2
    assert refunds(shop) == [(1000, "REFUND_SUCCESS"), (7888, "REFUND_SUCCESS")]


def test_a_refund_that_the_merchant_does_not_confirm_is_not_one(shop: LegacyShop) -> None:
    number = paid(shop)
    press(shop, refund_page(shop, number, "10.00"), "refuse")
    assert shop.called == []
    assert shop.payment(number).refunded_fen == 0


def test_the_same_refund_again_is_the_same_page(shop: LegacyShop) -> None:
    number, batch_no = paid(shop), new_batch_no()
    first, again = (refund_page(shop, number, "88.88", out_request_no=batch_no) for _ in range(2))
    assert first == again
    press(shop, first, "confirm")
    assert refunds(shop) == [(8888, "REFUND_SUCCESS")]


def test_more_than_is_left_is_rejected_before_the_request(shop: LegacyShop) -> None:
    number = paid(shop)
    refund_page(shop, number, "80.00")
    with pytest.raises(InvalidParameter) as caught:
        refund_page(shop, number, "8.89")
    assert caught.value.parameter == "amount"
    assert len(refunds(shop)) == 1


def refund_in_console(shop: LegacyShop, number: str, amount: str) -> None:
    """Refund without the shop: no result of a batch is sent."""
    entry = RefundEntry(shop.payment(number).trade_no, amount, "退货")
    call_gateway(
        shop,
        lambda gateway: gateway.refund_fastpay_by_platform_nopwd([entry], batch_no=new_batch_no()),
    )


def test_a_refund_that_fails_at_alipay_has_the_reason(shop: LegacyShop) -> None:
    number = paid(shop)
    page = refund_page(shop, number, "80.00")
    refund_in_console(shop, number, "8.89")
    press(shop, page, "confirm")
    assert refunds(shop) == [(8000, "REFUND_TRADE_FEE_ERROR")]
    assert shop.called == []


def test_a_refund_reported_after_a_full_refund_is_not_notified_again(
    shop: LegacyShop,
) -> None:
    number = paid(shop)
    page = refund_page(shop, number, "80.00")
    refund_in_console(shop, number, "88.88")
    assert shop.called == [("refunded", number)]
    press(shop, page, "confirm")
    assert shop.called == [("refunded", number)]
    assert shop.payment(number).refunded_fen == 8888
    assert refunds(shop) == [(8000, "TRADE_HAS_CLOSED"), (8888, "REFUND_SUCCESS")]


def test_a_refund_without_a_password_is_notified_shortly_after(shop: LegacyShop) -> None:
    number = paid(shop)
    entry = RefundEntry(shop.payment(number).trade_no, "88.88", "退货")

    def refund(gateway: MapiGateway) -> None:
        gateway.refund_fastpay_by_platform_nopwd(
            [entry], batch_no=new_batch_no(), notify_url=shop.alipay.notify_url
        )

    call_gateway(shop, refund)
    assert shop.payment(number).trade_status == "TRADE_CLOSED"
    assert shop.payment(number).refunded_fen == 8888
    assert shop.called == [("refunded", number)]
    assert refunds(shop) == [(8888, "REFUND_SUCCESS")]


# Questions, closing, transfers


def test_a_trade_is_queried(shop: LegacyShop) -> None:
    number = paid(shop)
    trade = call_gateway(shop, lambda gateway: gateway.single_trade_query(out_trade_no=number))
    assert (trade.out_trade_no, trade.trade_no) == (number, shop.payment(number).trade_no)
    assert (trade.trade_status, trade.total_fen, trade.currency) == ("TRADE_SUCCESS", 8888, "CNY")
    assert trade.params["subject"] == SUBJECT


def test_a_trade_that_the_shop_closes_has_failed(shop: LegacyShop) -> None:
    number = order(shop, "page")
    cashier(shop, number)
    call_gateway(shop, lambda gateway: gateway.close_trade(out_order_no=number))
    assert shop.called == [], "Alipay does not notify it"
    with shop.app.test_request_context():
        shop.alipay.reconcile(timedelta(0))
    assert shop.called == [("failed", number)]
    assert shop.payment(number).trade_status == "TRADE_CLOSED"


def test_a_trade_that_is_paid_cannot_be_closed(shop: LegacyShop) -> None:
    number = paid(shop)
    with pytest.raises(GatewayError) as caught:
        call_gateway(shop, lambda gateway: gateway.close_trade(out_order_no=number))
    assert caught.value.code == "TRADE_STATUS_NOT_AVAILD"
    assert shop.payment(number).paid


def test_transfers_are_notified_when_the_merchant_confirms_them(shop: LegacyShop) -> None:
    received: list[Any] = []

    def listen(app: object, alipay: object, batch: Any) -> None:
        received.append(batch)

    def request(gateway: MapiGateway) -> str:
        signed = gateway.batch_trans_notify(
            [
                TransferEntry("S1", "anna@example.org", "安娜", "0.10", "谢谢"),
                TransferEntry("S2", "nobody@example.org", "安娜", "0.20"),
            ],
            batch_no=new_batch_no(),
            email="shop@simulator.invalid",
            account_name="茶店",
            notify_url=shop.alipay.notify_url,
        )
        assert signed.params["batch_fee"] == "0.30"
        return shop.alipay.merchant.route_to_simulator(signed).url

    page = open_page(shop, call_gateway(shop, request))
    with transfer_batch_notified.connected_to(listen, shop.app):
        press(shop, page, "confirm")
        press(shop, page, "confirm")
    [batch] = received
    assert [(one.serial, one.name, one.amount_fen, one.succeeded) for one in batch.results] == [
        ("S1", "安娜", 10, True),
        ("S2", "安娜", 20, False),
    ]
    assert shop.journal() == ["recorded"]
