"""Conditions for agreements under which a deduction can be made now."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_

from ..protocol.agreements import AgreementStatus
from ..protocol.conversion import CHINA_TIME


def due_now(model: Any, now: datetime, days_before: int) -> tuple[Any, ...]:
    """Return the conditions for agreements in force whose deduction window is open and whose limits
    are not used up. One whose deduction has no result yet is among them.

    :param model: the application's class.
    :param now: aware; the window is one of days in China.
    :param days_before: the number of days before the day of a deduction on which Alipay accepts it
        as well.
    """
    today = now.astimezone(CHINA_TIME).date()
    first, day = (today + timedelta(days=days_before)).isoformat(), today.isoformat()
    return (
        model.status == AgreementStatus.NORMAL,
        model.next_date <= first,
        or_(model.next_date >= day, model.latest_date >= day),
        *_usable(model, now),
    )


def overdue(model: Any, now: datetime) -> tuple[Any, ...]:
    """Return the conditions for agreements in force whose deduction window has closed, or closes by
    tomorrow and whose last deduction failed.

    :param model: the application's class.
    :param now: aware.
    """
    today = now.astimezone(CHINA_TIME).date()
    tomorrow = (today + timedelta(days=1)).isoformat()
    return (
        model.status == AgreementStatus.NORMAL,
        model.charge_no.is_(None),
        or_(
            _closed_by(model, (today - timedelta(days=1)).isoformat()),
            and_(model.error_code.is_not(None), _closed_by(model, tomorrow)),
        ),
        *_usable(model, now),
    )


def _closed_by(model: Any, day: str) -> Any:
    latest = or_(model.latest_date.is_(None), model.latest_date <= day)
    return and_(model.next_date <= day, latest)


def _usable(model: Any, now: datetime) -> tuple[Any, ...]:
    return (
        or_(model.total_payments.is_(None), model.charge_count < model.total_payments),
        or_(model.total_fen.is_(None), model.charged_fen < model.total_fen),
        or_(model.valid_until.is_(None), model.valid_until > now),
    )
