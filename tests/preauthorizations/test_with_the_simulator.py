"""Deposits from the order to the end, with the simulator as Alipay."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest

from flask_alipay.exceptions import (
    AlipayError,
    CallbackFailed,
    GatewayError,
    InvalidParameter,
    OutcomeUnknown,
)
from flask_alipay.gateways.openapi import PollingPolicy
from flask_alipay.models import utc_now

from ..services import on_each_database
from .shop import CODE, FREEZE, PAY, QUERY, TRADE_QUERY, UNFREEZE
from .simulated import SimulatedShop

AT_ONCE = PollingPolicy(seconds=0, interval=0, cancel_seconds=0)
#: The last digits of a code whose payer has to confirm, and of one without money.
CONFIRMS, POOR = "2812345678010003", "2812345678040402"
#: The response is lost, altered or useless, and the request is performed.
LOST = ["system-error-done", "cut-off", "wrong-sign", "unsigned"]


def held_by_page(shop: SimulatedShop) -> None:
    """Hold a deposit that the payer freezes on Alipay's page."""
    shop.create()
    code = shop.run(shop.alipay.freeze_qr_code)
    page = urlsplit(code.link).path
    client = shop.app.test_client()
    assert "¥500.00" in unescape(client.get(page).text)
    assert client.post(f"{page}/freeze").status_code == 303


def held_by_app(shop: SimulatedShop) -> None:
    """Hold a deposit that the payer freezes in the merchant's app."""
    shop.create()
    order = shop.run(shop.alipay.freeze_order_string)
    form = "application/x-www-form-urlencoded"
    wallet = shop.app.test_client().post(
        "/alipay/simulator/mobile/pay", data=order, content_type=form
    )
    assert wallet.text.startswith("resultStatus={9000}"), wallet.text
    shop.simulator.advance(seconds=1)


def held_by_code(shop: SimulatedShop) -> None:
    """Hold a deposit that the payer's code freezes."""
    shop.hold()


def hold(shop: SimulatedShop) -> None:
    shop.hold()
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 0)


WAYS = {"page": held_by_page, "app": held_by_app, "code": held_by_code}


@pytest.mark.parametrize("held", WAYS.values(), ids=WAYS.keys())
def test_a_deposit_is_held_captured_in_parts_and_released(
    small_simulated: SimulatedShop, held: Callable[[SimulatedShop], None]
) -> None:
    shop = small_simulated
    held(shop)
    assert shop.amounts() == ("AUTHORIZED", 0, 0, 0)
    assert shop.capture("120.00").paid
    assert shop.capture("80.50", "C2").paid
    assert shop.amounts() == ("AUTHORIZED", 20050, 0, 0)
    shop.release("100.00")
    shop.release(None, "R2")
    assert shop.amounts() == ("FINISH", 20050, 29950, 0)
    assert shop.truth() == ("FINISH", 20050, 29950)
    assert sorted(shop.calls()) == sorted(
        [
            ("authorized", "DEP1"),
            ("paid", "C1"),
            ("paid", "C2"),
            ("released", "DEP1"),
            ("released", "DEP1"),
        ]
    )
    shop.simulator.advance(seconds=5)
    assert shop.messages().count("fund_auth_unfreeze") == 2
    assert shop.messages()[0] == "fund_auth_freeze"


@on_each_database
@pytest.mark.parametrize("held", WAYS.values(), ids=WAYS.keys())
def test_each_database_holds_captures_and_completes(
    simulated: SimulatedShop, held: Callable[[SimulatedShop], None]
) -> None:
    held(simulated)
    assert simulated.capture("120.00").paid
    assert simulated.capture("1.00", "C2", complete=True).paid
    assert simulated.amounts() == ("FINISH", 12100, 37900, 0)
    assert simulated.truth() == ("FINISH", 12100, 37900)
    assert simulated.calls().count(("released", "DEP1")) == 1
    assert simulated.calls().count(("authorized", "DEP1")) == 1


def test_a_capture_is_refunded_to_the_payer(small_simulated: SimulatedShop) -> None:
    shop = small_simulated
    hold(shop)
    shop.capture("120.00")
    with shop.app.test_request_context(base_url="http://localhost"):
        shop.alipay.refund(shop.alipay.ledger().find("C1"), "20.00")
    assert shop.payment().refunded_fen == 2000
    assert shop.amounts() == ("AUTHORIZED", 12000, 0, 0)
    assert shop.truth() == ("AUTHORIZED", 12000, 0)
    assert shop.calls()[2:] == [("refunded", "C1")]


