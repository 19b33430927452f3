"""The ledger: what Alipay proved about payments is written down once, with what the shop does.

:meth:`Ledger.settle` owns the one transaction of a piece of news: a guarded ``UPDATE`` claims the
payment, the shop's callbacks run, the journal is written, and only then is it committed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, TypeAlias

from sqlalchemy import insert, literal, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session, scoped_session

from .callbacks import run_callbacks
from .exceptions import (
    CallbackFailed,
    LedgerUnavailable,
    NotificationRefused,
    PaymentMismatch,
    UnknownPayment,
)
from .models import NotificationMixin, PaymentMixin, RefundMixin, utc_now
from .money import to_yuan
from .notification import Notification
from .trade_status import TradeStatus
from .transitions import CLAIMS, CLOSED_UNPAID, TRANSITIONS, events_of, moves, standing

logger = logging.getLogger("flask_alipay")

Callback: TypeAlias = Callable[[Any], object]

# Under REPEATABLE READ and the like another worker may win between our look and our UPDATE.
_ATTEMPTS = 3


class Models(NamedTuple):
    """The app's classes. Without a journal the ledger keeps payments only."""

    Payment: type[PaymentMixin]
    Refund: type[RefundMixin] | None = None
    Notification: type[NotificationMixin] | None = None


@dataclass(frozen=True)
class Settlement:
    """What came of a piece of news that is answered ``success``."""

    #: ``settled``, ``recorded``, ``duplicate`` or ``stale``.
    outcome: str
    #: What happened, of ``paid``, ``finished``, ``failed``, ``refunded``.
    events: tuple[str, ...]
    #: The app's mapped object.
    payment: Any


class _Move(NamedTuple):
    """What a piece of news does to a payment."""

    outcome: str
    events: tuple[str, ...]
    #: What went back to the buyer by this news alone.
    refund_fen: int


