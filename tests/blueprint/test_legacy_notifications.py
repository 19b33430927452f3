"""Notifications of the legacy gateway only: batches, escrow, foreign currency, and WAP payments."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

import pytest

from flask_alipay.models import utc_now
from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.signals import notification_refused, payment_refunded, transfer_batch_notified

from ..doubles.merchant import (
    BUYER_EMAIL,
    BUYER_ID,
    MAPI_MD5,
    MAPI_RSA,
    OPENAPI,
    PARTNER,
    SELLER_EMAIL,
    Merchant,
    _params,
    on_the_legacy_gateway,
    with_the_shared_key,
)
from ..doubles.shop import Shop, db
from .conftest import Confirmations, OpenShop, Refusals, assert_discreet

Log = Callable[[], list[logging.LogRecord]]

BATCH = "20260131001"
PAYEE = "payee@example.org"

on_mapi = _params(MAPI_MD5, MAPI_RSA)
on_mapi_in_each_charset = _params(
    MAPI_MD5, MAPI_RSA, ("mapi", "MD5", "gbk"), ("mapi", "RSA", "gbk")
)


def signed(merchant: Merchant, fields: dict[str, str]) -> bytes:
    return merchant.encoded(merchant.signed(fields))


def refunds(merchant: Merchant, details: str, **changes: str) -> bytes:
    """Return the result of a batch of refunds: it names no order and no seller."""
    fields = {
        "notify_type": "batch_refund_notify",
        "notify_id": "notify-batch",
        "notify_time": format_china_time(utc_now()),
        "batch_no": BATCH,
        "success_num": "1",
        "result_details": details,
    }
    return signed(merchant, fields | changes)


def transfers(merchant: Merchant, **changes: str) -> bytes:
    fields = {
        "notify_type": "batch_trans_notify",
        "notify_id": "notify-batch",
        "notify_time": format_china_time(utc_now()),
        "batch_no": BATCH,
        "pay_user_id": PARTNER,
        "pay_user_name": "茶店",
        "pay_account_no": "20880000000000010156",
        "success_details": f"S1^{PAYEE}^安娜^20.00^S^^200810248427067^20081024143652|",
        "fail_details": f"S2^{PAYEE}^安娜^1.00^F^ERROR_OTHER_NOT_REALNAMED^2008^20081024143652|",
    }
    return signed(merchant, fields | changes)


def sold(shop: Shop, merchant: Merchant, **details: Any) -> tuple[str, str]:
    """Insert a sale; return its order number and Alipay's number."""
    number = shop.order(**details)
    trade_no = f"{number}00"
    assert shop.notify(merchant.notification(number, trade_no=trade_no)).data == b"success"
    shop.called.clear()
    return number, trade_no


def request_refund(shop: Shop, number: str, amount: str = "10.00") -> str:
    """Request a refund as the shop does; return the number of the batch."""
    with shop.app.test_request_context():
        payment = db.session.scalar(shop._query(number))
        shop.alipay.refund_url(payment, amount, reason="too green")
    return shop.ledger()[-1][_column("out_request_no")]  # type: ignore[no-any-return]


def _column(name: str) -> int:
    from ..doubles.shop import Refund

    return [column.key for column in Refund.__mapper__.columns].index(name)


# Refunds


@on_mapi
def test_a_batch_of_refunds_is_settled_once(shop: Shop, merchant: Merchant) -> None:
    number, trade_no = sold(shop, merchant)
    body = refunds(merchant, f"{trade_no}^10.00^SUCCESS$shop@example.com^{PARTNER}^0.05^SUCCESS")
    for _ in range(3):
        answer = shop.notify(body)
        assert (answer.status_code, answer.data) == (200, b"success")
    assert shop.called == [("refunded", number)]
    assert shop.payment(number).refunded_fen == 1000
    assert shop.journal() == ["settled", "settled", "duplicate", "duplicate"]


@on_mapi
def test_a_requested_refund_is_found_by_its_batch(shop: Shop, merchant: Merchant) -> None:
    number, trade_no = sold(shop, merchant)
    batch_no = request_refund(shop, number)
    shop.notify(refunds(merchant, f"{trade_no}^10.00^SUCCESS", batch_no=batch_no))
    _, refund = shop.ledger()
    assert refund[_column("status")] == "REFUND_SUCCESS"
    assert shop.called == [("refunded", number)]


