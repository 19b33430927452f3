"""The rows of refunds: asked for by the shop or made in Alipay's console, each told once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from ..exceptions import InvalidAmount
from ..models import PaymentMixin, RefundMixin, utc_now
from ..notification import Notification
from .changes import changed

#: Asked for, and not heard of yet.
PROCESSING = "REFUND_PROCESSING"
#: The money went back.
SUCCESS = "REFUND_SUCCESS"


class Refunds:
    """The refunds of one merchant.

    :param session: the app's.
    :param payments: the app's class on :class:`~flask_alipay.PaymentMixin`.
    :param model: the app's class on :class:`~flask_alipay.RefundMixin`.
    :param merchant: the ``app_id`` or ``partner``.
    """

    def __init__(
        self,
        session: Session,
        payments: type[PaymentMixin],
        model: type[RefundMixin],
        merchant: str,
    ) -> None:
        self._session = session
        self._payments = payments
        self._model: Any = model
        self._merchant = merchant

    def open(
        self, out_trade_no: str, refund_fen: int, out_request_no: str, reason: str | None
    ) -> Any:
        """Writes down that a refund is being asked for; the caller commits before it asks.

        The same number again is the same refund.

        :raises InvalidAmount: if the payment is not there or not paid, or has less left than that.
        """
        known = self.find(out_trade_no, out_request_no)
        if known is not None:
            if known.refund_fen != refund_fen:
                raise InvalidAmount("amount", "is another than before under the same number")
            return known
        self._take(out_trade_no, refund_fen)
        row = self._model(
            merchant=self._merchant,
            out_trade_no=out_trade_no,
            out_request_no=out_request_no,
            refund_fen=refund_fen,
            status=PROCESSING,
            reason=reason,
        )
        self._session.add(row)
        self._session.flush()
        return row

    def find(self, out_trade_no: str, out_request_no: str) -> Any | None:
        """Returns a refund by its number, as the database has it now."""
        return self._session.execute(
            select(self._model).where(*self._named(out_trade_no, out_request_no)),
            execution_options={"populate_existing": True},
        ).scalar_one_or_none()

    def told(self, notification: Notification, refund_fen: int) -> None:
        """Writes down a refund that a trade's news told of.

        Where the news names no refund (the legacy gateway's does not), it is the one of that amount
        that was asked for, if there is one.

        :param refund_fen: what went back by this news alone.
        """
        number = notification.out_request_no or self._waiting(notification, refund_fen)
        number = number or notification.notify_id or notification.out_trade_no
        if self.succeed(notification.out_trade_no, number):
            return
        if self.find(notification.out_trade_no, number) is not None:
            # Refunds without a number of their own are all told under the trade's: the sum of all
            # of them, which only grows, tells them apart.
            number = f"{number[:48]}_{notification.refunded_fen or refund_fen}"
        self.add(notification.out_trade_no, number, refund_fen, SUCCESS)

    def succeed(self, out_trade_no: str, out_request_no: str) -> bool:
        """Marks a refund as done. ``False``: there is no such row, or it is marked already."""
        return self._mark(out_trade_no, out_request_no, SUCCESS, refunded_at=utc_now())

    def fail(self, out_trade_no: str, out_request_no: str, code: str) -> bool:
        """Marks a refund as refused, with Alipay's word for why."""
        return self._mark(out_trade_no, out_request_no, code[:32])

    def add(self, out_trade_no: str, out_request_no: str, refund_fen: int, status: str) -> None:
        """Adds a refund that the shop did not ask for here: it was made in Alipay's console."""
        self._session.execute(
            insert(self._model).values(
                merchant=self._merchant,
                out_trade_no=out_trade_no,
                out_request_no=out_request_no,
                refund_fen=refund_fen,
                status=status,
                refunded_at=utc_now(),
            )
        )

    def _mark(self, out_trade_no: str, out_request_no: str, status: str, **values: Any) -> bool:
        statement = (
            update(self._model)
            .where(*self._named(out_trade_no, out_request_no), self._model.status != SUCCESS)
            .values(status=status, **values)
        )
        return changed(self._session, statement) == 1

    def _named(self, out_trade_no: str, out_request_no: str) -> tuple[Any, ...]:
        Refund = self._model
        return (
            Refund.merchant == self._merchant,
            Refund.out_trade_no == out_trade_no,
            Refund.out_request_no == out_request_no,
        )

    def _waiting(self, notification: Notification, refund_fen: int) -> str | None:
        Refund = self._model
        return self._session.scalars(
            select(Refund.out_request_no)
            .where(
                Refund.merchant == self._merchant,
                Refund.out_trade_no == notification.out_trade_no,
                Refund.status == PROCESSING,
                Refund.refund_fen == refund_fen,
            )
            .order_by(Refund.id)
            .limit(1)
        ).first()

    def _take(self, out_trade_no: str, refund_fen: int) -> None:
        """Checks what is left of a payment, and holds on to its row until the commit."""
        Payment, Refund = self._payments, self._model
        # An UPDATE that changes nothing locks the row on every database, SQLite's whole file.
        statement = (
            update(Payment)
            .where(
                Payment.merchant == self._merchant,
                Payment.out_trade_no == out_trade_no,
                Payment.paid.is_(True),
                Payment.refunded_fen + refund_fen <= Payment.total_fen,
            )
            .values(refunded_fen=Payment.refunded_fen)
        )
        if changed(self._session, statement) == 1:
            asked = self._session.scalar(
                select(func.coalesce(func.sum(Refund.refund_fen), 0)).where(
                    Refund.merchant == self._merchant,
                    Refund.out_trade_no == out_trade_no,
                    Refund.status == PROCESSING,
                )
            )
            left = self._session.scalar(
                select(Payment.total_fen - Payment.refunded_fen).where(
                    Payment.out_trade_no == out_trade_no
                )
            )
            if int(asked or 0) + refund_fen <= int(left or 0):
                return
        raise InvalidAmount("amount", "is more than is left of what was paid")
