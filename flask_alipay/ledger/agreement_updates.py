"""Changes that a report or a paid deduction makes to an agreement. No database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ..exceptions import PaymentMismatch
from ..models import utc_now
from ..protocol.agreements import AgreementReport, AgreementStatus, next_deduction
from .agreement_transitions import AGREEMENT_ENDED, AGREEMENT_SIGNED


class PlanState(NamedTuple):
    """The state of an agreement's plan when Alipay was queried: a response is newer than the
    ledger only if the ledger still has it.
    """

    next_date: str | None
    charge_no: str | None
    charge_count: int

    @classmethod
    def of(cls, row: Any) -> PlanState:
        """Read a row or an object."""
        return cls(row.next_date, row.charge_no, row.charge_count)


@dataclass(frozen=True)
class Deduction:
    """A payment that becomes a deduction of an agreement."""

    out_trade_no: str
    #: The day in China of the deduction.
    day: str
    #: The state of the agreement that the decision is based on.
    plan: PlanState
    charged_fen: int


def check_numbers(seen: Any, report: AgreementReport) -> None:
    """Check that a report has Alipay's number of the agreement.

    :raises PaymentMismatch: otherwise: a payer who signs again gets another number, under which the
        ledger must not deduct.
    """
    if None not in (seen.agreement_no, report.agreement_no) and (
        seen.agreement_no != report.agreement_no
    ):
        raise PaymentMismatch(
            "agreement_no", seen.agreement_no, report.agreement_no, notify_id=report.notify_id
        )


def status_values(seen: Any, report: AgreementReport, cell: str) -> dict[str, Any]:
    """Return the values of the status, the payer and the times that a report changes."""
    # Before the signature Alipay may have a number, which the ledger takes as signed.
    if cell == "stale" or report.status == AgreementStatus.TEMP:
        return {}
    given = {
        "agreement_no": report.agreement_no,
        "payer_user_id": report.payer_user_id,
        "payer_open_id": report.payer_open_id,
    }
    values: dict[str, Any] = {
        name: value for name, value in given.items() if value and getattr(seen, name) is None
    }
    if cell == "duplicate":
        return values
    values["status"] = report.status
    if cell == AGREEMENT_ENDED or report.status == AgreementStatus.UNSIGN:
        values["ended_at"] = report.ended_at or utc_now()
    if cell == AGREEMENT_SIGNED:
        values |= {"signed_at": report.signed_at or utc_now(), "ended_at": None}
    return values


def plan_values(
    seen: Any, report: AgreementReport, plan: PlanState | None, last_paid: str | None
) -> dict[str, Any]:
    """Return the values of the plan and of the agreement's end that a response changes.

    :param plan: the plan when Alipay was queried; ``None`` for a message.
    :param last_paid: the day of the last deduction that was paid.
    """
    values: dict[str, Any] = {}
    # A message may be older than the ledger's time.
    newer = report.notify_id is None or seen.valid_until is None
    if newer and report.valid_until is not None and differs(seen.valid_until, report.valid_until):
        values["valid_until"] = report.valid_until
    current = plan is not None and plan == PlanState.of(seen) and seen.charge_no is None
    if not current or seen.period_type is None or report.next_date is None:
        return values
    # A period that was paid is never due again, whatever an outdated replica of Alipay's states.
    if last_paid is not None and report.next_date <= last_paid:
        return values
    if report.next_date != seen.next_date:
        values["next_date"] = report.next_date
    if report.latest_date != seen.latest_date:
        values["latest_date"] = report.latest_date
    return values


def payment_values(seen: Any, payment: Any, events: Sequence[str]) -> dict[str, Any]:
    """Return the values that the events of a deduction's payment change.

    :param seen: the agreement's row.
    :param payment: the application's object, settled.
    :param events: the payment's events.
    """
    values: dict[str, Any] = {}
    if seen.charge_no == payment.out_trade_no:
        values["charge_no"] = None
    if "failed" in events:
        return {**values, "failed_at": payment.closed_at}
    values |= {
        "charged_fen": seen.charged_fen + payment.total_fen,
        "charge_count": seen.charge_count + 1,
        "charged_at": payment.paid_at,
        "error_code": None,
        "failed_at": None,
    }
    if not is_second(seen, payment) and seen.period_type is not None:
        day = next_deduction(payment.deduction_date, seen.period_type, seen.period)
        values |= {"next_date": day, "latest_date": None}
    return values


def is_second(seen: Any, payment: Any) -> bool:
    """Return whether the period of a paid deduction was passed before: the payer has paid twice, or
    after the plan was changed.
    """
    return seen.next_date is not None and bool(seen.next_date > payment.deduction_date)


def differs(stored: datetime | None, reported: datetime) -> bool:
    """Return whether two times differ by a second or more; databases keep whole seconds or no
    zone.
    """
    if stored is None:
        return True
    if stored.tzinfo is None:
        stored = stored.replace(tzinfo=reported.tzinfo)
    return abs((stored - reported).total_seconds()) >= 1
