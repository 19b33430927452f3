"""The page about OpenIDs: its code works with both kinds of application."""

from __future__ import annotations

import pytest

from ..doubles.shop import Payment, db
from .test_tasks import Task, act
from .test_tasks import task as task


@pytest.mark.parametrize("simulator", [True, "open_id"])
def test_the_payments_of_a_buyer_are_found_by_either_identity(
    task: Task, simulator: bool | str
) -> None:
    shop, names = task("open-id", SIMULATOR=simulator)
    # The page itself sets the simulator of a newer application, after the app was registered.
    assert shop.app.config["ALIPAY_SIMULATOR"] == "open_id"
    paid = [shop.order(product="qr") for _ in range(2)]
    waiting = shop.order()
    for number in paid:
        shop.look("checkout", number)
        act(shop, number, "pay")
    with shop.app.app_context():
        payment = db.session.scalars(db.select(Payment).where(Payment.paid)).first()
        known = (payment.buyer_id is None, payment.buyer_open_id is None)
        assert known == ((True, False) if simulator == "open_id" else (False, True))
        assert names["payments_of"](shop.alipay.ledger().find(waiting)) == []
        found = {each.out_trade_no for each in names["payments_of"](payment)}
    assert found == set(paid)
