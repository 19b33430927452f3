"""Period rules of agreements: how much may be deducted, and on which days.

The arithmetic is the simulator's own: code shared with the package would hide the same mistake on
both sides. Days are in China, as ``2026-01-31``. Sources: part I of the protocol sheet, sections
3.3 and 3.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from ...protocol.conversion import CHINA_TIME, format_china_time

DAY: Final = "DAY"
MONTH: Final = "MONTH"
#: The shortest period in days, and the last day of a month that every month has.
MIN_DAYS, MAX_DAY = 7, 28
#: How many days before its day a deduction is accepted (facts #55 and #58: 3 days in a text of
#: 2020, 5 in one of 2024, and none after the day).
WINDOW_DAYS: Final = 5


@dataclass(frozen=True)
class PeriodRule:
    """A rule of periods, as the buyer signs it."""

    period_type: str
    period: int
    #: The first day.
    execute_time: str
    #: The most of a deduction.
    single_fen: int
    #: The most of all deductions together, and their number; ``None``: no limit.
    total_fen: int | None = None
    total_payments: int | None = None

    def after(self, day: str) -> str:
        """Return the day that is one period later."""
        if self.period_type == MONTH:
            return format_day(add_months(date.fromisoformat(day), self.period))
        return format_day(date.fromisoformat(day) + timedelta(days=self.period))


def add_months(day: date, months: int) -> date:
    """Return the same day of a later month; of a month that is too short, its last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    first = date(year, month + 1, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(day.day, last.day))


def months_later(now: datetime, months: int) -> timedelta:
    """Return the time until the same time of day on the same day, some months later in China."""
    here = now.astimezone(CHINA_TIME)
    return datetime.combine(add_months(here.date(), months), here.timetz()) - here


def china_day(when: datetime) -> str:
    """Return the day in China."""
    return format_china_time(when)[:10]


def format_day(day: date) -> str:
    """Return a day as Alipay writes it."""
    return day.isoformat()


def window(day: str) -> tuple[str, str]:
    """Return the first and the last day on which a deduction that is due on a day is accepted."""
    return format_day(date.fromisoformat(day) - timedelta(days=WINDOW_DAYS)), day
