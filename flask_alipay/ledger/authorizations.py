"""The ledger of pre-authorisations: captures and releases are reserved before Alipay is called, and
each report is settled once.

Every change locks the row first, so that concurrent captures and releases never exceed the frozen
amount; the application's callbacks and the journal's row belong to the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, NamedTuple, TypeVar, cast

from sqlalchemy.exc import DBAPIError, IntegrityError

from ..exceptions import (
    InvalidAmount,
    InvalidParameter,
    LedgerUnavailable,
    NotificationRefused,
    UnknownPayment,
)
from ..models import utc_now
from ..protocol.conversion import format_amount
from ..protocol.message import Message
from ..protocol.preauthorizations import AuthorizationReport, AuthorizationStatus
from .authorization_rows import AuthorizationRows
from .authorization_updates import Amounts, apply_report, check_match, reserved_fen
from .journal import JournalEntry
from .ledger import Ledger
from .settlement import MessageEffect, Settlement
from .statements import is_serialization_failure
from .transfer_updates import Submission, in_utc

R = TypeVar("R")

_ATTEMPTS: Final = 20


class Release(NamedTuple):
    """A release that is about to be submitted, or was before."""

    out_request_no: str
    fen: int
    #: The mark of the request that is about to be submitted; ``None`` if it is released already.
    submission: Submission | None


class AuthorizationLedger(Ledger):
    """The ledger of a merchant with the rows of its authorizations; the application has a class for
    them.
    """

    @cached_property
    def rows(self) -> AuthorizationRows:
        """The rows of authorizations."""
        model = cast("Any", self._models.Authorization)
        return AuthorizationRows(self._session, model, self._merchant)

    def record_capture(
        self, out_order_no: str, build: Callable[[], Any], *, complete: bool
    ) -> tuple[Any, bool]:
        """Reserve the amount of a capture and insert its payment, in one transaction.

        The session's current transaction is rolled back first.

        :param build: returns a new payment, which is not in the session.
        :param complete: whether it also reserves all of the rest.
        :returns: the payment, committed, and whether this call recorded it: a number that was
            recorded before means the same capture.
        :raises InvalidAmount: if the amount exceeds the frozen rest, or differs from the recorded
            capture's.
        :raises InvalidParameter: if nothing can be captured, or the number belongs to another
            payment.
        """
        wanted = build()

        def work() -> tuple[Any, bool]:
            found = self.find(wanted.out_trade_no)
            if found is not None:
                _check_same(found, wanted)
                self._session.session.commit()
                return found, False
            self._session.roll_back()
            seen = self._lock(out_order_no)
            payment = build()
            held = _held_by_capture(seen, payment.total_fen, complete=complete)
            pending = {**seen.pending_captures, payment.out_trade_no: held}
            values = {"reserved_fen": seen.reserved_fen + held, "pending_captures": pending}
            self.rows.change(seen, values)
            try:
                self._session.add(payment)
            except IntegrityError:
                self._session.roll_back()
                if self.find(wanted.out_trade_no) is None:
                    raise
                return work()
            self._session.session.commit()
            return payment, True

        return self._retried(work)

    def claim_release(
        self, out_order_no: str, out_request_no: str | None, fen: int | None, new_number: str
    ) -> Release:
        """Reserve the amount of a release, mark its request, and commit. One release at a time: an
        unresolved one is continued.

        The session's current transaction is rolled back first.

        :param out_request_no: the number; ``None``: that of the unresolved release, or a new one.
        :param fen: the amount; ``None``: that of the known release, or all of the rest.
        :param new_number: the number of a new release without one.
        :raises InvalidAmount: if the amount exceeds the frozen rest, or differs from that of the
            known release.
        :raises InvalidParameter: if nothing can be released, or another release is unresolved.
        """

        def work() -> Release:
            seen = self._lock(out_order_no)
            for done in seen.releases:
                if done["out_request_no"] == out_request_no:
                    _check_release(done["fen"], fen)
                    self._session.roll_back()
                    return Release(done["out_request_no"], done["fen"], None)
            submission = Submission.after(in_utc(seen.release_sent_at))
            if seen.release_no is not None:
                if out_request_no not in (None, seen.release_no):
                    raise InvalidParameter(
                        "out_request_no", "must wait: the result of another release is unknown"
                    )
                _check_release(seen.release_fen, fen)
                self.rows.change(seen, {"release_sent_at": submission.at})
                self._session.session.commit()
                return Release(seen.release_no, seen.release_fen, submission)
            number, amount = out_request_no or new_number, _held_by_release(seen, fen)
            submission = Submission.after(None)
            claimed = {
                "release_no": number,
                "release_fen": amount,
                "release_sent_at": submission.at,
                "reserved_fen": seen.reserved_fen + amount,
            }
            self.rows.change(seen, claimed)
            self._session.session.commit()
            return Release(number, amount, submission)

        return self._retried(work)

    def drop_release(self, out_order_no: str, release: Release, *, rejected: bool) -> bool:
        """Give the amount of a rejected release back, and commit: unless another request has been
        submitted since.

        :param rejected: ``False`` if an earlier request may still succeed: only its mark is
            restored.
        :returns: ``False`` if another request has been submitted since, or the release was settled.
        """

        def work() -> bool:
            seen = self._lock(out_order_no)
            submission = release.submission
            if (
                submission is None
                or seen.release_no != release.out_request_no
                or in_utc(seen.release_sent_at) != submission.at
            ):
                self._session.roll_back()
                return False
            values: dict[str, Any] = {"release_sent_at": submission.before}
            if rejected:
                values = dict.fromkeys(("release_no", "release_fen", "release_sent_at"))
                reserved = reserved_fen(seen.pending_captures, None)
                values["reserved_fen"] = min(reserved, seen.reserved_fen)
            self.rows.change(seen, values)
            self._session.session.commit()
            return True

        return self._retried(work)

    def mark_sent(self, out_order_no: str, sent_at: datetime, expires_at: datetime) -> Any:
        """Record when an authorization was first sent to the payer, and when the payer's time ends
        at first, and commit.

        :returns: the application's object.
        """

        def work() -> Any:
            seen = self._lock(out_order_no)
            row = self.rows.require(out_order_no)
            if seen.status == AuthorizationStatus.INIT:
                if row.sent_at is None:
                    row.sent_at = sent_at
                row.expires_at = row.expires_at or expires_at
            self._session.session.commit()
            return row

        return self._retried(work)

    def lease_query(self, out_order_no: str, interval: timedelta) -> bool:
        """Take the right to query Alipay about an authorization whose payer waits, and commit.

        :param interval: the time between two queries, by all processes.
        :returns: ``False`` if it was queried meanwhile.
        """

        def work() -> bool:
            self._lock(out_order_no)
            row, now = self.rows.require(out_order_no), utc_now()
            if row.asked_at is not None and now - row.asked_at < interval:
                self._session.roll_back()
                return False
            row.asked_at = now
            self._session.session.commit()
            return True

        return self._retried(work)

    def store_details(self, out_order_no: str, values: Mapping[str, Any]) -> Any:
        """Add details to an authorization, unless they are there, and commit.

        :returns: the application's object.
        """

        def work() -> Any:
            self._lock(out_order_no)
            row = self.rows.require(out_order_no)
            row.details = {**values, **(row.details or {})}
            self._session.session.commit()
            return row

        return self._retried(work)

    def is_about_merchant(self, row: Any, auth_app_id: str | None) -> bool:
        """Return whether a message is about the merchant of an authorization: another merchant of
        a third-party application may use the same numbers.

        :param auth_app_id: the merchant that the message names.
        """
        if auth_app_id is None:
            return True
        if row.auth_app_id is not None:
            return bool(row.auth_app_id == auth_app_id)
        token = self._has_token or bool((row.details or {}).get("app_auth_token"))
        return token or auth_app_id == self._merchant

    def settle_authorization(self, report: AuthorizationReport) -> Settlement:
        """Record a verified response about an authorization once, in one transaction with the
        shop's callbacks. A response that changes nothing is not journalled.

        :raises UnknownPayment: if the authorization is not in the ledger.
        :raises PaymentMismatch: if an amount or a number contradicts the ledger.
        :raises CallbackFailed: if a callback raised; everything is rolled back.
        :raises LedgerUnavailable: if the database could not record it; everything is rolled back.
        """
        number = report.out_order_no[:64]  # in place of an order number
        entry = JournalEntry(number, report.auth_no, report.status, None, report.params)
        return self._in_transaction(entry, lambda: self._settle_report(report, entry))

    def apply_message(self, message: Message) -> MessageEffect | None:
        """Change the authorization that a message reports, in the current transaction; see
        :class:`~flask_alipay.ledger.messages.MessageHandler`.

        :raises BadNotification: if a field is missing or invalid.
        :raises PaymentMismatch: if an amount or a number contradicts the ledger.
        """
        report = AuthorizationReport.from_message(
            message.kind, message.content, message.params, message.notify_id
        )
        seen = self.rows.lock(report.out_order_no)
        if seen is None or not self.is_about_merchant(seen, message.auth_app_id):
            return MessageEffect("recorded")  # made by other software, or for another merchant
        check_match(seen, report)
        effect = apply_report(seen, report)
        if effect.values:
            self.rows.change(seen, effect.values)
        subject = self.rows.require(report.out_order_no) if effect.events else None
        return MessageEffect("settled" if effect.events else "recorded", effect.events, subject)

    def _settle_report(self, report: AuthorizationReport, entry: JournalEntry) -> Settlement:
        number = report.out_order_no
        seen = self.rows.lock(number)
        if seen is None:
            raise UnknownPayment("no such authorization in the ledger")
        check_match(seen, report)
        effect = apply_report(seen, report)
        if effect.values:
            self.rows.change(seen, effect.values)
            for event in effect.events:
                self._run_callbacks(event, self.rows.require(number))
            self._journal.write(entry, effect.outcome, ", ".join(effect.events) or None)
        self._session.session.commit()
        return Settlement(effect.outcome, effect.events, lambda: self.rows.find(number))

    def _lock(self, out_order_no: str) -> Any:
        """Lock an authorization in a new transaction.

        :raises InvalidParameter: if there is none with the number.
        """
        self._session.roll_back()
        seen = self.rows.lock(out_order_no)
        if seen is None:
            raise InvalidParameter("authorization", "is not in the ledger: commit it first")
        return seen

    def _retried(self, work: Callable[[], R]) -> R:
        """Do the work in transactions of its own; retry if another worker was faster."""
        failure: BaseException | None = None
        for _ in range(_ATTEMPTS):
            self._session.roll_back()
            try:
                return work()
            except (DBAPIError, NotificationRefused) as error:
                self._session.roll_back()
                if not is_serialization_failure(error):
                    raise
                failure = error
            except BaseException:
                self._session.roll_back()
                raise
        raise LedgerUnavailable("other workers keep changing the authorization") from failure


def _check_authorized(seen: Any) -> None:
    if seen.status != AuthorizationStatus.AUTHORIZED:
        raise InvalidParameter("authorization", f"is not frozen: its status is {seen.status}")


def _held_by_capture(seen: Any, fen: int, *, complete: bool) -> int:
    """Return the amount that a capture reserves.

    :raises InvalidParameter: if it cannot be reserved.
    """
    _check_authorized(seen)
    amounts = Amounts.of(seen)
    if complete and amounts.reserved:
        raise InvalidParameter(
            "complete", "must wait: the result of another capture or release is unknown"
        )
    _check_rest(amounts, fen)
    return amounts.rest if complete else fen


def _held_by_release(seen: Any, fen: int | None) -> int:
    """Return the amount of a new release: the rest by default.

    :raises InvalidParameter: if it cannot be released.
    """
    _check_authorized(seen)
    amounts = Amounts.of(seen)
    if fen is None and not amounts.rest:
        raise InvalidAmount("amount", "exceeds the frozen rest, 0.00 CNY")
    fen = amounts.rest if fen is None else fen
    _check_rest(amounts, fen)
    return fen


def _check_rest(amounts: Amounts, fen: int) -> None:
    if fen > amounts.rest:
        rest = format_amount(amounts.rest)
        raise InvalidAmount("amount", f"exceeds the frozen rest, {rest} CNY")


def _check_release(recorded: int, fen: int | None) -> None:
    if fen not in (None, recorded):
        raise InvalidAmount("amount", "differs from the recorded release with this number")


def _check_same(found: Any, wanted: Any) -> None:
    """Check that a number means the recorded capture.

    :raises InvalidParameter: otherwise.
    """
    if found.out_order_no != wanted.out_order_no:
        raise InvalidParameter("out_trade_no", "belongs to another payment")
    if found.total_fen != wanted.total_fen:
        raise InvalidAmount("amount", "differs from the recorded capture with this number")
    modes = [(each.details or {}).get("auth_confirm_mode") for each in (found, wanted)]
    if modes[0] != modes[1]:
        raise InvalidParameter("complete", "differs from the recorded capture with this number")
