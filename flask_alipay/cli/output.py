"""The ledger's rows, for people and for programs.

People read China time, as Alipay's console shows it; programs read UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy import Select, or_, select

from ..ledger.history import kind_of, method_of
from ..ledger.references import reference_column, reference_of
from ..ledger.session import unfiltered
from ..models import utc_now
from ..protocol.china_time import format_china_time
from ..protocol.money import format_amount
from ..protocol.notification import mask_params
from .errors import CommandFailed
from .i18n import _, n_
from .periods import days_of
from .table import strip_control_chars

if TYPE_CHECKING:
    from ..merchant import Merchant

# The payments of one order that are named.
_MAX_NAMED = 10
_PAGE = 500
_AGE = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Age(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """How old something is: ``30m``, ``2h``, ``7d``."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns a :class:`~datetime.timedelta`."""
        if isinstance(value, timedelta):
            return value
        found = _AGE.fullmatch(str(value).strip().lower())
        if found is None:
            self.fail(_("write it like 30m, 2h or 7d."), param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


def age_text(age: timedelta) -> str:
    """Return an age in words: ``10 minutes``."""
    seconds = int(age.total_seconds())
    if seconds and seconds % 86400 == 0:
        days = seconds // 86400
        return n_("{count} day", "{count} days", days).format(count=days)
    if seconds and seconds % 3600 == 0:
        hours = seconds // 3600
        return n_("{count} hour", "{count} hours", hours).format(count=hours)
    if seconds and seconds % 60 == 0:
        minutes = seconds // 60
        return n_("{count} minute", "{count} minutes", minutes).format(count=minutes)
    return n_("{count} second", "{count} seconds", seconds).format(count=seconds)


def payment_filters(alipay: Merchant, options: Mapping[str, Any]) -> list[Any]:
    """Returns what the options of ``payments`` ask for, as conditions."""
    Payment = alipay.models.Payment
    found: list[Any] = [Payment.merchant == alipay.config.merchant]
    if options["status"]:
        found.append(Payment.trade_status.in_(options["status"]))
    if options["paid"] is not None:
        found.append(Payment.paid.is_(options["paid"]))
    if options["older_than"] is not None:
        found.append(Payment.created_at <= utc_now() - options["older_than"])
    if options["newer_than"] is not None:
        found.append(Payment.created_at >= utc_now() - options["newer_than"])
    found += days_of(options).conditions(Payment.created_at)
    if options["text"]:
        reference = reference_column(Payment)
        named = (Payment.out_trade_no, Payment.trade_no, Payment.subject)
        columns = named if reference is None else (*named, reference)
        found.append(or_(*(c.contains(options["text"], autoescape=True) for c in columns)))
    return found


def newest_payments(alipay: Merchant, conditions: list[Any], limit: int | None) -> Select[Any]:
    """Return the statement for the newest payments that meet conditions.

    :param limit: the most; ``None``: all.
    """
    Payment = alipay.models.Payment
    order = (Payment.created_at.desc(), Payment.id.desc())
    return select(Payment).where(*conditions).order_by(*order).limit(limit)


def read(alipay: Merchant, statement: Select[Any]) -> list[Any]:
    """Return the objects that a statement selects, whatever the session's filters hide."""
    return list(unfiltered(alipay.session, statement).scalars().unique())


def read_each(alipay: Merchant, conditions: list[Any], limit: int | None) -> Iterator[Any]:
    """Yield the payments that meet conditions, the newest first; some hundreds are in memory.

    :param limit: the most; ``None``: all.
    """
    Payment: Any = alipay.models.Payment
    numbers = newest_payments(alipay, conditions, limit).with_only_columns(Payment.id)
    ids = list(unfiltered(alipay.session, numbers).scalars())
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        found = {one.id: one for one in read(alipay, select(Payment).where(Payment.id.in_(page)))}
        yield from (found[each] for each in page if each in found)


def journal_row(alipay: Merchant, row: int | None) -> Any | None:
    """Return a row of this merchant's journal by its ``id``, or ``None``."""
    model: Any = alipay.models.Notification
    found = select(model).where(model.id == row, model.merchant == alipay.config.merchant)
    return next(iter(read(alipay, found)), None)


def rows_for_payment(alipay: Merchant, model: Any, out_trade_no: str) -> list[Any]:
    """Returns the rows of a class that belong to one payment, the oldest first; none without it."""
    if model is None:
        return []
    merchant = alipay.config.merchant
    found = select(model).where(model.merchant == merchant, model.out_trade_no == out_trade_no)
    return read(alipay, found.order_by(model.id))


def find_payment(alipay: Merchant, number: str) -> Any:
    """Return a payment by ``out_trade_no`` or ``trade_no``, or by the shop's own order number.

    :raises Refused: if there is none; or several that have the shop's number, which it names.
    """
    Payment = alipay.models.Payment
    own = select(Payment).where(Payment.merchant == alipay.config.merchant).order_by(Payment.id)
    named = or_(Payment.out_trade_no == number, Payment.trade_no == number)
    found = read(alipay, own.where(named).limit(1))
    reference = reference_column(Payment)
    if not found and reference is not None:
        found = read(alipay, own.where(reference == number).limit(_MAX_NAMED))
    if not found:
        raise CommandFailed(_not_there(alipay, number))
    if len(found) > 1:
        told = _("{number} is the number of several payments. Name one of them: {payments}.")
        names = ", ".join(f"{one.out_trade_no} ({one.trade_status})" for one in found)
        raise CommandFailed(told.format(number=strip_control_chars(number), payments=names))
    return found[0]


def label(payment: Any) -> str:
    """Return what to call a payment: its number, with the shop's own one before it if it has it."""
    reference = reference_of(payment)
    number: str = payment.out_trade_no
    return f"{strip_control_chars(reference)} ({number})" if reference else number


def payment_as_json(payment: Any) -> dict[str, Any]:
    """Returns a payment for programs; amounts in fen and as text, buyer data masked."""
    return {
        "out_trade_no": payment.out_trade_no,
        "reference": reference_of(payment) or None,
        "trade_no": payment.trade_no,
        "trade_status": payment.trade_status,
        "paid": payment.paid,
        "subject": payment.subject,
        "product": payment.product,
        "currency": payment.currency,
        "total_fen": payment.total_fen,
        "refunded_fen": payment.refunded_fen,
        "total_amount": format_amount(payment.total_fen, payment.currency),
        "buyer_id": masked_buyer(payment),
        **{
            name: iso(getattr(payment, name))
            for name in ("created_at", "expires_at", "paid_at", "closed_at", "finished_at")
        },
    }


def refund_as_json(refund: Any) -> dict[str, Any]:
    """Returns a refund for programs."""
    return {
        "out_request_no": refund.out_request_no,
        "refund_fen": refund.refund_fen,
        "status": refund.status,
        "reason": refund.reason,
        "created_at": iso(refund.created_at),
        "refunded_at": iso(refund.refunded_at),
    }


def notification_as_json(row: Any, show_params: bool) -> dict[str, Any]:
    """Returns a row of the journal for programs.

    :param show_params: whether buyer data is left readable.
    """
    return {
        "id": row.id,
        "notify_id": row.notify_id,
        "asked": method_of(row),
        "trade_status": row.trade_status,
        "outcome": row.outcome,
        "detail": row.detail,
        "received_at": iso(row.received_at),
        "payload": dict(row.payload) if show_params else mask_params(row.payload),
    }


def explain_response_row(row: Any) -> str | None:
    """Returns why a row of the journal is no notification, and what to do instead; ``None`` for one
    that is.
    """
    if kind_of(row) == "operator":
        return _("it records what an operator did.")
    asked, refund = method_of(row), row.payload.get("out_request_no")
    if asked is None:
        return None
    names = {"asked": strip_control_chars(asked), "number": strip_control_chars(row.out_trade_no)}
    if refund and "refund" in asked:
        told = _(
            "it is Alipay's answer to {asked}, not a notification: ask again with 'refund "
            "{number} {amount} --out-request-no {refund}'."
        )
        money = strip_control_chars(row.payload.get("refund_amount", "AMOUNT"))
        return told.format(refund=strip_control_chars(refund), amount=money, **names)
    told = _(
        "it is Alipay's answer to {asked}, not a notification: ask again with 'query {number}'."
    )
    return told.format(**names)


def masked_buyer(payment: Any) -> str | None:
    """Returns who paid, made unreadable."""
    return mask_params({"buyer_id": payment.buyer_id})["buyer_id"] if payment.buyer_id else None


def display_amount(fen: int, currency: str) -> str:
    """Returns minor units for people: ``88.88 CNY``."""
    return f"{format_amount(fen, currency)} {currency}"


def display_time(when: datetime | None) -> str:
    """Returns a time for people, in China time; empty where there is none."""
    return format_china_time(when) if when else ""


def iso(when: datetime | None) -> str | None:
    """Returns a time for programs, in UTC."""
    return when.isoformat(timespec="seconds") if when else None


def _not_there(alipay: Merchant, number: str) -> str:
    news = rows_for_payment(alipay, alipay.models.Notification, number)
    if news:
        told = _(
            "There is no payment {number}, but Alipay told of one {count} times, last at {at}: "
            "was it made in another database?"
        )
        at = display_time(news[-1].received_at)
        return told.format(number=strip_control_chars(number), count=len(news), at=at)
    told = _(
        "There is no payment {number} of merchant {merchant}: look for it with "
        "'payments' and --text."
    )
    return told.format(number=strip_control_chars(number), merchant=alipay.config.merchant)
