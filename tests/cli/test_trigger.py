"""``trigger``: the app's handling of each kind of notification, without a trade."""

from __future__ import annotations

from typing import Any

import pytest

from flask_alipay.cli import trigger
from flask_alipay.keys import private_pem, public_pem
from flask_alipay.simulator.notifications.triggers import EVENTS, TO_REFUSE

from ..conftest import Keys
from ..doubles.app import Shop, make_shop

ACCOUNTS = {"openapi": "9021000000000001", "mapi": "2088000000000001"}
SETTLED = {
    "paid": "TRADE_SUCCESS",
    "duplicate": "TRADE_SUCCESS",
    "finished": "TRADE_FINISHED",
    "closed": "TRADE_CLOSED",
    "late-paid": "TRADE_SUCCESS",
    "refunded": "TRADE_CLOSED",
    "partially-refunded": "TRADE_SUCCESS",
    "out-of-order": "TRADE_SUCCESS",
    "gbk": "TRADE_SUCCESS",
}


@pytest.fixture(params=["openapi", "mapi"])
def shop(request: pytest.FixtureRequest) -> Shop:
    shop = make_shop(ALIPAY_SIMULATOR=True, ALIPAY_PROTOCOL=request.param)
    merchant = ACCOUNTS[request.param]
    shop.add(shop.row("T1", merchant=merchant), shop.row("T2", merchant=merchant))
    shop.sold = []  # type: ignore[attr-defined]
    shop.alipay.on_paid(shop.sold.append)  # type: ignore[attr-defined]
    return shop


def payment(shop: Shop, out_trade_no: str) -> Any:
    with shop.app.app_context():
        return shop.db.session.query(shop.Payment).filter_by(out_trade_no=out_trade_no).one()


def test_the_command_knows_every_event() -> None:
    assert trigger.TRUE + trigger.UNTRUE == EVENTS
    assert set(trigger.UNTRUE) == TO_REFUSE
    assert set(SETTLED) | TO_REFUSE | {"escrow-paid"} == set(EVENTS)


@pytest.mark.parametrize("event", SETTLED)
def test_a_genuine_notification_is_settled_and_the_response_printed(shop: Shop, event: str) -> None:
    result = shop.run("trigger", event, "--out-trade-no", "T1")
    assert result.exit_code == 0, result.output
    assert f"{event}: T1 → http://localhost/alipay/notify\n200 success\n" in result.stdout
    assert payment(shop, "T1").trade_status == SETTLED[event]
    assert payment(shop, "T2").trade_status == "WAIT_BUYER_PAY"
    # Of a full refund nothing is left to ship, even where the sale was never heard of.
    assert len(shop.sold) == (event not in ("closed", "refunded"))  # type: ignore[attr-defined]


@pytest.mark.parametrize("event", sorted(TO_REFUSE))
def test_an_invalid_notification_is_rejected(shop: Shop, event: str) -> None:
    result = shop.run("trigger", event, "--out-trade-no", "T1")
    assert result.exit_code == 0, result.output
    assert "fail\n" in result.stdout
    assert payment(shop, "T1").trade_status == "WAIT_BUYER_PAY"
    assert shop.sold == []  # type: ignore[attr-defined]


def test_escrow_is_paid_on_the_legacy_gateway(shop: Shop) -> None:
    result = shop.run("trigger", "escrow-paid")
    if shop.app.config["ALIPAY_PROTOCOL"] == "mapi":
        assert result.exit_code == 0, result.output
        assert payment(shop, "T2").trade_status == "WAIT_SELLER_SEND_GOODS"
    else:
        assert result.exit_code == 1
        assert payment(shop, "T2").trade_status == "WAIT_BUYER_PAY"


def test_the_newest_payment_is_the_default(shop: Shop) -> None:
    assert shop.run("trigger", "paid").exit_code == 0
    assert payment(shop, "T2").paid
    assert not payment(shop, "T1").paid


def test_a_refund_of_a_sale_is_of_the_same_trade(shop: Shop) -> None:
    shop.run("trigger", "paid")
    trade_no = payment(shop, "T2").trade_no
    assert shop.run("trigger", "partially-refunded").exit_code == 0
    assert payment(shop, "T2").trade_no == trade_no


def test_an_unexpected_response_of_the_app_is_reported(shop: Shop) -> None:
    def refuse(payment: Any) -> None:
        raise RuntimeError

    shop.alipay.on_paid(refuse)
    result = shop.run("trigger", "paid")
    assert result.exit_code == 1
    assert "did not respond as expected" in result.stderr
    assert not payment(shop, "T2").paid


def test_an_unknown_payment_is_rejected(shop: Shop) -> None:
    result = shop.run("trigger", "paid", "--out-trade-no", "T3")
    assert result.exit_code == 1
    assert "no payment 'T3'" in result.stderr
    assert "--total-amount" in result.stderr


def test_a_notification_about_an_unknown_payment_is_sent_with_an_amount(shop: Shop) -> None:
    result = shop.run("trigger", "paid", "--out-trade-no", "T3", "--total-amount", "1.00")
    assert "paid: T3 → http://localhost/alipay/notify\n404 fail\n" in result.stdout
    assert result.exit_code == 1  # the ledger does not have it, and says so
    assert shop.sold == []  # type: ignore[attr-defined]


def test_an_amount_that_differs_from_the_ledger_is_rejected(shop: Shop) -> None:
    result = shop.run("trigger", "paid", "--out-trade-no", "T1", "--total-amount", "88.87")
    assert "409 fail\n" in result.stdout
    assert not payment(shop, "T1").paid


@pytest.mark.parametrize("amount", ["0", "-1", "1.001", "1e2", "abc"])
def test_an_invalid_amount_is_a_misuse(shop: Shop, amount: str) -> None:
    result = shop.run("trigger", "paid", f"--total-amount={amount}")
    assert result.exit_code == 2
    assert "--total-amount" in result.stderr


def test_a_server_error_is_not_the_rejection_of_a_forgery(shop: Shop) -> None:
    shop.app.before_request(lambda: ("broken", 500))
    result = shop.run("trigger", "forged")
    assert result.exit_code == 1
    assert "did not respond as expected" in result.stderr


def test_without_a_payment_there_is_no_notification() -> None:
    result = make_shop(ALIPAY_SIMULATOR=True).run("trigger", "paid")
    assert result.exit_code == 1
    assert "no payment" in result.stderr


def test_trigger_is_rejected_with_real_credentials(keys: Keys) -> None:
    shop = make_shop(
        ALIPAY_APP_ID="2021000000000000",
        ALIPAY_PRIVATE_KEY=private_pem(keys.merchant),
        ALIPAY_PUBLIC_KEY=public_pem(keys.alipay.public_key()),
    )
    shop.add(shop.row("T1"))
    result = shop.run("trigger", "paid")
    assert result.exit_code == 1
    assert "ALIPAY_SIMULATOR" in result.stderr
    assert not payment(shop, "T1").paid


def test_an_unknown_event_is_a_misuse(shop: Shop) -> None:
    assert shop.run("trigger", "stolen").exit_code == 2