@on_the_legacy_gateway
@pytest.mark.parametrize("confirmed", [True, False])
@pytest.mark.parametrize("sent_at", ["29 days ago", "", "soon"])
def test_an_old_batch_is_rejected(
    open_shop: OpenShop, merchant: Merchant, log: Log, confirmed: bool, sent_at: str
) -> None:
    """The rows of the journal that would make its results duplicates may be deleted."""
    shop = open_shop({**merchant.settings, "NOTIFY_VERIFY": confirmed})
    refusals = Refusals(shop, log)
    if sent_at == "29 days ago":
        sent_at = format_china_time(utc_now() - timedelta(days=29))
    _, trade_no = sold(shop, merchant)
    received: list[Any] = []
    with transfer_batch_notified.connected_to(lambda *_, **batch: received.append(batch), shop.app):
        for body in (
            refunds(merchant, f"{trade_no}^10.00^SUCCESS", notify_time=sent_at),
            transfers(merchant, notify_time=sent_at),
        ):
            assert refusals.of(body).status_code == 403
            assert refusals.reason == "not_confirmed"
    assert (shop.called, received, shop.journal()) == ([], [], ["settled"])


@on_the_legacy_gateway
def test_a_batch_that_was_delayed_for_weeks_is_settled(shop: Shop, merchant: Merchant) -> None:
    number, trade_no = sold(shop, merchant)
    sent_at = format_china_time(utc_now() - timedelta(days=27))
    body = refunds(merchant, f"{trade_no}^10.00^SUCCESS", notify_time=sent_at)
    assert shop.notify(body).data == b"success"
    assert shop.called == [("refunded", number)]


@on_the_legacy_gateway
def test_the_signal_of_a_refund_is_sent_once(shop: Shop, merchant: Merchant) -> None:
    number, trade_no = sold(shop, merchant)
    received: list[tuple[str, int]] = []

    def listen(app: object, alipay: object, payment: Any) -> None:
        received.append((payment.out_trade_no, payment.refunded_fen))

    with payment_refunded.connected_to(listen, shop.app):
        for _ in range(2):
            shop.notify(refunds(merchant, f"{trade_no}^10.00^SUCCESS"))
    assert received == [(number, 1000)]


@on_the_legacy_gateway
def test_committed_refunds_of_a_batch_are_notified_if_the_rest_is_rejected(
    shop: Shop, merchant: Merchant
) -> None:
    number, trade_no = sold(shop, merchant)
    received: list[str] = []

    def listen(app: object, alipay: object, payment: Any = None, error: Any = None) -> None:
        received.append(error.reason if payment is None else payment.out_trade_no)

    body = refunds(merchant, f"trade-of-nobody^1.00^SUCCESS#{trade_no}^10.00^SUCCESS")
    with (
        payment_refunded.connected_to(listen, shop.app),
        notification_refused.connected_to(listen, shop.app),
    ):
        answer = shop.notify(body)
    assert (answer.status_code, answer.data) == (404, b"fail")
    assert received == [number, "unknown"]
    assert shop.called == [("refunded", number)]


@on_the_legacy_gateway
def test_only_the_refund_whose_callback_failed_is_settled_on_retry(
    shop: Shop, merchant: Merchant
) -> None:
    first, second = sold(shop, merchant), sold(shop, merchant)
    body = refunds(
        merchant, "#".join(f"{trade_no}^10.00^SUCCESS" for _, trade_no in (first, second))
    )
    endings: list[Callable[[], object]] = [lambda: 1 / 0]
    shop.alipay.on_refunded(lambda payment: endings.pop()() if endings else None)
    answer = shop.notify(body)
    assert (answer.status_code, answer.data) == (503, b"fail")
    shop.called.clear()
    assert shop.notify(body).data == b"success"
    assert shop.called == [("refunded", first[0])]
    assert [shop.payment(number).refunded_fen for number, _ in (first, second)] == [1000, 1000]