def test_a_payer_who_refuses_closes_the_deposit(simulated: SimulatedShop) -> None:
    simulated.create()
    page = urlsplit(simulated.run(simulated.alipay.freeze_qr_code).link).path
    simulated.app.test_client().get(page)
    simulated.app.test_client().post(f"{page}/refuse")
    assert simulated.reconcile().authorization_ended == 1
    assert simulated.amounts() == ("CLOSED", 0, 0, 0)
    assert simulated.calls() == [("authorization_closed", "DEP1")]


def test_a_deposit_that_nobody_confirms_expires(simulated: SimulatedShop) -> None:
    simulated.create(pay_timeout="1m")
    simulated.run(simulated.alipay.freeze_qr_code)
    simulated.simulator.advance(minutes=2)
    assert simulated.reconcile().authorization_ended == 0  # the clocks may differ
    simulated.change(expires_at=utc_now().replace(year=2025))
    assert simulated.reconcile().authorization_ended == 1
    assert simulated.calls() == [("authorization_closed", "DEP1")]


def test_a_code_without_money_closes_the_deposit(small_simulated: SimulatedShop) -> None:
    shop = small_simulated
    shop.create()
    with pytest.raises(GatewayError, match="MONEY_NOT_ENOUGH"):
        shop.run(lambda row: shop.alipay.freeze_barcode(row, POOR, polling=AT_ONCE))
    assert shop.amounts() == ("CLOSED", 0, 0, 0)
    assert shop.calls() == [("authorization_closed", "DEP1")]


def test_a_code_whose_payer_does_not_confirm_is_cancelled(simulated: SimulatedShop) -> None:
    simulated.create()
    simulated.run(lambda row: simulated.alipay.freeze_barcode(row, CONFIRMS, polling=AT_ONCE))
    assert simulated.amounts() == ("CLOSED", 0, 0, 0)
    assert simulated.truth() == ("CLOSED", 0, 0)
    assert simulated.calls() == [("authorization_closed", "DEP1")]


def test_a_payer_who_confirms_meanwhile_is_seen(simulated: SimulatedShop) -> None:
    simulated.create()
    waiting = PollingPolicy(seconds=5, interval=0.2, cancel_seconds=0)

    def confirm(*_: Any) -> None:
        simulated.simulator.authorize("DEP1")

    simulated.run(lambda row: _frozen_while(simulated, row, waiting, confirm))
    assert simulated.amounts() == ("AUTHORIZED", 0, 0, 0)
    assert simulated.calls() == [("authorized", "DEP1")]


def _frozen_while(
    shop: SimulatedShop, row: Any, polling: PollingPolicy, act: Callable[[], None]
) -> Any:
    """Freeze by a code whose payer acts during the first query."""
    gateway, once = shop.alipay.gateway, iter([act])
    query = gateway.query_authorization  # type: ignore[union-attr]

    def acting(*arguments: Any) -> Any:
        next(once, lambda: None)()
        return query(*arguments)

    gateway.query_authorization = acting  # type: ignore[union-attr, method-assign]
    try:
        return shop.alipay.freeze_barcode(row, CONFIRMS, polling=polling)
    finally:
        del gateway.query_authorization  # type: ignore[union-attr]


def test_a_cancelled_deposit_is_closed_at_alipay(simulated: SimulatedShop) -> None:
    simulated.create()
    page = urlsplit(simulated.run(simulated.alipay.freeze_qr_code).link).path
    simulated.app.test_client().get(page)
    simulated.run(simulated.alipay.cancel_authorization)
    assert simulated.amounts() == ("CLOSED", 0, 0, 0)
    assert simulated.truth() == ("CLOSED", 0, 0)
    with pytest.raises(InvalidParameter):
        simulated.run(simulated.alipay.freeze_qr_code)


def test_a_cancellation_gives_a_faster_payer_the_amount_back(simulated: SimulatedShop) -> None:
    simulated.create()
    page = urlsplit(simulated.run(simulated.alipay.freeze_qr_code).link).path
    simulated.app.test_client().get(page)
    simulated.unreachable = True
    simulated.simulator.authorize("DEP1")
    simulated.unreachable = False
    simulated.run(simulated.alipay.cancel_authorization)
    assert simulated.amounts() == ("CLOSED", 0, 50000, 0)
    assert simulated.truth() == ("CLOSED", 0, 50000)
    simulated.simulator.advance(hours=1)  # the message about the freeze is repeated
    assert simulated.amounts() == ("CLOSED", 0, 50000, 0)
    assert simulated.calls() == [("authorization_closed", "DEP1")]


