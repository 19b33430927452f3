"""What must hold in the end, whatever happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, text

_ANSWERED = "('settled', 'recorded', 'duplicate', 'stale')"


def faults(
    connection: Connection,
    good: Iterable[str],
    bad: Mapping[str, str],
    successes: Mapping[str, int],
) -> list[str]:
    """Returns what is not as it must be.

    :param good: payments that good news has told of.
    :param bad: those that only bad news has told of, with what was wrong with it.
    :param successes: how often ``success`` was heard, by payment.
    """
    paid = _numbers(connection, "SELECT out_trade_no FROM alipay_payment WHERE paid")
    rows = _numbers(connection, "SELECT out_trade_no FROM parcel WHERE event = 'paid'")
    ends = _numbers(connection, "SELECT out_trade_no FROM parcel WHERE event = 'finished'")
    failed = _numbers(connection, "SELECT out_trade_no FROM parcel WHERE event = 'failed'")
    finished = _numbers(
        connection, "SELECT out_trade_no FROM alipay_payment WHERE trade_status = 'TRADE_FINISHED'"
    )
    journal = "SELECT out_trade_no FROM alipay_notification WHERE "
    sales = _numbers(connection, journal + "outcome = 'settled' AND detail LIKE '%paid%'")
    answered = _numbers(connection, journal + f"outcome IN {_ANSWERED}")
    refused = _numbers(connection, journal + "outcome = 'mismatched'")
    once = Counter(good)
    amounts = {number for number, fault in bad.items() if fault == "amount"}
    checks = {
        "payments are not settled exactly where the news was good": paid != once,
        "effects of on_paid are not there exactly once": rows != once,
        "effects of on_finished are not there exactly once": ends != finished,
        "effects of on_failed are there": bool(failed),
        "the journal does not tell of each sale exactly once": sales != once,
        "an answer 'success' has no line in the journal": any(
            answered[number] < count for number, count in successes.items()
        ),
        "bad news was answered 'success'": any(number in bad for number in successes),
        "the journal has good amounts for wrong ones": not set(refused) <= amounts,
    }
    return [fault for fault, found in checks.items() if found]


def _numbers(connection: Connection, statement: str) -> Counter[str]:
    return Counter(connection.execute(text(statement)).scalars())
