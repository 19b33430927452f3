"""A payment's history in order of time, and kinds of the journal's rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session, scoped_session

from ..protocol.message import message_kind
from .annotations import query_groups
from .exact_text import exactly
from .listing import read_rows
from .settlement import Models

#: The parameter in the payload of a journal row that records an operator's action.
OPERATOR = "operator"
#: The parameter with the kind of thing that the action is about; without it, a payment.
ABOUT = "about"
#: The kinds of things that a journal row is about: see :func:`subject_of`.
PAYMENT, TRANSFER = "payment", "transfer"
AUTHORIZATION, AGREEMENT = "authorization", "agreement"


class Event(NamedTuple):
    """One line of a history."""

    #: Aware UTC.
    at: datetime
    #: ``created``, ``sent``, ``returned``, ``expired``, ``paid``, ``closed``, ``finished``,
    #: ``queried``, ``refund_requested``, ``refunded``, ``notification``, ``response`` or
    #: ``operator``; and those of :class:`.grant_history.GrantHistory`.
    kind: str
    #: The row of the refund, payment or journal, the :class:`.annotations.QueryGroup`, or the
    #: release.
    row: Any = None


@dataclass(frozen=True)
class History:
    """A payment and the rows about it, the oldest first."""

    payment: Any
    refunds: Sequence[Any]
    journal: Sequence[Any]

    def events(self, now: datetime) -> list[Event]:
        """Return the payment's events in order of time.

        Alipay's times are whole seconds: within one second, events follow a payment's usual course.

        :param now: aware UTC; a time limit that is still ahead has not happened.
        """
        return in_order(self._events(now))

    def _events(self, now: datetime) -> Iterator[Event]:
        payment = self.payment
        yield Event(payment.created_at, "created")
        ended = payment.paid_at or payment.closed_at
        expires_at = payment.expires_at
        if expires_at is not None and expires_at <= now and (ended is None or ended > expires_at):
            yield Event(expires_at, "expired")
        for kind in ("sent", "paid", "returned", "closed", "finished"):
            at = getattr(payment, f"{kind}_at")
            if at is not None:
                yield Event(at, kind)
        for group in query_groups(payment):
            yield Event(group.first, "queried", group)
        for refund in self.refunds:
            yield Event(refund.created_at, "refund_requested", refund)
            if refund.refunded_at is not None:
                yield Event(refund.refunded_at, "refunded", refund)
        for row in self.journal:
            yield Event(row.received_at, kind_of(row), row)


def in_order(events: Iterable[Event]) -> list[Event]:
    """Return events in order of time; within one second, those of the row itself come first, in the
    given order.
    """
    return sorted(events, key=_order)


def _order(event: Event) -> tuple[datetime, bool, datetime]:
    second = event.at.replace(microsecond=0)
    if event.row is None:
        return second, False, second
    at = max(event.at, event.row.created_at) if event.kind == "refunded" else event.at
    return second, True, at


def history_of(
    session: Session | scoped_session[Any], models: Models, merchant: str, payment: Any
) -> History:
    """Read the rows about a payment.

    :param payment: one of the merchant's.
    """
    number = payment.out_trade_no
    refunds = [] if models.Refund is None else _rows(session, models.Refund, merchant, number)
    # An authorization or agreement may have the same number.
    about = (PAYMENT, TRANSFER)
    return History(payment, refunds, journal_of(session, models, merchant, number, about))


def journal_of(
    session: Session | scoped_session[Any],
    models: Models,
    merchant: str,
    number: str,
    about: Sequence[str],
) -> list[Any]:
    """Read the rows of the journal with a number, the oldest first; empty without a journal.

    :param about: the kinds of things, see :func:`subject_of`.
    """
    if models.Notification is None:
        return []
    found = _rows(session, models.Notification, merchant, number)
    return [row for row in found if subject_of(row) in about]


def kind_of(row: Any) -> str:
    """Return ``notification``, ``response`` (Alipay's to a request) or ``operator`` for a row of
    the journal.
    """
    if row.notify_id is not None:
        return "notification"
    return "operator" if OPERATOR in row.payload else "response"


def method_of(row: Any) -> str | None:
    """Return the method or service of a journal row that records a response, otherwise ``None``."""
    if kind_of(row) != "response":
        return None
    method: str | None = row.payload.get("method") or row.payload.get("service")
    return method


def message_of(row: Any) -> str | None:
    """Return the kind of message that a journal row records, otherwise ``None``."""
    return message_kind(row.payload) if kind_of(row) == "notification" else None


def subject_of(row: Any) -> str:
    """Return the kind of thing that a row of the journal is about: :data:`PAYMENT`,
    :data:`TRANSFER`, :data:`AUTHORIZATION` or :data:`AGREEMENT`.
    """
    if kind_of(row) == "operator":
        return str(row.payload.get(ABOUT) or PAYMENT)
    name = message_of(row) or method_of(row) or ""
    found = (subject for prefix, subject in _SUBJECTS.items() if name.startswith(prefix))
    return next(found, PAYMENT)


# By the beginning of the method or of the kind of message.
_SUBJECTS: Final = {
    "alipay.fund.trans.": TRANSFER,
    "alipay.fund.auth.": AUTHORIZATION,
    "fund_auth_": AUTHORIZATION,
    "alipay.user.agreement.": AGREEMENT,
    "dut_user_": AGREEMENT,
}


def _rows(
    session: Session | scoped_session[Any], model: Any, merchant: str, out_trade_no: str
) -> list[Any]:
    found = select(model).where(
        exactly(model.merchant, merchant), exactly(model.out_trade_no, out_trade_no)
    )
    return read_rows(session, found.order_by(model.id))
