"""A subscription with the simulator: signed, deducted for a year, and ended in the wallet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from flask_alipay import AlipayBlueprint
from flask_alipay.exceptions import AgreementEnded, DeductionNotDue, InsufficientBalance
from flask_alipay.protocol.agreements import china_today
from flask_alipay.simulator.simulator import SIMULATORS
from flask_alipay.testing import AlipaySimulator

from .shop import SCENE, Agreement, Notification, Payment, db


class Subscription:
    """A shop with the embedded simulator, and one agreement."""

    def __init__(self, place: Path, version: str) -> None:
        self.alipay = AlipayBlueprint(db, Payment, None, Notification, Agreement=Agreement)
        self.app = Flask("tea", root_path=str(place), instance_path=str(place / "instance"))
        self.app.config.update(
            SECRET_KEY="not a secret",
            TESTING=True,
            SQLALCHEMY_DATABASE_URI=f"sqlite:///{place / 'tea.sqlite'}",
            ALIPAY_SIMULATOR=True,
            ALIPAY_API_VERSION=version,
            SERVER_NAME="localhost",
        )
        db.init_app(self.app)
        self.app.register_blueprint(self.alipay, url_prefix="/alipay")
        self.events: list[str] = []
        self.alipay.on_agreement_signed(lambda agreement: self.events.append("signed"))
        self.alipay.on_agreement_ended(lambda agreement: self.events.append("ended"))
        with self.app.app_context():
            db.create_all()
        [self.simulator] = self.app.extensions[SIMULATORS].values()
        self.control = AlipaySimulator.of(self.app)
        self.client = self.app.test_client()

    def create(self) -> None:
        with self.app.app_context():
            first = china_today(self.alipay.merchant.clock()).replace(day=5) + timedelta(days=40)
            self.alipay.create_agreement(
                period_type="MONTH",
                period=1,
                next_date=first.replace(day=5),
                single_amount="30.00",
                total_payments=13,
                sign_scene=SCENE,
                external_agreement_no="S1",
            )
            db.session.commit()

    def sign(self) -> None:
        """Sign as the payer does, beginning at the shop's page."""
        with self.app.app_context():
            url = self.alipay.sign_url(self.row)
        page = self.client.get(url).text
        link = unescape(re.findall(r'href="([^"]*gateway[^"]*)"', page)[0])
        location = self.client.get(link).location
        self.signed = self.client.post(location, data={"decision": "sign"})

    @property
    def row(self) -> Any:
        return db.session.scalar(select(Agreement))

    def charge(self, number: str) -> Any:
        with self.app.app_context():
            payment = self.alipay.create_payment(
                subject="茶", total_amount="30.00", out_trade_no=number
            )
            return self.alipay.charge(self.row, payment).paid

    def go_to(self, day: str) -> None:
        """Advance the time to noon of a day."""
        with self.app.app_context():
            now = self.alipay.merchant.clock()
        target = now.fromisoformat(f"{day}T12:00:00+08:00")
        self.simulator.advance(target - now)

    def see(self) -> Any:
        with self.app.app_context():
            row = self.row
            db.session.refresh(row)
            db.session.expunge(row)
            return row


@pytest.fixture(params=["v2", "v3"])
def subscription(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subscription]:
    found = Subscription(tmp_path, request.param)
    found.create()
    yield found
    with found.app.app_context():
        db.session.remove()
        db.engine.dispose()


def test_a_year_of_tea(subscription: Subscription) -> None:
    subscription.sign()
    assert subscription.see().status == "NORMAL"
    assert subscription.events == ["signed"]
    days = []
    for month in range(12):
        day = subscription.see().next_date
        days.append(day)
        subscription.go_to(day)
        assert subscription.charge(f"P{month}")
        with pytest.raises(DeductionNotDue):
            subscription.charge(f"Q{month}")
    assert len({day[:7] for day in days}) == 12
    agreement = subscription.see()
    assert (agreement.charge_count, agreement.charged_fen) == (12, 36000)


def test_money_is_missing_and_then_the_agreement_ends(subscription: Subscription) -> None:
    subscription.sign()
    agreement = subscription.see()
    wallet = subscription.simulator.wallet
    wallet.fund(agreement.agreement_no, False)
    subscription.go_to(agreement.next_date)
    with pytest.raises(InsufficientBalance):
        subscription.charge("P1")
    wallet.fund(agreement.agreement_no, True)
    assert subscription.charge("P2")
    assert subscription.see().charge_count == 1
    wallet.end(agreement.agreement_no)
    subscription.go_to(subscription.see().next_date)
    with subscription.app.app_context():
        subscription.alipay.reconcile(timedelta(0))
    with pytest.raises(AgreementEnded):
        subscription.charge("P3")
    assert subscription.see().status == "UNSIGN"
    assert subscription.events == ["signed", "ended"]


def test_the_merchant_postpones_and_ends(subscription: Subscription) -> None:
    subscription.sign()
    before = subscription.see().next_date
    later = f"{before[:8]}20"
    with subscription.app.app_context():
        assert subscription.alipay.change_plan(subscription.row, later).next_date == later
        assert subscription.alipay.query_agreement(subscription.row).next_date == later
    subscription.go_to(later)
    assert subscription.charge("P1")
    with subscription.app.app_context():
        assert subscription.alipay.end_agreement(subscription.row).status == "UNSIGN"
        assert subscription.alipay.end_agreement(subscription.row).status == "UNSIGN"
    assert subscription.events == ["signed", "ended"]


def test_an_agreement_that_expires_is_reported_to_nobody(subscription: Subscription) -> None:
    subscription.sign()
    agreement = subscription.see()
    subscription.simulator.wallet.expire(agreement.agreement_no)
    assert subscription.see().status == "NORMAL"
    subscription.go_to(agreement.next_date)
    with subscription.app.app_context():
        assert subscription.alipay.reconcile(timedelta(0)).agreement_ended == 1
    assert subscription.events == ["signed", "ended"]
