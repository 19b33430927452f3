"""Rows of the ledger for the terminal and for JSON.

Times are China time in the terminal, as in Alipay's console, and UTC in JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy import Select, or_, select

from ..ledger.annotations import QueryGroup
from ..ledger.exact_text import exactly
from ..ledger.history import kind_of, method_of
from ..ledger.references import reference_column, reference_of
from ..ledger.session import unfiltered
from ..models import utc_now
from ..protocol.conversion import format_amount, format_china_time
from ..protocol.notification import mask_params
from .errors import CommandFailed
from .i18n import _, n_
from .periods import days_of
from .table import strip_control_chars

if TYPE_CHECKING:
    from ..merchant import Merchant

# The maximum number of payments of one order in a message.
_MAX_NAMED = 10
_PAGE = 500
# The authorization or agreement of a payment.
_GRANTS = ("out_order_no", "external_agreement_no", "deduction_date")
_AGE = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Age(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """An age: ``30m``, ``2h``, ``7d``."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a :class:`~datetime.timedelta`."""
        if isinstance(value, timedelta):
            return value
        found = _AGE.fullmatch(str(value).strip().lower())
        if found is None:
            self.fail(_("use the format 30m, 2h or 7d."), param, ctx)
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


def payment_filters(merchant: Merchant, options: Mapping[str, Any]) -> list[Any]:
    """Return the conditions for the options of ``payments``.

    :param merchant: the merchant.
    :param options: of the command.
    :return: conditions for ``where()``.
    """
    Payment = merchant.models.Payment
    found: list[Any] = [Payment.merchant == merchant.config.merchant]
    if options["status"]:
        found.append(Payment.trade_status.in_(options["status"]))
    if options["paid"] is not None:
        found.append(Payment.paid.is_(options["paid"]))
    if options["older_than"] is not None:
        found.append(Payment.created_at <= utc_now() - options["older_than"])
    if options["newer_than"] is not None:
        found.append(Payment.created_at >= utc_now() - options["newer_than"])
    found += days_of(options).conditions(Payment.created_at)
    if options["buyer"]:
        identities = (Payment.buyer_id, Payment.buyer_open_id)
        found.append(or_(*(exactly(column, options["buyer"]) for column in identities)))
    if options["text"]:
        reference = reference_column(Payment)
        named = (Payment.out_trade_no, Payment.trade_no, Payment.subject)
        columns = named if reference is None else (*named, reference)
        found.append(or_(*(c.contains(options["text"], autoescape=True) for c in columns)))
    return found


def newest_payments(merchant: Merchant, conditions: list[Any], limit: int | None) -> Select[Any]:
    """Return the statement for the newest payments that meet conditions.

    :param merchant: the merchant.
    :param conditions: for ``where()``.
    :param limit: the maximum number; ``None``: all.
    :return: the statement.
    """
    Payment = merchant.models.Payment
    order = (Payment.created_at.desc(), Payment.id.desc())
    return select(Payment).where(*conditions).order_by(*order).limit(limit)


def read(merchant: Merchant, statement: Select[Any]) -> list[Any]:
    """Return the objects that a statement selects, ignoring the session's filters.

    :param merchant: the merchant.
    :param statement: selects objects.
    :return: the objects in order, without duplicates.
    """
    return list(unfiltered(merchant.session, statement).scalars().unique())


def read_each(merchant: Merchant, conditions: list[Any], limit: int | None) -> Iterator[Any]:
    """Yield the payments that meet conditions, the newest first, in pages.

    :param merchant: the merchant.
    :param conditions: for ``where()``.
    :param limit: the maximum number; ``None``: all.
    :return: the payments; at most one page is in memory.
    """
    Payment: Any = merchant.models.Payment
    numbers = newest_payments(merchant, conditions, limit).with_only_columns(Payment.id)
    ids = list(unfiltered(merchant.session, numbers).scalars())
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        found = {one.id: one for one in read(merchant, select(Payment).where(Payment.id.in_(page)))}
        yield from (found[each] for each in page if each in found)


def journal_row(merchant: Merchant, row: int | None) -> Any | None:
    """Return a row of the merchant's journal by its ``id``; ``None`` if there is none."""
    model: Any = merchant.models.Notification
    found = select(model).where(model.id == row, model.merchant == merchant.config.merchant)
    return next(iter(read(merchant, found)), None)


def latest_journal_row(merchant: Merchant, notify_id: str) -> Any | None:
    """Return the newest row of a notification in the merchant's journal; ``None`` if there is
    none.
    """
    model: Any = merchant.models.Notification
    found = select(model).where(
        model.notify_id == notify_id, model.merchant == merchant.config.merchant
    )
    return next(iter(read(merchant, found.order_by(model.id.desc()).limit(1))), None)


def rows_for_payment(merchant: Merchant, model: Any, out_trade_no: str) -> list[Any]:
    """Return the rows of a class for one payment, the oldest first; empty without the class."""
    if model is None:
        return []
    account = merchant.config.merchant
    found = select(model).where(model.merchant == account, model.out_trade_no == out_trade_no)
    return read(merchant, found.order_by(model.id))


def find_payment(merchant: Merchant, number: str) -> Any:
    """Return a payment by ``out_trade_no``, ``trade_no`` or the shop's own order number.

    :param merchant: the merchant.
    :param number: one of the numbers.
    :return: the payment.
    :raises CommandFailed: if there is none, or if several have the shop's number; the message names
        them.
    """
    found = payments_with(merchant, number)
    if not found:
        raise CommandFailed(_not_found(merchant, number))
    if len(found) > 1:
        raise several_payments(number, found)
    return found[0]


