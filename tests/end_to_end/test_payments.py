"""Complete payments: order, checkout, gateway, cashier, notification, return, result.

Alipay is the simulator inside the app; the buyer is a client that follows the links.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import abort, request
from werkzeug.test import TestResponse

from ..doubles.shop import FORM, Shop, new_app, new_blueprint
from ..sampled import sampled

SETTINGS: dict[str, dict[str, Any]] = {
    "openapi": {},
    "openapi in GBK": {"CHARSET": "gbk"},
    "openapi with certificates": {"SIMULATOR": "certificates"},
    "openapi with all of it": {"SIMULATOR": "certificates, encrypted", "API_VERSION": "v3"},
    "mapi with MD5": {"PROTOCOL": "mapi"},
    "mapi with RSA": {"PROTOCOL": "mapi", "SIGN_TYPE": "RSA"},
    "mapi in GBK": {"PROTOCOL": "mapi", "INPUT_CHARSET": "gbk"},
    "mapi with RSA in GBK": {"PROTOCOL": "mapi", "SIGN_TYPE": "RSA", "INPUT_CHARSET": "gbk"},
}
SUBJECT = "龙井茶 50g + 1 & more; 100%"

SAMPLE = sampled(
    SETTINGS,
    "openapi",
    "openapi with all of it",
    "mapi with MD5",
    "mapi with RSA in GBK",
)

on_every_gateway = pytest.mark.parametrize(
    "shop", SETTINGS.values(), ids=SETTINGS.keys(), indirect=True
)
on_several_gateways = pytest.mark.parametrize(
    "shop", SAMPLE.values(), ids=SAMPLE.keys(), indirect=True
)


class Line:
    """Connection by which Alipay calls the shop, as the shop's front server sees it."""

    def __init__(self) -> None:
        #: The bodies that came over it.
        self.sent: list[bytes] = []
        self.down = False

    def watch(self) -> None:
        if request.endpoint == "alipay.notify":
            self.sent.append(request.get_data())
            if self.down:
                abort(502)


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def shop(request: pytest.FixtureRequest, tmp_path: Path, line: Line) -> Iterator[Shop]:
    """With the simulator on; on the open platform unless the test says otherwise."""
    settings = {"SIMULATOR": True, **getattr(request, "param", {})}
    app, alipay = new_app(tmp_path, settings), new_blueprint()
    app.before_request(line.watch)
    app.register_blueprint(alipay, url_prefix="/alipay")
    shop = Shop(app, alipay)
    yield shop
    shop.close()


class Buyer:
    """Buyer who follows the links, without cookies.

    :param shop: to buy from.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._client = shop.app.test_client(use_cookies=False)
        self.number = shop.order(subject=SUBJECT)

    def cashier(self, way: int = 0) -> str:
        """Open the checkout and follow the links to the cashier; return the page's URL."""
        page = self._shop.look("checkout", self.number).text
        ways = re.findall(r'<a\b[^>]*href="([^"]+)"[^>]*\bdata-pay', page)
        gateway = self._client.get(unescape(ways[way])).location
        response = self._client.get(gateway)
        assert response.status_code == 303, response.text
        assert self._client.get(response.location).status_code == 200
        return urlsplit(response.location).path

    def press(self, button: str, cashier: str | None = None) -> TestResponse:
        """Presses a button at the cashier and follows to where it leads."""
        response = self._client.post(f"{cashier or self.cashier()}/{button}")
        while response.location:
            response = self._client.get(response.location)
        return response

    def state(self) -> str:
        """Return the state shown by the result page."""
        (found,) = re.findall(
            r'<article class="card (\w+)">', self._shop.look("result", self.number).text
        )
        return str(found)


@pytest.fixture
def buyer(shop: Shop) -> Buyer:
    return Buyer(shop)


@on_every_gateway
def test_who_pays_sees_it_paid_at_once(shop: Shop, buyer: Buyer) -> None:
    page = buyer.press("pay")
    assert page.request.path.startswith("/alipay/result/")
    assert "Payment received" in page.text
    assert shop.called == [("paid", buyer.number)]


@on_several_gateways
def test_a_paid_payment_is_in_the_ledger(shop: Shop, buyer: Buyer) -> None:
    buyer.press("pay")
    payment = shop.payment(buyer.number)
    assert (payment.paid, payment.trade_status) == (True, "TRADE_SUCCESS")
    assert payment.subject == SUBJECT
    assert payment.trade_no
    assert payment.paid_at
    assert shop.journal() == ["settled"]


def query_close(shop: Shop, buyer: Buyer) -> None:
    """Query the close: the legacy gateway does not notify of an unpaid close."""
    if shop.app.config.get("ALIPAY_PROTOCOL") != "mapi":
        return
    assert buyer.state() == "waiting"
    assert shop.called == []
    with shop.app.test_request_context():
        shop.alipay.reconcile(timedelta(0))


@on_several_gateways
def test_who_closes_the_trade_sees_it_closed(shop: Shop, buyer: Buyer) -> None:
    buyer.press("close")
    query_close(shop, buyer)
    assert buyer.state() == "failed"
    assert shop.called == [("failed", buyer.number)]
    assert shop.payment(buyer.number).trade_status == "TRADE_CLOSED"


