"""Alerts about authorizations, agreements and their payments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import SQLAlchemyError

from ..ledger.grant_attention import GrantProblem, grant_problems
from ..ledger.history import AGREEMENT, AUTHORIZATION, journal_of
from ..ledger.operator_log import record_action
from ..ledger.session import LedgerSession
from ..models import utc_now
from .alerts import alert_about_numbers

if TYPE_CHECKING:
    from ..merchant import Merchant

#: The action in the journal row that notes an alert, and its operator.
ALERT, OPERATOR = "alert", "reconcile"

_TEXTS: Final = {
    "authorization_expiring": "frozen amounts will soon be released by Alipay",
    "release_unresolved": "releases have had no result for an hour",
    "capture_unresolved": "captures have had no result for an hour",
    "deduction_unresolved": "deductions have had no result for an hour",
    "deduction_overdue": "agreements have missed a deduction, or are about to",
}


def alert_about_grants(merchant: Merchant) -> None:
    """Send an alert for each kind of problem.

    Unresolved captures, releases and deductions are reported each time; a frozen amount about to
    expire and a missed deduction once, if there is a journal that notes it.
    """
    problems = grant_problems(
        merchant.session,
        merchant.models,
        merchant.config.merchant,
        clock=merchant.clock(),
        now=utc_now(),
        authorization_days=merchant.config.authorization_days,
    )
    found = [_numbers_and_details(problem) for problem in problems]
    LedgerSession(merchant.session).roll_back()
    for kind, rows in found:
        if kind == "authorization_expiring":
            numbers = _not_noted(merchant, AUTHORIZATION, kind, rows)
        elif kind == "deduction_overdue":
            numbers = _not_noted(merchant, AGREEMENT, kind, rows)
        else:
            numbers = [number for number, _detail in rows]
        alert_about_numbers(merchant, kind, _TEXTS[kind], tuple(numbers))


def _numbers_and_details(problem: GrantProblem) -> tuple[str, list[tuple[str, str]]]:
    """Return the numbers of the rows, each with what distinguishes one alert about it."""
    name = {
        "authorization_expiring": "out_order_no",
        "release_unresolved": "out_order_no",
        "deduction_overdue": "external_agreement_no",
    }.get(problem.kind, "out_trade_no")
    dated = problem.kind == "deduction_overdue"
    return problem.kind, [
        (getattr(row, name), f"{problem.kind} {row.next_date}" if dated else problem.kind)
        for row in problem.rows
    ]


def _not_noted(
    merchant: Merchant, about: str, kind: str, rows: Sequence[tuple[str, str]]
) -> list[str]:
    """Return the numbers about which no alert was sent yet, and note it in the journal."""
    session, models, account = merchant.session, merchant.models, merchant.config.merchant
    numbers = []
    for number, detail in rows:
        try:
            journal = journal_of(session, models, account, number, (about,))
            if any(_is_note(row, detail) for row in journal):
                continue
            record_action(
                session,
                models,
                account,
                operator=OPERATOR,
                action=ALERT,
                out_trade_no=number,
                about=about,
                detail=detail,
            )
        except SQLAlchemyError:  # an alert more is better than none
            LedgerSession(session).roll_back()
        numbers.append(number)
    LedgerSession(session).roll_back()
    return numbers


def _is_note(row: Any, detail: str) -> bool:
    payload = row.payload
    return bool(payload.get("action") == ALERT and payload.get("detail") == detail)