@with_the_shared_key
def test_a_batch_that_notify_verify_does_not_confirm_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals, confirmations: Confirmations
) -> None:
    # Its key signs for every merchant, and the batch names none.
    _, trade_no = sold(shop, merchant)
    confirmations.answer = b"false"
    refusals_of = refusals.of(refunds(merchant, f"{trade_no}^10.00^SUCCESS"))
    assert (refusals_of.status_code, refusals.reason) == (403, "not_confirmed")


@with_the_shared_key
def test_a_batch_of_unknown_merchant_is_rejected_without_notify_verify(
    open_shop: OpenShop, merchant: Merchant, log: Log, confirmations: Confirmations
) -> None:
    shop = open_shop({**merchant.settings, "NOTIFY_VERIFY": False})
    refusals = Refusals(shop, log)
    _, trade_no = sold(shop, merchant)
    for body in (refunds(merchant, f"{trade_no}^10.00^SUCCESS"), transfers(merchant)):
        assert refusals.of(body).status_code == 403
        assert refusals.reason == "wrong_account"
    assert confirmations.requested == []


@on_the_legacy_gateway
def test_md5_is_sufficient_without_notify_verify(open_shop: OpenShop, merchant: Merchant) -> None:
    shop = open_shop({**merchant.settings, "NOTIFY_VERIFY": False})
    number, trade_no = sold(shop, merchant)
    assert shop.notify(refunds(merchant, f"{trade_no}^10.00^SUCCESS")).data == b"success"
    assert shop.called == [("refunded", number)]


@on_the_legacy_gateway
@pytest.mark.parametrize(
    ("details", "status", "reason"),
    [
        ("{}^10.00", 400, "malformed"),
        ("{}^-10.00^SUCCESS", 400, "malformed"),
        ("", 400, "malformed"),
        ("{}^88.89^SUCCESS", 409, "mismatched"),
        ("{}^0.00^SUCCESS", 409, "mismatched"),
        ("trade-of-nobody^10.00^SUCCESS", 404, "unknown"),
    ],
)
def test_a_batch_that_cannot_be_is_refused(
    shop: Shop, merchant: Merchant, refusals: Refusals, details: str, status: int, reason: str
) -> None:
    _, trade_no = sold(shop, merchant)
    answer = refusals.of(refunds(merchant, details.format(trade_no)))
    assert (answer.status_code, refusals.reason) == (status, reason)


@on_the_legacy_gateway
def test_an_amount_other_than_the_requested_one_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    number, trade_no = sold(shop, merchant)
    batch_no = request_refund(shop, number)
    body = refunds(merchant, f"{trade_no}^10.01^SUCCESS", batch_no=batch_no)
    assert refusals.of(body).status_code == 409
    assert refusals.reason == "mismatched"


@on_the_legacy_gateway
def test_a_forged_batch_is_refused(shop: Shop, merchant: Merchant, refusals: Refusals) -> None:
    _, trade_no = sold(shop, merchant)
    body = refunds(merchant, f"{trade_no}^10.00^SUCCESS").replace(b"10.00", b"80.00")
    refusals.of(body)
    assert refusals.reason == "bad_signature"


