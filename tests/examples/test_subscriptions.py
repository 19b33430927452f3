"""Tea every month: agreements of the example shop, charged in its own process."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

from flask_alipay.testing import AlipaySimulator

from .buyer import Buyer


@pytest.fixture
def alipay(app: Flask) -> AlipaySimulator:
    """The simulator in the shop."""
    found = AlipaySimulator.of(app)
    assert found is not None
    return found


class Subscriber:
    """A buyer with a subscription, and the shop's objects about it."""

    def __init__(self, shop: ModuleType, app: Flask, buyer: Buyer) -> None:
        self.shop, self.app, self.buyer = shop, app, buyer
        sent = buyer.send("/tea/dragon-well/subscribe", {"token": buyer.token()})
        assert sent.status_code == 303, sent.text
        self.sign_page = urlsplit(sent.location).path
        page = buyer.look("/orders").text
        (self.page,) = re.findall(r'href="(/subscription/[^"]+)"', page)

    @property
    def number(self) -> str:
        """The agreement's number."""
        return str(self.about(lambda one: one.agreement.external_agreement_no))

    def about(self, read: Any) -> Any:
        """Read from the subscription, in the shop's context."""
        models = self.shop.models
        with self.app.app_context():
            token = self.page.rsplit("/", 1)[1]
            found = models.db.session.query(models.Subscription).filter_by(token=token).one()
            return read(found)

    def renew(self) -> Any:
        """Run the task that charges what is due."""
        with self.app.app_context():
            return self.shop.subscriptions.renew()

    @property
    def state(self) -> tuple[str, str, int, list[str]]:
        """The agreement's status and next date, its charges, and the states of the boxes."""
        return self.about(
            lambda one: (
                one.agreement.status,
                one.agreement.next_date,
                one.agreement.charge_count,
                [order.state for order in one.orders],
            )
        )


@pytest.fixture
def subscriber(shop: ModuleType, app: Flask, buyer: Buyer) -> Subscriber:
    """Subscribe to a tea."""
    return Subscriber(shop, app, buyer)


def test_nothing_is_charged_before_the_buyer_has_signed(subscriber: Subscriber) -> None:
    assert subscriber.renew().paid == 0
    assert subscriber.state[::2] == ("TEMP", 0)
    assert "Sign at Alipay" in subscriber.buyer.look(subscriber.page).text
    again = subscriber.buyer.send(f"{subscriber.page}/sign", {"token": subscriber.buyer.token()})
    assert urlsplit(again.location).path.startswith("/alipay/sign/")


def test_a_signed_subscription_is_charged_once_each_month(
    subscriber: Subscriber, alipay: AlipaySimulator
) -> None:
    alipay.sign(subscriber.number)
    dates = []
    for month in range(1, 13):
        assert [subscriber.renew().paid for _ in range(3)] == [1, 0, 0]
        status, next_date, charges, states = subscriber.state
        assert (status, charges, states) == ("NORMAL", month, ["paid"] * month)
        dates.append(next_date)
        alipay.advance(months=1)
    assert dates == sorted(set(dates))
    assert len({date[8:] for date in dates}) == 1
    page = subscriber.buyer.look(subscriber.page).text
    assert page.count('href="/order/') == 12


def test_the_buyer_ends_the_subscription_on_its_page(
    subscriber: Subscriber, alipay: AlipaySimulator
) -> None:
    alipay.sign(subscriber.number)
    subscriber.renew()
    form = {"token": subscriber.buyer.token()}
    assert subscriber.buyer.send(f"{subscriber.page}/end", form).status_code == 303
    assert "Your subscription has ended" in subscriber.buyer.look(subscriber.page).text
    alipay.advance(months=1)
    assert subscriber.renew().paid == 0
    assert subscriber.state[0] == "UNSIGN"
    assert subscriber.state[2] == 1


def test_a_form_without_token_ends_nothing(subscriber: Subscriber, alipay: AlipaySimulator) -> None:
    alipay.sign(subscriber.number)
    assert subscriber.buyer.send(f"{subscriber.page}/end", {}).status_code == 400
    assert subscriber.state[0] == "NORMAL"


def test_a_failed_charge_is_tried_again_on_the_next_day(
    subscriber: Subscriber, alipay: AlipaySimulator
) -> None:
    alipay.sign(subscriber.number)
    alipay.empty_account(subscriber.number)
    assert [subscriber.renew().failed for _ in range(2)] == [1, 0]
    assert subscriber.state[2:] == (0, ["failed"])
    assert "check your balance" in subscriber.buyer.look(subscriber.page).text
    alipay.empty_account(subscriber.number, empty=False)
    alipay.advance(days=1)
    assert subscriber.renew().paid == 1
    assert subscriber.state[2:] == (1, ["failed", "paid"])
    assert subscriber.about(lambda one: one.failures) == 0


def test_a_subscription_ends_after_three_failed_charges(
    subscriber: Subscriber, alipay: AlipaySimulator
) -> None:
    alipay.sign(subscriber.number)
    alipay.empty_account(subscriber.number)
    for _ in range(3):
        assert subscriber.renew().failed == 1
        alipay.advance(days=1)
    assert subscriber.renew().ended == 1
    assert subscriber.state[0] == "UNSIGN"
    assert subscriber.state[2:] == (0, ["failed"] * 3)


def test_a_month_that_no_worker_charged_is_postponed(
    subscriber: Subscriber, alipay: AlipaySimulator
) -> None:
    alipay.sign(subscriber.number)
    missed = subscriber.state[1]
    alipay.advance(days=10)
    assert subscriber.renew().paid == 1
    assert subscriber.state[1] > missed
    assert subscriber.state[2:] == (1, ["paid"])


def test_an_agreement_that_was_ended_in_the_wallet_is_not_charged(
    subscriber: Subscriber, alipay: AlipaySimulator
) -> None:
    alipay.sign(subscriber.number)
    alipay.end_agreement(subscriber.number)
    assert subscriber.renew().paid == 0
    assert subscriber.state[0] == "UNSIGN"


def test_the_operator_charges_what_is_due(subscriber: Subscriber, alipay: AlipaySimulator) -> None:
    alipay.sign(subscriber.number)
    subscriber.buyer.log_in()
    form = {"token": subscriber.buyer.token()}
    assert subscriber.buyer.send("/admin/parcels/renew", form).status_code == 303
    assert subscriber.state[2:] == (1, ["paid"])


def test_the_legacy_gateway_offers_no_subscription(
    open_shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_shop({"ALIPAY_PROTOCOL": "mapi"})
    buyer = Buyer(app)
    assert "every month" not in buyer.look("/tea/dragon-well").text
    sent = buyer.send("/tea/dragon-well/subscribe", {"token": buyer.token()})
    assert sent.status_code == 404


def test_a_payment_that_was_never_charged_is_no_failed_charge(
    subscriber: Subscriber, alipay: AlipaySimulator
) -> None:
    alipay.sign(subscriber.number)
    shop = subscriber.shop

    def store(subscription: Any) -> None:
        shop.paying.alipay.close(shop.subscriptions._payment(subscription.agreement))

    subscriber.about(store)  # a process is killed after it, and the payment closed later
    assert subscriber.about(lambda one: (one.failures, one.retry_on)) == (0, None)
    assert subscriber.state[2:] == (0, ["failed"])
