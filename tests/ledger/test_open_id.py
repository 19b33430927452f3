"""Buyers of newer applications: the ledger records the OpenID in its own column."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flask_alipay.ledger.listing import payment_listing, read_rows
from flask_alipay.protocol.trade_status import TradeStatus

from .shop import BUYER, MERCHANT, Payment, Shop, report

OPEN_ID = "074a1C-dEf_GhIjKlMnOpQrStUvWxYz0123456789AbCdEfG"


@pytest.fixture
def paid(shop: Shop) -> Shop:
    """A payment that a buyer with an OpenID has paid."""
    shop.order()
    shop.settle(report(buyer_id=None, buyer_open_id=OPEN_ID))
    return shop


def found(shop: Shop, number: str) -> list[str]:
    listing = replace(payment_listing(Payment, MERCHANT), number=number)
    with shop.session() as session:
        return [row.out_trade_no for row in read_rows(session, listing.page(10))]


def test_the_open_id_of_a_sale_is_recorded(paid: Shop) -> None:
    payment = paid.payment()
    assert (payment.paid, payment.buyer_id, payment.buyer_open_id) == (True, None, OPEN_ID)


def test_a_callback_sees_the_open_id(shop: Shop) -> None:
    shop.order()
    seen: list[str | None] = []
    shop.settle(
        report(buyer_id=None, buyer_open_id=OPEN_ID),
        paid=lambda payment: seen.append(payment.buyer_open_id),
    )
    assert seen == [OPEN_ID]


def test_a_later_report_without_a_buyer_keeps_the_open_id(paid: Shop) -> None:
    later = report(TradeStatus.TRADE_FINISHED, buyer_id=None, notify_id="n2")
    assert paid.settle(later) == ("settled", ("finished",))
    assert paid.payment().buyer_open_id == OPEN_ID


def test_a_report_with_both_identities_records_both(paid: Shop) -> None:
    later = report(TradeStatus.TRADE_FINISHED, buyer_open_id=OPEN_ID, notify_id="n2")
    paid.settle(later)
    payment = paid.payment()
    assert (payment.buyer_id, payment.buyer_open_id) == (BUYER, OPEN_ID)


@pytest.mark.parametrize("number", [OPEN_ID, OPEN_ID[:12]])
def test_payments_are_found_by_the_open_id(paid: Shop, number: str) -> None:
    assert found(paid, number) == ["A1"]


def test_another_spelling_is_another_open_id(paid: Shop) -> None:
    assert found(paid, OPEN_ID.swapcase()) == []


def test_a_mismatched_report_records_no_open_id(shop: Shop) -> None:
    shop.order()
    later = report(buyer_id=None, buyer_open_id=OPEN_ID, total_fen=1)
    with pytest.raises(Exception, match="total_amount"):
        shop.settle(later)
    assert shop.payment().buyer_open_id is None