@_params(OPENAPI)
def test_the_open_platform_has_no_batches(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    fields = {"notify_type": "batch_refund_notify", "batch_no": BATCH, "result_details": "T^1^S"}
    refusals.of(signed(merchant, fields | {"app_id": merchant.settings["APP_ID"]}))
    assert refusals.reason == "malformed"


@on_the_legacy_gateway
def test_a_request_for_refunds_is_not_their_result(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    # The merchant signs requests with the same MD5 key, and a browser carries them.
    _, trade_no = sold(shop, merchant)
    changes = {"service": "refund_fastpay_by_platform_pwd", "partner": PARTNER}
    refusals.of(refunds(merchant, f"{trade_no}^10.00^SUCCESS", **changes))
    assert refusals.reason == "malformed"


@on_the_legacy_gateway
def test_a_batch_of_a_thousand_is_not_too_large(shop: Shop, merchant: Merchant) -> None:
    numbers = [f"{number:028}" for number in range(1000)]
    with shop.app.app_context():
        for number in numbers:
            about = {"subject": "茶", "total_amount": "88.88", "out_trade_no": number}
            payment = shop.alipay.create_payment(**about)
            payment.trade_no, payment.paid, payment.trade_status = number, True, "TRADE_SUCCESS"
        db.session.commit()
    fee = f"$shop.of.tea@example.com^{PARTNER}^0.01^SUCCESS"
    body = refunds(merchant, "#".join(f"{number}^10.00^SUCCESS{fee}" for number in numbers))
    assert 64 * 1024 < len(body) < 512 * 1024
    assert shop.notify(body).data == b"success"
    assert shop.called == [("refunded", number) for number in numbers]


@on_the_legacy_gateway
def test_other_notifications_over_64_kib_are_too_large(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    answer = refusals.of(merchant.notification(shop.order(), body="x" * 64 * 1024))
    assert (answer.status_code, refusals.reason) == (413, "too_large")


@on_the_legacy_gateway
def test_a_batch_over_512_kib_is_too_large(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    answer = refusals.of(refunds(merchant, "T^1.00^SUCCESS" + "$" * 512 * 1024))
    assert (answer.status_code, refusals.reason) == (413, "too_large")


# Transfers


@on_mapi_in_each_charset
def test_transfers_are_notified_once(shop: Shop, merchant: Merchant) -> None:
    received: list[Any] = []

    def listen(app: object, alipay: object, batch: Any) -> None:
        received.append(batch)

    with transfer_batch_notified.connected_to(listen, shop.app):
        for _ in range(3):
            answer = shop.notify(transfers(merchant))
            assert (answer.status_code, answer.data) == (200, b"success")
    [batch] = received
    assert batch.batch_no == BATCH
    assert [(one.serial, one.amount_fen, one.succeeded) for one in batch.results] == [
        ("S1", 2000, True),
        ("S2", 100, False),
    ]
    assert batch.results[0].name == "安娜"
    assert shop.journal() == ["recorded", "duplicate", "duplicate"]


@on_the_legacy_gateway
def test_who_got_money_is_in_no_log(shop: Shop, merchant: Merchant, log: Log) -> None:
    shop.notify(transfers(merchant))
    shop.notify(transfers(merchant, success_details=f"S1^{PAYEE}^安娜^20.00^?"))
    for record in log():
        assert PAYEE not in record.getMessage()
        assert "安娜" not in record.getMessage()


# The older WAP gateway


def wap(merchant: Merchant, number: str, turned: bool = False, **changes: Any) -> bytes:
    """Return a notification of the WAP gateway: XML in a form, signed in a fixed order.

    :param turned: True to send the fields in another order than the signed one.
    """
    notification_params = {
        "payment_type": "1",
        "subject": "龙井 + 1 & <more>",
        "trade_no": f"trade-{number}",
        "buyer_email": BUYER_EMAIL,
        "gmt_create": "2026-01-02 00:00:00",
        "notify_type": "trade_status_sync",
        "quantity": "1",
        "out_trade_no": number,
        "notify_time": "2026-01-02 00:00:03",
        "seller_id": PARTNER,
        "trade_status": "TRADE_SUCCESS",
        "is_total_fee_adjust": "N",
        "total_fee": "88.88",
        "gmt_payment": "2026-01-02 00:00:02",
        "seller_email": SELLER_EMAIL,
        "price": "88.88",
        "buyer_id": BUYER_ID,
        "notify_id": f"notify-{number}",
        "use_coupon": "N",
        **changes,
    }
    inner = "".join(
        f"<{name}>{escape(value)}</{name}>"
        for name, value in notification_params.items()
        if value is not None
    )
    fields = {
        "service": "alipay.wap.trade.create.direct",
        "v": "1.0",
        "sec_id": "MD5" if merchant.sign_type == "MD5" else "0001",
        "notify_data": f"<notify>{inner}</notify>",
    }
    content = "&".join(f"{name}={value}" for name, value in fields.items())
    fields["sign"] = merchant.signer.sign(content.encode())
    pairs = list(fields.items())
    return urlencode(pairs[::-1] if turned else pairs).encode("ascii")


@on_mapi_in_each_charset
@pytest.mark.parametrize("turned", [False, True])
def test_a_wap_notification_is_settled_once(shop: Shop, merchant: Merchant, turned: bool) -> None:
    number = shop.order()
    for _ in range(2):
        answer = shop.notify(wap(merchant, number, turned=turned))
        assert (answer.status_code, answer.data) == (200, b"success")
    payment = shop.payment(number)
    assert (payment.paid, payment.trade_no, payment.buyer_id) == (
        True,
        f"trade-{number}",
        BUYER_ID,
    )
    assert payment.paid_at.isoformat() == "2026-01-01T16:00:02+00:00"
    assert shop.called == [("paid", number)]


@on_mapi
def test_a_wap_notification_is_confirmed_like_any_other(
    shop: Shop, merchant: Merchant, refusals: Refusals, confirmations: Confirmations
) -> None:
    number = shop.order()
    confirmations.answer = b"false"
    refusals.of(wap(merchant, number))
    assert refusals.reason == "not_confirmed"
    assert confirmations.requested[0]["notify_id"] == f"notify-{number}"


@on_mapi
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"total_fee": "88.87"}, "mismatched"),
        ({"seller_id": "2088000000000009", "seller_email": "x@example.com"}, "wrong_account"),
        ({"out_trade_no": "20260131"}, "unknown"),
        ({"trade_status": "PAID"}, "malformed"),
        ({"total_fee": None, "price": None}, "malformed"),
    ],
)
def test_an_invalid_wap_notification_is_rejected(
    shop: Shop,
    merchant: Merchant,
    refusals: Refusals,
    changes: dict[str, Any],
    reason: str,
) -> None:
    refusals.of(wap(merchant, shop.order(), **changes))
    assert refusals.reason == reason


