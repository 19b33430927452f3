"""Beside Flask-WTF's CSRFProtect: Alipay has no token, everybody else needs one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Blueprint
from flask_wtf import CSRFProtect

from ..doubles.merchant import Merchant, on_each_gateway
from ..doubles.shop import Shop, new_app, new_blueprint

SIMULATOR = {"SIMULATOR": True}


@pytest.fixture(params=["before", "after"])
def order(request: pytest.FixtureRequest) -> str:
    """Return whether CSRFProtect is initialized before or after the blueprint."""
    found: str = request.param
    return found


@pytest.fixture
def protected(tmp_path: Path, order: str, merchant: Merchant) -> Iterator[Shop]:
    shop = protect(tmp_path, merchant.settings, order)
    yield shop
    shop.close()


@pytest.fixture
def simulated(tmp_path: Path, order: str) -> Iterator[Shop]:
    shop = protect(tmp_path, SIMULATOR, order)
    yield shop
    shop.close()


def protect(place: Path, settings: dict[str, object], order: str, *, nested: bool = False) -> Shop:
    app, alipay = new_app(place, settings), new_blueprint()
    app.add_url_rule("/buy", "buy", lambda: "bought", methods=["POST"])
    if order == "before":
        CSRFProtect(app)
    if nested:
        parent = Blueprint("parent", __name__)
        parent.register_blueprint(alipay, url_prefix="/alipay")
        app.register_blueprint(parent)
    else:
        app.register_blueprint(alipay, url_prefix="/alipay")
    if order == "after":
        CSRFProtect(app)
    return Shop(app, alipay)


@on_each_gateway
def test_alipay_needs_no_token(protected: Shop, merchant: Merchant) -> None:
    number = protected.order()
    assert protected.notify(merchant.notification(number)).data == b"success"
    assert protected.payment(number).paid


def test_alipay_needs_no_token_where_the_blueprint_is_nested(
    tmp_path: Path, order: str, merchant: Merchant
) -> None:
    shop = protect(tmp_path, merchant.settings, order, nested=True)
    assert shop.notify(merchant.notification(shop.order())).data == b"success"
    shop.close()


def test_a_forgery_is_refused_by_us_and_not_for_want_of_a_token(protected: Shop) -> None:
    answer = protected.notify(b"a=b")
    assert (answer.status_code, answer.data) == (400, b"fail")


def test_the_shops_forms_still_need_a_token(protected: Shop, merchant: Merchant) -> None:
    assert protected.client.post("/buy").status_code == 400
    protected.notify(merchant.notification(protected.order()))
    assert protected.client.post("/buy").status_code == 400


def test_the_pages_work(protected: Shop) -> None:
    assert protected.look("checkout", protected.order()).status_code == 200


@pytest.mark.parametrize("button", ["pay", "close", "expire"])
def test_the_simulators_forms_work(simulated: Shop, button: str) -> None:
    number = simulated.order()
    gateway = simulated.look("pay", number).location
    cashier = urlsplit(simulated.client.get(gateway).location).path
    assert simulated.client.post(f"{cashier}/{button}").status_code == 303
    assert simulated.payment(number).trade_status != "WAIT_BUYER_PAY"


def test_with_the_simulator_the_shops_forms_still_need_a_token(simulated: Shop) -> None:
    assert simulated.client.post("/buy").status_code == 400
