"""Escrow, the dual interface, phones and foreign currencies: what a browser brings to Alipay."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from flask_alipay.exceptions import InvalidAmount, InvalidParameter
from flask_alipay.gateways.mapi import MapiGateway
from flask_alipay.protocol.signed_request import SignedRequest
from flask_alipay.signer import sign_content

from ..doubles.mapi import PARTNER, SIGNER, gateway

ESCROW: dict[str, Any] = {
    "out_trade_no": "A1",
    "subject": "茶",
    "price": "88.88",
    "quantity": 1,
    "logistics_type": "EXPRESS",
    "logistics_fee": 0,
    "logistics_payment": "SELLER_PAY",
}
WAP: dict[str, Any] = {
    "out_trade_no": "A1",
    "subject": "茶",
    "total_fee": "88.88",
    "show_url": "https://shop.example/",
}
FOREX: dict[str, Any] = {
    "out_trade_no": "A1",
    "subject": "Tea",
    "currency": "USD",
    "total_fee": "88.88",
}

#: By method: what it must be given.
PAYMENTS: dict[str, dict[str, Any]] = {
    "create_partner_trade_by_buyer": ESCROW,
    "trade_create_by_buyer": ESCROW,
    "alipay_wap_create_direct_pay_by_user": WAP,
    "create_forex_trade": FOREX,
    "create_forex_trade_wap": FOREX,
}
payments = pytest.mark.parametrize("method", PAYMENTS)


def call(method: str, charset: str = "utf-8", **changes: Any) -> SignedRequest:
    request: SignedRequest = getattr(gateway(charset=charset), method)(
        **{**PAYMENTS[method], **changes}
    )
    return request


def fault(method: str, **changes: Any) -> str:
    with pytest.raises(InvalidParameter) as caught:
        call(method, **changes)
    return caught.value.parameter


@payments
def test_a_payment_is_signed(method: str) -> None:
    params = call(method).params
    service = method if "wap_create" not in method else "alipay.wap.create.direct.pay.by.user"
    assert params["service"] == service
    assert params["sign"] == SIGNER.sign(sign_content(params))
    assert params["partner"] == PARTNER


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (method, name)
        for method, values in PAYMENTS.items()
        for name in values
        if name not in ("total_fee",) or "forex" not in method
    ],
)
def test_a_missing_parameter_of_a_payment_is_named(method: str, name: str) -> None:
    assert fault(method, **{name: None}) == name


@payments
def test_a_parameter_that_the_service_lacks_is_named(method: str) -> None:
    assert fault(method, defaultbank="CMB") == "defaultbank"


@payments
def test_a_float_is_a_type_error(method: str) -> None:
    name = "price" if "price" in PAYMENTS[method] else "total_fee"
    with pytest.raises(TypeError, match=name):
        call(method, **{name: 88.88})


@payments
@pytest.mark.parametrize("amount", ["88.88", Decimal("88.880"), 88])
def test_an_amount_has_two_decimals(method: str, amount: Any) -> None:
    name = "price" if "price" in PAYMENTS[method] else "total_fee"
    expected = "88.00" if amount == 88 else "88.88"
    assert call(method, **{name: amount}).params[name] == expected


@pytest.mark.parametrize(
    "method", ["create_partner_trade_by_buyer", "create_forex_trade", "create_forex_trade_wap"]
)
def test_a_character_that_gbk_does_not_have_is_rejected_by_name(method: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^subject has a character that gbk does not have"):
        call(method, "gbk", subject="🍵")
    request = call(method, "gbk", subject="龙井茶")
    assert "%C1%FA%BE%AE%B2%E8" in request.url


def test_phones_are_served_in_utf_8_alone() -> None:
    with pytest.raises(InvalidParameter, match=r"^_input_charset must be utf-8"):
        gateway(charset="gbk").alipay_wap_create_direct_pay_by_user(**WAP)
    request = gateway(charset="gbk").in_charset("utf-8").alipay_wap_create_direct_pay_by_user(**WAP)
    assert request.params["_input_charset"] == "utf-8"


def test_a_phone_is_shown_the_merchants_page_unless_the_payment_has_one() -> None:
    alone = {name: value for name, value in WAP.items() if name != "show_url"}
    merchant = gateway(show_url="https://shop.example/tea")
    request = merchant.alipay_wap_create_direct_pay_by_user(**alone)
    assert request.params["show_url"] == "https://shop.example/tea"
    assert request.params["seller_id"] == PARTNER
    assert request.params["payment_type"] == "1"
    by_email = gateway(seller_email="boss@shop.example")
    request = by_email.alipay_wap_create_direct_pay_by_user(**WAP)
    assert request.params["seller_id"] == PARTNER


@pytest.mark.parametrize("method", ["create_partner_trade_by_buyer", "trade_create_by_buyer"])
@pytest.mark.parametrize(
    "logistics",
    [
        ("POST", "12.50", "BUYER_PAY"),
        ("EMS", "0.00", "SELLER_PAY"),
        ("DIRECT", "0", "BUYER_PAY_AFTER_RECEIVE"),
    ],
)
def test_logistics_are_free_to_choose(method: str, logistics: tuple[str, str, str]) -> None:
    names = ("logistics_type", "logistics_fee", "logistics_payment")
    chosen = dict(zip(names, logistics, strict=True))
    params = call(method, **chosen).params
    assert {name: params[name] for name in names} == chosen
    for name in names:
        assert fault(method, **{**chosen, name: "PIGEON"}) == name


@pytest.mark.parametrize(
    ("fee", "sent"),
    [(0, "0.00"), (Decimal(0), "0.00"), (Decimal("1.5"), "1.50"), (12, "12.00"), ("0", "0")],
)
def test_a_fee_may_be_nothing(fee: Any, sent: str) -> None:
    assert call("create_partner_trade_by_buyer", logistics_fee=fee).params["logistics_fee"] == sent
    for wrong in ("-1", "0.001", "free", -1):
        assert fault("create_partner_trade_by_buyer", logistics_fee=wrong) == "logistics_fee"


def test_the_money_in_escrow_is_for_the_merchant() -> None:
    by_email = gateway(seller_email="boss@shop.example")
    params = by_email.create_partner_trade_by_buyer(**ESCROW).params
    assert params["seller_email"] == "boss@shop.example"
    assert "seller_id" not in params
    assert call("create_partner_trade_by_buyer").params["seller_id"] == PARTNER


@pytest.mark.parametrize("method", ["create_forex_trade", "create_forex_trade_wap"])
def test_a_foreign_payment_has_one_price(method: str) -> None:
    assert fault(method, rmb_fee="1.00") == "total_fee"
    assert fault(method, total_fee=None) == "total_fee"
    params = call(method, total_fee=None, rmb_fee=Decimal("0.3")).params
    assert params["rmb_fee"] == "0.30"
    assert "total_fee" not in params
    assert params["currency"] == "USD"


@pytest.mark.parametrize(
    ("currency", "amount", "sent"),
    [
        ("JPY", 1700, "1700"),
        ("JPY", "1700.00", "1700"),
        ("KRW", Decimal("150000000"), "150000000"),
        ("USD", "0.1", "0.10"),
        ("EUR", 8, "8.00"),
    ],
)
def test_an_amount_is_written_as_its_currency_has_it(currency: str, amount: Any, sent: str) -> None:
    assert call("create_forex_trade", currency=currency, total_fee=amount).params["total_fee"] == (
        sent
    )


@pytest.mark.parametrize(
    ("currency", "amount"),
    [("JPY", "0.50"), ("JPY", "17.01"), ("USD", "0.001"), ("USD", 0), ("USD", "-1"), ("KRW", "")],
)
def test_an_amount_finer_than_its_currency_is_rejected(currency: str, amount: Any) -> None:
    with pytest.raises(InvalidAmount, match=r"^total_fee "):
        call("create_forex_trade", currency=currency, total_fee=amount)


@pytest.mark.parametrize("currency", ["CNY", "RMB", "usd", "US", "", 840])
def test_a_foreign_payment_is_in_a_foreign_currency(currency: Any) -> None:
    assert fault("create_forex_trade", currency=currency) == "currency"


# What create_payment makes of a payment: gateway.pay.


def pay(product: str, merchant: MapiGateway | None = None, **details: Any) -> dict[str, str]:
    about = {"out_trade_no": "A1", "subject": "茶", "total_amount": "88.88"}
    merchant = merchant or gateway(show_url="https://shop.example/")
    given = {**about, **details}
    merchant.check_payment(
        product, **{name: given[name] for name in given if name not in ("expires_at", "bank")}
    )
    return dict(merchant.pay(product, **given).params)


def blamed(product: str, **details: Any) -> str:
    with pytest.raises(InvalidParameter) as caught:
        pay(product, **details)
    return caught.value.parameter


@pytest.mark.parametrize("product", ["escrow", "dual"])
def test_a_total_is_a_price_that_the_seller_sends_by_express(product: str) -> None:
    params = pay(product)
    assert (params["price"], params["quantity"]) == ("88.88", "1")
    assert params["logistics_type"] == "EXPRESS"
    assert params["logistics_fee"] == "0.00"
    assert params["logistics_payment"] == "SELLER_PAY"
    assert "total_fee" not in params


def test_a_price_and_a_quantity_must_come_to_the_total() -> None:
    params = pay("escrow", price="44.44", quantity=2)
    assert (params["price"], params["quantity"]) == ("44.44", "2")
    assert pay("escrow", quantity=2)["price"] == "44.44"
    assert blamed("escrow", price="44.44") == "price"
    assert blamed("escrow", price="44.43", quantity=2) == "price"
    assert blamed("escrow", quantity=3) == "price"


def test_the_buyers_logistics_fee_is_part_of_the_total() -> None:
    paid: dict[str, Any] = {
        "logistics_fee": "8.88",
        "logistics_payment": "BUYER_PAY",
        "logistics_type": "EMS",
    }
    assert pay("escrow", **paid)["price"] == "80.00"
    assert pay("escrow", **paid, price=40, quantity=2)["price"] == "40.00"
    assert blamed("escrow", **paid, price="88.88") == "price"
    later = {**paid, "logistics_payment": "BUYER_PAY_AFTER_RECEIVE"}
    assert pay("escrow", **later)["price"] == "88.88"
    assert blamed("escrow", logistics_payment="BUYER_PAY", logistics_fee="88.88") == "price"


def test_a_total_is_final() -> None:
    assert blamed("escrow", discount="-1.00") == "discount"


def test_a_phones_payment() -> None:
    params = pay("wap")
    assert params["service"] == "alipay.wap.create.direct.pay.by.user"
    assert params["total_fee"] == "88.88"
    assert blamed("wap", merchant=gateway()) == "show_url"


@pytest.mark.parametrize(
    ("product", "code"),
    [("forex", "NEW_OVERSEAS_SELLER"), ("forex_wap", "NEW_WAP_OVERSEAS_SELLER")],
)
def test_a_payment_in_dollars(product: str, code: str) -> None:
    params = pay(product, currency="USD")
    assert (params["total_fee"], params["currency"]) == ("88.88", "USD")
    assert params["product_code"] == code
    assert pay(product, currency="JPY", total_amount="1700.00")["total_fee"] == "1700"
    assert blamed(product, currency="JPY") == "total_fee"
    assert blamed(product) == "currency"


def test_a_payment_in_yuan_that_is_paid_out_in_dollars() -> None:
    params = pay("forex", settlement_currency="USD")
    assert (params["rmb_fee"], params["currency"]) == ("88.88", "USD")
    assert "total_fee" not in params
    assert "settlement_currency" not in params
    assert blamed("forex", currency="JPY", settlement_currency="USD") == "settlement_currency"
    assert blamed("page", settlement_currency="USD") == "settlement_currency"


@pytest.mark.parametrize("product", ["page", "escrow", "dual", "wap"])
def test_domestic_payments_are_in_yuan(product: str) -> None:
    assert blamed(product, currency="USD") == "currency"


@pytest.mark.parametrize("product", ["escrow", "dual", "wap", "forex", "forex_wap"])
def test_only_an_instant_payment_goes_to_a_bank(product: str) -> None:
    currency = "USD" if "forex" in product else "CNY"
    assert blamed(product, bank="CMB", currency=currency) == "bank"


@pytest.mark.parametrize("product", ["page", "escrow", "dual", "wap"])
def test_a_payment_expires(product: str) -> None:
    instant = datetime.now(timezone.utc) + timedelta(minutes=20)
    assert pay(product, expires_at=instant)["it_b_pay"] == "20m"


@pytest.mark.parametrize(
    ("minutes", "rule"), [(1, "5m"), (5, "5m"), (6, "10m"), (31, "1h"), (601, "12h"), (9999, "12h")]
)
def test_a_foreign_payment_expires_by_rule(minutes: int, rule: str) -> None:
    instant = datetime.now(timezone.utc) + timedelta(minutes=minutes) - timedelta(seconds=1)
    assert pay("forex", currency="USD", expires_at=instant)["timeout_rule"] == rule


def test_every_product_has_its_service() -> None:
    assert gateway().products == {
        "page": "create_direct_pay_by_user",
        "escrow": "create_partner_trade_by_buyer",
        "dual": "trade_create_by_buyer",
        "wap": "alipay.wap.create.direct.pay.by.user",
        "forex": "create_forex_trade",
        "forex_wap": "create_forex_trade_wap",
    }
