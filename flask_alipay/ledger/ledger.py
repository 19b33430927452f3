"""One report, one transaction.

A guarded ``UPDATE`` claims the payment, the application's callbacks run, the journal is written,
and only then is it committed. If the ``UPDATE`` changes no row, or most likely would not, a look
tells the payment's state. A duplicate ends with the look: it locks no row and writes nothing but
its line in the journal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, cast

from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    SQLAlchemyError,
)
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.orm.exc import StaleDataError

from ..exceptions import (
    AlipayError,
    CallbackFailed,
    LedgerUnavailable,
    NotificationRefused,
    PaymentMismatch,
    QueryRequired,
    UnknownPayment,
)
from ..protocol.money import format_amount
from ..protocol.notification import Notification
from .callbacks import run_callbacks
from .errors import is_outage, ledger_unavailable
from .journal import Journal, JournalEntry
from .refund_results import RefundResultWriter
from .refunds import SUCCESS, RefundLedger
from .session import LedgerSession
from .settlement import Callback, Models, Settlement
from .statements import is_serialization_failure, payment_statements
from .transitions import parse_events
from .updates import (
    LedgerUpdate,
    check_match,
    make_update,
    mismatch,
    needs_query,
    next_state,
    sale_update,
)

if TYPE_CHECKING:
    from ..protocol.batch_notification import (
        RefundBatchNotification,
        RefundResult,
        TransferBatchNotification,
    )

logger = logging.getLogger("flask_alipay")

# Another worker may win between our look and our UPDATE.
_ATTEMPTS = 3


class Ledger:
    """The payments of one merchant in one session.

    :param session: the app's session, ``db.session``.
    :param models: the app's classes.
    :param merchant: the ``app_id`` or ``partner``; part of every match.
    :param callbacks: the shop's callbacks by event; they take the payment.
    :param registry: returns the app's current session: what an async callback would find.
    """

    def __init__(
        self,
        session: Session | scoped_session[Any],
        models: Models,
        *,
        merchant: str,
        callbacks: Mapping[str, Sequence[Callback]] | None = None,
        registry: Callable[[], Any] | None = None,
    ) -> None:
        self._session = LedgerSession(session)
        self._statements = payment_statements(cast("Any", models.Payment))
        self._merchant = merchant
        self._callbacks = callbacks or {}
        self._registry = registry or (lambda: session)
        self._journal = Journal(self._session, models.Payment, models.Notification, merchant)
        self._models = models

    @cached_property
    def refunds(self) -> RefundLedger | None:
        """The rows of refunds; ``None`` where the app has no class for them."""
        Payment, Refund = self._models.Payment, self._models.Refund
        if Refund is None:
            return None
        return RefundLedger(self._session, Payment, Refund, self._merchant)

    def find(self, out_trade_no: str) -> Any | None:
        """Returns a payment of this merchant as the database has it now, or ``None``.

        :param out_trade_no: the shop's number.
        """
        return self._statements.find(self._session, self._merchant, out_trade_no, writing=False)

    def settle(self, notification: Notification) -> Settlement:
        """Writes down a piece of proven news, once, with what the shop's callbacks do about it.

        Whatever transaction the session is in is rolled back first. Where another worker was faster
        (a serialization failure, too), it is tried again from the start, callbacks included, a few
        times. Returns after the commit; whatever raises has changed nothing but the journal.

        :param notification: verified and known to be for this merchant.
        :raises QueryRequired: if Alipay must be queried first (:func:`needs_query`); see ``moves``.
        :raises UnknownPayment: if the payment is not in the ledger.
        :raises PaymentMismatch: if amount, currency or Alipay's number contradict it.
        :raises CallbackFailed: if a callback raised; all of it is rolled back.
        :raises LedgerUnavailable: if the database could not take it; likewise.
        """
        entry = JournalEntry.of(notification)
        return self._in_transaction(entry, lambda: self._settle(notification, entry))

    def settle_refunds(self, batch: RefundBatchNotification) -> Iterator[Settlement]:
        """Writes down the result of a batch of refunds, each refund once and on its own.

        One that cannot be written down does not hold the others up; Alipay repeats all of them, and
        those that are there already are left as they are.

        :param batch: verified and known to be for this merchant.
        :returns: what came of each, as it is committed.
        :raises NotificationRefused: the first refusal, after all of them were tried. Where the
            database itself is in trouble, the rest of them is not.
        """
        refusal: NotificationRefused | None = None
        for result in batch.results:
            try:
                yield self._settle_refund(batch, result)
            except NotificationRefused as error:
                refusal = refusal or error
                # A thousand times the same silence would keep this worker for hours.
                if is_outage(error.__cause__):
                    break
        if refusal is not None:
            raise refusal

    def settle_refund(
        self, entry: JournalEntry, out_request_no: str, result: RefundResult
    ) -> Settlement:
        """Writes down what became of one refund that was asked for, once.

        :param entry: what the journal is to say; names the payment.
        :param out_request_no: the number of the refund.
        :param result: proven.
        :raises NotificationRefused: as :meth:`settle` does.
        """
        return self._in_transaction(entry, lambda: self._refund(entry, out_request_no, result))

    def record_transfers(self, batch: TransferBatchNotification) -> bool:
        """Writes the result of a batch of transfers into the journal, once.

        :param batch: verified and known to be for this merchant.
        :returns: whether it is news; without a journal it always seems to be.
        :raises LedgerUnavailable: if the database could not take it.
        """
        told = JournalEntry("", None, batch.params["notify_type"], batch.notify_id, batch.params)

        def work() -> Settlement:
            outcome = "duplicate" if self._journal.is_recorded(told) else "recorded"
            return self._close(told, LedgerUpdate(outcome, ()), None)

        return self._in_transaction(told, work).outcome == "recorded"

    def _in_transaction(
        self, entry: JournalEntry, work: Callable[[], Settlement | None]
    ) -> Settlement:
        """Does the work in a transaction of its own; a refusal leaves nothing but its trace."""
        try:
            return self._with_retries(entry, work)
        except CallbackFailed as error:
            self._journal.record_refusal(entry, "callback_failed", str(error), error)
        except PaymentMismatch as error:
            self._journal.record_refusal(entry, "mismatched", str(error), error)
        except UnknownPayment as error:
            self._journal.record_refusal(entry, "unknown", None, error)
        except SQLAlchemyError as error:
            self._session.roll_back()
            raise ledger_unavailable(error, entry.out_trade_no, entry.notify_id) from error
        except LedgerUnavailable as error:
            self._session.roll_back()
            error.out_trade_no, error.notify_id = entry.out_trade_no, entry.notify_id
            raise
        except AlipayError:
            self._session.roll_back()
            raise
        except Exception as error:
            self._refuse_event(entry, error)
        except BaseException:
            self._session.roll_back()
            raise

    def _refuse_event(self, entry: JournalEntry, error: Exception) -> NoReturn:
        """Refuse a report since code of the application's that belongs to its classes or session
        raised: a listener, a validator, a constructor.
        """
        logger.error(
            "an event listener or class of the application failed for %s",
            entry.out_trade_no,
            exc_info=error,
        )
        said = f"an event listener or class of the application raised {type(error).__name__}"
        refusal = CallbackFailed(said)
        refusal.__cause__ = error
        self._journal.record_refusal(entry, "callback_failed", said, refusal)

    def _with_retries(
        self, entry: JournalEntry, work: Callable[[], Settlement | None]
    ) -> Settlement:
        """Does the work; again, in a new transaction, where another worker was faster."""
        for last in (False,) * (_ATTEMPTS - 1) + (True,):
            self._session.session.rollback()
            try:
                settlement = work()
            except (DBAPIError, StaleDataError, CallbackFailed) as error:
                if last or not (
                    is_serialization_failure(error) or is_serialization_failure(error.__cause__)
                ):
                    raise
                continue
            if settlement is not None:
                return settlement
        raise LedgerUnavailable("other workers keep changing the payment")

    def _settle(self, notification: Notification, entry: JournalEntry) -> Settlement | None:
        """Try the guarded ``UPDATE`` first; read the payment's state only on a miss or a likely
        duplicate. ``None``: the state has changed since it was read.
        """
        sale = sale_update(notification)
        if sale is not None and self._statements.claims_at_once and not notification.is_retry:
            events, values = sale
            with self._mismatching_trade(notification):
                payment = self._statements.claim(
                    self._session, self._merchant, notification, values
                )
            if payment is not None:
                return self._close(entry, make_update(events), payment)
            self._session.roll_back()
        return self._read_and_apply(notification, entry)

    def _read_and_apply(self, notification: Notification, entry: JournalEntry) -> Settlement | None:
        """Looks where the payment stands, and moves it from there."""
        seen = self._statements.fetch_state(
            self._session, self._merchant, notification.out_trade_no
        )
        if seen is None:
            raise UnknownPayment("no such payment in the ledger")
        check_match(seen, notification)
        cell, values = next_state(seen, notification)
        if needs_query(seen, notification, cell):
            raise QueryRequired("the report needs a query")
        move = self._follow(seen, notification, cell, values) if values else LedgerUpdate(cell, ())
        if move is None:
            return None
        if not values and not (seen.paid and notification.is_refund):
            return self._close(entry, move, None)
        payment = self._read(notification.out_trade_no)
        if self.refunds is not None:
            move = self._write_refund(self.refunds, notification, move, payment)
        return self._close(entry, move, payment)

    def _follow(
        self, seen: Any, notification: Notification, cell: str, values: Mapping[str, Any]
    ) -> LedgerUpdate | None:
        """Moves a payment from where it was seen to stand. ``None``: it stands there no more."""
        # The look is over: the claim is the first statement of a transaction of its own, which has
        # read nothing that could be out of date.
        self._session.roll_back()
        with self._mismatching_trade(notification):
            moved = self._statements.move(self._session, seen, values)
        more = values.get("refunded_fen", seen.refunded_fen) - seen.refunded_fen
        paid = values.get("paid", seen.paid)
        return make_update(parse_events(cell), more if paid else 0) if moved else None

    def _write_refund(
        self, refunds: RefundLedger, notification: Notification, move: LedgerUpdate, payment: Any
    ) -> LedgerUpdate:
        if not (move.refund_fen or (payment.paid and notification.is_refund)):
            return move
        asked = notification.out_request_no not in (None, payment.out_trade_no, payment.trade_no)
        rows = refunds.lock(payment.out_trade_no) if asked else []
        for row in rows:
            if row.out_request_no == notification.out_request_no:
                return self._write_queried_at(refunds, row, rows, move, payment)
        if move.refund_fen:
            told = refunds.record_notified(notification, move.refund_fen, payment.refunded_fen)
            return move.with_refunds(told)
        return move

    def _write_queried_at(
        self, refunds: RefundLedger, row: Any, rows: Sequence[Any], move: LedgerUpdate, payment: Any
    ) -> LedgerUpdate:
        """A refund that is known by its number counts by its own amount: the sum of all that came
        with it may be older or newer than what is known.
        """
        self._read(payment.out_trade_no, lock=True)
        whole = payment.refunded_fen >= payment.total_fen
        times, missing = refunds.apply_notified(row, rows, move.refund_fen, whole=whole)
        missing = min(missing, payment.total_fen - payment.refunded_fen)
        if missing:
            payment.refunded_fen += missing
            self._session.session.flush()
        if not times and not move.refund_fen:
            return move
        return make_update(move.events, times).with_refunds(times)

    def _close(self, entry: JournalEntry, move: LedgerUpdate, payment: Any | None) -> Settlement:
        """Lets the callbacks act, writes the line in the journal and commits.

        :param payment: the app's mapped object; ``None`` where nothing happened to it.
        """
        for event in move.events:
            callbacks = self._callbacks.get(event)
            if callbacks:
                connection = self._session.connection(self._statements.model)
                run_callbacks(self._session.session, connection, callbacks, payment, self._registry)
        self._journal.write(entry, move.outcome, ", ".join(move.events) or None)
        self._session.session.commit()
        # A commit expires the object, and the session's filters would hide it from a refresh.
        read = self._statements.find
        number = entry.out_trade_no
        return Settlement(
            move.outcome, move.events, lambda: read(self._session, self._merchant, number)
        )

    def _settle_refund(self, batch: RefundBatchNotification, result: RefundResult) -> Settlement:
        entry = JournalEntry(
            out_trade_no=self._number_of(result.trade_no, batch.notify_id) or "",
            trade_no=result.trade_no,
            trade_status=SUCCESS if result.succeeded else result.code,
            notify_id=batch.notify_id,
            payload={
                "batch_no": batch.batch_no,
                "trade_no": result.trade_no,
                "amount": format_amount(result.refund_fen),
                "result": result.code,
            },
        )
        return self._in_transaction(entry, lambda: self._refund(entry, batch.batch_no, result))

    def _read(self, out_trade_no: str, *, lock: bool = False) -> Any:
        """Bring the session's payment up to date, within a settlement.

        :raises LedgerUnavailable: if it is there no more.
        """
        payment = self._statements.find(self._session, self._merchant, out_trade_no, lock=lock)
        if payment is None:
            raise LedgerUnavailable("the session does not return the payment that was changed")
        return payment

    def _number_of(self, trade_no: str, notify_id: str | None) -> str | None:
        """Looks the shop's number of a trade up."""
        try:
            self._session.roll_back()
            return self._statements.find_out_trade_no(self._session, self._merchant, trade_no)
        except SQLAlchemyError as error:
            self._session.roll_back()
            raise ledger_unavailable(error, None, notify_id) from error

    def _refund(self, entry: JournalEntry, out_request_no: str, result: RefundResult) -> Settlement:
        results = RefundResultWriter(
            self._session, self._statements, self.refunds, self._journal, self._merchant
        )
        move, payment = results.write(entry, out_request_no, result)
        return self._close(entry, move, payment)

    @contextmanager
    def _mismatching_trade(self, notification: Notification) -> Iterator[None]:
        """Refuses a claim that fails since another payment has Alipay's number, the one unique
        column that it sets. The app's own constraints may fail as well.
        """
        try:
            yield
        except IntegrityError:
            self._session.roll_back()
            if not self._statements.trade_no_taken(self._session, notification):
                raise
            raise mismatch("trade_no", "another", notification.trade_no, notification) from None
