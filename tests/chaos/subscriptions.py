"""Subscriptions of a year: the daily charges, what payers do, and the invariants at the end."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import Connection, text

from .agreements import DAYS_BEFORE, NEVER_SIGNED, AgreementAtAlipay, Agreements, next_month
from .clock import SharedClock
from .messages import Put
from .notifications import Delivery
from .rows import numbers, parcels

MONTHS = 12
#: How the payer, the shop or the time ends an agreement.
WALLET, WALLET_REPORTED, SHOP, EXPIRY = "wallet", "wallet, reported", "shop", "expiry"

_DAY = timedelta(days=1)
_SINGLE_FEN = 3000
# Days after which the charges of a day must be done, and seconds to wait for a day's last ones.
_LAG, _PATIENCE = 2, 120.0
# The days from the beginning of the year to the first charges, for signing.
_TO_SIGN = 8
_VALIDITY = 6


@dataclass(frozen=True)
class Subscription:
    """One payer's agreement, and what happens to it."""

    number: str
    #: The days of the charges, and the days from which the shop tries them.
    periods: tuple[date, ...]
    starts: tuple[date, ...]
    #: The first day on which the payer has the money, by period.
    money_from: dict[date, date]
    total_payments: int = 0
    ending: str | None = None
    ends_on: date | None = None
    #: The amounts by period.
    fen: dict[date, int] = field(default_factory=dict)


class Year:
    """Twelve simulated months.

    :param agreements: Alipay's side.
    :param clock: the simulated time.
    :param put: delivers something to the shop after a number of seconds.
    :param chance: the random choices.
    """

    def __init__(
        self, agreements: Agreements, clock: SharedClock, put: Put, chance: random.Random
    ) -> None:
        self.subscriptions: list[Subscription] = []
        self._agreements, self._clock, self._put, self._chance = agreements, clock, put, chance
        #: The deliveries that are not over, by day.
        self._open: Counter[date] = Counter()
        self._lock = threading.Lock()
        self._today = self._first = clock.today()
        self._since = 0.0

    def begin(self, count: int) -> None:
        """Have payers sign."""
        self._clock.move_to(self._today)
        for one in range(count):
            found = new_subscription(one, self._first, self._chance)
            self.subscriptions.append(found)
            self._agreements.money_from[found.number] = found.money_from
            months = _VALIDITY if found.ending == EXPIRY else 0
            path = f"{found.number}/{found.periods[0]}/{_SINGLE_FEN}/{found.total_payments}"
            self._deliver(Delivery(found.number, path=f"/subscribe/{path}/{months}"))
        self._since = time.monotonic()

    @property
    def today(self) -> date:
        """The simulated day in China."""
        return self._clock.today()

    @property
    def over(self) -> bool:
        """Whether the year is over."""
        last = max((one.periods[-1] for one in self.subscriptions), default=date.min)
        return self._today > last + _DAY * (_LAG + 1) or not self.subscriptions

    def step(self) -> None:
        """Begin the next day on which something happens, if everything that the last days require
        is done.
        """
        while not self.over and self._may_pass():
            self._today += _DAY
            self._clock.move_to(self._today)
            self._since = time.monotonic()
            for one in self.subscriptions:
                if one.ends_on == self._today:
                    self._end(one)
                for delivery in self._charges(one):
                    self._deliver(delivery)
            if self._open.total():
                return

    def _may_pass(self) -> bool:
        with self._lock:
            old = self._today - _DAY * _LAG
            waiting = any(many and day <= old for day, many in self._open.items())
            signing = self._today == self._first and self._open.total() > 0
        if waiting or signing:
            return False
        if time.monotonic() - self._since > _PATIENCE:
            return True  # the invariants will tell what is missing
        return not any(self._is_due(one) for one in self.subscriptions)

    def _is_due(self, one: Subscription) -> bool:
        """Return whether the payer still has to sign, or the last day of an unpaid period is today,
        and it can be paid.
        """
        agreement = self._agreements.signed.get(one.number)
        if agreement is None:
            return not one.number.startswith(NEVER_SIGNED)
        if self._today not in one.periods:
            return False
        hopeless = agreement.ended or agreement.used_up or not agreement.has_money(self._today)
        return not agreement.paid.get(self._today) and not hopeless

    def _end(self, one: Subscription) -> None:
        if one.ending == SHOP:
            self._deliver(Delivery(one.number, path=f"/end/{one.number}"))
        elif one.ending != EXPIRY:
            self._agreements.end(one.number, reported=one.ending == WALLET_REPORTED)

    def _charges(self, one: Subscription) -> Iterator[Delivery]:
        """Yield the requests of the shop's daily task about a subscription."""
        agreement = self._agreements.signed.get(one.number)
        if agreement is None:
            return
        for start, period in zip(one.starts, one.periods, strict=True):
            unpaid = start <= self._today <= period and not agreement.paid.get(period)
            postponed = self._today == period + _DAY and not agreement.paid.get(period)
            again = start < self._today <= period and self._chance.random() < 0.05
            if (agreement.ended and self._today > start) or not (unpaid or postponed or again):
                continue
            kind = "random" if self._chance.random() < 0.1 else "numbered"
            path = f"/renew/{one.number}/{one.fen[period]}/{kind}"
            left = (period - self._today).days
            if left >= _LAG + 1 and self._chance.random() < 0.3:
                yield Delivery(one.number, path=path, abandoned=True)
            else:
                yield from [Delivery(one.number, path=path)] * self._chance.choice((1, 2, 2))

    def _deliver(self, delivery: Delivery) -> None:
        day = self._today
        with self._lock:
            self._open[day] += 1
        delivery = Delivery(
            delivery.out_trade_no,
            path=delivery.path,
            abandoned=delivery.abandoned,
            on_over=lambda: self._over(day),
        )
        self._put(delivery, 0.0)

    def _over(self, day: date) -> None:
        with self._lock:
            self._open[day] -= 1


