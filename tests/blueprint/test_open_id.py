"""Shop with a newer application: the simulator names its buyers by OpenIDs only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from flask_alipay.exceptions import ConfigurationError
from flask_alipay.simulator.simulator import SIMULATORS
from flask_alipay.testing import AlipaySimulator

from ..doubles.shop import Payment, Shop, db

OpenShop = Callable[..., Shop]


@pytest.fixture
def shop(open_shop: OpenShop) -> Shop:
    return open_shop({"SIMULATOR": "open_id"})


def simulated(shop: Shop) -> AlipaySimulator:
    simulator = AlipaySimulator.of(shop.app)
    assert simulator is not None
    return simulator


def open_id(shop: Shop) -> str:
    (simulator,) = shop.app.extensions[SIMULATORS].values()
    found: str = simulator.merchant.buyer_open_id
    return found


def buyer(shop: Shop, number: str) -> tuple[Any, Any]:
    payment = shop.payment(number)
    return payment.buyer_id, payment.buyer_open_id


def test_a_notification_settles_a_payment_with_its_open_id(shop: Shop) -> None:
    number = shop.order()
    simulated(shop).pay(number)
    assert shop.called == [("paid", number)]
    assert buyer(shop, number) == (None, open_id(shop))


def test_a_query_settles_a_payment_with_its_open_id(shop: Shop) -> None:
    number = shop.order()
    simulated(shop).inject_fault("drop")
    simulated(shop).pay(number)
    assert buyer(shop, number) == (None, None)
    with shop.app.app_context():
        shop.alipay.query(db.session.scalar(select(Payment)))
    assert shop.called == [("paid", number)]
    assert buyer(shop, number) == (None, open_id(shop))


def test_a_barcode_payment_records_the_open_id(shop: Shop) -> None:
    number = shop.order(product="barcode")
    with shop.app.test_request_context():
        shop.alipay.pay_barcode(db.session.scalar(select(Payment)), "2812345678901234")
    assert shop.called == [("paid", number)]
    assert buyer(shop, number) == (None, open_id(shop))


def test_a_refund_keeps_the_open_id(shop: Shop) -> None:
    number = shop.order()
    simulated(shop).pay(number)
    with shop.app.app_context():
        refund = shop.alipay.refund(db.session.scalar(select(Payment)), "1.00")
        assert refund.status == "REFUND_SUCCESS"
        response: Any = shop.alipay.gateway
        known = response.trade_refund(
            out_trade_no=number, refund_amount="1.00", out_request_no=refund.out_request_no
        )
    assert (known.buyer_id, known.buyer_open_id) == (None, open_id(shop))
    assert shop.called == [("paid", number), ("refunded", number)]
    assert buyer(shop, number) == (None, open_id(shop))


def test_the_legacy_gateway_has_no_open_ids(open_shop: OpenShop) -> None:
    with pytest.raises(ConfigurationError, match="OpenIDs") as caught:
        open_shop({"SIMULATOR": "open_id", "PROTOCOL": "mapi"})
    assert caught.value.key == "ALIPAY_SIMULATOR"
