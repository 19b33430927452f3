from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl

import pytest
from flask import Flask

from flask_alipay.protocol.charsets import python_codec
from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.protocol.signed_request import SignedRequest, sign_request
from flask_alipay.signer import Md5Signer, Rsa2Signer, RsaSigner
from flask_alipay.simulator import Simulator
from flask_alipay.simulator.web.cashier import simulator_blueprint

NOTIFY_URL = "https://shop.example/notify"
RETURN_URL = "https://shop.example/return"


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.time = datetime(2026, 1, 31, 4, 0, tzinfo=timezone.utc)  # noon in China
        self.due = []

    def now(self):
        return self.time

    def call_later(self, delay, callback):
        self.due.append((self.time + delay, callback))

    def advance(self, by=None, **delta):
        end = self.time + (by or timedelta(**delta))
        while self.due and min(due for due, _ in self.due) <= end:
            self.due.sort(key=lambda entry: entry[0])
            self.time, callback = self.due.pop(0)
            callback()
        self.time = end


class Shop:
    """The merchant's side of a notification: keeps what comes, answers what it is told to."""

    def __init__(self):
        self.bodies = []
        self.headers = []
        self.status, self.text = 200, "success"
        self.on_post = None

    def post(self, url, body, headers):
        self.bodies.append(body)
        self.headers.append(dict(headers))
        if self.on_post is not None:
            self.on_post(url, body)
        return self.status, self.text

    def fields(self, index=-1, charset="utf-8"):
        pairs = parse_qsl(self.bodies[index].decode("ascii"), encoding=python_codec(charset))
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)


class Merchant:
    """Signs requests as the simulator's merchant would, independently of our gateways."""

    def __init__(self, simulator, clock):
        self.account = simulator.merchant
        self.clock = clock

    def signer(self, sign_type):
        keys = (self.account.private_key, self.account.alipay_private_key.public_key())
        return {
            "MD5": Md5Signer(self.account.md5_key),
            "RSA": RsaSigner(*keys),
            "RSA2": Rsa2Signer(*keys),
        }[sign_type]

    def page_pay(self, *, biz=None, sign_type="RSA2", charset="utf-8", signer=None, **changes):
        content = {
            "out_trade_no": "T1",
            "total_amount": "88.88",
            "subject": "Tea 茶",
            "product_code": "FAST_INSTANT_TRADE_PAY",
        } | (biz or {})
        params = {
            "app_id": self.account.app_id,
            "method": "alipay.trade.page.pay",
            "format": "JSON",
            "charset": charset,
            "sign_type": sign_type,
            "timestamp": format_china_time(self.clock.now()),
            "version": "1.0",
            "notify_url": NOTIFY_URL,
            "return_url": RETURN_URL,
            "biz_content": json.dumps(
                {name: value for name, value in content.items() if value is not None},
                ensure_ascii=False,
            ),
        } | changes
        return self._sign(params, signer or self.signer(sign_type), charset, ("sign",))

    def wap_pay(self, **changes):
        biz = {"product_code": "QUICK_WAP_WAY"} | changes.pop("biz", {})
        return self.page_pay(method="alipay.trade.wap.pay", biz=biz, **changes)

    def direct_pay(self, *, sign_type="MD5", charset="utf-8", signer=None, **changes):
        params = {
            "service": "create_direct_pay_by_user",
            "partner": self.account.partner,
            "_input_charset": charset,
            "sign_type": sign_type,
            "notify_url": NOTIFY_URL,
            "return_url": RETURN_URL,
            "payment_type": "1",
            "out_trade_no": "T1",
            "subject": "Tea 茶",
            "total_fee": "88.88",
            "seller_id": self.account.partner,
        } | changes
        signer = signer or self.signer(sign_type if sign_type in ("RSA", "RSA2") else "MD5")
        return self._sign(params, signer, charset, ("sign", "sign_type"))

    def call(self, service, *, sign_type="MD5", charset="utf-8", signer=None, **params):
        """Any service of the legacy gateway."""
        common = {
            "service": service,
            "partner": self.account.partner,
            "_input_charset": charset,
            "sign_type": sign_type,
        }
        signer = signer or self.signer(sign_type)
        return self._sign(common | params, signer, charset, ("sign", "sign_type"))

    def escrow(self, *, service="create_partner_trade_by_buyer", **changes):
        params = {
            "notify_url": NOTIFY_URL,
            "return_url": RETURN_URL,
            "payment_type": "1",
            "out_trade_no": "T1",
            "subject": "Tea 茶",
            "price": "88.88",
            "quantity": "1",
            "seller_id": self.account.partner,
            "logistics_type": "EXPRESS",
            "logistics_fee": "0.00",
            "logistics_payment": "SELLER_PAY",
        } | changes
        return self.call(service, **params)

    def forex(self, *, service="create_forex_trade", **changes):
        params = {
            "notify_url": NOTIFY_URL,
            "return_url": RETURN_URL,
            "out_trade_no": "T1",
            "subject": "Tea 茶",
            "currency": "USD",
            "total_fee": "8.00",
        } | changes
        return self.call(service, **params)

    def _sign(self, params, signer, charset, exclude) -> SignedRequest:
        present = {name: value for name, value in params.items() if value}
        return sign_request("/alipay/gateway.do", present, signer, charset=charset, exclude=exclude)


class Buyer:
    """The buyer's: opens what the merchant signed, and presses buttons."""

    def __init__(self, app):
        self.client = app.test_client()

    def open(self, request, **options):
        return self.client.get(request.url, **options)

    def cashier(self, request):
        response = self.open(request)
        assert response.status_code == 303, response.text
        return response.location

    def press(self, cashier, button):
        return self.client.post(f"{cashier}/{button}")

    def see(self, url, **options):
        return self.client.get(url, **options)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def shop():
    return Shop()


@pytest.fixture
def simulator(clock, shop):
    return Simulator(post=shop.post, clock=clock)


@pytest.fixture
def merchant(simulator, clock):
    return Merchant(simulator, clock)


@pytest.fixture
def app(simulator):
    app = Flask(__name__)
    app.register_blueprint(simulator_blueprint(simulator), url_prefix="/alipay")
    return app


@pytest.fixture
def buyer(app):
    return Buyer(app)
