"""Old reports of a sale, and those for closed payments, are settled by a query's response."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import text

from flask_alipay.exceptions import ConfirmationUnknown, NotConfirmed
from flask_alipay.gateways.query_limit import MAX_QUERIES, PERIOD, QueryLimit
from flask_alipay.models import utc_now
from flask_alipay.operations.settlement import LAST_RETRY
from flask_alipay.protocol.conversion import format_china_time

from ..doubles.gateways import LOST, NOT_THERE, TRADE_NO, Alipay, refusal, trade, unsigned
from ..doubles.merchant import Merchant, on_the_legacy_gateway
from ..doubles.shop import Shop, db
from ..services import database_url as database_url
from .conftest import OpenShop, Refusals

MINUTE = timedelta(minutes=1)
QUERY = "alipay.trade.query"
#: Times of a notification that Alipay would no longer deliver.
OLD = {
    "a minute too old": format_china_time(datetime.now(timezone.utc) - LAST_RETRY - MINUTE),
    "400 days": format_china_time(datetime.now(timezone.utc) - timedelta(days=400)),
    "missing": None,
    "empty": "",
    "unreadable": "yesterday",
}
old_times = pytest.mark.parametrize("notify_time", OLD.values(), ids=OLD)


@pytest.fixture
def alipay(shop: Shop, merchant: Merchant) -> Alipay:
    return play(shop, merchant)


def play(shop: Shop, merchant: Merchant) -> Alipay:
    """Serve an open platform whose queries report a sale by default."""
    played = Alipay(merchant, query=trade())
    with shop.app.app_context():
        shop.alipay.gateway._transport = played
    return played


def report(merchant: Merchant, number: str, **changes: Any) -> bytes:
    return merchant.notification(number, **{"trade_no": TRADE_NO, **changes})


def closed(shop: Shop) -> str:
    number = shop.order()
    shop.change(number, trade_status="TRADE_CLOSED", closed_at=utc_now())
    return number


# When Alipay is queried


@pytest.mark.parametrize("age", [timedelta(0), LAST_RETRY - MINUTE, -timedelta(days=1)])
def test_a_report_that_alipay_may_still_deliver_is_settled_without_a_query(
    shop: Shop, merchant: Merchant, alipay: Alipay, age: timedelta
) -> None:
    number = shop.order()
    sent_at = format_china_time(utc_now() - age)
    assert shop.notify(report(merchant, number, notify_time=sent_at)).data == b"success"
    assert (alipay.methods, shop.called) == ([], [("paid", number)])


@old_times
def test_an_old_report_of_a_sale_is_settled_by_the_response_to_a_query(
    shop: Shop, merchant: Merchant, alipay: Alipay, notify_time: str | None
) -> None:
    number = shop.order()
    body = report(merchant, number, notify_time=notify_time, gmt_payment="2020-01-01 00:00:00")
    assert shop.notify(body).data == b"success"
    assert alipay.requested == [(QUERY, {"out_trade_no": number})]
    assert shop.called == [("paid", number)]
    assert shop.payment(number).paid_at.isoformat() == "2026-01-31T04:00:01+00:00"
    assert shop.journal() == ["settled", "duplicate"]


def test_a_report_for_a_closed_payment_is_settled_by_the_response_to_a_query(
    shop: Shop, merchant: Merchant, alipay: Alipay
) -> None:
    number = closed(shop)
    assert shop.notify(report(merchant, number)).data == b"success"
    assert (alipay.methods, shop.called) == ([QUERY], [("paid", number)])
    assert shop.payment(number).trade_status == "TRADE_SUCCESS"


def test_a_report_that_moves_a_partly_refunded_payment_needs_a_query(
    shop: Shop, merchant: Merchant, alipay: Alipay
) -> None:
    number = shop.order()
    shop.notify(report(merchant, number))
    shop.notify(report(merchant, number, notify_id="two", refund_fee="8.88"))
    alipay.will_respond(query=trade("TRADE_FINISHED"))
    finished = report(merchant, number, notify_id="three", trade_status="TRADE_FINISHED")
    assert shop.notify(finished).data == b"success"
    assert alipay.methods == [QUERY]
    assert shop.called[2:] == [("finished", number)]


@old_times
def test_a_duplicate_needs_no_query(
    shop: Shop, merchant: Merchant, alipay: Alipay, notify_time: str | None
) -> None:
    number = shop.order()
    shop.notify(report(merchant, number))
    alipay.will_respond(query=LOST)
    assert shop.notify(report(merchant, number, notify_time=notify_time)).data == b"success"
    assert shop.journal() == ["settled", "duplicate"]


def test_an_old_report_of_a_close_or_a_refund_needs_no_query(
    shop: Shop, merchant: Merchant, alipay: Alipay
) -> None:
    alipay.will_respond(query=LOST)
    number, other = shop.order(), shop.order()
    shop.notify(report(merchant, number))
    for refund_fee in ("8.88", "9.99"):  # the second one for a payment that is partly refunded
        body = report(merchant, number, refund_fee=refund_fee, notify_time=OLD["400 days"])
        assert shop.notify(body).data == b"success"
    body = report(merchant, other, trade_status="TRADE_CLOSED", trade_no="T2", notify_time=None)
    assert shop.notify(body).data == b"success"
    assert shop.payment(number).refunded_fen == 999
    assert shop.called[-1] == ("failed", other)


def test_an_old_report_of_another_amount_is_mismatched_without_a_query(
    shop: Shop, merchant: Merchant, alipay: Alipay, refusals: Refusals
) -> None:
    body = report(merchant, shop.order(), total_amount="0.01", notify_time=None)
    assert refusals.of(body).status_code == 409
    assert (alipay.methods, shop.journal()) == ([], ["mismatched"])


# What is settled then


def test_a_sale_that_was_refunded_in_the_meantime_is_no_sale(
    shop: Shop, merchant: Merchant, alipay: Alipay
) -> None:
    number = shop.order()
    alipay.will_respond(query=trade("TRADE_CLOSED", send_pay_date="2026-01-31 12:00:01"))
    assert shop.notify(report(merchant, number, notify_time=OLD["400 days"])).data == b"success"
    payment = shop.payment(number)
    assert (payment.paid, payment.trade_status) == (False, "TRADE_CLOSED")
    assert [event for event, _ in shop.called] == ["failed"]
    fresh = report(merchant, number)
    assert shop.notify(fresh).data == b"success"
    assert [event for event, _ in shop.called] == ["failed"]


def test_a_kept_report_of_a_payment_that_was_closed_and_refunded_ships_nothing(
    shop: Shop, merchant: Merchant, alipay: Alipay
) -> None:
    number = closed(shop)
    alipay.will_respond(query=trade("TRADE_CLOSED", send_pay_date="2026-01-31 12:00:01"))
    for _ in range(2):
        assert shop.notify(report(merchant, number)).data == b"success"
    assert (shop.called, shop.payment(number).paid) == ([], False)


def test_a_trade_that_alipay_has_closed_stays_closed(
    shop: Shop, merchant: Merchant, alipay: Alipay
) -> None:
    number = closed(shop)
    alipay.will_respond(query=trade("TRADE_CLOSED"))
    assert shop.notify(report(merchant, number)).data == b"success"
    assert (shop.called, shop.payment(number).paid) == ([], False)


@pytest.mark.parametrize("make", [Shop.order, closed], ids=["waiting", "closed"])
def test_a_trade_that_was_paid_and_is_closed_was_refunded_and_is_not_queried_again(
    shop: Shop, merchant: Merchant, alipay: Alipay, make: Any
) -> None:
    number = make(shop)
    alipay.will_respond(query=trade("TRADE_CLOSED"))  # without the time of the payment
    for _ in range(3):
        assert shop.notify(report(merchant, number, notify_time=OLD["400 days"])).data == b"success"
    assert alipay.methods == [QUERY]
    assert (shop.payment(number).refunded_fen, shop.payment(number).paid) == (8888, False)
    assert ("paid", number) not in shop.called


def test_another_closed_trade_is_no_evidence_of_a_refund(
    shop: Shop, merchant: Merchant, alipay: Alipay
) -> None:
    number = shop.order()
    alipay.will_respond(query=trade("TRADE_CLOSED", trade_no="another"))
    shop.notify(report(merchant, number, notify_time=OLD["400 days"]))
    assert (shop.payment(number).refunded_fen, shop.payment(number).paid) == (0, False)


@pytest.mark.parametrize("response", [LOST, NOT_THERE, trade("WAIT_BUYER_PAY")])
def test_a_report_that_is_delivered_again_and_again_queries_a_few_times(
    shop: Shop, merchant: Merchant, alipay: Alipay, refusals: Refusals, response: Any
) -> None:
    number, other = shop.order(), shop.order()
    body = report(merchant, number, notify_time=OLD["400 days"])
    alipay.will_respond(query=response)
    for _ in range(MAX_QUERIES + 12):
        assert refusals.of(body).status_code in (403, 503)
    assert alipay.methods == [QUERY] * MAX_QUERIES
    assert refusals.of(body).status_code == 503
    assert (shop.called, shop.journal()) == ([], [])
    alipay.will_respond(query=trade())
    assert shop.notify(report(merchant, other, notify_time=None)).data == b"success"


def test_a_forged_report_queries_nothing(
    shop: Shop, merchant: Merchant, alipay: Alipay, refusals: Refusals
) -> None:
    body = report(merchant, shop.order(), notify_time=OLD["400 days"])
    assert refusals.of(body.replace(b"88.88", b"0.01")).status_code == 400
    assert alipay.methods == []


def test_the_limit_of_queries_is_of_one_payment_and_passes() -> None:
    times = [0.0]
    limit = QueryLimit(lambda: times[0])
    assert [limit.admits("A") for _ in range(MAX_QUERIES + 1)] == [True] * MAX_QUERIES + [False]
    assert limit.admits("B")
    times[0] = PERIOD
    assert limit.admits("A")


def test_the_refund_that_an_old_report_states_is_settled_as_well(
    shop: Shop, merchant: Merchant, alipay: Alipay
) -> None:
    number = shop.order()
    body = report(merchant, number, refund_fee="8.88", notify_time=OLD["400 days"])
    assert shop.notify(body).data == b"success"
    assert shop.called == [("paid", number), ("refunded", number)]
    assert shop.payment(number).refunded_fen == 888


@pytest.mark.parametrize("status", ["WAIT_BUYER_PAY", "TRADE_PENDING"])
@pytest.mark.parametrize("make", [Shop.order, closed], ids=["waiting", "closed"])
def test_a_response_without_payment_or_close_leaves_the_report_for_a_retry(
    shop: Shop, merchant: Merchant, alipay: Alipay, refusals: Refusals, make: Any, status: str
) -> None:
    alipay.will_respond(query=trade(status))
    body = report(merchant, make(shop), notify_time=OLD["400 days"])
    assert refusals.of(body).status_code == 503
    assert (refusals.reason, shop.journal()) == ("confirmation_unknown", [])


@pytest.mark.parametrize(
    "response",
    [
        LOST,
        unsigned(QUERY, "ACQ.TRADE_NOT_EXIST"),
        refusal("ACQ.SYSTEM_ERROR"),
        refusal("isv.insufficient-isv-permissions"),
        b"<html>",
        trade("TRADE_WONDERFUL"),
        trade("WAIT_SELLER_SEND_GOODS"),
    ],
    ids=["lost", "unsigned", "error", "rejected", "unreadable", "unknown status", "legacy status"],
)
@pytest.mark.parametrize("make", [Shop.order, closed], ids=["waiting", "closed"])
def test_no_conclusive_response_settles_nothing(
    shop: Shop, merchant: Merchant, alipay: Alipay, refusals: Refusals, make: Any, response: Any
) -> None:
    number = make(shop)
    alipay.will_respond(query=response)
    body = report(merchant, number, notify_time=OLD["400 days"])
    assert refusals.of(body).status_code == 503
    assert (refusals.reason, shop.journal()) == ("confirmation_unknown", [])
    alipay.will_respond(query=trade())
    assert shop.notify(body).data == b"success"
    assert shop.called == [("paid", number)]


def test_a_trade_that_alipay_does_not_have_settles_nothing(
    shop: Shop, merchant: Merchant, alipay: Alipay, refusals: Refusals
) -> None:
    alipay.will_respond(query=NOT_THERE)
    body = report(merchant, shop.order(), notify_time=OLD["400 days"])
    assert refusals.of(body).status_code == 403
    assert (refusals.reason, shop.journal()) == ("not_confirmed", [])


def test_a_response_of_another_amount_settles_nothing(
    shop: Shop, merchant: Merchant, alipay: Alipay, refusals: Refusals
) -> None:
    alipay.will_respond(query=trade(total_amount="0.01"))
    body = report(merchant, shop.order(), notify_time=OLD["400 days"])
    assert refusals.of(body).status_code == 409
    assert shop.journal() == ["mismatched"]


def test_a_callback_that_raises_leaves_the_old_report_for_a_retry(
    shop: Shop, merchant: Merchant, alipay: Alipay
) -> None:
    endings = [RuntimeError("out of paper"), None]

    @shop.alipay.on_paid
    def ship(payment: Any) -> None:
        ending = endings.pop(0)
        if ending is not None:
            raise ending

    number = shop.order()
    body = report(merchant, number, notify_time=OLD["400 days"])
    assert [shop.notify(body).data for _ in range(3)] == [b"fail", b"success", b"success"]
    assert shop.payment(number).paid


@pytest.mark.service
def test_no_transaction_is_open_while_alipay_is_queried(
    open_shop: OpenShop, merchant: Merchant, database_url: str
) -> None:
    shop = open_shop(merchant, SQLALCHEMY_DATABASE_URI=database_url)
    alipay, number = play(shop, merchant), closed(shop)
    seen: list[int] = []

    def change_the_row() -> None:
        with shop.app.app_context():
            seen.append(db.engine.pool.checkedout())  # type: ignore[attr-defined]
            with db.engine.begin() as connection:
                connection.execute(text("UPDATE alipay_payment SET gift_note = 'new'"))

    alipay.before = change_the_row
    assert shop.notify(report(merchant, number)).data == b"success"
    assert seen == [0]
    assert (shop.payment(number).gift_note, shop.called) == ("new", [("paid", number)])


def test_a_sale_that_another_report_settles_during_the_query_is_one_sale(
    shop: Shop, merchant: Merchant, alipay: Alipay
) -> None:
    number = shop.order()

    def settle_it() -> None:
        alipay.before = lambda: None
        shop.notify(report(merchant, number))

    alipay.before = settle_it
    assert shop.notify(report(merchant, number, notify_time=None)).data == b"success"
    assert shop.called == [("paid", number)]


# The setting


@pytest.mark.parametrize("word", ["always", "Always"])
def test_always_queries_for_each_sale_once(
    open_shop: OpenShop, merchant: Merchant, word: str
) -> None:
    shop = open_shop(merchant.settings | {"NOTIFY_VERIFY": word})
    alipay, number = play(shop, merchant), shop.order()
    for _ in range(3):
        assert shop.notify(report(merchant, number)).data == b"success"
    assert (alipay.methods, shop.called) == ([QUERY], [("paid", number)])


def test_always_settles_nothing_without_a_response(
    open_shop: OpenShop, merchant: Merchant, log: Any
) -> None:
    shop = open_shop(merchant.settings | {"NOTIFY_VERIFY": "always"})
    play(shop, merchant).will_respond(query=LOST)
    assert Refusals(shop, log).of(report(merchant, shop.order())).status_code == 503


@pytest.mark.parametrize("default", [None, "", True, "true"])
def test_the_default_queries_for_old_reports(
    open_shop: OpenShop, merchant: Merchant, default: object
) -> None:
    shop = open_shop(merchant.settings | {"NOTIFY_VERIFY": default})
    alipay = play(shop, merchant)
    shop.notify(report(merchant, shop.order()))
    assert alipay.methods == []
    shop.notify(report(merchant, shop.order(), notify_time=None))
    assert alipay.methods == [QUERY]


@pytest.mark.parametrize("off", [False, "false", "0"])
def test_switched_off_the_signature_is_the_only_proof_and_registration_warns(
    open_shop: OpenShop, merchant: Merchant, log: Any, off: object
) -> None:
    shop = open_shop(merchant.settings | {"NOTIFY_VERIFY": off})
    assert "'ALIPAY_NOTIFY_VERIFY' is off" in log()[0].getMessage()
    alipay, number = play(shop, merchant), closed(shop)
    assert shop.notify(report(merchant, number, notify_time=None)).data == b"success"
    assert (alipay.methods, shop.called) == ([], [("paid", number)])


@on_the_legacy_gateway
def test_on_the_legacy_gateway_always_is_notify_verify(
    open_shop: OpenShop, merchant: Merchant, confirmations: Any
) -> None:
    shop = open_shop(merchant.settings | {"NOTIFY_VERIFY": "always"})
    number = closed(shop)
    assert shop.notify(report(merchant, number, notify_time=None)).data == b"success"
    assert [queried["service"] for queried in confirmations.requested] == ["notify_verify"]
    assert shop.called == [("paid", number)]


# Replay


def replay(shop: Shop, body: bytes, *, dry_run: bool = False) -> Any:
    with shop.app.app_context():
        return shop.alipay.replay(body, dry_run=dry_run)


@old_times
def test_a_replay_of_an_old_report_queries_as_well(
    shop: Shop, merchant: Merchant, alipay: Alipay, notify_time: str | None
) -> None:
    number = shop.order()
    found = replay(shop, report(merchant, number, notify_time=notify_time))
    assert (found.outcome, found.events) == ("settled", ("paid",))
    assert (alipay.methods, shop.called) == ([QUERY], [("paid", number)])


def test_a_dry_run_of_a_replay_announces_the_query_without_sending_it(
    shop: Shop, merchant: Merchant, alipay: Alipay
) -> None:
    number = closed(shop)
    before = shop.ledger()
    foreseen = replay(shop, report(merchant, number), dry_run=True)
    assert (foreseen.outcome, foreseen.events, foreseen.queries) == ("settled", ("paid",), True)
    assert (shop.ledger(), shop.called, shop.journal(), alipay.requested) == (before, [], [], [])


@pytest.mark.parametrize(
    ("response", "wanted"), [(LOST, ConfirmationUnknown), (NOT_THERE, NotConfirmed)]
)
def test_a_replay_without_a_confirming_response_settles_nothing(
    shop: Shop, merchant: Merchant, alipay: Alipay, response: Any, wanted: Any
) -> None:
    body = report(merchant, closed(shop))
    before = shop.ledger()
    alipay.will_respond(query=response)
    with pytest.raises(wanted):
        replay(shop, body)
    assert (shop.ledger(), shop.called, shop.journal()) == (before, [], [])
