"""Reconciliation of pending payments with Alipay, by one process or several."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from flask_alipay.exceptions import InvalidParameter, OutcomeUnknown
from flask_alipay.models import utc_now
from flask_alipay.operations.reconciliation import ReconcileItem, ReconcileReport, ReconcileRun

from ..doubles.gateways import (
    LOST,
    NOT_THERE,
    TRADE_NO,
    Alipay,
    done,
    legacy_trade,
    no,
    refusal,
    trade,
)
from ..doubles.local_server import LocalServer, Request
from ..doubles.merchant import Merchant, on_the_legacy_gateway
from ..doubles.openapi import answer
from ..doubles.shop import Payment, Refund, Shop, db, new_app, new_blueprint
from ..processes import process_context
from .reconciling_app import run_command
from .test_refunding import query_response, refund, refunded, rows, sale

LATER = timedelta(hours=1)
NONE = timedelta(0)


@pytest.fixture
def alipay(shop: Shop, merchant: Merchant) -> Alipay:
    played = Alipay(merchant)
    with shop.app.app_context():
        shop.alipay.gateway._transport = played
    return played


def reconcile(shop: Shop, older_than: timedelta = NONE, **options: Any) -> ReconcileReport:
    with shop.app.app_context():
        found: ReconcileReport = shop.alipay.reconcile(older_than, **options)
        return found


def again(shop: Shop) -> None:
    """End the leases."""
    with shop.app.app_context():
        for model in (Payment, Refund):
            for row in db.session.scalars(select(model)):
                row.asked_at = None
        db.session.commit()


def by_number(responses: dict[str, Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda content: responses[content["out_trade_no"]]


def test_each_payment_that_waits_is_brought_in_line(shop: Shop, alipay: Alipay) -> None:
    bought, unopened, opened, lost, over = (shop.order() for _ in range(5))
    for number in (over, lost):
        shop.change(number, expires_at=utc_now() - LATER)
    waiting = trade("WAIT_BUYER_PAY")
    responses = {
        bought: trade(),
        unopened: NOT_THERE,
        opened: waiting,
        lost: NOT_THERE,
        over: waiting,
    }
    alipay.will_respond(query=by_number(responses), close=done(trade_no=f"{TRADE_NO[:-1]}9"))
    summary = reconcile(shop)
    assert (summary.queried, summary.paid, summary.closed, summary.waiting) == (5, 1, 2, 2)
    assert summary.failures == []
    assert shop.called == [("paid", bought), ("failed", lost), ("failed", over)]
    assert alipay.methods.count("alipay.trade.close") == 1


def test_settled_and_new_payments_are_not_queried(
    shop: Shop, alipay: Alipay, merchant: Merchant
) -> None:
    sale(shop, merchant)
    shop.order()
    assert reconcile(shop, LATER).queried == 0
    assert alipay.requested == []


def test_a_queried_payment_is_not_queried_again_soon(shop: Shop, alipay: Alipay) -> None:
    shop.order()
    alipay.will_respond(query=NOT_THERE)
    assert [reconcile(shop).queried for _ in range(2)] == [1, 0]
    again(shop)
    assert reconcile(shop).queried == 1


def queried(alipay: Alipay) -> list[str]:
    return [content["out_trade_no"] for _, content in alipay.requested]


def test_payments_queried_longest_ago_come_first(shop: Shop, alipay: Alipay) -> None:
    first, second, third = (shop.order() for _ in range(3))
    alipay.will_respond(query=NOT_THERE)
    shop.change(first, asked_at=utc_now() - LATER)
    shop.change(second, asked_at=utc_now() - 2 * LATER)
    shop.change(third, asked_at=utc_now() - 3 * LATER)
    assert reconcile(shop, limit=2).queried == 2
    assert queried(alipay) == [third, second]


def test_new_and_queried_payments_alternate(shop: Shop, alipay: Alipay) -> None:
    old, older, *new = (shop.order() for _ in range(6))
    alipay.will_respond(query=NOT_THERE)
    shop.change(old, asked_at=utc_now() - LATER)
    shop.change(older, asked_at=utc_now() - 2 * LATER)
    assert reconcile(shop, limit=5).queried == 5
    assert queried(alipay) == [older, new[0], old, new[1], new[2]]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_more_new_payments_than_the_limit_do_not_displace_older_ones(
    shop: Shop, alipay: Alipay, limit: int
) -> None:
    lost = shop.order()
    alipay.will_respond(query=NOT_THERE)
    reconcile(shop, limit=limit)
    shop.change(lost, asked_at=utc_now() - LATER)
    alipay.will_respond(
        query=lambda content: trade() if content["out_trade_no"] == lost else NOT_THERE
    )
    for _ in range(limit + 1):
        shop.order()
    assert reconcile(shop, limit=limit).paid == 1
    assert shop.called == [("paid", lost)]


@pytest.mark.parametrize("longest", ["refund", "payment"])
def test_with_a_limit_of_one_the_longest_wait_comes_first(
    shop: Shop, alipay: Alipay, merchant: Merchant, longest: str
) -> None:
    number = sale(shop, merchant)
    alipay.will_respond(refund=LOST, fastpay_refund_query=LOST, query=NOT_THERE)
    with pytest.raises(OutcomeUnknown):
        refund(shop, number, out_request_no="R1")
    waiting = shop.order()
    with shop.app.app_context():
        (row,) = db.session.scalars(select(Refund))
        row.asked_at = utc_now() - (2 if longest == "refund" else 1) * LATER
        db.session.commit()
    shop.change(waiting, asked_at=utc_now() - (1 if longest == "refund" else 2) * LATER)
    reported = [
        (len(each.failures), each.waiting) for each in (reconcile(shop, limit=1) for _ in "ab")
    ]
    assert reported == ([(1, 0), (0, 1)] if longest == "refund" else [(0, 1), (1, 0)])


def test_one_failure_does_not_delay_the_others(shop: Shop, alipay: Alipay) -> None:
    broken, wrong, good = (shop.order() for _ in range(3))
    responses = {broken: LOST, wrong: trade(total_amount="0.01"), good: trade()}
    alipay.will_respond(query=by_number(responses))
    summary = reconcile(shop)
    assert [one.out_trade_no for one in summary.failures] == [broken, wrong]
    assert (summary.paid, summary.aborted) == (1, False)
    assert shop.called == [("paid", good)]


def test_it_is_aborted_if_alipay_does_not_respond(shop: Shop, alipay: Alipay) -> None:
    for _ in range(12):
        shop.order()
    alipay.will_respond(query=LOST)
    summary = reconcile(shop)
    assert (summary.queried, summary.aborted) == (10, True)


def test_a_refund_that_was_lost_is_found(shop: Shop, alipay: Alipay, merchant: Merchant) -> None:
    number = sale(shop, merchant)
    alipay.will_respond(refund=LOST, fastpay_refund_query=query_response())
    with pytest.raises(OutcomeUnknown):
        refund(shop, number, out_request_no="R1")
    assert reconcile(shop).refunded == 1
    assert shop.called == [("refunded", number)]
    assert alipay.methods.count("alipay.trade.refund") == 1
    assert reconcile(shop).queried == 0


def test_a_refund_does_not_wait_until_fewer_payments_wait_than_the_limit(
    shop: Shop, alipay: Alipay, merchant: Merchant
) -> None:
    number = sale(shop, merchant)
    alipay.will_respond(refund=LOST, fastpay_refund_query=query_response(), query=NOT_THERE)
    with pytest.raises(OutcomeUnknown):
        refund(shop, number, out_request_no="R1")
    for _ in range(3):
        shop.order()
    summary = reconcile(shop, limit=2)
    assert (summary.refunded, summary.waiting) == (1, 1)
    assert shop.called == [("refunded", number)]


def test_many_refunds_do_not_keep_the_payments_from_their_turn(
    shop: Shop, alipay: Alipay, merchant: Merchant
) -> None:
    number = sale(shop, merchant)
    alipay.will_respond(refund=LOST, fastpay_refund_query=LOST, query=NOT_THERE)
    for one in range(3):
        with pytest.raises(OutcomeUnknown):
            refund(shop, number, "1.00", out_request_no=f"R{one}")
    shop.order()
    summary = reconcile(shop, limit=2)
    assert (len(summary.failures), summary.waiting) == (1, 1)


def test_a_refund_that_never_arrived_is_requested_again(
    shop: Shop, alipay: Alipay, merchant: Merchant
) -> None:
    number = sale(shop, merchant)
    alipay.will_respond(refund=[LOST, refunded()], fastpay_refund_query=done())
    with pytest.raises(OutcomeUnknown):
        refund(shop, number, out_request_no="R1")
    assert reconcile(shop).refunded == 1
    assert rows(shop) == [("R1", 1000, "REFUND_SUCCESS")]
    assert shop.payment(number).refunded_fen == 1000


def test_a_rejected_refund_is_reported(shop: Shop, alipay: Alipay, merchant: Merchant) -> None:
    number = sale(shop, merchant)
    output = "ACQ.TRADE_NOT_ALLOW_REFUND"
    alipay.will_respond(refund=[LOST, refusal(output)], fastpay_refund_query=done())
    with pytest.raises(OutcomeUnknown):
        refund(shop, number, out_request_no="R1")
    assert reconcile(shop).refund_refused == 1
    assert rows(shop) == [("R1", 1000, output)]
    assert shop.called == []


@on_the_legacy_gateway
def test_the_legacy_gateway_is_queried_likewise(
    shop: Shop, alipay: Alipay, merchant: Merchant
) -> None:
    bought, lost = shop.order(), shop.order()
    shop.change(lost, expires_at=utc_now() - LATER)
    responses = {
        bought: legacy_trade(bought, "TRADE_SUCCESS", merchant),
        lost: no("TRADE_NOT_EXIST"),
    }
    alipay.will_respond(single_trade_query=by_number(responses))
    summary = reconcile(shop)
    assert (summary.paid, summary.closed) == (1, 1)


@pytest.mark.parametrize("options", [{"older_than": -LATER}, {"limit": -1}], ids=str)
def test_invalid_arguments_are_rejected(shop: Shop, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        reconcile(shop, **options)


# The command


def test_the_command_prints_the_outcome(shop: Shop, alipay: Alipay) -> None:
    bought, broken = shop.order(), shop.order()
    alipay.will_respond(query=by_number({bought: trade(), broken: LOST}))
    run = shop.app.test_cli_runner().invoke(args=["alipay", "reconcile", "--older-than", "0s"])
    assert run.exit_code == 1
    assert f"{bought} is paid." in run.stdout
    assert broken in run.stderr
    assert "Queried 2: 1 paid" in run.stdout
    run = shop.app.test_cli_runner().invoke(args=["alipay", "reconcile", "--older-than", "0s"])
    assert run.exit_code == 0
    run = shop.app.test_cli_runner().invoke(args=["alipay", "reconcile", "--older-than", "soon"])
    assert run.exit_code == 2


def test_a_database_outage_during_the_run_leaves_payments_unqueried(
    shop: Shop, alipay: Alipay, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.order()

    def round_that_breaks(once: ReconcileRun) -> Iterator[ReconcileItem]:
        found = ReconcileItem("T1", "waiting")
        once.summary.count(found)
        yield found
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(ReconcileRun, "__iter__", round_that_breaks)
    run = shop.app.test_cli_runner().invoke(args=["alipay", "reconcile", "--older-than", "0s"])
    assert run.exit_code == 1
    assert "cannot be used (OperationalError" in run.stderr


def test_the_commands_help_states_that_the_legacy_gateway_cannot_query_refunds(shop: Shop) -> None:
    run = shop.app.test_cli_runner().invoke(args=["alipay", "reconcile", "--help"])
    assert "The legacy gateway cannot query refunds" in " ".join(run.stdout.split())


# Several processes


class Gateway:
    """Alipay's gateway over HTTP: it takes its time, and notices who is asked about twice."""

    def __init__(self, merchant: Merchant) -> None:
        self.now: Counter[str] = Counter()
        self.queried: Counter[str] = Counter()
        self.concurrently: list[str] = []
        self.at_once = 0
        self._merchant, self._lock = merchant, threading.Lock()
        self._server = LocalServer(self._respond)
        self.url, self.close = self._server.url, self._server.close

    def _respond(self, request: Request) -> None:
        params = dict(parse_qsl(request.body().decode()))
        number = json.loads(params["biz_content"])["out_trade_no"]
        with self._lock:
            self.now[number] += 1
            self.queried[number] += 1
            self.at_once = max(self.at_once, len(+self.now))
            if self.now[number] > 1:
                self.concurrently.append(number)
        time.sleep(0.02)
        node = trade(out_trade_no=number, trade_no=f"{TRADE_NO}{number[-20:]}")
        body = answer(params["method"], node, signer=self._merchant.signer)
        with self._lock:
            self.now[number] -= 1
        request.respond(body)


