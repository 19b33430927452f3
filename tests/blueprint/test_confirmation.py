"""Waiting pages have Alipay queried: what it responds settles the payment, seldom and in bounds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update

from flask_alipay.exceptions import OutcomeUnknown
from flask_alipay.ledger.query_schedule import (
    CONFIRMATION_PERIOD,
    LEASE,
    MAX_QUERIES,
    MAX_QUERIES_AFTER_RETURN,
)
from flask_alipay.models import utc_now

from ..conftest import Background
from ..doubles.gateways import (
    LOST,
    NOT_THERE,
    TRADE_NO,
    Alipay,
    legacy_trade,
    no,
    refusal,
    trade,
    unsigned,
)
from ..doubles.merchant import Merchant, on_each_gateway, on_the_legacy_gateway
from ..doubles.shop import Payment, Shop, db
from .test_pages import state

WAITING = trade("WAIT_BUYER_PAY")


@pytest.fixture
def alipay(shop: Shop, merchant: Merchant) -> Alipay:
    """Responds to the shop's queries."""
    played = Alipay(merchant, query=WAITING, notify_verify=b"true")
    with shop.app.app_context():
        shop.alipay.gateway._transport = played
    return played


@pytest.fixture
def work(background: Background) -> Callable[[], int]:
    """Run the submitted background tasks; return their number."""

    def run() -> int:
        tasks = background[:]
        background.clear()
        for task in tasks:
            task()
        return len(tasks)

    return run


Work = Callable[[], int]


def return_to_shop(shop: Shop, merchant: Merchant, number: str) -> str:
    """Return to the shop as the buyer does; return the URL of the result page."""
    answer = shop.come_back(merchant.come_back(number, trade_no=TRADE_NO))
    assert answer.status_code == 303
    return answer.location


def later(shop: Shop, number: str, **delta: float) -> None:
    """Move everything about a payment into the past."""
    ago, this = timedelta(**delta), Payment.out_trade_no == number
    columns = (
        *(Payment.asked_at, Payment.returned_at),
        *(Payment.query_leased_until, Payment.created_at),
    )
    with shop.app.app_context():
        times = db.session.execute(select(*columns).where(this)).one()._asdict()
        moved = {name: at - ago for name, at in times.items() if at is not None}
        db.session.execute(update(Payment).where(this).values(moved))
        db.session.commit()


def shows_paid(shop: Shop, number: str) -> bool:
    answer = shop.look("status", number).json
    assert answer is not None
    return bool(answer["paid"])


def play(alipay: Alipay, number: str, trade_status: str) -> None:
    """Have the gateway respond with a trade of a status."""
    if alipay.merchant.protocol == "openapi":
        alipay.will_respond(query=trade(trade_status))
    else:
        alipay.will_respond(single_trade_query=legacy_trade(number, trade_status, alipay.merchant))


@on_each_gateway
def test_a_lost_notification_is_made_up_for_by_a_query_after_the_return(
    shop: Shop, merchant: Merchant, alipay: Alipay, work: Work
) -> None:
    number = shop.order()
    play(alipay, number, "TRADE_SUCCESS")
    url = return_to_shop(shop, merchant, number)
    assert alipay.requested == []  # the redirect did not wait for it
    assert work() == 1
    assert state(shop.client.get(url)) == "paid"
    assert shop.called == [("paid", number)]
    assert len(alipay.requested) == 1


@on_each_gateway
def test_the_notification_that_follows_is_a_duplicate(
    shop: Shop, merchant: Merchant, alipay: Alipay, work: Work
) -> None:
    number = shop.order()
    play(alipay, number, "TRADE_SUCCESS")
    return_to_shop(shop, merchant, number)
    work()
    assert shop.notify(merchant.notification(number, trade_no=TRADE_NO)).data == b"success"
    assert shop.called == [("paid", number)]
    assert shop.journal() == ["settled", "duplicate"]


@pytest.mark.parametrize("kind", ["status", "result"])
def test_a_waiting_page_has_alipay_queried_without_a_return(
    shop: Shop, alipay: Alipay, work: Work, kind: str
) -> None:
    number = shop.order()
    alipay.will_respond(query=trade())
    shop.look(kind, number)
    assert alipay.requested == []
    assert work() == 1
    assert shows_paid(shop, number)


