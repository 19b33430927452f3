"""The rows of transfers: recorded before Alipay is called, and settled once.

A guarded ``UPDATE`` changes a row from exactly the status that was read; the application's
callbacks and the journal's row belong to the same transaction.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Final, cast

from sqlalchemy import func, inspect, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from ..exceptions import (
    InvalidAmount,
    InvalidParameter,
    LedgerUnavailable,
    NotificationRefused,
    UnknownPayment,
)
from ..models import utc_now
from ..protocol.conversion import format_amount, format_china_time
from ..protocol.message import Message
from ..protocol.transfers import TransferReport, TransferStatus
from .callbacks import run_callbacks
from .exact_text import exactly
from .journal import JournalEntry
from .ledger import Ledger
from .session import change
from .settlement import MessageEffect, Settlement
from .statements import is_serialization_failure
from .tables import columns_of, entity_of, version_of
from .transfer_transitions import TRANSFER_FAILED, TRANSFERRED, TRANSITIONS
from .transfer_updates import NewTransfer as NewTransfer
from .transfer_updates import RecordedTransfer as RecordedTransfer
from .transfer_updates import Submission as Submission
from .transfer_updates import changed_values, check_last, check_match, check_same, in_utc

_DEALING: Final = TransferStatus.DEALING
_REFUND: Final = TransferStatus.REFUND
# Statuses whose amount does not count for the daily limit.
_NOT_SPENT: Final = (TransferStatus.FAIL, TransferStatus.CLOSED, TransferStatus.REFUND)
# Each attempt lets another worker's transfer pass.
_ATTEMPTS: Final = 60
_MAX_PAUSE_MS: Final = 20


class TransferLedger(Ledger):
    """The ledger of a merchant with the rows of its transfers; the application has a class for
    them.
    """

    def record(self, transfer: NewTransfer) -> RecordedTransfer:
        """Record a transfer that is about to be submitted, and commit.

        A number recorded before means the same transfer. The session's current transaction is
        rolled back first.

        :raises InvalidAmount: if the number was recorded with another amount, or if the amount
            exceeds the rest of the daily limit.
        :raises InvalidParameter: if the number was recorded with another payee or content.
        :raises LedgerUnavailable: if other workers keep recording transfers.
        """
        session = self._session
        failure: BaseException | None = None
        place: int | None = None
        for attempt in range(_ATTEMPTS):
            session.roll_back()
            if attempt:
                time.sleep(secrets.randbelow(_MAX_PAUSE_MS) / 1000)
            try:
                row = self.find_transfer(transfer.out_biz_no)
                if row is not None:
                    check_same(row, transfer)
                    recorded = RecordedTransfer.of(row)
                    session.session.commit()
                    return recorded
                row = self._new_row(transfer)
                place = row.limit_number
                session.add(row)
                recorded = RecordedTransfer.of(row, new=True)
                session.session.commit()
                return recorded
            except InvalidParameter:
                session.roll_back()
                raise
            except DBAPIError as error:
                session.roll_back()
                failure = error
                if not (is_serialization_failure(error) or self._is_taken(transfer, place, error)):
                    raise
        raise LedgerUnavailable("other workers keep recording transfers") from failure

    def find_transfer(self, out_biz_no: str) -> Any | None:
        """Return a transfer of this merchant as the database has it now, or ``None``."""
        found = self._session.load(
            select(self._transfer).where(*self._named(out_biz_no)), self._transfer
        )
        return found[0] if found else None

    def find_undecided(self, amount_fen: int, payee: str, identity_type: str) -> str | None:
        """Return the number of a transfer of that amount to that payee for which no response of
        Alipay's has arrived, or ``None``.
        """
        Transfer = self._transfer
        pending = (Transfer.status == _DEALING, Transfer.order_id.is_(None))
        return self._first(amount_fen, payee, identity_type, *pending)

    def find_recent(
        self, amount_fen: int, payee: str, identity_type: str, since: datetime
    ) -> str | None:
        """Return the number of a transfer of that amount to that payee since then that has not
        failed, or ``None``.
        """
        Transfer = self._transfer
        recent = (Transfer.status.not_in(_NOT_SPENT), Transfer.created_at >= since)
        return self._first(amount_fen, payee, identity_type, *recent)

    def _first(
        self, amount_fen: int, payee: str, identity_type: str, *conditions: Any
    ) -> str | None:
        Transfer = self._transfer
        found = self._session.load(
            select(Transfer)
            .where(
                exactly(Transfer.merchant, self._merchant),
                Transfer.amount_fen == amount_fen,
                exactly(Transfer.payee, payee),
                Transfer.identity_type == identity_type,
                *conditions,
            )
            .order_by(Transfer.created_at)
            .limit(1),
            Transfer,
        )
        return found[0].out_biz_no if found else None

    def mark_submitted(self, out_biz_no: str) -> Submission | None:
        """Mark a request that is about to be submitted, and commit.

        :returns: its mark; ``None`` if the transfer's result is known meanwhile.
        :raises LedgerUnavailable: if other workers keep submitting it.
        """
        for _ in range(_ATTEMPTS):
            seen = self._read_state(out_biz_no)
            if seen is None or seen.status != _DEALING:
                return None
            submission = Submission.after(in_utc(seen.submitted_at))
            if self._change(seen, {"submitted_at": submission.at}):
                self._session.session.commit()
                return submission
        raise LedgerUnavailable("other workers keep submitting the transfer")

    def unmark_submitted(self, out_biz_no: str, submission: Submission) -> None:
        """Restore the mark of the request before, and commit: unless another request has been
        submitted since.
        """
        seen = self._read_state(out_biz_no)
        if (
            seen is not None
            and seen.status == _DEALING
            and in_utc(seen.submitted_at) == submission.at
            and self._change(seen, {"submitted_at": submission.before})
        ):
            self._session.session.commit()
        self._session.roll_back()

    def _read_state(self, out_biz_no: str) -> Any | None:
        """Return the state of a transfer; the next statement begins a transaction."""
        self._session.roll_back()
        seen = self._state(out_biz_no)
        self._session.roll_back()
        return seen

    def settle_transfer(
        self, report: TransferReport, submission: Submission | None = None
    ) -> Settlement:
        """Record a verified report about a transfer once, in one transaction with the shop's
        callbacks. A response that changes nothing is not journalled.

        :param submission: the last request that a response knows of.
        :raises OutcomeUnknown: for a failure if another request has been submitted since.
        :raises UnknownPayment: if the transfer is not in the ledger.
        :raises PaymentMismatch: if the amount or Alipay's number contradicts the ledger.
        :raises CallbackFailed: if a callback raised; everything is rolled back.
        :raises LedgerUnavailable: if the database could not record it; everything is rolled back.
        """
        number = report.out_biz_no[:64]  # in place of an order number
        entry = JournalEntry(number, report.order_id, report.status, None, report.params)
        try:
            return self._in_transaction(
                entry, lambda: self._settle_report(report, entry, submission)
            )
        except NotificationRefused as error:
            error.out_biz_no = report.out_biz_no
            raise

    def apply_message(self, message: Message) -> MessageEffect | None:
        """Change the transfer that a message reports, in the current transaction; see
        :class:`~flask_alipay.ledger.messages.MessageHandler`.

        :raises BadNotification: if a field is missing or invalid.
        :raises PaymentMismatch: if the amount or Alipay's number contradicts the ledger.
        """
        report = TransferReport.from_message(message.content, message.params, message.notify_id)
        seen = self._state(report.out_biz_no)
        if seen is None:  # made by other software of the merchant
            return MessageEffect("recorded")
        check_match(seen, report)
        cell = TRANSITIONS[seen.status, report.status]
        values = changed_values(seen, report, cell)
        if not values:
            return MessageEffect("recorded")
        if not self._change(seen, values):
            return None
        events = _events(cell)
        row = self.find_transfer(report.out_biz_no)
        return MessageEffect("settled" if events else "recorded", events, row)

    def _settle_report(
        self, report: TransferReport, entry: JournalEntry, submission: Submission | None
    ) -> Settlement | None:
        seen = self._state(report.out_biz_no)
        if seen is None:
            raise UnknownPayment("no such transfer in the ledger")
        check_match(seen, report)
        cell = TRANSITIONS[seen.status, report.status]
        values = changed_values(seen, report, cell)
        if not values:
            self._session.session.commit()
            return self._settled(report, cell, ())
        if submission is not None and cell == TRANSFER_FAILED and report.status != _REFUND:
            check_last(seen, submission)
        # The UPDATE has to be the first statement of its transaction.
        self._session.roll_back()
        if not self._change(seen, values):
            return None
        events = _events(cell)
        outcome = "settled" if events else "recorded"
        for event in events:
            self._run(event, report.out_biz_no)
        self._journal.write(entry, outcome, ", ".join(events) or None)
        self._session.session.commit()
        return self._settled(report, outcome, events)

    def _settled(self, report: TransferReport, outcome: str, events: tuple[str, ...]) -> Settlement:
        return Settlement(outcome, events, lambda: self.find_transfer(report.out_biz_no))

    def _run(self, event: str, out_biz_no: str) -> None:
        callbacks = self._callbacks.get(event)
        if not callbacks:
            return
        row = self.find_transfer(out_biz_no)
        if row is None:
            raise LedgerUnavailable("the session does not return the transfer that was changed")
        run_callbacks(self._session, self._transfer, callbacks, row, self._registry)

    @cached_property
    def _transfer(self) -> Any:
        """The class that owns the table."""
        return entity_of(cast("Any", self._models.Transfer))

    def _named(self, out_biz_no: str) -> tuple[Any, ...]:
        column = columns_of(self._transfer)
        return (
            exactly(column["out_biz_no"], out_biz_no),
            exactly(column["merchant"], self._merchant),
        )

    def _state(self, out_biz_no: str) -> Any | None:
        """Return the state of a transfer as a plain row, or ``None``."""
        column, version = columns_of(self._transfer), version_of(self._transfer)
        names = (
            *("id", "status", "amount_fen", "order_id", "pay_fund_order_id", "error_code"),
            "submitted_at",
        )
        seen = [column[name].label(name) for name in names]
        mapper: Any = inspect(self._transfer)
        source = mapper.local_table
        if version is not None:
            seen += version.columns
            source = mapper.persist_selectable if version.parent else source
        found = select(*seen).select_from(source).where(*self._named(out_biz_no))
        return self._session.execute(found, self._transfer).one_or_none()

    def _change(self, seen: Any, values: Mapping[str, Any]) -> bool:
        """Change a transfer if its status and its last request are still as they were read: the
        guarded ``UPDATE``.
        """
        column, mapper = columns_of(self._transfer), inspect(self._transfer)
        statement = (
            update(mapper.local_table)
            .where(
                column["id"] == seen.id,
                column["status"] == seen.status,
                column["amount_fen"] == seen.amount_fen,
                column["submitted_at"].is_not_distinct_from(seen.submitted_at),
            )
            .values({column[name]: value for name, value in values.items()})
        )
        return change(self._session, self._transfer, statement, {}, seen)

    def _new_row(self, transfer: NewTransfer) -> Any:
        now = utc_now()
        counted: dict[str, Any] = {}
        if transfer.daily_limit_fen is not None:
            counted = self._within_limit(transfer, transfer.daily_limit_fen, now)
        Transfer: Any = self._models.Transfer
        return Transfer(
            merchant=self._merchant,
            out_biz_no=transfer.out_biz_no,
            amount_fen=transfer.amount_fen,
            payee=transfer.payee,
            identity_type=transfer.identity_type,
            status=_DEALING,
            content=dict(transfer.content),
            created_at=now,
            submitted_at=Submission.after(None).at,
            **counted,
        )

    def _within_limit(self, transfer: NewTransfer, limit_fen: int, now: datetime) -> dict[str, Any]:
        """Return the transfer's place among those of the day.

        Whoever takes a place has seen all transfers with lower places: a unique constraint admits
        one transfer to each, so that concurrent workers cannot exceed the limit together.

        :raises InvalidAmount: if the limit would be exceeded.
        """
        column, day = columns_of(self._transfer), format_china_time(now)[:10]
        mapper: Any = inspect(self._transfer)
        of_day = (
            exactly(column["merchant"], self._merchant),
            column["limit_day"] == day,
        )
        amounts = select(func.coalesce(func.sum(column["amount_fen"]), 0)).where(
            *of_day, column["status"].not_in(_NOT_SPENT)
        )
        places = select(func.coalesce(func.max(column["limit_number"]), 0)).where(*of_day)
        execute, table = self._session.execute, mapper.local_table
        # The place is read first: amounts that are committed in between are counted too.
        place = int(execute(places.select_from(table), self._transfer).scalar_one())
        spent = int(execute(amounts.select_from(table), self._transfer).scalar_one())
        if spent + transfer.amount_fen > limit_fen:
            left = format_amount(max(0, limit_fen - spent))
            raise InvalidAmount("amount", f"exceeds the rest of today's limit, {left} CNY")
        return {"limit_day": day, "limit_number": place + 1}

    def _is_taken(self, transfer: NewTransfer, place: int | None, error: DBAPIError) -> bool:
        """Return whether another worker's transfer with the same number, or in the same place of
        the day, explains a violated constraint; violations of the application's own do not.
        """
        if not isinstance(error, IntegrityError):
            return False
        column, table = columns_of(self._transfer), inspect(self._transfer).local_table
        in_place = (
            exactly(column["merchant"], self._merchant),
            column["limit_day"] == format_china_time(utc_now())[:10],
            column["limit_number"] == place,
        )
        conditions = [self._named(transfer.out_biz_no), *([in_place] if place else [])]
        found = [
            self._session.execute(
                select(column["id"]).select_from(table).where(*each), self._transfer
            ).first()
            for each in conditions
        ]
        self._session.roll_back()
        return any(found)


def _events(cell: str) -> tuple[str, ...]:
    return (cell,) if cell in (TRANSFERRED, TRANSFER_FAILED) else ()
