"""The rows of refunds: asked for by the shop or made in Alipay's console, each told once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, cast

from sqlalchemy import Select, select

from ..exceptions import InvalidAmount
from ..models import PaymentMixin, RefundMixin, utc_now
from ..protocol.batch_notification import PENDING_TTL
from ..protocol.notification import Notification
from .session import LedgerSession
from .statements import given, payment_statements
from .tables import columns_of, entity_of

#: Asked for, and not heard of yet.
PROCESSING = "REFUND_PROCESSING"
#: The money went back.
SUCCESS = "REFUND_SUCCESS"
#: The number of what news told in one piece: a close that names neither refund nor amount, or a sum
#: of all refunds that is more than what is known by name.
AGGREGATE_NO = "closed"


class OpenedRefund(NamedTuple):
    """A recorded refund."""

    row: Any
    #: Whether it is to be submitted now: for the first time, or again after a rejection.
    new: bool
    #: Whether it was recorded before.
    known: bool


class RefundLedger:
    """The refunds of one merchant.

    :param session: the application's.
    :param payments: the app's class on :class:`~flask_alipay.PaymentMixin`.
    :param model: the app's class on :class:`~flask_alipay.RefundMixin`.
    :param merchant: the ``app_id`` or ``partner``.
    """

    def __init__(
        self,
        session: LedgerSession,
        payments: type[PaymentMixin],
        model: type[RefundMixin],
        merchant: str,
    ) -> None:
        self._session = session
        self._statements = payment_statements(cast("Any", payments))
        self._model: Any = model
        self._entity: Any = entity_of(cast("Any", model))
        self._merchant = merchant

    def open(
        self,
        out_trade_no: str,
        refund_fen: int,
        out_request_no: str,
        reason: str | None,
        pending_ttl: timedelta | None = PENDING_TTL,
    ) -> OpenedRefund:
        """Writes down that a refund is being asked for; the caller commits before it asks.

        The same number again is the same refund; one that Alipay refused is asked for again.

        :param patience: for how long others whose outcome is unknown hold their money back; without
            it, until they are heard of.
        :raises InvalidAmount: if the payment is not there or not paid, or has less left than that.
        """
        payment, rows = self._lock_all(out_trade_no)
        known = next((row for row in rows if row.out_request_no == out_request_no), None)
        if known is not None and known.refund_fen != refund_fen:
            raise InvalidAmount("amount", "is another than before under the same number")
        if known is not None and known.status in (PROCESSING, SUCCESS):
            return OpenedRefund(known, new=False, known=True)
        asked = sum(row.refund_fen for row in rows if _may_happen(row, pending_ttl))
        if payment is None or not payment.paid or asked + refund_fen > _left(payment):
            raise InvalidAmount("amount", "is more than is left of what was paid")
        if known is not None:
            known.status, known.created_at = PROCESSING, utc_now()  # it is asked for anew
            self._session.session.flush()
            return OpenedRefund(known, new=True, known=True)
        row = self._model(
            merchant=self._merchant,
            out_trade_no=out_trade_no,
            out_request_no=out_request_no,
            refund_fen=refund_fen,
            status=PROCESSING,
            reason=reason,
        )
        self._session.add(row)
        return OpenedRefund(row, new=True, known=False)

    def find_pending(
        self, out_trade_no: str, refund_fen: int, pending_ttl: timedelta | None = None
    ) -> str | None:
        """Returns the number of a refund of that amount whose outcome is unknown.

        :param patience: for how long one is waited for; without it, until it is heard of.
        """
        Refund = self._entity
        conditions: tuple[Any, ...] = (
            Refund.status == PROCESSING,
            Refund.refund_fen == refund_fen,
        )
        if pending_ttl is not None:
            conditions = (*conditions, Refund.created_at > utc_now() - pending_ttl)
        return self._first(out_trade_no, *conditions)

    def find_recent(self, out_trade_no: str, refund_fen: int, since: datetime) -> str | None:
        """Return the number of a refund of that amount that was requested since then and was
        refunded.
        """
        Refund = self._entity
        return self._first(
            out_trade_no,
            Refund.status == SUCCESS,
            Refund.refund_fen == refund_fen,
            Refund.created_at >= since,
        )

    def _first(self, out_trade_no: str, *conditions: Any) -> str | None:
        return next((row.out_request_no for row in self._load(out_trade_no, *conditions)), None)

    def by_number(self, out_trade_no: str) -> dict[str, Any]:
        """Return the refunds of a payment by their numbers, as the database has them now."""
        return {row.out_request_no: row for row in self._load(out_trade_no)}

    def find(self, out_trade_no: str, out_request_no: str) -> Any | None:
        """Return a refund by its number, as the database has it now."""
        named = self._named(out_trade_no, of_out_request_no=out_request_no)
        found = self._session.load(_statements(self._entity).find, self._entity, named)
        return found[0] if found else None

    def record_notified(
        self, notification: Notification, refund_fen: int, refunded_fen: int
    ) -> int:
        """Writes down what a trade's news told of money that went back.

        Where the news names no refund (the legacy gateway's does not), it is the one of that amount
        that was asked for, or all that were asked for, if they come to that amount.

        :param refund_fen: what went back by this news alone.
        :param refunded_fen: all that ever went back, this included.
        :returns: how many refunds that was.
        """
        out_trade_no = notification.out_trade_no
        if notification.out_request_no is None:
            waiting = self._waiting(out_trade_no, refund_fen)
            for row in waiting:
                self.succeed(row, notification.refunded_at)
            if waiting:
                return len(waiting)
        number, at = (
            notification.out_request_no or _number_of(notification),
            notification.refunded_at,
        )
        if self.succeed(self.find(out_trade_no, number), at):
            return 1
        if self._are_under_way(out_trade_no, refund_fen):
            # Perhaps they are in that sum: each is taken out of it when it is heard of.
            self._apply_aggregate(out_trade_no, refund_fen)
            return 1
        if self._is_taken(out_trade_no, number):
            # Refunds without a number of their own are all told under the trade's: the sum of all
            # of them, which only grows, tells them apart.
            number = f"{number[:48]}_{refunded_fen}"
        self.add(out_trade_no, number, refund_fen, at)
        return 1

    def split_aggregate(
        self, rows: Mapping[str, Any], out_request_no: str, refund_fen: int
    ) -> bool:
        """Split a refund from the aggregate of an earlier close, and mark it as done.

        :param rows: the refunds of the payment by their numbers.
        :return: whether the aggregate contained it.
        """
        closed, asked = rows.get(AGGREGATE_NO), rows.get(out_request_no)
        if closed is None or closed.refund_fen < refund_fen:
            return False
        if asked is not None and asked.created_at > closed.created_at:
            return False  # it was requested after that report
        out_trade_no = closed.out_trade_no
        if closed.refund_fen == refund_fen:
            self._session.session.delete(closed)
        else:
            closed.refund_fen -= refund_fen
        self._session.session.flush()
        if not self.succeed(asked):
            self.add(out_trade_no, out_request_no, refund_fen)
        return True

    def apply_notified(
        self, row: Any, rows: Sequence[Any], refund_fen: int, *, whole: bool
    ) -> tuple[int, int]:
        """Writes down the news of a refund that is known by its number.

        The sum of all that came with it may be older or newer than what is known. While others are
        under way it says nothing of them: each is heard of by its own number.

        :param row: the refund.
        :param rows: all of the payment's.
        :param refund_fen: what went back since the last news, by that sum.
        :param whole: whether nothing is left: then all of them are in it.
        :returns: how many refunds that was, and what is missing in the sum, or too much in it.
        """
        number, own = row.out_trade_no, 0
        known, by_number = row.status == SUCCESS, {one.out_request_no: one for one in rows}
        if not (known or self.split_aggregate(by_number, row.out_request_no, row.refund_fen)):
            self.succeed(row)
            own = row.refund_fen
        others = refund_fen - own
        waiting = [one for one in rows if one is not row and one.status == PROCESSING]
        if others <= 0 or (waiting and not whole):
            return int(bool(own)), -others
        return bool(own) + self._cover(number, waiting, others), 0

    def _cover(self, number: str, waiting: Sequence[Any], refund_fen: int) -> int:
        """Writes down what a sum tells of others: those under way, if they come to that amount, or
        one that is not known by name.

        :returns: how many refunds that was.
        """
        if sum(one.refund_fen for one in waiting) == refund_fen:
            for one in waiting:
                self.succeed(one)
            return len(waiting)
        self._apply_aggregate(number, refund_fen)
        return 1

    def _apply_aggregate(self, number: str, refund_fen: int) -> None:
        closed = self.find(number, AGGREGATE_NO)
        if closed is None:
            self.add(number, AGGREGATE_NO, refund_fen)
            return
        closed.refund_fen += refund_fen
        closed.created_at = utc_now()
        self._session.session.flush()

    def succeed(self, row: Any | None, at: datetime | None = None) -> bool:
        """Mark a refund as done.

        :param at: the time of the refund, by default now.
        :return: ``False`` if there is no row, or it is done already.
        """
        return self._mark(row, SUCCESS, refunded_at=at or utc_now())

    def fail(self, row: Any | None, code: str) -> bool:
        """Mark a refund as rejected, with Alipay's code; returns what :meth:`succeed` does."""
        return self._mark(row, code[:32])

    def add(
        self, out_trade_no: str, out_request_no: str, refund_fen: int, at: datetime | None = None
    ) -> None:
        """Adds a refund that was made and not asked for here, but in Alipay's console.

        :param at: when the money went back, by default now. News of it may come a day later, and
            Alipay's bill has it on its own day.
        """
        at = at or utc_now()
        self._session.add(
            self._model(
                merchant=self._merchant,
                out_trade_no=out_trade_no,
                out_request_no=out_request_no,
                refund_fen=refund_fen,
                status=SUCCESS,
                created_at=at,
                refunded_at=at,
            )
        )

    def _mark(self, row: Any | None, status: str, **values: Any) -> bool:
        if row is None or row.status == SUCCESS:
            return False
        for name, value in {"status": status, **values}.items():
            setattr(row, name, value)
        self._session.session.flush()
        return True

    def _is_taken(self, out_trade_no: str, out_request_no: str) -> bool:
        """Tell whether the unique constraint, which compares as the database does, has no room for
        a number.
        """
        column = columns_of(self._entity)
        named = (
            column["out_trade_no"] == out_trade_no,
            column["out_request_no"] == out_request_no,
        )
        found = select(column["id"]).where(*named).limit(1)
        return self._session.execute(found, self._entity).first() is not None

    def _are_under_way(self, out_trade_no: str, below_fen: int) -> bool:
        """Tell whether refunds of less than an amount were requested and are not known yet."""
        Refund = self._entity
        return bool(
            self._first(out_trade_no, Refund.status == PROCESSING, Refund.refund_fen < below_fen)
        )

    def _waiting(self, out_trade_no: str, refund_fen: int) -> list[Any]:
        """Return the refunds that were requested and come to that amount: a single one, or all."""
        waiting = self._load(out_trade_no, self._entity.status == PROCESSING)
        for row in waiting:
            if row.refund_fen == refund_fen:
                return [row]
        return waiting if sum(row.refund_fen for row in waiting) == refund_fen else []

    def lock(self, out_trade_no: str) -> list[Any]:
        """Lock a payment until the commit, and return its refunds as they are then."""
        return self._lock_all(out_trade_no)[1]

    def _lock_all(self, out_trade_no: str) -> tuple[Any | None, list[Any]]:
        payment = self._statements.lock(self._session, self._merchant, out_trade_no)
        # The transaction is the caller's and may have begun before others committed theirs: on
        # MariaDB only a SELECT that locks sees those. It locks these rows and not what their class
        # loads with them, which may not be there.
        rows = _statements(self._entity).lock
        return payment, self._session.load(rows, self._entity, self._named(out_trade_no))

    def _load(self, out_trade_no: str, *conditions: Any) -> list[Any]:
        rows = _statements(self._entity).rows.where(*conditions)
        return self._session.load(rows, self._entity, self._named(out_trade_no))

    def _named(self, out_trade_no: str, **others: str) -> dict[str, str]:
        """Return the parameters of the statements."""
        return {"of_merchant": self._merchant, "of_out_trade_no": out_trade_no, **others}


class _Statements(NamedTuple):
    """The statements of a class of refunds; they load the refunds of one payment."""

    rows: Select[Any]
    #: One refund.
    find: Select[Any]
    #: The same as :attr:`rows`; locks them, too.
    lock: Select[Any]


@lru_cache(maxsize=64)
def _statements(Refund: Any) -> _Statements:  # noqa: N803 - it is a class
    named = (
        given(Refund.merchant, "of_merchant"),
        given(Refund.out_trade_no, "of_out_trade_no"),
    )
    rows = select(Refund).where(*named).order_by(Refund.id)
    one = rows.where(given(Refund.out_request_no, "of_out_request_no"))
    return _Statements(rows, one, rows.with_for_update(of=Refund))


def _number_of(notification: Notification) -> str:
    """A number for a refund that the news has no number for."""
    if notification.refunded_fen is None:
        return AGGREGATE_NO  # without an amount only a close tells of money, and that but once
    # Alipay's numbers of news are longer than those of refunds may be.
    return (notification.notify_id or notification.out_trade_no)[:64]


def _left(payment: Any) -> int:
    left: int = payment.total_fen - payment.refunded_fen
    return left


def _may_happen(row: Any, pending_ttl: timedelta | None) -> bool:
    waited_for = pending_ttl is None or row.created_at > utc_now() - pending_ttl
    return bool(row.status == PROCESSING and waited_for)