def test_no_query_is_sent_for_a_payment_that_is_decided(
    shop: Shop, merchant: Merchant, alipay: Alipay, background: Background
) -> None:
    paid, closed = shop.order(), shop.order()
    shop.notify(merchant.notification(paid))
    shop.notify(merchant.notification(closed, trade_status="TRADE_CLOSED"))
    for number in (paid, closed):
        shop.look("status", number)
        shop.look("result", number)
    return_to_shop(shop, merchant, paid)
    assert background == []


def test_a_closed_payment_is_queried_when_the_buyer_returns(
    shop: Shop, merchant: Merchant, alipay: Alipay, work: Work
) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number, trade_status="TRADE_CLOSED", trade_no=TRADE_NO))
    alipay.will_respond(query=trade())
    url = return_to_shop(shop, merchant, number)
    assert state(shop.client.get(url)) == "confirming"
    work()
    assert state(shop.client.get(url)) == "paid"
    assert shop.called == [("failed", number), ("paid", number)]


def test_ten_tabs_cause_one_query_in_a_few_seconds(shop: Shop, alipay: Alipay, work: Work) -> None:
    number = shop.order()
    for _ in range(10):
        shop.look("status", number)
    work()
    for _ in range(10):
        shop.look("status", number)
    work()
    assert len(alipay.requested) == 1
    later(shop, number, seconds=4)
    for _ in range(10):
        shop.look("status", number)
    work()
    assert len(alipay.requested) == 2


def test_while_one_process_queries_no_other_does(shop: Shop, alipay: Alipay, work: Work) -> None:
    number = shop.order()
    sent: list[int] = []

    def meanwhile() -> None:
        alipay.before = lambda: None
        later(shop, number, seconds=5)  # however long Alipay takes to respond
        shop.change(number, query_leased_until=utc_now() + timedelta(seconds=5))
        shop.look("status", number)
        sent.append(work())

    alipay.before = meanwhile
    shop.look("status", number)
    work()
    assert sent == [0]
    assert len(alipay.requested) == 1


def test_a_killed_process_holds_nothing_for_longer_than_the_lease(
    shop: Shop, alipay: Alipay, work: Work
) -> None:
    number = shop.order()
    shop.change(number, asked_at=utc_now(), query_count=1, query_leased_until=utc_now() + LEASE)
    later(shop, number, seconds=LEASE.total_seconds() - 2)
    shop.look("status", number)
    assert work() == 0
    later(shop, number, seconds=3)
    alipay.will_respond(query=trade())
    shop.look("status", number)
    assert work() == 1
    assert shows_paid(shop, number)


def test_an_open_page_causes_fewer_and_fewer_queries(
    shop: Shop, alipay: Alipay, work: Work
) -> None:
    number = shop.order()
    url = shop.url("status", number)
    counts = []
    for _ in range(6):  # half an hour
        for _ in range(150):
            shop.client.get(url)
            work()
            later(shop, number, seconds=2)
        counts.append(len(alipay.requested) - sum(counts))
    assert counts[0] > 2 * counts[1]
    assert sum(counts[:3]) > 2 * sum(counts[3:])
    assert len(alipay.requested) <= MAX_QUERIES


def test_the_queries_are_bounded_in_total(
    shop: Shop, merchant: Merchant, alipay: Alipay, work: Work
) -> None:
    number = shop.order()
    pages = [shop.url(kind, number) for kind in ("status", "result")]

    def wait() -> None:
        for _ in range(MAX_QUERIES + 20):
            for page in pages:
                shop.client.get(page)
            return_to_shop(shop, merchant, number) if returns else None
            work()
            later(shop, number, minutes=6)

    returns = False
    wait()
    assert len(alipay.requested) == MAX_QUERIES
    returns = True
    wait()
    assert len(alipay.requested) == MAX_QUERIES + MAX_QUERIES_AFTER_RETURN


def test_the_return_has_alipay_queried_at_once_however_long_the_pauses_were(
    shop: Shop, merchant: Merchant, alipay: Alipay, work: Work
) -> None:
    number = shop.order()
    shop.change(number, query_count=40, asked_at=utc_now() - timedelta(seconds=4))
    shop.look("status", number)
    assert work() == 0
    alipay.will_respond(query=trade())
    url = return_to_shop(shop, merchant, number)
    assert work() == 1
    assert state(shop.client.get(url)) == "paid"


