"""Sales, refunds and net by day, week or month in China time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, func, literal, select, union_all
from sqlalchemy.orm import Session, scoped_session

from ..protocol.conversion import CHINA_TIME
from .exact_text import exactly
from .refunds import SUCCESS
from .session import unfiltered
from .settlement import Models

#: The number of periods that a page shows, by their kind.
PERIODS: Final[Mapping[str, int]] = {"day": 31, "week": 13, "month": 12}


class Period(NamedTuple):
    """A day, week or month in China."""

    #: The first day.
    first: date
    #: The day after the last.
    end: date

    @property
    def since(self) -> datetime:
        """The beginning, aware UTC."""
        return _midnight(self.first)

    @property
    def until(self) -> datetime:
        """The end, exclusive, aware UTC."""
        return _midnight(self.end)


@dataclass(frozen=True)
class Takings:
    """The sums of one period in one currency, in its minor units."""

    period: Period
    sales: int = 0
    sales_fen: int = 0
    refunds: int = 0
    refunds_fen: int = 0

    @property
    def net_fen(self) -> int:
        """Sales less refunds."""
        return self.sales_fen - self.refunds_fen


def periods(kind: str, last: date) -> list[Period]:
    """Return the periods up to the one with a day, the newest last.

    :param kind: a key of :data:`PERIODS`; weeks begin on Monday.
    :param last: a day in China.
    """
    first = _first_day(kind, last)
    found: list[Period] = []
    end = _following(kind, first)
    for _ in range(PERIODS[kind]):
        found.append(Period(first, end))
        end, first = first, _first_day(kind, first - timedelta(days=1))
    return found[::-1]


def takings(
    session: Session | scoped_session[Any],
    models: Models,
    merchant: str,
    wanted: Sequence[Period],
) -> dict[str, list[Takings]]:
    """Sum up periods, by currency.

    A sale belongs to the period in which it was paid, a refund to the one in which Alipay refunded
    it. Without a class for refunds their times are unknown: they are not summed up.

    :param wanted: the periods, in the order of the result.
    :returns: the takings of each period by currency; a period without any has zeros. CNY is always
        there.
    """
    sales = _read(session, _sales(models.Payment, merchant, wanted))
    refunds = {}
    if models.Refund is not None:
        refunds = _read(session, _refunds(models, merchant, wanted))
    currencies = sorted({"CNY", *(currency for _, currency in (*sales, *refunds))})
    return {
        currency: [
            Takings(
                period,
                *sales.get((number, currency), (0, 0)),
                *refunds.get((number, currency), (0, 0)),
            )
            for number, period in enumerate(wanted)
        ]
        for currency in currencies
    }


def _read(
    session: Session | scoped_session[Any], statements: list[Select[Any]]
) -> dict[tuple[int, str], tuple[int, int]]:
    rows: Any = unfiltered(session, union_all(*statements))
    return {(int(number), currency): (int(n), int(fen)) for number, currency, n, fen in rows}


def _sales(model: Any, merchant: str, wanted: Sequence[Period]) -> list[Select[Any]]:
    return [
        select(
            literal(number).label("period"),
            model.currency.label("currency"),
            func.count(model.id).label("count"),
            func.sum(model.total_fen).label("fen"),
        )
        .where(
            exactly(model.merchant, merchant),
            model.paid.is_(True),
            model.paid_at >= period.since,
            model.paid_at < period.until,
        )
        .group_by(model.currency)
        for number, period in enumerate(wanted)
    ]


def _refunds(models: Models, merchant: str, wanted: Sequence[Period]) -> list[Select[Any]]:
    Payment: Any = models.Payment
    Refund: Any = models.Refund
    return [
        select(
            literal(number).label("period"),
            Payment.currency.label("currency"),
            func.count(Refund.id).label("count"),
            func.sum(Refund.refund_fen).label("fen"),
        )
        .join(Payment, Payment.out_trade_no == Refund.out_trade_no)
        .where(
            exactly(Refund.merchant, merchant),
            Refund.status == SUCCESS,
            Refund.refunded_at >= period.since,
            Refund.refunded_at < period.until,
        )
        .group_by(Payment.currency)
        for number, period in enumerate(wanted)
    ]


def _midnight(day: date) -> datetime:
    # In UTC, since SQLite and MariaDB compare times without their zone.
    return datetime.combine(day, time(), CHINA_TIME).astimezone(timezone.utc)


def _first_day(kind: str, day: date) -> date:
    if kind == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if kind == "month" else day


def _following(kind: str, first: date) -> date:
    if kind == "month":
        return (first + timedelta(days=31)).replace(day=1)
    return first + timedelta(days=7 if kind == "week" else 1)
