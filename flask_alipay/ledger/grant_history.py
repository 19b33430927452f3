"""Histories of authorizations and agreements in order of time, with their payments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, scoped_session

from ..protocol.conversion import parse_china_time
from ..protocol.trade_status import TradeStatus
from .exact_text import exactly
from .history import AGREEMENT, AUTHORIZATION, Event, in_order, journal_of, kind_of
from .listing import read_rows
from .settlement import Models


@dataclass(frozen=True)
class GrantHistory:
    """An authorization or agreement, and the rows about it, the oldest first.

    Its events are ``created``, ``sent``, ``expired``, ``authorized``, ``release_requested``,
    ``released``, ``signed``, ``paid`` and ``failed`` (of its payments), ``ended``, ``finished``,
    ``closed``, and those of the journal.
    """

    grant: Any
    #: The captures, or the deductions.
    payments: Sequence[Any]
    journal: Sequence[Any]

    def events(self, now: datetime) -> list[Event]:
        """Return the events in order of time.

        :param now: aware UTC; a time limit that is still ahead has not happened.
        """
        return in_order(self._events(now))

    def _events(self, now: datetime) -> Iterator[Event]:
        grant = self.grant
        expires_at = getattr(grant, "expires_at", None)
        if expires_at is not None and expires_at <= now and grant.authorized_at is None:
            yield Event(expires_at, "expired")
        for kind in ("created", "sent", "signed", "authorized", "finished", "closed", "ended"):
            at = getattr(grant, f"{kind}_at", None)
            if at is not None:
                yield Event(at, kind)
        for release in getattr(grant, "releases", ()):
            at = parse_china_time(release["time"])
            if at is not None:
                yield Event(
                    at, "released", ReleaseEntry(at, release["fen"], release["out_request_no"])
                )
        yield from self._unresolved_release()
        for payment in self.payments:
            if payment.paid_at is not None:
                yield Event(payment.paid_at, "paid", payment)
            elif payment.trade_status == TradeStatus.TRADE_CLOSED and payment.closed_at is not None:
                yield Event(payment.closed_at, "failed", payment)
        for row in self.journal:
            yield Event(row.received_at, kind_of(row), row)

    def _unresolved_release(self) -> Iterator[Event]:
        grant = self.grant
        number = getattr(grant, "release_no", None)
        if number is not None:
            at = grant.release_sent_at or grant.authorized_at or grant.created_at
            yield Event(at, "release_requested", ReleaseEntry(at, grant.release_fen, number))


@dataclass(frozen=True)
class ReleaseEntry:
    """A release of a frozen amount, finished or without a result."""

    #: Aware UTC.
    created_at: datetime
    fen: int
    out_request_no: str


def history_of_authorization(
    session: Session | scoped_session[Any], models: Models, merchant: str, authorization: Any
) -> GrantHistory:
    """Read the captures and the journal of an authorization.

    :param authorization: one of the merchant's.
    """
    number = authorization.out_order_no
    payments = payments_of(session, models.Payment, merchant, out_order_no=number)
    journal = journal_of(session, models, merchant, number, (AUTHORIZATION,))
    return GrantHistory(authorization, payments, journal)


def history_of_agreement(
    session: Session | scoped_session[Any], models: Models, merchant: str, agreement: Any
) -> GrantHistory:
    """Read the deductions and the journal of an agreement.

    :param agreement: one of the merchant's.
    """
    number = agreement.external_agreement_no
    payments = payments_of(session, models.Payment, merchant, external_agreement_no=number)
    journal = journal_of(session, models, merchant, number, (AGREEMENT,))
    return GrantHistory(agreement, payments, journal)


def payments_of(
    session: Session | scoped_session[Any], model: Any, merchant: str, **number: str
) -> list[Any]:
    """Read the payments of an authorization or agreement, the oldest first.

    :param model: the application's class of payments.
    :param number: ``out_order_no`` or ``external_agreement_no``.
    """
    ((name, value),) = number.items()
    found = select(model).where(
        exactly(model.merchant, merchant), exactly(getattr(model, name), value)
    )
    return read_rows(session, found.order_by(model.created_at, model.id))
