"""Hostile and careless use of deposits: nothing is captured or released twice, or too much."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from flask_alipay.exceptions import (
    AlipayError,
    BadNotification,
    InvalidAmount,
    InvalidParameter,
    OutcomeUnknown,
)
from flask_alipay.protocol.preauthorizations import AUTHORIZATION_MESSAGES, AuthorizationReport

from ..services import on_each_database
from .shop import CODE, LOST, PAY, QUERY, UNFREEZE, VOUCHER, DepositShop, db, rejection
from .test_messages import frozen_at_alipay, message, send

AMOUNTS = [
    "0.001",
    "0",
    "-1",
    "1e3",
    "NaN",
    "Infinity",
    " 1.00",
    "1,00",
    "٥٠",
    "100000000.01",
    "9" * 400,
    "",
    Decimal("0.005"),
    Decimal("NaN"),
    Decimal("-1"),
    10**20,
]
TYPES = [1.5, float("nan"), True, None, b"1.00", ["1.00"]]


@pytest.mark.parametrize("amount", AMOUNTS)
def test_an_unusual_amount_is_neither_captured_nor_released(
    small_shop: DepositShop, amount: Any
) -> None:
    small_shop.hold()
    before = small_shop.contents()
    for work in (small_shop.capture, small_shop.release):
        with pytest.raises(InvalidAmount):
            work(amount)
    assert small_shop.contents() == before
    assert {PAY, UNFREEZE}.isdisjoint(small_shop.at_alipay.methods)


@pytest.mark.parametrize("amount", TYPES)
def test_a_value_of_another_type_is_no_amount(small_shop: DepositShop, amount: Any) -> None:
    small_shop.hold()
    before = small_shop.contents()
    with pytest.raises(TypeError):
        small_shop.capture(amount)
    if amount is not None:  # the rest
        with pytest.raises(TypeError):
            small_shop.release(amount)
    with pytest.raises(TypeError):
        small_shop.create(amount, number="DEP2")
    assert small_shop.contents() == before


@pytest.mark.parametrize(
    "details",
    [
        {"auth_confirm_mode": "COMPLETE"},
        {"auth_no": "2026"},
        {"auth_code": CODE},
        {"scene": "bar_code"},
        {"agreement_params": {"agreement_no": "1"}},
        {"buyer_id": "2088"},
        {"total_fen": 1},
        {"paid": True},
        {"out_order_no": "DEP2"},
        {"seller_id": "2088"},
        {"notify_url": "https://example.com"},
    ],
)
def test_details_do_not_replace_what_a_capture_decides(
    small_shop: DepositShop, details: dict[str, Any]
) -> None:
    small_shop.hold()
    before = small_shop.contents()
    with pytest.raises(InvalidParameter) as caught:
        small_shop.capture("1.00", **details)
    assert caught.value.parameter in details
    assert small_shop.contents() == before
    assert PAY not in small_shop.at_alipay.methods


def test_an_ordinary_payment_is_no_capture(small_shop: DepositShop) -> None:
    small_shop.hold()
    with small_shop.app.app_context():
        with pytest.raises(InvalidParameter, match="out_order_no"):
            small_shop.alipay.create_payment(subject="x", total_amount="1.00", out_order_no="DEP1")
        small_shop.alipay.create_payment(subject="x", total_amount="1.00", out_trade_no="C1")
        db.session.commit()
    with pytest.raises(InvalidParameter, match="belongs to another payment"):
        small_shop.capture("1.00")
    assert small_shop.amounts() == ("AUTHORIZED", 0, 0, 0)


def test_no_page_and_no_app_pays_a_capture(small_shop: DepositShop) -> None:
    small_shop.hold()
    small_shop.at_alipay.fail(PAY, LOST)
    with pytest.raises(OutcomeUnknown):
        small_shop.capture("1.00")
    with small_shop.app.test_request_context(base_url="http://localhost"):
        payment = small_shop.alipay.ledger().find("C1")
        alipay: Any = small_shop.alipay
        for way in (
            alipay.gateway_url,
            alipay.gateway_request,
            alipay.qr_code,
            alipay.order_string,
        ):
            with pytest.raises(AlipayError):
                way(payment)


def test_nothing_is_captured_after_the_release(shop: DepositShop) -> None:
    shop.hold()
    shop.release("400.00")
    with pytest.raises(InvalidAmount, match=r"exceeds the frozen rest, 100.00 CNY"):
        shop.capture("100.01")
    shop.release(None, "R2")
    with pytest.raises(InvalidParameter, match="its status is CLOSED"):
        shop.capture("0.01")
    with pytest.raises(InvalidParameter, match="its status is CLOSED"):
        shop.release("0.01", "R3")
    assert shop.release("400.00").status == "CLOSED"  # the same release
    assert shop.at_alipay.methods.count(UNFREEZE) == 2
    assert shop.amounts() == ("CLOSED", 0, 50000, 0)


def test_the_number_of_a_release_belongs_to_its_authorization(shop: DepositShop) -> None:
    shop.hold()
    shop.hold(number="DEP2")
    shop.release("10.00")
    shop.run(lambda row: shop.alipay.release(row, "20.00", out_request_no="R1"), "DEP2")
    assert shop.amounts() == ("AUTHORIZED", 0, 1000, 0)
    assert shop.amounts("DEP2") == ("AUTHORIZED", 0, 2000, 0)


def test_an_authorization_is_not_created_twice(small_shop: DepositShop) -> None:
    small_shop.hold()
    before = small_shop.contents()
    with pytest.raises(IntegrityError):
        small_shop.create()
    assert small_shop.contents() == before


def test_another_merchants_authorization_is_not_touched(small_shop: DepositShop) -> None:
    small_shop.hold()
    small_shop.change(merchant="2021000000000098")
    before, sent = small_shop.contents(), len(small_shop.at_alipay.requests)
    alipay = small_shop.alipay
    for work in (
        lambda row: alipay.capture(row, "1.00"),
        alipay.release,
        alipay.query_authorization,
        alipay.cancel_authorization,
        alipay.freeze_order_string,
        alipay.freeze_qr_code,
        lambda row: alipay.freeze_barcode(row, CODE),
    ):
        with pytest.raises(InvalidParameter, match="belongs to another merchant"):
            small_shop.run(work)
    assert send(small_shop, "fund_auth_unfreeze", out_request_no="R1") == (200, "success")
    assert small_shop.contents() == before
    assert len(small_shop.at_alipay.requests) == sent


def test_a_message_about_another_auth_no_is_refused(small_shop: DepositShop) -> None:
    small_shop.hold()
    before = small_shop.contents()
    released = {"amount": "1.00", "total_unfreeze_amount": "1.00", "rest_amount": "499.00"}
    changes = {**released, "out_request_no": "R1", "auth_no": "2026999"}
    assert send(small_shop, "fund_auth_unfreeze", **changes)[1] == "fail"
    assert small_shop.contents() == before


def test_a_message_about_more_than_was_frozen_keeps_to_the_total(shop: DepositShop) -> None:
    shop.hold()
    shop.capture("120.00")
    released = {"amount": "500.00", "total_unfreeze_amount": "99999999.99", "rest_amount": "0.00"}
    auth_no = shop.row().auth_no
    send(shop, "fund_auth_unfreeze", **released, out_request_no="X", auth_no=auth_no)
    assert shop.amounts()[1:] == (12000, 38000, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": None, "total_freeze_amount": None},
        {"amount": None, "total_freeze_amount": "0.00"},
    ],
)
def test_a_message_without_the_amount_freezes_nothing(
    small_shop: DepositShop, changes: dict[str, Any]
) -> None:
    small_shop.create()
    before = small_shop.contents()
    assert send(small_shop, **changes)[1] == "fail"
    assert small_shop.contents() == before
    assert small_shop.journal() == ["mismatched"]


def test_a_kept_message_does_not_renew_a_cancelled_authorization(shop: DepositShop) -> None:
    shop.create()
    shop.run(shop.alipay.freeze_order_string)
    frozen_at_alipay(shop)
    kept = message(shop)
    shop.run(shop.alipay.cancel_authorization)
    before = shop.calls()
    for _ in range(2):
        shop.post(shop.merchant.encoded(kept))
    assert shop.calls() == before
    assert shop.amounts() == ("CLOSED", 0, 50000, 0)


def test_tokens_of_other_pages_open_no_deposit(small_shop: DepositShop) -> None:
    small_shop.create()
    with small_shop.app.test_request_context(base_url="http://localhost"):
        payment = small_shop.alipay.create_payment(
            subject="x", total_amount="1.00", out_trade_no="DEP1"
        )
        db.session.commit()
        paid = urlsplit(small_shop.alipay.checkout_url(payment)).path.rpartition("/")[2]
        own = urlsplit(small_shop.alipay.authorization_url(small_shop._find("DEP1"))).path
    client = small_shop.app.test_client()
    token = own.rpartition("/")[2]
    for path in (f"authorize/{paid}", f"checkout/{token}", f"pay/{token}", f"result/{token}"):
        assert client.get(f"/alipay/{path}").status_code == 404, path
    for altered in (token[:-1] + "A" * 3, token.upper(), "DEP1", "x" * 5000):
        assert client.get(f"/alipay/authorize/{altered}").status_code == 404
    assert small_shop.at_alipay.methods == []


def test_the_page_does_not_deny_a_freeze_that_it_has_not_heard_of(small_shop: DepositShop) -> None:
    small_shop.create()
    small_shop.run(small_shop.alipay.freeze_order_string)
    frozen_at_alipay(small_shop)
    small_shop.at_alipay.fail(VOUCHER, rejection("FREEZE_ALREADY_SUCCESS"))
    with small_shop.app.test_request_context(base_url="http://localhost"):
        path = urlsplit(small_shop.alipay.authorization_url(small_shop._find("DEP1"))).path
    shown = small_shop.app.test_client().get(path)
    assert (shown.status_code, "The deposit is held" in shown.text) == (200, True)
    assert small_shop.calls() == [("authorized", "DEP1")]


def test_a_callback_does_not_capture_in_the_transaction_of_a_freeze(
    small_shop: DepositShop,
) -> None:
    small_shop.alipay.on_authorized(lambda row: small_shop.alipay.capture(row, "1.00"))
    small_shop.create()
    frozen_at_alipay(small_shop)
    before = small_shop.contents()
    assert send(small_shop)[1] == "fail"
    assert small_shop.contents() == before
    assert PAY not in small_shop.at_alipay.methods


def test_the_page_shows_markup_as_text(small_shop: DepositShop) -> None:
    with small_shop.app.test_request_context(base_url="http://localhost"):
        row = small_shop.alipay.create_authorization(
            title="<script>alert(1)</script>", amount="1.00", out_order_no="DEP1"
        )
        db.session.commit()
        path = urlsplit(small_shop.alipay.authorization_url(row)).path
    shown = small_shop.app.test_client().get(path).text
    assert "<script>alert(1)" not in shown
    assert "&lt;script&gt;alert(1)" in shown


@on_each_database
@pytest.mark.parametrize("seed", range(3))
def test_concurrent_use_of_every_kind_keeps_to_the_frozen_amount(
    shop: DepositShop, seed: int
) -> None:
    shop.hold("100.00")
    chosen = random.Random(seed)
    alipay = shop.alipay
    lost = [method for method in (PAY, UNFREEZE, QUERY) for _ in range(2)]
    for method in chosen.sample(lost, 3):
        shop.at_alipay.lose(method) if method != QUERY else shop.at_alipay.fail(QUERY, LOST)
    kinds: list[Callable[[Any, int], Any]] = [
        lambda row, number: alipay.capture(row, "15.00", out_trade_no=f"C{number % 4}"),
        lambda row, number: alipay.capture(row, "30.00", out_trade_no=f"F{number}", complete=True),
        lambda row, number: alipay.release(row, "10.00", out_request_no=f"R{number % 3}"),
        lambda row, number: alipay.release(row),
        lambda row, number: alipay.cancel_authorization(row),
        lambda row, number: alipay.query_authorization(row),
        lambda row, number: alipay.reconcile(),
    ]
    works = [chosen.choice(kinds) for _ in range(12)]

    def work(number: int) -> None:
        with shop.app.app_context(), suppress(AlipayError):
            row = alipay.merchant.authorizations().rows.find("DEP1")
            works[number](row, number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shop.at_alipay.script.clear()
    for _ in range(2):
        shop.reconcile()
    shop.run(alipay.query_authorization)
    status, captured, released, reserved = shop.amounts()
    held = shop.at_alipay.held["DEP1"]
    assert (status, captured, released) == (held["status"], held["captured"], held["released"])
    assert reserved == 0
    calls = [name for name, _ in shop.calls()]
    paid = sum(trade["fen"] for trade in shop.at_alipay.trades.values())
    assert (paid, calls.count("paid")) == (captured, len(shop.at_alipay.trades))
    assert calls.count("authorized") == 1


FIELDS = (
    *("out_order_no", "auth_no", "out_request_no", "operation_id", "operation_type", "status"),
    *("amount", "total_freeze_amount", "total_unfreeze_amount", "total_pay_amount"),
    *("rest_amount", "gmt_trans", "gmt_create", "trans_currency", "action", "payer_user_id"),
)
VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        (
            *("FREEZE", "UNFREEZE", "PAY", "SUCCESS", "INIT", "CLOSED", "close", "unfreeze"),
            *("500.00", "-1", "9" * 400, "2026-13-45 99:00:00", "2026-01-31 12:00:00", "CNY"),
            *("USD", "1e9"),
        )
    ),
    st.none(),
)


@given(
    kind=st.sampled_from(AUTHORIZATION_MESSAGES),
    content=st.dictionaries(st.sampled_from(FIELDS), VALUES),
)
def test_any_message_is_a_report_or_refused(kind: str, content: dict[str, Any]) -> None:
    with suppress(BadNotification):
        report = AuthorizationReport.from_message(kind, content, {}, "n")
        assert report.out_order_no
        for fen in (report.amount_fen, report.total_fen, report.released_fen):
            assert fen is None or 0 <= fen < 10**15