def test_an_automatic_release_is_reported(simulated: SimulatedShop) -> None:
    hold(simulated)
    simulated.capture("120.00")
    simulated.simulator.advance(days=31)
    assert simulated.truth() == ("FINISH", 12000, 38000)
    assert simulated.amounts() == ("FINISH", 12000, 38000, 0)
    assert simulated.calls()[2:] == [("released", "DEP1")]


@on_each_database
def test_an_automatic_release_without_a_message_is_found(simulated: SimulatedShop) -> None:
    hold(simulated)
    simulated.unreachable = True
    simulated.simulator.expire_authorization("DEP1")
    assert simulated.amounts() == ("AUTHORIZED", 0, 0, 0)
    simulated.change(authorized_at=utc_now().replace(year=2025))
    assert simulated.reconcile().authorization_ended == 1
    assert simulated.amounts() == ("CLOSED", 0, 50000, 0)
    assert simulated.calls()[1:] == [("released", "DEP1")]


def test_a_release_in_alipays_console_is_counted(simulated: SimulatedShop) -> None:
    hold(simulated)
    client, control = simulated.app.test_client(), "/alipay/simulator/preauthorizations/DEP1"
    response = client.post(f"{control}/release", json={"amount": "100.00"})
    assert response.status_code == 200, response.text
    assert simulated.amounts() == ("AUTHORIZED", 0, 10000, 0)
    with pytest.raises(InvalidParameter, match=r"exceeds the frozen rest, 400.00 CNY"):
        simulated.capture("400.01")
    client.post(f"{control}/release", json={})
    assert simulated.amounts() == ("CLOSED", 0, 50000, 0)
    assert simulated.calls() == [
        ("authorized", "DEP1"),
        ("released", "DEP1"),
        ("released", "DEP1"),
    ]


def test_messages_count_once_however_often_they_arrive(simulated: SimulatedShop) -> None:
    held_by_page(simulated)
    simulated.capture("120.00")
    simulated.release("100.00")
    simulated.release(None, "R2")
    simulated.simulator.advance(seconds=5)
    before = simulated.contents()
    for _ in range(2):
        for body in reversed(simulated.received):
            assert simulated.post(body) == (200, "success")
    assert simulated.contents() == before


@on_each_database
def test_late_messages_in_reverse_order_have_the_same_result(simulated: SimulatedShop) -> None:
    simulated.unreachable = True
    held_by_page(simulated)
    simulated.run(simulated.alipay.query_authorization)
    simulated.capture("120.00")
    simulated.release("100.00")
    simulated.release(None, "R2")
    simulated.simulator.advance(seconds=5)
    simulated.unreachable, bodies = False, [*simulated.received]
    before = simulated.contents()
    for body in reversed(bodies):
        assert simulated.post(body) == (200, "success")
    assert simulated.contents() == before
    assert simulated.amounts() == ("FINISH", 12000, 38000, 0)


@on_each_database
def test_a_callback_that_raises_runs_again_with_the_next_message(simulated: SimulatedShop) -> None:
    simulated.refusal = RuntimeError("no")
    held_by_page(simulated)
    assert simulated.amounts() == ("INIT", 0, 0, 0)
    simulated.refusal = None
    simulated.simulator.advance(minutes=5)
    assert simulated.amounts() == ("AUTHORIZED", 0, 0, 0)
    assert simulated.calls() == [("authorized", "DEP1")]


@on_each_database
def test_a_release_whose_callback_raises_is_settled_later(simulated: SimulatedShop) -> None:
    hold(simulated)
    simulated.refusal = RuntimeError("no")
    with pytest.raises(CallbackFailed):
        simulated.release("100.00")
    assert simulated.amounts() == ("AUTHORIZED", 0, 0, 10000)
    simulated.refusal = None
    simulated.release("100.00")
    assert simulated.amounts() == ("AUTHORIZED", 0, 10000, 0)
    assert simulated.truth() == ("AUTHORIZED", 0, 10000)
    assert simulated.calls()[1:] == [("released", "DEP1")]