@pytest.fixture
def gateway(merchant: Merchant) -> Iterator[Gateway]:
    opened = Gateway(merchant)
    yield opened
    opened.close()


@pytest.fixture
def crowd(
    database_url: str, tmp_path: Path, merchant: Merchant, gateway: Gateway
) -> Iterator[Shop]:
    app = new_app(
        tmp_path,
        merchant.settings | {"GATEWAY_URL": gateway.url},
        SQLALCHEMY_DATABASE_URI=database_url,
    )
    alipay = new_blueprint()
    app.register_blueprint(alipay, url_prefix="/alipay")
    opened = Shop(app, alipay)
    yield opened
    opened.close()


def settings_file(shop: Shop, place: Path) -> Path:
    """Write what another process of the shop needs."""
    settings = {
        name: value
        for name, value in shop.app.config.items()
        if name.startswith("ALIPAY_") or name == "SQLALCHEMY_DATABASE_URI"
    }
    file = place / "settings.json"
    file.write_text(json.dumps(settings))
    return file


def command(
    shop: Shop, place: Path, *arguments: str, stderr: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    """``flask alipay reconcile`` in a process of its own."""
    file = settings_file(shop, place)
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "flask", "--app", "tests.blueprint.reconciling_app"),
            *("alipay", "reconcile", "--older-than", "0s", *arguments),
        ],
        env={**os.environ, "SHOP_SETTINGS": str(file), "LANGUAGE": "en"},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


