"""Agreements on deductions (商家扣款, 周期扣款), their statuses and their store."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from ...protocol.agreements import AgreementStatus
from ...protocol.conversion import format_china_time
from ..storage.storage import PersistentDict, Storage
from .periods import PeriodRule, china_day, months_later, window

#: Who ends an agreement.
BUYER, MERCHANT = "buyer", "merchant"
_MAX_AGREEMENTS: Final = 10_000


@dataclass(frozen=True)
class PaidDeduction:
    """A deduction that was paid."""

    out_trade_no: str
    fen: int
    at: datetime


@dataclass(frozen=True)
class SignRequest:
    """A request of a merchant that a buyer sign an agreement."""

    personal_product_code: str
    sign_scene: str
    product_code: str = ""
    external_agreement_no: str = ""
    #: The buyer's name in the shop.
    external_logon_id: str = ""
    third_party_type: str = "PARTNER"
    #: For how long it is valid, as ``12m`` or ``90d``; empty: without end.
    validity: str = ""
    rule: PeriodRule | None = None
    #: Until when the buyer has to open it; ``None``: at any time.
    open_until: datetime | None = None
    notify_url: str = ""
    return_url: str = ""
    charset: str = "utf-8"
    sign_type: str = "RSA2"
    #: The token of the merchant for whom a third-party application acts, or nothing.
    app_auth_token: str = field(default="", repr=False)
    #: The payment with which it is signed, or nothing.
    out_trade_no: str = ""

    @property
    def identity(self) -> tuple[str, ...]:
        """Return what tells the agreements of a merchant and its only buyer apart."""
        product = (self.personal_product_code, self.sign_scene, self.external_agreement_no)
        return (self.app_auth_token, *product)


@dataclass(frozen=True)
class Agreement:
    """Immutable state of an agreement."""

    #: The part of the page's address that cannot be guessed.
    page_id: str = field(repr=False)
    request: SignRequest
    requested_at: datetime
    #: Alipay's number, from the signature on.
    agreement_no: str = ""
    status: str = AgreementStatus.TEMP
    signed_at: datetime | None = None
    #: ``None``: without end.
    valid_until: datetime | None = None
    ended_at: datetime | None = None
    #: :data:`BUYER` or :data:`MERCHANT`.
    ended_by: str = ""
    #: The day of the next deduction, by the rule.
    next_date: str = ""
    deductions: tuple[PaidDeduction, ...] = ()
    #: A deduction that was accepted and is not performed yet.
    underway: str = ""
    #: Whether the buyer has the money for deductions.
    funded: bool = True

    def expired(self, now: datetime) -> bool:
        """Return True if its time is over; Alipay notifies nobody (section 3.7)."""
        signed = self.status == AgreementStatus.NORMAL
        return signed and self.valid_until is not None and now >= self.valid_until

    def in_force(self, now: datetime) -> bool:
        """Return True if deductions are possible."""
        return self.status == AgreementStatus.NORMAL and not self.expired(now)

    @property
    def deducted_fen(self) -> int:
        """The sum of all deductions.

        Refunds do not reduce it: whether they do at Alipay is unknown (open question 10).
        """
        return sum(deduction.fen for deduction in self.deductions)

    def rejection(self, fen: int, now: datetime) -> str:
        """Return the ``sub_code`` with which a deduction is rejected; empty if it is accepted.

        The order of the checks is a guess; the codes are those of section 3.6. The caps of
        Alipay's contracts (#60) are not applied: they are negotiable.
        """
        if self.status != AgreementStatus.NORMAL:
            return "ACQ.AGREEMENT_NOT_EXIST"
        if self.expired(now):
            return "ACQ.AGREEMENT_INVALID"
        rule = self.request.rule
        if rule is None:
            return ""
        if fen > rule.single_fen:
            return "ACQ.CYCLE_PAY_SINGLE_FEE_EXCEED"
        if rule.total_payments is not None and len(self.deductions) >= rule.total_payments:
            return "ACQ.CYCLE_PAY_TOTAL_TIMES_EXCEED"
        if rule.total_fen is not None and self.deducted_fen + fen > rule.total_fen:
            return "ACQ.CYCLE_PAY_TOTAL_FEE_EXCEED"
        # Before the window a period's deduction was made, or it is not due yet; after its day
        # every attempt fails until the day is moved (#57, #58). What counts is the day on which
        # Alipay processes it (#56).
        first, last = window(self.next_date)
        return "" if first <= china_day(now) <= last else "ACQ.CYCLE_PAY_DATE_NOT_MATCH"

    def signed(self, now: datetime) -> Agreement:
        """Return the agreement after the buyer signed it."""
        rule = self.request.rule
        return replace(
            self,
            agreement_no=_new_agreement_no(now),
            status=AgreementStatus.NORMAL,
            signed_at=now,
            valid_until=_end(self.request.validity, self.requested_at),
            next_date="" if rule is None else rule.execute_time,
        )

    def deducted(self, deduction: PaidDeduction) -> Agreement:
        """Return the agreement after a deduction, whose period is over with it (#57, #70)."""
        rule = self.request.rule
        return replace(
            self,
            deductions=(*self.deductions, deduction),
            underway="",
            next_date="" if rule is None else rule.after(self.next_date),
        )


class AgreementStore:
    """The agreements of one merchant and its buyer; safe for threads.

    :param storage: stores them beyond the process.
    """

    def __init__(self, storage: Storage | None = None) -> None:
        self._lock = threading.RLock()
        self._made = PersistentDict(storage, "agreements", Agreement, _MAX_AGREEMENTS)
        self._pages = {
            agreement.agreement_no: page_id
            for page_id, agreement in self._made.items()
            if agreement.agreement_no
        }

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keep other threads from changing agreements within the block."""
        with self._lock:
            yield

    def all(self) -> tuple[Agreement, ...]:
        """Return all agreements, also those not signed, the oldest first."""
        with self._lock:
            return tuple(self._made.values())

    def by_page(self, page_id: str) -> Agreement | None:
        """Return the agreement of a page; ``None`` if there is none."""
        with self._lock:
            return self._made.get(page_id)

    def by_no(self, agreement_no: str) -> Agreement | None:
        """Return a signed agreement by Alipay's number; ``None`` if there is none."""
        with self._lock:
            return self._made.get(self._pages.get(agreement_no, ""))

    def find(self, number: str) -> Agreement | None:
        """Return an agreement by Alipay's number or by that of its page, or the last one with a
        number of the merchant's; ``None`` if there is none.
        """
        named = (one for one in reversed(self.all()) if one.request.external_agreement_no == number)
        return self.by_no(number) or self.by_page(number) or next(named, None)

    def request(self, request: SignRequest, now: datetime) -> Agreement:
        """Return the agreement that a buyer is asked to sign, or has signed already.

        A request that comes again before the signature replaces the earlier one. One whose
        agreement has ended begins another one, with a number of its own.
        """
        with self._lock:
            for agreement in reversed(self._made.values()):
                if agreement.request.identity != request.identity:
                    continue
                if agreement.in_force(now):
                    return agreement
                if agreement.status == AgreementStatus.TEMP:
                    return self.put(replace(agreement, request=request, requested_at=now))
            return self.put(Agreement(secrets.token_urlsafe(24), request, now))

    def put(self, agreement: Agreement) -> Agreement:
        """Store an agreement, and return it."""
        with self._lock:
            self._made[agreement.page_id] = agreement
            if agreement.agreement_no:
                self._pages[agreement.agreement_no] = agreement.page_id
            for oldest in self._made.evict():
                self._pages.pop(oldest.agreement_no, None)
            return agreement


def _end(validity: str, since: datetime) -> datetime | None:
    """Return the end of a validity, which is counted from the request."""
    if not validity:
        return None
    number, unit = int(validity[:-1]), validity[-1]
    return since + (months_later(since, number) if unit == "m" else timedelta(days=number))


def _new_agreement_no(now: datetime) -> str:
    """Return a number in the form of Alipay's: 20 digits that begin with the year."""
    return f"{format_china_time(now)[:4]}5{secrets.randbelow(10**15):015d}"
