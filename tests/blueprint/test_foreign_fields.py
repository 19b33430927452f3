"""On the open platform neither another currency nor legacy fields settle a payment."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from flask_alipay.exceptions import InvalidParameter, OutcomeUnknown, PaymentMismatch

from ..doubles.gateways import Alipay, done, trade
from ..doubles.merchant import Merchant, on_the_legacy_gateway
from ..doubles.shop import Payment, Shop, db
from ..services import database_url as database_url
from .conftest import OpenShop, Refusals

CODE = "289123456789012345"


@pytest.fixture
def alipay(shop: Shop, merchant: Merchant) -> Alipay:
    played = Alipay(merchant)
    with shop.app.app_context():
        shop.alipay.gateway._transport = played
    return played


def call(shop: Shop, verb: str, number: str, *arguments: Any) -> Any:
    with shop.app.test_request_context():
        payment = db.session.scalar(select(Payment).where(Payment.out_trade_no == number))
        return getattr(shop.alipay, verb)(payment, *arguments)


@pytest.mark.parametrize("settle_currency", ["USD", "CNY", None])
def test_a_price_in_dollars_does_not_settle_an_order_in_yuan(
    shop: Shop, merchant: Merchant, refusals: Refusals, settle_currency: str | None
) -> None:
    body = merchant.notification(
        shop.order(), trans_currency="USD", settle_currency=settle_currency
    )
    assert refusals.of(body).status_code == 409
    assert (refusals.reason, shop.journal()) == ("mismatched", ["mismatched"])


@pytest.mark.parametrize("amount", ["1000", "1000.00"])
def test_a_price_in_yen_does_not_settle_an_order_in_yuan(
    shop: Shop, merchant: Merchant, refusals: Refusals, amount: str
) -> None:
    number = shop.order(total_amount="1000")
    body = merchant.notification(number, trans_currency="JPY", total_amount=amount)
    assert refusals.of(body).status_code == 409
    assert shop.journal() == ["mismatched"]


@pytest.mark.parametrize("name", ["settle_currency", "pay_currency"])
def test_a_price_in_yuan_that_is_settled_in_dollars_is_a_sale(
    shop: Shop, merchant: Merchant, name: str
) -> None:
    number = shop.order()
    currencies: dict[str, str | None] = {"trans_currency": "CNY", name: "USD"}
    assert shop.notify(merchant.notification(number, **currencies)).data == b"success"
    assert shop.called == [("paid", number)]


@pytest.mark.parametrize("currency", ["USD", "JPY"])
def test_a_query_whose_response_is_in_another_currency_settles_nothing(
    shop: Shop, alipay: Alipay, currency: str
) -> None:
    number = shop.order(total_amount="1000")
    alipay.will_respond(query=trade(total_amount="1000", trans_currency=currency))
    before = shop.ledger()
    with pytest.raises(PaymentMismatch) as caught:
        call(shop, "query", number)
    assert (caught.value.field, caught.value.received) == ("currency", currency)
    assert (shop.ledger(), shop.called) == (before, [])


def test_a_barcode_payment_in_another_currency_settles_nothing(shop: Shop, alipay: Alipay) -> None:
    number = shop.order(product="barcode")
    paid = done(total_amount="88.88", trans_currency="USD", gmt_payment="2026-01-31 12:00:01")
    alipay.will_respond(pay=paid, query=trade(trans_currency="USD"))
    before = shop.ledger()
    with pytest.raises(OutcomeUnknown):
        call(shop, "pay_barcode", number, CODE)
    assert (shop.ledger(), shop.called) == (before, [])


@pytest.mark.parametrize("product", [None, "page", "qr", "app", "barcode"])
@pytest.mark.parametrize("currency", ["USD", "JPY"])
def test_a_payment_that_is_priced_in_another_currency_is_rejected_where_it_is_made(
    shop: Shop, product: str | None, currency: str
) -> None:
    for name in ("currency", "trans_currency"):
        with pytest.raises(InvalidParameter, match=f"{name} must be CNY"):
            shop.order(product=product, total_amount="1000", **{name: currency})
    assert shop.ledger() == []


@pytest.mark.parametrize(
    ("product", "verb"), [("qr", "qr_code"), ("app", "order_string"), ("page", "gateway_url")]
)
def test_a_row_in_another_currency_is_not_sent_to_alipay(
    shop: Shop, alipay: Alipay, product: str, verb: str
) -> None:
    number = shop.order(product=product)
    shop.change(number, currency="JPY")
    with shop.app.test_request_context():
        payment = db.session.scalar(select(Payment).where(Payment.out_trade_no == number))
        with pytest.raises(InvalidParameter, match="must be CNY"):
            getattr(shop.alipay, verb)(payment)
    assert alipay.requested == []


@pytest.mark.parametrize("status", ["WAIT_SELLER_SEND_GOODS", "WAIT_BUYER_CONFIRM_GOODS"])
def test_a_legacy_status_settles_nothing(
    shop: Shop, merchant: Merchant, refusals: Refusals, status: str
) -> None:
    assert refusals.of(merchant.notification(shop.order(), trade_status=status)).status_code == 400
    assert (refusals.reason, shop.journal()) == ("malformed", [])


@pytest.mark.parametrize("status", ["WAIT_SELLER_SEND_GOODS", "WAIT_BUYER_CONFIRM_GOODS"])
def test_a_query_whose_response_has_a_legacy_status_settles_nothing(
    shop: Shop, alipay: Alipay, status: str
) -> None:
    number = shop.order()
    alipay.will_respond(query=trade(status))
    before = shop.ledger()
    with pytest.raises(OutcomeUnknown):
        call(shop, "query", number)
    assert (shop.ledger(), shop.called) == (before, [])


@pytest.mark.parametrize(
    "fields",
    [
        {"price": "44.44", "quantity": "2"},
        {"total_fee": "88.88"},
        {"total_amount": "12.00", "currency": "USD", "rmb_fee": "88.88"},
        {"total_amount": "0.01", "price": "88.88", "quantity": "1", "total_fee": "88.88"},
    ],
    ids=["price and quantity", "total_fee", "rmb_fee", "all"],
)
def test_legacy_amounts_settle_nothing(
    shop: Shop, merchant: Merchant, refusals: Refusals, fields: dict[str, str]
) -> None:
    body = merchant.notification(shop.order(), **{"total_amount": None, **fields})
    assert refusals.of(body).status_code in (400, 409)


def test_legacy_amounts_beside_the_open_platforms_are_ignored(
    shop: Shop, merchant: Merchant
) -> None:
    number = shop.order()
    extra: dict[str, str | None] = {"price": "1", "quantity": "x", "rmb_fee": "x"}
    assert shop.notify(merchant.notification(number, **extra)).data == b"success"
    assert shop.called == [("paid", number)]


@on_the_legacy_gateway
@pytest.mark.service
def test_an_amount_beyond_the_column_is_refused_on_every_database(
    open_shop: OpenShop, merchant: Merchant, database_url: str, log: Any
) -> None:
    shop = open_shop(merchant, SQLALCHEMY_DATABASE_URI=database_url)
    huge = {"total_fee": None, "price": "999999999999.99", "quantity": "9999999"}
    answer = Refusals(shop, log).of(merchant.notification(shop.order(), **huge))
    assert answer.status_code == 400
