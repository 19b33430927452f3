"""Invariants that hold at the end of a run, whatever failures happened."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from .rows import numbers, parcels
from .trades import REFUSED, Trade

_OF_JOURNAL = "SELECT out_trade_no FROM alipay_notification WHERE"
_RESPONDED = "('settled', 'recorded', 'duplicate', 'stale')"
_UNWRITTEN = re.compile(r"the journal could not be written for (\w+)")
_ERROR = ("database is locked", "ledger_unavailable", "callback_failed", "Traceback")
# Outcome in the journal of each kind of invalid notification. Unverified ones are not in it.
_JOURNALLED = {"amount": "mismatched", "unknown": "unknown"}


@dataclass
class ShopResponses:
    """The shop's responses to notifications, by payment, and errors in its log."""

    successes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    #: Refusals that the database was not there to be reported of; the log says so.
    unwritten: Counter[str] = field(default_factory=Counter)
    #: What must not happen where nobody disturbs.
    unrest: list[str] = field(default_factory=list)

    def read(self, log: str) -> None:
        """Read the workers' log."""
        self.unwritten.update(_UNWRITTEN.findall(log))
        self.unrest += [f"the log contains {word!r}" for word in _ERROR if word in log]


def faults(
    connection: Connection,
    trades: Mapping[str, Trade],
    granted: Iterable[str],
    bad: Mapping[str, str],
    responses: ShopResponses,
) -> list[str]:
    """Return the violated invariants.

    :param trades: the payments that were paid at Alipay, with their refunds.
    :param granted: the numbers of the captures and deductions that were paid there.
    :param bad: payments with only invalid notifications, with the reason.
    :param responses: the shop's responses.
    :returns: one sentence for each violation.
    """
    checks = {
        **_sales(connection, {*trades, *granted}),
        **_refunds(connection, trades),
        **_journal(connection, trades, bad, responses),
    }
    return [fault for fault, found in checks.items() if found]


def _sales(connection: Connection, sold: Set[str]) -> dict[str, bool]:
    finished = numbers(
        connection, "SELECT out_trade_no FROM alipay_payment WHERE trade_status = 'TRADE_FINISHED'"
    )
    paid = numbers(connection, "SELECT out_trade_no FROM alipay_payment WHERE paid")
    once = Counter(dict.fromkeys(sold, 1))
    closed = numbers(
        connection,
        "SELECT out_trade_no FROM alipay_payment WHERE trade_status = 'TRADE_CLOSED' AND NOT paid",
    )
    return {
        "payments are not settled exactly where they were paid": paid != once,
        "effects of on_paid are not there exactly once": parcels(connection, "paid") != once,
        "effects of on_finished are not there exactly once": (
            parcels(connection, "finished") != finished
        ),
        "effects of on_failed are not there exactly once": (
            parcels(connection, "failed") != closed
        ),
        "the journal does not tell of each sale exactly once": once
        != numbers(connection, f"{_OF_JOURNAL} outcome = 'settled' AND detail LIKE '%paid%'"),
    }


def _refunds(connection: Connection, trades: Mapping[str, Trade]) -> dict[str, bool]:
    made = {
        (number, request): fen
        for number, trade in trades.items()
        for request, fen in trade.refunds.items()
    }
    rows = connection.execute(
        text("SELECT out_trade_no, out_request_no, refund_fen, status FROM alipay_refund")
    ).all()
    sums = connection.execute(
        text("SELECT out_trade_no, refunded_fen FROM alipay_payment WHERE refunded_fen <> 0")
    ).all()
    states = {(row[0], row[1]): row[3] for row in rows}
    refused = {status for (_, request), status in states.items() if request.startswith(REFUSED)}
    return {
        "refunds are not in the ledger exactly where money went back": made
        != {(row[0], row[1]): row[2] for row in rows if row[3] == "REFUND_SUCCESS"},
        "sums of refunds are not what went back": {row[0]: row[1] for row in sums}
        != {number: trade.refunded_fen for number, trade in trades.items() if trade.refunds},
        "effects of on_refunded are not there once for each refund": (
            parcels(connection, "refunded") != Counter(number for number, _ in made)
        ),
        "refunds are left of which nothing was heard": "REFUND_PROCESSING" in states.values(),
        "refusals of refunds are not in their rows": (
            not refused <= {"ACQ.SELLER_BALANCE_NOT_ENOUGH"}
        ),
    }


def _journal(
    connection: Connection,
    trades: Mapping[str, Trade],
    bad: Mapping[str, str],
    responses: ShopResponses,
) -> dict[str, bool]:
    responded = numbers(connection, f"{_OF_JOURNAL} outcome IN {_RESPONDED}")
    unproven = {number for number, fault in bad.items() if fault not in _JOURNALLED}
    checks = {
        "an answer 'success' has no line in the journal": any(
            responded[number] < count for number, count in responses.successes.items()
        ),
        "an invalid notification got 'success'": any(
            number in bad for number in responses.successes
        ),
        "a valid notification was rejected": any(
            number not in bad for number in responses.refusals
        ),
        "an unverified or foreign notification is in the journal": bool(
            unproven & set(numbers(connection, f"{_OF_JOURNAL} 1 = 1"))
        ),
    }
    for fault, outcome in _JOURNALLED.items():
        lines = numbers(connection, f"{_OF_JOURNAL} outcome = '{outcome}'")
        refused = {number for number in bad if bad[number] == fault}
        checks[f"the journal has another {outcome!r} than was sent"] = not set(lines) <= refused
        checks[f"a refusal has no line {outcome!r} in the journal"] = any(
            lines[number] < responses.refusals[number] - responses.unwritten[number]
            for number in refused
        )
    return checks
