"""Agreements of the rig at Alipay, which enforces its own rules and records what it deducted."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from flask_alipay.protocol.conversion import format_china_time, to_minor_units

from ..doubles.openapi import DONE
from .clock import CHINA, SharedClock
from .fates import Fates, Node, refusal
from .granted_trades import NO_MONEY, PAYER
from .messages import MessageSender

SIGN, QUERY = "alipay.user.agreement.page.sign", "alipay.user.agreement.query"
UNSIGN = "alipay.user.agreement.unsign"
MODIFY = "alipay.user.agreement.executionplan.modify"
#: Payers of agreements that begin so never sign.
NEVER_SIGNED = "N"
DAYS_BEFORE = 5

_MONTH = timedelta(days=30)
_FOREVER = datetime(2115, 2, 1, tzinfo=CHINA)


def next_month(day: date) -> date:
    """Return the same day of the next month; the day is at most the 28th."""
    return day.replace(year=day.year + day.month // 12, month=day.month % 12 + 1)


@dataclass
class AgreementAtAlipay:
    """A signed agreement: a :class:`~.granted_trades.Grant`."""

    content: Mapping[str, Any]
    clock: SharedClock
    faults: list[str]
    signed_at: datetime
    valid_until: datetime
    next_date: date
    #: The first day on which the payer has the money, by period; ``date.max``: on none.
    money_from: Mapping[date, date]
    ended_at: datetime | None = None
    #: The paid trades by period, and the periods of those in process.
    paid: dict[date, list[str]] = field(default_factory=lambda: defaultdict(list))
    pending: dict[str, date] = field(default_factory=dict)
    paid_fen: int = 0

    @property
    def number(self) -> str:
        """The merchant's number."""
        return str(self.content["external_agreement_no"])

    @property
    def agreement_no(self) -> str:
        """Alipay's number."""
        return f"2026500{self.number}"

    @property
    def paid_count(self) -> int:
        """The number of paid deductions."""
        return sum(map(len, self.paid.values()))

    @property
    def ended(self) -> bool:
        """Whether it has ended: by somebody, or by its time."""
        return self.ended_at is not None or self.valid_until <= self.clock.now()

    @property
    def last_day(self) -> date:
        """The day in China on which it ends."""
        return (self.ended_at or self.valid_until).astimezone(CHINA).date()

    @property
    def used_up(self) -> bool:
        """Whether its maximum number of deductions was made."""
        rule = self.content["period_rule_params"]
        return self.paid_count >= int(rule.get("total_payments") or self.paid_count + 1)

    def has_money(self, period: date) -> bool:
        """Return whether the payer has the money on any day of a period."""
        return self.money_from.get(period, date.min) <= period

    def refuse(self, number: str, fen: int, content: Mapping[str, Any]) -> str | None:
        """Return the code of the rejection of a new deduction, or ``None``."""
        today, due = self.clock.today(), self.next_date
        if self.ended:
            return "ACQ.AGREEMENT_INVALID" if self.ended_at is None else "ACQ.AGREEMENT_NOT_EXIST"
        if not due - timedelta(days=DAYS_BEFORE) <= today <= due:
            return "ACQ.CYCLE_PAY_DATE_NOT_MATCH"
        rule = self.content["period_rule_params"]
        wrong = {
            "ACQ.OVER_MAX_UNDER_WAY_DEDUCT_COUNT": bool(self.pending),
            "ACQ.CYCLE_PAY_SINGLE_FEE_EXCEED": fen > to_minor_units(rule["single_amount"]),
            "ACQ.CYCLE_PAY_TOTAL_TIMES_EXCEED": self.used_up,
        }
        for code, found in wrong.items():
            if found:
                self.faults.append(f"{number}: was requested in spite of {code}")
                return code
        return NO_MONEY if today < self.money_from.get(due, date.min) else None

    def begin(self, number: str, fen: int) -> None:
        """Begin the deduction of this period."""
        self.pending[number] = self.next_date

    def settle(self, number: str, fen: int, content: Mapping[str, Any]) -> None:
        """Record a paid deduction; the next one is due one period later."""
        period = self.pending.pop(number)
        self.paid[period].append(number)
        self.paid_fen += fen
        self.next_date = max(self.next_date, next_month(period))

    def drop(self, number: str) -> None:
        """Record that a deduction is closed."""
        del self.pending[number]


