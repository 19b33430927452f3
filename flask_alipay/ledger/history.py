"""A payment's history in order of time, for the command line and the operator pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session, scoped_session

from ..protocol.message import message_kind
from .annotations import query_groups
from .exact_text import exactly
from .listing import read_rows
from .settlement import Models

#: The parameter in the payload of a journal row that records an operator's action.
OPERATOR = "operator"


class Event(NamedTuple):
    """One line of a payment's history."""

    #: Aware UTC.
    at: datetime
    #: ``created``, ``sent``, ``returned``, ``expired``, ``paid``, ``closed``, ``finished``,
    #: ``queried``, ``refund_requested``, ``refunded``, ``notification``, ``response`` or
    #: ``operator``.
    kind: str
    #: The row of the refund or of the journal, or the :class:`.annotations.QueryGroup`.
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
        return sorted(self._events(now), key=_order)

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
    rows = [
        [] if model is None else _rows(session, model, merchant, number)
        for model in (models.Refund, models.Notification)
    ]
    return History(payment, *rows)


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


def _rows(
    session: Session | scoped_session[Any], model: Any, merchant: str, out_trade_no: str
) -> list[Any]:
    found = select(model).where(
        exactly(model.merchant, merchant), exactly(model.out_trade_no, out_trade_no)
    )
    return read_rows(session, found.order_by(model.id))
