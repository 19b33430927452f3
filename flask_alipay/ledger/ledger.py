"""Settlement of notifications and other reports: each once, in one transaction.

A guarded ``UPDATE`` claims the payment, the application's callbacks run, the journal is written,
and the transaction is committed. If the ``UPDATE`` changes no row, or probably would not, the
payment's state is read. A duplicate ends there: it locks no row and writes only its row in the
journal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, cast

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
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
from ..protocol.batch_notification import REFUNDED
from ..protocol.conversion import format_amount
from ..protocol.notification import Notification
from .callbacks import run_callbacks
from .errors import is_outage, ledger_unavailable
from .journal import Journal, JournalEntry
from .refunds import SUCCESS, RefundResultWriter
from .reported_refunds import ReportedRefunds, record_known_refund
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

# Another worker may change the payment between the read and the UPDATE.
_ATTEMPTS = 3


class Ledger:
    """The payments of one merchant in one session.

    :param session: the application's session, ``db.session``; ``None``: the one of the registry.
    :param models: the application's classes.
    :param merchant: the ``app_id`` or ``partner``; part of every match.
    :param callbacks: the shop's callbacks by event; they take the payment.
    :param registry: returns the application's current session, which an async callback would use.
    :param has_token: whether a configured token acts for a merchant whom the ledger may not know.
    """

    def __init__(
        self,
        session: Session | scoped_session[Any] | None,
        models: Models,
        *,
        merchant: str,
        callbacks: Mapping[str, Sequence[Callback]] | None = None,
        registry: Callable[[], Any] | None = None,
        has_token: bool = False,
    ) -> None:
        self._registry: Callable[[], Any] = registry or (lambda: session)
        current: Any = self._registry() if session is None else session
        self._session = LedgerSession(current)
        self._statements = payment_statements(cast("Any", models.Payment))
        self._merchant = merchant
        self._callbacks = callbacks or {}
        self._journal = Journal(self._session, models.Payment, models.Notification, merchant)
        self._models = models
        self._has_token = has_token

    @cached_property
    def refunds(self) -> ReportedRefunds | None:
        """The rows of refunds; ``None`` if the application has no class for them."""
        Payment, Refund = self._models.Payment, self._models.Refund
        if Refund is None:
            return None
        return ReportedRefunds(self._session, Payment, Refund, self._merchant)

    def find(self, out_trade_no: str) -> Any | None:
        """Return a payment of this merchant as the database has it now, or ``None``.

        :param out_trade_no: the shop's order number.
        """
        return self._statements.find(self._session, self._merchant, out_trade_no, writing=False)

    def settle(self, notification: Notification) -> Settlement:
        """Record a verified report once, in one transaction with the shop's callbacks.

        The session's current transaction is rolled back first. If another worker was faster (also a
        serialization failure), the settlement is retried from the start a few times, callbacks
        included. Returns after the commit; if it raises, only the journal has changed.

        :param notification: verified and known to be for this merchant.
        :raises QueryRequired: if Alipay has to be queried first (:func:`.updates.needs_query`).
        :raises UnknownPayment: if the payment is not in the ledger.
        :raises PaymentMismatch: if amount, currency or Alipay's number contradict the ledger.
        :raises CallbackFailed: if a callback raised; everything is rolled back.
        :raises LedgerUnavailable: if the database could not record it; everything is rolled back.
        """
        entry = JournalEntry(
            notification.out_trade_no,
            notification.trade_no,
            notification.trade_status,
            notification.notify_id,
            notification.params,
        )
        return self._in_transaction(entry, lambda: self._settle(notification, entry))

    def settle_refunds(self, batch: RefundBatchNotification) -> Iterator[Settlement]:
        """Record the results of a batch of refunds, each once and in its own transaction.

        A result that cannot be recorded does not stop the others. Alipay retries the whole batch;
        results recorded before are duplicates then.

        :param batch: verified and known to be for this merchant.
        :returns: the settlement of each refund, yielded after its commit.
        :raises NotificationRefused: the first refusal, after all results were tried; after an
            outage of the database, the remaining results are not tried.
        """
        refusal: NotificationRefused | None = None
        for result in batch.results:
            try:
                yield self._settle_refund(batch, result)
            except NotificationRefused as error:
                refusal = refusal or error
                # A thousand timeouts would block this worker for hours.
                if is_outage(error.__cause__):
                    break
        if refusal is not None:
            raise refusal

    def settle_refund(
        self, entry: JournalEntry, out_request_no: str, result: RefundResult
    ) -> Settlement:
        """Record the result of one requested refund, once.

        :param entry: the journal's entry; names the payment.
        :param out_request_no: the number of the refund.
        :param result: the verified result.
        :raises NotificationRefused: as :meth:`settle` does.
        """
        return self._in_transaction(entry, lambda: self._refund(entry, out_request_no, result))

    def record_transfers(self, batch: TransferBatchNotification) -> bool:
        """Record the result of a batch of transfers in the journal, once.

        :param batch: verified and known to be for this merchant.
        :returns: ``False`` if it was recorded before; without a journal always ``True``.
        :raises LedgerUnavailable: if the database could not record it.
        """
        entry = JournalEntry("", None, batch.params["notify_type"], batch.notify_id, batch.params)

        def work() -> Settlement:
            outcome = "duplicate" if self._journal.was_acknowledged(entry) else "recorded"
            return self._finish(entry, LedgerUpdate(outcome, ()), None)

        return self._in_transaction(entry, work).outcome == "recorded"

    def _in_transaction(
        self, entry: JournalEntry, work: Callable[[], Settlement | None]
    ) -> Settlement:
        """Do the work in its own transaction; a refusal changes only the journal."""
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
        """Refuse a report because the application's code for its classes or session raised: a
        listener, a validator or a constructor.
        """
        logger.error(
            "an event listener or class of the application failed for %s",
            entry.out_trade_no,
            exc_info=error,
        )
        reason = f"an event listener or class of the application raised {type(error).__name__}"
        refusal = CallbackFailed(reason)
        refusal.__cause__ = error
        self._journal.record_refusal(entry, "callback_failed", reason, refusal)

    def _with_retries(
        self, entry: JournalEntry, work: Callable[[], Settlement | None]
    ) -> Settlement:
        """Do the work; retry in a new transaction if another worker was faster."""
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
        statements, sale = self._statements, sale_update(notification)
        if sale is not None and statements.version is None:
            update, values = sale
            try:
                payment = statements.claim(self._session, self._merchant, notification, values)
            except IntegrityError:
                self._refuse_second_payment(notification)
                raise
            if payment is not None:
                return self._finish(entry, update, payment)
            self._session.roll_back()
        return self._read_and_apply(notification, entry)

    def _read_and_apply(self, notification: Notification, entry: JournalEntry) -> Settlement | None:
        """Read the payment's state and apply the report to it."""
        number = notification.out_trade_no
        seen = self._statements.fetch_state(self._session, self._merchant, number)
        if seen is None:
            raise UnknownPayment("no such payment in the ledger")
        check_match(seen, notification, has_token=self._has_token)
        cell, values = next_state(seen, notification)
        if needs_query(seen, notification, cell):
            raise QueryRequired("the report needs a query")
        update = (
            self._update(seen, notification, cell, values) if values else LedgerUpdate(cell, ())
        )
        if update is None:
            return None
        if not values and not (seen.paid and notification.is_refund):
            # A duplicate, or an outdated report, ends here.
            return self._finish(entry, update, None)
        payment = self._read(number)
        update = self._record_refund(notification, update, payment)
        if payment.out_order_no is not None or payment.external_agreement_no is not None:
            self._record_granted(update, payment)
        return self._finish(entry, update, payment)

    def _record_granted(self, update: LedgerUpdate, payment: Any) -> None:
        """Change the authorization or agreement of a payment, and run the callbacks for it."""
        from .granted_payments import record_granted  # other payments never import it

        models, merchant = self._models, self._merchant
        events, subject = record_granted(self._session, models, merchant, payment, update.events)
        for event in events:
            self._run_callbacks(event, subject)

    def _update(
        self, seen: Any, notification: Notification, cell: str, values: Mapping[str, Any]
    ) -> LedgerUpdate | None:
        """Update a payment if its state is still as it was read; otherwise return ``None``."""
        # The UPDATE has to be the first statement of its transaction, so that nothing it depends on
        # comes from an older snapshot.
        self._session.roll_back()
        try:
            updated = self._statements.update_if_unchanged(self._session, seen, values)
        except IntegrityError:
            self._refuse_second_payment(notification)
            raise
        refund_fen = values.get("refunded_fen", seen.refunded_fen) - seen.refunded_fen
        paid = values.get("paid", seen.paid)
        return make_update(parse_events(cell), refund_fen if paid else 0) if updated else None

    def _record_refund(
        self, notification: Notification, update: LedgerUpdate, payment: Any
    ) -> LedgerUpdate:
        """Record the refund that a report states, in the row of the refund if it is known."""
        refunds, is_refund = self.refunds, payment.paid and notification.is_refund
        if refunds is None or not (update.refund_fen or is_refund):
            return update
        named = notification.out_request_no not in (None, payment.out_trade_no, payment.trade_no)
        rows = refunds.lock(payment.out_trade_no) if named else []
        for row in rows:
            if row.out_request_no == notification.out_request_no:
                self._read(payment.out_trade_no, lock=True)
                return record_known_refund(self._session, refunds, row, rows, update, payment)
        if update.refund_fen:
            number = refunds.record_notified(notification, update.refund_fen, payment.refunded_fen)
            return update.with_refunds(number)
        return update

    def _finish(self, entry: JournalEntry, update: LedgerUpdate, payment: Any | None) -> Settlement:
        """Run the callbacks, write the journal's row and commit.

        :param payment: the application's mapped object; ``None`` if it did not change.
        """
        for event in update.events:
            self._run_callbacks(event, payment)
        self._journal.write(entry, update.outcome, ", ".join(update.events) or None)
        self._session.session.commit()
        # A commit expires the object, and the session's filters would hide it from a refresh.
        read, number = self._statements.find, entry.out_trade_no
        return Settlement(
            update.outcome, update.events, lambda: read(self._session, self._merchant, number)
        )

    def _run_callbacks(self, event: str, subject: Any) -> None:
        callbacks = self._callbacks.get(event)
        if callbacks:
            model = self._statements.model
            run_callbacks(self._session, model, callbacks, subject, self._registry)

    def _settle_refund(self, batch: RefundBatchNotification, result: RefundResult) -> Settlement:
        entry = JournalEntry(
            out_trade_no=self._number_of(result.trade_no, batch.notify_id) or "",
            trade_no=result.trade_no,
            trade_status=SUCCESS if result.code == REFUNDED else result.code,
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
        """Refresh the session's payment within a settlement.

        :raises LedgerUnavailable: if the session does not return it.
        """
        payment = self._statements.find(self._session, self._merchant, out_trade_no, lock=lock)
        if payment is None:
            raise LedgerUnavailable("the session does not return the payment that was changed")
        return payment

    def _number_of(self, trade_no: str, notify_id: str | None) -> str | None:
        """Look up the shop's order number of a trade."""
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
        return self._finish(entry, *results.write(entry, out_request_no, result))

    def _refuse_second_payment(self, notification: Notification) -> None:
        """Roll back after a violated unique constraint.

        :raises PaymentMismatch: if it is the one on Alipay's number, not one of the application's.
        """
        self._session.roll_back()
        if self._statements.trade_no_taken(self._session, notification):
            raise mismatch("trade_no", "another", notification.trade_no, notification) from None
