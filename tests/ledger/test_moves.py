"""Reports about a payment that is priced in yuan and paid in another currency."""

from __future__ import annotations

import pytest

from flask_alipay.protocol.notification import Notification as Report
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import TOTAL, Refund, Shop, no_callback
from .test_refund_batches import request_refund

FINISHED, CLOSED = TradeStatus.TRADE_FINISHED, TradeStatus.TRADE_CLOSED
#: As the legacy gateway reports it: the total in the buyer's currency, and its value in yuan.
DOLLARS = {"currency": "USD", "total_fee": "14.00"}
WON = {"currency": "KRW", "total_fee": "18900"}


def priced_report(trade_status: str, **params: str) -> Report:
    about = {"out_trade_no": "A1", "trade_no": "T1", "notify_id": f"n{len(params)}"}
    return Report.from_params(
        {**about, "rmb_fee": "88.88", "trade_status": trade_status, **DOLLARS, **params}
    )


def refunds(shop: Shop) -> list[tuple[int, str]]:
    return [(row.refund_fen, row.status) for row in shop.rows(Refund)]


@pytest.mark.parametrize("priced", [DOLLARS, WON], ids=["less", "more"])
@pytest.mark.parametrize(
    ("trade_status", "refund"),
    [
        (CLOSED, {"refund_status": "REFUND_SUCCESS", "gmt_refund": "2026-01-01 00:00:00"}),
        (CLOSED, {"refund_fee": "whole"}),
        (FINISHED, {"refund_fee": "whole"}),
    ],
    ids=["closed", "closed with a sum", "a sum"],
)
def test_a_full_refund_is_the_whole_price_in_yuan(
    small_shop: Shop, priced: dict[str, str], refund: dict[str, str], trade_status: str
) -> None:
    shop = small_shop
    refund = {name: value.replace("whole", priced["total_fee"]) for name, value in refund.items()}
    shop.order()
    assert shop.settle(priced_report(FINISHED, **priced)) == ("settled", ("paid", "finished"))
    assert shop.settle(priced_report(trade_status, **priced, **refund)) == (
        "settled",
        ("refunded",),
    )
    assert shop.status() == (trade_status, True, TOTAL)
    assert refunds(shop) == [(TOTAL, "REFUND_SUCCESS")]


def test_a_full_refund_reported_with_the_sale_is_the_whole_price(small_shop: Shop) -> None:
    small_shop.order()
    events = ("paid", "finished", "refunded")
    assert small_shop.settle(priced_report(FINISHED, refund_fee="14.00")) == ("settled", events)
    assert small_shop.status() == (FINISHED, True, TOTAL)


@pytest.mark.parametrize(
    "first", [[], [priced_report(FINISHED)]], ids=["with the sale", "after it"]
)
def test_a_part_in_another_currency_is_not_counted(small_shop: Shop, first: list[Report]) -> None:
    shop = small_shop
    shop.order()
    for report in first:
        shop.settle(report)
    shop.settle(priced_report(FINISHED, refund_fee="7.00"), refunded=no_callback)
    assert shop.status() == (FINISHED, True, 0)
    assert refunds(shop) == []


def test_a_partial_refund_requested_here_counts_by_its_own_amount(small_shop: Shop) -> None:
    shop = small_shop
    shop.order()
    shop.settle(priced_report(FINISHED))
    request_refund(shop, 4444, "R1")
    report = priced_report(FINISHED, refund_fee="7.00", out_request_no="R1")
    assert shop.settle(report) == ("settled", ("refunded",))
    assert shop.status() == (FINISHED, True, 4444)


def test_a_part_in_the_payments_currency_is_counted(small_shop: Shop) -> None:
    shop = small_shop
    shop.order(currency="USD", total_fen=1400)
    shop.settle(priced_report(FINISHED))
    assert shop.settle(priced_report(FINISHED, refund_fee="10.00")) == ("settled", ("refunded",))
    assert shop.status() == (FINISHED, True, 1000)