class Ledger:
    """The payments of one merchant in one session.

    :param session: the app's session, ``db.session``.
    :param models: the app's classes.
    :param merchant: the ``app_id`` or ``partner``; part of every match.
    :param callbacks: the shop's callbacks by event; they take the payment.
    """

    def __init__(
        self,
        session: Session | scoped_session[Any],
        models: Models,
        *,
        merchant: str,
        callbacks: Mapping[str, Sequence[Callback]] | None = None,
    ) -> None:
        self._session: Session = session() if isinstance(session, scoped_session) else session
        self._models = models
        self._merchant = merchant
        self._callbacks = callbacks or {}

    def find(self, out_trade_no: str) -> Any | None:
        """Returns a payment of this merchant as the database has it now, or ``None``.

        :param out_trade_no: the shop's number.
        """
        Payment = self._models.Payment
        statement = select(Payment).where(
            Payment.out_trade_no == out_trade_no, Payment.merchant == self._merchant
        )
        return self._session.execute(
            statement, execution_options={"populate_existing": True}
        ).scalar_one_or_none()

    def settle(self, notification: Notification) -> Settlement:
        """Writes down a piece of proven news, once, with what the shop's callbacks do about it.

        Whatever transaction the session is in is rolled back first: the claim is the first
        statement of its own. Returns after the commit; whatever raises has changed nothing but the
        journal.

        :param notification: verified and known to be for this merchant.
        :raises UnknownPayment: if the payment is not in the ledger.
        :raises PaymentMismatch: if amount, currency or Alipay's number contradict it.
        :raises CallbackFailed: if a callback raised; all of it is rolled back.
        :raises LedgerUnavailable: if the database could not take it; likewise.
        """
        try:
            self._session.rollback()
            return self._settle(notification)
        except CallbackFailed as error:
            self._refuse(notification, "callback_failed", str(error), error)
        except PaymentMismatch as error:
            self._refuse(notification, "mismatched", str(error), error)
        except UnknownPayment as error:
            self._refuse(notification, "unknown", None, error)
        except SQLAlchemyError as error:
            self._roll_back()
            raise LedgerUnavailable(
                f"the database could not take it ({type(error).__name__})",
                out_trade_no=notification.out_trade_no,
                notify_id=notification.notify_id,
            ) from error
        except BaseException:
            self._roll_back()
            raise

    def _settle(self, notification: Notification) -> Settlement:
        move = self._claim(notification)
        payment = self.find(notification.out_trade_no)
        if move is None:
            move = self._ask_why(payment, notification)
        if move.refund_fen:
            self._record_refund(notification, move.refund_fen)
        for event in move.events:
            run_callbacks(self._session, self._callbacks.get(event, ()), payment)
        self._journal(notification, move.outcome, ", ".join(move.events) or None)
        self._session.commit()
        return Settlement(move.outcome, move.events, payment)

    def _claim(self, notification: Notification) -> _Move | None:
        """Takes a payment that was not paid yet. ``None``: there was none to take."""
        claim = CLAIMS.get(notification.trade_status)
        if claim is None:
            return None
        Payment = self._models.Payment
        values = _values(notification, claim.events)
        guard = (
            Payment.trade_status.in_(claim.sources),
            Payment.paid.is_(False),
            Payment.refunded_fen == 0,
        )
        if not self._update(notification, values, *guard):
            return None
        return _move(claim.events, values.get("refunded_fen", 0) if "paid" in claim.events else 0)

    def _ask_why(self, payment: Any | None, notification: Notification) -> _Move:
        """The claim took nothing: the payment is not there, differs, or was paid already."""
        about = {"out_trade_no": notification.out_trade_no, "notify_id": notification.notify_id}
        for _ in range(_ATTEMPTS):
            if payment is None:
                raise UnknownPayment("no such payment in the ledger", **about)
            _check_match(payment, notification)
            move = self._follow(payment, notification)
            if move is not None:
                return move
            payment = self.find(notification.out_trade_no)
        raise LedgerUnavailable("other workers keep changing the payment", **about)

    def _follow(self, payment: Any, notification: Notification) -> _Move | None:
        """Moves a payment from where it was seen to stand. ``None``: it stands there no more."""
        row = standing(payment.trade_status, payment.paid, payment.refunded_fen)
        cell = TRANSITIONS[row, notification.trade_status]
        if _other_trade(payment, notification):
            if "paid" in TRANSITIONS[TradeStatus.WAIT_BUYER_PAY, notification.trade_status]:
                raise _mismatch("trade_no", payment.trade_no, notification.trade_no, notification)
            return _Move("stale", (), 0)
        values = _values(notification, events_of(cell)) if moves(cell) else {}
        refunded_fen = min(notification.refunded_fen or 0, payment.total_fen)
        if payment.paid and refunded_fen > payment.refunded_fen:
            values.setdefault("refunded_fen", refunded_fen)
        if row == CLOSED_UNPAID and cell == "duplicate" and notification.refund:
            # It was paid and refunded in between: older news of the sale must not make one of it.
            values["refunded_fen"] = payment.total_fen
        if not values:
            return _Move(cell, (), 0)
        Payment = self._models.Payment
        guard = (
            Payment.trade_status == payment.trade_status,
            Payment.paid.is_(payment.paid),
            Payment.refunded_fen == payment.refunded_fen,
        )
        refund_fen = values.get("refunded_fen", payment.refunded_fen) - payment.refunded_fen
        if not self._update(notification, values, *guard):
            return None
        self._session.refresh(payment)
        return _move(events_of(cell), refund_fen if payment.paid else 0)

    def _update(self, notification: Notification, values: Mapping[str, Any], *guard: Any) -> bool:
        """The guarded ``UPDATE``: tells whether it changed the payment."""
        Payment = self._models.Payment
        statement = (
            update(Payment)
            .where(
                Payment.out_trade_no == notification.out_trade_no,
                Payment.merchant == self._merchant,
                Payment.total_fen == notification.total_fen,
                Payment.currency == notification.currency,
                *guard,
            )
            .values(values)
        )
        try:
            result = self._session.execute(
                statement, execution_options={"synchronize_session": False}
            )
        except IntegrityError:
            # The one unique column that it sets: another payment has Alipay's number.
            raise _mismatch("trade_no", "another", notification.trade_no, notification) from None
        return _changed(result) == 1

    def _record_refund(self, notification: Notification, refund_fen: int) -> None:
        """Writes a refund down under its number, whoever asked for it."""
        Refund = self._models.Refund
        if Refund is None:
            return
        number = notification.out_request_no or notification.notify_id or notification.out_trade_no
        told = {"status": "REFUND_SUCCESS", "refunded_at": utc_now()}
        known = self._session.execute(
            update(Refund)
            .where(
                Refund.merchant == self._merchant,
                Refund.out_trade_no == notification.out_trade_no,
                Refund.out_request_no == number,
            )
            .values(told),
            execution_options={"synchronize_session": False},
        )
        if _changed(known) == 0:
            row = {"out_trade_no": notification.out_trade_no, "out_request_no": number}
            self._session.execute(
                insert(Refund).values(merchant=self._merchant, refund_fen=refund_fen, **row, **told)
            )

    def _journal(self, notification: Notification, outcome: str, detail: str | None) -> None:
        Journal = self._models.Notification
        if Journal is None:
            # PostgreSQL answers COMMIT of a broken transaction with a silent rollback. A statement
            # more brings to light what a callback may have broken and kept to itself.
            self._session.execute(select(literal(1)))
            return
        self._session.execute(
            insert(Journal).values(
                notify_id=notification.notify_id,
                merchant=self._merchant,
                out_trade_no=notification.out_trade_no,
                trade_no=notification.trade_no,
                trade_status=notification.trade_status,
                outcome=outcome,
                detail=detail[:256] if detail else None,
                payload=dict(notification.params),
            )
        )

    def _refuse(
        self,
        notification: Notification,
        outcome: str,
        detail: str | None,
        error: NotificationRefused,
    ) -> NoReturn:
        """Rolls back, and leaves a trace of it in a transaction of its own."""
        self._roll_back()
        error.out_trade_no, error.notify_id = notification.out_trade_no, notification.notify_id
        if self._models.Notification is not None:
            try:
                self._journal(notification, outcome, detail)
                self._session.commit()
            except SQLAlchemyError as failure:
                self._roll_back()
                # Not its text: it holds the statement's values, the buyer's data among them.
                logger.error(
                    "the journal could not be written for %s (%s)",
                    error.out_trade_no,
                    type(failure).__name__,
                )
        raise error

    def _roll_back(self) -> None:
        try:
            self._session.rollback()
        except SQLAlchemyError:  # the connection is gone, and the transaction with it
            self._session.close()


