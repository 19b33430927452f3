"""Methods that an app calls on the blueprint: payments, URLs, callbacks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from flask import Blueprint

from flask_alipay import AlipayBlueprint, InvalidParameter
from flask_alipay.gateways.mapi import MapiGateway
from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.models import utc_now
from flask_alipay.protocol.conversion import CHINA_TIME, format_china_time

from ..doubles.merchant import APP_ID, PARTNER, Merchant, on_each_gateway, on_the_legacy_gateway
from ..doubles.shop import Notification, Payment, Refund, Shop, db, new_blueprint
from .conftest import OpenShop

# create_payment


def attempt(shop: Shop, **details: Any) -> Any:
    """Call create_payment as an app does, and return the pending objects afterwards."""
    with shop.app.app_context():
        try:
            return shop.alipay.create_payment(
                **{"subject": "Tea", "total_amount": "88.88", **details}
            )
        finally:
            shop.pending = len(db.session.new)  # type: ignore[attr-defined]
            db.session.rollback()


def refused(shop: Shop, **details: Any) -> InvalidParameter:
    """Return the error, after checking that the session has no pending objects."""
    with pytest.raises(InvalidParameter) as caught:
        attempt(shop, **details)
    assert shop.pending == 0  # type: ignore[attr-defined]
    return caught.value


def test_a_payment_is_pending_until_the_app_commits(shop: Shop) -> None:
    attempt(shop)
    assert shop.pending == 1  # type: ignore[attr-defined]
    assert shop.ledger() == []


@on_each_gateway
def test_a_new_payment_waits_for_the_buyer(shop: Shop, merchant: Merchant) -> None:
    payment = shop.payment(shop.order())
    assert isinstance(payment, Payment)
    assert payment.merchant == (APP_ID if merchant.protocol == "openapi" else PARTNER)
    assert (payment.trade_status, payment.paid) == ("WAIT_BUYER_PAY", False)
    assert (payment.total_fen, payment.currency, payment.refunded_fen) == (8888, "CNY", 0)


@pytest.mark.parametrize("amount", ["88.80", "88.8", Decimal("88.8"), Decimal("88.80")])
def test_an_amount_is_text_or_a_decimal(shop: Shop, amount: Any) -> None:
    assert shop.payment(shop.order(total_amount=amount)).total_fen == 8880


def test_an_int_is_yuan(shop: Shop) -> None:
    assert shop.payment(shop.order(total_amount=88)).total_fen == 8800


@pytest.mark.parametrize("amount", [88.88, 88.0, float("nan")])
def test_a_float_is_rejected_with_the_reason(shop: Shop, amount: float) -> None:
    with pytest.raises(TypeError, match="float cannot hold"):
        attempt(shop, total_amount=amount)
    assert shop.pending == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("amount", [True, None, b"88.88", ["88.88"]])
def test_an_invalid_amount_is_rejected(shop: Shop, amount: Any) -> None:
    with pytest.raises(TypeError, match="total_amount"):
        attempt(shop, total_amount=amount)


@pytest.mark.parametrize(
    "amount", ["", "0", "0.00", "-1", "0.001", "100000000.01", "1e3", "٨٨", Decimal("NaN"), 0]
)
def test_an_amount_that_alipay_would_not_take_is_refused(shop: Shop, amount: Any) -> None:
    assert refused(shop, total_amount=amount).parameter == "total_amount"


def test_the_largest_amount_is_kept_exactly(shop: Shop) -> None:
    number = shop.order(total_amount="100000000.00")
    assert shop.payment(number).total_amount == Decimal("100000000.00")


def test_a_generated_number_has_a_fixed_format(shop: Shop) -> None:
    number = shop.order()
    day = datetime.now(timezone.utc).astimezone(CHINA_TIME)
    assert len(number) == 26
    assert number.isascii()
    assert number.isdigit()
    # Midnight in China may have passed since.
    assert number[:8] in {f"{created:%Y%m%d}" for created in (day, day - timedelta(minutes=1))}


def test_generated_numbers_cannot_be_guessed_from_one_another(shop: Shop) -> None:
    numbers = [int(shop.order()[8:]) for _ in range(20)]
    gaps = {later - earlier for earlier, later in pairwise(numbers)}
    assert len(gaps) == 19
    assert min(map(abs, gaps)) > 1000


def test_the_shop_may_number_its_orders_itself(shop: Shop) -> None:
    assert shop.order(out_trade_no="Order_0815") == "Order_0815"


@pytest.mark.parametrize("number", ["", "a/b", "a b", "订单", "a\n", "x" * 65, 815, "٣"])
def test_a_number_that_alipay_would_not_take_is_refused(shop: Shop, number: Any) -> None:
    assert refused(shop, out_trade_no=number).parameter == "out_trade_no"


@on_each_gateway
@pytest.mark.parametrize("subject", ["", "two\nlines", "nul\0", "x" * 257, None, 5])
def test_a_subject_that_alipay_would_not_take_is_refused(shop: Shop, subject: Any) -> None:
    assert refused(shop, subject=subject).parameter == "subject"


@on_each_gateway
@pytest.mark.parametrize("parameter", ["subject", "body"])
def test_a_value_that_a_notification_could_not_return_is_rejected(
    shop: Shop, parameter: str
) -> None:
    """Paid for it would be, and then every notification of it refused."""
    assert refused(shop, **{parameter: "R&D=fun"}).parameter == parameter


@on_each_gateway
@pytest.mark.parametrize("subject", ["R&D", "1+1=2", "100% & more", "a&", "&=", "Tea; 茶"])
def test_a_subject_may_contain_form_delimiters(
    shop: Shop, merchant: Merchant, subject: str
) -> None:
    number = shop.order(subject=subject)
    assert shop.notify(merchant.notification(number, subject=subject)).data == b"success"


def test_a_character_that_the_merchants_charset_lacks_is_refused(
    open_shop: OpenShop, keys: Any
) -> None:
    shop = open_shop(Merchant("mapi", "MD5", "gbk", keys))
    assert refused(shop, subject="Tea 🍵").parameter == "subject"


@on_each_gateway
def test_a_product_that_does_not_exist_is_refused(shop: Shop) -> None:
    assert refused(shop, product="wechat").parameter == "product"


def test_a_product_is_kept(shop: Shop, merchant: Merchant) -> None:
    number = shop.order(product="wap")
    params = merchant.request_at(shop.look("pay", number).location)
    assert params["method"] == "alipay.trade.wap.pay"


def test_a_column_of_the_shop_is_filled(shop: Shop) -> None:
    payment = shop.payment(shop.order(gift_note="for Anna"))
    assert (payment.gift_note, payment.details) == ("for Anna", {})


@on_each_gateway
def test_other_values_are_sent_to_the_gateway(shop: Shop, merchant: Merchant) -> None:
    number = shop.order(body="green", gift_note="for Anna")
    assert shop.payment(number).details == {"body": "green"}
    params = merchant.request_at(shop.look("pay", number).location)
    assert "green" in (params.get("body") or params["biz_content"])
    assert "Anna" not in str(params)


@on_each_gateway
def test_a_parameter_that_is_none_is_not_given(shop: Shop) -> None:
    assert shop.payment(shop.order(body=None)).details == {}


@on_the_legacy_gateway
def test_a_parameter_that_the_gateway_lacks_is_refused(shop: Shop) -> None:
    assert refused(shop, colour="green").parameter == "colour"


@pytest.mark.parametrize(
    "name",
    [
        "id",
        "merchant",
        "trade_no",
        "total_fen",
        "refunded_fen",
        "trade_status",
        "paid",
        "buyer_id",
        "details",
        "created_at",
        "paid_at",
        "closed_at",
        "finished_at",
        "asked_at",
        "returned_at",
        "query_count",
        "query_leased_until",
        "sent_at",
        "query_history",
        "notify_url",
        "return_url",
        "total_fee",
        "seller_id",
        "seller_email",
        "seller_account_name",
    ],
)
def test_columns_of_the_ledger_cannot_be_set(shop: Shop, name: str) -> None:
    error = refused(shop, **{name: "1"})
    assert error.parameter == name
    assert "set by this package" in str(error)


@on_the_legacy_gateway
def test_a_second_amount_is_refused(shop: Shop) -> None:
    refused(shop, price="0.01", quantity=1)


@on_each_gateway
@pytest.mark.parametrize("value", [b"green", {1, 2}, object()])
def test_a_value_that_the_database_cannot_store_is_rejected(shop: Shop, value: object) -> None:
    assert refused(shop, body=value).parameter == "body"


@on_each_gateway
def test_expires_at_is_recorded_and_sent_to_the_gateway(shop: Shop, merchant: Merchant) -> None:
    end = utc_now().replace(microsecond=0) + timedelta(minutes=30)
    number = shop.order(expires_at=end)
    assert shop.payment(number).expires_at == end
    params = merchant.request_at(shop.look("pay", number).location)
    if merchant.protocol == "openapi":
        assert f'"time_expire":"{format_china_time(end)}"' in params["biz_content"]
    else:
        assert params["it_b_pay"] == "30m"


@on_each_gateway
def test_a_naive_expires_at_is_refused(shop: Shop) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - that it is naive is the point
    assert refused(shop, expires_at=naive).parameter == "expires_at"


@pytest.mark.parametrize(
    ("merchant", "name"),
    [(("openapi", "RSA2", "utf-8"), "timeout_express"), (("mapi", "MD5", "utf-8"), "it_b_pay")],
    indirect=["merchant"],
)
def test_the_gateways_timeout_sets_the_expiry(shop: Shop, name: str) -> None:
    expires_at = shop.payment(shop.order(**{name: "2h"})).expires_at
    assert abs(expires_at - utc_now() - timedelta(hours=2)) < timedelta(minutes=1)


def test_without_either_it_does_not_expire(shop: Shop) -> None:
    assert shop.payment(shop.order()).expires_at is None


# URLs


@pytest.mark.parametrize("kind", ["checkout", "pay", "result", "status"])
def test_no_url_of_the_package_contains_the_number(shop: Shop, kind: str) -> None:
    number = shop.order()
    url = shop.url(kind, number)
    assert url.startswith(f"/alipay/{kind}/")
    assert number not in url
    assert "88" not in url.removeprefix(f"/alipay/{kind}/")[:8]


def test_each_page_has_a_separate_token(shop: Shop) -> None:
    number = shop.order()
    tokens = {shop.url(kind, number).rsplit("/", 1)[1] for kind in ("checkout", "pay", "result")}
    assert len(tokens) == 3


@on_each_gateway
def test_the_gateways_url_is_signed(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    params = merchant.request_at(shop.url("gateway", number))
    assert number in (params.get("out_trade_no") or params["biz_content"])
    assert params["notify_url"] == "http://localhost/alipay/notify"
    assert params["return_url"] == "http://localhost/alipay/return"


@on_each_gateway
def test_configured_urls_take_precedence(open_shop: OpenShop, merchant: Merchant) -> None:
    defaults = {"NOTIFY_URL": "https://shop.example/n", "RETURN_URL": "https://shop.example/r"}
    shop = open_shop(merchant.settings | defaults)
    params = merchant.request_at(shop.url("gateway", shop.order()))
    assert (params["notify_url"], params["return_url"]) == (
        defaults["NOTIFY_URL"],
        defaults["RETURN_URL"],
    )


def test_a_request_can_be_a_form(shop: Shop) -> None:
    number = shop.order()
    with shop.app.test_request_context():
        payment = db.session.scalar(db.select(Payment).filter_by(out_trade_no=number))
        form = shop.alipay.gateway_request(payment).form(nonce="abc")
    assert 'method="post"' in form
    assert '<script nonce="abc">' in form


def test_the_gateway_is_there_for_everything_else(shop: Shop) -> None:
    with shop.app.app_context():
        assert isinstance(shop.alipay.gateway, OpenApiGateway)


@on_the_legacy_gateway
def test_the_legacy_gateway_is_there_for_everything_else(shop: Shop) -> None:
    with shop.app.app_context():
        assert isinstance(shop.alipay.gateway, MapiGateway)


# Callbacks

EVENTS = ("on_paid", "on_failed", "on_refunded", "on_finished")


@pytest.mark.parametrize("event", EVENTS)
def test_a_decorator_returns_the_callback_unchanged(event: str) -> None:
    def callback(payment: object) -> None: ...

    alipay = new_blueprint()
    assert getattr(alipay, event)(callback) is callback


def test_a_callback_may_be_added_before_registration(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    alipay, seen = new_blueprint(), []
    alipay.on_paid(seen.append)
    shop = open_shop(merchant, alipay=alipay)
    shop.notify(merchant.notification(shop.order()))
    assert len(seen) == 1


def test_a_callback_may_be_added_after_registration(shop: Shop, merchant: Merchant) -> None:
    seen: list[object] = []
    shop.look("checkout", shop.order())
    shop.alipay.on_paid(seen.append)
    shop.notify(merchant.notification(shop.order()))
    assert len(seen) == 1


def test_callbacks_may_be_given_to_the_constructor(open_shop: OpenShop, merchant: Merchant) -> None:
    paid, failed = [], []
    alipay = new_blueprint(on_paid=paid.append, on_failed=failed.append)
    shop = open_shop(merchant, alipay=alipay)
    shop.notify(merchant.notification(shop.order()))
    shop.notify(merchant.notification(shop.order(), trade_status="TRADE_CLOSED"))
    assert (len(paid), len(failed)) == (1, 1)


def test_several_callbacks_are_called_in_order(shop: Shop, merchant: Merchant) -> None:
    calls: list[int] = []
    for number in range(3):
        shop.alipay.on_paid(note(calls, number))
    shop.notify(merchant.notification(shop.order()))
    assert calls == [0, 1, 2]


def test_a_callback_gets_an_object_of_the_apps_class(shop: Shop, merchant: Merchant) -> None:
    seen: list[Any] = []
    shop.alipay.on_paid(lambda payment: seen.append((type(payment), payment.gift_note)))
    shop.notify(merchant.notification(shop.order(gift_note="for Anna")))
    assert seen == [(Payment, "for Anna")]


def test_a_callback_sees_the_payment_as_it_will_be(shop: Shop, merchant: Merchant) -> None:
    seen: list[Any] = []
    shop.alipay.on_paid(lambda payment: seen.append((payment.paid, payment.trade_status)))
    shop.notify(merchant.notification(shop.order()))
    assert seen == [(True, "TRADE_SUCCESS")]


def test_a_sale_that_is_finished_at_once_is_both(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number, trade_status="TRADE_FINISHED"))
    assert shop.called == [("paid", number), ("finished", number)]


def note(calls: list[int], number: int) -> Callable[[object], None]:
    return lambda payment: calls.append(number)


# As a blueprint


def test_it_is_a_blueprint() -> None:
    assert isinstance(new_blueprint(), Blueprint)


def test_it_accepts_the_arguments_of_a_blueprint(open_shop: OpenShop, merchant: Merchant) -> None:
    alipay = new_blueprint(name="pay", url_prefix="/pay")
    shop = open_shop(merchant, alipay=alipay, url_prefix=None)
    assert shop.url("checkout", shop.order()).startswith("/pay/checkout/")


def test_the_routes_are_the_documented_ones(shop: Shop) -> None:
    rules = {
        (rule.rule, rule.endpoint, tuple(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})))
        for rule in shop.app.url_map.iter_rules()
        if rule.endpoint.startswith("alipay.")
    }
    assert rules == {
        ("/alipay/checkout/<token>", "alipay.checkout", ("GET",)),
        ("/alipay/pay/<token>", "alipay.pay", ("GET",)),
        ("/alipay/notify", "alipay.notify", ("POST",)),
        ("/alipay/return", "alipay.return", ("GET",)),
        ("/alipay/result/<token>", "alipay.result", ("GET",)),
        ("/alipay/status/<token>", "alipay.status", ("GET",)),
    }


def test_the_journal_and_the_refunds_are_optional(open_shop: OpenShop, merchant: Merchant) -> None:
    shop = open_shop(merchant, alipay=AlipayBlueprint(db, Payment))
    number = shop.order()
    assert shop.notify(merchant.notification(number)).data == b"success"
    assert shop.notify(merchant.notification(number, refund_fee="1.00")).data == b"success"
    assert shop.notify(merchant.notification("another")).data == b"fail"
    assert (shop.payment(number).refunded_fen, shop.journal()) == (100, [])


def test_refunds_are_optional_where_there_is_a_journal(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    shop = open_shop(merchant, alipay=AlipayBlueprint(db, Payment, Notification=Notification))
    number = shop.order()
    shop.notify(merchant.notification(number))
    shop.notify(merchant.notification(number, refund_fee="1.00"))
    assert shop.journal() == ["settled", "settled"]


def test_a_refund_is_written_down(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number))
    shop.notify(merchant.notification(number, refund_fee="1.00", out_biz_no="R1"))
    with shop.app.app_context():
        (refund,) = db.session.scalars(db.select(Refund))
        assert (refund.out_request_no, refund.refund_fen) == ("R1", 100)
