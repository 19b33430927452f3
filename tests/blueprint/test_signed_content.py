"""Only fields covered by the signature are stored; others are logged by name or ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from ..doubles.merchant import Merchant, in_each_charset, on_each_gateway
from ..doubles.shop import Notification, Shop, db
from .conftest import Refusals
from .test_bad_input import Counted, without_length


def payloads(shop: Shop) -> list[dict[str, str]]:
    with shop.app.app_context():
        return list(db.session.scalars(select(Notification.payload)))


@in_each_charset
def test_the_journal_has_the_signed_fields_and_the_signature(
    shop: Shop, merchant: Merchant
) -> None:
    fields = merchant.signed(merchant.notification_params(shop.order()))
    padding = {"empty": "", "sign_type": "x" * 10_000}
    assert shop.notify(merchant.encoded({**fields, **padding})).data == b"success"
    expected = {name: value for name, value in fields.items() if name != "sign_type"}
    assert payloads(shop) == [expected]


def test_a_certificate_number_that_is_not_signed_is_not_stored(
    shop: Shop, merchant: Merchant
) -> None:
    fields = merchant.signed(merchant.notification_params(shop.order()))
    body = merchant.encoded({**fields, "alipay_cert_sn": "f" * 32})
    assert shop.notify(body).data == b"success"
    assert "alipay_cert_sn" not in payloads(shop)[0]


def test_a_certificate_number_that_is_signed_is_stored(shop: Shop, merchant: Merchant) -> None:
    fields = merchant.signed(merchant.notification_params(shop.order(), alipay_cert_sn="f" * 32))
    assert shop.notify(merchant.encoded(fields)).data == b"success"
    assert payloads(shop)[0]["alipay_cert_sn"] == "f" * 32


@in_each_charset
def test_a_journalled_notification_can_be_replayed(shop: Shop, merchant: Merchant) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number, subject="茶", body=""))
    with shop.app.app_context():
        again = shop.alipay.replay(payloads(shop)[0], journalled=True)
    assert again.outcome == "duplicate"


def test_the_log_names_parameters_that_alipay_does_not_send(
    merchant: Merchant, refusals: Refusals, shop: Shop, log: Callable[[], Any]
) -> None:
    body = (
        merchant.notification(shop.order())
        + b"&"
        + urlencode({"spm": "1", "a\nb\x1b": "2"}).encode()
    )
    refusals.of(body)
    line = log()[-1].getMessage()
    assert "spm, a?b?" in line


def test_the_log_names_a_repeated_parameter(
    merchant: Merchant, refusals: Refusals, shop: Shop, log: Callable[[], Any]
) -> None:
    refusals.of(merchant.notification(shop.order()) + b"&subject=1")
    assert "it repeats a key: subject" in log()[-1].getMessage()


def test_the_open_platform_has_no_batches_and_not_their_limit(
    shop: Shop, refusals: Refusals
) -> None:
    body = b"notify_type=batch_refund_notify&result_details=" + b"x" * 65_536
    assert refusals.of(body).status_code == 413
    assert refusals.reason == "too_large"


def test_a_body_that_is_too_large_for_the_open_platform_is_not_read(shop: Shop) -> None:
    stream = Counted(65_537)
    assert shop.notify(b"", **without_length(stream, "65537")).status_code == 413
    assert stream.taken == 0


@on_each_gateway
@pytest.mark.parametrize("number", ["wc-1001", "A-1_b", "S00042-1", "-"])
def test_an_order_number_with_hyphens_works_from_order_to_result(
    shop: Shop, merchant: Merchant, number: str
) -> None:
    assert shop.order(out_trade_no=number) == number
    assert merchant.request_at(shop.url("gateway", number))
    assert shop.notify(merchant.notification(number)).data == b"success"
    assert shop.called == [("paid", number)]
    answer = shop.come_back(merchant.come_back(number))
    assert shop.client.get(answer.location).status_code == 200
