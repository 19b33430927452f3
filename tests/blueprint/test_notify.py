"""Settlement of notifications, and their rows in the journal."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from flask_alipay.exceptions import OutcomeUnknown
from flask_alipay.gateways.transport import HttpTransport
from flask_alipay.signer import RsaSigner

from ..doubles.local_server import LocalServer
from ..doubles.merchant import (
    BUYER_EMAIL,
    BUYER_ID,
    PARTNER,
    SELLER_EMAIL,
    Merchant,
    in_each_charset,
    on_each_gateway,
    on_the_legacy_gateway,
    with_the_shared_key,
)
from ..doubles.shop import FORM, Shipment, Shop, db
from .conftest import Confirmations, OpenShop, Refusals, assert_discreet

Log = Callable[[], list[logging.LogRecord]]

REAL_GET = HttpTransport.get
#: A server that ends the body of a chunked request by itself says so.
WITHOUT_LENGTH = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}


# A sale


@in_each_charset
def test_the_response_to_a_sale_is_exactly_success(shop: Shop, merchant: Merchant) -> None:
    answer = shop.notify(merchant.notification(shop.order()))
    assert answer.data == b"success"
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; charset=utf-8"


@in_each_charset
def test_a_sale_is_in_the_ledger(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number))
    payment = shop.payment(number)
    assert (payment.paid, payment.trade_status) == (True, "TRADE_SUCCESS")
    assert (payment.trade_no, payment.buyer_id) == (f"trade-{number}", BUYER_ID)
    assert payment.paid_at.isoformat() == "2026-01-01T16:00:02+00:00"


@on_each_gateway
def test_the_shop_is_notified_of_a_sale(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number))
    assert shop.called == [("paid", number)]


@on_each_gateway
def test_a_sale_is_journalled(shop: Shop, merchant: Merchant) -> None:
    shop.notify(merchant.notification(shop.order()))
    assert shop.journal() == ["settled"]


@on_each_gateway
def test_a_sale_is_logged_without_buyer_data(shop: Shop, merchant: Merchant, log: Log) -> None:
    body = merchant.notification(shop.order())
    shop.notify(body)
    (record,) = log()
    assert record.levelno == logging.INFO
    assert_discreet(record.getMessage(), body)


@on_each_gateway
def test_a_duplicate_is_acknowledged_and_does_nothing(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    body = merchant.notification(number)
    assert [shop.notify(body).data for _ in range(3)] == [b"success"] * 3
    assert shop.called == [("paid", number)]
    assert shop.journal() == ["settled", "duplicate", "duplicate"]


def test_concurrent_copies_of_one_notification_are_one_sale(shop: Shop, merchant: Merchant) -> None:
    @shop.alipay.on_paid
    def ship(payment) -> None:
        db.session.add(Shipment(out_trade_no=payment.out_trade_no))

    number = shop.order()
    body = merchant.notification(number)
    with ThreadPoolExecutor(4) as ways:
        responses = list(ways.map(lambda _: shop.notify(body).data, range(12)))
    assert set(responses) == {b"success"}
    assert shop.shipments() == [number]
    assert shop.journal() == ["settled"] + ["duplicate"] * 11


def test_an_older_notification_arriving_late_is_acknowledged_and_changes_nothing(
    shop: Shop, merchant: Merchant
) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number))
    old = merchant.notification(number, trade_status="WAIT_BUYER_PAY", gmt_payment=None)
    assert shop.notify(old).data == b"success"
    assert shop.payment(number).trade_status == "TRADE_SUCCESS"
    assert shop.journal() == ["settled", "stale"]


def test_a_trade_closed_without_payment_is_a_failure(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    body = merchant.notification(number, trade_status="TRADE_CLOSED", gmt_payment=None)
    assert shop.notify(body).data == b"success"
    assert shop.called == [("failed", number)]
    assert not shop.payment(number).paid


def test_a_refunded_amount_is_a_refund(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number))
    body = merchant.notification(
        number, notify_id="another", refund_fee="8.88", gmt_refund="2026-01-03 00:00:00.123"
    )
    assert shop.notify(body).data == b"success"
    assert shop.called == [("paid", number), ("refunded", number)]
    assert shop.payment(number).refunded_fen == 888


def test_a_pending_trade_is_no_money(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number, trade_status="TRADE_PENDING"))
    assert not shop.payment(number).paid
    assert shop.called == []


@pytest.mark.parametrize(
    "content_type", [FORM, f"{FORM}; charset=UTF-8", f"{FORM};charset=GBK", FORM.title(), None]
)
def test_a_form_is_taken_however_it_is_labelled(
    shop: Shop, merchant: Merchant, content_type: str | None
) -> None:
    body = merchant.notification(shop.order())
    assert shop.notify(body, content_type=content_type).data == b"success"


def test_a_body_without_a_length_is_taken(shop: Shop, merchant: Merchant) -> None:
    body = merchant.notification(shop.order())
    answer = shop.notify(body, environ_overrides=WITHOUT_LENGTH)
    assert answer.data == b"success"


@on_the_legacy_gateway
def test_a_notification_in_another_charset_than_configured_is_read(keys, shop: Shop) -> None:
    gbk = Merchant("mapi", "MD5", "gbk", keys)
    assert shop.notify(gbk.notification(shop.order())).data == b"success"


def test_the_session_that_a_before_request_has_begun_does_no_harm(
    shop: Shop, merchant: Merchant
) -> None:
    shop.app.before_request(lambda: db.session.execute(text("SELECT 1")) and None)
    number = shop.order()
    assert shop.notify(merchant.notification(number)).data == b"success"
    assert shop.payment(number).paid


def test_a_body_that_the_app_has_looked_at_is_still_read(shop: Shop, merchant: Merchant) -> None:
    from flask import request

    shop.app.before_request(lambda: request.get_data() and None)
    assert shop.notify(merchant.notification(shop.order())).data == b"success"


def test_get_is_not_a_way_to_notify(shop: Shop) -> None:
    assert shop.client.get("/alipay/notify").status_code == 405


# Callbacks


def test_rows_added_by_a_callback_are_committed_with_the_payment(
    shop: Shop, merchant: Merchant
) -> None:
    @shop.alipay.on_paid
    def ship(payment) -> None:
        db.session.add(Shipment(out_trade_no=payment.out_trade_no))

    number = shop.order()
    shop.notify(merchant.notification(number))
    assert shop.shipments() == [number]


@on_each_gateway
def test_a_callback_that_raises_rolls_everything_back(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    number = shop.order()
    shop.alipay.on_paid(ship_and_then(RuntimeError("out of paper")))
    before = shop.ledger()
    answer = shop.notify(merchant.notification(number))
    assert (answer.data, answer.status_code) == (b"fail", 503)
    assert (shop.ledger(), shop.shipments()) == (before, [])
    assert shop.journal() == ["callback_failed"]


@on_each_gateway
def test_a_sale_whose_callback_failed_is_settled_once_on_retry(
    shop: Shop, merchant: Merchant
) -> None:
    number = shop.order()
    shop.alipay.on_paid(ship_and_then(RuntimeError("out of paper"), None, None))
    body = merchant.notification(number)
    assert [shop.notify(body).data for _ in range(3)] == [b"fail", b"success", b"success"]
    assert shop.shipments() == [number]
    assert shop.journal() == ["callback_failed", "settled", "duplicate"]


def test_a_callback_that_raises_is_logged_without_buyer_data(
    shop: Shop, merchant: Merchant, log: Log
) -> None:
    shop.alipay.on_paid(ship_and_then(RuntimeError("out of paper")))
    body = merchant.notification(shop.order())
    shop.notify(body)
    calls = "\n".join(logging.Formatter().format(record) for record in log())
    assert "out of paper" in calls
    assert_discreet(calls, body)


def test_a_callback_must_not_commit(shop: Shop, merchant: Merchant) -> None:
    shop.alipay.on_paid(lambda payment: db.session.commit())
    number = shop.order()
    assert shop.notify(merchant.notification(number)).data == b"fail"
    assert not shop.payment(number).paid


def ship_and_then(*endings: Exception | None) -> Callable[[object], None]:
    """Return a callback that ships, and raises or not, with one ending per call."""
    left = list(endings)

    def ship(payment) -> None:
        db.session.add(Shipment(out_trade_no=payment.out_trade_no))
        ending = left.pop(0)
        if ending is not None:
            raise ending

    return ship


# What is journalled of proven news that is refused


@on_each_gateway
def test_a_notification_of_an_unknown_order_is_rejected_and_journalled(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    shop.order()
    assert refusals.of(merchant.notification("20260102000000000001")).status_code == 404
    assert (refusals.reason, shop.journal()) == ("unknown", ["unknown"])


@on_each_gateway
@pytest.mark.parametrize("amount", ["88.87", "88.89", "0.01", "0.00", "8888.00", "100000000.00"])
def test_a_notification_of_another_amount_is_rejected_and_journalled(
    shop: Shop, merchant: Merchant, refusals: Refusals, amount: str
) -> None:
    body = merchant.notification(shop.order(), **{merchant.amount: amount})
    assert refusals.of(body).status_code == 409
    assert (refusals.reason, shop.journal()) == ("mismatched", ["mismatched"])


@on_each_gateway
def test_a_notification_in_another_currency_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    assert refusals.of(merchant.notification(shop.order(), currency="JPY")).status_code in (
        400,
        409,
    )


def test_alipays_number_cannot_pay_two_orders(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    shop.notify(merchant.notification(shop.order(), trade_no="one"))
    refusals.of(merchant.notification(shop.order(), trade_no="one"))
    assert shop.journal() == ["settled", "mismatched"]


def test_a_second_trade_for_a_paid_order_is_refused(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number, trade_no="one"))
    refusals.of(merchant.notification(number, trade_no="two"))
    assert shop.journal() == ["settled", "mismatched"]


@pytest.mark.parametrize("body", [b"", None], ids=["refused", "settled"])
def test_the_response_is_not_cached(shop: Shop, merchant: Merchant, body: bytes | None) -> None:
    answer = shop.notify(merchant.notification(shop.order()) if body is None else body)
    calls = {
        "Cache-Control": "no-store",
        "Content-Type": "text/plain; charset=utf-8",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "X-Content-Type-Options": "nosniff",
    }
    assert {name: answer.headers.getlist(name) for name in calls} == {
        name: [value] for name, value in calls.items()
    }


def test_a_journal_that_cannot_be_written_gives_no_buyer_data_away(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    with shop.app.app_context():
        db.session.execute(text("DROP TABLE alipay_notification"))
        db.session.commit()
    at_once = {"gmt_payment": "2026-02-03 10:12:13", "notify_time": "2026-02-03 10:12:14"}
    refusals.of(merchant.notification("20260102000000000001", **at_once), lines=2)


def test_a_duplicate_that_cannot_be_recorded_gets_fail(
    shop: Shop, merchant: Merchant, log: Log
) -> None:
    number = shop.order()
    body = merchant.notification(number)
    shop.notify(body)
    before = len(log())
    with shop.app.app_context():
        db.session.execute(text("DROP TABLE alipay_notification"))
        db.session.commit()
    answer = shop.notify(body)
    assert (answer.data, answer.status_code) == (b"fail", 503)
    (record,) = log()[before:]
    assert_discreet(logging.Formatter().format(record), body)
    assert shop.called == [("paid", number)]


def test_an_unavailable_ledger_gets_fail(shop: Shop, merchant: Merchant, log: Log) -> None:
    body = merchant.notification(shop.order())
    with shop.app.app_context():
        db.session.execute(text("DROP TABLE alipay_payment"))
        db.session.commit()
    answer = shop.notify(body)
    assert (answer.data, answer.status_code) == (b"fail", 503)
    (record,) = log()
    assert "no such table: alipay_payment" in record.getMessage()
    assert_discreet(logging.Formatter().format(record), body)


# Whose account


@on_each_gateway
def test_a_notification_for_another_seller_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    body = merchant.notification(
        shop.order(), seller_id="2088111111111111", seller_email="mallory@example.net"
    )
    assert refusals.of(body).status_code == 403
    assert (refusals.reason, shop.journal()) == ("wrong_account", [])


def test_a_notification_for_another_application_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    assert refusals.of(merchant.notification(shop.order(), app_id="9021000000000666"))
    assert refusals.reason == "wrong_account"


@pytest.mark.parametrize("app_id", [None, ""])
def test_a_notification_without_an_application_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals, app_id: str | None
) -> None:
    refusals.of(merchant.notification(shop.order(), app_id=app_id))
    assert refusals.reason == "wrong_account"


@with_the_shared_key
def test_alipays_signature_does_not_identify_the_merchant(
    open_shop: OpenShop, merchant: Merchant, log: Log
) -> None:
    shop = open_shop(merchant.settings | {"NOTIFY_VERIFY": False})
    body = merchant.notification(shop.order(), seller_id=None, seller_email=None)
    Refusals(shop, log).of(body)


@with_the_shared_key
def test_a_seller_is_known_by_the_address_too(shop: Shop, merchant: Merchant) -> None:
    body = merchant.notification(
        shop.order(), seller_id=None, seller_email=SELLER_EMAIL.capitalize()
    )
    assert shop.notify(body).data == b"success"


@with_the_shared_key
def test_a_seller_is_known_by_the_number_too(shop: Shop, merchant: Merchant) -> None:
    body = merchant.notification(shop.order(), seller_id=PARTNER, seller_email=None)
    assert shop.notify(body).data == b"success"


@with_the_shared_key
def test_a_notification_confirmed_for_another_merchant_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals, confirmations: Confirmations
) -> None:
    confirmations.answer = b"false"
    refusals.of(merchant.notification(shop.order()))
    assert refusals.reason == "not_confirmed"


@on_each_gateway
def test_a_payment_of_another_merchant_in_the_same_ledger_is_not_touched(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    number = shop.order()
    shop.change(number, merchant="9021000000000666")
    refusals.of(merchant.notification(number))
    assert refusals.reason == "unknown"


# notify_verify


@on_the_legacy_gateway
def test_a_notification_is_confirmed_by_its_number(
    shop: Shop, merchant: Merchant, confirmations: Confirmations
) -> None:
    shop.notify(merchant.notification(shop.order(), notify_id="RqPnCoPT3K9%2Fvwbh3I"))
    assert confirmations.requested == [
        {"service": "notify_verify", "partner": PARTNER, "notify_id": "RqPnCoPT3K9%2Fvwbh3I"}
    ]


def test_the_open_platform_has_no_notify_verify(
    shop: Shop, merchant: Merchant, confirmations: Confirmations
) -> None:
    shop.notify(merchant.notification(shop.order()))
    assert confirmations.requested == []


@on_the_legacy_gateway
@pytest.mark.parametrize(
    "response", [b"false", b"invalid", b"", b"TRUE", b"true false", b"<html>true</html>", b"\xff"]
)
def test_a_notification_that_notify_verify_does_not_confirm_is_rejected(
    shop: Shop,
    merchant: Merchant,
    refusals: Refusals,
    confirmations: Confirmations,
    response: bytes,
) -> None:
    confirmations.answer = response
    assert refusals.of(merchant.notification(shop.order())).status_code == 403
    assert (refusals.reason, shop.journal()) == ("not_confirmed", [])


@on_the_legacy_gateway
def test_a_missing_confirmation_is_no_success(
    shop: Shop, merchant: Merchant, refusals: Refusals, confirmations: Confirmations
) -> None:
    confirmations.answer = OutcomeUnknown("the gateway did not respond (ReadTimeout)")
    body = merchant.notification(shop.order())
    assert refusals.of(body).status_code == 503
    confirmations.answer = b"true"
    assert shop.notify(body).data == b"success"


@on_the_legacy_gateway
@pytest.mark.parametrize("notify_id", [None, ""])
def test_a_notification_without_a_number_cannot_be_confirmed(
    shop: Shop,
    merchant: Merchant,
    refusals: Refusals,
    confirmations: Confirmations,
    notify_id: str | None,
) -> None:
    refusals.of(merchant.notification(shop.order(), notify_id=notify_id))
    assert confirmations.requested == []


@on_the_legacy_gateway
def test_a_forgery_causes_no_notify_verify_request(
    shop: Shop, merchant: Merchant, refusals: Refusals, confirmations: Confirmations
) -> None:
    refusals.of(merchant.encoded(merchant.notification_params(shop.order())))
    assert confirmations.requested == []


@on_the_legacy_gateway
@pytest.mark.parametrize("off", [False, "false", "0", 0])
def test_confirmations_can_be_switched_off(
    open_shop: OpenShop, merchant: Merchant, confirmations: Confirmations, off: object
) -> None:
    shop = open_shop(merchant.settings | {"NOTIFY_VERIFY": off})
    assert shop.notify(merchant.notification(shop.order())).data == b"success"
    assert confirmations.requested == []


@on_the_legacy_gateway
@pytest.mark.parametrize("on", [None, True, "", "true"])
def test_confirmations_are_on_unless_they_are_switched_off(
    open_shop: OpenShop, merchant: Merchant, confirmations: Confirmations, on: object
) -> None:
    shop = open_shop(merchant.settings | {"NOTIFY_VERIFY": on})
    shop.notify(merchant.notification(shop.order()))
    assert len(confirmations.requested) == 1


@pytest.fixture
def slow_alipay(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve a gateway on this machine that responds slowly; return its URL."""
    monkeypatch.setattr(HttpTransport, "get", REAL_GET)
    over = threading.Event()

    server = LocalServer(lambda request: over.wait(5))
    yield server.url
    over.set()
    server.close()