def new_subscription(one: int, first: date, chance: random.Random) -> Subscription:
    """Choose an agreement, and what happens to it, at random."""
    fate = chance.random()
    number = f"{NEVER_SIGNED if fate < 0.02 else 'S'}{one:06d}"
    day = first + _DAY * (_TO_SIGN + chance.randrange(28))
    periods = [day if day.day <= 28 else next_month(day.replace(day=1))]
    while len(periods) < MONTHS:
        periods.append(next_month(periods[-1]))
    money, starts = {}, []
    for period in periods:
        starts.append(period - _DAY * chance.choice((5, 5, 5, 4, 3, 2)))
        lack = chance.random()
        if lack < 0.02:
            money[period] = date.max
        elif lack < 0.1:
            money[period] = period - _DAY * chance.randint(2, DAYS_BEFORE)
    ending = ends_on = None
    if 0.02 <= fate < 0.2:
        ending = chance.choice((WALLET, WALLET, WALLET_REPORTED, SHOP, EXPIRY))
        days = (starts[-1] - first).days - 2
        ends_on = first + _DAY * (chance.randint(_TO_SIGN // 2, days))
        if ending == EXPIRY:
            ends_on = first + _DAY * 30 * _VALIDITY
    total_payments = chance.randint(3, MONTHS) if fate > 0.9 else 0
    fen = {period: chance.randint(1000, _SINGLE_FEN) for period in periods}
    return Subscription(
        number, tuple(periods), tuple(starts), money, total_payments, ending, ends_on, fen
    )


def unsettled_agreements(connection: Connection, year: Year, agreements: Agreements) -> int:
    """Return the number of agreements that the ledger does not know as they are at Alipay."""
    return len(set(_ledger(connection).items()) ^ set(_books(year, agreements).items()))


def agreement_faults(connection: Connection, year: Year, agreements: Agreements) -> list[str]:
    """Return the violated invariants of the agreements, one sentence for each."""
    claimed = "FROM alipay_payment WHERE deduction_date IS NOT NULL AND"
    periods = connection.execute(text(f"SELECT out_trade_no, deduction_date {claimed} paid")).all()
    deducted = {
        (number, period.isoformat())
        for agreement in agreements.signed.values()
        for period, paid in agreement.paid.items()
        for number in paid
    }
    signed = Counter(dict.fromkeys(agreements.signed, 1))
    ended = Counter(one.number for one in agreements.signed.values() if one.ended)
    checks = {
        "agreements are not in the ledger as they are at Alipay": (
            unsettled_agreements(connection, year, agreements) > 0
        ),
        "deductions are not in the ledger with the periods that were paid": (
            {(number, period) for number, period in periods} != deducted
        ),
        "deductions have no known result": bool(
            numbers(
                connection,
                f"SELECT out_trade_no {claimed} NOT paid AND trade_status <> 'TRADE_CLOSED'",
            )
        ),
        "effects of on_agreement_signed are not there exactly once": (
            parcels(connection, "agreement_signed") != signed
        ),
        "effects of on_agreement_ended are not there exactly once": (
            parcels(connection, "agreement_ended") != ended
        ),
    }
    found = [fault for fault, violated in checks.items() if violated]
    for one in year.subscriptions:
        agreement = agreements.signed.get(one.number)
        if agreement is not None:
            found += _period_faults(one, agreement, year.today)
    return found + agreements.faults


def _period_faults(one: Subscription, agreement: AgreementAtAlipay, today: date) -> Iterator[str]:
    """Yield what is wrong with the months of an agreement that are over."""
    if not set(agreement.paid) <= set(one.periods):
        yield f"{one.number}: was charged outside its months"
    charged = 0
    for period in one.periods:
        number = len(agreement.paid.get(period, ()))
        may = agreement.has_money(period)
        must = may and period < today
        if one.total_payments and charged >= one.total_payments:
            must = may = False
        if agreement.ended and agreement.last_day <= period:
            must = False
            may = may and agreement.last_day >= period - _DAY * DAYS_BEFORE
        charged += number
        if number > 1:
            yield f"{one.number}: the month of {period} was charged {number} times"
        if must and not number:
            yield f"{one.number}: the month of {period} was missed"
        if number and not may:
            yield f"{one.number}: the month of {period} was charged against the rules"


def _books(year: Year, agreements: Agreements) -> dict[str, tuple[object, ...]]:
    """Return Alipay's agreements: status, counters and the next date by number."""
    found: dict[str, tuple[object, ...]] = {}
    for one in year.subscriptions:
        agreement = agreements.signed.get(one.number)
        if agreement is not None:
            status = "UNSIGN" if agreement.ended else "NORMAL"
            due = None if agreement.ended else agreement.next_date.isoformat()
            found[one.number] = (status, agreement.paid_count, agreement.paid_fen, due, None)
    return found


def _ledger(connection: Connection) -> dict[str, tuple[object, ...]]:
    rows = connection.execute(
        text(
            "SELECT external_agreement_no, status, charge_count, charged_fen, next_date, charge_no "
            "FROM alipay_agreement WHERE agreement_no IS NOT NULL"
        )
    )
    return {
        row[0]: (row[1], row[2], row[3], None if row[1] == "UNSIGN" else row[4], row[5])
        for row in rows
    }