@on_mapi
def test_a_forged_wap_notification_is_rejected(
    shop: Shop, merchant: Merchant, refusals: Refusals
) -> None:
    number, other = shop.order(), shop.order()
    body = wap(merchant, number)
    refusals.of(body.replace(number.encode(), other.encode()))
    assert refusals.reason == "bad_signature"
    refusals.of(body + b"&service=other")
    assert refusals.reason == "malformed"


# Foreign money


def forex(merchant: Merchant, number: str, **changes: str | None) -> bytes:
    """Return a notification as captured: no seller, no buyer, and finished at once."""
    left_out = ("seller_id", "seller_email", "buyer_id", "buyer_email", "subject", "payment_type")
    fields: dict[str, str | None] = dict.fromkeys((*left_out, "price", "quantity", "gmt_payment"))
    notified = {"trade_status": "TRADE_FINISHED", "currency": "USD"} | changes
    return merchant.notification(number, **fields, **notified)


#: How the shop prices an order, and what Alipay says of it.
PRICED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "USD": ({"currency": "USD"}, {}),
    "JPY": ({"currency": "JPY", "total_amount": 17}, {"currency": "JPY", "total_fee": "17.00"}),
    "yuan": ({"settlement_currency": "USD"}, {"total_fee": "12.34", "rmb_fee": "88.88"}),
    "yuan for yen": (
        {"settlement_currency": "JPY", "total_amount": "0.01"},
        {"currency": "JPY", "total_fee": "1", "rmb_fee": "0.01"},
    ),
}

in_each_currency = pytest.mark.parametrize(
    ("order", "notified"), PRICED.values(), ids=PRICED.keys()
)


@on_mapi
@in_each_currency
@pytest.mark.parametrize("product", ["forex", "forex_wap"])
def test_a_cross_border_payment_is_matched_in_its_currency(
    shop: Shop, merchant: Merchant, product: str, order: dict[str, Any], notified: dict[str, str]
) -> None:
    number = shop.order(product=product, **order)
    for _ in range(2):
        answer = shop.notify(forex(merchant, number, **notified))
        assert (answer.status_code, answer.data) == (200, b"success")
    payment = shop.payment(number)
    assert (payment.paid, payment.trade_status) == (True, "TRADE_FINISHED")
    assert shop.called == [("paid", number), ("finished", number)]


