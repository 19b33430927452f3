"""The journal: a record of every verified report, with its outcome.

It decides about a duplicate only where no payment's state can: of a batch without rows of refunds,
and of a message. A duplicate report of a payment is recognized by the payment's state
(``transitions``) and ends in ``Ledger._read_and_apply``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from sqlalchemy import func, inspect, literal, select

from ..exceptions import NotificationRefused
from ..models import PaymentMixin, utc_now
from ..protocol.credentials import CREDENTIAL_NAMES, mask_credential_fields
from .errors import describe_error
from .exact_text import exactly, without_index
from .session import LedgerSession, insert_row
from .tables import columns_of, entity_of

logger = logging.getLogger("flask_alipay")

# The outcomes that are acknowledged with ``success``.
_ACKNOWLEDGED = ("settled", "recorded", "duplicate", "stale")
# The outcomes of reports that changed a payment: always recorded.
_CHANGED = ("settled", "recorded")

#: All outcomes, see :class:`~flask_alipay.NotificationMixin`.
OUTCOMES = (*_ACKNOWLEDGED, "unknown", "mismatched", "callback_failed")

#: The maximum of rows for one report with one outcome. Alipay delivers a notification at most eight
#: times.
MAX_ROWS = 20


@dataclass(frozen=True)
class JournalEntry:
    """The recorded fields of a report."""

    out_trade_no: str
    trade_no: str | None
    #: Alipay's status or notification type.
    trade_status: str
    notify_id: str | None
    payload: Mapping[str, str] = field(repr=False, hash=False)


@dataclass(frozen=True)
class Journal:
    """Writer of journal rows; without a class of the application's it writes none."""

    #: The application's session.
    _session: LedgerSession
    #: The application's class on :class:`~flask_alipay.PaymentMixin`.
    _payments: type[PaymentMixin]
    #: The application's class on :class:`~flask_alipay.NotificationMixin`.
    _model: Any
    #: The ``app_id`` or ``partner``.
    _merchant: str

    @property
    def enabled(self) -> bool:
        """``True`` if the application has a class for the journal."""
        return self._model is not None

    def was_acknowledged(self, entry: JournalEntry) -> bool:
        """Return whether this result of a batch was acknowledged before."""
        if self._model is None or entry.notify_id is None:
            return False
        column = columns_of(entity_of(self._model))
        known: list[Any] = [
            exactly(column["merchant"], self._merchant),
            exactly(column["notify_id"], entry.notify_id),
            without_index(column["outcome"]).in_(_ACKNOWLEDGED),
        ]
        if entry.trade_no is not None:
            known.append(exactly(column["trade_no"], entry.trade_no))
        found = select(column["id"]).where(*known).limit(1)
        return self._session.execute(found, self._model).first() is not None

    def is_claimed(self, message_id: str) -> bool:
        """Return whether a message was processed before."""
        column = columns_of(entity_of(self._model))
        found = select(column["id"]).where(exactly(column["message_id"], message_id))
        return self._session.execute(found, self._model).first() is not None

    def write(
        self,
        entry: JournalEntry,
        outcome: str,
        detail: str | None,
        *,
        message_id: str | None = None,
    ) -> None:
        """Add a row to the current transaction, as the application would.

        :param outcome: see :class:`~flask_alipay.NotificationMixin`.
        :param detail: explains the outcome to an operator.
        :param message_id: claims the message that is being processed.

        A report that changes nothing is recorded at most :data:`MAX_ROWS` times with each outcome:
        a third party that has seen a signed notification can replay it any number of times.
        """
        if self._model is None or (outcome not in _CHANGED and self._is_full(entry, outcome)):
            # PostgreSQL silently rolls a failed transaction back on COMMIT. This statement raises
            # if a callback has caught the error that failed the transaction.
            self._session.execute(select(literal(1)), self._payments)
            return
        payload = dict(entry.payload)
        if CREDENTIAL_NAMES.search("\0".join(payload).lower()):
            payload = mask_credential_fields(payload)
        row = {
            "notify_id": entry.notify_id,
            "merchant": self._merchant,
            "out_trade_no": entry.out_trade_no,
            "trade_no": entry.trade_no,
            "trade_status": entry.trade_status[:32],
            "outcome": outcome,
            "detail": detail[:256] if detail else None,
            "payload": payload,
            "received_at": utc_now(),
        }
        if message_id is not None:
            row["message_id"] = message_id
        insert_row(self._session, self._model, row)

    def count(self, out_trade_no: str, outcome: str, notify_id: str | None = None) -> int:
        """Return how many rows of a payment have an outcome; the journal must be kept.

        :param notify_id: counts the rows of one notification only: of a message about no payment.
        """
        column = columns_of(entity_of(self._model))
        of_one = [] if notify_id is None else [exactly(column["notify_id"], notify_id)]
        found = (
            select(func.count())
            .select_from(inspect(self._model).local_table)
            .where(
                exactly(column["merchant"], self._merchant),
                exactly(column["out_trade_no"], out_trade_no),
                without_index(column["outcome"]) == outcome,
                *of_one,
            )
        )
        return int(self._session.execute(found, self._model).scalar_one())

    def _is_full(self, entry: JournalEntry, outcome: str) -> bool:
        """Return whether the report has :data:`MAX_ROWS` rows with this outcome."""
        column = columns_of(entity_of(self._model))
        of_report = {
            "merchant": self._merchant,
            "notify_id": entry.notify_id,
            "out_trade_no": entry.out_trade_no,
            "trade_no": entry.trade_no,
            "trade_status": entry.trade_status[:32],
        }
        same = [
            column[name].is_(None) if value is None else exactly(column[name], value)
            for name, value in of_report.items()
        ]
        same.append(without_index(column["outcome"]) == outcome)
        found = select(column["id"]).where(*same).limit(MAX_ROWS)
        return len(self._session.execute(found, self._model).all()) >= MAX_ROWS

    def record_refusal(
        self, entry: JournalEntry, outcome: str, detail: str | None, error: NotificationRefused
    ) -> NoReturn:
        """Roll back, record the refusal in a separate transaction, and raise the error."""
        self._session.roll_back()
        error.out_trade_no, error.notify_id = entry.out_trade_no, entry.notify_id
        if self._model is not None:
            try:
                self.write(entry, outcome, detail)
                self._session.session.commit()
            except Exception as failure:
                self._session.roll_back()
                # Not the full message: it contains the statement's values, buyer data among them.
                logger.error(
                    "the journal could not be written for %s (%s)",
                    error.out_trade_no,
                    describe_error(failure),
                )
        raise error
