"""Signals to observers, which cannot interfere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from flask_alipay import (
    notification_refused,
    payment_failed,
    payment_paid,
    payment_refunded,
    signals,
)
from flask_alipay.exceptions import CallbackFailed, NotificationRefused

from ..doubles.merchant import Merchant
from ..doubles.shop import Shop, new_blueprint
from .conftest import OpenShop, assert_discreet

SIGNALS = [payment_paid, payment_failed, payment_refunded, notification_refused]


class Ear:
    """Records every signal of one blueprint; simulators of other tests may still notify theirs."""

    def __init__(self, alipay: object) -> None:
        self._alipay = alipay
        self.received: list[tuple[str, Any, dict[str, Any]]] = []
        self.receivers = [self._receiver(signal.name) for signal in SIGNALS]
        for signal, receiver in zip(SIGNALS, self.receivers, strict=True):
            signal.connect(receiver)

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.received]

    def _receiver(self, name: str) -> Callable[..., None]:
        def receive(sender: Any, **given: Any) -> None:
            if given["alipay"] is self._alipay:
                self.received.append((name, sender, given))

        return receive


@pytest.fixture
def ear(shop: Shop) -> Ear:
    return Ear(shop.alipay)


@pytest.fixture
def connected() -> Iterator[Callable[[Any, Callable[..., None]], None]]:
    """Connects a receiver for the time of the test."""
    pairs = []

    def connect(signal: Any, receiver: Callable[..., None]) -> None:
        signal.connect(receiver)
        pairs.append((signal, receiver))

    yield connect
    for signal, receiver in pairs:
        signal.disconnect(receiver)


def closed(merchant: Merchant, number: str) -> bytes:
    return merchant.notification(number, trade_status="TRADE_CLOSED", gmt_payment=None)


def refunded(merchant: Merchant, number: str) -> bytes:
    return merchant.notification(number, refund_fee="88.88", gmt_refund="2026-01-03 00:00:00.123")


def test_a_sale_is_signalled(shop: Shop, merchant: Merchant, ear: Ear) -> None:
    shop.notify(merchant.notification(shop.order()))
    assert ear.names == ["payment-paid"]


def test_a_failure_is_signalled(shop: Shop, merchant: Merchant, ear: Ear) -> None:
    shop.notify(closed(merchant, shop.order()))
    assert ear.names == ["payment-failed"]


def test_a_refund_is_signalled(shop: Shop, merchant: Merchant, ear: Ear) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number))
    shop.notify(refunded(merchant, number))
    assert ear.names == ["payment-paid", "payment-refunded"]


def test_a_duplicate_is_not_signalled(shop: Shop, merchant: Merchant, ear: Ear) -> None:
    body = merchant.notification(shop.order())
    shop.notify(body)
    shop.notify(body)
    assert ear.names == ["payment-paid"]


def test_a_finish_has_no_signal(shop: Shop, merchant: Merchant, ear: Ear) -> None:
    shop.notify(merchant.notification(shop.order(), trade_status="TRADE_FINISHED"))
    assert ear.names == ["payment-paid"]


def test_the_sender_is_the_app(shop: Shop, merchant: Merchant, ear: Ear) -> None:
    shop.notify(merchant.notification(shop.order()))
    ((_, sender, given),) = ear.received
    assert sender is shop.app
    assert given["alipay"] is shop.alipay
    assert set(given) == {"alipay", "payment"}


def test_a_receiver_for_one_app_gets_no_signal_of_another(
    open_shop: OpenShop, merchant: Merchant, connected: Any
) -> None:
    alipay = new_blueprint()
    first, second = open_shop(merchant, alipay=alipay), open_shop(merchant, alipay=alipay)
    received: list[Any] = []

    def receive(sender: Any, **given: Any) -> None:
        received.append(sender)

    payment_paid.connect(receive, first.app)
    second.notify(merchant.notification(second.order()))
    first.notify(merchant.notification(first.order()))
    assert received == [first.app]


def test_the_payment_can_be_read(shop: Shop, merchant: Merchant, connected: Any) -> None:
    seen: list[tuple[str, bool]] = []

    def receive(sender: Any, payment: Any, **given: Any) -> None:
        seen.append((payment.out_trade_no, payment.paid))

    connected(payment_paid, receive)
    number = shop.order()
    shop.notify(merchant.notification(number))
    assert seen == [(number, True)]


def test_a_signal_is_sent_after_the_commit(shop: Shop, merchant: Merchant, connected: Any) -> None:
    """Another connection sees the change when the signal is sent."""
    seen: list[Any] = []
    other = create_engine(shop.app.config["SQLALCHEMY_DATABASE_URI"])

    def receive(sender: Any, **given: Any) -> None:
        with other.connect() as connection:
            seen.append(connection.scalar(text("SELECT paid FROM alipay_payment")))

    connected(payment_paid, receive)
    shop.notify(merchant.notification(shop.order()))
    other.dispose()
    assert seen == [1]


def test_a_receiver_that_raises_changes_nothing(
    shop: Shop, merchant: Merchant, connected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    connected(payment_paid, raising)
    number = shop.order()
    body = merchant.notification(number)
    assert shop.notify(body).data == b"success"
    assert shop.payment(number).paid
    assert "a receiver of the signal payment-paid raised" in caplog.text
    assert_discreet(caplog.text, body)


def test_a_receiver_that_raises_does_not_stop_the_others(
    shop: Shop, merchant: Merchant, connected: Any
) -> None:
    connected(payment_paid, raising)
    others = [Ear(shop.alipay) for _ in range(5)]
    shop.notify(merchant.notification(shop.order()))
    assert [ear.names for ear in others] == [["payment-paid"]] * 5


def test_a_receiver_of_a_refusal_that_raises_changes_nothing(shop: Shop, connected: Any) -> None:
    connected(notification_refused, raising)
    assert shop.notify(b"a=b").data == b"fail"


def raising(sender: Any, **given: Any) -> None:
    raise RuntimeError("the mail server is down")


def test_a_refusal_is_signalled_with_the_error(shop: Shop, merchant: Merchant, ear: Ear) -> None:
    shop.notify(merchant.notification("20260102000000000001"))
    ((name, sender, given),) = ear.received
    assert (name, sender, set(given)) == ("notification-refused", shop.app, {"alipay", "error"})
    assert isinstance(given["error"], NotificationRefused)
    assert given["error"].out_trade_no == "20260102000000000001"


def test_the_error_of_a_rejection_contains_no_buyer_data(
    shop: Shop, merchant: Merchant, ear: Ear
) -> None:
    body = merchant.notification("20260102000000000001")
    shop.notify(body)
    error = ear.received[0][2]["error"]
    assert_discreet(f"{error!r} {error} {vars(error)}", body)


def test_a_failed_callback_is_a_refusal_and_no_sale(
    shop: Shop, merchant: Merchant, ear: Ear
) -> None:
    @shop.alipay.on_paid
    def refuse(payment: Any) -> None:
        raise RuntimeError("out of paper")

    shop.notify(merchant.notification(shop.order()))
    assert ear.names == ["notification-refused"]
    assert isinstance(ear.received[0][2]["error"], CallbackFailed)


def test_a_receivers_return_value_does_not_settle_or_reject(
    shop: Shop, merchant: Merchant, connected: Any
) -> None:
    connected(payment_paid, lambda sender, **given: False)
    assert shop.notify(merchant.notification(shop.order())).data == b"success"


def test_the_blueprint_has_the_signals_too(shop: Shop) -> None:
    for name in ("payment_paid", "payment_failed", "payment_refunded", "notification_refused"):
        assert getattr(shop.alipay, name) is getattr(signals, name)
