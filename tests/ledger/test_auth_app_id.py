"""Third-party applications: a report has to name the merchant of the payment."""

from __future__ import annotations

from typing import Any

import pytest

from flask_alipay.exceptions import PaymentMismatch

from .shop import BUYER, MERCHANT, Shop, recorder, report

SELLER = "9021000000000202"


def named(auth_app_id: str | None, **fields: Any) -> Any:
    """A report that names a merchant."""
    params = {"buyer_id": BUYER, "trade_status": "TRADE_SUCCESS"}
    params |= {} if auth_app_id is None else {"auth_app_id": auth_app_id}
    return report(params=params, **fields)


def test_a_report_of_the_payments_merchant_is_settled(shop: Shop) -> None:
    shop.order(auth_app_id=SELLER)
    calls: list[str] = []
    assert shop.settle(named(SELLER), **recorder(calls)) == ("settled", ("paid",))
    assert shop.settle(named(SELLER), **recorder(calls))[0] == "duplicate"
    assert calls == ["paid"]
    assert (shop.payment().paid, shop.payment().auth_app_id) == (True, SELLER)


@pytest.mark.parametrize("other", ["9021000000000203", "9021000000000001", "", f"{SELLER} "])
def test_a_report_of_another_merchant_is_rejected(shop: Shop, other: str) -> None:
    shop.order(auth_app_id=SELLER)
    calls: list[str] = []
    with pytest.raises(PaymentMismatch, match="auth_app_id") as caught:
        shop.settle(named(other), **recorder(calls))
    assert (caught.value.field, caught.value.expected) == ("auth_app_id", SELLER)
    assert calls == []
    assert (shop.payment().paid, shop.payment().trade_no) == (False, None)


def test_a_response_names_no_merchant(shop: Shop) -> None:
    # The request's token has named it.
    shop.order(auth_app_id=SELLER)
    assert shop.settle(named(None)) == ("settled", ("paid",))


def test_a_payment_with_a_token_alone_is_not_compared(shop: Shop) -> None:
    shop.order(details={"app_auth_token": "201509BB"})
    assert shop.settle(named(SELLER)) == ("settled", ("paid",))
    assert shop.payment().auth_app_id is None


def test_an_own_sale_is_not_paid_by_a_report_of_another_merchant(shop: Shop) -> None:
    shop.order()
    calls: list[str] = []
    with pytest.raises(PaymentMismatch, match="auth_app_id") as caught:
        shop.settle(named(SELLER), **recorder(calls))
    assert (caught.value.expected, caught.value.received) == (MERCHANT, SELLER)
    assert calls == []
    assert (shop.payment().paid, shop.payment().trade_no) == (False, None)


@pytest.mark.parametrize("own", [MERCHANT, "", None])
def test_an_own_sale_is_paid_by_its_own_report(shop: Shop, own: str | None) -> None:
    shop.order()
    assert shop.settle(named(own)) == ("settled", ("paid",))


def test_the_callback_of_a_claimed_payment_reads_no_merchant(shop: Shop) -> None:
    shop.order()
    seen: list[Any] = []
    shop.settle(named(None), paid=lambda payment: seen.append(payment.auth_app_id))
    assert seen == [None]