def _move(events: tuple[str, ...], refund_fen: int) -> _Move:
    """The money decides whether it is a refund: a close may follow one that was told before."""
    events = tuple(event for event in events if event != "refunded")
    if refund_fen:
        events = (*events, "refunded")
    return _Move("settled" if events else "recorded", events, refund_fen)


def _changed(result: Any) -> int:
    """How many rows an ``UPDATE`` changed."""
    return int(result.rowcount)


def _values(notification: Notification, events: Sequence[str]) -> dict[str, Any]:
    """What a move writes."""
    now = utc_now()
    values: dict[str, Any] = {"trade_status": notification.trade_status}
    if notification.trade_no:
        values["trade_no"] = notification.trade_no
    if notification.buyer_id:
        values["buyer_id"] = notification.buyer_id
    if "paid" in events:
        values.update(paid=True, paid_at=notification.paid_at or now, closed_at=None)
        if notification.refunded_fen:
            values["refunded_fen"] = min(notification.refunded_fen, notification.total_fen)
    if "finished" in events:
        values["finished_at"] = now
    if notification.trade_status == TradeStatus.TRADE_CLOSED:
        values["closed_at"] = notification.closed_at or now
        if "refunded" in events or notification.refund:
            # After a sale a closed trade is one whose money has gone back, all of it.
            values["refunded_fen"] = notification.total_fen
    return values


def _check_match(payment: Any, notification: Notification) -> None:
    if payment.currency != notification.currency:
        raise _mismatch("currency", payment.currency, notification.currency, notification)
    if payment.total_fen != notification.total_fen:
        raise _mismatch(
            "total_amount",
            to_yuan(payment.total_fen),
            to_yuan(notification.total_fen),
            notification,
        )


def _other_trade(payment: Any, notification: Notification) -> bool:
    """A second trade at Alipay for a payment that a first one has paid."""
    numbers = (payment.trade_no, notification.trade_no)
    return payment.paid and all(numbers) and numbers[0] != numbers[1]


def _mismatch(
    field: str, expected: object, received: object, notification: Notification
) -> PaymentMismatch:
    return PaymentMismatch(
        field,
        expected,
        received,
        out_trade_no=notification.out_trade_no,
        notify_id=notification.notify_id,
    )