# Faults of the gateway


@pytest.mark.parametrize("kind", [*LOST, "system-error"])
def test_a_capture_with_a_lost_response_is_found(small_simulated: SimulatedShop, kind: str) -> None:
    shop = small_simulated
    hold(shop)
    shop.simulator.inject_fault(kind, method=PAY)
    _ignoring(OutcomeUnknown, shop.capture, "120.00")
    assert shop.capture("120.00").paid
    assert shop.amounts() == ("AUTHORIZED", 12000, 0, 0)
    assert shop.truth() == ("AUTHORIZED", 12000, 0)
    assert shop.calls()[1:] == [("paid", "C1")]


@pytest.mark.parametrize("kind", [*LOST, "system-error"])
def test_an_unknown_capture_is_finished_by_reconcile(simulated: SimulatedShop, kind: str) -> None:
    hold(simulated)
    simulated.unreachable = True
    for method in (PAY, TRADE_QUERY):
        simulated.simulator.inject_fault(kind, method=method)
    with pytest.raises(OutcomeUnknown):
        simulated.capture("120.00")
    assert simulated.amounts() == ("AUTHORIZED", 0, 0, 12000)
    assert simulated.reconcile().paid == 1
    assert simulated.amounts() == ("AUTHORIZED", 12000, 0, 0)
    assert simulated.truth() == ("AUTHORIZED", 12000, 0)
    assert simulated.calls()[1:] == [("paid", "C1")]


@pytest.mark.parametrize("kind", [*LOST, "system-error"])
def test_an_unknown_release_is_finished_by_reconcile(simulated: SimulatedShop, kind: str) -> None:
    hold(simulated)
    simulated.unreachable = True
    for method in (UNFREEZE, QUERY):
        simulated.simulator.inject_fault(kind, method=method, times=2)
    with pytest.raises(OutcomeUnknown) as caught:
        simulated.release("100.00", None)
    assert caught.value.out_request_no == simulated.row().release_no
    assert simulated.amounts() == ("AUTHORIZED", 0, 0, 10000)
    simulated.app.test_client().delete("/alipay/simulator/faults")
    assert simulated.reconcile().authorized == 1
    assert simulated.amounts() == ("AUTHORIZED", 0, 10000, 0)
    assert simulated.truth() == ("AUTHORIZED", 0, 10000)
    assert simulated.calls()[1:] == [("released", "DEP1")]


@pytest.mark.parametrize("kind", [*LOST, "system-error"])
def test_an_unknown_freeze_is_found_or_cancelled(simulated: SimulatedShop, kind: str) -> None:
    simulated.create()
    simulated.unreachable = True
    simulated.simulator.inject_fault(kind, method=FREEZE)
    simulated.simulator.inject_fault("system-error", method=QUERY)
    _ignoring(
        OutcomeUnknown,
        simulated.run,
        lambda row: simulated.alipay.freeze_barcode(row, CODE, polling=AT_ONCE),
    )
    simulated.run(simulated.alipay.query_authorization)
    status, captured, released, reserved = simulated.amounts()
    assert (captured, reserved) == (0, 0)
    if kind == "system-error":
        assert (status, released) == ("INIT", 0)
    else:
        assert (status, captured, released) == simulated.truth()


@pytest.mark.parametrize("kind", [*LOST, "system-error"])
def test_an_unknown_query_changes_nothing(simulated: SimulatedShop, kind: str) -> None:
    simulated.unreachable = True
    held_by_page(simulated)
    before = simulated.contents()
    simulated.simulator.inject_fault(kind, method=QUERY, times=3)
    with pytest.raises(GatewayError):
        simulated.run(simulated.alipay.query_authorization)
    assert simulated.contents() == before
    simulated.app.test_client().delete("/alipay/simulator/faults")
    simulated.run(simulated.alipay.query_authorization)
    assert simulated.calls() == [("authorized", "DEP1")]


def _ignoring(error: type[AlipayError], work: Callable[..., Any], *arguments: Any) -> None:
    try:
        work(*arguments)
    except error:
        return


# A process that was killed leaves what it has committed