@on_the_legacy_gateway
@pytest.mark.parametrize(
    ("order", "notified"),
    [
        (PRICED["USD"][0], {"total_fee": "88.87"}),
        (PRICED["USD"][0], {"total_fee": "8888"}),
        (PRICED["USD"][0], {"currency": "JPY", "total_fee": "8888"}),
        (PRICED["USD"][0], {"currency": "HKD"}),
        (PRICED["USD"][0], {"currency": None}),
        (PRICED["USD"][0], {"currency": "CNY"}),
        (PRICED["USD"][0], {"currency": "usd"}),
        (PRICED["USD"][0], {"currency": "HKD", "rmb_fee": "88.88"}),
        (PRICED["JPY"][0], {"currency": "JPY", "total_fee": "1700"}),
        (PRICED["JPY"][0], {"currency": "USD", "total_fee": "0.17"}),
        (PRICED["yuan"][0], {"total_fee": "88.88"}),
        (PRICED["yuan"][0], {"total_fee": "88.88", "rmb_fee": "88.87"}),
        (PRICED["yuan"][0], {"total_fee": "88.88", "rmb_fee": "0.00"}),
        ({"product": "page"}, {}),
        ({"product": "page"}, {"total_fee": "12.34"}),
    ],
)
def test_another_amount_or_currency_is_refused(
    shop: Shop,
    merchant: Merchant,
    refusals: Refusals,
    order: dict[str, Any],
    notified: dict[str, str | None],
) -> None:
    number = shop.order(**{"product": "forex", **order})
    assert refusals.of(forex(merchant, number, **notified)).status_code == 409
    assert refusals.reason == "mismatched"


@on_the_legacy_gateway
@pytest.mark.parametrize(
    "notified", [{"total_fee": "17.50"}, {"total_fee": "17", "rmb_fee": "1e1"}]
)
def test_an_amount_that_its_currency_does_not_have_is_refused(
    shop: Shop, merchant: Merchant, refusals: Refusals, notified: dict[str, str]
) -> None:
    number = shop.order(product="forex", **PRICED["JPY"][0])
    refusals.of(forex(merchant, number, currency="JPY", **notified))
    assert refusals.reason == "malformed"


@with_the_shared_key
def test_a_cross_border_notification_of_unknown_merchant_is_rejected_without_notify_verify(
    open_shop: OpenShop, merchant: Merchant, log: Log
) -> None:
    shop = open_shop({**merchant.settings, "NOTIFY_VERIFY": False})
    refusals = Refusals(shop, log)
    refusals.of(forex(merchant, shop.order(product="forex", currency="USD")))
    assert refusals.reason == "wrong_account"


@on_the_legacy_gateway
def test_an_amount_in_yen_is_shown_in_yen(shop: Shop, merchant: Merchant) -> None:
    number = shop.order(product="forex", **PRICED["JPY"][0])
    assert "17.00" in shop.look("checkout", number).text
    shop.notify(forex(merchant, number, **PRICED["JPY"][1]))
    page = shop.look("result", number).text
    assert "17.00" in page
    assert "0.17" not in page


@on_the_legacy_gateway
@pytest.mark.parametrize("product", ["forex", "escrow", "wap"])
def test_a_bank_is_offered_only_where_it_can_be_chosen(shop: Shop, product: str) -> None:
    details = {"show_url": "https://shop.example/tea"} if product == "wap" else {}
    currency = "USD" if product == "forex" else "CNY"
    number = shop.order(product=product, currency=currency, **details)
    assert "bank=" not in shop.look("checkout", number).text
    assert "bank=" in shop.look("checkout", shop.order(product="page")).text


