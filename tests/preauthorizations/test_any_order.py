"""Reports and payments in any order and number: an authorization counts each amount once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flask_alipay.exceptions import PaymentMismatch
from flask_alipay.ledger.authorization_transitions import NEVER_FROZEN, TRANSITIONS
from flask_alipay.ledger.authorization_updates import (
    AuthorizationChange,
    apply_payment,
    apply_report,
    check_match,
)
from flask_alipay.protocol.preauthorizations import AuthorizationReport, AuthorizationStatus

TOTAL = 1000
RANKS = {"INIT": 0, "AUTHORIZED": 1, "FINISH": 2, "CLOSED": 2}
EVENTS = ("authorized", "released", "authorization_closed")
AMOUNTS = st.integers(1, TOTAL)


def new_row(**values: Any) -> SimpleNamespace:
    """Return an authorization as the database has it before the payer confirms."""
    numbers = dict.fromkeys(("captured_fen", "released_fen", "reserved_fen"), 0)
    unknown = dict.fromkeys(
        (
            *("auth_no", "operation_id", "payer_user_id", "payer_open_id", "authorized_at"),
            *("finished_at", "closed_at", "release_no", "release_fen", "release_sent_at"),
        )
    )
    row = {"out_order_no": "DEP1", "out_request_no": "DEP1", "status": "INIT", "total_fen": TOTAL}
    lists: dict[str, Any] = {"pending_captures": {}, "releases": []}
    return SimpleNamespace(**{**row, **numbers, **unknown, **lists, **values})


def frozen_report(**values: Any) -> AuthorizationReport:
    """Return the report of a freeze."""
    freeze: dict[str, Any] = {
        "operation_type": "FREEZE",
        "operation_status": "SUCCESS",
        "out_request_no": "DEP1",
        "amount_fen": TOTAL,
        "was_frozen": True,
    }
    return AuthorizationReport("DEP1", **{"status": "AUTHORIZED", **freeze, **values})


def change(row: SimpleNamespace, effect: AuthorizationChange) -> tuple[str, ...]:
    """Write the effect into the row, as the guarded UPDATE does; return the events."""
    vars(row).update(effect.values)
    return effect.events


class Alipay:
    """The true state of the authorization, and its reports."""

    def __init__(self) -> None:
        self.status, self.captured, self.released = "INIT", 0, 0
        self.frozen = False
        #: The releases, by number.
        self.releases: dict[str, int] = {}

    @property
    def rest(self) -> int:
        return TOTAL - self.captured - self.released if self.status == "AUTHORIZED" else 0

    def capture(self, fen: int, *, complete: bool) -> bool:
        done = fen <= self.rest
        if done:
            self.captured += fen
            self.released += self.rest if complete else 0
            self._conclude()
        return done

    def release(self, number: str, fen: int) -> bool:
        if number not in self.releases and fen <= self.rest:
            self.releases[number] = fen
            self.released += fen
            self._conclude()
        return number in self.releases

    def _conclude(self) -> None:
        if self.captured + self.released == TOTAL:
            self.status = "FINISH" if self.captured else "CLOSED"

    def report(self, number: str | None = None, *, is_current: bool = True) -> AuthorizationReport:
        """Return the state, with a release or else with the freeze."""
        released = number in self.releases
        operation = "SUCCESS" if self.frozen else "CLOSED" if self.status == "CLOSED" else "INIT"
        totals = {
            "total_fen": TOTAL if self.frozen else 0,
            "captured_fen": self.captured,
            "released_fen": self.released,
            "rest_fen": self.rest,
        }
        return AuthorizationReport(
            "DEP1",
            self.status,
            operation_type="UNFREEZE" if released else "FREEZE",
            operation_status="SUCCESS" if released else operation,
            out_request_no=number if released else "DEP1",
            amount_fen=self.releases[number or ""] if released else TOTAL,
            is_current=is_current,
            was_frozen=self.frozen,
            **totals,
        )


class Orders(RuleBasedStateMachine):
    """Captures, releases and reports in any order: a report may be late, repeated or lost."""

    def __init__(self) -> None:
        super().__init__()
        self.alipay, self.row = Alipay(), new_row()
        #: The reports that are on their way, for good: each may arrive at any time.
        self.sent: list[AuthorizationReport] = []
        #: The captures that were submitted, with the amount, and whether they complete.
        self.submitted: dict[str, tuple[int, bool]] = {}
        #: The events of captures that are on their way.
        self.results: list[tuple[str, int, str]] = []
        self.events: list[str] = []
        self.growths, self.number = 0, 0
        self.before = dict(vars(self.row))

    def take(self, effect: AuthorizationChange) -> None:
        released, was_frozen = self.row.released_fen, self.row.authorized_at is not None
        self.events += change(self.row, effect)
        if self.row.released_fen > released:
            known = was_frozen or "authorized" in effect.events
            self.growths += known or "released" in effect.events

    def deliver(self, report: AuthorizationReport) -> None:
        check_match(self.row, report)
        self.take(apply_report(self.row, report))

    @precondition(lambda self: self.alipay.status == "INIT")
    @rule(confirms=st.booleans())
    def the_payer_decides(self, confirms: bool) -> None:
        self.alipay.frozen = confirms
        self.alipay.status = "AUTHORIZED" if confirms else "CLOSED"
        self.sent.append(self.alipay.report(is_current=False))

    @rule()
    def alipay_reports(self) -> None:
        self.sent.append(self.alipay.report(is_current=False))

    @rule()
    def the_shop_queries(self) -> None:
        self.deliver(self.alipay.report())

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def a_report_arrives(self, data: st.DataObject) -> None:
        self.deliver(data.draw(st.sampled_from(self.sent)))

    @rule(fen=AMOUNTS, complete=st.booleans())
    def the_shop_captures(self, fen: int, complete: bool) -> None:
        row = self.row
        rest = TOTAL - row.captured_fen - row.released_fen - row.reserved_fen
        if row.status != "AUTHORIZED" or fen > rest or (complete and row.reserved_fen):
            return
        self.number += 1
        number, held = f"C{self.number}", rest if complete else fen
        row.pending_captures = {**row.pending_captures, number: held}
        row.reserved_fen += held
        self.submitted[number] = fen, complete

    @precondition(lambda self: self.submitted)
    @rule(data=st.data())
    def alipay_captures(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.submitted)))
        fen, complete = self.submitted.pop(number)
        paid = self.alipay.capture(fen, complete=complete)
        self.results.append((number, fen, "paid" if paid else "failed"))

    @precondition(lambda self: self.results)
    @rule(data=st.data())
    def a_capture_is_settled(self, data: st.DataObject) -> None:
        found = data.draw(st.sampled_from(self.results))
        self.results.remove(found)  # the ledger settles each event of a payment once
        number, fen, event = found
        self.take(apply_payment(self.row, number, fen, (event,)))

    @rule(fen=AMOUNTS)
    def the_shop_releases(self, fen: int) -> None:
        row = self.row
        rest = TOTAL - row.captured_fen - row.released_fen - row.reserved_fen
        if row.status != "AUTHORIZED" or row.release_no is not None or fen > rest:
            return
        self.number += 1
        row.release_no, row.release_fen = f"R{self.number}", fen
        row.reserved_fen += fen

    @precondition(lambda self: self.row.release_no is not None)
    @rule(arrives=st.booleans())
    def alipay_releases(self, arrives: bool) -> None:
        number, fen = self.row.release_no, self.row.release_fen
        if self.alipay.release(number, fen):
            self.sent.append(self.alipay.report(number, is_current=False))
            if arrives:
                self.deliver(self.alipay.report(number))
        elif arrives:
            self.drop_release()

    def drop_release(self) -> None:
        """As the ledger does after a certain rejection."""
        self.row.reserved_fen -= self.row.release_fen
        self.row.release_no = self.row.release_fen = None

    @precondition(lambda self: self.alipay.rest)
    @rule(data=st.data(), whole=st.booleans())
    def the_console_releases(self, data: st.DataObject, whole: bool) -> None:
        rest = self.alipay.rest
        fen = rest if whole else data.draw(st.integers(1, rest))
        self.number += 1
        self.alipay.release(f"X{self.number}", fen)
        self.sent.append(self.alipay.report(f"X{self.number}", is_current=False))

    @invariant()
    def amounts_keep_to_the_total(self) -> None:
        row = self.row
        amounts = row.captured_fen, row.released_fen, row.reserved_fen
        assert min(amounts) >= 0
        assert sum(amounts) <= TOTAL

    @invariant()
    def nothing_moves_back(self) -> None:
        row, before = self.row, self.before
        assert row.captured_fen >= before["captured_fen"]
        assert row.released_fen >= before["released_fen"]
        never_frozen = before["status"] == "CLOSED" and before["authorized_at"] is None
        assert RANKS[row.status] >= RANKS[before["status"]] or never_frozen
        self.before = dict(vars(row))

    @invariant()
    def nothing_is_claimed_that_alipay_has_not_done(self) -> None:
        assert self.row.captured_fen <= self.alipay.captured
        assert self.row.released_fen <= self.alipay.released

    @invariant()
    def callbacks_run_once(self) -> None:
        assert self.events.count("authorized") <= 1
        assert self.events.count("authorization_closed") <= 1
        assert self.events.count("released") == self.growths

    def teardown(self) -> None:
        """After everything has arrived, and a query, the ledger has the true state."""
        for number, (fen, complete) in self.submitted.items():
            paid = self.alipay.capture(fen, complete=complete)
            self.results.append((number, fen, "paid" if paid else "failed"))
        for number, fen, event in self.results:
            self.take(apply_payment(self.row, number, fen, (event,)))
        if self.row.release_no is not None:
            assert self.row.status == "AUTHORIZED", "reconcile would not find the release"
            self.alipay_releases(True)
        self.deliver(self.alipay.report())
        row, alipay = self.row, self.alipay
        assert (row.status, row.reserved_fen) == (alipay.status, 0)
        assert (row.captured_fen, row.released_fen) == (alipay.captured, alipay.released)
        assert row.pending_captures == {}


TestOrders = Orders.TestCase


def test_the_table_has_every_cell_and_no_other() -> None:
    rows = (*AuthorizationStatus.ALL, NEVER_FROZEN)
    assert set(TRANSITIONS) == set(product(rows, AuthorizationStatus.ALL))


def test_a_cell_has_only_known_words() -> None:
    words = {*EVENTS, "recorded", "queried", "duplicate", "stale"}
    assert set(TRANSITIONS.values()) <= words


@given(st.lists(st.sampled_from([*AuthorizationStatus.ALL]), max_size=8))
def test_messages_never_move_the_status_back(statuses: list[str]) -> None:
    row = new_row()
    events: list[str] = []
    for status in statuses:
        rank = RANKS[row.status]
        frozen = status in ("AUTHORIZED", "FINISH")
        report = frozen_report(status=status, was_frozen=frozen)
        events += change(row, apply_report(row, report))
        assert RANKS[row.status] >= rank
    assert events.count("authorized") <= 1
    assert events.count("authorization_closed") <= 1


@given(
    held=st.dictionaries(st.sampled_from(["C1", "C2", "C3"]), st.integers(1, 400)),
    events=st.lists(
        st.tuples(st.sampled_from(["C1", "C2", "C3", "C4"]), AMOUNTS, st.booleans()), max_size=8
    ),
)
def test_a_sale_is_recorded_whatever_the_counters_are(
    held: dict[str, int], events: list[tuple[str, int, bool]]
) -> None:
    reserved = min(TOTAL, sum(held.values()))
    row = new_row(status="AUTHORIZED", pending_captures=held, reserved_fen=reserved)
    sold = 0
    for number, fen, paid in events:
        change(row, apply_payment(row, number, fen, ("paid" if paid else "failed",)))
        sold += fen if paid else 0
        assert row.captured_fen == min(sold, TOTAL)
        amounts = row.captured_fen, row.released_fen, row.reserved_fen
        assert min(amounts) >= 0
        assert sum(amounts) <= TOTAL
    assert row.reserved_fen == min(sum(row.pending_captures.values()), TOTAL - row.captured_fen)


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_fen": None},
        {"amount_fen": None, "total_fen": 0},
        {"amount_fen": None, "operation_type": "UNFREEZE", "out_request_no": "R1"},
    ],
)
def test_a_freeze_without_its_amount_proves_nothing(changes: dict[str, Any]) -> None:
    with pytest.raises(PaymentMismatch, match="total_freeze_amount"):
        check_match(new_row(), frozen_report(**changes))


@pytest.mark.parametrize("kind", ["CLOSED", "FINISH"])
def test_the_end_waits_for_an_unresolved_release(kind: str) -> None:
    """Reconcile finds the release by the status of the authorization."""
    row = new_row(
        status="AUTHORIZED",
        authorized_at="then",
        release_no="R1",
        release_fen=100,
        reserved_fen=100,
    )
    change(row, apply_report(row, frozen_report(status=kind)))
    assert (row.status, row.released_fen, row.reserved_fen) == ("AUTHORIZED", 900, 100)
    released: Callable[..., AuthorizationReport] = frozen_report
    own = released(operation_type="UNFREEZE", out_request_no="R1", amount_fen=100, status=kind)
    change(row, apply_report(row, own))
    assert (row.status, row.released_fen, row.reserved_fen) == (kind, 1000, 0)