@on_several_gateways
def test_who_lets_it_expire_sees_it_closed(shop: Shop, buyer: Buyer) -> None:
    buyer.press("expire")
    query_close(shop, buyer)
    assert buyer.state() == "failed"
    assert shop.called == [("failed", buyer.number)]
    assert not shop.payment(buyer.number).paid


@on_several_gateways
def test_a_buyer_who_stops_at_the_cashier_has_not_paid(shop: Shop, buyer: Buyer) -> None:
    buyer.cashier()
    assert buyer.state() == "waiting"
    assert (shop.called, shop.journal()) == ([], [])


@on_several_gateways
def test_a_repeated_notification_does_nothing(shop: Shop, buyer: Buyer, line: Line) -> None:
    buyer.press("pay")
    (body,) = line.sent
    for _ in range(3):
        response = shop.client.post("/alipay/notify", data=body, content_type=FORM)
        assert response.data == b"success"
    assert shop.called == [("paid", buyer.number)]
    assert shop.journal() == ["settled", "duplicate", "duplicate", "duplicate"]


@on_several_gateways
def test_pressing_pay_twice_pays_once(shop: Shop, buyer: Buyer) -> None:
    cashier = buyer.cashier()
    for _ in range(3):
        buyer.press("pay", cashier)
    assert shop.called == [("paid", buyer.number)]


@on_several_gateways
def test_going_to_the_cashier_twice_is_one_trade(shop: Shop, buyer: Buyer) -> None:
    assert buyer.cashier() == buyer.cashier()
    buyer.press("pay")
    assert shop.called == [("paid", buyer.number)]


@pytest.mark.parametrize("button", ["close", "expire"])
@on_several_gateways
def test_a_paid_trade_cannot_be_closed_at_the_cashier(
    shop: Shop, buyer: Buyer, button: str
) -> None:
    cashier = buyer.cashier()
    buyer.press("pay", cashier)
    buyer.press(button, cashier)
    assert buyer.state() == "paid"
    assert shop.called == [("paid", buyer.number)]


@on_several_gateways
def test_a_failing_shop_shows_the_buyer_that_it_is_not_paid_yet(
    shop: Shop, buyer: Buyer, line: Line
) -> None:
    endings: list[Callable[[], object]] = [shop.called.clear, lambda: 1 / 0]
    shop.alipay.on_paid(lambda payment: endings.pop()())
    page = buyer.press("pay")
    assert "Your payment is being confirmed" in page.text
    assert not shop.payment(buyer.number).paid
    # Alipay comes again.
    response = shop.client.post("/alipay/notify", data=line.sent[0], content_type=FORM)
    assert response.data == b"success"
    assert buyer.state() == "paid"
    assert shop.journal() == ["callback_failed", "settled"]


@on_several_gateways
def test_the_return_alone_proves_nothing(shop: Shop, buyer: Buyer, line: Line) -> None:
    line.down = True
    page = buyer.press("pay")
    assert page.request.path.startswith("/alipay/result/")
    assert "Your payment is being confirmed" in page.text
    assert not shop.payment(buyer.number).paid


@pytest.mark.parametrize(
    "shop", [SETTINGS["mapi with MD5"], SETTINGS["mapi in GBK"]], indirect=True
)
def test_a_bank_chosen_at_the_checkout_leads_to_the_cashier(shop: Shop, buyer: Buyer) -> None:
    buyer.press("pay", buyer.cashier(way=3))
    assert buyer.state() == "paid"


@pytest.mark.parametrize("shop", [SETTINGS["mapi with RSA"]], indirect=True)
def test_the_simulator_confirms_only_the_notifications_it_sent(
    shop: Shop, buyer: Buyer, line: Line
) -> None:
    buyer.press("pay")
    with shop.app.app_context():
        gateway: Any = shop.alipay.gateway
        assert not gateway.notify_verify("made-up")
        (notify_id,) = re.findall(rb"notify_id=(\w+)", line.sent[0])
        assert gateway.notify_verify(notify_id.decode())


@pytest.mark.parametrize("host", ["http://shop.example", "https://www.shop.example:8443"])
def test_it_works_under_whatever_name_the_buyer_came_by(shop: Shop, host: str) -> None:
    number = shop.order()
    client = shop.app.test_client()
    gateway = client.get(shop.url("pay", number), base_url=host).location
    assert gateway.startswith(f"{host}/alipay/simulator/")
    cashier = urlsplit(client.get(gateway).location).path
    response = client.post(f"{cashier}/pay", base_url=host)
    assert response.location.startswith(f"{host}/alipay/return?")
    assert shop.payment(number).paid


def test_it_works_where_the_app_is_mounted_below_the_root(shop: Shop) -> None:
    number = shop.order()
    client, base = shop.app.test_client(), "https://shop.example/tea"
    gateway = client.get(shop.url("pay", number), base_url=base).location
    assert gateway.startswith(f"{base}/alipay/simulator/")
    path = urlsplit(client.get(gateway.removeprefix(base), base_url=base).location).path
    client.post(f"{path.removeprefix('/tea')}/pay", base_url=base)
    assert shop.payment(number).paid