def test_the_buyer_of_a_cross_border_payment_returns(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    for kind in (MAPI_MD5, MAPI_RSA):
        merchant = Merchant(*kind, merchant.keys)
        shop = open_shop(merchant)
        number = shop.order(product="forex", currency="USD")
        shop.notify(forex(merchant, number))
        answer = shop.come_back(forex(merchant, number, notify_id=None).decode())
        assert answer.status_code == 303
        assert "/alipay/result/" in answer.location


@with_the_shared_key
def test_a_return_of_another_trade_does_not_show_the_order(shop: Shop, merchant: Merchant) -> None:
    number = shop.order(product="forex", currency="USD")
    shop.notify(forex(merchant, number))
    answer = shop.come_back(forex(merchant, number, notify_id=None, trade_no="T9").decode())
    assert answer.status_code == 404


# Price and quantity; escrow


@on_the_legacy_gateway
def test_a_price_and_a_quantity_are_an_amount(shop: Shop, merchant: Merchant) -> None:
    number = shop.order(product="escrow", quantity=2)
    notified = {"total_fee": None, "price": "44.44", "quantity": "2"}
    assert shop.notify(merchant.notification(number, **notified)).data == b"success"
    assert shop.called == [("paid", number)]


@on_the_legacy_gateway
@pytest.mark.parametrize(
    ("price", "quantity", "reason"),
    [
        ("44.44", "1", "mismatched"),
        ("88.88", "2", "mismatched"),
        ("88.88", "1.0", "malformed"),
        ("88.88", "-1", "malformed"),
        ("88.88", "0", "malformed"),
        ("88.88", None, "malformed"),
        (None, "1", "malformed"),
        ("-44.44", "2", "malformed"),
    ],
)
def test_a_price_times_quantity_other_than_the_total_is_rejected(
    shop: Shop,
    merchant: Merchant,
    refusals: Refusals,
    price: str | None,
    quantity: str | None,
    reason: str,
) -> None:
    number = shop.order(product="escrow")
    refusals.of(merchant.notification(number, total_fee=None, price=price, quantity=quantity))
    assert refusals.reason == reason


SEQUENCE = [
    ("WAIT_BUYER_PAY", []),
    ("WAIT_SELLER_SEND_GOODS", ["paid"]),
    ("WAIT_BUYER_CONFIRM_GOODS", ["paid"]),
    ("TRADE_FINISHED", ["paid", "finished"]),
]


@on_mapi_in_each_charset
@pytest.mark.parametrize("product", ["escrow", "dual"])
def test_escrow_is_a_sale_once_the_money_is_at_alipay(
    shop: Shop, merchant: Merchant, product: str
) -> None:
    number = shop.order(product=product)
    for trade_status, called in SEQUENCE:
        notified = {"trade_status": trade_status, "notify_id": trade_status, "receive_name": "安娜"}
        for _ in range(2):
            assert shop.notify(merchant.notification(number, **notified)).data == b"success"
        assert shop.called == [(event, number) for event in called]
        payment = shop.payment(number)
        assert (payment.trade_status, payment.paid) == (trade_status, bool(called))
    assert shop.payment(number).finished_at is not None


@on_the_legacy_gateway
def test_escrow_that_is_closed_after_payment_is_a_refund(shop: Shop, merchant: Merchant) -> None:
    number = shop.order(product="escrow")
    for trade_status in ("WAIT_SELLER_SEND_GOODS", "TRADE_CLOSED", "WAIT_BUYER_CONFIRM_GOODS"):
        shop.notify(merchant.notification(number, trade_status=trade_status))
    assert shop.called == [("paid", number), ("refunded", number)]
    assert shop.payment(number).trade_status == "TRADE_CLOSED"


@on_the_legacy_gateway
def test_where_goods_are_sent_is_in_no_log(shop: Shop, merchant: Merchant, log: Log) -> None:
    notified = {"receive_name": "Anna Buyer", "receive_mobile": "13800000000"}
    shop.notify(merchant.notification(shop.order(product="escrow"), **notified))
    shop.notify(merchant.notification("nobodys", **notified))
    for record in log():
        assert_discreet(record.getMessage())
        assert "13800000000" not in record.getMessage()


# What cannot be asked for


@on_the_legacy_gateway
def test_a_cross_border_payment_is_not_refunded_in_a_batch(shop: Shop, merchant: Merchant) -> None:
    for order in PRICED.values():
        number = shop.order(product="forex", **order[0])
        shop.notify(forex(merchant, number, **order[1]))
        with pytest.raises(ValueError, match="forex_refund"):
            request_refund(shop, number, "1.00")