def payments_with(merchant: Merchant, number: str) -> list[Any]:
    """Return the payment with an ``out_trade_no`` or ``trade_no``, otherwise those with the shop's
    own number.
    """
    Payment = merchant.models.Payment
    own = select(Payment).where(Payment.merchant == merchant.config.merchant).order_by(Payment.id)
    named = or_(Payment.out_trade_no == number, Payment.trade_no == number)
    found = read(merchant, own.where(named).limit(1))
    reference = reference_column(Payment)
    if not found and reference is not None:
        found = read(merchant, own.where(reference == number).limit(_MAX_NAMED))
    return found


def several_payments(number: str, found: list[Any]) -> CommandFailed:
    """Return the error for the shop's own number of several payments; it names them."""
    text = _("{number} matches several payments. Choose one of them: {payments}.")
    names = ", ".join(f"{one.out_trade_no} ({one.trade_status})" for one in found)
    return CommandFailed(text.format(number=strip_control_chars(number), payments=names))


def label(payment: Any) -> str:
    """Return a payment's number for messages, after the shop's own number if it has one."""
    reference = reference_of(payment)
    number: str = payment.out_trade_no
    return f"{strip_control_chars(reference)} ({number})" if reference else number


def payment_as_json(payment: Any) -> dict[str, Any]:
    """Return a payment for JSON: amounts in fen and as text, buyer data masked."""
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
        "buyer_id": masked(payment, "buyer_id"),
        "buyer_open_id": masked(payment, "buyer_open_id"),
        "auth_app_id": payment.auth_app_id,
        **{name: getattr(payment, name) for name in _GRANTS if getattr(payment, name)},
        **{
            name: iso(getattr(payment, name))
            for name in (
                *("created_at", "sent_at", "returned_at", "expires_at"),
                *("paid_at", "closed_at", "finished_at"),
            )
        },
    }


def refund_as_json(refund: Any) -> dict[str, Any]:
    """Return a refund for JSON."""
    return {
        "out_request_no": refund.out_request_no,
        "refund_fen": refund.refund_fen,
        "status": refund.status,
        "reason": refund.reason,
        "created_at": iso(refund.created_at),
        "refunded_at": iso(refund.refunded_at),
    }


def transfer_as_json(transfer: Any) -> dict[str, Any]:
    """Return a transfer for JSON, with the payee masked."""
    names = ("out_biz_no", "order_id", "status", "error_code", "fail_reason", "amount_fen")
    times = ("created_at", "submitted_at", "transferred_at", "failed_at")
    return {
        **{name: getattr(transfer, name) for name in names},
        "payee": masked_account(transfer.payee),
        **{name: iso(getattr(transfer, name)) for name in times},
    }


def masked_account(account: str) -> str:
    """Return the number or login name of an account, masked."""
    return mask_params({"buyer_id": account})["buyer_id"]


def query_as_json(group: QueryGroup) -> dict[str, Any]:
    """Return queries of Alipay with the same response for JSON."""
    return {
        "result": group.result,
        "times": group.times,
        "first": iso(group.first),
        "last": iso(group.last),
    }


def notification_as_json(row: Any, show_params: bool) -> dict[str, Any]:
    """Return a row of the journal for JSON.

    :param row: the row.
    :param show_params: whether to show buyer data.
    :return: the object.
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
    """Return the reason why a row of the journal is not a notification, and the next step.

    :param row: the row.
    :return: a sentence; ``None`` if the row is a notification.
    """
    if kind_of(row) == "operator":
        return _("it records an operator's action.")
    method, refund = method_of(row), row.payload.get("out_request_no")
    if method is None:
        return None
    names = {"method": strip_control_chars(method), "number": strip_control_chars(row.out_trade_no)}
    if refund and "refund" in method:
        text = _(
            "it is Alipay's response to {method}, not a notification: retry with 'refund "
            "{number} {amount} --out-request-no {refund}'."
        )
        money = strip_control_chars(row.payload.get("refund_amount", "AMOUNT"))
        return text.format(refund=strip_control_chars(refund), amount=money, **names)
    text = _(
        "it is Alipay's response to {method}, not a notification: query again with 'query "
        "{number}'."
    )
    return text.format(**names)


def masked(payment: Any, name: str) -> str | None:
    """Return one of a payment's columns with buyer data, masked; ``None`` if it is empty."""
    value = getattr(payment, name)
    return mask_params({name: value})[name] if value else None


def display_amount(fen: int, currency: str) -> str:
    """Return minor units as text: ``88.88 CNY``."""
    return f"{format_amount(fen, currency)} {currency}"


def display_time(when: datetime | None) -> str:
    """Return a time as text, in China time; empty for ``None``."""
    return format_china_time(when) if when else ""


def iso(when: datetime | None) -> str | None:
    """Return a time in UTC as ISO 8601; ``None`` for ``None``."""
    return when.isoformat(timespec="seconds") if when else None


def _not_found(merchant: Merchant, number: str) -> str:
    notifications = rows_for_payment(merchant, merchant.models.Notification, number)
    if notifications:
        text = _(
            "There is no payment {number}, but Alipay reported it {count} times, last at {at}. "
            "Check whether it was created in another database."
        )
        at = display_time(notifications[-1].received_at)
        return text.format(number=strip_control_chars(number), count=len(notifications), at=at)
    text = _("Merchant {merchant} has no payment {number}. Search with 'payments' and --text.")
    return text.format(number=strip_control_chars(number), merchant=merchant.config.merchant)
