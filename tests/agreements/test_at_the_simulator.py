"""Agreements of a shop at the simulator, as a shop's own tests drive them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_alipay import AlipayBlueprint
from flask_alipay.exceptions import InsufficientBalance, InvalidParameter
from flask_alipay.testing import AlipaySimulator

from .shop import SCENE, Agreement, Notification, Payment, db


class Subscriptions:
    """A shop with one agreement, and the Alipay of its tests."""

    def __init__(self, folder: Path) -> None:
        self.events: list[str] = []
        self.alipay = AlipayBlueprint(db, Payment, None, Notification, Agreement=Agreement)
        self.alipay.on_agreement_signed(lambda agreement: self.events.append("signed"))
        self.alipay.on_agreement_ended(lambda agreement: self.events.append("ended"))
        self.app = Flask(__name__, instance_path=str(folder))
        self.app.config.update(
            SECRET_KEY="test",
            SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder}/shop.sqlite",
            ALIPAY_SIMULATOR=True,
            TESTING=True,
        )
        db.init_app(self.app)
        self.app.register_blueprint(self.alipay, url_prefix="/alipay")
        simulator = AlipaySimulator.of(self.app)
        assert simulator is not None
        self.simulator = simulator
        with self.app.app_context():
            db.create_all()

    def agree(self, **fields: Any) -> None:
        with self.app.test_request_context():
            rule = {"period_type": "MONTH", "period": 1, "single_amount": "30.00"}
            day = self.alipay.merchant.clock().strftime("%Y-%m-05")
            self.alipay.create_agreement(
                **{**rule, "next_date": day, "sign_scene": SCENE, **fields},
                external_agreement_no="S1",
            )
            db.session.commit()

    def charge(self, number: str) -> Payment:
        with self.app.test_request_context():
            payment = self.alipay.create_payment(
                subject="Tea", total_amount="30.00", out_trade_no=number
            )
            agreement = db.session.query(Agreement).one()
            return self.alipay.charge(agreement, payment)

    @property
    def day(self) -> int:
        with self.app.app_context():
            return self.alipay.merchant.clock().day

    @property
    def status(self) -> str:
        with self.app.app_context():
            return str(db.session.query(Agreement).one().status)


@pytest.fixture
def subscriptions(tmp_path: Path) -> Iterator[Subscriptions]:
    shop = Subscriptions(tmp_path)
    # On the 3rd of a month the deduction of the 5th is possible.
    while shop.day != 3:
        shop.simulator.advance(days=1)
    yield shop
    with shop.app.app_context():
        db.session.remove()
        db.engine.dispose()


def test_a_test_signs_an_agreement_that_no_buyer_has_opened(subscriptions: Subscriptions) -> None:
    subscriptions.agree()
    signed = subscriptions.simulator.sign("S1")
    assert signed.request.external_agreement_no == "S1"
    assert (subscriptions.events, subscriptions.status) == (["signed"], "NORMAL")
    with pytest.raises(InvalidParameter):
        subscriptions.simulator.sign("S1")


def test_a_test_charges_month_by_month(subscriptions: Subscriptions) -> None:
    subscriptions.agree()
    subscriptions.simulator.sign("S1")
    for month in range(3):
        assert subscriptions.charge(f"D{month}").paid
        subscriptions.simulator.advance(months=1)
    deductions = subscriptions.simulator.agreement("S1").deductions
    assert [one.out_trade_no for one in deductions] == ["D0", "D1", "D2"]


def test_a_test_ends_an_agreement_in_the_wallet(subscriptions: Subscriptions) -> None:
    subscriptions.agree()
    subscriptions.simulator.sign("S1")
    subscriptions.simulator.end_agreement("S1")
    assert subscriptions.events == ["signed", "ended"]
    with pytest.raises(InvalidParameter):
        subscriptions.simulator.end_agreement("S1")


def test_a_test_leaves_the_buyer_without_money(subscriptions: Subscriptions) -> None:
    subscriptions.agree()
    subscriptions.simulator.sign("S1")
    subscriptions.simulator.empty_account("S1")
    with pytest.raises(InsufficientBalance):
        subscriptions.charge("D1")
    subscriptions.simulator.empty_account("S1", empty=False)
    assert subscriptions.charge("D2").paid


def test_an_unknown_agreement_is_reported(subscriptions: Subscriptions) -> None:
    for change in (subscriptions.simulator.sign, subscriptions.simulator.end_agreement):
        with pytest.raises(LookupError):
            change("S9")
