"""Authorizations, agreements and their payments that need an operator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session, scoped_session

from ..protocol.preauthorizations import AuthorizationStatus
from ..protocol.trade_status import TradeStatus
from .agreement_filters import overdue
from .exact_text import exactly
from .listing import read_rows
from .settlement import Models

#: A capture, release or deduction whose result is unknown for longer needs an operator.
UNRESOLVED: Final = timedelta(hours=1)

# The longest time before the end of a frozen amount at which an operator is told.
_MAX_LEAD: Final = 3


class GrantProblem(NamedTuple):
    """One kind of problem, and the rows that have it."""

    #: ``authorization_expiring``, ``release_unresolved``, ``capture_unresolved``,
    #: ``deduction_unresolved`` or ``deduction_overdue``.
    kind: str
    #: Authorizations, payments or agreements, the oldest first.
    rows: Sequence[Any]


class _Problem(NamedTuple):
    kind: str
    model: Any
    conditions: tuple[Any, ...]
    order: Any


def grant_problems(
    session: Session | scoped_session[Any],
    models: Models,
    merchant: str,
    *,
    clock: datetime,
    now: datetime,
    authorization_days: int,
    limit: int | None = None,
) -> list[GrantProblem]:
    """Read the authorizations, agreements and payments that need an operator.

    :param clock: the time by the merchant's clock, for the days of deductions; aware.
    :param now: aware UTC.
    :param authorization_days: the number of days after which Alipay releases a frozen amount.
    :param limit: the maximum of rows of each kind; ``None``: all.
    """
    found: list[_Problem] = []
    if models.Authorization is not None:
        found += _of_authorizations(models, now, authorization_days)
    if models.Agreement is not None:
        found += _of_agreements(models, clock, now)
    problems = []
    for kind, model, conditions, order in found:
        statement = select(model).where(exactly(model.merchant, merchant), *conditions)
        rows = read_rows(session, statement.order_by(order, model.id).limit(limit))
        problems.append(GrantProblem(kind, rows))
    return [problem for problem in problems if problem.rows]


def expires_at(authorization: Any, days: int) -> datetime:
    """Return the time at which Alipay releases a frozen amount.

    :param authorization: one whose amount was frozen.
    :param days: see :func:`grant_problems`.
    """
    end: datetime = authorization.authorized_at + timedelta(days=days)
    return end


def _of_authorizations(models: Models, now: datetime, days: int) -> list[_Problem]:
    Authorization: Any = models.Authorization
    Payment: Any = models.Payment
    lead = timedelta(days=min(_MAX_LEAD, max(1, days // 5)))
    frozen_since = now - timedelta(days=days) + lead
    expiring = (
        Authorization.status == AuthorizationStatus.AUTHORIZED,
        Authorization.authorized_at < frozen_since,
    )
    sent_at = func.coalesce(Authorization.release_sent_at, Authorization.created_at)
    unresolved = (Authorization.release_no.is_not(None), sent_at < now - UNRESOLVED)
    captures = (Payment.out_order_no.is_not(None), *_pending(Payment, now))
    return [
        _Problem("authorization_expiring", Authorization, expiring, Authorization.authorized_at),
        _Problem("release_unresolved", Authorization, unresolved, Authorization.created_at),
        _Problem("capture_unresolved", Payment, captures, Payment.created_at),
    ]


def _of_agreements(models: Models, clock: datetime, now: datetime) -> list[_Problem]:
    Agreement: Any = models.Agreement
    Payment: Any = models.Payment
    deductions = (Payment.deduction_date.is_not(None), *_pending(Payment, now))
    missed = overdue(Agreement, clock)
    return [
        _Problem("deduction_unresolved", Payment, deductions, Payment.created_at),
        _Problem("deduction_overdue", Agreement, missed, Agreement.next_date),
    ]


def _pending(model: Any, now: datetime) -> tuple[Any, ...]:
    return (
        model.trade_status == TradeStatus.WAIT_BUYER_PAY,
        model.created_at < now - UNRESOLVED,
        model.sent_at < now - UNRESOLVED,
    )