@on_each_database
@pytest.mark.parametrize("performed", [True, False])
def test_a_capture_of_a_killed_process_is_finished(
    simulated: SimulatedShop, monkeypatch: pytest.MonkeyPatch, performed: bool
) -> None:
    hold(simulated)
    _killed_in(simulated, monkeypatch, PAY, performed=performed)
    with pytest.raises(KeyboardInterrupt):
        simulated.capture("120.00")
    monkeypatch.undo()
    assert simulated.amounts() == ("AUTHORIZED", 0, 0, 12000)
    assert simulated.reconcile().paid == 1
    assert simulated.amounts() == ("AUTHORIZED", 12000, 0, 0)
    assert simulated.truth() == ("AUTHORIZED", 12000, 0)
    assert simulated.calls()[1:] == [("paid", "C1")]


@on_each_database
@pytest.mark.parametrize("performed", [True, False])
def test_a_release_of_a_killed_process_is_finished(
    simulated: SimulatedShop, monkeypatch: pytest.MonkeyPatch, performed: bool
) -> None:
    hold(simulated)
    _killed_in(simulated, monkeypatch, UNFREEZE, performed=performed)
    with pytest.raises(KeyboardInterrupt):
        simulated.release("100.00")
    monkeypatch.undo()
    assert simulated.amounts() == ("AUTHORIZED", 0, 0, 10000)
    assert simulated.reconcile().authorized == 1
    assert simulated.amounts() == ("AUTHORIZED", 0, 10000, 0)
    assert simulated.truth() == ("AUTHORIZED", 0, 10000)
    assert simulated.calls()[1:] == [("released", "DEP1")]


def test_a_release_that_alipay_no_longer_accepts_is_given_up(
    simulated: SimulatedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(simulated)
    _killed_in(simulated, monkeypatch, UNFREEZE, performed=False)
    with pytest.raises(KeyboardInterrupt):
        simulated.release("100.00")
    monkeypatch.undo()
    simulated.simulator.expire_authorization("DEP1")  # all of it is released
    assert simulated.amounts() == ("AUTHORIZED", 0, 40000, 10000)
    simulated.reconcile()
    simulated.change(release_sent_at=utc_now().replace(year=2025))
    simulated.reconcile()
    assert simulated.amounts() == ("CLOSED", 0, 50000, 0)
    assert simulated.truth() == ("CLOSED", 0, 50000)


@on_each_database
@pytest.mark.parametrize("performed", [True, False])
def test_a_freeze_of_a_killed_process_is_found(
    simulated: SimulatedShop, monkeypatch: pytest.MonkeyPatch, performed: bool
) -> None:
    simulated.create()
    _killed_in(simulated, monkeypatch, FREEZE, performed=performed)
    simulated.unreachable = True
    with pytest.raises(KeyboardInterrupt):
        simulated.run(lambda row: simulated.alipay.freeze_barcode(row, CODE))
    monkeypatch.undo()
    report = simulated.reconcile()
    assert (report.authorized, report.authorization_waiting) == (performed, not performed)
    assert simulated.calls() == ([("authorized", "DEP1")] if performed else [])


def _killed_in(
    shop: SimulatedShop, monkeypatch: pytest.MonkeyPatch, method: str, *, performed: bool
) -> None:
    """End the process during the next call of a method, before or after Alipay performs it. The
    message about it is lost: it could arrive at any time.
    """
    shop.unreachable = performed
    transport = shop.run(lambda row: shop.alipay.gateway)._transport
    post = transport.post

    def killed(url: str, params: Any, *arguments: Any, **options: Any) -> bytes:
        response: bytes | None = None
        if params["method"] != method or performed:
            response = post(url, params, *arguments, **options)
        if params["method"] == method:
            raise KeyboardInterrupt
        assert response is not None
        return response

    monkeypatch.setattr(transport, "post", killed)


# The page for the payer


def test_the_page_shows_the_code_and_then_the_deposit(small_simulated: SimulatedShop) -> None:
    shop = small_simulated
    shop.create()
    url = urlsplit(shop.run(shop.alipay.authorization_url)).path
    client = shop.app.test_client()
    shown = client.get(url)
    assert shown.status_code == 200, shown.text
    link = re.search(r'href="([^"]+/freeze/[^"]+)"', shown.text)
    assert link is not None
    page = urlsplit(unescape(link[1])).path
    client.get(page)
    client.post(f"{page}/freeze")
    assert "The deposit is held" in client.get(url).text
    shop.capture("100.00")
    shop.release()
    settled = client.get(url).text
    assert "The deposit is settled" in settled
    assert "400.00" in settled
