"""The page about messages: its code works with the messages of the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from flask_alipay.simulator.notifications.messages import SAMPLES

from ..doubles.shop import Shop, db, new_app, new_blueprint
from .reading import code_blocks, page, words

PAGE = page("messages.rst")
DEPOSIT_BACK = "alipay.trade.refund.depositback.completed"


class BankRefund(db.Model):  # type: ignore[name-defined,misc]
    number: Mapped[str] = mapped_column(String(64), primary_key=True)
    at_the_bank: Mapped[bool]


class Complaint(db.Model):  # type: ignore[name-defined,misc]
    number: Mapped[str] = mapped_column(String(64), primary_key=True)
    open: Mapped[bool]


@pytest.fixture(params=["v2", "v3"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    app = new_app(tmp_path, {"SIMULATOR": True, "API_VERSION": request.param})
    alipay = new_blueprint()
    app.register_blueprint(alipay, url_prefix="/alipay")
    names = {"app": app, "alipay": alipay, "db": db}
    names |= {"BankRefund": BankRefund, "Complaint": Complaint}
    for block in code_blocks(PAGE):
        exec(block, names)
    shop = Shop(app, alipay)
    yield shop
    shop.close()


def send(shop: Shop, **message: Any) -> Any:
    """Have the simulator send a message, as the page's command does."""
    answer = shop.client.post("/alipay/simulator/messages", json=message)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def bank_refunds(shop: Shop) -> list[tuple[str, bool]]:
    with shop.app.app_context():
        return [
            (each.number, each.at_the_bank) for each in db.session.scalars(db.select(BankRefund))
        ]


def test_a_refund_to_a_bank_follows_its_messages(shop: Shop) -> None:
    assert send(shop, kind=DEPOSIT_BACK)["heard"]
    assert bank_refunds(shop) == [("R1001", True)]
    failed = {"out_request_no": "R1001", "dback_status": "F"}
    assert send(shop, kind=DEPOSIT_BACK, content=failed)["heard"]
    assert bank_refunds(shop) == [("R1001", False)]
    assert shop.journal() == ["settled", "settled"]


def test_a_complaint_is_recorded_and_queried(shop: Shop) -> None:
    assert send(shop, kind="alipay.merchant.tradecomplain.changed")["heard"]
    printed = shop.app.test_cli_runner().invoke(args=["complaints"])
    number = SAMPLES["alipay.merchant.tradecomplain.changed"]["complain_event_id"]
    assert printed.output == f"{number} MERCHANT_PROCESSING\n"


def test_the_route_is_activated_as_the_address_of_the_gateway(shop: Shop) -> None:
    answer = shop.client.post("/alipay/simulator/messages/activate", json={})
    assert answer.get_json() == {"activated": True}


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_message_of_the_simulator_is_accepted(shop: Shop, kind: str) -> None:
    for charset in ("utf-8", "gbk"):
        assert send(shop, kind=kind, charset=charset)["heard"]


def test_a_message_that_arrives_twice_is_processed_once(shop: Shop) -> None:
    shop.client.post("/alipay/simulator/faults", json={"kind": "repeat"})
    assert len(send(shop, kind=DEPOSIT_BACK)["attempts"]) == 2
    assert shop.journal() == ["settled", "duplicate"]


@pytest.mark.parametrize("kind", ["drop", "tamper"])
def test_a_message_that_does_not_arrive_is_retried(shop: Shop, kind: str) -> None:
    shop.client.post("/alipay/simulator/faults", json={"kind": kind})
    assert not send(shop, kind=DEPOSIT_BACK)["heard"]
    assert bank_refunds(shop) == []
    shop.client.post("/alipay/simulator/clock", json={"advance": 150})
    assert bank_refunds(shop) == [("R1001", True)]


def test_the_page_names_the_kinds_of_the_simulator() -> None:
    assert set(SAMPLES) <= words(PAGE)
