"""The pages about deposits and subscriptions: their code works with the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Integer, String

from flask_alipay import NotificationMixin, PaymentMixin, RefundMixin
from flask_alipay.exceptions import InvalidAmount
from flask_alipay.protocol.agreements import china_today
from flask_alipay.testing import AlipaySimulator

from ..doubles.shop import new_app
from .reading import code_blocks, page


class Documented:
    """An app that consists of a page's code, and of the class of the shop's own that it names."""

    def __init__(self, place: Path, name: str, own: str, *columns: str) -> None:
        self.store: Any = SQLAlchemy()
        self.app: Flask = new_app(place, {"SIMULATOR": True})
        self.names: dict[str, Any] = {"db": self.store, "app": self.app}
        for mixin in (PaymentMixin, RefundMixin, NotificationMixin):
            kind = mixin.__name__.removesuffix("Mixin")
            self.names[kind] = type(kind, (mixin, self.store.Model), {})
        column = self.store.mapped_column
        types = {each: Integer if each.endswith("_fen") else String(64) for each in columns}
        own_columns = {each: column(types[each]) for each in columns}
        key = {"id": column(Integer, primary_key=True)}
        self.names[own] = type(own, (self.store.Model,), {**key, **own_columns})
        for block in code_blocks(page(f"{name}.rst")):
            exec(block, self.names)
        self.store.init_app(self.app)
        self.app.register_blueprint(self.names["alipay"], url_prefix="/alipay")
        with self.app.app_context():
            self.store.create_all()
        simulator = AlipaySimulator.of(self.app)
        assert simulator is not None
        self.simulator = simulator

    def add(self, kind: str, **values: str) -> None:
        with self.app.app_context():
            self.store.session.add(self.names[kind](**values))
            self.store.session.commit()

    def one(self, kind: str, **values: str) -> Any:
        """Return a row; in a context."""
        found = self.store.session.scalar(self.store.select(self.names[kind]).filter_by(**values))
        assert found is not None
        self.store.session.refresh(found)
        return found

    def see(self, kind: str, **values: str) -> Any:
        """Return a row, detached."""
        with self.app.app_context():
            found = self.one(kind, **values)
            self.store.session.expunge(found)
            return found

    def close(self) -> None:
        with self.app.app_context():
            self.store.session.remove()
            self.store.engine.dispose()


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Documented]:
    found = Documented(tmp_path, "deposit", "Stay", "number", "state", "returned_fen")
    found.add("Stay", number="S1", state="booked")
    yield found
    found.close()


def test_a_deposit_is_held_captured_and_released(hotel: Documented) -> None:
    hotel.names["test_the_key_is_handed_over"](hotel.app, hotel.simulator)
    with hotel.app.app_context():
        check_out, alipay = hotel.names["check_out"], hotel.names["alipay"]
        stay, authorization = hotel.one("Stay", number="S1"), hotel.one("Authorization")
        with pytest.raises(InvalidAmount):
            check_out(stay, "500.01")
        alipay.release(authorization, "100.00", out_request_no="R1")
        for _ in range(2):
            payment = check_out(hotel.one("Stay", number="S1"), "60.00")
            assert payment.paid
            assert payment.out_order_no == "S1"
        authorization = hotel.one("Authorization")
        assert (authorization.status, authorization.captured_fen) == ("FINISH", 6000)
        assert hotel.one("Stay", number="S1").returned_fen == 44000
        alipay.refund(payment, "10.00", out_request_no="F1")
        assert hotel.one("Authorization").captured_fen == 6000


def test_a_deposit_that_nobody_confirms_is_closed(hotel: Documented) -> None:
    hotel.app.test_client().post("/check-in/S1", follow_redirects=True)
    hotel.simulator.reject_authorization("S1")
    with hotel.app.app_context():
        hotel.names["alipay"].reconcile(timedelta(0))
    assert hotel.see("Stay", number="S1").state == "no deposit"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Documented]:
    found = Documented(tmp_path, "subscription", "Subscription", "number", "state")
    found.add("Subscription", number="S1", state="new")
    yield found
    found.close()


def sign(service: Documented) -> None:
    service.app.test_client().post("/subscribe/S1", follow_redirects=True)
    service.simulator.sign("S1")
    assert service.see("Subscription").state == "active"


def go_to_the_first_attempt(service: Documented) -> str:
    """Advance the time, and return the planned day."""
    with service.app.app_context():
        planned: str = service.one("Agreement").next_date
        today = china_today(service.names["alipay"].merchant.clock())
    days = (date.fromisoformat(planned) - today).days - 2
    service.simulator.advance(days=max(0, days))
    return planned


def renew(service: Documented) -> Any:
    """Run the page's command, and return the agreement."""
    result = service.app.test_cli_runner().invoke(args=["renew"])
    assert result.exit_code == 0, result.output
    return service.see("Agreement")


def test_each_month_is_charged_once(service: Documented) -> None:
    service.names["test_each_month_is_charged_once"](service.app, service.simulator)
    assert service.see("Agreement").charge_count == 3


def test_a_failed_deduction_is_repeated_on_another_day(service: Documented) -> None:
    sign(service)
    service.simulator.empty_account("S1")
    planned = go_to_the_first_attempt(service)
    assert renew(service).error_code == "ACQ.BUYER_BALANCE_NOT_ENOUGH"
    service.simulator.empty_account("S1", empty=False)
    assert renew(service).charge_count == 0  # one attempt a day
    service.simulator.advance(days=1)
    renewed = renew(service)
    assert (renewed.charge_count, renewed.failed_at) == (1, None)
    assert renewed.next_date > planned


def test_a_subscription_that_cannot_be_charged_is_ended(service: Documented) -> None:
    sign(service)
    service.simulator.empty_account("S1")
    for _ in range(40):  # the plan may begin in the next month
        if renew(service).status == "UNSIGN":
            break
        service.simulator.advance(days=1)
    assert service.see("Subscription").state == "ended"
    with service.app.app_context():
        payment = service.names["Payment"]
        closed = service.store.session.scalars(service.store.select(payment.trade_status)).all()
    assert closed == ["TRADE_CLOSED"] * 3


def test_days_without_a_scheduler_postpone_the_plan(service: Documented) -> None:
    sign(service)
    service.simulator.advance(months=1)
    postponed = renew(service).next_date
    service.simulator.advance(months=1)
    with service.app.app_context():
        later = service.names["soon"]()
        service.names["skip_to"](service.one("Agreement"), later)
    assert service.see("Agreement").next_date == later.isoformat() > postponed


def test_the_payer_ends_the_agreement(service: Documented) -> None:
    sign(service)
    service.simulator.end_agreement("S1")
    with service.app.app_context():
        service.names["alipay"].reconcile(timedelta(0))
    assert service.see("Subscription").state == "ended"


@pytest.mark.parametrize(("action", "state"), [("pay", "active"), ("pay-unsigned", "new")])
def test_a_payer_may_pay_with_and_without_signing(
    service: Documented, action: str, state: str
) -> None:
    client = service.app.test_client()
    order = client.post("/app/subscribe/S1").get_json()["order_string"]
    assert client.post(f"/alipay/simulator/mobile/{action}", data=order).status_code == 200
    with service.app.app_context():  # the notifications may be on their way
        service.names["alipay"].query_agreement(service.one("Agreement"))
        assert service.names["alipay"].query(service.one("Payment")).paid
    assert service.see("Subscription").state == state
