"""The page about third-party applications: its code works, in a browser as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flask_alipay.simulator.simulator import SIMULATORS

from ..doubles.shop import Payment, Shop, db
from .test_mini_program import site as site
from .test_mini_program import tab as tab
from .test_tasks import Task, act, numbers, open_cashier
from .test_tasks import task as task

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIMULATOR = "/alipay/simulator"


@pytest.fixture(params=["third_party", "third_party,open_id"])
def shop(request: pytest.FixtureRequest, task: Task) -> Shop:
    shop, names = task("third-party", SIMULATOR=request.param)
    shop.app.extensions["names"] = names
    return shop


def sellers(shop: Shop) -> list[str]:
    (simulator,) = shop.app.extensions[SIMULATORS].values()
    return [app_id for app_id, _ in simulator.merchant.authorizers]


def connect(shop: Shop, seller: str) -> Any:
    page = shop.client.get("/connect").location
    granted = shop.client.post(page, data={"decision": "allow", "auth_app_id": seller})
    return shop.client.get(granted.location)


def test_a_merchant_authorises_sells_and_refunds(shop: Shop) -> None:
    seller, other, _ = sellers(shop)
    assert shop.client.post(f"/orders/{seller}").status_code == 404
    assert connect(shop, seller).get_json() == {"connected": [seller]}
    assert connect(shop, other).get_json() == {"connected": [other]}
    paid = shop.client.post(f"/orders/{seller}")
    open_cashier(shop, paid.location)
    (number,) = numbers(shop)
    act(shop, number, "pay")
    assert shop.called == [("paid", number)]
    assert shop.payment(number).auth_app_id == seller
    names = shop.app.extensions["names"]
    with shop.app.test_request_context():
        payment = db.session.scalar(db.select(Payment))
        assert names["refund_for"](payment, "8.88").status == "REFUND_SUCCESS"
        names["merchants"].clear()
        assert names["refund_for"](db.session.scalar(db.select(Payment)), "1.00") is None
    assert shop.payment(number).refunded_fen == 888


def test_a_return_that_began_elsewhere_is_rejected(shop: Shop) -> None:
    (seller, *_) = sellers(shop)
    page = shop.client.get("/connect").location
    granted = shop.client.post(page, data={"decision": "allow", "auth_app_id": seller})
    assert shop.app.test_client().get(granted.location).status_code == 403
    assert shop.client.get(granted.location).status_code == 200
    assert shop.client.get(granted.location).status_code == 403  # used before
    assert list(shop.app.extensions["names"]["merchants"]) == [seller]
    assert numbers(shop) == []


@pytest.mark.browser
def test_a_journey_in_a_browser(shop: Shop, tab: Page) -> None:
    seller = sellers(shop)[0]
    tab.goto("/connect")
    tab.get_by_role("button", name="Authorise").click()
    tab.wait_for_url("**/connected?*")
    assert tab.evaluate("JSON.parse(document.body.innerText).connected") == [seller]
    action = f"{tab.url.partition('/connected')[0]}/orders/{seller}"
    tab.set_content(f'<form method="post" action="{action}"><button>Order</button></form>')
    tab.get_by_role("button", name="Order").click()
    tab.get_by_role("button", name="Pay").first.click()
    tab.get_by_text("Paid").first.wait_for()
    (number,) = numbers(shop)
    assert shop.called == [("paid", number)]
    assert shop.payment(number).auth_app_id == seller
