"""The trace that every piece of proven news leaves, whatever came of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

from sqlalchemy import inspect, literal, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..exceptions import NotificationRefused
from ..models import NotificationMixin, PaymentMixin, utc_now
from ..notification import Notification
from .connections import Connections
from .exact import exactly
from .outages import said
from .repetitions import repetitions
from .statements import journal_statements

logger = logging.getLogger("flask_alipay")

# The outcomes of what was answered ``success``.
_ANSWERED = ("settled", "recorded", "duplicate", "stale")


@dataclass(frozen=True)
class Entry:
    """What is worth writing down of a piece of news."""

    out_trade_no: str
    trade_no: str | None
    #: The news in Alipay's word.
    trade_status: str
    notify_id: str | None
    payload: Mapping[str, str] = field(repr=False, hash=False)

    @classmethod
    def of(cls, notification: Notification) -> Entry:
        """Returns what is written down of a trade's news."""
        return cls(
            notification.out_trade_no,
            notification.trade_no,
            notification.trade_status,
            notification.notify_id,
            notification.params,
        )


class Journal:
    """Writes the rows; without a class of the app's it keeps none.

    :param session: the app's.
    :param connections: its connections.
    :param model: the app's class on :class:`~flask_alipay.NotificationMixin`.
    :param merchant: the ``app_id`` or ``partner``.
    """

    def __init__(
        self,
        session: Session,
        connections: Connections,
        model: type[NotificationMixin] | None,
        merchant: str,
    ) -> None:
        self._session = session
        self._connections = connections
        self._model = model
        self._merchant = merchant

    @property
    def kept(self) -> bool:
        """Whether there is a journal."""
        return self._model is not None

    def knows(self, entry: Entry) -> bool:
        """Tells whether this news, of this trade if it is of one, was answered ``success``."""
        model = self._model
        if model is None or entry.notify_id is None:
            return False
        known: list[Any] = [
            exactly(model.merchant, self._merchant),
            exactly(model.notify_id, entry.notify_id),
            model.outcome.in_(_ANSWERED),
        ]
        if entry.trade_no is not None:
            known.append(exactly(model.trade_no, entry.trade_no))
        found = select(model.id).where(*known).limit(1)
        where = self._connections.reads_of(inspect(model))
        return self._session.scalars(found, bind_arguments=where).first() is not None

    def write(self, entry: Entry, outcome: str, detail: str | None) -> None:
        """Adds a row to the current transaction.

        :param outcome: see :class:`~flask_alipay.NotificationMixin`.
        :param detail: what makes it plain to an operator.
        """
        if self._model is None:
            # PostgreSQL answers COMMIT of a broken transaction with a silent rollback. A statement
            # more brings to light what a callback may have broken and kept to itself.
            if self._connections.latest is not None:
                self._connections.latest.execute(select(literal(1)))
            return
        journal_statements(cast("Any", self._model)).write(
            self._connections, self._line(entry, outcome, detail)
        )

    def repeat(self, payments: type[PaymentMixin], sale: Notification, entry: Entry) -> bool:
        """Adds the row of a repetition to the current transaction, if it is one and one statement
        is enough to tell.

        :param payments: the app's class.
        :param sale: the news of a plain sale.
        """
        if self._model is None:
            return False
        written = repetitions(cast("Any", payments), cast("Any", self._model))
        line = self._line(entry, "duplicate", None)
        return written.write(self._connections, self._merchant, sale, line)

    def _line(self, entry: Entry, outcome: str, detail: str | None) -> dict[str, Any]:
        return {
            "notify_id": entry.notify_id,
            "merchant": self._merchant,
            "out_trade_no": entry.out_trade_no,
            "trade_no": entry.trade_no,
            "trade_status": entry.trade_status[:32],
            "outcome": outcome,
            "detail": detail[:256] if detail else None,
            "payload": dict(entry.payload),
            "received_at": utc_now(),
        }

    def refuse(
        self, entry: Entry, outcome: str, detail: str | None, error: NotificationRefused
    ) -> NoReturn:
        """Rolls back, leaves a trace of it in a transaction of its own, and raises the error."""
        roll_back(self._session)
        error.out_trade_no, error.notify_id = entry.out_trade_no, entry.notify_id
        if self._model is not None:
            try:
                self.write(entry, outcome, detail)
                self._session.commit()
            except SQLAlchemyError as failure:
                roll_back(self._session)
                # Not its text: it holds the statement's values, the buyer's data among them.
                logger.error(
                    "the journal could not be written for %s (%s)",
                    error.out_trade_no,
                    said(failure),
                )
        raise error


def roll_back(session: Session) -> None:
    """Rolls back, also where the connection is gone, and the transaction with it."""
    try:
        session.rollback()
    except SQLAlchemyError:
        session.close()