def test_a_return_right_after_a_query_waits_for_the_shortest_pause(
    shop: Shop, merchant: Merchant, alipay: Alipay, work: Work
) -> None:
    number = shop.order()
    shop.look("status", number)
    work()
    return_to_shop(shop, merchant, number)
    assert work() == 0
    later(shop, number, seconds=3)
    shop.look("status", number)
    assert work() == 1


def test_reconcile_and_a_waiting_page_do_not_query_at_once(
    shop: Shop, alipay: Alipay, background: Background
) -> None:
    number = shop.order()
    seen: list[int] = []

    def meanwhile() -> None:
        shop.look("status", number)
        seen.append(len(background))

    alipay.before = meanwhile
    with shop.app.app_context():
        shop.alipay.reconcile(older_than=timedelta(0))
    assert seen == [0]


@on_each_gateway
def test_until_the_queries_end_the_page_confirms_and_paying_is_not_its_first_offer(
    shop: Shop, merchant: Merchant, alipay: Alipay, work: Work
) -> None:
    number = shop.order()
    play(alipay, number, "WAIT_BUYER_PAY")
    url = return_to_shop(shop, merchant, number)
    work()
    page = shop.client.get(url, headers={"Accept-Language": "zh-CN"})
    assert state(page) == "confirming"
    assert "正在确认付款" in page.text
    assert "等待付款" not in page.text
    assert 'class="button" href="/alipay/checkout/' not in page.text
    assert 'class="button quiet" href="/alipay/checkout/' in page.text
    later(shop, number, seconds=CONFIRMATION_PERIOD.total_seconds())
    page = shop.client.get(url, headers={"Accept-Language": "zh-CN"})
    assert state(page) == "unconfirmed"
    assert "等待支付宝通知" in page.text


def test_who_is_being_confirmed_may_pay_all_the_same(
    shop: Shop, merchant: Merchant, alipay: Alipay
) -> None:
    number = shop.order()
    return_to_shop(shop, merchant, number)
    assert shop.look("checkout", number).status_code == 200
    assert merchant.request_at(shop.look("pay", number).location)


@on_the_legacy_gateway
@pytest.mark.parametrize("code", ["ILLEGAL_PARTNER_EXTERFACE", "HAS_NO_PRIVILEGE"])
def test_a_merchant_without_single_trade_query_is_not_queried_again(
    shop: Shop, merchant: Merchant, alipay: Alipay, work: Work, code: str
) -> None:
    number = shop.order()
    alipay.will_respond(single_trade_query=no(code))
    url = return_to_shop(shop, merchant, number)
    work()
    assert len(alipay.requested) == 1
    page = shop.client.get(url, headers={"Accept-Language": "zh-CN"})
    assert state(page) == "unconfirmed"
    assert "收到支付宝通知后页面会自动更新" in page.text
    for _ in range(20):
        later(shop, number, minutes=1)
        shop.look("status", number)
        work()
    assert len(alipay.requested) == 1
    assert shop.payment(number).trade_status == "WAIT_BUYER_PAY"
    assert shop.called == []
    shop.notify(merchant.notification(number))
    assert shows_paid(shop, number)


@pytest.mark.parametrize("sub_code", ["isv.insufficient-isv-permissions", "isv.invalid-app-id"])
def test_a_definite_rejection_ends_the_queries(
    shop: Shop, merchant: Merchant, alipay: Alipay, work: Work, sub_code: str
) -> None:
    number = shop.order()
    alipay.will_respond(query=refusal(sub_code))
    return_to_shop(shop, merchant, number)
    work()
    later(shop, number, minutes=1)
    shop.look("status", number)
    assert work() == 0
    assert not shows_paid(shop, number)
    assert shop.called == []


