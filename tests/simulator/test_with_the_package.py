"""What the package's gateways sign, the simulator takes; what it says, the package believes."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlencode

import pytest

from flask_alipay.gateways.mapi import MapiGateway
from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.protocol.notification import Notification, verified_params
from flask_alipay.simulator.clock import SystemClock

from ..test_signed_request import Form
from .conftest import NOTIFY_URL, RETURN_URL

ORDER = {"out_trade_no": "T1", "subject": "Tea + 茶", "total_amount": "88.88"}
URLS = {"notify_url": NOTIFY_URL, "return_url": RETURN_URL}


@pytest.fixture(params=["openapi", "mapi MD5", "mapi RSA", "mapi RSA2"])
def contract(request):
    """The protocol, and the sign type where there is a choice."""
    protocol, _, sign_type = request.param.partition(" ")
    return protocol, sign_type or "RSA2"


@pytest.fixture
def signer(contract, merchant):
    return merchant.signer(contract[1])


@pytest.fixture(params=["utf-8", "gbk"])
def gateway(request, contract, signer, merchant):
    options = {"gateway_url": "/alipay/gateway.do", "charset": request.param}
    if contract[0] == "openapi":
        return OpenApiGateway(merchant.account.app_id, signer, **options)
    return MapiGateway(merchant.account.partner, signer, **options)


@pytest.fixture
def clock():
    """Our gateways know no clock but the machine's."""
    return SystemClock()


def test_a_payment_goes_all_the_way_round(gateway, signer, buyer, shop):
    cashier = buyer.cashier(gateway.pay("page", **ORDER, **URLS))
    back = buyer.press(cashier, "pay").location
    notified = Notification.from_params(verified_params(shop.bodies[0], signer, gateway.charset))
    assert (notified.out_trade_no, notified.trade_status, notified.total_fen) == (
        "T1",
        "TRADE_SUCCESS",
        8888,
    )
    assert notified.currency == "CNY"
    query = back.partition("?")[2].encode("ascii")
    assert verified_params(query, signer, gateway.charset)["out_trade_no"] == "T1"


@pytest.mark.parametrize("button", ["close", "expire"])
def test_a_closed_trade_is_trusted_as_well(gateway, signer, buyer, shop, button):
    buyer.press(buyer.cashier(gateway.pay("page", **ORDER, **URLS)), button)
    if isinstance(gateway, MapiGateway):
        assert shop.bodies == [], "Alipay sends none of an unpaid direct payment"
        return
    notified = Notification.from_params(verified_params(shop.bodies[0], signer, gateway.charset))
    assert notified.trade_status == "TRADE_CLOSED"
    assert notified.closed_at is not None
    assert notified.paid_at is None
    assert not notified.is_refund


def test_the_packages_form_is_taken(gateway, buyer):
    form = gateway.pay("page", **ORDER, **URLS).form()
    fields = Form(form, gateway.charset).fields
    response = buyer.client.post(
        unescape(re.search(r'action="([^"]*)"', form)[1]),
        data=urlencode(fields, encoding=gateway.charset),
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status_code == 303