@pytest.mark.service
def test_several_processes_share_the_work(crowd: Shop, gateway: Gateway, tmp_path: Path) -> None:
    with crowd.app.app_context():
        for _ in range(30):
            crowd.alipay.create_payment(subject="茶", total_amount="88.88")
        db.session.commit()
    # Copies of a process that has imported what they need: the imports take longer than the work.
    context = process_context()
    arguments = (settings_file(crowd, tmp_path), tmp_path / "output")
    processes = [context.Process(target=run_command, args=arguments, daemon=True) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    output = (tmp_path / "output").read_text()
    assert [process.exitcode for process in processes] == [0, 0, 0], output
    with crowd.app.app_context():
        assert {row.paid for row in db.session.scalars(select(Payment))} == {True}
    assert gateway.concurrently == []
    assert set(gateway.queried.values()) == {1}
    assert len(gateway.queried) == 30
    assert sorted(crowd.shipments()) == sorted(gateway.queried)


def test_a_watch_ends_on_a_signal(
    open_shop: Any, merchant: Merchant, gateway: Gateway, tmp_path: Path
) -> None:
    shop = open_shop(merchant, ALIPAY_GATEWAY_URL=gateway.url)
    number = shop.order()
    process = command(shop, tmp_path, "--watch")
    assert process.stdout is not None
    assert process.stdout.readline() == f"{number} is paid.\n"
    assert process.stdout.readline().startswith("Queried 1:")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_terminal_sees_how_far_it_is(
    open_shop: Any, merchant: Merchant, gateway: Gateway, tmp_path: Path
) -> None:
    shop = open_shop(merchant, ALIPAY_GATEWAY_URL=gateway.url)
    shop.order()
    merchant_here, other_merchant = pty.openpty()
    process = command(shop, tmp_path, stderr=other_merchant)
    os.close(other_merchant)
    output, _ = process.communicate(timeout=60)
    seen = os.read(merchant_here, 4096).decode()
    os.close(merchant_here)
    assert process.returncode == 0
    assert "Querying Alipay" in seen
    assert "100%" in seen
    changed, summary = output.splitlines()
    assert changed.endswith(" is paid.")
    assert summary.startswith("Queried 1: 1 paid")


def test_payments_too_new_or_beyond_the_limit_are_counted(
    open_shop: Any, merchant: Merchant, gateway: Gateway
) -> None:
    shop = open_shop(merchant, ALIPAY_GATEWAY_URL=gateway.url)
    for _number in range(3):
        shop.order()
    runner = shop.app.test_cli_runner()
    young = runner.invoke(args=["alipay", "reconcile"]).stdout
    assert "Skipped 3 younger than 10 minutes." in young
    limited = runner.invoke(args=["alipay", "reconcile", "--older-than", "0s", "--limit", "1"])
    assert "Skipped 2 beyond --limit." in limited.stdout
    assert "younger" not in limited.stdout
