"""Agreements on deductions (商家扣款): statuses, reports, periods and the days of deductions.

All days are days in China, as text like ``2026-12-05``, which sorts like the days themselves.
Sources: the models of ``alipay.user.agreement.*`` in Alipay's PHP SDK of version 3, the answers of
Alipay's help desk about 周期扣款, and captured messages.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from ..exceptions import BadNotification, InvalidParameter
from .conversion import CHINA_TIME, parse_china_time, parse_china_times


class AgreementStatus:
    """Alipay's statuses of an agreement."""

    #: Created; the payer has not signed it yet.
    TEMP: Final = "TEMP"
    #: In force.
    NORMAL: Final = "NORMAL"
    #: Suspended: nothing may be deducted.
    STOP: Final = "STOP"
    #: Ended by the payer, by the merchant or by its time, or never signed.
    UNSIGN: Final = "UNSIGN"

    ALL: Final = (TEMP, NORMAL, STOP, UNSIGN)


#: The messages about a signed and an ended agreement.
SIGN_MESSAGE: Final = "dut_user_sign"
UNSIGN_MESSAGE: Final = "dut_user_unsign"

#: The types of a period. Months keep the day.
DAY, MONTH = "DAY", "MONTH"
#: The shortest period in days, and the last day of a month that all months have.
MIN_DAYS: Final = 7
MAX_MONTH_DAY: Final = 28

_MAX_NUMBER: Final = 64


class DeductionWindow(NamedTuple):
    """The days in China on which a deduction may be made, both included."""

    first: date
    last: date


def china_today(now: datetime) -> date:
    """Return the day in China at a time.

    :param now: aware.
    """
    return now.astimezone(CHINA_TIME).date()


def china_date(value: Any, parameter: str) -> str:
    """Return a day as Alipay writes it.

    :param value: a :class:`~datetime.date`, or a text like ``2026-12-05``.
    :raises InvalidParameter: for anything else, a ``datetime`` too.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    found = date_of(value) if isinstance(value, str) and len(value) == len("2026-12-05") else None
    if found is None:
        raise InvalidParameter(parameter, "must be a date, or a day like 2026-12-05")
    return found


def date_of(text: str | None) -> str | None:
    """Return the day of one of Alipay's days or times; ``None`` if there is none."""
    day = (text or "")[:10]
    if not day.isascii() or day[4:5] != "-" or day[7:8] != "-":
        return None
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError:
        return None


def check_period_rule(
    period_type: str, period: int, day: str, *, within: str = "", day_name: str = "execute_time"
) -> None:
    """Check the rule of an agreement with periods.

    :param period_type: ``DAY`` or ``MONTH``.
    :param period: the length of a period.
    :param day: the day of the first deduction.
    :param within: prefix of the names in messages.
    :param day_name: the name of the day in messages.
    :raises InvalidParameter: names the invalid parameter.
    """
    if period_type not in (DAY, MONTH):
        raise InvalidParameter(f"{within}period_type", f"must be one of {DAY}, {MONTH}")
    if period_type == DAY and period < MIN_DAYS:
        raise InvalidParameter(f"{within}period", f"must be at least {MIN_DAYS} days")
    if period < 1:
        raise InvalidParameter(f"{within}period", "must be at least 1")
    check_day(period_type, day, f"{within}{day_name}")


def check_day(period_type: str | None, day: str, parameter: str) -> None:
    """Check the day of a deduction: with months, all of them must have it.

    :raises InvalidParameter: otherwise.
    """
    if period_type == MONTH and date.fromisoformat(day).day > MAX_MONTH_DAY:
        raise InvalidParameter(parameter, f"must be on one of the days 1 to {MAX_MONTH_DAY}")


def next_deduction(day: str, period_type: str, period: int) -> str:
    """Return the day one period later.

    :param day: the day of a deduction.
    """
    start = date.fromisoformat(day)
    if period_type == DAY:
        return (start + timedelta(days=period)).isoformat()
    months = start.year * 12 + start.month - 1 + period
    year, month = months // 12, months % 12 + 1
    # Alipay accepts no later day than the 28th; should it report one, the month may lack it.
    last = calendar.monthrange(year, month)[1]
    return date(year, month, min(start.day, last)).isoformat()


def deduction_window(day: str, days_before: int, latest: str | None = None) -> DeductionWindow:
    """Return the days on which the deduction of a period may be made.

    :param day: the day of the deduction.
    :param days_before: the number of days before it on which Alipay accepts it as well.
    :param latest: the last day, if Alipay reports one (``latest_execute_time``).
    """
    planned = date.fromisoformat(day)
    last = planned if latest is None else max(planned, date.fromisoformat(latest))
    return DeductionWindow(planned - timedelta(days=days_before), last)


@dataclass(frozen=True)
class AgreementReport:
    """The state of an agreement, as a response or a message reports it. Times are aware UTC."""

    #: One of :attr:`AgreementStatus.ALL`.
    status: str
    #: The merchant's number and Alipay's; at least one of them is known.
    external_agreement_no: str | None = None
    agreement_no: str | None = None
    payer_user_id: str | None = field(default=None, repr=False)
    payer_open_id: str | None = field(default=None, repr=False)
    signed_at: datetime | None = None
    valid_until: datetime | None = None
    ended_at: datetime | None = None
    #: The day of the next deduction, and the last day on which it may be made.
    next_date: str | None = None
    latest_date: str | None = None
    #: The number of the message; ``None`` for a response.
    notify_id: str | None = None
    #: The report as the journal records it.
    params: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @classmethod
    def from_message(
        cls, kind: str, content: Mapping[str, Any], params: Mapping[str, str], notify_id: str | None
    ) -> AgreementReport:
        """Read the content of a verified message (:data:`SIGN_MESSAGE`, :data:`UNSIGN_MESSAGE`).

        It names neither the amounts nor the periods. A message without ``status`` has that of its
        kind. Source: captured messages of 2018 to 2022.

        :param content: the fields of the message.
        :param params: the parameters of the message.
        :param notify_id: its number.
        :raises BadNotification: if a field is missing or invalid.
        """
        texts = {name: str(value).strip() for name, value in content.items() if value is not None}
        signs = kind == SIGN_MESSAGE
        expected = AgreementStatus.NORMAL if signs else AgreementStatus.UNSIGN
        status = known_agreement_status(texts.get("status") or expected)
        if not 0 < len(texts.get("agreement_no", "")) <= _MAX_NUMBER:
            raise BadNotification("the message about an agreement has no number")
        if status is None or (status == AgreementStatus.UNSIGN) is signs:
            raise BadNotification("the message about an agreement has an unexpected status")
        until = parse_china_time(texts.get("invalid_time"))
        signed_at, ended_at = parse_china_times(texts, "sign_time", "unsign_time")
        return cls(
            status=status,
            external_agreement_no=texts.get("external_agreement_no") or None,
            agreement_no=texts["agreement_no"],
            payer_user_id=texts.get("alipay_user_id") or None,
            payer_open_id=texts.get("alipay_open_id") or None,
            signed_at=signed_at,
            valid_until=until if signs else None,
            ended_at=None if signs else ended_at,
            notify_id=notify_id,
            params=params,
        )


def known_agreement_status(text: str) -> str | None:
    """Return a reported status, or ``None`` if it is unknown."""
    status = text.upper()
    return status if status in AgreementStatus.ALL else None