@on_the_legacy_gateway
def test_a_gateway_that_takes_its_time_is_not_waited_for(
    open_shop: OpenShop, merchant: Merchant, slow_alipay: str, log: Log
) -> None:
    shop = open_shop(merchant.settings | {"GATEWAY_URL": slow_alipay, "TIMEOUT": 0.1})
    assert Refusals(shop, log).of(merchant.notification(shop.order())).status_code == 503


# Several merchants


def test_two_merchants_of_one_ledger_do_not_settle_each_others_payments(
    open_shop: OpenShop, keys, log: Log
) -> None:
    merchant_here = Merchant("openapi", "RSA2", "utf-8", keys)
    other_merchant = Merchant("openapi", "RSA2", "utf-8", keys, number="9021000000000002")
    shop = open_shop(merchant_here)
    Refusals(shop, log).of(other_merchant.notification(shop.order()))


@on_the_legacy_gateway
def test_the_sign_type_is_the_configurations_and_never_the_messages(
    shop: Shop, merchant: Merchant, refusals: Refusals, keys
) -> None:
    rsa = RsaSigner(keys.alipay)
    refusals.of(merchant.encoded(merchant.signed(merchant.notification_params(shop.order()), rsa)))
    assert refusals.reason == "bad_signature"


def test_the_address_of_the_buyer_stays_in_the_journal(shop: Shop, merchant: Merchant) -> None:
    shop.notify(merchant.notification(shop.order(), buyer_email=BUYER_EMAIL))
    with shop.app.app_context():
        (payload,) = db.session.scalars(text("SELECT payload FROM alipay_notification"))
    assert BUYER_EMAIL in payload