@pytest.mark.parametrize(
    "response",
    [
        LOST,
        NOT_THERE,
        {"code": "40005", "msg": "Call Limited", "sub_code": "isv.app-call-limited"},
        b"<html>busy</html>",
        unsigned("alipay.trade.query", "ACQ.TRADE_NOT_EXIST"),
    ],
    ids=["no response", "not there yet", "too many calls", "a page", "not signed"],
)
def test_anything_else_than_a_definite_rejection_is_queried_again(
    shop: Shop, merchant: Merchant, alipay: Alipay, work: Work, response: Any
) -> None:
    number = shop.order()
    alipay.will_respond(query=[response, trade()])
    url = return_to_shop(shop, merchant, number)
    work()
    assert state(shop.client.get(url)) == "confirming"
    assert shop.called == []
    later(shop, number, seconds=10)
    shop.look("status", number)
    work()
    assert state(shop.client.get(url)) == "paid"
    assert shop.called == [("paid", number)]


def test_a_trade_of_another_amount_settles_nothing_and_ends_the_queries(
    shop: Shop, merchant: Merchant, alipay: Alipay, work: Work
) -> None:
    number = shop.order()
    alipay.will_respond(query=trade(total_amount="0.01"))
    return_to_shop(shop, merchant, number)
    work()
    later(shop, number, minutes=1)
    shop.look("status", number)
    assert work() == 0
    assert not shows_paid(shop, number)
    assert shop.called == []
    assert shop.journal() == ["mismatched"]


def test_a_callback_that_fails_is_called_again_after_the_next_query(
    shop: Shop, merchant: Merchant, alipay: Alipay, work: Work
) -> None:
    number = shop.order()
    failures = [RuntimeError("no boxes left")]

    @shop.alipay.on_paid
    def pack(payment: Any) -> None:
        if failures:
            raise failures.pop()

    alipay.will_respond(query=trade())
    return_to_shop(shop, merchant, number)
    work()
    assert not shows_paid(shop, number)
    later(shop, number, seconds=4)
    shop.look("status", number)
    work()
    assert shows_paid(shop, number)


def test_a_query_sends_the_token_of_the_payments_merchant(
    shop: Shop, alipay: Alipay, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens: list[str | None] = []
    respond = alipay._respond

    def post(url: str, params: dict[str, str], *more: Any, **options: Any) -> bytes:
        tokens.append(params.get("app_auth_token"))
        return respond(params)

    monkeypatch.setattr(alipay, "post", post)
    with shop.app.app_context():
        shop.alipay.gateway._app_auth_token = "201611BBof"
    number = shop.order()
    shop.look("status", number)
    work()
    assert tokens == ["201611BBof"]


def test_the_status_is_still_there_without_a_database_that_can_be_written(
    shop: Shop, merchant: Merchant, alipay: Alipay, work: Work, log: Callable[[], list[Any]]
) -> None:
    number = shop.order()
    with shop.app.app_context():
        db.session.execute(
            text(
                "CREATE TRIGGER no_writing BEFORE UPDATE ON alipay_payment "
                "BEGIN SELECT RAISE(ABORT, 'read-only'); END"
            )
        )
        db.session.commit()
    before = shop.ledger()
    url = return_to_shop(shop, merchant, number)
    assert work() == 1
    assert state(shop.client.get(url)) == "waiting"
    assert not shows_paid(shop, number)
    assert shop.ledger() == before
    assert alipay.requested == []
    assert shop.called == []
    assert [record.levelname for record in log()].count("WARNING") == 2


# TESTING


@pytest.mark.parametrize("notified", [True, False])
def test_under_testing_the_request_queries_the_simulator_itself(
    open_shop: Callable[..., Shop], background: Background, notified: bool
) -> None:
    from flask_alipay.testing import AlipaySimulator

    shop = open_shop({"SIMULATOR": True}, TESTING=True)
    simulator = AlipaySimulator.of(shop.app)
    assert simulator is not None
    number = shop.order()
    if not notified:
        simulator.inject_fault("drop", times=9)
    simulator.pay(number)
    assert shows_paid(shop, number)
    assert background == []


def test_alipays_real_hosts_are_not_queried_under_testing(
    open_shop: Callable[..., Shop], merchant: Merchant, background: Background
) -> None:
    shop = open_shop(merchant, TESTING=True)
    alipay = Alipay(merchant, query=OutcomeUnknown("it was queried"))
    with shop.app.app_context():
        shop.alipay.gateway._transport = alipay
    number = shop.order()
    assert state(shop.client.get(return_to_shop(shop, merchant, number))) == "confirming"
    assert not shows_paid(shop, number)
    assert (alipay.requested, background) == ([], [])