class Agreements:
    """Alipay's side of agreements.

    :param fates: chooses what goes wrong with requests.
    :param chance: the other random choices.
    :param clock: the simulated time.
    :param messages: sends the messages.
    """

    def __init__(
        self, fates: Fates, chance: random.Random, clock: SharedClock, messages: MessageSender
    ) -> None:
        #: The days from which payers have the money, by agreement and period.
        self.money_from: dict[str, dict[date, date]] = {}
        #: The signed agreements, by the merchant's number.
        self.signed: dict[str, AgreementAtAlipay] = {}
        #: Requests that Alipay should never receive.
        self.faults: list[str] = []
        self._opened: set[str] = set()
        self._fates, self._chance = fates, chance
        self._clock, self._messages = clock, messages

    def open_page(self, content: Mapping[str, Any]) -> Node:
        """Have the payer open the page for an agreement, and sign it after a while."""
        number = content["external_agreement_no"]
        with self._fates.lock:
            if number not in self._opened and not number.startswith(NEVER_SIGNED):
                self._opened.add(number)
                self._fates.later(lambda: self._sign(number, content))
        return dict(DONE)

    def answer(self, method: str, content: Mapping[str, Any]) -> Node | None:
        """Perform a request; ``None``: without a response."""
        if method == QUERY:
            return self._query(content)
        act = self._unsign if method == UNSIGN else self._modify
        return self._fates.perform(lambda: act(content))

    def find(self, content: Mapping[str, Any]) -> AgreementAtAlipay | None:
        """Return the agreement that a request names."""
        named = content.get("agreement_no"), content.get("external_agreement_no")
        found = (one for one in self.signed.values() if one.agreement_no == named[0])
        return self.signed.get(str(named[1])) if named[0] is None else next(found, None)

    def end(self, number: str, *, reported: bool) -> None:
        """Have the payer end an agreement in the wallet.

        :param reported: whether the shop's address is that of the application gateway.
        """
        with self._fates.lock:
            agreement = self.signed.get(number)
            if agreement is not None and not agreement.ended:
                self._end(agreement, reported=reported)

    def _sign(self, number: str, content: Mapping[str, Any]) -> None:
        now = self._clock.now()
        rule = content["period_rule_params"]
        validity = content.get("sign_validity_period")
        months = int(validity.rstrip("m")) if validity else 0
        agreement = AgreementAtAlipay(
            content=dict(content),
            clock=self._clock,
            faults=self.faults,
            signed_at=now,
            valid_until=now + months * _MONTH if months else _FOREVER,
            next_date=date.fromisoformat(rule["execute_time"]),
            money_from=self.money_from.get(number, {}),
        )
        self.signed[number] = agreement
        times = {
            "sign_time": now,
            "valid_time": now,
            "invalid_time": agreement.valid_until,
        }
        self._report(agreement, "dut_user_sign", "NORMAL", times)

    def _end(self, agreement: AgreementAtAlipay, *, reported: bool) -> None:
        agreement.ended_at = self._clock.now()
        if reported:
            times = {"unsign_time": agreement.ended_at}
            self._report(agreement, "dut_user_unsign", "UNSIGN", times)

    def _report(
        self, agreement: AgreementAtAlipay, kind: str, status: str, times: Mapping[str, datetime]
    ) -> None:
        fields = {
            "agreement_no": agreement.agreement_no,
            "external_agreement_no": agreement.number,
            "personal_product_code": agreement.content["personal_product_code"],
            "sign_scene": agreement.content["sign_scene"],
            "status": status,
            "alipay_user_id": PAYER,
            **{name: format_china_time(time) for name, time in times.items()},
        }
        self._messages.send(kind, agreement.number, fields)

    def _query(self, content: Mapping[str, Any]) -> Node:
        agreement = self.find(content)
        if agreement is None:
            return refusal("USER_AGREEMENT_NOT_EXIST")
        if agreement.ended:
            codes = "USER_AGREEMENT_NOT_EXIST", "AGREEMENT_HAS_UNSIGNED"
            return refusal(self._chance.choice(codes))
        named = {name: content[name] for name in ("external_agreement_no",) if name in content}
        return {
            **DONE,
            **named,
            "agreement_no": agreement.agreement_no,
            "status": "NORMAL",
            "principal_id": PAYER,
            "sign_time": format_china_time(agreement.signed_at),
            "invalid_time": format_china_time(agreement.valid_until),
            "next_deduct_time": agreement.next_date.isoformat(),
        }

    def _unsign(self, content: Mapping[str, Any]) -> Node:
        agreement = self.find(content)
        if agreement is None or agreement.ended:
            return refusal("AGREEMENT_NOT_EXIST")
        self._end(agreement, reported=True)
        return dict(DONE)

    def _modify(self, content: Mapping[str, Any]) -> Node:
        agreement, day = self.find(content), date.fromisoformat(content["deduct_time"])
        if agreement is None or agreement.ended:
            return refusal("ILLEGAL_AGREEMENT")
        if day <= agreement.next_date:
            return refusal("ILLEGAL_EXECUTION_TIME")
        agreement.next_date = day
        return {**DONE, "agreement_no": agreement.agreement_no, "deduct_time": day.isoformat()}
