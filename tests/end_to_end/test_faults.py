"""Failures at Alipay or on the network: nothing is lost and nothing is doubled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select

from flask_alipay.exceptions import GatewayError, OutcomeUnknown

from ..doubles.shop import Refund, Shop, db
from .test_payments import SETTINGS, Buyer, Line, on_every_gateway
from .test_payments import buyer as buyer
from .test_payments import line as line
from .test_payments import shop as shop
from .test_reconciliation import call, reconcile

LOST = ["system-error-done", "cut-off", "wrong-sign", "unsigned"]
on_the_open_platform = pytest.mark.parametrize(
    "shop",
    [SETTINGS["openapi"], {"API_VERSION": "v3"}, SETTINGS["openapi with all of it"]],
    ids=["v2", "v3", "v3 with all of it"],
    indirect=True,
)
on_both_gateways = pytest.mark.parametrize(
    "shop",
    [SETTINGS[name] for name in ("openapi", "openapi with all of it", "mapi with RSA in GBK")],
    ids=["openapi", "openapi with all of it", "mapi with RSA in GBK"],
    indirect=True,
)
in_utf_8 = pytest.mark.parametrize(
    "shop",
    [SETTINGS["openapi"], SETTINGS["mapi with MD5"], SETTINGS["mapi with RSA"]],
    ids=["openapi", "mapi with MD5", "mapi with RSA"],
    indirect=True,
)


def wrong(shop: Shop, kind: str, **more: Any) -> None:
    response = shop.client.post("/alipay/simulator/faults", json={"kind": kind, **more})
    assert response.status_code == 200, response.text


def happen(shop: Shop, number: str, action: str, **body: Any) -> None:
    response = shop.client.post(f"/alipay/simulator/trades/{number}/{action}", json=body)
    assert response.status_code == 200, response.text


def waits(shop: Shop) -> bool:
    return bool(shop.client.get("/alipay/simulator/faults").json)


def refunds(shop: Shop) -> list[tuple[int, str]]:
    with shop.app.app_context():
        return [(row.refund_fen, row.status) for row in db.session.scalars(select(Refund))]


def paid(shop: Shop, buyer: Buyer, line: Line) -> str:
    """Return the number of a sale whose notifications of refunds are lost; forget its callbacks."""
    buyer.press("pay")
    line.down = True
    shop.called.clear()
    return buyer.number


@in_utf_8
def test_a_notification_in_gbk_is_a_sale(shop: Shop, buyer: Buyer, line: Line) -> None:
    wrong(shop, "gbk")
    buyer.press("pay")
    assert quote("龙井", encoding="gbk").encode("ascii") in line.sent[0]
    assert shop.payment(buyer.number).paid
    assert shop.called == [("paid", buyer.number)]
    happen(shop, buyer.number, "deliver")
    assert shop.called == [("paid", buyer.number)]


@on_every_gateway
def test_a_notification_that_was_altered_is_refused_and_the_next_one_settles(
    shop: Shop, buyer: Buyer
) -> None:
    wrong(shop, "tamper")
    assert "Your payment is being confirmed" in buyer.press("pay").text
    assert shop.called == []
    happen(shop, buyer.number, "deliver")
    assert shop.called == [("paid", buyer.number)]


@on_every_gateway
def test_a_refund_notification_that_overtakes_the_sale_is_both(shop: Shop, buyer: Buyer) -> None:
    wrong(shop, "out-of-order")
    buyer.press("pay")
    assert shop.called == []
    happen(shop, buyer.number, "refund", amount="8.88")
    assert shop.called.count(("paid", buyer.number)) == 1
    payment = call(shop, "query", buyer.number)
    assert (payment.paid, payment.trade_status) == (True, "TRADE_SUCCESS")
    assert shop.called.count(("paid", buyer.number)) == 1


@on_every_gateway
def test_a_lost_notification_is_retried(shop: Shop, buyer: Buyer) -> None:
    wrong(shop, "drop")
    buyer.press("pay")
    assert shop.called == []
    response = shop.client.post("/alipay/simulator/clock", json={"advance": 240})
    assert response.status_code == 200
    assert shop.called == [("paid", buyer.number)]


@on_both_gateways
def test_a_late_notification_settles_late(shop: Shop, buyer: Buyer) -> None:
    wrong(shop, "delay", seconds=60)
    buyer.press("pay")
    assert shop.called == []
    response = shop.client.post("/alipay/simulator/clock", json={"advance": 60})
    assert response.status_code == 200
    assert shop.called == [("paid", buyer.number)]


@on_both_gateways
def test_a_notification_sent_twice_settles_once(shop: Shop, buyer: Buyer, line: Line) -> None:
    wrong(shop, "repeat")
    buyer.press("pay")
    assert len(line.sent) == 2
    assert shop.called == [("paid", buyer.number)]
    assert shop.journal() == ["settled", "duplicate"]


@pytest.mark.parametrize("kind", ["system-error", *LOST])
@on_both_gateways
def test_a_query_that_fails_changes_nothing_and_the_next_one_settles(
    shop: Shop, buyer: Buyer, line: Line, kind: str
) -> None:
    line.down = True
    buyer.press("pay")
    wrong(shop, kind)
    with pytest.raises(GatewayError):
        call(shop, "query", buyer.number)
    assert not waits(shop)
    assert (shop.payment(buyer.number).paid, shop.called) == (False, [])
    assert reconcile(shop).paid == 1
    assert shop.called == [("paid", buyer.number)]


@pytest.mark.parametrize("kind", ["system-error", *LOST])
@on_both_gateways
def test_whether_a_trade_was_closed_is_found_out(
    shop: Shop, buyer: Buyer, line: Line, kind: str
) -> None:
    line.down = True
    buyer.cashier()
    closes = ["alipay.trade.close", "close_trade"]
    for method in closes:
        wrong(shop, kind, method=method, times=2)
    try:
        call(shop, "close", buyer.number)
    except OutcomeUnknown:
        assert shop.called == []
    shop.client.delete("/alipay/simulator/faults")
    if kind == "system-error":
        assert not call(shop, "query", buyer.number).paid
        call(shop, "close", buyer.number)
    else:
        call(shop, "query", buyer.number)
    assert shop.payment(buyer.number).trade_status == "TRADE_CLOSED"
    assert shop.called == [("failed", buyer.number)]


@pytest.mark.parametrize("kind", LOST)
@on_the_open_platform
def test_a_refund_with_a_lost_response_is_found(
    shop: Shop, buyer: Buyer, line: Line, kind: str
) -> None:
    number = paid(shop, buyer, line)
    wrong(shop, kind, method="alipay.trade.refund", times=9)
    with pytest.raises(OutcomeUnknown):
        call(shop, "refund", number, "8.88")
    assert refunds(shop) == [(888, "REFUND_PROCESSING")]
    assert (shop.payment(number).refunded_fen, shop.called) == (0, [])
    shop.client.delete("/alipay/simulator/faults")
    assert reconcile(shop).refunded == 1
    assert refunds(shop) == [(888, "REFUND_SUCCESS")]
    assert shop.payment(number).refunded_fen == 888
    assert shop.called == [("refunded", number)]
    (trade,) = shop.client.get("/alipay/simulator/trades").json
    assert trade["refunded_amount"] == "8.88"


@on_the_open_platform
def test_a_refund_that_was_not_done_is_done_by_the_next_try(
    shop: Shop, buyer: Buyer, line: Line
) -> None:
    number = paid(shop, buyer, line)
    wrong(shop, "system-error", method="alipay.trade.refund", times=9)
    with pytest.raises(OutcomeUnknown):
        call(shop, "refund", number, "8.88")
    assert refunds(shop) == [(888, "REFUND_PROCESSING")]
    shop.client.delete("/alipay/simulator/faults")
    assert call(shop, "refund", number, "8.88").status == "REFUND_SUCCESS"
    assert refunds(shop) == [(888, "REFUND_SUCCESS")]
    assert shop.payment(number).refunded_fen == 888
    assert shop.called == [("refunded", number)]


@pytest.mark.parametrize("kind", ["system-error", *LOST])
@on_the_open_platform
def test_a_sale_with_an_unknown_cancellation_is_queried(
    shop: Shop, buyer: Buyer, line: Line, kind: str
) -> None:
    number = paid(shop, buyer, line)
    wrong(shop, kind, method="alipay.trade.cancel", times=9)
    with pytest.raises(OutcomeUnknown):
        call(shop, "cancel", number)
    shop.client.delete("/alipay/simulator/faults")
    call(shop, "cancel", number)
    assert shop.payment(number).refunded_fen == 8888
    assert shop.called == [("refunded", number)]


@pytest.mark.parametrize("kind", ["system-error", "system-error-done", "cut-off"])
@pytest.mark.parametrize("shop", [SETTINGS["mapi with MD5"]], indirect=True)
def test_a_batch_of_refunds_with_a_lost_response_is_settled_by_its_notification(
    shop: Shop, buyer: Buyer, line: Line, kind: str
) -> None:
    buyer.press("pay")
    shop.called.clear()
    number = buyer.number
    wrong(shop, kind, method="refund_fastpay_by_platform_nopwd", times=9)
    with pytest.raises(OutcomeUnknown):
        call(shop, "refund", number, "8.88")
    ((fen, status),) = refunds(shop)
    assert fen == 888
    shop.client.delete("/alipay/simulator/faults")
    if kind == "system-error":
        assert status == "REFUND_PROCESSING"
        with shop.app.app_context():
            batch_no = db.session.scalar(select(Refund.out_request_no))
        call(shop, "refund", number, "8.88", out_request_no=batch_no)
    shop.client.post("/alipay/simulator/clock", json={"advance": timedelta(minutes=1).seconds})
    assert refunds(shop) == [(888, "REFUND_SUCCESS")]
    assert shop.called == [("refunded", number)]
